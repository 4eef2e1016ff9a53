package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KeyAccessArgs describe what instances may do with one KMS key.
type KeyAccessArgs struct {
	RoleName pulumi.StringInput
	Policy   pulumi.StringInput
}

// KeyAccess lets instances use one KMS key. Each key has its own, under a name
// that follows the key: when another key takes its place, the engine gives the
// new access first and takes the old one away last, when nothing names the old
// key any more.
type KeyAccess struct {
	pulumi.ResourceState

	Ready Ready
}

// NewKeyAccess registers the access, in the role itself.
func NewKeyAccess(ctx *pulumi.Context, name string, args *KeyAccessArgs, opts ...pulumi.ResourceOption) (*KeyAccess, error) {
	if args == nil || args.RoleName == nil || args.Policy == nil {
		return nil, errors.New("key access: RoleName and Policy are required")
	}

	c := &KeyAccess{}
	if err := ctx.RegisterComponentResource(token("KeyAccess"), name, c, opts...); err != nil {
		return nil, err
	}
	policy, err := iam.NewRolePolicy(ctx, name+"-access", &iam.RolePolicyArgs{
		Role:   args.RoleName,
		Policy: args.Policy,
	}, pulumi.Parent(c))
	if err != nil {
		return nil, failed("key access", "policy", err)
	}

	c.Ready = Ready{policy}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
