package toolchain

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"private-ec2-access/tools/environment"
	"private-ec2-access/tools/process"
)

// step is one piece of work that the user is told about.
type step struct {
	// name is short and is repeated in the later lines, because two steps may run side by side.
	name string
	// why says why the step is needed, and usual how long it takes; both may be empty.
	why, usual string
	// quiet is how long the step may take before it is mentioned at all: steps that are nearly always done
	// already would only be noise.
	quiet time.Duration
	// waits says that the work runs no program, which Ctrl-C would have to end.
	waits bool
}

// run does the work and reports: a line at the start, one every 15 seconds, and one at the end. An error for which
// isUnavailable holds is reported too, because it is no failure: the caller goes another way. Ctrl-C reaches the programs
// of the work by themselves, and SIGTERM does not; either ends the command with exit code 130, and no program goes on.
func (t *Toolchain) run(s step, work func() error) error {
	start := time.Now()
	headline := "• " + s.name
	if s.why != "" {
		headline += ": " + s.why
	}
	if s.usual != "" {
		headline += " (usually " + s.usual + ")"
	}
	announced := s.quiet == 0
	if announced {
		t.say("%s", headline)
	}

	interrupted := make(chan struct{})
	end := sync.OnceFunc(func() { close(interrupted) })
	defer process.OnSignal(func(received os.Signal) {
		if received == syscall.SIGTERM {
			t.stopPrograms()
		}
		end()
	}, syscall.SIGINT, syscall.SIGTERM)()
	done := make(chan error, 1)
	go func() { done <- work() }()
	quiet := time.After(s.quiet)
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for {
		select {
		case <-quiet:
			if !announced {
				announced = true
				t.say("%s", headline)
			}
		case <-ticker.C:
			t.say("  still running: %s … %s", s.name, time.Since(start).Round(time.Second))
		case <-interrupted:
			grace := 5 * time.Second
			if s.waits {
				grace = 0
			}
			select {
			case <-done:
			case <-time.After(grace):
				t.stopPrograms() // in the background, a shell lets programs ignore Ctrl-C
			}
			return t.cancelled()
		case err := <-done:
			if err != nil { // Ctrl-C may have ended a program of the work before it is noticed here
				select {
				case <-interrupted:
					return t.cancelled()
				case <-time.After(50 * time.Millisecond):
				}
			}
			if isUnavailable(err) {
				t.say("  not available here: %s: %v", s.name, err)
				return err
			}
			if err != nil {
				return fmt.Errorf("%s failed after %s: %w", s.name, time.Since(start).Round(time.Second), explain(err))
			}
			if announced {
				t.say("  ok: %s, in %s", s.name, time.Since(start).Round(100*time.Millisecond))
			}
			return nil
		}
	}
}

// cancelled says once, for all steps, that Ctrl-C ended them.
func (t *Toolchain) cancelled() error {
	t.tell.Do(func() { t.say("Cancelled. What is finished is kept: the same command continues from there.") })
	return process.Exit{Code: 130}
}

func (t *Toolchain) stopPrograms() {
	t.programs.Range(func(program, _ any) bool {
		_ = program.(*os.Process).Signal(syscall.SIGTERM) // it may have ended
		return true
	})
}

// command runs a program of a step. Its output goes to .local/log/<log>.log; an error carries the last lines of it,
// the path of the log, and how to fix it.
func (t *Toolchain) command(log, fix string, cmd *exec.Cmd) error {
	file, err := t.CreateLog(log)
	if err != nil {
		return err
	}
	defer file.Close()
	path := file.Name()
	fmt.Fprintf(file, "# in %s\n# %s\n", cmd.Dir, strings.Join(cmd.Args, " "))
	cmd.Stdout, cmd.Stderr = file, file
	if cmd.Env == nil {
		cmd.Env = environment.Clean(os.Environ())
	}
	err = cmd.Start()
	if err == nil {
		t.programs.Store(cmd.Process, true)
		err = cmd.Wait()
		t.programs.Delete(cmd.Process)
	}
	if err != nil {
		lines := Tail(path, 15)
		message := fmt.Sprintf("%s\n%s\n  All of it: %s", err, indent(lines), path)
		if strings.Contains(strings.ToLower(lines), "no space left on device") { // Python writes it with a capital
			fix = "the disk is full: make room (a first run needs about 8 GB in .local and Go's caches) and run the same command again"
		}
		if fix != "" {
			message += "\n  Fix: " + fix
		}
		return fmt.Errorf("%s", message)
	}
	return nil
}

// CreateLog creates the file that takes what a program prints.
func (t *Toolchain) CreateLog(name string) (*os.File, error) {
	path := t.Path("log", name+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

// Tail returns the last lines of a file, or what kept it from being read.
func Tail(path string, lines int) string {
	const most = 16 << 10
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > most {
		if _, err := file.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func indent(text string) string {
	return "    | " + strings.ReplaceAll(text, "\n", "\n    | ")
}
