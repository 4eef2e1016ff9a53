package access

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/session"
)

// logs is everything that sessions are logged to and encrypted with.
type logs struct {
	bucket        pulumi.StringOutput // that the session document names
	prefix        string
	earlier       []iam.Archive
	keyARN        pulumi.StringOutput // of the key that is created; empty: none
	sessionKeyARN pulumi.StringOutput // empty: sessions are not encrypted with KMS
	ownBucket     pulumi.StringOutput // that is created; empty: none
	logKeyARN     pulumi.StringOutput // of session logs in S3; empty: S3's own encryption
	// granted has to be there before something is encrypted with a key, and ready
	// before a session document names any of it.
	granted, ready components.Ready
}

// archives are the locations in S3, the current one first.
func (t logs) archives(bucket string) []iam.Archive {
	return append([]iam.Archive{{Bucket: bucket, Prefix: t.prefix}}, t.earlier...)
}

// policy builds a policy that names the bucket.
func (t logs) policy(build func(bucket string) iam.Document) pulumi.StringOutput {
	return t.bucket.ApplyT(func(bucket string) string { return build(bucket).JSON() }).(pulumi.StringOutput)
}

// logs creates the key, the bucket and the log groups, as far as the stack has
// its own, and lets the instances' role use the keys.
func (r recipe) logs(role *components.InstanceRole) (logs, error) {
	l, s := r.args.Logging, r.args.Session
	none := pulumi.String("").ToStringOutput()
	to := logs{prefix: l.KeyPrefix, keyARN: none, sessionKeyARN: none, ownBucket: none, logKeyARN: none}
	for _, text := range l.EarlierLocations {
		if location, _ := session.ParseLocation(text); location.LogGroup == "" {
			to.earlier = append(to.earlier, iam.Archive{Bucket: location.Bucket, Prefix: location.Prefix})
		}
	}

	var key *components.EncryptionKey
	if r.args.Key.Create {
		var err error
		if key, err = r.key(); err != nil {
			return to, err
		}
		to.keyARN = key.KeyARN
	}
	if s.EncryptWithKMS {
		if to.sessionKeyARN = to.keyARN; s.Preferences.KMSKeyID != "" {
			to.sessionKeyARN = pulumi.String(s.Preferences.KMSKeyID).ToStringOutput()
		}
	}
	// The key that session logs are encrypted with, if it is a customer managed one.
	var logKey pulumi.StringInput
	if l.EncryptWithKMS {
		if logKey = to.keyARN; l.KMSKeyARN != "" {
			logKey = pulumi.String(l.KMSKeyARN)
		}
		to.logKeyARN = logKey.ToStringOutput()
	}
	granted, err := r.bucket(&to, role, key, logKey)
	if err != nil {
		return to, err
	}
	to.granted = granted
	to.ready = append(to.ready, granted...)
	return to, r.logGroups(&to, logKey)
}

func (r recipe) key() (*components.EncryptionKey, error) {
	k := r.args.Key
	return components.NewEncryptionKey(r.ctx, r.name, &components.EncryptionKeyArgs{
		Alias:                k.Alias,
		Description:          k.Description,
		DeletionWindowInDays: k.DeletionWindowInDays,
		RotationPeriodInDays: k.RotationPeriodInDays,
		ExistingKeyID:        k.ExistingKeyID,
		KeepRecords:          r.args.KeepRecords,
		RefuseDestroy:        r.args.RefuseDestroy,
		Labels:               r.labels(),
	}, r.child())
}

// bucket creates the log bucket, where the stack has its own, and returns what
// has to be there before something is encrypted with a key.
func (r recipe) bucket(to *logs, role *components.InstanceRole, key *components.EncryptionKey, logKey pulumi.StringInput) (components.Ready, error) {
	l := r.args.Logging
	if !l.CreateBucket {
		to.bucket = pulumi.String(l.BucketName).ToStringOutput()
		return r.grants(*to, role, key, pulumi.String("").ToStringOutput())
	}
	var granted components.Ready
	args := &components.LogArchiveArgs{
		Policy: func(bucket, writerARN, keyARN string) string {
			return iam.BucketPolicy(r.scope, bucket, r.bucketRules(*to, bucket, writerARN, keyARN)).JSON()
		},
		WriterARN:   role.RoleARN,
		KeyARN:      logKey,
		ReplacesKey: len(l.EarlierKMSKeyARNs) > 0,
		Grant: func(bucket pulumi.StringOutput) (ready components.Ready, err error) {
			if to.bucket = bucket; l.BucketName != "" { // the stack's own is an earlier location
				to.bucket = pulumi.String(l.BucketName).ToStringOutput()
			}
			granted, err = r.grants(*to, role, key, bucket)
			return granted, err
		},
		RetentionDays:  l.RetentionDays,
		TransitionDays: l.TransitionDays,
		Lock:           components.ObjectLock{Mode: l.ObjectLock, Days: l.ObjectLockDays},
		KeepRecords:    r.args.KeepRecords,
		RefuseDestroy:  r.args.RefuseDestroy,
		Labels:         r.labels(),
	}
	if key != nil {
		args.After = key.Ready
	}
	made, err := components.NewLogArchive(r.ctx, r.name, args, r.child())
	if err != nil {
		return nil, err
	}
	to.ownBucket = made.BucketName
	if l.BucketName == "" {
		to.bucket = made.BucketName // once the bucket refuses plain HTTP
	}
	to.ready = append(to.ready, made.Ready...)
	return granted, nil
}

// bucketRules are what the stack's own bucket requires of whoever writes.
func (r recipe) bucketRules(to logs, bucket, writerARN, keyARN string) iam.BucketRules {
	rules := iam.BucketRules{Writers: r.writers(writerARN)}
	if r.args.Logging.BucketName == "" {
		rules.Prefixes = append(rules.Prefixes, to.prefix)
	}
	for _, location := range to.earlier {
		if location.Bucket == bucket {
			rules.Prefixes = append(rules.Prefixes, location.Prefix)
		}
	}
	if keyARN != "" {
		rules.KeyARNs = append([]string{keyARN}, r.args.Logging.EarlierKMSKeyARNs...)
	}
	return rules
}

// writers are the roles that may write session logs.
func (r recipe) writers(instanceRole string) []string {
	all := append([]string{instanceRole}, r.args.Logging.WriterRoleARNs...)
	for _, name := range slices.Sorted(maps.Keys(r.args.ExistingRoles)) {
		if arn := r.args.ExistingRoles[name]; !slices.Contains(all, arn) {
			all = append(all, arn)
		}
	}
	return all
}

// existingKeys are the keys for session logs that the stack does not create, the
// current one first.
func (r recipe) existingKeys() []string {
	l := r.args.Logging
	if l.KMSKeyARN == "" {
		return l.EarlierKMSKeyARNs
	}
	return append([]string{l.KMSKeyARN}, l.EarlierKMSKeyARNs...)
}

// grants lets the instances use the keys: to encrypt session logs, by the key's
// policy where the stack has its own key and else by their role; and to take
// part in encrypted sessions.
func (r recipe) grants(to logs, role *components.InstanceRole, key *components.EncryptionKey, ownBucket pulumi.StringOutput) (components.Ready, error) {
	l := r.args.Logging
	args := &components.KeyGrantsArgs{
		RoleName:      role.RoleName,
		RolePolicies:  map[string]pulumi.StringInput{},
		KeepRecords:   r.args.KeepRecords,
		RefuseDestroy: r.args.RefuseDestroy,
	}
	if key != nil {
		args.KeyID = key.KeyID
		args.KeyPolicy = pulumi.All(ownBucket, role.RoleARN).ApplyT(func(known []any) string {
			return iam.KeyPolicy(r.scope, iam.KeyUses{
				Bucket:    known[0].(string),
				Writers:   r.writers(known[1].(string)),
				LogGroups: slices.Sorted(slices.Values(slices.Concat(l.LogGroups, l.KeptLogGroups))),
				Alerts:    len(r.args.Alerts.Emails) > 0,
			}).JSON()
		}).(pulumi.StringOutput)
	}
	for _, arn := range r.existingKeys() {
		args.RolePolicies["archive-key-"+short(arn)] = to.policy(func(bucket string) iam.Document {
			return iam.ArchiveKeyAccess(r.scope, arn, to.archives(bucket))
		})
	}
	if r.args.Session.EncryptWithKMS {
		name := "session-key"
		if arn := r.args.Session.Preferences.KMSKeyID; arn != "" {
			name += "-" + short(arn)
		}
		args.RolePolicies[name] = to.sessionKeyARN.ApplyT(func(arn string) string { return iam.SessionKeyAccess(arn).JSON() }).(pulumi.StringOutput)
	}
	if key == nil && len(args.RolePolicies) == 0 {
		return nil, nil
	}
	made, err := components.NewKeyGrants(r.ctx, r.name, args, r.child())
	if err != nil {
		return nil, err
	}
	return made.Ready, nil
}

func (r recipe) logGroups(to *logs, logKey pulumi.StringInput) error {
	l := r.args.Logging
	for _, group := range l.LogGroups {
		made, err := components.NewLogGroup(r.ctx, r.name+"-"+strings.ReplaceAll(strings.Trim(group, "/"), "/", "-"), &components.LogGroupArgs{
			GroupName:       group,
			RetentionInDays: l.LogGroupRetention,
			KeyARN:          logKey,
			Exists:          slices.Contains(l.ExistingLogGroups, group),
			KeepRecords:     r.args.KeepRecords,
			RefuseDestroy:   r.args.RefuseDestroy,
			Labels:          r.labels(),
			After:           to.granted,
		}, r.child())
		if err != nil {
			return err
		}
		to.ready = append(to.ready, made.Ready...)
	}
	return nil
}

// short distinguishes ARNs in the names of resources.
func short(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return hex.EncodeToString(sum[:4])
}
