package sessions

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
)

const aliceKey = "sessions/" + aliceID + ".log"

// recorded answers for a session that ended at 11:00:05 with the given versions of its session log.
func recorded(more ...answer) []answer {
	return append(more, me, document, answer{Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated"), noVersions, noStream, emptyList)
}

func TestSessionLogInDoubt_ShowsEveryVersion(t *testing.T) {
	t.Parallel()
	first := answer{Contains: "--version-id=v1", File: "forged\n"}
	second := answer{Contains: "--version-id=v2", File: "typed\n"}
	streamed := answer{Contains: "get-log-events", Stdout: `{"events": [{"message": "typed"}], "nextForwardToken": ""}`}
	for name, test := range map[string]struct {
		answers []answer
		says    []string
		out     []string
	}{
		"older than the end": {[]answer{versionsOf(aliceKey, "2026-03-01T10:58:00Z"), first},
			[]string{"was written at 2026-03-01T10:58:00Z, before the session ended at 2026-03-01T11:00:05Z"}, []string{"version v1, 2026-03-01T10:58:00Z, 6 bytes, owner owner-id", "forged\n"}},
		"two versions, compared with the stream": {[]answer{versionsOf(aliceKey, "2026-03-01T11:00:07Z", "2026-03-01T11:00:09Z"), first, second, streamed},
			[]string{"There are 2 versions; the agent writes one."},
			[]string{"version v1, 2026-03-01T11:00:07Z, 6 bytes, owner owner-id; another text than in log group /before", "version v2, 2026-03-01T11:00:09Z, 6 bytes, owner owner-id; the same text as in log group /before", "forged\n", "typed\n", "==> log group /before, stream " + aliceID + " <==\ntyped\n"}},
		"deleted": {[]answer{{Contains: "list-object-versions", Stdout: `{"DeleteMarkers": [{"Key": "` + aliceKey + `", "VersionId": "v9", "LastModified": "2026-03-01T11:30:00Z"}]}`}},
			[]string{aliceKey + " was deleted at 2026-03-01T11:30:00Z."}, []string{"version v9, 2026-03-01T11:30:00Z, delete marker"}},
		"empty": {[]answer{{Contains: "list-object-versions", Stdout: `{"Versions": [{"Key": "` + aliceKey + `", "VersionId": "v1", "LastModified": "2026-03-01T11:00:09Z", "Size": 0}]}`}, first},
			[]string{aliceKey + " has 0 bytes; a shell shows a prompt at least."}, []string{"version v1, 2026-03-01T11:00:09Z, 0 bytes"}},
		"versions not listed": {[]answer{refused("list-object-versions"), {Contains: "head-bucket"}, {Contains: "get-object", File: "typed\n"}},
			[]string{"could not be listed", "allow that identity ssm:ListObjectVersions"}, []string{"typed\n"}},
		"the bucket of another account": {[]answer{
			{Contains: `head-bucket --region us-east-2 --output json --cli-input-json {"Bucket":"logs","ExpectedBucketOwner":"1"}`, Code: 254, Stderr: "\nAn error occurred (403) when calling the HeadBucket operation: Forbidden\n"},
			{Contains: "head-bucket"},
			{Contains: `list-object-versions --region us-east-2 --output json --cli-input-json {"Bucket":"logs","ExpectedBucketOwner"`, Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the ListObjectVersions operation: Access Denied\n"},
			versionsOf(aliceKey, "2026-03-01T11:00:09Z"), first},
			[]string{"The bucket logs belongs to another account."}, []string{"forged\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, "record", recorded(test.answers...), "--session", aliceID)
			require.Equal(t, codeDoubt, got.code, got.err)
			for _, text := range test.says {
				require.Contains(t, got.err, text)
			}
			for _, text := range test.out {
				require.Contains(t, got.out, text)
			}
		})
	}
}

// An instance's role can write a key for which the agent writes no session log, or long after it did not.
func TestSessionLog_NotOfTheAgent_IsInDoubt(t *testing.T) {
	t.Parallel()
	one := func(more string) answer {
		return answer{Contains: `"State":"History"`, Stdout: `{"Sessions": [{"SessionId": "` + aliceID + `", "Target": "i-1", "Owner": "arn:aws:iam::1:user/alice", ` + more + `}]}`}
	}
	const ended = `"StartDate": "2026-03-01T10:59:00Z", "EndDate": "2026-03-01T11:00:05Z", "DocumentName": "SSM-SessionManagerRunShell"`
	for says, test := range map[string]struct {
		session answer
		written string
	}{
		"Session Manager, which keeps sessions for 30 days, has no such session": {noSessions, "2026-02-01T11:00:09Z"},
		"long after the session ended at 2026-03-01T11:00:05Z":                   {one(`"Status": "Terminated", ` + ended), "2026-03-01T12:00:09Z"},
		"The session failed, and the agent uploads no session log":               {one(`"Status": "Failed", ` + ended), "2026-03-01T11:00:09Z"},
		"under AWS-StartPortForwardingSession, which Session Manager does not log": {
			one(`"Status": "Terminated", ` + strings.Replace(ended, "SSM-SessionManagerRunShell", "AWS-StartPortForwardingSession", 1)), "2026-03-01T11:00:09Z"},
		"": {noSessions, "2026-01-20T11:00:09Z"}, // older than the history
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, "record", []answer{me, document, {Contains: `"State":"Active"`, Stdout: "{}"}, test.session, versionsOf(aliceKey, test.written),
				{Contains: "get-object", File: "forged\n"}, noVersions, noStream, emptyList}, "--session", aliceID)
			require.Equal(t, says != "", got.code == codeDoubt, got.err)
			require.Contains(t, got.err, says)
		})
	}
}

// Who may write to the log group can write a stream, but CloudWatch Logs itself says when it received the events.
func TestSessionLog_StreamOfAnotherTime_IsInDoubt(t *testing.T) {
	t.Parallel()
	for says, received := range map[string]string{
		"received its first event at 2026-03-01T10:50:00Z, before the session started at ": "2026-03-01T10:50:00Z",
		"received its last event at 2026-03-01T12:00:09Z, long after the session ended at": "2026-03-01T12:00:09Z",
		"": "2026-03-01T11:00:09Z",
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, received)
			require.NoError(t, err)
			got := runFake(t, "record", recorded(answer{Contains: "get-log-events", Stdout: fmt.Sprintf(`{"events": [{"message": "forged", "ingestionTime": %d}], "nextForwardToken": ""}`, at.UnixMilli())}), "--session", aliceID)
			require.Equal(t, says != "", got.code == codeDoubt, got.err)
			require.Contains(t, got.err, says)
			require.Contains(t, got.out, "forged\n")
		})
	}
}

// A look-up that failed does not say that there is no such session.
func TestSessionLog_SessionNotLookedUp_IsNotAbsence(t *testing.T) {
	t.Parallel()
	got := runFake(t, "record", []answer{me, document, refused("describe-sessions"), latest, {Contains: "get-object", File: "typed\n"}, noVersions, noStream}, "--session", aliceID)
	require.Equal(t, codeDoubt, got.code, got.err)
	require.Contains(t, got.err, "When the session ended could not be read")
	require.NotContains(t, got.err, "no such session")
}

func TestSessionLog_WrittenWhileOpen_IsInDoubt(t *testing.T) {
	t.Parallel()
	got := runFake(t, "record", []answer{me, document, oneSession(active, "Connected"), latest, {Contains: "get-object", File: "forged\n"}, noVersions, noStream}, "--session", aliceID)
	require.Equal(t, codeDoubt, got.code, got.err)
	require.Contains(t, got.err, "and the session has not ended")
}

// The agent writes the session log and then reports the end, and the session may end while the command runs.
func TestSessionLog_EndsDuringTheCommand_IsNotInDoubt(t *testing.T) {
	t.Parallel()
	for when, doubt := range map[string]bool{"2026-03-01T11:00:12Z": false, "2026-03-01T11:02:00Z": true} { // the log is of 11:00:09
		now, err := time.Parse(time.RFC3339, when)
		require.NoError(t, err)
		open, no := oneSession(active, "Connected"), answer{Contains: `"State":"` + active + `"`, Stdout: `{"Sessions": []}`}
		open.Times = 2
		got := runWith(t, "record", testOutputs, []answer{me, document, open, no, oneSession(past, "Terminated"), latest, {Contains: "get-object", File: "typed\n"}, noVersions, noStream}, now, "--session", aliceID)
		require.Equal(t, map[bool]int{false: 0, true: codeDoubt}[doubt], got.code, got.err)
		require.Equal(t, doubt, strings.Contains(got.err, "has not ended"), got.err)
		require.Contains(t, got.out, "typed")
	}
	now := time.Date(2026, 3, 1, 11, 0, 12, 0, time.UTC)
	got := runWith(t, "record", testOutputs, []answer{me, document, oneSession(active, "Connected"), latest, {Contains: "get-object", File: "forged\n"}, noVersions, noStream}, now, "--session", aliceID)
	require.Equal(t, codeDoubt, got.code, "it does not end: %s", got.err)
}

// The token is in the session log, but so it is in what somebody else wrote beside it or before the end.
func TestVerify_SessionLogInDoubt_Fails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times []string
		want  error
	}{
		"one, after the end":  {[]string{"2026-03-01T11:00:09Z"}, nil},
		"one, before the end": {[]string{"2026-03-01T10:58:00Z"}, process.Exit{Code: codeDoubt}},
		"two":                 {[]string{"2026-03-01T11:00:07Z", "2026-03-01T11:00:09Z"}, process.Exit{Code: codeDoubt}},
	} {
		folder := fakeFolder(t, recorded(versionsOf(aliceKey, c.times...), answer{Contains: "get-object", File: "verify-1\n"}))
		shown, err := os.Create(filepath.Join(folder, "shown"))
		require.NoError(t, err)
		defer shown.Close()
		r := &run{
			Setting: Setting{Stack: "dev", Out: shown, Err: shown}, now: time.Now, timeout: time.Minute,
			aws: newClient([]string{"PATH=" + folder, "FAKE_AWS=" + folder}, "us-east-2"),
		}
		require.Equal(t, c.want, r.recorded(t.Context(), named{"app", "i-1"}, []sessiondoc.Location{{Bucket: "logs", Prefix: "sessions"}}, aliceID, "verify-1"), name)
		text, err := os.ReadFile(shown.Name())
		require.NoError(t, err)
		require.Equal(t, c.want != nil, strings.Contains(string(text), "DOUBT: "), "%s", text)
		require.Equal(t, c.want == nil, strings.Contains(string(text), "are recorded."), "%s", text)
	}
}

func TestSessionLog_IsReadOnlyFromOwnLocations(t *testing.T) {
	t.Parallel()
	reported := oneSession(past, "Terminated")
	reported.Stdout = strings.Replace(reported.Stdout, `"Owner"`, `"OutputUrl": {"S3OutputUrl": "https://s3.us-east-2.amazonaws.com/evil/x/`+aliceID+`.log"}, "Owner"`, 1)
	got := runFake(t, "record", append([]answer{reported}, recorded(latest, answer{Contains: "get-object", File: "typed\n"})...), "--session", aliceID)
	require.Zero(t, got.code, got.err)
	require.Zero(t, got.count("evil"), got.calls)
	require.Contains(t, got.err, "It was not read from there")
	for _, call := range got.calls {
		if strings.Contains(call, "s3api") {
			require.Regexp(t, `"ExpectedBucketOwner":"1"|--expected-bucket-owner=1 `, call)
		}
	}
}

// Whoever changes the session document names a bucket of another account in it; the stack's config does not.
func TestSessionLog_BucketThatOnlyTheDocumentNames_IsNotRead(t *testing.T) {
	t.Parallel()
	elsewhere := document
	elsewhere.Stdout = strings.Replace(document.Stdout, `\"logs\"`, `\"evil\"`, 1)
	got := runFake(t, "record", recorded(elsewhere,
		answer{Contains: `head-bucket --region us-east-2 --output json --cli-input-json {"Bucket":"evil","ExpectedBucketOwner":"1"}`, Code: 254, Stderr: "\nAn error occurred (403) when calling the HeadBucket operation: Forbidden\n"},
		answer{Contains: "head-bucket"},
		answer{Contains: `list-object-versions --region us-east-2 --output json --cli-input-json {"Bucket":"evil","ExpectedBucketOwner"`, Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the ListObjectVersions operation: Access Denied\n"},
		versionsOf(aliceKey, "2026-03-01T11:00:09Z"), answer{Contains: "get-object", File: "forged\n"}), "--session", aliceID)
	require.Contains(t, got.err, "the bucket evil does not belong to the account 1 of the stack any more, so it was not read")
	for _, call := range got.calls {
		require.False(t, strings.Contains(call, "evil") && !strings.Contains(call, "head-bucket") && !strings.Contains(call, "ExpectedBucketOwner"), call)
	}
}

// An instance may write everywhere below the prefix, and no agent puts a session log there.
func TestSessionLog_UnderAnotherPrefix_IsInDoubt(t *testing.T) {
	t.Parallel()
	const key = "sessions/other/" + aliceID + ".log"
	listed := answer{Contains: `list-objects-v2 --region us-east-2 --output json --cli-input-json {"Bucket":"logs"`, Stdout: `{"Contents": [{"Key": "` + key + `"}]}`}
	got := runFake(t, "record", recorded(listed, versionsOf(key, "2026-03-01T11:00:09Z"), answer{Contains: "get-object", File: "forged\n"}), "--session", aliceID)
	require.Equal(t, codeDoubt, got.code, got.err)
	require.Contains(t, got.err, "DOUBT: s3://logs/"+key+" is where instances may write, but where no session document of the stack puts a session log.")
}

func TestSessionLog_FailedLookUp_IsNoAnswer(t *testing.T) {
	t.Parallel()
	soon := time.Date(2026, 3, 1, 11, 1, 0, 0, time.UTC)
	for name, failure := range map[string]string{
		"key disabled": "\nAn error occurred (KMS.DisabledException) when calling the GetObject operation: the key is disabled\n",
		"encoding":     "\n'latin-1' codec can't encode character '\\u2014' in position 3\n",
	} {
		got := runWith(t, "record", testOutputs, recorded(latest, answer{Contains: "get-object", Code: 254, Stderr: failure}), soon, "--session", aliceID)
		require.Equal(t, 1, got.code, name)
		require.NotContains(t, got.err, "Not there yet", name)
		got = runWith(t, "record", testOutputs, recorded(answer{Contains: "list-object-versions", Code: 254, Stderr: failure}), soon, "--session", aliceID)
		require.Equal(t, 1, got.code, name)
		require.Contains(t, got.err, "could not be looked for", name)
		require.NotContains(t, got.err, "Not there yet", name)
	}
}

func TestSessionLog_WithoutID_IsLastOfCaller(t *testing.T) {
	t.Parallel()
	got := runFake(t, "record", recorded(latest, answer{Contains: "get-object", File: "typed\n"}))
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "Your last session: "+aliceID+", on app (i-1)")
	require.Equal(t, "typed\n", got.out)
	got = runFake(t, "record", []answer{me, document, noSessions})
	require.Equal(t, 2, got.code, got.err)
}

func TestHostileValues_AreNotTakenForFilesOrOptions(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"file:x", "a,b-0123456789abcdef0", "--endpoint-url=http:x", "-x"} {
		open := oneSession(active, "Connected")
		open.Stdout = strings.ReplaceAll(open.Stdout, aliceID, id)
		for command, answers := range map[string][]answer{"record": recorded(), "end": {me, open, {Contains: "terminate-session"}}} {
			got := runFake(t, command, append(answers, noSessions), "--session="+id)
			require.Equal(t, command == "end", got.code == 0, got.err)
			require.NotZero(t, got.count("describe-sessions"))
			require.Equal(t, command == "end", got.count(`terminate-session --region us-east-2 --output json --cli-input-json {"SessionId":"`+id+`"}`) == 1)
			for _, call := range got.calls {
				for _, word := range strings.Fields(call) {
					require.NotEqual(t, id, word)
					require.False(t, strings.HasPrefix(word, "file:"), call)
				}
			}
			require.Contains(t, strings.Join(got.calls, ""), `"value":"`+id+`"`)
		}
	}
	for _, id := range []string{"\x1b[2J", "a\nb", "../x", "a b"} {
		got := runFake(t, "record", nil, "--session="+id)
		require.Equal(t, 2, got.code, got.err)
		require.Empty(t, got.calls)
	}
	c := &client{}
	line, err := c.line("s3api", "head-object", input{"Key": "file:///etc/passwd", "Bucket": "http://x"})
	require.NoError(t, err)
	require.Equal(t, []string{"s3api", "head-object", "--output", "json", "--cli-input-json", `{"Bucket":"http://x","Key":"file:///etc/passwd"}`}, line)
	for _, key := range []string{"file:///etc/passwd", "fileb:///etc/passwd", "http://x/y", "HTTPS://x/y"} {
		_, err := c.fetchObject(t.Context(), "logs", key, "", "1")
		require.ErrorContains(t, err, "is not read")
	}
}

func TestUntrustedText_DoesNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b]52;c;eA==\x07b\u009b2Jc\u202ed\x1b]8;;http://x\x1b\\e\r\x1bP1\x1b\\f\n"
	answers := recorded(latest, answer{Contains: "get-object", File: hostile})
	got := runFake(t, "record", answers, "--session", aliceID)
	require.Zero(t, got.code, got.err)
	require.Equal(t, "abc?def\n", got.out)
	got = runFake(t, "record", answers, "--session", aliceID, "--raw")
	require.Equal(t, hostile, got.out)

	// A string that a session leaves open until later hides nothing of what comes in between.
	got = runFake(t, "record", recorded(latest, answer{Contains: "get-object", File: "$ printf '\\033]'\r\n\x1b]$ rm -rf /var/log\r\n$ printf '\\a'\r\n\x07$ exit\r\n"}), "--session", aliceID)
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "rm -rf /var/log\n")

	got = runFake(t, "end", []answer{me, {Contains: "ssm", Code: 254, Stderr: "\nAn error occurred (Odd) when calling the X operation: \x1b]52;c;eA==\x07 \u202e\n"}}, "--session", aliceID)
	require.NotContains(t, got.err, "\x1b")
	require.NotContains(t, got.err, "\u202e")

	s, err := json.Marshal(map[string]any{"Sessions": []map[string]any{{"SessionId": aliceID, "Target": "i-1", "Status": "Terminated", "StartDate": 1772362800,
		"Owner": "x/alice", "Reason": "=1+1\u009b\u202e", "DocumentName": "SSM-SessionManagerRunShell"}}})
	require.NoError(t, err)
	listed := []answer{me, document, {Contains: `"State":"Active"`, Stdout: "{}"}, {Contains: "describe-sessions", Stdout: string(s)}, emptyList, noStreams, noStream}
	got = runFake(t, "history", listed, "--format", "csv")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, ",'=1+1??,")
	got = runFake(t, "history", listed, "--format", "json")
	require.Contains(t, got.out, `"reason":"=1+1\u009b\u202e"`)
	require.Contains(t, got.out, `"logs":["s3://logs/`)
	require.Regexp(t, `"seconds":\d+,`, got.out)
	for text, want := range map[string]string{"+1": "'+1", "-1": "'-1", "@a": "'@a", "\tx": "'?x", "\r=1": "'?=1", " =1": "' =1", "alice": "alice",
		// Where the comma is the decimal sign, a spreadsheet separates cells at semicolons.
		"x;=1": "x;'=1", "x; +1;-2": "x;' +1;'-2", `x;"@a`: `x;'"@a`, "a;b": "a;b",
	} {
		require.Equal(t, want, cell(text))
	}
}

// What AWS hands on was written by others: the name of a role session, a reason, what an instance reports, the key of an object,
// the text of an error.
func TestUntrustedText_OfEveryField_IsPrintable(t *testing.T) {
	t.Parallel()
	const bad = "\x1b]52;c;eA==\x07\u009b2J\u202e\nforged"
	text := func(value any) string {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		return string(text)
	}
	listed := func(status string) string {
		return text(map[string]any{"Sessions": []map[string]any{{
			"SessionId": aliceID, "Target": "i-1", "Status": status, "StartDate": 1772362800, "EndDate": 1772362805, "Owner": "x/al" + bad, "Reason": "r" + bad,
			"Details": "d" + bad, "DocumentName": "doc" + bad, "OutputUrl": map[string]string{"S3OutputUrl": "https://s3/x" + bad},
		}}})
	}
	key := "other" + bad + "/" + aliceID + ".log"
	versions := []map[string]any{}
	for _, id := range []string{"v1", "v2"} {
		versions = append(versions, map[string]any{"Key": key, "VersionId": id, "LastModified": "2026-03-01T10:00:00Z", "Owner": map[string]string{"ID": "o" + bad}})
	}
	history := []answer{me, document, {Contains: `"State":"Active"`, Stdout: "{}"}, {Contains: "describe-sessions", Stdout: listed("Failed" + bad)}, emptyList, noStream, noVersions}
	found := append([]answer{
		{Contains: "list-objects-v2", Stdout: text(map[string]any{"Contents": []map[string]any{{"Key": key}}})}, {Contains: "get-object", File: "typed\n"},
		{Contains: `"Prefix":"other`, Stdout: text(map[string]any{"Versions": versions})},
	}, history...)
	open := []answer{me, {Contains: "describe-sessions", Stdout: listed("Connected" + bad)}, {Contains: "terminate-session"}}
	for name, c := range map[string]struct {
		answers []answer
		line    []string
		shown   string
	}{
		"history":         {history, []string{"history", "--all"}, "r?]52"},
		"history, CSV":    {history, []string{"history", "--all", "--format", "csv"}, "r?]52"},
		"no session log":  {history, []string{"record", "--session", aliceID}, "x?]52"},
		"a hostile key":   {found, []string{"record", "--session", aliceID}, "==> s3://"},
		"commands of V=1": {found, []string{"record", "--session", aliceID, "--verbose"}, "--key=other?]52"},
		"end":             {open, []string{"end", "--instance", "app", "--all", "--yes"}, "ended " + aliceID + " of al?]52"},
		"audit":           {append([]answer{{Contains: `"State":"History"`, Stdout: listed("Terminated")}}, wellLogged()...), []string{"audit"}, "al?]52"},
		"audit, CSV":      {append([]answer{{Contains: `"State":"History"`, Stdout: listed("Terminated")}}, wellLogged()...), []string{"audit", "--format", "csv"}, "al?]52"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, c.line[0], c.answers, c.line[1:]...)
			require.Contains(t, got.out+got.err, c.shown)
			require.NotContains(t, got.out+got.err, "\nforged", "no line of its own")
			for _, r := range strings.NewReplacer("\n", "", "\t", "").Replace(got.out + got.err) {
				require.False(t, steers(r), "%q in %q", r, got.out+got.err)
			}
		})
	}
}

// On a terminal the bytes come with a warning, and into a file without.
func TestRaw_OnATerminal_Warns(t *testing.T) {
	t.Parallel()
	terminal, theirs, err := pty.Open()
	require.NoError(t, err)
	defer terminal.Close()
	defer theirs.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	for out, want := range map[*os.File]string{theirs: "Warning: RAW=1", file: ""} {
		messages, err := os.Create(filepath.Join(t.TempDir(), "err"))
		require.NoError(t, err)
		defer messages.Close()
		require.NoError(t, (&run{Setting: Setting{Out: out, Err: messages}, raw: true}).output([]byte("x\n")))
		said, err := os.ReadFile(messages.Name())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(said), want), "%q", said)
		require.Equal(t, want == "", len(said) == 0)
	}
}

func TestHistory_SessionBegunBeforeSince_IsNotUnknown(t *testing.T) {
	t.Parallel()
	got := runFake(t, "history", []answer{
		me, document, {Contains: "InvokedAfter", Stdout: "{}"}, {Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated"),
		{Contains: `"Bucket":"logs"`, Stdout: `{"Contents": [{"Key": "` + aliceKey + `", "LastModified": "2026-03-01T11:50:00Z"}]}`}, emptyList, noStreams,
	}, "--since", "30m", "--format", "json")
	require.Zero(t, got.code, got.err)
	require.Equal(t, "[]\n", got.out)
	require.NotZero(t, got.count("list-objects-v2"))
	require.Equal(t, got.count("list-objects-v2"), got.count(`"ExpectedBucketOwner":"1"`), "a bucket that went to another account is not read")
}

func TestHistory_SinceAfterUntil_Refused(t *testing.T) {
	t.Parallel()
	got := runFake(t, "history", nil, "--since", "2026-01-31", "--until", "2026-01-01")
	require.Equal(t, 2, got.code, got.err)
	require.Contains(t, got.err, "no session starts at or after SINCE=2026-01-31T00:00:00Z and before UNTIL=2026-01-01T00:00:00Z. Fix:")
	require.Empty(t, got.calls)
}

func TestHistory_CommaInOwner_IsOneFilter(t *testing.T) {
	t.Parallel()
	const owner = "arn:aws:sts::1:assumed-role/r/kim,lee"
	got := runFake(t, "history", []answer{document, noSessions, me}, "--who", owner)
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.calls[1], `"Filters":[{"key":"Owner","value":"`+owner+`"}]`)
}

func TestConnect_FollowsItsOwnSession(t *testing.T) {
	t.Parallel()
	folder := fakeFolder(t, []answer{me, {Contains: "describe-sessions", Stdout: `{"Sessions": [
		{"SessionId": "alice-2", "Owner": "arn:aws:sts::1:assumed-role/r/alice", "StartDate": "2026-03-01T12:00:01Z", "Reason": "connect-two"},
		{"SessionId": "alice-1", "Owner": "arn:aws:sts::1:assumed-role/r/alice", "StartDate": "2026-03-01T12:00:00Z", "Reason": "connect-one"}]}`}})
	environ := []string{"PATH=" + folder, "FAKE_AWS=" + folder}
	r := &run{aws: newClient(environ, "us-east-2"), now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
	for reason, id := range map[string]string{"connect-one": "alice-1", "connect-two": "alice-2"} {
		found, known := r.follow(t.Context(), named{"app", "i-1"}, reason)()
		require.True(t, known)
		require.Equal(t, id, found.SessionID)
	}
}

// The config may name a log bucket of another account, which every command lists without its owner.
func TestBucketOfAnotherAccount_NamedByTheConfig_IsListed(t *testing.T) {
	t.Parallel()
	denied := func(command string) answer {
		return answer{Contains: command + ` --region us-east-2 --output json --cli-input-json {"Bucket":"logs","ExpectedBucketOwner":"1"`, Code: 254,
			Stderr: "\nAn error occurred (AccessDenied) when calling the " + camel(command) + " operation: Access Denied\n"}
	}
	answers := recorded(denied("head-bucket"), answer{Contains: "head-bucket"}, denied("list-object-versions"), denied("list-objects-v2"),
		answer{Contains: `list-objects-v2 --region us-east-2 --output json --cli-input-json {"Bucket":"logs"}`, Stdout: `{"Contents": [{"Key": "sessions/carol-0123456789abcdef4.log", "LastModified": "2025-12-24T08:00:00Z"}]}`}, noStreams)
	soon := time.Date(2026, 3, 1, 11, 1, 0, 0, time.UTC)
	got := runWith(t, "record", testOutputs, answers, soon, "--session", aliceID)
	require.Equal(t, codeNotYet, got.code, got.err)
	got = runFake(t, "history", answers)
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "carol-0123456789abcdef4")
	require.NotContains(t, got.err, "could not be listed")
	kept := strings.Replace(testOutputs, `"keptLogBuckets": ["old"]`, `"keptLogBuckets": ["logs"]`, 1)
	got = runWith(t, "history", strings.Replace(kept, "s3://logs/", "s3://new/", 1), answers, soon)
	require.Contains(t, got.err, "The session logs in s3://logs could not be listed", "a bucket that the stack only kept was its own")
}
