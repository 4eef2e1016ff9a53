package sessions

import (
	"strconv"
	"time"
)

// entry is one session of the history. Times are RFC 3339 in UTC; what is not known reads unknown, and what has not
// happened yet is empty.
type entry struct {
	Session      string `json:"session"`
	Who          string `json:"who"`
	Owner        string `json:"owner"`
	Instance     string `json:"instance"`
	InstanceID   string `json:"instanceId"`
	Start        string `json:"start"`
	End          string `json:"end"`
	Seconds      string `json:"seconds"`
	Status       string `json:"status"`
	Details      string `json:"details"`
	Document     string `json:"document"`
	Reason       string `json:"reason"`
	Record       string `json:"record"`
	RecordedAt   string `json:"recordedAt"`
	Source       string `json:"source"`
	start, taken time.Time
}

var columns = []string{"session", "who", "owner", "instance", "instanceId", "start", "end", "seconds", "status", "details", "document", "reason", "record", "recordedAt", "source"}

func (e entry) values() []string {
	return []string{e.Session, e.Who, e.Owner, e.Instance, e.InstanceID, e.Start, e.End, e.Seconds, e.Status, e.Details, e.Document, e.Reason, e.Record, e.RecordedAt, e.Source}
}

func (h *historyRun) entry(s session) entry {
	e := entry{
		Session: s.SessionID, Who: s.who(), Owner: s.Owner, Instance: h.byID(s.Target).name, InstanceID: s.Target, Start: rfc(s.StartDate.Time), End: rfc(s.EndDate.Time),
		Status: s.Status, Details: s.Details, Document: s.DocumentName, Reason: s.Reason, Source: "aws", start: s.StartDate.Time,
	}
	end := s.EndDate.Time
	if end.IsZero() {
		end = h.now()
	}
	if !s.StartDate.IsZero() {
		e.Seconds = strconv.FormatInt(int64(end.Sub(s.StartDate.Time)/time.Second), 10)
	}
	switch {
	case s.OutputURL.S3OutputURL != "":
		e.Record = s.OutputURL.S3OutputURL
	case s.OutputURL.CloudWatchOutputURL != "":
		e.Record = s.OutputURL.CloudWatchOutputURL
	case s.Status == "Failed":
		e.Record = "none"
	case unrecorded(s.DocumentName):
		e.Record = "none"
	case s.DocumentName == "" || s.DocumentName == h.outputs.SessionDocument:
		e.Record = describe(h.places, s.SessionID)
	default:
		e.Record = unknown
	}
	return e
}

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
