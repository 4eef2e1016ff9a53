package account

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/resourcegroupstaggingapi"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/mistake"
)

// LogBuckets lists, by name and sorted, the log buckets that a stack ever made
// in its Region and that still exist, by the tag that they carry
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
func LogBuckets(ctx *pulumi.Context, owner string) ([]string, error) {
	return tagged(ctx, owner, "s3", ":::")
}

// BucketKey gives the KMS key that records in a log bucket of a stack's own are
// encrypted with, by the bucket's policy; empty: there is none.
func BucketKey(ctx *pulumi.Context, bucket string) (string, error) {
	found, err := s3.LookupBucketPolicy(ctx, &s3.LookupBucketPolicyArgs{Bucket: bucket})
	switch {
	case isAbsent(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the policy of the log bucket %s: %w", bucket, err)
	}
	return iam.BucketKey(found.Policy)
}

// LogGroups lists the log groups likewise.
func LogGroups(ctx *pulumi.Context, owner string) ([]string, error) {
	return tagged(ctx, owner, "logs:log-group", ":log-group:")
}

// tagged gives what follows a separator in the ARNs of a stack's resources of
// one type.
func tagged(ctx *pulumi.Context, owner, resourceType, separator string) ([]string, error) {
	found, err := resourcegroupstaggingapi.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesArgs{
		ResourceTypeFilters: []string{resourceType},
		TagFilters:          []resourcegroupstaggingapi.GetResourcesTagFilter{{Key: OwnerTag, Values: []string{owner}}},
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what the stack %s made of the type %s: %w", owner, resourceType, err)
	}
	var names []string
	for _, resource := range found.ResourceTagMappingLists {
		if _, name, ok := strings.Cut(resource.ResourceArn, separator); ok {
			names = append(names, strings.TrimSuffix(name, ":*"))
		}
	}
	slices.Sort(names)
	return names, nil
}

// LogGroup reports whether a log group exists. One that exists has to be this
// stack's own, of an earlier time or of now.
func LogGroup(ctx *pulumi.Context, name, owner string) (exists bool, err error) {
	found, err := cloudwatch.LookupLogGroup(ctx, &cloudwatch.LookupLogGroupArgs{Name: name})
	switch {
	case isAbsent(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("finding out whether the log group %s exists: %w", name, err)
	case found.Tags[OwnerTag] == owner:
		return true, nil
	}
	whose := "it was not made by this program"
	if other := found.Tags[OwnerTag]; other != "" {
		whose = "it belongs to the stack " + other
	}
	return true, mistake.List{{
		Key: "logging.logGroupName", Got: name, Problem: "this log group exists already, and " + whose,
		Allowed: "the name of a group that does not exist yet, or of this stack's own",
		Mend:    "pulumi config set --path '" + ctx.Project() + ":logging.logGroupName' ANOTHER_NAME",
	}}
}

// Key gives the id of the stack's own KMS key, by its alias; empty if there is none.
// Such a key stays in the stack whatever the config says: records that were
// encrypted with it must remain readable.
//
// It is an error when the alias leads to a key that is not this stack's and the
// stack needs one, or to one of its own that cannot be used.
func Key(ctx *pulumi.Context, alias, description string, needed bool) (id string, err error) {
	found, err := kms.LookupAlias(ctx, &kms.LookupAliasArgs{Name: alias})
	switch {
	case isAbsent(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("finding out whether the key %s exists: %w", alias, err)
	}
	key, err := kms.LookupKey(ctx, &kms.LookupKeyArgs{KeyId: found.TargetKeyArn})
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the key %s: %w", alias, err)
	case key.Description != description && !needed:
		return "", nil
	case key.Description != description:
		return "", mistake.List{{
			Key: "logging.encryption", Got: "kms",
			Problem: fmt.Sprintf("the alias %s leads to the key %s, which is not this stack's (its description is %q)", alias, found.TargetKeyArn, key.Description),
			Allowed: "a key by its ARN, or an alias that is free",
			Mend:    "pulumi config set --path '" + ctx.Project() + ":logging.kmsKeyArn' " + found.TargetKeyArn + "; or delete the alias: aws kms delete-alias --alias-name " + alias,
		}}
	case key.KeyState != "Enabled":
		return "", fmt.Errorf("the key %s (%s) of this stack is in the state %s, so records can be neither written nor read. "+
			"If that was not meant:\n    aws kms cancel-key-deletion --key-id %[2]s    where it is to be deleted\n    aws kms enable-key --key-id %[2]s", alias, found.TargetKeyArn, key.KeyState)
	}
	return found.TargetKeyId, nil
}
