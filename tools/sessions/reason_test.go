package sessions

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	requiresReason = strings.Replace(testOutputs, `{"region"`, `{"sessionReason": "required", "region"`, 1)
	opened         = answer{Contains: "start-session", Stdout: "Starting session with SessionId: " + aliceID + "\n"}
)

// withPlugin is a PATH folder with a plugin, which these tests do not get to run.
func withPlugin(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "session-manager-plugin"), []byte("#!/bin/sh\n"), 0o755))
	return folder
}

func TestConnect_Reason_IsPassedBehindTheMark(t *testing.T) {
	t.Parallel()
	plugin := withPlugin(t)
	for given, want := range map[string]string{
		"":                   `--reason connect-[0-9a-f]{16}$`,
		" ticket 12, 'why' ": `--reason connect-[0-9a-f]{16}: ticket 12, 'why'$`,
		"file:///etc/passwd": `--reason connect-[0-9a-f]{16}: file:///etc/passwd$`,
		"--target=i-2":       `--reason connect-[0-9a-f]{16}: --target=i-2$`,
	} {
		got := runOn(t, plugin, "connect", testOutputs, []answer{opened, noSessions}, time.Now(), "--instance", "app", "--reason", given)
		require.Zero(t, got.code, got.err)
		require.Regexp(t, want, got.calls[slices.IndexFunc(got.calls, func(c string) bool { return strings.Contains(c, "start-session") })])
	}
	for given, says := range map[string]string{
		"a\nb":                           "REASON: control characters",
		strings.Repeat("é", maxReason+1): "REASON: 231 characters. Allowed: at most 230",
	} {
		got := runOn(t, plugin, "connect", testOutputs, []answer{opened}, time.Now(), "--instance", "app", "--reason", given)
		require.Equal(t, 2, got.code)
		require.Contains(t, got.err, says)
		require.Empty(t, got.calls)
	}
}

// The log location is that of the document when the session began; an update may have changed it since.
func TestConnect_LocationChangedMeanwhile_NamesTheOneOfTheSession(t *testing.T) {
	t.Parallel()
	ended := answer{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, `"Owner"`, `"Reason": "$REASON", "Owner"`, 1)}
	slow := opened
	slow.Seconds = 2
	got := runOn(t, withPlugin(t), "connect", testOutputs, []answer{slow, {Contains: `"State":"Active"`, Stdout: `{"Sessions": []}`}, ended, document}, time.Now(), "--instance", "app")
	require.Zero(t, got.code, got.err)
	read := slices.IndexFunc(got.calls, func(c string) bool { return strings.Contains(c, "get-document") })
	require.Contains(t, []int{0, 1}, read, "while the session begins: %q", got.calls)
	require.Contains(t, got.err, "has ended. Its session log will be in s3://logs/sessions/"+aliceID+".log, usually within a minute")
}

func TestConnect_ReasonRequiredButMissing_StartsNoSession(t *testing.T) {
	t.Parallel()
	plugin := withPlugin(t)
	for _, given := range []string{"", "  "} {
		got := runOn(t, plugin, "connect", requiresReason, []answer{opened}, time.Now(), "--instance", "app", "--reason", given)
		require.Equal(t, 2, got.code)
		require.Contains(t, got.err, "the stack dev requires a reason for each session (session.reason), and there is no terminal to ask on.\n  Fix: make connect REASON='TEXT' INSTANCE=app STACK=dev")
		require.Empty(t, got.calls)
	}
	got := runOn(t, plugin, "connect", requiresReason, []answer{opened, noSessions}, time.Now(), "--instance", "app", "--reason", "ticket 12")
	require.Zero(t, got.code, got.err)
}

// Each command that is advised has everything that could not be asked for, and means the same instance.
func TestConnect_NoTerminal_AdviceHasInstanceAndReason(t *testing.T) {
	t.Parallel()
	plugin := withPlugin(t)
	one := strings.Replace(requiresReason, `, "web": "i-2"`, "", 1)
	tagged := answer{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}`}
	for _, test := range []struct {
		outputs string
		args    []string
		says    string
	}{
		{requiresReason, nil, "Say which, as in: make connect INSTANCE=app REASON='TEXT' STACK=dev\n"},
		{testOutputs, []string{"--reason", "ticket 12"}, "Say which, as in: make connect INSTANCE=app REASON='TEXT' STACK=dev\n"},
		{testOutputs, nil, "Say which, as in: make connect INSTANCE=app STACK=dev\n"},
		{requiresReason, []string{"--instance", "i-0123456789abcdef0"}, "Fix: make connect REASON='TEXT' INSTANCE=i-0123456789abcdef0 STACK=dev\n"},
		{requiresReason, []string{"--instance", "tag:Name=my app*"}, "Fix: make connect REASON='TEXT' INSTANCE='tag:Name=my app*' STACK=dev\n"},
		{one, nil, "Fix: make connect REASON='TEXT' STACK=dev\n"},
	} {
		got := runOn(t, plugin, "connect", test.outputs, []answer{tagged, opened}, time.Now(), test.args...)
		require.Equal(t, 2, got.code, got.err)
		require.Contains(t, got.err, test.says)
		require.Zero(t, got.count("start-session"))
	}
}

func TestHistory_Reason_IsShownWithoutTheMark(t *testing.T) {
	t.Parallel()
	row := func(reason string) answer {
		return answer{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, `"Owner"`, `"Reason": "`+reason+`", "Owner"`, 1)}
	}
	none := answer{Contains: `"State":"Active"`, Stdout: "{}"}
	for _, test := range []struct{ outputs, reason, heading, shown string }{
		{testOutputs, "connect-0123456789abcdef", `STATUS +LOG`, `terminated +s3://`},
		{testOutputs, "connect-0123456789abcdef: ticket 12", `STATUS +REASON +LOG`, `terminated +ticket 12 +s3://`},
		{testOutputs, "typed in the console", `STATUS +REASON +LOG`, `terminated +typed in the console +s3://`},
		{requiresReason, "connect-0123456789abcdef", `STATUS +REASON +LOG`, `terminated +s3://`},
	} {
		got := runWith(t, "history", test.outputs, []answer{document, me, none, row(test.reason), emptyList, noStreams}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		require.Zero(t, got.code, got.err)
		lines := strings.Split(got.out, "\n")
		require.Regexp(t, test.heading, lines[0])
		require.Regexp(t, test.shown, lines[1])
	}
	// An open session without a reason is listed first, and does not decide about the columns alone.
	open := oneSession(active, "Connected")
	open.Stdout = strings.Replace(open.Stdout, aliceID, "bob-0123456789abcdef0", 1)
	got := runWith(t, "history", testOutputs, []answer{document, me, open, row("ticket 12"), emptyList, noStreams}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	require.Zero(t, got.code, got.err)
	lines := strings.Split(got.out, "\n")
	require.Regexp(t, `STATUS +REASON +LOG`, lines[0])
	require.Regexp(t, `^bob-.* connected`, lines[1])
	require.Regexp(t, `terminated +ticket 12 +s3://`, lines[2])
}
