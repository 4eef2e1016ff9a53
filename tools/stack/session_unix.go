//go:build unix

package stack

import (
	"fmt"
	"os"
	"syscall"
)

// ownSession starts a process in a session of its own.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// ownProcess tells whether a process may be this user's.
func ownProcess(pid int) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil { // not Linux: a signal to another user's process is refused
		return send(pid, syscall.Signal(0)) == nil
	}
	owner, is := info.Sys().(*syscall.Stat_t)
	return is && int(owner.Uid) == os.Geteuid()
}

// pressCtrlC sends what Ctrl-C sends to each process of a terminal's foreground, of which this is one.
func pressCtrlC() { _ = syscall.Kill(0, syscall.SIGINT) }
