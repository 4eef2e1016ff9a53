package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/scope"
)

var (
	virginia = scope.Scope{Partition: "aws", Region: "us-east-1", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	seoul    = scope.Scope{Partition: "aws", Region: "ap-northeast-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	all      = Watched{
		Project: "shells", Document: "Shells", Bucket: "shells-logs-1", KeyARN: "arn:aws:kms:us-east-1:111122223333:key/1",
		LogGroups: []string{"/shells/prod/sessions"}, BreakGlassRoleARN: "arn:aws:iam::111122223333:role/shells-break-glass-1", Tunnels: "shells-people-prod-tunnel-",
	}
)

// record is an event that CloudTrail delivers to EventBridge. The envelope is the one of
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html, and the fields of the
// record those of https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
func record(service, name string, parameters map[string]any, more map[string]any) map[string]any {
	detail := map[string]any{
		"eventVersion": "1.08", "eventTime": "2026-11-26T03:00:00Z", "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.10",
		"eventSource": service + ".amazonaws.com", "eventName": name, "requestParameters": parameters, "eventType": "AwsApiCall",
		"userIdentity": map[string]any{
			"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/developer/mia", "accountId": "111122223333",
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{
				"type": "Role", "arn": "arn:aws:iam::111122223333:role/developer", "accountId": "111122223333", "userName": "developer",
			}},
		},
	}
	maps.Copy(detail, more)
	return map[string]any{
		"version": "0", "id": "36eb8523-97d0-4518-b33d-ee3579ff19f0", "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service,
		"account": "111122223333", "time": "2026-11-26T03:00:00Z", "region": "us-east-1", "resources": []any{}, "detail": detail,
	}
}

// Each event is one that AWS documents for the call, and names the rules that it matches. The next event is the same with
// one fact changed, and matches fewer. What this does not prove: that AWS's records have exactly these fields.
func TestRules_EventsOfCloudTrail_MatchTheirRule(t *testing.T) {
	t.Parallel()
	type parameters = map[string]any
	instance := "i-0123456789abcdef0"
	// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-auditing.html and the request parameters of
	// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html
	start := func(more parameters) map[string]any {
		p := parameters{"target": instance, "documentName": "Shells"}
		maps.Copy(p, more)
		return record("ssm", "StartSession", p, nil)
	}
	withoutDocument := record("ssm", "StartSession", parameters{"target": instance}, nil)
	// https://docs.aws.amazon.com/kms/latest/developerguide/ct-schedule-key-deletion.html
	deletion := func(key string) map[string]any {
		return record("kms", "ScheduleKeyDeletion", parameters{"keyId": "1", "pendingWindowInDays": 30}, map[string]any{
			"resources": []any{map[string]any{"ARN": key, "accountId": "111122223333", "type": "AWS::KMS::Key"}}})
	}
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html: the issuer of an assumed role's session
	glass := func(role string) map[string]any {
		return record("ec2", "StopInstances", nil, map[string]any{"userIdentity": map[string]any{
			"type": "AssumedRole", "sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": role}}}})
	}
	for name, c := range map[string]struct {
		event map[string]any
		want  []string
	}{
		"session started":                      {start(nil), []string{"sessions"}},
		"session resumed":                      {record("ssm", "ResumeSession", parameters{"sessionId": "mia-1"}, nil), []string{"sessions"}},
		"session ended":                        {record("ssm", "TerminateSession", parameters{"sessionId": "mia-1"}, nil), []string{"sessions"}},
		"session listed":                       {record("ssm", "DescribeSessions", parameters{"state": "Active"}, nil), nil},
		"session by the document's ARN":        {start(parameters{"documentName": virginia.DocumentARN("Shells")}), []string{"sessions"}},
		"session under the default":            {withoutDocument, []string{"sessions", "other-documents"}},
		"session under another document":       {start(parameters{"documentName": "AWS-StartSSHSession"}), []string{"sessions", "other-documents"}},
		"document updated":                     {record("ssm", "UpdateDocument", parameters{"name": "Shells"}, nil), []string{"document"}},
		"another document updated":             {record("ssm", "UpdateDocument", parameters{"name": "Other"}, nil), nil},
		"document's default changed":           {record("ssm", "UpdateDocumentDefaultVersion", parameters{"name": virginia.DocumentARN("Shells")}, nil), []string{"document"}},
		"document of a forwarded port changed": {record("ssm", "UpdateDocument", parameters{"name": virginia.DocumentARN("shells-people-prod-tunnel-dba-db")}, nil), []string{"document"}},
		"document of another stack's changed":  {record("ssm", "UpdateDocument", parameters{"name": "shells-people-dev-tunnel-dba-db"}, nil), nil},
		"document read":                        {record("ssm", "GetDocument", parameters{"name": "Shells"}, nil), nil},
		"bucket policy changed":                {record("s3", "PutBucketPolicy", parameters{"bucketName": "shells-logs-1"}, nil), []string{"log-bucket"}},
		"bucket policy of another changed":     {record("s3", "PutBucketPolicy", parameters{"bucketName": "shells-logs-2"}, nil), nil},
		"public access block deleted":          {record("s3", "DeleteBucketPublicAccessBlock", parameters{"bucketName": "shells-logs-1"}, nil), []string{"log-bucket"}},
		"versions suspended":                   {record("s3", "PutBucketVersioning", parameters{"bucketName": "shells-logs-1"}, nil), []string{"log-bucket"}},
		"bucket policy read":                   {record("s3", "GetBucketPolicy", parameters{"bucketName": "shells-logs-1"}, nil), nil},
		"key's deletion scheduled":             {deletion(all.KeyARN), []string{"key"}},
		"another key's deletion scheduled":     {deletion(all.KeyARN + "2"), nil},
		"log group deleted":                    {record("logs", "DeleteLogGroup", parameters{"logGroupName": "/shells/prod/sessions"}, nil), []string{"log-groups"}},
		"another log group deleted":            {record("logs", "DeleteLogGroup", parameters{"logGroupName": "/shells/prod"}, nil), nil},
		"role's policy changed":                {record("iam", "PutRolePolicy", parameters{"roleName": "shells-instance-1", "policyName": "x"}, nil), []string{"roles"}},
		"another role's policy changed":        {record("iam", "PutRolePolicy", parameters{"roleName": "web", "policyName": "x"}, nil), nil},
		"policy's version created":             {record("iam", "CreatePolicyVersion", parameters{"policyArn": "arn:aws:iam::111122223333:policy/team/shells-instance-1"}, nil), []string{"policies"}},
		"another policy's version created":     {record("iam", "CreatePolicyVersion", parameters{"policyArn": "arn:aws:iam::111122223333:policy/web"}, nil), nil},
		"trail stopped":                        {record("cloudtrail", "StopLogging", parameters{"name": "main"}, nil), []string{"trail"}},
		"trail described":                      {record("cloudtrail", "DescribeTrails", nil, nil), nil},
		"call of the break-glass role":         {glass(all.BreakGlassRoleARN), []string{"break-glass"}},
		"call of another role":                 {glass("arn:aws:iam::111122223333:role/developer"), nil},
		"the same name of another service":     {record("states", "StartSession", parameters{"documentName": "AWS-StartSSHSession"}, nil), nil},
		"not an event of CloudTrail":           {with(start(nil), "detail-type", "EC2 State Manager Association State Change"), nil},
		"break-glass signed in to console":     {with(glass(all.BreakGlassRoleARN), "detail-type", "AWS Console Sign In via CloudTrail"), []string{"break-glass"}},
		"a session that another API starts":    {record("ssm", "StartAutomationExecution", parameters{"documentName": "AWS-StartSSHSession"}, nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var matching []string
			for _, rule := range Rules(virginia, Kinds(), all) {
				if matches(t, rule.Pattern(virginia, all).JSON(), c.event) {
					matching = append(matching, rule.Name)
				}
			}
			require.Equal(t, c.want, matching)
		})
	}
}

func with(event map[string]any, key, value string) map[string]any {
	event = maps.Clone(event)
	event[key] = value
	return event
}

// A call without a document's name gets the account's default document, which is the stack's under its usual name.
func TestRules_DefaultDocument_IsNotAnother(t *testing.T) {
	t.Parallel()
	watched := all
	watched.Document = "SSM-SessionManagerRunShell"
	rule := Table[slices.IndexFunc(Table, func(r Rule) bool { return r.Name == "other-documents" })]
	for document, want := range map[string]bool{"": false, "SSM-SessionManagerRunShell": false, "AWS-StartPortForwardingSession": true} {
		p := map[string]any{"target": "i-0123456789abcdef0"}
		if document != "" {
			p["documentName"] = document
		}
		require.Equal(t, want, matches(t, rule.Pattern(virginia, watched).JSON(), record("ssm", "StartSession", p, nil)), document)
	}
}

func TestRules_OnlyForWhatThereIs(t *testing.T) {
	t.Parallel()
	names := func(s scope.Scope, kinds []string, w Watched) (names []string) {
		for _, rule := range Rules(s, kinds, w) {
			names = append(names, rule.Name)
		}
		return names
	}
	require.Equal(t, []string{"sessions"}, names(virginia, []string{Sessions}, all))
	require.NotContains(t, names(virginia, Kinds(), Watched{}), "key")
	require.NotContains(t, names(virginia, Kinds(), Watched{}), "log-groups")
	require.NotContains(t, names(virginia, Kinds(), Watched{}), "break-glass")
	require.Contains(t, names(virginia, Kinds(), all), "roles")
	require.NotContains(t, names(seoul, Kinds(), all), "roles", "the events of IAM never come to this Region")
	require.NotContains(t, names(seoul, Kinds(), all), "policies")
	for _, rule := range Table {
		require.Contains(t, Kinds(), rule.Kind)
	}
}

// EventBridge takes patterns of up to 2,048 characters (the quota in
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html), and messages whose fields are declared.
func TestRules_LongestNames_FitEventBridge(t *testing.T) {
	t.Parallel()
	long := Watched{
		Project: strings.Repeat("p", 31), Document: strings.Repeat("d", 128), Bucket: strings.Repeat("b", 63), KeyARN: all.KeyARN + strings.Repeat("k", 36),
		LogGroups: []string{strings.Repeat("l", 512), strings.Repeat("g", 512)}, BreakGlassRoleARN: "arn:aws:iam::111122223333:role/" + strings.Repeat("r", 512+64),
		Tunnels: strings.Repeat("t", 128),
	}
	gov := scope.Scope{Partition: "aws-us-gov", Region: "us-gov-west-1", AccountID: "111122223333"}
	for _, rule := range Rules(gov, Kinds(), long) {
		require.LessOrEqual(t, len(rule.Pattern(gov, long).JSON()), 2048, rule.Name)
		require.LessOrEqual(t, len(long.Project+"-alert-"+rule.Name+"-1234567"), 64, "the rule's name")
		for _, field := range regexp.MustCompile(`<(\w+)>`).FindAllStringSubmatch(Message(rule, "project/stack"), -1) {
			require.Contains(t, Fields(), field[1])
		}
		for line := range strings.Lines(Message(rule, "project/stack")) {
			require.Regexp(t, `^"[^"]*"\n?$`, line, "each line of a template of text is in quotation marks")
		}
	}
}

// matches compares an event with a pattern as
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html describes it, for the
// operators that the rules use.
func matches(t *testing.T, pattern string, event map[string]any) bool {
	t.Helper()
	var p map[string]any
	require.NoError(t, json.Unmarshal([]byte(pattern), &p))
	return matchesObject(t, p, event)
}

func matchesObject(t *testing.T, pattern map[string]any, event any) bool {
	t.Helper()
	if list, ok := event.([]any); ok { // the pattern matches a list of objects of which one matches
		return slices.ContainsFunc(list, func(element any) bool { return matchesObject(t, pattern, element) })
	}
	fields, _ := event.(map[string]any)
	for key, wanted := range pattern {
		value, there := fields[key]
		switch wanted := wanted.(type) {
		case map[string]any:
			if !matchesObject(t, wanted, value) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(wanted, func(one any) bool { return matchesValue(t, one, value, there) }) {
				return false
			}
		default:
			require.Fail(t, "a pattern's leaves are lists", "%s: %v", key, wanted)
		}
	}
	return true
}

func matchesValue(t *testing.T, wanted, value any, there bool) bool {
	t.Helper()
	operator, isOperator := wanted.(map[string]any)
	if !isOperator {
		return there && wanted == value
	}
	require.Len(t, operator, 1)
	for name, operand := range operator {
		switch name {
		case "exists":
			return operand == there
		case "prefix":
			return there && strings.HasPrefix(fmt.Sprint(value), operand.(string))
		case "wildcard":
			expression := strings.ReplaceAll(regexp.QuoteMeta(operand.(string)), `\*`, ".*")
			return there && regexp.MustCompile("^"+expression+"$").MatchString(fmt.Sprint(value))
		case "anything-but":
			return there && !slices.Contains(operand.([]any), value)
		}
		require.Fail(t, "an operator that this test does not know", name)
	}
	return false
}
