package decide

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
)

// obstacle is what one entry of a network ACL keeps from working.
type obstacle struct {
	acl, direction string
	ports          reach.Ports
	entry          int
	ipv6           bool
}

// networkACLs checks that the subnets' network ACLs let HTTPS and the answers
// pass between instances and endpoints, and between instances and S3. Inside one
// subnet a network ACL does not apply.
//
// The stack's endpoints have IPv4 addresses. What is denied of IPv6 only matters
// to endpoints that others created, so it is never a reason to refuse.
func (d *decider) networkACLs(n *Network) {
	acls, unread := map[string]*reach.ACL{}, map[string]bool{}
	for _, subnet := range n.Subnets {
		switch problem := subnet.ACL.Problem; {
		case !d.usable(subnet):
		case problem == "":
			acls[subnet.ID] = &subnet.ACL.Value
		case !unread[problem]:
			unread[problem] = true
			d.unknown("whether the network ACL of "+subnet.ID+" lets HTTPS pass", problem)
		}
	}
	found, order := map[obstacle][]string{}, []obstacle{}
	add := func(blockades []reach.Blockade) {
		for _, b := range blockades {
			o := obstacle{b.ACL, b.Direction, b.Ports, b.Entry, strings.Contains(b.Addresses, ":")}
			if found[o] == nil {
				order = append(order, o)
			}
			if !slices.Contains(found[o], b.Addresses) {
				found[o] = append(found[o], b.Addresses)
			}
		}
	}
	for _, client := range n.Subnets {
		for _, server := range d.endpointsIn(n) {
			if acls[client.ID] == nil || client.ID == server.ID {
				continue // of an endpoint's subnet that the config does not name, only this side is known
			}
			for _, ranges := range [][2]string{{client.CidrBlock, server.CidrBlock}, {client.Ipv6CidrBlock, server.Ipv6CidrBlock}} {
				from, errFrom := netip.ParsePrefix(ranges[0])
				to, errTo := netip.ParsePrefix(ranges[1])
				if errFrom == nil && errTo == nil {
					add(reach.BlockedConnection(acls[client.ID], from, acls[server.ID], to))
				}
			}
		}
		from, err := netip.ParsePrefix(client.CidrBlock)
		if err != nil || acls[client.ID] == nil {
			continue
		}
		for _, block := range d.facts.S3CidrBlocks {
			if to, err := netip.ParsePrefix(block); err == nil {
				add(reach.BlockedConnection(acls[client.ID], from, nil, to))
			}
		}
	}
	for _, o := range order {
		at := slices.IndexFunc(n.Subnets, func(s Subnet) bool { return s.ACL.Value.ID == o.acl })
		d.obstacle(at, n.Subnets[at], o, found[o])
	}
}

// endpointsIn are the subnets with endpoints, the stack's own and those that are
// there already.
func (d *decider) endpointsIn(n *Network) (subnets []Subnet) {
	ids := map[string]bool{}
	for _, id := range d.EndpointSubnetIDs {
		ids[id] = len(d.Services) > 0
	}
	for service := range d.UsedEndpoints {
		for _, id := range d.facts.Endpoints[service].SubnetIDs {
			ids[id] = true
		}
	}
	for _, subnet := range n.Subnets {
		if ids[subnet.ID] {
			subnets = append(subnets, subnet)
			delete(ids, subnet.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if ids[id] {
			subnets = append(subnets, d.facts.Subnets[id])
		}
	}
	return subnets
}

func (d *decider) obstacle(at int, subnet Subnet, o obstacle, addresses []string) {
	traffic, preposition := "HTTPS", map[string]string{"in": "from", "out": "to"}[o.direction]
	if o.ports == reach.Ephemeral {
		traffic = "the answers to HTTPS"
	}
	entry := fmt.Sprintf("the entry %d denies it, or a part of it", o.entry)
	if (reach.Blockade{Entry: o.entry}).ByDefault() {
		entry = "no entry allows it, or not all of it"
	}
	text := fmt.Sprintf("the network ACL %s of the subnet does not let %s (TCP %s) %s %s %s: %s",
		o.acl, traffic, o.ports, o.direction, preposition, shortened(addresses), entry)
	if o.ipv6 {
		d.warn(fmt.Sprintf("%s: %s; the endpoints of this stack use IPv4 and work without it", subnet.ID, text))
		return
	}
	block := "0.0.0.0/0"
	if len(addresses) == 1 {
		block = addresses[0]
	}
	d.refuseNew(mistake.Mistake{
		Key: subnetKey(at), Got: subnet.ID, Problem: text, Allowed: "a network ACL that lets HTTPS to the endpoints and to S3 pass, and the answers",
		Fix: mistake.Run(reach.Blockade{Direction: o.direction, Ports: o.ports, Entry: o.entry}.Fix(subnet.ACL.Value, d.facts.Scope.Region, block)),
	})
}

func shortened(addresses []string) string {
	if len(addresses) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(addresses[:3], ", "), len(addresses)-3)
	}
	return strings.Join(addresses, ", ")
}
