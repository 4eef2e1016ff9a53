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
			if slices.Equal(r.PrefixLists, []string{l.facts.S3.Value.ID}) {
				r.PrefixLists = nil // no interface endpoint is there; EC2 shows rules of one protocol and port as one
			}
			out = better(out, permits(r, e.Groups, l.rangesOf(e)))
		}
	}
	for _, id := range e.Groups {
		for _, r := range groups.Value[id].Ingress {
			in = better(in, permits(r, i.Groups, []string{i.Address + "/32"}))
		}
	}
	authorize := func(direction, group, other string) string {
		return fmt.Sprintf("aws ec2 authorize-security-group-%s%s --group-id %s --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,UserIdGroupPairs=[{GroupId=%s}]'",
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

// https reports whether a rule is about HTTPS, among others.
func https(r Rule) bool {
	return r.Protocol == "-1" || (r.Protocol == "tcp" || r.Protocol == "6") && r.From <= 443 && r.To >= 443
}

// permits reports whether a rule allows HTTPS to or from members of the groups, whose addresses lie in the ranges.
func permits(r Rule, groups, ranges []string) Status {
	if !https(r) {
		return Missing
	}
	for _, g := range r.GroupIDs {
		if slices.Contains(groups, g) {
			return OK
		}
	}
	result := Missing
	if len(r.PrefixLists) > 0 {
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

// acls finds the first thing that network ACLs deny of HTTPS between the instance's subnet and the endpoint's, one after
// the other: which one an instance is given is for DNS to say.
func (l *list) acls(e Endpoint) (found, fix string, status Status) {
	mine := l.facts.Instance.Value.SubnetID
	for _, other := range e.SubnetIDs {
		if other == mine {
			continue // a network ACL does not apply inside a subnet
		}
		from, errFrom := netip.ParsePrefix(l.facts.Subnets.Value[mine])
		to, errTo := netip.ParsePrefix(l.facts.Subnets.Value[other])
		client, known := l.facts.ACLs.Value[mine]
		server, alsoKnown := l.facts.ACLs.Value[other]
		if errFrom != nil || errTo != nil || !known || !alsoKnown {
			return "the network ACLs between " + mine + " and " + other + " are not known", "", Unknown
		}
		if found, fix := l.blockade(BlockedConnection(&client, from, &server, to), client, server); found != "" {
			return found, fix, Missing
		}
	}
	return "", "", OK
}

// blockade puts the first into words, with the command that lets it pass.
func (l *list) blockade(blocked []Blockade, acls ...ACL) (found, fix string) {
	if len(blocked) == 0 {
		return "", ""
	}
	b := blocked[0]
	at := slices.IndexFunc(acls, func(a ACL) bool { return a.ID == b.ACL })
	return fmt.Sprintf("the network ACL %s does not let TCP %s %s", b.ACL, b.Ports, b.where()), b.Fix(acls[at], l.facts.Region, b.Addresses)
}

// toS3 judges security groups and network ACLs between the instance and S3. Where there is no route, it makes no difference.
func (l *list) toS3() {
	const title = "HTTPS reaches S3, for session logs"
	i, s3 := l.facts.Instance.Value, l.facts.S3
	if l.unread(title, s3.Problem) {
		return
	}
	if l.facts.Groups.Problem != "" || len(i.Groups) == 0 {
		l.add(title, Unknown, "the security groups are not known", "")
		return
	}
	out, unlisted := Missing, len(s3.Value.Ranges) == 0
	for _, id := range i.Groups {
		for _, r := range l.facts.Groups.Value[id].Egress {
			// Every address is S3's too, whether the list's ranges are known or not.
			if https(r) && (slices.Contains(r.PrefixLists, s3.Value.ID) || slices.Contains(r.Ranges, "0.0.0.0/0")) {
				out = OK
			}
			if https(r) && unlisted && len(r.Ranges) > 0 {
				out = better(out, Unknown)
			}
			out = better(out, permits(r, nil, s3.Value.Ranges))
		}
	}
	if out == Missing {
		l.add(title, Missing, fmt.Sprintf("the instance's group %s lets no HTTPS out to S3 (%s)", strings.Join(i.Groups, ", "), s3.Value.ID),
			fmt.Sprintf("aws ec2 authorize-security-group-egress%s --group-id %s --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{PrefixListId=%s}]'",
				l.region(), i.Groups[0], s3.Value.ID))
		return
	}
	from, err := netip.ParsePrefix(l.facts.Subnets.Value[i.SubnetID])
	acl, known := l.facts.ACLs.Value[i.SubnetID]
	switch {
	case l.facts.ACLs.Problem != "":
		l.add(title, Unknown, "the network ACLs cannot be read: "+l.facts.ACLs.Problem, "")
		return
	case err != nil || !known:
		l.add(title, Unknown, "the network ACL of "+i.SubnetID+" is not known", "")
		return
	}
	if anywhere := netip.MustParsePrefix("0.0.0.0/0"); unlisted && len(BlockedConnection(&acl, from, nil, anywhere)) > 0 {
		l.add(title, Unknown, "the addresses of S3 ("+s3.Value.ID+") are not known, and the network ACL "+acl.ID+" does not let HTTPS pass to and from all addresses", "")
		return
	}
	for _, block := range s3.Value.Ranges {
		to, err := netip.ParsePrefix(block)
		if err != nil || to.Addr().Is6() != from.Addr().Is6() {
			continue
		}
		if found, fix := l.blockade(BlockedConnection(&acl, from, nil, to), acl); found != "" {
			l.add(title, Missing, found, fix)
			return
		}
	}
	if out == Unknown {
		l.add(title, Unknown, "no security-group rule is known to cover all addresses of S3", "")
		return
	}
	l.add(title, OK, "the security groups and the network ACL let it pass", "")
}
