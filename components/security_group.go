package components

import (
	"errors"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// SecurityGroupArgs describe the group that instances and endpoints share.
type SecurityGroupArgs struct {
	VpcID          pulumi.StringInput
	CidrBlocks     []string // IPv4 ranges from which HTTPS is open
	Ipv6CidrBlocks []string
	S3PrefixListID pulumi.StringInput // the addresses of S3 in the Region
	EndpointBlocks []string           // IPv4 ranges of endpoints outside of the group, to which HTTPS is open
	// HTTPSOnly narrows what members may send each other to HTTPS, which the
	// endpoints need. Otherwise it is everything.
	HTTPSOnly bool
	Labels    Labels
}

// SecurityGroup is the one group of the recipe. Its members talk to each other,
// HTTPS is open from the VPC's ranges so that other instances can use the
// endpoints, and what goes out is HTTPS to the group, to S3, and to endpoints that
// others have.
//
// Every rule is a resource of its own, as the provider asks for; a change to
// one does not touch the others.
type SecurityGroup struct {
	pulumi.ResourceState

	GroupID pulumi.StringOutput `pulumi:"groupId"`
	Ready   Ready
}

const https = 443

// NewSecurityGroup registers the group and its rules.
func NewSecurityGroup(ctx *pulumi.Context, name string, args *SecurityGroupArgs, opts ...pulumi.ResourceOption) (*SecurityGroup, error) {
	if args == nil || args.VpcID == nil || args.S3PrefixListID == nil {
		return nil, errors.New("security group: VpcID and S3PrefixListID are required")
	}
	if len(args.CidrBlocks) == 0 {
		return nil, errors.New("security group: CidrBlocks is empty: no instance could reach an endpoint")
	}

	c := &SecurityGroup{}
	if err := ctx.RegisterComponentResource(token("SecurityGroup"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	group, err := ec2.NewSecurityGroup(ctx, name+"-group", &ec2.SecurityGroupArgs{
		VpcId:       args.VpcID.ToStringOutput().ToStringPtrOutput(),
		Description: pulumi.String("Private instances and the endpoints they use"),
		Tags:        args.Labels.For("access"),
	}, child)
	if err != nil {
		return nil, failed("security group", "group", err)
	}
	id := group.ID().ToStringOutput()

	fromMembers := vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId:           id,
		ReferencedSecurityGroupId: id,
		IpProtocol:                pulumi.String("-1"),
		Description:               pulumi.String("Members talk to each other"),
		Tags:                      args.Labels.For("from-members"),
	}
	if args.HTTPSOnly {
		fromMembers.IpProtocol = pulumi.String("tcp")
		fromMembers.FromPort, fromMembers.ToPort = pulumi.Int(https), pulumi.Int(https)
		fromMembers.Description = pulumi.String("HTTPS from members")
	}
	if err := c.ingress(ctx, name+"-from-members", fromMembers); err != nil {
		return nil, err
	}
	for _, block := range args.CidrBlocks {
		if err := c.httpsFrom(ctx, name, block, args.Labels, vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: id, CidrIpv4: pulumi.String(block),
		}); err != nil {
			return nil, err
		}
	}
	for _, block := range args.Ipv6CidrBlocks {
		if err := c.httpsFrom(ctx, name, block, args.Labels, vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: id, CidrIpv6: pulumi.String(block),
		}); err != nil {
			return nil, err
		}
	}
	type destination struct {
		part, description string
		group, prefixList pulumi.StringPtrInput
		block             pulumi.StringPtrInput
	}
	destinations := []destination{
		{part: "https-to-members", description: "HTTPS to the endpoints", group: id.ToStringPtrOutput()},
		{part: "https-to-s3", description: "HTTPS to S3 through its gateway endpoint", prefixList: args.S3PrefixListID.ToStringOutput().ToStringPtrOutput()},
	}
	for _, block := range args.EndpointBlocks {
		destinations = append(destinations, destination{
			part: "https-to-" + inName(block), description: "HTTPS to existing endpoints", block: pulumi.StringPtr(block),
		})
	}
	for _, to := range destinations {
		made, err := vpc.NewSecurityGroupEgressRule(ctx, name+"-"+to.part, &vpc.SecurityGroupEgressRuleArgs{
			SecurityGroupId:           id,
			ReferencedSecurityGroupId: to.group,
			PrefixListId:              to.prefixList,
			CidrIpv4:                  to.block,
			IpProtocol:                pulumi.String("tcp"),
			FromPort:                  pulumi.Int(https),
			ToPort:                    pulumi.Int(https),
			Description:               pulumi.String(to.description),
			Tags:                      args.Labels.For(to.part),
		}, child)
		if err != nil {
			return nil, failed("security group", to.part, err)
		}
		c.Ready = append(c.Ready, made)
	}

	c.GroupID = id
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"groupId": id})
}

// httpsFrom opens HTTPS from a range. The rule is named after the range, so that
// a range which the VPC gains or loses touches no other rule.
func (c *SecurityGroup) httpsFrom(ctx *pulumi.Context, name, block string, labels Labels, rule vpc.SecurityGroupIngressRuleArgs) error {
	part := "https-from-" + inName(block)
	rule.IpProtocol = pulumi.String("tcp")
	rule.FromPort, rule.ToPort = pulumi.Int(https), pulumi.Int(https)
	rule.Description = pulumi.String("HTTPS from the VPC")
	rule.Tags = labels.For(part)
	return c.ingress(ctx, name+"-"+part, rule)
}

// inName writes a range as a part of a name.
func inName(block string) string { return strings.NewReplacer("/", "-", ":", "-").Replace(block) }

func (c *SecurityGroup) ingress(ctx *pulumi.Context, name string, args vpc.SecurityGroupIngressRuleArgs) error {
	made, err := vpc.NewSecurityGroupIngressRule(ctx, name, &args, pulumi.Parent(c))
	if err != nil {
		return failed("security group", name, err)
	}
	c.Ready = append(c.Ready, made)
	return nil
}
