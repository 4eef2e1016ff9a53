package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// InstanceRoleArgs describe what instances may do.
type InstanceRoleArgs struct {
	Trust            pulumi.StringInput // who hands out the role
	Policy           pulumi.StringInput // beyond the managed policy
	ManagedPolicyARN string             // AmazonSSMManagedInstanceCore of the partition
	Labels           Labels
}

// InstanceRole is the role of the recipe: what the SSM Agent needs to be
// managed, and the policy for the Systems Manager buckets and the session logs,
// in an instance profile.
type InstanceRole struct {
	pulumi.ResourceState

	RoleARN     pulumi.StringOutput `pulumi:"roleArn"`
	RoleName    pulumi.StringOutput `pulumi:"roleName"`
	ProfileName pulumi.StringOutput `pulumi:"profileName"`
	Ready       Ready
}

// NewInstanceRole registers policy, role and profile.
func NewInstanceRole(ctx *pulumi.Context, name string, args *InstanceRoleArgs, opts ...pulumi.ResourceOption) (*InstanceRole, error) {
	if args == nil || args.Trust == nil || args.Policy == nil || args.ManagedPolicyARN == "" {
		return nil, errors.New("instance role: Trust, Policy and ManagedPolicyARN are required")
	}

	c := &InstanceRole{}
	if err := ctx.RegisterComponentResource(token("InstanceRole"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	policy, err := iam.NewPolicy(ctx, name+"-instance", &iam.PolicyArgs{
		Description: pulumi.String("Read the Systems Manager buckets, write session logs"),
		Policy:      args.Policy,
		Tags:        args.Labels.For("instance"),
	}, child)
	if err != nil {
		return nil, failed("instance role", "policy", err)
	}
	role, err := iam.NewRole(ctx, name+"-instance", &iam.RoleArgs{
		Description:      pulumi.String("Private instances, managed by Systems Manager"),
		AssumeRolePolicy: args.Trust,
		Tags:             args.Labels.For("instance"),
	}, child)
	if err != nil {
		return nil, failed("instance role", "role", err)
	}
	for _, attached := range []struct {
		part string
		arn  pulumi.StringInput
	}{
		{"managed-instance-core", pulumi.String(args.ManagedPolicyARN)},
		{"session-logs", policy.Arn},
	} {
		made, err := iam.NewRolePolicyAttachment(ctx, name+"-"+attached.part, &iam.RolePolicyAttachmentArgs{
			Role:      role.Name,
			PolicyArn: attached.arn,
		}, child)
		if err != nil {
			return nil, failed("instance role", attached.part, err)
		}
		c.Ready = append(c.Ready, made)
	}
	profile, err := iam.NewInstanceProfile(ctx, name+"-instance", &iam.InstanceProfileArgs{
		Role: role.Name,
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
