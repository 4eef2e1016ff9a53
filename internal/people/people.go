// Package people says which IAM policies, roles and session documents a stack
// has for the people who start sessions and read session logs. It is pure: the
// preview judges with it what the stack then creates.
package people

import (
	"maps"
	"slices"
	"strings"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

// People are everyone whom the stack has policies for. The zero value is
// nobody, and creates nothing.
type People struct {
	Operators map[string]Group // by name
	// Auditors read session logs and the history. Nil: there is no policy for them.
	Auditors *Access
	// BreakGlass may do on every instance what operators may. Nil: nobody.
	BreakGlass *Access
	// Denials close every way to a shell without a session log. Nil: there is no such policy.
	Denials *Denials
	// PermissionsBoundaryARN is that of the roles; empty: none.
	PermissionsBoundaryARN string
}

// Group is one group of operators.
type Group struct {
	Access
	// Instances are those of the stack by their names. None, and no InstanceIDs:
	// every instance of the stack.
	Instances   []string
	InstanceIDs []string // of instances that the stack does not create
	// NotBefore and NotAfter limit when sessions start, in ISO 8601. Empty: always.
	NotBefore, NotAfter string
	Tunnels             map[string]Destination // by name; their sessions leave no log
}

// Access is how people get a policy: attached to them by somebody else, or by a
// role that they assume.
type Access struct {
	Principals         []string // who may assume the role, by ARN; none: there is no role
	MFA                bool
	MaxSessionDuration int    // of the role, in seconds
	UserNameIn         string // iam.RoleSessionName, iam.SourceIdentity or empty
}

// Destination is what a tunnel leads to.
type Destination struct {
	Host string
	Port int
}

// Denials say to whom the denials do not apply, and what else is allowed.
type Denials struct {
	ExemptRoleARNs, OtherDocumentARNs []string
}

// Place is the rest of the stack that the policies name.
type Place struct {
	Scope         scope.Scope
	Owner         string // the value of the stack's tag
	Names         string // that of every policy, role and tunnel begins with it
	Path          string // in IAM; empty: "/"
	Document      string // the session document
	SessionKeyARN string // empty: sessions are not encrypted with KMS
	Logs          iam.Recording
	LogKeyARNs    []string // of session logs in S3
	OwnBucket     string   // of the stack's own; empty: none
	OwnKeyARN     string   // of the stack's own; empty: none
	RoleARN       string   // of the instances
	TopicARN      string   // of alerts; empty: there are none
	TopicKeyARN   string   // empty: not encrypted, or with a key that is not known
}

// Policy is one managed policy.
type Policy struct {
	Part, Description string // Part is the end of its name
	Document          iam.Document
	Key               string // of the config that asks for it
}

// Role is one role, with one of the policies.
type Role struct {
	Part, Description  string // as the policy's
	Trust              iam.Document
	MaxSessionDuration int
	Key                string
}

// Tunnel is one session document that forwards a port.
type Tunnel struct {
	Group, Name string
	Document    string // its name
	Destination
}

// The parts of names.
const (
	AuditorsPart   = "auditors"
	BreakGlassPart = "break-glass"
	DenialsPart    = "unrecorded"
	BoundaryPart   = "boundary"
)

// OperatorsPart is the part of a group's policy and role.
func OperatorsPart(group string) string { return "operators-" + group }

// ServiceControlPolicy is the document of the denials for an organization;
// false: there are none.
func (p People) ServiceControlPolicy(at Place) (iam.Document, bool) {
	if p.Denials == nil {
		return iam.Document{}, false
	}
	return iam.UnrecordedAccess(at.Scope, p.guarded(at)), true
}

// Policies are the managed policies, sorted by part.
func (p People) Policies(at Place) (policies []Policy) {
	for _, name := range slices.Sorted(maps.Keys(p.Operators)) {
		g := p.Operators[name]
		allowed := iam.Operators{
			Owner: at.Owner, Group: name, InstanceIDs: g.InstanceIDs, Document: at.Document, Tunnels: p.tunnels(at, name),
			SessionKeyARN: at.SessionKeyARN, NotBefore: g.NotBefore, NotAfter: g.NotAfter,
			// The credentials of a role say nothing about MFA. So where there is a
			// role, its trust policy asks for MFA, and the policy cannot.
			MFA: g.MFA && len(g.Principals) == 0,
		}
		if g.everyInstance() {
			allowed.Group = ""
		}
		policies = append(policies, Policy{
			Part: OperatorsPart(name), Description: "Start recorded sessions on the instances of " + name,
			Document: iam.OperatorPolicy(at.Scope, allowed), Key: "operators." + name,
		})
	}
	if p.Auditors != nil {
		policies = append(policies, Policy{
			Part: AuditorsPart, Description: "Read session logs and the history of sessions",
			Document: iam.AuditorPolicy(at.Scope, iam.Auditors{
				Recording: at.Logs, KeyARNs: at.LogKeyARNs, Document: at.Document, TopicARN: at.TopicARN, TopicKeyARN: at.TopicKeyARN,
			}), Key: "auditors",
		})
	}
	if p.BreakGlass != nil {
		policies = append(policies, Policy{
			Part: BreakGlassPart, Description: "Start recorded sessions on every instance in an emergency",
			Document: iam.OperatorPolicy(at.Scope, iam.Operators{
				Owner: at.Owner, InstanceIDs: p.instanceIDs(), Document: at.Document, Tunnels: p.tunnels(at, ""),
				SessionKeyARN: at.SessionKeyARN,
			}), Key: "breakGlass",
		})
	}
	if p.Denials != nil {
		policies = append(policies,
			Policy{
				Part: DenialsPart, Description: "Deny access to the instances that leaves no session log",
				Document: iam.UnrecordedAccess(at.Scope, p.guarded(at)), Key: "people.denyUnrecorded",
			},
			Policy{
				Part: BoundaryPart, Description: "Permissions boundary: everything but access that leaves no session log",
				Document: iam.UnrecordedAccessBoundary(at.Scope, p.guarded(at)), Key: "people.denyUnrecorded",
			})
	}
	slices.SortFunc(policies, func(a, b Policy) int { return strings.Compare(a.Part, b.Part) })
	return policies
}

// Roles are the roles, sorted by part.
func (p People) Roles() (roles []Role) {
	add := func(part, description, key string, a Access) {
		if len(a.Principals) > 0 {
			roles = append(roles, Role{
				Part: part, Description: description, MaxSessionDuration: a.MaxSessionDuration, Key: key,
				Trust: iam.PeopleTrust(iam.Trust{Principals: a.Principals, MFA: a.MFA, Name: a.UserNameIn}),
			})
		}
	}
	if p.Auditors != nil {
		add(AuditorsPart, "Auditors of sessions", "auditors", *p.Auditors)
	}
	if p.BreakGlass != nil {
		add(BreakGlassPart, "Sessions in an emergency", "breakGlass", *p.BreakGlass)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Operators)) {
		add(OperatorsPart(name), "Operators: "+name, "operators."+name, p.Operators[name].Access)
	}
	return roles
}

// Tunnels are the session documents that forward a port, sorted.
func (p People) Tunnels(names string) (tunnels []Tunnel) {
	for _, group := range slices.Sorted(maps.Keys(p.Operators)) {
		for _, name := range slices.Sorted(maps.Keys(p.Operators[group].Tunnels)) {
			tunnels = append(tunnels, Tunnel{
				Group: group, Name: name, Document: TunnelNames(names) + group + "-" + name, Destination: p.Operators[group].Tunnels[name],
			})
		}
	}
	return tunnels
}

// InstanceTags are the tags by which the policies know an instance of the stack.
func (p People) InstanceTags(instance string) map[string]string {
	tags := map[string]string{}
	for name, g := range p.Operators {
		if slices.Contains(g.Instances, instance) {
			tags[iam.OperatorTag(name)] = iam.OperatorTagValue
		}
	}
	return tags
}

func (g Group) everyInstance() bool { return len(g.Instances) == 0 && len(g.InstanceIDs) == 0 }

// tunnels are the names of a group's tunnels; empty: those of all groups.
func (p People) tunnels(at Place, group string) (documents []string) {
	for _, t := range p.Tunnels(at.Names) {
		if group == "" || t.Group == group {
			documents = append(documents, t.Document)
		}
	}
	return documents
}

// instanceIDs are the instances of all groups that the stack does not create.
func (p People) instanceIDs() []string {
	all := map[string]bool{}
	for _, g := range p.Operators {
		for _, id := range g.InstanceIDs {
			all[id] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (p People) guarded(at Place) iam.Guarded {
	g := iam.Guarded{
		Owner: at.Owner, InstanceIDs: p.instanceIDs(), Documents: append([]string{at.Document}, p.tunnels(at, "")...),
		OtherDocumentARNs: p.Denials.OtherDocumentARNs, Bucket: at.OwnBucket, LogGroups: at.Logs.LogGroups, RoleARN: at.RoleARN,
		Policies: at.Scope.IAMARN("policy" + at.path() + at.Names + "-*"), ExemptARNs: p.Denials.ExemptRoleARNs,
	}
	if at.OwnKeyARN != "" {
		g.KeyARNs = []string{at.OwnKeyARN}
	}
	return g
}

// BreakGlassRoleARN is the ARN of the role for emergencies; empty: there is none.
// It is known before the role exists, because its name is.
func (p People) BreakGlassRoleARN(at Place) string {
	if p.BreakGlass == nil || len(p.BreakGlass.Principals) == 0 {
		return ""
	}
	return at.Scope.IAMARN("role" + at.path() + at.Names + "-" + BreakGlassPart)
}

func (at Place) path() string {
	if at.Path == "" {
		return "/"
	}
	return at.Path
}

// TunnelNames are what the names of the documents of forwarded ports begin with.
func TunnelNames(names string) string { return names + "-tunnel-" }

// Names are what the names of a stack's policies, roles and tunnels begin with:
// bootstrap/options.yaml knows them by it.
func Names(name, stack string) string { return name + "-people-" + stack }
