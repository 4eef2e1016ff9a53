package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// walk is one stack that changes from one setting to the next, with session logs from before the first change.
type walk struct {
	*stack
	replay  *replay
	config  map[string]any // by the full keys with dots; a value nil is the default
	bucket  string
	group   string // the first log group, once there is one
	objects map[string]string
	events  []any
	keys    []string // that something may be encrypted with
}

// step changes one setting.
type step struct {
	name   string
	config map[string]any
	long   bool // not in every run
	// refusedWithout is a log location or a key that the preview requires first.
	refusedWithout string
	// refuses are faults that a step may have for a moment: sessions do not
	// start. No other fault is allowed, and never a lost session log.
	refuses string
	notice  string // that the update must print
	check   func(t *testing.T, w *walk)
}

// Each setting is turned on and off, one after the other, on a stack that has session logs. After each step the AWS CLI reads
// them back: bodies, versions, log events and the state of the keys. The calls of each step are replayed: after no call does
// a session document name a resource that does not exist.
//
// It does not prove that AWS applies a change at once: IAM takes seconds, KMS up to minutes. moto lacks AssociateKmsKey, and
// Object Lock on a bucket that holds objects: fixes of the emulator answer these calls in the form that AWS documents. moto
// encrypts nothing, so an enabled key counts as readable data.
func TestStack_EverySetting_TurnedOnAndOff(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	first, second := newKey(in), newKey(in)
	in.aws("s3api", "create-bucket", "--bucket", "existing-logs", "--create-bucket-configuration", "LocationConstraint="+in.region)
	// The owner of the existing bucket gives sessions the permissions in it.
	in.Reset()
	w := &walk{replay: newReplay(in.region), config: map[string]any{"keepRecords": "true"}, objects: map[string]string{}, keys: []string{first, second}}
	for _, arn := range w.keys {
		w.replay.keys[arn[strings.LastIndex(arn, "/")+1:]] = true
	}
	w.replay.buckets["existing-logs"] = &replayedBucket{}
	w.stack = newStack(t, in, "walk", w.config)
	w.up()
	w.bucket = w.outputs().text("logBucket")
	w.follow(t, "")
	w.put(t, "sessions/user-0123.log", "the first version")
	w.put(t, "sessions/user-0123.log", "the second version")
	w.put(t, "sessions/user-4567.log", strings.Repeat("another session\n", 1000))

	var rows []string
	for _, s := range walkSteps(w, first, second) {
		if s.long && !long(t) {
			continue
		}
		w.take(t, s)
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", s.name, shownConfig(s.config, w), strings.Join(w.changes(), ", ")))
		if long(t) {
			w.requireNoChanges()
		}
	}
	w.requireNoChanges()
	require.Equal(t, []string{w.bucket}, w.replay.created, "no bucket was replaced")
	if long(t) && !t.Failed() {
		text := "# Settings turned on and off\n\nOne stack in the local emulator is updated from one setting to the next. It has session logs from before the first step. " +
			"After each step, the test reads back every version of each session log, the log events and the state of each key. It replays the calls of the update, " +
			"and a `preview --refresh` finds nothing to change.\n\n`make test-long` regenerates this page.\n\n" +
			"| step | config | calls that changed the account |\n| --- | --- | --- |\n" + strings.Join(rows, "\n") + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(project(t), "docs", "changes.md"), []byte(text), 0o644))
	}
}

func walkSteps(w *walk, first, second string) []step {
	location := func(prefix string) string { return "s3://" + w.bucket + "/" + prefix }
	const group = "log-group:/private-ec2-access/walk/sessions"
	// The policy of the KMS endpoint names the new key before the document does:
	// for that moment no session starts.
	const endpointOfKMS = "the endpoint lets no kms:Decrypt through"
	encryptedBy := func(algorithm, key string) func(*testing.T, *walk) {
		return func(t *testing.T, w *walk) {
			rule := w.in.aws("s3api", "get-bucket-encryption", "--bucket", w.bucket)
			by := "ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault."
			require.Equal(t, algorithm, rule.text(by+"SSEAlgorithm"))
			if key == "own" {
				key = w.keys[len(w.keys)-1]
			}
			require.Equal(t, key, rule.text(by+"KMSMasterKeyID"))
			if w.replay.groups[strings.TrimPrefix(group, "log-group:")] != key {
				require.Fail(t, "the log group has another key")
			}
		}
	}
	lock := func(mode, days string) func(*testing.T, *walk) {
		return func(t *testing.T, w *walk) {
			found := w.in.aws("s3api", "get-object-lock-configuration", "--bucket", w.bucket)
			require.Equal(t, "Enabled", found.text("ObjectLockConfiguration.ObjectLockEnabled"))
			require.Equal(t, mode, found.text("ObjectLockConfiguration.Rule.DefaultRetention.Mode"))
			require.Equal(t, days, found.text("ObjectLockConfiguration.Rule.DefaultRetention.Days"))
		}
	}
	says := func(field, want string) func(*testing.T, *walk) {
		return func(t *testing.T, w *walk) {
			name, _ := w.config["session.documentName"].(string)
			if name == "" {
				name = "SSM-SessionManagerRunShell"
			}
			require.Equal(t, want, parsedObject(t, w.replay.content(name)).text("inputs."+field), field)
		}
	}
	return []step{
		{name: "CloudWatch Logs on", config: map[string]any{"logging.cloudWatch": true}, check: func(t *testing.T, w *walk) {
			w.group = strings.TrimPrefix(group, "log-group:")
			w.in.aws("logs", "create-log-stream", "--log-group-name", w.group, "--log-stream-name", "user-0123")
			now := fmt.Sprintf("timestamp=%d", time.Now().UnixMilli())
			w.in.aws("logs", "put-log-events", "--log-group-name", w.group, "--log-stream-name", "user-0123",
				"--log-events", now+",message=first", now+",message=second")
			w.events, _ = w.in.aws(w.getEvents()...).at("events").([]any)
			require.Len(t, w.events, 2)
		}},
		{name: "session logs encrypted with a key of the stack", config: map[string]any{"logging.encryption": "kms"}, check: func(t *testing.T, w *walk) {
			w.keys = append(w.keys, w.outputs().text("keyArn"))
			encryptedBy("aws:kms", "own")(t, w)
			w.put(t, "sessions/user-89ab.log", "encrypted by a key")
		}},
		{name: "sessions encrypted", config: map[string]any{"session.encryption": true}, check: func(t *testing.T, w *walk) {
			says("kmsKeyId", w.keys[2])(t, w)
		}},
		{name: "policies and roles for people, alerts and flow logs", config: map[string]any{
			"operators": map[string]any{"dba": map[string]any{
				"instances": []any{"app"}, "principals": []any{"arn:aws:iam::" + here + ":root"}, "mfa": true, "notBefore": "2026-12-01T00:00:00Z",
				"portForwarding": map[string]any{"postgres": map[string]any{"host": "db.internal", "port": 5432}},
			}},
			"auditors.enabled": true, "breakGlass.principals": []any{"arn:aws:iam::" + here + ":root"}, "people.denyUnrecorded": true,
			"people.exemptRoleArns": []any{roleARN("private-ec2-access-deploy")}, "alerts.emails": []any{"ops@example.com"}, "session.reason": "required",
			"network.flowLogs": "s3://existing-logs",
		}, check: func(t *testing.T, w *walk) {
			arns, _ := w.outputs()["peoplePolicyArns"].(map[string]any)
			require.Len(t, arns, 5)
			w.requireNoChanges()
		}},
		{name: "none of them", config: map[string]any{
			"operators": nil, "auditors.enabled": nil, "breakGlass.principals": nil, "people.denyUnrecorded": nil, "people.exemptRoleArns": nil,
			"alerts.emails": nil, "session.reason": nil, "network.flowLogs": nil,
		}, check: func(t *testing.T, w *walk) {
			require.NotContains(t, w.outputs(), "peoplePolicyArns")
			require.Empty(t, w.in.aws("iam", "list-policies", "--scope", "Local", "--query", "{Policies: Policies[?contains(PolicyName, 'people')]}").list("Policies"))
			require.Empty(t, w.in.aws("sns", "list-topics").list("Topics"))
		}},
		{name: "logging required", long: true, config: map[string]any{"logging.required": true}},
		{name: "logging not required", long: true, config: map[string]any{"logging.required": false}},
		{name: "streaming off", long: true, config: map[string]any{"logging.streaming": false}, check: says("cloudWatchStreamingEnabled", "false")},
		{name: "streaming on", long: true, config: map[string]any{"logging.streaming": true}, check: says("cloudWatchStreamingEnabled", "true")},

		{name: "session logs encrypted with an existing key", long: true, check: encryptedBy("aws:kms", first), refusedWithout: "KEY_3",
			config: map[string]any{"logging.kmsKeyArn": first, "logging.earlierKmsKeyArns": []any{"KEY_3"}}},
		{name: "that key replaced by another", long: true, check: encryptedBy("aws:kms", second), refusedWithout: first,
			config: map[string]any{"logging.kmsKeyArn": second, "logging.earlierKmsKeyArns": []any{first}}},
		{name: "the previous key removed", long: true, config: map[string]any{"logging.earlierKmsKeyArns": []any{}}},
		{name: "session logs encrypted with the stack's key again", long: true, check: encryptedBy("aws:kms", "own"), refusedWithout: second,
			config: map[string]any{"logging.kmsKeyArn": nil, "logging.earlierKmsKeyArns": []any{second}}},
		{name: "that previous key removed", long: true, config: map[string]any{"logging.earlierKmsKeyArns": []any{}}},
		{name: "sessions encrypted with an existing key", long: true, refuses: endpointOfKMS, config: map[string]any{"session.kmsKeyArn": first}, check: says("kmsKeyId", first)},
		{name: "that session key replaced by another", long: true, refuses: endpointOfKMS, config: map[string]any{"session.kmsKeyArn": second}, check: says("kmsKeyId", second)},
		{name: "sessions encrypted with the stack's key again", long: true, refuses: endpointOfKMS, config: map[string]any{"session.kmsKeyArn": nil}},
		{name: "the key rotates sooner", long: true, config: map[string]any{"key.rotationPeriodInDays": 90}},
		{name: "the key rotates as before", long: true, config: map[string]any{"key.rotationPeriodInDays": nil}},

		{name: "Object Lock on", config: map[string]any{"logging.objectLock": "governance", "logging.objectLockDays": 1}, check: lock("GOVERNANCE", "1")},
		{name: "Object Lock longer", long: true, config: map[string]any{"logging.objectLockDays": 2}, check: lock("GOVERNANCE", "2")},
		{name: "Object Lock that nobody can lift", long: true, config: map[string]any{"logging.objectLock": "compliance"}, check: lock("COMPLIANCE", "2")},
		{name: "Object Lock off", config: map[string]any{"logging.objectLock": "off", "logging.objectLockDays": 0}, check: lock("", "")},

		{name: "session logs move to a cheaper storage class", long: true, config: map[string]any{"logging.transitionDays": 30}},
		{name: "session logs stay in their storage class", long: true, config: map[string]any{"logging.transitionDays": 0}},
		{name: "session logs kept without a limit", long: true, config: map[string]any{"logging.retentionDays": 0}},
		{name: "session logs kept for a year", long: true, config: map[string]any{"logging.retentionDays": 365}},
		{name: "log events kept for a month", long: true, config: map[string]any{"logging.logGroupRetentionDays": 30}},
		{name: "log events kept for a year", long: true, config: map[string]any{"logging.logGroupRetentionDays": 365}},
		{name: "destroy is refused", long: true, config: map[string]any{"keepRecords": "refuse"}},
		{name: "destroy keeps session logs", long: true, config: map[string]any{"keepRecords": "true"}},

		{name: "the prefix renamed", config: map[string]any{"logging.keyPrefix": "moved/here", "logging.earlierLocations": []any{location("sessions")}},
			refusedWithout: location("sessions"), check: says("s3KeyPrefix", "moved/here")},
		{name: "the previous prefix removed", long: true, config: map[string]any{"logging.earlierLocations": []any{}}},
		{name: "the prefix as before", long: true, refusedWithout: location("moved/here"), check: says("s3KeyPrefix", "sessions"),
			config: map[string]any{"logging.keyPrefix": nil, "logging.earlierLocations": []any{location("moved/here")}}},
		{name: "the group renamed", long: true, refusedWithout: group, check: says("cloudWatchLogGroupName", "/renamed"),
			config: map[string]any{"logging.logGroupName": "/renamed", "logging.earlierLocations": []any{location("moved/here"), group}}},
		{name: "the previous group removed", long: true, config: map[string]any{"logging.earlierLocations": []any{}}},
		{name: "the group as before", long: true, refusedWithout: "log-group:/renamed",
			config: map[string]any{"logging.logGroupName": nil, "logging.earlierLocations": []any{"log-group:/renamed"}}},
		{name: "an existing bucket", long: true, refusedWithout: location("sessions"), check: says("s3BucketName", "existing-logs"),
			config: map[string]any{"logging.bucketName": "existing-logs", "logging.earlierLocations": []any{"log-group:/renamed", location("sessions")}}},
		{name: "the stack's bucket again", long: true, refusedWithout: "s3://existing-logs/sessions",
			config: map[string]any{"logging.bucketName": nil, "logging.earlierLocations": []any{"s3://existing-logs/sessions"}}},
		{name: "previous log locations removed", long: true, config: map[string]any{"logging.earlierLocations": []any{}}},

		{name: "a document with a name of its own", long: true, notice: "the session document SSM-SessionManagerRunShell is deleted once", config: map[string]any{"session.documentName": "private-ec2-access-walk"}},
		{name: "the account's default document again", long: true, config: map[string]any{"session.documentName": nil}},
		{name: "sessions run as a user", long: true, config: map[string]any{"session.runAsEnabled": true, "session.runAsDefaultUser": "operator"}, check: says("runAsDefaultUser", "operator")},
		{name: "sessions run as ssm-user", long: true, config: map[string]any{"session.runAsEnabled": false, "session.runAsDefaultUser": nil}, check: says("runAsEnabled", "false")},
		{name: "shell profiles", long: true, config: map[string]any{"session.shellProfile.linux": "date", "session.shellProfile.windows": "Get-Date"}, check: says("shellProfile.linux", "date")},
		{name: "no shell profiles", long: true, config: map[string]any{"session.shellProfile.linux": nil, "session.shellProfile.windows": nil}, check: says("shellProfile", "")},
		{name: "sessions end after an hour", long: true, config: map[string]any{"session.maxSessionDuration": 60}, check: says("maxSessionDuration", "60")},
		{name: "sessions without a limit", long: true, config: map[string]any{"session.maxSessionDuration": 0}, check: says("maxSessionDuration", "")},

		{name: "sessions not encrypted", config: map[string]any{"session.encryption": false}, check: says("kmsKeyId", "")},
		// The group loses its key before the document stops requiring it: for that
		// moment the agent refuses sessions.
		{name: "session logs not encrypted with a key", config: map[string]any{"logging.encryption": "aes256"}, check: encryptedBy("AES256", ""), refuses: "has no key"},
		{name: "CloudWatch Logs off", refusedWithout: group, check: says("cloudWatchLogGroupName", ""),
			config: map[string]any{"logging.cloudWatch": false, "logging.earlierLocations": []any{location("sessions"), group}}},
		{name: "previous log locations removed again", config: map[string]any{"logging.earlierLocations": []any{}}, check: func(t *testing.T, w *walk) {
			require.Nil(t, w.replay.endpoints["logs"])
			require.Nil(t, w.replay.endpoints["kms"])
		}},
	}
}

// take changes the config, deploys the stack and checks everything.
func (w *walk) take(t *testing.T, s step) {
	t.Helper()
	if s.refusedWithout != "" {
		before := maps.Clone(w.config)
		maps.Copy(w.config, s.config)
		for _, key := range []string{"logging.earlierLocations", "logging.earlierKmsKeyArns"} {
			w.config[key] = before[key]
		}
		w.rewrite(t)
		out, err := w.preview()
		require.Error(t, err, "%s: the preview does not require %s", s.name, s.refusedWithout)
		wanted, isKey := w.words()[s.refusedWithout].(string)
		if !isKey {
			wanted = s.refusedWithout
		}
		require.Contains(t, out, "a list with "+wanted, s.name)
		w.config = before
	}
	maps.Copy(w.config, s.config)
	w.rewrite(t)
	w.in.Reset()
	require.Contains(t, w.up(), s.notice, s.name)
	w.follow(t, s.refuses)
	if s.check != nil {
		s.check(t, w)
	}
	w.requireSessionLogs(t, s.name)
}

// follow replays the calls of an update.
func (w *walk) follow(t *testing.T, refuses string) {
	t.Helper()
	calls := w.in.Calls()
	w.replay.follow(calls)
	faults := slices.DeleteFunc(w.replay.faults, func(fault string) bool {
		return refuses != "" && strings.HasPrefix(fault, "refused: ") && strings.Contains(fault, refuses)
	})
	require.Empty(t, faults)
	w.replay.faults = nil
	// The request that creates an endpoint does not have its id.
	names := slices.Sorted(maps.Keys(w.replay.documents))
	for _, e := range w.in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		if known := w.replay.endpoints[serviceOf(e.text("ServiceName"))]; known != nil && e.text("State") != "deleted" {
			known.id = e.text("VpcEndpointId")
		}
	}
	// The replay has the same document as the account.
	require.Len(t, names, 1)
	require.JSONEq(t, w.replay.content(names[0]), w.in.aws("ssm", "get-document", "--name", names[0]).text("Content"))
}

// changes returns the calls of the last step that changed something.
func (w *walk) changes() []string {
	var names []string
	for _, c := range w.in.Calls() {
		own := c.Service == "logs" && (c.Action == "CreateLogStream" || c.Action == "PutLogEvents") || c.Action == "PutObject" || c.Service == "sts"
		if c.Writes() && c.Status < 300 && !own {
			names = append(names, c.Service+":"+c.Action)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// put writes a session log and keeps its version.
func (w *walk) put(t *testing.T, key, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "session.log")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	version := w.in.as(w.outputs().text("roleName"), "s3api", "put-object", "--bucket", w.bucket, "--key", key, "--body", file).text("VersionId")
	w.objects[key+" "+version] = text
}

func (w *walk) getEvents() []string {
	return []string{"logs", "get-log-events", "--log-group-name", w.group, "--log-stream-name", "user-0123"}
}

// requireSessionLogs reads back every session log that was ever written, and the state of every key.
func (w *walk) requireSessionLogs(t *testing.T, after string) {
	t.Helper()
	dir := t.TempDir()
	logs := slices.Sorted(maps.Keys(w.objects))
	var listed []string
	for _, v := range w.in.aws("s3api", "list-object-versions", "--bucket", w.bucket).list("Versions") {
		listed = append(listed, v.text("Key")+" "+v.text("VersionId"))
	}
	require.ElementsMatch(t, logs, listed, after)
	for i, log := range logs {
		key, version, _ := strings.Cut(log, " ")
		file := filepath.Join(dir, fmt.Sprint(i))
		w.in.aws("s3api", "get-object", "--bucket", w.bucket, "--key", key, "--version-id", version, file)
		text, err := os.ReadFile(file)
		require.NoError(t, err, after)
		require.Equal(t, w.objects[log], string(text), after)
	}
	for _, key := range w.keys {
		require.Equal(t, "Enabled", w.in.aws("kms", "describe-key", "--key-id", key).text("KeyMetadata.KeyState"), after)
	}
	if w.group != "" {
		require.Equal(t, w.events, w.in.aws(w.getEvents()...).at("events"), after)
	}
}

// rewrite writes the config to the stack's file.
func (w *walk) rewrite(t *testing.T) {
	t.Helper()
	file := filepath.Join(w.dir, "Pulumi."+w.name+".yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var settings map[string]any
	require.NoError(t, yaml.Unmarshal(text, &settings))
	config := settings["config"].(map[string]any)
	for key := range config {
		if strings.HasPrefix(key, "private-ec2-access:") && key != "private-ec2-access:emulated" {
			delete(config, key)
		}
	}
	given := maps.Clone(w.config)
	maps.DeleteFunc(given, func(_ string, value any) bool { return value == nil })
	for key, value := range spoken(given, w.words()) {
		config["private-ec2-access:"+key] = value
	}
	text, err = yaml.Marshal(settings)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

// words are the table's names of the keys.
func (w *walk) words() map[string]any {
	words := map[string]any{}
	for i, arn := range w.keys {
		words[fmt.Sprintf("KEY_%d", i+1)] = arn
	}
	return words
}

// shownConfig returns a step's config for the table, with names in place of what differs from run to run.
func shownConfig(config map[string]any, w *walk) string {
	var shown []string
	for _, key := range slices.Sorted(maps.Keys(config)) {
		value := fmt.Sprint(config[key])
		if config[key] == nil {
			value = "(default)"
		}
		replace := []string{w.bucket, "BUCKET"}
		for i, arn := range w.keys {
			replace = append(replace, arn, fmt.Sprintf("KEY_%d", i+1))
		}
		shown = append(shown, "`"+key+": "+strings.NewReplacer(replace...).Replace(value)+"`")
	}
	return strings.Join(shown, " ")
}

func parsedObject(t *testing.T, text string) object {
	t.Helper()
	value, _ := parsed(t, text).(map[string]any)
	return value
}
