// Package audit compares the sessions that AWS knows with the session logs that
// exist, and reports what does not fit. It is given facts and makes no call.
// `make audit` reads them.
package audit

import (
	"path"
	"slices"
	"strings"
	"time"

	"private-ec2-access/internal/session"
)

// Facts are what AWS says about the sessions of a stack and their logs.
type Facts struct {
	// Now is when the sessions were listed. What is newer than that is left to
	// the next audit.
	Now time.Time
	// Since is the beginning of what is judged. The session history and the
	// session logs reach further back than that where a session did.
	Since time.Time
	// Account is the account's ID.
	Account string
	Region  string
	// Instances are those of the stack, by their IDs.
	Instances map[string]bool
	// EveryInstance judges the sessions on all instances of the account and Region.
	EveryInstance bool

	// Document is the stack's session document.
	Document string
	// Current are the log locations that the document names since ChangedAt.
	// Sessions that are older may have been logged to any location.
	Current   []session.Location
	ChangedAt time.Time
	// Locations are all of the stack's log locations, with Current among them.
	Locations []session.Location
	// Unread are the locations that could not be read.
	Unread []session.Location
	// Idle is after how much time without input or output a session ends.
	Idle time.Duration
	// ReasonRequired: each session has to have a reason.
	ReasonRequired bool
	// Tunnels are the stack's own documents that forward a port.
	Tunnels []string
	// Alerts: the stack sends alerts about events that CloudTrail delivers.
	Alerts bool
	// Trails are those that log events of the Region or the account. They are
	// judged only if TrailsRead.
	Trails     []Trail
	TrailsRead bool
	// Allowed are documents whose sessions and commands are not reported.
	Allowed []string

	Sessions []Session
	Objects  []Object
	Streams  []Stream
	Commands []Command
	Events   []Event
	// Versioning is that of each bucket: Enabled, Suspended, or empty where it never was enabled.
	Versioning map[string]string
}

// Session is one of the session history.
type Session struct {
	ID, Owner, Target, Document, Status, Reason string
	Start, End                                  time.Time // End is zero while it is open
	Active                                      bool
}

// Object is one version of an object in a bucket, or a delete marker.
type Object struct {
	Bucket, Key, Version string
	At                   time.Time
	Size                 int64
	Deleted              bool
}

func (o Object) where() string { return "s3://" + o.Bucket + "/" + o.Key }

// Stream is a log stream, whose name is a session's ID.
type Stream struct {
	Group, Name string
	Created     time.Time
	Last        time.Time // its last event; zero if it has none
}

// Command is a command of Run Command on one instance.
type Command struct {
	ID, Instance, Document string
	At                     time.Time
}

// Event is one of CloudTrail's events that succeeded.
type Event struct {
	Name, Owner string
	At          time.Time
	// Session and Command are the IDs in the answer, where there are any.
	Session, Command string
	Document         string
	// Instances are the stack's instances that the request names.
	Instances []string
}

// Trail is one of CloudTrail's.
type Trail struct {
	Name, HomeRegion string
	EveryRegion      bool // it logs the events of all Regions
	Logging          bool
	// ManagementWrites: its event selectors include management events that write.
	ManagementWrites bool
}

const (
	// settling is how long after the end of a session its log may take.
	settling = 15 * time.Minute
	// Late is after how much time a log is not the one that the agent uploads at the end of a session.
	Late = time.Hour
	// slack is how much older than the end of its session a log may be.
	slack = time.Minute
	// History is how long AWS keeps the session history.
	History = 30 * 24 * time.Hour
	// longest is how long a session may last that is no longer in the history while its log is new.
	longest = 24 * time.Hour
	// longestIdle is the longest idleSessionTimeout that AWS allows.
	longestIdle = time.Hour
)

// ours tells whether a session ran under the stack's session document.
func (f *Facts) ours(s Session) bool {
	return f.document(s.Document) == f.Document
}

// document is a document's name. The name in an ARN is that of the document
// only if the account is this one: another account's document can be shared.
func (f *Facts) document(name string) string {
	if name == "" {
		return session.DefaultDocument
	}
	if parts := strings.SplitN(name, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[4] == f.Account {
		return strings.TrimPrefix(parts[5], "document/")
	}
	return name
}

func (f *Facts) allowed(document string) bool {
	return slices.Contains(f.Allowed, f.document(document))
}

// Targets adds the instances that sessions under the stack's document were
// opened on: replaced ones, and those that were given the instance profile.
func (f *Facts) Targets() {
	for _, s := range f.Sessions {
		if f.ours(s) {
			f.Instances[s.Target] = true
		}
	}
}

// onStack tells whether an instance is judged.
func (f *Facts) onStack(instance string) bool { return f.EveryInstance || f.Instances[instance] }

// judged tells whether a session belongs to the time that is judged.
func (f *Facts) judged(s Session) bool {
	return s.Active || !s.Start.Before(f.Since) || !s.End.Before(f.Since)
}

// underCurrent tells whether a session started under the settings of today.
// It takes a moment until a new version of the document is the default one.
func (f *Facts) underCurrent(s Session) bool {
	return !f.ChangedAt.IsZero() && s.Start.After(f.ChangedAt.Add(5*time.Minute))
}

// settled tells whether a session has ended so long ago that its log is there.
func (f *Facts) settled(s Session) bool {
	return !s.Active && f.Now.Sub(f.ended(s)) >= settling
}

// ended is when a session ended; where AWS does not say it, its start.
func (f *Facts) ended(s Session) time.Time {
	if s.End.IsZero() {
		return s.Start
	}
	return s.End
}

// StopsEarly tells whether the last event of a stream is so old that the
// session went on without being logged. A session in which nothing is typed or
// shown ends when it has been idle, so its stream cannot be silent for longer.
func (f *Facts) StopsEarly(s Session, t Stream) bool {
	idle := longestIdle
	if f.underCurrent(s) && f.Idle > 0 {
		idle = f.Idle
	}
	return !s.End.IsZero() && t.Last.Before(s.End.Add(-idle-2*slack))
}

// NeedsLog tells whether a session has to have a session log by now.
func (f *Facts) NeedsLog(s Session) bool {
	return f.judged(s) && f.ours(s) && s.Status != "Failed" && f.settled(s)
}

// logged are the logs of one session.
type logged struct {
	objects []Object // the oldest first
	streams []Stream
}

// keyOf is the name of a session's log in a bucket.
func keyOf(id string) string { return path.Base(session.Location{}.Key(id)) }

// logs are the session logs by the name of their object.
func (f *Facts) logs() map[string]*logged {
	all := map[string]*logged{}
	at := func(name string) *logged {
		if all[name] == nil {
			all[name] = &logged{}
		}
		return all[name]
	}
	for _, o := range f.Objects {
		if !o.At.After(f.Now) {
			l := at(path.Base(o.Key))
			l.objects = append(l.objects, o)
		}
	}
	for _, t := range f.Streams {
		l := at(keyOf(t.Name))
		l.streams = append(l.streams, t)
	}
	for _, l := range all {
		slices.SortStableFunc(l.objects, func(a, b Object) int { return a.At.Compare(b.At) })
	}
	return all
}

// WithoutLog are the sessions that have to have a session log and have none.
func (f *Facts) WithoutLog() []Session {
	logs := f.logs()
	var without []Session
	for _, s := range f.Sessions {
		if f.NeedsLog(s) && logs[keyOf(s.ID)] == nil {
			without = append(without, s)
		}
	}
	return without
}
