//go:build unix

package process

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// What is left when the terminal of a make that is the first process on it is closed. Without EndWithTerminal the command goes on,
// which shows that the test can fail.
func TestEndWithTerminal_MakeIsFirstOnIt_EndsTheCommand(t *testing.T) {
	if file := os.Getenv("HANGUP_FILE"); file != "" {
		if os.Getenv("HANGUP_ENDS") != "" {
			EndWithTerminal()
		}
		require.NoError(t, os.WriteFile(file+".new", []byte(strconv.Itoa(os.Getpid())), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
		time.Sleep(time.Minute)
		return
	}
	// Under nohup, the command would not hear of it either.
	hears := make(chan os.Signal, 1)
	signal.Notify(hears, syscall.SIGHUP)
	defer signal.Stop(hears)
	for _, ends := range []bool{true, false} {
		folder := t.TempDir()
		started, makefile := filepath.Join(folder, "started"), filepath.Join(folder, "Makefile")
		require.NoError(t, os.WriteFile(makefile, []byte("all:\n\t@"+os.Args[0]+" -test.run '^"+t.Name()+"$$'\n"), 0o600))
		cmd := exec.Command("make", "-f", makefile)
		cmd.Env = append(os.Environ(), "HANGUP_FILE="+started)
		if ends {
			cmd.Env = append(cmd.Env, "HANGUP_ENDS=1")
		}
		terminal, err := pty.Start(cmd)
		require.NoError(t, err)
		var pid int
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(started)
			if err != nil {
				return false
			}
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
			return err == nil
		}, 30*time.Second, 10*time.Millisecond)
		require.NoError(t, terminal.Close())
		runs := func() bool { return syscall.Kill(pid, 0) == nil }
		if ends {
			require.Eventually(t, func() bool { return !runs() }, 30*time.Second, 10*time.Millisecond)
		} else {
			time.Sleep(300 * time.Millisecond)
			require.True(t, runs())
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		}
		_ = cmd.Wait()
	}
}
