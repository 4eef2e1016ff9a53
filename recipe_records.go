package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
)

// records is everything that sessions are recorded in and encrypted with.
type records struct {
	bucket        pulumi.StringOutput // that the session document names
	own           bool                // a bucket of the stack's own is part of the stack
	prefix        string
	earlier       []iam.Archive
	group         string              // that the session document names; empty: none
	groups        []string            // with earlier ones
	keyARN        pulumi.StringOutput // of the stack's own key; empty: there is none
	sessionKeyARN pulumi.StringOutput // empty: sessions are not encrypted
	// ready has to be there before a session document names any of it.
	ready components.Ready
}

// archives are the places in S3, the current one first.
func (t records) archives(bucket string) []iam.Archive {
	return append([]iam.Archive{{Bucket: bucket, Prefix: t.prefix}}, t.earlier...)
}

// policy builds a policy that names the bucket.
func (t records) policy(build func(bucket string) iam.Document) pulumi.StringOutput {
	return t.bucket.ApplyT(func(bucket string) string { return build(bucket).JSON() }).(pulumi.StringOutput)
}

// records makes the key, the bucket and the log groups, as far as they are the
// stack's own, and lets the instances' role use the keys.
func (r recipe) records(role *components.InstanceRole) (records, error) {
	logging := r.config.Logging
	to := records{
		prefix: logging.KeyPrefix, group: r.facts.LogGroupName(r.config), groups: slices.Sorted(maps.Keys(r.facts.LogGroups)),
		keyARN: pulumi.String("").ToStringOutput(), sessionKeyARN: pulumi.String("").ToStringOutput(),
	}
	to.own = logging.BucketName == ""
	for _, place := range logging.Earlier() {
		if place.LogGroup == "" {
			to.earlier = append(to.earlier, iam.Archive{Bucket: place.Bucket, Prefix: place.Prefix})
			to.own = to.own || ownBucket(r.name, place.Bucket)
		}
	}

	var key *components.EncryptionKey
	if r.facts.Key {
		var err error
		if key, err = r.key(); err != nil {
			return to, err
		}
		to.keyARN = key.KeyARN
	}
	// The key that records are encrypted with, if it is a customer's.
	var archiveKey pulumi.StringInput
	if logging.Encryption == encryptedByKey {
		if archiveKey = to.keyARN; logging.KMSKeyARN != "" {
			archiveKey = pulumi.String(logging.KMSKeyARN)
		}
	}
	granted, err := r.bucket(&to, role, key, archiveKey)
	if err != nil {
		return to, err
	}
	if err := r.logGroups(&to, archiveKey, granted); err != nil {
		return to, err
	}
	return to, r.keyAccess(&to, role)
}

func (r recipe) key() (*components.EncryptionKey, error) {
	return components.NewEncryptionKey(r.ctx, r.name, &components.EncryptionKeyArgs{
		Alias:                r.facts.KeyAlias(),
		Description:          r.facts.KeyDescription(),
		DeletionWindowInDays: r.config.Key.DeletionWindowInDays,
		RotationPeriodInDays: r.config.Key.RotationPeriodInDays,
		ExistingKeyID:        r.facts.KeyID,
		KeepRecords:          r.facts.KeepsRecords,
		RefuseDestroy:        r.config.KeepRecords == refuse,
		Labels:               r.facts.Labels,
	})
}

// bucket makes the log bucket, where it is the stack's own, and gives what has
// to be there before something is encrypted with the key.
func (r recipe) bucket(to *records, role *components.InstanceRole, key *components.EncryptionKey, archiveKey pulumi.StringInput) (components.Ready, error) {
	logging := r.config.Logging
	grant := func(bucket pulumi.StringOutput) (components.Ready, error) {
		return r.grants(*to, role, key, bucket, archiveKey)
	}
	if !to.own {
		to.bucket = pulumi.String(logging.BucketName).ToStringOutput()
		return grant(pulumi.String("").ToStringOutput())
	}
	var granted components.Ready
	args := &components.LogArchiveArgs{
		Policy: func(bucket, keyARN string) string {
			return iam.BucketPolicy(r.facts.Scope, bucket, r.bucketRules(*to, bucket, keyARN)).JSON()
		},
		KeyARN:      archiveKey,
		ReplacesKey: len(logging.EarlierKMSKeyARNs) > 0,
		Grant: func(bucket pulumi.StringOutput) (ready components.Ready, err error) {
			granted, err = grant(bucket)
			return granted, err
		},
		RetentionDays:  logging.RetentionDays,
		TransitionDays: logging.TransitionDays,
		KeepRecords:    r.facts.KeepsRecords,
		RefuseDestroy:  r.config.KeepRecords == refuse,
		Labels:         r.facts.Labels,
	}
	if logging.ObjectLock != "off" {
		args.Lock = components.ObjectLock{Mode: strings.ToUpper(logging.ObjectLock), Days: logging.ObjectLockDays}
	}
	if key != nil {
		args.After = key.Ready
	}
	made, err := components.NewLogArchive(r.ctx, r.name, args)
	if err != nil {
		return nil, err
	}
	to.bucket = made.BucketName
	if logging.BucketName != "" { // the own one is an earlier place
		to.bucket = pulumi.String(logging.BucketName).ToStringOutput()
	}
	to.ready = append(to.ready, made.Ready...)
	return granted, nil
}

// bucketRules are what a bucket of the stack's own asks of whoever writes.
func (r recipe) bucketRules(to records, bucket, keyARN string) iam.BucketRules {
	var rules iam.BucketRules
	if r.config.Logging.BucketName == "" {
		rules.Prefixes = append(rules.Prefixes, to.prefix)
	}
	for _, place := range to.earlier {
		if place.Bucket == bucket {
			rules.Prefixes = append(rules.Prefixes, place.Prefix)
		}
	}
	if keyARN != "" {
		rules.KeyARNs = append([]string{keyARN}, r.config.Logging.EarlierKMSKeyARNs...)
	}
	return rules
}

// grants lets the writers of records use the keys that records are encrypted
// with: by the key's policy where the key is the stack's own, else by the role.
func (r recipe) grants(
	to records, role *components.InstanceRole, key *components.EncryptionKey, bucket pulumi.StringOutput, archiveKey pulumi.StringInput,
) (components.Ready, error) {
	var ready components.Ready
	scope, logging := r.facts.Scope, r.config.Logging
	if key != nil {
		policy, err := components.NewKeyPolicy(r.ctx, r.name, &components.KeyPolicyArgs{
			KeyID: key.KeyID,
			Policy: pulumi.All(bucket, role.RoleARN).ApplyT(func(known []any) string {
				return iam.KeyPolicy(scope, iam.KeyUses{
					Bucket:    known[0].(string),
					RoleARN:   known[1].(string),
					LogGroups: slices.Sorted(slices.Values(slices.Concat(to.groups, r.facts.KeptLogGroups))),
				}).JSON()
			}).(pulumi.StringOutput),
			KeepRecords:   r.facts.KeepsRecords,
			RefuseDestroy: r.config.KeepRecords == refuse,
		})
		if err != nil {
			return nil, err
		}
		ready = append(ready, policy.Ready...)
	}
	foreign := logging.EarlierKMSKeyARNs
	if logging.KMSKeyARN != "" {
		foreign = append([]string{logging.KMSKeyARN}, foreign...)
	}
	for _, arn := range foreign {
		text := to.policyOf(bucket, logging.BucketName, func(bucket string) iam.Document {
			return iam.ArchiveKeyAccess(scope, arn, to.archives(bucket))
		})
		access, err := components.NewKeyAccess(r.ctx, r.name+"-archive-key-"+short(arn), &components.KeyAccessArgs{RoleName: role.RoleName, Policy: text})
		if err != nil {
			return nil, err
		}
		ready = append(ready, access.Ready...)
	}
	return ready, nil
}

// policyOf builds a policy that names the current bucket: the one of that name,
// or else the stack's own.
func (t records) policyOf(own pulumi.StringOutput, name string, build func(bucket string) iam.Document) pulumi.StringOutput {
	t.bucket = own
	if name != "" {
		t.bucket = pulumi.String(name).ToStringOutput()
	}
	return t.policy(build)
}

func (r recipe) logGroups(to *records, archiveKey pulumi.StringInput, granted components.Ready) error {
	for _, group := range to.groups {
		made, err := components.NewLogGroup(r.ctx, r.name+"-"+strings.ReplaceAll(strings.Trim(group, "/"), "/", "-"), &components.LogGroupArgs{
			GroupName:       group,
			RetentionInDays: r.config.Logging.LogGroupRetentionDays,
			KeyARN:          archiveKey,
			Exists:          r.facts.LogGroups[group],
			KeepRecords:     r.facts.KeepsRecords,
			RefuseDestroy:   r.config.KeepRecords == refuse,
			Labels:          r.facts.Labels,
			After:           granted,
		})
		if err != nil {
			return err
		}
		to.ready = append(to.ready, made.Ready...)
	}
	to.ready = append(to.ready, granted...)
	return nil
}

// keyAccess lets instances take part in encrypted sessions.
func (r recipe) keyAccess(to *records, role *components.InstanceRole) error {
	wanted := r.config.Session
	if !wanted.Encryption {
		return nil
	}
	name := r.name + "-session-key"
	if to.sessionKeyARN = to.keyARN; wanted.KMSKeyARN != "" {
		to.sessionKeyARN = pulumi.String(wanted.KMSKeyARN).ToStringOutput()
		name += "-" + short(wanted.KMSKeyARN)
	}
	access, err := components.NewKeyAccess(r.ctx, name, &components.KeyAccessArgs{
		RoleName: role.RoleName,
		Policy:   to.sessionKeyARN.ApplyT(func(arn string) string { return iam.SessionKeyAccess(arn).JSON() }).(pulumi.StringOutput),
	})
	if err != nil {
		return err
	}
	to.ready = append(to.ready, access.Ready...)
	return nil
}

// short tells one ARN from another in a resource's name.
func short(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return hex.EncodeToString(sum[:4])
}
