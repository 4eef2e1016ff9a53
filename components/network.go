package components

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/network"
)

// Place is a network that the other components go into: one that the stack
// creates, or an existing one.
type Place struct {
	VpcID          pulumi.StringInput
	CidrBlocks     []string // every IPv4 range of the VPC
	Ipv6CidrBlocks []string
	SubnetIDs      pulumi.StringArrayInput
	RouteTableIDs  pulumi.StringArrayInput // that get a route to S3; nil: none
	// EndpointSubnetIDs are those with network interfaces of endpoints, one in
	// each zone; nil: all.
	EndpointSubnetIDs pulumi.StringArrayInput
}

// NetworkArgs describe an isolated network.
type NetworkArgs struct {
	CidrBlock string   // IPv4, /16 to /28
	Zones     []string // availability zones, each of which gets a subnet
	// FlowLogs is the ARN of a bucket, and a prefix after a slash, that flow
	// logs go to. Empty: there are none.
	FlowLogs string
	Labels   Labels
}

// Network is a VPC without an internet route: no internet gateway, no NAT, and a route
// table with nothing but the local route. Both DNS attributes are on, because
// private DNS of interface endpoints needs them. The default security group,
// which everything lands in that names none, lets nothing through.
type Network struct {
	pulumi.ResourceState

	Place Place
}

// NewNetwork registers an isolated network.
func NewNetwork(ctx *pulumi.Context, name string, args *NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	if args == nil {
		return nil, errors.New("network: no args")
	}
	ranges, err := network.Subnets(args.CidrBlock, len(args.Zones))
	if err != nil {
		return nil, fmt.Errorf("network: CidrBlock %q for %d zones: %w", args.CidrBlock, len(args.Zones), err)
	}

	c := &Network{}
	if err := ctx.RegisterComponentResource(token("Network"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	vpc, err := ec2.NewVpc(ctx, name+"-vpc", &ec2.VpcArgs{
		CidrBlock:          pulumi.String(args.CidrBlock),
		EnableDnsSupport:   pulumi.Bool(true),
		EnableDnsHostnames: pulumi.Bool(true),
		Tags:               args.Labels.For("vpc"),
	}, child)
	if err != nil {
		return nil, failed("network", "vpc", err)
	}
	if _, err := ec2.NewDefaultSecurityGroup(ctx, name+"-default-group", &ec2.DefaultSecurityGroupArgs{
		VpcId: vpc.ID().ToStringOutput().ToStringPtrOutput(),
		Tags:  args.Labels.For("default-closed"),
	}, child); err != nil {
		return nil, failed("network", "default security group", err)
	}
	if args.FlowLogs != "" {
		if _, err := ec2.NewFlowLog(ctx, name+"-flow-log", &ec2.FlowLogArgs{
			VpcId:              vpc.ID().ToStringOutput().ToStringPtrOutput(),
			TrafficType:        pulumi.String("ALL"),
			LogDestinationType: pulumi.String("s3"),
			LogDestination:     pulumi.String(args.FlowLogs),
			Tags:               args.Labels.For("flow-log"),
		}, child); err != nil {
			return nil, failed("network", "flow log", err)
		}
	}
	table, err := ec2.NewRouteTable(ctx, name+"-routes", &ec2.RouteTableArgs{
		VpcId: vpc.ID(),
		Tags:  args.Labels.For("private"),
	}, child)
	if err != nil {
		return nil, failed("network", "route table", err)
	}
	subnetIDs := pulumi.StringArray{}
	for i, zone := range args.Zones {
		part := fmt.Sprintf("private-%d", i)
		subnet, err := ec2.NewSubnet(ctx, name+"-"+part, &ec2.SubnetArgs{
			VpcId:               vpc.ID(),
			CidrBlock:           pulumi.String(ranges[i]),
			AvailabilityZone:    pulumi.String(zone),
			MapPublicIpOnLaunch: pulumi.Bool(false),
			Tags:                args.Labels.For(part),
		}, child,
			// A zone that AWS adds or withdraws later must not move a subnet
			// with everything in it.
			pulumi.IgnoreChanges([]string{"availabilityZone"}))
		if err != nil {
			return nil, failed("network", part, err)
		}
		association, err := ec2.NewRouteTableAssociation(ctx, name+"-"+part, &ec2.RouteTableAssociationArgs{
			SubnetId:     subnet.ID(),
			RouteTableId: table.ID(),
		}, child)
		if err != nil {
			return nil, failed("network", part+" route table association", err)
		}
		// Whoever uses the subnet waits for its route table.
		subnetIDs = append(subnetIDs, association.SubnetId.Elem())
	}
	c.Place = Place{
		VpcID: vpc.ID().ToStringOutput(), CidrBlocks: []string{args.CidrBlock},
		SubnetIDs: subnetIDs, RouteTableIDs: pulumi.StringArray{table.ID().ToStringOutput()},
	}

	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"vpcId":        vpc.ID(),
		"subnetIds":    c.Place.SubnetIDs,
		"routeTableId": table.ID(),
	})
}
