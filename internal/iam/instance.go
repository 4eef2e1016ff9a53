package iam

import "private-ec2-access/internal/scope"

// Archive is the place in S3 that session logs are written to.
type Archive struct {
	Bucket string // the bucket's name
	Prefix string // the key prefix; empty stands for the whole bucket
}

// EC2Trust lets EC2 hand the role to instances.
func EC2Trust(s scope.Scope) Document {
	return document(Statement{
		Sid:       "EC2HandsTheRoleToInstances",
		Effect:    Allow,
		Principal: Service(s.ServicePrincipal("ec2")),
		Action:    []string{"sts:AssumeRole"},
	})
}

// InstancePolicy is what an instance may do beyond the managed policy
// AmazonSSMManagedInstanceCore: read the Region's Systems Manager buckets,
// write session logs under the prefix and ask how the log bucket is encrypted.
// It can neither read, list nor delete the logs it writes.
//
// PutObjectAcl is granted because the agent sends the ACL
// bucket-owner-full-control with every log. A request that carries an ACL
// needs the permission, and the agent swallows the refusal. Under the
// ownership setting BucketOwnerEnforced the grant can change nothing.
func InstancePolicy(s scope.Scope, a Archive) Document {
	return document(
		readSystemsManagerBuckets(s),
		Statement{
			Sid:      "WriteSessionLogs",
			Effect:   Allow,
			Action:   []string{"s3:PutObject", "s3:PutObjectAcl"},
			Resource: []string{s.ObjectsARN(a.Bucket, a.Prefix)},
		},
		Statement{
			// The agent refuses a session when it is told to encrypt and
			// cannot learn whether the bucket does.
			Sid:      "ReadLogBucketEncryption",
			Effect:   Allow,
			Action:   []string{"s3:GetEncryptionConfiguration"},
			Resource: []string{s.BucketARN(a.Bucket)},
		},
	)
}

func readSystemsManagerBuckets(s scope.Scope) Statement {
	return Statement{
		Sid:      "ReadSystemsManagerBuckets",
		Effect:   Allow,
		Action:   []string{"s3:GetObject"},
		Resource: objectsOf(s, s.AgentBuckets()),
	}
}

func objectsOf(s scope.Scope, buckets []string) []string {
	objects := make([]string, len(buckets))
	for i, bucket := range buckets {
		objects[i] = s.ObjectsARN(bucket, "")
	}
	return objects
}
