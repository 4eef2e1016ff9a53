package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/account"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// records finds out what there is of the stack's session document, its log
// groups and its key, and refuses what would lose a record.
func (f *Facts) records(ctx *pulumi.Context, c *Config) (err error) {
	if f.Preferences, err = account.FindPreferences(ctx, c.Session.DocumentName); err != nil {
		return err
	}
	planned, err := session.Read(f.preferences(c, "(a bucket of the stack's own)", "(a key of the stack's own)").JSON())
	if err != nil {
		return err
	}
	if c.Logging.BucketName != "" {
		planned.Fields["s3BucketName"] = settings.Show(c.Logging.BucketName)
	}
	if err := f.Preferences.Check(ctx.Project(), ctx.Stack(), c.Session.Adopt, planned); err != nil {
		return err
	}
	if f.Preferences.Adopts() {
		say(ctx, "the session document "+c.Session.DocumentName+" is adopted. What it says now stays as its version "+f.Preferences.Version+
			". It changes, for everybody in this account and Region who names no document:\n  "+strings.Join(f.Preferences.Changes(planned), "\n  "))
	}
	given := []account.Preferences{f.Preferences}
	if c.Session.DocumentName != session.DefaultDocument {
		left, err := account.FindPreferences(ctx, session.DefaultDocument)
		if err != nil {
			return err
		}
		if text := f.ofTheDefault(left); text != "" {
			say(ctx, text)
		}
		given = append(given, left)
	}
	if err := f.nothingIsLost(ctx, c, given); err != nil {
		return err
	}
	if f.KeyID, err = account.Key(ctx, f.KeyAlias(), f.KeyDescription(), c.OwnKey()); err != nil {
		return err
	}
	if err := f.noKeyIsRefused(ctx, c); err != nil {
		return err
	}

	f.LogGroups = map[string]bool{}
	for _, group := range f.groupNames(c) {
		if f.LogGroups[group], err = account.LogGroup(ctx, group, f.Owner); err != nil {
			return err
		}
	}
	if f.KeepsRecords, err = keepsRecords(ctx, c, f.Owner, given); err != nil {
		return err
	}
	f.Key = f.KeyID != "" || c.OwnKey()
	if f.Key && !c.OwnKey() {
		say(ctx, "the KMS key "+f.KeyAlias()+" stays in the stack: records that were encrypted with it must remain readable")
	}
	groups, err := account.LogGroups(ctx, f.Owner)
	if err != nil {
		return err
	}
	groups = slices.DeleteFunc(groups, func(group string) bool { _, in := f.LogGroups[group]; return in })
	switch {
	case len(groups) == 0:
	case f.KeepsRecords:
		// What is left behind has to stay readable, so the key's policy names it.
		f.KeptLogGroups = groups
		say(ctx, "records of an earlier time of this stack are kept in the log groups "+strings.Join(groups, ", "))
	default:
		say(ctx, "the config does not name these log groups any more, and what of them is still in the stack is deleted, with the records in it (keepRecords): "+
			strings.Join(groups, ", "))
	}
	tellGuarantees(ctx, c)
	return nil
}

// keepsRecords reports whether a destroy leaves the records behind. A document
// that was ever adopted stays, and goes on naming the bucket, so then they do as
// well.
func keepsRecords(ctx *pulumi.Context, c *Config, owner string, given []account.Preferences) (bool, error) {
	adopted := slices.IndexFunc(given, func(p account.Preferences) bool { return p.Mark.Owner == owner && p.Before() != "" })
	if adopted < 0 || c.KeepsRecords() {
		return c.KeepsRecords(), nil
	}
	if c.KeepRecords != "false" {
		return true, nil
	}
	return false, mistake.List{{
		Key: "keepRecords", Got: string(c.KeepRecords),
		Problem: "the session document " + given[adopted].Name + " was adopted and stays after a destroy, so the bucket that it names has to stay as well",
		Allowed: "auto, true or refuse, with a document that was adopted",
		Mend:    "pulumi config set " + settings.Path(ctx.Project(), "keepRecords") + " auto",
	}}
}

// KeyAlias is the name of the stack's own key.
func (f *Facts) KeyAlias() string { return "alias/" + strings.ReplaceAll(f.Owner, "/", "-") }

// KeyDescription tells whose the key is.
func (f *Facts) KeyDescription() string { return "Session records of the Pulumi stack " + f.Owner }

// LogGroupName is the group that sessions are recorded in, or empty.
func (f *Facts) LogGroupName(c *Config) string {
	switch {
	case !c.Logging.CloudWatch:
		return ""
	case c.Logging.LogGroupName != "":
		return c.Logging.LogGroupName
	}
	return "/" + f.Owner + "/sessions"
}

// groupNames are the stack's log groups: the one that the document names, and
// earlier ones.
func (f *Facts) groupNames(c *Config) []string {
	names := map[string]bool{}
	if name := f.LogGroupName(c); name != "" {
		names[name] = true
	}
	for _, place := range c.Logging.Earlier() {
		if place.LogGroup != "" {
			names[place.LogGroup] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ownBucket reports whether a bucket has a name as the stack's own gets it.
func ownBucket(project, bucket string) bool { return strings.HasPrefix(bucket, project+"-logs-") }

// ofTheDefault is what becomes of the account's default document when the stack
// has gone over to one of another name. An adopted one is retained.
func (f *Facts) ofTheDefault(left account.Preferences) string {
	switch {
	case left.Mark.Owner != f.Owner:
		return ""
	case left.Before() != "":
		return "sessions that name no document go on under " + left.Name + " as this stack left it; what it said before comes back with " +
			"aws ssm update-document-default-version --name " + left.Name + " --document-version " + left.Before()
	}
	return "the session document " + left.Name + " is deleted, once the one that takes its place is there: " +
		"sessions that name no document are then under AWS's defaults, and are not recorded"
}

// nothingIsLost refuses to take away a place that a session document of this
// stack names today. A session keeps the settings that it began with: it writes
// there at its end, and the agent keeps a failure to itself.
func (f *Facts) nothingIsLost(ctx *pulumi.Context, c *Config, given []account.Preferences) error {
	prefix := strings.Trim(c.Logging.KeyPrefix, "/")
	keeps := func(place session.Location) bool {
		switch {
		case slices.Contains(c.Logging.Earlier(), place):
			return true
		case place.LogGroup != "":
			return place.LogGroup == f.LogGroupName(c)
		case c.Logging.BucketName == "":
			return ownBucket(ctx.Project(), place.Bucket) && place.Prefix == prefix
		}
		return place.Bucket == c.Logging.BucketName && place.Prefix == prefix
	}
	var lost mistake.List
	next := len(c.Logging.EarlierLocations)
	var named []session.Location
	for _, document := range given {
		if document.Mark.Owner == f.Owner {
			named = append(named, document.Locations()...)
		}
	}
	for i, place := range named {
		if keeps(place) || slices.Contains(named[:i], place) {
			continue
		}
		lost.Add(mistake.Mistake{
			Key: "logging.earlierLocations", Got: settings.Show(c.Logging.EarlierLocations),
			Problem: "sessions that are open now write to " + place.String() + " at their end, and would be lost without a word",
			Allowed: "a list with " + place.String() + ", until these sessions have ended",
			Mend: "pulumi config set " + settings.Path(ctx.Project(), "logging.earlierLocations["+settings.Show(next)+"]") + " " + place.String() +
				"\n           and take it out again when no session from before is open",
		})
		next++
	}
	return lost.Err()
}

// noKeyIsRefused refuses to replace the key of the stack's own bucket without
// letting the one of today through until the bucket's default is another. The
// agent asks for the default's key by its ARN, and keeps a refusal to itself.
func (f *Facts) noKeyIsRefused(ctx *pulumi.Context, c *Config) error {
	l := c.Logging
	if f.Preferences.Mark.Owner != f.Owner || l.Encryption != encryptedByKey || l.BucketName != "" {
		return nil
	}
	for _, place := range f.Preferences.Locations() {
		if !ownBucket(ctx.Project(), place.Bucket) {
			continue
		}
		key, err := account.BucketKey(ctx, place.Bucket)
		if err != nil {
			return err
		}
		same := key == l.KMSKeyARN || l.KMSKeyARN == "" && f.KeyID != "" && strings.HasSuffix(key, "/"+f.KeyID)
		if key == "" || same || slices.Contains(l.EarlierKMSKeyARNs, key) {
			continue
		}
		at := "logging.earlierKmsKeyArns[" + settings.Show(len(l.EarlierKMSKeyARNs)) + "]"
		return mistake.List{{
			Key: "logging.earlierKmsKeyArns", Got: settings.Show(l.EarlierKMSKeyARNs),
			Problem: "records are encrypted with the key " + key + " until another takes its place, and in between would be refused without a word",
			Allowed: "a list with " + key + " while the key is replaced",
			Mend:    "pulumi config set " + settings.Path(ctx.Project(), at) + " " + key + "\n           and take it out again after the update",
		}}
	}
	return nil
}

// tellGuarantees says in two lines what is guaranteed and what is not.
func tellGuarantees(ctx *pulumi.Context, c *Config) {
	switch l := c.Logging; {
	case l.CloudWatch && l.Encryption == encryptedByKey && l.Streaming:
		say(ctx, "guaranteed: the agent refuses a session when its log group is missing, not encrypted or cannot be seen, or when the bucket's encryption cannot be seen")
		say(ctx, "not guaranteed: an upload to S3 that is denied stays silent; events that are denied in a session make its exit hang until they are let through")
	case l.CloudWatch:
		say(ctx, "guaranteed: the agent refuses a session when the bucket's encryption cannot be seen")
		say(ctx, "not guaranteed: without a log group, or with an upload that is denied, a session goes on unrecorded and without a word (logging.required closes that)")
	default:
		say(ctx, "guaranteed: the agent refuses a session when the bucket's encryption cannot be seen")
		say(ctx, "not guaranteed: an upload to S3 that is denied stays silent, and the session is not recorded (logging.required closes that)")
	}
}

// preferences are the document's settings, with the names that only the engine
// knows.
func (f *Facts) preferences(c *Config, bucket, keyARN string) session.Preferences {
	s, l := c.Session, c.Logging
	p := session.Preferences{
		S3BucketName:       bucket,
		S3KeyPrefix:        l.KeyPrefix,
		LogGroupName:       f.LogGroupName(c),
		LogGroupEncrypted:  l.Encryption == encryptedByKey,
		Streaming:          l.Streaming,
		RunAsEnabled:       s.RunAsEnabled,
		RunAsDefaultUser:   s.RunAsDefaultUser,
		IdleSessionTimeout: s.IdleSessionTimeout,
		MaxSessionDuration: s.MaxSessionDuration,
		ShellProfileLinux:  s.ShellProfile.Linux,
		ShellProfileWin:    s.ShellProfile.Windows,
	}
	if s.Encryption {
		p.KMSKeyID = keyARN
		if s.KMSKeyARN != "" {
			p.KMSKeyID = s.KMSKeyARN
		}
	}
	p.Mark = f.Preferences.NextMark(f.Owner, p)
	return p
}
