package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

var recordUpgrade = flag.String("record-upgrade", "", "write testdata/upgrade/VERSION with the program as it is")

// upgradeStacks are the stacks that a release is recorded with. Between them
// they have every component and every resource of the program.
var upgradeStacks = []struct {
	name    string
	prepare func(in *account) map[string]any // words of the config, see existing
	config  map[string]any
}{
	{name: "default", config: map[string]any{"instances": map[string]any{"app": map[string]any{}}}},
	{name: "everything", prepare: existing, config: map[string]any{
		"keepRecords": "true", "tags": map[string]any{"team": "platform"},
		"network.availabilityZoneCount": 3, "endpoints.ec2messages": "always",
		"instances": map[string]any{
			"app": map[string]any{}, "db": map[string]any{"subnetIndex": 2, "volumeSize": 16},
			"legacy": map[string]any{"architecture": "x86_64", "instanceType": "t3.nano", "subnetIndex": 1},
		},
		"logging.required": true, "logging.cloudWatch": true, "logging.encryption": "kms", "logging.retentionDays": 400, "logging.transitionDays": 30,
		"logging.objectLock": "governance", "logging.objectLockDays": 7,
		"logging.earlierLocations": []any{"s3://existing-logs/before", "log-group:/before/sessions"}, "logging.earlierKmsKeyArns": []any{"KEY"},
		"session.encryption": true, "session.maxSessionDuration": 480, "session.runAsEnabled": true, "session.runAsDefaultUser": "operator",
		"session.shellProfile.linux": "cd; export HISTCONTROL='ignorespace' # \"quoted\", and\na second line", "session.shellProfile.windows": `Set-Location C:\`,
	}},
	{name: "existing", prepare: existingWithDocument, config: map[string]any{
		"network.vpcId": "VPC", "network.subnetIds": []any{"SUBNET_A", "SUBNET_B"}, "endpoints.policies": "narrow",
		"logging.bucketName": "existing-logs", "logging.cloudWatch": true, "logging.encryption": "kms", "logging.kmsKeyArn": "KEY",
		"session.adopt": true, "session.encryption": true, "session.kmsKeyArn": "SESSION_KEY",
	}},
}

// existingWithDocument has a session document that no stack manages, too.
func existingWithDocument(in *account) map[string]any {
	in.t.Helper()
	in.aws("ssm", "create-document", "--name", "SSM-SessionManagerRunShell", "--document-type", "Session", "--content",
		`{"schemaVersion":"1.0","description":"Theirs","sessionType":"Standard_Stream","inputs":{"s3BucketName":"existing-logs"}}`)
	return existing(in)
}

const upgradeFolder = "testdata/upgrade"

// Each release is updated to the program as it is. No AWS resource is replaced,
// deleted or created, unless steps.txt of the fixture lists it as created.
//
// It does not prove that AWS itself accepts the update, nor that the program
// reads what a user changed outside of Pulumi since.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	if version := *recordUpgrade; version != "" {
		folder := filepath.Join(upgradeFolder, version)
		require.NoDirExists(t, folder, "a recorded release stays as it is")
		t.Run("record", func(t *testing.T) {
			for _, s := range upgradeStacks {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					recordStack(t, filepath.Join(folder, s.name), s.name, s.prepare, s.config)
				})
			}
		})
	}
	folders, err := filepath.Glob(filepath.Join(upgradeFolder, "*", "*", "state.json"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(strings.TrimPrefix(folder, upgradeFolder+"/"), func(t *testing.T) {
			t.Parallel()
			requireUpgrade(t, folder)
		})
	}
}

func requireUpgrade(t *testing.T, folder string) {
	var calls []recordedCall
	require.NoError(t, json.Unmarshal([]byte(readText(t, folder, "account.json")), &calls))
	in := newAccount(t, "us-east-2")
	texts := in.replay(calls, readText(t, folder, "config.yaml"), readText(t, folder, "state.json"), readText(t, folder, "steps.txt"))
	s := newStack(t, in, filepath.Base(folder), nil)
	s.load(texts[0], texts[1])
	before := s.deployed()
	in.Reset()

	expected := expectedSteps(t, texts[2])
	require.Equal(t, strings.Join(expected, "\n"), strings.Join(s.plan(), "\n"), "the update differs from %s/steps.txt", folder)
	s.up()
	if !slices.ContainsFunc(expected, changesAWS) {
		require.Empty(t, in.writes())
	}
	after := s.deployed()
	for id := range before {
		require.Contains(t, after, id, "the update lost a resource")
	}
	s.requireNoChanges()

	s.destroy()
	requireLeft(t, in, before)
}

// resource is a resource in a stack's state.
type resource struct {
	URN            string `json:"urn"`
	Type           string `json:"type"`
	ID             string `json:"id"`
	Custom         bool   `json:"custom"`
	External       bool   `json:"external"`
	RetainOnDelete bool   `json:"retainOnDelete"`
}

// deployed are the AWS resources of the stack's own by type and id.
func (s *stack) deployed() map[string]resource {
	s.t.Helper()
	var state struct {
		Deployment struct{ Resources []resource }
	}
	require.NoError(s.t, json.Unmarshal([]byte(s.must("stack", "export", "--stack", s.name)), &state))
	found := map[string]resource{}
	for _, r := range state.Deployment.Resources {
		if strings.HasPrefix(r.Type, "aws:") && r.Custom && !r.External {
			found[r.Type+" "+r.ID] = r
		}
	}
	require.NotEmpty(s.t, found)
	return found
}

// plan lists the steps of a preview, such as "create TYPE::NAME" with the types
// of the parents before the type.
func (s *stack) plan() []string {
	s.t.Helper()
	out := s.must("preview", "--json", "--stack", s.name)
	var plan struct {
		Steps []struct{ Op, URN string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &plan), out)
	steps := []string{}
	for _, step := range plan.Steps {
		if step.Op != "same" && step.Op != "read" {
			steps = append(steps, step.Op+" "+strings.SplitN(step.URN, "::", 3)[2])
		}
	}
	slices.Sort(steps)
	return steps
}

// changesAWS tells whether a step is one of an AWS resource.
func changesAWS(step string) bool {
	types, _, _ := strings.Cut(step, "::")
	return strings.HasPrefix(types[strings.LastIndexAny(types, " $")+1:], "aws:")
}

// expectedSteps reads steps.txt: a step a line, or a comment. It may let AWS
// resources be created or updated, and nothing else.
func expectedSteps(t *testing.T, text string) []string {
	t.Helper()
	steps := []string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		op, _, _ := strings.Cut(line, " ")
		require.True(t, !changesAWS(line) || op == "create" || op == "update", "steps.txt: no update may do this to a deployed AWS resource: %s", line)
		steps = append(steps, line)
	}
	slices.Sort(steps)
	return steps
}

// requireLeft compares what a destroy left with what the state says is retained.
func requireLeft(t *testing.T, in *account, before map[string]resource) {
	t.Helper()
	left := inventory(in)
	for _, kind := range []string{"Instances", "VpcEndpoints", "Roles", "Policies", "InstanceProfiles"} {
		require.Empty(t, left[kind], kind)
	}
	for _, r := range before {
		switch r.Type {
		case "aws:s3/bucketV2:BucketV2":
			require.Equal(t, r.RetainOnDelete, slices.Contains(left["Buckets"], r.ID), r.URN)
		case "aws:cloudwatch/logGroup:LogGroup":
			found := in.aws("logs", "describe-log-groups", "--log-group-name-prefix", r.ID).list("logGroups")
			require.Equal(t, r.RetainOnDelete, len(found) == 1, r.URN)
		case "aws:kms/key:Key":
			enabled := in.aws("kms", "describe-key", "--key-id", r.ID).text("KeyMetadata.KeyState") == "Enabled"
			require.Equal(t, r.RetainOnDelete, enabled, r.URN)
		}
	}
}

func readText(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return string(text)
}

// load gives the stack a config and a state.
func (s *stack) load(config, state string) {
	s.t.Helper()
	var file struct{ Config map[string]any }
	require.NoError(s.t, yaml.Unmarshal([]byte(config), &file))
	// A stack in the local emulator had its keys here once. The program asks for this change.
	delete(file.Config, "aws:accessKey")
	delete(file.Config, "aws:secretKey")
	s.write(file.Config)
	path := filepath.Join(s.t.TempDir(), "state.json")
	require.NoError(s.t, os.WriteFile(path, []byte(state), 0o600))
	s.must("stack", "import", "--stack", s.name, "--file", path)
}

// recordStack brings a stack up and writes all that is needed to have it again:
// its config, its state, and the calls that build its account.
func recordStack(t *testing.T, folder, name string, prepare func(*account) map[string]any, config map[string]any) {
	t.Helper()
	in := newAccount(t, "us-east-2")
	calls := in.record()
	var words map[string]any
	if prepare != nil {
		words = prepare(in)
	}
	s := newStack(t, in, name, spoken(config, words))
	s.up()
	require.Empty(t, s.plan(), "a recorded stack is one that a second preview leaves as it is")

	var file struct{ Config map[string]any }
	require.NoError(t, yaml.Unmarshal([]byte(readText(t, s.dir, "Pulumi."+name+".yaml")), &file))
	settings, err := yaml.Marshal(map[string]any{"config": file.Config}) // without the salt of secrets
	require.NoError(t, err)
	// The only secret is the key of the emulator, which is no credential.
	var state struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.must("stack", "export", "--show-secrets", "--stack", name)), &state))
	for _, r := range state.Deployment["resources"].([]any) {
		for _, machine := range []string{"created", "modified", "sourcePosition", "stackTrace"} {
			delete(r.(map[string]any), machine)
		}
	}
	exported := readable(t, state)

	files := map[string][]byte{
		"config.yaml": settings, "state.json": exported, "account.json": readable(t, calls(string(settings), string(exported))),
		"steps.txt": []byte("# The steps that an update of this stack has. ../../README.md describes the format.\n"),
	}
	for name, text := range files {
		require.False(t, strings.Contains(string(text), in.URL()), "%s names the emulator", name)
		require.False(t, strings.Contains(string(text), project(t)), "%s names this checkout", name)
	}
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, 0o644))
	}
}
