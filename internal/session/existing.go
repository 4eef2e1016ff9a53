package session

import "fmt"

// Existing is the session document of a name as AWS has it now. The zero value
// stands for a name that has no document.
type Existing struct {
	Document
	Found   bool
	Name    string
	Version string // the default version, which sessions use
	Content string // of that version
	// Latest is the newest version, which sessions need not use.
	Latest struct {
		Version, Content string
		Mark             Mark
	}
}

// ReadExisting reads the contents of a document's default and newest versions.
func ReadExisting(name, version, content, latestVersion, latestContent string) (Existing, error) {
	current, err := Read(content)
	if err != nil {
		return Existing{}, fmt.Errorf("reading the session document %s: %w", name, err)
	}
	latest, err := Read(latestContent)
	if err != nil {
		return Existing{}, fmt.Errorf("reading the newest version of the session document %s: %w", name, err)
	}
	e := Existing{Document: current, Found: true, Name: name, Version: version, Content: content}
	e.Latest.Version, e.Latest.Content, e.Latest.Mark = latestVersion, latestContent, latest.Mark
	return e, nil
}

// Unmanaged reports whether the document exists and no stack of this program
// manages it. Only such a document can be adopted.
func (e Existing) Unmanaged() bool { return e.Found && e.Mark.Owner == "" }

// Before is the version that was there before the document was adopted, now or
// earlier. It is remembered for good. Empty: the document is the stack's alone.
func (e Existing) Before() string {
	if e.Unmanaged() {
		return e.Version
	}
	return e.Mark.Before
}

// NextMark is the mark of the content that a stack plans.
func (e Existing) NextMark(owner string, planned Preferences) Mark {
	m := Mark{Owner: owner, Revision: 1, Before: e.Before()}
	if !e.Found {
		return m
	}
	content, err := Read(planned.JSON())
	if err == nil && e.Mark.Owner == owner && len(e.Changes(content)) == 0 {
		return e.Mark
	}
	m.Revision = max(e.Mark.Revision, e.Latest.Mark.Revision) + 1
	return m
}
