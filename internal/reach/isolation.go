package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Isolation judges whether anything leads from an instance out of its VPC, except to S3, or from outside to it. It says what
// the configuration of the network allows, not what anybody has tried.
//
// A VPC without an internet route is isolated whatever its security groups say, and groups can be changed without the
// routes: each is judged by itself, so that one mistake does not hide behind the other.
func Isolation(f Facts) Diagnosis {
	l := &list{facts: f}
	l.noRouteOut()
	l.noRuleOut()
	l.noRuleIn()
	l.noPublicAddress()
	l.endpointsClosed()
	return Diagnosis{l.checks}
}

func (l *list) noRouteOut() {
	const title = "no route leads out of the VPC"
	table := l.facts.Routes
	if l.unread(title, table.Problem) {
		return
	}
	// The config asks for the routes to the endpoints of another VPC.
	routes := slices.DeleteFunc(append(table.Value.InternetRoutes(), table.Value.OutsideRoutes()...), func(r Route) bool { return within(r.Destination, l.facts.Elsewhere) })
	if len(routes) == 0 {
		found := table.Value.RouteTableID + " has none"
		if blocks := l.facts.Elsewhere; len(blocks) > 0 {
			found += ", except to the endpoints in " + strings.Join(blocks, ", ")
		}
		l.add(title, OK, found, "")
		return
	}
	first, fix := routes[0], ""
	for _, block := range l.facts.Elsewhere {
		if r, ok := table.Value.RouteTo(block); ok && r == first { // without it, the instance would lose the endpoints
			l.add(title, Missing, table.Value.RouteTableID+" has the route "+first.String()+", which leads to more than the endpoints in "+block+". They need a route of their own first", "")
			return
		}
	}
	if strings.ContainsAny(first.Destination, ".:-") { // what a VPN gateway propagates is no route of the table
		fix = "aws ec2 delete-route" + l.region() + " --route-table-id " + table.Value.RouteTableID + " " + first.DestinationFlag()
	}
	l.add(title, Missing, table.Value.RouteTableID+" has the route "+first.String(), fix)
}

// DestinationFlag is the option of the AWS CLI that names the route.
func (r Route) DestinationFlag() string {
	switch {
	case strings.HasPrefix(r.Destination, "pl-"):
		return "--destination-prefix-list-id " + r.Destination
	case strings.Contains(r.Destination, ":"):
		return "--destination-ipv6-cidr-block " + r.Destination
	}
	return "--destination-cidr-block " + r.Destination
}

func (l *list) noRuleOut() {
	const title = "its security groups let nothing out of the VPC, except to S3"
	// The config asks for the rules for the endpoints of another VPC.
	l.rules(title, l.facts.Instance.Value.Groups, "egress", func(g Group) []Rule { return g.Egress }, append([]string{l.facts.S3.Value.ID}, l.facts.Elsewhere...)...)
}

func (l *list) noRuleIn() {
	const title = "its security groups let nothing in from outside the VPC"
	l.rules(title, l.facts.Instance.Value.Groups, "ingress", func(g Group) []Rule { return g.Ingress })
}

func (l *list) endpointsClosed() {
	const title = "the endpoints let nothing in from outside the VPC"
	if l.unread(title, l.facts.Endpoints.Problem) {
		return
	}
	var groups []string
	for _, e := range l.facts.Endpoints.Value {
		groups = append(groups, e.Groups...)
	}
	slices.Sort(groups)
	l.rules(title, slices.Compact(groups), "ingress", func(g Group) []Rule { return g.Ingress })
}

// rules finds the first rule of the groups that names addresses outside the VPC, or a prefix list, other than the wanted ones.
func (l *list) rules(title string, groups []string, direction string, of func(Group) []Rule, wanted ...string) {
	switch {
	case l.unread(title, l.facts.Groups.Problem), l.unread(title, l.facts.Network.Problem):
		return
	case len(groups) == 0:
		l.add(title, Unknown, "the security groups are not known", "")
		return
	}
	for _, id := range groups {
		group, known := l.facts.Groups.Value[id]
		if !known {
			l.add(title, Unknown, "the rules of "+id+" are not known", "")
			return
		}
		for _, r := range of(group) {
			outside := ""
			for _, block := range r.Ranges {
				if !within(block, l.facts.Network.Value.Ranges) && !within(block, wanted) {
					outside = block
				}
			}
			for _, list := range r.PrefixLists {
				if !slices.Contains(wanted, list) {
					outside = list
				}
			}
			if outside != "" {
				l.add(title, Missing, fmt.Sprintf("a rule of %s names %s", id, outside),
					fmt.Sprintf("aws ec2 revoke-security-group-%s%s --group-id %s --ip-permissions '%s'", direction, l.region(), id, r.permission(outside)))
				return
			}
		}
	}
	l.add(title, OK, strings.Join(groups, ", "), "")
}

// permission is the part of the rule that names one peer, as the AWS CLI takes it.
func (r Rule) permission(peer string) string {
	text := "IpProtocol=" + r.Protocol
	if r.Protocol != "-1" {
		text += fmt.Sprintf(",FromPort=%d,ToPort=%d", r.From, r.To)
	}
	switch {
	case strings.HasPrefix(peer, "pl-"):
		return text + ",PrefixListIds=[{PrefixListId=" + peer + "}]"
	case strings.Contains(peer, ":"):
		return text + ",Ipv6Ranges=[{CidrIpv6=" + peer + "}]"
	}
	return text + ",IpRanges=[{CidrIp=" + peer + "}]"
}

// within reports whether a range lies in one of others.
func within(block string, ranges []string) bool {
	inner, err := netip.ParsePrefix(block)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(ranges, func(text string) bool {
		outer, err := netip.ParsePrefix(text)
		return err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
	})
}

func (l *list) noPublicAddress() {
	const title = "it has no public address"
	i := l.facts.Instance
	if l.unread(title, i.Problem) {
		return
	}
	if i.Value.PublicAddress != "" {
		l.add(title, Missing, i.Value.ID+" has "+i.Value.PublicAddress, "aws ec2 disassociate-address"+l.region()+" --public-ip "+i.Value.PublicAddress+
			"; an address that is not an Elastic IP goes with the instance only")
		return
	}
	l.add(title, OK, i.Value.Address, "")
}
