package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// networkMutation changes one thing in the deployed account. The judge has to notice it, in the words of the check.
type networkMutation struct {
	name   string
	mutate func(*desk)
	first  string
}

const (
	noRoute  = "no route leads out of the VPC"
	noEgress = "its security groups let nothing out of the VPC"
	noEntry  = "its security groups let nothing in from outside the VPC"
)

// networkMutations take what sessions need, one by one, or add a route or a rule out of the VPC or into it.
func networkMutations() (all []networkMutation) {
	add := func(name, first string, mutate func(*desk)) {
		all = append(all, networkMutation{name, mutate, first})
	}
	for _, egress := range []string{"to members", "to S3"} {
		first := map[string]string{"to members": "endpoint ssm", "to S3": "HTTPS reaches S3"}[egress]
		add("no egress "+egress, first, func(d *desk) {
			d.revoke("egress", func(rule object) bool { return (rule.text("PrefixListId") != "") == (egress == "to S3") })
		})
	}
	add("no ingress", "endpoint ssm", func(d *desk) { d.revoke("ingress", func(object) bool { return true }) })
	for _, service := range []string{"ssm", "ssmmessages"} {
		endpoint := func(d *desk) string { return d.outputs().text("endpointIds." + service) }
		modify := func(name string, args ...string) {
			add(name+" of "+service, "endpoint "+service, func(d *desk) {
				d.aws(append([]string{"ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpoint(d)}, args...)...)
			})
		}
		add("no endpoint "+service, "endpoint "+service, func(d *desk) { d.aws("ec2", "delete-vpc-endpoints", "--vpc-endpoint-ids", endpoint(d)) })
		modify("private DNS off", "--no-private-dns-enabled")
		modify("policy for nothing", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ec2:*","Resource":"*"}]}`)
		modify("policy with a Deny", "--policy-document",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":["ssm:Update*","ssmmessages:Open*"],"Resource":"*"}]}`)
	}
	const toS3 = "the subnet has a route to S3"
	add("no gateway endpoint", toS3, func(d *desk) {
		d.aws("ec2", "delete-vpc-endpoints", "--vpc-endpoint-ids", d.outputs().text("endpointIds.s3"))
	})
	add("no route to S3", toS3, func(d *desk) {
		d.aws("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", d.outputs().text("endpointIds.s3"), "--remove-route-table-ids", d.table())
	})
	for _, way := range []string{"--ingress", "--egress"} {
		add("network ACL without "+way, "endpoint ssm", func(d *desk) {
			d.aws("ec2", "delete-network-acl-entry", "--network-acl-id", d.acl(), way, "--rule-number", "100")
		})
		for _, ports := range []string{"From=443,To=443", "From=40000,To=40000"} {
			add("network ACL denies "+ports+" "+way, "endpoint ssm", func(d *desk) {
				d.aws("ec2", "create-network-acl-entry", "--network-acl-id", d.acl(), way, "--rule-number", "50", "--protocol", "6", "--port-range", ports,
					"--cidr-block", "0.0.0.0/0", "--rule-action", "deny")
			})
		}
		add("network ACL denies addresses of S3 "+way, "HTTPS reaches S3", func(d *desk) {
			d.aws("ec2", "create-network-acl-entry", "--network-acl-id", d.acl(), way, "--rule-number", "50", "--protocol", "-1",
				"--cidr-block", d.aws("ec2", "describe-prefix-lists").list("PrefixLists")[d.s3List()].text("Cidrs[0]"), "--rule-action", "deny")
		})
	}
	const names = "the VPC resolves names"
	for _, attribute := range []string{"--no-enable-dns-support", "--no-enable-dns-hostnames"} {
		add(attribute, names, func(d *desk) { d.aws("ec2", "modify-vpc-attribute", "--vpc-id", d.outputs().text("vpcId"), attribute) })
	}
	add("no DHCP options", names, func(d *desk) {
		d.aws("ec2", "associate-dhcp-options", "--dhcp-options-id", "default", "--vpc-id", d.outputs().text("vpcId"))
	})
	add("no instance profile", "it has an instance profile", func(d *desk) {
		found := d.aws("ec2", "describe-iam-instance-profile-associations", "--filters", "Name=instance-id,Values="+d.instance())
		d.aws("ec2", "disassociate-iam-instance-profile", "--association-id", found.text("IamInstanceProfileAssociations[0].AssociationId"))
	})
	add("no policies", "the role allows the agent's calls", func(d *desk) {
		role := d.outputs().text("roleName")
		for _, p := range d.aws("iam", "list-attached-role-policies", "--role-name", role).list("AttachedPolicies") {
			d.aws("iam", "detach-role-policy", "--role-name", role, "--policy-arn", p.text("PolicyArn"))
		}
	})

	route := func(name, block, flag string, target func(*desk) string) {
		add(name, noRoute, func(d *desk) {
			destination := "--destination-cidr-block"
			if strings.Contains(block, ":") {
				destination = "--destination-ipv6-cidr-block"
			}
			d.aws("ec2", "create-route", "--route-table-id", d.table(), destination, block, flag, target(d))
		})
	}
	internet := func(d *desk) string {
		id := d.aws("ec2", "create-internet-gateway").text("InternetGateway.InternetGatewayId")
		d.aws("ec2", "attach-internet-gateway", "--vpc-id", d.outputs().text("vpcId"), "--internet-gateway-id", id)
		return id
	}
	peering := func(d *desk) string {
		other := d.aws("ec2", "create-vpc", "--cidr-block", "10.99.0.0/16").text("Vpc.VpcId")
		return d.aws("ec2", "create-vpc-peering-connection", "--vpc-id", d.outputs().text("vpcId"), "--peer-vpc-id", other).text("VpcPeeringConnection.VpcPeeringConnectionId")
	}
	route("internet gateway", "0.0.0.0/0", "--gateway-id", internet)
	route("internet gateway for some addresses", "8.8.8.0/24", "--gateway-id", internet)
	route("internet gateway for IPv6", "::/0", "--gateway-id", internet)
	route("egress-only internet gateway", "::/0", "--egress-only-internet-gateway-id", func(d *desk) string {
		return d.aws("ec2", "create-egress-only-internet-gateway", "--vpc-id", d.outputs().text("vpcId")).text("EgressOnlyInternetGateway.EgressOnlyInternetGatewayId")
	})
	route("NAT gateway", "0.0.0.0/0", "--nat-gateway-id", func(d *desk) string {
		return d.aws("ec2", "create-nat-gateway", "--subnet-id", d.outputs().text("subnetIds[0]"), "--connectivity-type", "private").text("NatGateway.NatGatewayId")
	})
	route("transit gateway", "10.0.0.0/8", "--transit-gateway-id", func(d *desk) string {
		return d.aws("ec2", "create-transit-gateway").text("TransitGateway.TransitGatewayId")
	})
	route("peering", "10.99.0.0/16", "--vpc-peering-connection-id", peering)

	for _, block := range []string{"CidrIp=0.0.0.0/0", "CidrIp=8.8.8.8/32", "CidrIp=10.99.0.0/16", "CidrIpv6=::/0"} {
		ranges := "IpRanges"
		if strings.Contains(block, "Ipv6") {
			ranges = "Ipv6Ranges"
		}
		permission := "IpProtocol=tcp,FromPort=1,ToPort=65535," + ranges + "=[{" + block + "}]"
		add("egress to "+block, noEgress, func(d *desk) {
			d.aws("ec2", "authorize-security-group-egress", "--group-id", d.outputs().text("securityGroupId"), "--ip-permissions", permission)
		})
		add("ingress from "+block, noEntry, func(d *desk) {
			d.aws("ec2", "authorize-security-group-ingress", "--group-id", d.outputs().text("securityGroupId"), "--ip-permissions", permission)
		})
	}
	add("egress to another prefix list", noEgress, func(d *desk) {
		other := d.aws("ec2", "describe-prefix-lists").list("PrefixLists")[1-d.s3List()].text("PrefixListId")
		d.aws("ec2", "authorize-security-group-egress", "--group-id", d.outputs().text("securityGroupId"), "--ip-permissions", "IpProtocol=-1,PrefixListIds=[{PrefixListId="+other+"}]")
	})
	add("a second group of the instance", noEgress, func(d *desk) {
		d.aws("ec2", "modify-instance-attribute", "--instance-id", d.instance(), "--groups", d.outputs().text("securityGroupId"), d.openGroup())
	})
	add("a second group of an endpoint", "the endpoints let nothing in from outside the VPC", func(d *desk) {
		group := d.openGroup()
		d.aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--ip-permissions", "IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=0.0.0.0/0}]")
		d.aws("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", d.outputs().text("endpointIds.ssm"), "--add-security-group-ids", group)
	})
	add("a public address", "it has no public address", func(d *desk) {
		d.aws("ec2", "associate-address", "--instance-id", d.instance(), "--allocation-id", d.aws("ec2", "allocate-address", "--domain", "vpc").text("AllocationId"))
	})
	return all
}

// revoke revokes the rules of the stack's security group in one direction that a test chooses.
func (d *desk) revoke(direction string, chosen func(object) bool) {
	group := d.outputs().text("securityGroupId")
	for _, rule := range d.aws("ec2", "describe-security-group-rules", "--filters", "Name=group-id,Values="+group).list("SecurityGroupRules") {
		if rule.at("IsEgress") == (direction == "egress") && chosen(rule) {
			d.aws("ec2", "revoke-security-group-"+direction, "--group-id", group, "--security-group-rule-ids", rule.text("SecurityGroupRuleId"))
		}
	}
}

func (d *desk) table() string { return d.outputs().text("routeTables[0].routeTableId") }

func (d *desk) acl() string {
	return d.aws("ec2", "describe-network-acls", "--filters", "Name=vpc-id,Values="+d.outputs().text("vpcId")).text("NetworkAcls[0].NetworkAclId")
}

// s3List is the index of S3's prefix list among the two of AWS's.
func (d *desk) s3List() int {
	if strings.HasSuffix(d.aws("ec2", "describe-prefix-lists").text("PrefixLists[0].PrefixListName"), ".s3") {
		return 0
	}
	return 1
}

// openGroup makes a security group that lets everything out, as AWS makes them.
func (d *desk) openGroup() string {
	return d.aws("ec2", "create-security-group", "--group-name", "open", "--description", "open", "--vpc-id", d.outputs().text("vpcId")).text("GroupId")
}

// judgeNetwork requires the network of the deployed stack to be without a finding, and each of the mutations to be the first.
func judgeNetwork(base *desk, t *testing.T, mutations []networkMutation) {
	t.Run("as deployed", func(t *testing.T) {
		t.Parallel()
		out, problems, code := base.fork(t).do("wait", "--network")
		require.Zero(t, code, problems)
		require.Contains(t, out, "reaches every endpoint and S3, and nothing else outside the VPC")
	})
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			d := base.fork(t)
			m.mutate(d)
			out, problems, code := d.do("wait", "--network", "--timeout", "1m") // without an instance profile, the agent goes offline
			require.Equal(t, 1, code, "%s\n%s", out, problems)
			require.Contains(t, problems, "First to fix: "+m.first)
		})
	}
}

// Whatever is taken from a deployed account or opened in it, the judge reads it back by the AWS CLI and names it.
func TestNetwork_EveryMutation_Noticed(t *testing.T) {
	t.Parallel()
	mutations := networkMutations()
	require.GreaterOrEqual(t, len(mutations), 40)
	if long(t) { // a part is always in TestSessionCommands_RealClients_WorkTogether, which has a deployed stack
		base := deploy(t)
		t.Run("changes", func(t *testing.T) { judgeNetwork(base, t, mutations) })
	}
	rows := [][]string{{"change in the deployed account, by the AWS CLI", "`make wait NETWORK=1` says"}}
	for _, m := range mutations {
		rows = append(rows, []string{m.name, "First to fix: " + m.first})
	}
	requireListed(t, "Changes that make wait NETWORK=1 was tested with", rows)
}
