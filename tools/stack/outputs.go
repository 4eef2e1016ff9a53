package stack

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
)

func (a *app) outputsCommand() *cobra.Command {
	return a.onStack(a.outputs, &cobra.Command{
		Use:     "outputs",
		Short:   "Print the stack's outputs as JSON",
		Example: "  stack outputs --stack dev | jq .instanceIds",
	})
}

// outputs prints nothing but JSON on standard output. It needs neither an emulator nor a plugin.
func (a *app) outputs(args []string) error {
	if a.stack.Emulated && !a.exists() {
		return a.notDeployed()
	}
	return a.locked(func() (err error) {
		if a.cli, err = a.tools.EnsureReal(); err != nil {
			return err
		}
		if !a.stack.Emulated {
			a.env = RealEnvironment(a.tools, a.cli, a.environ)
			if err := a.loggedIn(); err != nil {
				return err
			}
		} else if err = a.emulatedEnvironment(); err != nil {
			return err
		}
		if running, runs := newEmulator(a.tools, a.say).Running(); a.stack.Emulated && (!runs || !a.deployedTo(running)) {
			if d, err := a.export(); err == nil && d.cloudResources() > 0 {
				a.say("Note: the emulator that had these resources was stopped, so they are lost. Next: %s", screen.Make(a.stack.Name, "up"))
			}
		}
		return a.printOutputs(args)
	})
}

func (a *app) printOutputs(args []string) error {
	if len(args) > 0 {
		return a.onExisting(call{args: append([]string{"stack", "output", "--json", "--stack", a.stack.Name}, args...), stdout: pipe{a.stdout}})
	}
	text, err := a.deployedOutputs()
	if err == nil && strings.TrimSpace(text) == "{}" {
		err = sessions.NoOutputs(a.stack.Name)
	}
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, text)
	return nil
}
