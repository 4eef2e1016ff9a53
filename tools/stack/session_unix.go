//go:build unix

package stack

import (
	"fmt"
	"os"
	"os/exec"
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

// withoutHangup is a program that ignores SIGHUP. A shell sets that, because Go's os/signal cannot take it back in this process.
func withoutHangup(path string, args []string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, path}, args...)...)
}
