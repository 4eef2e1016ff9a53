package decide

import (
	"fmt"
	"slices"
	"strings"

	"private-ec2-access/config"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// OwnBucket reports whether a bucket's name is one that a component of this name
// gives to its log bucket.
func OwnBucket(component, bucket string) bool { return strings.HasPrefix(bucket, component+"-logs-") }

// OwnRole reports whether a role's name is one that a component of this name
// gives to its instances' role.
func OwnRole(component, role string) bool { return strings.HasPrefix(role, component+"-instance-") }

// createsBucket: where the config names no bucket, and where open sessions may
// still write to the one that the stack has. A bucket that the config names is not
// the stack's: a destroy kept it, and an earlier prefix in it changes nothing.
func (d *decider) createsBucket() bool {
	name := d.config.Logging.BucketName
	return name == "" || slices.ContainsFunc(d.config.Logging.Earlier(), func(l session.Location) bool {
		return l.Bucket != name && OwnBucket(d.facts.Project, l.Bucket)
	})
}

// locations refuses to drop a log location that a session document of this stack
// names today. A session uses the settings that were in effect when it started:
// it writes there at its end, and the agent logs a failure only on the instance.
func (d *decider) locations() {
	l := d.config.Logging
	prefix := strings.Trim(l.KeyPrefix, "/")
	keeps := func(location session.Location) bool {
		switch {
		case slices.Contains(l.Earlier(), location):
			return true
		case location.LogGroup != "":
			return location.LogGroup == l.LogGroup(d.facts.Owner())
		case l.BucketName == "":
			return OwnBucket(d.facts.Project, location.Bucket) && location.Prefix == prefix
		}
		return location.Bucket == l.BucketName && location.Prefix == prefix
	}
	var named []session.Location
	for _, document := range d.given() {
		named = append(named, document.Locations()...)
	}
	next := len(l.EarlierLocations)
	for i, location := range named {
		if keeps(location) || slices.Contains(named[:i], location) {
			continue
		}
		d.refuse(mistake.Mistake{
			Key: "logging.earlierLocations", Got: settings.Show(l.EarlierLocations),
			Problem: "sessions that begin before this change write to " + location.String() + " when they end, and without it their logs would be lost silently",
			Allowed: "a list with " + location.String() + ", until these sessions have ended",
			Fix: mistake.Do("keep it writable, and remove it again when none of these sessions is open:",
				d.set(settings.Element("logging.earlierLocations", next), location.String())),
		})
		next++
	}
}

// KeyAlias is the alias of the stack's own key. The names of Pulumi's projects and stacks may have dots, those of aliases may not.
func KeyAlias(owner string) string {
	return "alias/" + strings.NewReplacer("/", "-", ".", "-").Replace(owner)
}

// KeyDescription says whose the key is.
func KeyDescription(owner string) string { return "Session records of the Pulumi stack " + owner }

// key finds the stack's own key. Such a key stays in the stack whatever the
// config says: session logs that were encrypted with it must remain readable.
func (d *decider) key() {
	owner, key := d.facts.Owner(), d.facts.Key
	alias, needed := KeyAlias(owner), d.config.OwnKey()
	own := key.Description == KeyDescription(owner)
	switch {
	case key.ID == "" || !own && !needed:
	case !own:
		wanting, set := d.wantKey(key.ARN)
		d.refuse(mistake.Mistake{
			Key: wanting, Got: alias,
			Problem: fmt.Sprintf("it needs a key of the stack's own, whose alias leads to the key %s, which this stack does not manage (its description is %q)", key.ARN, key.Description),
			Allowed: "a key by its ARN, or an alias that is free",
			Fix:     append(set, mistake.Fix{Text: "delete the alias:", Commands: []string{"aws kms delete-alias --region " + d.facts.Scope.Region + " --alias-name " + alias}}),
		})
	case key.State != "Enabled":
		d.fail(fmt.Errorf("the key %s (%s) of this stack is in the state %s, so session logs can be neither written nor read.\n"+
			"  Fix, if it is scheduled for deletion:\n    aws kms cancel-key-deletion --region %[4]s --key-id %[2]s\n"+
			"  then, or if it is disabled:\n    aws kms enable-key --region %[4]s --key-id %[2]s", alias, key.ARN, key.State, d.facts.Scope.Region))
	default:
		d.ExistingKeyID = key.ID
	}
	d.CreateKey = d.ExistingKeyID != "" || needed
	if d.CreateKey && !needed {
		d.say("the KMS key " + alias + " stays in the stack: session logs that were encrypted with it must remain readable")
	}
}

// wantKey names the first key of the config that needs a KMS key of the stack's own, and the way to give each of them another key.
// The stack's topic of alerts can have no other.
func (d *decider) wantKey(arn string) (key string, fix []mistake.Fix) {
	c := d.config
	var keys, commands []string
	if c.OwnLogKey() {
		keys, commands = append(keys, "logging.encryption"), append(commands, d.set("logging.kmsKeyArn", arn))
	}
	if c.OwnSessionKey() {
		keys, commands = append(keys, "session.encryption"), append(commands, d.set("session.kmsKeyArn", arn))
	}
	if c.Alerts.OwnTopic() {
		return append(keys, "alerts.emails")[0], nil
	}
	return keys[0], mistake.Run(commands...)
}

// bucketKey refuses to replace the key of the stack's own bucket without
// allowing today's key until the bucket's default has changed. The agent asks
// for the default's key by its ARN, and logs a refusal only on the instance.
func (d *decider) bucketKey() {
	l := d.config.Logging
	if d.facts.Document.Mark.Owner != d.facts.Owner() || l.Encryption != config.ByKMS || l.BucketName != "" {
		return
	}
	for _, location := range d.facts.Document.Locations() {
		key := d.facts.BucketKeys[location.Bucket]
		same := key == l.KMSKeyARN || l.KMSKeyARN == "" && d.ExistingKeyID != "" && strings.HasSuffix(key, "/"+d.ExistingKeyID)
		if key == "" || same || slices.Contains(l.EarlierKMSKeyARNs, key) {
			continue
		}
		d.refuse(mistake.Mistake{
			Key: "logging.earlierKmsKeyArns", Got: settings.Show(l.EarlierKMSKeyARNs),
			Problem: "session logs are encrypted with the key " + key + " until another replaces it, and meanwhile would be refused silently",
			Allowed: "a list with " + key + " while the key is replaced",
			Fix: mistake.Do("keep it allowed, and remove it again after the update:",
				d.set(settings.Element("logging.earlierKmsKeyArns", len(l.EarlierKMSKeyARNs)), key)),
		})
		return
	}
}

// writers refuses writers of a bucket that the stack does not manage, and a
// bucket whose policy would refuse this stack's session logs. It says when the
// stack's bucket begins to refuse those of other roles.
func (d *decider) writers() {
	l, account := d.config.Logging, d.facts.Scope.AccountID
	if len(l.WriterRoleARNs) > 0 && !d.CreateBucket {
		d.refuse(mistake.Mistake{
			Key: "logging.writerRoleArns", Got: settings.Show(l.WriterRoleARNs),
			Problem: "this stack does not manage the bucket " + l.BucketName + " (logging.bucketName), so it cannot set who writes to it",
			Allowed: "empty with an existing bucket", Fix: mistake.Run(d.unset("logging.writerRoleArns")),
		})
	}
	for i, arn := range l.WriterRoleARNs {
		if !strings.HasPrefix(arn, "arn:"+d.facts.Scope.Partition+":iam::"+account+":") {
			d.refuse(mistake.Mistake{
				Key: settings.Element("logging.writerRoleArns", i), Got: arn,
				Problem: "this role is not in the account " + account + "; the bucket's policy allows nobody of another account to write",
				Allowed: "roles of the stack's account", Fix: mistake.Run(d.unset(settings.Element("logging.writerRoleArns", i))),
			})
		}
	}
	if w := d.facts.Writers[l.BucketName]; l.BucketName != "" && w.Limited && !w.Own {
		d.refuse(mistake.Mistake{
			Key: "logging.bucketName", Got: l.BucketName,
			Problem: "the policy of this bucket lets only " + strings.Join(w.RoleARNs, ", ") + " write, so session logs of this stack would be refused silently",
			Allowed: "a bucket whose policy lets this stack's instance role write",
			Fix: []mistake.Fix{
				{Text: "if another stack has the bucket, name this stack's instance role in its logging.writerRoleArns first"},
				{Text: "if a previous deployment left the bucket, remove the limit:", Commands: iam.UnlimitCommands(l.BucketName)},
			},
		})
	}
	if err := d.facts.Writers[l.BucketName].Problem; err != nil {
		d.warn("whether the bucket " + l.BucketName + " accepts session logs of this stack's instance role is not known. After the update, run make verify: " + err.Error())
	}
	if d.facts.Document.Mark.Owner != d.facts.Owner() || l.BucketName != "" {
		return
	}
	for _, location := range d.facts.Document.Locations() {
		if w, asked := d.facts.Writers[location.Bucket]; asked && !w.Limited {
			d.warn("from this update on, the log bucket " + location.Bucket + " refuses session logs of every role but the instance role, the roles of existingInstances and logging.writerRoleArns, and nothing reports it. " +
				"If other roles write there, such as those of existing instances, name them first:\n    " + d.set("logging.writerRoleArns[0]", "ROLE_ARN"))
		}
	}
}

// keepRecords decides whether a destroy leaves the session logs behind. A
// document that was ever adopted stays, and goes on naming the bucket, so then
// they do as well.
func (d *decider) keepRecords() {
	d.KeepRecords = d.config.KeepsRecords()
	given := d.given()
	adopted := slices.IndexFunc(given, func(e session.Existing) bool { return e.Before() != "" })
	if adopted < 0 || d.KeepRecords {
		return
	}
	d.KeepRecords = true
	if d.config.KeepRecords == "false" {
		d.refuse(mistake.Mistake{
			Key: "keepRecords", Got: string(d.config.KeepRecords),
			Problem: "the session document " + given[adopted].Name + " was adopted and stays after a destroy, so the bucket that it names has to stay as well",
			Allowed: "auto, true or refuse, with a document that was adopted",
			Fix:     mistake.Run(d.set("keepRecords", "auto")),
		})
	}
}

func (d *decider) logGroups() {
	owner := d.facts.Owner()
	d.LogGroup, d.LogGroups = d.config.Logging.LogGroup(owner), d.config.Logging.LogGroups(owner)
	for _, name := range d.LogGroups {
		group := d.facts.LogGroups[name]
		switch {
		case !group.Exists:
		case group.Owner == owner:
			d.ExistingLogGroups = append(d.ExistingLogGroups, name)
		default:
			whose := "it was not made by this program"
			if group.Owner != "" {
				whose = "it belongs to the stack " + group.Owner
			}
			m := mistake.Mistake{
				Key: "logging.logGroupName", Got: name, Problem: "this log group exists already, and " + whose,
				Allowed: "the name of a group that does not exist yet, or of this stack's own",
				Fix:     mistake.Run(d.set("logging.logGroupName", "ANOTHER_NAME")),
			}
			if i := slices.Index(d.config.Logging.EarlierLocations, "log-group:"+name); i >= 0 && name != d.LogGroup {
				m.Key = settings.Element("logging.earlierLocations", i)
				m.Fix = mistake.Run(d.unset(m.Key))
			}
			d.refuse(m)
		}
	}
	others := slices.DeleteFunc(slices.Clone(d.facts.OwnLogGroups), func(name string) bool { return slices.Contains(d.LogGroups, name) })
	switch {
	case len(others) == 0:
	case d.KeepRecords:
		// What is left behind has to stay readable, so the key's policy names it.
		d.KeptLogGroups = others
		d.say("session logs of a previous deployment of this stack are kept in the log groups " + strings.Join(others, ", "))
	default:
		d.say("the config no longer names these log groups; those that are still in the stack are deleted with the session logs in them (keepRecords): " +
			strings.Join(others, ", "))
	}
}

// guarantees says in two lines what is guaranteed of a session log and what is not. The agent checks only what the session
// document has it check: see session.Preferences.
func (d *decider) guarantees() {
	const bucket = "guaranteed: the agent refuses a session if, when it starts, the log bucket's encryption settings cannot be read or show no encryption"
	switch p := d.config.Preferences(d.facts.Owner()); {
	case p.LogGroupName != "" && p.LogGroupEncrypted:
		d.say(bucket + ", or if the log group is missing, has no key or cannot be read")
		d.say("not guaranteed: nothing reports a denied upload to S3, a denied CreateLogStream, or a log group that is deleted during the session; while PutLogEvents is denied, exit hangs. " +
			"make verify and make audit find what is not logged")
	case p.LogGroupName != "":
		d.say(bucket)
		d.say("not guaranteed: without its log group, or with a denied upload, a session runs and is not logged, and nothing reports it (make verify and make audit find this; with logging.required the agent refuses sessions without the group)")
	default:
		d.say(bucket)
		d.say("not guaranteed: a denied upload to S3 is not reported, and the session is not logged. make verify and make audit find this; logging.required adds a second copy")
	}
}
