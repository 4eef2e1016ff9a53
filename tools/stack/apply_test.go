package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/creack/pty"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

const (
	createsTopic = `{"resourcePreEvent":{"metadata":{"op":"create","urn":"urn:pulumi:local::p::aws:sns/topic:Topic::t","type":"aws:sns/topic:Topic","new":{"custom":true}}}}
{"resOutputsEvent":{"metadata":{"op":"create","urn":"urn:pulumi:local::p::aws:sns/topic:Topic::t","type":"aws:sns/topic:Topic","new":{"custom":true}}}}
`
	runEnds = `{"summaryEvent":{"durationSeconds":2}}` + "\n"
)

func withEvents(t *testing.T, a *app, events string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(a.root, "events.jsonl"), []byte(events), 0o644))
}

// A stack that has to be confirmed is updated after "yes" and nothing else, and only if its state is the one of the preview.
func TestApply_Question_OnlyYesUpdates(t *testing.T) {
	for answer, updated := range map[string]bool{"yes\n": true, " yes ": true, "y\n": false, "YES\n": false, "\n": false, "": false, "no\nyes\n": false} {
		a, out, calls := testApp(t, "", emptyState)
		a.stack.ConfirmChanges = true
		withEvents(t, a, createsTopic+runEnds)
		a.stdin = strings.NewReader(answer)
		err := a.apply("up", nil)
		assert.Contains(t, out.String(), "The stack local: 1 to create.\n  +  create   aws:sns:Topic  t\n", "%q", answer)
		assert.Equal(t, updated, strings.Contains(calls(), "up --stack local --yes --skip-preview"), "%q", answer)
		if updated {
			require.NoError(t, err)
			assert.Contains(t, out.String(), "Updated the stack local in 2s. AWS resources: 1 created.\n")
		} else {
			assert.Equal(t, process.Exit{Code: 1}, err)
			assert.Contains(t, out.String(), "Nothing was changed, because the answer was not yes.\n")
		}
	}
}

// Ctrl-C at the question says what an answer other than yes says.
func TestApply_InterruptedQuestion_NothingChanged(t *testing.T) {
	a, out, calls := testApp(t, "", emptyState)
	a.stack.ConfirmChanges = true
	withEvents(t, a, createsTopic+runEnds)
	stays := make(chan struct{})
	defer close(stays)
	a.stdin = readerFunc(func([]byte) (int, error) {
		self, err := os.FindProcess(os.Getpid())
		require.NoError(t, err)
		require.NoError(t, self.Signal(os.Interrupt))
		<-stays
		return 0, io.EOF
	})
	require.Equal(t, process.Exit{Code: 1}, a.apply("up", nil))
	assert.True(t, strings.HasSuffix(out.String(), "Type yes: \nNothing was changed, because the answer was not yes.\n"), out.String())
	assert.NotContains(t, calls(), "up --stack")
}

func TestApply_StateChangedDuringQuestion_Refused(t *testing.T) {
	a, _, calls := testApp(t, "", emptyState)
	a.stack.ConfirmChanges = true
	withEvents(t, a, createsTopic+runEnds)
	script, err := os.ReadFile(a.cli.Path)
	require.NoError(t, err)
	a.stdin = readerFunc(func(p []byte) (int, error) { // somebody else's update while the question is open
		require.NoError(t, os.WriteFile(a.cli.Path, []byte(strings.Replace(string(script), `"version":3`, `"version":3,"deployment":{"manifest":{"time":"2026-01-31T00:00:00Z"}},"was":3`, 1)), 0o755))
		return copy(p, "yes\n"), nil
	})
	require.ErrorContains(t, a.apply("up", nil), "another command has changed the stack local since the preview. Nothing was changed.\n  Fix: make up")
	assert.NotContains(t, calls(), "up --stack")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Without changes there is no question.
func TestApply_NoChanges_NotAsked(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	a.stack.ConfirmChanges = true
	withEvents(t, a, runEnds)
	a.stdin = readerFunc(func([]byte) (int, error) { t.Error("asked"); return 0, os.ErrClosed })
	require.NoError(t, a.apply("up", nil))
	assert.NotContains(t, out.String(), "Type yes")
}

// An update that was killed leaves what stops the next one, unless that is cleared by itself.
func TestWatch_Killed_NextIsTrue(t *testing.T) {
	for _, c := range []struct {
		command    string
		selfRepair bool
		next       string
	}{
		{"up", true, "Next: make up continues from there.\n"},
		{"up", false, "Next: make up continues from there, or says what has to be cleared first.\n"},
		{"preview", false, "Next: make preview continues from there.\n"},
	} {
		a, out, _ := testApp(t, "", emptyState)
		a.stack.SelfRepair = c.selfRepair
		require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\nkill -KILL $$\n"), 0o755))
		require.Equal(t, process.Exit{Code: 137}, a.watch(c.command, call{args: []string{c.command}}, &screen.Run{Stack: "local"}))
		assert.True(t, strings.HasSuffix(out.String(), c.next), out)
	}
}

func TestWatch_NoEventWithTheCause_EndOfTheLogShown(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	a.stack.Name = "demo"
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho Updating\necho 'error: the backend answered 500'\necho '  more' >&2\nexit 255\n"), 0o755))
	assert.Equal(t, process.Exit{Code: 255}, a.watch("up", call{args: []string{"up"}}, &screen.Run{Stack: "dev"}))
	assert.Equal(t, "Everything that Pulumi printed: .local/log/up.log\nerror: the backend answered 500\n  more\n"+
		"  Next: remove the cause; make up STACK=demo continues from there. If the cause is the emulator itself, start with an empty one: make down, then make up STACK=demo.\n", out.String())
}

// Every resource then fails with its own long text, and the cause is in none of them.
func TestWatch_EmulatorEnded_SaysSo(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	a.emulator.PID = endedProcess(t)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho 'error: connection refused'\nexit 255\n"), 0o755))
	require.EqualError(t, a.watch("up", call{args: []string{"up"}}, &screen.Run{Stack: "local"}),
		"the local emulator has ended, and the resources in it are lost. What it printed: "+a.tools.Path("log", "emulator.log")+"\n  Fix: make up")
	assert.Empty(t, out.String())

	a.emulator.PID = os.Getpid()
	require.Equal(t, process.Exit{Code: 255}, a.watch("up", call{args: []string{"up"}}, &screen.Run{Stack: "local"}))
}

func TestWatch_WrongPassphrase_SaysWhatToType(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho 'error: getting stack configuration: get stack secrets manager: incorrect passphrase' >&2\nexit 255\n"), 0o755))
	err := a.watch("preview", call{args: []string{"preview"}}, &screen.Run{Stack: "local"})
	require.ErrorContains(t, err, "this is not the passphrase of the stack local. Nothing was changed.\n  Fix: run it again, with the passphrase that the stack was created with")
	assert.Empty(t, out.String())
}

// Pulumi advises pulumi cancel, which would harm an update that runs.
func TestWatch_AnotherCommandRuns_WaitAdvised(t *testing.T) {
	for said, real := range map[string]bool{"the stack is currently locked by 1 lock(s). Either wait": false, "[409] Conflict: Another update is currently in progress": true} {
		a, out, _ := testApp(t, "", emptyState)
		a.stack.Emulated = !real
		require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho 'error: "+said+"' >&2\nexit 255\n"), 0o755))
		err := a.watch("up", call{args: []string{"up"}}, &screen.Run{Stack: "local"})
		require.ErrorContains(t, err, "another command is running on the stack local. Nothing was changed.\n")
		require.ErrorContains(t, err, "Fix: wait for it")
		require.Equal(t, real, strings.Contains(err.Error(), said))
		require.NotContains(t, out.String(), "make down")
	}
}

func TestWatch_ExpectNoChangesNotMet_KeepsExitCodeAndShowsChanges(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	withEvents(t, a, createsTopic+runEnds)
	require.NoError(t, os.WriteFile(filepath.Join(a.root, "fail"), nil, 0o644)) // exit code 7
	assert.Equal(t, process.Exit{Code: 7}, a.watch("preview", call{args: []string{"preview"}}, &screen.Run{Stack: "local"}))
	assert.Contains(t, out.String(), "1 to create")
	assert.True(t, strings.HasSuffix(out.String(), "error: there are changes, and --expect-no-changes was given\n"), out.String())
	out.Reset()
	assert.Equal(t, process.Exit{Code: 7}, a.watch("up", call{args: []string{"up"}}, &screen.Run{Stack: "local"}))
	assert.Contains(t, out.String(), "Updated the stack local in 2s. AWS resources: 1 created.\n")
	assert.Contains(t, out.String(), "error: there were changes, which are made, and --expect-no-changes was given\n")
}

// A destroy shows what it would delete before it asks.
func TestApply_Destroy_PreviewedAndAsked(t *testing.T) {
	a, out, calls := testApp(t, "", emptyState)
	a.stack.ConfirmChanges = true
	withEvents(t, a, strings.ReplaceAll(strings.ReplaceAll(createsTopic, `"op":"create"`, `"op":"delete"`), `"new":`, `"old":`)+runEnds)
	a.stdin, a.loses = strings.NewReader("yes\n"), []string{"the bucket logs-1"}
	require.NoError(t, a.apply("destroy", nil))
	assert.Contains(t, out.String(), "The session logs are deleted too: the bucket logs-1.\nDelete the resources")
	assert.Contains(t, out.String(), "The stack local: 1 to delete.\n  -  delete   aws:sns:Topic  t\n")
	assert.Contains(t, out.String(), "Delete the resources of the stack local? Type yes: ")
	assert.Regexp(t, `(?s)destroy --preview-only --stack local .*destroy --stack local --yes --skip-preview `, calls())
}

// What a destroy keeps is no property of a resource, so Pulumi reports no change.
func TestUp_OtherProtectionApplied_Said(t *testing.T) {
	const bucket = `{"deployment":{"resources":[{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs","protect":%t,"retainOnDelete":%t}]}}`
	for name, c := range map[string]struct {
		keep          string
		before, after string
		said          string
	}{
		"refuse becomes true": {"true", fmt.Sprintf(bucket, true, true), fmt.Sprintf(bucket, false, true), "Applied keepRecords: true.\n"},
		"true becomes refuse": {"refuse", fmt.Sprintf(bucket, false, true), fmt.Sprintf(bucket, true, true), "Applied keepRecords: refuse.\n"},
		"false becomes true":  {"true", fmt.Sprintf(bucket, false, false), fmt.Sprintf(bucket, false, true), "Applied keepRecords: true.\n"},
		"as it was":           {"false", fmt.Sprintf(bucket, false, false), fmt.Sprintf(bucket, false, false), ""},
		"not applied":         {"false", fmt.Sprintf(bucket, false, true), fmt.Sprintf(bucket, false, true), ""},
		"true becomes auto":   {"auto", fmt.Sprintf(bucket, false, true), fmt.Sprintf(bucket, false, false), "Applied keepRecords: auto.\n"},
		"auto as it was":      {"auto", fmt.Sprintf(bucket, false, false), fmt.Sprintf(bucket, false, false), ""},
		"auto, kept anyway":   {"auto", fmt.Sprintf(bucket, true, true), fmt.Sprintf(bucket, false, true), ""}, // with an adopted document
	} {
		t.Run(name, func(t *testing.T) {
			a, out, _ := testApp(t, `private-ec2-access:keepRecords: "`+c.keep+`"`, c.after)
			var before deployment
			require.NoError(t, json.Unmarshal([]byte(c.before), &before))
			require.NoError(t, a.sayProtection(&before))
			assert.Equal(t, c.said, out.String())
		})
	}
}

// A preview has no change to list for such a setting, so it would say that there are none.
func TestPreview_OtherProtection_SaidNotToBeAppliedYet(t *testing.T) {
	const state = `{"deployment":{"resources":[{"type":"pulumi:pulumi:Stack","outputs":{"restoreSessionDocument":%q}},` +
		`{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs","protect":%t,"retainOnDelete":%t},{"type":"aws:ec2/vpcEndpoint:VpcEndpoint","custom":true,"id":"vpce-1","protect":%t}]}}`
	said := func(setting string) string {
		return "Not applied yet: " + setting + ". No resource changes by it, so it is not listed. Next: make up STACK=dev applies it.\n"
	}
	for _, c := range []struct{ settings, state, said string }{
		{"keepRecords: refuse", fmt.Sprintf(state, "", false, true, false), said("keepRecords: refuse")},
		{"keepRecords: true", fmt.Sprintf(state, "", false, false, false), said("keepRecords: true")},
		{"keepRecords: true", fmt.Sprintf(state, "", false, true, true), said("endpoints.protect: false")},
		{"endpoints: {protect: true}", fmt.Sprintf(state, "", false, true, false), said("endpoints.protect: true")},
		{"endpoints: {protect: true}", fmt.Sprintf(state, "", false, true, true), ""},
		{"keepRecords: false", fmt.Sprintf(state, "", false, true, false), said("keepRecords: false")},
		{"endpoints: {}", `{"deployment":{}}`, ""},
	} {
		for _, args := range [][]string{nil, {"--diff"}} {
			m := newMachine(t, alice)
			m.program("pulumi", `case "$1 $2" in version*) echo v3.259.0;; "stack export") echo '`+c.state+`';; esac`)
			out, code := m.run("  aws:region: us-east-2\n  private-ec2-access:"+c.settings+"\n", nil, append([]string{"preview"}, args...)...)
			require.Zero(t, code, out)
			assert.Contains(t, out, c.said)
			assert.Equal(t, c.said != "", strings.Contains(out, "Not applied yet"), "%+v: %s", c, out)
		}
	}
	// An adopted document keeps the session logs also with auto.
	for command, applied := range map[string]bool{"": false, "aws ssm …": true} {
		a, out, _ := testApp(t, "", fmt.Sprintf(state, command, false, true, false))
		require.NoError(t, a.sayUnapplied())
		assert.Equal(t, applied, out.Len() == 0, out)
	}
	// After the update.
	a, out, _ := testApp(t, "private-ec2-access:endpoints: {protect: true}", fmt.Sprintf(state, "", false, false, true))
	var before deployment
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, state, "", false, false, false), &before))
	require.NoError(t, a.sayProtection(&before))
	assert.Equal(t, "Applied endpoints.protect: true.\n", out.String())
}

// Another stack in the emulator would be lost with it, so the end of a destroy does not offer make down.
func TestDestroy_OthersInTheEmulator_Named(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	states := a.tools.Path("state", ".pulumi", "stacks", a.stack.Project)
	require.NoError(t, os.MkdirAll(states, 0o700))
	const resources = `{"version":3,"checkpoint":{"latest":{"resources":[{"type":"aws:sns/topic:Topic","custom":true}]}}}`
	for name, state := range map[string]string{"local": resources, "lab": resources, "old": resources, "destroyed": `{"checkpoint":{"latest":{}}}`, "broken": "{"} {
		require.NoError(t, os.WriteFile(filepath.Join(states, name+".json"), []byte(state), 0o600))
		instance := "new"
		if name == "old" {
			instance = "old"
		}
		require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), name), []byte(instance+"\n"), 0o600))
	}
	require.NoError(t, a.destroyPrepared(nil))
	assert.True(t, strings.HasSuffix(out.String(), "The emulator is still running, with the resources of: lab.\n"), out.String())
	require.NoError(t, os.Remove(filepath.Join(states, "lab.json")))
	require.NoError(t, a.destroyPrepared(nil))
	assert.True(t, strings.HasSuffix(out.String(), "The emulator is still running. Next: make down stops it.\n"), out.String())
}

// What holds session logs and is gone is named, because a count does not say that they went.
func TestDestroy_SessionLogsDeleted_Named(t *testing.T) {
	const bucket, group = `{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs-1"}`, `{"type":"aws:cloudwatch/logGroup:LogGroup","custom":true,"id":"/sessions"}`
	a, out, _ := testApp(t, "", emptyState)
	state := func(resources string) string { return `{"version":3,"deployment":{"resources":[` + resources + `]}}` }
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\n[ \"$1\" = destroy ] && touch destroyed\n[ \"$2\" = export ] || exit 0\n"+
		"[ -e destroyed ] && echo '"+state(group)+"' || echo '"+state(bucket+","+group)+"'\n"), 0o755))
	require.NoError(t, a.destroyPrepared(nil))
	assert.Contains(t, out.String(), "Deleted 1 AWS resource of the stack local.\nThe session logs were deleted too: the bucket logs-1.\nIts state has 1 left.\n")
}

// After Ctrl-C, pulumi destroy reports success although resources are left.
func TestDestroy_CtrlC_SaysThatItWasCancelled(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\n[ \"$2\" = export ] && echo '"+twoTopics+"'\n[ \"$1\" = destroy ] && kill -INT $PPID && sleep 0.5\nexit 0\n"), 0o755))
	assert.Equal(t, process.Exit{Code: 130}, a.destroyPrepared(nil))
	assert.Contains(t, out.String(), "Deleted 0 AWS resources of the stack local.\n"+
		"Cancelled: 2 AWS resources left.\nNext: make destroy continues from there. make up creates again what was deleted.\n")
}

// Pulumi reports success also where it has deleted only a part, or nothing. The stack is still deployed then: nothing is kept or put
// back, and other instances lose only a profile that is gone.
func TestDestroy_SomethingLeft_OnlyTheDeletedProfileDetached(t *testing.T) {
	const bucket, profile = `{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs-1","retainOnDelete":true}`, `{"type":"aws:iam/instanceProfile:InstanceProfile","custom":true,"id":"ours"}`
	const root = `{"type":"pulumi:pulumi:Stack","outputs":{"region":"us-east-2","instanceProfileName":"ours"}}`
	state := func(resources string) string { return `{"version":3,"deployment":{"resources":[` + resources + `]}}` }
	for name, c := range map[string]struct {
		after, args string
		interrupted bool
		detached    bool
	}{
		"nothing deleted":           {after: root + "," + profile + "," + bucket, args: "--target=x"},
		"the profile deleted":       {after: root + "," + bucket, args: "--target=x", detached: true},
		"Ctrl-C":                    {after: root + "," + profile + "," + bucket, interrupted: true},
		"Ctrl-C, after the profile": {after: root + "," + bucket, interrupted: true, detached: true},
		"Ctrl-C with DIFF=1":        {after: root + "," + profile + "," + bucket, args: "--diff", interrupted: true},
		"everything deleted":        {detached: true},
	} {
		t.Run(name, func(t *testing.T) {
			a, out, _ := testApp(t, "private-ec2-access:keepRecords: true", emptyState)
			changes := fakeProfiles(t, a, association("i-1", "ours"))
			kill := ""
			if c.interrupted {
				kill = "kill -INT $PPID; /bin/sleep 0.5; "
			}
			require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\n[ \"$1\" = destroy ] && { : > destroyed; "+kill+"exit 0; }\n[ \"$2\" = export ] || exit 0\n"+
				"[ -e destroyed ] && echo '"+state(c.after)+"' || echo '"+state(root+","+profile+","+bucket)+"'\n"), 0o755))
			var args []string
			if c.args != "" {
				args = []string{c.args}
			}
			err := a.destroyPrepared(args)
			if c.interrupted {
				require.Equal(t, process.Exit{Code: 130}, err)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, c.detached, changes() != "", "%s", out)
			assert.Equal(t, c.after == "", strings.Contains(out.String(), "Kept: the log bucket logs-1"), "%s", out)
		})
	}
}

// What only shows something is run at once, and --remove would take away what says what was kept.
func TestDestroy_ArgumentsThatDeleteNothing_PulumisOutputIsAll(t *testing.T) {
	const config = "  aws:region: us-east-2\n  private-ec2-access:selfRepair: true\n"
	t.Setenv("CI", "")
	for _, args := range [][]string{{"--", "--help"}, {"--", "-h"}, {"--", "--preview-only"}, {"--diff", "--", "--preview-only=true"}} {
		m := newMachine(t, alice)
		said, code := m.run(config, nil, append([]string{"destroy"}, args...)...)
		require.Zero(t, code, said)
		lines, _ := m.calls("pulumi")
		require.Contains(t, lines[len(lines)-1], "destroy --stack dev "+args[len(args)-1], "it comes last, without a question")
		assert.NotContains(t, strings.Join(lines, "\n"), "--skip-preview")
		assert.NotContains(t, said, "Deleted")
		assert.NotContains(t, said, "Nothing to delete")
	}
	m := newMachine(t, alice)
	said, code := m.run(config, nil, "destroy", "--", "--yes", "--remove")
	require.Equal(t, 2, code)
	assert.Contains(t, said, "ARGS: --remove also deletes the stack's state and Pulumi.dev.yaml. Nothing was deleted.\n  Fix:\n    make destroy STACK=dev\n"+
		"    eval \"$(make -s env STACK=dev)\"\n    pulumi stack rm --stack dev --preserve-config\n")
	lines, _ := m.calls("pulumi")
	assert.Empty(t, lines)
}

// After Ctrl-C, the line on a terminal says at once that the run is being cancelled, and what it waits for, before the terminal cuts it.
func TestFollow_CtrlC_LineSaysCancelling(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	a.environ = []string{"TERM=xterm"}
	seen, terminal, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(seen, &pty.Winsize{Rows: 24, Cols: 80}))
	a.stderr = terminal
	begun, _, _ := strings.Cut(createsTopic, "\n")
	withEvents(t, a, begun+"\n")
	ended, interrupts := make(chan struct{}), atomic.Int32{}
	interrupts.Add(1)
	close(ended)
	require.NoError(t, a.follow("up", filepath.Join(a.root, "events.jsonl"), ended, &screen.Run{Stack: "local"}, &interrupts))
	terminal.Close()
	text, _ := io.ReadAll(seen) // the end of a terminal is an error
	assert.Contains(t, string(text), "Cancelling: waiting for what AWS has begun. Ctrl-C again stops at once")
	assert.Contains(t, string(text), "\x1b[K  cancelling 0s  waiting for what AWS has begun: creation of aws:sns:Topic t")
	assert.NotContains(t, string(text), "updating")
}

func TestDestroy_NothingDeployed_SaysSo(t *testing.T) {
	a, out, _ := testApp(t, "", emptyState)
	a.stack.ConfirmChanges = true
	a.stdin = readerFunc(func([]byte) (int, error) { t.Error("asked"); return 0, os.ErrClosed })
	require.NoError(t, a.destroyPrepared(nil))
	assert.True(t, strings.HasPrefix(out.String(), "Nothing to delete: the stack local has no AWS resources.\n"), out)
	assert.NotContains(t, out.String(), "session logs")

	a, out, _ = testApp(t, `private-ec2-access:logging: {bucketName: mine}`, emptyState)
	require.NoError(t, a.destroyPrepared(nil))
	assert.NotContains(t, out.String(), "stay", "the emulator may have lost the bucket")

	a, out, _ = testApp(t, `private-ec2-access:logging: {bucketName: mine}`, emptyState)
	a.stack.Emulated = false
	require.NoError(t, a.destroyPrepared(nil))
	assert.Contains(t, out.String(), "The session logs in the bucket mine stay, because the bucket is not the stack's (logging.bucketName).\n")
}

// The outputs are written at the end of a run, so other instances than there are show that it had no end.
func TestSummary_OutputsOlderThanTheResources_Said(t *testing.T) {
	const of = `{"type":"pulumi:pulumi:Stack","outputs":{"instanceIds":{"app":%q}}},{"type":"aws:ec2/instance:Instance","custom":true,"id":%q}`
	for _, c := range []struct {
		state    string
		pending  string
		bringsIn bool
		changing string
		failed   bool
		says     string
	}{
		{state: fmt.Sprintf(of, "i-1", "i-1"), pending: `{"type":"creating","resource":{"urn":"urn:pulumi:local::p::aws:sns/topic:Topic::t"}}`,
			says: "1 AWS resource. A command is running, or was killed, while creating aws:sns/topic:Topic t, so what follows may be out of date. Next, if it was killed: make up, or make destroy"},
		{state: fmt.Sprintf(of, "i-1", "i-1"), says: "1 AWS resource"},
		{state: fmt.Sprintf(of, "i-1", "i-2"), says: "1 AWS resource. The last change was not finished, so what follows may be out of date. Next: make up, or make destroy"},
		{state: `{"type":"pulumi:pulumi:Stack","outputs":{"instanceIds":{"app":"i-1"}}},{"type":"aws:ec2/vpc:Vpc","custom":true}`, says: "1 AWS resource. The last change was not finished, so what follows may be out of date. Next: make up, or make destroy"},
		{state: `{"type":"pulumi:pulumi:Stack","outputs":{"instanceIds":{"app":"i-1"}}},{"type":"aws:ec2/vpc:Vpc","custom":true}`, bringsIn: true, says: "1 AWS resource"},
		{state: `{"type":"pulumi:pulumi:Stack"}`, says: "nothing"},
		{state: `{"type":"pulumi:pulumi:Stack"}`, failed: true, says: "nothing"},
		{state: `{"type":"pulumi:pulumi:Stack"}`, changing: "ana", says: "nothing. Another command is changing that (ana), so what follows may be out of date"},
		{state: fmt.Sprintf(of, "i-1", "i-2"), changing: "ana", says: "1 AWS resource. Another command is changing that (ana), so what follows may be out of date"},
		{state: fmt.Sprintf(of, "i-1", "i-1"), failed: true, says: "1 AWS resource. The last change was not finished, so what follows may be out of date. Next: make up, or make destroy"},
	} {
		var d deployment
		require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[`+c.state+`],"pending_operations":[`+c.pending+`]}}`), &d))
		last := entry{Result: map[bool]string{true: "failed", false: "succeeded"}[c.failed]}
		assert.Equal(t, c.says, d.summary(&Stack{Name: "local", BringsIn: c.bringsIn}, c.changing, last))
	}
}

// The state does not have the result of the last command, and the outputs are missing until the first update ends.
func TestDeployed_LastResultAndFirstUpdate_Said(t *testing.T) {
	const topic = `{"deployment":{"resources":[{"urn":"urn:pulumi:local::p::aws:sns/topic:Topic::t","type":"aws:sns/topic:Topic","custom":true}]}}`
	answer := func(history string) *app {
		a, _, _ := testApp(t, "", emptyState)
		require.NoError(t, os.WriteFile(a.cli.Path, []byte(`#!/bin/sh
case "$1 $2" in
"stack export") echo '`+topic+`' ;;
"stack history") echo '`+history+`' ;;
"stack output") echo '{}' ;;
esac
`), 0o755))
		return a
	}
	for history, unfinished := range map[string]bool{
		`[{"kind":"update","result":"failed"}]`: true, `[{"kind":"update","result":"succeeded"}]`: false,
		`[{"kind":"update","result":"failed","resourceChanges":{"same":1}},{"result":"succeeded"}]`:            false, // refused: nothing was changed
		`[{"kind":"update","result":"failed","resourceChanges":{"same":1}},{"result":"failed"}]`:               true,
		`[{"kind":"update","result":"failed","resourceChanges":{"same":1,"update":1}},{"result":"succeeded"}]`: true,
		`[{"kind":"update","result":"failed","resourceChanges":{"same":7}},{"result":"succeeded"}]`:            true, // something may be half done
		`[{"kind":"update","result":"in-progress"}]`:                                                           false, `[]`: false, ``: false,
	} {
		text, err := answer(history).setting().Deployed()
		require.NoError(t, err)
		assert.Equal(t, unfinished, strings.Contains(text, "The last change was not finished"), history)
	}
	text, err := answer(`[{"result":"failed","endTime":"2026-03-02T10:00:00.000Z","resourceChanges":{"same":1}},` +
		`{"result":"succeeded","endTime":"2026-03-01T11:00:00.000Z","resourceChanges":{"same":41}},{"result":"succeeded","endTime":"2026-03-01T10:00:00.000Z","resourceChanges":{"create":41}}]`).setting().Deployed()
	require.NoError(t, err)
	require.Equal(t, "1 AWS resource, last changed at 2026-03-01 10:00 UTC", text)
	text, err = answer("{").setting().Deployed()
	require.NoError(t, err)
	require.Equal(t, "1 AWS resource. Whether the last change was finished is unknown", text)

	stale, _, _ := testApp(t, "", emptyState)
	require.NoError(t, os.WriteFile(stale.cli.Path, []byte("#!/bin/sh\ncase \"$2\" in export) echo '"+emptyState+"' ;; output) echo '{\"region\":\"us-east-2\"}' ;; esac\n"), 0o755))
	_, err = stale.setting().Outputs()
	require.EqualError(t, err, "the stack local has no AWS resources: the emulator was restarted and has lost them.\n  Fix: make up")

	a := answer("[]")
	text, err = a.setting().Outputs()
	require.NoError(t, err)
	require.Equal(t, "{}\n", text)
	hostname, err := os.Hostname()
	require.NoError(t, err)
	writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: fakePulumiProcess(t), Hostname: hostname, Username: "ana"})
	_, err = a.setting().Outputs()
	require.ErrorContains(t, err, "another command is changing the stack local (ana@"+hostname)
	require.ErrorContains(t, err, "which has no outputs yet.\n  Fix: wait for it, and run this again")
	text, err = a.setting().Deployed()
	require.NoError(t, err)
	assert.Contains(t, text, "1 AWS resource. Another command is changing that (ana@"+hostname)
}

// An update that leaves every resource as it was is no unfinished one, as with a target that does not exist.
func TestEntry_EverythingAsItWas_IsNoUnfinishedChange(t *testing.T) {
	var d deployment
	require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[{"type":"pulumi:pulumi:Stack"},{"type":"my:component"},{"type":"pulumi:providers:aws"},{"type":"aws:sns/topic:Topic"}]}}`), &d))
	for same, refused := range map[int]bool{1: true, 2: false, 3: true, 4: false} {
		assert.Equal(t, refused, entry{Result: "failed", Changes: map[string]int{"same": same}}.refused(&d), same)
	}
	assert.False(t, entry{Result: "failed", Changes: map[string]int{"same": 3, "update": 1}}.refused(&d))
	assert.False(t, entry{Result: "succeeded", Changes: map[string]int{"same": 3}}.refused(&d))
}

// After an update that was cancelled at its end, nothing but the outputs is left to do.
func TestPreview_OnlyOutputsChange_UpIsNext(t *testing.T) {
	for after, says := range map[string]string{"i-2": "Next: make up writes the outputs, which the session commands read.\n", "i-1": ""} {
		a, out, _ := testApp(t, "", emptyState)
		r := &screen.Run{Stack: "local"}
		var event apitype.EngineEvent
		const stack = `{"resOutputsEvent":{"metadata":{"op":"same","urn":"urn:pulumi:local::p::pulumi:pulumi:Stack::p-local","type":"pulumi:pulumi:Stack","old":{"outputs":{"id":"i-1"}},"new":{"outputs":{"id":%q}}}}}`
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, stack, after), &event))
		r.Add(event)
		require.NoError(t, a.sayNext(r))
		assert.Equal(t, says, out.String())
		assert.Equal(t, says != "", strings.Contains(r.Preview(false), "Outputs that change: id\n"))
		assert.Equal(t, says != "", strings.Contains(r.Updated(), "Outputs that changed: id\n"))
	}
}
