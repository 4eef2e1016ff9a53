package reach_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/reach"
)

func TestDenied_EntryByEntry_FirstMatchDecides(t *testing.T) {
	t.Parallel()
	all := reach.ACLEntry{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}
	block := netip.MustParsePrefix("10.0.0.0/16")
	for name, c := range map[string]struct {
		entries []reach.ACLEntry
		ports   reach.Ports
		entry   int // that denies; 0: none
	}{
		"no entry":       {nil, reach.HTTPS, 32767},
		"everything":     {[]reach.ACLEntry{all}, reach.HTTPS, 0},
		"only IPv6":      {[]reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "::/0", Allow: true}}, reach.HTTPS, 32767},
		"denied before":  {[]reach.ACLEntry{all, {Number: 99, Protocol: "tcp", From: 443, To: 443, Range: "0.0.0.0/0"}}, reach.HTTPS, 99},
		"denied after":   {[]reach.ACLEntry{all, {Number: 101, Protocol: "tcp", From: 443, To: 443, Range: "0.0.0.0/0"}}, reach.HTTPS, 0},
		"UDP denied":     {[]reach.ACLEntry{all, {Number: 1, Protocol: "17", From: 0, To: 65535, Range: "0.0.0.0/0"}}, reach.HTTPS, 0},
		"other port":     {[]reach.ACLEntry{all, {Number: 1, Protocol: "6", From: 80, To: 80, Range: "0.0.0.0/0"}}, reach.HTTPS, 0},
		"one address":    {[]reach.ACLEntry{all, {Number: 7, Protocol: "-1", Range: "10.0.200.7/32"}}, reach.HTTPS, 7},
		"half the range": {[]reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "10.0.0.0/17", Allow: true}}, reach.HTTPS, 32767},
		"both halves": {[]reach.ACLEntry{
			{Number: 100, Protocol: "-1", Range: "10.0.0.0/17", Allow: true}, {Number: 110, Protocol: "tcp", From: 1, To: 65535, Range: "10.0.128.0/17", Allow: true},
		}, reach.HTTPS, 0},
		"ports in two parts": {[]reach.ACLEntry{
			{Number: 1, Protocol: "tcp", From: 1024, To: 40000, Range: "0.0.0.0/0", Allow: true}, {Number: 2, Protocol: "tcp", From: 40001, To: 65535, Range: "0.0.0.0/0", Allow: true},
		}, reach.Ephemeral, 0},
		"a port too few": {[]reach.ACLEntry{{Number: 1, Protocol: "tcp", From: 32769, To: 65535, Range: "0.0.0.0/0", Allow: true}}, reach.Ephemeral, 32767},
		"Windows ports":  {[]reach.ACLEntry{{Number: 1, Protocol: "tcp", From: 49152, To: 65535, Range: "0.0.0.0/0", Allow: true}}, reach.Ephemeral, 32767},
	} {
		entry, denied := reach.Denied(c.entries, c.ports, block)
		require.Equal(t, c.entry != 0, denied, name)
		if denied {
			require.Equal(t, c.entry, entry, name)
		}
	}
}

// The judgement about ranges is compared with one that tries each port and each
// address, with entries drawn at random.
func TestDenied_RandomEntries_AsEachAddressAndPort(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	block := netip.MustParsePrefix("10.0.0.0/28")
	matches := func(e reach.ACLEntry, port int, address netip.Addr) bool {
		inPorts := e.Protocol == "-1" || e.Protocol == "tcp" && e.From <= port && port <= e.To
		return inPorts && netip.MustParsePrefix(e.Range).Contains(address)
	}
	both := map[bool]int{}
	for range 3000 {
		var entries []reach.ACLEntry
		for n := range 1 + random.IntN(5) {
			from := 440 + random.IntN(6)
			address := netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(16))})
			entries = append(entries, reach.ACLEntry{
				Number: n + 1, Protocol: []string{"tcp", "tcp", "-1", "udp"}[random.IntN(4)], From: from, To: from + random.IntN(4),
				Range: netip.PrefixFrom(address, 26+random.IntN(7)).Masked().String(), Allow: random.IntN(4) > 0,
			})
		}
		ports := reach.Ports{From: 441, To: 441 + random.IntN(4)}
		want := false
		for port := ports.From; port <= ports.To; port++ {
			for address := block.Addr(); block.Contains(address); address = address.Next() {
				allowed := false
				for _, e := range entries {
					if matches(e, port, address) {
						allowed = e.Allow
						break
					}
				}
				want = want || !allowed
			}
		}
		_, denied := reach.Denied(entries, ports, block)
		require.Equal(t, want, denied, "%v %v", ports, entries)
		both[want]++
	}
	require.Greater(t, both[true], 100)
	require.Greater(t, both[false], 100)
}

func TestBlockedConnection_EachDirection_Named(t *testing.T) {
	t.Parallel()
	client, server := netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("10.0.2.0/24")
	open := func() *reach.ACL {
		any := []reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}}
		return &reach.ACL{ID: "acl-open", Ingress: any, Egress: any}
	}
	require.Empty(t, reach.BlockedConnection(open(), client, open(), server))
	require.Empty(t, reach.BlockedConnection(nil, client, nil, server), "one subnet has no network ACL inside")
	shut := &reach.ACL{ID: "acl-shut"}
	require.Equal(t, []reach.Blockade{
		{ACL: "acl-shut", Direction: "out", Ports: reach.HTTPS, Addresses: "10.0.2.0/24", Entry: 32767},
		{ACL: "acl-shut", Direction: "in", Ports: reach.Ephemeral, Addresses: "10.0.2.0/24", Entry: 32767},
	}, reach.BlockedConnection(shut, client, open(), server))
	require.Equal(t, []reach.Blockade{
		{ACL: "acl-shut", Direction: "in", Ports: reach.HTTPS, Addresses: "10.0.1.0/24", Entry: 32767},
		{ACL: "acl-shut", Direction: "out", Ports: reach.Ephemeral, Addresses: "10.0.1.0/24", Entry: 32767},
	}, reach.BlockedConnection(open(), client, shut, server))
	six := netip.MustParsePrefix("2001:db8:1::/64")
	require.Len(t, reach.BlockedConnection(open(), six, open(), six), 4, "entries for IPv4 say nothing about IPv6")
}
