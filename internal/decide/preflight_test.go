package decide_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	vpc     = "vpc-0123456789abcdef0"
	subnetA = "subnet-0aaaaaaaaaaaaaaaa"
	subnetB = "subnet-0bbbbbbbbbbbbbbbb"
	subnetC = "subnet-0cccccccccccccccc"
)

// account is what a stack in an existing VPC finds, and its config.
type account struct {
	facts  decide.Facts
	config config.Config
}

func (a *account) network() *decide.Network { return a.facts.Network }

// every changes each subnet.
func (a *account) every(change func(*decide.Subnet)) {
	for i := range a.facts.Network.Subnets {
		change(&a.facts.Network.Subnets[i])
	}
}

// route adds a route to the route table of the first two subnets.
func (a *account) route(destination, target string) {
	for i := range 2 {
		table := &a.facts.Network.RouteTables[i]
		table.Routes = append(table.Routes, reach.Route{Destination: destination, Target: target})
	}
}

var allowAll = []reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}}

func openACL(id string) reach.Read[reach.ACL] {
	return reach.Read[reach.ACL]{Value: reach.ACL{ID: id, Ingress: allowAll, Egress: allowAll}}
}

func tcp(number, from, to int, block string, allow bool) reach.ACLEntry {
	return reach.ACLEntry{Number: number, Protocol: "6", From: from, To: to, Range: block, Allow: allow}
}

// clean is an account in which there is nothing to find: three subnets in three
// zones, of which the first two have a route table in common.
func clean() *account {
	local := reach.Route{Destination: "10.1.0.0/16", Target: "local"}
	zones := []string{"us-east-2a", "us-east-2b", "us-east-2c"}
	n := &decide.Network{
		Found: true, OwnerID: "111122223333", CidrBlocks: []string{"10.1.0.0/16"}, RouteTableIDs: []string{"rtb-1", "rtb-2"},
		Network: reach.Network{
			DNSSupport: true, DNSHostnames: true, CidrBlock: "10.1.0.0/16", DNSServers: reach.Read[[]string]{Value: []string{"AmazonProvidedDNS"}},
		},
		RouteTables: []reach.Table{
			{SubnetID: subnetA, RouteTableID: "rtb-1", Routes: []reach.Route{local}}, {SubnetID: subnetB, RouteTableID: "rtb-1", Routes: []reach.Route{local}},
			{SubnetID: subnetC, RouteTableID: "rtb-2", Routes: []reach.Route{local}},
		},
	}
	for i, id := range []string{subnetA, subnetB, subnetC} {
		n.Subnets = append(n.Subnets, decide.Subnet{
			ID: id, VpcID: vpc, Zone: zones[i], CidrBlock: fmt.Sprintf("10.1.%d.0/24", i), FreeAddresses: 250, ACL: openACL("acl-1"),
		})
	}
	offered := decide.Service{Zones: zones, Offered: decide.Answer{Yes: true}}
	return &account{
		facts: decide.Facts{
			Project: "private-ec2-access", Stack: "dev",
			Scope:    scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"},
			Services: map[string]decide.Service{"ssm": offered, "ssmmessages": offered, "ec2messages": offered},
			Network:  n, S3PrefixListID: "pl-1", S3CidrBlocks: []string{"52.219.80.0/20", "3.5.128.0/22"},
			TypeZones: reach.Read[map[string][]string]{Value: map[string][]string{"t4g.nano": zones, "t3.nano": zones}},
		},
		config: config.Config{
			Network:   config.Network{VpcID: vpc, SubnetIDs: []string{subnetA, subnetB, subnetC}},
			Endpoints: config.Endpoints{Create: true, EC2Messages: "auto", Policies: "auto"},
			Instance:  config.InstanceDefaults{Architecture: "arm64", InstanceType: "t4g.nano", VolumeSize: 8},
			Instances: map[string]config.Instance{"app": {}},
			Session:   config.Session{DocumentName: "SSM-SessionManagerRunShell"},
		},
	}
}

// report is what a preview shows of an account: mistakes, which stop it, and
// warnings. What it says without a warning is left out.
func report(t *testing.T, a *account) (mistakes, warnings []string) {
	t.Helper()
	d, err := decide.Decide(&a.config, a.facts)
	var found mistake.List
	if err != nil {
		require.True(t, errors.As(err, &found), "%v", err)
	}
	for _, m := range found {
		require.NotEmpty(t, m.Fix, m.Problem)
		mistakes = append(mistakes, m.String())
	}
	for _, n := range d.Notices {
		if n.Warning {
			warnings = append(warnings, n.Text)
		}
	}
	return mistakes, warnings
}

var accounts = map[string]struct {
	prepare  func(*account)
	mistakes []string // a part of each, in order
	warnings []string
}{
	"clean":                               {func(*account) {}, nil, nil},
	"clean, deployed":                     {func(a *account) { a.facts.Deployed.VPCs = []string{vpc} }, nil, nil},
	"clean, peering to a private range":   {func(a *account) { a.route("10.9.0.0/16", "pcx-1") }, nil, []string{"has a route out of the VPC: 10.9.0.0/16 to pcx-1"}},
	"clean, resolver by address":          {func(a *account) { a.network().DNSServers.Value = []string{"10.1.0.2", "169.254.169.253"} }, nil, nil},
	"clean, one subnet":                   {func(a *account) { a.one() }, nil, nil},
	"clean, ACL with narrow entries":      {narrowACL, nil, nil},
	"clean, services without zones":       {func(a *account) { a.services(func(s *decide.Service) { s.Zones = nil }) }, nil, nil},
	"clean, gateway endpoint of DynamoDB": {func(a *account) { a.route("pl-2", "vpce-1") }, nil, nil},
	"clean, forwarders confirmed": {func(a *account) {
		a.network().DNSServers.Value = []string{"10.1.0.10"}
		a.config.Network.DNSServersForward = true
	}, nil, nil},
	"clean, internet route accepted":       {func(a *account) { a.route("0.0.0.0/0", "nat-1"); a.config.Network.AllowInternetRoute = true }, nil, nil},
	"clean, two subnets in a zone":         {func(a *account) { a.network().Subnets[1].Zone = "us-east-2a" }, nil, nil},
	"clean, one zone without the services": {func(a *account) { a.network().Subnets[2].Zone = "us-east-2-lax-1a" }, nil, nil},

	"no VPC":                    {func(a *account) { *a.network() = decide.Network{} }, []string{"there is no such VPC"}, nil},
	"shared VPC":                {func(a *account) { a.network().OwnerID = "444455556666" }, []string{"only the account 444455556666"}, nil},
	"no DNS support":            {func(a *account) { a.network().DNSSupport = false }, []string{"enableDnsSupport is false, enableDnsHostnames is true"}, nil},
	"no DNS host names":         {func(a *account) { a.network().DNSHostnames = false }, []string{"enableDnsSupport is true, enableDnsHostnames is false"}, nil},
	"custom DNS servers":        {func(a *account) { a.network().DNSServers.Value = []string{"10.1.0.10", "10.1.0.2"} }, []string{"knows the private names of endpoints: 10.1.0.10 "}, nil},
	"no DNS server":             {func(a *account) { a.network().DNSServers.Value = nil }, []string{"name no DNS server"}, nil},
	"DNS servers unreadable":    {func(a *account) { a.network().DNSServers.Problem = "AccessDenied" }, nil, []string{"not checked: which name servers"}},
	"no subnet":                 {func(a *account) { a.network().Subnets[1] = decide.Subnet{} }, []string{"network.subnetIds[1]: there is no such subnet"}, nil},
	"subnet of another VPC":     {func(a *account) { a.network().Subnets[2].VpcID = "vpc-9" }, []string{"network.subnetIds[2]: the subnet belongs to another VPC, vpc-9"}, nil},
	"subnet with IPv6 only":     {func(a *account) { a.network().Subnets[0].CidrBlock = "" }, []string{"network.subnetIds[0]: the subnet has only IPv6"}, nil},
	"full subnet":               {func(a *account) { a.network().Subnets[0].FreeAddresses = 3 }, []string{"has 3 free addresses, and this stack needs 4: 3 for endpoints, 1 for instances"}, nil},
	"full subnet, deployed":     {func(a *account) { a.network().Subnets[0].FreeAddresses = 0; a.facts.Deployed.VPCs = []string{vpc} }, nil, nil},
	"no zone with the services": {func(a *account) { a.every(func(s *decide.Subnet) { s.Zone = "us-east-2-lax-1a" }) }, []string{"no subnet is in a zone in which every endpoint", "instances.app.instanceType"}, nil},
	"services in another zone": {func(a *account) {
		a.services(func(s *decide.Service) { s.Zones = []string{"us-east-2e", "us-east-2d"} })
	},
		[]string{"at least one subnet in one of the zones us-east-2d, us-east-2e"}, nil},
	"type not in the zone":   {func(a *account) { a.facts.TypeZones.Value["t4g.nano"] = []string{"us-east-2b"} }, []string{"the zones that offer this one are us-east-2b"}, nil},
	"type not in the Region": {func(a *account) { delete(a.facts.TypeZones.Value, "t4g.nano") }, []string{"instances.app.instanceType: the zone us-east-2a"}, nil},
	"types unreadable":       {func(a *account) { a.facts.TypeZones = reach.Read[map[string][]string]{Problem: "AccessDenied"} }, nil, []string{"not checked: whether the zones"}},

	"internet gateway":                  {func(a *account) { a.route("0.0.0.0/0", "igw-1") }, []string{"rtb-1 has a route to the internet: 0.0.0.0/0 to igw-1"}, nil},
	"internet gateway for some":         {func(a *account) { a.route("8.8.8.0/24", "igw-1") }, []string{"8.8.8.0/24 to igw-1"}, nil},
	"internet gateway, deployed":        {func(a *account) { a.route("0.0.0.0/0", "igw-1"); a.facts.Deployed.VPCs = []string{vpc} }, nil, []string{"0.0.0.0/0 to igw-1"}},
	"internet gateway, deployed apart":  {func(a *account) { a.route("0.0.0.0/0", "igw-1"); a.facts.Deployed.VPCs = []string{"vpc-9"} }, []string{"0.0.0.0/0 to igw-1"}, nil},
	"NAT gateway":                       {func(a *account) { a.route("0.0.0.0/0", "nat-1") }, []string{"0.0.0.0/0 to nat-1"}, nil},
	"private NAT gateway":               {func(a *account) { a.route("10.0.0.0/8", "nat-1") }, nil, []string{"10.0.0.0/8 to nat-1"}},
	"egress-only internet gateway":      {func(a *account) { a.route("::/0", "eigw-1") }, []string{"::/0 to eigw-1"}, nil},
	"carrier gateway":                   {func(a *account) { a.route("0.0.0.0/0", "cagw-1") }, []string{"0.0.0.0/0 to cagw-1"}, nil},
	"peering with a default route":      {func(a *account) { a.route("0.0.0.0/0", "pcx-1") }, []string{"0.0.0.0/0 to pcx-1"}, nil},
	"transit gateway, default route":    {func(a *account) { a.route("0.0.0.0/0", "tgw-1") }, []string{"0.0.0.0/0 to tgw-1"}, nil},
	"transit gateway, half the default": {func(a *account) { a.route("0.0.0.0/1", "tgw-1") }, []string{"0.0.0.0/1 to tgw-1"}, nil},
	"appliance":                         {func(a *account) { a.route("0.0.0.0/0", "eni-1") }, []string{"0.0.0.0/0 to eni-1"}, nil},
	"Gateway Load Balancer":             {func(a *account) { a.route("0.0.0.0/0", "vpce-1") }, []string{"0.0.0.0/0 to vpce-1"}, nil},
	"prefix list to an internet gateway": {func(a *account) { a.route("pl-9", "igw-1") },
		[]string{"pl-9 to igw-1"}, nil},
	"VPN gateway": {func(a *account) { a.route("what the VPN gateway propagates", "vgw-1") }, nil, []string{"what the VPN gateway propagates to vgw-1"}},
	"two internet routes in two tables": {func(a *account) {
		a.route("0.0.0.0/0", "nat-1")
		a.network().RouteTables[2].Routes = []reach.Route{{Destination: "0.0.0.0/0", Target: "igw-1"}, {Destination: "::/0", Target: "igw-1"}}
	}, []string{"rtb-1 has a route to the internet: 0.0.0.0/0 to nat-1", "rtb-2 has routes to the internet: 0.0.0.0/0 to igw-1, ::/0 to igw-1"}, nil},

	"ACL shut": {func(a *account) {
		a.every(func(s *decide.Subnet) { s.ACL.Value.Ingress, s.ACL.Value.Egress = nil, nil })
	}, []string{
		"does not let HTTPS (TCP 443) out to 10.1.1.0/24, 10.1.2.0/24, 52.219.80.0/20 and 2 more: no entry", "does not let HTTPS (TCP 443) in from 10.1.0.0/24, 10.1.1.0/24, 10.1.2.0/24",
		"the answers to HTTPS (TCP 32768-60999) out", "the answers to HTTPS (TCP 32768-60999) in",
	}, nil},
	"ACL without HTTPS out": {acl(func(a *reach.ACL) { a.Egress = []reach.ACLEntry{tcp(100, 1024, 65535, "0.0.0.0/0", true)} }), []string{"HTTPS (TCP 443) out"}, nil},
	"ACL without HTTPS in":  {acl(func(a *reach.ACL) { a.Ingress = []reach.ACLEntry{tcp(100, 1024, 65535, "0.0.0.0/0", true)} }), []string{"HTTPS (TCP 443) in"}, nil},
	"ACL without answers out": {acl(func(a *reach.ACL) { a.Egress = []reach.ACLEntry{tcp(100, 443, 443, "0.0.0.0/0", true)} }),
		[]string{"the answers to HTTPS (TCP 32768-60999) out"}, nil},
	"ACL without answers in": {acl(func(a *reach.ACL) { a.Ingress = []reach.ACLEntry{tcp(100, 443, 443, "0.0.0.0/0", true)} }),
		[]string{"the answers to HTTPS (TCP 32768-60999) in"}, nil},
	"ACL without S3": {acl(func(a *reach.ACL) {
		a.Ingress = []reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "10.0.0.0/8", Allow: true}}
		a.Egress = a.Ingress
	}), []string{"out to 52.219.80.0/20, 3.5.128.0/22", "in from 52.219.80.0/20, 3.5.128.0/22"}, nil},
	"ACL that denies HTTPS": {acl(func(a *reach.ACL) {
		a.Egress = append([]reach.ACLEntry{tcp(50, 443, 443, "10.1.1.0/24", false)}, allowAll...)
	}),
		[]string{"out to 10.1.1.0/24: the entry 50 denies it"}, nil},
	"ACL shut, deployed": {func(a *account) {
		acl(func(a *reach.ACL) { a.Egress = []reach.ACLEntry{tcp(100, 1024, 65535, "0.0.0.0/0", true)} })(a)
		a.facts.Deployed.VPCs = []string{vpc}
	}, nil, []string{"HTTPS (TCP 443) out"}},
	"ACL of the endpoints' subnet": {func(a *account) {
		a.network().Subnets[1].ACL = reach.Read[reach.ACL]{Value: reach.ACL{ID: "acl-2", Ingress: []reach.ACLEntry{tcp(10, 443, 443, "10.1.0.0/24", false), allowAll[0]}, Egress: allowAll}}
	}, []string{"network.subnetIds[1]: the network ACL acl-2 of the subnet does not let HTTPS (TCP 443) in from 10.1.0.0/24: the entry 10"}, nil},
	"ACL inside one subnet": {func(a *account) {
		a.one()
		a.network().Subnets[0].ACL.Value.Ingress = []reach.ACLEntry{tcp(10, 443, 443, "10.1.0.0/24", false), allowAll[0]}
	}, nil, nil},
	"ACL without IPv6": {func(a *account) {
		for i := range a.network().Subnets {
			a.network().Subnets[i].Ipv6CidrBlock = fmt.Sprintf("2001:db8:0:%d::/64", i)
		}
	}, nil, []string{"out to 2001:db8:0:1::/64, 2001:db8:0:2::/64", "in from 2001:db8::/64", "answers to HTTPS (TCP 32768-60999) out", "answers to HTTPS (TCP 32768-60999) in"}},
	"ACL unreadable": {func(a *account) {
		a.every(func(s *decide.Subnet) { s.ACL = reach.Read[reach.ACL]{Problem: "UnauthorizedOperation"} })
	}, nil, []string{"not checked: whether the network ACL"}},

	"endpoints elsewhere, without addresses": {func(a *account) { a.config.Endpoints.Create, a.config.Endpoints.EC2Messages = false, "never" },
		[]string{"has no endpoint for ssm,", "has no endpoint for ssmmessages,"},
		[]string{"rtb-1 has no route to a gateway endpoint for S3. Without it, session logs get there only if the names of S3 lead to an endpoint outside of the VPC", "rtb-2"}},

	"log bucket, clean":             {bucket("us-east-2", ""), nil, nil},
	"log bucket does not exist":     {bucket("", ""), []string{"there is no such bucket"}, nil},
	"log bucket in another Region":  {bucket("eu-west-1", ""), []string{"the bucket is in eu-west-1"}, nil},
	"log bucket denies other VPCs":  {bucket("us-east-2", notEquals("aws:SourceVpc", "vpc-9")), []string{"the statement s of the bucket's policy denies s3:PutObject"}, nil},
	"log bucket allows this VPC":    {bucket("us-east-2", notEquals("aws:SourceVpc", vpc)), nil, nil},
	"log bucket of an organisation": {bucket("us-east-2", notEquals("aws:PrincipalOrgID", "o-1")), nil, []string{"the statement s of the policy of the log bucket logs may deny"}},
	"log bucket denies, deployed": {func(a *account) {
		bucket("us-east-2", notEquals("aws:SourceVpce", "vpce-9"))(a)
		a.facts.Deployed.VPCs = []string{vpc}
	}, nil, []string{"denies s3:PutObject"}},
	"log bucket unreadable": {func(a *account) {
		bucket("", "")(a)
		a.facts.LogBucket.Region.Problem, a.facts.LogBucket.Policy.Problem = "Forbidden", "AccessDenied"
	}, nil, []string{"not checked: in which Region", "not checked: whether the policy of the log bucket"}},

	"everything at once": {func(a *account) {
		a.network().DNSHostnames = false
		a.network().DNSServers.Value = []string{"10.1.0.10"}
		a.network().Subnets[2].VpcID = "vpc-9"
		a.facts.TypeZones.Value["t4g.nano"] = []string{"us-east-2b"}
		a.route("0.0.0.0/0", "nat-1")
		a.route("10.9.0.0/16", "pcx-1")
		acl(func(a *reach.ACL) { a.Ingress = []reach.ACLEntry{tcp(100, 443, 443, "0.0.0.0/0", true)} })(a)
		a.facts.TypeZones.Value["t4g.nano"] = []string{"us-east-2b"}
	}, []string{"enableDnsHostnames is false", "10.1.0.10", "another VPC, vpc-9", "us-east-2b", "0.0.0.0/0 to nat-1", "answers to HTTPS (TCP 32768-60999) in"}, []string{"10.9.0.0/16 to pcx-1"}},
	"several, deployed": {func(a *account) {
		a.facts.Deployed.VPCs = []string{vpc}
		a.network().DNSServers.Value = []string{"10.1.0.10"}
		a.route("0.0.0.0/0", "tgw-1")
		a.facts.TypeZones.Value["t4g.nano"] = nil
	}, nil, []string{"10.1.0.10", "instances.app.instanceType", "0.0.0.0/0 to tgw-1"}},
}

func bucket(region, policy string) func(*account) {
	return func(a *account) {
		a.config.Logging.BucketName = "logs"
		a.facts.LogBucket = decide.LogBucket{Region: reach.Read[string]{Value: region}, Policy: reach.Read[string]{Value: policy}}
	}
}

// notEquals is the policy of a bucket that denies every request whose context has another value.
func notEquals(key, value string) string {
	return fmt.Sprintf(`{"Statement":[{"Sid":"s","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{%q:%q}}}]}`, key, value)
}

// acl changes the network ACL that all subnets have in common.
func acl(change func(*reach.ACL)) func(*account) {
	return func(a *account) { a.every(func(s *decide.Subnet) { change(&s.ACL.Value) }) }
}

// narrowACL lets pass what sessions need, and no more.
func narrowACL(a *account) {
	needed := []reach.ACLEntry{
		tcp(10, 443, 443, "10.1.0.0/16", true), tcp(20, 443, 443, "52.219.80.0/20", true), tcp(30, 443, 443, "3.5.128.0/22", true), tcp(40, 32768, 60999, "0.0.0.0/0", true),
	}
	acl(func(acl *reach.ACL) { acl.Ingress, acl.Egress = needed, needed })(a)
}

func (a *account) one() {
	n := a.network()
	n.Subnets, n.RouteTables, n.RouteTableIDs = n.Subnets[:1], n.RouteTables[:1], n.RouteTableIDs[:1]
	a.config.Network.SubnetIDs = a.config.Network.SubnetIDs[:1]
}

func (a *account) services(change func(*decide.Service)) {
	for name, service := range a.facts.Services {
		change(&service)
		a.facts.Services[name] = service
	}
}

// Each finding, alone and together with others, is in the report; an account
// without one gives none. The whole text is in a golden file.
func TestPreflight_Account_WholeReport(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		c, a := accounts[name], clean()
		c.prepare(a)
		mistakes, warnings := report(t, a)
		requireParts(t, name+": mistakes", c.mistakes, mistakes)
		requireParts(t, name+": warnings", c.warnings, warnings)
		if len(mistakes)+len(warnings) > 0 {
			fmt.Fprintf(&text, "== %s\n%s", name, strings.Join(append(slices.Concat(prefixed("mistake: ", mistakes), prefixed("warning: ", warnings)), ""), "\n"))
		}
	}
	require.GreaterOrEqual(t, len(accounts), 40)
	const file = "testdata/preflight.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
	}
	golden, err := os.ReadFile(file)
	require.NoError(t, err, "run: go test ./internal/decide -update, and read the difference")
	require.Equal(t, string(golden), text.String())
}

func prefixed(prefix string, texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = prefix + text
	}
	return all
}

func requireParts(t *testing.T, name string, parts, texts []string) {
	t.Helper()
	require.Len(t, texts, len(parts), "%s: %s", name, strings.Join(texts, "\n"))
	for i, part := range parts {
		require.Contains(t, texts[i], part, name)
	}
}

// The endpoints have a network interface in one subnet of each zone that offers
// the services.
func TestEndpointSubnets_OneOfEachZone_Chosen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zones []string
		want  []string
	}{
		"three zones":       {[]string{"us-east-2a", "us-east-2b", "us-east-2c"}, []string{subnetA, subnetB, subnetC}},
		"two in one zone":   {[]string{"us-east-2a", "us-east-2a", "us-east-2c"}, []string{subnetA, subnetC}},
		"all in one zone":   {[]string{"us-east-2b", "us-east-2b", "us-east-2b"}, []string{subnetA}},
		"one not supported": {[]string{"us-east-2-lax-1a", "us-east-2b", "us-east-2b"}, []string{subnetB}},
	} {
		a := clean()
		for i, zone := range c.zones {
			a.network().Subnets[i].Zone = zone
		}
		a.facts.TypeZones.Value["t4g.nano"] = c.zones
		d, err := decide.Decide(&a.config, a.facts)
		require.NoError(t, err, name)
		require.Equal(t, c.want, d.EndpointSubnetIDs, name)
	}
}

// A command that the report names, done, ends the finding: the entry that it
// adds to a network ACL counts before the one that denies.
func TestNetworkACLs_FixDone_NothingFound(t *testing.T) {
	t.Parallel()
	for name, c := range accounts {
		if !strings.HasPrefix(name, "ACL") || len(c.mistakes) == 0 {
			continue
		}
		a := clean()
		c.prepare(a)
		for range 20 {
			mistakes, _ := report(t, a)
			if len(mistakes) == 0 {
				break
			}
			a.run(t, mistakes[0])
		}
		mistakes, _ := report(t, a)
		require.Empty(t, mistakes, name)
	}
}

// run does what the first create-network-acl-entry command of a text does.
func (a *account) run(t *testing.T, text string) {
	t.Helper()
	_, command, found := strings.Cut(text, "aws ec2 create-network-acl-entry ")
	require.True(t, found, text)
	var id, block string
	e := reach.ACLEntry{Protocol: "6", Allow: true}
	egress := strings.Contains(command, "--egress")
	words := strings.Fields(command)
	for i, word := range words {
		switch word {
		case "--network-acl-id":
			id = words[i+1]
		case "--rule-number":
			_, err := fmt.Sscan(words[i+1], &e.Number)
			require.NoError(t, err, command)
		case "--port-range":
			_, err := fmt.Sscanf(words[i+1], "From=%d,To=%d", &e.From, &e.To)
			require.NoError(t, err, command)
		case "--cidr-block":
			block = words[i+1]
		}
	}
	e.Range = block
	a.every(func(s *decide.Subnet) {
		if s.ACL.Value.ID != id {
			return
		}
		entries := &s.ACL.Value.Ingress
		if egress {
			entries = &s.ACL.Value.Egress
		}
		for _, other := range *entries {
			require.NotEqual(t, other.Number, e.Number, "a number is taken once")
		}
		*entries = append(slices.Clone(*entries), e)
	})
}
