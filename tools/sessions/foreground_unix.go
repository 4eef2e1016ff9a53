//go:build unix

package sessions

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// foreground makes a command the foreground process group of a terminal. The returned function takes the terminal back. It fails
// on a terminal that is not the controlling one, such as that of `su -c`: a command then shares its process group with this program.
func foreground(cmd *exec.Cmd, tty int) (takeBack func(), err error) {
	if _, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP); err != nil {
		return func() {}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: tty}
	return func() {
		// This program is in the background here, where taking the terminal would stop it.
		signal.Ignore(syscall.SIGTTOU)
		_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp())
		signal.Reset(syscall.SIGTTOU)
	}, nil
}

// signalForeground sends a signal to a command, and to its process group if it has one of its own.
func signalForeground(cmd *exec.Cmd, s os.Signal) {
	pid := cmd.Process.Pid
	if cmd.SysProcAttr != nil {
		pid = -pid
	}
	_ = syscall.Kill(pid, s.(syscall.Signal)) // it may have ended
	_ = syscall.Kill(pid, syscall.SIGCONT)    // a stopped process gets the signal only then
}

// controlTerminal makes a command's standard input its terminal.
func controlTerminal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}
