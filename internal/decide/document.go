package decide

import (
	"fmt"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/session"
)

// document refuses to overwrite a session document that is not this stack's:
// creating it would fail halfway, and overwriting it would discard somebody's
// settings. The report names each field that would change. A document that no
// stack manages can be adopted; one of another stack cannot, or the two would
// overwrite each other.
func (d *decider) document() {
	existing, owner, adopt := d.facts.Document, d.facts.Owner(), d.config.Session.Adopt
	if !existing.Found || existing.Mark.Owner == owner || existing.Unmanaged() && adopt {
		if err := newestInUse(existing, d.facts.Scope.Region); err != nil {
			d.fail(err)
		}
		if existing.Unmanaged() {
			d.say("the session document " + existing.Name + " is adopted. Its current content stays as its version " + existing.Version +
				". It changes, for everybody in this account and Region who " + names(existing) + ":\n  " + strings.Join(d.changes(), "\n  "))
		}
	} else {
		d.refuse(d.notOurs(existing))
	}
	if text := d.abandonedDefaultNotice(); text != "" {
		d.say(text)
	}
}

func (d *decider) notOurs(existing session.Existing) mistake.Mistake {
	own := d.facts.Project + "-" + d.facts.Stack
	m := mistake.Mistake{
		Key: "session.documentName", Got: existing.Name,
		Allowed: "the name of a document that does not exist yet, or of this stack's own",
		Fix: mistake.Do("use a document of the stack's own, which people then name with --document-name:",
			d.set("session.documentName", own)),
	}
	if existing.Mark.Owner != "" {
		m.Problem = "this document exists already, and it belongs to the stack " + existing.Mark.Owner + "; the two stacks would overwrite each other"
		return m
	}
	m.Problem = "this document exists already, and it was not made by this program"
	m.Detail = "Overwriting it changes, for everybody in this account and Region who " + names(existing) + ":\n  " + strings.Join(d.changes(), "\n  ")
	commands := []string{d.set("session.adopt", "true")}
	if d.config.KeepRecords == "false" { // the two exclude each other
		commands = append(commands, d.set("keepRecords", "auto"))
	}
	adopt := mistake.Do("adopt it; its current content stays as its version "+existing.Version+", and make destroy restores that:", commands...)
	m.Fix = append(adopt, m.Fix...)
	return m
}

// names says whose sessions a document is for.
func names(existing session.Existing) string {
	if existing.Name == session.DefaultDocument {
		return "names no document"
	}
	return "names it"
}

// changes are the fields of the document that the stack changes.
func (d *decider) changes() []string {
	p := d.config.Preferences(d.facts.Owner())
	if p.S3BucketName == "" {
		p.S3BucketName = "(a bucket that the stack creates)"
	}
	if d.config.Session.Encryption && p.KMSKeyID == "" {
		p.KMSKeyID = "(a key that the stack creates)"
	}
	planned, err := session.Read(p.JSON())
	if err != nil {
		d.fail(err)
		return nil
	}
	return d.facts.Document.Changes(planned)
}

// newestInUse refuses a document of which sessions use another version than the
// newest: Systems Manager changes the newest only
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateDocument.html).
// An update that was killed leaves it so, and somebody who restored earlier
// settings.
func newestInUse(e session.Existing, region string) error {
	if e.Version == e.Latest.Version {
		return nil
	}
	use := fmt.Sprintf("aws ssm update-document-default-version --region %s --name %s --document-version %s", region, e.Name, e.Latest.Version)
	discard := fmt.Sprintf("aws ssm delete-document --region %s --name %s --document-version %s", region, e.Name, e.Latest.Version)
	fix := "to use the newest, which this stack made:\n    " + use + "\n  to discard it:\n    " + discard
	if e.Mark.Owner == "" {
		fix = "to discard the newest, and so on, down to the version after " + e.Version + ":\n    " + discard + "\n  to use the newest:\n    " + use
	}
	return fmt.Errorf("sessions use version %s of the session document %s, its newest is %s, and Systems Manager changes only the newest. "+
		"An update that was killed leaves it so, or somebody restored earlier settings. Nothing was changed.\n  Fix, %s",
		e.Version, e.Name, e.Latest.Version, fix)
}

// abandonedDefaultNotice says what happens to the account's default document
// when the stack has changed to one of another name. An adopted one is retained.
func (d *decider) abandonedDefaultNotice() string {
	left := d.facts.DefaultDocument
	switch {
	case !left.Found || left.Mark.Owner != d.facts.Owner():
		return ""
	case left.Before() != "":
		return "sessions that name no document go on under " + left.Name + " as this stack left it; to restore its previous content:\n    " +
			"aws ssm update-document-default-version --region " + d.facts.Scope.Region + " --name " + left.Name + " --document-version " + left.Before()
	}
	return "the session document " + left.Name + " is deleted once its replacement exists: " +
		"sessions that name no document then use AWS's defaults, and are not logged"
}

// given are the documents that sessions of this stack may have started under.
func (d *decider) given() (own []session.Existing) {
	for _, document := range []session.Existing{d.facts.Document, d.facts.DefaultDocument} {
		if document.Found && document.Mark.Owner == d.facts.Owner() {
			own = append(own, document)
		}
	}
	return own
}
