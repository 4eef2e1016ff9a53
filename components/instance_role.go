package components

import (
	"errors"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// InstanceRoleArgs describe what instances may do.
type InstanceRoleArgs struct {
	Trust            pulumi.StringInput // who hands out the role
	ManagedPolicyARN string             // AmazonSSMManagedInstanceCore of the partition; empty: none
	// Policies are inline, by the ends of their names. They are this role's
	// alone, while InstancePolicy may be attached to others as well.
	Policies    map[string]string
	BoundaryARN string // the role's permissions boundary; empty: none
	Path        string // of role and profile; empty: "/"
	Labels      Labels
}

// InstanceRole is the role of the recipe, in an instance profile, with what the
// SSM Agent needs to be managed. InstancePolicy gives it the rest.
type InstanceRole struct {
	pulumi.ResourceState

	RoleARN     pulumi.StringOutput `pulumi:"roleArn"`
	RoleName    pulumi.StringOutput `pulumi:"roleName"`
	ProfileName pulumi.StringOutput `pulumi:"profileName"`
	Ready       Ready
}

// NewInstanceRole registers role and profile.
func NewInstanceRole(ctx *pulumi.Context, name string, args *InstanceRoleArgs, opts ...pulumi.ResourceOption) (*InstanceRole, error) {
	if args == nil || args.Trust == nil || args.ManagedPolicyARN == "" && len(args.Policies) == 0 {
		return nil, errors.New("instance role: Trust, and ManagedPolicyARN or Policies, are required")
	}

	c := &InstanceRole{}
	if err := ctx.RegisterComponentResource(token("InstanceRole"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	role, err := iam.NewRole(ctx, name+"-instance", &iam.RoleArgs{
		Description:      pulumi.String("Private instances, managed by Systems Manager"),
		AssumeRolePolicy: args.Trust,
		// Both change nothing where they are empty. Another boundary is an update in place, another path is another role.
		PermissionsBoundary: optional(args.BoundaryARN),
		Path:                optional(args.Path),
		Tags:                args.Labels.For("instance"),
	}, child)
	if err != nil {
		return nil, failed("instance role", "role", err)
	}
	for _, part := range slices.Sorted(maps.Keys(args.Policies)) {
		policy, err := iam.NewRolePolicy(ctx, name+"-"+part, &iam.RolePolicyArgs{
			Role:   role.Name,
			Policy: pulumi.String(args.Policies[part]),
		}, child)
		if err != nil {
			return nil, failed("instance role", part, err)
		}
		c.Ready = append(c.Ready, policy)
	}
	if args.ManagedPolicyARN != "" {
		managed, err := iam.NewRolePolicyAttachment(ctx, name+"-managed-instance-core", &iam.RolePolicyAttachmentArgs{
			Role:      role.Name,
			PolicyArn: pulumi.String(args.ManagedPolicyARN),
		}, child, pulumi.DependsOn(c.Ready)) // what limits it comes first
		if err != nil {
			return nil, failed("instance role", "managed-instance-core", err)
		}
		c.Ready = append(c.Ready, managed)
	}
	profile, err := iam.NewInstanceProfile(ctx, name+"-instance", &iam.InstanceProfileArgs{
		Role: role.Name,
		Path: optional(args.Path),
		Tags: args.Labels.For("instance"),
	}, child)
	if err != nil {
		return nil, failed("instance role", "instance profile", err)
	}

	c.Ready = append(c.Ready, profile)
	c.RoleARN, c.RoleName, c.ProfileName = role.Arn, role.Name, profile.Name
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"roleArn": role.Arn, "roleName": role.Name, "profileName": profile.Name,
	})
}
