// Package iam holds policy documents as Go values and builds the ones that
// this program needs. Its functions are pure: the same input gives the same
// document, byte for byte.
package iam

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Version is the policy language that every document here is written in.
const Version = "2012-10-17"

// Effects of a statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// Document is a policy document
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html).
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement is one statement of a policy. Principal is nil in a policy that
// is attached to an identity, and Resource is empty in a trust policy.
type Statement struct {
	Sid       string     `json:"Sid"`
	Effect    string     `json:"Effect"`
	Principal *Principal `json:"Principal,omitempty"`
	Action    []string   `json:"Action"`
	Resource  []string   `json:"Resource,omitempty"`
	// NotResource stands for every other resource, in place of Resource.
	NotResource []string  `json:"NotResource,omitempty"`
	Condition   Condition `json:"Condition,omitempty"`
}

// Condition maps an operator to the keys and values it compares.
type Condition map[string]map[string]Values

// Values are what a condition compares a key with. One value is written as a
// string, as AWS's own examples and its console write it: tools that read
// policies take a list of one for something else.
type Values []string

// MarshalJSON writes one value as a string and several as a list.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// UnmarshalJSON reads both forms.
func (v *Values) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*v = Values{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(v))
}

// Principal says who a statement is about. The zero value stands for
// everybody, signed or not, and is written "*".
type Principal struct {
	AWS     []string
	Service []string
}

// Anyone is every caller, signed or not.
func Anyone() *Principal { return &Principal{} }

// AWS are identities of AWS, by their ARNs.
func AWS(arns ...string) *Principal { return &Principal{AWS: arns} }

// Service is one service of AWS, by its principal's name.
func Service(name string) *Principal { return &Principal{Service: []string{name}} }

// MarshalJSON writes "*" for everybody and an object otherwise.
func (p Principal) MarshalJSON() ([]byte, error) {
	if len(p.AWS) == 0 && len(p.Service) == 0 {
		return json.Marshal("*")
	}
	members := map[string][]string{}
	if len(p.AWS) > 0 {
		members["AWS"] = p.AWS
	}
	if len(p.Service) > 0 {
		members["Service"] = p.Service
	}
	return json.Marshal(members)
}

// JSON writes the document. It cannot fail: every part of a Document has a
// JSON form.
func (d Document) JSON() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic("iam: a policy document without a JSON form: " + err.Error())
	}
	return string(text)
}

func document(statements ...Statement) Document {
	return Document{Version: Version, Statement: slices.Clip(statements)}
}

// Join makes one policy of several. A statement's id may be in a policy only
// once, so further ones with the same id get a number.
func Join(documents ...Document) Document {
	var statements []Statement
	times := map[string]int{}
	for _, d := range documents {
		for _, s := range d.Statement {
			times[s.Sid]++
			if n := times[s.Sid]; n > 1 {
				s.Sid += strconv.Itoa(n)
			}
			statements = append(statements, s)
		}
	}
	return document(statements...)
}
