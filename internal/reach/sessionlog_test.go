package reach

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const writer = `{"Statement":[
	{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"arn:aws:s3:::logs/sessions/*"},
	{"Effect":"Allow","Action":"s3:GetEncryptionConfiguration","Resource":"arn:aws:s3:::logs"},
	{"Effect":"Allow","Action":["logs:DescribeLogGroups"],"Resource":"*"},
	{"Effect":"Allow","Action":["logs:CreateLogStream","logs:DescribeLogStreams","logs:PutLogEvents"],"Resource":"arn:aws:logs:us-east-2:123:log-group:/group:*"},
	{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["arn:key/session","arn:key/bucket"]}]}`

// deniedTo is a bucket's policy that denies uploads under a condition.
func deniedTo(sid, operator, key, value string) string {
	return `{"Statement":[{"Sid":"` + sid + `","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*","Condition":{"` + operator + `":{"` + key + `":"` + value + `"}}}]}`
}

// recording is a stack that records in both places, under keys, with nothing wrong.
func recording() LogFacts {
	f := healthy()
	f.Endpoints.Value[3].Policy = `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	return LogFacts{
		Stack: "dev", Region: "us-east-2", Account: "123", Document: "ours", Role: "role", RoleARN: "arn:aws:iam::123:role/role", VpcID: "vpc-1",
		BucketPolicy: Read[string]{Value: deniedTo("OnlyWriters", "ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::123:role/role")},
		Recording:    Read[Recording]{Value: Recording{Bucket: "logs", Prefix: "sessions", Group: "/group", Key: "arn:key/session", BucketEncryption: true, GroupEncryption: true}},
		Policies:     Read[[]Policy]{Value: []Policy{{"writer", writer}}}, Encryption: Read[string]{Value: "aws:kms"},
		SessionKey: Read[string]{Value: "Enabled"}, BucketKey: Read[string]{Value: "Enabled"}, BucketKeyARN: "arn:key/bucket", GroupKey: Read[string]{Value: "arn:key/group"},
		Endpoints: Read[[]Endpoint]{Value: append(f.Endpoints.Value, Endpoint{Service: "logs", ID: "vpce-logs", State: "available"})},
		Routes:    f.Routes, Agent: f.Agent, BucketARN: "arn:aws:s3:::logs", ObjectARN: "arn:aws:s3:::logs/sessions/alice-1.log",
	}
}

func TestSessionLog_Healthy_NothingToFix(t *testing.T) {
	t.Parallel()
	require.Nil(t, DiagnoseLog(recording()).First(), "%+v", DiagnoseLog(recording()).First())
}

// What the bucket's policy denies to others or may deny is not the cause.
func TestDiagnoseLog_BucketPolicy_SaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy, problem string
		status          Status
		found           string
	}{
		"none":             {"", "", OK, "it does not deny s3:PutObject"},
		"this endpoint":    {deniedTo("s", "StringNotEquals", "aws:SourceVpce", "vpce-s3"), "", OK, "it does not deny s3:PutObject"},
		"unknown context":  {deniedTo("s", "StringNotEquals", "aws:PrincipalTag/team", "web"), "", Unknown, "its statement s may deny s3:PutObject: its conditions decide"},
		"by another role":  {`{"Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123:role/role-2"},"Action":"s3:*","Resource":"*"}}`, "", OK, "it does not deny s3:PutObject"},
		"cannot be read":   {"", "access denied", Unknown, "cannot be read: access denied"},
		"the role by name": {`{"Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123:role/role"},"Action":"s3:*","Resource":"*"}}`, "", Missing, "a statement without a Sid denies s3:PutObject to role"},
	} {
		f := recording()
		f.BucketPolicy = Read[string]{Value: test.policy, Problem: test.problem}
		checks := DiagnoseLog(f).Checks
		at := slices.IndexFunc(checks, func(c Check) bool { return c.Title == "the bucket's policy lets the role write" })
		require.NotEqual(t, -1, at)
		require.Equal(t, test.status, checks[at].Status, name)
		require.Equal(t, test.found, checks[at].Found, name)
	}
}

func TestDiagnoseLog_OneThingMissing_FirstFixNamesIt(t *testing.T) {
	t.Parallel()
	without := func(f *LogFacts, action string) {
		f.Policies.Value = append(f.Policies.Value, Policy{"deny", `{"Statement":{"Effect":"Deny","Action":"` + action + `","Resource":"*"}}`})
	}
	for name, test := range map[string]struct {
		spoil      func(*LogFacts)
		found, fix string
	}{
		"recorded nowhere":        {func(f *LogFacts) { f.Recording.Value.Bucket, f.Recording.Value.Group = "", "" }, "ours names neither a bucket nor a log group", "make up"},
		"session key disabled":    {func(f *LogFacts) { f.SessionKey.Value = "Disabled" }, "arn:key/session is disabled", "aws kms enable-key --region us-east-2 --key-id arn:key/session"},
		"session key going":       {func(f *LogFacts) { f.SessionKey.Value = "PendingDeletion" }, "scheduled for deletion", "cancel-key-deletion"},
		"session key gone":        {func(f *LogFacts) { f.SessionKey.Value = "" }, "there is no key", "make up"},
		"session key not usable":  {func(f *LogFacts) { without(f, "kms:Decrypt") }, "role is not allowed kms:Decrypt on arn:key/session", "make up"},
		"bucket gone":             {func(f *LogFacts) { f.BucketMissing = true }, "there is no bucket logs", "make up"},
		"bucket not encrypted":    {func(f *LogFacts) { f.Encryption.Value = "" }, "encryption is none", "put-bucket-encryption"},
		"bucket doubly encrypted": {func(f *LogFacts) { f.Encryption.Value = "aws:kms:dsse" }, "recognises only AES256 and aws:kms", "put-bucket-encryption"},
		"encryption not readable": {func(f *LogFacts) { without(f, "s3:GetEncryptionConfiguration") }, "not allowed s3:GetEncryptionConfiguration", "make up"},
		"PutObject denied":        {func(f *LogFacts) { without(f, "s3:PutObject") }, "not allowed s3:PutObject on arn:aws:s3:::logs/sessions/alice-1.log", "make up"},
		"another prefix":          {func(f *LogFacts) { f.ObjectARN = "arn:aws:s3:::logs/other/alice-1.log" }, "not allowed s3:PutObject, s3:PutObjectAcl", "make up"},
		"bucket of an earlier deployment": {func(f *LogFacts) {
			f.BucketPolicy.Value = deniedTo("OnlyWriters", "ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::123:role/earlier")
		}, "its statement OnlyWriters denies s3:PutObject to role", "If an earlier deployment left it, remove the statement:\naws s3api get-bucket-policy --bucket logs "},
		"the bucket's policy": {func(f *LogFacts) {
			f.BucketPolicy.Value = deniedTo("", "StringNotEquals", "aws:SourceVpce", "vpce-other")
		}, "a statement without a Sid denies s3:PutObject to role", "except arn:aws:iam::123:role/role from that statement. This shows it:\naws s3api get-bucket-policy --bucket logs --query Policy"},
		"bucket key not usable": {func(f *LogFacts) { without(f, "kms:GenerateDataKey") }, "not allowed kms:GenerateDataKey on arn:key/bucket", "make up"},
		"bucket key disabled":   {func(f *LogFacts) { f.BucketKey.Value = "Disabled" }, "arn:key/bucket is disabled", "enable-key"},
		"no route":              {func(f *LogFacts) { f.Routes.Value.Routes = nil }, "no route to vpce-s3", "--add-route-table-ids"},
		"gateway's policy": {func(f *LogFacts) {
			f.Endpoints.Value[3].Policy = `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`
		}, "does not allow s3:PutObject", "make up"},
		"group missing":    {func(f *LogFacts) { f.GroupMissing = true }, "there is no log group /group, and the agent never creates one; with cloudWatchEncryptionEnabled it refuses", "aws logs create-log-group"},
		"group has no key": {func(f *LogFacts) { f.GroupKey.Value = "" }, "/group has no key", "associate-kms-key"},
		"PutLogEvents":     {func(f *LogFacts) { without(f, "logs:PutLogEvents") }, "not allowed logs:PutLogEvents", "make up"},
		"no endpoint logs": {func(f *LogFacts) { f.Endpoints.Value = f.Endpoints.Value[:4] }, "cannot write to CloudWatch Logs", "make up"},
		"agent too old":    {func(f *LogFacts) { f.Agent.Value.Version = "2.3.50.0" }, "agent 2.3.50.0 is older than", "AWS-UpdateSSMAgent"},
		"agent offline":    {func(f *LogFacts) { f.Agent.Value.PingStatus = "ConnectionLost" }, "not online", "make wait STACK=dev"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := recording()
			test.spoil(&f)
			first := DiagnoseLog(f).First()
			require.NotNil(t, first)
			require.Contains(t, first.Found, test.found)
			require.Contains(t, first.Fix, test.fix)
		})
	}
}

// A key's policy allows whom it names, so no policy of the role has to.
func TestSessionLog_KeyPolicy_Evaluated(t *testing.T) {
	t.Parallel()
	const names = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123:role/team/role"},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"`
	for name, test := range map[string]struct {
		policy Read[string]
		status Status
		found  string
	}{
		"allows":             {Read[string]{Value: names + `}]}`}, OK, "the key's own policy allows"},
		"allows through S3":  {Read[string]{Value: names + `,"Condition":{"StringEquals":{"kms:ViaService":"s3"}}}]}`}, Unknown, "its conditions decide"},
		"another role":       {Read[string]{Value: strings.Replace(names, "team/role", "team/role2", 1) + `}]}`}, Missing, "is not allowed kms:GenerateDataKey"},
		"another action":     {Read[string]{Value: strings.Replace(names, "GenerateDataKey", "Encrypt", 1) + `}]}`}, Missing, "is not allowed kms:GenerateDataKey"},
		"denies":             {Read[string]{Value: strings.Replace(names, "Allow", "Deny", 1) + `}]}`}, Missing, "is not allowed kms:GenerateDataKey"},
		"cannot be read":     {Read[string]{Problem: "refused"}, Unknown, "the key's own could not be read: refused"},
		"leaves it to roles": {Read[string]{Value: strings.Replace(names, "role/team/role", "root", 1) + `}]}`}, Missing, "is not allowed kms:GenerateDataKey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := recording()
			f.Policies.Value[0].Document = strings.Replace(writer, "kms:GenerateDataKey", "kms:Encrypt", 1)
			f.BucketKeyPolicy = test.policy
			for _, c := range DiagnoseLog(f).Checks {
				if c.Title == "the role may encrypt with the bucket's key" {
					require.Equal(t, test.status, c.Status)
					require.Contains(t, c.Found, test.found)
					return
				}
			}
			require.Fail(t, "it is not looked at")
		})
	}
}

func TestSessionLog_UnreadableFact_CannotTell(t *testing.T) {
	t.Parallel()
	f := recording()
	f.Encryption, f.GroupKey, f.SessionKey, f.Bucket = Read[string]{Problem: "p"}, Read[string]{Problem: "p"}, Read[string]{Problem: "p"}, Read[string]{Problem: "p"}
	f.Policies, f.Agent.Problem = Read[[]Policy]{Problem: "iam:ListRolePolicies was refused"}, "p"
	d := DiagnoseLog(f)
	require.Nil(t, d.First(), "%+v", d.First())
	script := false
	for _, c := range d.Checks {
		script = script || c.Title == "`script` on the instance" && c.Status == Unknown
	}
	require.True(t, script)
}
