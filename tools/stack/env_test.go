package stack

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/toolchain"
)

// A shell has after the undo what it had before the first eval, also if a second stack's environment came between.
func TestEnv_Undo_RestoresTheShell(t *testing.T) {
	caller := []string{"PATH=/usr/bin:/bin", "AWS_PROFILE=it's $mine", "PULUMI_HOME=", "OTHER=1"}
	first := &Environment{unset: []string{"AWS_PROFILE"}}
	first.set("PATH", "/p/.local/bin:/usr/bin:/bin")
	first.set("PULUMI_HOME", "/p/.local/pulumi")
	first.set("AWS_REGION", "us-east-2")
	second := &Environment{unset: []string{"AWS_REGION"}}
	second.set("AWS_PROFILE", "theirs")

	after := func(environ []string, script string) []string {
		cmd := exec.Command("/bin/bash", "-c", script+"\nfor n in PATH AWS_PROFILE PULUMI_HOME AWS_REGION OTHER "+before+"; do [ -n \"${!n+x}\" ] && echo \"$n=${!n}\"; done; true")
		cmd.Env = environ
		out, err := cmd.Output()
		require.NoError(t, err)
		var lines []string
		for line := range bytes.Lines(out) {
			lines = append(lines, string(bytes.TrimSuffix(line, []byte("\n"))))
		}
		return lines
	}
	once := after(caller, first.saved(caller)+first.Exports())
	assert.Contains(t, once, "AWS_REGION=us-east-2")
	twice := after(once, second.saved(once)+second.Exports())
	assert.Contains(t, twice, "AWS_PROFILE=theirs")

	var out bytes.Buffer
	require.NoError(t, (&app{stdout: &out, environ: twice}).printUndo())
	assert.Equal(t, caller, after(twice, out.String()))
}

func TestEnv_UndoWithoutEval_Explained(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, (&app{stdout: &out}).printUndo(), "nothing to undo")
	require.ErrorContains(t, (&app{stdout: &out, environ: []string{before + "={"}}).printUndo(), "Fix: open a new shell")
	assert.Empty(t, out.String())
	require.NoError(t, (&app{stdout: &out, environ: []string{before + `={"A; touch x":"1","B":"2"}`}}).printUndo())
	assert.Equal(t, "unset "+before+"\nexport B='2'\n", out.String(), "only what is a name of a variable")
}

func TestEnv_Undo_IsAFlagOfTheCommand(t *testing.T) {
	caller := []string{before + `={"B":"2"}`}
	said, code := newMachine(t, alice).run("  aws:region: us-east-2\n", caller, "env", "--undo")
	assert.Zero(t, code, said)
	assert.Equal(t, "unset "+before+"\nexport B='2'\n", said)
	said, code = newMachine(t, alice).run("  aws:region: us-east-2\n", caller, "env")
	assert.Zero(t, code, said)
	assert.Contains(t, said, "export PULUMI_STACK='dev'\n")
}

// Where UNDO=1 takes away what a command on a real account refuses, it is the fix.
func TestRefuseLeak_AfterEval_OffersTheUndo(t *testing.T) {
	root := project(t, map[string]string{"Pulumi.dev.yaml": "config: {}\n"})
	s, err := Load(root, "dev")
	require.NoError(t, err)
	leak := []string{"AWS_ENDPOINT_URL=http://127.0.0.1:1"}
	tools := toolchain.New(root, io.Discard)
	const undo = `eval "$(make -s env UNDO=1)"` + "\n  Afterwards, as before: " + `eval "$(make -s env STACK=dev)"`
	for kept, fix := range map[string]string{
		"": "unset AWS_ENDPOINT_URL", "{": "unset AWS_ENDPOINT_URL", `{"PATH":"/bin"}`: "unset AWS_ENDPOINT_URL",
		`{"AWS_ENDPOINT_URL":"http://127.0.0.1:2"}`: "unset AWS_ENDPOINT_URL",
		`{"AWS_ENDPOINT_URL":null}`:                 undo, `{"AWS_ENDPOINT_URL":"https://ec2.example.com"}`: undo,
	} {
		err := RefuseLeak(s, tools, append(leak, before+"="+kept))
		require.Error(t, err)
		assert.True(t, strings.HasSuffix(err.Error(), "Open a new shell, or: "+fix), err)
	}
}
