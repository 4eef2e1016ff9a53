package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/pasted"
	"private-ec2-access/tools/process"
)

// The test's own program stands in for aws: it is started under that name, looks its answer up in a file, and writes
// down what it was asked. What the real AWS CLI does with these lines is shown by the tests in e2e.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "aws" {
		os.Exit(fakeAWS(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// answer is what the fake says to the calls whose line contains a text.
type answer struct {
	Contains, Stdout, Stderr string
	Code                     int
	// Times limits it to the first so many calls; 0 is all.
	Times int
	// Seconds is how long the call takes.
	Seconds int
	// File is written to the path that the call names last.
	File string
}

func fakeAWS(args []string) int {
	folder := os.Getenv("FAKE_AWS")
	line := strings.Join(args, " ")
	calls := filepath.Join(folder, "calls")
	before, _ := os.ReadFile(calls)
	file, err := os.OpenFile(calls, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(file, line)
	file.Close()
	text, err := os.ReadFile(filepath.Join(folder, "answers"))
	if err != nil {
		panic(err)
	}
	var answers []answer
	if err := json.Unmarshal(text, &answers); err != nil {
		panic(err)
	}
	for _, a := range answers {
		if !strings.Contains(line, a.Contains) || a.Times > 0 && strings.Count(string(before), a.Contains) >= a.Times {
			continue
		}
		time.Sleep(time.Duration(a.Seconds) * time.Second)
		if a.File != "" {
			if err := os.WriteFile(args[len(args)-1], []byte(a.File), 0o600); err != nil {
				panic(err)
			}
		}
		fmt.Fprint(os.Stdout, strings.ReplaceAll(a.Stdout, "$REASON", givenIn(string(before))))
		fmt.Fprint(os.Stderr, a.Stderr)
		return a.Code
	}
	fmt.Fprintf(os.Stderr, "\nAn error occurred (NotAnswered) when calling the %s operation: the test has no answer to: %s\n", camel(args[1]), line)
	return 254
}

// givenIn is the reason of the session that was started, which nobody but the command knows beforehand.
func givenIn(calls string) string {
	_, reason, _ := strings.Cut(calls, "--reason ")
	reason, _, _ = strings.Cut(reason, "\n")
	return reason
}

func refused(operation string) answer {
	return answer{Contains: " " + operation + " ", Code: 254, Stderr: "\nAn error occurred (AccessDeniedException) when calling the " + camel(operation) +
		" operation: User: arn:aws:sts::1:assumed-role/r/alice is not authorized to perform: ssm:" + camel(operation) + " on resource: *\n"}
}

const testOutputs = `{"region": "us-east-2", "instanceIds": {"app": "i-1", "web": "i-2"}, "sessionDocument": "SSM-SessionManagerRunShell",
	"logLocation": "s3://logs/sessions/", "keptLogBuckets": ["old"], "earlierLocations": ["log-group:/before"], "instanceProfileName": "profile", "roleName": "role"}`

var (
	me       = answer{Contains: "get-caller-identity", Stdout: `{"Account": "1", "Arn": "arn:aws:sts::1:assumed-role/r/alice"}`}
	document = answer{Contains: "get-document", Stdout: `{"Content": "{\"inputs\": {\"s3BucketName\": \"logs\", \"s3KeyPrefix\": \"sessions\", \"s3EncryptionEnabled\": true}}"}`}
)

// try is one run of a command against the fake.
type try struct {
	code     int
	out, err string
	calls    []string
}

// fakeFolder is a PATH with the fake, which also finds its answers there.
func fakeFolder(t *testing.T, answers []answer) string {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(folder, "aws")))
	text, err := json.Marshal(answers)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "answers"), text, 0o600))
	return folder
}

func runFake(t *testing.T, name string, answers []answer, args ...string) try {
	t.Helper()
	return runWith(t, name, testOutputs, answers, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), args...)
}

func runWith(t *testing.T, name, outputs string, answers []answer, now time.Time, args ...string) try {
	t.Helper()
	return runOn(t, "", name, outputs, answers, now, args...)
}

// runOn runs a command with more programs on its PATH.
func runOn(t *testing.T, programs, name, outputs string, answers []answer, now time.Time, args ...string) try {
	t.Helper()
	folder := fakeFolder(t, answers)
	out, err := os.Create(filepath.Join(folder, "out"))
	require.NoError(t, err)
	problems, err := os.Create(filepath.Join(folder, "err"))
	require.NoError(t, err)
	in, err := os.Open(os.DevNull)
	require.NoError(t, err)
	for _, f := range []*os.File{in, out, problems} {
		defer f.Close()
	}
	setting := Setting{
		Stack: "dev", Outputs: func() (string, error) { return outputs, nil }, In: in, Out: out, Err: problems,
		// A program that was built with the race detector sleeps for a second at its end, unless it is told not to.
		Environ: []string{"PATH=" + folder + string(filepath.ListSeparator) + programs, "FAKE_AWS=" + folder, "GORACE=atexit_sleep_ms=0"},
	}
	root := &cobra.Command{Use: "stack", SilenceErrors: true, SilenceUsage: true}
	root.SetFlagErrorFunc(process.FlagError)
	for _, build := range builders {
		r := &run{now: func() time.Time { return now }, poll: 5 * time.Millisecond, open: func(string) (Setting, error) { return setting, nil }}
		if name == "wait" {
			r.now = time.Now
		}
		root.AddCommand(build(r))
	}
	root.SetArgs(append([]string{name}, args...))
	result := try{code: process.Code(problems, root.Execute())}
	stdout, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	stderr, err := os.ReadFile(problems.Name())
	require.NoError(t, err)
	result.out, result.err = string(stdout), string(stderr)
	pasted.RequireRunnable(t, result.err)
	calls, _ := os.ReadFile(filepath.Join(folder, "calls")) // none where nothing was asked
	for line := range bytes.Lines(calls) {
		result.calls = append(result.calls, strings.TrimSpace(string(line)))
	}
	return result
}

func (t try) count(part string) int {
	n := 0
	for _, c := range t.calls {
		if strings.Contains(c, part) {
			n++
		}
	}
	return n
}
