package sessions

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"charm.land/huh/v2"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"private-ec2-access/internal/outputs"
	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
)

func online(ids ...string) answer {
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"InstanceId": %q, "PingStatus": "Online", "AgentVersion": "3.3.1", "LastPingDateTime": 1772366400.123}`, id))
	}
	return answer{Contains: "describe-instance-information", Stdout: `{"InstanceInformationList": [` + strings.Join(list, ",") + `]}`}
}

func TestWait_AllOnline_Ends(t *testing.T) {
	t.Parallel()
	first := online("i-1")
	first.Times = 2
	got := runFake(t, "wait", []answer{first, online("i-1", "i-2")})
	require.Zero(t, got.code, got.err)
	require.Equal(t, "app (i-1): online, agent 3.3.1\nweb (i-2): online, agent 3.3.1\n", got.out)
	require.Equal(t, 3, got.count("describe-instance-information"))
	require.Equal(t, 1, strings.Count(got.err, "web (i-2): not registered yet"), "a line is said once where there is no terminal: %s", got.err)
}

func TestWait_ManyInstances_CountedByState(t *testing.T) {
	t.Parallel()
	ids, all := map[string]string{}, []string{}
	for i := range 200 {
		id := fmt.Sprintf("i-%017d", i)
		ids[fmt.Sprintf("web-%03d", i)], all = id, append(all, id)
	}
	text, err := json.Marshal(map[string]any{"region": "us-east-2", "sessionDocument": "SSM-SessionManagerRunShell", "instanceIds": ids})
	require.NoError(t, err)
	first, second := online(all[:99]...), online(all[100:]...)
	first.Contains, second.Contains = all[0], all[150]
	got := runWith(t, "wait", string(text), []answer{first, second}, time.Now(), "--timeout", "20ms")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "waiting for 1 of 200 instances: not registered yet; 199 of 200 instances: online, agent 3.3.1\n")
	require.Contains(t, got.err, "web-099 (i-00000000000000099) is not online after 20ms. Findings:")

	first = online(all[:100]...)
	first.Contains = all[0]
	got = runWith(t, "wait", string(text), []answer{first, second}, time.Now())
	require.Zero(t, got.code, got.err)
	require.Equal(t, "200 of 200 instances: online, agent 3.3.1\n", got.out)
	require.Equal(t, 2, got.count("describe-instance-information"), "100 instances with each call")

	got = runWith(t, "wait", string(text), []answer{{Contains: "describe-instance-information", Stdout: "{}"}}, time.Now(), "--timeout", "20ms")
	require.Equal(t, 1, got.code)
	require.Equal(t, maxDiagnosed, strings.Count(got.err, "Findings:"))
	require.Contains(t, got.err, "197 more are not online: web-003 (i-00000000000000003), web-004")
}

func TestWait_NamedInstance_ReadsOnlyThatInstance(t *testing.T) {
	t.Parallel()
	got := runFake(t, "wait", []answer{online("i-2")}, "--instance", "web")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.calls[0], `"Key":"InstanceIds","Values":["i-2"]`)
	require.Contains(t, got.err, "Next: make connect INSTANCE=web STACK=dev")
	one := strings.Replace(testOutputs, `, "web": "i-2"`, "", 1)
	got = runWith(t, "wait", one, []answer{online("i-0123456789abcdef0")}, time.Now(), "--instance", "i-0123456789abcdef0")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "Next: make connect INSTANCE=i-0123456789abcdef0 STACK=dev", "an instance that is not the stack's own")
	got = runFake(t, "wait", nil, "--instance", "nobody")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "INSTANCE=nobody is no instance of the stack dev, and no instance id. It has: app (i-1), web (i-2)\n")
	require.NotContains(t, got.err, "Fix:", "a command with an instance that was not meant")
	require.Empty(t, got.calls)
	got = runFake(t, "wait", nil, "--instance", "Wbe")
	require.Contains(t, got.err, "Fix: make wait INSTANCE=web STACK=dev", "the name that was meant")
}

func TestWait_UnreadableFact_IsReportedBesideOthers(t *testing.T) {
	t.Parallel()
	got := runFake(t, "wait", []answer{
		{Contains: "describe-instance-information", Stdout: `{"InstanceInformationList": []}`}, me,
		{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"State": {"Name": "stopped"}, "VpcId": "vpc-1", "SubnetId": "subnet-1",
			"IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/profile"}, "SecurityGroups": [{"GroupId": "sg-1"}]}]}]}`},
		refused("get-instance-profile"),
	}, "--instance", "app", "--timeout", "20ms")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "First to fix: the instance runs: i-1 is stopped\n    aws ec2 start-instances --region us-east-2 --instance-ids i-1")
	require.Contains(t, got.err, "cannot tell the profile holds a role: cannot be read: ssm:GetInstanceProfile was refused")
	require.Contains(t, got.err, "cannot tell the endpoints: cannot be read: ec2:DescribeVpcEndpoints: the test has no answer")
}

func TestRefusedCall_NamesIdentityAndPermission(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		command, operation string
		args               []string
		answers            []answer
	}{
		{"wait", "describe-instance-information", nil, nil},
		{"history", "describe-sessions", nil, []answer{document}},
		{"end", "describe-sessions", []string{"--session", "alice-0123456789abcdef0"}, nil},
		{"end", "terminate-session", []string{"--session", "alice-0123456789abcdef0"}, []answer{oneSession(active, "Connected")}},
	} {
		t.Run(test.command+" "+test.operation, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, test.command, append([]answer{me, refused(test.operation)}, test.answers...), test.args...)
			require.Equal(t, 1, got.code)
			require.Contains(t, got.err, "AWS refused ssm:"+camel(test.operation)+" for arn:aws:sts::1:assumed-role/r/alice.")
			require.Contains(t, got.err, "Fix: allow that identity ssm:"+camel(test.operation))
		})
	}
}

// The bucket is that of the refused call, which need not be today's.
func TestRefusedCall_NamesItsOwnBucket(t *testing.T) {
	t.Parallel()
	denied := func(call, operation string) answer {
		return answer{Contains: call, Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the " + operation + " operation: Access Denied\n"}
	}
	got := runFake(t, "record", recorded(denied(`list-objects-v2 --region us-east-2 --output json --cli-input-json {"Bucket":"old"`, "ListObjectsV2"), answer{Contains: "head-bucket"}), "--session", aliceID)
	require.Equal(t, 1, got.code, got.err)
	require.Contains(t, got.err, "allow that identity s3:ListBucket, on the bucket old\n")
	got = runFake(t, "record", recorded(answer{Contains: `list-objects-v2 --region us-east-2 --output json --cli-input-json {"Bucket":"old"`, Stdout: `{"Contents": [{"Key": "x/` + aliceID + `.log"}]}`},
		versionsOf("x/"+aliceID+".log", "2026-03-01T11:00:09Z"), denied("get-object", "GetObject")), "--session", aliceID)
	require.Equal(t, 1, got.code, got.err)
	require.Contains(t, got.err, "allow that identity s3:GetObject, on s3://old/x/*\n")
}

func TestExpiredSignIn_IsReportedAsThat(t *testing.T) {
	t.Parallel()
	for message, says := range map[string]string{
		"\nAn error occurred (ExpiredTokenException) when calling the DescribeInstanceInformation operation: The security token included in the request is expired\n": "your sign-in to AWS has expired.",
		"\nThe SSO session associated with this profile has expired or is otherwise invalid.\n":                                                                       "your sign-in to AWS has expired.",
		"\nUnable to locate credentials. You can configure credentials by running \"aws configure\".\n":                                                               "has no credentials here",
		"usage: aws [options]\naws: error: argument operation: Invalid choice, valid choices are:\n":                                                                  "is too old for `aws ssm describe-instance-information`",
	} {
		got := runFake(t, "wait", []answer{{Contains: "ssm", Stderr: message, Code: 255}})
		require.Equal(t, 1, got.code)
		require.Contains(t, got.err, says)
	}
}

func TestMissingProgram_IsReportedWithInstallCommand(t *testing.T) {
	t.Parallel()
	got := runFake(t, "connect", nil, "--instance", "app")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "there is no `session-manager-plugin` on PATH")
	require.Contains(t, got.err, pluginPage)
	require.Empty(t, got.calls, "no session is begun that cannot be opened")

	r := &run{Setting: Setting{Environ: []string{"PATH=" + t.TempDir()}}}
	err := newClient(r.Environ, "us-east-2").missing
	require.ErrorContains(t, r.howToInstall(err), "there is no `aws` on PATH.")
	require.ErrorContains(t, r.howToInstall(err), cliPage)

	has := func(programs ...string) func(string) bool {
		return func(p string) bool { return strings.Contains(strings.Join(programs, " "), p) }
	}
	for _, test := range []struct {
		system      system
		cli, plugin string
	}{
		{system{"darwin", "arm64", nil, has("brew")}, "brew install awscli", "brew install --cask session-manager-plugin"},
		{system{"darwin", "arm64", nil, has("-")}, "AWSCLIV2.pkg", "mac_arm64/session-manager-plugin.pkg"},
		{system{"windows", "amd64", nil, has("-")}, "winget install Amazon.AWSCLI", "winget install Amazon.SessionManagerPlugin"},
		{system{"linux", "amd64", []string{"ubuntu", "debian"}, has("dpkg")}, "awscli-exe-linux-x86_64.zip", "ubuntu_64bit/session-manager-plugin.deb"},
		{system{"linux", "arm64", []string{"debian"}, has("snap", "dpkg")}, "snap install aws-cli", "ubuntu_arm64/session-manager-plugin.deb"},
		{system{"linux", "arm64", []string{"amzn", "fedora"}, has("-")}, "dnf install awscli2", "linux_arm64/session-manager-plugin.rpm"},
		{system{"linux", "amd64", []string{"rhel", "fedora"}, has("-")}, "dnf install", "dnf install -y https://s3.amazonaws.com/session-manager-downloads/plugin/latest/linux_64bit/session-manager-plugin.rpm"},
		{system{"linux", "amd64", []string{"alpine"}, has("-")}, "apk add aws-cli", "see the page"},
		{system{"linux", "amd64", []string{"nixos"}, has("-")}, "awscli-exe-linux-x86_64.zip", "see the page"},
		{system{"linux", "riscv64", nil, has("-")}, "see the page", "see the page"},
	} {
		require.Contains(t, test.system.cli(), test.cli)
		require.Contains(t, test.system.plugin(), test.plugin)
	}
}

func TestPickInstance_WithoutTerminal_DoesNotAsk(t *testing.T) {
	t.Parallel()
	r := &run{name: "connect", Setting: Setting{Stack: "dev"}, outputs: outputs.Values{InstanceIDs: map[string]string{"web": "i-2", "app": "i-1"}}}
	_, err := r.pick(t.Context())
	require.ErrorContains(t, err, "has 2 instances and there is no terminal to ask on. Say which, as in: make connect INSTANCE=app STACK=dev")
	require.ErrorContains(t, err, "app (i-1), web (i-2)")
	delete(r.outputs.InstanceIDs, "web")
	n, err := r.pick(t.Context())
	require.NoError(t, err)
	require.Equal(t, named{"app", "i-1"}, n)
	r.instance = "i-0123456789abcdef0"
	n, err = r.pick(t.Context())
	require.NoError(t, err, "an instance that the stack did not make")
	require.Equal(t, "i-0123456789abcdef0", n.String())
}

func TestEmulatorGone_OnlyIfItRefuses(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	environ := []string{"AWS_ENDPOINT_URL=http://" + listener.Addr().String()}
	emulated := &run{Setting: Setting{Emulated: true, Environ: environ}}
	require.False(t, emulated.emulatorGone())
	require.NoError(t, listener.Close())
	require.True(t, emulated.emulatorGone())
	require.False(t, (&run{Setting: Setting{Environ: environ}}).emulatorGone())
	require.False(t, (&run{Setting: Setting{Emulated: true}}).emulatorGone())
}

func TestPickInstance_PrefixAndTag(t *testing.T) {
	t.Parallel()
	plugin := withPlugin(t)
	ids := strings.Replace(testOutputs, `"web": "i-2"`, `"web-001": "i-2", "web-002": "i-3"`, 1)
	tagged := answer{Contains: `"Name":"tag:Role","Values":["db"]`, Stdout: `{"Reservations": [{"Instances": [
		{"InstanceId": "i-other"}, {"InstanceId": "i-9", "IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/profile"}}]}]}`}
	for given, target := range map[string]string{"a": "i-1", "web-002": "i-3", "web-001": "i-2", "tag:Role=db": "i-9"} {
		got := runOn(t, plugin, "connect", ids, []answer{opened, noSessions, tagged}, time.Now(), "--instance", given)
		require.Zero(t, got.code, got.err)
		require.Equal(t, 1, got.count("start-session --region us-east-2 --target "+target+" "), "%s: %v", given, got.calls)
	}
	for given, says := range map[string]string{
		"web":         "INSTANCE=web matches 2 instances of the stack dev and there is no terminal to ask on. Say which, as in: make connect INSTANCE=web-001 STACK=dev\n  It has: web-001 (i-2), web-002 (i-3)",
		"b":           "INSTANCE=b is no instance of the stack dev",
		"tag:Role":    "not a tag. Allowed: tag:KEY=VALUE",
		"tag:Role=no": "no running instance of the stack dev has this tag",
	} {
		got := runOn(t, plugin, "connect", ids, []answer{opened, tagged, {Contains: "describe-instances", Stdout: "{}"}}, time.Now(), "--instance", given)
		require.Equal(t, 2, got.code, given)
		require.Contains(t, got.err, says)
		require.Zero(t, got.count("start-session"))
	}
}

// On a terminal, what is typed filters the list of instances from the first key on, and Enter without a match opens nothing.
func TestPickInstance_Terminal_FilteredByTyping(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("web-%03d", i+1)] = fmt.Sprintf("i-%d", i+1)
	}
	two := map[string]string{"app": "i-1db", "db": "i-2"}
	escapes := regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	const up, halfPageDown, backspace, enter = "\x1b[A", "\x04", "\x7f", "\r"
	for name, c := range map[string]struct {
		ids   map[string]string
		types []string // each followed by what the terminal then shows
		want  named
	}{
		"many":                          {many, []string{"137", "web-137", enter, ""}, named{"web-137", "i-137"}},
		"two":                           {two, []string{"db", "db", enter, ""}, named{"db", "i-2"}},
		"keys that move in other lists": {map[string]string{"app": "i-1", "jk": "i-2"}, []string{"jk", "jk", enter, ""}, named{"jk", "i-2"}},
		"the arrow keys":                {two, []string{"\x1b[B", "> db", enter, ""}, named{"db", "i-2"}},
		"the key of other lists":        {two, []string{"/db", "db", enter, ""}, named{"db", "i-2"}},
		"no match":                      {two, []string{"#", "No instance matches", enter + up + enter + halfPageDown + enter + backspace, "> app", "db", "db", enter, ""}, named{"db", "i-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			screen, terminal := openTerminal(t)
			r := &run{Setting: Setting{Stack: "dev", In: terminal, Err: terminal, Environ: []string{"TERM=xterm"}}, outputs: outputs.Values{InstanceIDs: c.ids}}
			shown := make(chan string, 1000)
			go func() {
				for buffer := make([]byte, 4096); ; {
					n, err := screen.Read(buffer)
					if err != nil {
						return
					}
					shown <- string(buffer[:n])
				}
			}()
			var picked named
			ended := make(chan error, 1)
			sees := func(text string) {
				seen, deadline := "", time.After(30*time.Second)
				for !strings.Contains(escapes.ReplaceAllString(seen, ""), text) {
					select {
					case more := <-shown:
						seen += more
					case <-ended:
						require.Fail(t, "it chose", "%v", picked)
					case <-deadline:
						require.Fail(t, "not shown: "+text, "%q", seen)
					}
				}
			}
			go func() {
				var err error
				picked, err = r.pick(t.Context())
				ended <- err
			}()
			defer func() { _, _ = screen.WriteString("\x03") }() // a test that failed ends the question
			sees("A session on which instance? Type to filter")
			for i := 0; i < len(c.types); i += 2 {
				_, err := screen.WriteString(c.types[i])
				require.NoError(t, err)
				sees(c.types[i+1])
			}
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(30 * time.Second):
				require.Fail(t, "it still asks")
			}
			require.Equal(t, c.want, picked)
		})
	}
}

// After a question nothing of it reads from the terminal any more: the key would be lost to the session, and reading in the
// background stops the whole process group. Bubble Tea 2.0.2 left a reader behind in most of the rounds.
func TestAsk_Answered_LeavesTheTerminalAlone(t *testing.T) {
	t.Parallel()
	for range 12 {
		screen, terminal := openTerminal(t)
		go func() {
			seen, text := "", make([]byte, 4096)
			for asked := false; ; {
				n, err := screen.Read(text)
				if seen += string(text[:n]); err != nil {
					return
				}
				if !asked && strings.Contains(seen, "db") {
					asked = true
					_, _ = screen.WriteString("\r")
				}
			}
		}()
		r := &run{Setting: Setting{Stack: "dev", In: terminal, Err: terminal, Environ: []string{"TERM=xterm"}}}
		chosen := 0
		require.NoError(t, r.ask("Which?", huh.NewSelect[int]().Options(huh.NewOption("db", 1)).Value(&chosen).Filtering(true)))
		_, err := term.MakeRaw(int(terminal.Fd()))
		require.NoError(t, err)
		read := make(chan string, 1)
		for _, key := range []string{"x", "y"} { // a reader that was left behind takes the first one or the second
			_, err = screen.WriteString(key)
			require.NoError(t, err)
			time.Sleep(10 * time.Millisecond)
			go func() {
				text := make([]byte, 1)
				n, _ := terminal.Read(text)
				read <- string(text[:n])
			}()
			select {
			case got := <-read:
				require.Equal(t, key, got)
			case <-time.After(30 * time.Second):
				require.FailNow(t, "a key that was typed after the question is lost")
			}
		}
	}
}

// openTerminal opens a terminal on which a question can be asked. Its own end stays open: Bubble Tea does not wait for the goroutine
// that asks for the size, and to close the file meanwhile is a data race.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, terminal, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	require.NoError(t, pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: 80}))
	return screen, terminal
}

// A terminal that is not the controlling one, as under su -c, has no foreground process group. The session opens all the same, and
// the user is told what does not work there.
func TestHandOver_TerminalOfAnotherSession_OpensWithANote(t *testing.T) {
	t.Parallel()
	screen, terminal, err := pty.Open()
	require.NoError(t, err)
	defer screen.Close()
	defer terminal.Close()
	printed, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	require.NoError(t, err)
	defer printed.Close()
	r := &run{Setting: Setting{Stack: "dev", In: terminal, Out: printed, Err: printed}, aws: &client{path: "/bin/sh"}}
	_, code, err := r.handOver([]string{"-c", "test -t 0 && echo opened; exit 3"})
	require.NoError(t, err)
	require.Equal(t, 3, code)
	text, err := os.ReadFile(printed.Name())
	require.NoError(t, err)
	require.Regexp(t, "(?s)^Note: this is not the controlling terminal of the command, as under `su -c`.*\nopened\n$", string(text))
}

func TestStartSession_DefaultDocument_IsNotNamed(t *testing.T) {
	t.Parallel()
	r := &run{outputs: outputs.Values{Region: "us-east-2", SessionDocument: sessiondoc.DefaultDocument}}
	require.Equal(t, "ssm start-session --region us-east-2 --target i-1", strings.Join(r.startLine(named{"app", "i-1"}), " "))
	r.outputs.SessionDocument = "ours"
	require.Equal(t, "ssm start-session --region us-east-2 --target i-1 --document-name ours", strings.Join(r.startLine(named{"app", "i-1"}), " "))
}

const aliceID = "alice-0123456789abcdef0"

func oneSession(state, status string) answer {
	return answer{Contains: `"State":"` + state + `"`, Stdout: fmt.Sprintf(`{"Sessions": [{"SessionId": %q, "Target": "i-1", "Status": %q, "StartDate": "2026-03-01T11:00:00.5+00:00",
		"EndDate": %s, "DocumentName": "SSM-SessionManagerRunShell", "Owner": "arn:aws:sts::1:assumed-role/r/alice"}]}`, aliceID, status,
		map[bool]string{true: "null", false: `"2026-03-01T11:00:05Z"`}[state == active])}
}

var (
	noSessions = answer{Contains: "describe-sessions", Stdout: `{"Sessions": []}`}
	noKey      = answer{Contains: "get-object", Code: 254, Stderr: "\nAn error occurred (NoSuchKey) when calling the GetObject operation: The specified key does not exist.\n"}
	emptyList  = answer{Contains: "list-objects-v2", Stdout: ""}
	noStreams  = answer{Contains: "describe-log-streams", Stdout: "{}"}
	noVersions = answer{Contains: "list-object-versions", Stdout: ""}
	noStream   = answer{Contains: "get-log-events", Code: 254, Stderr: "\nAn error occurred (ResourceNotFoundException) when calling the GetLogEvents operation: The specified log stream does not exist.\n"}
	latest     = versionsOf("sessions/"+aliceID+".log", "2026-03-01T11:00:09Z")
)

// versionsOf lists versions of a key in the order of their ids: v1, v2, and so on.
func versionsOf(key string, times ...string) answer {
	var all []string
	for i, at := range times {
		all = append(all, fmt.Sprintf(`{"Key": %q, "VersionId": "v%d", "LastModified": %q, "Size": 6, "Owner": {"ID": "owner-id"}}`, key, i+1, at))
	}
	return answer{Contains: `"Prefix":"` + key + `"`, Stdout: `{"Versions": [` + strings.Join(all, ",") + `]}`}
}

func TestSessionLog_IsFoundInEveryLocation(t *testing.T) {
	t.Parallel()
	stream := answer{Contains: "get-document", Stdout: `{"Content": "{\"inputs\": {\"cloudWatchLogGroupName\": \"/group\", \"cloudWatchStreamingEnabled\": true}}"}`}
	event := func(lines ...string) string {
		inner, _ := json.Marshal(map[string]any{"sessionId": aliceID, "sessionData": lines})
		outer, _ := json.Marshal(map[string]string{"message": string(inner)})
		return strings.ReplaceAll(string(outer), `"message"`, `"message"`)
	}
	for name, test := range map[string]struct {
		answers []answer
		where   string
	}{
		"where the document says": {[]answer{document, latest, {Contains: "--key=sessions/" + aliceID + ".log", File: "typed\n"}}, "s3://logs/sessions/" + aliceID + ".log"},
		"under an earlier prefix": {[]answer{
			document, {Contains: "--key=before/" + aliceID, File: "typed\n"}, noKey, versionsOf("before/"+aliceID+".log", "2026-03-01T11:00:09Z"), noVersions,
			{Contains: `list-objects-v2 --region us-east-2 --output json --cli-input-json {"Bucket":"logs"`, Stdout: `{"Contents": [{"Key": "before/` + aliceID + `.log"}]}`},
		}, "s3://logs/before/" + aliceID + ".log"},
		"in a bucket of a previous deployment": {[]answer{
			document, {Contains: "--key=x/" + aliceID, File: "typed\n"}, noKey, versionsOf("x/"+aliceID+".log", "2026-03-01T11:00:09Z"), noVersions,
			{Contains: `"Bucket":"old"`, Stdout: `{"Contents": [{"Key": "other.log"}, {"Key": "x/` + aliceID + `.log"}]}`}, emptyList,
		}, "s3://old/x/" + aliceID + ".log"},
		"in a log group of a previous deployment": {[]answer{
			document, noKey, {Contains: `"nextToken":"t1"`, Stdout: `{"events": [], "nextForwardToken": "t1"}`},
			{Contains: `"logGroupName":"/before"`, Stdout: `{"events": [` + event("typed") + `], "nextForwardToken": "t1"}`},
		}, "log group /before, stream " + aliceID},
		"streamed": {[]answer{
			stream, {Contains: `"nextToken":"t1"`, Stdout: `{"events": [], "nextForwardToken": "t1"}`},
			{Contains: "get-log-events", Stdout: `{"events": [` + event("typed") + `], "nextForwardToken": "t1"}`},
		}, "log group /group, stream " + aliceID},
		"without the right to read the document": {[]answer{refused("get-document"), latest, {Contains: "--key=sessions/" + aliceID + ".log", File: "typed\n"}}, "s3://logs/sessions/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, "record", append(test.answers, answer{Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated"), me, noVersions, emptyList, noStream), "--session", aliceID)
			require.Zero(t, got.code, got.err)
			require.Equal(t, "typed\n", got.out)
			require.Contains(t, got.err, test.where)
		})
	}
}

func TestMissingSessionLog_IsExplained(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []answer
		code    int
		says    string
	}{
		"open":       {[]answer{document, oneSession(active, "Connected"), noKey, emptyList}, codeNotYet, "Not there yet: the session " + aliceID + " is connected"},
		"ending":     {[]answer{document, oneSession(active, "Terminating"), noKey, emptyList}, codeNotYet, "is ending"},
		"no such":    {[]answer{document, noSessions, noKey, emptyList}, codeNoRecord, "has no such session either"},
		"refused":    {[]answer{document, {Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Failed"), noKey, emptyList}, codeNoRecord, "never opened"},
		"not mine":   {[]answer{document, noSessions, {Contains: "get-object", Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the GetObject operation: Access Denied\n"}, emptyList, refused("list-object-versions"), me}, 1, "allow that identity s3:GetObject, on s3://logs/sessions/*"},
		"the key is": {[]answer{document, noSessions, {Contains: "get-object", Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the GetObject operation: User: x is not authorized to perform: kms:Decrypt on resource: y\n"}, emptyList, refused("list-object-versions"), me}, 1, "allow that identity kms:Decrypt, on the key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, "record", append(test.answers, noVersions, noStream, me), "--session", aliceID)
			require.Equal(t, test.code, got.code, got.err)
			require.Contains(t, got.err, test.says)
			require.Empty(t, got.out)
		})
	}
	// No log will come of a session that is not logged, open or not.
	for _, state := range []string{active, past} {
		tunnel := oneSession(state, map[string]string{active: "Connected", past: "Terminated"}[state])
		tunnel.Stdout = strings.Replace(tunnel.Stdout, "SSM-SessionManagerRunShell", "AWS-StartSSHSession", 1)
		got := runWith(t, "record", testOutputs, []answer{document, tunnel, {Contains: `"State":"Active"`, Stdout: "{}"}, noKey, emptyList, noVersions, noStream, me},
			time.Date(2026, 3, 1, 11, 1, 0, 0, time.UTC), "--session", aliceID)
		require.Equal(t, codeNoRecord, got.code, got.err)
		require.Contains(t, got.err, "It was opened under AWS-StartSSHSession: Session Manager does not log port forwarding and SSH.")
	}
	// Under another document, open or ended a moment ago, nothing of the stack explains it.
	for _, state := range []string{active, past} {
		other := oneSession(state, map[string]string{active: "Connected", past: "Terminated"}[state])
		other.Stdout = strings.Replace(other.Stdout, "SSM-SessionManagerRunShell", "other", 1)
		for _, now := range []time.Time{time.Date(2026, 3, 1, 11, 1, 0, 0, time.UTC), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} {
			got := runWith(t, "record", testOutputs, []answer{document, other, {Contains: `"State":"Active"`, Stdout: "{}"}, noKey, emptyList, noVersions, noStream, me}, now, "--session", aliceID)
			require.Equal(t, codeNoRecord, got.code, got.err)
			require.Equal(t, "Note: The session ran under the document other. The log locations of that document were not read: only the stack's own are.\n"+
				"This stack's log locations have no log of the session "+aliceID+". It is where the document other says, if that logs sessions.\n", got.err)
		}
	}
	late := []answer{document, {Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated"), noKey, emptyList, noVersions, noStream, me}
	got := runWith(t, "record", testOutputs, late, time.Date(2026, 3, 1, 11, 3, 0, 0, time.UTC), "--session", aliceID)
	require.Equal(t, codeNotYet, got.code, got.err)
	require.Contains(t, got.err, "ended 2m55s ago")
	got = runFake(t, "record", late, "--session", aliceID)
	require.Equal(t, codeNoRecord, got.code, got.err)
	require.Contains(t, got.err, "should be there. Findings:")
	// What there is now explains nothing about an instance that is gone.
	for _, now := range []answer{
		{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "terminated"}}]}]}`},
		{Contains: "describe-instances", Code: 254, Stderr: "\nAn error occurred (InvalidInstanceID.NotFound) when calling the DescribeInstances operation: no\n"},
	} {
		got = runFake(t, "record", append([]answer{now}, late...), "--session", aliceID)
		require.Equal(t, codeNoRecord, got.code, got.err)
		require.Contains(t, got.err, "on the instance i-1, which does not exist any more")
		require.NotContains(t, got.err, "Findings:")
	}
}

// An update creates no endpoints in a central VPC, so it is no fix.
func TestMissingSessionLog_EndpointsOfCentralVPC_NotCalledMissing(t *testing.T) {
	t.Parallel()
	central := strings.Replace(testOutputs, `{"region"`, `{"endpointCidrBlocks": ["10.99.0.0/16"], "region"`, 1)
	got := runWith(t, "record", central, []answer{document, {Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated"), noKey, emptyList, noVersions, noStream, me,
		{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"State": {"Name": "running"}, "VpcId": "vpc-1", "SubnetId": "subnet-1"}]}]}`},
		{Contains: "describe-vpc-endpoints", Stdout: "{}"},
		{Contains: "describe-route-tables", Stdout: `{"RouteTables": [{"RouteTableId": "rtb-1", "Associations": [{"Main": true}]}]}`},
	}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), "--session", aliceID)
	require.Equal(t, codeNoRecord, got.code, got.err)
	require.Contains(t, got.err, "there is no gateway endpoint for S3 in vpc-1; by the stack's config it may be in 10.99.0.0/16 of another VPC")
	require.NotContains(t, got.err, "First to fix: the subnet has a route to S3")
}

func TestEnd_EndsOwnSessionsUnlessAll(t *testing.T) {
	t.Parallel()
	bob := answer{Contains: "get-caller-identity", Stdout: `{"Account": "1", "Arn": "arn:aws:sts::1:assumed-role/r/bob"}`}
	ended := answer{Contains: "terminate-session", Stdout: `{"SessionId": "` + aliceID + `"}`}
	open := oneSession(active, "Connected")

	got := runFake(t, "end", []answer{me, open, ended}, "--session", aliceID)
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "ended "+aliceID+" of alice on app (i-1)")

	got = runFake(t, "end", []answer{bob, open, ended}, "--session", aliceID)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "is open by arn:aws:sts::1:assumed-role/r/alice and you are arn:aws:sts::1:assumed-role/r/bob. Nothing was ended")
	require.Zero(t, got.count("terminate-session"))
	got = runFake(t, "end", []answer{bob, open, ended}, "--session", aliceID, "--all")
	require.Zero(t, got.code, got.err)

	got = runFake(t, "end", []answer{me, open, ended}, "--instance", "app")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "no terminal to ask on, so nothing was ended. To end 1 on app (i-1): make end INSTANCE=app YES=1 STACK=dev")
	require.Zero(t, got.count("terminate-session"))
	got = runFake(t, "end", []answer{me, open, ended}, "--instance", "app", "--yes")
	require.Zero(t, got.code, got.err)
	require.Equal(t, 1, got.count("terminate-session"))
	got = runFake(t, "end", []answer{bob, open, ended}, "--instance", "app", "--yes")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "1 open on app (i-1) by other users")
	require.Contains(t, got.err, "Nothing to end")
	require.Zero(t, got.count("terminate-session"))

	got = runFake(t, "end", []answer{me, {Contains: `"State":"Active"`, Stdout: "{}"}, oneSession(past, "Terminated")}, "--session", aliceID)
	require.Zero(t, got.code)
	require.Contains(t, got.err, "has ended already, at 2026-03-01T11:00:05Z")
	got = runFake(t, "end", nil)
	require.Equal(t, 2, got.code)
}

// Without ALL=1 the command would end the sessions of the caller, and no others.
func TestEnd_AllWithoutTerminal_FixEndsTheSameSessions(t *testing.T) {
	t.Parallel()
	got := runFake(t, "end", []answer{me, oneSession(active, "Connected")}, "--instance", "app", "--all")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "To end 1 on app (i-1): make end INSTANCE=app ALL=1 YES=1 STACK=dev")
}

func TestEnd_SessionUnderAnotherDocument_NoHintAtASessionLog(t *testing.T) {
	t.Parallel()
	for document, says := range map[string]string{
		"SSM-SessionManagerRunShell": "on app (i-1); its session log: make record SESSION=" + aliceID + " STACK=dev\n",
		"other":                      "on app (i-1)\n",
		"AWS-StartSSHSession":        "on app (i-1), which has no session log\n",
	} {
		open := oneSession(active, "Connected")
		open.Stdout = strings.Replace(open.Stdout, "SSM-SessionManagerRunShell", document, 1)
		got := runFake(t, "end", []answer{me, open, {Contains: "terminate-session", Stdout: "{}"}}, "--session", aliceID)
		require.Zero(t, got.code, got.err)
		require.Equal(t, "ended "+aliceID+" of alice "+says, got.out)
	}
}

func TestHistory_JSONAndCSV_AreComplete(t *testing.T) {
	t.Parallel()
	second := `{"Sessions": [{"SessionId": "eve-0123456789abcdef2", "Target": "i-9", "Status": "Terminated", "Owner": "x/eve", "DocumentName": "SSM-SessionManagerRunShell"},
		{"SessionId": "eve-0123456789abcdef3", "Target": "i-1", "Status": "Terminated", "Owner": "x/eve", "DocumentName": "AWS-StartSSHSession"}]}`
	answers := []answer{
		document, me,
		{Contains: `"State":"Active"`, Stdout: `{"Sessions": [{"SessionId": "bob-0123456789abcdef1", "Target": "i-2", "Status": "Connected", "StartDate": 1772366340.0, "Owner": "arn:aws:iam::1:user/team/bob", "DocumentName": "SSM-SessionManagerRunShell", "Reason": "a, \"b\""}]}`},
		{Contains: "--starting-token=two", Stdout: second}, // all pages by one process, for the complete formats
		{Contains: `"NextToken":"two"`, Stdout: second},    // page by page, for the table
		{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, "}]}", `}], "NextToken": "two"}`, 1)},
		{Contains: `"Bucket":"logs"`, Stdout: `{"Contents": [{"Key": "sessions/` + aliceID + `.log", "LastModified": "2026-03-01T11:00:09+00:00"}, {"Key": "sessions/carol@example.com-0123456789abcdef4.log", "LastModified": "2025-12-24T08:00:00+00:00"}, {"Key": "readme.txt", "LastModified": "2025-12-24T08:00:00+00:00"}]}`},
		{Contains: `"Bucket":"old"`, Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied\n"},
		{Contains: `"logGroupName":"/before"`, Stdout: `{"logStreams": [{"logStreamName": "dave-0123456789abcdef5", "lastEventTimestamp": 1764000000000}]}`},
	}
	got := runFake(t, "history", answers, "--format", "json")
	require.Zero(t, got.code, got.err)
	var entries []entry
	require.NoError(t, json.Unmarshal([]byte(got.out), &entries), got.out)
	require.Len(t, entries, 5)
	bob, alice, replaced, carol, dave := entries[0], entries[1], entries[2], entries[3], entries[4]
	require.Equal(t, []string{"dave", "log group /before, stream dave-0123456789abcdef5"}, []string{dave.Who, dave.record()}, "of logging.earlierLocations")
	require.Equal(t, "i-9", replaced.Instance, "an instance that the stack does not have any more")
	require.Equal(t, []string{"bob", "arn:aws:iam::1:user/team/bob", "web", "i-2", "2026-03-01T11:59:00Z", "", "60", "Connected"},
		[]string{bob.Who, bob.Owner, bob.Instance, bob.InstanceID, bob.Start, bob.End, bob.seconds(), bob.Status})
	require.Equal(t, []string{"alice", "app", "2026-03-01T11:00:00Z", "2026-03-01T11:00:05Z", "4", "s3://logs/sessions/" + aliceID + ".log", "aws"},
		[]string{alice.Who, alice.Instance, alice.Start, alice.End, alice.seconds(), alice.record(), alice.Source})
	require.Equal(t, []string{"carol@example.com", unknown, unknown, unknown, unknown, "s3://logs/sessions/carol@example.com-0123456789abcdef4.log", "2025-12-24T08:00:00Z", "archive"},
		[]string{carol.Who, carol.Owner, carol.Instance, carol.Start, carol.Status, carol.record(), carol.RecordedAt, carol.Source})
	require.Contains(t, got.err, "1 session under other documents: ALL=1 shows them.")
	require.NotContains(t, runFake(t, "history", answers, "--who", "bob").err, "under other documents", "ALL=1 would show none of bob")
	require.Contains(t, runFake(t, "history", answers, "--who", "eve").err, "1 session under other documents: ALL=1 shows them.")
	require.Contains(t, got.err, "The session logs in s3://old could not be listed: s3:ListBucket was refused.")

	table := runFake(t, "history", answers)
	require.Zero(t, table.code, table.err)
	lines := strings.Split(table.out, "\n")
	require.Regexp(t, `^SESSION +WHO +INSTANCE +START \(UTC\) +LASTED +STATUS +REASON +LOG$`, lines[0])
	require.Regexp(t, `^bob-0123456789abcdef1 +bob +web +2026-03-01 11:59 +1m00s +connected +a, "b" +s3://`, lines[1])

	got = runFake(t, "history", answers, "--format", "csv", "--who", "BOB")
	rows, err := csv.NewReader(strings.NewReader(got.out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, columns, rows[0])
	require.Equal(t, `a, "b"`, rows[1][11])
	got = runFake(t, "history", answers, "--format", "json", "--until", "2026-01-01")
	require.Contains(t, got.out, "carol@example.com")
	require.NotContains(t, got.out, "alice")
	require.Equal(t, 3, got.count(`"key":"InvokedBefore","value":"2026-01-01T00:00:00Z"`), got.calls)
}

// Open sessions come first, and count like all others.
func TestHistory_MoreOpenSessionsThanLimit_PageByPage(t *testing.T) {
	t.Parallel()
	var open []string
	for i := range 3 {
		open = append(open, fmt.Sprintf(`{"SessionId": "bob-%017d", "Target": "i-1", "Status": "Connected", "StartDate": 1772362800, "Owner": "x/bob", "DocumentName": "SSM-SessionManagerRunShell"}`, i))
	}
	answers := []answer{
		document, {Contains: `"State":"Active"`, Stdout: `{"Sessions": [` + strings.Join(open, ",") + `]}`},
		oneSession(past, "Terminated"), emptyList, me, noStreams,
	}
	for _, format := range []string{"table", "json", "csv"} {
		var ids []string
		next := []string{}
		for range 4 {
			got := runFake(t, "history", answers, append([]string{"--limit", "2", "--format", format}, next...)...)
			require.Zero(t, got.code, got.err)
			found := regexp.MustCompile(`(bob|alice)-[0-9a-f]{17}`).FindAllString(regexp.MustCompile(`s3://\S+`).ReplaceAllString(got.out, ""), -1)
			require.LessOrEqual(t, len(found), 2, format)
			ids = append(ids, found...)
			token := regexp.MustCompile(`NEXT='([^']+)'`).FindStringSubmatch(got.err)
			if token == nil {
				break
			}
			next = []string{"--next", token[1]}
		}
		require.Equal(t, []string{"bob-00000000000000000", "bob-00000000000000001", "bob-00000000000000002", aliceID}, ids, format)
	}
	// The session that a page ended with has ended itself.
	got := runFake(t, "history", answers, "--limit", "2", "--next", "open:bob-00000000000000009")
	require.Contains(t, got.out, "bob-00000000000000000")
}

func TestHistory_FirstPage_TakesTwoCalls(t *testing.T) {
	t.Parallel()
	var page []string
	for i := range 50 {
		page = append(page, fmt.Sprintf(`{"SessionId": "alice-%017d", "Target": "i-1", "Status": "Terminated", "StartDate": 1772362800, "EndDate": 1772362900, "Owner": "x/alice", "DocumentName": "SSM-SessionManagerRunShell"}`, i))
	}
	answers := []answer{
		document, {Contains: `"State":"Active"`, Stdout: "{}"},
		{Contains: `"State":"History"`, Stdout: `{"Sessions": [` + strings.Join(page, ",") + `], "NextToken": "AAE="}`},
	}
	got := runFake(t, "history", answers)
	require.Zero(t, got.code, got.err)
	require.Equal(t, 51, strings.Count(got.out, "\n"))
	require.Equal(t, 2, got.count("describe-sessions"))
	require.Zero(t, got.count("list-objects"), "the archive comes after what AWS knows")
	require.Contains(t, got.err, "There are more. Next: the same command with NEXT='AAE='")
	got = runFake(t, "history", answers, "--next", "AAE=")
	require.Equal(t, 1, got.count("describe-sessions"))
	require.Contains(t, got.calls[1], `"NextToken":"AAE="`)
	got = runFake(t, "history", []answer{document, noSessions, me, emptyList, noStreams}, "--next", "AAE=")
	require.Equal(t, "No more sessions.\n", got.err)
}

func TestHistory_DocumentUnreadable_ListsTheLogGroupOfTheOutputs(t *testing.T) {
	t.Parallel()
	with := strings.Replace(testOutputs, "{", `{"logGroup": "/group", `, 1)
	got := runWith(t, "history", with, []answer{refused("get-document"), noSessions, me, emptyList,
		{Contains: `"logGroupName":"/group"`, Stdout: `{"logStreams": [{"logStreamName": "dave-0123456789abcdef5", "lastEventTimestamp": 1764000000000}]}`}, noStreams}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "the log locations are those in the stack's outputs")
	require.Contains(t, got.out, "dave-0123456789abcdef5")
}

// Below a list without the column, one location is named only if it is that of all its sessions.
func TestHistory_LogsElsewhere_FooterNamesNoLocation(t *testing.T) {
	t.Parallel()
	bucket, group := sessiondoc.Location{Bucket: "logs", Prefix: "sessions"}, sessiondoc.Location{LogGroup: "/g"}
	for name, c := range map[string]struct {
		places    []sessiondoc.Location
		logs      []string
		elsewhere bool
	}{
		"in place":             {[]sessiondoc.Location{bucket}, []string{"s3://logs/sessions/a-1.log"}, false},
		"in place, with host":  {[]sessiondoc.Location{bucket}, []string{"https://s3.us-east-2.amazonaws.com/logs/sessions/a-1.log"}, false},
		"both":                 {[]sessiondoc.Location{bucket, group}, []string{"s3://logs/sessions/a-1.log", "log group /g, stream a-1"}, false},
		"another bucket":       {[]sessiondoc.Location{bucket}, []string{"s3://old/sessions/a-1.log"}, true},
		"another prefix":       {[]sessiondoc.Location{bucket}, []string{"s3://logs/shells/a-1.log"}, true},
		"before the log group": {[]sessiondoc.Location{bucket, group}, []string{"s3://logs/sessions/a-1.log"}, true},
		"none":                 {[]sessiondoc.Location{bucket}, []string{}, false},
		"unknown":              {[]sessiondoc.Location{bucket}, nil, false},
	} {
		w := &tableWriter{historyRun: &historyRun{places: c.places}}
		require.Equal(t, c.elsewhere, w.isElsewhere(entry{Session: "a-1", Logs: c.logs}), name)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T08:00:00Z": "2026-01-31T08:00:00Z", "2026-01-31T08:00:00+09:00": "2026-01-30T23:00:00Z",
		"2026-01-31 08:30": "2026-01-31T08:30:00Z", "90m": "2026-03-01T10:30:00Z", "7d": "2026-02-22T12:00:00Z", "2w": "2026-02-15T12:00:00Z",
	} {
		got, err := parseTime(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, rfc(got), text)
	}
	for _, text := range []string{"yesterday", "7", "31.1.2026", "999999d"} {
		_, err := parseTime(text, now)
		require.ErrorContains(t, err, "not a time. Allowed: 2026-01-31", text)
	}
	for flag, value := range map[string]string{"--format": "xml", "--limit": "0", "--since": "x", "--until": "", "--all": "1"} {
		got := runFake(t, "history", nil, flag, value)
		require.Equal(t, 2, got.code, flag)
		require.Empty(t, got.calls)
	}
}

func TestControlCharacters_AreNotPrinted(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a?[2Jb??c", printable("a\x1b[2Jb\x07\u009bc"))
	line, found := hasLine([]byte("\x1b[?2004h$ echo verify-1\r\n\x1b[?2004l\rverify-1\r\n$ "), "verify-1")
	require.True(t, found)
	require.Equal(t, "verify-1", line)
	_, found = hasLine([]byte("$ echo verify-1\r\n"), "verify-1")
	require.False(t, found, "what was typed proves no shell")
}

func TestVerbose_PrintsAWSCommand(t *testing.T) {
	t.Parallel()
	got := runFake(t, "wait", []answer{online("i-1", "i-2")}, "--verbose")
	require.Contains(t, got.err, `+ aws ssm describe-instance-information --region us-east-2 --output json --cli-input-json '{"Filters":[{"Key":"InstanceIds","Values":["i-1","i-2"]}]}'`)
}

func TestConnect_InstanceNotConnected_SaysWhy(t *testing.T) {
	t.Parallel()
	plugin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(plugin, "session-manager-plugin"), []byte("#!/bin/sh\n"), 0o755))
	for state, want := range map[string]string{
		"terminated":    "The instance i-1 was deleted. Next: make up ARGS=--refresh STACK=dev\n",
		"shutting-down": "The instance i-1 was deleted. Next: make up ARGS=--refresh STACK=dev\n",
		"running":       "Next: make wait INSTANCE=app TIMEOUT=1s STACK=dev prints what is missing",
	} {
		got := runOn(t, plugin, "connect", strings.Replace(testOutputs, `, "web": "i-2"`, "", 1), []answer{document, me, noSessions,
			{Contains: "start-session", Code: 254, Stderr: "\nAn error occurred (TargetNotConnected) when calling the StartSession operation: it is not connected.\n"},
			{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "` + state + `"}}]}]}`},
		}, time.Now())
		require.Equal(t, 254, got.code, got.err)
		require.Contains(t, got.err, want)
	}
}

// The outputs are those of the last finished update.
func TestConnect_UnfinishedChange_IsTheCause(t *testing.T) {
	t.Parallel()
	const unfinished = "2 AWS resources. The last change was not finished, so what follows may be out of date. Next: make up STACK=dev"
	r := &run{Setting: Setting{Stack: "dev", Deployed: func() (string, error) { return unfinished, nil }}, name: "connect"}
	require.Equal(t, "The instance i-1 does not exist any more. The stack has "+unfinished, r.deleted(named{"app", "i-1"}))
	_, err := r.pick(t.Context())
	require.EqualError(t, err, "the outputs of the stack dev have no instances; for one that has the stack's profile: make connect INSTANCE=i-… STACK=dev\n  The stack has "+unfinished)
}

// endedConnect is what finds the session of connect when it has ended.
func endedConnect() answer {
	return answer{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, `"Owner"`, `"Reason": "$REASON", "Owner"`, 1)}
}

func TestConnect_InstanceDeletedMeanwhile_PromisesNoSessionLog(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"shutting-down", "terminated"} {
		got := runOn(t, withPlugin(t), "connect", testOutputs, []answer{opened, {Contains: `"State":"Active"`, Stdout: "{}"}, endedConnect(), document,
			{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "` + state + `"}}]}]}`},
		}, time.Now(), "--instance", "app")
		require.Equal(t, 1, got.code, got.err)
		require.Contains(t, got.err, "Its instance was deleted while it was open, so there may be no session log of it", state)
	}
}

// The log location in the outputs counts only if the document cannot be read.
func TestConnect_DocumentNamesNoLocation_NotRecorded(t *testing.T) {
	t.Parallel()
	none := answer{Contains: "get-document", Stdout: `{"Content": "{\"inputs\": {}}"}`}
	const unrecorded = "It is not recorded, because the document SSM-SessionManagerRunShell names no log location.\n  Next: make verify INSTANCE=app STACK=dev prints what to do\n"
	for _, test := range []struct {
		answers []answer
		says    string
	}{
		{[]answer{none, {Contains: `"State":"Active"`, Stdout: "{}"}, endedConnect()}, "The session " + aliceID + " has ended. " + unrecorded},
		{[]answer{none, noSessions}, "The session has ended. make history STACK=dev lists its id. " + unrecorded},
		{[]answer{refused("get-document"), {Contains: `"State":"Active"`, Stdout: "{}"}, endedConnect()}, "Its session log will be in s3://logs/sessions/" + aliceID + ".log"},
		{[]answer{refused("get-document"), noSessions}, "lists its id. Its session log follows within a minute.\n"},
	} {
		got := runOn(t, withPlugin(t), "connect", testOutputs, append(test.answers, opened), time.Now(), "--instance", "app")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.err, test.says)
	}
}

func TestConnect_IDOfNoInstance_SaysSo(t *testing.T) {
	t.Parallel()
	got := runOn(t, withPlugin(t), "connect", testOutputs, []answer{document, me, noSessions,
		{Contains: "start-session", Code: 254, Stderr: "\nAn error occurred (TargetNotConnected) when calling the StartSession operation: it is not connected.\n"},
		{Contains: "describe-instances", Code: 254, Stderr: "\nAn error occurred (InvalidInstanceID.NotFound) when calling the DescribeInstances operation: no such instance\n"},
	}, time.Now(), "--instance", "i-0123456789abcdef0")
	require.Equal(t, 254, got.code, got.err)
	require.Contains(t, got.err, "There is no instance i-0123456789abcdef0 in us-east-2, or not any more. Next: make status STACK=dev lists those of the stack")
	require.NotContains(t, got.err, "not finished")
}

// With an error of the AWS CLI the cause is explained; "Cancelled." is for Ctrl-C.
func TestConnect_ErrorOfTheCLI_IsNoCtrlC(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{0: false, 1: false, 128: false, 130: true, 143: true, 252: false, 254: false, 255: false} {
		require.Equal(t, want, isSignal(code), code)
	}
}

func TestVerify_All_EndsWithTableOfFailures(t *testing.T) {
	t.Parallel()
	plugin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(plugin, "session-manager-plugin"), []byte("#!/bin/sh\n"), 0o755))
	ids := map[string]string{"app": "i-1"}
	for i := range 12 {
		ids[fmt.Sprintf("web-%03d", i+1)] = fmt.Sprintf("i-%017d", i+1)
	}
	text, err := json.Marshal(map[string]any{"region": "us-east-2", "sessionDocument": "SSM-SessionManagerRunShell", "instanceIds": ids})
	require.NoError(t, err)
	got := runOn(t, plugin, "verify", string(text), []answer{document, me,
		{Contains: "start-session", Code: 254, Stderr: "\nAn error occurred (TargetNotConnected) when calling the StartSession operation: it is not connected.\n"},
		{Contains: "describe-instance-information", Stdout: "{}"},
		{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"State": {"Name": "stopped"}, "VpcId": "vpc-1", "SubnetId": "subnet-1"}]}]}`},
	}, time.Now(), "--all", "--instance", "web")
	require.Equal(t, 1, got.code, got.err)
	rows := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Len(t, rows, 13, got.out)
	require.Equal(t, "0 of 12 instances: sessions are recorded", rows[0])
	require.Equal(t, "web-001 (i-00000000000000001)  the instance runs: i-00000000000000001 is stopped", rows[1])
	require.True(t, strings.HasPrefix(rows[12], "web-012 "), rows[12])
	require.Equal(t, 12, got.count("start-session"), "app is not one of them")
	require.Equal(t, maxDiagnosed, strings.Count(got.err, "What is missing:"), "the findings of the first: %s", got.err)
	require.Contains(t, got.err, "Next: make verify INSTANCE=web-001 STACK=dev prints the findings again")
}

func TestCauseOf_FailedVerification_OneLine(t *testing.T) {
	t.Parallel()
	failed := process.Exit{Code: 1}
	require.Equal(t, "the role: it has no policy", causeOf("FAILED: no log.\nFirst to fix: the role: it has no policy\n", failed))
	require.Equal(t, "there are two versions", causeOf("DOUBT: there are two versions\n", failed))
	require.Equal(t, "no log in s3://logs.", causeOf("• a session\nFAILED: no log in s3://logs.\n", failed))
	require.Equal(t, "AWS refused s3:GetObject", causeOf("", errors.New("AWS refused s3:GetObject\n  Fix: allow it")))
}
