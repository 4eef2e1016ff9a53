package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// defaultDocument is used for a session that names none.
const defaultDocument = "SSM-SessionManagerRunShell"

// preferences are what a session document says about records. A flag may be written as a boolean or as a text.
type preferences struct {
	S3BucketName                string
	S3KeyPrefix                 string
	S3EncryptionEnabled         flexible
	CloudWatchLogGroupName      string
	CloudWatchEncryptionEnabled flexible
	CloudWatchStreamingEnabled  flexible
	KMSKeyID                    string `json:"kmsKeyId"`
	RunAsDefaultUser            string
	RunAsEnabled                flexible
}

type flexible bool

func (f *flexible) UnmarshalJSON(text []byte) error {
	*f = flexible(strings.Trim(string(text), `"`) == "true")
	return nil
}

// place is one place where sessions are recorded.
type place struct {
	// bucket and prefix of S3, or the log group of CloudWatch Logs.
	bucket, prefix, group string
}

// of is where the record of a session lies. The agent leaves colons out of keys.
func (p place) of(id string) string {
	if p.group != "" {
		return "log group " + p.group + ", stream " + id
	}
	return "s3://" + p.bucket + "/" + p.key(id)
}

func (p place) key(id string) string {
	return path.Join(p.prefix, strings.ReplaceAll(id, ":", "")+".log")
}

func (p place) String() string {
	if p.group != "" {
		return "log group " + p.group
	}
	return "s3://" + path.Join(p.bucket, p.prefix) + "/"
}

func (p preferences) places() []place {
	var all []place
	if p.S3BucketName != "" {
		all = append(all, place{bucket: p.S3BucketName, prefix: strings.Trim(p.S3KeyPrefix, "/")})
	}
	if p.CloudWatchLogGroupName != "" {
		all = append(all, place{group: p.CloudWatchLogGroupName})
	}
	return all
}

// preferences reads a session document as it is in the account today.
func (c *client) preferences(ctx context.Context, document string) (preferences, error) {
	var answer struct{ Content, DocumentType string }
	if err := c.call(ctx, &answer, "ssm", "get-document", "--name", document, "--document-format", "JSON"); err != nil {
		return preferences{}, err
	}
	var content struct{ Inputs preferences }
	if err := json.Unmarshal([]byte(answer.Content), &content); err != nil {
		return preferences{}, fmt.Errorf("the document %s cannot be read: %w", document, err)
	}
	return content.Inputs, nil
}

// places are those of the stack's document; if that cannot be read, the one that the stack's outputs name, and why.
func (r *run) places(ctx context.Context) ([]place, error) {
	p, err := r.aws.preferences(ctx, r.outputs.SessionDocument)
	if err == nil {
		return p.places(), nil
	}
	var failed *callError
	if !errors.As(err, &failed) {
		return nil, err
	}
	bucket, prefix := splitLocation(r.outputs.LogLocation)
	return []place{{bucket: bucket, prefix: prefix}}, err
}

func describe(places []place, id string) string {
	var texts []string
	for _, p := range places {
		texts = append(texts, p.of(id))
	}
	if texts == nil {
		return "nowhere"
	}
	return strings.Join(texts, " and ")
}
