package components

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// LogArchiveArgs describe the bucket of session logs.
type LogArchiveArgs struct {
	// Policy builds the bucket's policy from its name, which the engine
	// chooses.
	Policy        func(bucket string) string
	RetentionDays int  // after which a record expires; 0 keeps every record for good
	KeepRecords   bool // leave the bucket and all that protects it behind on destroy
	RefuseDestroy bool // make whatever would delete the bucket fail before it deletes anything
	Labels        Labels
}

// LogArchive is the bucket that session logs are written to. No public access
// in any form, no ACLs, every version kept, encrypted at rest, reached over TLS
// only, and emptied by nothing but its lifecycle.
//
// With KeepRecords a destroy drops the bucket and everything that protects it
// from the stack without a call to AWS: what is left behind is as protected as
// it was. Without it the destroy deletes every record. With RefuseDestroy the
// engine refuses a destroy as a whole, and so it refuses an update that would
// delete the bucket.
type LogArchive struct {
	pulumi.ResourceState

	BucketName pulumi.StringOutput `pulumi:"bucketName"`
}

// Superseded versions and the parts of uploads that were never completed are
// of no use to a reader; a month and a week are enough to notice a mistake.
const (
	noncurrentDays = 30
	incompleteDays = 7
)

// NewLogArchive registers the bucket and what protects it.
func NewLogArchive(ctx *pulumi.Context, name string, args *LogArchiveArgs, opts ...pulumi.ResourceOption) (*LogArchive, error) {
	if args == nil || args.Policy == nil {
		return nil, errors.New("log archive: Policy is required")
	}
	if args.RetentionDays < 0 {
		return nil, fmt.Errorf("log archive: RetentionDays is %d: 0 or more is required", args.RetentionDays)
	}

	c := &LogArchive{}
	// The component is retained as well: of a destroy that was killed it may be all that says in the state what was kept.
	retain := pulumi.RetainOnDelete(args.KeepRecords)
	if err := ctx.RegisterComponentResource(token("LogArchive"), name, c, append(opts, retain)...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)
	keep := pulumi.Composite(retain, pulumi.Protect(args.RefuseDestroy))

	bucket, err := s3.NewBucketV2(ctx, name+"-logs", &s3.BucketV2Args{
		BucketPrefix: pulumi.String(name + "-logs-"),
		ForceDestroy: pulumi.Bool(!args.KeepRecords),
		Tags:         args.Labels.For("logs"),
	}, child, keep)
	if err != nil {
		return nil, failed("log archive", "bucket", err)
	}
	// When the bucket goes, AWS takes these away with it. Deleting them one by
	// one before would leave the bucket unprotected for that time, or for good
	// when its own delete fails.
	with := []pulumi.ResourceOption{child, keep, pulumi.DeletedWith(bucket)}

	access, err := s3.NewBucketPublicAccessBlock(ctx, name+"-logs", &s3.BucketPublicAccessBlockArgs{
		Bucket:                bucket.ID(),
		BlockPublicAcls:       pulumi.Bool(true),
		BlockPublicPolicy:     pulumi.Bool(true),
		IgnorePublicAcls:      pulumi.Bool(true),
		RestrictPublicBuckets: pulumi.Bool(true),
	}, with...)
	if err != nil {
		return nil, failed("log archive", "public access block", err)
	}
	if _, err := s3.NewBucketOwnershipControls(ctx, name+"-logs", &s3.BucketOwnershipControlsArgs{
		Bucket: bucket.ID(),
		Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
	}, with...); err != nil {
		return nil, failed("log archive", "ownership controls", err)
	}
	versioning, err := s3.NewBucketVersioningV2(ctx, name+"-logs", &s3.BucketVersioningV2Args{
		Bucket:                  bucket.ID(),
		VersioningConfiguration: s3.BucketVersioningV2VersioningConfigurationArgs{Status: pulumi.String("Enabled")},
	}, with...)
	if err != nil {
		return nil, failed("log archive", "versioning", err)
	}
	if _, err := s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name+"-logs", &s3.BucketServerSideEncryptionConfigurationV2Args{
		Bucket: bucket.ID(),
		Rules: s3.BucketServerSideEncryptionConfigurationV2RuleArray{
			s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
				ApplyServerSideEncryptionByDefault: s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
					SseAlgorithm: pulumi.String("AES256"),
				},
			},
		},
	}, with...); err != nil {
		return nil, failed("log archive", "encryption", err)
	}
	policy, err := s3.NewBucketPolicy(ctx, name+"-logs", &s3.BucketPolicyArgs{
		Bucket: bucket.ID(),
		Policy: bucket.Bucket.ApplyT(args.Policy).(pulumi.StringOutput),
	}, append(with, pulumi.DependsOn([]pulumi.Resource{access}))...) // S3 refuses both at once
	if err != nil {
		return nil, failed("log archive", "bucket policy", err)
	}
	if _, err := s3.NewBucketLifecycleConfigurationV2(ctx, name+"-logs", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: bucket.ID(),
		Rules:  lifecycle(args.RetentionDays),
	}, append(with, pulumi.DependsOn([]pulumi.Resource{versioning}))...); err != nil { // it names versions
		return nil, failed("log archive", "lifecycle", err)
	}

	// Whoever writes a log waits until the bucket refuses plain HTTP.
	c.BucketName = policy.Bucket
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"bucketName": bucket.Bucket})
}

func lifecycle(retentionDays int) s3.BucketLifecycleConfigurationV2RuleArray {
	every := s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}
	rules := s3.BucketLifecycleConfigurationV2RuleArray{
		s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:     pulumi.String("superseded-and-incomplete"),
			Status: pulumi.String("Enabled"),
			Filter: every,
			NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
				NoncurrentDays: pulumi.Int(noncurrentDays),
			},
			AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
				DaysAfterInitiation: pulumi.Int(incompleteDays),
			},
		},
	}
	if retentionDays > 0 {
		rules = append(rules, s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:         pulumi.String("retention"),
			Status:     pulumi.String("Enabled"),
			Filter:     every,
			Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(retentionDays)},
		})
	}
	return rules
}
