package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// sharedState is a bucket and a KMS key for the state of a team's stacks, as the bootstrap creates them.
type sharedState struct {
	bucket, backend, secrets string
	key                      string // the ARN of the KMS key
}

const stateAlias = "alias/private-ec2-access-state"

func newSharedState(t *testing.T, in *account) sharedState {
	t.Helper()
	s := sharedState{bucket: "private-ec2-access-state-123456789012-" + in.region}
	s.key = in.aws("kms", "create-key").text("KeyMetadata.Arn")
	s.secrets = "awskms:///" + s.key + "?region=" + in.region
	in.aws("kms", "create-alias", "--alias-name", stateAlias, "--target-key-id", s.key)
	in.aws("s3api", "create-bucket", "--bucket", s.bucket, "--create-bucket-configuration", "LocationConstraint="+in.region)
	// Only the path style is the emulator's; its address comes from AWS_ENDPOINT_URL.
	s.backend = "s3://" + s.bucket + "?" + url.Values{"region": {in.region}, "s3ForcePathStyle": {"true"}}.Encode()
	return s
}

// stack makes a stack with its state in the bucket and its secrets under the key.
func (shared sharedState) stack(t *testing.T, in *account, name string, own map[string]any) *stack {
	t.Helper()
	s := &stack{t: t, in: in, name: name, dir: stub(t)}
	s.env = []string{"PULUMI_BACKEND_URL=" + shared.backend, "PULUMI_CONFIG_PASSPHRASE=not used"}
	config := map[string]any{
		"aws:region": in.region, "aws:s3UsePathStyle": "true", "aws:skipCredentialsValidation": "true", "private-ec2-access:emulated": true,
	}
	for key, value := range own {
		config["private-ec2-access:"+key] = value
	}
	s.write(config)
	s.must("stack", "init", name, "--secrets-provider", shared.secrets)
	return s
}

// beside is the same stack for another user of the account, who has an access key of his own.
func (s *stack) beside(user string) (other *stack, id string) {
	s.t.Helper()
	s.in.aws("iam", "create-user", "--user-name", user)
	key := s.in.aws("iam", "create-access-key", "--user-name", user)
	same := *s
	id = key.text("AccessKey.AccessKeyId")
	same.env = append(slices.Clone(s.env), "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+key.text("AccessKey.SecretAccessKey"))
	return &same, id
}

// result is a command's output and error.
type result struct {
	out string
	err error
}

func (s *stack) start(args ...string) <-chan result {
	done := make(chan result, 1)
	go func() {
		out, err := s.run(args...)
		done <- result{out, err}
	}()
	return done
}

// locks are the lock objects of all stacks.
func (shared sharedState) locks(in *account) []object {
	in.t.Helper()
	return in.aws("s3api", "list-objects-v2", "--bucket", shared.bucket, "--prefix", ".pulumi/locks/").list("Contents")
}

// requireWhole requires a complete, unlocked state that matches the account.
func (shared sharedState) requireWhole(t *testing.T, in *account, s *stack) {
	t.Helper()
	require.Empty(t, shared.locks(in))
	var state struct {
		Deployment struct {
			Resources        []any `json:"resources"`
			Pending          []any `json:"pending_operations"`
			SecretsProviders struct {
				Type string `json:"type"`
			} `json:"secrets_providers"`
		} `json:"deployment"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.must("stack", "export", "--stack", s.name)), &state))
	require.NotEmpty(t, state.Deployment.Resources)
	require.Empty(t, state.Deployment.Pending)
	require.Equal(t, "cloud", state.Deployment.SecretsProviders.Type)
	s.requireNoChanges()
}

var upTeam = []string{"up", "--yes", "--skip-preview", "--stack", "team"}

// heldBy is the message for the user who finds the lock taken.
func heldBy(t *testing.T) *regexp.Regexp {
	t.Helper()
	who, err := user.Current()
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	return regexp.MustCompile(`the stack is currently locked by 1 lock\(s\)(?s:.*)` + "`pulumi cancel`" + `(?s:.*)/\.pulumi/locks/(?s:.*): created by ` +
		regexp.QuoteMeta(who.Username+"@"+host) + ` \(pid \d+\) at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d`)
}

// Two users share a state in S3 with secrets under a KMS key. The second one sees who holds the lock and changes nothing.
//
// It does not prove that S3 is as consistent as the emulator, which AWS documents, nor who has access to the bucket:
// roles_test.go tests that.
func TestSharedState_TwoUsers_SecondSeesLock(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	shared := newSharedState(t, in)
	s := shared.stack(t, in, "team", quick(in, map[string]any{"tags": map[string]any{"team": "platform"}}))

	other, otherID := s.beside("second")
	// The first update is running.
	remove := in.Add(emulator.Rule{Name: "a slow VPC", Service: "ec2", Action: "CreateVpc", Delay: 15 * time.Second})
	first := s.start(upTeam...)
	eventually(t, "the lock of the first", func() bool { return len(shared.locks(in)) == 1 })
	second, err := other.run(upTeam...)
	require.Error(t, err)
	require.Regexp(t, heldBy(t), second)
	require.NotContains(t, second, "private-ec2-access-vpc", "it does not even look")
	// So does the command that make prints when operations are pending.
	refreshed, err := other.run("refresh", "--yes", "--stack", s.name)
	require.Error(t, err)
	require.Regexp(t, heldBy(t), refreshed)
	looked := false
	for _, call := range in.Calls() {
		looked = looked || call.AccessKey == otherID
		if call.AccessKey == otherID && call.Writes() {
			require.Equal(t, "kms:Decrypt", call.Service+":"+call.Action)
		}
	}
	require.True(t, looked)
	ended := <-first
	require.NoError(t, ended.err, ended.out)
	remove()
	require.Equal(t, 1, strings.Count(strings.Join(in.writes(), " "), "ec2:CreateVpc "))
	shared.requireWhole(t, in, s)

	// Both start at the same moment: at most one continues. None does if each sees the other's lock.
	s.set("tags.team", "security")
	remove = in.Add(emulator.Rule{Name: "slow tags", Service: "ec2", Action: "CreateTags", Delay: 5 * time.Second})
	one, two := s.start(upTeam...), s.start(upTeam...)
	done := 0
	for _, r := range []result{<-one, <-two} {
		if r.err == nil {
			done++
			continue
		}
		require.Contains(t, r.out, "the stack is currently locked by", "%s", r.out)
	}
	t.Logf("%d of two updates went on", done)
	require.LessOrEqual(t, done, 1)
	remove()
	if done == 0 {
		s.up()
	}
	shared.requireWhole(t, in, s)

	// A user without access to the key cannot read the secrets.
	restore := in.Add(emulator.Fail("kms", "Decrypt", 400, "AccessDeniedException", "not authorized to perform: kms:Decrypt"))
	out, err := s.preview()
	require.Error(t, err)
	require.Contains(t, out, "not authorized to perform: kms:Decrypt")
	restore()
	s.destroy()
}

// An update that is killed while it creates a resource leaves its lock and a pending operation. The steps of docs/team.md
// repair both.
func TestSharedState_KilledUpdate_DocumentedStepsRepair(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	shared := newSharedState(t, in)
	s := shared.stack(t, in, "team", quick(in, nil))
	in.Add(emulator.Rule{Name: "a slow VPC", Service: "ec2", Action: "CreateVpc", Delay: 15 * time.Second, Times: 1})
	first := s.start(upTeam...)
	eventually(t, "a creation under way", func() bool { return strings.Contains(shared.text(in, stateOf(s)), `"creating"`) })
	var lock struct {
		PID int `json:"pid"`
	}
	require.Len(t, shared.locks(in), 1)
	require.NoError(t, json.Unmarshal([]byte(shared.text(in, shared.locks(in)[0].text("Key"))), &lock))
	pid := lock.PID
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	require.Error(t, (<-first).err)

	out, err := s.run(upTeam...)
	require.Error(t, err)
	require.Regexp(t, heldBy(t), out)
	require.Contains(t, out, "(pid "+strconv.Itoa(pid)+")")
	s.must("cancel", "--yes", "--stack", s.name)
	require.Empty(t, shared.locks(in))
	var state struct {
		Deployment struct {
			Pending []struct {
				Type     string `json:"type"`
				Resource struct {
					URN string `json:"urn"`
				} `json:"resource"`
			} `json:"pending_operations"`
		} `json:"deployment"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.must("stack", "export", "--stack", s.name)), &state))
	require.NotEmpty(t, state.Deployment.Pending)
	require.Equal(t, "creating", state.Deployment.Pending[0].Type)
	out, err = s.preview()
	require.NoError(t, err, out)
	require.NotContains(t, out, "pending operations", "a preview would say so by now: correct docs/team.md")

	s.must("refresh", "--yes", "--skip-preview", "--stack", s.name, "--clear-pending-creates")
	s.up()
	shared.requireWhole(t, in, s)
}

// text returns an object of the bucket.
func (shared sharedState) text(in *account, key string) string {
	in.t.Helper()
	out, err := in.try("s3", "cp", "s3://"+shared.bucket+"/"+key, "-")
	require.NoError(in.t, err, "%s", out)
	return string(out)
}

func stateOf(s *stack) string { return ".pulumi/stacks/private-ec2-access/" + s.name + ".json" }

func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !reached(); time.Sleep(300 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "%s is not there after two minutes", what)
	}
}
