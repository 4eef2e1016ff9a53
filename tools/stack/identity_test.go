package stack

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/pasted"
	"private-ec2-access/tools/process"
)

// machine is a PATH with an installed pulumi and an AWS CLI, which write down how they were called and answer as a script says.
type machine struct {
	t      *testing.T
	folder string
}

func newMachine(t *testing.T, aws string) machine {
	t.Helper()
	m := machine{t, t.TempDir()}
	m.program("pulumi", `case "$1 $2" in version*) echo v3.259.0;; "stack export") echo '`+emptyState+`';; "stack output") echo '{"region":"us-east-2","sessionDocument":"d","accountId":"111122223333","instanceIds":{"app":"i-1"}}';; esac`)
	m.program("pulumi-language-go", "")
	if aws != "" {
		m.program("aws", aws)
	}
	return m
}

func (m machine) program(name, script string) {
	m.t.Helper()
	// One write for each call, because some calls are made at the same time.
	text := "#!/bin/sh\ncall=$(printf '%s\\n' \"$*\"; env | grep -E '^(AWS|HTTP|PULUMI_ACCESS)' | sort)\nprintf '%s\\n\\n' \"$call\" >> " + filepath.Join(m.folder, name+".calls") + "\n" + script + "\n"
	require.NoError(m.t, os.WriteFile(filepath.Join(m.folder, name), []byte(text), 0o755))
}

// calls are the command lines of a program, and with each the variables that it got.
func (m machine) calls(name string) (lines []string, variables [][]string) {
	text, _ := os.ReadFile(filepath.Join(m.folder, name+".calls")) // none where it was not called
	for _, call := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		line, rest, _ := strings.Cut(call, "\n")
		if line != "" && line != "version" {
			lines, variables = append(lines, line), append(variables, strings.Fields(rest))
		}
	}
	return lines, variables
}

// run runs the command on the stack dev, with lines of its file.
func (m machine) run(config string, caller []string, args ...string) (said string, code int) {
	m.t.Helper()
	m.t.Chdir(project(m.t, map[string]string{"Pulumi.dev.yaml": "config:\n" + config}))
	path := m.folder + ":/usr/bin:/bin"
	m.t.Setenv("PATH", path)
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &out, environ: append([]string{"PATH=" + path, "HOME=" + m.folder}, caller...)}
	a.sweep, a.useNewest = a.sweepAccount, a.useNewestInAccount
	root := a.command()
	root.SetArgs(append([]string{"--stack", "dev"}, args...))
	root.SetOut(&out)
	root.SetErr(&out)
	code = process.Code(&out, root.Execute())
	pasted.RequireRunnable(m.t, out.String())
	return out.String(), code
}

const (
	alice   = `echo '{"Account": "111122223333", "Arn": "arn:aws:sts::111122223333:assumed-role/admin/alice"}'`
	mallory = `echo '{"Account": "999988887777", "Arn": "arn:aws:iam::999988887777:user/mallory"}'`
	both    = `case "$*" in *assume-role*) echo '{"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t"}, "AssumedRoleUser": {"Arn": "arn:aws:sts::444455556666:assumed-role/deploy/alice"}}';; *) ` + alice + `;; esac`
)

// every is the command line of each command that reads or changes something in AWS.
var every = [][]string{{"up", "--", "--yes"}, {"preview"}, {"destroy", "--", "--yes"}, {"upgrade", "--instance", "app", "--", "--yes"}, {"wait"}, {"connect"}, {"history"}, {"record"}, {"end", "--instance", "app"}, {"verify"}, {"audit"}, {"status"}}

// The AWS CLI gets what the provider's settings say. That Pulumi follows them too is not proved here.
func TestSignIn_ProviderSettings_ReachTheAWSCLI(t *testing.T) {
	caller := []string{"AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x", "AWS_REGION=eu-west-1"}
	for name, c := range map[string]struct {
		config string
		caller []string
		want   []string
	}{
		"the shell's keys":    {"  aws:region: us-east-2\n", caller, []string{"AWS_ACCESS_KEY_ID=AKIAX", "AWS_DEFAULT_REGION=us-east-2", "AWS_REGION=us-east-2", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x"}},
		"the shell's Region":  {"  a: b\n", caller, append(slices.Clone(caller[:1]), "AWS_REGION=eu-west-1", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x")},
		"a profile":           {"  aws:profile: prod\n", append(slices.Clone(caller), "AWS_WEB_IDENTITY_TOKEN_FILE=/t", "AWS_DEFAULT_PROFILE=x"), []string{"AWS_PROFILE=prod", "AWS_REGION=eu-west-1"}},
		"two profiles":        {"  a: b\n", []string{"AWS_PROFILE=a", "AWS_DEFAULT_PROFILE=b"}, []string{"AWS_PROFILE=a"}},
		"the SDK's own names": {"  a: b\n", []string{"AWS_ACCESS_KEY=AKIAX", "AWS_SECRET_KEY=x", "AWS_SECURITY_TOKEN=x"}, []string{"AWS_ACCESS_KEY=AKIAX", "AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=x", "AWS_SECRET_KEY=x"}},
		"keys in the file":    {"  aws:accessKey: AKIAY\n  aws:secretKey: y\n", append(slices.Clone(caller), "AWS_PROFILE=x"), []string{"AWS_ACCESS_KEY_ID=AKIAY", "AWS_REGION=eu-west-1", "AWS_SECRET_ACCESS_KEY=y"}},
		"files and endpoints": {"  aws:sharedConfigFiles: [/c]\n  aws:sharedCredentialsFiles: '[\"/s\"]'\n  aws:useFipsEndpoint: true\n  aws:customCaBundle: /ca\n  aws:skipMetadataApiCheck: true\n", nil,
			[]string{"AWS_CA_BUNDLE=/ca", "AWS_CONFIG_FILE=/c", "AWS_EC2_METADATA_DISABLED=true", "AWS_SHARED_CREDENTIALS_FILE=/s", "AWS_USE_FIPS_ENDPOINT=true"}},
		"a token of a pipeline": {"  aws:assumeRoleWithWebIdentity: {roleArn: 'arn:aws:iam::1:role/r', webIdentityTokenFile: /t}\n", caller,
			[]string{"AWS_REGION=eu-west-1", "AWS_ROLE_ARN=arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE=/t"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, alice)
			said, _ := m.run(c.config, c.caller, "history", "--format", "json")
			lines, variables := m.calls("aws")
			require.NotEmpty(t, lines, said)
			require.Contains(t, lines[0], "sts get-caller-identity")
			got := slices.DeleteFunc(variables[0], func(entry string) bool {
				return entry == "AWS_PAGER=" || entry == "AWS_MAX_ATTEMPTS=1" || entry == "AWS_STS_REGIONAL_ENDPOINTS=regional"
			})
			assert.Equal(t, c.want, got, said)
			// What follows is the same identity.
			require.Greater(t, len(lines), 1, said)
			assert.Subset(t, variables[1], c.want)
		})
	}
}

func TestSignIn_AssumeRole_CommandsUseTheRole(t *testing.T) {
	role := "  aws:region: us-east-2\n  aws:profile: base\n  aws:assumeRole:\n    roleArn: arn:aws:iam::444455556666:role/deploy\n    externalId: e\n    duration: 1h\n    tags: {team: web}\n"
	m := newMachine(t, both)
	m.program("pulumi", `case "$1" in version) echo v3.259.0;; stack) echo '{"region":"us-east-2","sessionDocument":"d","accountId":"444455556666","instanceIds":{"app":"i-1"}}';; esac`)
	said, _ := m.run(role, []string{"AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=x"}, "history", "--format", "json")
	lines, variables := m.calls("aws")
	require.Greater(t, len(lines), 2, said)
	assert.Contains(t, variables[1], "AWS_PROFILE=base")
	for _, part := range []string{"sts assume-role --region us-east-2", `"RoleArn":"arn:aws:iam::444455556666:role/deploy"`, `"RoleSessionName":"alice"`, `"ExternalId":"e"`, `"DurationSeconds":3600`, `{"Key":"team","Value":"web"}`} {
		assert.Contains(t, lines[1], part)
	}
	assert.Subset(t, variables[2], []string{"AWS_ACCESS_KEY_ID=ASIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t"})
	assert.NotContains(t, variables[2], "AWS_PROFILE=base")

	denied := newMachine(t, `case "$*" in *assume-role*) echo 'An error occurred (AccessDenied) when calling the AssumeRole operation: no' >&2; exit 254;; *) `+alice+`;; esac`)
	said, code := denied.run(role, nil, "history")
	assert.Equal(t, 1, code)
	assert.Contains(t, said, "AWS does not let arn:aws:sts::111122223333:assumed-role/admin/alice assume the role arn:aws:iam::444455556666:role/deploy")
}

// Neither the engine nor another call to AWS is started where the identity is not the engine's, or not allowed.
func TestSignIn_WrongIdentity_EveryCommandRefuses(t *testing.T) {
	for name, c := range map[string]struct{ config, aws, want string }{
		"another account":   {"  aws:allowedAccountIds: ['111122223333']\n", mallory, "the stack dev may only be in the account 111122223333 (aws:allowedAccountIds in Pulumi.dev.yaml), and you are signed in to 999988887777, as arn:aws:iam::999988887777:user/mallory"},
		"as pulumi sets it": {"  aws:profile: prod\n  aws:allowedAccountIds: '[\"111122223333\"]'\n", mallory, "as arn:aws:iam::999988887777:user/mallory (aws:profile in Pulumi.dev.yaml). Nothing was done.\n  Fix: sign in to the account 111122223333"},
		"forbidden":         {"  aws:forbiddenAccountIds: [999988887777]\n", mallory, "must not be in the account 999988887777"},
		"a secret":          {"  aws:secretKey: {secure: v1:x}\n", alice, "aws:secretKey in Pulumi.dev.yaml: only Pulumi can read this value"},
		"a secret role":     {"  aws:assumeRole: {secure: v1:x}\n", alice, "aws:assumeRole in Pulumi.dev.yaml: only Pulumi can read this value"},
		"a token's text":    {"  aws:assumeRoleWithWebIdentity: {roleArn: r, webIdentityToken: t}\n", alice, "aws:assumeRoleWithWebIdentity in Pulumi.dev.yaml"},
		"two files":         {"  aws:sharedConfigFiles: [/a, /b]\n", alice, "aws:sharedConfigFiles in Pulumi.dev.yaml"},
		"no credentials":    {"  aws:region: us-east-2\n", "echo 'Unable to locate credentials. You can configure credentials by running \"aws configure\".' >&2; exit 253", "the stack dev: the AWS CLI has no credentials here."},
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range every {
				m := newMachine(t, c.aws)
				said, code := m.run(c.config, nil, args...)
				assert.NotZero(t, code, args)
				assert.Contains(t, said, c.want, args)
				assert.Less(t, strings.Count(said, "\n"), 6, "it is short: %s", said)
				lines, _ := m.calls("pulumi")
				assert.Empty(t, lines, args)
				if lines, _ := m.calls("aws"); len(lines) > 0 {
					assert.Len(t, lines, 1, args)
					assert.Contains(t, lines[0], "sts get-caller-identity", args)
				}
			}
		})
	}
}

// The account that the stack was deployed to counts, also without allowedAccountIds.
func TestSignIn_AccountOfAnotherStack_SessionCommandsRefuse(t *testing.T) {
	for _, args := range every[4:] {
		m := newMachine(t, mallory)
		said, code := m.run("  aws:region: us-east-2\n", nil, args...)
		assert.Equal(t, 1, code, args)
		assert.Contains(t, said, "the stack dev is in the account 111122223333, and you are signed in to 999988887777, as arn:aws:iam::999988887777:user/mallory. Nothing was done.", args)
		lines, _ := m.calls("aws")
		assert.Len(t, lines, 1, args)
	}
}

func TestUp_RealAccount_SaysWhereAndWhoBeforePulumiAsks(t *testing.T) {
	m := newMachine(t, alice)
	said, code := m.run("  aws:region: us-east-2\n  aws:profile: prod\n", nil, "up", "--", "--yes")
	assert.Zero(t, code, said)
	assert.Contains(t, said, "The stack dev: account 111122223333, Region us-east-2, as arn:aws:sts::111122223333:assumed-role/admin/alice (aws:profile in Pulumi.dev.yaml).\n")
	lines, variables := m.calls("pulumi")
	assert.Contains(t, strings.Join(lines, "\n"), "\nup --stack dev --yes")
	// The identity is for the AWS CLI. The backend may need the shell's own.
	assert.NotContains(t, variables[len(variables)-1], "AWS_PROFILE=prod")

	said, _ = newMachine(t, "").run("  aws:region: us-east-2\n", nil, "up", "--", "--yes")
	assert.Contains(t, said, "Note: the AWS CLI is not installed")
}

// opened is what `pulumi config --open --show-secrets` prints of a stack with environments of Pulumi ESC, as its source formats it.
const opened = "KEY             VALUE\naws:assumeRole  {\"roleArn\":\"arn:aws:iam::444455556666:role/deploy\"}\naws:region      eu-west-1\ntags            {\"a\":\"b\"}\n\n" +
	"ENVIRONMENT VARIABLE   VALUE\nAWS_ACCESS_KEY_ID      ASIAESC\nAWS_SECRET_ACCESS_KEY  e/s+c=\nAWS_SESSION_TOKEN      t==\nOTHER                  x\n"

// The AWS CLI gets the credentials of environments of Pulumi ESC, which win over the shell's as they do in the engine, or the command
// refuses. The answer of a real Pulumi Cloud is not proved here.
func TestSignIn_PulumiESC_CommandsUseItsCredentials(t *testing.T) {
	const file = "  aws:region: us-east-2\nenvironment: [prod]\n"
	shell := []string{"AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=us-west-2"}
	// What follows the sign-in fails, so that no command waits.
	aws := `case "$*" in "sts "*) ` + both + `;; *) echo 'Unable to locate credentials' >&2; exit 253;; esac`
	for _, args := range every {
		m := newMachine(t, aws)
		m.program("pulumi", `case "$1 $2" in version*) echo v3.259.0;; "config --open") printf '`+opened+`';; "stack export") echo '`+emptyState+`';; `+
			`"stack output") echo '{"region":"eu-west-1","sessionDocument":"d","accountId":"444455556666","instanceIds":{"app":"i-1"}}';; esac`)
		said, _ := m.run(file, shell, args...)
		lines, variables := m.calls("aws")
		require.Greater(t, len(lines), 1, said)
		assert.Subset(t, variables[0], []string{"AWS_ACCESS_KEY_ID=ASIAESC", "AWS_SECRET_ACCESS_KEY=e/s+c=", "AWS_SESSION_TOKEN=t==", "AWS_REGION=eu-west-1"}, args)
		assert.NotContains(t, variables[0], "AWS_REGION=us-west-2", args)
		assert.Contains(t, lines[1], "sts assume-role --region eu-west-1", args)
		assert.Contains(t, lines[1], "arn:aws:iam::444455556666:role/deploy", args)
		for i, line := range lines[2:] {
			assert.Contains(t, variables[i+2], "AWS_ACCESS_KEY_ID=ASIA", line)
		}
	}

	for says, want := range map[string]string{
		"backend s3://b does not support environments": "the stack dev: the environments that Pulumi.dev.yaml imports from Pulumi ESC could not be opened, and the credentials may be in them: backend s3://b does not",
		"no stack named 'dev' found":                   "found\n  Fix: pulumi stack init dev\n  Nothing was done",
	} {
		for _, args := range every {
			m := newMachine(t, both)
			m.program("pulumi", `case "$1" in version*) echo v3.259.0;; config) echo "error: `+says+`" >&2; exit 255;; esac`)
			said, code := m.run(file, shell, args...)
			assert.Equal(t, 1, code, args)
			assert.Contains(t, said, want, args)
			lines, _ := m.calls("aws")
			assert.Empty(t, lines, args)
		}
	}
}

func TestBackend_NoLoginOrNoAnswer_SaidInOneText(t *testing.T) {
	for says, want := range map[string]string{
		"error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions":                                   "error: you are not logged in to a backend",
		"Logging in using access token\nerror: performing HTTP request: proxyconnect tcp: dial tcp: connect: connection refused": "does not answer. Nothing was changed.\n  Pulumi: performing HTTP request: proxyconnect",
		`error: unable to open state directory \"file:///home/me/state\": stat /home/me/state: no such file or directory`:        "the folder that keeps this stack's state cannot be read. Nothing was changed.\n  Pulumi: unable to open state directory",
	} {
		for _, args := range append([][]string{{"outputs"}}, every...) {
			m := newMachine(t, alice)
			m.program("pulumi", `[ "$1" = version ] && echo v3.259.0 && exit; printf "%s\n" "`+says+`" >&2; exit 255`)
			said, code := m.run("  aws:region: us-east-2\n", nil, args...)
			assert.Equal(t, 1, code, args)
			assert.Contains(t, said, want, args)
			assert.Less(t, strings.Count(said, "\n"), 8, said)
			lines, _ := m.calls("pulumi")
			assert.Len(t, lines, 1, args)
		}
	}
}

func TestSignIn_EveryCommandOnAWS_IsTested(t *testing.T) {
	for _, c := range (&app{}).command().Commands() {
		// outputs reads only the state, and env prints what a user needs in order to sign in.
		if c.GroupID == machineGroup || c.Name() == "outputs" || c.Name() == "env" || c.GroupID == "" {
			continue
		}
		assert.True(t, slices.ContainsFunc(every, func(args []string) bool { return args[0] == c.Name() }), "add %q to `every`", c.Name())
	}
}
