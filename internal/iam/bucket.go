package iam

import "private-ec2-access/internal/scope"

// BucketPolicy refuses every request to the log bucket that does not come over
// TLS, whoever sends it.
func BucketPolicy(s scope.Scope, bucket string) Document {
	return document(Statement{
		Sid:       "OnlyOverTLS",
		Effect:    Deny,
		Principal: Anyone(),
		Action:    []string{"s3:*"},
		Resource:  []string{s.BucketARN(bucket), s.ObjectsARN(bucket, "")},
		Condition: Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	})
}
