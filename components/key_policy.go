package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KeyPolicyArgs describe who may use a key for what.
type KeyPolicyArgs struct {
	KeyID         pulumi.StringInput
	Policy        pulumi.StringInput
	KeepRecords   bool
	RefuseDestroy bool
}

// KeyPolicy is the policy of the stack's own key. It stands apart from the key,
// because it names what is made after the key: the bucket, whose name the engine
// chooses, and the instances' role. It is left behind where the records are:
// without it AWS's default policy would come back.
type KeyPolicy struct {
	pulumi.ResourceState

	Ready Ready
}

// NewKeyPolicy registers the policy.
func NewKeyPolicy(ctx *pulumi.Context, name string, args *KeyPolicyArgs, opts ...pulumi.ResourceOption) (*KeyPolicy, error) {
	if args == nil || args.KeyID == nil || args.Policy == nil {
		return nil, errors.New("key policy: KeyID and Policy are required")
	}

	c := &KeyPolicy{}
	if err := ctx.RegisterComponentResource(token("KeyPolicy"), name, c, opts...); err != nil {
		return nil, err
	}
	policy, err := kms.NewKeyPolicy(ctx, name+"-key", &kms.KeyPolicyArgs{
		KeyId:  args.KeyID,
		Policy: args.Policy,
	}, pulumi.Parent(c), keeping(args.KeepRecords, args.RefuseDestroy))
	if err != nil {
		return nil, failed("key policy", "policy", err)
	}

	c.Ready = Ready{policy}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
