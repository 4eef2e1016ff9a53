package scope_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/scope"
)

func TestScope_Names_FollowRegionAndPartition(t *testing.T) {
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
			require.Equal(t, "events.amazonaws.com", s.ServicePrincipal("events"))
			require.Equal(t, "logs."+r+"."+s.DNSSuffix, s.RegionalService("logs"))
			require.Equal(t, "com.amazonaws."+r+".ssm", s.EndpointService("ssm"))
			require.Equal(t, []string{
				"aws-ssm-" + r, "aws-windows-downloads-" + r, "amazon-ssm-" + r, "amazon-ssm-packages-" + r,
				r + "-birdwatcher-prod", "aws-ssm-distributor-file-" + r, "patch-baseline-snapshot-" + r,
			}, s.AgentBuckets()[:7])
			require.Equal(t, []string{"al2023-repos-" + r + "-de612dc2", "al2023-" + r}, s.RepositoryBuckets())
		})
	}
}

func TestSupported_OtherPartition_False(t *testing.T) {
	t.Parallel()
	require.False(t, scope.Scope{Partition: "aws-iso"}.Supported())
}

// No name has a wildcard, and where AWS publishes no suffix there is no bucket
// with one: anybody could create it.
func TestAgentBuckets_Suffixes(t *testing.T) {
	t.Parallel()
	for region, want := range map[string][]string{
		"us-east-2":      {"patch-baseline-snapshot-us-east-2", "aws-patch-manager-us-east-2-552881074"},
		"ap-northeast-2": {"patch-baseline-snapshot-ap-northeast-2", "aws-patch-manager-ap-northeast-2-10467995c"},
		"me-south-1":     {"patch-baseline-snapshot-me-south-1-uduvl7q8", "aws-patch-manager-me-south-1-a53fc9dce"},
		"cn-north-1":     {"patch-baseline-snapshot-cn-north-1"},
		"us-gov-west-1":  {"patch-baseline-snapshot-us-gov-west-1"},
	} {
		buckets := scope.Scope{Region: region}.AgentBuckets()
		require.Equal(t, want, buckets[6:], region)
		for _, bucket := range buckets {
			require.NotContains(t, bucket, "*")
		}
	}
}
