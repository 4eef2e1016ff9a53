package sessions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/outputs"
)

func sessionJSON(id, target, owner, reason, start, end string) string {
	return fmt.Sprintf(`{"SessionId": %q, "Target": %q, "Owner": "arn:aws:sts::1:assumed-role/r/%s", "Reason": %q, "Status": "Connected", "StartDate": %q, "EndDate": %q, "DocumentName": "SSM-SessionManagerRunShell"}`,
		id, target, owner, reason, start, end)
}

func statusAnswers(open, history string, more ...answer) []answer {
	return append(more,
		answer{Contains: "describe-instance-information", Stdout: `{"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": "Online", "AgentVersion": "3.3.0"}, {"InstanceId": "i-2", "PingStatus": "ConnectionLost", "LastPingDateTime": "2026-03-01T09:30:00Z"}]}`},
		answer{Contains: `"State":"Active"`, Stdout: `{"Sessions": [` + open + `]}`},
		answer{Contains: `"State":"History"`, Stdout: `{"Sessions": [` + history + `]}`}, me, document)
}

func TestStatus_OpenSessionsAndLastVerification_Shown(t *testing.T) {
	t.Parallel()
	open := sessionJSON("bob-1", "i-2", "bob", "", "2026-03-01T10:45:00Z", "") + "," + sessionJSON("carl-2", "i-1", "carl", "", "2026-03-01T11:59:55Z", "") + "," +
		strings.Replace(sessionJSON("eve-1", "i-1", "eve", "", "2026-03-01T10:45:00Z", ""), "SSM-SessionManagerRunShell", "other", 1)
	history := sessionJSON("carl-1", "i-1", "carl", "", "2026-03-01T09:00:00Z", "2026-03-01T09:10:00Z") + "," +
		sessionJSON("alice-1", "i-1", "alice", verifyReason, "2026-02-28T23:00:00Z", "2026-02-28T23:00:10Z")
	written := answer{Contains: "list-object-versions", Stdout: `{"Versions": [{"Key": "sessions/alice-1.log", "VersionId": "v1", "LastModified": "2026-02-28T23:00:12Z", "Size": 9}]}`}
	got := runFake(t, "status", statusAnswers(open, history, written))
	require.Zero(t, got.code, got.err)
	assert.Equal(t, `Stack:         dev in us-east-2
Deployed:      
Instances:     app (i-1): online, agent 3.3.0
               web (i-2): ConnectionLost since 2026-03-01 09:30 UTC
Sessions:      bob on web (i-2) since 2026-03-01 10:45 UTC (1h15m): bob-1
               carl on app (i-1) since 2026-03-01 11:59 UTC (5s): carl-2
Verified:      2026-02-28 23:00 UTC by alice on app (i-1): recorded
Session logs:  s3://logs/sessions/
`, got.out)
}

func TestLasting(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 4 * time.Second: "4s", 29500 * time.Millisecond: "30s", 59 * time.Second: "59s", time.Minute: "1m", 10*time.Minute + 10*time.Second: "10m",
		75 * time.Minute: "1h15m", 20 * time.Hour: "20h0m",
	} {
		assert.Equal(t, want, lasting(d), "%s", d)
	}
}

func TestStatus_Verification_EachResultNamed(t *testing.T) {
	t.Parallel()
	verified := sessionJSON("alice-1", "i-1", "alice", verifyReason, "2026-02-28T23:00:00Z", "2026-02-28T23:00:10Z")
	none, noEvents := answer{Contains: "list-objects", Stdout: `{}`}, answer{Contains: "get-log-events", Stdout: `{}`}
	for want, answers := range map[string][]answer{
		"no make verify in the last 30 days of the instances that exist now, and the last one before was at 2026-02-28 23:00 UTC, on i-gone. Next: make verify STACK=dev": statusAnswers("", sessionJSON("old-1", "i-gone", "alice", verifyReason, "2026-02-28T23:00:00Z", "2026-02-28T23:00:10Z")),
		"NOT recorded. Next: make record SESSION=alice-1 STACK=dev":                statusAnswers("", verified, answer{Contains: "list-object-versions", Stdout: `{}`}, none, noEvents),
		"whether it was recorded is unknown: ssm:GetObject was refused":            statusAnswers("", verified, refused("list-object-versions"), refused("get-object"), refused("head-object"), none, noEvents),
		"its session log is in doubt. Next: make record SESSION=alice-1 STACK=dev": statusAnswers("", verified, answer{Contains: "list-object-versions", Stdout: `{"Versions": [{"Key": "sessions/alice-1.log", "VersionId": "v1", "LastModified": "2026-02-28T22:00:12Z", "Size": 9}]}`}),
		"the session was refused. Next: make verify STACK=dev":                     statusAnswers("", strings.Replace(verified, "Connected", "Failed", 1), answer{Contains: "list-object-versions", Stdout: `{}`}, none, noEvents),
	} {
		got := runFake(t, "status", answers)
		require.Zero(t, got.code, got.err)
		assert.Contains(t, got.out, want)
	}
}

// What the user may not read is said in its place, and the rest is shown.
func TestStatus_Denied_RestShown(t *testing.T) {
	t.Parallel()
	got := runFake(t, "status", append([]answer{refused("describe-sessions")}, statusAnswers("", "")...))
	require.Zero(t, got.code, got.err)
	assert.Contains(t, got.out, "Sessions:      unknown: ssm:DescribeSessions was refused\n")
	assert.Contains(t, got.out, "Verified:      unknown: ssm:DescribeSessions was refused\n")
	assert.Contains(t, got.out, "app (i-1): online, agent 3.3.0")
}

// What is not deployed is a status, too.
func TestStatus_NothingDeployed_IsNoError(t *testing.T) {
	t.Parallel()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	for _, c := range []struct {
		setting  Setting
		err      error
		deployed string
	}{
		{Setting{Out: out}, NotDeployed{Stack: "dev", Problem: "not from here"}, "nothing\nNext:          make up STACK=dev"},
		{Setting{Stack: "dev", Out: out, Outputs: func() (string, error) { return "{}", nil }, Deployed: func() (string, error) { return "3 AWS resources", nil }}, nil, "3 AWS resources\nNext:          make up STACK=dev"},
		{Setting{Stack: "dev", Out: out, Outputs: func() (string, error) { return "", NotDeployed{Stack: "dev", Problem: "no stack"} }, Deployed: func() (string, error) { return "", NotDeployed{Stack: "dev", Problem: "no stack"} }}, nil,
			"nothing: no stack\nNext:          make up STACK=dev"},
		{Setting{Stack: "dev", Out: out, Outputs: func() (string, error) { return "{}", nil }, Deployed: func() (string, error) {
			return "3. It was not finished, so what follows may be out of date. Next: make up STACK=dev", nil
		}}, nil,
			"3. It was not finished\nNext:          make up STACK=dev"},
		{Setting{Stack: "dev", Out: out, Outputs: func() (string, error) { return "{}", nil }, Deployed: func() (string, error) {
			return "3. It runs, so what follows may be out of date. Next, if it was killed: make up STACK=dev", nil
		}}, nil,
			"3. It runs. Next, if it was killed: make up STACK=dev"},
	} {
		r := &run{open: func(string) (Setting, error) { return c.setting, c.err }}
		command := statusCommand(r)
		command.SetArgs(nil)
		require.NoError(t, command.Execute())
		text, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(string(text), "Stack:         dev\nDeployed:      "+c.deployed+"\n"), "%s", text)
	}
}

// After an update that was cancelled, the outputs lack the instances that it created and name those that it deleted.
func TestOutOfDate_Outputs_Said(t *testing.T) {
	const unfinished = "2 AWS resources. The last change was not finished, so what follows may be out of date. Next: make up STACK=dev"
	for deployed, said := range map[string]bool{unfinished: true, "2 AWS resources": false} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		require.NoError(t, err)
		r := &run{Setting: Setting{Stack: "dev", Err: out, Out: out, Deployed: func() (string, error) { return deployed, nil }}, outputs: outputs.Values{InstanceIDs: map[string]string{"app": "i-1"}}, name: "connect"}
		_, err = r.find("db")
		if said {
			require.EqualError(t, err, "INSTANCE=db is no instance in the outputs of the stack dev. They have: app (i-1)\n  The stack has "+unfinished)
		} else {
			require.EqualError(t, err, "INSTANCE=db is no instance of the stack dev, and no instance id. It has: app (i-1)")
		}
		r.noteOutOfDate()
		require.NoError(t, out.Close())
		text, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		assert.Equal(t, said, strings.Contains(string(text), "The stack has "+unfinished), "%s", text)
	}
	r := &run{Setting: Setting{Deployed: func() (string, error) { return "", errors.New("no network") }}}
	assert.Empty(t, r.outOfDate())
}
