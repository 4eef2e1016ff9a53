// Package session holds the Session Manager preferences document as a Go value.
package session

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultDocument is the document that Session Manager uses for a session that
// names none: one per account and Region.
const DefaultDocument = "SSM-SessionManagerRunShell"

// Preferences are the settings of a session. Times are in minutes.
type Preferences struct {
	Mark               Mark
	S3BucketName       string
	S3KeyPrefix        string
	LogGroupName       string // in CloudWatch Logs; empty: sessions are not logged there
	LogGroupEncrypted  bool   // the agent refuses a session when the group has no key, or cannot be read
	Streaming          bool   // to the log group while the session runs, rather than at its end
	KMSKeyID           string // that encrypts the session between both sides; empty: TLS only
	RunAsEnabled       bool   // as the user that IAM's tag SSMSessionRunAs or RunAsDefaultUser names
	RunAsDefaultUser   string
	IdleSessionTimeout int    // 1 to 60
	MaxSessionDuration int    // 1 to 1440; 0 leaves AWS's default, which is no limit
	ShellProfileLinux  string // commands that run when a session begins
	ShellProfileWin    string
}

// document is the schema of
// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-schema.html.
// The flags have no omitempty: the schema requires each of them. They are
// booleans and the times are strings, because the agent drops a session whose
// cloudWatchStreamingEnabled is a string, and the schema types times so.
type document struct {
	SchemaVersion string `json:"schemaVersion"`
	Description   string `json:"description"`
	SessionType   string `json:"sessionType"`
	Inputs        inputs `json:"inputs"`
}

type inputs struct {
	S3BucketName                string        `json:"s3BucketName"`
	S3KeyPrefix                 string        `json:"s3KeyPrefix"`
	S3EncryptionEnabled         bool          `json:"s3EncryptionEnabled"`
	CloudWatchLogGroupName      string        `json:"cloudWatchLogGroupName"`
	CloudWatchEncryptionEnabled bool          `json:"cloudWatchEncryptionEnabled"`
	CloudWatchStreamingEnabled  bool          `json:"cloudWatchStreamingEnabled"`
	KMSKeyID                    string        `json:"kmsKeyId"`
	RunAsEnabled                bool          `json:"runAsEnabled"`
	RunAsDefaultUser            string        `json:"runAsDefaultUser"`
	IdleSessionTimeout          string        `json:"idleSessionTimeout"`
	MaxSessionDuration          string        `json:"maxSessionDuration,omitempty"`
	ShellProfile                *shellProfile `json:"shellProfile,omitempty"`
}

type shellProfile struct {
	Linux   string `json:"linux"`
	Windows string `json:"windows"`
}

// JSON writes the document. With s3EncryptionEnabled the agent refuses a
// session when it cannot see that the bucket encrypts; that a log could be
// written is not tested by the agent at all.
func (p Preferences) JSON() string {
	d := document{
		SchemaVersion: "1.0",
		Description:   p.Mark.String(),
		SessionType:   "Standard_Stream",
		Inputs: inputs{
			S3BucketName:                p.S3BucketName,
			S3KeyPrefix:                 strings.Trim(p.S3KeyPrefix, "/"),
			S3EncryptionEnabled:         true,
			CloudWatchLogGroupName:      p.LogGroupName,
			CloudWatchEncryptionEnabled: p.LogGroupName != "" && p.LogGroupEncrypted,
			CloudWatchStreamingEnabled:  p.LogGroupName != "" && p.Streaming,
			KMSKeyID:                    p.KMSKeyID,
			RunAsEnabled:                p.RunAsEnabled,
			RunAsDefaultUser:            p.RunAsDefaultUser,
			IdleSessionTimeout:          strconv.Itoa(p.IdleSessionTimeout),
		},
	}
	if p.MaxSessionDuration > 0 {
		d.Inputs.MaxSessionDuration = strconv.Itoa(p.MaxSessionDuration)
	}
	if p.ShellProfileLinux != "" || p.ShellProfileWin != "" {
		d.Inputs.ShellProfile = &shellProfile{Linux: p.ShellProfileLinux, Windows: p.ShellProfileWin}
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic("session: a document without a JSON form: " + err.Error())
	}
	return string(text)
}

// Mark is the description that tells whose a document is. It is part of the
// content because a look-up of a document shows no tags, and because it has to
// live as long as the document does.
type Mark struct {
	Owner string // the stack
	// Revision counts the stack's own contents from 1. Systems Manager refuses
	// a content that an earlier version has already, so a document that goes
	// back to earlier settings has to differ from then.
	Revision int
	// Before is the version that has what was there before the document was
	// adopted; empty: it was not adopted.
	Before string
}

const marker = "Session preferences, managed by the Pulumi stack "

var mark = regexp.MustCompile("^" + marker + `(.+?)(?:; revision (\d+))?(?:; adopted, version (\d+) has what was there before)?$`)

func (m Mark) String() string {
	text := marker + m.Owner
	if m.Revision > 1 {
		text += fmt.Sprintf("; revision %d", m.Revision)
	}
	if m.Before != "" {
		text += fmt.Sprintf("; adopted, version %s has what was there before", m.Before)
	}
	return text
}

func readMark(description string) Mark {
	found := mark.FindStringSubmatch(description)
	if found == nil {
		return Mark{}
	}
	m := Mark{Owner: found[1], Revision: 1, Before: found[3]}
	if n, err := strconv.Atoi(found[2]); err == nil {
		m.Revision = n
	}
	return m
}

// Document is a session document that exists, whoever made it.
type Document struct {
	Mark   Mark              // without an owner: no stack of this program made it
	Fields map[string]string // the inputs as JSON, by their names
}

// Read reads a document's content.
func Read(content string) (Document, error) {
	var read struct {
		Description string                     `json:"description"`
		Inputs      map[string]json.RawMessage `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(content), &read); err != nil {
		return Document{}, fmt.Errorf("the document's content is not JSON: %w", err)
	}
	d := Document{Mark: readMark(read.Description), Fields: map[string]string{}}
	for name, value := range read.Inputs {
		d.Fields[name] = string(value)
	}
	return d, nil
}

// Text is a field that is a string; empty: there is no such field.
func (d Document) Text(field string) string {
	var value string
	_ = json.Unmarshal([]byte(d.Fields[field]), &value) // what is no string names nothing
	return value
}

// Flag is a field that is a boolean, which a document may write as a string.
func (d Document) Flag(field string) bool {
	return strings.Trim(d.Fields[field], `"`) == "true"
}

// Locations are the log locations that the document names.
func (d Document) Locations() []Location {
	var named []Location
	if bucket := d.Text("s3BucketName"); bucket != "" {
		named = append(named, Location{Bucket: bucket, Prefix: strings.Trim(d.Text("s3KeyPrefix"), "/")})
	}
	if group := d.Text("cloudWatchLogGroupName"); group != "" {
		named = append(named, Location{LogGroup: group})
	}
	return named
}

// Changes tells field by field what another document would change, in the order
// of the fields' names. An empty text and a missing field are the same to AWS.
func (d Document) Changes(to Document) []string {
	shown := func(value string) string {
		if value == "" || value == "null" {
			return `""`
		}
		return value
	}
	fields := maps.Clone(d.Fields)
	maps.Copy(fields, to.Fields)
	var changes []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if was, is := shown(d.Fields[field]), shown(to.Fields[field]); was != is {
			changes = append(changes, fmt.Sprintf("%s: %s → %s", field, was, is))
		}
	}
	return changes
}
