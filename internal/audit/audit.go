package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"private-ec2-access/internal/session"
)

// Kind is what is wrong.
type Kind string

// The kinds of findings.
const (
	NoLog          Kind = "no-log"
	LogDeleted     Kind = "log-deleted"
	LogOverwritten Kind = "log-overwritten"
	LogTooEarly    Kind = "log-too-early"
	LogTooLate     Kind = "log-too-late"
	LogWhileOpen   Kind = "log-while-open"
	LogEmpty       Kind = "log-empty"
	LogUnversioned Kind = "log-unversioned"
	LogMisplaced   Kind = "log-misplaced"
	LogTwice       Kind = "log-twice"
	CopyMissing    Kind = "copy-missing"
	StreamStopped  Kind = "stream-stopped"
	NoSession      Kind = "no-session"
	NotInHistory   Kind = "not-in-history"
	NoReason       Kind = "no-reason"
	OtherDocument  Kind = "other-document"
	Tunnel         Kind = "tunnel"
	RunCommand     Kind = "run-command"
	OtherAccess    Kind = "other-access"
	NoTrail        Kind = "no-trail"
)

// Finding is one thing that does not fit. What is not known is empty.
type Finding struct {
	Kind     Kind
	Session  string
	Owner    string
	Instance string
	Document string
	At       time.Time
	Where    string
	Text     string
}

// Report is the result of an audit.
type Report struct {
	Findings []Finding // the newest first
	// Sessions are how many were judged. Each is in one of the numbers that follow.
	Sessions int
	// Logged are those whose log is there and is as it should be.
	Logged int
	// WithFindings are those that a finding is about.
	WithFindings int
	// Open are the sessions that have not ended, Refused those that never opened.
	Open, Refused int
	// Settling are those that have ended and whose log, or a copy of it, may still come.
	Settling int
	// Undecided are the sessions whose log may be where it could not be read.
	Undecided int
	// Tunnels are the sessions under the stack's own documents that forward a
	// port, as its config allows. They have no log.
	Tunnels int
}

// Judge compares the facts.
func Judge(f Facts) Report {
	j := &judge{Facts: f, logs: f.logs(), known: map[string]bool{}}
	for _, s := range f.Sessions {
		j.known[keyOf(s.ID)] = true
	}
	for _, e := range f.Events {
		if e.Session != "" {
			j.started = append(j.started, e)
		}
	}
	for _, s := range f.Sessions {
		if f.judged(s) {
			j.session(s)
		}
	}
	j.unlisted()
	j.withoutSession()
	j.commands()
	j.access()
	j.trail()
	slices.SortStableFunc(j.report.Findings, func(a, b Finding) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Kind, b.Kind))
	})
	return j.report
}

type judge struct {
	Facts
	logs map[string]*logged
	// known are the names of the logs of all sessions in the history.
	known map[string]bool
	// started are CloudTrail's events of sessions.
	started []Event
	report  Report
}

func (j *judge) find(f Finding) { j.report.Findings = append(j.report.Findings, f) }

func (j *judge) session(s Session) {
	found := func(kind Kind, at time.Time, where, format string, args ...any) {
		j.find(Finding{Kind: kind, Session: s.ID, Owner: s.Owner, Instance: s.Target, Document: j.document(s.Document), At: at, Where: where, Text: fmt.Sprintf(format, args...)})
	}
	if !j.ours(s) {
		switch document := j.document(s.Document); {
		case !j.onStack(s.Target) || s.Status == "Failed" || j.allowed(s.Document):
		case slices.Contains(j.Tunnels, document):
			j.report.Tunnels++
		case session.Unlogged(document):
			found(Tunnel, s.Start, "", "port forwarding or SSH, which Session Manager does not log")
		default:
			found(OtherDocument, s.Start, "", "the session ran under %s, so it is logged where that document says, or not at all", document)
		}
		return
	}
	j.report.Sessions++
	before := len(j.report.Findings)
	if j.ReasonRequired && s.Reason == "" && s.Status != "Failed" {
		found(NoReason, s.Start, "", "the session has no reason, although the stack requires one")
	}
	logs := j.logs[keyOf(s.ID)]
	if logs == nil {
		logs = &logged{}
	}
	var kind *int
	switch {
	case s.Active:
		kind = &j.report.Open
		if s.Status != "Terminating" && s.Status != "Terminated" {
			for _, o := range logs.objects {
				if o.At.After(j.Now.Add(-slack)) { // the agent reports the end after it has written the log; the next audit knows
					continue
				}
				found(LogWhileOpen, o.At, o.where(), "an object was written at %s, and the session has not ended; the agent writes after the end", stamp(o.At))
			}
		}
	case s.Status == "Failed":
		kind = &j.report.Refused
	default:
		j.objects(s, logs.objects, found)
		kind = j.copies(s, logs, found)
	}
	if before < len(j.report.Findings) {
		kind = &j.report.WithFindings
	}
	*kind++
}

type finder func(kind Kind, at time.Time, where, format string, args ...any)

// objects judges the versions of a session's log in S3.
func (j *judge) objects(s Session, versions []Object, found finder) {
	byKey := map[string][]Object{}
	var keys []string
	for _, o := range versions {
		where := o.where()
		if byKey[where] == nil {
			keys = append(keys, where)
		}
		byKey[where] = append(byKey[where], o)
	}
	if len(keys) > 1 {
		found(LogTwice, versions[len(versions)-1].At, strings.Join(keys, " "), "%d objects; the agent writes one", len(keys))
	}
	for _, where := range keys {
		all := byKey[where]
		first, last := all[0], all[len(all)-1]
		switch {
		case last.Deleted:
			found(LogDeleted, last.At, where, "deleted at %s", stamp(last.At))
		case len(all) > 1:
			found(LogOverwritten, last.At, where, "%d versions; the agent writes one", len(all))
		}
		if !s.End.IsZero() && first.At.Before(s.End.Add(-slack)) {
			found(LogTooEarly, first.At, where, "written at %s, before the session ended at %s; the agent writes after the end", stamp(first.At), stamp(s.End))
		}
		if !s.End.IsZero() && first.At.After(s.End.Add(Late)) {
			found(LogTooLate, first.At, where, "written at %s, long after the session ended at %s", stamp(first.At), stamp(s.End))
		}
		if !last.Deleted && last.Size == 0 {
			found(LogEmpty, last.At, where, "0 bytes; a shell shows a prompt at least")
		}
		if last.Version == "null" && j.Versioning[last.Bucket] != "" {
			found(LogUnversioned, last.At, where, "written while the versioning of the bucket was suspended, so an earlier version may have been overwritten")
		}
		if j.misplaced(last, s.ID) {
			found(LogMisplaced, last.At, where, "instances may write there, but no session document of the stack names this location")
		}
	}
}

// misplaced tells whether an object is where instances may write, but not where
// a session document puts a session log. An object elsewhere in the bucket is
// of a log location that was removed from the config.
func (j *judge) misplaced(o Object, id string) bool {
	inside := false
	for _, l := range j.Locations {
		if l.Bucket != o.Bucket {
			continue
		}
		if l.Key(id) == o.Key {
			return false
		}
		inside = inside || strings.HasPrefix(o.Key, strings.TrimPrefix(l.Prefix+"/", "/"))
	}
	return inside
}

// copies judges whether a session is logged in each location that it should be, and returns the number that it belongs to unless
// something is found.
func (j *judge) copies(s Session, logs *logged, found finder) *int {
	for _, t := range logs.streams {
		if !t.Last.IsZero() && j.StopsEarly(s, t) {
			found(StreamStopped, t.Last, "log group "+t.Group, "the last event is of %s, and the session ended at %s", stamp(t.Last), stamp(s.End))
		}
	}
	hasStream := func(group string) bool {
		return slices.ContainsFunc(logs.streams, func(t Stream) bool { return (group == "" || t.Group == group) && !t.Last.IsZero() })
	}
	if len(logs.objects) == 0 && !hasStream("") {
		switch {
		case !j.settled(s):
			return &j.report.Settling
		case len(j.Unread) > 0:
			return &j.report.Undecided
		}
		found(NoLog, j.ended(s), strings.Join(j.expected(s), " "), "the session ended at %s, and there is no session log", stamp(j.ended(s)))
		return nil
	}
	if !j.underCurrent(s) {
		return &j.report.Logged
	}
	for _, l := range j.Current {
		there := hasStream(l.LogGroup)
		if l.Bucket != "" {
			// A deleted log is reported as that.
			there = slices.ContainsFunc(logs.objects, func(o Object) bool { return o.Bucket == l.Bucket })
		}
		switch {
		case there || slices.Contains(j.Unread, l):
		case !j.settled(s):
			return &j.report.Settling
		default:
			found(CopyMissing, j.ended(s), l.String(), "the session is logged elsewhere, but not in this location")
		}
	}
	return &j.report.Logged
}

// expected are the locations in which the log of a session should be.
func (j *judge) expected(s Session) []string {
	if !j.underCurrent(s) {
		return nil
	}
	var where []string
	for _, l := range j.Current {
		if l.LogGroup != "" {
			where = append(where, l.String())
		} else {
			where = append(where, "s3://"+l.Bucket+"/"+l.Key(s.ID))
		}
	}
	return where
}

// oldest is since when each session is in the history whose log is new.
func (j *judge) oldest() time.Time {
	if inHistory := j.Now.Add(longest - History); inHistory.After(j.Since) {
		return inHistory
	}
	return j.Since
}

// unlisted reports the sessions that CloudTrail has and the history has not.
func (j *judge) unlisted() {
	for _, e := range j.started {
		mine := j.document(e.Document) == j.Document || j.EveryInstance || len(e.Instances) > 0
		if e.Name != "StartSession" || j.known[keyOf(e.Session)] || !mine || j.allowed(e.Document) || e.At.Before(j.oldest()) || e.At.After(j.Now.Add(-settling)) {
			continue
		}
		j.find(Finding{Kind: NotInHistory, Session: e.Session, Owner: e.Owner, Instance: first(e.Instances), Document: j.document(e.Document), At: e.At, Where: "CloudTrail",
			Text: "CloudTrail has the start of this session, and the session history does not have it"})
	}
}

// withoutSession reports new session logs of sessions that AWS does not know.
func (j *judge) withoutSession() {
	started := map[string]bool{}
	for _, e := range j.started {
		started[keyOf(e.Session)] = true
	}
	for name, l := range j.logs {
		id, is := session.LogID(name)
		if !is || j.known[name] || started[name] {
			continue
		}
		for _, o := range l.objects {
			if j.atLocation(o) && !o.At.Before(j.oldest()) {
				j.find(Finding{Kind: NoSession, Session: id, At: o.At, Where: o.where(), Text: "a session log, but AWS knows no such session"})
				break
			}
		}
		for _, t := range l.streams {
			if !t.Created.Before(j.oldest()) && !t.Created.After(j.Now) {
				j.find(Finding{Kind: NoSession, Session: id, At: t.Created, Where: "log group " + t.Group, Text: "a session log, but AWS knows no such session"})
			}
		}
	}
}

// atLocation tells whether an object is under a log location of the stack.
func (j *judge) atLocation(o Object) bool {
	return slices.ContainsFunc(j.Locations, func(l session.Location) bool {
		return l.Bucket == o.Bucket && strings.HasPrefix(o.Key, strings.TrimPrefix(l.Prefix+"/", "/"))
	})
}

// commands reports the commands that ran on the stack's instances, each once.
func (j *judge) commands() {
	owners := map[string]string{}
	for _, e := range j.Events {
		if e.Command != "" {
			owners[e.Command] = e.Owner
		}
	}
	var ids []string
	on := map[string][]Command{}
	for _, c := range j.Commands {
		if !j.onStack(c.Instance) || c.At.Before(j.Since) || j.allowed(c.Document) {
			continue
		}
		if on[c.ID] == nil {
			ids = append(ids, c.ID)
		}
		on[c.ID] = append(on[c.ID], c)
	}
	for _, id := range ids {
		c := on[id][0]
		text := "Run Command, which leaves no session log"
		if n := len(on[id]); n > 1 {
			text += fmt.Sprintf("; on %d instances", n)
		}
		j.find(Finding{Kind: RunCommand, Owner: owners[id], Instance: c.Instance, Document: c.Document, At: c.At, Where: "command " + id, Text: text})
	}
}

// accesses are the requests that reach an instance beside Session Manager, by their events.
var accesses = map[string]string{
	"SendSSHPublicKey":              "EC2 Instance Connect: SSH, which leaves no session log",
	"SendSerialConsoleSSHPublicKey": "the EC2 serial console, which leaves no session log",
	"OpenTunnel":                    "EC2 Instance Connect Endpoint: a tunnel, which leaves no session log",
	"CreateAssociation":             "State Manager: an association runs commands and leaves no session log",
	"CreateAssociationBatch":        "State Manager: an association runs commands and leaves no session log",
	"UpdateAssociation":             "State Manager: an association runs commands and leaves no session log",
	"StartAutomationExecution":      "Automation, which leaves no session log",
}

// EventNames are the events of CloudTrail that an audit needs.
func EventNames() []string {
	names := []string{"StartSession", "SendCommand"}
	for name := range accesses {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (j *judge) access() {
	for _, e := range j.Events {
		text, is := accesses[e.Name]
		if !is || len(e.Instances) == 0 && !j.EveryInstance || e.At.Before(j.Since) || e.At.After(j.Now) || e.Document != "" && j.allowed(e.Document) {
			continue
		}
		j.find(Finding{Kind: OtherAccess, Owner: e.Owner, Instance: first(e.Instances), Document: e.Document, At: e.At, Where: "CloudTrail, " + e.Name, Text: text})
	}
}

// trail reports that no alert can arrive: EventBridge gets the calls that a
// trail logs, and no others.
func (j *judge) trail() {
	if !j.Alerts || !j.TrailsRead || slices.ContainsFunc(j.Trails, j.alertsBy) {
		return
	}
	text := "the account has no trail in this Region"
	if len(j.Trails) > 0 {
		var names []string
		for _, t := range j.Trails {
			names = append(names, t.Name+" "+j.whyNot(t))
		}
		text = strings.Join(names, "; ")
	}
	j.find(Finding{Kind: NoTrail, At: j.Now, Where: "CloudTrail", Text: "no alert of the stack can arrive: " + text})
}

func (j *judge) alertsBy(t Trail) bool { return j.whyNot(t) == "" }

// whyNot says why the calls that alerts are about do not reach EventBridge
// through a trail; empty: they do.
func (j *judge) whyNot(t Trail) string {
	switch {
	case !t.EveryRegion && t.HomeRegion != j.Region:
		return "logs only " + t.HomeRegion
	case !t.Logging:
		return "is stopped"
	case !t.ManagementWrites:
		return "logs no management events that write"
	}
	return ""
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
