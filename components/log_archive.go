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
	// chooses, from the writer, and from the key; without a key that is empty.
	Policy func(bucket, writerARN, keyARN string) string
	// WriterARN is the role of the instances that write to the bucket.
	WriterARN pulumi.StringInput
	// KeyARN is the KMS key that session logs are encrypted with. Nil: S3's own
	// encryption.
	KeyARN pulumi.StringInput
	// ReplacesKey: KeyARN replaces another key, and Policy allows both. Then the
	// policy changes before the default.
	ReplacesKey bool
	// Grant, if not nil, lets the writers of session logs use the key. It needs
	// the bucket's name, and the bucket's default has to wait for it.
	Grant          func(bucket pulumi.StringOutput) (Ready, error)
	RetentionDays  int        // after which a session log expires; 0 keeps every one
	TransitionDays int        // after which a session log moves to Glacier Instant Retrieval; 0 never
	Lock           ObjectLock // that a new session log gets
	KeepRecords    bool       // leave the bucket and all that protects it behind on destroy
	RefuseDestroy  bool       // make whatever would delete the bucket fail before it deletes anything
	Labels         Labels
	// After is deleted after the bucket in a destroy: the key that session logs
	// were encrypted with.
	After Ready
}

// ObjectLock is the default retention that S3 gives to every new object: nobody
// can delete or change that version for so many days. In the mode GOVERNANCE
// somebody with the permission to bypass it can, in COMPLIANCE nobody can
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html).
type ObjectLock struct {
	Mode string // empty: none
	Days int
}

// LogArchive is the bucket that session logs are written to. No public access
// in any form, no ACLs, every version kept, encrypted at rest, reached over TLS
// only, and emptied by nothing but its lifecycle.
//
// With KeepRecords a destroy drops the bucket and everything that protects it
// from the stack without a call to AWS: what is kept is as protected as it
// was. Without it the destroy deletes every session log. With RefuseDestroy the
// engine refuses a destroy as a whole, and so it refuses an update that would
// delete the bucket.
type LogArchive struct {
	pulumi.ResourceState

	BucketName pulumi.StringOutput `pulumi:"bucketName"`
	// Ready exists once the bucket accepts, encrypts and protects session logs.
	Ready Ready
}

// The parts of an upload that was never completed are of no use to a reader; a
// week is enough to notice a mistake.
const incompleteDays = 7

// NewLogArchive registers the bucket and what protects it.
func NewLogArchive(ctx *pulumi.Context, name string, args *LogArchiveArgs, opts ...pulumi.ResourceOption) (*LogArchive, error) {
	if args == nil || args.Policy == nil || args.WriterARN == nil {
		return nil, errors.New("log archive: Policy and WriterARN are required")
	}
	if args.RetentionDays < 0 {
		return nil, fmt.Errorf("log archive: RetentionDays is %d: 0 or more is required", args.RetentionDays)
	}
	if args.Lock.Mode != "" && args.Lock.Days < 1 {
		return nil, fmt.Errorf("log archive: Lock.Days is %d with the mode %s: 1 or more is required", args.Lock.Days, args.Lock.Mode)
	}

	c := &LogArchive{}
	// The component is retained as well: of a destroy that was killed it may be all that says in the state what was kept.
	if err := ctx.RegisterComponentResource(token("LogArchive"), name, c, append(opts, pulumi.RetainOnDelete(args.KeepRecords))...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)
	keep := keeping(args.KeepRecords, args.RefuseDestroy)

	bucket, err := s3.NewBucketV2(ctx, name+"-logs", &s3.BucketV2Args{
		BucketPrefix: pulumi.String(name + "-logs-"),
		ForceDestroy: pulumi.Bool(!args.KeepRecords),
		Tags:         args.Labels.For("logs"),
	}, child, keep, pulumi.DependsOn(args.After))
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
	granted := Ready{}
	if args.Grant != nil {
		if granted, err = args.Grant(bucket.Bucket); err != nil {
			return nil, failed("log archive", "grant", err)
		}
	}
	// A session log that is uploaded between the two must be accepted: the policy
	// that allows both kinds of encryption has to be in effect while the default changes.
	newEncryption := func(after Ready) (pulumi.Resource, error) {
		return s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name+"-logs", &s3.BucketServerSideEncryptionConfigurationV2Args{
			Bucket: bucket.ID(),
			Rules:  encryption(args.KeyARN),
		}, append(with, pulumi.DependsOn(after))...)
	}
	newPolicy := func(after Ready) (*s3.BucketPolicy, error) {
		key := args.KeyARN
		if key == nil {
			key = pulumi.String("")
		}
		text := pulumi.All(bucket.Bucket, args.WriterARN, key).ApplyT(func(known []any) string {
			return args.Policy(known[0].(string), known[1].(string), known[2].(string))
		}).(pulumi.StringOutput)
		return s3.NewBucketPolicy(ctx, name+"-logs", &s3.BucketPolicyArgs{
			Bucket: bucket.ID(),
			Policy: text,
		}, append(with, pulumi.DependsOn(append(after, access)))...) // S3 refuses both at once
	}
	var encrypted pulumi.Resource
	var policy *s3.BucketPolicy
	if args.KeyARN != nil && !args.ReplacesKey {
		if encrypted, err = newEncryption(granted); err != nil {
			return nil, failed("log archive", "encryption", err)
		}
		if policy, err = newPolicy(Ready{encrypted}); err != nil {
			return nil, failed("log archive", "bucket policy", err)
		}
	} else {
		if policy, err = newPolicy(nil); err != nil {
			return nil, failed("log archive", "bucket policy", err)
		}
		if encrypted, err = newEncryption(append(granted, policy)); err != nil {
			return nil, failed("log archive", "encryption", err)
		}
	}
	if args.Lock.Mode != "" {
		// Its own: when it leaves the stack alone, the default retention goes,
		// and S3's lock stays, which nothing can take away. So it says for
		// itself that it is not retained: the engine hands down the component's.
		if _, err := s3.NewBucketObjectLockConfigurationV2(ctx, name+"-logs", &s3.BucketObjectLockConfigurationV2Args{
			Bucket: bucket.ID(),
			Rule: s3.BucketObjectLockConfigurationV2RuleArgs{
				DefaultRetention: s3.BucketObjectLockConfigurationV2RuleDefaultRetentionArgs{
					Mode: pulumi.String(args.Lock.Mode),
					Days: pulumi.Int(args.Lock.Days),
				},
			},
		}, child, pulumi.RetainOnDelete(false), pulumi.DeletedWith(bucket), pulumi.DependsOn([]pulumi.Resource{versioning})); err != nil {
			return nil, failed("log archive", "object lock", err)
		}
	}
	if _, err := s3.NewBucketLifecycleConfigurationV2(ctx, name+"-logs", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: bucket.ID(),
		Rules:  lifecycle(args.RetentionDays, args.TransitionDays),
	}, append(with, pulumi.DependsOn([]pulumi.Resource{versioning}))...); err != nil { // it names versions
		return nil, failed("log archive", "lifecycle", err)
	}

	// Whoever writes a log waits until the bucket refuses plain HTTP.
	c.BucketName = policy.Bucket
	c.Ready = Ready{access, versioning, encrypted, policy}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"bucketName": bucket.Bucket})
}

// encryption is the bucket's default. With a key, S3 asks KMS for a key a bucket
// and not an object, which costs next to nothing and makes the bucket's ARN the
// encryption context
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html).
func encryption(keyARN pulumi.StringInput) s3.BucketServerSideEncryptionConfigurationV2RuleArray {
	by := s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{SseAlgorithm: pulumi.String("AES256")}
	if keyARN == nil {
		return s3.BucketServerSideEncryptionConfigurationV2RuleArray{
			s3.BucketServerSideEncryptionConfigurationV2RuleArgs{ApplyServerSideEncryptionByDefault: by},
		}
	}
	by.SseAlgorithm, by.KmsMasterKeyId = pulumi.String("aws:kms"), keyARN.ToStringOutput().ToStringPtrOutput()
	return s3.BucketServerSideEncryptionConfigurationV2RuleArray{
		s3.BucketServerSideEncryptionConfigurationV2RuleArgs{ApplyServerSideEncryptionByDefault: by, BucketKeyEnabled: pulumi.Bool(true)},
	}
}

// lifecycle expires session logs after the retention. A version that was
// overwritten is kept as long, counted from then. S3 itself keeps
// what is locked, whatever a rule says.
func lifecycle(retentionDays, transitionDays int) s3.BucketLifecycleConfigurationV2RuleArray {
	every := s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}
	rules := s3.BucketLifecycleConfigurationV2RuleArray{
		s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:     pulumi.String("incomplete"),
			Status: pulumi.String("Enabled"),
			Filter: every,
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
			NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
				NoncurrentDays: pulumi.Int(retentionDays),
			},
		})
	}
	if transitionDays > 0 {
		rules = append(rules, s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:     pulumi.String("tiering"),
			Status: pulumi.String("Enabled"),
			Filter: every,
			Transitions: s3.BucketLifecycleConfigurationV2RuleTransitionArray{
				s3.BucketLifecycleConfigurationV2RuleTransitionArgs{
					Days: pulumi.Int(transitionDays), StorageClass: pulumi.String("GLACIER_IR"),
				},
			},
		})
	}
	return rules
}
