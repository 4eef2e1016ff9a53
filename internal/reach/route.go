package reach

import (
	"net/netip"
	"strings"
)

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

// Internet reports whether the route leads to the internet: whatever leads to an
// internet gateway, an egress-only or a carrier gateway, and what leads public
// addresses to anything else outside the VPC, for example a NAT gateway, a
// transit gateway or a peering connection with a default route.
//
// A route for a prefix list, or for what a VPN gateway propagates, may: its
// addresses are not known here, and LeavesVPC says that it leaves.
func (r Route) Internet() bool {
	for _, gateway := range []string{"igw-", "eigw-", "cagw-"} {
		if strings.HasPrefix(r.Target, gateway) {
			return true
		}
	}
	destination, err := netip.ParsePrefix(r.Destination)
	return err == nil && r.LeavesVPC() && !private(destination)
}

// private reports whether a range has only addresses that the internet does not
// route: those of RFC 1918, 6598, 4193 and 3927.
func private(p netip.Prefix) bool {
	for _, block := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"} {
		b := netip.MustParsePrefix(block)
		if b.Bits() <= p.Bits() && b.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// InternetRoutes are the table's routes to the internet.
func (t Table) InternetRoutes() (routes []Route) {
	for _, r := range t.Routes {
		if r.Internet() {
			routes = append(routes, r)
		}
	}
	return routes
}

// OutsideRoutes are the table's routes out of the VPC that do not lead to the
// internet, as far as it can be told.
func (t Table) OutsideRoutes() (routes []Route) {
	for _, r := range t.Routes {
		if r.LeavesVPC() && !r.Internet() {
			routes = append(routes, r)
		}
	}
	return routes
}

func (r Route) String() string { return r.Destination + " to " + r.Target }
