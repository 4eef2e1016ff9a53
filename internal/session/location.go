package session

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Location is a log location: a prefix of a bucket, or a
// log group.
type Location struct {
	Bucket   string
	Prefix   string // without slashes at its ends
	LogGroup string
}

const number = `-[0-9a-z]{10,32}`

var (
	wholeID  = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]+` + number + `$`)
	logName  = regexp.MustCompile(`^(.+` + number + `)\.log$`)
	inBucket = regexp.MustCompile(`^s3://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])(?:/([A-Za-z0-9!_.*'()/-]*))?$`)
	inGroup  = regexp.MustCompile(`^log-group:([A-Za-z0-9_/.#-]{1,512})$`)
)

// ParseLocation reads what String writes.
func ParseLocation(text string) (Location, error) {
	if found := inBucket.FindStringSubmatch(text); found != nil {
		return Location{Bucket: found[1], Prefix: strings.Trim(found[2], "/")}, nil
	}
	if found := inGroup.FindStringSubmatch(text); found != nil {
		return Location{LogGroup: found[1]}, nil
	}
	return Location{}, fmt.Errorf("%q is neither s3://BUCKET/PREFIX nor log-group:NAME", text)
}

func (l Location) String() string {
	switch {
	case l.LogGroup != "":
		return "log-group:" + l.LogGroup
	case l.Prefix == "":
		return "s3://" + l.Bucket
	}
	return "s3://" + l.Bucket + "/" + l.Prefix
}

// Key is the object key of a session's log in a bucket. The agent leaves colons
// out of keys.
func (l Location) Key(sessionID string) string {
	return path.Join(l.Prefix, strings.ReplaceAll(sessionID, ":", "")+".log")
}

// IsID tells whether a text is a session's ID: the name of a user or of a role's
// session, and a number.
func IsID(text string) bool { return wholeID.MatchString(text) }

// LogID is the ID in the key of a session log. Who writes the key chooses the
// name in it.
func LogID(key string) (id string, ok bool) {
	found := logName.FindStringSubmatch(path.Base(key))
	if found == nil {
		return "", false
	}
	return found[1], true
}
