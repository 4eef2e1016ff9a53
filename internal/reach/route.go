package reach

import "strings"

// Route is one route of a route table. Destination is a CIDR or a prefix list,
// Target the id of what takes the traffic, or "local".
type Route struct {
	Destination string
	Target      string
}

// LeavesVPC reports whether traffic on the route can leave the VPC. Two kinds
// of route stay inside: the local ones, and those of a gateway endpoint, which
// reach one service of AWS by its prefix list. An endpoint behind a CIDR is a
// Gateway Load Balancer's and can lead anywhere. Whatever is not known to stay
// is taken to leave.
func (r Route) LeavesVPC() bool {
	switch {
	case r.Target == "local":
		return false
	case strings.HasPrefix(r.Target, "vpce-") && strings.HasPrefix(r.Destination, "pl-"):
		return false
	default:
		return true
	}
}

// Table is the effective route table of one subnet.
type Table struct {
	SubnetID     string
	RouteTableID string
	Routes       []Route
}

// LeavesVPC reports whether any of the table's routes leaves the VPC.
func (t Table) LeavesVPC() bool {
	for _, r := range t.Routes {
		if r.LeavesVPC() {
			return true
		}
	}
	return false
}

// GatewayEndpoints are the gateway endpoints that a route leads to.
func (t Table) GatewayEndpoints() (ids []string) {
	for _, r := range t.Routes {
		if strings.HasPrefix(r.Target, "vpce-") && strings.HasPrefix(r.Destination, "pl-") {
			ids = append(ids, r.Target)
		}
	}
	return ids
}

// DefaultRoute is the target of the IPv4 default route, for example a NAT
// gateway; empty: there is none.
func (t Table) DefaultRoute() string {
	for _, r := range t.Routes {
		if r.Destination == "0.0.0.0/0" {
			return r.Target
		}
	}
	return ""
}
