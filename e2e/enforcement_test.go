package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// signedIn are the callers whose calls the policies decide about.
type signedIn struct {
	t        *testing.T
	in       *account
	callers  map[string]identity          // by access key
	policies map[string]map[string]any    // of each caller: by name
	tags     map[string]map[string]string // of instances, by id
	decided  sync.Map                     // verdicts by what was asked: each costs a process
}

// identity is a user, or a session of a role.
type identity struct {
	name, arn string
	context   map[string]string // what AWS knows of the caller
}

// signIn creates a user with policies of the account, and returns the AWS CLI with an access key of that user.
func (s *signedIn) signIn(name string, arns ...string) *awsCLI {
	s.t.Helper()
	s.in.aws("iam", "create-user", "--user-name", name)
	s.policies[name] = map[string]any{}
	for _, arn := range arns {
		s.in.aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", arn)
		s.policies[name][arn] = policyOf(s.in, arn)
	}
	key := s.in.aws("iam", "create-access-key", "--user-name", name)
	s.callers[key.text("AccessKey.AccessKeyId")] = identity{name, "arn:aws:iam::" + here + ":user/" + name,
		map[string]string{"aws:username": name, "aws:userid": "AIDA" + strings.ToUpper(name)}}
	return &awsCLI{test: s.t, environ: s.in.environment(
		"AWS_ACCESS_KEY_ID="+key.text("AccessKey.AccessKeyId"), "AWS_SECRET_ACCESS_KEY="+key.text("AccessKey.SecretAccessKey"))}
}

// assume returns the AWS CLI with a session of a role, which has one policy. Nothing decides about who may assume it.
func (s *signedIn) assume(role, policy string) *awsCLI {
	s.t.Helper()
	s.policies[role] = map[string]any{policy: policyOf(s.in, policy)}
	made := s.in.aws("sts", "assume-role", "--role-arn", role, "--role-session-name", "ana")
	s.callers[made.text("Credentials.AccessKeyId")] = identity{role, made.text("AssumedRoleUser.Arn"), map[string]string{"aws:userid": made.text("AssumedRoleUser.AssumedRoleId")}}
	return &awsCLI{test: s.t, environ: s.in.environment("AWS_ACCESS_KEY_ID="+made.text("Credentials.AccessKeyId"),
		"AWS_SECRET_ACCESS_KEY="+made.text("Credentials.SecretAccessKey"), "AWS_SESSION_TOKEN="+made.text("Credentials.SessionToken"))}
}

// asks returns what AWS authorizes for a call of one of the callers, all of which has to be allowed.
func (s *signedIn) asks(q *emulator.Request) []ask {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":" + q.Region + ":" + here + ":" + resource
	}
	action := q.Service + ":" + q.Action
	if action == "sts:GetCallerIdentity" {
		return nil // it needs no permission
	}
	tagsOf := func(id string) map[string]string {
		context := map[string]string{}
		for key, value := range s.tags[id] {
			context["ssm:resourceTag/"+key] = value
		}
		return context
	}
	switch q.Action {
	case "StartSession":
		document := q.Params["DocumentName"]
		if document == "" {
			document = preferencesName
		}
		target := q.Params["Target"]
		return []ask{{action, arn("ec2", "instance/"+target), tagsOf(target)}, {action, arn("ssm", "document/"+document), nil}}
	case "TerminateSession", "ResumeSession":
		return []ask{{action, arn("ssm", "session/"+q.Params["SessionId"]), nil}}
	case "SendCommand":
		return []ask{{action, arn("ec2", "instance/"+q.Params["InstanceIds.1"]), tagsOf(q.Params["InstanceIds.1"])}}
	case "UpdateDocument", "GetDocument", "ListDocumentVersions":
		return []ask{{action, arn("ssm", "document/"+q.Params["Name"]), nil}}
	case "GetTrailStatus":
		return []ask{{action, q.Params["Name"], nil}}
	case "GetEventSelectors":
		return []ask{{action, q.Params["TrailName"], nil}}
	case "Publish":
		return []ask{{action, q.Params["TopicArn"], nil}}
	}
	if q.Service == "s3" {
		return askS3(emulator.Call{Action: q.Action, Params: q.Params})
	}
	return []ask{{action, "*", nil}}
}

// decide refuses a call as AWS does, if the caller's policies do not allow all of it.
func (s *signedIn) decide(q *emulator.Request) *emulator.Reply {
	who := s.callers[q.AccessKey]
	var names []string
	for policy := range s.policies[who.name] {
		names = append(names, policy)
	}
	if names == nil {
		names = []string{}
	}
	asks := s.asks(q)
	if len(asks) == 0 {
		return nil
	}
	var simulations []map[string]any
	for _, a := range asks {
		context := maps.Clone(who.context)
		maps.Copy(context, a.context)
		simulations = append(simulations, map[string]any{"identityPolicies": names, "request": map[string]any{
			"principal": who.arn, "action": a.action, "contextVariables": context, "resource": map[string]any{"resource": a.resource, "accountId": here},
		}})
	}
	key := fmt.Sprint(who.name, asks)
	verdicts, known := s.decided.Load(key)
	if !known {
		verdicts = evaluate(s.t, s.policies[who.name], simulations)
		s.decided.Store(key, verdicts)
	}
	for i, v := range verdicts.([]verdict) {
		if v.Error != "" {
			s.t.Errorf("%s: %s", asks[i].action, v.Error)
		}
		if v.allowed() {
			continue
		}
		message := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
			who.arn, asks[i].action, asks[i].resource, asks[i].action)
		if q.Service == "s3" {
			return emulator.ErrorReply(q, http.StatusForbidden, "AccessDenied", message)
		}
		return emulator.ErrorReply(q, http.StatusBadRequest, "AccessDeniedException", message)
	}
	return nil
}

// requirePoliciesDecide signs in an operator, an auditor, somebody without a policy and the break-glass role, and lets the policies that the stack
// made decide about the calls of the real AWS CLI: an IAM policy evaluator is asked before the emulator answers.
//
// It does not prove that AWS authorizes these calls on these resources. The data channel of a session is not authorized.
func requirePoliciesDecide(t *testing.T, in *account, outputs object, log string) {
	t.Helper()
	s := &signedIn{t: t, in: in, callers: map[string]identity{}, policies: map[string]map[string]any{}, tags: map[string]map[string]string{}}
	app, db, bucket := outputs.text("instanceIds.app"), outputs.text("instanceIds.db"), outputs.text("logBucket")
	for _, tag := range in.aws("ec2", "describe-tags", "--filters", "Name=resource-type,Values=instance").list("Tags") {
		id := tag.text("ResourceId")
		if s.tags[id] == nil {
			s.tags[id] = map[string]string{}
		}
		s.tags[id][tag.text("Key")] = tag.text("Value")
	}
	arns, _ := outputs["peoplePolicyArns"].(map[string]any)
	operator := s.signIn("ana", fmt.Sprint(arns["operators-web"]))
	auditor := s.signIn("kim", fmt.Sprint(arns["auditors"]))
	nobody := s.signIn("eve")
	own, theirs := "ana-0123456789abcdef0", "joe-0123456789abcdef0"
	in.Add(emulator.Rule{Name: "the policies decide", Match: func(q *emulator.Request) bool { return s.callers[q.AccessKey].name != "" }, Answer: s.decide})

	shown := operator.typed(t, []string{"ssm", "start-session", "--target", app}, "echo marked=$((6 * 7))", "exit")
	require.Contains(t, shown, "marked=42", "the operator works on an instance of the group")
	denied := func(who *awsCLI, action, on string, args ...string) {
		t.Helper()
		out, err := who.try(args...)
		require.Error(t, err, "%v", args)
		require.Contains(t, string(out), "is not authorized to perform: "+action+" on resource: "+on, "%v", args)
	}
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":us-east-2:" + here + ":" + resource
	}
	onDB, object := arn("ec2", "instance/"+db), "arn:aws:s3:::"+bucket+"/"+log
	denied(operator, "ssm:StartSession", onDB, "ssm", "start-session", "--target", db)
	denied(operator, "ssm:StartSession", arn("ssm", "document/AWS-StartSSHSession"), "ssm", "start-session", "--target", app, "--document-name", "AWS-StartSSHSession")
	denied(operator, "ssm:TerminateSession", arn("ssm", "session/"+theirs), "ssm", "terminate-session", "--session-id", theirs)
	denied(operator, "ssm:UpdateDocument", arn("ssm", "document/"+preferencesName), "ssm", "update-document", "--name", preferencesName, "--content", "{}")
	denied(operator, "s3:GetObject", object, "s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
	operator.aws("ssm", "terminate-session", "--session-id", own)

	require.NotEmpty(t, auditor.aws("ssm", "describe-sessions", "--state", "History").list("Sessions"))
	require.NotEmpty(t, auditor.aws("s3api", "list-objects-v2", "--bucket", bucket).list("Contents"))
	auditor.aws("s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
	denied(auditor, "ssm:StartSession", arn("ec2", "instance/"+app), "ssm", "start-session", "--target", app)
	denied(auditor, "s3:DeleteObject", object, "s3api", "delete-object", "--bucket", bucket, "--key", log)

	requireAuditorAudits(t, in, outputs, auditor)

	denied(nobody, "ssm:StartSession", arn("ec2", "instance/"+app), "ssm", "start-session", "--target", app)
	denied(nobody, "ssm:DescribeSessions", "*", "ssm", "describe-sessions", "--state", "History")
	denied(nobody, "s3:GetObject", object, "s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")

	glass := s.assume(outputs.text("peopleRoleArns.break-glass"), fmt.Sprint(arns["break-glass"]))
	shown = glass.typed(t, []string{"ssm", "start-session", "--target", db}, "echo marked=$((6 * 7))", "exit")
	require.Contains(t, shown, "marked=42", "the break-glass role works on every instance")
	denied(glass, "ssm:StartSession", arn("ssm", "document/AWS-StartSSHSession"), "ssm", "start-session", "--target", db, "--document-name", "AWS-StartSSHSession")
	denied(glass, "s3:GetObject", object, "s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
}

// matchPatterns compares events with patterns by the emulator's implementation of EventBridge.
const matchPatterns = `import json, sys
from moto.events.models import EventPattern
print(json.dumps([EventPattern(None, json.loads(pattern)).matches_event(event) for pattern, event in json.load(sys.stdin)]))`

// requireRulesMatch compares the rules in the account with calls in the form in which CloudTrail delivers them
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html). Each call stands beside one that
// differs in one fact.
//
// It does not prove that a message is delivered: the emulator has no CloudTrail, and its rules do not reach SNS.
func requireRulesMatch(t *testing.T, in *account, outputs object) {
	t.Helper()
	patterns := map[string]string{}
	ofRule := regexp.MustCompile(`-alert-([a-z-]+)-[^-]+$`)
	for _, rule := range in.aws("events", "list-rules").list("Rules") {
		require.Equal(t, "ENABLED", rule.text("State"))
		patterns[ofRule.FindStringSubmatch(rule.text("Name"))[1]] = rule.text("EventPattern")
		targets := in.aws("events", "list-targets-by-rule", "--rule", rule.text("Name")).list("Targets")
		require.Len(t, targets, 1)
		require.Equal(t, outputs.text("alertTopicArn"), targets[0].text("Arn"))
	}
	require.ElementsMatch(t, []string{"sessions", "other-documents", "document", "log-bucket", "trail", "break-glass"}, slices.Collect(maps.Keys(patterns)))
	call := func(service, name string, parameters object, role string) object {
		return object{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service, "account": here, "region": "us-east-2", "resources": []any{},
			"detail": object{
				"eventVersion": "1.08", "eventSource": service + ".amazonaws.com", "eventName": name, "eventType": "AwsApiCall", "awsRegion": "us-east-2",
				"sourceIPAddress": "192.0.2.10", "requestParameters": parameters,
				"userIdentity": object{"type": "AssumedRole", "sessionContext": object{"sessionIssuer": object{"type": "Role", "arn": role}}},
			}}
	}
	developer, bucket := roleARN("developer"), outputs.text("logBucket")
	start := func(document, role string) object {
		return call("ssm", "StartSession", object{"target": outputs.text("instanceIds.app"), "documentName": document}, role)
	}
	cases := []struct {
		event object
		rules []string
	}{
		{start(preferencesName, developer), []string{"sessions"}},
		{start("AWS-StartSSHSession", developer), []string{"other-documents", "sessions"}},
		{start(preferencesName, outputs.text("peopleRoleArns.break-glass")), []string{"break-glass", "sessions"}},
		{call("ssm", "DescribeSessions", object{"state": "Active"}, developer), nil},
		{call("ssm", "UpdateDocument", object{"name": preferencesName}, developer), []string{"document"}},
		{call("ssm", "UpdateDocument", object{"name": outputs.text("tunnelDocuments.web/postgres")}, developer), []string{"document"}},
		{call("ssm", "UpdateDocument", object{"name": "another"}, developer), nil},
		{call("s3", "PutBucketVersioning", object{"bucketName": bucket}, developer), []string{"log-bucket"}},
		{call("s3", "PutBucketVersioning", object{"bucketName": bucket + "-2"}, developer), nil},
		{call("cloudtrail", "StopLogging", object{"name": "main"}, developer), []string{"trail"}},
		{call("cloudtrail", "StartLogging", object{"name": "main"}, developer), nil},
	}
	names := slices.Sorted(maps.Keys(patterns))
	var pairs [][]any
	for _, c := range cases {
		for _, name := range names {
			pairs = append(pairs, []any{patterns[name], c.event})
		}
	}
	asked, err := json.Marshal(pairs)
	require.NoError(t, err)
	cmd := exec.Command(setting(t, "EMULATOR_PYTHON"), "-c", matchPatterns)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(asked), os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var matched []bool
	require.NoError(t, json.Unmarshal(out, &matched))
	require.Len(t, matched, len(pairs))
	for i, c := range cases {
		var rules []string
		for k, name := range names {
			if matched[i*len(names)+k] {
				rules = append(rules, name)
			}
		}
		require.Equal(t, c.rules, rules, "%v", c.event["detail"])
	}
}

// requireAuditorAudits runs what is behind `make audit` with the permissions of an auditor, and of no more: on honest sessions,
// and after a session log was lost.
//
// It does not prove that CloudTrail's event history is read: the emulator has none.
func requireAuditorAudits(t *testing.T, in *account, outputs object, auditor *awsCLI) {
	t.Helper()
	const id, forwarded = "joe-0123456789abcdef0", "joe-0123456789abcdef1"
	bucket, key, app := outputs.text("logBucket"), "sessions/"+id+".log", outputs.text("instanceIds.app")
	in.aws("s3api", "create-bucket", "--bucket", "trails", "--create-bucket-configuration", "LocationConstraint=us-east-2")
	in.aws("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", "trails", "--is-multi-region-trail")
	in.aws("cloudtrail", "start-logging", "--name", "main")
	in.aws("cloudtrail", "put-event-selectors", "--trail-name", "main", "--event-selectors", `[{"ReadWriteType": "All", "IncludeManagementEvents": true}]`)
	seeded := func(id, document string) object {
		ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
		return object{"SessionId": id, "Target": app, "Status": "Terminated", "Region": "us-east-2", "StartDate": ago(40 * time.Minute), "EndDate": ago(30 * time.Minute),
			"DocumentName": document, "Owner": "arn:aws:iam::" + here + ":user/joe"}
	}
	running{URL: in.URL(), Secret: in.Secret()}.ask(t, http.MethodPost, "sessions",
		[]object{seeded(id, preferencesName), seeded(forwarded, outputs.text("tunnelDocuments.web/postgres"))}, nil)
	log := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(log, []byte("$ date\n"), 0o600))
	in.as(outputs.text("roleName"), "s3api", "put-object", "--bucket", bucket, "--key", key, "--body", log)

	code, out, problems := auditor.audit(t, outputs)
	require.Zero(t, code, out+problems)
	require.Empty(t, out)
	require.Regexp(t, `3 sessions under SSM-SessionManagerRunShell since \S+: 3 logged as they should be, 1 more that forwarded a port of the config`, problems)
	require.Contains(t, problems, "Nothing was found.")

	// All versions are gone, the trail is stopped, and somebody forwarded a port by a document of AWS.
	for _, v := range in.aws("s3api", "list-object-versions", "--bucket", bucket, "--prefix", key).list("Versions") {
		in.aws("s3api", "delete-object", "--bucket", bucket, "--key", key, "--version-id", v.text("VersionId"))
	}
	in.aws("cloudtrail", "stop-logging", "--name", "main")
	running{URL: in.URL(), Secret: in.Secret()}.ask(t, http.MethodPost, "sessions", []object{seeded("joe-0123456789abcdef2", "AWS-StartPortForwardingSession")}, nil)
	in.Reset()
	code, out, problems = auditor.audit(t, outputs, "--format", "csv", "--topic", outputs.text("alertTopicArn"))
	require.Equal(t, 6, code, out+problems)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	found := map[string]string{}
	for _, row := range rows[1:] {
		found[row[0]] = row[2]
	}
	require.Equal(t, map[string]string{"no-log": id, "tunnel": "joe-0123456789abcdef2", "no-trail": ""}, found)
	require.Contains(t, problems, "A message was sent to "+outputs.text("alertTopicArn"))
	require.True(t, slices.ContainsFunc(in.Calls(), func(c emulator.Call) bool { return c.Service == "sns" && c.Action == "Publish" }))
	require.NotContains(t, problems, "NOT CHECKED")
}

// audit runs the command with the credentials of this AWS CLI. Like an auditor's, they cannot read the Pulumi state.
func (c *awsCLI) audit(t *testing.T, outputs object, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	text, err := json.Marshal(outputs)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "outputs.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	cmd := exec.Command(filepath.Join(project(t), ".local", "bin", "stack"), append([]string{"audit", "--outputs", file}, args...)...)
	cmd.Env = append(slices.Clone(c.environ), "PATH="+filepath.Dir(setting(t, "EMULATOR_PYTHON")))
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	code = exitCode(cmd.Run())
	return code, out.String(), problems.String()
}
