package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// object is one of a bucket's listing.
type object struct {
	Key          string
	LastModified stamp
	Size         int64
}

// readByCLI are values of options that the AWS CLI replaces with the content of a file or a URL.
var readByCLI = regexp.MustCompile(`(?i)^(?:fileb?|https?)://`)

// fetchObject reads a version of an object, the newest if none is named; nil if it is not there.
func (c *client) fetchObject(ctx context.Context, bucket, key, version, owner string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "record-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "log")
	// This operation takes no JSON. A value after = is never taken for an option.
	options := []string{"--bucket=" + bucket, "--key=" + key}
	if owner != "" {
		options = append(options, "--expected-bucket-owner="+owner)
	}
	if version != "" {
		options = append(options, "--version-id="+version)
	}
	for _, o := range options {
		if _, value, _ := strings.Cut(o, "="); readByCLI.MatchString(value) {
			return nil, fmt.Errorf("s3://%s/%s is not read: the AWS CLI would take %q for a file or a URL", bucket, key, value)
		}
	}
	err = c.call(ctx, nil, "s3api", "get-object", nil, append(options, file)...)
	if isAbsent(err) {
		return nil, nil
	} else if err != nil {
		var failed *callError
		if errors.As(err, &failed) {
			failed.bucket, failed.folder = bucket, strings.TrimSuffix(key, path.Base(key))
		}
		return nil, err
	}
	return os.ReadFile(file)
}

// inBucket names a bucket and the account that has to own it; empty: any.
func inBucket(bucket, owner string) input {
	in := input{"Bucket": bucket}
	if owner != "" {
		in["ExpectedBucketOwner"] = owner
	}
	return in
}

// streamed is what a log stream holds.
type streamed struct {
	text        []byte
	first, last time.Time
}

// fetchStream reads a log stream to its end, and makes a transcript of the events that an agent streams. First and last are
// when CloudWatch Logs received the events; who writes an event cannot choose them. The text is nil if there is none.
func (c *client) fetchStream(ctx context.Context, group, stream string) (read streamed, err error) {
	const bound = 10_000
	var text bytes.Buffer
	token, any := "", false
	for range bound {
		in := input{"logGroupName": group, "logStreamName": stream, "startFromHead": true}
		if token != "" {
			in["nextToken"] = token
		}
		var page struct {
			Events []struct {
				Message       string
				IngestionTime int64 // in milliseconds since 1970
			}
			NextForwardToken string
		}
		err := c.call(ctx, &page, "logs", "get-log-events", in, "--no-paginate")
		if isAbsent(err) {
			return streamed{}, nil
		} else if err != nil {
			return streamed{}, err
		}
		for _, e := range page.Events {
			any = true
			if at := time.UnixMilli(e.IngestionTime).UTC(); e.IngestionTime > 0 {
				if read.first.IsZero() || at.Before(read.first) {
					read.first = at
				}
				if at.After(read.last) {
					read.last = at
				}
			}
			text.WriteString(transcript(e.Message))
		}
		if page.NextForwardToken == token || page.NextForwardToken == "" {
			if !any {
				return streamed{}, nil
			}
			read.text = text.Bytes()
			return read, nil
		}
		token = page.NextForwardToken
	}
	return streamed{}, fmt.Errorf("the stream %s of %s goes on after %d pages", stream, group, bound)
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

// list reads the keys of a bucket, and keeps those that are wanted.
func (c *client) list(ctx context.Context, bucket, owner string, wanted func(key string) bool) (all []object, err error) {
	err = pages(ctx, c, "s3api", "list-objects-v2", inBucket(bucket, owner), 1000, func(answer struct{ Contents []object }) bool {
		for _, o := range answer.Contents {
			if wanted(o.Key) {
				all = append(all, o)
			}
		}
		return true
	})
	return all, err
}
