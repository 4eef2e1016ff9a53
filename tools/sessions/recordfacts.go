package sessions

import (
	"context"
	"path"
	"sync"

	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
	sessiondoc "private-ec2-access/internal/session"
)

// whyNoRecord reads what decides about the record of a session under a document, and judges it.
func (r *run) whyNoRecord(ctx context.Context, n named, document, id string) reach.Diagnosis {
	f := reach.LogFacts{Stack: r.Stack, Region: r.outputs.Region, Document: document}
	d, err := r.aws.document(ctx, document)
	bucket, prefix := d.Text("s3BucketName"), d.Text("s3KeyPrefix")
	group, key := d.Text("cloudWatchLogGroupName"), d.Text("kmsKeyId")
	f.Recording = reach.Read[reach.Recording]{Problem: problem(err), Value: reach.Recording{
		Bucket: bucket, Prefix: prefix, Group: group, Key: key,
		BucketEncryption: d.Flag("s3EncryptionEnabled"), GroupEncryption: d.Flag("cloudWatchEncryptionEnabled"), StreamGroup: d.Flag("cloudWatchStreamingEnabled"),
	}}
	var around reach.Facts
	var wait sync.WaitGroup
	wait.Go(func() { around = r.facts(ctx, n) })
	wait.Go(func() {
		if bucket != "" {
			r.aws.bucketFacts(ctx, bucket, &f)
		}
		if key != "" {
			f.SessionKey = r.aws.keyState(ctx, key)
		}
		if group != "" {
			r.aws.groupFacts(ctx, group, &f)
		}
	})
	wait.Wait()
	f.Account, f.Role, f.RoleARN, f.Boundary = around.Account, around.Role.Value, around.RoleARN, around.Boundary
	f.VpcID, f.Elsewhere = around.Instance.Value.VpcID, around.Elsewhere
	f.Policies, f.Endpoints, f.Routes, f.Agent = around.Policies, around.Endpoints, around.Routes, around.Agent
	if around.Role.Problem != "" {
		f.Policies.Problem = around.Role.Problem
	}
	f.BucketARN = scope.Scope{Partition: scope.PartitionOf(r.outputs.Region)}.BucketARN(bucket)
	f.ObjectARN = path.Join(f.BucketARN, sessiondoc.Location{Prefix: prefix}.Key(id))
	return reach.DiagnoseLog(f)
}

func (c *client) bucketFacts(ctx context.Context, bucket string, f *reach.LogFacts) {
	err := c.call(ctx, nil, "s3api", "head-bucket", input{"Bucket": bucket})
	f.BucketMissing = isAbsent(err)
	f.Bucket.Problem = problem(err)
	if f.BucketMissing {
		return
	}
	var policy struct{ Policy string }
	if err = c.call(ctx, &policy, "s3api", "get-bucket-policy", input{"Bucket": bucket}); !isAbsent(err) {
		f.BucketPolicy = reach.Read[string]{Value: policy.Policy, Problem: problem(err)}
	}
	var answer struct {
		ServerSideEncryptionConfiguration struct {
			Rules []struct {
				ApplyServerSideEncryptionByDefault struct {
					SSEAlgorithm   string
					KMSMasterKeyID string
				}
			}
		}
	}
	err = c.call(ctx, &answer, "s3api", "get-bucket-encryption", input{"Bucket": bucket})
	if err != nil && !isAbsent(err) {
		f.Encryption.Problem = problem(err)
	}
	if rules := answer.ServerSideEncryptionConfiguration.Rules; len(rules) > 0 {
		f.Encryption.Value = rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm
		if key := rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID; key != "" {
			f.BucketKeyARN = key
			f.BucketKey = c.keyState(ctx, key)
			f.BucketKeyPolicy = c.keyPolicy(ctx, key)
		}
	}
}

func (c *client) keyState(ctx context.Context, key string) reach.Read[string] {
	var answer struct{ KeyMetadata struct{ KeyState string } }
	err := c.call(ctx, &answer, "kms", "describe-key", input{"KeyId": key})
	if isAbsent(err) || isCode(err, "NotFoundException") {
		return reach.Read[string]{}
	}
	return reach.Read[string]{Value: answer.KeyMetadata.KeyState, Problem: problem(err)}
}

func (c *client) keyPolicy(ctx context.Context, key string) reach.Read[string] {
	var answer struct{ Policy string }
	err := c.call(ctx, &answer, "kms", "get-key-policy", input{"KeyId": key, "PolicyName": "default"})
	return reach.Read[string]{Value: answer.Policy, Problem: problem(err)}
}

func (c *client) groupFacts(ctx context.Context, group string, f *reach.LogFacts) {
	var answer struct {
		LogGroups []struct {
			LogGroupName, KMSKeyID string
		}
	}
	err := c.call(ctx, &answer, "logs", "describe-log-groups", input{"logGroupNamePrefix": group})
	f.GroupKey.Problem = problem(err)
	f.GroupMissing = err == nil
	for _, g := range answer.LogGroups {
		if g.LogGroupName == group {
			f.GroupMissing, f.GroupKey.Value = false, g.KMSKeyID
		}
	}
}
