package iam

import (
	"slices"

	"private-ec2-access/internal/scope"
)

// Archive is a log location in S3.
type Archive struct {
	Bucket string // the bucket's name
	Prefix string // the key prefix; empty stands for the whole bucket
}

// Recording is everything that sessions are recorded in: what the session
// document names, and what it named when sessions began that are still open.
type Recording struct {
	Archives  []Archive
	LogGroups []string
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
// write session logs and ask how the place that they go to is encrypted.
// It can neither read, list nor delete the logs it writes.
//
// PutObjectAcl is granted because the agent sends the ACL
// bucket-owner-full-control with every log. A request that carries an ACL
// needs the permission, and the agent swallows the refusal. Under the
// ownership setting BucketOwnerEnforced the grant can change nothing.
func InstancePolicy(s scope.Scope, r Recording) Document {
	return document(append([]Statement{readSystemsManagerBuckets(s)}, writeRecords(s, r)...)...)
}

// SessionsOnly is what an agent needs to carry sessions, and nothing else. It
// takes the place of AmazonSSMManagedInstanceCore, which also lets an instance
// read every document and parameter, and report associations and inventory
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html).
func SessionsOnly() Document {
	return document(Statement{
		Sid:    "CarrySessions",
		Effect: Allow,
		Action: []string{
			"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
			"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
		},
		// The service ssmmessages has no resource types, and a node has no ARN
		// before it is registered.
		Resource: []string{"*"},
	})
}

// ParameterLimit denies reads of SSM parameters outside the paths and AWS's
// public ones, however the role was allowed them: AmazonSSMManagedInstanceCore
// allows the parameters of the whole account. Each of the four calls that return
// a value is authorized by its own action, and GetParametersByPath on the path
// that it names, not on what it returns
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-retrieval-authorization.html).
//
// It is for a role of this stack's own. In somebody else's it would take away
// what that role is for.
func ParameterLimit(s scope.Scope, paths []string) Document {
	// Public parameters are in no account. No account can create a parameter
	// under /aws, so the account in the ARN need not be told.
	allowed := []string{s.PublicParametersARN()}
	for _, path := range paths {
		if path == "/" {
			allowed = append(allowed, s.ParameterARN("/*"))
			continue
		}
		allowed = append(allowed, s.ParameterARN(path), s.ParameterARN(path+"/*"))
	}
	return document(Statement{
		Sid:         "OnlyTheseParameters",
		Effect:      Deny,
		Action:      []string{"ssm:GetParameter*"},
		NotResource: allowed,
	})
}

// writeRecords are the calls that the agent makes to record a session.
func writeRecords(s scope.Scope, r Recording) []Statement {
	var objects, buckets, streams []string
	for _, archive := range r.Archives {
		objects = append(objects, s.ObjectsARN(archive.Bucket, archive.Prefix))
		buckets = append(buckets, s.BucketARN(archive.Bucket))
	}
	for _, group := range r.LogGroups {
		streams = append(streams, s.LogStreamsARN(group))
	}
	var statements []Statement
	if len(objects) > 0 {
		statements = append(statements,
			Statement{
				Sid:      "WriteSessionLogs",
				Effect:   Allow,
				Action:   []string{"s3:PutObject", "s3:PutObjectAcl"},
				Resource: unique(objects),
			},
			Statement{
				// The agent refuses a session when it is told to encrypt and
				// cannot learn whether the bucket does.
				Sid:      "ReadLogBucketEncryption",
				Effect:   Allow,
				Action:   []string{"s3:GetEncryptionConfiguration"},
				Resource: unique(buckets),
			},
		)
	}
	if len(streams) == 0 {
		return statements
	}
	return append(statements,
		Statement{
			Sid:    "FindLogGroup",
			Effect: Allow,
			Action: []string{"logs:DescribeLogGroups"},
			// The agent lists groups by a prefix of their name, which is no
			// resource; the answer has names and settings, and no logs.
			Resource: []string{"*"},
		},
		Statement{
			Sid:      "StreamSessionLogs",
			Effect:   Allow,
			Action:   []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resource: unique(streams),
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

// unique keeps the first of each, in order.
func unique(values []string) []string {
	var kept []string
	for _, v := range values {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}
