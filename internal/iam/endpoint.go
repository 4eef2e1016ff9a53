package iam

import "private-ec2-access/internal/scope"

// S3EndpointPolicy is the narrow policy of the S3 gateway endpoint: reads of
// the buckets that the agent and dnf need, and on the log bucket exactly the
// agent's calls.
//
// The reads carry no condition on the caller, because the agent and dnf make
// them without a signature; no key of the caller exists there
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html).
func S3EndpointPolicy(s scope.Scope, archives []Archive) Document {
	agent := readSystemsManagerBuckets(s)
	agent.Principal = Anyone()
	statements := []Statement{agent, {
		Sid:       "ReadAmazonLinuxRepositories",
		Effect:    Allow,
		Principal: Anyone(),
		Action:    []string{"s3:GetObject"},
		Resource:  objectsOf(s, s.RepositoryBuckets()),
	}}
	for _, written := range writeRecords(s, Recording{Archives: archives}) {
		written.Principal, written.Condition = Anyone(), ofAccount(s)
		statements = append(statements, written)
	}
	buckets := make([]string, len(archives))
	for i, archive := range archives {
		buckets[i] = s.BucketARN(archive.Bucket)
	}
	return document(append(statements, Statement{
		// HeadBucket is authorised as ListBucket. The agent sends it to
		// find the bucket's Region, signed and then unsigned. The
		// instance's role has no ListBucket, so this opens no listing.
		Sid:       "FindLogBucketRegion",
		Effect:    Allow,
		Principal: Anyone(),
		Action:    []string{"s3:ListBucket"},
		Resource:  unique(buckets),
	})...)
}

// LogsEndpointPolicy is the narrow policy of the endpoint of CloudWatch Logs:
// the agent's calls, on these groups.
func LogsEndpointPolicy(s scope.Scope, groups []string) Document {
	var statements []Statement
	for _, written := range writeRecords(s, Recording{LogGroups: groups}) {
		written.Principal, written.Condition = Anyone(), ofAccount(s)
		statements = append(statements, written)
	}
	return document(statements...)
}

// KMSEndpointPolicy is the narrow policy of the endpoint of KMS: what both sides
// of an encrypted session ask for. Somebody may open one from inside the network.
func KMSEndpointPolicy(s scope.Scope, keyARN string) Document {
	return document(Statement{
		Sid:       "EncryptSessions",
		Effect:    Allow,
		Principal: Anyone(),
		Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
		Resource:  []string{keyARN},
		Condition: ofAccount(s),
	})
}

// InterfaceEndpointPolicy is the narrow policy of an interface endpoint: the
// service's own actions, for callers of this account only. An instance that is
// handed another account's credentials cannot carry data out through it.
func InterfaceEndpointPolicy(s scope.Scope, service string) Document {
	return document(Statement{
		Sid:       "CallersOfThisAccount",
		Effect:    Allow,
		Principal: Anyone(),
		Action:    []string{service + ":*"},
		// The service ssmmessages has no resource types, and the agent asks
		// ssm about documents and parameters of AWS, outside this account.
		Resource:  []string{"*"},
		Condition: ofAccount(s),
	})
}

// FullAccess is the policy that AWS gives an endpoint when none is named
// (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html#default-endpoint-policy).
// It is for a VPC that others use as well: a narrow policy would cut them off.
func FullAccess() Document {
	return document(Statement{
		Sid:       "FullAccess",
		Effect:    Allow,
		Principal: Anyone(),
		Action:    []string{"*"},
		Resource:  []string{"*"}, // AWS's own default, see above
	})
}

func ofAccount(s scope.Scope) Condition {
	return Condition{"StringEquals": {"aws:PrincipalAccount": {s.AccountID}}}
}
