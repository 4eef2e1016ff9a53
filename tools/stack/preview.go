package stack

import (
	"fmt"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/screen"
)

func (a *app) previewCommand() *cobra.Command {
	return a.withDiff(a.onStack(a.preview, &cobra.Command{
		Use:   "preview",
		Short: "Show what up would change",
		Example: `  stack preview
  stack preview --stack dev -- --refresh --expect-no-changes`,
	}))
}

// changing says who is changing an emulated stack; it is empty if nobody is. A backend tells that only to who wants its lock.
func (a *app) changing() (string, error) {
	if !a.stack.Emulated {
		return "", nil
	}
	locks, err := findLocks(a.tools.Path("state"), a.stack.Project, a.stack.Name)
	for _, l := range locks {
		if !l.Stale {
			return l.who(), err
		}
	}
	return a.preparing(), err
}

func (a *app) preview(args []string) error {
	if err := a.prepareFor("preview", false, args); err != nil {
		return a.explainMissing("preview", err)
	}
	a.announce()
	notice := a.hostManagementNotice()
	defer func() {
		if text := <-notice; text != "" {
			a.say("%s", text)
		}
	}()
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	args = append([]string{"preview", "--stack", a.stack.Name}, args...)
	if restarted, err := a.emulatorRestarted(); err != nil {
		return err
	} else if restarted {
		a.say("• the emulator was restarted and has lost the resources of this stack, so the preview compares with what exists (--refresh). %s creates the stack anew, and may refuse what is a warning here", screen.Make(a.stack.Name, "up"))
		args = append(args, "--refresh")
	}
	if a.asPulumi(args) {
		if a.diff {
			args = append(args, "--diff")
		}
		if err := a.pulumi(call{args: args}); err != nil || onlyShows(args) {
			return err
		}
		return a.sayUnapplied()
	}
	r := &screen.Run{Project: a.stack.Project, Stack: a.stack.Name}
	if err := a.watch("preview", call{args: args}, r); err != nil {
		return err
	}
	fmt.Fprint(a.stdout, r.Preview(false))
	if err := a.sayUnapplied(); err != nil {
		return err
	}
	return a.sayNext(r)
}

// sayNext says what comes after a preview.
func (a *app) sayNext(r *screen.Run) error {
	if by, err := a.changing(); err != nil {
		return err
	} else if by != "" {
		a.say("Note: another command is changing the stack %s (%s), and may be about to make these changes.", a.stack.Name, by)
	} else if r.Changes() > 0 {
		a.say("Next: %s applies this; %s shows every property.", screen.Make(a.stack.Name, "up"), screen.Make(a.stack.Name, "preview DIFF=1"))
	} else if r.ChangesOutputs() {
		a.say("Next: %s writes the outputs, which the session commands read.", screen.Make(a.stack.Name, "up"))
	}
	return nil
}
