package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A key and a log group that a killed update has created, and that are not in the state, are imported. They get what is
// missing: rotation and retention. No second key or group is created, and log events stay.
func TestUp_LeftoverKeyAndLogGroup_Reused(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	words := existing(in)
	const owner, group = "private-ec2-access/before", "/private-ec2-access/before/sessions"
	// With the usage that the provider sets: moto has no default.
	key := in.aws("kms", "create-key", "--key-usage", "ENCRYPT_DECRYPT", "--description", "Session records of the Pulumi stack "+owner,
		"--tags", "TagKey=private-ec2-access:stack,TagValue="+owner).text("KeyMetadata.Arn")
	in.aws("kms", "create-alias", "--alias-name", "alias/private-ec2-access-before", "--target-key-id", key)
	in.aws("logs", "create-log-group", "--log-group-name", group, "--tags", "private-ec2-access:stack="+owner)
	in.aws("logs", "create-log-stream", "--log-group-name", group, "--log-stream-name", "user-0123")

	s := newStack(t, in, "before", spoken(map[string]any{
		"network.vpcId": "VPC", "network.subnetIds": []any{"SUBNET_A", "SUBNET_B"}, "logging.bucketName": "existing-logs",
		"logging.cloudWatch": true, "logging.encryption": "kms", "keepRecords": "true",
	}, words))
	in.Reset()
	s.up()
	require.NotContains(t, in.writes(), "kms:CreateKey")
	require.NotContains(t, in.writes(), "logs:CreateLogGroup")
	require.Equal(t, key, s.outputs().text("keyArn"))
	require.Equal(t, true, in.aws("kms", "get-key-rotation-status", "--key-id", key).at("KeyRotationEnabled"))
	groups := in.aws("logs", "describe-log-groups").list("logGroups")
	require.Len(t, groups, 1)
	require.Equal(t, "365", groups[0].text("retentionInDays"))
	require.Equal(t, key, groups[0].text("kmsKeyId"))
	require.Len(t, in.aws("logs", "describe-log-streams", "--log-group-name", group).list("logStreams"), 1)
	s.requireNoChanges()
}
