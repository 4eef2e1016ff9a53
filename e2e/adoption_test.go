package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const preferencesName = "SSM-SessionManagerRunShell"

// What the console writes into an account's preferences.
const existingPreferences = `{"schemaVersion":"1.0","description":"Document to hold regional settings for Session Manager","sessionType":"Standard_Stream",` +
	`"inputs":{"s3BucketName":"company-logs","s3KeyPrefix":"","s3EncryptionEnabled":true,"cloudWatchLogGroupName":"","cloudWatchEncryptionEnabled":true,"kmsKeyId":"","runAsEnabled":false,"runAsDefaultUser":""}}`

const adoptionHeading = "An adopted document is restored"

// Moments at which an adoption is killed: changes of the document, a destroy, and the calls by which the destroy
// restores the document.
var (
	adoptions = []moment{
		{"updating", "aws:ssm/document:Document", "UpdateDocument"},
		{"updating", "aws:ssm/document:Document", "UpdateDocumentDefaultVersion"},
	}
	endsOfAdoptions = []moment{{"deleting", "aws:ec2/instance:Instance", "TerminateInstances"}}
	restorations    = []string{"delete-document", "update-document-default-version"}
)

// A stack adopts an account's session preferences, updates them, and restores them in its destroy. A command that is
// killed in between loses nothing of their content, and the next command continues.
//
// It does not prove that sessions of other instances still work with the adopted document: only a real account shows
// that. The preview lists what changes for them.
func TestAdoption_KilledCommand_NextCommandContinues(t *testing.T) {
	t.Parallel()
	updates, destroys, restores := adoptions, endsOfAdoptions, restorations
	if !long(t) {
		updates, destroys, restores = updates[:1], nil, restores[:1]
	}
	r := newRecovery(t)
	content := func(version ...string) object { // without one: the version that sessions use
		t.Helper()
		args := []string{"ssm", "get-document", "--name", preferencesName}
		if len(version) > 0 {
			args = append(args, "--document-version", version[0])
		}
		var content object
		require.NoError(t, json.Unmarshal([]byte(r.aws(args...).text("Content")), &content))
		return content
	}
	var before object
	require.NoError(t, json.Unmarshal([]byte(existingPreferences), &before))
	r.aws("ssm", "create-document", "--name", preferencesName, "--document-type", "Session", "--content", existingPreferences)
	r.others = append(r.others, preferencesName)

	out, err := r.run("make", "preview")
	require.Error(t, err)
	for _, part := range []string{
		"it was not made by this program", `s3BucketName: "company-logs" → "existing-logs"`, "cloudWatchEncryptionEnabled: true → false",
		"pulumi config set --path 'private-ec2-access:session.adopt' true", "pulumi config set --path 'private-ec2-access:session.documentName' private-ec2-access-local",
	} {
		require.Contains(t, out, part)
	}
	require.Equal(t, before, content())
	out, err = r.shell("pulumi config set --path private-ec2-access:session.adopt true")
	require.NoError(t, err, out)

	adopted := func(after string) {
		t.Helper()
		require.Contains(t, content().text("description"), "managed by the Pulumi stack private-ec2-access/local", after)
		require.Equal(t, before, content("1"), after)
		out := r.must("make", "preview", "ARGS=--refresh --expect-no-changes")
		require.NotRegexp(t, `\d+ (created|updated|deleted|replaced)`, out, after)
	}
	restored := func(after string) {
		t.Helper()
		require.Equal(t, before, content(), after)
		require.Equal(t, before, content("$LATEST"), after)
		require.Empty(t, r.account(), after)
	}
	rows := [][]string{{"killed at", "command", "previous content", "next command", "result"}}
	row := func(at, command, next, ended string) {
		rows = append(rows, []string{at, command, "is version 1", next, ended})
		t.Logf("continued: %s during %s", at, command)
	}

	for _, m := range updates {
		r.killed("up", m)
		require.Equal(t, before, content("1"), m.action)
		r.must("make", "up")
		adopted(m.action)
		row(m.action, "up", "up", "adopted")

		// Each change adds a version, and no two versions have the same content.
		for _, minutes := range []string{"30", "20"} {
			out, err := r.shell("pulumi config set --path private-ec2-access:session.idleSessionTimeout " + minutes)
			require.NoError(t, err, out)
			r.must("make", "up")
			require.Equal(t, minutes, content().text("inputs.idleSessionTimeout"))
		}
		adopted("two changes")
		out := r.must("make", "destroy")
		require.Contains(t, out, "Put back: the session document "+preferencesName)
		restored(m.action)
	}
	for _, m := range destroys {
		r.must("make", "up")
		r.killed("destroy", m)
		require.Equal(t, before, content("1"), m.action)
		r.must("make", "destroy")
		restored(m.action)
		row(m.action, "destroy", "destroy", "restored")
	}
	for _, call := range restores {
		r.must("make", "up")
		r.killedAtCLI("destroy", call)
		require.Equal(t, before, content("1"), call)
		r.must("make", "destroy")
		restored(call)
		row(call, "destroy, while it restores", "destroy", "restored")
	}
	report(t, adoptionHeading, rows)
}

// `pulumi destroy` leaves a working document, and an output has the command that restores the earlier content.
func TestAdoption_PlainPulumiDestroy_LeavesDocument(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	in.aws("s3api", "create-bucket", "--bucket", "existing-logs", "--create-bucket-configuration", "LocationConstraint=us-east-2")
	in.aws("ssm", "create-document", "--name", preferencesName, "--document-type", "Session", "--content", existingPreferences)
	s := newStack(t, in, "dev", map[string]any{"logging": map[string]any{"bucketName": "existing-logs"}, "session": map[string]any{"adopt": true}})
	s.up()
	restore := s.outputs().text("restoreSessionDocument")
	s.destroy()
	left := in.aws("ssm", "get-document", "--name", preferencesName)
	require.Contains(t, left.text("Content"), `"s3BucketName":"existing-logs"`)
	in.aws(strings.Fields(restore)[1:]...)
	require.JSONEq(t, existingPreferences, in.aws("ssm", "get-document", "--name", preferencesName).text("Content"))

	// The next adoption is refused, with the reason and the command that fixes it.
	out, err := s.preview()
	require.Error(t, err)
	require.Contains(t, out, "sessions use version 1 of the session document "+preferencesName+", its newest is 2")
	const remove = "aws ssm delete-document --region us-east-2 --name " + preferencesName + " --document-version 2"
	require.Contains(t, out, remove)
	in.aws(strings.Fields(remove)[1:]...)
	s.up()
	s.requireNoChanges()
}

// killedAtCLI kills a command while it waits for the AWS CLI, before AWS has handled the call.
func (r *recovery) killedAtCLI(command, call string) {
	r.t.Helper()
	action := map[string]string{"delete-document": "DeleteDocument", "update-document-default-version": "UpdateDocumentDefaultVersion"}[call]
	require.NotEmpty(r.t, action, call)
	var ignored any
	r.ask("POST", "rules", map[string]any{"name": "hold back", "action": action, "delay": "30s"}, &ignored)
	defer r.ask("DELETE", "rules", nil, &ignored)
	cmd := r.command("make", command)
	cmd.WaitDelay = time.Second
	require.NoError(r.t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	calls := func(pid int) bool {
		line, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cmdline"))
		return strings.Contains(string(line), call)
	}
	for deadline := time.Now().Add(3 * time.Minute); !slices.ContainsFunc(descendants(cmd.Process.Pid), calls); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			require.FailNow(r.t, "the command ended before it called "+call)
		default:
			require.True(r.t, time.Now().Before(deadline), "%s: not seen in time", call)
		}
	}
	for _, pid := range descendants(cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // its parent's end may have ended it
	}
	<-ended
}
