package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"private-ec2-access/tools/process"
)

// locked runs one step while no other command of this checkout prepares the toolchain or the emulator.
func (a *app) locked(step func() error) error {
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	return step()
}

// prepare gets everything ready for Pulumi: tools, the emulator of an emulated stack, the environment, and the stack
// selected. An emulated stack that does not exist is created. A stack on an AWS account is created only if the command
// asks for it, because its backend may be shared.
func (a *app) prepare(create bool) error {
	if err := a.prepareTools(); err != nil {
		return err
	}
	if err := a.signIn(); err != nil {
		return err
	}
	if err := a.loggedIn(); err != nil {
		return err
	}
	// The secrets provider of a stack on an AWS account may have to ask for a passphrase.
	c := call{args: []string{"stack", "select", a.stack.Name}, stdout: a.stderr, ask: !a.stack.Emulated && process.IsTerminal(os.Stdin)}
	if !c.ask {
		c.stdout = pipe{a.stderr}
	}
	if create || a.stack.Emulated {
		c.args = append(c.args, "--create")
	}
	err := a.pulumi(c)
	if err != nil && !create && !a.stack.Emulated {
		a.say("If the stack does not exist yet, make up STACK=%s creates it.", a.stack.Name)
	}
	if err == nil {
		err = a.askPassphrase()
	}
	return err
}

// askPassphrase asks once for the passphrase of a stack that keeps its secrets by one. What Pulumi prints goes to a log from
// here on, so its own question would not be seen.
func (a *app) askPassphrase() error {
	var file struct {
		Salt string `yaml:"encryptionsalt"`
	}
	if err := readYAML(a.stack.File(), &file); err != nil || file.Salt == "" || !process.IsTerminal(os.Stdin) {
		return err
	}
	for _, entry := range a.env.Apply(a.environ) {
		if name, _, _ := strings.Cut(entry, "="); name == "PULUMI_CONFIG_PASSPHRASE" || name == "PULUMI_CONFIG_PASSPHRASE_FILE" {
			return nil
		}
	}
	fmt.Fprintf(a.stderr, "Passphrase of the stack %s (PULUMI_CONFIG_PASSPHRASE is not set): ", a.stack.Name)
	passphrase, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(a.stderr)
	if err == nil {
		a.env.set("PULUMI_CONFIG_PASSPHRASE", string(passphrase))
	}
	return err
}

// prepareUpdate also compiles the program and repairs what a killed command left.
func (a *app) prepareUpdate(create bool) error {
	if err := a.prepare(create); err != nil {
		return err
	}
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	return a.repair()
}

// loggedIn fails if nobody is logged in to a backend, or if it does not answer. Without a terminal Pulumi would ask for an access
// token, which is one way of several.
func (a *app) loggedIn() error {
	if a.stack.Emulated {
		return nil // its backend is a folder
	}
	var said strings.Builder
	err := a.pulumi(call{args: []string{"whoami"}, stdout: io.Discard, stderr: &said})
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	cause := strings.TrimPrefix(lines[len(lines)-1], "error: ")
	environment := "    eval \"$(make -s env STACK=" + a.stack.Name + ")\"\n"
	if strings.Contains(cause, "must be set for login") {
		return errors.New("you are not logged in to a backend, which keeps this stack's state. Nothing was changed.\n  Fix:\n" + environment +
			"    pulumi login                    # to Pulumi Cloud\n" +
			"    pulumi login s3://BUCKET        # to a bucket of yours (docs/team.md)")
	}
	return fmt.Errorf("the backend that keeps this stack's state does not answer. Nothing was changed.\n  Pulumi: %s\n"+
		"  Fix: check the network, HTTPS_PROXY and your credentials for the backend. Afterwards this prints your user name:\n%s    pulumi whoami", cause, environment)
}

func (a *app) prepareTools() error {
	return a.locked(func() (err error) {
		if !a.stack.Emulated {
			if a.cli, err = a.tools.EnsureReal(); err == nil {
				a.env = RealEnvironment(a.tools, a.cli, a.environ)
				a.env.set("PULUMI_STACK", a.stack.Name)
			}
			return err
		}
		emulator := newEmulator(a.tools, a.say)
		running, ok := emulator.Running()
		tools, err := a.tools.EnsureEmulated(!ok)
		if err != nil {
			return err
		}
		a.cli = tools.CLI
		if !ok {
			if running, err = emulator.Start(a.tools.Emulator(), tools.Python); err != nil {
				return err
			}
		}
		a.emulator = running
		return a.emulatedEnvironment()
	})
}

// emulatedEnvironment also creates the folders and files that the environment names.
func (a *app) emulatedEnvironment() error {
	if err := os.MkdirAll(a.tools.Path("state"), 0o700); err != nil {
		return err
	}
	if err := a.writeTerraformConfig(); err != nil {
		return err
	}
	a.env = EmulatedEnvironment(a.stack, a.tools, a.cli, a.emulator, a.environ)
	a.env.set("PULUMI_STACK", a.stack.Name)
	return nil
}

// writeTerraformConfig writes the file that TF_CLI_CONFIG_FILE names.
func (a *app) writeTerraformConfig() error {
	content := "# The Terraform provider reads this file instead of the user's own. It sets nothing.\n"
	return os.WriteFile(a.tools.Path("terraform.tfrc"), []byte(content), 0o644)
}
