package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The session commands of make, with the real AWS CLI and the real session-manager-plugin, on an account that is deployed
// once and copied for each case.
//
// It does not prove how AWS behaves: the emulator simulates Session Manager and the agent as they were observed.
func TestSessionCommands_RealClients_WorkTogether(t *testing.T) {
	t.Parallel()
	base := deploy(t)
	for name, test := range map[string]func(*desk){
		"a new user's first session":          tour,
		"instance online late":                onlineLate,
		"instance never online":               neverOnline,
		"each call refused":                   eachCallRefused,
		"plugin and CLI missing":              programsMissing,
		"two instances":                       twoInstances,
		"connection cut":                      connectionCut,
		"session ended by another user":       endedFromElsewhere,
		"session log late":                    recordLate,
		"session log forged on the instance":  recordForged,
		"verify recording":                    verified,
		"upload refused on the instance":      recordRefused,
		"session refused":                     groupMissing,
		"session log in CloudWatch":           streamed,
		"history of 5,000 sessions":           longHistory,
		"session logs older than the history": archived,
		"Ctrl-C goes to the session":          interrupted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(base.fork(t))
		})
	}
	t.Run("network", func(t *testing.T) {
		t.Parallel()
		judgeNetwork(base, t, slices.DeleteFunc(networkMutations(), func(m networkMutation) bool { return m.name != "internet gateway" }))
	})
	t.Run("hostile environment", func(t *testing.T) {
		t.Parallel()
		hostileEnvironment(base.fork(t), base.fork(t))
	})
}

// The commands that the README lists after `make up`.
func tour(d *desk) {
	t := d.t
	out, _, code := d.do("wait")
	require.Zero(t, code)
	require.Regexp(t, `^app \(i-\w+\): online, agent `, out)

	p := d.terminal(120, nil, "make", "connect")
	id := p.opens()
	p.types("echo what-was-$((40+2))\r")
	p.sees(`what-was-42\n`)
	p.types("exit\r")
	require.Zero(t, p.ends(), p.text())
	require.Contains(t, p.text(), "The session "+id+" has ended. Its session log will be in s3://session-records/sessions/"+id+".log")
	require.Contains(t, p.text(), "make record SESSION="+id)

	out, problems, code := d.do("history")
	require.Zero(t, code, problems)
	require.Regexp(t, `(?m)^`+id+` +\S+ +app +\S+ \S+ +\d+s +terminated +s3://session-records/sessions/`+id+`\.log$`, out)
	out, problems, code = d.do("record", "--session", id)
	require.Zero(t, code, problems)
	require.Contains(t, strings.ReplaceAll(out, "\r", ""), "\nwhat-was-42\n")

	// On a terminal both go through the pager.
	pager := filepath.Join(t.TempDir(), "pager")
	require.NoError(t, os.WriteFile(pager, []byte("#!/bin/sh\nsed 's/^/paged: /'\n"), 0o755))
	p = d.terminal(120, []string{"PAGER=" + pager}, "make", "record", "SESSION="+id)
	p.sees(`paged: .*what-was-42`)
	require.Zero(t, p.ends())
	p = d.terminal(60, []string{"PAGER=" + pager, "NO_COLOR=1"}, "make", "history")
	p.sees(`paged: ` + id)
	require.Zero(t, p.ends())
	for _, line := range strings.Split(p.text(), "\n") {
		if strings.HasPrefix(line, "paged: ") {
			require.LessOrEqual(t, len(strings.TrimPrefix(line, "paged: ")), 60)
		}
	}
	require.NotContains(t, p.raw(), "\x1b[1m")
}

func onlineLate(d *desk) {
	d.agent(object{"status": "never"})
	p := d.terminal(100, nil, "make", "wait", "TIMEOUT=60s")
	p.sees(`waiting for app \(i-\w+\): not registered yet`)
	d.agent(object{"status": "late", "after": "2s"})
	require.Zero(d.t, p.ends(), p.text())
	require.Contains(d.t, p.text(), "online, agent")
	require.Contains(d.t, p.raw(), "\r\x1b[K", "the line is renewed on a terminal")
}

// Root on an instance has the instance role, and writes a session log of its own making: before the agent uploads the real
// one, and over that of an ended session. The bucket keeps versions.
//
// It does not prove what root can do to the agent itself: it can keep the agent from uploading anything, and write one
// version after the end of the session, which looks like the agent's.
func recordForged(d *desk) {
	t := d.t
	d.aws("s3api", "put-bucket-versioning", "--bucket", "session-records", "--versioning-configuration", "Status=Enabled")
	forge := func(id, text string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		d.as(d.outputs().text("roleName"), "s3api", "put-object", "--bucket", "session-records", "--key", "sessions/"+id+".log", "--body", file)
	}
	session := func(during func(id string)) string {
		t.Helper()
		p := d.terminal(100, nil, "make", "connect")
		id := p.opens()
		p.types("echo really-$((40+2))\r")
		p.sees(`really-42\n`)
		during(id)
		p.types("exit\r")
		require.Zero(t, p.ends(), p.text())
		return id
	}
	// doubted requires the exit code of a session log in doubt, every version, the oldest first, and the reasons.
	doubted := func(id string, texts, reasons []string) {
		t.Helper()
		out, problems, code := d.do("record", "--session", id)
		require.Equal(t, 5, code, problems)
		from := 0
		for _, text := range texts {
			at := strings.Index(out[from:], text)
			require.GreaterOrEqual(t, at, 0, "no %q after the others:\n%s", text, out)
			from += at
		}
		for _, reason := range reasons {
			require.Contains(t, problems, reason)
		}
	}
	honest := session(func(string) {})
	out, problems, code := d.do("record", "--session", honest)
	require.Zero(t, code, problems)
	require.Contains(t, out, "really-42")

	early := session(func(id string) {
		forge(id, "nothing happened\n")
		doubted(id, []string{"nothing happened"}, []string{"and the session has not ended"})
	})
	doubted(early, []string{"nothing happened", "really-42"}, []string{"There are 2 versions"})

	forge(honest, "nothing happened either\n")
	doubted(honest, []string{"really-42", "nothing happened either"}, []string{"There are 2 versions"})
	d.aws("s3api", "delete-object", "--bucket", "session-records", "--key", "sessions/"+early+".log")
	doubted(early, []string{"nothing happened", "really-42", "delete marker"}, []string{"There are 3 versions", "was deleted at"})
}

// Five causes are set up in the account. The simulated agent is offline, which is their effect on AWS.
func neverOnline(d *desk) {
	o := d.outputs()
	d.agent(object{"status": "never"})
	instance := d.instance()
	const eval = `eval "$(make -s env)"`
	var printed []string
	cause := func(first, fix string) {
		d.t.Helper()
		out, problems, code := d.do("wait", "--timeout", "1s")
		require.Equal(d.t, 1, code, problems)
		require.Empty(d.t, out)
		_, after, found := strings.Cut(problems, "First to fix: ")
		require.True(d.t, found, problems)
		lines := strings.SplitN(after, "\n", 3)
		require.Contains(d.t, lines[0], first, problems)
		require.Contains(d.t, lines[1], fix, problems)
		if !strings.HasPrefix(fix, "make") {
			printed = append(printed, strings.TrimSpace(lines[1]))
			require.Contains(d.t, lines[2], eval, "plain aws would go to the user's own account")
		}
	}
	d.aws("ec2", "modify-vpc-attribute", "--vpc-id", o.text("vpcId"), "--no-enable-dns-hostnames")
	cause("the VPC resolves names: the attribute enableDnsHostnames is off", "aws ec2 modify-vpc-attribute --region us-east-2 --vpc-id "+o.text("vpcId")+" --enable-dns-hostnames")

	rules := d.aws("ec2", "describe-security-groups", "--group-ids", o.text("securityGroupId"))
	permissions, err := json.Marshal(rules.at("SecurityGroups[0].IpPermissions"))
	require.NoError(d.t, err)
	d.aws("ec2", "revoke-security-group-ingress", "--group-id", o.text("securityGroupId"), "--ip-permissions", string(permissions))
	cause("endpoint ssm: the group "+o.text("securityGroupId"), "aws ec2 authorize-security-group-ingress")

	d.aws("ec2", "delete-vpc-endpoints", "--vpc-endpoint-ids", o.text("endpointIds.ssm"))
	cause("endpoint ssm: there is none in "+o.text("vpcId"), "make up STACK=local ARGS=--refresh")

	policies := d.aws("iam", "list-attached-role-policies", "--role-name", o.text("roleName"))
	for _, p := range policies.list("AttachedPolicies") {
		if strings.HasSuffix(p.text("PolicyName"), "AmazonSSMManagedInstanceCore") {
			d.aws("iam", "detach-role-policy", "--role-name", o.text("roleName"), "--policy-arn", p.text("PolicyArn"))
		}
	}
	cause("the role allows the agent's calls: the policies of "+o.text("roleName")+" do not allow ssm:UpdateInstanceInformation", "aws iam attach-role-policy --role-name "+o.text("roleName"))

	profile := d.aws("ec2", "describe-iam-instance-profile-associations", "--filters", "Name=instance-id,Values="+instance)
	d.aws("ec2", "disassociate-iam-instance-profile", "--association-id", profile.text("IamInstanceProfileAssociations[0].AssociationId"))
	cause("it has an instance profile: no instance profile", "aws ec2 associate-iam-instance-profile --region us-east-2 --instance-id "+instance+" --iam-instance-profile Name="+o.text("instanceProfileName"))

	// The printed aws lines, in a new shell of a user who has nothing set, remove their causes. The endpoint needs make up.
	out, err := d.newShell(eval + "\n" + strings.Join(printed, "\n"))
	require.NoError(d.t, err, out)
	_, problems, _ := d.do("wait", "--timeout", "1s")
	require.Contains(d.t, problems, "First to fix: endpoint ssm: there is none in "+o.text("vpcId"))
	for _, fixed := range []string{"enableDnsHostnames is off", "lets no HTTPS", "no instance profile", "do not allow"} {
		require.NotContains(d.t, problems, fixed)
	}
}

// newShell runs lines in a shell that has no environment but a path and a home folder, and ends at the first that fails.
func (d *desk) newShell(lines string) (string, error) {
	cmd := d.command("bash", "-ec", lines)
	cmd.Env = nil
	for _, entry := range d.env {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains([]string{"PATH", "HOME", "GOMODCACHE", "GOCACHE", "GOPROXY", "PRIVATE_EC2_ACCESS_RELEASES"}, name) {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func eachCallRefused(d *desk) {
	p := d.terminal(120, nil, ".local/bin/stack", "connect")
	id := p.opens()
	p.types("exit\r")
	require.Zero(d.t, p.ends())
	for _, test := range []struct {
		service, action string
		command         []string
	}{
		{"ssm", "DescribeInstanceInformation", []string{"wait"}},
		{"ssm", "StartSession", []string{"connect"}},
		{"ssm", "StartSession", []string{"verify"}},
		{"ssm", "GetDocument", []string{"verify"}},
		{"ssm", "DescribeSessions", []string{"history"}},
		{"ssm", "DescribeSessions", []string{"end", "--session", id}},
		{"ssm", "TerminateSession", []string{"end", "--instance", "app", "--yes", "--all"}},
		{"s3", "GetObject", []string{"record", "--session", id}},
	} {
		if test.action == "TerminateSession" {
			d.ask(d.t, http.MethodPost, "sessions", []object{{"SessionId": "eve-0123456789abcdef0", "Target": d.instance(), "Status": "Connected", "Region": "us-east-2",
				"StartDate": time.Now().UTC().Format(time.RFC3339), "DocumentName": "SSM-SessionManagerRunShell", "Owner": "arn:aws:iam::123456789012:user/eve"}}, nil)
		}
		d.refuse(test.service, test.action)
		_, problems, code := d.do(test.command...)
		require.NotZero(d.t, code, test.action)
		require.Contains(d.t, problems, "AWS refused "+test.service+":"+test.action+" for arn:aws:", "%v", test.command)
		require.Contains(d.t, problems, "allow that identity "+test.service+":"+test.action)
		d.ask(d.t, http.MethodDelete, "rules", nil, nil)
	}
}

// A local stack comes with both programs, so this case has a stack for a real account, with outputs but nothing deployed:
// neither command gets further than the missing program.
func programsMissing(d *desk) {
	t := d.t
	file := filepath.Join(d.dir, "Pulumi.real.yaml")
	require.NoError(t, os.WriteFile(file, []byte("config:\n  aws:region: us-east-2\n"), 0o600))
	bin := t.TempDir()
	for _, program := range []string{"make", "go", "git", "sh", "env", "pulumi", "pulumi-language-go"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(bin, program)))
	}
	state := t.TempDir()
	export := filepath.Join(state, "export.json")
	run := func(path, name string, args ...string) (string, error) {
		cmd := d.command(name, args...)
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "PATH="+path, "PULUMI_BACKEND_URL=file://"+state, "PULUMI_CONFIG_PASSPHRASE=", "PULUMI_HOME="+filepath.Join(state, "home"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	usual := os.Getenv("PATH")
	out, err := run(usual, "pulumi", "stack", "init", "real", "--non-interactive")
	require.NoError(t, err, out)
	outputs, err := json.Marshal(d.outputs())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(export, []byte(`{"version": 3, "deployment": {"manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}, "resources": [
		{"urn": "urn:pulumi:real::private-ec2-access::pulumi:pulumi:Stack::private-ec2-access-real", "custom": false, "type": "pulumi:pulumi:Stack", "outputs": `+string(outputs)+`}]}}`), 0o600))
	out, err = run(usual, "pulumi", "stack", "import", "--stack", "real", "--file", export, "--force", "--non-interactive")
	require.NoError(t, err, out)

	out, err = run(bin, "make", "wait", "STACK=real")
	require.Error(t, err)
	require.Contains(t, out, "error: there is no `aws` on PATH.")
	require.Contains(t, out, "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html")

	// It knows nothing but whose account this is, which is asked before anything else.
	require.NoError(t, os.WriteFile(filepath.Join(bin, "aws"), []byte(`#!/bin/sh
echo '{"Account": "`+d.outputs().text("accountId")+`", "Arn": "arn:aws:iam::`+d.outputs().text("accountId")+`:user/ana", "UserId": "AIDA"}'
`), 0o755))
	out, err = run(bin, "make", "connect", "STACK=real")
	require.Error(t, err)
	require.Contains(t, out, "error: there is no `session-manager-plugin` on PATH. The AWS CLI needs the Session Manager plugin to open a session.")
	require.Contains(t, out, "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html")
	require.Contains(t, out, "Without installing anything: make plugin builds one from its source")
}

func twoInstances(d *desk) {
	out, err := d.shell("pulumi config set --path 'private-ec2-access:instances.web.volumeSize' 9 --stack local")
	require.NoError(d.t, err, out)
	d.must("make", "up")
	_, problems, code := d.do("connect")
	require.Equal(d.t, 2, code)
	require.Contains(d.t, problems, "has 2 instances and there is no terminal to ask on")
	require.Regexp(d.t, `app \(i-\w+\), web \(i-\w+\)`, problems)
	// Without a terminal, the input is typed, and its end ends the session.
	piped := d.command(".local/bin/stack", "connect", "--instance", "app")
	piped.Stdin = strings.NewReader("echo $((6*7))")
	text, err := piped.CombinedOutput()
	require.NoError(d.t, err, string(text))
	require.Regexp(d.t, `(?m)^42$`, string(text))
	require.Regexp(d.t, `The session \S+ has ended`, string(text))
	_, problems, code = d.do("connect", "--instance", "app")
	require.Zero(d.t, code, problems)
	require.Empty(d.t, d.aws("ssm", "describe-sessions", "--state", "Active").list("Sessions"))

	web := d.outputs().text("instanceIds.web")
	p := d.terminal(100, nil, "make", "connect")
	p.sees(`A session on which instance\?`)
	p.types("\x1b[B")
	p.sees(`> web`)
	p.types("\r")
	id := p.opens()
	p.types("exit\r")
	require.Zero(d.t, p.ends(), p.text())
	out, problems, code = d.do("history", "--instance", "web", "--format", "json")
	require.Zero(d.t, code, problems)
	require.Contains(d.t, out, id)
	require.Contains(d.t, out, `"instanceId":"`+web+`"`)

	out, problems, code = d.do("wait")
	require.Zero(d.t, code, problems)
	require.Equal(d.t, 2, strings.Count(out, "online, agent"))
}

func connectionCut(d *desk) {
	p := d.terminal(120, nil, "make", "connect")
	id := p.opens()
	cut := filepath.Join(d.t.TempDir(), "cut")
	p.types("before=kept; (until [ -e " + cut + " ]; do sleep 0.1; done; echo meanwhile-$((2 * 2))) &\r")
	p.sees(`meanwhile-\$`)
	d.ask(d.t, http.MethodPost, "sessions/"+id+"/cut", nil, nil)
	require.Eventually(d.t, func() bool { return len(d.calls("ssm", "ResumeSession")) > 0 }, time.Minute, 50*time.Millisecond, "the plugin does not resume the session")
	require.NoError(d.t, os.WriteFile(cut, nil, 0o600))
	p.sees(`meanwhile-4`) // the plugin ends the session if something is typed before it is connected again
	p.types("echo still-$before\r")
	p.sees(`still-kept\n`)
	p.types("exit\r")
	require.Zero(d.t, p.ends(), p.text())
	require.NotEmpty(d.t, d.calls("ssm", "ResumeSession"))
	out, problems, code := d.do("record", "--session", id)
	require.Zero(d.t, code, problems)
	require.Contains(d.t, out, "still-kept")
}

func endedFromElsewhere(d *desk) {
	p := d.terminal(120, nil, "make", "connect")
	id := p.opens()
	p.types("echo before-the-end\r")
	p.sees(`[^ ]\s+before-the-end\n`)
	_, problems, code := d.do("record", "--session", id)
	require.Equal(d.t, 3, code, problems)
	require.Contains(d.t, problems, "Not there yet: the session "+id+" is connected")

	other := d.terminal(100, nil, "make", "end", "INSTANCE=app")
	other.sees(`End 1 session on app`)
	other.types("y")
	require.Zero(d.t, other.ends(), other.text())
	require.Contains(d.t, other.text(), "ended "+id)
	p.ends()
	out, problems, code := d.do("record", "--session", id)
	require.Zero(d.t, code, problems)
	require.Contains(d.t, out, "before-the-end")

	_, problems, code = d.do("end", "--session", id)
	require.Zero(d.t, code)
	require.Contains(d.t, problems, "has ended already")
	_, problems, code = d.do("end", "--session", "nobody-0123456789abcdef0")
	require.Equal(d.t, 1, code)
	require.Contains(d.t, problems, "there is no session nobody-0123456789abcdef0 in Session Manager")
}

func recordLate(d *desk) {
	d.agent(object{"status": "online", "recordAfter": "40s"})
	p := d.terminal(120, nil, "make", "connect")
	id := p.opens()
	p.types("exit\r")
	require.Zero(d.t, p.ends(), p.text())
	_, problems, code := d.do("record", "--session", id)
	require.Equal(d.t, 3, code, problems)
	require.Contains(d.t, problems, "Not there yet")

	d.agent(object{"status": "online", "recordAfter": "3s"})
	out, problems, code := d.do("verify")
	require.Zero(d.t, code, problems)
	require.Regexp(d.t, `recorded: s3://session-records/sessions/\S+\.log\n    verify-[0-9a-f]{16}\n`, out)
}

func verified(d *desk) {
	out, problems, code := d.do("verify", "-v")
	require.Zero(d.t, code, problems)
	require.Regexp(d.t, `^recorded: s3://session-records/sessions/\S+\.log\n    verify-[0-9a-f]{16}\n$`, out)
	require.Contains(d.t, problems, "+ aws ssm start-session --region us-east-2 --target "+d.instance()+" --reason 'make verify'\n")
	require.NotContains(d.t, problems, "\x1b", "nothing for a terminal where there is none")

	out, problems, code = d.do("status")
	require.Zero(d.t, code, problems)
	require.Regexp(d.t, `(?m)^Deployed: +\d+ AWS resources, last changed at \d`, out)
	require.Regexp(d.t, `(?m)^Instances: +app \(i-\w+\): online, agent `, out)
	require.Regexp(d.t, `(?m)^Sessions: +none open$`, out)
	require.Regexp(d.t, `(?m)^Verified: +\S+ \S+ UTC by \S+ on app \(i-\w+\): recorded$`, out)

	d.agent(object{"status": "lost"})
	_, problems, code = d.do("verify")
	require.Equal(d.t, 1, code)
	require.Contains(d.t, problems, "is not online as a managed instance")
	require.Contains(d.t, problems, "First to fix: the agent reports")
}

// The agent logs a refused upload only on the instance; `make verify` reports it. The first cause is a changed policy, the
// second an image without `script`, which cannot be seen from outside.
func recordRefused(d *desk) {
	o := d.outputs()
	d.aws("iam", "put-role-policy", "--role-name", o.text("roleName"), "--policy-name", "stop", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}]}`)
	d.ask(d.t, http.MethodPost, "rules", object{"service": "s3", "action": "PutObject", "fail": object{"status": 403, "code": "AccessDenied", "message": "Access Denied"}}, nil)
	_, problems, code := d.do("verify", "--timeout", "6s")
	require.Equal(d.t, 1, code, problems)
	require.Contains(d.t, problems, "FAILED: the session ")
	require.Contains(d.t, problems, "First to fix: the role may write the session log: "+o.text("roleName")+" is not allowed s3:PutObject on arn:aws:s3:::session-records/sessions/")

	d.aws("iam", "delete-role-policy", "--role-name", o.text("roleName"), "--policy-name", "stop")
	d.ask(d.t, http.MethodDelete, "rules", nil, nil)
	d.agent(object{"status": "online", "withoutScript": true})
	_, problems, code = d.do("verify", "--timeout", "4s")
	require.Equal(d.t, 1, code, problems)
	require.Contains(d.t, problems, "No problem found.")
	require.Contains(d.t, problems, "cannot tell `script` on the instance")
}

// document changes the stack's session document.
func (d *desk) document(inputs object) {
	d.t.Helper()
	content, err := json.Marshal(object{"schemaVersion": "1.0", "description": "changed by a test", "sessionType": "Standard_Stream", "inputs": inputs})
	require.NoError(d.t, err)
	file := filepath.Join(d.t.TempDir(), "document.json")
	require.NoError(d.t, os.WriteFile(file, content, 0o600))
	d.aws("ssm", "update-document", "--name", "SSM-SessionManagerRunShell", "--content", "file://"+file, "--document-version", "$LATEST")
	latest := d.aws("ssm", "describe-document", "--name", "SSM-SessionManagerRunShell")
	d.aws("ssm", "update-document-default-version", "--name", "SSM-SessionManagerRunShell", "--document-version", latest.text("Document.LatestVersion"))
}

func groupMissing(d *desk) {
	d.document(object{"s3BucketName": "", "s3KeyPrefix": "", "s3EncryptionEnabled": false, "cloudWatchLogGroupName": "/sessions", "cloudWatchEncryptionEnabled": true,
		"cloudWatchStreamingEnabled": true, "kmsKeyId": "", "runAsEnabled": false, "runAsDefaultUser": ""})
	p := d.terminal(160, nil, ".local/bin/stack", "connect")
	require.Equal(d.t, 1, p.ends(), p.text())
	require.Contains(d.t, p.text(), "The session was refused (")

	_, problems, code := d.do("verify")
	require.Equal(d.t, 1, code, problems)
	require.Contains(d.t, problems, "The agent refused the session:")
	require.Contains(d.t, problems, "First to fix: the log group: there is no log group /sessions")
	require.Contains(d.t, problems, "aws logs create-log-group --region us-east-2 --log-group-name /sessions")
}

func streamed(d *desk) {
	d.aws("iam", "put-role-policy", "--role-name", d.outputs().text("roleName"), "--policy-name", "logs", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}`)
	d.aws("logs", "create-log-group", "--log-group-name", "/sessions")
	d.document(object{"s3BucketName": "session-records", "s3KeyPrefix": "other", "s3EncryptionEnabled": true, "cloudWatchLogGroupName": "/sessions", "cloudWatchEncryptionEnabled": false,
		"cloudWatchStreamingEnabled": true, "kmsKeyId": "", "runAsEnabled": false, "runAsDefaultUser": ""})
	out, problems, code := d.do("verify")
	require.Zero(d.t, code, problems)
	require.Regexp(d.t, `recorded: s3://session-records/other/\S+\.log\n    verify-[0-9a-f]{16}\n`, out)
	require.Regexp(d.t, `recorded: log group /sessions, stream \S+\n    verify-[0-9a-f]{16}\n`, out)

	// With CreateLogStream denied the session opens, and nothing else reports that the group has no copy.
	d.aws("iam", "put-role-policy", "--role-name", d.outputs().text("roleName"), "--policy-name", "stop", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"logs:CreateLogStream","Resource":"*"}]}`)
	d.ask(d.t, http.MethodPost, "rules", object{"service": "logs", "action": "CreateLogStream", "fail": object{"status": 400, "code": "AccessDeniedException", "message": "denied"}}, nil)
	out, problems, code = d.do("verify", "--timeout", "5s")
	require.Equal(d.t, 1, code, problems)
	require.Contains(d.t, out, "recorded: s3://session-records/other/")
	require.Contains(d.t, problems, "there is no session log in log group /sessions")
	require.Contains(d.t, problems, "is not allowed logs:CreateLogStream on ")
	d.ask(d.t, http.MethodDelete, "rules", nil, nil)
	d.aws("iam", "delete-role-policy", "--role-name", d.outputs().text("roleName"), "--policy-name", "stop")

	d.document(object{"s3BucketName": "", "s3KeyPrefix": "", "s3EncryptionEnabled": false, "cloudWatchLogGroupName": "/sessions", "cloudWatchEncryptionEnabled": false,
		"cloudWatchStreamingEnabled": true, "kmsKeyId": "", "runAsEnabled": false, "runAsDefaultUser": ""})
	p := d.terminal(120, nil, ".local/bin/stack", "connect")
	id := p.opens()
	p.types("echo in-a-stream\r")
	p.sees(`[^ ]\s+in-a-stream\n`)
	p.types("exit\r")
	require.Zero(d.t, p.ends())
	out, problems, code = d.do("record", "--session", id)
	require.Zero(d.t, code, problems)
	require.Contains(d.t, problems, "From log group /sessions, stream "+id)
	require.Contains(d.t, strings.ReplaceAll(out, "\r", ""), "\nin-a-stream\n")
	require.NotContains(d.t, out, "sessionData")
}

func longHistory(d *desk) {
	newest := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	d.ask(d.t, http.MethodPost, "sessions", seeded(5000, d.instance(), newest), nil)
	count := func() int { return len(d.calls("ssm", "DescribeSessions")) }
	before := count()
	out, problems, code := d.do("history")
	require.Zero(d.t, code, problems)
	require.Equal(d.t, 51, strings.Count(out, "\n"))
	require.LessOrEqual(d.t, count()-before, 2)
	_, next, found := strings.Cut(problems, "NEXT='")
	require.True(d.t, found, problems)
	next, _, _ = strings.Cut(next, "'")
	second, problems, code := d.do("history", "--next", next)
	require.Zero(d.t, code, problems)
	require.Contains(d.t, second, fmt.Sprintf("%017d", 50))
	require.NotContains(d.t, second, fmt.Sprintf("%017d", 49))

	// A pager that shows one screen and exits.
	pager := filepath.Join(d.t.TempDir(), "pager")
	require.NoError(d.t, os.WriteFile(pager, []byte("#!/bin/sh\nhead -n 20\n"), 0o755))
	before = count()
	p := d.terminal(120, []string{"PAGER=" + pager}, "make", "history")
	require.Zero(d.t, p.ends(), p.text())
	require.Contains(d.t, p.text(), fmt.Sprintf("%017d", 10))
	require.LessOrEqual(d.t, count()-before, 4, "what nobody looks at is not fetched")

	out, problems, code = d.do("history", "--format", "json", "--who", "carol")
	require.Zero(d.t, code, problems)
	var entries []object
	require.NoError(d.t, json.Unmarshal([]byte(out), &entries))
	require.Len(d.t, entries, 5000/3)
	out, _, code = d.do("history", "--format", "csv", "--since", newest.Add(-29*time.Minute-30*time.Second).Format(time.RFC3339))
	require.Zero(d.t, code)
	require.Equal(d.t, 1+30, strings.Count(out, "\n"), "a heading, and one a minute")
}

// Session logs are found after AWS has deleted the session's history, and under an earlier prefix.
func archived(d *desk) {
	file := filepath.Join(d.t.TempDir(), "log")
	require.NoError(d.t, os.WriteFile(file, []byte("long ago\n"), 0o600))
	d.aws("s3api", "put-object", "--bucket", "session-records", "--key", "earlier/alice-0123456789abcdef0.log", "--body", file)
	d.aws("s3api", "put-object", "--bucket", "session-records", "--key", "sessions/notes.txt", "--body", file)
	out, problems, code := d.do("history", "--format", "json")
	require.Zero(d.t, code, problems)
	var entries []object
	require.NoError(d.t, json.Unmarshal([]byte(out), &entries))
	require.Len(d.t, entries, 1)
	require.Equal(d.t, "archive", entries[0].text("source"))
	require.Equal(d.t, "alice", entries[0].text("who"))
	require.Equal(d.t, "s3://session-records/earlier/alice-0123456789abcdef0.log", entries[0].text("logs[0]"))
	for _, key := range []string{"instance", "start", "end", "status", "owner"} {
		require.Equal(d.t, "unknown", entries[0].text(key), key)
	}
	out, problems, code = d.do("record", "--session", "alice-0123456789abcdef0")
	require.Equal(d.t, 5, code, problems)
	require.Contains(d.t, problems, "has no such session", "the object is of today, and a session of today would be in the history")
	require.Contains(d.t, out, "long ago\n")
	_, problems, code = d.do("record", "--session", "alice-00000000000000000")
	require.Equal(d.t, 4, code, problems)
	require.Contains(d.t, problems, "has no such session either")
}

// Ctrl-C interrupts the command in the session, not make, which prints the log location at the end.
func interrupted(d *desk) {
	p := d.terminal(120, nil, "make", "connect")
	p.opens()
	p.types("echo run''ning; sleep 300; echo not-reached\r")
	p.sees(`running\n`)
	p.types("\x03")
	p.sees(`(?s)\^C.*[$#] `)
	p.types("echo after-$((1+1))\r")
	p.sees(`after-2\n`)
	require.NotRegexp(d.t, `(?m)^(# )?not-reached$`, p.text())
	p.types("exit\r")
	require.Zero(d.t, p.ends(), p.text())
	require.Contains(d.t, p.text(), "has ended. Its session log will be in")

	// Before the session is open, it stops the AWS CLI, whose traceback nobody needs.
	p = d.terminal(120, nil, "make", "connect")
	p.sees(`A session on app`)
	time.Sleep(300 * time.Millisecond)
	p.types("\x03")
	require.NotZero(d.t, p.ends(), p.text())
	require.NotContains(d.t, p.text(), "Traceback")

	// Whoever deletes the instance ends the session log too.
	p = d.terminal(120, nil, "make", "connect")
	p.opens()
	d.aws("ec2", "terminate-instances", "--instance-ids", d.outputs().text("instanceIds.app"))
	p.types("exit\r")
	require.NotZero(d.t, p.ends(), p.text())
	require.Contains(d.t, p.text(), "Its instance was deleted while it was open, so there may be no session log of it")
}
