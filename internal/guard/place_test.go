package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/guard"
	"private-ec2-access/internal/scope"
)

func TestCheckPlace(t *testing.T) {
	t.Parallel()
	const vpc = "arn:aws:ec2:us-east-2:111122223333:vpc/vpc-1"
	iam, bucket := "arn:aws:iam::111122223333:role/r", "arn:aws:s3:::logs"
	ohio := scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333"}
	ireland, another := ohio, ohio
	ireland.Region, another.AccountID = "eu-west-1", "999988887777"
	both := scope.Scope{Partition: "aws", Region: "eu-west-1", AccountID: "999988887777"}
	for _, c := range []struct {
		name     string
		deployed []string
		now      scope.Scope
		want     []string
	}{
		{"nothing yet, or nothing any more", nil, ireland, nil},
		{"where it is", []string{vpc, iam, bucket}, ohio, nil},
		{"another Region", []string{bucket, iam, vpc}, ireland, []string{"aws:region"}},
		{"another account", []string{vpc, iam}, another, []string{"account"}},
		{"another account and Region", []string{vpc, iam}, both, []string{"account", "aws:region"}},
		{"an update that failed after its first resource", []string{iam}, another, []string{"account"}},
		{"only what belongs to no Region", []string{iam, bucket}, ireland, nil},
		{"one that was moved halfway", []string{vpc, "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-2"}, ireland, nil},
		{"the partition of China", []string{"arn:aws-cn:ec2:cn-north-1:111122223333:vpc/vpc-1"}, ohio, []string{"aws:region"}},
		{"what is no ARN", []string{"", "vpc-1"}, ireland, nil},
	} {
		var keys []string
		for _, m := range guard.CheckPlace("dev", c.deployed, c.now) {
			require.NotEmpty(t, m.Fix)
			keys = append(keys, m.Key)
		}
		require.Equal(t, c.want, keys, c.name)
	}
	require.Equal(t, []string{
		"pulumi config set aws:region us-east-2", "make destroy STACK=dev", "pulumi config set aws:region eu-west-1", "make up STACK=dev",
	}, guard.CheckPlace("dev", []string{vpc}, ireland)[0].Fix[1].Commands)
}
