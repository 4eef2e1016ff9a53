package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An audit of 10,000 sessions with a session log each, nearly all of which are findings, takes less than a minute of CPU time
// and 100 MB of memory, with the processes of the AWS CLI. So does an audit of 10,000 honest sessions, which finds nothing.
// `make test` has 200 sessions.
//
// It does not prove how long AWS takes to answer. CloudTrail and log groups are not read.
func TestAudit_TenThousandSessions_EveryFinding(t *testing.T) {
	t.Parallel()
	n, without, formats := 200, 50, []string{"json"}
	if long(t) {
		n, formats = 10_000, []string{"table", "json", "csv"}
	}
	const findings, honest = "us-east-2", "us-east-1"
	in := newAccount(t, findings)
	in.aws("s3api", "create-bucket", "--bucket", "audited-logs", "--create-bucket-configuration", "LocationConstraint="+findings)
	in.aws("s3api", "put-bucket-versioning", "--bucket", "audited-logs", "--versioning-configuration", "Status=Enabled")
	now := time.Now().UTC().Truncate(time.Second)
	// The same sessions are in two Regions: in one they ended long before their logs were written, in the other 20 minutes before.
	for _, region := range []string{findings, honest} {
		in.aws("ssm", "create-document", "--region", region, "--name", preferencesName, "--document-type", "Session", "--content",
			`{"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"s3BucketName": "audited-logs", "s3KeyPrefix": "sessions", "idleSessionTimeout": "20"}}`)
		sessions := seeded(n, "i-0123456789abcdef0", now.Add(-2*time.Hour))
		for _, s := range sessions {
			if s["Region"] = region; region == honest {
				s["EndDate"] = now.Add(-20 * time.Minute).Format(time.RFC3339)
			}
		}
		running{URL: in.URL(), Secret: in.Secret()}.ask(t, http.MethodPost, "sessions", sessions, nil)
	}
	sessions := seeded(n, "", now)
	write := func(sessions []object) {
		logs := t.TempDir()
		for _, s := range sessions {
			require.NoError(t, os.WriteFile(filepath.Join(logs, s.text("SessionId")+".log"), []byte("$ date\n"), 0o600))
		}
		out, err := in.try("s3", "cp", logs, "s3://audited-logs/sessions/", "--recursive", "--only-show-errors")
		require.NoError(t, err, "%s", out)
	}
	audit := func(region, format string) (code int, found, problems string) {
		outputs := filepath.Join(t.TempDir(), "outputs.json")
		require.NoError(t, os.WriteFile(outputs, []byte(`{"region": "`+region+`", "sessionDocument": "`+preferencesName+`",
			"instanceIds": {"app": "i-0123456789abcdef0"}, "instanceProfileName": "audited", "logBucket": "audited-logs", "logLocation": "s3://audited-logs/sessions/"}`), 0o600))
		cmd := exec.Command(filepath.Join(project(t), ".local", "bin", "stack"), "audit", "--outputs", outputs, "--format", format)
		cmd.Env = append(in.environment(), "PATH="+filepath.Dir(setting(t, "EMULATOR_PYTHON")))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		most, ended := 0, make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var err error
		for running := true; running; {
			select {
			case err = <-ended:
				running = false
			case <-time.After(20 * time.Millisecond):
				most = max(most, memoryOfGroup(cmd.Process.Pid))
			}
		}
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage) // with that of the AWS CLI
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("%s: %s of CPU time, the largest process has %d MB, all at once %d MB", format, cpu.Round(100*time.Millisecond), usage.Maxrss>>10, most>>20)
		require.Less(t, cpu, time.Minute, format)
		require.Less(t, most, 100<<20, format)
		return exitCode(err), stdout.String(), stderr.String()
	}

	write(sessions[without:])
	for _, format := range formats {
		code, found, problems := audit(findings, format)
		require.Equal(t, 6, code, problems)
		require.Contains(t, problems, fmt.Sprintf("%d log-too-late, %d no-log.", n-without, without))
		if format == "json" {
			require.True(t, json.Valid([]byte(found)))
		}
	}
	write(sessions[:without])
	code, found, problems := audit(honest, "table")
	require.Zero(t, code, found+problems)
	require.Empty(t, found)
	require.Contains(t, problems, fmt.Sprintf("%d logged as they should be.", n))
}

// memoryOfGroup is the resident memory of all processes of a group, in bytes.
func memoryOfGroup(group int) (bytes int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after) // from the state on: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
		if len(fields) > 21 && fields[2] == strconv.Itoa(group) {
			pages, _ := strconv.Atoi(fields[21])
			bytes += pages * os.Getpagesize()
		}
	}
	return bytes
}
