package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// InstancePolicyArgs describe what instances may do beyond being managed.
type InstancePolicyArgs struct {
	RoleName pulumi.StringInput
	Policy   pulumi.StringInput
	Path     string // of the policy; empty: "/"
	Labels   Labels
}

// InstancePolicy is the policy of the recipe: the Systems Manager buckets and
// the session logs, attached to the instances' role.
type InstancePolicy struct {
	pulumi.ResourceState

	PolicyARN pulumi.StringOutput `pulumi:"policyArn"`
	Ready     Ready
}

// NewInstancePolicy registers the policy and attaches it.
func NewInstancePolicy(ctx *pulumi.Context, name string, args *InstancePolicyArgs, opts ...pulumi.ResourceOption) (*InstancePolicy, error) {
	if args == nil || args.RoleName == nil || args.Policy == nil {
		return nil, errors.New("instance policy: RoleName and Policy are required")
	}

	c := &InstancePolicy{}
	if err := ctx.RegisterComponentResource(token("InstancePolicy"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	policy, err := iam.NewPolicy(ctx, name+"-instance", &iam.PolicyArgs{
		Description: pulumi.String("Read the Systems Manager buckets, write session logs"),
		Policy:      args.Policy,
		Path:        optional(args.Path),
		Tags:        args.Labels.For("instance"),
	}, child)
	if err != nil {
		return nil, failed("instance policy", "policy", err)
	}
	attached, err := iam.NewRolePolicyAttachment(ctx, name+"-session-logs", &iam.RolePolicyAttachmentArgs{
		Role:      args.RoleName,
		PolicyArn: policy.Arn,
	}, child)
	if err != nil {
		return nil, failed("instance policy", "attachment", err)
	}

	c.Ready = Ready{attached}
	c.PolicyARN = policy.Arn
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"policyArn": policy.Arn})
}
