// Package scope names things of AWS in one account, Region and partition.
//
// It is the only place that knows how an ARN, an endpoint service or one of
// AWS's own buckets is spelt, so that nothing else can name a Region or a
// partition other than the stack's.
package scope

import (
	"slices"
	"strings"
)

// Scope is where a stack lives.
type Scope struct {
	Partition string // aws, aws-cn or aws-us-gov
	Region    string // for example us-east-2
	AccountID string // twelve digits
	DNSSuffix string // the suffix of host names, for example amazonaws.com
}

// Partitions lists the partitions whose names of services and buckets are
// known to follow the rules in this package.
func Partitions() []string { return []string{"aws", "aws-cn", "aws-us-gov"} }

// PartitionOf names the partition of a Region by the beginning of its name
// (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
func PartitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// Supported reports whether the names in this package hold for the partition.
func (s Scope) Supported() bool { return slices.Contains(Partitions(), s.Partition) }

// ARN spells an ARN of the stack's own Region and account.
func (s Scope) ARN(service, resource string) string {
	return s.arn(service, s.Region, s.AccountID, resource)
}

// BucketARN spells the ARN of a bucket. Buckets carry neither Region nor
// account in their ARN.
func (s Scope) BucketARN(bucket string) string { return s.arn("s3", "", "", bucket) }

// ObjectsARN spells the ARN of every object under a prefix of a bucket. An
// empty prefix stands for the whole bucket.
func (s Scope) ObjectsARN(bucket, prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return s.BucketARN(bucket + "/*")
	}
	return s.BucketARN(bucket + "/" + prefix + "/*")
}

// ManagedPolicyARN spells the ARN of a policy that AWS maintains.
func (s Scope) ManagedPolicyARN(name string) string {
	return s.arn("iam", "", "aws", "policy/"+name)
}

// PolicyARN spells the ARN of a managed policy of this account, with its path
// before its name.
func (s Scope) PolicyARN(name string) string { return s.arn("iam", "", s.AccountID, "policy/"+name) }

// IAMRegion is the one Region of the partition in which CloudTrail and
// EventBridge see the calls of IAM
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html).
func (s Scope) IAMRegion() string {
	switch s.Partition {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	}
	return "us-east-1"
}

// DocumentARN spells the ARN of a Systems Manager document of this account.
func (s Scope) DocumentARN(name string) string { return s.ARN("ssm", "document/"+name) }

// ParameterARN spells the ARN of an SSM parameter of this account by its name,
// which begins with a slash that the ARN has only once.
func (s Scope) ParameterARN(name string) string { return s.ARN("ssm", "parameter"+name) }

// PublicParametersARN spells the ARN of every parameter that AWS publishes.
func (s Scope) PublicParametersARN() string {
	return s.arn("ssm", s.Region, "*", "parameter/aws/service/*")
}

// LogGroupARN spells the ARN of a log group, without the ending that stands for
// its streams.
func (s Scope) LogGroupARN(group string) string { return s.ARN("logs", "log-group:"+group) }

// LogStreamsARN spells the ARN of a log group with all of its streams, the form
// that the actions of CloudWatch Logs are granted on.
func (s Scope) LogStreamsARN(group string) string { return s.LogGroupARN(group) + ":*" }

// AccountARN spells the ARN that stands for this account in a resource's policy:
// whomever the account's own policies allow.
func (s Scope) AccountARN() string { return s.arn("iam", "", s.AccountID, "root") }

// RegionalService names a service of this Region by its host, as kms:ViaService
// and the principal of CloudWatch Logs do.
func (s Scope) RegionalService(service string) string {
	return service + "." + s.Region + "." + s.DNSSuffix
}

// ServicePrincipal names a service in a policy. EC2's ends with the partition's
// suffix; the others have the same name in every partition that is supported, for
// example events.amazonaws.com in the China Regions too.
func (s Scope) ServicePrincipal(service string) string {
	if service == "ec2" {
		return service + "." + s.DNSSuffix
	}
	return service + ".amazonaws.com"
}

// EndpointService names the service that a VPC endpoint connects to, with the
// plain prefix. The table in internal/endpoint marks the services that have
// another one in the China Regions.
func (s Scope) EndpointService(service string) string {
	return "com.amazonaws." + s.Region + "." + service
}

// IAMARN spells the ARN of a resource of IAM in this account. IAM has no Regions.
func (s Scope) IAMARN(resource string) string { return s.arn("iam", "", s.AccountID, resource) }

// AnywhereARN spells the ARN of resources in any Region and account.
func (s Scope) AnywhereARN(service, resource string) string {
	return s.arn(service, "*", "*", resource)
}

func (s Scope) arn(service, region, account, resource string) string {
	return strings.Join([]string{"arn", s.Partition, service, region, account, resource}, ":")
}

// OwnerTag marks what a stack created, so that it can be found again. Its value
// is PROJECT/STACK.
const OwnerTag = "private-ec2-access:stack"

// FleetTag names the fleet of an instance that belongs to one.
const FleetTag = "private-ec2-access:fleet"
