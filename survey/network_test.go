package survey

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
	"private-ec2-access/pulumitest"
)

var here = scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}

type answers map[string]func(args map[string]any) (map[string]any, error)

// look runs a look-up under mocks. What is not answered is absent, in the
// provider's words.
func look(t *testing.T, given answers, f func(ctx *pulumi.Context) error) error {
	t.Helper()
	recorder := &pulumitest.Recorder{Answer: func(token string, args map[string]any) (map[string]any, error) {
		if answer, ok := given[token]; ok {
			return answer(args)
		}
		switch token {
		case "aws:ec2/getVpcEndpoint:getVpcEndpoint":
			return nil, errors.New("no matching EC2 VPC Endpoint found")
		case "aws:ec2/getVpnGateway:getVpnGateway":
			return nil, errors.New("no matching EC2 VPN Gateway found: empty result")
		case getVpcDhcpOptions:
			return map[string]any{"domainNameServers": []any{"AmazonProvidedDNS"}}, nil
		case getSubnet:
			return map[string]any{"vpcId": "vpc-1", "availabilityZone": "us-east-2a", "cidrBlock": "10.9.0.0/24", "availableIpAddressCount": 250}, nil
		case getNetworkACLs:
			return map[string]any{"ids": []any{"acl-1"}}, nil
		case defaultNetworkACLType:
			entry := map[string]any{"ruleNo": 100, "protocol": "-1", "action": "allow", "cidrBlock": "0.0.0.0/0", "fromPort": 0, "toPort": 0}
			return map[string]any{"ingress": []any{entry}, "egress": []any{entry}}, nil
		}
		return nil, fmt.Errorf("the test has no answer for %s", token)
	}}
	_, err := recorder.Run(t, pulumitest.Project, "stack", false, f)
	return err
}

func is(answer map[string]any) func(map[string]any) (map[string]any, error) {
	return func(map[string]any) (map[string]any, error) { return answer, nil }
}

func fails(words string) func(map[string]any) (map[string]any, error) {
	return func(map[string]any) (map[string]any, error) { return nil, errors.New(words) }
}

const (
	getVpc         = "aws:ec2/getVpc:getVpc"
	getRouteTable  = "aws:ec2/getRouteTable:getRouteTable"
	getVpcEndpoint = "aws:ec2/getVpcEndpoint:getVpcEndpoint"
	getVpnGateway  = "aws:ec2/getVpnGateway:getVpnGateway"

	getVpcDhcpOptions = "aws:ec2/getVpcDhcpOptions:getVpcDhcpOptions"
	getSubnet         = "aws:ec2/getSubnet:getSubnet"
	getNetworkACLs    = "aws:ec2/getNetworkAcls:getNetworkAcls"

	networkACLType        = "aws:ec2/networkAcl:NetworkAcl"
	defaultNetworkACLType = "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"
)

var twoRanges = is(map[string]any{"id": "vpc-1", "cidrBlock": "10.9.0.0/16", "enableDnsSupport": true, "enableDnsHostnames": true, "ipv6CidrBlock": "2001:db8::/56", "dhcpOptionsId": "dopt-1", "cidrBlockAssociations": []any{
	map[string]any{"cidrBlock": "10.9.0.0/16", "state": "associated"},
	map[string]any{"cidrBlock": "10.1.0.0/16", "state": "associated"},
	map[string]any{"cidrBlock": "10.5.0.0/16", "state": "failed"},
}})

// Every route stands in the table: those that the provider's look-up gives, and
// those that it leaves out.
func TestRouteTables_Routes_AllRead(t *testing.T) {
	t.Parallel()
	var got []reach.Table
	require.NoError(t, look(t, answers{
		getVpc: twoRanges,
		getVpcEndpoint: func(args map[string]any) (map[string]any, error) {
			if args["serviceName"] == "com.amazonaws.us-east-2.s3" {
				return map[string]any{"id": "vpce-s3", "prefixListId": "pl-s3", "routeTableIds": []any{"rtb-1"}}, nil
			}
			return nil, errors.New("multiple EC2 VPC Endpoints matched; use additional constraints to reduce matches to a single EC2 VPC Endpoint")
		},
		getVpnGateway: is(map[string]any{"id": "vgw-1"}),
		getRouteTable: func(args map[string]any) (map[string]any, error) {
			if args["subnetId"] == "subnet-main" {
				return nil, errors.New("query returned no results. Please change your search criteria and try again")
			}
			if args["subnetId"] == nil {
				require.Equal(t, "vpc-1", args["vpcId"])
				require.Equal(t, []any{map[string]any{"name": "association.main", "values": []any{"true"}}}, args["filters"])
				return map[string]any{"routeTableId": "rtb-main", "routes": []any{}}, nil
			}
			return map[string]any{"routeTableId": "rtb-1", "routes": []any{
				map[string]any{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"},
				map[string]any{"ipv6CidrBlock": "::/0", "egressOnlyGatewayId": "eigw-1"},
				map[string]any{"destinationPrefixListId": "pl-x", "transitGatewayId": "tgw-1"},
				map[string]any{"cidrBlock": "10.7.0.0/16", "vpcPeeringConnectionId": "pcx-1"},
				map[string]any{"cidrBlock": "10.8.0.0/16", "vpcEndpointId": "vpce-gwlb"},
			}}, nil
		},
	}, func(ctx *pulumi.Context) (err error) {
		got, err = RouteTables(ctx, here, "vpc-1", []string{"subnet-1", "subnet-main"})
		return err
	}))
	local := []reach.Route{
		{Destination: "10.1.0.0/16", Target: "local"}, {Destination: "10.9.0.0/16", Target: "local"},
		{Destination: "2001:db8::/56", Target: "local"}, {Destination: "pl- of dynamodb", Target: "vpce- (one of several)"},
	}
	propagated := reach.Route{Destination: "what the VPN gateway propagates", Target: "vgw-1"}
	require.Equal(t, []reach.Table{
		{SubnetID: "subnet-1", RouteTableID: "rtb-1", Routes: append(append([]reach.Route{}, local...),
			reach.Route{Destination: "pl-s3", Target: "vpce-s3"}, propagated,
			reach.Route{Destination: "0.0.0.0/0", Target: "nat-1"}, reach.Route{Destination: "::/0", Target: "eigw-1"},
			reach.Route{Destination: "pl-x", Target: "tgw-1"}, reach.Route{Destination: "10.7.0.0/16", Target: "pcx-1"},
			reach.Route{Destination: "10.8.0.0/16", Target: "vpce-gwlb"},
		)},
		{SubnetID: "subnet-main", RouteTableID: "rtb-main", Routes: append(append([]reach.Route{}, local...), propagated)},
	}, got)
	require.True(t, got[0].LeavesVPC())
	require.True(t, got[1].LeavesVPC(), "a VPN gateway is a route out of the VPC")
}

// Not one of the look-ups behind the route-table check may fail in silence.
func TestRouteTables_FailedLookUp_IsAnError(t *testing.T) {
	t.Parallel()
	for _, lookup := range []string{getVpc, getVpcEndpoint, getVpnGateway, getRouteTable} {
		given := answers{getVpc: twoRanges, getRouteTable: is(map[string]any{"routeTableId": "rtb-1", "routes": []any{}})}
		given[lookup] = fails("UnauthorizedOperation: You are not authorized to perform this operation.")
		err := look(t, given, func(ctx *pulumi.Context) error {
			_, err := RouteTables(ctx, here, "vpc-1", []string{"subnet-1"})
			return err
		})
		require.ErrorContains(t, err, "UnauthorizedOperation", lookup)
	}
}

func TestNetwork_Existing_Read(t *testing.T) {
	t.Parallel()
	var got *decide.Network
	require.NoError(t, look(t, answers{
		getVpc: twoRanges,
		getRouteTable: func(args map[string]any) (map[string]any, error) {
			return map[string]any{"routeTableId": map[any]string{"subnet-c": "rtb-2", "subnet-a": "rtb-1", "subnet-b": "rtb-2"}[args["subnetId"]], "routes": []any{}}, nil
		},
	}, func(ctx *pulumi.Context) (err error) {
		got, err = existingNetwork(ctx, here, "vpc-1", []string{"subnet-c", "subnet-a", "subnet-b"})
		return err
	}))
	require.Len(t, got.RouteTables, 3)
	require.False(t, got.RouteTables[0].LeavesVPC())
	open := []reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}}
	require.Equal(t, reach.Read[reach.ACL]{Value: reach.ACL{ID: "acl-1", Ingress: open, Egress: open}}, got.Subnets[2].ACL)
	got.RouteTables, got.Subnets = nil, nil // what is in them is the tests above and below
	require.Equal(t, &decide.Network{
		Found: true, Network: reach.Network{DNSSupport: true, DNSHostnames: true, CidrBlock: "10.9.0.0/16", DNSServers: reach.Read[[]string]{Value: []string{"AmazonProvidedDNS"}}},
		CidrBlocks: []string{"10.1.0.0/16", "10.9.0.0/16"}, Ipv6CidrBlocks: []string{"2001:db8::/56"},
		RouteTableIDs: []string{"rtb-1", "rtb-2"},
	}, got)
}

// Each subnet comes with its network ACL, which is read once whichever subnets
// use it. A subnet that is not there or in another VPC is a fact.
func TestNetwork_SubnetsAndACLs_Read(t *testing.T) {
	t.Parallel()
	var got *decide.Network
	reads := 0
	require.NoError(t, look(t, answers{
		getVpc:        twoRanges,
		getRouteTable: is(map[string]any{"routeTableId": "rtb-1", "routes": []any{}}),
		getVpcDhcpOptions: func(args map[string]any) (map[string]any, error) {
			require.Equal(t, "dopt-1", args["dhcpOptionsId"])
			return map[string]any{"domainNameServers": []any{"10.9.0.10", "10.9.0.2"}}, nil
		},
		getSubnet: func(args map[string]any) (map[string]any, error) {
			switch args["id"] {
			case "subnet-gone":
				return nil, errors.New("no matching EC2 Subnet found")
			case "subnet-foreign":
				return map[string]any{"vpcId": "vpc-2", "availabilityZone": "us-east-2a", "cidrBlock": "10.7.0.0/24"}, nil
			}
			return map[string]any{"vpcId": "vpc-1", "availabilityZone": "us-east-2b", "cidrBlock": "10.9.1.0/24", "ipv6CidrBlock": "2001:db8:0:1::/64", "availableIpAddressCount": 7}, nil
		},
		getNetworkACLs: func(args map[string]any) (map[string]any, error) {
			filter := args["filters"].([]any)[0].(map[string]any)
			require.Equal(t, "association.subnet-id", filter["name"])
			if len(args["filters"].([]any)) == 2 {
				require.Equal(t, map[string]any{"name": "default", "values": []any{"true"}}, args["filters"].([]any)[1])
				return map[string]any{"ids": []any{}}, nil // it is not the VPC's default one
			}
			if filter["values"].([]any)[0] == "subnet-denied" {
				return nil, errors.New("UnauthorizedOperation")
			}
			return map[string]any{"ids": []any{"acl-1"}}, nil
		},
		networkACLType: func(args map[string]any) (map[string]any, error) {
			require.Equal(t, "acl-1", args["id"])
			reads++
			return map[string]any{
				"ingress": []any{map[string]any{"ruleNo": 90, "protocol": "6", "action": "deny", "cidrBlock": "10.0.0.0/8", "fromPort": 443, "toPort": 444}},
				"egress":  []any{map[string]any{"ruleNo": 100, "protocol": "-1", "action": "allow", "ipv6CidrBlock": "::/0", "fromPort": 0, "toPort": 0}},
			}, nil
		},
	}, func(ctx *pulumi.Context) (err error) {
		got, err = existingNetwork(ctx, here, "vpc-1", []string{"subnet-1", "subnet-gone", "subnet-foreign", "subnet-2", "subnet-denied"})
		return err
	}))
	acl := reach.Read[reach.ACL]{Value: reach.ACL{
		ID:      "acl-1",
		Ingress: []reach.ACLEntry{{Number: 90, Protocol: "6", From: 443, To: 444, Range: "10.0.0.0/8"}},
		Egress:  []reach.ACLEntry{{Number: 100, Protocol: "-1", Range: "::/0", Allow: true}},
	}}
	here := decide.Subnet{VpcID: "vpc-1", Zone: "us-east-2b", CidrBlock: "10.9.1.0/24", Ipv6CidrBlock: "2001:db8:0:1::/64", FreeAddresses: 7, ACL: acl}
	first, second, denied := here, here, here
	first.ID, second.ID, denied.ID = "subnet-1", "subnet-2", "subnet-denied"
	require.Contains(t, got.Subnets[4].ACL.Problem, "UnauthorizedOperation")
	denied.ACL = got.Subnets[4].ACL
	require.Equal(t, []decide.Subnet{
		first, {}, {ID: "subnet-foreign", VpcID: "vpc-2", Zone: "us-east-2a", CidrBlock: "10.7.0.0/24"}, second, denied,
	}, got.Subnets)
	require.Equal(t, 1, reads)
	require.Len(t, got.RouteTables, 3, "only the subnets of the VPC have routes to look at")
	require.Equal(t, []string{"10.9.0.10"}, got.OtherDNSServers(), "the address after the next of the VPC's first range is AWS's resolver")
}

func TestSurvey_UnknownPartition_Refused(t *testing.T) {
	t.Parallel()
	for name, partition := range map[string]string{
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		err := look(t, answers{
			"aws:index/getRegion:getRegion":                 is(map[string]any{"name": name}),
			"aws:index/getPartition:getPartition":           is(map[string]any{"partition": partition, "dnsSuffix": "c2s.ic.gov"}),
			"aws:index/getCallerIdentity:getCallerIdentity": is(map[string]any{"accountId": "111122223333"}),
		}, func(ctx *pulumi.Context) error { _, _, err := region(ctx); return err })
		require.ErrorContains(t, err, "aws:region: it is in the partition "+partition+", whose service and bucket names this program does not know (got "+name+")")
		require.ErrorContains(t, err, "aws, aws-cn, aws-us-gov")
	}
}

// What makes an existing VPC unusable is a decision, and a failed look-up is an
// error.
func TestExistingVpc_Unusable_Refused(t *testing.T) {
	t.Parallel()
	for want, vpc := range map[string]func(map[string]any) (map[string]any, error){
		"network.vpcId: there is no such VPC in this account and Region (got vpc-1)": fails("no matching EC2 VPC found"),
		"enableDnsSupport is true, enableDnsHostnames is false":                      is(map[string]any{"id": "vpc-1", "cidrBlock": "10.0.0.0/16", "enableDnsSupport": true}),
		"enableDnsSupport is false, enableDnsHostnames is true":                      is(map[string]any{"id": "vpc-1", "cidrBlock": "10.0.0.0/16", "enableDnsHostnames": true}),
		"RequestLimitExceeded": fails("RequestLimitExceeded"),
	} {
		err := look(t, answers{getVpc: vpc, getRouteTable: is(map[string]any{"routeTableId": "rtb-1", "routes": []any{}})}, func(ctx *pulumi.Context) error {
			found, err := existingNetwork(ctx, here, "vpc-1", []string{"subnet-1"})
			if err != nil {
				return err
			}
			c := &config.Config{Network: config.Network{VpcID: "vpc-1", SubnetIDs: []string{"subnet-1"}}}
			_, err = decide.Decide(c, decide.Facts{Project: pulumitest.Project, Stack: "stack", Network: found})
			return err
		})
		require.ErrorContains(t, err, want)
	}
}
