// Package sessions holds what a person does once a stack stands: wait for the instances, open a session, list, read and
// end sessions, and prove that they are recorded.
//
// Every call to AWS goes through the AWS CLI, so that there is one identity and one configuration, whatever way the user
// signed in. The package works on a stack's outputs and knows nothing of Pulumi.
package sessions

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Exit codes beside 0 and 1, for scripts. connect ends with the code of `aws ssm start-session`.
const (
	codeUsage = 2
	// codeNotYet: the record is not there yet, and may well come.
	codeNotYet = 3
	// codeNoRecord: the record is not there, and should be.
	codeNoRecord = 4
)

// Setting is what the commands work with.
type Setting struct {
	// Stack is the name for STACK= in what is said.
	Stack string
	// Emulated says that the account is emulated on this machine.
	Emulated bool
	// Outputs gives the stack's outputs as JSON.
	Outputs func() (string, error)
	// Environ is the environment of the AWS CLI.
	Environ []string
	// Plugin makes sure that there is a session-manager-plugin on the PATH of Environ, where the project builds one; it
	// may be nil.
	Plugin func() error
	// OfferedPlugin is a line that gets the user a plugin without installing one; it may be empty.
	OfferedPlugin string

	In, Out, Err *os.File
}

// Names are the commands, as make has them.
var Names = []string{"wait", "connect", "history", "record", "end", "verify"}

// run is one run of one command.
type run struct {
	Setting
	name    string
	outputs outputs
	aws     *client
	now     func() time.Time
	// poll is how long to wait before looking again; it grows to four times as much.
	poll time.Duration

	verbose  bool
	instance string
	timeout  time.Duration
	session  string
	all, yes bool
	list     listing
}

// exit ends a command with a code after everything has been said.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usageError is a mistake in what was typed.
type usageError struct{ error }

// Run runs a command with its flags and returns the exit code.
func Run(name string, s Setting, args []string) int {
	r := &run{Setting: s, name: name, now: time.Now, poll: 5 * time.Second}
	return r.finish(r.run(args))
}

// finish says what is wrong, if that was not said, and gives the exit code.
func (r *run) finish(err error) int {
	var code exit
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &code):
		return code.code
	case errors.As(err, &usage):
		fmt.Fprintf(r.Err, "error: %v\n", err)
		return codeUsage
	}
	fmt.Fprintf(r.Err, "error: %v\n", err)
	return 1
}

func (r *run) run(args []string) error {
	if err := r.parse(args); err != nil {
		return err
	}
	text, err := r.Outputs()
	if err != nil {
		return err
	}
	if r.outputs, err = parseOutputs(text, r.Stack); err != nil {
		return err
	}
	if r.aws, err = newClient(r.Environ, r.outputs.Region, r.echo()); err != nil {
		return r.howToInstall(err)
	}
	ctx := context.Background()
	switch r.name {
	case "wait":
		return r.wait(ctx)
	case "connect":
		return r.connect(ctx)
	case "history":
		return r.history(ctx)
	case "record":
		return r.record(ctx)
	case "end":
		return r.end(ctx)
	case "verify":
		return r.verify(ctx)
	}
	return usageError{fmt.Errorf("there is no command %q", r.name)}
}

// echo prints each plain line that is run, where that was asked for.
func (r *run) echo() io.Writer {
	if r.verbose {
		return r.Err
	}
	return io.Discard
}

// parse reads the flags. make hands over every variable that the command knows, also the empty ones.
func (r *run) parse(args []string) error {
	flags := flag.NewFlagSet(r.name, flag.ContinueOnError)
	flags.SetOutput(r.Err)
	empty := map[string]*string{}
	text := func(name, help string) *string {
		empty[name] = flags.String(name, "", help)
		return empty[name]
	}
	verbose := text("verbose", "print each aws line that is run (make: V=1)")
	flags.BoolVar(&r.verbose, "v", false, "the same")
	instance, timeout, session, all, yes, limit := new(string), new(string), new(string), new(string), new(string), new(string)
	who, since, until, format, next := new(string), new(string), new(string), new(string), new(string)
	if r.name != "record" {
		instance = text("instance", "name of an instance of the stack, or an instance id")
	}
	if r.name == "wait" || r.name == "verify" {
		timeout = text("timeout", "how long to wait, as 90s or 10m")
	}
	if r.name == "record" || r.name == "end" {
		session = text("session", "id of a session")
	}
	if r.name == "history" || r.name == "end" {
		all = text("all", "1: also other people's sessions (end), or other instances and documents (history)")
	}
	if r.name == "end" {
		flags.BoolVar(&r.yes, "yes", false, "do not ask")
		yes = text("sure", "1: do not ask (make: YES=1)")
	}
	if r.name == "history" {
		format = text("format", "table, json or csv")
		who = text("who", "a person: the last part of the ARN, or the whole ARN")
		since = text("since", "a time, 2026-01-31 or 2026-01-31T08:00:00Z, or how long ago, as 90m, 12h or 7d")
		until = text("until", "likewise")
		limit = text("limit", "how many at most")
		next = text("next", "go on where an earlier page ended")
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("%s does not take %q", r.name, flags.Arg(0))}
	}
	r.instance, r.session = *instance, strings.TrimSpace(*session)
	r.verbose = r.verbose || isOn(*verbose)
	r.all, r.yes = isOn(*all), r.yes || isOn(*yes)
	r.timeout = map[string]time.Duration{"wait": 10 * time.Minute, "verify": 5 * time.Minute}[r.name]
	if *timeout != "" {
		d, err := time.ParseDuration(*timeout)
		if err != nil || d <= 0 {
			return usageError{fmt.Errorf("TIMEOUT=%s is not a duration like 90s or 10m", *timeout)}
		}
		r.timeout = d
	}
	if r.name == "history" {
		var err error
		if r.list, err = parseListing(*format, *who, *since, *until, *limit, *next, r.now()); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func isOn(value string) bool { return value != "" && value != "0" && value != "false" }

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Err, format+"\n", args...) }

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

// find gives the instance that a name or an id means.
func (r *run) find(wanted string) (named, error) {
	for _, n := range r.instances() {
		if n.name == wanted || n.id == wanted {
			return n, nil
		}
	}
	if strings.HasPrefix(wanted, "i-") || strings.HasPrefix(wanted, "mi-") {
		return named{wanted, wanted}, nil
	}
	return named{}, usageError{fmt.Errorf("INSTANCE=%s is no instance of the stack %s, and no instance id. It has: %s", wanted, r.Stack, r.listed())}
}

func (r *run) listed() string {
	var names []string
	for _, n := range r.instances() {
		names = append(names, n.String())
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// command is a make line for this stack, to be typed.
func (r *run) command(line string) string {
	if r.Stack == "local" {
		return "make " + line
	}
	return "make " + line + " STACK=" + r.Stack
}
