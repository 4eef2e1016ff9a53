package stack

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/toolchain"
)

// app is one run of the command.
type app struct {
	root           string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	// name is the value of --stack; diff is that of --diff.
	name string
	diff bool
	// cutOff lets a destroy delete VPC endpoints that others use.
	cutOff bool

	tools *toolchain.Toolchain
	stack *Stack
	cli   toolchain.CLI
	env   *Environment
	// me is who the commands are on a stack in an AWS account; nil without the AWS CLI, and on an emulated stack.
	me *signedIn
	// keepsSecrets: the backend encrypts secrets itself, as Pulumi Cloud does. A folder or a bucket needs a passphrase or a key.
	keepsSecrets bool
	// loses names what holds session logs that a destroy deletes.
	loses []string
	// nothing says that a destroy finds no AWS resources.
	nothing bool
	// lostResources says that the emulator that had the stack's resources was stopped.
	lostResources bool
	// interrupted: Ctrl-C was pressed during the last run of Pulumi.
	interrupted bool
	// before is the state that repair has read.
	before *deployment
	// emulator is the running one, on an emulated stack.
	emulator Running
	// sweep deletes the stack's resources in the emulated account that the exported state does not contain.
	sweep func(state string) ([]leftover, error)
	// useNewest makes the newest version of the session document the default one, if this stack wrote it. It reports
	// whether another version was the default.
	useNewest func() (bool, error)
}

// Main runs the command and returns its exit code.
func Main(args []string) int {
	// A reader that has read enough, as head has, does not end the command.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	process.EndWithTerminal()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	a.sweep, a.useNewest = a.sweepAccount, a.useNewestInAccount
	root := a.command()
	root.SetArgs(args)
	command, err := root.ExecuteC()
	if err != nil && command.Annotations[forEval] != "" {
		fmt.Fprintln(a.stdout, "false") // so that eval "$(make -s env)" fails as well
	}
	return process.Code(a.stderr, err)
}

// forEval marks the commands whose output a shell evaluates.
const forEval = "for eval"

// Groups of commands in the help.
const (
	stackGroup, sessionGroup, machineGroup = "stack", "sessions", "machine"
)

// command returns the command line.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "stack",
		Short: "Deploy a stack, and open and review sessions on its instances",
		Long: `Deploy a stack with Pulumi, and open and review sessions on its instances. Each make target runs one of these commands.

PROJECT:emulated in Pulumi.NAME.yaml decides whether the stack NAME is deployed to the local emulator or to an AWS account.`,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetFlagErrorFunc(process.FlagError)
	root.PersistentFlags().StringVar(&a.name, "stack", "local", "`NAME` of the stack, as in Pulumi.NAME.yaml")
	must(root.RegisterFlagCompletionFunc("stack", complete(func() ([]string, error) {
		root, err := findProject()
		return stacksIn(root), err
	})))
	add := func(group, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: group, Title: title})
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(stackGroup, "Stack:", a.upCommand(), a.previewCommand(), a.destroyCommand(), a.outputsCommand(), a.envCommand(), a.upgradeCommand())
	add(sessionGroup, "Sessions:", a.sessionCommands()...)
	add(machineGroup, "This machine:", a.downCommand(), a.cleanCommand(), a.pluginCommand(), a.testenvCommand())
	return root
}

// onProject completes a command that works on the checkout and needs no stack.
func (a *app) onProject(run func() error, c *cobra.Command) *cobra.Command {
	c.Args = process.NoArgs
	c.RunE = func(*cobra.Command, []string) error {
		if err := a.openProject(); err != nil {
			return err
		}
		return run()
	}
	return c
}

// onStack completes a command that works on a stack and passes what follows `--` to pulumi.
func (a *app) onStack(run func(args []string) error, c *cobra.Command) *cobra.Command {
	c.Use += " [-- ARGUMENTS FOR PULUMI]"
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 && c.ArgsLenAtDash() != 0 {
			return process.Usagef("%s: the arguments for pulumi follow `--` (got %q)\n  Fix: %[1]s -- %[2]s", c.CommandPath(), args[0])
		}
		return nil
	}
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := a.openStack(); err != nil {
			return err
		}
		return run(args)
	}
	return c
}

func (a *app) openProject() (err error) {
	if a.root, err = findProject(); err != nil {
		return err
	}
	if strings.ContainsRune(a.root, filepath.ListSeparator) {
		return fmt.Errorf("the folder %s has a %q in its name, which separates folders in PATH.\n  Fix: rename it, or clone the project elsewhere", a.root, filepath.ListSeparator)
	}
	a.tools = toolchain.New(a.root, os.Stderr)
	return nil
}

func (a *app) openStack() (err error) {
	if err = a.openProject(); err != nil {
		return err
	}
	if a.stack, err = Load(a.root, a.name); err != nil {
		return err
	}
	if !a.stack.Emulated && hasResources(a.stateFile()) {
		a.say("Note: the stack %s is in the local emulator, but %s no longer has %s:emulated: \"true\". So this command is for a stack in an AWS account.",
			a.stack.Name, filepath.Base(a.stack.File()), a.stack.Project)
	}
	return RefuseLeak(a.stack, a.tools, a.environ)
}

func findProject() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return FindRoot(folder)
}

// complete makes a shell completion of a list. A shell shows no error, so there is nothing to complete then.
func complete(list func() ([]string, error)) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		words, err := list()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func must(err error) {
	if err != nil {
		panic(err) // a flag that does not exist
	}
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
