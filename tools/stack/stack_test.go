package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/pasted"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/sessions"
	"private-ec2-access/tools/toolchain"
)

func project(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if files["Pulumi.yaml"] == "" {
		require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.yaml"), []byte("name: private-ec2-access\nruntime: go\n"), 0o644))
	}
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o644))
	}
	return root
}

func TestLoad_Kinds_EmulatedOrReal(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		want           Stack
	}{
		{"emulated", "private-ec2-access:emulated: true", Stack{Emulated: true, SelfRepair: true}},
		{"emulated, as pulumi writes it", `private-ec2-access:emulated: "true"`, Stack{Emulated: true, SelfRepair: true}},
		{"emulated, without the project's name", "emulated: true", Stack{Emulated: true, SelfRepair: true}},
		{"real", "private-ec2-access:emulated: false", Stack{ConfirmChanges: true}},
		{"says nothing", "", Stack{ConfirmChanges: true}},
		{"emulated, all the other way", "private-ec2-access:emulated: true\n  private-ec2-access:confirmChanges: 'true'\n  private-ec2-access:selfRepair: false", Stack{Emulated: true, ConfirmChanges: true}},
		{"emulated, auto", "private-ec2-access:emulated: true\n  private-ec2-access:confirmChanges: auto\n  private-ec2-access:selfRepair: auto", Stack{Emulated: true, SelfRepair: true}},
		{"real, all the other way", "private-ec2-access:confirmChanges: false\n  private-ec2-access:selfRepair: true", Stack{SelfRepair: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The name says the opposite of the kind on purpose.
			root := project(t, map[string]string{"Pulumi.anything.yaml": "config:\n  aws:region: eu-central-1\n  " + c.settings + "\n"})
			c.want.Root, c.want.Project, c.want.Name, c.want.Region = root, "private-ec2-access", "anything", "eu-central-1"
			got, err := Load(root, "anything")
			require.NoError(t, err)
			assert.Equal(t, &c.want, got)
		})
	}
}

func TestLoad_ProjectConfig_AppliesToEveryStack(t *testing.T) {
	root := project(t, map[string]string{
		"Pulumi.yaml": `name: private-ec2-access
config:
  emulated: {description: x, default: true}
  confirmChanges: {default: auto}
  private-ec2-access:selfRepair: {default: false}
  aws:region: {value: eu-north-1}
`,
		"Pulumi.a.yaml": "encryptionsalt: x\n",
		"Pulumi.b.yaml": "config:\n  private-ec2-access:emulated: false\n  aws:region: eu-west-1\n",
	})
	a, err := Load(root, "a")
	require.NoError(t, err)
	assert.Equal(t, &Stack{Root: root, Project: "private-ec2-access", Name: "a", Region: "eu-north-1", Emulated: true}, a)
	b, err := Load(root, "b")
	require.NoError(t, err)
	assert.Equal(t, &Stack{Root: root, Project: "private-ec2-access", Name: "b", Region: "eu-west-1", ConfirmChanges: true}, b)
}

func TestLoad_Mistake_Refused(t *testing.T) {
	root := project(t, map[string]string{
		"Pulumi.local.yaml":  "config:\n  private-ec2-access:emulated: true\n",
		"Pulumi.word.yaml":   "config:\n  private-ec2-access:emulated: yes please\n",
		"Pulumi.broken.yaml": "config: [\n",
		"Pulumi.deeper.yaml": "config:\n  aws:region: us-east-2\n  instances:\n    app: {}\n      db: {}\n",
		"Pulumi.twice.yaml":  "config:\n  aws:region: us-east-2\n  instances:\n    app: {}\n  instances:\n    db: {}\n",
		"Pulumi.beside.yaml": "config:\n  aws:region: us-east-2\n  instances:\n    app: {}\n db: {}\n",
		"Pulumi.below.yaml":  "config:\n  aws:region: us-east-2\nencryptionsalt: v1:x\n# mine\n  tags:\n    a: b\n",
		"Pulumi.tab.yaml":    "config:\n  aws:region: us-east-2\n\ttags: {}\n",
	})
	for name, want := range map[string]string{
		"nope":   `there is no stack "nope", because there is no file Pulumi.nope.yaml. Stacks here: below, beside, broken, deeper, local, tab, twice, word (choose one by STACK=name)`,
		"a b":    `STACK="a b" is not the name of a stack`,
		"word":   "Pulumi.word.yaml: private-ec2-access:emulated: not an allowed value (got yes please)\n  Allowed: true, false",
		"local":  "Pulumi.local.yaml: aws:region is missing",
		"broken": "\n  Fix: check the indentation, the colons and the quotation marks there",
		"beside": "\n  Line 5 (db: {}) is indented by 1 blank, unlike every line above that it could belong to. Fix: indent it as much as the keys beside it",
		"below":  "Line 5 (tags:) is indented, but nothing can be below the text of encryptionsalt. Fix: move the line up, below the keys of config:",
		"deeper": "\n  Line 5 (db: {}) is indented below app, which has its value on its own line. Fix: indent both as much as the keys beside them",
		"twice":  "already defined at line 3\n  Fix: write the key once, with the lines of both below it",
		"tab":    "Line 3 is indented with a tab. Fix: use blanks",
	} {
		_, err := Load(root, name)
		require.ErrorContains(t, err, want, name)
	}
	_, err := Load(project(t, map[string]string{"Pulumi.dev.yaml": "config:\n  aws:region: us-east-2\n"}), "local")
	require.ErrorContains(t, err, "\n  Fix: git checkout Pulumi.local.yaml")
	_, err = FindRoot(t.TempDir())
	require.ErrorContains(t, err, "there is no Pulumi.yaml in")
	inner := filepath.Join(root, "a", "b")
	require.NoError(t, os.MkdirAll(inner, 0o755))
	found, err := FindRoot(inner)
	require.NoError(t, err)
	assert.Equal(t, root, found)
}

func TestEnvironment_LocalStack_PointsToEmulator(t *testing.T) {
	tools := toolchain.New("/p", io.Discard)
	s := &Stack{Root: "/p", Project: "private-ec2-access", Name: "local", Region: "eu-central-1", Emulated: true}
	caller := []string{
		"HOME=/h", "PATH=/usr/bin:/p/.local/bin:/bin", "AWS_PROFILE=prod", "AWS_SESSION_TOKEN=x", "AWS_ENDPOINT_URL_S3=https://s3", "AWS_ENDPOINT_URL_SSM=https://ssm",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ACCESS_KEY_ID=AKIA", "AWS_DEFAULT_REGION=us-east-1", "AWS_ROLE_ARN=x", "AWS_WEB_IDENTITY_TOKEN_FILE=x",
		"TF_CLI_CONFIG_FILE=/nowhere", "PULUMI_STACK=dev", "PULUMI_CONFIG_PASSPHRASE_FILE=/x", "PULUMI_ACCESS_TOKEN=x", "AWS_CA_BUNDLE=/ca",
	}
	running := Running{URL: "http://127.0.0.1:4566", Secret: "of-this-start"}
	e := EmulatedEnvironment(s, tools, toolchain.CLI{Path: "/p/.local/bin/pulumi"}, running, caller)
	assert.Equal(t, `unset AWS_ACCESS_KEY_ID
unset AWS_CA_BUNDLE
unset AWS_DEFAULT_REGION
unset AWS_ENDPOINT_URL_S3
unset AWS_ENDPOINT_URL_SSM
unset AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
unset AWS_PROFILE
unset AWS_ROLE_ARN
unset AWS_SESSION_TOKEN
unset AWS_WEB_IDENTITY_TOKEN_FILE
unset PULUMI_ACCESS_TOKEN
unset PULUMI_CONFIG_PASSPHRASE_FILE
unset PULUMI_STACK
unset TF_CLI_CONFIG_FILE
export PATH='/p/.local/bin:/usr/bin:/bin'
export PULUMI_HOME='/p/.local/pulumi'
export PULUMI_BACKEND_URL='file:///p/.local/state'
export PULUMI_CONFIG_PASSPHRASE=''
export PULUMI_SKIP_UPDATE_CHECK='true'
export PULUMI_PARALLEL='32'
export AWS_ENDPOINT_URL='http://127.0.0.1:4566'
export AWS_ACCESS_KEY_ID='test'
export AWS_SECRET_ACCESS_KEY='of-this-start'
export AWS_REGION='eu-central-1'
export AWS_DEFAULT_REGION='eu-central-1'
export AWS_EC2_METADATA_DISABLED='true'
export AWS_CONFIG_FILE='/dev/null'
export AWS_SHARED_CREDENTIALS_FILE='/dev/null'
export TF_CLI_CONFIG_FILE='/p/.local/terraform.tfrc'
export GOWORK='off'
export GOFLAGS='-buildvcs=false'
`, e.Exports())
	assert.Equal(t, []string{
		"HOME=/h",
		"PATH=/p/.local/bin:/usr/bin:/bin", "PULUMI_HOME=/p/.local/pulumi", "PULUMI_BACKEND_URL=file:///p/.local/state", "PULUMI_CONFIG_PASSPHRASE=",
		"PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_PARALLEL=32", "AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=of-this-start", "AWS_REGION=eu-central-1", "AWS_DEFAULT_REGION=eu-central-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "TF_CLI_CONFIG_FILE=/p/.local/terraform.tfrc",
		"GOWORK=off", "GOFLAGS=-buildvcs=false",
	}, e.Apply(caller))

	installed := EmulatedEnvironment(s, tools, toolchain.CLI{Path: "/usr/bin/pulumi", Installed: true}, running, caller)
	assert.Contains(t, installed.Exports(), "export PATH='/usr/bin:/bin:/p/.local/bin'\n")
	proxied := EmulatedEnvironment(s, tools, toolchain.CLI{Path: "/usr/bin/pulumi"}, running, append(caller, "http_proxy=http://proxy", "NO_PROXY=corp"))
	assert.Contains(t, proxied.Exports(), "export NO_PROXY='corp,127.0.0.1,localhost'\n")
}

func TestEnvironment_RealStack_KeepsTheUsersSettings(t *testing.T) {
	tools := toolchain.New("/p", io.Discard)
	caller := []string{"PATH=/usr/bin", "AWS_PROFILE=prod", "AWS_ENDPOINT_URL=https://aws.example", "AWS_CA_BUNDLE=/ca", "PULUMI_HOME=/h", "PULUMI_ACCESS_TOKEN=x", "EDITOR=vi"}
	builds := "export GOWORK='off'\nexport GOFLAGS='-buildvcs=false'\n"
	ours := RealEnvironment(tools, toolchain.CLI{Path: "/p/.local/bin/pulumi"}, caller)
	assert.Equal(t, "export PATH='/p/.local/bin:/usr/bin'\nexport PULUMI_SKIP_UPDATE_CHECK='true'\nexport PULUMI_PARALLEL='32'\n"+builds, ours.Exports())
	installed := toolchain.CLI{Path: "/usr/bin/pulumi", Installed: true}
	added := []string{"PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_PARALLEL=32", "GOWORK=off", "GOFLAGS=-buildvcs=false"}
	assert.Equal(t, append(caller[:len(caller):len(caller)], added...), RealEnvironment(tools, installed, caller).Apply(caller))

	// None of these may answer the question before an update, or make it fail.
	hostile := append(caller[:len(caller):len(caller)], "PULUMI_SKIP_CONFIRMATIONS=true", "PULUMI_OPTION_REFRESH=true", "PULUMI_STACK=other", "AWS_RETRY_MODE=legacy", "AWS_MAX_ATTEMPTS=0",
		"TF_LOG=trace", "GOOS=windows", "GOFLAGS=-mod=vendor", "PULUMI_PARALLEL=none")
	assert.Equal(t, append(caller[:len(caller):len(caller)], added...), RealEnvironment(tools, installed, hostile).Apply(hostile))
	assert.Contains(t, RealEnvironment(tools, installed, append(caller, "PULUMI_PARALLEL=4")).Exports(), "PULUMI_PARALLEL='4'")
}

func TestExports_SpecialCharacters_Quoted(t *testing.T) {
	e := &Environment{}
	e.set("VALUE", `it's $HOME "x" `+"`id`\n!")
	out, err := exec.Command("sh", "-c", e.Exports()+`printf %s "$VALUE"`).Output()
	require.NoError(t, err)
	assert.Equal(t, e.values["VALUE"], string(out))
}

func TestEnvironment_EmulatorSettingsOnRealStack_Refused(t *testing.T) {
	tools := toolchain.New("/p", io.Discard)
	realStack := &Stack{Root: "/p", Project: "private-ec2-access", Name: "dev"}
	emulated := &Stack{Root: "/p", Project: "private-ec2-access", Name: "local", Emulated: true, Region: "eu-central-1"}
	for _, c := range []struct {
		entry, unset string
	}{
		{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_ENDPOINT_URL"},
		{"AWS_ENDPOINT_URL=http://localhost:4566", "AWS_ENDPOINT_URL"},
		{"AWS_ENDPOINT_URL=http://[::1]:4566", "AWS_ENDPOINT_URL"},
		{"AWS_ENDPOINT_URL=localhost:4566", "AWS_ENDPOINT_URL"},
		{"AWS_ENDPOINT_URL_S3=http://s3.localhost:4566", "AWS_ENDPOINT_URL_S3"},
		{"AWS_ENDPOINT_URL_EC2=http://0.0.0.0:1", "AWS_ENDPOINT_URL_EC2"},
		{"AWS_ACCESS_KEY_ID=test", "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"},
		{"AWS_CONFIG_FILE=/dev/null", "AWS_CONFIG_FILE"},
		{"PULUMI_HOME=/p/.local/pulumi", "PULUMI_HOME"},
		{"PULUMI_BACKEND_URL=file:///p/.local/state", "PULUMI_BACKEND_URL"},
	} {
		err := RefuseLeak(realStack, tools, []string{"HOME=/h", c.entry})
		require.Error(t, err, c.entry)
		assert.Contains(t, err.Error(), c.entry)
		assert.True(t, strings.HasSuffix(err.Error(), "Open a new shell, or: unset "+c.unset), "%v", err)
		assert.NoError(t, RefuseLeak(emulated, tools, []string{c.entry}))
	}
	ownSettings := []string{
		"AWS_ENDPOINT_URL=https://vpce-1.ec2.eu-central-1.vpce.amazonaws.com", "AWS_ENDPOINT_URL_S3=https://s3.example", "AWS_ACCESS_KEY_ID=AKIA",
		"AWS_PROFILE=test", "AWS_CONFIG_FILE=/h/config", "PULUMI_HOME=/h/.pulumi", "PULUMI_BACKEND_URL=file:///h/state", "AWS_EC2_METADATA_DISABLED=true",
	}
	assert.NoError(t, RefuseLeak(realStack, tools, ownSettings))

	// What `make env` exports is refused, and what the message says to unset is enough.
	environment := EmulatedEnvironment(emulated, tools, toolchain.CLI{Path: "/p/.local/bin/pulumi"}, Running{URL: "http://127.0.0.1:4566", Secret: "s"}, nil).Apply(nil)
	err := RefuseLeak(realStack, tools, environment)
	require.Error(t, err)
	_, advice, _ := strings.Cut(err.Error(), "unset ")
	fixed := &Environment{unset: strings.Fields(advice)}
	rest := fixed.Apply(environment)
	assert.NoError(t, RefuseLeak(realStack, tools, rest))
	assert.Equal(t, []string{"PATH=/p/.local/bin:", "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_PARALLEL=32", "AWS_REGION=eu-central-1", "AWS_DEFAULT_REGION=eu-central-1", "GOWORK=off", "GOFLAGS=-buildvcs=false"}, trimPath(rest))
}

func trimPath(environ []string) []string {
	for i, entry := range environ {
		if strings.HasPrefix(entry, "PATH=") {
			environ[i] = strings.TrimSuffix(entry, ":") + ":"
		}
	}
	return environ
}

func writeLock(t *testing.T, backend, stack, name string, content any) {
	t.Helper()
	folder := filepath.Join(backend, ".pulumi", "locks", "organization", "private-ec2-access", stack)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	text, ok := content.(string)
	if !ok {
		b, err := json.Marshal(content)
		require.NoError(t, err)
		text = string(b)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), []byte(text), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json.attrs"), []byte("{}"), 0o644))
}

func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	return cmd.Process.Pid
}

func TestLocks(t *testing.T) {
	hostname, err := os.Hostname()
	require.NoError(t, err)
	pulumi := fakePulumiProcess(t)

	for _, c := range []struct {
		name    string
		content any
		stale   bool
	}{
		{"its process has ended", lock{PID: endedProcess(t), Hostname: hostname}, true},
		{"its process is another program now", lock{PID: os.Getpid(), Hostname: hostname}, !isPulumi(os.Getpid())},
		{"its process lives", lock{PID: pulumi, Hostname: hostname}, false},
		{"of another machine", lock{PID: endedProcess(t), Hostname: hostname + "-other"}, false},
		{"damaged", "{", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			backend := t.TempDir()
			writeLock(t, backend, "local", "a", c.content)
			writeLock(t, backend, "other", "b", lock{PID: pulumi, Hostname: hostname})
			locks, err := findLocks(backend, "private-ec2-access", "local")
			require.NoError(t, err)
			require.Len(t, locks, 1, "other stacks and .attrs files do not count")
			assert.Equal(t, c.stale, locks[0].Stale)
		})
	}
	locks, err := findLocks(t.TempDir(), "private-ec2-access", "local")
	require.NoError(t, err)
	assert.Empty(t, locks)
}

// fakePulumiProcess is a living process whose program is called pulumi.
func fakePulumiProcess(t *testing.T) int { return fakeProcess(t, "pulumi") }

func fakeProcess(t *testing.T, name string) int {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	content, err := os.ReadFile(sleep)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o755))
	cmd := exec.Command(path, "60")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// An update would go on without the emulator that is taken away.
func TestDown_UpdateRunning_Refused(t *testing.T) {
	hostname, err := os.Hostname()
	require.NoError(t, err)
	for _, l := range []struct {
		lock    lock
		refused bool
	}{
		{lock{PID: fakePulumiProcess(t), Hostname: hostname, Username: "ana"}, true},
		{lock{PID: endedProcess(t), Hostname: hostname}, false},
		{lock{PID: endedProcess(t), Hostname: hostname + "-other"}, false},
	} {
		for name, run := range map[string]func(*app) error{"down": (*app).down, "clean": (*app).clean} {
			a, _, _ := testApp(t, "", emptyState)
			writeLock(t, a.tools.Path("state"), "second", "a", l.lock)
			if err := run(a); l.refused {
				require.ErrorContains(t, err, "a command is running on the stack second in the emulator (ana@"+hostname, name)
				require.DirExists(t, a.tools.Path("state"))
			} else {
				require.NoError(t, err, name)
			}
		}
	}
}

// A line that was lost would come back by Pulumi's hand, with every value as YAML reads it.
func TestSelect_SaltLost_TextStays(t *testing.T) {
	for settings, added := range map[string]bool{
		"private-ec2-access:tags: {cc: 0123} # mine":                             true,
		"private-ec2-access:tags: {cc: 0123}\nencryptionsalt: v1:old":            false,
		"private-ec2-access:tags: {cc: 0123}\nsecretsprovider: awskms://alias/x": false,
	} {
		a, out, calls := testApp(t, settings, emptyState)
		require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho \"$*\" >> calls\n"+
			`[ "$1 $2 $5" = "config set --config-file" ] && echo 'encryptionsalt: v1:new' >> "$6"`+"\nexit 0\n"), 0o755))
		before, err := os.ReadFile(a.stack.File())
		require.NoError(t, err)
		require.NoError(t, a.selectStack(false))
		after, err := os.ReadFile(a.stack.File())
		require.NoError(t, err)
		if added {
			require.Equal(t, string(before)+"encryptionsalt: v1:new\n", string(after))
			require.Contains(t, out.String(), "Note: Pulumi.local.yaml had no line encryptionsalt")
		} else {
			require.Equal(t, string(before), string(after))
			require.NotContains(t, calls(), "config set")
		}
	}
}

// What is lost is named, and nothing else.
func TestDown_Next_NamesTheStacksInTheEmulator(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	require.Empty(t, a.stacksIn(Running{}), "no emulator has an instance without a name")
	states := a.tools.Path("state", ".pulumi", "stacks", a.stack.Project)
	require.NoError(t, os.MkdirAll(states, 0o700))
	for _, name := range []string{"local", "lab"} {
		require.NoError(t, os.WriteFile(filepath.Join(states, name+".json"), []byte(`{"checkpoint":{"latest":{"resources":[{"type":"aws:sns/topic:Topic","custom":true}]}}}`), 0o600))
		require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), name), []byte("new\n"), 0o600))
	}
	require.Equal(t, []string{"lab", "local"}, a.stacksIn(Running{Instance: "new"}))
	require.Empty(t, a.stacksIn(Running{Instance: "other"}))
}

// The sessions that end with the emulator are counted, and an emulator that does not answer is no error.
func TestDown_OpenSessions_Counted(t *testing.T) {
	for answer, want := range map[string]string{`{"open":0}`: "", `{"open":1}`: " 1 open session ended, without a session log.", `{"open":2}`: " 2 open sessions ended, without a session log.", "no JSON": ""} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "GET /_emulator/sessions Bearer s", r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
			fmt.Fprint(w, answer)
		}))
		t.Cleanup(server.Close)
		require.Equal(t, want, sessionsEnded(Running{URL: server.URL, Secret: "s"}))
	}
	require.Empty(t, sessionsEnded(Running{URL: "http://127.0.0.1:1"}))
	require.Empty(t, sessionsEnded(Running{}))
}

// Before Pulumi locks the stack, an update has prepared the emulator already.
func TestDown_UpdatePrepares_Refused(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	done := a.busy("up")
	mark := a.tools.Path(busyFolder, strconv.Itoa(os.Getpid()))
	require.FileExists(t, mark)
	require.NoError(t, a.down(), "its own mark")
	require.Empty(t, a.preparing(), "its own mark")
	for pid, refused := range map[int]bool{endedProcess(t): false, fakeProcess(t, "stack"): true} {
		other := a.tools.Path(busyFolder, strconv.Itoa(pid))
		require.NoError(t, os.Rename(mark, other))
		if err := a.down(); refused {
			require.EqualError(t, err, "`make up` is running in another terminal. Nothing was stopped.\n  Fix: wait for it, or stop it with Ctrl-C in its terminal")
			require.ErrorContains(t, a.clean(), "Nothing was stopped")
			require.EqualError(t, a.notDeployed(), "the stack local is not deployed yet; that is what `make up` in another terminal does.\n  Fix: wait for it")
			unlock, err := a.tools.Lock() // while it prepares
			require.NoError(t, err)
			require.Error(t, a.down())
			unlock()
			by, err := a.changing()
			require.NoError(t, err)
			require.Equal(t, "`make up` in another terminal", by)
			a.stack.Name = "second"
			require.Empty(t, a.preparing())
			a.stack.Name = "local"
		} else {
			require.NoError(t, err)
			require.EqualError(t, a.notDeployed(), "the stack local is not deployed from this checkout.\n  Fix: make up")
		}
		require.NoError(t, os.Rename(other, mark))
	}
	done()
	require.NoFileExists(t, mark)
}

func TestPreview_AnotherUpdateRuns_IsNamed(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	hostname, err := os.Hostname()
	require.NoError(t, err)
	writeLock(t, a.tools.Path("state"), "second", "a", lock{PID: fakePulumiProcess(t), Hostname: hostname, Username: "ana"})
	writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: endedProcess(t), Hostname: hostname, Username: "ben"})
	by, err := a.changing()
	require.NoError(t, err)
	require.Empty(t, by)
	writeLock(t, a.tools.Path("state"), "local", "b", lock{PID: fakePulumiProcess(t), Hostname: hostname, Username: "ana"})
	by, err = a.changing()
	require.NoError(t, err)
	require.Contains(t, by, "ana@"+hostname)
}

// Pulumi does not write the state of a folder in one go, so who reads it meanwhile may find half of it.
func TestRead_StateHalfWritten_ReadAgain(t *testing.T) {
	a, out, calls := testApp(t, "", emptyState)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho \"$1 $2\" >> calls\n"+
		"[ $(wc -l < calls) -gt 2 ] && echo fine && exit 0\necho 'error: failed to load checkpoint: EOF' >&2\nexit 255\n"), 0o755))
	text, err := a.read("stack", "export")
	require.NoError(t, err)
	require.Equal(t, "fine\n", text)
	require.Equal(t, 3, strings.Count(calls(), "stack export"))
	require.Empty(t, out.String())
}

// A key that nothing reads protects nothing, wherever it is.
func TestDestroy_KeyThatIsNotRead_Refused(t *testing.T) {
	const own = "private-ec2-access:"
	for lines, refused := range map[string]string{
		"keepRecord: refuse":                            "did you mean keepRecords?",
		own + "keeprecords: refuse":                     "did you mean keepRecords?",
		own + "keepRecords: false":                      "",
		own + "keepRecords: {a: b}":                     `keepRecords: not an allowed value (got {"a":"b"})`,
		own + "keepRecords: maybe":                      "keepRecords: not an allowed value (got maybe). Nothing was deleted.\n  Allowed: auto, true, false, refuse\n  Fix: write one of them in Pulumi.local.yaml",
		own + "tags: {keepRecord: x}":                   "",
		own + "tags: {keepRecord: {secure: x}}":         "",
		"private-ec2-acess:keepRecords: refuse":         "did you mean private-ec2-access:keepRecords?",
		"pulumi:keepRecords: refuse":                    "did you mean private-ec2-access:keepRecords?",
		"pulumi:tags: {team: web}":                      "",
		own + "logging: {keepRecords: refuse}":          "logging.keepRecords",
		own + "logging.keepRecords: refuse":             "logging.keepRecords",
		own + "instances: {app: {keepRecords: refuse}}": "instances.app.keepRecords",
		own + "endpoints: {protect: false}":             "",
		own + "endpoints: {protct: true}":               "endpoints.protct",
		own + "endpoint: {protect: true}":               "endpoint",
		own + "endpoints.protect: true":                 "endpoints.protect",
		own + "endpoints: {ec2messages: false}":         "",
		own + "config:keepRecords: refuse":              "protected from destroy", // the form of Pulumi's earlier releases
		"aws:maxRetries: 5\nkeepRecords: refuse":        "indent it below config:",
	} {
		a, _, calls := testApp(t, lines, strings.Replace(emptyState, `{"urn":"u"`, `{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs"},{"urn":"u"`, 1))
		before, err := a.export()
		require.NoError(t, err)
		if err := a.refuseProtected(before); refused != "" {
			require.ErrorContains(t, err, refused, lines)
			require.ErrorContains(t, err, "Nothing was deleted", lines)
		} else {
			require.NoError(t, err, lines)
		}
		require.NotContains(t, calls(), "destroy")
	}
}

// Which kind of stack it is decides where a command works, so a mistake that hides it is told before anything else.
func TestLoad_KindThatIsNotRead_Refused(t *testing.T) {
	for file, want := range map[string]string{
		"confg:\n  private-ec2-access:emulated: true\n":                                                      "did you mean config:?",
		"config:\n  private-ec2-acess:emulated: true\n":                                                      "did you mean private-ec2-access:emulated?",
		"config:\n  aws:region: us-east-2\nemulated: true\n":                                                 "indent it below config:",
		"config:\n  emulated: true\n  private-ec2-access:emulated: false\n":                                  "more than once in Pulumi.local.yaml, as emulated and private-ec2-access:emulated",
		"config:\n  emulated: true\n  keepRecords: refuse\n  private-ec2-access:config:keepRecords: false\n": "more than once in Pulumi.local.yaml, as keepRecords and private-ec2-access:config:keepRecords",
		"":                             "does not say `private-ec2-access:emulated: true` below config, so the stack local would be one in an AWS account",
		"config:\n  emulated: false\n": "",
		"config:\n  aws:region: a\n  private-ec2-access:config:emulated: true\n": "",
	} {
		_, err := Load(project(t, map[string]string{"Pulumi.local.yaml": file}), "local")
		if want == "" {
			require.NoError(t, err, file)
		} else {
			require.ErrorContains(t, err, want, file)
		}
	}
	root := project(t, map[string]string{"Pulumi.dev.yaml": "config: {}\nconfg: {}\n"})
	_, err := Load(root, "dev")
	require.NoError(t, err, "the program reports this one with all others")
	states := filepath.Join(root, ".local", "state", ".pulumi", "stacks", "private-ec2-access")
	require.NoError(t, os.MkdirAll(states, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(states, "dev.json"), []byte("{}"), 0o600))
	_, err = Load(root, "dev")
	require.ErrorContains(t, err, "so the stack dev would be one in an AWS account", "it was deployed to the emulator")
}

// A destroy leaves the file of the state, so only resources in it tell that a stack is in the emulator too.
func TestOpen_StackWasEmulated_SaidWhileItHasResources(t *testing.T) {
	root := project(t, map[string]string{"Pulumi.dev.yaml": "config:\n  aws:region: us-east-2\n  private-ec2-access:emulated: false\n"})
	t.Chdir(root)
	states := filepath.Join(root, ".local", "state", ".pulumi", "stacks", "private-ec2-access")
	require.NoError(t, os.MkdirAll(states, 0o700))
	for state, noted := range map[string]bool{`{"checkpoint":{"latest":{"resources":[{"type":"aws:sns/topic:Topic","custom":true}]}}}`: true, `{"checkpoint":{"latest":{}}}`: false, "{": false} {
		require.NoError(t, os.WriteFile(filepath.Join(states, "dev.json"), []byte(state), 0o600))
		var out bytes.Buffer
		a := &app{stderr: &out, name: "dev"}
		require.NoError(t, a.openStack())
		assert.Equal(t, noted, strings.Contains(out.String(), "Note: the stack dev is in the local emulator"), "%s: %s", state, out.String())
	}
}

func TestUpgrade_NameOfAFleet_SaysSo(t *testing.T) {
	a, _, _ := testApp(t, "private-ec2-access:fleets: {web: {count: 2}}", emptyState)
	require.EqualError(t, a.upgrade("web", nil), "\"web\" is a fleet and no instance. Nothing was changed.\n  Fix: make upgrade FLEET=web")
}

// A wrong name is refused before Pulumi is asked anything.
func TestUpgrade_UnknownInstance_RefusedAtOnce(t *testing.T) {
	a, _, calls := testApp(t, "private-ec2-access:instances: {app: {}, web: {}}", twoTopics)
	require.EqualError(t, a.upgrade("wbe", nil), "INSTANCE=wbe is no instance in the config of the stack local. It has: app, web. Nothing was changed.\n  Fix: make upgrade INSTANCE=web")
	require.Empty(t, calls())
}

// upgradeMachine has an account whose newest image is ami-2. The instance i-1 has ami-1 until an update replaces it, if it does. The
// existing instance i-9 has the stack's profile, and the config no longer names it.
func upgradeMachine(t *testing.T, name, update string, replaces bool) machine {
	m := newMachine(t, "")
	file := func(name, text string) string {
		path := filepath.Join(m.folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	events := file("events", `{"resOutputsEvent":{"metadata":{"op":"same","urn":"urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev","type":"pulumi:pulumi:Stack","new":{"outputs":{"imageParameters":{"`+name+`":"/newest"}}}}}}`+"\n")
	before, after, updated := file("before", stateWith(map[string]string{"batch": "i-9"})), file("after", stateWith(nil)), filepath.Join(m.folder, "updated")
	m.program("pulumi", `case "$1 $2" in
version*) echo v3.259.0 ;;
"stack export") if [ -e `+updated+` ]; then cat `+after+`; else cat `+before+`; fi ;;
"stack output") echo '{"region":"us-east-2","sessionDocument":"d","accountId":"111122223333","instanceIds":{"`+name+`":"i-1"}}' ;;
"preview --stack") for i in "$@"; do [ "$last" = --event-log ] && cp `+events+` "$i"; last=$i; done ;;
"up --stack") : > `+updated+`; `+update+` ;;
esac`)
	image := `if [ -e ` + updated + ` ]; then i=ami-2; else i=ami-1; fi`
	if !replaces {
		image = "i=ami-1"
	}
	m.program("aws", `case "$*" in
*get-parameter*) echo '{"Parameter": {"Value": "ami-2"}}' ;;
*describe-iam-instance-profile-associations*) echo '{"IamInstanceProfileAssociations":[`+association("i-9", "ours")+`]}' ;;
*disassociate-iam-instance-profile*) echo '{}' ;;
*describe-instances*) `+image+`; echo '{"Reservations":[{"Instances":[{"InstanceId":"i-1","ImageId":"'$i'","State":{"Name":"running"}}]}]}' ;;
*get-caller-identity*) `+alice+` ;;
*) echo 'denied' >&2; exit 254 ;;
esac`)
	t.Setenv("CI", "")
	return m
}

// An upgrade is an update: it takes the profile off instances that the config no longer names. A message names the image of before.
func TestUpgrade_Instance_SaysWhatTheFileHadAndLetsGo(t *testing.T) {
	for image, back := range map[string]string{
		"{}":               "To go back: remove imageId of the instance app there, which was not there before.\n",
		"{imageId: ami-1}": "To go back: set imageId of the instance app there to ami-1 again.\n",
		"{imageId: ami-2}": "To go back: set the old imageId of the instance app there again, or remove it if it was not there before.\n",
	} {
		config := "  aws:region: us-east-2\n  private-ec2-access:instances: {app: " + image + "}\n"
		said, code := upgradeMachine(t, "app", "", true).run(config, nil, "upgrade", "--instance", "app", "--", "--yes")
		require.Zero(t, code, said)
		assert.Contains(t, said, "Detached: the instance profile ours from batch (i-9), which the config no longer names.")
		assert.Equal(t, strings.Contains(image, "ami-2"), strings.Contains(said, "Pulumi.dev.yaml pins the newest image already: ami-2; the update applies it.\n"), said)
		said, code = upgradeMachine(t, "app", "exit 255", false).run(config, nil, "upgrade", "--instance", "app", "--", "--yes")
		require.NotZero(t, code, said)
		assert.Contains(t, said, "Pulumi.dev.yaml has the new image. "+back)
		assert.NotContains(t, said, "Detached")
	}
}

// While no instance is replaced, the command goes back no further than the file: it would upgrade again.
func TestUpgrade_FleetStopped_SaysHowToGoBack(t *testing.T) {
	const none = " No instance was replaced, so no command is needed.\n"
	for _, c := range []struct {
		image    string
		replaced bool
		back     string
	}{
		{"", false, "remove imageId of the fleet web in Pulumi.dev.yaml, which was not there before." + none},
		{", imageId: ami-1", false, "set imageId of the fleet web in Pulumi.dev.yaml to ami-1 again." + none},
		{", imageId: ami-2", false, "set the old imageId of the fleet web in Pulumi.dev.yaml, or remove it if it was not there before." + none},
		{", imageId: ami-2", true, "set imageId of the fleet web in Pulumi.dev.yaml to ami-1, and run the same command.\n"},
	} {
		said, code := upgradeMachine(t, "web-001", "exit 255", c.replaced).run("  aws:region: us-east-2\n  private-ec2-access:fleets: {web: {count: 1"+c.image+"}}\n", nil,
			"upgrade", "--fleet", "web", "--timeout", "5s", "--", "--yes")
		require.NotZero(t, code, said)
		assert.Contains(t, said, "this continues it:\n    make upgrade STACK=dev FLEET=web BATCH=1 TIMEOUT=5s\nTo go back, "+c.back, said)
	}
	// The instances that the config no longer names are let go by the first update, also if the upgrade stops then.
	said, code := upgradeMachine(t, "web-001", "", true).run("  aws:region: us-east-2\n  private-ec2-access:fleets: {web: {count: 1}}\n", nil, "upgrade", "--fleet", "web", "--timeout", "1s", "--", "--yes")
	require.NotZero(t, code, said)
	assert.Contains(t, said, "Detached: the instance profile ours from batch (i-9), which the config no longer names.")
}

// The command that answers the question beforehand has the options of the one that could not ask.
func TestConfirm_NoTerminal_RepeatsTheOptions(t *testing.T) {
	if process.IsTerminal(os.Stdin) {
		t.Skip("standard input is a terminal")
	}
	t.Setenv("CI", "")
	const config = "  aws:region: us-east-2\n  private-ec2-access:instances: {app: {}}\n  private-ec2-access:fleets: {web: {count: 1}}\n"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up"}, "make up STACK=dev ARGS=--yes. "},
		{[]string{"up", "--diff", "--", "--refresh"}, "make up STACK=dev DIFF=1 ARGS='--refresh --yes'. "},
		{[]string{"destroy", "--cut-off"}, "make destroy STACK=dev CUT_OFF=1 ARGS=--yes. "},
		{[]string{"upgrade", "--instance", "app"}, "make upgrade STACK=dev INSTANCE=app ARGS=--yes. "},
		{[]string{"upgrade", "--instance", "web-001"}, "make upgrade STACK=dev INSTANCE=web-001 ARGS=--yes. "},
		{[]string{"upgrade", "--fleet", "web", "--batch", "5"}, "make upgrade STACK=dev FLEET=web BATCH=5 ARGS=--yes. "},
	} {
		said, code := newMachine(t, alice).run(config, nil, c.args...)
		require.NotZero(t, code)
		assert.Contains(t, said, "If you have read the preview: "+c.want)
	}
}

// testApp is an emulated stack whose pulumi is a script that writes down how it was called.
func testApp(t *testing.T, settings, export string) (*app, *bytes.Buffer, func() string) {
	t.Helper()
	t.Setenv("CI", "") // with CI=true nobody is asked
	root := project(t, map[string]string{"Pulumi.local.yaml": "config:\n  aws:region: eu-central-1\n  private-ec2-access:emulated: true\n  " + settings + "\n"})
	s, err := Load(root, "local")
	require.NoError(t, err)
	var out bytes.Buffer
	a := &app{root: root, stdin: strings.NewReader(""), stdout: &out, stderr: &out, environ: os.Environ(), stack: s, tools: toolchain.New(root, &out), emulator: Running{Instance: "new"}}
	a.useNewest = func() (bool, error) { return false, nil }
	a.sweep = func(state string) ([]leftover, error) {
		assert.JSONEq(t, export, state)
		fmt.Fprintln(&out, "account swept")
		return []leftover{{Kind: "topic", ID: "t-1"}, {Kind: "queue", ID: "q-1"}}, nil
	}
	calls := filepath.Join(root, "calls")
	a.cli.Path = filepath.Join(root, "pulumi")
	script := fmt.Sprintf("#!/bin/sh\nfor i in \"$@\"; do [ \"$last\" = --event-log ] && events=$i; last=$i; done\n"+
		"echo \"$*\" | sed \"s|${events:-none}|EVENTS|\" >> %s\n"+
		"[ -n \"$events\" ] && [ -e events.jsonl ] && cp events.jsonl \"$events\"\n"+
		"[ \"$2\" = export ] && echo '%s'\n[ -e fail ] && exit 7\nexit 0\n", calls, export)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte(script), 0o755))
	require.NoError(t, os.MkdirAll(a.tools.Path("emulator"), 0o755))
	a.env = EmulatedEnvironment(s, a.tools, a.cli, Running{URL: "http://127.0.0.1:1", Secret: "s"}, a.environ)
	return a, &out, func() string {
		content, _ := os.ReadFile(calls)
		return string(content)
	}
}

const (
	emptyState = `{"version":3,"deployment":{"resources":[{"urn":"urn:pulumi:local::p::pulumi:pulumi:Stack::p-local","type":"pulumi:pulumi:Stack"},{"urn":"u","type":"pulumi:providers:aws","custom":true}]}}`
	twoTopics  = `{"version":3,"deployment":{"resources":[{"type":"aws:sns/topic:Topic","custom":true},{"type":"aws:sns/topic:Topic","custom":true},{"type":"my:component"}]}}`
	twoDeleted = `{"version":3,"deployment":{"resources":[{"type":"aws:sns/topic:Topic","custom":true}],"pending_operations":[{"resource":{"urn":"urn:pulumi:local::p::a$aws:sns/topic:Topic::c"},"type":"deleting"}]}}`
	killed     = `{"version":3,"deployment":{"resources":[],"pending_operations":[{"resource":{"urn":"urn:pulumi:local::p::a$aws:sns/topic:Topic::c"},"type":"creating"}]}}`
)

func TestRepair(t *testing.T) {
	const refresh = "refresh --yes --skip-preview --suppress-outputs --stack local"
	for _, c := range []struct {
		name, settings, export, recorded string
		calls, said, refused             string
	}{
		{name: "nothing made yet", export: emptyState},
		{name: "the same emulator", export: twoTopics, recorded: "new"},
		{name: "another emulator", export: twoTopics, recorded: "old", calls: refresh, said: "has lost the 2 resources in the state of the stack local"},
		{name: "never recorded", export: twoTopics, calls: refresh, said: "has lost"},
		{name: "killed", export: killed, recorded: "new", calls: refresh + " --clear-pending-creates", said: "account swept\n• an earlier command was killed while it created something. Deleted, because the state does not contain it: topic t-1, queue q-1\n• an earlier command was killed during: creating aws:sns/topic:Topic c. So pending operations are cleared, and the state is refreshed"},
		{name: "killed during a destroy", export: twoDeleted, recorded: "new", calls: refresh + " --clear-pending-creates", said: "• an earlier command was killed during: deleting aws:sns/topic:Topic c"},
		{name: "killed, and another emulator", export: killed, recorded: "old", calls: refresh + " --clear-pending-creates", said: "• an earlier command was killed during"},
		{name: "another emulator, no self-repair", settings: "private-ec2-access:selfRepair: false", export: twoTopics, refused: "pulumi " + refresh},
		{name: "killed, no self-repair", settings: "private-ec2-access:selfRepair: false", export: killed, recorded: "new", refused: "--clear-pending-creates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, out, calls := testApp(t, c.settings, c.export)
			record := instanceFile(a.tools.Path("emulator"), "local")
			if c.recorded != "" {
				require.NoError(t, os.WriteFile(record, []byte(c.recorded+"\n"), 0o644))
			}
			err := a.repair()
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				assert.Contains(t, err.Error(), `eval "$(make -s env STACK=local)"`)
				assert.NotContains(t, calls(), "refresh")
				return
			}
			require.NoError(t, err)
			assert.Contains(t, out.String(), c.said)
			if c.calls == "" {
				assert.NotContains(t, calls(), "refresh")
			} else {
				assert.Contains(t, calls(), c.calls+" --color auto --non-interactive\n")
			}
			assert.Equal(t, c.export == killed && c.recorded == "new", strings.Contains(out.String(), "account swept"), "only where something may exist that the state does not know")
			assert.Equal(t, "new", a.emulator.Instance)
			assert.True(t, a.sameInstance(), "the emulator is recorded")
			assert.Equal(t, c.recorded != "new" && c.export == twoTopics, a.lostResources)
		})
	}
}

func TestRepair_Failed_RepeatedNextTime(t *testing.T) {
	a, out, _ := testApp(t, "", twoTopics)
	a.stack.Name = "lab"
	require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\n[ \"$2\" = export ] && echo '"+twoTopics+"' && exit 0\nexit 7\n"), 0o755))
	err := a.repair()
	var exit process.Exit
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 7, exit.Code, "pulumi's exit code is passed on")
	assert.False(t, a.sameInstance())
	assert.Contains(t, out.String(), "make clean, then make up STACK=lab. It also deletes the state of every other stack in the emulator.\n")
}

func TestLeftovers(t *testing.T) {
	for _, c := range []struct {
		name          string
		found         []leftover
		failed        error
		said, refused string
	}{
		{name: "nothing", said: "No resource of the stack is missing in the state\n"},
		{name: "one stays", found: []leftover{{Kind: "subnet", ID: "s-1"}, {Kind: "VPC", ID: "v-1", Error: "in use"}}, said: "does not contain it: subnet s-1\n", refused: "what it left could not be deleted: VPC v-1: in use\n"},
		{name: "no answer", failed: io.ErrUnexpectedEOF, refused: "what it left could not be deleted: unexpected EOF\n  Fix: to start with an empty emulator: make down, then make up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, out, calls := testApp(t, "", killed)
			require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), "local"), []byte("new\n"), 0o644))
			a.sweep = func(string) ([]leftover, error) { return c.found, c.failed }
			err := a.repair()
			assert.Contains(t, out.String(), c.said)
			if c.refused == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.refused)
			assert.NotContains(t, calls(), "refresh", "what is pending stays known to the next command")
		})
	}
}

func TestSweep_OtherHost_Refused(t *testing.T) {
	python := os.Getenv("EMULATOR_PYTHON")
	if python == "" {
		t.Skip("EMULATOR_PYTHON is not set")
	}
	for _, endpoint := range []string{"", "https://ec2.us-east-2.amazonaws.com", "http://10.0.0.1:1", "http://localhost.example.com", "http://127.0.0.1@example.com"} {
		cmd := exec.Command(python, filepath.Join("..", "emulator", "moto", "sweep.py"), "p/s")
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint)
		cmd.Stdin = strings.NewReader(emptyState)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, endpoint)
		assert.Contains(t, string(out), "no address on this machine: nothing was looked at")
	}
}

func TestRepair_Locks_OnlyStaleRemoved(t *testing.T) {
	hostname, err := os.Hostname()
	require.NoError(t, err)
	t.Run("stale", func(t *testing.T) {
		a, out, calls := testApp(t, "", emptyState)
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: endedProcess(t), Hostname: hostname, Username: "me"})
		require.NoError(t, a.repair())
		assert.Contains(t, calls(), "cancel --yes --stack local")
		assert.Contains(t, out.String(), "a killed command left the stack locked (me@"+hostname)
	})
	t.Run("stale, and a document's newest version not in use", func(t *testing.T) {
		a, out, _ := testApp(t, "", emptyState)
		a.useNewest = func() (bool, error) { return true, nil }
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: endedProcess(t), Hostname: hostname})
		require.NoError(t, a.repair())
		assert.Contains(t, out.String(), "which is now the default version")
	})
	t.Run("stale, and nothing pending", func(t *testing.T) {
		a, out, calls := testApp(t, "", twoTopics)
		require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), "local"), []byte("new\n"), 0o644))
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: endedProcess(t), Hostname: hostname})
		require.NoError(t, a.repair())
		assert.Contains(t, calls(), "refresh --yes", "a refresh that was killed is done again")
		assert.Contains(t, out.String(), "So the state is refreshed")
		assert.NotContains(t, out.String(), "account swept")
	})
	t.Run("stale, no self-repair", func(t *testing.T) {
		a, _, calls := testApp(t, "private-ec2-access:selfRepair: false", emptyState)
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: endedProcess(t), Hostname: hostname})
		require.ErrorContains(t, a.repair(), "pulumi cancel --yes --stack local")
		assert.Empty(t, calls())
	})
	t.Run("held", func(t *testing.T) {
		a, _, calls := testApp(t, "", emptyState)
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: fakePulumiProcess(t), Hostname: hostname})
		require.ErrorContains(t, a.repair(), "another command is running on the stack local")
		assert.Empty(t, calls())
	})
	t.Run("of another machine", func(t *testing.T) {
		a, _, calls := testApp(t, "", emptyState)
		writeLock(t, a.tools.Path("state"), "local", "a", lock{PID: 1, Hostname: hostname + "-other"})
		require.ErrorContains(t, a.repair(), "locked from another machine or container")
		assert.Empty(t, calls())
	})
}

// On a real account nothing is broken open: what is pending is told, with the commands, and the update does not begin.
func TestRepair_RealStack_Refused(t *testing.T) {
	hostname, err := os.Hostname()
	require.NoError(t, err)
	for export, refused := range map[string]string{killed: "creating aws:sns/topic:Topic c", twoDeleted: "deleting aws:sns/topic:Topic c", twoTopics: ""} {
		a, _, calls := testApp(t, "private-ec2-access:selfRepair: false", export)
		a.stack.Emulated, a.stack.Name = false, "dev"
		writeLock(t, a.tools.Path("state"), "dev", "a", lock{PID: endedProcess(t), Hostname: hostname})
		err := a.repair()
		assert.Equal(t, "stack export --stack dev --color auto --non-interactive\n", calls(), "it only looks")
		if refused == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, "an earlier command on the stack dev was killed, or is still running, during: "+refused+".\n"+
			"  The state does not contain the result, so nothing was changed. Fix:\n"+
			"    eval \"$(make -s env STACK=dev)\"\n"+
			"    pulumi refresh --stack dev                             # names the holder of the lock, if there is one; compares, and asks about each creation\n"+
			"    pulumi refresh --stack dev --clear-pending-creates     # the same, and drops all creations\n"+
			"  A creation that is dropped may have succeeded. How to find its resource: docs/team.md, Operations are pending")
	}
}

func TestUp_Confirmation_Asked(t *testing.T) {
	const export, quiet, preview, update = "stack export --stack local --color auto --non-interactive\n", " --event-log EVENTS --color auto --non-interactive\n",
		"preview --stack local", "up --stack local --yes --skip-preview"
	for _, c := range []struct {
		name          string
		confirm, diff bool
		ci            string
		args          []string
		want, refused string
	}{
		{name: "emulated", want: update + quiet},
		{name: "emulated, every property", diff: true, want: "up --stack local --yes --skip-preview --diff --color auto --non-interactive\n"},
		{name: "an output of Pulumi", args: []string{"--json"}, want: "up --stack local --json --yes --skip-preview --color auto --non-interactive\n"},
		{name: "confirm without a terminal", confirm: true, refused: "there is no terminal to ask on. Nothing was changed"},
		{name: "confirm in CI", confirm: true, ci: "true", want: "up --stack local --diff --yes --color auto --non-interactive\n"},
		{name: "confirmed with --yes", confirm: true, args: []string{"--yes"}, want: export + preview + quiet + update + quiet},
		{name: "confirmed without a preview", confirm: true, args: []string{"--yes", "--skip-preview"}, want: update + quiet},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _, calls := testApp(t, "", emptyState)
			t.Setenv("CI", c.ci)
			a.stack.ConfirmChanges, a.diff = c.confirm, c.diff
			if process.IsTerminal(os.Stdin) {
				t.Skip("standard input is a terminal")
			}
			if c.refused != "" {
				require.ErrorContains(t, a.up(c.args), c.refused)
				assert.Empty(t, calls())
				return
			}
			require.NoError(t, a.canConfirm("make up STACK=local", c.args))
			require.NoError(t, a.apply("up", c.args))
			assert.Equal(t, c.want, calls())
			if c.ci == "true" {
				assert.Error(t, a.canConfirm("make destroy STACK=local", c.args))
			}
		})
	}
}

// A flag that Pulumi does not know is refused before anything is asked, written or changed.
func TestArguments_UnknownToPulumi_RefusedFirst(t *testing.T) {
	for _, args := range [][]string{{"preview", "--", "--foo"}, {"up", "--", "--refresh", "--foo"}, {"destroy", "--", "--yes", "--foo"}, {"upgrade", "--instance", "app", "--", "--yes", "--foo"}} {
		m := newMachine(t, alice)
		m.program("pulumi", `case "$*" in version*) echo v3.259.0;; *--foo*--help*) echo 'error: unknown flag: --foo' >&2; exit 1;; "stack export"*) echo '`+twoTopics+`';; esac`)
		t.Setenv("CI", "")
		said, code := m.run("  aws:region: us-east-2\n  private-ec2-access:confirmChanges: false\n  private-ec2-access:instances: {app: {}}\n", nil, args...)
		assert.Equal(t, 2, code, said)
		assert.Contains(t, said, "--foo: unknown flag: --foo. Nothing was done.\n  To list the flags:\n    eval \"$(make -s env STACK=dev)\"\n    pulumi ")
		lines, _ := m.calls("pulumi")
		for _, line := range lines {
			assert.NotRegexp(t, "^(up|destroy|preview) --stack|^refresh|^config set --stack dev --path|--create", line, args)
		}
	}
}

// Names of a fleet's instances can be completed as those of others.
func TestLoad_Fleets_InstancesNamed(t *testing.T) {
	a, _, _ := testApp(t, "private-ec2-access:instances: {app: {}}\n  private-ec2-access:fleets: {web: {count: 3, without: [2], imageId: ami-1}, bad: 4}", emptyState)
	assert.Equal(t, []string{"app", "web-001", "web-003"}, a.stack.Instances)
}

// pulumi config set writes an object as JSON in a text, as the fixes of mistakes do.
func TestLoad_ObjectsAsJSON_Read(t *testing.T) {
	root := project(t, map[string]string{"Pulumi.dev.yaml": `config:
  private-ec2-access:instances: "{\"app\":{}}"
  private-ec2-access:existingInstances: '{"billing": {"instanceId": "i-1"}}'
  private-ec2-access:fleets:
    web: '{"count": 2}'
`})
	s, err := Load(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, []string{"app", "billing", "web-001", "web-002"}, s.Instances)
	assert.True(t, s.BringsIn)
}

func TestPinnedImage(t *testing.T) {
	a, _, _ := testApp(t, "private-ec2-access:instances: {web: {imageId: ami-1}, app: {}}", emptyState)
	image, err := a.pinnedImage("web", 2)
	require.NoError(t, err)
	assert.Equal(t, "ami-1", image)
	image, err = a.pinnedImage("app", 2)
	require.NoError(t, err)
	assert.Empty(t, image)
	a, _, _ = testApp(t, `private-ec2-access:instances: '{"web": {"imageId": "ami-1"}, "app": "{\"volumeSize\": 8}"}'`, emptyState)
	image, err = a.pinnedImage("web", 2)
	require.NoError(t, err)
	assert.Equal(t, "ami-1", image)
	_, err = a.pinnedImage("app", 2)
	require.ErrorContains(t, err, `instances.app in Pulumi.local.yaml is a text, in which pulumi cannot set a key. Nothing was changed.`+"\n  Fix: in the file, remove its quotation marks: app: {\"volumeSize\": 8}")
	a, _, _ = testApp(t, "", emptyState)
	_, err = a.pinnedImage("app", 1)
	require.NoError(t, err)
	_, err = a.pinnedImage("app", 2)
	require.ErrorContains(t, err, "Nothing was changed.\n  Fix: copy private-ec2-access:instances with all of them to Pulumi.local.yaml")
}

func TestReadParameter(t *testing.T) {
	a, _, _ := testApp(t, "", emptyState)
	bin := t.TempDir()
	a.env.set("PATH", bin)
	_, err := a.readParameter(a.imageKey("web"), "/aws/service/x")
	require.ErrorContains(t, err, "there is no `aws` on PATH")
	assert.Contains(t, err.Error(), `pulumi config set --stack local --path 'private-ec2-access:instances["web"].imageId' ami-…`)

	aws := func(body string) {
		require.NoError(t, os.WriteFile(filepath.Join(bin, "aws"), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	}
	aws(`[ "$AWS_ENDPOINT_URL $*" = 'http://127.0.0.1:1 ssm get-parameter --region eu-central-1 --output json --cli-input-json {"Name":"/aws/service/x"}' ] && echo '{"Parameter": {"Value": "ami-1"}}'`)
	image, err := a.readParameter(a.imageKey("web"), "/aws/service/x")
	require.NoError(t, err)
	assert.Equal(t, "ami-1", image)
	aws("echo denied >&2; exit 254")
	_, err = a.readParameter(a.imageKey("web"), "/aws/service/x")
	require.ErrorContains(t, err, "denied")
	aws(`echo '{"Parameter": {"Value": "None"}}'`)
	_, err = a.readParameter(a.imageKey("web"), "/aws/service/x")
	require.ErrorContains(t, err, `not the ID of an image (got "None")`)
}

// TestMain lets the test program play the emulator: it keeps the contract of the emulator command.
func TestMain(m *testing.M) {
	if mode := os.Getenv("PRIVATE_EC2_ACCESS_FAKE_EMULATOR"); mode != "" {
		fakeEmulator(mode)
		return
	}
	if arguments := os.Getenv("PRIVATE_EC2_ACCESS_TEST_ARGUMENTS"); arguments != "" {
		os.Exit(Main(strings.Fields(arguments)))
	}
	os.Exit(m.Run())
}

func fakeEmulator(mode string) {
	arguments := map[string]string{}
	for i := 1; i+1 < len(os.Args); i += 2 {
		arguments[os.Args[i]] = os.Args[i+1]
	}
	if mode == "broken" {
		fmt.Println("moto is ill")
		os.Exit(3)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+arguments["-port"])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	content, _ := json.Marshal(Running{URL: "http://" + listener.Addr().String(), PID: os.Getpid(), Secret: "s", Instance: fmt.Sprint(time.Now().UnixNano())})
	if err := os.WriteFile(filepath.Join(arguments["-dir"], "emulator.json"), content, 0o644); err != nil {
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		connection.Close()
	}
}

func testEmulator(t *testing.T) (*Emulator, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	folder := t.TempDir()
	e := &Emulator{Folder: filepath.Join(folder, "emulator"), Log: filepath.Join(folder, "log", "emulator.log"), patience: 10 * time.Second,
		Say: func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }}
	t.Cleanup(func() { _, _ = e.Stop() })
	return e, &out
}

func TestEmulator_Restarted_KeepsAddress(t *testing.T) {
	t.Setenv("PRIVATE_EC2_ACCESS_FAKE_EMULATOR", "works")
	e, out := testEmulator(t)
	first, err := e.Start(os.Args[0], "python3")
	require.NoError(t, err)
	running, ok := e.Running()
	assert.True(t, ok)
	assert.Equal(t, first, running)

	// A copy of the checkout has the file, too.
	other := &Emulator{Folder: filepath.Join(t.TempDir(), "emulator")}
	require.NoError(t, os.CopyFS(other.Folder, os.DirFS(e.Folder)))
	_, ok = other.Running()
	assert.False(t, ok)

	stopped, err := e.Stop()
	require.NoError(t, err)
	assert.True(t, stopped)
	_, ok = e.Running()
	assert.False(t, ok)
	stopped, err = e.Stop()
	require.NoError(t, err)
	assert.False(t, stopped, "it has ended before")

	second, err := e.Start(os.Args[0], "python3")
	require.NoError(t, err)
	assert.Equal(t, first.URL, second.URL)
	assert.NotEqual(t, first.Instance, second.Instance)
	_, err = e.Stop()
	require.NoError(t, err)

	taken, err := net.Listen("tcp", strings.TrimPrefix(first.URL, "http://"))
	require.NoError(t, err)
	defer taken.Close()
	third, err := e.Start(os.Args[0], "python3")
	require.NoError(t, err)
	assert.NotEqual(t, first.URL, third.URL)
	assert.Contains(t, out.String(), "is taken by another program")
}

func TestEmulator_StartFails_NamesCause(t *testing.T) {
	t.Setenv("PRIVATE_EC2_ACCESS_FAKE_EMULATOR", "broken")
	e, _ := testEmulator(t)
	_, err := e.Start(os.Args[0], "python3")
	require.ErrorContains(t, err, "it ended (exit status 3)")
	assert.Contains(t, err.Error(), "moto is ill")
	assert.Contains(t, err.Error(), e.Log)
}

func TestEmulator_OtherProcess_NotStopped(t *testing.T) {
	e, _ := testEmulator(t)
	require.NoError(t, os.MkdirAll(e.Folder, 0o755))
	sleep := exec.Command("sleep", "60")
	require.NoError(t, sleep.Start())
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	content, _ := json.Marshal(Running{URL: "http://127.0.0.1:1", PID: sleep.Process.Pid, Secret: "s", Instance: "x"})
	require.NoError(t, os.WriteFile(filepath.Join(e.Folder, "emulator.json"), content, 0o644))
	stopped, err := e.Stop()
	require.NoError(t, err)
	assert.False(t, stopped)
	assert.True(t, alive(sleep.Process.Pid))

	// Nor is a process without a secret an emulator: nobody could sign a call of it.
	content, _ = json.Marshal(Running{URL: "http://127.0.0.1:1", PID: os.Getpid(), Instance: "x"})
	require.NoError(t, os.WriteFile(filepath.Join(e.Folder, "emulator.json"), content, 0o600))
	_, err = e.read()
	require.ErrorContains(t, err, "emulator.json is damaged")
}

func TestKept(t *testing.T) {
	var d deployment
	require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[
		{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs-1","retainOnDelete":true},
		{"type":"aws:s3/bucketPolicy:BucketPolicy","custom":true,"id":"logs-1","retainOnDelete":true},
		{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"scratch"},
		{"type":"aws:cloudwatch/logGroup:LogGroup","custom":true,"id":"/sessions","retainOnDelete":true},
		{"type":"aws:kms/key:Key","custom":true,"id":"key-1","retainOnDelete":true},
		{"type":"aws:kms/key:Key","custom":true,"id":"key-2"},
		{"type":"private-ec2-access:index:LogArchive","retainOnDelete":true}
	]}}`), &d))
	require.Equal(t, kept{buckets: []string{"logs-1"}, logGroups: []string{"/sessions"}, keys: []string{"key-1"}, resources: 4}, d.kept())

	// A destroy that was killed had dropped the bucket already; one that deletes the bucket leaves no word of it.
	for retained, want := range map[string][]string{"true": {"logs-1"}, "false": nil} {
		var killed deployment
		require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[
			{"type":"pulumi:pulumi:Stack","outputs":{"logBucket":"logs-1"}},
			{"type":"aws:ec2/vpc:Vpc","custom":true,"id":"vpc-1"},
			{"type":"private-ec2-access:index:LogArchive","retainOnDelete":`+retained+`}
		]}}`), &killed))
		require.Equal(t, kept{buckets: want}, killed.kept())
	}
}

// What was lost with the emulator is not kept, though the outputs still name the log bucket.
func TestDestroy_ResourcesLost_NothingKept(t *testing.T) {
	const state = `{"deployment":{"resources":[{"type":"pulumi:pulumi:Stack","outputs":{"logBucket":"logs-1"}},{"type":"private-ec2-access:index:LogArchive","retainOnDelete":true}]}}`
	for _, lost := range []bool{true, false} {
		a, out, _ := testApp(t, "", state)
		a.lostResources = lost
		require.NoError(t, a.destroyPrepared(nil))
		assert.Equal(t, !lost, strings.Contains(out.String(), "Kept: the log bucket logs-1"))
	}
}

// The commands about what is kept can be pasted: each has its Region, and on the emulator, where plain aws would go to the user's own
// account, the line that gives a shell the stack's environment follows.
func TestKept_Printed_CommandsCanBePasted(t *testing.T) {
	for _, emulated := range []bool{true, false} {
		a, out, _ := testApp(t, "", emptyState)
		a.stack.Emulated = emulated
		a.printKept(kept{buckets: []string{"logs-1"}, logGroups: []string{"/g"}, keys: []string{"k-1"}}, "eu-central-1")
		pasted.RequireRunnable(t, out.String())
		assert.Equal(t, 5, strings.Count(out.String(), "\n    aws ")+map[bool]int{true: 0, false: -1}[emulated], "%s", out)
		assert.Contains(t, out.String(), "\n    aws logs filter-log-events --region eu-central-1 --log-group-name /g ", "version 1 of the AWS CLI has no aws logs tail")
		assert.Contains(t, out.String(), "\n    aws logs delete-log-group --region eu-central-1 --log-group-name /g\n")
		assert.Contains(t, out.String(), `first run: eval "$(make -s env)"`)
		assert.Equal(t, emulated, strings.Contains(out.String(), "make down"))
		assert.Equal(t, !emulated, strings.Contains(out.String(), "S3 console"))

		a.printKept(kept{}, "eu-central-1")
	}
}

// A setting that protects from a destroy counts if the config has it or if the state has it: the stricter of the two.
func TestDestroy_Protected_StopsByConfigAndByState(t *testing.T) {
	const refused, kept, invalid = "is protected from destroy, because private-ec2-access:keepRecords is refuse", "but no update has applied it yet: this destroy would delete the bucket logs-1, the log group /sessions, the KMS key key-1. Nothing was deleted", "not an allowed value (got refused). Nothing was deleted.\n  Allowed: auto, true, false, refuse\n"
	const shared = "endpoints.protect is true: others may use the VPC endpoints vpce-1. Nothing was deleted.\n" +
		"  Fix:\n    eval \"$(make -s env)\"\n    pulumi config set --path 'private-ec2-access:endpoints.protect' false\n    make up STACK=local\n    make destroy STACK=local"
	const plain, retained, protected = "", `,"retainOnDelete":true`, `,"retainOnDelete":true,"protect":true`
	for _, c := range []struct{ setting, logs, endpoint, want string }{
		{"", plain, plain, ""},
		{"keepRecords: auto", plain, plain, ""},
		{`keepRecords: "false"`, retained, plain, ""},
		{"keepRecords: auto", retained, plain, ""},
		{"keepRecords: true", retained, plain, ""},
		{"", protected, plain, "it was deployed with private-ec2-access:keepRecords refuse, and no update has applied auto yet. Nothing was deleted"},
		{"keepRecords: false", protected, plain, "it was deployed with private-ec2-access:keepRecords refuse, and no update has applied false yet. Nothing was deleted"},
		{"keepRecords: refuse", plain, plain, refused},
		{"keepRecords: refuse", retained, plain, refused},
		{"keepRecords: true", plain, plain, kept},
		{`keepRecords: "true"`, plain, plain, kept},
		{"keepRecords: refused", plain, plain, invalid},
		{"", plain, protected, "it was deployed with private-ec2-access:endpoints.protect true, and no update has applied false yet. Others may use the VPC endpoints vpce-1. Nothing was deleted.\n  Fix:\n    make up STACK="},
		{"endpoints: {protect: true}", plain, protected, shared},
		{"endpoints: {protect: true}", plain, plain, shared},
		{`endpoints: {protect: "true"}`, plain, plain, shared},
		{`endpoints: '{"protect": true}'`, plain, plain, shared},
		{"endpoints: {protect: false}", plain, plain, ""},
	} {
		setting := c.setting
		if setting != "" {
			setting = "private-ec2-access:" + setting
		}
		a, out, calls := testApp(t, setting, `{"version":3,"deployment":{"resources":[
			{"type":"aws:s3/bucketV2:BucketV2","custom":true,"id":"logs-1"`+c.logs+`},
			{"type":"aws:cloudwatch/logGroup:LogGroup","custom":true,"id":"/sessions"`+c.logs+`},
			{"type":"aws:kms/key:Key","custom":true,"id":"key-1"`+c.logs+`},
			{"type":"aws:ec2/vpcEndpoint:VpcEndpoint","custom":true,"id":"vpce-1"`+c.endpoint+`}]}}`)
		before, err := a.export()
		require.NoError(t, err)
		if err := a.refuseProtected(before); c.want == "" {
			assert.NoError(t, err, "%+v", c)
			assert.Equal(t, c.logs != retained, a.loses != nil, "%+v", c)
			assert.Equal(t, c.logs == retained && !strings.Contains(c.setting, "true"), strings.Contains(out.String(), "so this destroy keeps the bucket logs-1, the log group /sessions, the KMS key key-1. "), "%+v: %s", c, out)
		} else {
			assert.ErrorContains(t, err, c.want, "%+v", c)
			assert.ErrorContains(t, a.destroyPrepared(nil), c.want, "%+v", c)
			pasted.RequireRunnable(t, err.Error())
		}
		assert.NotContains(t, calls(), "destroy")
	}

	// On a real account the default keeps them.
	a, _, _ := testApp(t, "", `{"version":3,"deployment":{"resources":[{"type":"aws:kms/key:Key","custom":true,"id":"key-1"}]}}`)
	a.stack.Emulated = false
	before, err := a.export()
	require.NoError(t, err)
	require.ErrorContains(t, a.refuseProtected(before), "keepRecords is auto, which keeps the session logs, but no update has applied it yet: this destroy would delete the KMS key key-1.")
	// A stack whose session logs go to a bucket of others is not deleted either.
	a.stack.KeepRecords = "refuse"
	var other deployment
	require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[{"type":"aws:ec2/vpc:Vpc","custom":true,"id":"vpc-1"}]}}`), &other))
	require.ErrorContains(t, a.refuseProtected(&other), "is protected from destroy, because private-ec2-access:keepRecords is refuse. Nothing was deleted.")
	// What is gone already needs no protection.
	require.NoError(t, a.refuseProtected(&deployment{}))
}

func TestBackend_NotLoggedIn_Explained(t *testing.T) {
	a, _, calls := testApp(t, "", emptyState)
	require.NoError(t, a.loggedIn(), "its backend is a folder")
	require.Empty(t, calls())
	a.stack.Emulated = false
	require.NoError(t, a.loggedIn())
	require.Equal(t, "whoami --json --color auto --non-interactive\n", calls())
	a.cli.Path = "/bin/false"
	require.ErrorContains(t, a.loggedIn(), "the backend that keeps this stack's state does not answer")
}

// realApp is a stack dev in an AWS account whose backend is a folder and does not have it yet. The caller sets no passphrase.
func realApp(t *testing.T, files map[string]string) (*app, *bytes.Buffer, func() string) {
	a, out, calls := testApp(t, "", emptyState)
	a.root = project(t, files)
	s, err := Load(a.root, "dev")
	require.NoError(t, err)
	a.stack, a.env = s, &Environment{}
	script := "#!/bin/sh\necho \"$* passphrase:${PULUMI_CONFIG_PASSPHRASE-none}\" >> " + filepath.Join(filepath.Dir(a.cli.Path), "calls") + "\n" +
		"case \"$*\" in whoami*) echo '{\"user\": \"u\", \"url\": \"file:///state\"}';; *--create*) ;; 'stack select'*) echo 'error: no stack named dev found' >&2; exit 6;; esac\n"
	require.NoError(t, os.WriteFile(a.cli.Path, []byte(script), 0o755))
	return a, out, calls
}

// A stack that the backend does not have is no error of Pulumi's: each command says what to do.
func TestStack_NotInTheBackend_SaysHowToGoOn(t *testing.T) {
	const problem = "the backend that you are logged in to has no stack dev yet (pulumi whoami --verbose names the backend)"
	a, out, calls := realApp(t, map[string]string{"Pulumi.dev.yaml": "config: {}\n"})
	script, err := os.ReadFile(a.cli.Path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.cli.Path, []byte(strings.ReplaceAll(string(script), "'stack select'*)", "stack*)")), 0o755))
	for name, err := range map[string]error{
		"select": a.selectStack(false),
		"output": func() error { _, err := a.setting().Outputs(); return err }(),
		"state":  func() error { _, err := a.setting().Deployed(); return err }(),
	} {
		require.ErrorAs(t, err, new(sessions.NotDeployed), name)
		require.EqualError(t, err, problem+".\n  Fix: make up STACK=dev", name)
	}
	require.EqualError(t, a.explainMissing("preview", a.notDeployed()), problem+".\n  Fix: make up STACK=dev creates it there, shows the preview, and asks before it creates anything in AWS")
	require.EqualError(t, a.explainMissing("destroy", a.notDeployed()), problem+". Nothing was deleted")
	require.Equal(t, process.Exit{Code: 2}, a.explainMissing("destroy", process.Exit{Code: 2}))
	assert.Empty(t, out.String(), "Pulumi's own words")
	assert.NotContains(t, calls(), "--create")
}

// What Pulumi writes when it creates a stack is added to the stack's file. It would also write every value as YAML reads it.
func TestSelectStack_Create_KeepsTextOfFile(t *testing.T) {
	const text = "# mine\nconfig:\n  instances: {app: {}}\n  tags: {cost-center: 0123, version: 1.10}"
	const rewritten = "config:\n  private-ec2-access:instances:\n    app: {}\n  private-ec2-access:tags:\n    cost-center: 83\n    version: 1.1\n"
	for added, want := range map[string]string{
		"encryptionsalt: v1:a=:v1:b+/c:d=\n":                      text + "\nencryptionsalt: v1:a=:v1:b+/c:d=\n",
		"secretsprovider: awskms://alias/x\nencryptedkey: AQ==\n": text + "\nsecretsprovider: awskms://alias/x\nencryptedkey: AQ==\n",
		"encryptionsalt: \"# no plain text\"\n":                   rewritten + "encryptionsalt: \"# no plain text\"\n",
	} {
		a, _, _ := realApp(t, map[string]string{"Pulumi.dev.yaml": text})
		a.environ = append(a.environ, "PULUMI_CONFIG_PASSPHRASE=p")
		script, err := os.ReadFile(a.cli.Path)
		require.NoError(t, err)
		script = []byte(strings.Replace(string(script), "*--create*) ", "*--create*) printf '"+rewritten+added+"' > '"+a.stack.File()+"' ", 1))
		require.NoError(t, os.WriteFile(a.cli.Path, script, 0o755))
		require.NoError(t, a.selectStack(true))
		file, err := os.ReadFile(a.stack.File())
		require.NoError(t, err)
		assert.Equal(t, want, string(file))
	}
}

// Pulumi says only that the organization's name must be 'organization'.
func TestLoggedIn_OrganizationInAFolder_Refused(t *testing.T) {
	a, _, _ := realApp(t, map[string]string{"Pulumi.dev.yaml": "config: {}\n"})
	a.stack.Name = "organization/dev"
	require.NoError(t, a.loggedIn())
	a.stack.Name = "acme/dev"
	require.EqualError(t, a.loggedIn(), "the stack acme/dev belongs to an organization in Pulumi Cloud, but you are logged in to file:///state, which has no organizations. Nothing was changed.\n"+
		"  Fix: use STACK=dev; or:\n    eval \"$(make -s env STACK=acme/dev)\"\n    pulumi login")
}

// Outputs of a stack that has none are no success: a script would read an empty value.
func TestOutputs_None_IsAnError(t *testing.T) {
	a, out, _ := realApp(t, map[string]string{"Pulumi.dev.yaml": "config: {}\n"})
	for text, problem := range map[string]string{"{}": "the stack dev has no outputs: it is not deployed, or not to the end.\n  Fix: make up STACK=dev", `{"region":"r"}`: ""} {
		require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o755))
		out.Reset()
		err := a.printOutputs(nil)
		if problem != "" {
			require.EqualError(t, err, problem)
			require.Empty(t, out.String())
			continue
		}
		require.NoError(t, err)
		require.JSONEq(t, text, out.String())
	}
}

// Two commands may find no stack and create it at the same moment. Pulumi then refuses the later one, which takes the stack as it is.
func TestSelectStack_CreatedMeanwhile_IsTaken(t *testing.T) {
	emulated, out, calls := testApp(t, "", emptyState)
	require.NoError(t, os.WriteFile(emulated.cli.Path, []byte("#!/bin/sh\necho \"$*\" >> calls\ncase \"$*\" in *--create*) echo \"error: stack 'organization/p/local' already exists\" >&2; exit 255;; esac\n"), 0o755))
	require.NoError(t, emulated.selectStack(true))
	assert.Equal(t, "stack select local --create --non-interactive\nstack select local --non-interactive\n", strings.ReplaceAll(strings.Split(calls(), "config")[0], " --color auto", ""))
	assert.NotContains(t, out.String(), "already exists")

	stack, out, _ := realApp(t, map[string]string{"Pulumi.dev.yaml": "config:\n  aws:region: us-east-2\n"})
	stack.environ = append(stack.environ, "PULUMI_CONFIG_PASSPHRASE=p")
	require.NoError(t, os.WriteFile(stack.cli.Path, []byte("#!/bin/sh\ncase \"$*\" in *--create*) touch created; echo \"error: stack 'organization/p/dev' already exists\" >&2; exit 255;; esac\n[ -e created ]\n"), 0o755))
	require.NoError(t, stack.selectStack(true))
	assert.NotContains(t, out.String(), "already exists")
}

// A copy of a stack's file is announced before Pulumi says "incorrect passphrase", and the command that is printed removes the
// lines of the other stack. That Pulumi then accepts another passphrase is not proved here.
func TestSelectStack_CopiedFile_NamesTheLine(t *testing.T) {
	const copied = "config:\n  aws:region: us-east-2\nencryptionsalt: v1:x\nencryptedkey: k\nsecretsprovider: passphrase\n"
	a, out, calls := realApp(t, map[string]string{"Pulumi.dev.yaml": copied, "Pulumi.first.yaml": copied, "Pulumi.other.yaml": "encryptionsalt: v1:y\n"})
	a.environ = append(a.environ, "PULUMI_CONFIG_PASSPHRASE=p")
	require.NoError(t, a.selectStack(true))
	assert.Contains(t, out.String(), "Note: the line encryptionsalt in Pulumi.dev.yaml is that of Pulumi.first.yaml, so Pulumi accepts only the passphrase of the stack first\n")
	assert.Equal(t, "stack select dev --color auto --non-interactive passphrase:p\nstack select dev --create --color auto --non-interactive passphrase:p\n", calls())
	runPrinted(t, a.root, out.String(), "sed ")
	file, err := os.ReadFile(a.stack.File())
	require.NoError(t, err)
	assert.Equal(t, "config:\n  aws:region: us-east-2\n", string(file))
	out.Reset()
	require.NoError(t, a.selectStack(true))
	assert.NotContains(t, out.String(), "Note")

	_, err = Load(a.root, "prod")
	require.ErrorContains(t, err, "Fix, for a new stack:\n    grep ")
	require.NoError(t, os.WriteFile(a.stack.File(), []byte(copied), 0o644))
	runPrinted(t, a.root, err.Error(), "grep ")
	file, err = os.ReadFile(filepath.Join(a.root, "Pulumi.prod.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "config:\n  aws:region: us-east-2\n", string(file))
}

// runPrinted runs the line of a message that begins with a text.
func runPrinted(t *testing.T, folder, message, begin string) {
	t.Helper()
	for line := range strings.Lines(message) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, begin) {
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = folder
			said, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s", line, said)
			return
		}
	}
	t.Fatalf("no line begins with %q in %s", begin, message)
}

func TestSelectStack_Passphrase_AskedOnceAndExplained(t *testing.T) {
	const variable = "    export PULUMI_CONFIG_PASSPHRASE=''\n"
	for name, c := range map[string]struct {
		file, typed, says, passphrase, refused string
		exists                                 bool
	}{
		"new, empty":                 {typed: "\n", says: "The program has no secrets, so an empty one is enough: press Enter.", passphrase: ""},
		"new, chosen":                {typed: "p\np\n", says: "an empty one is enough", passphrase: "p"},
		"new, mistyped":              {typed: "p\nq\n", says: "an empty one is enough", refused: "the passphrases differ. Nothing was created"},
		"new, with a salt":           {file: "encryptionsalt: x\n", typed: "p\n", says: "If it was created with an empty one, press Enter.", passphrase: "p"},
		"exists":                     {file: "encryptionsalt: x\n", exists: true, typed: "p\n", says: "If it was created with an empty one, press Enter.", passphrase: "p"},
		"new, with a KMS key":        {file: "secretsprovider: awskms://k\n", passphrase: "none"},
		"new, without a terminal":    {refused: "there is no terminal on which to type it. Nothing was changed.\n  Fix (here for an empty one; or name a file in PULUMI_CONFIG_PASSPHRASE_FILE):\n" + strings.TrimSuffix(variable, "\n")},
		"exists, without a terminal": {file: "encryptionsalt: x\n", exists: true, refused: "there is no terminal on which to type it"},
	} {
		t.Run(name, func(t *testing.T) {
			a, out, calls := realApp(t, map[string]string{"Pulumi.dev.yaml": c.file})
			require.NoError(t, a.loggedIn())
			if c.exists {
				require.NoError(t, os.WriteFile(a.cli.Path, []byte("#!/bin/sh\n"), 0o755))
			}
			a.environ = []string{"PATH=" + os.Getenv("PATH")}
			stdin := os.Stdin
			t.Cleanup(func() { os.Stdin = stdin })
			if c.typed == "" {
				null, err := os.Open(os.DevNull)
				require.NoError(t, err)
				defer null.Close()
				os.Stdin = null
			} else {
				user, terminal, err := pty.Open()
				require.NoError(t, err)
				defer user.Close()
				defer terminal.Close()
				os.Stdin = terminal
				_, err = user.WriteString(c.typed)
				require.NoError(t, err)
			}
			err := a.selectStack(true)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				assert.NotContains(t, calls(), "--create")
				return
			}
			require.NoError(t, err)
			if c.says == "" {
				assert.NotContains(t, out.String(), "passphrase")
			} else {
				assert.Contains(t, out.String(), c.says)
				assert.Contains(t, out.String(), variable)
			}
			if c.exists {
				assert.Equal(t, c.passphrase, a.env.values["PULUMI_CONFIG_PASSPHRASE"])
			} else {
				assert.Contains(t, calls(), "--create --color auto --non-interactive passphrase:"+c.passphrase+"\n")
			}
		})
	}
}

func TestLoad_StackNames_OfOrganizationsAndWithDots(t *testing.T) {
	root := project(t, map[string]string{"Pulumi.dev.yaml": "config: {}\n", "Pulumi.eu.dev.yaml": "config: {}\n", "Pulumi.local.yaml": "config:\n  emulated: true\n  aws:region: us-east-2\n"})
	for name, short := range map[string]string{"acme/dev": "dev", "acme/private-ec2-access/dev": "dev", "acme/eu.dev": "eu.dev", "eu.dev": "eu.dev"} {
		s, err := Load(root, name)
		require.NoError(t, err, name)
		assert.Equal(t, name, s.Name)
		assert.Equal(t, filepath.Join(root, "Pulumi."+short+".yaml"), s.File())
		assert.Equal(t, "private-ec2-access/"+short, s.Owner())
	}
	for name, want := range map[string]string{
		"acme/other/dev": "STACK=acme/other/dev names the project other, and this one is private-ec2-access. Fix: STACK=acme/dev",
		"acme/local":     "the local emulator has no organizations. Fix: STACK=local",
		"acme/nope":      `there is no stack "acme/nope", because there is no file Pulumi.nope.yaml`,
		"/dev":           "is not the name of a stack", "acme//dev": "is not the name of a stack", "a/b/c/d": "is not the name of a stack",
	} {
		_, err := Load(root, name)
		require.ErrorContains(t, err, want, name)
	}
}

func TestEnvironment_SpecialCharactersInPath_ReachTheBackend(t *testing.T) {
	tools := toolchain.New("/a b#1 %41?x/한글", io.Discard)
	s := &Stack{Root: "/p", Project: "private-ec2-access", Name: "local", Region: "eu-central-1", Emulated: true}
	e := EmulatedEnvironment(s, tools, toolchain.CLI{Path: "/bin/pulumi"}, Running{URL: "http://127.0.0.1:1", Secret: "s"}, nil)
	backend, err := url.Parse(e.values["PULUMI_BACKEND_URL"])
	require.NoError(t, err)
	assert.Equal(t, "/a b#1 %41?x/한글/.local/state", backend.Path)
	realStack := &Stack{Name: "dev", Root: "/p", Project: "private-ec2-access"}
	require.ErrorContains(t, RefuseLeak(realStack, tools, []string{"PULUMI_BACKEND_URL=" + e.values["PULUMI_BACKEND_URL"]}), "belongs to the local emulator")
}
