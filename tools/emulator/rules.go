package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Reply is an answer to a call.
type Reply struct {
	Status int         // 200 where 0
	Header http.Header // may be nil
	Body   []byte
}

// Rule says what happens to calls of one shape. Rules added later come first. The first one that
// answers ends the search; rules that only wait, change or list the call let it go on. A call that no rule
// answers goes to moto.
type Rule struct {
	// Name appears in the records of the calls that the rule touched. It should say what the rule is for.
	Name string
	// Service and Action select calls; "" and "*" select all. Several actions are parted by "|".
	Service, Action string
	// Where holds parameters that must have these values (see Request.Has).
	Where map[string]string
	// Contains is text that the URL or the body must contain.
	Contains string
	// Match is a further test, of rules made in the same process.
	Match func(*Request) bool
	// Times limits the rule to the first so many calls that it selects; 0: all.
	Times int
	// Delay is waited before the call is answered or passed on, so that a test can kill a program in the middle of a call. It
	// ends early when the client hangs up.
	Delay time.Duration
	// Answer makes the reply itself; nil lets the call go on.
	Answer func(*Request) *Reply
	// Change changes the reply that came from moto or from an older rule.
	Change func(*Request, *Reply) error
}

func (r *Rule) selects(q *Request) bool {
	if r.Service != "" && r.Service != "*" && r.Service != q.Service {
		return false
	}
	if r.Action != "" && r.Action != "*" && !slices.Contains(strings.Split(r.Action, "|"), q.Action) {
		return false
	}
	for name, value := range r.Where {
		if !q.Has(name, value) {
			return false
		}
	}
	return (r.Contains == "" || strings.Contains(q.text(), r.Contains)) && (r.Match == nil || r.Match(q))
}

// Answer replies with a body, without asking moto. The body is as the service's protocol has it.
func Answer(service, action string, status int, body string) Rule {
	return Rule{
		Name: "answer " + service + ":" + action, Service: service, Action: action,
		Answer: func(q *Request) *Reply {
			kind := "text/xml"
			if q.protocol() == protocolJSON || q.protocol() == protocolRESTJSON {
				kind = "application/x-amz-json-1.1"
			}
			return &Reply{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)}
		},
	}
}

func jsonReply(q *Request, value any) *Reply {
	body, err := json.Marshal(value)
	if err != nil {
		return ErrorReply(q, http.StatusNotImplemented, "EmulatorCrashed", "the rule's answer is not JSON: "+err.Error())
	}
	return &Reply{Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: body}
}

// Fail refuses a call with an error in the service's own form, so that SDKs find the code:
//
//	Fail("ec2", "DescribeVpcEndpointServices", 403, "UnauthorizedOperation", "You are not authorized …")
func Fail(service, action string, status int, code, message string) Rule {
	return Rule{
		Name: "fail " + service + ":" + action + " " + code, Service: service, Action: action,
		Answer: func(q *Request) *Reply { return ErrorReply(q, status, code, message) },
	}
}

// PassOn lets moto answer and changes its reply.
func PassOn(service, action string, change func(*Request, *Reply) error) Rule {
	return Rule{Name: "change " + service + ":" + action, Service: service, Action: action, Change: change}
}

// Record marks calls with a name and changes nothing.
func Record(service, action, name string) Rule {
	return Rule{Name: name, Service: service, Action: action}
}

// WithoutService makes an AWS service unknown to DescribeVpcEndpointServices, as AWS does where a
// service has no endpoint: WithoutService("ec2messages"). In all Regions, or in the named ones.
func WithoutService(service string, regions ...string) Rule {
	name := func(q *Request) string { return endpointServiceName(q.Region, service) }
	return Rule{
		Name: "without service " + service, Service: "ec2", Action: "DescribeVpcEndpointServices",
		Match: func(q *Request) bool { return len(regions) == 0 || slices.Contains(regions, q.Region) },
		Answer: func(q *Request) *Reply {
			if !q.Has("ServiceName", name(q)) {
				return nil
			}
			return ErrorReply(q, http.StatusBadRequest, "InvalidServiceName",
				fmt.Sprintf("The Vpc Endpoint Service '%s' does not exist", name(q)))
		},
		Change: func(q *Request, reply *Reply) error {
			if reply.Status >= http.StatusBadRequest {
				return nil
			}
			var err error
			reply.Body, err = withoutItems(reply.Body, name(q))
			return err
		},
	}
}

// endpointServiceName is the name of a service outside China, and there of those that the program uses.
func endpointServiceName(region, service string) string {
	return "com.amazonaws." + region + "." + service
}

// SetParameter gives a parameter of Parameter Store a value, also a public one, which nobody can write:
// SetParameter("/aws/service/…", "ami-1") for "a newer image appears".
func SetParameter(name, value string) Rule {
	type parameter struct {
		ARN, Name, Type, Value, DataType string
		LastModifiedDate                 int64
		Version                          int
	}
	made := func(q *Request) parameter {
		arn := "arn:aws:ssm:" + q.Region + "::parameter" + name
		if !strings.HasPrefix(name, "/aws/") {
			arn = "arn:aws:ssm:" + q.Region + ":123456789012:parameter/" + strings.TrimPrefix(name, "/")
		}
		return parameter{
			ARN: arn, Name: name, Type: "String", Value: value, DataType: "text",
			LastModifiedDate: 1760000000, Version: 1000,
		}
	}
	return Rule{
		Name: "set parameter " + name, Service: "ssm", Action: "GetParameter|GetParameters",
		Match: func(q *Request) bool { return q.Has("Name", name) || q.Has("Names", name) },
		Answer: func(q *Request) *Reply {
			if q.Action != "GetParameter" {
				return nil
			}
			return jsonReply(q, map[string]any{"Parameter": made(q)})
		},
		Change: func(q *Request, reply *Reply) error {
			if q.Action != "GetParameters" || reply.Status >= http.StatusBadRequest {
				return nil
			}
			var body struct {
				Parameters        []map[string]any
				InvalidParameters []string
			}
			if err := json.Unmarshal(reply.Body, &body); err != nil {
				return fmt.Errorf("reply to GetParameters: %w", err)
			}
			parameters := []any{made(q)}
			for _, p := range body.Parameters {
				if p["Name"] != name {
					parameters = append(parameters, p)
				}
			}
			invalid := slices.DeleteFunc(append([]string{}, body.InvalidParameters...), func(n string) bool { return n == name })
			var err error
			reply.Body, err = json.Marshal(map[string]any{"Parameters": parameters, "InvalidParameters": invalid})
			return err
		},
	}
}

// RuleSpec is a rule as JSON, for fronts in another process. Exactly one of Answer, Fail, WithoutService
// and SetParameter may be given; none of them makes a rule that only records or waits.
type RuleSpec struct {
	ID       int               `json:"id,omitempty"` // given by the front
	Name     string            `json:"name,omitempty"`
	Service  string            `json:"service,omitempty"`
	Action   string            `json:"action,omitempty"`
	Where    map[string]string `json:"where,omitempty"`
	Contains string            `json:"contains,omitempty"`
	Times    int               `json:"times,omitempty"`
	Delay    string            `json:"delay,omitempty"` // "2s"
	Answer   *AnswerSpec       `json:"answer,omitempty"`
	Fail     *FailSpec         `json:"fail,omitempty"`
	// WithoutService is the argument of the builder of that name.
	WithoutService string `json:"withoutService,omitempty"`
	// SetParameter is name and value, the arguments of the builder of that name.
	SetParameter *ParameterSpec `json:"setParameter,omitempty"`
}

// AnswerSpec holds the arguments of Answer.
type AnswerSpec struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// FailSpec holds the arguments of Fail.
type FailSpec struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ParameterSpec holds the arguments of SetParameter.
type ParameterSpec struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Rule makes the rule.
func (s RuleSpec) Rule() (Rule, error) {
	var made []Rule
	if s.Answer != nil {
		made = append(made, Answer(s.Service, s.Action, s.Answer.Status, s.Answer.Body))
	}
	if s.Fail != nil {
		if s.Fail.Code == "" || s.Fail.Status < 400 {
			return Rule{}, fmt.Errorf("rule %q: fail needs a code and a status of 400 or more, got %q and %d", s.Name, s.Fail.Code, s.Fail.Status)
		}
		made = append(made, Fail(s.Service, s.Action, s.Fail.Status, s.Fail.Code, s.Fail.Message))
	}
	if s.WithoutService != "" {
		made = append(made, WithoutService(s.WithoutService))
	}
	if s.SetParameter != nil {
		made = append(made, SetParameter(s.SetParameter.Name, s.SetParameter.Value))
	}
	if len(made) > 1 {
		return Rule{}, fmt.Errorf("rule %q says %d things: give one of answer, fail, withoutService and setParameter, or none", s.Name, len(made))
	}
	rule := Record(s.Service, s.Action, "record "+s.Service+":"+s.Action)
	if len(made) == 1 {
		rule = made[0]
	}
	if s.Name != "" {
		rule.Name = s.Name
	}
	rule.Where, rule.Contains, rule.Times = s.Where, s.Contains, s.Times
	if s.Delay != "" {
		d, err := time.ParseDuration(s.Delay)
		if err != nil {
			return Rule{}, fmt.Errorf(`rule %q: delay %q is not a duration like "500ms" or "2s"`, s.Name, s.Delay)
		}
		rule.Delay = d
	}
	return rule, nil
}
