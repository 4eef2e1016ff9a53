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
	Writers  []string // the ARNs of the roles that may write; none: whomever IAM allows
}

// BucketPolicy is the policy of the log bucket. It refuses, whoever asks, what
// does not come over TLS, a write elsewhere than under the prefixes, a write by
// another role than the writers, and a write that asks for another encryption
// than the bucket's.
//
// The caller's ARN that a condition sees is the role's, whichever session of the
// role asks, and a request without a signature has none, which the negated
// operator refuses
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn).
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
	if len(rules.Writers) > 0 {
		statements = append(statements, Statement{
			Sid:       OnlyWriters,
			Effect:    Deny,
			Principal: Anyone(),
			Action:    []string{"s3:PutObject"},
			Resource:  []string{everywhere},
			Condition: Condition{"ArnNotEquals": {caller: rules.Writers}},
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

// OnlyWriters is the Sid of the statement that lets only some roles write.
const OnlyWriters = "OnlyWriters"

const (
	caller       = "aws:PrincipalArn"
	noOtherKey   = "NoOtherKey"
	keyOfRequest = "s3:x-amz-server-side-encryption-aws-kms-key-id"
)

// BucketKey reads, from a policy that BucketPolicy made, the key that records
// are encrypted with; empty: S3's own encryption.
func BucketKey(policy string) (string, error) {
	keys, found, err := compared(policy, noOtherKey, "StringNotEquals", keyOfRequest)
	if err == nil && found && len(keys) == 0 {
		err = fmt.Errorf("the statement %s of the bucket's policy names no key", noOtherKey)
	}
	if err != nil || !found {
		return "", err
	}
	return keys[0], nil
}

// UnlimitCommands removes the limit on writers from a bucket's policy. They need jq, and change nothing if it fails or is not there.
func UnlimitCommands(bucket string) []string {
	return []string{
		"aws s3api get-bucket-policy --bucket " + bucket + " --query Policy --output text | jq -e 'del(.Statement[] | select(.Sid == \"" + OnlyWriters + "\"))' > policy.json && " +
			"aws s3api put-bucket-policy --bucket " + bucket + " --policy file://policy.json",
	}
}

// BucketWriters reads, from a policy that BucketPolicy made, the ARNs of the
// roles that may write. Limited is false when the policy limits nobody.
func BucketWriters(policy string) (roles []string, limited bool, err error) {
	return compared(policy, OnlyWriters, "ArnNotEquals", caller)
}

// compared are the values that a condition of a policy's statement has.
func compared(policy, sid, operator, key string) (values []string, found bool, err error) {
	var read struct {
		Statement []struct {
			Sid       string
			Condition json.RawMessage // of another statement, it may have a form that none of ours has
		}
	}
	if err := json.Unmarshal([]byte(policy), &read); err != nil {
		return nil, false, fmt.Errorf("the bucket's policy is not JSON: %w", err)
	}
	for _, s := range read.Statement {
		if s.Sid != sid {
			continue
		}
		var condition Condition
		if err := json.Unmarshal(s.Condition, &condition); err != nil {
			return nil, true, fmt.Errorf("the condition of the statement %s of the bucket's policy: %w", sid, err)
		}
		return condition[operator][key], true, nil
	}
	return nil, false, nil
}
