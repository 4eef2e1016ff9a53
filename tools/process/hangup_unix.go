//go:build unix

package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EndWithTerminal ends this process and its children when the terminal is closed while make is the first process on it, as in
// `ssh -t HOST make up`: only the first one is told then, and make waits for the others, which would go on unseen.
func EndWithTerminal() {
	leader, err := unix.Getsid(0)
	if err != nil || leader != unix.Getpgrp() || !IsTerminal(os.Stdin) { // another group is a job of a shell, which tells it
		return
	}
	terminal := []unix.PollFd{{Fd: int32(os.Stdin.Fd())}}
	go func() {
		for {
			_, err := unix.Poll(terminal, -1)
			if err == unix.EINTR {
				continue
			}
			if err == nil && terminal[0].Revents&unix.POLLHUP != 0 {
				_ = syscall.Kill(0, syscall.SIGHUP) // the process group: what a shell does with its jobs
			}
			return
		}
	}()
}
