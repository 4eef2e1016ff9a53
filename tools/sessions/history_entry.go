package sessions

import (
	"strconv"
	"strings"
	"time"
)

// entry is one session of the history. Times are RFC 3339 in UTC; what is not known reads unknown, and what has not
// happened yet is empty.
type entry struct {
	Session      string   `json:"session"`
	Who          string   `json:"who"`
	Owner        string   `json:"owner"`
	Instance     string   `json:"instance"`
	InstanceID   string   `json:"instanceId"`
	Start        string   `json:"start"`
	End          string   `json:"end"`
	Seconds      *int64   `json:"seconds"` // null: unknown
	Status       string   `json:"status"`
	Details      string   `json:"details"`
	Document     string   `json:"document"`
	Reason       string   `json:"reason"`
	Logs         []string `json:"logs"` // every log location; null: unknown
	RecordedAt   string   `json:"recordedAt"`
	Source       string   `json:"source"`
	start, taken time.Time
	unlogged     bool // it forwarded a port
}

// columns are those of CSV, which has all log locations in one.
var columns = []string{"session", "who", "owner", "instance", "instanceId", "start", "end", "seconds", "status", "details", "document", "reason", "logs", "recordedAt", "source"}

func (e entry) cells() []string {
	all := []string{e.Session, e.Who, e.Owner, e.Instance, e.InstanceID, e.Start, e.End, e.seconds(), e.Status, e.Details, e.Document, e.Reason, e.record(), e.RecordedAt, e.Source}
	for i := range all {
		all[i] = cell(all[i])
	}
	return all
}

func (e entry) seconds() string {
	switch {
	case e.Seconds != nil:
		return strconv.FormatInt(*e.Seconds, 10)
	case e.Source == "archive":
		return unknown
	}
	return ""
}

// record is the log locations in one text.
func (e entry) record() string {
	switch {
	case e.Logs == nil:
		return unknown
	case e.unlogged:
		return "none: port forwarding"
	case len(e.Logs) == 0:
		return "none"
	}
	return strings.Join(e.Logs, " and ")
}

func (h *historyRun) entry(s session) entry {
	e := entry{
		Session: s.SessionID, Who: s.who(), Owner: s.Owner, Instance: h.byID(s.Target).name, InstanceID: s.Target, Start: rfc(s.StartDate.Time), End: rfc(s.EndDate.Time),
		Status: s.Status, Details: s.Details, Document: s.DocumentName, Reason: givenReason(s.Reason), Source: "aws", start: s.StartDate.Time,
	}
	end := s.EndDate.Time
	if end.IsZero() {
		end = h.now()
	}
	if !s.StartDate.IsZero() {
		seconds := int64(end.Sub(s.StartDate.Time) / time.Second)
		e.Seconds = &seconds
	}
	for _, url := range []string{s.OutputURL.S3OutputURL, s.OutputURL.CloudWatchOutputURL} {
		if url != "" {
			e.Logs = append(e.Logs, url)
		}
	}
	switch {
	case e.Logs != nil:
	case s.Status == "Failed":
		e.Logs = []string{}
	case h.unrecorded(s):
		e.Logs, e.unlogged = []string{}, true
	case h.underDocument(s):
		e.Logs = []string{}
		for _, l := range h.places {
			e.Logs = append(e.Logs, logOf(l, s.SessionID))
		}
	}
	return e
}

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
