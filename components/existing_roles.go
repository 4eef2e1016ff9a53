package components

import (
	"errors"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ExistingRolesArgs describe what roles of existing instances get.
type ExistingRolesArgs struct {
	RoleNames []string
	Policy    pulumi.StringInput
	Path      string // of the policy; empty: "/"
	Labels    Labels
}

// ExistingRoles lets roles that the stack did not create carry recorded sessions,
// by one policy of the stack's own. AWS's managed policies are not attached: a
// role may have one already, and a destroy would detach that.
type ExistingRoles struct {
	pulumi.ResourceState

	Ready Ready
}

// NewExistingRoles registers the policy and attaches it to each role.
func NewExistingRoles(ctx *pulumi.Context, name string, args *ExistingRolesArgs, opts ...pulumi.ResourceOption) (*ExistingRoles, error) {
	if args == nil || len(args.RoleNames) == 0 || args.Policy == nil {
		return nil, errors.New("existing roles: RoleNames and Policy are required")
	}
	c := &ExistingRoles{}
	if err := ctx.RegisterComponentResource(token("ExistingRoles"), name, c, opts...); err != nil {
		return nil, err
	}
	// The beginning of the name is one that the pipelines' roles may manage.
	policy, err := iam.NewPolicy(ctx, name+"-instance-existing", &iam.PolicyArgs{
		Description: pulumi.String("Carry recorded sessions on existing instances"),
		Policy:      args.Policy,
		Path:        optional(args.Path),
		Tags:        args.Labels.For("instance-existing"),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, failed("existing roles", "policy", err)
	}
	for _, role := range slices.Sorted(slices.Values(args.RoleNames)) {
		attached, err := iam.NewRolePolicyAttachment(ctx, name+"-existing-"+role, &iam.RolePolicyAttachmentArgs{
			Role:      pulumi.String(role),
			PolicyArn: policy.Arn,
		}, pulumi.Parent(c))
		if err != nil {
			return nil, failed("existing roles", role, err)
		}
		c.Ready = append(c.Ready, attached)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"policyArn": policy.Arn})
}
