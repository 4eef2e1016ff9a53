package stack

import "github.com/spf13/cobra"

func (a *app) previewCommand() *cobra.Command {
	return a.onStack(a.preview, &cobra.Command{
		Use:   "preview",
		Short: "Show what up would change",
		Example: `  stack preview
  stack preview --stack dev -- --refresh --expect-no-changes`,
	})
}

func (a *app) preview(args []string) error {
	if err := a.prepare(false); err != nil {
		return err
	}
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	args = append([]string{"preview", "--stack", a.stack.Name, "--diff"}, args...)
	if restarted, err := a.emulatorRestarted(); err != nil {
		return err
	} else if restarted {
		a.say("• the emulator was restarted and has lost the resources of this stack, so the preview compares with what exists (--refresh)")
		args = append(args, "--refresh")
	}
	return a.pulumi(call{args: args})
}
