// Package sessions has the commands for a deployed stack: wait for the instances, open, list and end sessions, read their
// logs, and verify that they are recorded.
//
// Every call to AWS goes through the AWS CLI, so that there is one identity and one configuration, however the user signed
// in. The package works on a stack's outputs and does not use Pulumi.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/internal/outputs"
	"private-ec2-access/internal/settings"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

// Exit codes beside 0, 1 and 2 (usage), for scripts. connect ends with the code of `aws ssm start-session`.
const (
	// codeNotYet: the session log is not there yet, and may well come.
	codeNotYet = 3
	// codeNoRecord: the session log is missing.
	codeNoRecord = 4
	// codeDoubt: there is a session log, and it cannot be trusted.
	codeDoubt = 5
)

// Setting is what the commands work with.
type Setting struct {
	// Stack is the name for STACK= in what is said.
	Stack string
	// Emulated says that the account is emulated on this machine.
	Emulated bool
	// Outputs gives the stack's outputs as JSON.
	Outputs func() (string, error)
	// Identity is who the AWS CLI is, and Where says so with the account and the Region; both may be empty.
	Identity Identity
	Where    string
	// Deployed says what is deployed, and when it was last updated; it may be nil.
	Deployed func() (string, error)
	// Environ is the environment of the AWS CLI.
	Environ []string
	// Plugin makes sure that there is a session-manager-plugin on the PATH of Environ, where the project builds one; it
	// may be nil.
	Plugin func() error
	// OfferedPlugin is a line that gets the user a plugin without installing one; it may be empty.
	OfferedPlugin string

	In, Out, Err *os.File
}

// run is one run of one command.
type run struct {
	Setting
	name    string
	open    func(outputs string) (Setting, error)
	outputs outputs.Values
	aws     *client
	now     func() time.Time
	// poll is how long to wait before looking again; it grows to four times as much.
	poll time.Duration

	// The flags, of which each command has some.
	verbose  bool
	instance string
	network  bool
	timeout  time.Duration
	session  string
	reason   string
	all, yes bool
	raw      bool
	list     listing
	auditing auditing
	// complete completes the names of instances.
	complete cobra.CompletionFunc
}

// builders has one function for each command.
var builders = []func(*run) *cobra.Command{waitCommand, connectCommand, historyCommand, recordCommand, endCommand, verifyCommand, auditCommand, statusCommand}

// Commands returns the commands about sessions. Each calls open once its flags have been read, with the file of the stack's
// outputs if the user named one in place of the Pulumi state. Complete completes the names of instances.
func Commands(open func(outputs string) (Setting, error), complete cobra.CompletionFunc) []*cobra.Command {
	var all []*cobra.Command
	for _, build := range builders {
		all = append(all, build(&run{open: open, complete: complete, now: time.Now, poll: 5 * time.Second}))
	}
	return all
}

// newCommand completes a command: it gets the flag --verbose, and runs the action on the stack's outputs.
func (r *run) newCommand(action func(context.Context) error, c *cobra.Command) *cobra.Command {
	r.name = c.Use
	c.Flags().BoolVarP(&r.verbose, "verbose", "v", false, "print each aws command that is run (make: V=1)")
	c.Args = process.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		for name, bad := range map[string]bool{"timeout": r.timeout <= 0, "limit": r.list.limit <= 0} {
			if bad && c.Flags().Changed(name) {
				return process.FlagError(c, process.FlagProblem{Flag: c.Flag(name), Problem: "it must be more than 0"})
			}
		}
		err := r.start()
		var nothing NotDeployed
		switch {
		case err == nil:
			err = action(c.Context())
		case r.name == "status" && errors.As(err, &nothing):
			err = r.statusOfNothing(nothing)
		}
		if err != nil {
			return safeError{err}
		}
		return nil
	}
	return c
}

func (r *run) instanceFlag(c *cobra.Command) {
	c.Flags().StringVar(&r.instance, "instance", "", "`NAME` of an instance of the stack, or an instance id")
	_ = c.RegisterFlagCompletionFunc("instance", r.complete) // an error is a flag that does not exist
}

func (r *run) timeoutFlag(c *cobra.Command, usual time.Duration) {
	c.Flags().DurationVar(&r.timeout, "timeout", usual, "`DURATION` to wait, as 90s or 10m")
}

func (r *run) sessionFlag(c *cobra.Command) {
	c.Flags().StringVar(&r.session, "session", "", "`ID` of a session; history lists them")
}

// start reads the stack's outputs and finds the AWS CLI.
func (r *run) start() (err error) {
	r.session = strings.TrimSpace(r.session)
	if r.Setting, err = r.open(r.auditing.outputs); err != nil {
		return err
	}
	text, err := r.Outputs()
	if err != nil {
		return err
	}
	if r.outputs, err = parseOutputs(text, r.Stack); err != nil {
		return err
	}
	if err := r.sameAccount(r.Identity); err != nil {
		return err
	}
	if r.aws = newClient(r.Environ, r.outputs.Region); r.aws.missing != nil {
		return r.howToInstall(r.aws.missing)
	}
	if r.verbose {
		r.aws.echo = r.Err
	}
	return nil
}

// sameAccount is an error if an identity is of another account than the stack; either may be unknown.
func (r *run) sameAccount(me Identity) error {
	if there := r.outputs.AccountID; there != "" && me.Account != "" && me.Account != there {
		return fmt.Errorf("the stack %s is in the account %s, and you are signed in to %s, as %s. Nothing was done.\n  Fix: sign in to the account %[2]s",
			r.Stack, there, me.Account, me.ARN)
	}
	return nil
}

// say prints a message. It may quote what others wrote.
func (r *run) say(format string, args ...any) {
	fmt.Fprintln(r.Err, visible(fmt.Sprintf(format, args...)))
}

// print prints a result on standard output.
func (r *run) print(format string, args ...any) {
	fmt.Fprintln(r.Out, visible(fmt.Sprintf(format, args...)))
}

// named is an instance with the name that the stack gives it; one that is not the stack's has its id as its name.
type named struct{ name, id string }

func (n named) String() string {
	if n.name == n.id {
		return n.id
	}
	return n.name + " (" + n.id + ")"
}

func (r *run) instances() []named {
	var all []named
	for name, id := range r.outputs.InstanceIDs {
		all = append(all, named{name, id})
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return all
}

// byID gives an instance of the stack its name.
func (r *run) byID(id string) named {
	for name, known := range r.outputs.InstanceIDs {
		if known == id {
			return named{name, id}
		}
	}
	return named{id, id}
}

// outOfDate says what is deployed if the outputs may be older: a change was not finished, or is being made.
func (r *run) outOfDate() string {
	if r.Deployed == nil {
		return ""
	}
	text, err := r.Deployed()
	if err != nil || !strings.Contains(text, "out of date") {
		return ""
	}
	return "The stack has " + text
}

// noteOutOfDate is for commands about all instances.
func (r *run) noteOutOfDate() {
	if text := r.outOfDate(); text != "" {
		r.say("Note: only the instances of the last update that was finished are known here. %s", text)
	}
}

// find gives the instance that a name or an id means.
func (r *run) find(wanted string) (named, error) {
	if id, found := r.outputs.InstanceIDs[wanted]; found {
		return named{wanted, id}, nil
	}
	if strings.HasPrefix(wanted, "i-") || strings.HasPrefix(wanted, "mi-") {
		return r.byID(wanted), nil
	}
	var names []string
	for _, n := range r.instances() {
		names = append(names, n.name)
	}
	list := shortList(r.instances())
	if text := r.outOfDate(); text != "" {
		return named{}, process.Usagef("INSTANCE=%s is no instance in the outputs of the stack %s. They have: %s\n  %s", wanted, r.Stack, cmp.Or(list, "none"), text)
	}
	fix := ""
	if meant := settings.Nearest(wanted, names); meant != "" { // another instance is not what was meant
		fix = "\n  Fix: " + r.command(r.name+" INSTANCE="+meant)
	}
	return named{}, process.Usagef("INSTANCE=%s is no instance of the stack %s, and no instance id. It has: %s%s", wanted, r.Stack, cmp.Or(list, "none"), fix)
}

// command is a make line for this stack, to be typed.
func (r *run) command(line string) string { return screen.Make(r.Stack, line) }
