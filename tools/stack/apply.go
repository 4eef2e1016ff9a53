package stack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/toolchain"
)

// shows lists arguments that ask Pulumi for another output, or that its preview does not know. Its own output is printed then.
var shows = []string{"--diff", "--json", "-j", "--event-log", "--debug", "-d", "--help", "-h", "--plan", "--continue-on-error"}

// asPulumi reports whether Pulumi's own output is printed: with DIFF=1, and if the arguments for pulumi ask for an output.
func (a *app) asPulumi(args []string) bool {
	return a.diff || slices.ContainsFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return slices.Contains(shows, name) || strings.HasPrefix(name, "--show-") || strings.HasPrefix(name, "--suppress-")
	})
}

// apply runs up or destroy. A stack that has to be confirmed shows its changes before, and is asked about unless args or
// CI=true have answered.
func (a *app) apply(command string, args []string) error {
	ci := os.Getenv("CI") == "true" && a.stack.ConfirmChanges
	if a.asPulumi(args) || ci {
		a.announce()
		var interrupted atomic.Bool
		c := a.change(command, args)
		c.interrupted = func() { interrupted.Store(true) }
		err := a.pulumi(c)
		a.interrupted = interrupted.Load()
		return err
	}
	r := &screen.Run{Project: a.stack.Project, Stack: a.stack.Name}
	rest := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "--yes" || arg == "-y" || arg == "--skip-preview" })
	nothing := command == "destroy" && a.nothing
	if a.stack.ConfirmChanges && !nothing && !slices.Contains(args, "--skip-preview") {
		previewed, err := a.confirm(command, rest, hasYes(args))
		if err != nil {
			return err
		}
		r.Skip(previewed.Told())
	} else {
		a.announce()
	}
	if !nothing {
		a.say(map[string]string{"up": "• update the resources of the stack %s (the first time more than a minute)", "destroy": "• delete the resources of the stack %s (about half a minute)"}[command], a.stack.Name)
	}
	c := call{args: append([]string{command, "--stack", a.stack.Name, "--yes", "--skip-preview"}, rest...)}
	if err := a.watch(command, c, r); err != nil {
		return err
	}
	if command == "up" {
		fmt.Fprint(a.stdout, r.Updated())
	} else {
		fmt.Fprint(a.stdout, r.Notices())
	}
	return nil
}

// confirm shows what an update would change and asks. Pulumi's own question can be asked only below its own output.
func (a *app) confirm(command string, args []string, yes bool) (*screen.Run, error) {
	before, err := a.stateText()
	if err != nil {
		return nil, err
	}
	r := &screen.Run{Project: a.stack.Project, Stack: a.stack.Name}
	c := call{args: append([]string{"preview", "--stack", a.stack.Name}, args...)}
	if command == "destroy" {
		c.args = append([]string{"destroy", "--preview-only", "--stack", a.stack.Name}, args...)
	}
	if err := a.watch("preview", c, r); err != nil {
		return nil, err
	}
	fmt.Fprint(a.stdout, r.Preview(command == "destroy"))
	a.announce()
	if yes || r.Changes() == 0 {
		return r, nil
	}
	if command == "destroy" && a.loses != nil {
		a.say("The session logs are deleted too: %s.", strings.Join(a.loses, ", "))
	}
	question := fmt.Sprintf("Update the stack %s? Type yes: ", a.stack.Name)
	if command == "destroy" {
		question = fmt.Sprintf("Delete the resources of the stack %s? Type yes: ", a.stack.Name)
	}
	fmt.Fprint(a.stderr, question)
	answer, err := a.answer()
	if err != nil {
		return nil, err
	}
	if answer != "yes" {
		a.say("Nothing was changed, because the answer was not yes.")
		return nil, process.Exit{Code: 1}
	}
	// The question may have been open for a while.
	after, err := a.stateText()
	if err != nil {
		return nil, err
	}
	if before != after {
		return nil, fmt.Errorf("another command has changed the stack %s since the preview. Nothing was changed.\n  Fix: %s", a.stack.Name, screen.Make(a.stack.Name, command))
	}
	return r, nil
}

// answer reads a line. Ctrl-C is an answer too, the empty one.
func (a *app) answer() (string, error) {
	interrupted := make(chan os.Signal, 1)
	stop := process.OnSignal(func(s os.Signal) {
		select {
		case interrupted <- s:
		default:
		}
	}, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var line string
	read := make(chan error, 1)
	go func() {
		var err error
		line, err = bufio.NewReader(a.stdin).ReadString('\n')
		read <- err
	}()
	select {
	case <-interrupted:
		a.say("")
		return "", nil
	case err := <-read:
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimSpace(line), nil
	}
}

func (a *app) stateText() (string, error) {
	_, text, err := a.exportText()
	return text, err
}

// watch runs Pulumi while its events go to a run, and what it prints to a log. It shows what Pulumi is waiting for and, if it
// fails, the cause.
func (a *app) watch(command string, c call, r *screen.Run) error {
	folder, err := os.MkdirTemp("", "events-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	events := filepath.Join(folder, "events.json")
	log, err := a.tools.CreateLog(command)
	if err != nil {
		return err
	}
	defer log.Close()
	path := log.Name()

	c.args = append(c.args, "--event-log", events)
	// Pulumi counts the flag --event-log, by which its own automation reads events, among its debug commands.
	c.env = append(c.env, "PULUMI_DEBUG_COMMANDS=true")
	c.stdout, c.stderr = log, log
	var interrupts atomic.Int32
	c.interrupted = func() { interrupts.Add(1) }
	ended, followed := make(chan struct{}), make(chan error, 1)
	go func() { followed <- a.follow(command, events, ended, r, &interrupts) }()
	err = a.pulumi(c)
	close(ended)
	a.interrupted = interrupts.Load() > 0
	if broken := <-followed; err == nil {
		err = broken
	}
	var exit process.Exit
	switch {
	case err == nil || !errors.As(err, &exit):
		return err
	case exit.Code > 128 && exit.Code < 192: // by a signal, which a.pulumi has reported
		if command != "preview" && !a.stack.SelfRepair { // a pending operation would stop it
			a.say("Next: %s continues from there, or says what has to be cleared first.", screen.Make(a.stack.Name, command))
		} else {
			a.say("Next: %s continues from there.", screen.Make(a.stack.Name, command))
		}
		return err
	case interrupts.Load() > 0 || r.WasCanceled():
		fmt.Fprint(a.stderr, r.Canceled(command))
		return process.Exit{Code: 130}
	case exit.Code == noChangesExpected:
		if command == "up" { // Pulumi looks at the changes after it has made them
			fmt.Fprint(a.stdout, r.Updated())
			a.say("error: there were changes, which are made, and --expect-no-changes was given")
			return err
		}
		fmt.Fprint(a.stdout, r.Preview(false))
		a.say("error: there are changes, and --expect-no-changes was given")
		return err
	}
	if a.stack.Emulated && a.emulator.PID > 0 && !alive(a.emulator.PID) {
		return fmt.Errorf("the local emulator has ended, and the resources in it are lost. What it printed: %s\n  Fix: %s", newEmulator(a.tools, a.say).Log, screen.Make(a.stack.Name, "up"))
	}
	shown, err2 := filepath.Rel(a.root, path)
	if err2 != nil {
		shown = path
	}
	tail, advice := errorIn(path), ""
	if locked.MatchString(tail) {
		return a.explainLock(command, tail)
	}
	if strings.Contains(tail, "incorrect passphrase") {
		return fmt.Errorf("this is not the passphrase of the stack %s. Nothing was changed.\n"+
			"  Fix: run it again, with the passphrase that the stack was created with; for an empty one, press Enter. If PULUMI_CONFIG_PASSPHRASE\n"+
			"  or PULUMI_CONFIG_PASSPHRASE_FILE is set, it has another one", a.stack.Name)
	}
	if command != "preview" {
		advice = "Next: remove the cause; " + screen.Make(a.stack.Name, command) + " continues from there."
		if a.stack.Emulated && !r.Explained() {
			advice += " If the cause is the emulator itself, start with an empty one: make down, then " + screen.Make(a.stack.Name, "up") + "."
		}
	}
	fmt.Fprint(a.stderr, r.Failed(command, shown, tail, advice))
	return err
}

// locked matches what Pulumi says of another command on the stack: a backend of files, and Pulumi Cloud.
var locked = regexp.MustCompile(`the stack is currently locked by|Another update is currently in progress`)

// explainLock is the error of a command that found the stack locked. What Pulumi advises, pulumi cancel, harms an update that runs.
func (a *app) explainLock(command, said string) error {
	again := screen.Make(a.stack.Name, command)
	if a.stack.Emulated {
		return fmt.Errorf("another command is running on the stack %s. Nothing was changed.\n  Fix: wait for it, or stop it with Ctrl-C in its terminal; then: %s", a.stack.Name, again)
	}
	return fmt.Errorf("another command is running on the stack %s. Nothing was changed.\n  Pulumi: %s\n  Fix: wait for it; then: %s. If it was killed: docs/team.md, \"A lock is held\"",
		a.stack.Name, strings.Join(strings.Fields(said), " "), again)
}

// noChangesExpected is Pulumi's exit code if --expect-no-changes is not met.
const noChangesExpected = 7

// errorIn is the error at the end of what Pulumi printed, for a failure that no event reports, such as a locked stack.
func errorIn(path string) string {
	tail := toolchain.Tail(path, 20)
	if at := strings.LastIndex("\n"+tail, "\nerror: "); at >= 0 {
		tail = tail[at:]
	}
	return strings.TrimSpace(tail)
}

// patience is how long a run that has no terminal waits for the same thing before it says so.
const patience = 10 * time.Second

// follow reads the events until Pulumi has ended, and shows what it is waiting for.
func (a *app) follow(command, path string, ended <-chan struct{}, r *screen.Run, interrupts *atomic.Int32) error {
	to, _ := a.stderr.(*os.File)
	live := process.IsTerminal(to) && process.Variable(a.environ, "TERM") != "dumb"
	line := screen.NewLine(to, live)
	defer line.Clear()
	activity, start, since, shown, canceled := doing[command], time.Now(), time.Now(), "", int32(0)
	e := &eventFile{path: path, add: r.Add}
	defer e.close()
	for last := false; ; {
		if err := e.read(); err != nil {
			return err
		}
		if last {
			return nil
		}
		if n := interrupts.Load(); n > canceled {
			canceled, activity, start = n, "cancelling", time.Now()
			line.Clear()
			if command == "preview" {
				a.say("Cancelling.")
			} else if n > 1 {
				a.say("Stopping at once.")
			} else {
				a.say("Cancelling: waiting for what AWS has begun. Ctrl-C again stops at once; the state may then lack the result.")
			}
		}
		waiting := r.Waiting()
		switch {
		case live:
			line.Show(fmt.Sprintf("  %s %s", activity, time.Since(start).Round(time.Second)), "  "+r.Progress(canceled > 0))
		case waiting != shown:
			shown, since = waiting, time.Now()
		case waiting != "" && time.Since(since) > patience:
			a.say("  waiting: %s", waiting)
			since = since.Add(time.Hour) // once
		}
		select {
		case <-ended:
			last = true
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var doing = map[string]string{"up": "updating", "preview": "previewing", "destroy": "deleting"}

// eventFile is the growing file of Pulumi's events.
type eventFile struct {
	path string
	add  func(apitype.EngineEvent)
	file *os.File
	rest []byte
}

// read hands on the events that are complete. Pulumi creates the file when it starts.
func (e *eventFile) read() (err error) {
	if e.file == nil {
		if e.file, err = os.Open(e.path); err != nil {
			e.file = nil
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
	}
	more, err := io.ReadAll(e.file)
	if err != nil {
		return err
	}
	e.rest = append(e.rest, more...)
	for {
		line, rest, complete := bytes.Cut(e.rest, []byte("\n"))
		if !complete {
			return nil
		}
		e.rest = rest
		var event apitype.EngineEvent
		if err := json.Unmarshal(line, &event); err != nil {
			return fmt.Errorf("cannot read Pulumi's event log: %w", err)
		}
		e.add(event)
	}
}

func (e *eventFile) close() {
	if e.file != nil {
		e.file.Close()
	}
}
