package sessions

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The answers of an account in which everything is as it should be: one session under the stack's document, with a log in S3
// and one in the log group. It is 2026-03-01 12:00 UTC.
func wellLogged() []answer {
	return []answer{
		me,
		{Contains: "get-document", Stdout: `{"Content": "{\"inputs\": {\"s3BucketName\": \"logs\", \"s3KeyPrefix\": \"sessions\", \"cloudWatchLogGroupName\": \"/group\", \"idleSessionTimeout\": \"20\"}}"}`},
		{Contains: "list-document-versions", Stdout: `{"DocumentVersions": [{"DocumentVersion": "2", "CreatedDate": "2026-02-01T00:00:00Z", "IsDefaultVersion": true}, {"DocumentVersion": "1", "CreatedDate": 1}]}`},
		{Contains: `"State":"Active"`, Stdout: "{}"},
		oneSession(past, "Terminated"),
		{Contains: "describe-instances", Stdout: `{"Reservations": [{"Instances": [{"InstanceId": "i-0000000000000000a", "PrivateIpAddress": "10.20.0.9"}]}]}`},
		{Contains: `"Prefix":"sessions/"`, Stdout: versionsOf("sessions/"+aliceID+".log", "2026-03-01T11:00:09Z").Stdout},
		{Contains: "get-bucket-versioning", Stdout: `{"Status": "Enabled"}`},
		{Contains: `"logGroupName":"/group"`, Stdout: fmt.Sprintf(`{"logStreams": [{"logStreamName": %q, "creationTime": 1772362800000, "lastEventTimestamp": 1772362804000}]}`, aliceID)},
		{Contains: `"logGroupName":"/before"`, Stdout: `{"logStreams": []}`},
		{Contains: "list-command-invocations", Stdout: `{"CommandInvocations": []}`},
		{Contains: "lookup-events", Stdout: `{"Events": []}`},
	}
}

// instead answers some calls otherwise.
func instead(changed ...answer) []answer { return append(changed, wellLogged()...) }

func TestAudit_EverythingLogged_EndsWith0(t *testing.T) {
	t.Parallel()
	got := runFake(t, "audit", wellLogged())
	require.Zero(t, got.code, got.err)
	require.Empty(t, got.out)
	require.Contains(t, got.err, "1 session under SSM-SessionManagerRunShell since 2026-01-30T12:00:00Z: 1 logged as they should be.\nNothing was found.\n")
	require.Zero(t, got.count(`"Bucket":"old"`), "kept buckets are read only for sessions without a log")
	require.NotZero(t, got.count("list-object-versions"))
	require.Equal(t, got.count("list-object-versions"), got.count(`"ExpectedBucketOwner":"1"`), "a bucket that went to another account is not read")
	require.Zero(t, got.count("sns publish"))
	got = runFake(t, "audit", wellLogged(), "--topic", "arn:aws:sns:us-west-2:1:alerts")
	require.Zero(t, got.code, got.err)
	require.Zero(t, got.count("sns publish"), "nothing to report")
}

// The history, the versions, the streams and the events come in pages.
func TestAudit_EverySource_IsReadToItsEnd(t *testing.T) {
	t.Parallel()
	event := func(text string) string {
		quoted, _ := json.Marshal(text)
		return `{"CloudTrailEvent": ` + string(quoted) + `}`
	}
	got := runFake(t, "audit", instead(
		answer{Contains: "--starting-token=s2", Stdout: `{"Sessions": [
			{"SessionId": "bob-0123456789abcdef1", "Target": "i-2", "Status": "Terminated", "StartDate": 1772352000, "EndDate": 1772352060, "Owner": "x/bob", "DocumentName": "SSM-SessionManagerRunShell"},
			{"SessionId": "eve-0123456789abcdef2", "Target": "i-1", "Status": "Terminated", "StartDate": 1772352001, "EndDate": 1772352060, "Owner": "x/eve", "DocumentName": "AWS-StartPortForwardingSession"}]}`},
		answer{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, "}]}", `}], "NextToken": "s2"}`, 1)},
		answer{Contains: "--starting-token=v2", Stdout: `{"DeleteMarkers": [{"Key": "sessions/` + aliceID + `.log", "VersionId": "v2", "LastModified": "2026-03-01T11:40:00Z"}]}`},
		answer{Contains: `"Prefix":"sessions/"`, Stdout: strings.Replace(versionsOf("sessions/"+aliceID+".log", "2026-03-01T11:00:09Z").Stdout, "]}", `], "NextToken": "v2"}`, 1)},
		answer{Contains: "list-command-invocations", Stdout: `{"CommandInvocations": [
			{"CommandId": "c-1", "InstanceId": "i-0000000000000000a", "DocumentName": "AWS-RunShellScript", "RequestedDateTime": 1772352002},
			{"CommandId": "c-2", "InstanceId": "i-other", "DocumentName": "AWS-RunShellScript", "RequestedDateTime": 1772352003}]}`},
		answer{Contains: `"AttributeValue":"SendCommand"`, Stdout: `{"Events": [` + event(`{"eventName": "SendCommand", "eventSource": "ssm.amazonaws.com", "eventTime": "2026-03-01T08:00:02Z",
			"userIdentity": {"arn": "arn:aws:iam::1:user/mallory"}, "responseElements": {"command": {"commandId": "c-1"}}}`) + `]}`},
		answer{Contains: "--starting-token=e2", Stdout: `{"Events": [` + event(`{"eventName": "OpenTunnel", "eventSource": "ec2-instance-connect.amazonaws.com", "eventTime": "2026-03-01T08:00:05Z",
			"userIdentity": {"arn": "arn:aws:iam::1:user/mallory"}, "requestParameters": {"privateIpAddress": "10.20.0.9"}, "responseElements": null}`) + `]}`},
		answer{Contains: `"AttributeValue":"OpenTunnel"`, Stdout: `{"Events": [` + event(`{"eventName": "OpenTunnel", "eventSource": "ec2-instance-connect.amazonaws.com", "eventTime": "2026-03-01T08:00:04Z",
			"requestParameters": {"privateIpAddress": "10.99.0.1"}}`) + `], "NextToken": "e2"}`},
		answer{Contains: `"AttributeValue":"StartSession"`, Stdout: `{"Events": [` +
			event(`{"eventName": "StartSession", "eventSource": "ssm.amazonaws.com", "eventTime": "2026-03-01T08:00:06Z", "userIdentity": {"arn": "arn:aws:iam::1:user/mallory"},
				"requestParameters": {"target": "i-1"}, "responseElements": {"sessionId": "mallory-0123456789abcdef3"}}`) + "," +
			event(`{"eventName": "StartSession", "eventSource": "ssm.amazonaws.com", "errorCode": "AccessDenied", "eventTime": "2026-03-01T08:00:07Z"}`) + "," +
			event(`{"eventName": "StartSession", "eventSource": "athena.amazonaws.com", "eventTime": "2026-03-01T08:00:08Z", "responseElements": {"sessionId": "a2c1ebba-ad01-865f"}}`) + `]}`},
		emptyVersions,
	), "--format", "json", "--topic", "arn:aws:sns:us-west-2:1:alerts")
	require.Equal(t, codeFindings, got.code, got.err)
	var report auditJSON
	require.NoError(t, json.Unmarshal([]byte(got.out), &report), got.out)
	require.True(t, report.Complete)
	found := map[string]finding{}
	for _, f := range report.Findings {
		found[f.Finding] = f
	}
	require.Len(t, report.Findings, 6, got.out)
	require.Empty(t, report.NotChecked)
	require.Equal(t, aliceID, found["log-deleted"].Session)
	require.Equal(t, finding{
		Finding: "no-log", Time: "2026-03-01T08:01:00Z", Session: "bob-0123456789abcdef1", Who: "bob", Owner: "x/bob", Instance: "web", InstanceID: "i-2", Document: "SSM-SessionManagerRunShell",
		Where:   "s3://logs/sessions/bob-0123456789abcdef1.log log-group:/group",
		Problem: "the session ended at 2026-03-01T08:01:00Z, and there is no session log",
	}, found["no-log"])
	require.Equal(t, "eve", found["tunnel"].Who)
	require.Equal(t, []string{"mallory", "i-0000000000000000a", "command c-1"}, []string{found["run-command"].Who, found["run-command"].InstanceID, found["run-command"].Where})
	require.Equal(t, "i-0000000000000000a", found["other-access"].InstanceID, "found by its address")
	require.Equal(t, "mallory-0123456789abcdef3", found["not-in-history"].Session)
	require.Contains(t, got.err, "6 findings: ")

	published := ""
	for _, c := range got.calls {
		if strings.HasPrefix(c, "sns publish") {
			published = c
		}
	}
	require.Contains(t, published, "--region us-west-2 ")
	require.Contains(t, published, `"Subject":"Session audit of dev: 6 findings"`)
	require.Contains(t, published, "no-log bob-0123456789abcdef1: the session ended")
	require.Contains(t, got.err, "error: the message to arn:aws:sns:us-west-2:1:alerts could not be sent", "the fake does not answer")
}

func TestAudit_Formats(t *testing.T) {
	t.Parallel()
	lost := instead(answer{Contains: `"Prefix":"sessions/"`}, answer{Contains: `"logGroupName":"/group"`, Stdout: `{"logStreams": []}`}, emptyVersions)
	got := runFake(t, "audit", lost)
	require.Equal(t, codeFindings, got.code, got.err)
	require.Equal(t, "no-log  2026-03-01 11:00  "+aliceID+"  alice  app\n    the session ended at 2026-03-01T11:00:05Z, and there is no session log\n"+
		"    s3://logs/sessions/"+aliceID+".log log-group:/group\n", got.out)
	require.Contains(t, got.err, "1 finding: 1 no-log.\nNext: make record SESSION="+aliceID+" STACK=dev")
	require.NotZero(t, got.count(`"Bucket":"old"`), "a session without a log is looked for in every bucket")

	got = runFake(t, "audit", lost, "--format", "csv")
	require.Equal(t, codeFindings, got.code, got.err)
	rows, err := csv.NewReader(strings.NewReader(got.out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, findingColumns, rows[0])
	require.Equal(t, []string{"no-log", "2026-03-01T11:00:05Z", aliceID, "alice"}, rows[1][:4])

	got = runFake(t, "audit", wellLogged(), "--format", "json")
	require.Zero(t, got.code, got.err)
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.out), &report), got.out)
	require.Equal(t, []any{}, report["findings"])
	require.Equal(t, []any{}, report["notChecked"])
}

// emptyVersions are the listings of whole buckets.
var emptyVersions = answer{Contains: "list-object-versions"}

// A log under a prefix that the config had once is found, by a second look at the buckets.
func TestAudit_LogUnderRemovedPrefix_IsFound(t *testing.T) {
	t.Parallel()
	for bucket, prefix := range map[string]string{"logs": "long-ago/", "old": "sessions/"} {
		got := runFake(t, "audit", instead(
			answer{Contains: "list-document-versions", Stdout: `{"DocumentVersions": [{"CreatedDate": "2026-03-01T11:30:00Z", "IsDefaultVersion": true}]}`},
			answer{Contains: `"Prefix":"sessions/"`}, answer{Contains: `"logGroupName":"/group"`, Stdout: `{"logStreams": []}`},
			answer{Contains: `"Bucket":"` + bucket + `"`, Stdout: versionsOf(prefix+aliceID+".log", "2026-03-01T11:00:09Z").Stdout}, emptyVersions,
		))
		require.Zero(t, got.code, got.out+got.err)
		require.Contains(t, got.err, "1 logged as they should be")
	}
}

func TestAudit_UnreadableSource_IsIncomplete(t *testing.T) {
	t.Parallel()
	denied := func(service, operation string) answer {
		return answer{Contains: service + " " + operation + " ", Code: 254, Stderr: "\nAn error occurred (AccessDenied) when calling the " + camel(operation) + " operation: Access Denied\n"}
	}
	for name, test := range map[string]struct {
		changed []answer
		says    string
	}{
		"CloudTrail":    {[]answer{denied("cloudtrail", "lookup-events")}, "NOT CHECKED: CloudTrail: sessions that the history does not have, who ran a command, EC2 Instance Connect, associations and automations: cloudtrail:LookupEvents was refused"},
		"Run Command":   {[]answer{denied("ssm", "list-command-invocations")}, "NOT CHECKED: Run Command: ssm:ListCommandInvocations was refused"},
		"the bucket":    {[]answer{denied("s3api", "list-object-versions"), denied("s3api", "head-bucket"), {Contains: `"logGroupName":"/group"`, Stdout: `{"logStreams": []}`}}, "NOT CHECKED: the session logs in s3://logs/sessions/: s3:ListBucketVersions was refused"},
		"the log group": {[]answer{denied("logs", "describe-log-streams")}, "NOT CHECKED: the session logs in the log group /group: logs:DescribeLogStreams was refused"},
		"the versions":  {[]answer{denied("ssm", "list-document-versions")}, "NOT CHECKED: whether each session is in every log location of the session document: ssm:ListDocumentVersions was refused"},
		"the document":  {[]answer{denied("ssm", "get-document"), {Contains: `"Prefix":"sessions/"`}, {Contains: `"logGroupName":"/before"`, Stdout: `{"logStreams": []}`}, emptyVersions}, "NOT CHECKED: the log locations of the session document: ssm:GetDocument was refused"},
		"versioning":    {[]answer{denied("s3api", "get-bucket-versioning")}, "NOT CHECKED: the versioning of s3://logs: s3:GetBucketVersioning was refused"},
		"the instances": {[]answer{denied("ec2", "describe-instances")}, "NOT CHECKED: instances outside of the stack that have its instance profile: ec2:DescribeInstances was refused"},
		"an absent document": {[]answer{{Contains: "get-document", Code: 254, Stderr: "\nAn error occurred (InvalidDocument) when calling the GetDocument operation: no such document\n"}},
			"NOT CHECKED: the session document SSM-SessionManagerRunShell does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runFake(t, "audit", instead(test.changed...))
			require.Equal(t, 1, got.code, got.out+got.err)
			require.Empty(t, got.out, "what could not be read is no finding")
			require.Contains(t, got.err, test.says)
			require.Contains(t, got.err, "Nothing was found, but the audit is incomplete.")
		})
	}
	got := runFake(t, "audit", instead(denied("cloudtrail", "lookup-events")), "--without-cloudtrail")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "Not checked: CloudTrail")
	require.Zero(t, got.count("lookup-events"))

	got = runFake(t, "audit", instead(denied("ssm", "describe-sessions")))
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "AWS refused ssm:DescribeSessions for arn:aws:sts::1:assumed-role/r/alice.")

	sent := answer{Contains: "sns publish", Stdout: `{"MessageId": "1"}`}
	got = runFake(t, "audit", instead(denied("ssm", "list-command-invocations"), sent), "--topic", "arn:aws:sns:us-east-2:1:alerts")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "A message was sent to arn:aws:sns:us-east-2:1:alerts.")
	require.Equal(t, 1, got.count(`"Subject":"Session audit of dev is incomplete"`))
}

// CloudWatch Logs may be late with the time of a stream's last event, so it is read from the stream.
func TestAudit_StreamThatSeemsToStop_IsReadAgain(t *testing.T) {
	t.Parallel()
	long := func(last int64) []answer {
		return instead(
			answer{Contains: `"State":"History"`, Stdout: strings.Replace(oneSession(past, "Terminated").Stdout, "11:00:00.5", "08:00:00", 1)},
			answer{Contains: "describe-log-streams --region us-east-2 --output json --cli-input-json {\"descending\":true,\"logGroupName\":\"/group\"", Stdout: fmt.Sprintf(`{"logStreams": [{"logStreamName": %q, "creationTime": 1772352000000, "lastEventTimestamp": 1772352001000}]}`, aliceID)},
			answer{Contains: "get-log-events", Stdout: fmt.Sprintf(`{"events": [{"timestamp": %d, "message": "x"}]}`, last)},
		)
	}
	got := runFake(t, "audit", long(1772362200000)) // 10:50
	require.Zero(t, got.code, got.out+got.err)
	require.Equal(t, 1, got.count("get-log-events"))
	got = runFake(t, "audit", long(1772352001000)) // 08:00:01
	require.Equal(t, codeFindings, got.code, got.err)
	require.Contains(t, got.out, "stream-stopped")
}

// A stack with alerts needs a trail that logs the management events of its Region: absent, refused and not answered are told apart.
func TestAudit_Alerts_NeedATrail(t *testing.T) {
	t.Parallel()
	with := strings.Replace(testOutputs, "{", `{"alertTopicArn": "arn:aws:sns:us-east-2:1:alerts", `, 1)
	const trailARN = "arn:aws:cloudtrail:us-east-1:2:trail/organization"
	trails := answer{Contains: "describe-trails", Stdout: `{"trailList": [{"Name": "organization", "HomeRegion": "us-east-1", "TrailARN": "` + trailARN + `", "IsMultiRegionTrail": true, "IsOrganizationTrail": true}]}`}
	logging := answer{Contains: `get-trail-status --region us-east-2 --output json --cli-input-json {"Name":"` + trailARN + `"}`, Stdout: `{"IsLogging": true}`}
	selectors := func(text string) answer {
		return answer{Contains: `get-event-selectors --region us-east-2 --output json --cli-input-json {"TrailName":"` + trailARN + `"}`, Stdout: text}
	}
	const all = `{"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true}]}`
	denied := func(operation string) answer {
		return answer{Contains: operation, Code: 254, Stderr: "\nAn error occurred (AccessDeniedException) when calling the " + camel(operation) + " operation: User is not authorized\n"}
	}
	for name, test := range map[string]struct {
		answers []answer
		code    int
		says    string
	}{
		"logs everything":       {[]answer{trails, logging, selectors(all)}, 0, "Nothing was found.\n"},
		"advanced selectors":    {[]answer{trails, logging, selectors(`{"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}, {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]}`)}, 0, "Nothing was found.\n"},
		"reads only":            {[]answer{trails, logging, selectors(`{"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": true}]}`)}, codeFindings, "organization logs no management events that write"},
		"advanced reads only":   {[]answer{trails, logging, selectors(`{"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["true"]}]}]}`)}, codeFindings, "organization logs no management events that write"},
		"data events only":      {[]answer{trails, logging, selectors(`{"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": false}]}`)}, codeFindings, "organization logs no management events that write"},
		"stopped":               {[]answer{trails, {Contains: "get-trail-status", Stdout: `{"IsLogging": false}`}, selectors(all)}, codeFindings, "organization is stopped"},
		"absent":                {[]answer{{Contains: "describe-trails", Stdout: `{"trailList": []}`}}, codeFindings, "the account has no trail in this Region"},
		"list denied":           {[]answer{denied("describe-trails")}, 1, "NOT CHECKED: whether a trail of CloudTrail logs the events that alerts are about: cloudtrail:DescribeTrails was refused"},
		"status denied":         {[]answer{trails, denied("get-trail-status"), selectors(all)}, 1, "cloudtrail:GetTrailStatus was refused"},
		"selectors denied":      {[]answer{trails, logging, denied("get-event-selectors")}, 1, "cloudtrail:GetEventSelectors was refused"},
		"unknown: not answered": {[]answer{{Contains: "describe-trails", Code: 254, Stderr: "\nAn error occurred (InternalFailure) when calling the DescribeTrails operation: try again\n"}}, 1, "NOT CHECKED: whether a trail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runWith(t, "audit", with, instead(test.answers...), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			require.Equal(t, test.code, got.code, got.out+got.err)
			require.Contains(t, got.out+got.err, test.says)
			require.Equal(t, test.code == codeFindings, strings.HasPrefix(got.out, "no-trail  2026-03-01 12:00"), got.out)
		})
	}
	require.Zero(t, runFake(t, "audit", wellLogged()).count("describe-trails"), "a stack without alerts needs no trail")
}

// A port that the stack's config forwards is counted, and is no finding. Its sessions are marked wherever they are listed.
func TestOwnTunnel_IsMarkedAndNoFinding(t *testing.T) {
	t.Parallel()
	with := strings.Replace(testOutputs, "{", `{"tunnelDocuments": {"dba/postgres": "project-people-dev-tunnel-dba-postgres"}, `, 1)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	run := func(name, state string, args ...string) try {
		t.Helper()
		answers := instead(
			answer{Contains: `"State":"` + state + `"`, Stdout: `{"Sessions": [{"SessionId": "alice-0123456789abcdef9", "Target": "i-1", "Status": "Connected", "StartDate": 1772362800,
				"Owner": "arn:aws:sts::1:assumed-role/r/alice", "DocumentName": "project-people-dev-tunnel-dba-postgres"}]}`},
			answer{Contains: "describe-sessions", Stdout: "{}"}, answer{Contains: "terminate-session", Stdout: "{}"}, answer{Contains: "describe-instance-information", Stdout: "{}"},
			answer{Contains: "list-object", Stdout: "{}"}, answer{Contains: "describe-log-streams", Stdout: "{}"})
		return runWith(t, name, with, answers, now, args...)
	}
	got := run("audit", past)
	require.Zero(t, got.code, got.out+got.err)
	require.Contains(t, got.err, "0 sessions under SSM-SessionManagerRunShell since 2026-01-30T12:00:00Z: 0 logged as they should be, 1 more that forwarded a port of the config, without a session log.")
	got = run("audit", past, "--format", "json")
	require.Contains(t, got.out, `"tunnels": 1`)
	got = run("history", past)
	require.Zero(t, got.code, got.err)
	require.Regexp(t, `alice-0123456789abcdef9 .*none: port forwarding`, got.out)
	got = run("status", active)
	require.Contains(t, got.out, "alice-0123456789abcdef9, a forwarded port without a session log")
	for _, args := range [][]string{{"--session", "alice-0123456789abcdef9"}, {"--instance", "app", "--yes"}} {
		got = run("end", active, args...)
		require.Zero(t, got.code, got.err)
		require.Equal(t, "ended alice-0123456789abcdef9 of alice on app (i-1), which has no session log\n", got.out)
	}
	got = run("record", past, "--session", "alice-0123456789abcdef9")
	require.Equal(t, codeNoRecord, got.code, got.err)
	require.Contains(t, got.err, "Session Manager does not log port forwarding and SSH")
}

// Who audits with a file of the outputs cannot read the state, which record needs.
func TestAudit_OutputsFile_NextRunsWithoutState(t *testing.T) {
	t.Parallel()
	missing := instead(noVersions, emptyList, answer{Contains: `"logGroupName":"/group"`, Stdout: "{}"}, answer{Contains: "sns publish"})
	got := runFake(t, "audit", missing)
	require.Equal(t, codeFindings, got.code, got.err)
	require.Contains(t, got.err, "Next: make record SESSION="+aliceID+" STACK=dev\n")
	got = runFake(t, "audit", missing, "--outputs", "my outputs.json", "--since", "25h", "--allow", "a,b", "--all", "--without-cloudtrail", "--topic", "arn:aws:sns:us-west-2:1:alerts")
	require.Equal(t, codeFindings, got.code, got.err)
	require.NotContains(t, got.err, "make record")
	require.Contains(t, got.err, "Next: read the session log of "+aliceID+": s3://logs/sessions/"+aliceID+".log and log group /group, stream "+aliceID)
	require.Contains(t, strings.Join(got.calls, "\n"), `All of it: make audit SINCE=2026-02-28T11:00:00Z ALLOW=a,b OUTPUTS='my outputs.json' ALL=1 WITHOUT_CLOUDTRAIL=1 STACK=dev`)
}

func TestReadOutputs_WrongFile_SaysHowToWriteIt(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "o.json")
	for text, bad := range map[string]bool{"{}": true, "[": true, `{"Region": 1}`: true, testOutputs: false} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		read, err := ReadOutputs(file, "dev")
		if bad {
			require.EqualError(t, err, file+" has no outputs of a stack.\n  Fix: pulumi stack output --json --stack dev > "+file)
		} else {
			require.NoError(t, err)
			require.Equal(t, text, read)
		}
	}
	_, err := ReadOutputs(file+"x", "dev")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAudit_OtherAccount_ComparesNothing(t *testing.T) {
	t.Parallel()
	got := runWith(t, "audit", strings.Replace(testOutputs, "{", `{"accountId": "2", `, 1), wellLogged(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "the stack dev is in the account 2, and you are signed in to 1, as arn:aws:sts::1:assumed-role/r/alice. Nothing was done.")
	require.Len(t, got.calls, 1)
}

func TestAudit_BadFlag_AsksNothing(t *testing.T) {
	t.Parallel()
	for flag, value := range map[string]string{"--topic": "alerts", "--format": "xml", "--since": "x"} {
		got := runFake(t, "audit", wellLogged(), flag, value)
		require.Equal(t, 2, got.code, flag)
		require.Empty(t, got.calls)
	}
}

// Whoever is root on an instance chooses the key of an object, and so the name of the session that the audit reports. It is
// not printed as a command, and cannot look like a line of the audit.
func TestAudit_HostileKey_IsNotPasted(t *testing.T) {
	t.Parallel()
	const key = "sessions/x\n0 findings/$(touch x);#-0123456789abcdef0.log"
	text, err := json.Marshal(map[string]any{"Versions": []any{map[string]any{"Key": key, "VersionId": "v1", "Size": 6, "LastModified": "2026-03-01T11:30:00Z"}}})
	require.NoError(t, err)
	forged := instead(answer{Contains: `"Prefix":"sessions/"`, Stdout: string(text)})
	got := runFake(t, "audit", forged, "--topic", "arn:aws:sns:us-west-2:1:alerts")
	require.Equal(t, codeFindings, got.code, got.err)
	require.Contains(t, got.out, "$(touch x);#-0123456789abcdef0", "it is reported")
	require.NotContains(t, got.out+got.err, "SESSION=$")
	require.NotContains(t, got.out, "\n0 findings")
	for _, call := range got.calls {
		require.NotContains(t, call, `\n0 findings`)
	}
}
