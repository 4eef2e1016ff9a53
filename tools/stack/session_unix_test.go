//go:build unix

package stack

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After the emulator was killed, another user's process may get its number and its port. It is not asked for sessions, whatever
// folder its command line names.
func TestEmulator_ProcessOfAnotherUser_IsNotOurs(t *testing.T) {
	pid, folder := 1, ""
	if os.Geteuid() == 0 { // process 1 is root's as well
		folder = "/home/ana/checkout/.local/emulator"
		sleep := exec.Command("sh", "-c", "sleep 60; exit", folder)
		sleep.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Setpgid: true}
		require.NoError(t, sleep.Start())
		t.Cleanup(func() { _ = syscall.Kill(-sleep.Process.Pid, syscall.SIGKILL); _ = sleep.Wait() })
		pid = sleep.Process.Pid
	}
	e := &Emulator{Folder: folder}
	require.True(t, alive(pid))
	assert.False(t, e.isOurs(pid))
	assert.True(t, (&Emulator{}).isOurs(os.Getpid()), "a process of this user whose command line has the folder is")
}
