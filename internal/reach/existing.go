package reach

import (
	"net/netip"
	"strings"
)

// AllowsOn reports whether an endpoint's policy lets a call on a resource, an
// ARN or *, through.
func (e Endpoint) AllowsOn(account, action, resource string) Status {
	if e.Policy == "" {
		return OK // AWS's default, full access
	}
	return allowsOn([]Policy{{e.ID, e.Policy}}, account, action, resource)
}

// AcceptsHTTPS reports whether security groups, of which all rules are known,
// accept HTTPS from members of other groups or from every address of a range.
func AcceptsHTTPS(groups map[string]Group, ids, members []string, block string) Status {
	found := Missing
	for _, id := range ids {
		for _, r := range groups[id].Ingress {
			found = better(found, permits(r, members, []string{block}))
		}
	}
	return found
}

// RouteTo is the most specific of the table's routes that cover a whole range.
func (t Table) RouteTo(block string) (found Route, ok bool) {
	wanted, err := netip.ParsePrefix(block)
	if err != nil {
		return found, false
	}
	longest := -1
	for _, r := range t.Routes {
		to, err := netip.ParsePrefix(r.Destination)
		if err == nil && to.Bits() <= wanted.Bits() && to.Bits() > longest && to.Contains(wanted.Addr()) {
			found, ok, longest = r, true, to.Bits()
		}
	}
	return found, ok
}

// elsewhere judges the way to an endpoint of another VPC as far as it can be
// seen from here: to the addresses that the config names.
func (l *list) elsewhere(title string) {
	blocks := strings.Join(l.facts.Elsewhere, ", ")
	i, out := l.facts.Instance.Value, Missing
	for _, id := range i.Groups {
		for _, r := range l.facts.Groups.Value[id].Egress {
			out = better(out, permits(r, nil, l.facts.Elsewhere))
		}
	}
	if l.facts.Groups.Problem == "" && len(i.Groups) > 0 && out == Missing {
		l.add(title, Missing, "it is in "+blocks+" of another VPC, and the instance's group "+strings.Join(i.Groups, ", ")+" lets no HTTPS out there",
			"aws ec2 authorize-security-group-egress"+l.region()+" --group-id "+i.Groups[0]+
				" --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp="+l.facts.Elsewhere[0]+"}]'")
		return
	}
	for _, block := range l.facts.Elsewhere {
		if _, ok := l.facts.Routes.Value.RouteTo(block); !ok && l.facts.Routes.Problem == "" {
			l.add(title, Missing, "it is in "+block+" of another VPC, and "+l.facts.Routes.Value.RouteTableID+" has no route there",
				"aws ec2 create-route"+l.region()+" --route-table-id "+l.facts.Routes.Value.RouteTableID+" --destination-cidr-block "+block+" --transit-gateway-id TRANSIT_GATEWAY")
			return
		}
	}
	l.add(title, Unknown, "none in "+i.VpcID+"; by the stack's config it is in "+blocks+" of another VPC, which cannot be seen from here", "")
}

// maybeElsewhere is for an endpoint that may be in another VPC, but that the config does not say to be there.
func (l *list) maybeElsewhere() string {
	return "by the stack's config it may be in " + strings.Join(l.facts.Elsewhere, ", ") + " of another VPC, which cannot be seen from here"
}
