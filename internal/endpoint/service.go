// Package endpoint is the table of the AWS services that private instances
// reach through VPC endpoints. A service is one row: its name in each
// partition, when a stack wants it, what a narrow policy lets through, and what
// a diagnosis says when it is missing.
package endpoint

import (
	"slices"

	"private-ec2-access/config"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

// Service is one row of the table.
type Service struct {
	Name    string // the last part of the service name, for example ssmmessages
	Gateway bool   // a gateway endpoint on the route tables, rather than an interface endpoint
	// Wanted reports whether a stack with this config has the endpoint.
	Wanted func(*config.Config) bool
	// WhereOffered reports whether the stack has the endpoint only in Regions
	// that offer the service. Such a service does not restrict the zones. Nil:
	// never.
	WhereOffered func(*config.Config) bool
	// ChinaPrefix: the service name begins with cn. in the China Regions.
	ChinaPrefix bool
	// Policy is the narrow policy. NamesBucket and NamesSessionKey: it names what
	// the engine knows only once it is created, so the endpoint waits for that.
	Policy                       func(scope.Scope, Uses) iam.Document
	NamesBucket, NamesSessionKey bool
	// Calls are the agent's calls to the service without which no session can
	// be opened.
	Calls []string
	// OptionalBecause says why instances can do without the endpoint; empty:
	// they cannot.
	OptionalBecause string
}

// Uses is what the stack's instances use the services for.
type Uses struct {
	Archives      []iam.Archive
	LogGroups     []string
	SessionKeyARN string
}

// Interfaces are the rows of interface endpoints, in the order of the table.
func Interfaces() []Service {
	return slices.DeleteFunc(slices.Clone(Table), func(s Service) bool { return s.Gateway })
}

// Find gives the row of a name.
func Find(name string) (Service, bool) {
	at := slices.IndexFunc(Table, func(s Service) bool { return s.Name == name })
	if at < 0 {
		return Service{}, false
	}
	return Table[at], true
}

// ServiceName is the name of the service in a Region, which a VPC endpoint
// connects to.
func (s Service) ServiceName(in scope.Scope) string {
	name := in.EndpointService(s.Name)
	if s.ChinaPrefix && in.Partition == "aws-cn" {
		return "cn." + name
	}
	return name
}
