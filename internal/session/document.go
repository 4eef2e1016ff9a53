// Package session holds the Session Manager preferences document as a Go value.
package session

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// DefaultDocument is the document that Session Manager uses for a session that
// names none: one per account and Region.
const DefaultDocument = "SSM-SessionManagerRunShell"

// Preferences are the settings of a session. Times are in minutes.
type Preferences struct {
	Owner              string // the stack that the document belongs to, see Mark
	S3BucketName       string
	S3KeyPrefix        string
	IdleSessionTimeout int // 1 to 60
	MaxSessionDuration int // 1 to 1440; 0 leaves AWS's default, which is no limit
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
	S3BucketName                string `json:"s3BucketName"`
	S3KeyPrefix                 string `json:"s3KeyPrefix"`
	S3EncryptionEnabled         bool   `json:"s3EncryptionEnabled"`
	CloudWatchLogGroupName      string `json:"cloudWatchLogGroupName"`
	CloudWatchEncryptionEnabled bool   `json:"cloudWatchEncryptionEnabled"`
	CloudWatchStreamingEnabled  bool   `json:"cloudWatchStreamingEnabled"`
	KMSKeyID                    string `json:"kmsKeyId"`
	RunAsEnabled                bool   `json:"runAsEnabled"`
	RunAsDefaultUser            string `json:"runAsDefaultUser"`
	IdleSessionTimeout          string `json:"idleSessionTimeout"`
	MaxSessionDuration          string `json:"maxSessionDuration,omitempty"`
}

// JSON writes the document. With s3EncryptionEnabled the agent refuses a
// session when it cannot see that the bucket encrypts; that a log could be
// written is not tested by the agent at all.
func (p Preferences) JSON() string {
	d := document{
		SchemaVersion: "1.0",
		Description:   Mark(p.Owner),
		SessionType:   "Standard_Stream",
		Inputs: inputs{
			S3BucketName:        p.S3BucketName,
			S3KeyPrefix:         strings.Trim(p.S3KeyPrefix, "/"),
			S3EncryptionEnabled: true,
			IdleSessionTimeout:  strconv.Itoa(p.IdleSessionTimeout),
		},
	}
	if p.MaxSessionDuration > 0 {
		d.Inputs.MaxSessionDuration = strconv.Itoa(p.MaxSessionDuration)
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic("session: a document without a JSON form: " + err.Error())
	}
	return string(text)
}

const marker = "Session preferences, managed by the Pulumi stack "

// Mark is the description that tells whose a document is. It is part of the
// content because a look-up of a document shows no tags.
func Mark(owner string) string { return marker + owner }

// OwnerOf reads the mark in a document's content. The empty string stands for
// a document that no stack of this program made.
func OwnerOf(content string) (string, error) {
	var d struct {
		Description string `json:"description"`
	}
	if err := json.Unmarshal([]byte(content), &d); err != nil {
		return "", fmt.Errorf("the document's content is not JSON: %w", err)
	}
	owner, found := strings.CutPrefix(d.Description, marker)
	if !found {
		return "", nil
	}
	return owner, nil
}
