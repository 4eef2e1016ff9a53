package scope_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/scope"
)

func TestNamesFollowTheScope(t *testing.T) {
	t.Parallel()
	for _, s := range []scope.Scope{
		{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"},
		{Partition: "aws", Region: "ap-northeast-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"},
		{Partition: "aws-cn", Region: "cn-north-1", AccountID: "111122223333", DNSSuffix: "amazonaws.com.cn"},
		{Partition: "aws-us-gov", Region: "us-gov-west-1", AccountID: "111122223333", DNSSuffix: "amazonaws.com"},
	} {
		t.Run(s.Region, func(t *testing.T) {
			t.Parallel()
			p, r := s.Partition, s.Region
			require.True(t, s.Supported())
			require.Equal(t, "arn:"+p+":ssm:"+r+":111122223333:document/Doc", s.DocumentARN("Doc"))
			require.Equal(t, "arn:"+p+":s3:::logs", s.BucketARN("logs"))
			require.Equal(t, "arn:"+p+":s3:::logs/*", s.ObjectsARN("logs", ""))
			require.Equal(t, "arn:"+p+":s3:::logs/a/b/*", s.ObjectsARN("logs", "/a/b/"))
			require.Equal(t, "arn:"+p+":iam::aws:policy/Name", s.ManagedPolicyARN("Name"))
			require.Equal(t, "ec2."+s.DNSSuffix, s.ServicePrincipal("ec2"))
			require.Equal(t, "com.amazonaws."+r+".ssm", s.EndpointService("ssm"))
			require.Equal(t, []string{
				"aws-ssm-" + r, "aws-windows-downloads-" + r, "amazon-ssm-" + r, "amazon-ssm-packages-" + r,
				r + "-birdwatcher-prod", "aws-ssm-distributor-file-" + r, "patch-baseline-snapshot-" + r,
			}, s.AgentBuckets())
			require.Equal(t, []string{"al2023-repos-" + r + "-de612dc2", "al2023-" + r}, s.RepositoryBuckets())
		})
	}
}

func TestOtherPartitionsAreNotClaimed(t *testing.T) {
	t.Parallel()
	require.False(t, scope.Scope{Partition: "aws-iso"}.Supported())
}
