package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	awsiam "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/resourcegroupstaggingapi"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
)

// LogBuckets lists, by name and sorted, the log buckets that a stack ever
// created in its Region and that still exist, by the tag that they carry
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
func LogBuckets(ctx *pulumi.Context, owner string) ([]string, error) {
	return tagged(ctx, owner, "s3", ":::")
}

// tagged gives what follows a separator in the ARNs of a stack's resources of
// one type.
func tagged(ctx *pulumi.Context, owner, resourceType, separator string) ([]string, error) {
	found, err := resourcegroupstaggingapi.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesArgs{
		ResourceTypeFilters: []string{resourceType},
		TagFilters:          []resourcegroupstaggingapi.GetResourcesTagFilter{{Key: scope.OwnerTag, Values: []string{owner}}},
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what the stack %s created of the type %s: %w", owner, resourceType, err)
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

func (s surveyor) logGroups() (err error) {
	s.facts.LogGroups = map[string]decide.Group{}
	for _, name := range s.config.Logging.LogGroups(s.facts.Owner()) {
		found, err := cloudwatch.LookupLogGroup(s.ctx, &cloudwatch.LookupLogGroupArgs{Name: name})
		switch {
		case isAbsent(err):
		case err != nil:
			return fmt.Errorf("finding out whether the log group %s exists: %w", name, err)
		default:
			s.facts.LogGroups[name] = decide.Group{Exists: true, Owner: found.Tags[scope.OwnerTag]}
		}
	}
	s.facts.OwnLogGroups, err = tagged(s.ctx, s.facts.Owner(), "logs:log-group", ":log-group:")
	return err
}

// key reads the key behind the alias that the stack's own key has.
func (s surveyor) key() error {
	name := decide.KeyAlias(s.facts.Owner())
	alias, err := kms.LookupAlias(s.ctx, &kms.LookupAliasArgs{Name: name})
	switch {
	case isAbsent(err):
		return nil
	case err != nil:
		return fmt.Errorf("finding out whether the key %s exists: %w", name, err)
	}
	key, err := kms.LookupKey(s.ctx, &kms.LookupKeyArgs{KeyId: alias.TargetKeyArn})
	if err != nil {
		return fmt.Errorf("reading the key %s: %w", name, err)
	}
	s.facts.Key = decide.Key{ID: alias.TargetKeyId, ARN: alias.TargetKeyArn, Description: key.Description, State: key.KeyState}
	return nil
}

// bucketPolicies reads, by the policies of the stack's own buckets that its
// document names, which key session logs are encrypted with and who may write;
// and who may write to a bucket of this program's that the config names.
func (s surveyor) bucketPolicies() error {
	s.facts.BucketKeys, s.facts.Writers = map[string]string{}, map[string]decide.Writers{}
	l := s.config.Logging
	if l.BucketName != "" {
		if !decide.OwnBucket(s.facts.Project, l.BucketName) {
			return nil
		}
		// The bucket may be another account's, whose policy is not to be read from here.
		policy, err := bucketPolicy(s.ctx, l.BucketName)
		if err != nil || policy == "" {
			s.facts.Writers[l.BucketName] = decide.Writers{Problem: err}
			return nil
		}
		return s.writers(l.BucketName, policy)
	}
	if s.facts.Document.Mark.Owner != s.facts.Owner() {
		return nil
	}
	for _, location := range s.facts.Document.Locations() {
		if !decide.OwnBucket(s.facts.Project, location.Bucket) {
			continue
		}
		policy, err := bucketPolicy(s.ctx, location.Bucket)
		if err != nil {
			return err
		}
		if policy == "" {
			continue
		}
		if l.Encryption == config.ByKMS {
			if s.facts.BucketKeys[location.Bucket], err = iam.BucketKey(policy); err != nil {
				return err
			}
		}
		if err := s.writers(location.Bucket, policy); err != nil {
			return err
		}
	}
	return nil
}

// logBucket reads a log bucket that the stack did not create. It may be another
// account's, and only checks.
func (s surveyor) logBucket() error {
	name := s.config.Logging.BucketName
	if name == "" {
		return nil
	}
	bucket, err := s3.LookupBucket(s.ctx, &s3.LookupBucketArgs{Bucket: name})
	switch {
	case isAbsent(err):
		return nil
	case err != nil:
		s.facts.LogBucket.Region.Problem = problem(err, "")
	default:
		s.facts.LogBucket.Region.Value = bucket.Region
	}
	policy, err := bucketPolicy(s.ctx, name)
	s.facts.LogBucket.Policy = reach.Read[string]{Value: policy, Problem: problem(err, "")}
	return nil
}

// bucketPolicy is empty where the bucket has none.
func bucketPolicy(ctx *pulumi.Context, bucket string) (string, error) {
	found, err := s3.LookupBucketPolicy(ctx, &s3.LookupBucketPolicyArgs{Bucket: bucket})
	switch {
	case isAbsent(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the policy of the log bucket %s: %w", bucket, err)
	}
	return found.Policy, nil
}

// writers finds who may write by a bucket's policy, and, where the config names
// the bucket, whether the role of this stack is among them.
func (s surveyor) writers(bucket, policy string) error {
	roles, limited, err := iam.BucketWriters(policy)
	if err != nil {
		return err
	}
	writers := decide.Writers{Limited: limited, RoleARNs: roles}
	for _, arn := range roles {
		name := arn[strings.LastIndex(arn, "/")+1:]
		if bucket != s.config.Logging.BucketName || writers.Own || !decide.OwnRole(s.facts.Project, name) {
			continue
		}
		role, err := awsiam.LookupRole(s.ctx, &awsiam.LookupRoleArgs{Name: name})
		switch {
		case isAbsent(err):
		case err != nil:
			return fmt.Errorf("reading the role %s, which may write to the log bucket %s: %w", name, bucket, err)
		default:
			writers.Own = role.Tags[scope.OwnerTag] == s.facts.Owner()
		}
	}
	s.facts.Writers[bucket] = writers
	return nil
}
