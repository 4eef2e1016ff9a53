package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ACL is a network ACL. Unlike a security group it does not remember
// connections: the answers need an entry of their own.
type ACL struct {
	ID              string
	Ingress, Egress []ACLEntry
}

// ACLEntry is one rule of a network ACL.
type ACLEntry struct {
	Number   int
	Protocol string // tcp, its number 6, or -1 for all
	From, To int    // ports; of no meaning for all protocols
	Range    string // IPv4 or IPv6
	Allow    bool
}

// Ports is a range of TCP ports, both ends included.
type Ports struct{ From, To int }

var (
	// HTTPS is where endpoints listen.
	HTTPS = Ports{443, 443}
	// Ephemeral are the ports that answers come back to: those of Linux, which
	// are the ones that Amazon Linux uses. Windows uses the upper part of them
	// and goes on to 65535
	// (https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html#nacl-ephemeral-ports).
	Ephemeral = Ports{32768, 60999}
)

// lastEntry is the number of the entry that ends every network ACL and denies.
const lastEntry = 32767

// Denied finds the entry that denies TCP on a part of the ports to or from a
// part of the addresses. Entries count in the order of their numbers, and the
// first that matches decides.
func Denied(entries []ACLEntry, ports Ports, addresses netip.Prefix) (entry int, denied bool) {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b ACLEntry) int { return cmp.Compare(a.Number, b.Number) })
	return deniedBy(sorted, ports, addresses.Masked())
}

func deniedBy(entries []ACLEntry, ports Ports, addresses netip.Prefix) (int, bool) {
	for i, e := range entries {
		covers, overlaps := e.ports()
		inRange, err := netip.ParsePrefix(e.Range)
		if err != nil || !overlaps || covers.From > ports.To || covers.To < ports.From || !inRange.Overlaps(addresses) {
			continue
		}
		switch {
		case covers.From > ports.From: // the lower ports are for a later entry
			return either(entries[i:], Ports{ports.From, covers.From - 1}, addresses, Ports{covers.From, ports.To}, addresses)
		case covers.To < ports.To:
			return either(entries[i:], Ports{ports.From, covers.To}, addresses, Ports{covers.To + 1, ports.To}, addresses)
		case inRange.Bits() > addresses.Bits(): // it matches a part of the addresses
			lower, upper := halves(addresses)
			return either(entries[i:], ports, lower, ports, upper)
		}
		return e.Number, !e.Allow
	}
	return lastEntry, true
}

func either(entries []ACLEntry, p1 Ports, a1 netip.Prefix, p2 Ports, a2 netip.Prefix) (int, bool) {
	if entry, denied := deniedBy(entries, p1, a1); denied {
		return entry, true
	}
	return deniedBy(entries, p2, a2)
}

// ports are those that the entry is about, if it is about TCP.
func (e ACLEntry) ports() (Ports, bool) {
	switch e.Protocol {
	case "-1", "all":
		return Ports{0, 65535}, true
	case "6", "tcp":
		return Ports{e.From, e.To}, true
	}
	return Ports{}, false
}

// halves splits a range of addresses in two.
func halves(p netip.Prefix) (lower, upper netip.Prefix) {
	bits := p.Bits() + 1
	bytes := p.Addr().AsSlice()
	bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	second, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(second, bits)
}

// Blockade is traffic that a network ACL does not let through.
type Blockade struct {
	ACL       string
	Direction string // in or out
	Ports     Ports
	Addresses string // to or from them
	Entry     int    // the number of the entry that denies it
}

// ByDefault reports whether no entry of its own denies the traffic, but the last one, which denies the rest.
func (b Blockade) ByDefault() bool { return b.Entry == lastEntry }

// BlockedConnection finds what ACLs deny of HTTPS from addresses in one subnet to
// addresses in another, or outside the VPC: the requests, and the answers to them.
// Where one of the two has no network ACL, its pointer is nil.
func BlockedConnection(client *ACL, from netip.Prefix, server *ACL, to netip.Prefix) (found []Blockade) {
	check := func(acl *ACL, direction string, ports Ports, addresses netip.Prefix) {
		if acl == nil {
			return
		}
		entries := map[string][]ACLEntry{"in": acl.Ingress, "out": acl.Egress}[direction]
		if entry, denied := Denied(entries, ports, addresses); denied {
			found = append(found, Blockade{acl.ID, direction, ports, addresses.String(), entry})
		}
	}
	check(client, "out", HTTPS, to)
	check(server, "in", HTTPS, from)
	check(server, "out", Ephemeral, from)
	check(client, "in", Ephemeral, to)
	return found
}

// where is the direction in words.
func (b Blockade) where() string {
	if b.Direction == "in" {
		return "in from " + b.Addresses
	}
	return "out to " + b.Addresses
}

// Fix is the command that adds an entry to the network ACL, before the one that denies.
func (b Blockade) Fix(acl ACL, region, block string) string {
	entries, flag, family := acl.Ingress, "--ingress", "--cidr-block"
	if b.Direction == "out" {
		entries, flag = acl.Egress, "--egress"
	}
	if strings.Contains(block, ":") {
		family = "--ipv6-cidr-block"
	}
	return fmt.Sprintf("aws ec2 create-network-acl-entry --region %s --network-acl-id %s %s --rule-number %s --protocol tcp --port-range From=%d,To=%d %s %s --rule-action allow",
		region, acl.ID, flag, freeNumber(entries, b.Entry), b.Ports.From, b.Ports.To, family, block)
}

// freeNumber finds a number for an entry that is to count before another one.
func freeNumber(entries []ACLEntry, before int) string {
	taken, last := map[int]bool{}, 0
	for _, e := range entries {
		taken[e.Number] = true
		if e.Number < before {
			last = max(last, e.Number)
		}
	}
	if last+10 < before {
		return strconv.Itoa(last + 10)
	}
	for number := before - 1; number > 0; number-- {
		if !taken[number] {
			return strconv.Itoa(number)
		}
	}
	return "NUMBER"
}

// String is the range as AWS writes it.
func (p Ports) String() string {
	if p.From == p.To {
		return strconv.Itoa(p.From)
	}
	return strconv.Itoa(p.From) + "-" + strconv.Itoa(p.To)
}
