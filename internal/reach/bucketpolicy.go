package reach

import (
	"encoding/json"
	"slices"
	"strings"
)

// Upload is an upload of a session log by an instance role, as far as it is known before the stack exists.
type Upload struct {
	Account, ObjectARN string
	// Role begins the ARN of the role; what follows is chosen when it is created. Exists: it is the whole ARN.
	Role   string
	Exists bool
	// Vpc and Endpoint are empty where they are yet to be created: no policy of today can name them.
	Vpc, Endpoint string
	// Elsewhere: the request may come by an endpoint of another VPC, so neither is known.
	Elsewhere bool
}

// Refusal is what a bucket's policy does with an upload: Missing is a Deny that certainly matches, Unknown one that may, OK
// none. Sid names the first such statement. Allow statements do not matter: the role's own policy allows the upload.
func (u Upload) Refusal(policy string) (status Status, sid string) {
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &document) != nil {
		return Unknown, ""
	}
	var many []denial
	if json.Unmarshal(document.Statement, &many) != nil {
		var one denial
		if json.Unmarshal(document.Statement, &one) != nil {
			return Unknown, ""
		}
		many = []denial{one}
	}
	status = OK
	for _, d := range many {
		switch matches := d.matches(u); {
		case matches == OK:
			return Missing, d.Sid
		case matches == Unknown && status == OK:
			status, sid = Unknown, d.Sid
		}
	}
	return status, sid
}

// denial is a statement with what only policies of resources have.
type denial struct {
	statement
	Sid          string
	NotPrincipal json.RawMessage
	NotResource  oneOrMore
}

// matches reports whether the statement denies the upload: OK certainly, Missing certainly not.
func (d denial) matches(u Upload) Status {
	if d.Effect != "Deny" || !d.names("s3:PutObject") {
		return Missing
	}
	about := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, u.ObjectARN) })
	}
	if len(d.NotResource) > 0 && about(d.NotResource) || len(d.NotResource) == 0 && !about(d.Resource) {
		return Missing
	}
	result := d.caller(u)
	for operator, keys := range d.Condition {
		for key, values := range keys {
			result = worse(result, u.holds(operator, key, values))
		}
	}
	return result
}

// caller reports whether the statement is about the role.
func (d denial) caller(u Upload) Status {
	if len(d.NotPrincipal) > 0 {
		text := string(d.NotPrincipal)
		if strings.Contains(text, u.Account) || strings.Contains(text, `"*"`) {
			return Unknown
		}
		return OK
	}
	var anyone string
	if json.Unmarshal(d.Principal, &anyone) == nil {
		return is(anyone == "*")
	}
	var by struct{ AWS oneOrMore }
	if json.Unmarshal(d.Principal, &by) != nil {
		return Unknown
	}
	result := Missing
	for _, principal := range by.AWS {
		switch {
		case principal == "*", principal == u.Account, strings.HasSuffix(principal, ":iam::"+u.Account+":root"):
			return OK
		case u.Exists && principal == u.Role:
			return OK
		case !u.Exists && strings.HasPrefix(principal, u.Role):
			result = Unknown
		}
	}
	return result
}

func is(yes bool) Status {
	if yes {
		return OK
	}
	return Missing
}

// worse is the less certain, or what certainly does not hold.
func worse(a, b Status) Status {
	order := []Status{Missing, Unknown, OK}
	if slices.Index(order, b) < slices.Index(order, a) {
		return b
	}
	return a
}

// holds evaluates a condition for the upload, as far as its context is known.
func (u Upload) holds(operator, key string, values []string) Status {
	name, ifExists := strings.CutSuffix(strings.ToLower(operator), "ifexists")
	key = strings.ToLower(key)
	if strings.HasPrefix(name, "forallvalues:") || strings.HasPrefix(name, "foranyvalue:") {
		return Unknown
	}
	if name == "null" {
		present, known := u.has(key)
		if !known || len(values) != 1 {
			return Unknown
		}
		return is((values[0] == "true") != present)
	}
	present, known := u.has(key)
	negated := strings.Contains(name, "not")
	switch {
	case known && !present:
		return is(negated || ifExists) // AWS: a negated operator holds without the key
	case !known:
		return Unknown
	}
	equal := u.equals(name, key, values)
	if equal == Unknown {
		return Unknown
	}
	return is((equal == OK) != negated)
}

// has reports whether the request has a key of the context. A request that comes through a gateway endpoint has the
// endpoint and the VPC, and no source address
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourceip).
func (u Upload) has(key string) (present, known bool) {
	switch key {
	case "aws:securetransport", "aws:principalaccount", "aws:principalarn", "aws:principaltype":
		return true, true
	case "aws:sourcevpc", "aws:sourcevpce":
		return true, !u.Elsewhere
	case "aws:sourceip":
		return false, !u.Elsewhere
	}
	return false, false
}

// equals reports whether the value in the request is among the values of a condition, whether or not it is negated.
func (u Upload) equals(operator, key string, values []string) Status {
	match := func(value string) Status { // of a text that is known
		return is(slices.ContainsFunc(values, func(v string) bool {
			return v == value || strings.HasSuffix(operator, "like") && glob(v, value) || strings.HasPrefix(operator, "arn") && glob(v, value)
		}))
	}
	switch key {
	case "aws:securetransport":
		return match("true")
	case "aws:principalaccount":
		return match(u.Account)
	case "aws:principaltype":
		return match("AssumedRole")
	case "aws:sourcevpc":
		return created(u.Vpc, values, match)
	case "aws:sourcevpce":
		return created(u.Endpoint, values, match)
	case "aws:principalarn":
		if u.Exists {
			return match(u.Role)
		}
		for _, v := range values {
			literal, _, wild := strings.Cut(v, "*")
			if at := strings.IndexByte(literal, '?'); at >= 0 {
				literal, wild = literal[:at], true
			}
			if strings.HasPrefix(literal, u.Role) || wild && strings.HasPrefix(u.Role, literal) {
				return Unknown // whether it matches depends on the rest of the name
			}
		}
		return Missing
	}
	return Unknown
}

// created compares an id. One that is yet to be created is equal to no id, and a wildcard may match it.
func created(id string, values []string, match func(string) Status) Status {
	if id != "" {
		return match(id)
	}
	if slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "*?$") }) {
		return Unknown
	}
	return Missing
}
