package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/settings"
)

// OperatorGroup is a group of people who start sessions.
type OperatorGroup struct {
	Instances          []string               `json:"instances,omitempty"` // names of instances and fleets of the stack, and ids of others; none: all of the stack's
	Principals         []string               `json:"principals,omitempty"`
	MFA                bool                   `json:"mfa,omitempty"`
	MaxSessionDuration int                    `json:"maxSessionDuration,omitempty"`
	UserNameIn         string                 `json:"userNameIn,omitempty"`
	NotBefore          string                 `json:"notBefore,omitempty"`
	NotAfter           string                 `json:"notAfter,omitempty"`
	PortForwarding     map[string]Destination `json:"portForwarding,omitempty"`
}

// Destination is where a forwarded port leads to.
type Destination struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Auditors are people who read session logs.
type Auditors struct {
	Enabled            bool     `json:"enabled"`
	Principals         []string `json:"principals"`
	MFA                bool     `json:"mfa"`
	MaxSessionDuration int      `json:"maxSessionDuration"`
	UserNameIn         string   `json:"userNameIn"`
}

// BreakGlass is the role for emergencies.
type BreakGlass struct {
	Principals         []string `json:"principals"`
	MaxSessionDuration int      `json:"maxSessionDuration"`
	UserNameIn         string   `json:"userNameIn"`
}

// PeopleSettings hold for operators, auditors and break-glass alike.
type PeopleSettings struct {
	PermissionsBoundary string   `json:"permissionsBoundary"`
	DenyUnrecorded      bool     `json:"denyUnrecorded"`
	ExemptRoleARNs      []string `json:"exemptRoleArns"`
	OtherDocumentARNs   []string `json:"otherDocumentArns"`
}

// defaultRoleDuration is IAM's own, in seconds.
const defaultRoleDuration = 3600

var (
	groupName     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`)
	managedNode   = regexp.MustCompile(`^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$`)
	principalARN  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/[A-Za-z0-9+=,.@_/-]+)$`)
	documentARN   = regexp.MustCompile(`^arn:aws[a-z-]*:ssm:[a-z0-9*-]+:(\d{12})?:document/[a-zA-Z0-9_.*-]{3,128}$`)
	hostToForward = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$`)
)

// People are the operators, auditors and administrators that the config names.
func (c *Config) People() people.People {
	p := people.People{PermissionsBoundaryARN: c.PeopleSettings.PermissionsBoundary}
	for name, g := range c.Operators {
		made := people.Group{
			Access: access(g.Principals, g.MFA, g.MaxSessionDuration, g.UserNameIn), NotBefore: g.NotBefore, NotAfter: g.NotAfter,
		}
		for _, instance := range slices.Sorted(slices.Values(g.Instances)) {
			switch fleet := c.FleetInstances(instance); {
			case len(fleet) > 0:
				made.Instances = append(made.Instances, fleet...)
			case c.ExistingInstances[instance].InstanceID != "":
				made.InstanceIDs = append(made.InstanceIDs, c.ExistingInstances[instance].InstanceID)
			case managedNode.MatchString(instance):
				made.InstanceIDs = append(made.InstanceIDs, instance)
			default:
				made.Instances = append(made.Instances, instance)
			}
		}
		for tunnel, to := range g.PortForwarding {
			if made.Tunnels == nil {
				made.Tunnels = map[string]people.Destination{}
			}
			made.Tunnels[tunnel] = people.Destination(to)
		}
		if p.Operators == nil {
			p.Operators = map[string]people.Group{}
		}
		p.Operators[name] = made
	}
	if a := c.Auditors; a.Enabled {
		who := access(a.Principals, a.MFA, a.MaxSessionDuration, a.UserNameIn)
		p.Auditors = &who
	}
	if b := c.BreakGlass; len(b.Principals) > 0 {
		who := access(b.Principals, true, b.MaxSessionDuration, b.UserNameIn)
		p.BreakGlass = &who
	}
	if s := c.PeopleSettings; s.DenyUnrecorded {
		p.Denials = &people.Denials{ExemptRoleARNs: s.ExemptRoleARNs, OtherDocumentARNs: s.OtherDocumentARNs}
	}
	return p
}

func access(principals []string, mfa bool, duration int, userNameIn string) people.Access {
	if duration == 0 {
		duration = defaultRoleDuration
	}
	return people.Access{Principals: principals, MFA: mfa, MaxSessionDuration: duration, UserNameIn: userNameIn}
}

func (c *Config) validatePeople(v *validator) {
	own := c.Complete()
	for _, name := range slices.Sorted(maps.Keys(c.Operators)) {
		g, at := c.Operators[name], settings.Member("operators", name)
		v.check(groupName.MatchString(name), at, name, "not a name for a group of operators",
			"1 to 24 lower-case letters, digits and hyphens, a letter first", v.rename("operators", name, g))
		for i, instance := range g.Instances {
			_, isInstance := own[instance]
			_, isFleet := c.Fleets[instance]
			key := settings.Element(at+".instances", i)
			isExisting := c.ExistingInstances[instance].InstanceID != ""
			v.check(isInstance || isFleet || isExisting || managedNode.MatchString(instance), key, instance, "not an instance or fleet of the stack, and not the ID of another instance",
				"a name in instances or fleets, one in existingInstances that has an instanceId, or i-… or mi-…")
			v.check(slices.Index(g.Instances, instance) == i, key, instance, "named twice", "each instance once", v.remove(key))
		}
		v.access(at+".", g.Principals, g.MaxSessionDuration, g.UserNameIn)
		before, after := v.moment(at+".notBefore", g.NotBefore), v.moment(at+".notAfter", g.NotAfter)
		v.check(before.IsZero() || after.IsZero() || before.Before(after), at+".notAfter", g.NotAfter, "not later than notBefore, so no session could start",
			"a time after "+g.NotBefore)
		for _, tunnel := range slices.Sorted(maps.Keys(g.PortForwarding)) {
			to, key := g.PortForwarding[tunnel], settings.Member(at+".portForwarding", tunnel)
			v.check(groupName.MatchString(tunnel), key, tunnel, "not a name for a forwarded port",
				"1 to 24 lower-case letters, digits and hyphens, a letter first", v.rename(at+".portForwarding", tunnel, to))
			v.check(hostToForward.MatchString(to.Host), key+".host", to.Host, "not the name or address of a host", "a DNS name or an IP address")
			v.check(1 <= to.Port && to.Port <= 65535, key+".port", strconv.Itoa(to.Port), "not a port", "1 to 65535")
		}
	}
	a := c.Auditors
	v.access("auditors.", a.Principals, a.MaxSessionDuration, a.UserNameIn)
	v.check(a.Enabled || len(a.Principals) == 0, "auditors.principals", settings.Show(a.Principals),
		"principals are named, but auditors are off (auditors.enabled is false)", "empty", v.set("auditors.enabled", "true"), v.remove("auditors.principals"))
	b := c.BreakGlass
	v.access("breakGlass.", b.Principals, b.MaxSessionDuration, b.UserNameIn)
	s := c.PeopleSettings
	v.check(s.PermissionsBoundary == "" || policyARN.MatchString(s.PermissionsBoundary), "people.permissionsBoundary", s.PermissionsBoundary,
		"not the ARN of a managed policy", "empty, or arn:PARTITION:iam::ACCOUNT:policy/NAME")
	v.check(!s.DenyUnrecorded || len(s.ExemptRoleARNs) > 0, "people.exemptRoleArns", "[]",
		"no role is exempt: as a service control policy, the denials would keep everyone from updating or deleting the stack",
		"at least the role that deploys the stack", v.set("people.exemptRoleArns[0]", "VALUE"))
	v.arns("people.exemptRoleArns", s.ExemptRoleARNs, roleARN, "not the ARN of a role", "arn:PARTITION:iam::ACCOUNT:role/NAME, without wildcards")
	v.arns("people.otherDocumentArns", s.OtherDocumentARNs, documentARN, "not the ARN of a Systems Manager document",
		"arn:PARTITION:ssm:REGION:ACCOUNT:document/NAME")
	deny := v.set("people.denyUnrecorded", "true")
	if len(s.ExemptRoleARNs) == 0 {
		deny.Commands = append(deny.Commands, v.set("people.exemptRoleArns[0]", "VALUE").Commands...)
	}
	for _, list := range []struct {
		key    string
		values []string
	}{{"people.exemptRoleArns", s.ExemptRoleARNs}, {"people.otherDocumentArns", s.OtherDocumentARNs}} {
		v.check(s.DenyUnrecorded || len(list.values) == 0, list.key, settings.Show(list.values),
			"ARNs are named, but nothing is denied (people.denyUnrecorded is false)", "empty", deny, v.remove(list.key))
	}
}

// access checks who may assume a role, and how.
func (v *validator) access(prefix string, principals []string, duration int, userNameIn string) {
	v.arns(prefix+"principals", principals, principalARN, "not the ARN of a user, a role or an account",
		"arn:PARTITION:iam::ACCOUNT:user/NAME, …:role/NAME or …:root, without wildcards")
	v.check(duration == 0 || 3600 <= duration && duration <= 43200, prefix+"maxSessionDuration", strconv.Itoa(duration), "out of range",
		"3600 to 43200 seconds, the range that IAM allows; 0 means 3600")
	v.oneOfOrEmpty(prefix+"userNameIn", userNameIn, iam.RoleSessionName, iam.SourceIdentity)
	for i, arn := range principals {
		v.check(userNameIn == "" || !strings.Contains(arn, ":role/"), settings.Element(prefix+"principals", i), arn,
			"only an IAM user has a user name, and "+prefix+"userNameIn requires one", "users, or an account",
			v.set(prefix+"userNameIn", "''"))
	}
	const problem, allowed = "it applies to a role, but no role is created without principals", "no value without principals"
	v.check(duration == 0 || len(principals) > 0, prefix+"maxSessionDuration", strconv.Itoa(duration), problem, allowed, v.remove(prefix+"maxSessionDuration"))
	v.check(userNameIn == "" || len(principals) > 0, prefix+"userNameIn", userNameIn, problem, allowed, v.remove(prefix+"userNameIn"))
}

func (v *validator) arns(key string, arns []string, like *regexp.Regexp, problem, allowed string) {
	for i, arn := range arns {
		at := settings.Element(key, i)
		v.check(like.MatchString(arn), at, arn, problem, allowed)
		v.check(slices.Index(arns, arn) == i, at, arn, "named twice", "each ARN once", v.remove(at))
	}
}

func (v *validator) oneOfOrEmpty(key, got string, allowed ...string) {
	v.check(got == "" || slices.Contains(allowed, got), key, got, "not an allowed value", "empty, "+strings.Join(allowed, ", "))
}

// moment reads a time in UTC.
func (v *validator) moment(key, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	read, err := time.Parse(time.RFC3339, text)
	v.check(err == nil && strings.HasSuffix(text, "Z"), key, text, "not a time in UTC", "for example 2026-12-24T18:00:00Z")
	return read
}
