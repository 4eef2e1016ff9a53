package iam

import (
	"encoding/json"
	"fmt"
	"slices"

	"private-ec2-access/internal/scope"
)

// BucketRules are what the log bucket asks of a request.
type BucketRules struct {
	Prefixes []string // the key prefixes that may be written under; none or an empty one: any key
	KeyARNs  []string // the KMS keys that objects may be encrypted with, the current one first; none: S3's own encryption
}

// BucketPolicy is the policy of the log bucket. It refuses, whoever asks, what
// does not come over TLS, a write elsewhere than under the prefixes, and a write
// that asks for another encryption than the bucket's.
//
// A write that asks for none gets the bucket's default: the agent asks for none
// when it could not learn the default, and must not lose the record by it
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
//
// Without a key both AES256 and aws:kms are let through. When a key is added or
// taken away, the bucket's default and this policy change one after the other,
// and a record that is written in between must pass. With several keys, one of
// them replaces another, and the same holds.
func BucketPolicy(s scope.Scope, bucket string, rules BucketRules) Document {
	statements := []Statement{{
		Sid:       "OnlyOverTLS",
		Effect:    Deny,
		Principal: Anyone(),
		Action:    []string{"s3:*"},
		Resource:  []string{s.BucketARN(bucket), s.ObjectsARN(bucket, "")},
		Condition: Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}}
	everywhere := s.ObjectsARN(bucket, "")
	var written []string
	for _, prefix := range rules.Prefixes {
		written = append(written, s.ObjectsARN(bucket, prefix))
	}
	if len(written) > 0 && !slices.Contains(written, everywhere) {
		statements = append(statements, Statement{
			Sid:         "OnlyUnderThePrefix",
			Effect:      Deny,
			Principal:   Anyone(),
			Action:      []string{"s3:PutObject"},
			NotResource: written,
		})
	}
	algorithms := []string{"AES256", "aws:kms"}
	if len(rules.KeyARNs) == 1 {
		algorithms = []string{"aws:kms"}
	}
	statements = append(statements, Statement{
		Sid:       "NoOtherEncryption",
		Effect:    Deny,
		Principal: Anyone(),
		Action:    []string{"s3:PutObject"},
		Resource:  []string{everywhere},
		Condition: Condition{
			"Null":            {"s3:x-amz-server-side-encryption": {"false"}},
			"StringNotEquals": {"s3:x-amz-server-side-encryption": algorithms},
		},
	})
	if len(rules.KeyARNs) > 0 {
		statements = append(statements, Statement{
			Sid:       noOtherKey,
			Effect:    Deny,
			Principal: Anyone(),
			Action:    []string{"s3:PutObject"},
			Resource:  []string{everywhere},
			Condition: Condition{"Null": {keyOfRequest: {"false"}}, "StringNotEquals": {keyOfRequest: rules.KeyARNs}},
		})
	}
	return document(statements...)
}

const (
	noOtherKey   = "NoOtherKey"
	keyOfRequest = "s3:x-amz-server-side-encryption-aws-kms-key-id"
)

// BucketKey reads, from a policy that BucketPolicy made, the key that records
// are encrypted with; empty: S3's own encryption.
func BucketKey(policy string) (string, error) {
	var read struct {
		Statement []struct {
			Sid       string
			Condition Condition
		}
	}
	if err := json.Unmarshal([]byte(policy), &read); err != nil {
		return "", fmt.Errorf("the bucket's policy is not JSON: %w", err)
	}
	for _, s := range read.Statement {
		if s.Sid != noOtherKey {
			continue
		}
		allowed := s.Condition["StringNotEquals"][keyOfRequest]
		if len(allowed) == 0 {
			return "", fmt.Errorf("the statement %s of the bucket's policy names no key", noOtherKey)
		}
		return allowed[0], nil
	}
	return "", nil
}
