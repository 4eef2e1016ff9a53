package iam

import "private-ec2-access/internal/scope"

// KeyUses are what the stack's own KMS key encrypts.
type KeyUses struct {
	Bucket    string   // the log bucket of the stack's own; empty: none
	Writers   []string // the ARNs of the roles that write to it
	LogGroups []string // of the stack's own, kept ones too
	Alerts    bool     // a topic that EventBridge publishes to
}

// KeyPolicy is the policy of the stack's own key. It gives the use of the key to
// nobody in general: each grant is bound to the service that asks and to the
// encryption context of this stack's bucket, log groups or sessions
// (https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html).
//
// The account administers the key, which is what keeps it from being lost, and
// its policies in IAM decide which people read records and open sessions. In a
// key policy the resource "*" is the key itself.
func KeyPolicy(s scope.Scope, u KeyUses) Document {
	statements := []Statement{{
		Sid:       "Administer",
		Effect:    Allow,
		Principal: AWS(s.AccountARN()),
		Action: []string{
			"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:Describe*", "kms:Disable*", "kms:Enable*",
			"kms:Get*", "kms:List*", "kms:PutKeyPolicy", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion",
			"kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
		},
		Resource: thisKey,
	}}
	if u.Bucket != "" {
		statements = append(statements,
			Statement{
				Sid:       "ReadRecordsWhereIAMAllows",
				Effect:    Allow,
				Principal: AWS(s.AccountARN()),
				Action:    []string{"kms:Decrypt"},
				Resource:  thisKey,
				Condition: throughS3(s, s.BucketARN(u.Bucket)),
			},
			Statement{
				// Decrypt too: S3 asks for it to put the parts of a large
				// upload together, and the agent swallows the refusal.
				Sid:       "WriteRecords",
				Effect:    Allow,
				Principal: AWS(u.Writers...),
				Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
				Resource:  thisKey,
				Condition: throughS3(s, s.BucketARN(u.Bucket)),
			},
		)
	}
	if len(u.LogGroups) > 0 {
		groups := make([]string, len(u.LogGroups))
		for i, group := range u.LogGroups {
			groups[i] = s.LogGroupARN(group)
		}
		statements = append(statements, Statement{
			// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html,
			// without kms:Describe*: DescribeKey carries no encryption context,
			// so under this condition it would allow nothing.
			Sid:       "EncryptLogGroups",
			Effect:    Allow,
			Principal: Service(s.RegionalService("logs")),
			Action:    []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"},
			Resource:  thisKey,
			Condition: Condition{"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": groups}},
		})
	}
	if u.Alerts {
		statements = append(statements, Statement{
			// As in https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html, without a condition: with one that
			// EventBridge does not send, every alert would be dropped silently. It lets EventBridge read no session log.
			Sid:       "EncryptAlerts",
			Effect:    Allow,
			Principal: Service(eventBridge),
			Action:    []string{"kms:Decrypt", "kms:GenerateDataKey*"},
			Resource:  thisKey,
		}, Statement{
			// An audit sends its result to the topic.
			Sid:       "PublishToAlertsWhereIAMAllows",
			Effect:    Allow,
			Principal: AWS(s.AccountARN()),
			Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
			Resource:  thisKey,
			Condition: throughSNS(s),
		})
	}
	return document(append(statements, Statement{
		// It stays while sessions are not encrypted: it allows nothing by
		// itself, and taking it away would have to wait for the document.
		Sid:       "EncryptSessionsWhereIAMAllows",
		Effect:    Allow,
		Principal: AWS(s.AccountARN()),
		Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
		Resource:  thisKey,
		Condition: ofASession(),
	})...)
}

// ArchiveKeyAccess lets instances encrypt records in a bucket with a key that is
// not the stack's own. The context is the bucket's with S3's bucket keys, and
// the object's without.
func ArchiveKeyAccess(s scope.Scope, keyARN string, archives []Archive) Document {
	var contexts []string
	for _, archive := range archives {
		contexts = append(contexts, s.BucketARN(archive.Bucket), s.ObjectsARN(archive.Bucket, archive.Prefix))
	}
	return document(Statement{
		Sid:       "EncryptRecords",
		Effect:    Allow,
		Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
		Resource:  []string{keyARN},
		Condition: throughS3(s, unique(contexts)...),
	})
}

// SessionKeyAccess lets instances take part in encrypted sessions: the agent
// decrypts the data key that the person's side asked for
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-enable-encryption.html).
func SessionKeyAccess(keyARN string) Document {
	return document(Statement{
		Sid:       "DecryptSessionKeys",
		Effect:    Allow,
		Action:    []string{"kms:Decrypt"},
		Resource:  []string{keyARN},
		Condition: ofASession(),
	})
}

var thisKey = []string{"*"} // in a key policy: the key that it belongs to

func throughS3(s scope.Scope, contexts ...string) Condition {
	return Condition{
		"StringEquals": {"kms:ViaService": {s.RegionalService("s3")}},
		"StringLike":   {"kms:EncryptionContext:aws:s3:arn": contexts},
	}
}

// throughSNS requires that SNS uses the key for the caller, who publishes to an
// encrypted topic (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
func throughSNS(s scope.Scope) Condition {
	return Condition{"StringEquals": {"kms:ViaService": {s.RegionalService("sns")}}}
}

// ofASession requires the encryption context that Session Manager's two sides
// give: a session and its target.
func ofASession() Condition {
	return Condition{"Null": {
		"kms:EncryptionContext:aws:ssm:SessionId": {"false"},
		"kms:EncryptionContext:aws:ssm:TargetId":  {"false"},
	}}
}
