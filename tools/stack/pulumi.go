package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"private-ec2-access/tools/process"
)

// call describes one run of Pulumi.
type call struct {
	args []string
	// ask lets Pulumi ask on the terminal; everything else runs with --non-interactive.
	ask bool
	// stdout receives the output; nil is the command's own standard output.
	stdout io.Writer
	// stderr receives the messages; nil is the command's own standard error.
	stderr io.Writer
	// env is added to the environment.
	env []string
	// interrupted is called when Ctrl-C was pressed; it may be nil.
	interrupted func()
}

// pulumi runs Pulumi in the project's folder.
func (a *app) pulumi(c call) error {
	args := append(c.args, "--color", "auto")
	if !c.ask {
		args = append(args, "--non-interactive")
	}
	cmd := exec.Command(a.cli.Path, args...)
	// A closed terminal is Ctrl-C: Pulumi would end at once, and leave the stack locked and its state behind AWS, so it does not
	// hear of it. Under nohup, nobody here does.
	hears := !signal.Ignored(syscall.SIGHUP)
	if hears {
		cmd = withoutHangup(a.cli.Path, args)
	}
	cmd.Dir = a.root
	cmd.Env = append(a.env.Apply(a.environ), c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	if c.stderr != nil {
		cmd.Stderr = c.stderr
	}
	// Ctrl-C reaches Pulumi by itself, because it is in the same process group. It is caught here, so that Pulumi can end
	// what it is doing and write its state.
	started := make(chan struct{})
	stop := process.OnSignal(func(s os.Signal) {
		<-started
		if c.interrupted != nil {
			c.interrupted()
		}
		if s == syscall.SIGTERM && cmd.Process != nil {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if hears {
		interrupt := sync.OnceFunc(pressCtrlC) // a second one would end Pulumi at once
		defer process.OnSignal(func(os.Signal) { interrupt() }, syscall.SIGHUP)()
	}
	err := cmd.Start()
	close(started)
	if err == nil {
		err = cmd.Wait()
	}
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		return err
	}
	code, by := process.ExitCode(failed)
	if by != nil {
		a.say("pulumi was ended by a signal (%s). The stack's state may lack some of what it did.", by)
	}
	return process.Exit{Code: code}
}

// pipe hides from Pulumi that its output goes to a terminal, which Pulumi would ask for its colours: one that does not answer
// delays it by seconds.
type pipe struct{ io.Writer }

// read runs Pulumi on the stack and returns what it prints.
func (a *app) read(args ...string) (string, error) {
	var out strings.Builder
	err := a.onExisting(call{args: args, stdout: &out})
	return out.String(), err
}

// onExisting runs Pulumi on the stack, and fails with sessions.NotDeployed if the backend has no such stack.
func (a *app) onExisting(c call) error {
	said, err := a.reading(c)
	if err != nil && strings.Contains(said, "no stack named ") {
		return a.notDeployed()
	}
	fmt.Fprint(a.stderr, said)
	return err
}

// halfWritten matches what Pulumi says of a state in a folder that another command is writing at this moment.
var halfWritten = regexp.MustCompile(`failed to load checkpoint: (EOF|unexpected end of JSON input)`)

// reading runs Pulumi, which reads the state, and returns what it says on standard error.
func (a *app) reading(c call) (said string, err error) {
	for range 5 {
		var text strings.Builder
		c.stderr = &text
		err = a.pulumi(c)
		if said = text.String(); err == nil || !halfWritten.MatchString(said) {
			break
		}
		time.Sleep(300 * time.Millisecond)
	}
	return said, err
}
