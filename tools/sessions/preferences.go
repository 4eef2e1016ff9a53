package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	sessiondoc "private-ec2-access/internal/session"
)

// logOf says where the log of a session is in a log location.
func logOf(l sessiondoc.Location, id string) string {
	if l.LogGroup != "" {
		return "log group " + l.LogGroup + ", stream " + id
	}
	return "s3://" + l.Bucket + "/" + l.Key(id)
}

// document reads a session document as it is in the account today.
func (c *client) document(ctx context.Context, name string) (sessiondoc.Document, error) {
	var answer struct{ Content string }
	if err := c.call(ctx, &answer, "ssm", "get-document", input{"Name": name, "DocumentFormat": "JSON"}); err != nil {
		return sessiondoc.Document{}, err
	}
	read, err := sessiondoc.Read(answer.Content)
	if err != nil {
		return sessiondoc.Document{}, fmt.Errorf("the document %s cannot be read: %w", name, err)
	}
	return read, nil
}

// locations are those of the stack's document; if that cannot be read, those in the stack's outputs, and why.
func (r *run) locations(ctx context.Context) ([]sessiondoc.Location, error) {
	document, err := r.aws.document(ctx, r.outputs.SessionDocument)
	if err == nil {
		return document.Locations(), nil
	}
	var failed *callError
	if !errors.As(err, &failed) {
		return nil, err
	}
	places := []sessiondoc.Location{r.current()}
	if r.outputs.LogGroup != "" {
		places = append(places, sessiondoc.Location{LogGroup: r.outputs.LogGroup})
	}
	return places, err
}

// current is the log location in S3 that the stack's outputs name.
func (r *run) current() sessiondoc.Location {
	location, _ := sessiondoc.ParseLocation(r.outputs.LogLocation)
	return location
}

func describe(locations []sessiondoc.Location, id string) string {
	var texts []string
	for _, l := range locations {
		texts = append(texts, logOf(l, id))
	}
	return cmp.Or(strings.Join(texts, " and "), "nowhere")
}
