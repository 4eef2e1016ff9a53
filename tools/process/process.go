// Package process has what the commands share about their own process and the ones they start: exit codes, mistakes on
// the command line, environment variables, terminals and signals.
package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Exit ends the command with a code. What is wrong has been printed before.
type Exit struct{ Code int }

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Usage is a mistake on the command line. It ends the command with exit code 2.
type Usage struct{ error }

// Usagef returns a Usage.
func Usagef(format string, args ...any) error { return Usage{fmt.Errorf(format, args...)} }

// Unwrap makes the cause visible to errors.Is and errors.As.
func (u Usage) Unwrap() error { return u.error }

// Code prints the error, unless it is an Exit, and returns the exit code.
func Code(stderr io.Writer, err error) int {
	var exit Exit
	if err == nil || leftEarly(err) {
		return 0
	} else if errors.As(err, &exit) {
		return exit.Code
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
	if errors.As(err, new(Usage)) {
		return 2
	}
	return 1
}

// leftEarly reports whether an error is that the reader of standard output has read enough.
func leftEarly(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed) && failed.Path == os.Stdout.Name() && errors.Is(failed, syscall.EPIPE)
}

// kinds says what is wrong with the value of a flag of a type, where Go's words do not help.
var kinds = map[string]string{"duration": "not a duration. Allowed: one such as 90s or 10m", "int": "not a whole number", "bool": "not true or false"}

// FlagProblem is a flag whose value can be read, but is not allowed.
type FlagProblem struct {
	Flag    *pflag.Flag
	Problem string
}

func (p FlagProblem) Error() string { return p.Problem }

// FlagError makes every mistake in a flag a Usage error.
func FlagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var wrong FlagProblem
	name, underMake := "", os.Getenv("MAKELEVEL") != ""
	named := func(flag string) string {
		if underMake {
			return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		}
		return "--" + flag
	}
	if errors.As(err, &wrong) {
		name = named(wrong.Flag.Name)
		err = fmt.Errorf("%s: %s (got %q)", name, wrong.Problem, wrong.Flag.Value)
	} else if errors.As(err, &value) {
		name = named(value.GetFlag().Name)
		problem := value.Unwrap()
		if text := kinds[value.GetFlag().Value.Type()]; text != "" {
			problem = errors.New(text)
		}
		err = fmt.Errorf("%s: %w (got %q)", name, problem, value.GetValue())
	}
	if name != "" && underMake { // the flags are make's options then
		return Usagef("%w\n  Fix: make help lists the options", err)
	}
	return Usagef("%w\n  Fix: %s --help lists the flags", err, cmd.CommandPath())
}

// NoArgs accepts flags only.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && os.Getenv("MAKELEVEL") != "" { // they come from there
		return Usagef("make %s takes no ARGS (got %q)\n  Fix: leave out ARGS", cmd.Name(), strings.Join(args, " "))
	}
	if len(args) > 0 {
		return Usagef("%s takes no argument (got %q)\n  Fix: %[1]s --help lists the flags", cmd.CommandPath(), args[0])
	}
	return nil
}

// Variable returns an environment variable. Of duplicates the last one counts, as for os/exec.
func Variable(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

// Missing is the error for a program that is not on PATH.
type Missing struct{ Program string }

func (e Missing) Error() string { return "there is no `" + e.Program + "` on PATH" }

// LookPath searches the PATH of an environment, which need not be this process's own.
func LookPath(program string, environ []string) (string, error) {
	for _, folder := range filepath.SplitList(Variable(environ, "PATH")) {
		if folder == "" {
			continue
		}
		if path, err := exec.LookPath(folder + string(filepath.Separator) + program); err == nil {
			return path, nil
		}
	}
	return "", Missing{program}
}

// IsTerminal reports whether a file is a terminal. The file may be nil.
func IsTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// ExitCode returns the code that a shell would show for a program that has ended: 128 plus the number of the signal that
// ended it, which is also returned, or else its own exit code.
func ExitCode(err *exec.ExitError) (int, os.Signal) {
	if status, ok := err.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), status.Signal()
	}
	return err.ExitCode(), nil
}

// OnSignal calls a function for each of the signals, which then do not end this process, until stop is called.
func OnSignal(do func(os.Signal), signals ...os.Signal) (stop func()) {
	received, done := make(chan os.Signal, 4), make(chan struct{})
	signal.Notify(received, signals...)
	go func() {
		for {
			select {
			case s := <-received:
				do(s)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(received)
		close(done)
	}
}
