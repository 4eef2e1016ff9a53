package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// A session on the stack's instance, with the stack's document, the real AWS CLI and the real session-manager-plugin, is
// recorded in the stack's bucket, whose policy allows it. Session Manager, the agent and the instance's shell are simulated
// by the emulator.
func TestSession_OfStack_IsRecorded(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	topic := in.aws("sns", "create-topic", "--name", "ops").text("TopicArn")
	s := newStack(t, in, "session", map[string]any{
		"instances": map[string]any{"app": map[string]any{}, "db": map[string]any{}},
		"operators": map[string]any{"web": map[string]any{
			"instances": []any{"app"}, "portForwarding": map[string]any{"postgres": map[string]any{"host": "db.internal", "port": 5432}},
		}},
		"auditors":   map[string]any{"enabled": true},
		"breakGlass": map[string]any{"principals": []any{"arn:aws:iam::" + here + ":root"}},
		"alerts":     map[string]any{"topicArn": topic},
	})
	s.up()
	outputs := s.outputs()
	instance := outputs.text("instanceIds.app")
	require.Equal(t, "Online", in.aws("ssm", "describe-instance-information").text("InstanceInformationList[0].PingStatus"))

	// The output has the command: aws ssm start-session …
	line := strings.Fields(outputs.text("startSession.app"))
	require.Equal(t, []string{"aws", "ssm", "start-session"}, line[:3])
	shown := in.typed(t, line[1:], "echo marked=$((6 * 7))", "exit")
	id := regexp.MustCompile(`Starting session with SessionId: (\S+)`).FindStringSubmatch(shown)
	require.NotNil(t, id, shown)
	require.Contains(t, shown, "marked=42")
	require.Contains(t, shown, "Exiting session with sessionId: "+id[1])

	session := in.aws("ssm", "describe-sessions", "--state", "History", "--filters", "key=SessionId,value="+id[1])
	require.Equal(t, "Terminated", session.text("Sessions[0].Status"))
	require.Equal(t, instance, session.text("Sessions[0].Target"))

	objects := in.aws("s3api", "list-objects-v2", "--bucket", outputs.text("logBucket")).list("Contents")
	require.Len(t, objects, 1)
	key := objects[0].text("Key")
	require.True(t, strings.HasSuffix(key, "/"+id[1]+".log"), key)
	file := filepath.Join(t.TempDir(), "session.log")
	in.aws("s3api", "get-object", "--bucket", outputs.text("logBucket"), "--key", key, file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "marked=42")

	// Nobody has been refused so far: the emulator enforces no policy.
	requirePoliciesDecide(t, in, outputs, key)
	requireRulesMatch(t, in, outputs)
}

// typed opens a session with the AWS CLI on a terminal, types lines as soon as there is a shell, and returns what the
// terminal has shown when the session ends.
func (c *awsCLI) typed(t *testing.T, arguments []string, lines ...string) string {
	t.Helper()
	cmd := exec.Command(setting(t, "EMULATOR_PYTHON"), append([]string{"-m", "awscli"}, arguments...)...)
	cmd.Env = c.environ
	cmd.Dir = t.TempDir()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	require.NoError(t, err)
	defer terminal.Close()
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may have ended, with the plugin
	var mu sync.Mutex
	var shown strings.Builder
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			mu.Lock()
			shown.Write(buffer[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	text := func() string { mu.Lock(); defer mu.Unlock(); return shown.String() }
	// What is typed before the plugin has switched the echo off may be lost.
	require.Eventually(t, func() bool {
		stty := exec.Command("stty", "-a")
		stty.Stdin = terminal
		out, err := stty.Output()
		return err == nil && strings.Contains(string(out), " -echo ")
	}, time.Minute, 50*time.Millisecond, "no session")
	for _, line := range lines {
		_, err := terminal.WriteString(line + "\r")
		require.NoError(t, err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		require.FailNow(t, "the session does not end", text())
	}
	return text()
}
