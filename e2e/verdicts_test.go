package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// request is one call put to the evaluator.
type request struct {
	what      string
	principal string // of the account below unless it is another ARN or "anonymous"
	action    string
	resource  string
	context   map[string]string
	through   string // the endpoint it goes through, by its service; empty: none
	allowed   bool
}

// requireVerdicts puts the policies that the program made, as AWS has them now,
// to an IAM evaluator.
//
// It does not prove that AWS evaluates alike; the emulator does not enforce
// policies, so the evaluator is asked instead.
func requireVerdicts(t *testing.T, in *account, outputs object) {
	t.Helper()
	const accountID = "123456789012"
	role := "arn:aws:iam::" + accountID + ":role/" + outputs.text("roleName")
	bucket := "arn:aws:s3:::" + outputs.text("logBucket")
	record, other := bucket+"/sessions/user-0123.log", bucket+"/elsewhere/user-0123.log"
	own := map[string]string{"aws:PrincipalAccount": accountID, "aws:SecureTransport": "true"}
	plain := map[string]string{"aws:PrincipalAccount": accountID, "aws:SecureTransport": "false"}
	foreign := map[string]string{"aws:PrincipalAccount": "999999999999", "aws:SecureTransport": "true"}
	unsigned := map[string]string{"aws:SecureTransport": "true"}
	instance := "arn:aws:ec2:" + in.region + ":" + accountID + ":instance/" + outputs.text("instanceIds.app")

	cases := []request{
		{"the instance writes a record", role, "s3:PutObject", record, own, "s3", true},
		{"it sends the ACL with it", role, "s3:PutObjectAcl", record, own, "s3", true},
		{"it asks how the bucket encrypts", role, "s3:GetEncryptionConfiguration", bucket, own, "s3", true},
		{"it writes over plain HTTP", role, "s3:PutObject", record, plain, "s3", false},
		{"it writes outside the prefix", role, "s3:PutObject", other, own, "s3", false},
		{"it writes an ACL outside the prefix", role, "s3:PutObjectAcl", other, own, "s3", false},
		{"it writes into another bucket", role, "s3:PutObject", "arn:aws:s3:::elsewhere/sessions/x.log", own, "s3", false},
		{"it reads a record", role, "s3:GetObject", record, own, "", false},
		{"it reads a version", role, "s3:GetObjectVersion", record, own, "", false},
		{"it deletes a record", role, "s3:DeleteObject", record, own, "", false},
		{"it deletes a version", role, "s3:DeleteObjectVersion", record, own, "", false},
		{"it lists the records", role, "s3:ListBucket", bucket, own, "", false},
		{"it changes the bucket's encryption", role, "s3:PutEncryptionConfiguration", bucket, own, "", false},
		{"it changes the bucket's policy", role, "s3:PutBucketPolicy", bucket, own, "", false},
		{"it stops versioning", role, "s3:PutBucketVersioning", bucket, own, "", false},
		{"it asks how another bucket encrypts", role, "s3:GetEncryptionConfiguration", "arn:aws:s3:::elsewhere", own, "", false},

		{"it reports to Systems Manager", role, "ssm:UpdateInstanceInformation", instance, own, "ssm", true},
		{"it opens its control channel", role, "ssmmessages:OpenControlChannel", "*", own, "ssmmessages", true},
		{"it opens a data channel", role, "ssmmessages:OpenDataChannel", "*", own, "ssmmessages", true},
		{"it polls the older service", role, "ec2messages:GetMessages", "*", own, "ec2messages", true},
		{"it opens a session itself", role, "ssm:StartSession", instance, own, "", false},
		{"it changes the session document", role, "ssm:UpdateDocument", "arn:aws:ssm:" + in.region + ":" + accountID + ":document/SSM-SessionManagerRunShell", own, "", false},
		{"it makes itself another role", role, "iam:PutRolePolicy", role, own, "", false},
	}
	for _, b := range []string{
		"aws-ssm-" + in.region, "aws-windows-downloads-" + in.region, "amazon-ssm-" + in.region, "amazon-ssm-packages-" + in.region,
		in.region + "-birdwatcher-prod", "aws-ssm-distributor-file-" + in.region, "patch-baseline-snapshot-" + in.region,
	} {
		cases = append(cases,
			request{"it reads AWS's bucket " + b, role, "s3:GetObject", "arn:aws:s3:::" + b + "/x", own, "s3", true},
			request{"it writes to AWS's bucket " + b, role, "s3:PutObject", "arn:aws:s3:::" + b + "/x", own, "s3", false},
		)
	}
	var simulations []map[string]any
	managed := policyOf(in, "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
	identity := []map[string]any{{"name": "managed", "policy": managed}}
	for _, attached := range in.aws("iam", "list-attached-role-policies", "--role-name", outputs.text("roleName")).list("AttachedPolicies") {
		if !strings.HasPrefix(attached.text("PolicyArn"), "arn:aws:iam::aws:") {
			identity = append(identity, map[string]any{"name": "own", "policy": policyOf(in, attached.text("PolicyArn"))})
		}
	}
	require.Len(t, identity, 2)
	bucketPolicy := parsed(t, in.aws("s3api", "get-bucket-policy", "--bucket", outputs.text("logBucket")).text("Policy"))
	endpoints := map[string]any{}
	for _, e := range in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		name := e.text("ServiceName")
		endpoints[name[strings.LastIndex(name, ".")+1:]] = parsed(t, e.text("PolicyDocument"))
	}

	// What the endpoints let through is judged by itself, for a caller who may
	// do everything.
	everything := []map[string]any{{"name": "everything", "policy": map[string]any{
		"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}},
	}}}
	admin := "arn:aws:iam::" + accountID + ":role/admin"
	stranger := "arn:aws:iam::999999999999:role/admin"
	readable := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": []any{"arn:aws:s3:::*"},
	}}}
	repository := "arn:aws:s3:::al2023-repos-" + in.region + "-de612dc2/core/x.rpm"
	through := []request{
		{"dnf reads unsigned", "anonymous", "s3:GetObject", repository, unsigned, "s3", true},
		{"dnf reads the kernel patches unsigned", "anonymous", "s3:GetObject", "arn:aws:s3:::al2023-" + in.region + "/x.rpm", unsigned, "s3", true},
		{"the agent reads unsigned", "anonymous", "s3:GetObject", "arn:aws:s3:::amazon-ssm-" + in.region + "/x", unsigned, "s3", true},
		{"an unsigned HeadBucket", "anonymous", "s3:ListBucket", bucket, unsigned, "s3", true},
		{"an unsigned write of a record", "anonymous", "s3:PutObject", record, unsigned, "s3", false},
		{"an unsigned read elsewhere", "anonymous", "s3:GetObject", "arn:aws:s3:::elsewhere/x", unsigned, "s3", false},
		{"even an administrator does not read a record through it", admin, "s3:GetObject", record, own, "s3", false},
		{"nor delete one", admin, "s3:DeleteObject", record, own, "s3", false},
		{"nor write outside the prefix", admin, "s3:PutObject", other, own, "s3", false},
		{"nor write into another bucket", admin, "s3:PutObject", "arn:aws:s3:::elsewhere/x", own, "s3", false},
		{"nor list another bucket", admin, "s3:ListBucket", "arn:aws:s3:::elsewhere", own, "s3", false},
		{"HeadBucket", admin, "s3:ListBucket", bucket, own, "s3", true},
		{"a stranger's key writes no record", stranger, "s3:PutObject", record, foreign, "s3", false},
		{"a stranger's key carries nothing out by ssm", stranger, "ssm:PutParameter", "arn:aws:ssm:" + in.region + ":999999999999:parameter/x", foreign, "ssm", false},
		{"nor by ssmmessages", stranger, "ssmmessages:CreateDataChannel", "*", foreign, "ssmmessages", false},
		{"this account's key passes", admin, "ssm:GetParameter", "arn:aws:ssm:" + in.region + ":" + accountID + ":parameter/x", own, "ssm", true},
		{"another service does not pass", admin, "ec2messages:GetMessages", "*", own, "ssm", false},
	}
	for i, c := range append(cases, through...) {
		resourceAccount := accountID
		simulation := map[string]any{
			"identityPolicies": identity, "serviceControlPolicies": []any{}, "resourceControlPolicies": []any{},
		}
		switch {
		case strings.HasPrefix(c.resource, bucket) && i < len(cases):
			simulation["resourcePolicy"] = bucketPolicy
		case strings.HasPrefix(c.action, "s3:") && (i >= len(cases) || !strings.Contains(c.resource, "elsewhere")):
			simulation["resourcePolicy"] = readable // AWS's buckets are public
		}
		if c.principal == stranger {
			resourceAccount = "999999999999"
		}
		if i >= len(cases) {
			simulation["identityPolicies"] = everything
		}
		if c.principal == "anonymous" {
			simulation["identityPolicies"] = []any{}
		}
		if c.through != "" {
			simulation["vpcEndpointPolicies"] = []any{map[string]any{"name": c.through, "policy": endpoints[c.through]}}
		}
		simulation["request"] = map[string]any{
			"principal": c.principal, "action": c.action, "contextVariables": c.context,
			"resource": map[string]any{"resource": c.resource, "accountId": resourceAccount},
		}
		simulations = append(simulations, simulation)
	}
	verdicts := evaluate(t, simulations)
	for i, c := range append(cases, through...) {
		require.Empty(t, verdicts[i].Error, c.what)
		require.Equal(t, c.allowed, verdicts[i].Verdict == "Allowed", "%s: %s on %s is %s", c.what, c.action, c.resource, verdicts[i].Verdict)
	}
}

type verdict struct {
	Verdict string `json:"verdict"`
	Error   string `json:"error"`
}

func evaluate(t *testing.T, simulations []map[string]any) []verdict {
	t.Helper()
	input, err := json.Marshal(simulations)
	require.NoError(t, err)
	cmd := exec.Command("node", "evaluator/evaluate.mjs")
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\nthe evaluator's packages are installed by `make test`, or: cd e2e/evaluator && npm ci", stderr.String())
	var verdicts []verdict
	require.NoError(t, json.Unmarshal(out, &verdicts))
	require.Len(t, verdicts, len(simulations))
	return verdicts
}

func policyOf(in *account, arn string) any {
	version := in.aws("iam", "get-policy", "--policy-arn", arn).text("Policy.DefaultVersionId")
	return in.aws("iam", "get-policy-version", "--policy-arn", arn, "--version-id", version).at("PolicyVersion.Document")
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}
