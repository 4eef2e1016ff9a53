package screen

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The texts are AWS's, as users report them.
func TestFailed_RefusedByOrganization_OneMessage(t *testing.T) {
	t.Parallel()
	scp := func(action string) string {
		return "operation error: api error AccessDenied: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: " + action +
			" on resource: arn:aws:x with an explicit deny in a service control policy: arn:aws:organizations::2:policy/o-1/service_control_policy/p-1"
	}
	r := &Run{Project: "access", Stack: "dev", told: []message{
		{"warning", "", "a warning"},
		{"error", "aws:ec2:Vpc vpc", scp("ec2:CreateVpc")},
		{"error", "aws:s3:BucketV2 logs", "BucketAlreadyExists"},
		{"error", "aws:iam:Role instance", scp("iam:CreateRole")},
		{"error", "aws:ec2:Instance app", "api error TagPolicyViolation: The tag policy does not allow the specified value for the following tag key: 'Project'."},
		{"error", "aws:ec2:Instance app", "api error TagPolicyViolation: The tag policy does not allow the specified value for the following tag key: 'cost.center'."},
		{"error", "aws:ec2:Subnet a", "api error UnauthorizedOperation: You are not authorized to perform this operation. User: u is not authorized to perform: ec2:CreateSubnet on resource: r with an explicit deny in a service control policy. Encoded authorization failure message: abc"},
	}}
	got := r.Failed("up", "log", "", "")
	require.Contains(t, got, `error: aws:s3:BucketV2 logs: BucketAlreadyExists
error: policies of the organization refused 5 AWS resources:
  a service control policy denies it: aws:ec2:Subnet a (ec2:CreateSubnet)
  a service control policy denies it arn:aws:organizations::2:policy/o-1/service_control_policy/p-1: aws:ec2:Vpc vpc (ec2:CreateVpc), aws:iam:Role instance (iam:CreateRole)
  the tag policy allows another value of the tag Project: aws:ec2:Instance app
  the tag policy allows another value of the tag cost.center: aws:ec2:Instance app
If the policies require tags, give them to all resources of the stack:
  pulumi config set --type string --path 'access:tags.Project' VALUE
  pulumi config set --type string --path 'access:tags["cost.center"]' VALUE
`)
	left, summary := organization("access", []message{{"error", "", "is not authorized to perform: ec2:CreateVpc because no identity-based policy allows it"}})
	require.Len(t, left, 1)
	require.Empty(t, summary)
}
