package sessions

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/creack/pty"
)

// shell is the shell on a pty that plays an instance's. It is no sandbox: it runs as this process's user and can do
// what that one can. It only begins in an empty folder, which is also its HOME, and with an environment of its own.
type shell struct {
	cmd    *exec.Cmd
	tty    *os.File
	folder string

	mu     sync.Mutex
	closed bool // the terminal
	gone   bool // the process is collected
}

func startShell(folder string) (*shell, error) {
	path, err := exec.LookPath("sh")
	if err != nil {
		return nil, fmt.Errorf("failed to start pty: %w", err)
	}
	folder, err = os.MkdirTemp(folder, "instance-")
	if err != nil {
		return nil, err
	}
	home := filepath.Join(folder, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Dir = home
	// Nothing of the developer's environment: no AWS identity, no history, no start files.
	cmd.Env = []string{
		"HOME=" + home, "PWD=" + home, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=xterm-256color", "LANG=C.UTF-8",
	}
	blocking, err := pty.Start(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("failed to start pty: %w", err), os.RemoveAll(folder))
	}
	tty, err := interruptible(blocking)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("failed to start pty: %w", err), cmd.Process.Kill(), cmd.Wait(), os.RemoveAll(folder))
	}
	return &shell{cmd: cmd, tty: tty, folder: folder}, nil
}

func (s *shell) resize(columns, rows uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	connection, err := s.tty.SyscallConn()
	if err != nil {
		return
	}
	_ = connection.Control(func(fd uintptr) {
		setSize(int(fd), uint16(columns), uint16(rows))
	})
}

// kill ends the shell and what it started in its own process group; the rest loses its terminal.
func (s *shell) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked()
}

func (s *shell) killLocked() {
	if !s.gone {
		killGroup(s.cmd.Process.Pid) // it may have ended, and waits for Wait
	}
	s.closed = true
	_ = s.tty.Close()
}

// remove ends the shell, collects it and deletes its folder. From then on its number may be another process's.
func (s *shell) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked()
	_ = s.cmd.Wait()
	s.gone = true
	_ = os.RemoveAll(s.folder)
}

// checkRunAs refuses as the agent does. A user that exists is not changed to: the shell runs as this process's user.
func checkRunAs(p preferences) error {
	if !p.RunAsEnabled {
		return nil
	}
	if strings.TrimSpace(p.RunAsDefaultUser) == "" {
		return errors.New("please set the RunAs default user")
	}
	found, err := user.Lookup(p.RunAsDefaultUser)
	if err != nil {
		return fmt.Errorf("failed to start pty since RunAs user %s does not exist", p.RunAsDefaultUser)
	}
	if found.Uid == "0" {
		return errors.New("invalid uid and gid")
	}
	return nil
}

// completeRunes parts what was read from a terminal before a character whose end has not come yet.
func completeRunes(b []byte) (complete, rest []byte) {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-n], last
			}
			break
		}
	}
	return b, nil
}
