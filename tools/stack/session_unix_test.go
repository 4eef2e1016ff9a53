//go:build unix

package stack

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
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

// Pulumi does not hear that the terminal was closed, and whatever runs after it does: a build or a session must not go on unseen.
func TestPulumi_Hangup_PressesCtrlCAndStaysForOthers(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	if signal.Ignored(syscall.SIGHUP) { // as under nohup
		hears := make(chan os.Signal, 1)
		signal.Notify(hears, syscall.SIGHUP)
		defer signal.Stop(hears)
	}
	ignored := func() string {
		out, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
		require.NoError(t, err)
		return strings.TrimSpace(strings.TrimPrefix(string(out), "SigIgn:"))
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc: the other half is an end-to-end test")
	}
	before := ignored()
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\ngrep SigIgn /proc/self/status\n"), 0o755))
	var seen strings.Builder
	require.NoError(t, a.pulumi(call{args: []string{"version"}, stdout: &seen}))
	bits, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(seen.String(), "SigIgn:")), 16, 64)
	require.NoError(t, err)
	require.NotZero(t, bits&1, "Pulumi ignores SIGHUP, signal 1")
	require.Equal(t, before, ignored(), "and programs that run later do not")
}
