// Package decide turns the stack's config and the facts of the account into
// everything that shapes the stack: what is created, what is refused, and what
// the preview announces. It is pure: the same config and facts give the same
// decisions, and it asks AWS nothing.
package decide

import (
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
)

// Facts are what the account and the Region say, as plain values.
type Facts struct {
	Project, Stack string
	Scope          scope.Scope
	Zones          []string           // available ones, sorted; for a network that the stack creates
	Services       map[string]Service // interface endpoint services by their short names, as far as they were asked about
	Network        *Network           // an existing one; nil: the stack creates its own
	S3PrefixListID string
	Images         map[string]Image        // by ImageSource
	InstanceTypes  map[string]InstanceType // by name, where a check needs them
	VCPUs          reach.Read[int]         // that the account may run at the same time, where QuotaTypes are asked for
	Deployed       Deployed                // what the stack has already
	S3CidrBlocks   []string                // the addresses of S3 in the Region
	// TypeZones are the zones that offer an instance type, by the types in use.
	TypeZones reach.Read[map[string][]string]

	// Of an existing network, as far as the config wants the service:
	Endpoints  map[string]Endpoint    // by the short name, the stack's own included; s3 only where it is one that is not
	S3Tables   []string               // route tables that lead to S3 through a gateway endpoint which is not the stack's
	OwnGateway bool                   // the stack has a gateway endpoint there
	Groups     map[string]reach.Group // of those endpoints that are not the stack's own
	Subnets    map[string]Subnet      // of those, and the stack's

	Existing map[string]ExistingInstance // existing instances by the names that they get

	Document        session.Existing // of the name in the config
	DefaultDocument session.Existing // the account's default, where the config names another one

	Key        Key                // behind the alias of the stack's own key
	BucketKeys map[string]string  // by the stack's own buckets that the document names: the KMS key of their policies; empty: none
	Writers    map[string]Writers // by those buckets, and the one that the config names where it is one of this program's
	LogBucket  LogBucket          // the one that the config names
	LogGroups  map[string]Group   // the groups that the config names
	// OwnLogGroups carry the stack's tag, whatever the config says today. Sorted.
	OwnLogGroups []string
}

// Owner is the stack as its marks on resources name it.
func (f Facts) Owner() string { return f.Project + "/" + f.Stack }

// Deployed is what the stack's state has.
type Deployed struct {
	ARNs      []string            // of everything, sorted
	Instances map[string]Instance // by their names in the config
	Subnets   map[int]string      // the ids of the stack's own subnets, by the number in their names
	Devices   map[string][]string // of data volumes that are attached, by the instances' names
	VPCs      []string            // in which it has a security group, sorted
}

// Instance is a deployed instance.
type Instance struct {
	SubnetID, Zone, ImageID string
}

// Service is what the Region offers of a service, and what the stack has of it.
type Service struct {
	Zones   []string // in which it can have an endpoint; empty: the Region names none
	Offered Answer   // asked only where the decision needs it
	Own     Answer   // whether the stack has an endpoint already; likewise
}

// Answer is yes, no, or the reason why there is none. "No" is only what AWS
// itself says; a look-up that is denied, throttled or unreachable is no answer.
type Answer struct {
	Yes     bool
	Problem error
}

// No reports whether AWS said no.
func (a Answer) No() bool { return !a.Yes && a.Problem == nil }

// Network is an existing network as it was found.
type Network struct {
	reach.Network
	Found          bool
	OwnerID        string   // the account that the VPC belongs to; it may share subnets with others
	Subnets        []Subnet // in the order of the config
	CidrBlocks     []string // every IPv4 range of the VPC, sorted
	Ipv6CidrBlocks []string
	RouteTables    []reach.Table // of the subnets, in the order of the config
	RouteTableIDs  []string      // of those, each once, sorted
}

// Subnet is one of an existing network. The zero value: there is no such subnet.
type Subnet struct {
	ID, VpcID, Zone          string
	CidrBlock, Ipv6CidrBlock string
	FreeAddresses            int
	ACL                      reach.Read[reach.ACL]
}

// Key is the KMS key behind an alias. The zero value: there is no such alias.
type Key struct {
	ID, ARN, Description, State string
}

// Writers are the roles that a bucket's policy lets write.
type Writers struct {
	Limited  bool     // false: whomever IAM allows
	RoleARNs []string // in the order of the policy
	Own      bool     // one of them is this stack's instance role
	Problem  error    // why the policy could not be read
}

// LogBucket is a bucket that the stack did not create.
type LogBucket struct {
	Region reach.Read[string] // empty: there is no such bucket
	Policy reach.Read[string] // empty: it has none
}

// Group is a log group. The zero value: there is no such group.
type Group struct {
	Exists bool
	Owner  string // the stack that made it; empty: none of this program's
}

// Endpoint is a VPC endpoint that exists in a network which the stack did not
// create.
type Endpoint struct {
	reach.Endpoint
	Owner string // the stack that made it; empty: none of this program's
	Own   bool   // it is this stack's
	// Several: there are several for the service. Absent: the one that the config
	// names is not there. Nothing else is known then.
	Several, Absent bool
}

// Usable reports whether the service's name leads to the endpoint.
func (e Endpoint) Usable() bool { return e.PrivateDNS && !e.Several && !e.Absent }

// ExistingInstance is an instance that the stack did not create.
type ExistingInstance struct {
	ID                string // empty: no instance has the tags
	Found             bool   // and not terminated
	VpcID, Address    string
	Profile           string // empty: it has none
	RoleName, RoleARN string // in the profile; empty: there is none
	Stack             string // of this program that created it; empty: none
	Own, OwnProfile   bool   // the instance, or its profile, is this stack's
	ByTags            bool   // the config names it by tags
}
