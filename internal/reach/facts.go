package reach

import "time"

// Facts are what AWS says about one instance and its path to Systems Manager.
type Facts struct {
	// Stack and Region go into the commands of fixes.
	Stack, Region string
	// Account is the account's id; empty where it is not known.
	Account string
	// ExpectedProfile is the instance profile that the stack created.
	ExpectedProfile string

	// Elsewhere are CIDR blocks of another VPC that endpoints are in, by the stack's config.
	Elsewhere []string

	Instance Read[Instance]
	// Unlisted: the stack's outputs do not have the instance.
	Unlisted bool
	// Role is the role in the instance's profile; empty if there is none.
	Role Read[string]
	// RoleARN is the role's.
	RoleARN string
	// Boundary: the role has a permissions boundary, which is not evaluated here.
	Boundary bool
	Policies Read[[]Policy]
	// Groups are the security groups of the instance and of the endpoints, by id.
	Groups    Read[map[string]Group]
	Endpoints Read[[]Endpoint]
	// Subnets has the IPv4 range of each subnet that the instance or an endpoint is in.
	Subnets Read[map[string]string]
	Network Read[Network]
	Routes  Read[Table] // the effective route table of the instance's subnet
	// ACLs are the network ACLs by subnet.
	ACLs Read[map[string]ACL]
	// S3 is the Region's prefix list of S3.
	S3    Read[PrefixList]
	Agent Read[Agent]
}

// Instance is what EC2 says of it. The zero value is an instance that EC2 does not know.
type Instance struct {
	ID, Name string
	// State is pending, running, shutting-down, terminated, stopping or stopped; empty if there is no such instance.
	State    string
	Launched time.Time
	// Profile is the name of its instance profile; empty if it has none.
	Profile                  string
	VpcID, SubnetID, Address string
	// PublicAddress is its public IPv4 address; empty if it has none.
	PublicAddress string
	Groups        []string
}

// PrefixList is a list of the addresses of one service.
type PrefixList struct {
	ID     string
	Ranges []string
}

// Group is a security group's rules, as far as they matter for HTTPS.
type Group struct {
	Ingress, Egress []Rule
}

// Rule is one permission of a security group.
type Rule struct {
	// Protocol is tcp, udp, …, or -1 for all.
	Protocol string
	From, To int
	// Ranges are IPv4 and IPv6, PrefixLists ids.
	Ranges, GroupIDs, PrefixLists []string
}

// Endpoint is a VPC endpoint in the instance's VPC.
type Endpoint struct {
	// Service is the last part of its name: ssm, ssmmessages, ec2messages, s3.
	Service, ID, Type, State string
	PrivateDNS               bool
	Policy                   string
	SubnetIDs, Groups        []string
	RouteTableIDs            []string
}

// Agent is what Systems Manager says about the instance.
type Agent struct {
	// Registered: it has been heard of at all.
	Registered bool
	// PingStatus is Online, ConnectionLost or Inactive.
	PingStatus, Version string
	LastPing            time.Time
}
