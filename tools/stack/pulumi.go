package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// ExitError ends the command with an exit code of what it ran, which has said itself what is wrong.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("ended with exit code %d", e.Code) }

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
}

// pulumi runs Pulumi in the project's folder. Ctrl-C reaches Pulumi by itself, because it is in the same process group;
// here it is only waited for, so that Pulumi can end what it is doing and write its state.
func (a *app) pulumi(c call) error {
	args := append(c.args, "--color", "auto")
	if !c.ask {
		args = append(args, "--non-interactive")
	}
	cmd := exec.Command(a.cli.Path, args...)
	cmd.Dir = a.root
	cmd.Env = append(a.env.Apply(a.environ), c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	if c.stderr != nil {
		cmd.Stderr = c.stderr
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGTERM {
					_ = cmd.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
			a.say("pulumi was ended by a signal (%s). What it had done may not be in the stack's state.", status.Signal())
		}
		return &ExitError{Code: code}
	}
	return err
}

// read runs Pulumi and returns what it prints.
func (a *app) read(args ...string) (string, error) {
	var out strings.Builder
	err := a.pulumi(call{args: args, stdout: &out})
	return out.String(), err
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
