// Package alert says which events of an account are worth an alert, as rules of
// Amazon EventBridge. Its functions are pure.
//
// The events are calls that CloudTrail records, so a trail that logs management
// events has to be on in the Region
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html).
package alert

import "encoding/json"

// Pattern is an event pattern: what every field of an event has to be. A field
// that is empty is not compared
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).
type Pattern struct {
	DetailType []string `json:"detail-type"`
	Detail     Detail   `json:"detail"`
}

// Detail are the fields of a CloudTrail record.
type Detail struct {
	EventSource       []string           `json:"eventSource,omitempty"`
	EventName         []Match            `json:"eventName,omitempty"`
	RequestParameters map[string][]Match `json:"requestParameters,omitempty"`
	Resources         map[string][]Match `json:"resources,omitempty"`
	UserIdentity      *UserIdentity      `json:"userIdentity,omitempty"`
}

// UserIdentity is who called, as far as a pattern compares it.
type UserIdentity struct {
	SessionContext SessionContext `json:"sessionContext"`
}

// SessionContext holds the role behind a session of temporary credentials.
type SessionContext struct {
	SessionIssuer map[string][]Match `json:"sessionIssuer"`
}

// JSON writes the pattern. It cannot fail: every part of a Pattern has a JSON
// form.
func (p Pattern) JSON() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("alert: an event pattern without a JSON form: " + err.Error())
	}
	return string(text)
}

// Match is what a field is compared with: one of its members is set. The zero
// value is a field that the event does not have.
type Match struct {
	Exactly  string
	Prefix   string
	Wildcard string   // * stands for any characters
	But      []string // any value but these; an event without the field does not match
}

// MarshalJSON writes the comparison as EventBridge reads it.
func (m Match) MarshalJSON() ([]byte, error) {
	switch {
	case m.Exactly != "":
		return json.Marshal(m.Exactly)
	case m.Prefix != "":
		return json.Marshal(map[string]string{"prefix": m.Prefix})
	case m.Wildcard != "":
		return json.Marshal(map[string]string{"wildcard": m.Wildcard})
	case m.But != nil:
		return json.Marshal(map[string][]string{"anything-but": m.But})
	}
	return json.Marshal(map[string]bool{"exists": false})
}

func exactly(values ...string) (matches []Match) {
	for _, v := range values {
		matches = append(matches, Match{Exactly: v})
	}
	return matches
}

func prefixes(values ...string) (matches []Match) {
	for _, v := range values {
		matches = append(matches, Match{Prefix: v})
	}
	return matches
}
