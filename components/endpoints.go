package components

import (
	"errors"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// EndpointsArgs describe how the network reaches AWS.
type EndpointsArgs struct {
	Place           Place
	SecurityGroupID pulumi.StringInput
	Interfaces      map[string]Endpoint // by the short name, for example ssmmessages
	S3              Endpoint            // on Place.RouteTableIDs; nil there: none is created
	Protect         bool                // a destroy fails before it deletes anything
	Labels          Labels
}

// Endpoint is one endpoint's service and policy.
type Endpoint struct {
	ServiceName string
	Policy      pulumi.StringInput
}

// Endpoints are the endpoints that the stack creates. In a network of its own
// they are the only route to AWS: an interface endpoint with
// private DNS for each service, with a network interface in each zone, and the
// S3 gateway on the subnets' route tables.
type Endpoints struct {
	pulumi.ResourceState

	IDs   map[string]pulumi.StringOutput // by the short name, s3 included
	Ready Ready
}

// NewEndpoints registers the endpoints.
func NewEndpoints(ctx *pulumi.Context, name string, args *EndpointsArgs, opts ...pulumi.ResourceOption) (*Endpoints, error) {
	if args == nil || args.SecurityGroupID == nil || args.S3.Policy == nil {
		return nil, errors.New("endpoints: SecurityGroupID and S3 are required")
	}
	if args.Place.VpcID == nil || args.Place.SubnetIDs == nil {
		return nil, errors.New("endpoints: Place needs VpcID and SubnetIDs")
	}
	c := &Endpoints{IDs: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource(token("Endpoints"), name, c, opts...); err != nil {
		return nil, err
	}

	subnetIDs := args.Place.SubnetIDs
	if args.Place.EndpointSubnetIDs != nil {
		subnetIDs = args.Place.EndpointSubnetIDs
	}
	for _, service := range slices.Sorted(maps.Keys(args.Interfaces)) {
		if err := c.add(ctx, name, service, args, &ec2.VpcEndpointArgs{
			ServiceName:       pulumi.String(args.Interfaces[service].ServiceName),
			VpcEndpointType:   pulumi.String("Interface"),
			PrivateDnsEnabled: pulumi.Bool(true),
			SubnetIds:         subnetIDs,
			SecurityGroupIds:  pulumi.StringArray{args.SecurityGroupID},
			Policy:            args.Interfaces[service].Policy.ToStringOutput().ToStringPtrOutput(),
		}); err != nil {
			return nil, err
		}
	}
	if args.Place.RouteTableIDs != nil {
		if err := c.add(ctx, name, "s3", args, &ec2.VpcEndpointArgs{
			ServiceName:     pulumi.String(args.S3.ServiceName),
			VpcEndpointType: pulumi.String("Gateway"),
			RouteTableIds:   args.Place.RouteTableIDs,
			Policy:          args.S3.Policy.ToStringOutput().ToStringPtrOutput(),
		}); err != nil {
			return nil, err
		}
	}

	ids := pulumi.StringMap{}
	for service, id := range c.IDs {
		ids[service] = id
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"endpointIds": ids})
}

func (c *Endpoints) add(ctx *pulumi.Context, name, service string, args *EndpointsArgs, endpoint *ec2.VpcEndpointArgs) error {
	endpoint.VpcId = args.Place.VpcID
	endpoint.Tags = args.Labels.For(service)
	options := []pulumi.ResourceOption{pulumi.Parent(c)}
	if args.Protect { // otherwise it is the parent's
		options = append(options, pulumi.Protect(true))
	}
	made, err := ec2.NewVpcEndpoint(ctx, name+"-"+service, endpoint, options...)
	if err != nil {
		return failed("endpoints", service, err)
	}
	c.IDs[service] = made.ID().ToStringOutput()
	c.Ready = append(c.Ready, made)
	return nil
}
