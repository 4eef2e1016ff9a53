package stack

import (
	"os/exec"
	"syscall"
)

// ownSession starts a process in a process group of its own, which Ctrl-C does not reach.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// ownProcess tells whether a process may be this user's: Windows does not say so here.
func ownProcess(int) bool { return true }

// pressCtrlC is never called: Windows has no SIGHUP.
func pressCtrlC() {}

// withoutHangup is the plain program here.
func withoutHangup(path string, args []string) *exec.Cmd { return exec.Command(path, args...) }
