package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// site is an account that the AWS CLI prepared: a VPC with two subnets in two zones, each with the same route table and
// network ACL, and a bucket for session logs. The config names them.
type site struct {
	*account
	vpc, first, second, table, acl string
	config                         map[string]any
}

func newSite(t *testing.T) *site {
	in := newAccount(t, "us-east-2")
	words := existing(in)
	s := &site{account: in, vpc: words["VPC"].(string), first: words["SUBNET_A"].(string), second: words["SUBNET_B"].(string)}
	s.table = in.aws("ec2", "create-route-table", "--vpc-id", s.vpc).text("RouteTable.RouteTableId")
	s.acl = in.aws("ec2", "create-network-acl", "--vpc-id", s.vpc).text("NetworkAcl.NetworkAclId")
	for _, way := range []string{"--ingress", "--egress"} {
		s.entry(way, 100, "-1", "0.0.0.0/0", "allow")
	}
	for _, subnet := range []string{s.first, s.second} {
		s.useTable(subnet, s.table)
		s.useACL(subnet, s.acl)
	}
	return s
}

// copy gives a test an account with the same content, and a config of its own.
func (s *site) copy(t *testing.T) *site {
	c := *s
	c.account = s.account.copy(t)
	c.config = map[string]any{
		"network.vpcId": c.vpc, "network.subnetIds": []any{c.first, c.second}, "logging.bucketName": "existing-logs", "keepRecords": "false",
		"session.documentName": "private-ec2-access-site",
	}
	return &c
}

func (s *site) entry(way string, number int, protocol, block, action string, ports ...string) {
	s.t.Helper()
	args := []string{"ec2", "create-network-acl-entry", "--network-acl-id", s.acl, way, "--rule-number", fmt.Sprint(number), "--protocol", protocol,
		"--cidr-block", block, "--rule-action", action}
	if len(ports) > 0 {
		args = append(args, "--port-range", ports[0])
	}
	s.aws(args...)
}

func (s *site) dropEntry(way string, number int) {
	s.aws("ec2", "delete-network-acl-entry", "--network-acl-id", s.acl, way, "--rule-number", fmt.Sprint(number))
}

func (s *site) useTable(subnet, table string) {
	s.aws("ec2", "associate-route-table", "--route-table-id", table, "--subnet-id", subnet)
}

func (s *site) useACL(subnet, acl string) {
	for _, found := range s.aws("ec2", "describe-network-acls", "--filters", "Name=association.subnet-id,Values="+subnet).list("NetworkAcls[0].Associations") {
		if found.text("SubnetId") == subnet {
			s.aws("ec2", "replace-network-acl-association", "--association-id", found.text("NetworkAclAssociationId"), "--network-acl-id", acl)
			return
		}
	}
	s.t.Fatalf("the subnet %s has no network ACL", subnet)
}

func (s *site) route(block, flag, target string) {
	destination := "--destination-cidr-block"
	if strings.Contains(block, ":") {
		destination = "--destination-ipv6-cidr-block"
	}
	s.aws("ec2", "create-route", "--route-table-id", s.table, destination, block, flag, target)
}

func (s *site) deleteRoute(block string) {
	destination := "--destination-cidr-block"
	if strings.Contains(block, ":") {
		destination = "--destination-ipv6-cidr-block"
	}
	s.aws("ec2", "delete-route", "--route-table-id", s.table, destination, block)
}

func (s *site) internetGateway() string {
	id := s.aws("ec2", "create-internet-gateway").text("InternetGateway.InternetGatewayId")
	s.aws("ec2", "attach-internet-gateway", "--vpc-id", s.vpc, "--internet-gateway-id", id)
	return id
}

func (s *site) dhcp(servers string) {
	id := s.aws("ec2", "create-dhcp-options", "--dhcp-configurations", "Key=domain-name-servers,Values="+servers).text("DhcpOptions.DhcpOptionsId")
	s.aws("ec2", "associate-dhcp-options", "--dhcp-options-id", id, "--vpc-id", s.vpc)
}

func (s *site) attribute(flag string) {
	s.aws("ec2", "modify-vpc-attribute", "--vpc-id", s.vpc, flag)
}

func (s *site) otherVPC() string {
	return s.aws("ec2", "create-vpc", "--cidr-block", "10.90.0.0/16").text("Vpc.VpcId")
}

func (s *site) peering() string {
	id := s.aws("ec2", "create-vpc-peering-connection", "--vpc-id", s.vpc, "--peer-vpc-id", s.otherVPC()).text("VpcPeeringConnection.VpcPeeringConnectionId")
	s.aws("ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", id)
	return id
}

func (s *site) bucketPolicy(policy string) {
	s.aws("s3api", "put-bucket-policy", "--bucket", "existing-logs", "--policy", policy)
}

// findings are accounts in which the preview finds something. One with a fix is also deployed, after the fix.
var findings = map[string]struct {
	prepare func(*site)
	want    []string // in the preview
	warns   bool     // it only warns
	fix     func(*site)
}{
	"a clean account":          {prepare: func(*site) {}, warns: true, fix: func(*site) {}},
	"no VPC":                   {prepare: func(s *site) { s.config["network.vpcId"] = "vpc-0123456789abcdef0" }, want: []string{"network.vpcId: there is no such VPC"}},
	"no DNS host names":        {func(s *site) { s.attribute("--no-enable-dns-hostnames") }, []string{"enableDnsHostnames is false"}, false, func(s *site) { s.attribute("--enable-dns-hostnames") }},
	"no DNS support":           {func(s *site) { s.attribute("--no-enable-dns-support") }, []string{"enableDnsSupport is false"}, false, func(s *site) { s.attribute("--enable-dns-support") }},
	"DNS servers of one's own": {func(s *site) { s.dhcp("10.50.0.10") }, []string{"the private names of endpoints: 10.50.0.10"}, false, func(s *site) { s.config["network.dnsServersForward"] = true }},
	"no DHCP options": {func(s *site) {
		s.aws("ec2", "associate-dhcp-options", "--dhcp-options-id", "default", "--vpc-id", s.vpc)
	}, []string{"name no DNS server"}, false, func(s *site) { s.dhcp("AmazonProvidedDNS") }},
	"a subnet that is gone":      {prepare: func(s *site) { s.config["network.subnetIds"] = []any{s.first, "subnet-0123456789abcdef0"} }, want: []string{"network.subnetIds[1]: there is no such subnet"}},
	"a subnet of another VPC":    {func(s *site) { s.foreignSubnet() }, []string{"network.subnetIds[1]: the subnet belongs to another VPC"}, false, func(s *site) { s.config["network.subnetIds"] = []any{s.first} }},
	"two subnets in a zone":      {func(s *site) { s.twin() }, []string{"the endpoints get no network interface in"}, true, func(*site) {}},
	"a small subnet":             {prepare: func(s *site) { s.small() }, want: []string{"free addresses, and this stack needs"}},
	"a type that the zone lacks": {func(s *site) { s.config["instance.instanceType"] = "x9g.nano" }, []string{"instances.app.instanceType: the zone us-east-2a"}, false, func(s *site) { s.config["instance.instanceType"] = "t4g.nano" }},

	"an internet gateway":          {func(s *site) { s.route("0.0.0.0/0", "--gateway-id", s.internetGateway()) }, []string{"has a route to the internet: 0.0.0.0/0 to igw-"}, false, func(s *site) { s.deleteRoute("0.0.0.0/0") }},
	"a route that is accepted":     {func(s *site) { s.route("0.0.0.0/0", "--gateway-id", s.internetGateway()) }, []string{"0.0.0.0/0 to igw-"}, false, func(s *site) { s.config["network.allowInternetRoute"] = true }},
	"an internet gateway for IPv6": {prepare: func(s *site) { s.route("::/0", "--gateway-id", s.internetGateway()) }, want: []string{"::/0 to igw-"}},
	"a NAT gateway": {prepare: func(s *site) {
		s.route("0.0.0.0/0", "--nat-gateway-id", s.aws("ec2", "create-nat-gateway", "--subnet-id", s.first, "--connectivity-type", "private").text("NatGateway.NatGatewayId"))
	}, want: []string{"0.0.0.0/0 to nat-"}},
	"an egress-only gateway": {prepare: func(s *site) {
		s.route("::/0", "--egress-only-internet-gateway-id", s.aws("ec2", "create-egress-only-internet-gateway", "--vpc-id", s.vpc).text("EgressOnlyInternetGateway.EgressOnlyInternetGatewayId"))
	}, want: []string{"::/0 to eigw-"}},
	"a transit gateway with the default route": {prepare: func(s *site) {
		s.route("0.0.0.0/0", "--transit-gateway-id", s.aws("ec2", "create-transit-gateway").text("TransitGateway.TransitGatewayId"))
	}, want: []string{"0.0.0.0/0 to tgw-"}},
	"peering with the default route": {prepare: func(s *site) { s.route("0.0.0.0/0", "--vpc-peering-connection-id", s.peering()) }, want: []string{"0.0.0.0/0 to pcx-"}},
	"peering with another VPC":       {prepare: func(s *site) { s.route("10.90.0.0/16", "--vpc-peering-connection-id", s.peering()) }, want: []string{"has a route out of the VPC: 10.90.0.0/16 to pcx-"}, warns: true},
	"a VPN gateway": {prepare: func(s *site) {
		id := s.aws("ec2", "create-vpn-gateway", "--type", "ipsec.1").text("VpnGateway.VpnGatewayId")
		s.aws("ec2", "attach-vpn-gateway", "--vpc-id", s.vpc, "--vpn-gateway-id", id)
	}, want: []string{"what the VPN gateway propagates to vgw-"}, warns: true},

	"a network ACL that denies HTTPS":   {func(s *site) { s.entry("--egress", 50, "6", "0.0.0.0/0", "deny", "From=443,To=443") }, []string{"does not let HTTPS (TCP 443) out", "the entry 50 denies it"}, false, func(s *site) { s.dropEntry("--egress", 50) }},
	"a network ACL that denies answers": {func(s *site) { s.entry("--ingress", 50, "6", "0.0.0.0/0", "deny", "From=40000,To=40010") }, []string{"the answers to HTTPS (TCP 32768-60999) in"}, false, func(s *site) { s.dropEntry("--ingress", 50) }},
	"a network ACL without entries": {func(s *site) { s.dropEntry("--ingress", 100); s.dropEntry("--egress", 100) }, []string{"4 mistakes", "no entry allows it"}, false, func(s *site) {
		s.entry("--ingress", 100, "-1", "0.0.0.0/0", "allow")
		s.entry("--egress", 100, "-1", "0.0.0.0/0", "allow")
	}},

	"a log bucket of another Region": {prepare: func(s *site) {
		s.aws("s3api", "create-bucket", "--bucket", "elsewhere-logs", "--region", "eu-west-1", "--create-bucket-configuration", "LocationConstraint=eu-west-1")
		s.config["logging.bucketName"] = "elsewhere-logs"
	}, want: []string{"logging.bucketName: the bucket is in eu-west-1"}},
	"no log bucket": {prepare: func(s *site) { s.config["logging.bucketName"] = "absent-logs" }, want: []string{"logging.bucketName: there is no such bucket"}},
	"a log bucket that denies other VPCs": {func(s *site) { s.bucketPolicy(onlyFrom("aws:SourceVpc", "vpc-0123456789abcdef0")) }, []string{"the statement OnlyFrom of the bucket's policy denies s3:PutObject"}, false,
		func(s *site) { s.bucketPolicy(onlyFrom("aws:SourceVpc", s.vpc)) }},

	"several at once": {prepare: func(s *site) {
		s.attribute("--no-enable-dns-hostnames")
		s.dhcp("10.50.0.10")
		s.route("0.0.0.0/0", "--gateway-id", s.internetGateway())
		s.entry("--egress", 50, "6", "0.0.0.0/0", "deny", "From=443,To=443")
		s.bucketPolicy(onlyFrom("aws:SourceVpc", "vpc-0123456789abcdef0"))
		s.config["instance.instanceType"] = "x9g.nano"
	}, want: []string{
		"6 mistakes", "the statement OnlyFrom", "enableDnsHostnames is false", "10.50.0.10", "x9g.nano", "0.0.0.0/0 to igw-", "the entry 50 denies it",
		"aws ec2 modify-vpc-attribute --region us-east-2", "aws ec2 delete-route --region us-east-2", "aws ec2 create-network-acl-entry --region us-east-2",
	}},
}

func onlyFrom(key, value string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"OnlyFrom","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::existing-logs/*","Condition":{"StringNotEquals":{%q:%q}}}]}`, key, value)
}

func (s *site) foreignSubnet() {
	id := s.aws("ec2", "create-subnet", "--vpc-id", s.otherVPC(), "--cidr-block", "10.90.0.0/24").text("Subnet.SubnetId")
	s.config["network.subnetIds"] = []any{s.first, id}
}

// twin makes the second subnet one in the zone of the first.
func (s *site) twin() {
	id := s.aws("ec2", "create-subnet", "--vpc-id", s.vpc, "--cidr-block", "10.50.7.0/24", "--availability-zone", "us-east-2a").text("Subnet.SubnetId")
	s.useTable(id, s.table)
	s.useACL(id, s.acl)
	s.config["network.subnetIds"] = []any{s.first, id}
}

// small makes the first subnet one with fewer addresses than instances.
func (s *site) small() {
	id := s.aws("ec2", "create-subnet", "--vpc-id", s.vpc, "--cidr-block", "10.50.8.0/28", "--availability-zone", "us-east-2a").text("Subnet.SubnetId")
	s.useTable(id, s.table)
	s.useACL(id, s.acl)
	s.config["network.subnetIds"] = []any{id}
	instances := map[string]any{}
	for i := range 12 {
		instances[fmt.Sprintf("app-%c", 'a'+i)] = map[string]any{}
	}
	s.config["instances"] = instances
}

// settings are the config as a stack's file has it: a dotted key is a member of an object.
func (s *site) settings() map[string]any {
	nested := map[string]any{}
	for key, value := range s.config {
		object, member, found := strings.Cut(key, ".")
		if !found {
			nested[key] = value
			continue
		}
		if nested[object] == nil {
			nested[object] = map[string]any{}
		}
		nested[object].(map[string]any)[member] = value
	}
	return nested
}

// The preview of the plain program, without make, reports each finding in an account that the AWS CLI prepared, and the
// account stays as it is. After the fix the update succeeds, and a second preview is empty.
//
// It does not prove what moto cannot hold: a VPC that another account shares, subnets with IPv6 only and carrier gateways
// are tested with facts alone, in internal/decide.
func TestPreflight_EveryFinding_ReportedBeforeTheUpdate(t *testing.T) {
	t.Parallel()
	everyRun := []string{"several at once"}
	prepared := newSite(t)
	t.Run("accounts", func(t *testing.T) {
		for name, f := range findings {
			if !long(t) && !slices.Contains(everyRun, name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				site := prepared.copy(t)
				f.prepare(site)
				s := newStack(t, site.account, "site", site.settings())
				site.Reset()
				out, err := s.preview()
				require.Equal(t, f.warns, err == nil, out)
				for _, text := range f.want {
					require.Contains(t, out, text)
				}
				require.NotContains(t, out, "not checked")
				if len(f.want) == 0 {
					require.NotContains(t, out, "warning:")
				}
				require.Empty(t, site.writes())
				if f.fix == nil {
					return
				}
				f.fix(site)
				s = newStack(t, site.account, "fixed", site.settings())
				s.up()
				s.requireNoChanges()
			})
		}
	})
	rows := [][]string{{"account, prepared by the AWS CLI", "the preview says", "update after the fix"}}
	for _, name := range slices.Sorted(maps.Keys(findings)) {
		f := findings[name]
		says := "nothing"
		if len(f.want) > 0 {
			says = map[bool]string{true: "", false: "refused: "}[f.warns] + "“" + strings.Join(f.want, "”, “") + "”"
		}
		rows = append(rows, []string{name, says, map[bool]string{true: "succeeds; a second preview is empty", false: ""}[f.fix != nil]})
	}
	requireListed(t, "Accounts that the preview was tested with", rows)
}
