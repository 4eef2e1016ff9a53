package program

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
	"private-ec2-access/pulumitest"
)

// A key that records are encrypted with is not replaced before its uploads can
// pass beside those of the new one, and then the policy comes before the
// default. A key that is added comes the other way round.
func TestKey_Replaced_UploadsAllowed(t *testing.T) {
	t.Parallel()
	const bucket, earlier = "private-ec2-access-logs-1", "arn:aws:kms:us-east-2:111122223333:key/earlier"
	here := scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	document := session.Preferences{
		Mark: session.Mark{Owner: "private-ec2-access/test", Revision: 1}, S3BucketName: bucket, S3KeyPrefix: "sessions", IdleSessionTimeout: 20,
	}.JSON()
	encryptedWith := func(keys ...string) map[string]func(map[string]any) (map[string]any, error) {
		return map[string]func(map[string]any) (map[string]any, error){
			"getDocument": func(map[string]any) (map[string]any, error) {
				return map[string]any{"content": document, "documentVersion": "1"}, nil
			},
			"getBucketPolicy": func(args map[string]any) (map[string]any, error) {
				require.Equal(t, bucket, args["bucket"])
				return map[string]any{"policy": iam.BucketPolicy(here, bucket, iam.BucketRules{KeyARNs: keys}).JSON()}, nil
			},
		}
	}
	order := func(resources []pulumitest.Resource) string {
		const policy, encryption = "aws:s3/bucketPolicy:BucketPolicy", "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
		for _, dependency := range pulumitest.Find(t, resources, policy, "private-ec2-access-logs").DependsOn {
			if dependency == encryption+" private-ec2-access-logs" {
				return "default, policy"
			}
		}
		require.Contains(t, pulumitest.Find(t, resources, encryption, "private-ec2-access-logs").DependsOn, policy+" private-ec2-access-logs")
		return "policy, default"
	}
	kms := map[string]any{"logging.encryption": "kms", "logging.kmsKeyArn": keyOfOurs}

	_, err := run(t, kms, encryptedWith(earlier))
	require.ErrorContains(t, err, "session logs are encrypted with the key "+earlier+" until another replaces it")
	require.ErrorContains(t, err, "--path 'private-ec2-access:logging.earlierKmsKeyArns[0]' "+earlier)

	resources, err := run(t, pulumitest.With(kms, map[string]any{"logging.earlierKmsKeyArns": []any{earlier}}), encryptedWith(earlier))
	require.NoError(t, err)
	require.Equal(t, "policy, default", order(resources))

	for _, keys := range [][]string{{keyOfOurs}, {keyOfOurs, earlier}, nil} {
		resources, err = run(t, kms, encryptedWith(keys...))
		require.NoError(t, err)
		require.Equal(t, "default, policy", order(resources))
	}
	resources, err = run(t, nil, encryptedWith(earlier))
	require.NoError(t, err)
	require.Equal(t, "policy, default", order(resources))
}
