//go:build unix

package sessions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator/sessions"
)

func TestTerminal_Size_FollowsClient(t *testing.T) {
	s := newScene(t)
	c := s.start("--target", target)
	c.opened()
	c.enter("while [ \"$(stty size)\" != '24 80' ]; do sleep 0.1; done; echo first=$((1 + 1))") // the first size comes after the first prompt
	c.expect(`first=2`)
	require.NoError(t, pty.Setsize(c.tty, &pty.Winsize{Rows: 40, Cols: 132}))
	c.enter("while [ \"$(stty size)\" != '40 132' ]; do sleep 0.1; done; echo changed=$((1 + 1))")
	c.expect(`changed=2`)
	c.expect(prompt)
	c.write("\x04") // Ctrl-D
	c.expect("Exiting session")
	assert.Equal(t, 0, c.ends())
}

func TestTerminal_LargeOutput_ArrivesInOrder(t *testing.T) {
	s := newScene(t)
	c := s.start("--target", target)
	c.opened()
	c.enter(`i=0; while [ $i -lt 4000 ]; do echo "line $i äöü€"; i=$((i + 1)); done; echo all=$((1 + 1))`)
	c.expect(`all=2`)
	shown, at := c.shown(), 0
	for _, want := range []string{"\nline 0 äöü€\r", "\nline 1 äöü€\r", "\nline 2048 äöü€\r", "\nline 3999 äöü€\r"} {
		next := strings.Index(shown[at:], want)
		require.GreaterOrEqual(t, next, 0, want)
		at += next
	}
	assert.Equal(t, 4000, strings.Count(shown, " äöü€\r"), "none is lost, none comes twice")
	c.enter("exit")
	c.ends()
}

func TestSession_ConnectionCut_Resumes(t *testing.T) {
	s := newScene(t)
	s.deploy("logged", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "logged")
	id := c.opened()
	c.enter("kept=before; (sleep 0.5; echo meanwhile=$((2 * 2))) &")
	c.expect(prompt)
	require.True(t, s.Sessions().Cut(id))
	c.expect("meanwhile=4")
	c.write("echo $kept and after=$((3 * 3))\r")
	c.expect("before and after=9")
	c.enter("exit")
	c.expect("Exiting session")
	assert.Equal(t, 0, c.ends())
	resumed := 0
	for _, call := range s.Calls() {
		if call.Action == "ResumeSession" {
			resumed++
		}
	}
	assert.Equal(t, 1, resumed)
	assert.Contains(t, s.object(id+".log"), "before and after=9")
}

func TestSession_Ended_NotResumed(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.Sessions().Seed([]sessions.Session{{SessionID: "root-0123456789abcdef0"}}))
	answer, code := s.ssm("ResumeSession", object{"SessionId": "root-0123456789abcdef0"})
	assert.Empty(t, code)
	assert.NotContains(t, answer, "TokenValue", "the client takes that for timed out")
	_, code = s.ssm("ResumeSession", object{"SessionId": "root-00000000000000000"})
	assert.Equal(t, "DoesNotExistException", code)
}

// terminate ends a session from elsewhere, as its client and the history see it.
func (s scene) terminate(c *client, id string) {
	s.t.Helper()
	_, code := s.ssm("TerminateSession", object{"SessionId": id})
	require.Empty(s.t, code)
	c.expect("SessionId: " + id + " : Your session has been terminated")
	assert.Equal(s.t, 0, c.ends())
	require.Eventually(s.t, func() bool { e := s.entry("History", id); return e != nil && e["Status"] == "Terminated" }, patience, 50*time.Millisecond)
}

func TestSession_TerminatedByOther_LogWritten(t *testing.T) {
	s := newScene(t)
	s.deploy("logged", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "logged")
	id := c.opened()
	c.enter("echo half=$((2 * 21)); sleep 100")
	c.expect("half=42")
	require.NotNil(t, s.entry("Active", id))
	s.terminate(c, id)
	assert.Contains(t, s.object(id+".log"), "half=42")
	assert.Nil(t, s.entry("Active", id))
}

// What runs in the background has the terminal open, too.
func TestSession_BackgroundJob_DoesNotDelayEnd(t *testing.T) {
	s := newScene(t)
	s.deploy("logged", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "logged")
	id := c.opened()
	c.enter("sleep 120 & echo background=$((3 * 14))")
	c.expect("background=42")
	s.terminate(c, id)
	assert.Contains(t, s.object(id+".log"), "background=42")
}

func TestSession_Timeouts_EndSession(t *testing.T) {
	for name, one := range map[string]struct {
		inputs  object
		message string
	}{
		"idle":    {object{"idleSessionTimeout": "1"}, "timed out due to inactivity"},
		"maximum": {object{"idleSessionTimeout": "60", "maxSessionDuration": "1"}, "exceeded its maximum duration"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.deploy("timed", one.inputs)
			c := s.start("--target", target, "--document-name", "timed")
			id := c.opened()
			c.expect("SessionId: " + id + " : .*" + one.message)
			assert.Equal(t, 0, c.ends())
		})
	}
}

func TestShell_Profile_RunsFirst(t *testing.T) {
	s := newScene(t)
	s.deploy("profile", object{"shellProfile": object{"linux": "PS1='in> '; cd /", "windows": ""}})
	c := s.start("--target", target, "--document-name", "profile")
	c.opened()
	c.expect("in> ")
	c.write("pwd; exit\r")
	c.expect("\n/\r")
	assert.Equal(t, 0, c.ends())
}

func TestShell_Environment_NotInherited(t *testing.T) {
	t.Setenv("AWS_PROFILE", "prod")
	t.Setenv("SOMETHING_SECRET", "hidden-"+"value")
	s := newSceneSerial(t)
	c := s.start("--target", target)
	c.opened()
	c.enter("env | sort; echo env=$((1 + 1))")
	c.expect("env=2")
	assert.NotContains(t, c.shown(), "prod")
	assert.NotContains(t, c.shown(), "hidden-value")
	c.enter("ls -A; echo listed=$((1 + 1))")
	c.expect(`\)\)\s+listed=2`)
	c.enter("pwd")
	folder := c.expect(`\n(/\S+)/home\r`)[1]
	assert.DirExists(t, folder)
	c.enter("touch left-behind; exit")
	assert.Equal(t, 0, c.ends())
	assert.NoDirExists(t, folder, "the scratch folder goes with the session")
}

func TestShell_EmulatorStopped_Ends(t *testing.T) {
	s := newScene(t)
	c := s.start("--target", target)
	c.opened()
	c.enter("echo process=$$; exec sleep 1000")
	id := c.expect(`process=(\d+)`)[1]
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("processes are looked for in /proc, which this system does not have")
	}
	require.DirExists(t, filepath.Join("/proc", id))
	s.Stop()
	assert.NoDirExists(t, filepath.Join("/proc", id))
}

// A client that is told nothing tries for minutes to resume its session.
func TestClient_EmulatorStopped_Ends(t *testing.T) {
	s := newScene(t)
	c := s.start("--target", target)
	c.opened()
	c.expect(prompt)
	s.Stop()
	c.expect("The local emulator was stopped")
	assert.Equal(t, 0, c.ends())
}

func TestFork_Sessions_NotCopied(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.Sessions().Seed([]sessions.Session{{SessionID: "root-0123456789abcdef0"}}))
	require.NotNil(t, s.entry("History", "root-0123456789abcdef0"))
	copied, err := s.Fork(t.Context())
	require.NoError(t, err)
	t.Cleanup(copied.Stop)
	assert.Nil(t, scene{copied, t}.entry("History", "root-0123456789abcdef0"))
	c := scene{copied, t}.start("--target", target)
	c.opened()
	c.enter("exit")
	assert.Equal(t, 0, c.ends(), "it opens sessions of its own")
}
