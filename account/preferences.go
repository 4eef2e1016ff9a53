package account

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/session"
)

// Preferences are what a stack finds of its session document.
type Preferences struct {
	session.Document
	Found   bool
	Name    string
	Version string // the version that sessions use
	// Latest is the newest version, which sessions need not use.
	Latest struct {
		Version string
		Mark    session.Mark
	}
}

// Adopts reports whether a stack of this owner takes the document over now.
func (p Preferences) Adopts() bool { return p.Found && p.Mark.Owner == "" }

// Before is the version that was there before the document was adopted, now or
// earlier. It is remembered for good. Empty: the document is the stack's alone.
func (p Preferences) Before() string {
	if p.Adopts() {
		return p.Version
	}
	return p.Mark.Before
}

// NextMark is the mark of the content that the stack plans.
func (p Preferences) NextMark(owner string, planned session.Preferences) session.Mark {
	m := session.Mark{Owner: owner, Revision: 1, Before: p.Before()}
	if !p.Found {
		return m
	}
	content, err := session.Read(planned.JSON())
	if err == nil && p.Mark.Owner == owner && len(p.Changes(content)) == 0 {
		return p.Mark
	}
	m.Revision = max(p.Mark.Revision, p.Latest.Mark.Revision) + 1
	return m
}

// checkNewest refuses a document of which sessions use another version than the
// newest: Systems Manager changes the newest only
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateDocument.html).
// An update that was killed leaves it so, and somebody who put earlier settings
// back.
func (p Preferences) checkNewest() error {
	if p.Version == p.Latest.Version {
		return nil
	}
	use := fmt.Sprintf("aws ssm update-document-default-version --name %s --document-version %s", p.Name, p.Latest.Version)
	giveUp := fmt.Sprintf("aws ssm delete-document --name %s --document-version %s", p.Name, p.Latest.Version)
	mend := "    " + use + "    to use the newest, which this stack made\n    " + giveUp + "    to give it up"
	if p.Mark.Owner == "" {
		mend = "    " + giveUp + "    and so on, down to the version after " + p.Version + "\n  or use the newest:\n    " + use
	}
	return fmt.Errorf("sessions use version %s of the session document %s, its newest is %s, and Systems Manager changes only the newest. "+
		"An update that was killed leaves it so, or somebody put earlier settings back. Nothing was changed. To mend:\n%s",
		p.Version, p.Name, p.Latest.Version, mend)
}

// FindPreferences reads the session document of a name, if there is one.
func FindPreferences(ctx *pulumi.Context, name string) (Preferences, error) {
	current, version, err := readDocument(ctx, name, nil)
	switch {
	case isAbsent(err):
		return Preferences{}, nil
	case err != nil:
		return Preferences{}, fmt.Errorf("finding out whether the session document %s exists: %w", name, err)
	}
	p := Preferences{Document: current, Found: true, Name: name, Version: version}
	latest, newest, err := readDocument(ctx, name, pulumi.StringRef("$LATEST"))
	if err != nil {
		return p, fmt.Errorf("reading the newest version of the session document %s: %w", name, err)
	}
	p.Latest.Version, p.Latest.Mark = newest, latest.Mark
	return p, nil
}

func readDocument(ctx *pulumi.Context, name string, version *string) (session.Document, string, error) {
	found, err := ssm.LookupDocument(ctx, &ssm.LookupDocumentArgs{
		Name: name, DocumentFormat: pulumi.StringRef("JSON"), DocumentVersion: version,
	})
	if err != nil {
		return session.Document{}, "", err
	}
	read, err := session.Read(found.Content)
	if err != nil || found.DocumentVersion == nil {
		return read, "", err
	}
	return read, *found.DocumentVersion, nil
}

// Check refuses to overwrite a document that is not this stack's: creating it
// would fail halfway, and overwriting it would take away somebody's settings.
// What would change is told field by field. A document that no stack made can
// be adopted; one of another stack cannot, or the two would fight over it.
func (p Preferences) Check(project, stack string, adopt bool, planned session.Document) error {
	owner := project + "/" + stack
	if !p.Found || p.Mark.Owner == owner || p.Adopts() && adopt {
		return p.checkNewest()
	}
	own := "pulumi config set --path '" + project + ":session.documentName' " + project + "-" + stack + " (people then name it with --document-name)"
	m := mistake.Mistake{
		Key: "session.documentName", Got: p.Name,
		Allowed: "the name of a document that does not exist yet, or of this stack's own",
		Mend:    "use a document of the stack's own: " + own,
	}
	if p.Mark.Owner != "" {
		m.Problem = "this document exists already, and it belongs to the stack " + p.Mark.Owner + "; two stacks would fight over it"
		return mistake.List{m}
	}
	m.Problem = "this document exists already, and it was not made by this program; overwriting it would change the sessions of everybody in this account and Region who names no document. " +
		"It would change\n       " + strings.Join(p.Changes(planned), "\n       ")
	m.Mend = "adopt it: pulumi config set --path '" + project + ":session.adopt' true " +
		"(what it says now stays as its version " + p.Version + ", and make destroy puts that back);\n" +
		"           or " + m.Mend
	return mistake.List{m}
}
