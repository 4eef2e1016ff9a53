package stack

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/process"
)

// commandLine runs the command in a project with the stacks dev and local.
func commandLine(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	t.Chdir(project(t, map[string]string{
		"Pulumi.local.yaml": "config:\n  aws:region: eu-central-1\n  emulated: true\n  instances: {web: {}, app: {}}\n",
		"Pulumi.dev.yaml":   "config: {}\n",
	}))
	var out, problems bytes.Buffer
	a := &app{stdout: &out, stderr: &problems}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&problems)
	code = process.Code(&problems, root.Execute())
	return out.String(), problems.String(), code
}

func TestHelp_ListsEveryCommandWithFlagsAndExample(t *testing.T) {
	help, _, code := commandLine(t)
	assert.Zero(t, code)
	for _, c := range (&app{}).command().Commands() {
		assert.Contains(t, help, "\n  "+c.Name()+" ")
		own, _, code := commandLine(t, c.Name(), "--help")
		assert.Zero(t, code)
		assert.Contains(t, own, "stack "+c.Name())
		assert.Contains(t, own, "--stack NAME")
	}
}

func TestUsage_Mistake_IsExplained(t *testing.T) {
	t.Setenv("MAKELEVEL", "")
	for line, want := range map[string]string{
		"up --yes":               "error: unknown flag: --yes\n  Fix: stack up --help",
		"up foo":                 "error: stack up: the arguments for pulumi follow `--` (got \"foo\")\n  Fix: stack up -- foo\n",
		"down foo":               "error: stack down takes no argument (got \"foo\")",
		"wait app":               "error: stack wait takes no argument (got \"app\")",
		"wait --timeout soon":    `error: --timeout: not a duration. Allowed: one such as 90s or 10m (got "soon")`,
		"wait --timeout 0s":      `error: --timeout: it must be more than 0 (got "0s")`,
		"history --limit x":      `error: --limit: not a whole number (got "x")`,
		"history --limit -1":     `error: --limit: it must be more than 0 (got "-1")`,
		"history --all=yes":      `error: --all: not true or false (got "yes")`,
		"history --format xml":   "Allowed: table, json, csv",
		"history --since monday": "not a time. Allowed: 2026-01-31",
	} {
		out, problems, code := commandLine(t, strings.Fields(line)...)
		assert.Equal(t, 2, code, line)
		assert.Contains(t, problems, want, line)
		assert.Empty(t, out, line)
	}
	_, problems, code := commandLine(t, "upp")
	assert.Equal(t, 1, code)
	assert.Contains(t, problems, "Did you mean this?\n\tup\n")
	_, problems, code = commandLine(t, "up", "--stack", "prod")
	assert.Equal(t, 1, code)
	assert.Contains(t, problems, `there is no stack "prod"`)
}

// A command whose standard output nobody reads any more ends as if it were read: make would say "Broken pipe" otherwise,
// and an update would end half-way.
func TestCommand_ReaderLeft_IsNoError(t *testing.T) {
	out, in, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, out.Close())
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PRIVATE_EC2_ACCESS_TEST_ARGUMENTS=help")
	cmd.Stdout = in
	said := &strings.Builder{}
	cmd.Stderr = said
	require.NoError(t, cmd.Run(), said)
	require.Empty(t, said.String())
}

// Under make, a mistake names the option that was given to make.
func TestUsage_UnderMake_NamesTheOption(t *testing.T) {
	t.Setenv("MAKELEVEL", "1")
	_, problems, code := commandLine(t, "connect", "foo")
	assert.Equal(t, 2, code)
	assert.Contains(t, problems, "error: make connect takes no ARGS (got \"foo\")\n  Fix: leave out ARGS\n")
	_, problems, code = commandLine(t, "history", "--since", "1x")
	assert.Equal(t, 2, code)
	_, more, _ := commandLine(t, "history", "--limit", "-1")
	assert.Equal(t, "error: LIMIT: it must be more than 0 (got \"-1\")\n  Fix: make help lists the options\n", more)
	assert.Regexp(t, `^error: SINCE: not a time. Allowed: .* \(got "1x"\)\n  Fix: make help lists the options\n$`, problems)
}

// A file of outputs is read with the caller's own credentials, which are for another place than an emulated stack, and those of
// the emulator for another than a stack in an AWS account.
func TestAudit_OutputsOfAnotherPlace_Refused(t *testing.T) {
	root := project(t, map[string]string{
		"Pulumi.local.yaml": "config:\n  aws:region: us-east-2\n  private-ec2-access:emulated: true\n",
		"Pulumi.dev.yaml":   "config:\n  aws:region: us-east-2\n  private-ec2-access:emulated: false\n",
	})
	t.Chdir(root)
	for _, c := range []struct{ name, endpoint, refused string }{
		{"local", "", "OUTPUTS=o.json: the stack local is in the local emulator, and with OUTPUTS your own credentials are used. Nothing was asked."},
		{"local", "http://127.0.0.1:4566", ""},
		{"dev", "", ""},
		{"dev", "http://127.0.0.1:4566", "AWS_ENDPOINT_URL=http://127.0.0.1:4566 is an address on this machine"},
		{"of-somebody-else", "", ""},
	} {
		a := &app{name: c.name, environ: []string{"AWS_ENDPOINT_URL=" + c.endpoint}}
		_, err := a.sessionSetting("o.json")
		if c.refused == "" {
			require.NoError(t, err, "%v", c)
		} else {
			require.ErrorContains(t, err, c.refused, "%v", c)
		}
	}
}

// A program that asks nothing asks the terminal nothing either: one that does not answer would delay each command by seconds.
// This is the test's own program, which has the same packages.
func TestStart_OnATerminal_AsksItNothing(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "TERM=xterm", "CI=")
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer terminal.Close()
	out, _ := io.ReadAll(terminal) // Linux reports an error at the end
	require.NoError(t, cmd.Wait())
	assert.NotContains(t, string(out), "\x1b")
}

func TestCompletion_CompletesStacksInstancesAndFormats(t *testing.T) {
	for line, want := range map[string]string{
		"--stack ":                           "dev\nlocal\n",
		"wait --instance ":                   "app\nweb\n",
		"--stack local upgrade --instance ":  "app\nweb\n",
		"history --format ":                  "table\njson\ncsv\n",
		"--stack dev connect --instance ":    "",
		"--stack absent connect --instance ": "",
	} {
		out, _, code := commandLine(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		assert.Zero(t, code)
		words, _, _ := strings.Cut(out, ":")
		assert.Equal(t, want, words, line)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, _, code := commandLine(t, "completion", shell)
		assert.Zero(t, code)
		assert.Contains(t, out, "__complete", shell)
	}
}

// exportedOptions are all options of the Makefile as environment variables, which must not count.
func exportedOptions(t *testing.T) (environ []string) {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	_, list, found := strings.Cut(strings.ReplaceAll(string(text), "\\\n", ""), "\noptions := ")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "\n")
	options := strings.Fields(list)
	for _, used := range regexp.MustCompile(`call (?:option|switch),([A-Z_]+)|\$\(([A-Z_]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if name := used[1] + used[2]; !slices.Contains([]string{"CURDIR", "MAKEFILE_LIST", "MAKECMDGOALS"}, name) {
			assert.Contains(t, options, name, "an option that is exported counts, because it is not in the list `options`")
		}
	}
	for _, name := range options {
		environ = append(environ, name+"=exported")
	}
	return environ
}

// A variable that is empty is a flag that is not given, and 0 and false switch off.
func TestMake_PassesOnlyVariablesThatHaveAValue(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	exported := exportedOptions(t)
	for line, want := range map[string]string{
		"up":                        "'local' up --",
		"up STACK=dev ARGS=--yes":   "'dev' up -- --yes",
		"destroy CUT_OFF=1":         "'local' destroy --cut-off --",
		"wait":                      "'local' wait",
		"status V=1":                "'local' status --verbose",
		"env UNDO=1":                "'local' env --undo",
		"up DIFF=1":                 "'local' up --diff --",
		"preview DIFF=0":            "'local' preview --",
		"wait INSTANCE=app V=1":     "'local' wait --instance 'app' --verbose",
		"wait NETWORK=1":            "'local' wait --network",
		"wait TIMEOUT=90s ARGS=-v":  "'local' wait --timeout '90s' -v",
		"connect INSTANCE= V=0":     "'local' connect",
		"connect REASON=it's":       "'local' connect --reason 'it'\\''s'",
		"record SESSION=a-1":        "'local' record --session 'a-1'",
		"end INSTANCE=app YES=1":    "'local' end --instance 'app' --yes",
		"end SESSION=a-1 ALL=false": "'local' end --session 'a-1'",
		"verify TIMEOUT=2m":         "'local' verify --timeout '2m'",
		"verify INSTANCE=web ALL=1": "'local' verify --instance 'web' --all",
		"audit SINCE=25h FORMAT=json ALLOW=a,b TOPIC=arn:x OUTPUTS=o.json ALL=1 WITHOUT_CLOUDTRAIL=1": "'local' audit --since '25h' --format 'json' --allow 'a,b' --topic 'arn:x' --outputs 'o.json' --all --without-cloudtrail",
		"upgrade INSTANCE=app":      "'local' upgrade --instance 'app' --",
		"upgrade FLEET=web BATCH=5": "'local' upgrade --fleet 'web' --batch '5' --",
		// Options count only where they are given to make.
		"end INSTANCE=app": "'local' end --instance 'app'",
		"end YES=no":       "'local' end",
		"end YES=yes":      "'local' end --yes",
		"history FORMAT=csv WHO=a,b SINCE=1d UNTIL=1h LIMIT=5 NEXT=A= ALL=1": "'local' history --format 'csv' --who 'a,b' --since '1d' --until '1h' --limit '5' --next 'A=' --all",
	} {
		cmd := exec.Command("make", append([]string{"-n", "-C", "../.."}, strings.Fields(line)...)...)
		for _, entry := range os.Environ() {
			if !strings.HasPrefix(entry, "MAKE") && !strings.HasPrefix(entry, "MFLAGS") {
				cmd.Env = append(cmd.Env, entry)
			}
		}
		cmd.Env = append(cmd.Env, exported...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		_, command, found := strings.Cut(string(out), ".local/bin/stack --stack ")
		require.True(t, found, "%s", out)
		command, _, _ = strings.Cut(strings.ReplaceAll(command, "\\\n", ""), "\nmake")
		assert.Equal(t, want, strings.Join(strings.Fields(command), " "), line)
	}
}

// A slip on make's command line does not act on the stack local.
func TestMake_Slip_RefusedBeforeAnythingRuns(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	for line, want := range map[string]string{
		"destroy stack=dev":    "stack: no such option. Fix: write it in capitals: STACK=dev",
		"status v=1":           "v: no such option. Fix: write it in capitals: V=1",
		"end YES=maybe":        "YES: not on or off (got maybe). Allowed: 1, true, yes, 0, false, no",
		"destroy stak=dev":     "stak: no such option. Allowed: ALL ",
		"end SESION=a-1":       "SESION: no such option",
		"up dev":               "dev is a stack. Fix: make up STACK=dev",
		"help up":              "make help is about all commands. Nothing was run.",
		"statu":                "there is no target statu. Fix: make help lists the targets",
		"make record a-1":      "there is no target a-1. Fix: if it is a session: make record SESSION=a-1; make help",
		"end a-1":              "Fix: if it is an instance: make end INSTANCE=a-1; if it is a session: make end SESSION=a-1; make help",
		"destroy app":          "there is no target app. Fix: make help",
		"upgrade WHO=db":       "make upgrade does not take the option WHO. Allowed: ARGS BATCH FLEET INSTANCE STACK TIMEOUT. Fix: leave out WHO",
		"down STACK=dev":       "make down does not take the option STACK. Allowed: none.",
		"connect app":          "there is no target app. Fix: if it is an instance: make connect INSTANCE=app",
		"help AWS_PROFILE=x":   "make up",
		"help GOPROXY=off":     "make up",
		"help STACK=dev TERM=": "make up",
	} {
		cmd := exec.Command("make", append([]string{"-C", "../.."}, strings.Fields(strings.TrimPrefix(line, "make "))...)...)
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		out, err := cmd.CombinedOutput()
		assert.Equal(t, want != "make up", err != nil, "%s", line)
		assert.Contains(t, string(out), want, line)
		assert.NotContains(t, string(out), ".local/bin/stack", line)
	}
}

// `make env UNDO=1` gives back what the shell had, not what make sets for the Go commands that it runs.
func TestMake_Env_GetsGoSettingsOfItsCaller(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	for want, environ := range map[string][]string{
		"GOFLAGS=-tags=it's $HOME GOWORK=/go.work": {"GOFLAGS=-tags=it's $HOME", "GOWORK=/go.work"},
		"GOFLAGS= GOWORK=unset":                    {"GOFLAGS="},
		"GOFLAGS=unset GOWORK=unset":               nil,
	} {
		cmd := exec.Command("make", "-n", "-C", "../..", "env")
		cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
			return strings.HasPrefix(entry, "GOFLAGS=") || strings.HasPrefix(entry, "GOWORK=")
		})
		cmd.Env = append(cmd.Env, append(environ, "MAKEFLAGS=", "MAKELEVEL=")...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		before, _, found := strings.Cut(string(out), ".local/bin/stack --stack 'local' env")
		require.True(t, found, "%s", out)
		shell := exec.Command("sh", "-c", before[strings.LastIndex(before, "\n")+1:]+`sh -c 'echo "GOFLAGS=${GOFLAGS-unset} GOWORK=${GOWORK-unset}"'`)
		shell.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off") // as make exports them
		out, err = shell.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, want+"\n", string(out))
	}
}

// An exported STACK is ignored as every option is. Where it is a stack that has a config file, that is said.
func TestMake_ExportedStack_NamesTheOption(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	for environment, note := range map[string]bool{"STACK=dev": true, "STACK=acme/dev": true, "STACK=local": false, "STACK=prod": false, "STACK=": false} {
		cmd := exec.Command("make", "-n", "-C", "../..", "destroy")
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", environment)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "--stack 'local' destroy", environment)
		assert.Equal(t, note, strings.Contains(string(out), "note: make ignores the environment variable STACK=dev and acts on the stack local. To act on dev: make destroy STACK=dev\n"), "%s: %s", environment, out)
	}
	// The options are repeated, and a command that takes no stack says nothing of one.
	for line, advised := range map[string]string{
		"end ALL=1 INSTANCE=app": "make end STACK=dev INSTANCE='app' ALL=1\n",
		"connect REASON=it's":    `make connect STACK=dev REASON='it'\''s'` + "\n",
		"ci-preview":             "make ci-preview STACK=dev\n",
		"down":                   "", "clean": "", "plugin": "", "check": "", "help": "", "": "",
	} {
		cmd := exec.Command("make", append([]string{"-n", "-C", "../.."}, strings.Split(line, " ")...)...)
		if line == "" {
			cmd.Args = cmd.Args[:4]
		}
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "STACK=dev")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, advised != "", strings.Contains(string(out), "note: make ignores"), "%s: %s", line, out)
		assert.Contains(t, string(out), advised)
	}
}

// `make help` fits a terminal of 100 columns, has every target that has a description, and lists what users need, which is
// what README.md and docs/sessions.md name, before what maintainers need.
func TestMakeHelp_CommandsOfUsersFirst(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	cmd := exec.Command("make", "-C", "../..")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=--no-print-directory", "MAKELEVEL=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 100, line)
	}
	users, maintainers, found := strings.Cut(string(out), "\nFor maintainers")
	require.True(t, found)
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, target := range regexp.MustCompile(`(?m)^([a-z0-9-]+):.*## `).FindAllStringSubmatch(string(makefile), -1) {
		assert.Equal(t, 1, strings.Count(string(out), "\n  make "+target[1]+" "), target[1])
	}
	for _, page := range []string{"README.md", "docs/sessions.md"} {
		text, err := os.ReadFile("../../" + page)
		require.NoError(t, err)
		named := regexp.MustCompile("(?m)(?:^|`)make (?:-s )?([a-z-]+)").FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, named)
		for _, target := range named {
			assert.Contains(t, users, "\n  make "+target[1]+" ", page)
			assert.NotContains(t, maintainers, "\n  make "+target[1]+" ", page)
		}
	}
}

func TestFolder_WithAColon_Refused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a:b")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Pulumi.yaml"), []byte("name: p\n"), 0o644))
	t.Chdir(folder)
	require.ErrorContains(t, (&app{}).openProject(), "which separates folders in PATH.\n  Fix: rename it")
}

// Where nothing in the temporary folder can be started, make says so before Go does. A chmod that does nothing stands in for the mount
// option noexec.
func TestMake_TemporaryFolderWithoutPrograms_NamesTMPDIR(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	run := func(path string) (string, error) {
		cmd := exec.Command("make", "-C", "../..", "executable-tmp")
		cmd.Env = append(os.Environ(), "PATH="+path, "TMPDIR="+t.TempDir(), "MAKEFLAGS=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(os.Getenv("PATH"))
	require.NoError(t, err, out)
	fake := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(fake, "chmod"), []byte("#!/bin/sh\n"), 0o755))
	out, err = run(fake + ":" + os.Getenv("PATH"))
	require.Error(t, err)
	assert.Contains(t, out, "(mounted noexec?). Fix: TMPDIR=FOLDER make")
}
