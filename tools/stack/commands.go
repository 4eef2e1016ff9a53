package stack

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"private-ec2-access/tools/sessions"
	"private-ec2-access/tools/toolchain"
)

const usage = `usage: stack [-stack NAME] COMMAND [arguments for pulumi]
       stack [-stack NAME] wait|connect|history|record|end|verify [flags; -h lists them]

  up         bring the stack up, or up to date
  preview    show what up would change
  destroy    delete everything the stack made
  outputs    print the stack's outputs as JSON
  env        print the environment of the stack, for: eval "$(make -s env)"
  wait       until the instances are online in Systems Manager, or say what is missing
  connect    open a session
  history    list sessions
  record     print the record of one session
  end        end sessions
  verify     prove that a session is recorded
  upgrade    NAME: pin the newest image of one instance, and bring the stack up
  plugin     build the session-manager-plugin from its source, if none is installed
  down       stop the emulated AWS
  clean      stop the emulated AWS and delete .local
  testenv    print the environment that the tests need

What kind of stack it is, emulated or on a real account, is said by PROJECT:emulated in Pulumi.NAME.yaml.
`

// app is one run of the command.
type app struct {
	root           string
	stdout, stderr io.Writer
	environ        []string

	tools *toolchain.Toolchain
	stack *Stack
	cli   toolchain.CLI
	env   *Environment
	// emulator is the running one, on an emulated stack.
	emulator Running
	// sweep deletes what the state, as exported, does not know of the stack's resources in the emulated account.
	sweep func(state string) ([]leftover, error)
	// useNewest lets sessions use the newest version of the session document, if that is the stack's, and reports whether
	// they did not.
	useNewest func() (bool, error)
}

// Main runs the command and returns its exit code.
func Main(args []string) int {
	flags := flag.NewFlagSet("stack", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("stack", "local", "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() == 0 || flags.Arg(0) == "help" {
		fmt.Fprint(os.Stdout, usage)
		return 0
	}
	err := run(flags.Arg(0), *name, flags.Args()[1:])
	if err == nil {
		return 0
	}
	if flags.Arg(0) == "env" || flags.Arg(0) == "testenv" {
		fmt.Println("false") // So that eval "$(make -s env)" fails as well.
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	return 1
}

func run(command, name string, args []string) error {
	commands := map[string]func(*app, []string) error{
		"up": (*app).up, "preview": (*app).preview, "destroy": (*app).destroy, "outputs": (*app).outputs,
		"env": (*app).printEnvironment, "upgrade": (*app).upgrade,
	}
	for _, name := range sessions.Names {
		commands[name] = func(a *app, args []string) error { return a.sessions(name, args) }
	}
	projectCommands := map[string]func(*app) error{"down": (*app).down, "clean": (*app).clean, "testenv": (*app).testEnvironment, "plugin": (*app).printSessionPlugin}
	onStack, onProject := commands[command], projectCommands[command]
	if onStack == nil && onProject == nil {
		return fmt.Errorf("there is no command %q\n%s", command, usage)
	}
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := FindRoot(folder)
	if err != nil {
		return err
	}
	a := &app{root: root, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), tools: toolchain.New(root, os.Stderr)}
	a.sweep, a.useNewest = a.sweepAccount, a.useNewestInAccount
	if onProject != nil {
		return onProject(a)
	}
	if a.stack, err = Load(root, name); err != nil {
		return err
	}
	if err := RefuseLeak(a.stack, a.tools, a.environ); err != nil {
		return err
	}
	return onStack(a, args)
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// prepare makes everything ready for Pulumi: tools, for an emulated stack the emulator, the environment, and the stack
// selected. An emulated stack is created if it does not exist; one on a real account only by the commands that ask for it,
// because its backend may be shared.
func (a *app) prepare(create bool) error {
	if err := a.prepareTools(); err != nil {
		return err
	}
	if err := a.loggedIn(); err != nil {
		return err
	}
	// A real stack's secrets provider may have to ask for a passphrase.
	c := call{args: []string{"stack", "select", a.stack.Name}, stdout: a.stderr, ask: !a.stack.Emulated && isTerminal(os.Stdin)}
	if create || a.stack.Emulated {
		c.args = append(c.args, "--create")
	}
	err := a.pulumi(c)
	if err != nil && !create && !a.stack.Emulated {
		a.say("If there is no such stack yet: make up STACK=%s creates it.", a.stack.Name)
	}
	return err
}

// loggedIn fails if nobody is logged in to a backend: without a terminal Pulumi would ask for an access token, which is
// one way of several.
func (a *app) loggedIn() error {
	if a.stack.Emulated {
		return nil // its backend is a folder
	}
	if err := a.pulumi(call{args: []string{"whoami"}, stdout: io.Discard, stderr: io.Discard}); err == nil {
		return nil
	}
	return errors.New("nobody is logged in to where the state of this stack is kept, or it does not answer. Nothing was changed.\n" +
		"    eval \"$(make -s env STACK=" + a.stack.Name + ")\"\n" +
		"    pulumi login                    to Pulumi Cloud\n" +
		"    pulumi login s3://BUCKET        to a bucket of yours (docs/team.md)\n" +
		"  and then `pulumi whoami` says who you are there, or what is wrong")
}

func (a *app) prepareTools() error {
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if !a.stack.Emulated {
		if a.cli, err = a.tools.EnsureReal(); err != nil {
			return err
		}
		a.env = RealEnvironment(a.tools, a.cli, a.environ)
		a.env.set("PULUMI_STACK", a.stack.Name)
		return nil
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
}

// emulatedEnvironment also makes the folders and files that the environment names.
func (a *app) emulatedEnvironment() error {
	if err := os.MkdirAll(a.tools.Path("state"), 0o755); err != nil {
		return err
	}
	if err := a.writeTerraformConfig(); err != nil {
		return err
	}
	a.env = EmulatedEnvironment(a.stack, a.tools, a.cli, a.emulator.URL, a.environ)
	a.env.set("PULUMI_STACK", a.stack.Name)
	return nil
}

// writeTerraformConfig writes what TF_CLI_CONFIG_FILE names.
func (a *app) writeTerraformConfig() error {
	content := "# The Terraform provider reads this file in place of the user's own. It changes nothing.\n"
	return os.WriteFile(a.tools.Path("terraform.tfrc"), []byte(content), 0o644)
}

func (a *app) up(args []string) error {
	if err := a.canConfirm("up", args); err != nil {
		return err
	}
	if err := a.prepare(true); err != nil {
		return err
	}
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	if err := a.repair(); err != nil {
		return err
	}
	return a.pulumiUp(args)
}

func (a *app) pulumiUp(args []string) error {
	c := call{args: append([]string{"up", "--stack", a.stack.Name}, args...)}
	switch {
	case saysYes(args):
	case !a.stack.ConfirmChanges:
		c.args = append(c.args, "--yes", "--skip-preview")
	case os.Getenv("CI") == "true":
		c.args = append(c.args, "--diff", "--yes")
	default:
		c.args, c.ask = append(c.args, "--diff"), true
	}
	err := a.pulumi(c)
	var exit *ExitError
	switch {
	case err == nil || !a.stack.Emulated:
	case errors.As(err, &exit) && exit.Code > 128: // by a signal
		a.say("The next make up goes on from there.")
	default:
		a.say("What is wrong stands above, under Diagnostics. Only if it is the emulated AWS itself: make down, then make up, begins anew with an empty one.")
	}
	return err
}

func saysYes(args []string) bool {
	return slices.Contains(args, "--yes") || slices.Contains(args, "-y")
}

// canConfirm fails, before anything is done, if the changes want to be confirmed and nobody can be asked. CI=true
// confirms an up, but not a destroy: nobody deletes an account's access by running a pipeline.
func (a *app) canConfirm(command string, args []string) error {
	if !a.stack.ConfirmChanges || saysYes(args) || isTerminal(os.Stdin) || command != "destroy" && os.Getenv("CI") == "true" {
		return nil
	}
	again := "make " + command + " STACK=" + a.stack.Name
	if command == "upgrade" {
		again += " INSTANCE=…"
	}
	return fmt.Errorf("the stack %s wants changes to be confirmed, but there is no terminal to ask on. Nothing was changed.\n"+
		"  Run it in a terminal; or, if you have read the preview: %s ARGS=--yes; or set %s:confirmChanges: false in %s",
		a.stack.Name, again, a.stack.Project, filepath.Base(a.stack.File()))
}

func (a *app) preview(args []string) error {
	if err := a.prepare(false); err != nil {
		return err
	}
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	args = append([]string{"preview", "--stack", a.stack.Name, "--diff"}, args...)
	if gone, err := a.memoryIsGone(); err != nil {
		return err
	} else if gone {
		a.say("• the emulated AWS was started anew and has forgotten what this stack made, so the preview compares with what is there (--refresh)")
		args = append(args, "--refresh")
	}
	return a.pulumi(call{args: args})
}

func (a *app) destroy(args []string) error {
	if a.stack.Emulated && !a.exists() {
		a.say("There is nothing to destroy: the stack %s has not been brought up in this checkout.", a.stack.Name)
		return nil
	}
	if err := a.canConfirm("destroy", args); err != nil {
		return err
	}
	if err := a.prepare(false); err != nil {
		return err
	}
	if err := a.repair(); err != nil {
		return err
	}
	return a.destroyPrepared(args)
}

func (a *app) destroyPrepared(args []string) error {
	c := call{args: append([]string{"destroy", "--stack", a.stack.Name}, args...)}
	switch {
	case saysYes(args):
	case !a.stack.ConfirmChanges:
		c.args = append(c.args, "--yes", "--skip-preview")
	default:
		c.ask = true
	}
	before, err := a.export()
	if err != nil {
		return err
	}
	if records := before.protected(); len(records) > 0 {
		// Pulumi would notice in its preview, which can be skipped, and otherwise only when it comes to the bucket.
		return fmt.Errorf("the stack %s refuses to be destroyed (%s:keepRecords is refuse), for the records in %s. Nothing was deleted.\n"+
			"  To destroy it and keep the records:    pulumi config set %[2]s:keepRecords true, and make up STACK=%[1]s\n"+
			"  To destroy it with the records:        pulumi config set %[2]s:keepRecords false, and make up STACK=%[1]s\n"+
			"  and then: make destroy STACK=%[1]s", a.stack.Name, a.stack.Project, strings.Join(records, ", "))
	}
	if err := a.pulumi(c); err != nil {
		return err
	}
	after, err := a.export()
	if err != nil {
		return err
	}
	left := before.kept()
	a.say("Removed: %d AWS resources of the stack %s; %d are left in its state.",
		before.cloudResources()-after.cloudResources()-left.resources, a.stack.Name, after.cloudResources())
	a.tellKept(left)
	if err := a.restoreDocument(before); err != nil {
		return err
	}
	if a.stack.Emulated {
		a.say("The emulated AWS still runs: `make down` stops it.")
	}
	return nil
}

// outputs prints nothing but JSON on standard output. It needs no emulator and no plugin.
func (a *app) outputs(args []string) error {
	if a.stack.Emulated && !a.exists() {
		return fmt.Errorf("the stack %s has no outputs, because it has not been brought up in this checkout: make up STACK=%s", a.stack.Name, a.stack.Name)
	}
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if a.cli, err = a.tools.EnsureReal(); err != nil {
		return err
	}
	if a.stack.Emulated {
		err = a.emulatedEnvironment()
	} else {
		a.env = RealEnvironment(a.tools, a.cli, a.environ)
	}
	if err != nil {
		return err
	}
	return a.pulumi(call{args: append([]string{"stack", "output", "--json", "--stack", a.stack.Name}, args...)})
}

func (a *app) printEnvironment([]string) error {
	if !a.stack.Emulated {
		// The exports are what a person needs to log in with, so nothing is asked of the backend yet.
		if err := a.prepareTools(); err != nil {
			return err
		}
		fmt.Fprint(a.stdout, a.env.Exports())
		return nil
	}
	if err := a.prepare(false); err != nil {
		return err
	}
	if gone, err := a.memoryIsGone(); err != nil {
		return err
	} else if gone {
		a.say("Note: the emulated AWS was started anew and has forgotten what the stack %s made: make up STACK=%s", a.stack.Name, a.stack.Name)
	}
	fmt.Fprint(a.stdout, a.env.Exports())
	return nil
}

func (a *app) down() error {
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	ran, err := newEmulator(a.tools, a.say).Stop()
	if err != nil {
		return err
	}
	if !ran {
		a.say("The emulated AWS does not run.")
		return nil
	}
	a.say("The emulated AWS is stopped. It kept everything in memory, so whatever was deployed to it is gone; `make up` makes it from nothing.")
	return nil
}

func (a *app) clean() error {
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	ran, err := newEmulator(a.tools, a.say).Stop()
	if err != nil {
		return err
	}
	if ran {
		a.say("The emulated AWS is stopped, and what was deployed to it is gone.")
	}
	if err := os.RemoveAll(a.tools.Path()); err != nil {
		return fmt.Errorf("cannot delete %s completely: %w", a.tools.Path(), err)
	}
	a.say("Deleted %s: tools, and the state of the emulated stacks. Stacks on real accounts are not touched. The next `make up` gets the tools again.", a.tools.Path())
	return nil
}

// testEnvironment prints what the tests of all modules need to run against real tools.
func (a *app) testEnvironment() error {
	unlock, err := a.tools.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	t, err := a.tools.EnsureTests()
	if err != nil {
		return err
	}
	if err := a.writeTerraformConfig(); err != nil {
		return err
	}
	e := &Environment{}
	path := pathWith(filepath.Dir(t.CLI.Path), a.tools, lookup(a.environ, "PATH"))
	if filepath.Dir(t.SessionPlugin) == a.tools.Bin() && filepath.Dir(t.CLI.Path) != a.tools.Bin() {
		path += string(filepath.ListSeparator) + a.tools.Bin()
	}
	e.set("PATH", path)
	e.set("PULUMI_SKIP_UPDATE_CHECK", "true")
	e.set("STANDIN_BRIDGE", t.Bridge)
	e.set("STANDIN_MIRROR", t.Mirror)
	e.set("EMULATOR_PYTHON", t.Python)
	e.set("TF_CLI_CONFIG_FILE", a.tools.Path("terraform.tfrc"))
	fmt.Fprint(a.stdout, e.Exports())
	return nil
}

// upgrade pins the newest image of one instance in the stack's file and brings the stack up. An image is pinned
// because another one replaces the instance; so that happens in this step only, and to this instance only.
func (a *app) upgrade(args []string) error {
	if len(args) == 0 || args[0] == "" {
		return fmt.Errorf("say which instance: make upgrade STACK=%s INSTANCE=name, with a name of %s:instances in %s",
			a.stack.Name, a.stack.Project, filepath.Base(a.stack.File()))
	}
	instance, args := args[0], args[1:]
	if err := a.canConfirm("upgrade", args); err != nil {
		return err
	}
	if strings.ContainsAny(instance, "\"[]\\\n") {
		return fmt.Errorf("INSTANCE=%q is not the name of an instance: the characters \" [ ] and \\ are not allowed", instance)
	}
	if err := a.prepare(false); err != nil {
		return err
	}
	if err := a.tools.CompileProgram(); err != nil {
		return err
	}
	if err := a.repair(); err != nil {
		return err
	}
	image, names, err := a.newestImage(instance)
	if err != nil {
		return err
	}
	pinned, err := a.pinnedImage(instance, len(names))
	if err != nil {
		return err
	}
	if pinned == image {
		a.say("The instance %s is pinned to the newest image already: %s.", instance, image)
	} else {
		if pinned == "" {
			pinned = "not pinned in the file"
		}
		a.say("• pin the image of the instance %s in %s: %s → %s", instance, filepath.Base(a.stack.File()), pinned, image)
		if err := a.pulumi(call{args: []string{"config", "set", "--stack", a.stack.Name, "--path", a.imageKey(instance), image}, stdout: a.stderr}); err != nil {
			return err
		}
	}
	if err := a.pulumiUp(args); err != nil {
		a.say("The file %s keeps the new image. To go back: git diff %[1]s, and take the change of imageId back.", filepath.Base(a.stack.File()))
		return err
	}
	return nil
}

// pinnedImage returns the image that the stack's file pins, "" if none. It fails if the file does not have the
// instances, and there are several: then they are those of Pulumi.yaml, and a file that names one would remove the others.
func (a *app) pinnedImage(instance string, instances int) (string, error) {
	config, err := a.stack.config()
	if err != nil {
		return "", err
	}
	own, _ := config[a.stack.Project+":instances"].(map[string]any)
	if own == nil && instances > 1 {
		return "", fmt.Errorf("the instances of the stack %s are those of Pulumi.yaml. To pin the image of one, copy %s:instances with all of them into %s first, "+
			"or the others would be removed. Nothing was changed", a.stack.Name, a.stack.Project, filepath.Base(a.stack.File()))
	}
	settings, _ := own[instance].(map[string]any)
	image, _ := settings["imageId"].(string)
	return image, nil
}

// newestImage asks the program itself, by a preview, so that the answer is of now and not of the last up. The program
// exports the images (newestImages) or the public parameters that hold them (imageParameters), both by instance; a
// parameter is read by the AWS CLI.
func (a *app) newestImage(instance string) (image string, names []string, err error) {
	a.say("• look up the newest image, by a preview (10 to 30 seconds)")
	outputs, err := a.previewOutputs()
	if err != nil {
		return "", nil, err
	}
	names = slices.Concat(slices.Collect(maps.Keys(outputs.NewestImages)), slices.Collect(maps.Keys(outputs.ImageParameters)))
	slices.Sort(names)
	names = slices.Compact(names)
	image = outputs.NewestImages[instance]
	if parameter := outputs.ImageParameters[instance]; image == "" && parameter != "" {
		image, err = a.readParameter(instance, parameter)
		return image, names, err
	}
	if image == "" {
		list := strings.Join(names, ", ")
		if list == "" {
			list = "none"
		}
		err = fmt.Errorf("the stack %s has no newest image for an instance %q; it has them for: %s", a.stack.Name, instance, list)
	}
	return image, names, err
}

func (a *app) readParameter(instance, parameter string) (string, error) {
	args := []string{"ssm", "get-parameter", "--name", parameter, "--query", "Parameter.Value", "--output", "text"}
	if a.stack.Region != "" {
		args = append(args, "--region", a.stack.Region)
	}
	byHand := fmt.Sprintf("  By hand: read the parameter (in the console: Systems Manager, Parameter Store, Public parameters), then\n"+
		"    pulumi config set --stack %s --path '%s' ami-…\n    make up STACK=%[1]s", a.stack.Name, a.imageKey(instance))
	path, err := exec.LookPath("aws")
	if err != nil {
		return "", fmt.Errorf("there is no AWS CLI on PATH, which reads the newest image's id from the public parameter %s\n%s", parameter, byHand)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = a.env.Apply(a.environ)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	image := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("`aws %s` failed: %w\n%s\n%s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()), byHand)
	}
	if !strings.HasPrefix(image, "ami-") {
		return "", fmt.Errorf("the parameter %s holds %q, expected the id of an image (ami-…)", parameter, image)
	}
	return image, nil
}

func (a *app) imageKey(instance string) string {
	return fmt.Sprintf(`%s:instances["%s"].imageId`, a.stack.Project, instance)
}

type imageOutputs struct {
	NewestImages    map[string]string `json:"newestImages"`
	ImageParameters map[string]string `json:"imageParameters"`
}

// previewOutputs returns what the program would export now.
func (a *app) previewOutputs() (imageOutputs, error) {
	folder, err := os.MkdirTemp("", "preview-")
	if err != nil {
		return imageOutputs{}, err
	}
	defer os.RemoveAll(folder)
	events := filepath.Join(folder, "events.json")
	var output strings.Builder
	err = a.pulumi(call{
		args: []string{"preview", "--stack", a.stack.Name, "--event-log", events},
		// The flag --event-log, by which Pulumi's own automation reads events, is one of its debug commands.
		env:    []string{"PULUMI_DEBUG_COMMANDS=true"},
		stdout: &output,
	})
	if err != nil {
		fmt.Fprint(a.stderr, output.String())
		return imageOutputs{}, err
	}
	file, err := os.Open(events)
	if err != nil {
		return imageOutputs{}, err
	}
	defer file.Close()
	return outputsOf(file)
}

// outputsOf returns the stack outputs of an event log.
func outputsOf(events io.Reader) (imageOutputs, error) {
	var outputs imageOutputs
	for decoder := json.NewDecoder(events); ; {
		var event struct {
			Outputs struct {
				Metadata struct {
					Type string `json:"type"`
					New  struct {
						Outputs json.RawMessage `json:"outputs"`
					} `json:"new"`
				} `json:"metadata"`
			} `json:"resOutputsEvent"`
		}
		err := decoder.Decode(&event)
		if err == io.EOF {
			return outputs, nil
		}
		if m := event.Outputs.Metadata; err == nil && m.Type == "pulumi:pulumi:Stack" && m.New.Outputs != nil {
			// Only this resource's outputs are looked at: others may have an output of the same name.
			err = json.Unmarshal(m.New.Outputs, &outputs)
		}
		if err != nil {
			return outputs, fmt.Errorf("cannot read Pulumi's event log: %w", err)
		}
	}
}
