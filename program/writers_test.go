package program

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
	"private-ec2-access/pulumitest"
)

const fleetRole = "arn:aws:iam::111122223333:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"

// bucketPolicy answers with the policy of one bucket.
func bucketPolicy(bucket string, writers ...string) lookups {
	here := scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	return lookups{"getBucketPolicy": func(args map[string]any) (map[string]any, error) {
		if args["bucket"] != bucket {
			return nil, fmt.Errorf("the policy of %v was not expected to be read", args["bucket"])
		}
		return map[string]any{"policy": iam.BucketPolicy(here, bucket, iam.BucketRules{Writers: writers}).JSON()}, nil
	}}
}

// The instance role and the roles that the config names may write and encrypt
// session logs, and nobody else.
func TestWriters_BucketAndKeyNameThem(t *testing.T) {
	t.Parallel()
	for want, writers := range map[string][]any{
		`"arn-of-private-ec2-access-instance"`:                       {},
		`["arn-of-private-ec2-access-instance","` + fleetRole + `"]`: {fleetRole},
	} {
		resources, err := run(t, map[string]any{"logging.writerRoleArns": writers, "logging.encryption": "kms"}, nil)
		require.NoError(t, err)
		bucket := fmt.Sprint(pulumitest.Find(t, resources, "aws:s3/bucketPolicy:BucketPolicy", "private-ec2-access-logs").Inputs["policy"])
		require.Contains(t, bucket, `{"Sid":"OnlyWriters","Effect":"Deny","Principal":"*","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::private-ec2-access-logs-1/*"],`+
			`"Condition":{"ArnNotEquals":{"aws:PrincipalArn":`+want+`}}}`)
		key := fmt.Sprint(pulumitest.Find(t, resources, "aws:kms/keyPolicy:KeyPolicy", "private-ec2-access-key").Inputs["policy"])
		if len(writers) == 0 {
			want = "[" + want + "]"
		}
		require.Contains(t, key, `{"Sid":"WriteRecords","Effect":"Allow","Principal":{"AWS":`+want+`}`)
	}
}

func TestWriters_Refused(t *testing.T) {
	t.Parallel()
	_, err := run(t, map[string]any{"logging.writerRoleArns": []any{fleetRole}, "logging.bucketName": "existing-logs"}, nil)
	require.ErrorContains(t, err, "logging.writerRoleArns: this stack does not manage the bucket existing-logs")
	_, err = run(t, map[string]any{"logging.writerRoleArns": []any{"arn:aws:iam::999999999999:role/app"}}, nil)
	require.ErrorContains(t, err, "logging.writerRoleArns[0]: this role is not in the account 111122223333")
}

// The bucket of a previous deployment goes on refusing everybody but the role of
// that deployment, and the agent does not report it.
func TestWriters_BucketThatRefusesThisStack_StopsThePreview(t *testing.T) {
	t.Parallel()
	const bucket, before = "private-ec2-access-logs-1", "arn:aws:iam::111122223333:role/path/private-ec2-access-instance-1"
	named := map[string]any{"logging.bucketName": bucket}
	role := func(owner string) lookups {
		return lookups{"getRole": func(args map[string]any) (map[string]any, error) {
			require.Equal(t, "private-ec2-access-instance-1", args["name"])
			return map[string]any{"tags": map[string]any{"private-ec2-access:stack": owner}}, nil
		}}
	}
	gone := lookups{"getRole": func(map[string]any) (map[string]any, error) {
		return nil, errors.New("reading IAM Role (private-ec2-access-instance-1): couldn't find resource")
	}}
	for _, answer := range []lookups{gone, role("private-ec2-access/other")} {
		_, err := run(t, named, joined(bucketPolicy(bucket, fleetRole, before), answer))
		require.ErrorContains(t, err, "the policy of this bucket lets only "+fleetRole+", "+before+" write, so session logs of this stack would be refused silently")
		require.ErrorContains(t, err, "aws s3api put-bucket-policy --bucket "+bucket)
	}
	for _, answer := range []lookups{
		joined(bucketPolicy(bucket, before), role("private-ec2-access/test")),
		bucketPolicy(bucket),
		{"getBucketPolicy": func(map[string]any) (map[string]any, error) { return nil, errors.New("AccessDenied") }},
	} {
		_, err := run(t, named, answer)
		require.NoError(t, err)
	}
	_, err := run(t, named, joined(bucketPolicy(bucket, before), lookups{"getRole": func(map[string]any) (map[string]any, error) { return nil, errors.New("AccessDenied") }}))
	require.ErrorContains(t, err, "reading the role private-ec2-access-instance-1")
}

// A deployed bucket that accepted every role begins to refuse them: the preview
// says so, once.
func TestWriters_BucketBeginsToRefuseOthers_IsAnnounced(t *testing.T) {
	t.Parallel()
	const bucket = "private-ec2-access-logs-1"
	document := session.Preferences{Mark: session.Mark{Owner: "private-ec2-access/test", Revision: 1}, S3BucketName: bucket, S3KeyPrefix: "sessions", IdleSessionTimeout: 20}.JSON()
	existing, err := session.ReadExisting(session.DefaultDocument, "1", document, "1", document)
	require.NoError(t, err)
	for limited, said := range map[bool]bool{false: true, true: false} {
		decisions, _ := decide.Decide(&config.Config{}, decide.Facts{
			Project: "private-ec2-access", Stack: "test", Document: existing, Writers: map[string]decide.Writers{bucket: {Limited: limited}},
		})
		text := fmt.Sprint(decisions.Notices)
		require.Equal(t, said, strings.Contains(text, "from this update on, the log bucket "+bucket+" refuses session logs of every role but the instance role, the roles of existingInstances and logging.writerRoleArns"), text)
	}
}
