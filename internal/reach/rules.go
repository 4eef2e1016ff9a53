package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// between judges the security groups between the instance and an endpoint, for HTTPS.
func (l *list) between(e Endpoint) (found, fix string, status Status) {
	i, groups := l.facts.Instance.Value, l.facts.Groups
	if groups.Problem != "" {
		return "the security groups cannot be read: " + groups.Problem, "", Unknown
	}
	if len(i.Groups) == 0 || len(e.Groups) == 0 {
		return "the security groups are not known", "", Unknown
	}
	out, in := Missing, Missing
	for _, id := range i.Groups {
		for _, r := range groups.Value[id].Egress {
			out = better(out, permits(r, e.Groups, l.rangesOf(e)))
		}
	}
	for _, id := range e.Groups {
		for _, r := range groups.Value[id].Ingress {
			in = better(in, permits(r, i.Groups, []string{i.Address + "/32"}))
		}
	}
	authorize := func(direction, group, other string) string {
		return fmt.Sprintf("aws ec2 authorize-security-group-%s%s --group-id %s --ip-permissions IpProtocol=tcp,FromPort=443,ToPort=443,UserIdGroupPairs=[{GroupId=%s}]",
			direction, l.region(), group, other)
	}
	switch {
	case out == Missing:
		return fmt.Sprintf("the instance's group %s lets no HTTPS out to %s", strings.Join(i.Groups, ", "), e.ID),
			authorize("egress", i.Groups[0], e.Groups[0]), Missing
	case in == Missing:
		return fmt.Sprintf("the group %s of %s lets no HTTPS in from the instance", strings.Join(e.Groups, ", "), e.ID),
			authorize("ingress", e.Groups[0], i.Groups[0]), Missing
	case out == Unknown || in == Unknown:
		return "a security-group rule covers a part of the addresses, or names a prefix list", "", Unknown
	}
	return "", "", OK
}

// rangesOf are the addresses that the endpoint's interfaces can have.
func (l *list) rangesOf(e Endpoint) []string {
	var ranges []string
	for _, id := range e.SubnetIDs {
		if r := l.facts.Subnets.Value[id]; r != "" {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

func better(a, b Status) Status {
	order := []Status{Missing, Unknown, OK}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// permits reports whether a rule allows HTTPS to or from members of the groups, whose addresses lie in the ranges.
func permits(r Rule, groups, ranges []string) Status {
	if r.Protocol != "-1" && (r.Protocol != "tcp" && r.Protocol != "6" || r.From > 443 || r.To < 443) {
		return Missing
	}
	for _, g := range r.GroupIDs {
		if slices.Contains(groups, g) {
			return OK
		}
	}
	result := Missing
	if r.PrefixList {
		result = Unknown
	}
	covered, touched := 0, false
	for _, text := range ranges {
		inner, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		for _, rangeText := range r.Ranges {
			outer, err := netip.ParsePrefix(rangeText)
			if err != nil {
				continue
			}
			if outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr()) {
				covered++
				break
			}
			touched = touched || outer.Overlaps(inner)
		}
	}
	switch {
	case len(ranges) > 0 && covered == len(ranges):
		return OK
	case covered > 0 || touched:
		return Unknown
	}
	return result
}
