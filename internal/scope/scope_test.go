package scope_test

import (
	"strings"
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

// Each Region that has such a bucket is known. Whether a suffix is the right one
// only AWS's page tells.
func TestAgentBuckets_SuffixedRegions_Complete(t *testing.T) {
	t.Parallel()
	for region := range strings.FieldsSeq(`af-south-1 ap-east-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
		ap-southeast-3 ap-southeast-4 ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
		il-central-1 me-central-1 me-south-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2`) {
		buckets := scope.Scope{Region: region}.AgentBuckets()
		require.Len(t, buckets, 8, region)
		require.Regexp(t, "^aws-patch-manager-"+region+"-[0-9a-f]+$", buckets[7])
	}
	for _, region := range []string{"af-south-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "eu-south-2", "me-south-1"} {
		require.Regexp(t, "^patch-baseline-snapshot-"+region+"-[0-9a-z]{8}$", scope.Scope{Region: region}.AgentBuckets()[6])
	}
}
