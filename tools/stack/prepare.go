package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"
	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
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
func (a *app) prepare(create bool) error { return a.prepareFor("", create, nil) }

// prepareFor also checks the arguments for a command of Pulumi, before the stack is created.
func (a *app) prepareFor(command string, create bool, args []string) error {
	if err := a.prepareTools(); err != nil {
		return err
	}
	if err := a.checkArguments(command, args); err != nil {
		return err
	}
	if err := a.signIn(); err != nil {
		return err
	}
	if err := a.loggedIn(); err != nil {
		return err
	}
	return a.selectStack(create)
}

// selectStack creates the stack if it does not exist and may be created.
func (a *app) selectStack(create bool) error {
	c := call{args: []string{"stack", "select", a.stack.Name}, stdout: pipe{a.stderr}}
	if a.stack.Emulated {
		return a.locked(func() error {
			if err := a.createStack(c); err != nil {
				return err
			}
			return a.addSalt()
		})
	}
	find := a.onExisting
	if create {
		c.stderr, find = io.Discard, a.pulumi // the next call repeats any other error
	}
	err := find(c)
	switch {
	case err == nil:
		if err := a.askPassphrase(false); err != nil {
			return err
		}
		return a.addSalt()
	case !create:
		return err
	}
	if err = a.askPassphrase(true); err == nil {
		err = a.locked(func() error { return a.createStack(c) })
	}
	return err
}

// createStack creates the stack, unless it exists, and selects it. Another command may create it at the same moment, which Pulumi
// takes for a failure.
func (a *app) createStack(selecting call) error {
	creating := selecting
	creating.args = append(slices.Clone(selecting.args), "--create")
	return a.keepingText(func() error {
		said, err := a.reading(creating)
		if err != nil && strings.Contains(said, "already exists") {
			said, err = a.reading(selecting)
		}
		fmt.Fprint(a.stderr, said)
		return err
	})
}

// addSalt gives the file of a stack that exists the line encryptionsalt, if it was lost. Pulumi would write it, with the rest of
// the file as YAML reads it, before the program can report what that changes. What Pulumi refuses here, it refuses later.
func (a *app) addSalt() error {
	var own, written secrets
	if err := readYAML(a.stack.File(), &own); err != nil {
		return err
	}
	if own.Salt != "" || a.keepsSecrets || own.Provider != "" && own.Provider != "passphrase" {
		return nil
	}
	folder, err := os.MkdirTemp("", "salt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "Pulumi.yaml")
	if err := os.WriteFile(file, []byte("config: {}\n"), 0o600); err != nil {
		return err
	}
	set := []string{"config", "set", "--stack", a.stack.Name, "--config-file", file, "--secret", a.stack.Project + ":any", "text"}
	if a.pulumi(call{args: set, stdout: io.Discard, stderr: io.Discard}) != nil || readYAML(file, &written) != nil || written.Salt == "" {
		return nil
	}
	before, err := os.ReadFile(a.stack.File())
	if err != nil {
		return err
	}
	a.say("Note: %s had no line encryptionsalt, without which Pulumi does not read the stack. It has a new one.", filepath.Base(a.stack.File()))
	return os.WriteFile(a.stack.File(), []byte(strings.TrimSuffix(string(before), "\n")+"\nencryptionsalt: "+written.Salt+"\n"), 0o644)
}

// keepingText runs a step in which Pulumi writes the stack's file only to add how it encrypts secrets. Pulumi would write every
// value as YAML reads it, 83 instead of 0123, and the program could not report that any more.
func (a *app) keepingText(step func() error) error {
	before, err := os.ReadFile(a.stack.File())
	if err != nil {
		return err
	}
	if err := step(); err != nil {
		return err
	}
	var own, written secrets
	if err := errors.Join(yaml.Unmarshal(before, &own), readYAML(a.stack.File(), &written)); err != nil || own == written {
		return err
	}
	text := strings.TrimSuffix(string(before), "\n") + "\n"
	for _, line := range [][3]string{{"secretsprovider", own.Provider, written.Provider}, {"encryptedkey", own.Key, written.Key}, {"encryptionsalt", own.Salt, written.Salt}} {
		if line[1] == "" && line[2] != "" {
			text += line[0] + ": " + line[2] + "\n"
		}
	}
	own = secrets{}
	if yaml.Unmarshal([]byte(text), &own) != nil || own != written {
		return nil // something else than an addition: as Pulumi wrote it
	}
	return os.WriteFile(a.stack.File(), []byte(text), 0o644)
}

// secrets is what a stack's file says of how Pulumi encrypts the stack's secrets.
type secrets struct {
	Provider string `yaml:"secretsprovider"`
	Key      string `yaml:"encryptedkey"`
	Salt     string `yaml:"encryptionsalt"`
}

// ofOneStack matches the lines of a stack's file that a copy for another stack must not have.
const ofOneStack = "^(encryptionsalt|encryptedkey|secretsprovider):"

// copyCommand copies a stack's file for a new stack.
func copyCommand(from, to string) string {
	return fmt.Sprintf("grep -vE '%s' Pulumi.%s.yaml > Pulumi.%s.yaml", ofOneStack, from, to)
}

// askPassphrase asks once for the passphrase by which Pulumi encrypts the stack's secrets, if it does. Pulumi would ask for it
// without saying what it is for, and what it prints later goes to a log.
func (a *app) askPassphrase(isNew bool) error {
	var own secrets
	if err := readYAML(a.stack.File(), &own); err != nil {
		return err
	}
	if own.Salt == "" && (a.keepsSecrets || own.Provider != "" && own.Provider != "passphrase") {
		return nil
	}
	if isNew && own.Salt != "" {
		a.sayCopied(own.Salt)
	}
	for _, entry := range a.env.Apply(a.environ) {
		if name, _, _ := strings.Cut(entry, "="); name == "PULUMI_CONFIG_PASSPHRASE" || name == "PULUMI_CONFIG_PASSPHRASE_FILE" {
			return nil
		}
	}
	if !process.IsTerminal(os.Stdin) {
		return fmt.Errorf("the stack %s has a passphrase, by which Pulumi encrypts secrets, and there is no terminal on which to type it. Nothing was changed.\n"+
			"  Fix (here for an empty one; or name a file in PULUMI_CONFIG_PASSPHRASE_FILE):\n    export PULUMI_CONFIG_PASSPHRASE=''", a.stack.Name)
	}
	choose := "If it was created with an empty one, press Enter."
	if isNew && own.Salt == "" {
		choose = "The program has no secrets, so an empty one is enough: press Enter."
	}
	a.say("Pulumi encrypts secrets in the config and the state of the stack %s with a passphrase. %s\n"+
		"To avoid this question, set it beforehand (here to an empty one), or name a file in PULUMI_CONFIG_PASSPHRASE_FILE:\n"+
		"    export PULUMI_CONFIG_PASSPHRASE=''", a.stack.Name, choose)
	passphrase, err := a.readPassphrase("Passphrase of the stack " + a.stack.Name + ": ")
	if err == nil && passphrase != "" && isNew && own.Salt == "" {
		var again string
		if again, err = a.readPassphrase("Again: "); err == nil && again != passphrase {
			return errors.New("the passphrases differ. Nothing was created. Fix: run the command again")
		}
	}
	if err == nil {
		a.env.set("PULUMI_CONFIG_PASSPHRASE", passphrase)
	}
	return err
}

func (a *app) readPassphrase(prompt string) (string, error) {
	fmt.Fprint(a.stderr, prompt)
	passphrase, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(a.stderr)
	return string(passphrase), err
}

// sayCopied says that a new stack's file is a copy, which has the other stack's passphrase.
func (a *app) sayCopied(salt string) {
	for _, name := range stacksIn(a.root) {
		var other secrets
		if name == a.stack.Short() || readYAML(filepath.Join(a.root, "Pulumi."+name+".yaml"), &other) != nil || other.Salt != salt {
			continue
		}
		file := filepath.Base(a.stack.File())
		a.say("Note: the line encryptionsalt in %[1]s is that of Pulumi.%[2]s.yaml, so Pulumi accepts only the passphrase of the stack %[2]s\n"+
			"  (\"incorrect passphrase\" with another one). To give the stack %[3]s a passphrase of its own, remove the line:\n"+
			"    sed -i.bak -E '/%[4]s/d' %[1]s && rm %[1]s.bak", file, name, a.stack.Name, ofOneStack)
		return
	}
}

// prepareUpdate also checks the arguments for pulumi up, compiles the program and repairs what a killed command left.
func (a *app) prepareUpdate(create bool, args []string) error {
	if err := a.prepareFor("up", create, args); err != nil {
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
	var backend strings.Builder
	err := a.pulumi(call{args: []string{"whoami", "--json"}, stdout: &backend, stderr: &said})
	if err == nil {
		var answer struct{ URL string }
		_ = json.Unmarshal([]byte(backend.String()), &answer) // it is read for the question about the passphrase only
		a.keepsSecrets = answer.URL == "" || strings.HasPrefix(answer.URL, "http")
		if organization, _, is := strings.Cut(a.stack.Name, "/"); is && !a.keepsSecrets && organization != "organization" {
			return fmt.Errorf("the stack %s belongs to an organization in Pulumi Cloud, but you are logged in to %s, which has no organizations. Nothing was changed.\n"+
				"  Fix: use STACK=%s; or:\n    %s\n    pulumi login", a.stack.Name, answer.URL, a.stack.Short(), screen.Environment(a.stack.Name))
		}
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
	if strings.Contains(cause, `state directory "file://`) {
		return fmt.Errorf("the folder that keeps this stack's state cannot be read. Nothing was changed.\n  Pulumi: %s\n"+
			"  Fix: mount or create it, with access for you; or log in to the backend that has the stack %s:\n%s    pulumi login s3://BUCKET        # to a bucket of yours (docs/team.md)",
			cause, a.stack.Name, environment)
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
