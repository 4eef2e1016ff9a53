package sessions

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipedInto runs a session without a terminal against a script in place of aws.
func pipedInto(t *testing.T, script, input string) (out, said string, code int) {
	t.Helper()
	out, _, said, code = against(t, script, input, (*run).piped)
	return out, said, code
}

// against opens a session against a script in place of aws. Said is what the script said, and shown what of it the user sees.
func against(t *testing.T, script, input string, open func(*run, []string) (string, int, error)) (out, shown, said string, code int) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "aws")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	file := func(name, text string) *os.File {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		f, err := os.OpenFile(filepath.Join(folder, name), os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	r := &run{Setting: Setting{In: file("in", input), Out: file("out", ""), Err: file("err", "")}, aws: &client{path: path, environ: os.Environ()}}
	said, code, err := open(r, []string{"ssm", "start-session"})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(folder, "out"))
	require.NoError(t, err)
	errors, err := os.ReadFile(filepath.Join(folder, "err"))
	require.NoError(t, err)
	return string(text), string(errors), said, code
}

const pipedShell = "stty sane -echo; echo; echo 'Starting session with SessionId: alice-1'; sleep 0.2; printf '$ '\n"

// What is typed before the shell reads would be lost; this one throws it away.
func TestPiped_Input_TypedAfterThePromptAndThenEnded(t *testing.T) {
	out, _, code := pipedInto(t, pipedShell+"while read -r line; do echo \"said $line\"; done; echo ended\n", "uptime\nwhoami")
	assert.Zero(t, code)
	assert.Contains(t, out, "said uptime\n")
	assert.Contains(t, out, "said whoami\n", "the last line has no newline")
	assert.Contains(t, out, "ended\n")
	assert.NotContains(t, out, "\r")
}

func TestPiped_ProgramTakesTheEndOfInput_EndedAgain(t *testing.T) {
	out, _, _ := pipedInto(t, pipedShell+"cat >/dev/null; echo once; cat >/dev/null; echo twice\n", "")
	assert.Contains(t, out, "once\n")
	assert.Contains(t, out, "twice\n")
}

// At the end the plugin gives the terminal its echo back, and may take a while to leave.
func TestPiped_PluginLeavesSlowly_NoCtrlDEchoed(t *testing.T) {
	out, _, code := pipedInto(t, pipedShell+"cat >/dev/null; stty -icanon echo echoctl; echo; echo 'Exiting session with sessionId: alice-1.'; sleep 3\n", "")
	assert.Zero(t, code)
	assert.Contains(t, out, "Exiting session")
	assert.NotContains(t, out, "^D")
}

func TestPiped_Refused_ErrorSeparateFromOutput(t *testing.T) {
	start := time.Now()
	out, said, code := pipedInto(t, "echo 'An error occurred (TargetNotConnected) when calling the StartSession operation: i-1 is not connected.' >&2; exit 254\n", "uptime\n")
	assert.Equal(t, 254, code)
	assert.Contains(t, said, "TargetNotConnected")
	assert.Empty(t, out)
	assert.Less(t, time.Since(start), 5*time.Second)
}

// An error of aws may quote what others wrote. What the session itself prints is the session's.
func TestSession_ErrorOfTheClient_CannotControlTheTerminal(t *testing.T) {
	for name, open := range map[string]func(*run, []string) (string, int, error){"piped": (*run).piped, "on a terminal": (*run).handOver} {
		_, shown, said, code := against(t, `printf 'refused: \033]52;c;eA==\007\n' >&2; exit 254`, "", open)
		assert.Equal(t, 254, code, name)
		assert.Equal(t, "refused: ?]52;c;eA==?\n", shown, name)
		assert.Equal(t, "refused: \x1b]52;c;eA==\a\n", said, name)
	}
}
