package components

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KeyGrantsArgs describe who may use which KMS key.
type KeyGrantsArgs struct {
	RoleName pulumi.StringInput // of the instances
	// KeyID and KeyPolicy are the stack's own key and its policy. Nil: it has none.
	KeyID     pulumi.StringInput
	KeyPolicy pulumi.StringInput
	// RolePolicies let the role use keys, each under a name that follows its key.
	RolePolicies  map[string]pulumi.StringInput
	KeepRecords   bool
	RefuseDestroy bool
}

// KeyGrants lets instances use KMS keys, and adds two rules.
//
// The policy of the stack's own key is apart from the key, because it names what
// is created after the key: the bucket, whose name the engine chooses, and the
// role. It is kept where session logs are kept: without it AWS's default policy
// would return.
//
// Each other key has a policy of its own in the role: when another key replaces
// it, the engine creates the new grant first and deletes the old one last, when
// nothing names the old key any more.
type KeyGrants struct {
	pulumi.ResourceState

	Ready Ready
}

// NewKeyGrants registers the key's policy and the role's.
func NewKeyGrants(ctx *pulumi.Context, name string, args *KeyGrantsArgs, opts ...pulumi.ResourceOption) (*KeyGrants, error) {
	if args == nil || args.RoleName == nil {
		return nil, errors.New("key grants: RoleName is required")
	}
	if (args.KeyID == nil) != (args.KeyPolicy == nil) {
		return nil, errors.New("key grants: KeyID and KeyPolicy are required together")
	}
	c := &KeyGrants{}
	if err := ctx.RegisterComponentResource(token("KeyGrants"), name, c, opts...); err != nil {
		return nil, err
	}
	if args.KeyID != nil {
		policy, err := kms.NewKeyPolicy(ctx, name+"-key", &kms.KeyPolicyArgs{
			KeyId:  args.KeyID,
			Policy: args.KeyPolicy,
		}, pulumi.Parent(c), formerlyIn(ctx, "KeyPolicy", name), keeping(args.KeepRecords, args.RefuseDestroy))
		if err != nil {
			return nil, failed("key grants", "key policy", err)
		}
		c.Ready = append(c.Ready, policy)
	}
	for _, part := range slices.Sorted(maps.Keys(args.RolePolicies)) {
		policy, err := iam.NewRolePolicy(ctx, name+"-"+part+"-access", &iam.RolePolicyArgs{
			Role:   args.RoleName,
			Policy: args.RolePolicies[part],
		}, pulumi.Parent(c), formerlyIn(ctx, "KeyAccess", name+"-"+part))
		if err != nil {
			return nil, failed("key grants", part, err)
		}
		c.Ready = append(c.Ready, policy)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}

// formerlyIn is the alias of a child that was in a component of its own before
// version 0.1.0.
func formerlyIn(ctx *pulumi.Context, kind, component string) pulumi.ResourceOption {
	parent := fmt.Sprintf("urn:pulumi:%s::%s::%s::%s", ctx.Stack(), ctx.Project(), token(kind), component)
	return pulumi.Aliases([]pulumi.Alias{{ParentURN: pulumi.URN(parent)}})
}
