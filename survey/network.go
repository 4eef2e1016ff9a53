package survey

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
)

// network looks at a network that the stack did not create, or at the zones for
// one that it creates.
func (s surveyor) network() (err error) {
	if !s.config.Network.Existing() {
		s.facts.Zones, err = zones(s.ctx, s.facts.Scope)
		return err
	}
	s.facts.Network, err = existingNetwork(s.ctx, s.facts.Scope, s.config.Network.VpcID, s.config.Network.SubnetIDs)
	return err
}

func existingNetwork(ctx *pulumi.Context, s scope.Scope, vpcID string, subnetIDs []string) (*decide.Network, error) {
	vpc, err := ec2.LookupVpc(ctx, &ec2.LookupVpcArgs{Id: &vpcID})
	switch {
	case isAbsent(err):
		return &decide.Network{}, nil
	case err != nil:
		return nil, fmt.Errorf("looking at the VPC %s (network.vpcId): %w", vpcID, err)
	}
	n := &decide.Network{
		Found:      true,
		OwnerID:    vpc.OwnerId,
		Network:    reach.Network{DNSSupport: vpc.EnableDnsSupport, DNSHostnames: vpc.EnableDnsHostnames, CidrBlock: vpc.CidrBlock},
		CidrBlocks: associated(vpc),
	}
	if vpc.Ipv6CidrBlock != "" {
		n.Ipv6CidrBlocks = []string{vpc.Ipv6CidrBlock}
	}
	n.DNSServers = dnsServers(ctx, vpc.DhcpOptionsId)
	if n.Subnets, err = subnets(ctx, vpcID, subnetIDs); err != nil {
		return nil, err
	}
	subnetIDs = nil // those whose routes can be looked at
	for _, subnet := range n.Subnets {
		if subnet.VpcID == vpcID {
			subnetIDs = append(subnetIDs, subnet.ID)
		}
	}
	if n.RouteTables, err = routeTables(ctx, s, vpc, subnetIDs); err != nil {
		return nil, err
	}
	for _, table := range n.RouteTables {
		n.RouteTableIDs = append(n.RouteTableIDs, table.RouteTableID)
	}
	slices.Sort(n.RouteTableIDs)
	n.RouteTableIDs = slices.Compact(n.RouteTableIDs)
	return n, nil
}

// subnets looks at the subnets of the config, with their network ACLs.
func subnets(ctx *pulumi.Context, vpcID string, ids []string) ([]decide.Subnet, error) {
	found, inVPC := make([]decide.Subnet, len(ids)), []string{}
	for i, id := range ids {
		subnet, err := ec2.LookupSubnet(ctx, &ec2.LookupSubnetArgs{Id: &id})
		switch {
		case isAbsent(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("looking at the subnet %s (network.subnetIds): %w", id, err)
		}
		found[i] = decide.Subnet{
			ID: id, VpcID: subnet.VpcId, Zone: subnet.AvailabilityZone,
			CidrBlock: subnet.CidrBlock, Ipv6CidrBlock: subnet.Ipv6CidrBlock, FreeAddresses: subnet.AvailableIpAddressCount,
		}
		if subnet.VpcId == vpcID {
			inVPC = append(inVPC, id)
		}
	}
	acls := networkACLs(ctx, inVPC)
	for i := range found {
		found[i].ACL = acls[found[i].ID]
	}
	return found, nil
}

// noOptions is the id that a VPC without DHCP options has in the place of theirs.
const noOptions = "default"

// dnsServers reads the name servers that instances get from the VPC's DHCP
// options. It only checks.
func dnsServers(ctx *pulumi.Context, optionsID string) reach.Read[[]string] {
	if optionsID == noOptions {
		return reach.Read[[]string]{}
	}
	options, err := ec2.LookupVpcDhcpOptions(ctx, &ec2.LookupVpcDhcpOptionsArgs{DhcpOptionsId: &optionsID})
	if err != nil {
		return reach.Read[[]string]{Problem: problem(err, "")}
	}
	return reach.Read[[]string]{Value: options.DomainNameServers}
}

func associated(vpc *ec2.LookupVpcResult) []string {
	var blocks []string
	for _, association := range vpc.CidrBlockAssociations {
		if association.State == "associated" || association.State == "associating" {
			blocks = append(blocks, association.CidrBlock)
		}
	}
	if len(blocks) == 0 {
		blocks = []string{vpc.CidrBlock}
	}
	slices.Sort(blocks)
	return slices.Compact(blocks)
}

// routeTable finds a subnet's effective route table: the one it is associated
// with, or else the VPC's main one.
func routeTable(ctx *pulumi.Context, vpcID, subnetID string) (*ec2.LookupRouteTableResult, error) {
	table, err := ec2.LookupRouteTable(ctx, &ec2.LookupRouteTableArgs{SubnetId: &subnetID})
	if isAbsent(err) {
		table, err = ec2.LookupRouteTable(ctx, &ec2.LookupRouteTableArgs{
			VpcId:   &vpcID,
			Filters: []ec2.GetRouteTableFilter{{Name: "association.main", Values: []string{"true"}}},
		})
	}
	if err != nil {
		return nil, fmt.Errorf("finding the route table of the subnet %s: %w", subnetID, err)
	}
	return table, nil
}

// RouteTables reads the effective route table of each subnet with every route
// in it. The provider's look-up of a route table leaves out the routes inside
// the VPC, those of gateway endpoints and those that a VPN gateway propagates;
// look-ups of their own add them. A VPN gateway shows as a route
// to it, because what it propagates can change at any time.
func RouteTables(ctx *pulumi.Context, s scope.Scope, vpcID string, subnetIDs []string) ([]reach.Table, error) {
	vpc, err := ec2.LookupVpc(ctx, &ec2.LookupVpcArgs{Id: &vpcID})
	if err != nil {
		return nil, fmt.Errorf("looking at the VPC %s: %w", vpcID, err)
	}
	return routeTables(ctx, s, vpc, subnetIDs)
}

func routeTables(ctx *pulumi.Context, s scope.Scope, vpc *ec2.LookupVpcResult, subnetIDs []string) ([]reach.Table, error) {
	gateways, err := gatewayEndpoints(ctx, s, vpc.Id)
	if err != nil {
		return nil, err
	}
	vpn, err := ec2.LookupVpnGateway(ctx, &ec2.LookupVpnGatewayArgs{AttachedVpcId: &vpc.Id})
	if err != nil && !isAbsent(err) {
		return nil, fmt.Errorf("finding out whether a VPN gateway is attached to %s: %w", vpc.Id, err)
	}
	tables := make([]reach.Table, len(subnetIDs))
	for i, subnetID := range subnetIDs {
		found, err := routeTable(ctx, vpc.Id, subnetID)
		if err != nil {
			return nil, err
		}
		t := reach.Table{SubnetID: subnetID, RouteTableID: found.RouteTableId}
		for _, block := range associated(vpc) {
			t.Routes = append(t.Routes, reach.Route{Destination: block, Target: "local"})
		}
		if vpc.Ipv6CidrBlock != "" {
			t.Routes = append(t.Routes, reach.Route{Destination: vpc.Ipv6CidrBlock, Target: "local"})
		}
		for _, gateway := range gateways {
			if gateway.RouteTableIds == nil || slices.Contains(gateway.RouteTableIds, found.RouteTableId) {
				t.Routes = append(t.Routes, reach.Route{Destination: gateway.PrefixListId, Target: gateway.Id})
			}
		}
		if vpn != nil {
			t.Routes = append(t.Routes, reach.Route{Destination: "what the VPN gateway propagates", Target: vpn.Id})
		}
		for _, route := range found.Routes {
			t.Routes = append(t.Routes, reach.Route{Destination: destination(route), Target: target(route)})
		}
		tables[i] = t
	}
	return tables, nil
}

// gatewayEndpoints finds the VPC's gateway endpoints. AWS has them for S3 and
// DynamoDB.
func gatewayEndpoints(ctx *pulumi.Context, s scope.Scope, vpcID string) ([]*ec2.LookupVpcEndpointResult, error) {
	var found []*ec2.LookupVpcEndpointResult
	for _, service := range []string{"dynamodb", "s3"} {
		endpoint, err := ec2.LookupVpcEndpoint(ctx, &ec2.LookupVpcEndpointArgs{
			VpcId: &vpcID, ServiceName: pulumi.StringRef(s.EndpointService(service)),
			Filters: []ec2.GetVpcEndpointFilter{
				{Name: "vpc-endpoint-type", Values: []string{"Gateway"}},
				{Name: "vpc-endpoint-state", Values: []string{"available", "pending"}},
			},
		})
		switch {
		case isAbsent(err):
		case isSeveral(err):
			// The look-up names one or none. That there are several, each for
			// some of the VPC's route tables, is all that can be said.
			found = append(found, &ec2.LookupVpcEndpointResult{
				PrefixListId: "pl- of " + service, Id: "vpce- (one of several)",
			})
		case err != nil:
			return nil, fmt.Errorf("finding the %s gateway endpoint of %s: %w", service, vpcID, err)
		default:
			found = append(found, endpoint)
		}
	}
	return found, nil
}

func destination(r ec2.GetRouteTableRoute) string {
	return cmp.Or(r.CidrBlock, r.Ipv6CidrBlock, r.DestinationPrefixListId)
}

func target(r ec2.GetRouteTableRoute) string {
	return cmp.Or(r.GatewayId, r.NatGatewayId, r.TransitGatewayId, r.VpcPeeringConnectionId, r.VpcEndpointId,
		r.EgressOnlyGatewayId, r.NetworkInterfaceId, r.InstanceId, r.CarrierGatewayId, r.LocalGatewayId, r.CoreNetworkArn)
}
