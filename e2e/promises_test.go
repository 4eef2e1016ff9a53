package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// requireSessionsAsPromised opens a session with the command of the stack's output, the real AWS CLI and the real plugin,
// and looks for what was typed in every log location of the deployed document. Where the document requires an OS user that
// the instance does not have, the agent must refuse.
//
// Session Manager, the agent and the instance's shell are simulated by the emulator.
func requireSessionsAsPromised(t *testing.T, in *account, s *stack, row combination) {
	t.Helper()
	outputs := s.outputs()
	line := strings.Fields(outputs.text("startSession.app"))[1:]
	if needs := row.value("session.runAs"); needs != "off" {
		if _, err := user.Lookup("operator"); needs == "by tag" || err != nil {
			require.Regexp(t, `RunAs`, in.refused(t, line))
			return
		}
	}
	shown := in.typed(t, line, "echo marked=$((6 * 7))", "exit")
	id := regexp.MustCompile(`Starting session with SessionId: (\S+)`).FindStringSubmatch(shown)
	require.NotNil(t, id, shown)
	key := strings.TrimPrefix(outputs.text("logLocation"), "s3://"+outputs.text("logBucket")+"/") + id[1] + ".log"
	require.Eventually(t, func() bool { return strings.Contains(in.object(t, outputs.text("logBucket"), key), "marked=42") },
		30*time.Second, time.Second, "no session log in S3")
	if group := outputs.text("logGroup"); group != "" {
		require.Eventually(t, func() bool {
			out, err := in.try("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", id[1])
			return err == nil && bytes.Contains(out, []byte("marked=42"))
		}, 30*time.Second, time.Second, "no session log in the log group")
	}
}

// object returns the text of an object, empty if there is none.
func (a *account) object(t *testing.T, bucket, key string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object")
	if _, err := a.try("s3api", "get-object", "--bucket", bucket, "--key", key, file); err != nil {
		return ""
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// refused opens a session that must be refused, and returns what the user saw and the details in the session history.
func (a *account) refused(t *testing.T, arguments []string) string {
	t.Helper()
	cmd := exec.Command(setting(t, "EMULATOR_PYTHON"), append([]string{"-m", "awscli"}, arguments...)...)
	cmd.Env, cmd.Dir = a.environment(), t.TempDir()
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer terminal.Close()
	defer time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop() // the plugin, too, or it keeps the terminal
	var shown bytes.Buffer
	_, _ = shown.ReadFrom(terminal) // it ends with an error when the other side is closed
	_ = cmd.Wait()                  // how a refused session ends is the plugin's
	require.NotContains(t, shown.String(), "$ ", "there was a shell")
	session := a.aws("ssm", "describe-sessions", "--state", "History")
	require.Equal(t, "Failed", session.text("Sessions[0].Status"), shown.String())
	return shown.String() + session.text("Sessions[0].Details")
}

// With logging.required the agent refuses a session if the log group is missing, not encrypted or not readable, if the
// bucket's encryption cannot be read, or if the key cannot be used. Without these faults the same stack's sessions open and
// are recorded in both log locations.
//
// That a real agent refuses was observed. moto issues data keys of a disabled key, so the emulator's front answers as KMS
// does.
func TestSession_LoggingRequiredButBroken_Refused(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	words := existing(in)
	s := newStack(t, in, "required", spoken(map[string]any{
		"network.vpcId": "VPC", "network.subnetIds": []any{"SUBNET_A", "SUBNET_B"}, "logging.bucketName": "existing-logs",
		"logging.required": true, "logging.cloudWatch": true, "logging.encryption": "kms", "session.encryption": true,
	}, words))
	s.up()
	requireSessionsAsPromised(t, in, s, combination{Values: [][2]string{{"session.runAs", "off"}}})

	outputs := s.outputs()
	group := outputs.text("logGroup")
	line := strings.Fields(outputs.text("startSession.app"))[1:]
	for name, broken := range map[string]func(*account){
		"the log group is deleted":       func(in *account) { in.aws("logs", "delete-log-group", "--log-group-name", group) },
		"the log group has lost its key": func(in *account) { in.aws("logs", "disassociate-kms-key", "--log-group-name", group) },
		"the log group cannot be seen": func(in *account) {
			in.Add(emulator.Fail("logs", "DescribeLogGroups", 400, "AccessDeniedException", "no"))
		},
		"the bucket's encryption is gone":  func(in *account) { in.aws("s3api", "delete-bucket-encryption", "--bucket", "existing-logs") },
		"that encryption cannot be read":   func(in *account) { in.Add(emulator.Fail("s3", "GetBucketEncryption", 403, "AccessDenied", "no")) },
		"the key is disabled at the agent": func(in *account) { in.disable(outputs.text("keyArn"), "Decrypt") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := in.copy(t)
			broken(in)
			in.refused(t, line)
			var logs []string
			for _, o := range in.aws("s3api", "list-objects-v2", "--bucket", "existing-logs", "--prefix", "sessions/").list("Contents") {
				if strings.HasSuffix(o.text("Key"), ".log") { // a handshake that fails leaves another object
					logs = append(logs, o.text("Key"))
				}
			}
			require.Len(t, logs, 1, "the one from before")
		})
	}
}

func (a *account) disable(key, action string) {
	a.aws("kms", "disable-key", "--key-id", key[strings.LastIndex(key, "/")+1:])
	a.Add(emulator.Fail("kms", action, 400, "DisabledException", key+" is disabled."))
}
