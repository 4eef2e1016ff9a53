package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// site is an account that the AWS CLI prepared: a VPC with two subnets in two zones, each with the same route table and
// network ACL, and a bucket for session logs. The config names them.
type site struct {
	*account
	vpc, first, second, table, acl string
	groups                         int // made so far
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

	"a carrier gateway": {prepare: func(s *site) {
		s.route("0.0.0.0/0", "--carrier-gateway-id", s.aws("ec2", "create-carrier-gateway", "--vpc-id", s.vpc).text("CarrierGateway.CarrierGatewayId"))
	}, want: []string{"0.0.0.0/0 to cagw-"}},
	"an appliance": {prepare: func(s *site) {
		s.route("0.0.0.0/0", "--network-interface-id", s.aws("ec2", "create-network-interface", "--subnet-id", s.first).text("NetworkInterface.NetworkInterfaceId"))
	}, want: []string{"0.0.0.0/0 to eni-"}},
	"half of all addresses through a transit gateway": {prepare: func(s *site) {
		s.route("128.0.0.0/1", "--transit-gateway-id", s.aws("ec2", "create-transit-gateway").text("TransitGateway.TransitGatewayId"))
	}, want: []string{"128.0.0.0/1 to tgw-"}},
	"an internet route of the main route table": {prepare: func(s *site) { s.mainTable(); s.route("0.0.0.0/0", "--gateway-id", s.internetGateway()) }, want: []string{"0.0.0.0/0 to igw-"}},
	"a subnet with IPv6 only":                   {prepare: func(s *site) { s.onlyIPv6() }, want: []string{"network.subnetIds[1]: the subnet has only IPv6 addresses"}},
	"a network ACL without entries for IPv6":    {prepare: func(s *site) { s.bothFamilies() }, want: []string{"does not let HTTPS (TCP 443) out to 2400:", "use IPv4 and work without it"}, warns: true},
	"a VPC that another account shares": {prepare: func(s *site) {
		s.Add(emulator.PassOn("ec2", "DescribeVpcs", func(_ *emulator.Request, reply *emulator.Reply) error {
			reply.Body = bytes.ReplaceAll(reply.Body, []byte("<ownerId>"+here), []byte("<ownerId>111122223333"))
			return nil
		}))
	}, want: []string{"network.vpcId: only the account 111122223333"}},
	"endpoint services of other zones": {prepare: func(s *site) {
		s.Add(emulator.PassOn("ec2", "DescribeVpcEndpointServices", func(_ *emulator.Request, reply *emulator.Reply) error {
			reply.Body = regexp.MustCompile(`<item>us-east-2[ab]</item>`).ReplaceAll(reply.Body, nil)
			return nil
		}))
	}, want: []string{"network.subnetIds: no subnet is in a zone in which every endpoint can be created", "at least one subnet in one of the zones us-east-2c"}},

	"endpoints that are there already": {prepare: func(s *site) { s.endpoint("ssm", s.openGroup()); s.endpoint("ssmmessages", s.openGroup()); s.gateway() }, want: []string{"this stack uses endpoints that the VPC has already: s3 vpce-", "ssmmessages vpce-"}, warns: true},
	"an endpoint that accepts nothing": {func(s *site) { s.endpoint("ssm", s.group()) }, []string{"does not accept HTTPS from every subnet of this stack", "aws ec2 authorize-security-group-ingress --region us-east-2 --group-id"}, false, func(s *site) {
		s.accept(s.aws("ec2", "describe-vpc-endpoints").text("VpcEndpoints[0].Groups[0].GroupId"))
	}},
	"an endpoint whose policy allows nothing": {func(s *site) { s.endpoint("ssmmessages", s.openGroup(), "--policy-document", allowing("ec2:*")) }, []string{"does not let ssmmessages:CreateControlChannel", "--reset-policy"}, false, func(s *site) {
		s.aws("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", s.aws("ec2", "describe-vpc-endpoints").text("VpcEndpoints[0].VpcEndpointId"), "--reset-policy")
	}},
	"an endpoint whose policy has a condition": {prepare: func(s *site) {
		s.endpoint("ssm", s.openGroup(), "--policy-document", strings.Replace(allowing("*"), `"Resource"`, `"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}},"Resource"`, 1))
	}, want: []string{"may not let ssm:UpdateInstanceInformation through"}, warns: true},
	"an endpoint without private DNS": {prepare: func(s *site) { s.endpoint("ssm", s.openGroup(), "--no-private-dns-enabled") }, want: []string{"is not used, because its private DNS is off"}, warns: true},
	"two endpoints for a service": {func(s *site) {
		s.endpoint("ssm", s.openGroup(), "--no-private-dns-enabled")
		s.endpoint("ssm", s.openGroup())
	}, []string{"endpoints.existing.ssm: the VPC", "has several interface endpoints for ssm"}, false, func(s *site) {
		for _, e := range s.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
			if e.at("PrivateDnsEnabled") == true {
				s.config["endpoints.existing"] = map[string]any{"ssm": e.text("VpcEndpointId")}
			}
		}
	}},
	"an endpoint that is gone":                     {prepare: func(s *site) { s.config["endpoints.existing"] = map[string]any{"ssm": "vpce-0123456789abcdef0"} }, want: []string{"endpoints.existing.ssm: it is not an interface endpoint"}},
	"a gateway endpoint that denies":               {prepare: func(s *site) { s.gateway("--policy-document", allowing("s3:GetObject")) }, want: []string{"does not let s3:PutObject of this stack through"}},
	"endpoints elsewhere, without their addresses": {prepare: func(s *site) { s.config["endpoints.create"] = false }, want: []string{"2 mistakes", "endpoints.cidrBlocks: the VPC", "has no endpoint for ssmmessages"}},
	"endpoints elsewhere, without a route": {func(s *site) {
		s.config["endpoints.create"], s.config["endpoints.cidrBlocks"] = false, []any{"10.90.0.0/16"}
	}, []string{"endpoints.cidrBlocks: the route table", "has no route there", "has no route to a gateway endpoint for S3"}, false, func(s *site) {
		s.route("10.90.0.0/16", "--vpc-peering-connection-id", s.peering())
	}},

	"a log bucket of an organization":          {prepare: func(s *site) { s.bucketPolicy(onlyFrom("aws:PrincipalOrgID", "o-1")) }, want: []string{"the statement OnlyFrom of the policy of the log bucket existing-logs may deny"}, warns: true},
	"a log bucket that denies other endpoints": {prepare: func(s *site) { s.gateway(); s.bucketPolicy(onlyFrom("aws:SourceVpce", "vpce-0123456789abcdef0")) }, want: []string{"the statement OnlyFrom of the bucket's policy denies s3:PutObject"}},

	"denied: DHCP options":         {prepare: deny("ec2", "DescribeDhcpOptions"), want: []string{"not checked: which name servers"}, warns: true},
	"denied: network ACLs":         {prepare: deny("ec2", "DescribeNetworkAcls"), want: []string{"not checked: whether the network ACL"}, warns: true},
	"denied: zones of types":       {prepare: deny("ec2", "DescribeInstanceTypeOfferings"), want: []string{"not checked: whether the zones of the subnets offer the instance types"}, warns: true},
	"denied: policy of the bucket": {prepare: deny("s3", "GetBucketPolicy"), want: []string{"not checked: whether the policy of the log bucket existing-logs"}, warns: true},
	"denied: the VPC":              {prepare: deny("ec2", "DescribeVpcs"), want: []string{"looking at the VPC", "UnauthorizedOperation"}},
	"throttled: route tables": {prepare: func(s *site) {
		s.config["aws:maxRetries"] = "1"
		s.Add(emulator.Fail("ec2", "DescribeRouteTables", 503, "RequestLimitExceeded", "Request limit exceeded."))
	}, want: []string{"RequestLimitExceeded"}},

	"an existing instance that is gone":      {prepare: func(s *site) { s.brings("i-0123456789abcdef0") }, want: []string{"existingInstances.old: there is no such instance"}},
	"an existing instance without a profile": {prepare: func(s *site) { s.brings(s.launch("--subnet-id", s.first)) }, want: []string{"existing instances without an instance profile: old (i-"}, warns: true},
	"an existing instance of another VPC": {prepare: func(s *site) {
		s.brings(s.launch("--subnet-id", s.aws("ec2", "create-subnet", "--vpc-id", s.otherVPC(), "--cidr-block", "10.90.0.0/24").text("Subnet.SubnetId")))
	}, want: []string{"is in the VPC vpc-", "and not in that of this stack"}, warns: true},
	"an existing instance with an empty profile": {func(s *site) {
		s.aws("iam", "create-instance-profile", "--instance-profile-name", "empty")
		s.brings(s.launch("--subnet-id", s.first, "--iam-instance-profile", "Name=empty"))
	}, []string{"its instance profile empty has no role"}, false, func(s *site) {
		s.aws("iam", "create-role", "--role-name", "filled", "--assume-role-policy-document", trustsEC2)
		s.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "empty", "--role-name", "filled")
	}},

	"endpoints, routes and policies at once": {func(s *site) {
		s.endpoint("ssm", s.group(), "--policy-document", allowing("ec2:*"))
		s.gateway("--policy-document", allowing("s3:GetObject"))
		s.route("10.90.0.0/16", "--vpc-peering-connection-id", s.peering())
		s.bucketPolicy(onlyFrom("aws:PrincipalOrgID", "o-1"))
	}, []string{
		"3 mistakes", "does not let ssm:UpdateInstanceInformation", "does not accept HTTPS", "does not let s3:PutObject", "10.90.0.0/16 to pcx-", "may deny session logs",
	}, false, func(s *site) {
		for _, e := range s.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
			s.aws("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", e.text("VpcEndpointId"), "--reset-policy")
			if group := e.text("Groups[0].GroupId"); group != "" {
				s.accept(group)
			}
		}
	}},
	"subnets and instances at once": {prepare: func(s *site) {
		s.small()
		s.config["network.subnetIds"] = append(s.config["network.subnetIds"].([]any), "subnet-0123456789abcdef0")
		s.brings("i-0123456789abcdef0")
		deny("ec2", "DescribeDhcpOptions")(s)
	}, want: []string{"3 mistakes", "free addresses", "network.subnetIds[1]: there is no such subnet", "existingInstances.old: there is no such instance", "not checked: which name servers"}},

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

func allowing(action string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":%q,"Resource":"*"}]}`, action)
}

// deny makes AWS refuse a look-up.
func deny(service, action string) func(*site) {
	code := "UnauthorizedOperation"
	if service == "s3" {
		code = "AccessDenied"
	}
	return func(s *site) {
		s.Add(emulator.Fail(service, action, 403, code, "You are not authorized to perform this operation."))
	}
}

// group makes a security group that accepts nothing; openGroup makes one that accepts HTTPS from the VPC.
func (s *site) group() string {
	s.groups++
	return s.aws("ec2", "create-security-group", "--group-name", fmt.Sprintf("endpoints-%d", s.groups), "--description", "endpoints", "--vpc-id", s.vpc).text("GroupId")
}

func (s *site) openGroup() string {
	id := s.group()
	s.accept(id)
	return id
}

func (s *site) accept(group string) {
	s.aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "443", "--cidr", "10.50.0.0/16")
}

func (s *site) endpoint(service, group string, more ...string) {
	s.aws(append([]string{"ec2", "create-vpc-endpoint", "--vpc-endpoint-type", "Interface", "--vpc-id", s.vpc, "--service-name", "com.amazonaws.us-east-2." + service,
		"--subnet-ids", s.first, s.second, "--security-group-ids", group}, more...)...)
}

func (s *site) gateway(more ...string) {
	s.aws(append([]string{"ec2", "create-vpc-endpoint", "--vpc-endpoint-type", "Gateway", "--vpc-id", s.vpc, "--service-name", "com.amazonaws.us-east-2.s3", "--route-table-ids", s.table}, more...)...)
}

// mainTable makes the subnets use the main route table of the VPC.
func (s *site) mainTable() {
	for _, association := range s.aws("ec2", "describe-route-tables", "--route-table-ids", s.table).list("RouteTables[0].Associations") {
		s.aws("ec2", "disassociate-route-table", "--association-id", association.text("RouteTableAssociationId"))
	}
	s.table = s.aws("ec2", "describe-route-tables", "--filters", "Name=vpc-id,Values="+s.vpc, "Name=association.main,Values=true").text("RouteTables[0].RouteTableId")
}

// ipv6 gives the VPC IPv6 addresses, and returns the range of a subnet by its number.
func (s *site) ipv6() func(number int) string {
	s.aws("ec2", "associate-vpc-cidr-block", "--vpc-id", s.vpc, "--amazon-provided-ipv6-cidr-block")
	block := s.aws("ec2", "describe-vpcs", "--vpc-ids", s.vpc).text("Vpcs[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock")
	return func(number int) string { return strings.Replace(block, "00::/56", fmt.Sprintf("%02d::/64", number), 1) }
}

// bothFamilies gives the subnets IPv6 addresses.
func (s *site) bothFamilies() {
	block := s.ipv6()
	for i, subnet := range []string{s.first, s.second} {
		s.aws("ec2", "associate-subnet-cidr-block", "--subnet-id", subnet, "--ipv6-cidr-block", block(i))
	}
}

func (s *site) onlyIPv6() {
	id := s.aws("ec2", "create-subnet", "--vpc-id", s.vpc, "--ipv6-native", "--ipv6-cidr-block", s.ipv6()(1), "--availability-zone", "us-east-2b").text("Subnet.SubnetId")
	s.config["network.subnetIds"] = []any{s.first, id}
}

// brings makes an instance that somebody else launched an existing instance of the stack.
func (s *site) brings(id string) {
	s.config["existingInstances"] = map[string]any{"old": map[string]any{"instanceId": id}}
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

var updateReports = flag.Bool("update-reports", false, "write the golden file of what previews report anew, without updates; with LONG=1")

// preflightReports are the golden reports of the previews, by account. Ids and addresses that the emulator chooses are left out.
type preflightReports struct {
	sync.Mutex
	golden, made map[string]string
}

const reportsFile = "testdata/preflight.txt"

func readReports(t *testing.T) *preflightReports {
	text, err := os.ReadFile(reportsFile)
	require.NoError(t, err)
	r := &preflightReports{golden: map[string]string{}, made: map[string]string{}}
	for section := range strings.SplitSeq(strings.TrimPrefix(string(text), "== "), "\n== ") {
		name, report, _ := strings.Cut(section, "\n")
		r.golden[name] = strings.TrimSuffix(report, "\n")
	}
	return r
}

var (
	chosenID    = regexp.MustCompile(`\b([a-z]+)-[0-9a-f]{8,17}\b`)
	chosenRange = regexp.MustCompile(`\b2400:[0-9a-f:]+/`)
)

// compare requires a preview to report what it did when the golden file was written: all of it.
func (r *preflightReports) compare(t *testing.T, account, preview string) {
	t.Helper()
	_, report, _ := strings.Cut(preview, "\nDiagnostics:\n")
	if end := regexp.MustCompile(`(?m)^\S`).FindStringIndex(report); end != nil {
		report = report[:end[0]]
	}
	report = chosenRange.ReplaceAllString(chosenID.ReplaceAllString(strings.TrimRight(report, "\n "), "$1-…"), "2400:…/")
	r.Lock()
	defer r.Unlock()
	r.made[account] = report
	if !*updateReports {
		require.Equal(t, r.golden[account], report, "%s has another report; run: LONG=1 go test -run EveryFinding . -update-reports", reportsFile)
	}
}

// write keeps the reports of accounts that were not part of the run.
func (r *preflightReports) write(t *testing.T) {
	maps.Copy(r.golden, r.made)
	var text strings.Builder
	for _, account := range slices.Sorted(maps.Keys(findings)) {
		fmt.Fprintf(&text, "== %s\n%s\n", account, r.golden[account])
	}
	require.NoError(t, os.WriteFile(reportsFile, []byte(text.String()), 0o644))
}

// The preview of the plain program, without make, reports each finding in an account that the AWS CLI prepared, and the
// account stays as it is. After the fix the update succeeds, and a second preview is empty.
//
// It does not prove what AWS answers where moto has no such thing: the emulator's front answers for a VPC that another account
// shares, for zones without a service, and for look-ups that AWS denies or throttles.
func TestPreflight_EveryFinding_ReportedBeforeTheUpdate(t *testing.T) {
	t.Parallel()
	everyRun := []string{"several at once"}
	prepared, reports := newSite(t), readReports(t)
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
				require.Empty(t, site.writes())
				reports.compare(t, name, out)
				if f.fix == nil || *updateReports {
					return
				}
				f.fix(site)
				s = newStack(t, site.account, "fixed", site.settings())
				s.up()
				s.requireNoChanges()
			})
		}
	})
	if *updateReports {
		reports.write(t)
	}
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
