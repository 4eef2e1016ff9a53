package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/sessions"
)

func (a *app) sessionCommands() []*cobra.Command {
	return sessions.Commands(a.sessionSetting, a.completeInstances())
}

// completeInstances completes the names of the instances in the config, which costs no look-up in the account.
func (a *app) completeInstances() cobra.CompletionFunc {
	return complete(func() ([]string, error) {
		root, err := findProject()
		if err != nil {
			return nil, err
		}
		s, err := Load(root, a.name)
		if err != nil {
			return nil, err
		}
		return s.Instances, nil
	})
}

// sessionSetting gives the commands about sessions the stack's outputs and environment. With a file of the outputs it needs
// neither the stack's config nor its state.
func (a *app) sessionSetting(outputs string) (s sessions.Setting, err error) {
	if outputs != "" {
		if err := a.refuseOutputs(outputs); err != nil {
			return s, err
		}
		return sessions.Setting{
			Stack: a.name, Environ: a.environ, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
			Outputs: func() (string, error) { return sessions.ReadOutputs(outputs, a.name) },
		}, nil
	}
	if err := a.openStack(); err != nil {
		return s, err
	}
	if a.stack.Emulated && !a.exists() {
		return s, a.notDeployed()
	}
	if err := a.prepareTools(); err != nil {
		return s, err
	}
	if err := a.signIn(); err != nil {
		return s, err
	}
	if err := a.loggedIn(); err != nil {
		return s, err
	}
	if restarted, err := a.emulatorRestarted(); err != nil {
		return s, err
	} else if restarted {
		return s, a.lost()
	}
	return a.setting(), nil
}

// refuseOutputs refuses a file of outputs where the caller's own credentials, by which it is read, are not those of the
// stack: AWS would be asked about a stack in the emulator, or the emulator about a stack in an AWS account. Who has no config
// file of the stack may have the outputs.
func (a *app) refuseOutputs(file string) error {
	if a.openProject() != nil {
		return nil
	}
	s, err := Load(a.root, a.name)
	switch {
	case err != nil:
		return nil
	case !s.Emulated:
		return RefuseLeak(s, a.tools, a.environ)
	case isLoopback(process.Variable(a.environ, "AWS_ENDPOINT_URL")):
		return nil
	}
	return process.Usagef("OUTPUTS=%s: the stack %s is in the local emulator, and with OUTPUTS your own credentials are used. Nothing was asked.\n"+
		"  Fix: leave out OUTPUTS; or name the stack in an AWS account, as in: make audit STACK=dev OUTPUTS=%[1]s", file, s.Name)
}

// setting is that of a stack for which everything is prepared.
func (a *app) setting() sessions.Setting {
	s := sessions.Setting{
		Stack: a.stack.Name, Emulated: a.stack.Emulated, Environ: a.awsEnviron(),
		Outputs:  a.deployedOutputs,
		Deployed: a.deployed,
		In:       os.Stdin, Out: os.Stdout, Err: os.Stderr,
	}
	if a.me != nil {
		s.Identity, s.Where = a.me.Identity, a.me.text
	}
	if a.stack.Emulated {
		s.Plugin = func() error { _, err := a.ensureSessionPlugin(); return err }
	} else {
		s.OfferedPlugin = `make plugin builds one from its source; then export PATH="$PATH:$PWD/.local/bin"`
	}
	return s
}

// deployedOutputs are the stack's outputs as JSON. The first update writes them at its end.
func (a *app) deployedOutputs() (string, error) {
	text, err := a.read("stack", "output", "--json", "--stack", a.stack.Name)
	if err != nil || strings.TrimSpace(text) != "{}" {
		if err == nil && a.stack.Emulated { // an update that began after make down, and failed, has left the outputs of before
			var d *deployment
			if d, err = a.export(); err == nil && d.cloudResources() == 0 {
				err = sessions.NotDeployed{Stack: a.stack.Name, Problem: fmt.Sprintf("the stack %s has no AWS resources: the emulator was restarted and has lost them", a.stack.Name)}
			}
		}
		return text, err
	}
	by, err := a.changing()
	if err == nil && by != "" {
		return "", sessions.NotDeployed{Stack: a.stack.Name, Fix: "wait for it, and run this again",
			Problem: fmt.Sprintf("another command is changing the stack %s (%s), which has no outputs yet", a.stack.Name, by)}
	}
	return text, err
}

// deployed says in a few words what is deployed.
func (a *app) deployed() (string, error) {
	d, err := a.export()
	if err != nil {
		return "", err
	}
	by, err := a.changing()
	if err != nil {
		return "", err
	}
	last, err := a.lastChange(d)
	text := d.summary(a.stack, by, last)
	if err != nil { // what Pulumi says of it is printed already
		text += ". Whether the last change was finished is unknown"
	}
	return text, nil
}

// entry is one of the history of a stack.
type entry struct {
	Result  string         `json:"result"`
	EndTime time.Time      `json:"endTime"`
	Changes map[string]int `json:"resourceChanges"`
}

// failed reports whether the command was cancelled or has failed.
func (e entry) failed() bool { return e.Result == "failed" }

// refused reports whether the command failed without leaving anything unfinished: the program stopped before it registered a
// resource, because of mistakes in the config, or all resources are as they were.
func (e entry) refused(d *deployment) bool {
	return e.failed() && len(e.Changes) == 1 && (e.Changes["same"] == 1 || e.Changes["same"] == d.registered())
}

// changed reports whether the command changed a resource.
func (e entry) changed() bool {
	return len(e.Changes) > 0 && (len(e.Changes) > 1 || e.Changes["same"] == 0)
}

// lastChange is the last command that changed the stack, or tried to. The state does not have its result. It has the time of
// the last one that changed a resource.
func (a *app) lastChange(d *deployment) (last entry, err error) {
	text, err := a.read("stack", "history", "--json", "--page-size", "20", "--stack", a.stack.Name)
	if err != nil {
		return last, err
	}
	var all []entry
	if err := json.Unmarshal([]byte(cmp.Or(strings.TrimSpace(text), "[]")), &all); err != nil {
		return last, fmt.Errorf("cannot read the history of the stack %s: %w", a.stack.Name, err)
	}
	if at := slices.IndexFunc(all, func(e entry) bool { return !e.refused(d) }); at >= 0 {
		last = all[at]
		last.EndTime = time.Time{}
	}
	if at := slices.IndexFunc(all, entry.changed); at >= 0 {
		last.EndTime = all[at].EndTime
	}
	return last, nil
}

func (a *app) ensureSessionPlugin() (path string, err error) {
	err = a.locked(func() error {
		path, err = a.tools.EnsureSessionPlugin()
		return err
	})
	return path, err
}

func (a *app) pluginCommand() *cobra.Command {
	return a.onProject(func() error {
		path, err := a.ensureSessionPlugin()
		if err == nil {
			fmt.Fprintln(a.stdout, path)
		}
		return err
	}, &cobra.Command{
		Use:   "plugin",
		Short: "Build the session-manager-plugin from its source if none is installed",
		Long: `Build the AWS CLI's session-manager-plugin from its source if none is installed, and print its path. The stack local uses it
by itself; for an AWS account, put its folder on PATH.`,
	})
}
