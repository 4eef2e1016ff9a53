package reach

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Policy is one policy of a role, or of an endpoint.
type Policy struct {
	// Name is how a person finds it: an ARN, or the name of an inline policy.
	Name string
	// Document is its JSON.
	Document string
}

type statement struct {
	Effect    string
	Principal json.RawMessage // of a policy that belongs to a resource
	Action    oneOrMore
	NotAction oneOrMore
	Resource  oneOrMore
	Condition map[string]map[string]oneOrMore
}

// oneOrMore reads what a policy may write as a text or as a list of texts.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	var more []string
	if json.Unmarshal(text, &more) == nil {
		*o = more
		return nil
	}
	*o = oneOrMore{string(text)} // a number or a boolean, in a condition
	return nil
}

// allows evaluates simply: an Allow for every resource and without a condition that could be false allows; a Deny that is
// as plain forbids; what depends on conditions or resources is unknown. The account's own id is the
// one condition that is known to hold.
func allows(policies []Policy, account, action string) Status {
	return allowsOn(policies, account, action, "*")
}

// notAllowed sorts out the actions that a judgement does not allow, and those that it cannot tell about.
func notAllowed(actions []string, judge func(action string) Status) (missing, unsure []string) {
	for _, action := range actions {
		switch judge(action) {
		case Missing:
			missing = append(missing, action)
		case Unknown:
			unsure = append(unsure, action)
		case OK:
		}
	}
	return missing, unsure
}

// allowsOn does so for one resource, an ARN; * stands for every one.
func allowsOn(policies []Policy, account, action, resource string) Status {
	allowed, perhaps, unless := false, false, false
	for _, p := range policies {
		var document struct{ Statement json.RawMessage }
		if json.Unmarshal([]byte(p.Document), &document) != nil {
			perhaps, unless = true, true
			continue
		}
		for _, s := range statements(document.Statement) {
			covers := s.covers(resource)
			if !s.names(action) || covers == Missing {
				continue
			}
			plain := covers == OK && s.holds(account)
			switch {
			case s.Effect == "Deny" && plain:
				return Missing
			case s.Effect == "Deny":
				unless = true
			case plain:
				allowed = true
			default:
				perhaps = true
			}
		}
	}
	switch {
	case allowed && !unless:
		return OK
	case allowed || perhaps:
		return Unknown
	}
	return Missing
}

// grants reports whether a key's policy allows an action to a role that it names. What it leaves to the account's policies
// does not count.
func grants(policy, role, action string) Status {
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &document) != nil {
		return Missing
	}
	named := regexp.MustCompile(`:role/(?:[^"]*/)?` + regexp.QuoteMeta(role) + `"`)
	found := Missing
	for _, s := range statements(document.Statement) {
		switch {
		case s.Effect != "Allow" || !s.names(action) || !named.Match(s.Principal):
		case len(s.Condition) == 0:
			return OK
		default:
			found = Unknown
		}
	}
	return found
}

func statements(text json.RawMessage) []statement {
	var many []statement
	if json.Unmarshal(text, &many) == nil {
		return many
	}
	var one statement
	if json.Unmarshal(text, &one) == nil {
		return []statement{one}
	}
	return nil
}

func (s statement) names(action string) bool {
	match := func(patterns []string) bool {
		for _, p := range patterns {
			if glob(strings.ToLower(p), strings.ToLower(action)) {
				return true
			}
		}
		return false
	}
	if len(s.NotAction) > 0 {
		return !match(s.NotAction)
	}
	return match(s.Action)
}

// glob knows * and ?, as IAM does.
func glob(pattern, text string) bool {
	expression := regexp.QuoteMeta(pattern)
	expression = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expression)
	matched, err := regexp.MatchString(`^(?s:`+expression+`)$`, text)
	return err == nil && matched
}

// covers reports whether the statement is about the resource. A statement about some resources is unsure about all of them.
func (s statement) covers(resource string) Status {
	for _, r := range s.Resource {
		if r == "*" || resource != "*" && glob(r, resource) {
			return OK
		}
	}
	if len(s.Resource) == 0 || resource == "*" {
		return Unknown // NotResource, or only a part
	}
	return Missing
}

func (s statement) holds(account string) bool {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			ours := strings.EqualFold(operator, "StringEquals") && strings.EqualFold(key, "aws:PrincipalAccount") &&
				account != "" && len(values) == 1 && values[0] == account
			if !ours {
				return false
			}
		}
	}
	return true
}
