package stack

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/spf13/cobra"

	"private-ec2-access/config"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

func (a *app) upCommand() *cobra.Command {
	return a.withDiff(a.onStack(a.up, &cobra.Command{
		Use:   "up",
		Short: "Create or update the stack's resources",
		Long: `Create or update the stack's resources.

A stack in an AWS account shows the changes and asks first. CI=true answers yes, and so does -- --yes.`,
		Example: `  stack up                       the stack local, in the emulator
  stack up --stack dev           a stack in an AWS account
  stack up -- --refresh          an argument for pulumi up`,
	}))
}

// withDiff adds the flag --diff to a command.
func (a *app) withDiff(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.diff, "diff", false, "print Pulumi's own output, with every property (make: DIFF=1)")
	return c
}

func (a *app) up(args []string) error {
	if err := a.canConfirm("make up STACK="+a.stack.Name, args); err != nil {
		return err
	}
	defer a.busy("up")()
	if err := a.prepareUpdate(true, args); err != nil {
		return err
	}
	if err := a.apply("up", args); err != nil {
		return err
	}
	return a.afterUpdate()
}

// afterUpdate does and says what Pulumi does not.
func (a *app) afterUpdate() error {
	if err := a.sayProtection(a.before); err != nil {
		return err
	}
	return a.attachProfiles(a.before)
}

// sayProtection says which settings an update has applied that protect from a destroy. They are no properties of resources, so Pulumi
// reports no change.
func (a *app) sayProtection(before *deployment) error {
	missing := a.unapplied(before)
	if missing == nil {
		return nil
	}
	after, err := a.export()
	if err != nil {
		return err
	}
	for _, setting := range missing {
		if !slices.Contains(a.unapplied(after), setting) {
			a.say("Applied %s.", setting)
		}
	}
	return nil
}

// sayUnapplied says before an update what sayProtection says after it.
func (a *app) sayUnapplied() error {
	d, err := a.export()
	if err != nil {
		return err
	}
	for _, setting := range a.unapplied(d) {
		if setting == "keepRecords: auto" && d.values().RestoreSessionDocument != "" { // with an adopted document, auto keeps the session logs
			continue
		}
		a.say("Not applied yet: %s. No resource changes by it, so it is not listed. Next: %s applies it.", setting, screen.Make(a.stack.Name, "up"))
	}
	return nil
}

// unapplied lists the settings that protect from a destroy, as far as the resources do not have them yet.
func (a *app) unapplied(d *deployment) (settings []string) {
	c := a.stack.protection()
	differs := func(r apitype.ResourceV3) bool {
		return r.Protect != (c.KeepRecords == config.Refuse) || r.RetainOnDelete != c.KeepsRecords()
	}
	if d.with(differs, bucketType, logGroupType, keyType) != nil {
		settings = append(settings, "keepRecords: "+string(c.KeepRecords))
	}
	if d.with(func(r apitype.ResourceV3) bool { return r.Protect != a.stack.ProtectEndpoints }, endpointType) != nil {
		settings = append(settings, fmt.Sprintf("endpoints.protect: %t", a.stack.ProtectEndpoints))
	}
	return settings
}

// change returns a call of up or destroy with Pulumi's own output, which asks on the terminal unless the changes are confirmed already.
func (a *app) change(command string, args []string) call {
	c := call{args: append([]string{command, "--stack", a.stack.Name}, args...)}
	switch {
	case hasYes(args) || onlyShows(args): // no flag more
	case !a.stack.ConfirmChanges:
		c.args = append(c.args, "--yes", "--skip-preview")
	case command == "up" && os.Getenv("CI") == "true":
		c.args = append(c.args, "--diff", "--yes")
	case command == "up":
		c.args, c.ask = append(c.args, "--diff"), true
	default:
		c.ask = true
	}
	if a.diff && !slices.Contains(c.args, "--diff") {
		c.args = append(c.args, "--diff")
	}
	return c
}

// given returns the argument for pulumi that switches one of some flags on, "" if there is none.
func given(args []string, flags ...string) string {
	for _, arg := range args {
		if name, value, _ := strings.Cut(arg, "="); slices.Contains(flags, name) && value != "false" {
			return arg
		}
	}
	return ""
}

// onlyShows reports whether pulumi destroy changes nothing with these arguments.
func onlyShows(args []string) bool { return given(args, "--help", "-h", "--preview-only") != "" }

func hasYes(args []string) bool {
	return slices.Contains(args, "--yes") || slices.Contains(args, "-y")
}

// checkArguments fails before anything is asked or changed if Pulumi does not know a flag. With --help it only reads them.
func (a *app) checkArguments(command string, args []string) error {
	if len(args) == 0 || len(args) == 1 && hasYes(args) {
		return nil
	}
	var said strings.Builder
	if err := a.pulumi(call{args: append(append([]string{command}, args...), "--help"), stdout: io.Discard, stderr: &said}); err != nil {
		return process.Usagef("ARGS: Pulumi does not take %s: %s. Nothing was done.\n  To list the flags:\n    %s\n    pulumi %s --help",
			strings.Join(args, " "), strings.TrimPrefix(strings.TrimSpace(said.String()), "error: "), screen.Environment(a.stack.Name), command)
	}
	return nil
}

// canConfirm fails before anything is changed if the changes have to be confirmed and there is nobody to ask. CI=true
// confirms an up, but not a destroy: a pipeline must not delete an account's access. Again is the command as it was given, without DIFF
// and ARGS.
func (a *app) canConfirm(again string, args []string) error {
	command := strings.Fields(again)[1]
	if !a.stack.ConfirmChanges || hasYes(args) || onlyShows(args) || process.IsTerminal(os.Stdin) || command != "destroy" && os.Getenv("CI") == "true" {
		return nil
	}
	if a.diff {
		again += " DIFF=1"
	}
	yes := "--yes"
	if len(args) > 0 {
		yes = "'" + strings.Join(args, " ") + " --yes'"
	}
	return fmt.Errorf("changes of the stack %s have to be confirmed, but there is no terminal to ask on. Nothing was changed.\n"+
		"  Fix: run it in a terminal. If you have read the preview: %s ARGS=%s. To stop asking: set %s:confirmChanges to false in %s",
		a.stack.Name, again, yes, a.stack.Project, filepath.Base(a.stack.File()))
}
