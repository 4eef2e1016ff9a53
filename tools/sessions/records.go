package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	sessiondoc "private-ec2-access/internal/session"
)

// object is one of a bucket's listing.
type object struct {
	Key          string
	LastModified stamp
	Size         int64
}

// fetch reads the record of a session in one place; nil if it is not there.
func (c *client) fetch(ctx context.Context, p sessiondoc.Location, id string) ([]byte, error) {
	if p.LogGroup != "" {
		return c.fetchStream(ctx, p.LogGroup, id)
	}
	return c.fetchObject(ctx, p.Bucket, p.Key(id))
}

func (c *client) fetchObject(ctx context.Context, bucket, key string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "record-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "log")
	err = c.call(ctx, nil, "s3api", "get-object", "--bucket", bucket, "--key", key, file)
	if isAbsent(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// fetchStream reads a log stream to its end, and makes a transcript of the events that an agent streams.
func (c *client) fetchStream(ctx context.Context, group, stream string) ([]byte, error) {
	const bound = 10_000
	var text bytes.Buffer
	token, any := "", false
	for range bound {
		args := []string{"logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--start-from-head", "--no-paginate"}
		if token != "" {
			args = append(args, "--next-token", token)
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string
		}
		err := c.call(ctx, &page, args...)
		if isAbsent(err) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			any = true
			text.WriteString(transcript(e.Message))
		}
		if page.NextForwardToken == token || page.NextForwardToken == "" {
			if !any {
				return nil, nil
			}
			return text.Bytes(), nil
		}
		token = page.NextForwardToken
	}
	return nil, fmt.Errorf("the stream %s of %s goes on after %d pages", stream, group, bound)
}

// transcript is what an event holds of the session: streamed events are JSON, with the lines in sessionData.
func transcript(message string) string {
	var event struct{ SessionData []string }
	text := message
	if json.Unmarshal([]byte(message), &event) == nil && event.SessionData != nil {
		text = strings.Join(event.SessionData, "\n")
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// list reads the keys of a bucket under a prefix, in pages that the CLI follows by itself.
func (c *client) list(ctx context.Context, bucket, prefix string) ([]object, error) {
	var answer struct{ Contents []object }
	args := []string{"s3api", "list-objects-v2", "--bucket", bucket}
	if prefix != "" {
		args = append(args, "--prefix", prefix)
	}
	err := c.call(ctx, &answer, args...)
	return answer.Contents, err
}

// recordKey is the end of a record's key: the name of the person's session, and a number.
var recordKey = regexp.MustCompile(`^(.+)-[0-9a-z]{10,32}\.log$`)

// sessionOf gives the id of the session that a key is the record of.
func sessionOf(key string) (id string, ok bool) {
	name := path.Base(key)
	if !recordKey.MatchString(name) {
		return "", false
	}
	return strings.TrimSuffix(name, ".log"), true
}

// found is a record and where it was.
type found struct {
	where string
	text  []byte
}

// findRecord looks wherever the record may lie: in the places that the documents name today, in other prefixes of the
// stack's bucket, and in the buckets of earlier times. Problems are what could not be looked at.
func (r *run) findRecord(ctx context.Context, s session, id string) (record *found, looked []string, problems []error, err error) {
	places, unread := r.locations(ctx)
	if places == nil && unread != nil {
		return nil, nil, nil, unread
	}
	if unread != nil {
		problems = append(problems, unread)
	}
	if s.DocumentName != "" && s.DocumentName != r.outputs.SessionDocument {
		if p, err := r.aws.document(ctx, s.DocumentName); err == nil {
			places = append(places, p.Locations()...)
		} else {
			problems = append(problems, err)
		}
	}
	if p, ok := fromURL(s.OutputURL.S3OutputURL); ok {
		places = append(places, p)
	}
	places = append(places, r.earlier()...)
	tried := map[sessiondoc.Location]bool{}
	for _, p := range places {
		if tried[p] {
			continue
		}
		tried[p] = true
		looked = append(looked, logOf(p, id))
		text, err := r.aws.fetch(ctx, p, id)
		if err != nil {
			problems = append(problems, err)
		} else if text != nil {
			return &found{logOf(p, id), text}, looked, problems, nil
		}
	}
	for _, bucket := range r.buckets(places) {
		looked = append(looked, "every prefix of s3://"+bucket)
		objects, err := r.aws.list(ctx, bucket, "")
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, o := range objects {
			if path.Base(o.Key) != path.Base(sessiondoc.Location{}.Key(id)) {
				continue
			}
			text, err := r.aws.fetchObject(ctx, bucket, o.Key)
			if err != nil {
				problems = append(problems, err)
			} else if text != nil {
				return &found{"s3://" + bucket + "/" + o.Key, text}, looked, problems, nil
			}
		}
	}
	return nil, looked, problems, nil
}

// buckets are all that hold session logs of this stack, today's first.
func (r *run) buckets(places []sessiondoc.Location) (all []string) {
	var candidates []string
	for _, p := range places {
		candidates = append(candidates, p.Bucket)
	}
	for _, b := range slices.Concat(candidates, []string{r.current().Bucket}, r.outputs.KeptLogBuckets) {
		if b != "" && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

var s3URL = regexp.MustCompile(`^(?:s3://([^/]+)/|https://s3[.-][^/]+/([^/]+)/|https://([^/]+)\.s3[.-][^/]+/)(.+)$`)

// fromURL reads the place out of what DescribeSessions says, if it says anything.
func fromURL(url string) (sessiondoc.Location, bool) {
	m := s3URL.FindStringSubmatch(url)
	if m == nil {
		return sessiondoc.Location{}, false
	}
	prefix := path.Dir(m[4])
	if prefix == "." {
		prefix = ""
	}
	return sessiondoc.Location{Bucket: m[1] + m[2] + m[3], Prefix: prefix}, true
}

// firstDenied is the first of the problems that is a refusal.
func firstDenied(problems []error) error {
	if at := slices.IndexFunc(problems, isDenied); at >= 0 {
		return problems[at]
	}
	return nil
}
