package sessions

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Status of a session, as DescribeSessions says it.
const (
	statusConnecting  = "Connecting"
	statusConnected   = "Connected"
	statusTerminating = "Terminating"
	statusTerminated  = "Terminated"
	statusFailed      = "Failed"
)

// kept is how long the history answers for.
const kept = 30 * 24 * time.Hour

// Session is one entry of DescribeSessions. Region says where it is listed; entries without one are listed everywhere.
type Session struct {
	SessionID          string     `json:"SessionId"`
	Target             string     `json:"Target,omitempty"`
	Status             string     `json:"Status,omitempty"`
	StartDate          Time       `json:"StartDate,omitzero"`
	EndDate            Time       `json:"EndDate,omitzero"`
	DocumentName       string     `json:"DocumentName,omitempty"`
	Owner              string     `json:"Owner,omitempty"`
	Reason             string     `json:"Reason,omitempty"`
	Details            string     `json:"Details,omitempty"`
	OutputURL          *OutputURL `json:"OutputUrl,omitempty"`
	MaxSessionDuration string     `json:"MaxSessionDuration,omitempty"`
	AccessType         string     `json:"AccessType,omitempty"`
	Region             string     `json:"-"`
}

// OutputURL says where the agent believes that it put the record: also where the upload was refused.
type OutputURL struct {
	S3OutputURL         string `json:"S3OutputUrl,omitempty"`
	CloudWatchOutputURL string `json:"CloudWatchOutputUrl,omitempty"`
}

// Time is a time in the JSON protocol: seconds since 1970.
type Time struct{ time.Time }

// MarshalJSON writes seconds, with milliseconds behind the point.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads seconds, and RFC 3339 for what people write.
func (t *Time) UnmarshalJSON(text []byte) error {
	var seconds float64
	if json.Unmarshal(text, &seconds) == nil {
		t.Time = time.UnixMilli(int64(seconds * 1000))
		return nil
	}
	return json.Unmarshal(text, &t.Time)
}

// Seed adds entries to the history, as if the sessions had been. Status and StartDate have defaults: ended an hour ago.
func (s *Service) Seed(entries []Session) error {
	for i, e := range entries {
		if e.SessionID == "" {
			return fmt.Errorf("entry %d has no SessionId", i)
		}
		if e.Status == "" {
			entries[i].Status = statusTerminated
		}
		if e.StartDate.IsZero() {
			entries[i].StartDate = Time{time.Now().Add(-time.Hour)}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = append(s.past, entries...)
	return nil
}

// active tells whether a session of this status is in the list of active ones. A terminating one is: its record has not
// been dealt with yet.
func active(status string) bool {
	return slices.Contains([]string{statusConnecting, statusConnected, statusTerminating, "Disconnected"}, status)
}

// list returns the sessions of a Region, the newest first.
func (s *Service) list(region, state string) []Session {
	s.mu.Lock()
	all := slices.Clone(s.past)
	for _, l := range s.live {
		all = append(all, l.snapshot())
	}
	s.mu.Unlock()
	oldest := time.Now().Add(-kept)
	all = slices.DeleteFunc(all, func(e Session) bool {
		return e.Region != "" && e.Region != region || active(e.Status) != (state == "Active") || state == "History" && e.StartDate.Before(oldest)
	})
	slices.SortFunc(all, newestFirst)
	return all
}

func newestFirst(a, b Session) int {
	return cmp.Or(b.StartDate.Compare(a.StartDate.Time), cmp.Compare(a.SessionID, b.SessionID))
}

type filter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type describeSessions struct {
	State      string   `json:"State"`
	MaxResults *int     `json:"MaxResults"`
	NextToken  string   `json:"NextToken"`
	Filters    []filter `json:"Filters"`
}

// describeSessions answers one page.
func (s *Service) describeSessions(c Call) (any, error) {
	var in describeSessions
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.State != "Active" && in.State != "History" {
		return nil, invalid("state", in.State, "Member must satisfy enum value set: [Active, History]")
	}
	most := 50
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > 200 {
			return nil, invalid("maxResults", strconv.Itoa(most), "Member must be between 1 and 200")
		}
	}
	if len(in.Filters) > 6 {
		return nil, invalid("filters", fmt.Sprint(in.Filters), "Member must have length less than or equal to 6")
	}
	all := s.list(c.Region, in.State)
	for _, f := range in.Filters {
		matches, err := f.test()
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(e Session) bool { return !matches(e) })
	}
	if in.NextToken != "" {
		last, err := readToken(in.NextToken)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(e Session) bool { return newestFirst(e, last) <= 0 })
	}
	page := all[:min(most, len(all))]
	out := map[string]any{"Sessions": append([]Session{}, page...)}
	if len(page) < len(all) {
		out["NextToken"] = writeToken(page[len(page)-1])
	}
	return out, nil
}

// test makes a filter's test.
func (f filter) test() (func(Session) bool, error) {
	if f.Value == "" {
		return nil, invalid("filters.value", f.Value, "Member must have length greater than or equal to 1")
	}
	is := func(of func(Session) string) func(Session) bool {
		return func(e Session) bool { return of(e) == f.Value }
	}
	switch f.Key {
	case "Target":
		return is(func(e Session) string { return e.Target }), nil
	case "Owner":
		return is(func(e Session) string { return e.Owner }), nil
	case "Status":
		return is(func(e Session) string { return e.Status }), nil
	case "SessionId":
		return is(func(e Session) string { return e.SessionID }), nil
	case "AccessType":
		return is(func(e Session) string { return e.AccessType }), nil
	case "InvokedAfter", "InvokedBefore":
		limit, err := time.Parse(time.RFC3339, f.Value)
		if err != nil {
			return nil, &Error{"ValidationException", fmt.Sprintf("%s %q is not a time like 2018-08-29T00:00:00Z", f.Key, f.Value)}
		}
		if f.Key == "InvokedAfter" {
			return func(e Session) bool { return e.StartDate.After(limit) }, nil
		}
		return func(e Session) bool { return e.StartDate.Before(limit) }, nil
	}
	return nil, &Error{"InvalidFilterKey", "The specified filter key is not valid: " + f.Key}
}

// A token is the last entry of the page before, so that sessions that begin meanwhile shift no page.
func writeToken(last Session) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.StartDate.UnixNano(), last.SessionID))
}

func readToken(token string) (Session, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	nanoseconds, id, found := strings.Cut(string(text), " ")
	at, numberErr := strconv.ParseInt(nanoseconds, 10, 64)
	if err != nil || numberErr != nil || !found {
		return Session{}, &Error{"InvalidNextToken", "The specified token is not valid."}
	}
	return Session{SessionID: id, StartDate: Time{time.Unix(0, at)}}, nil
}
