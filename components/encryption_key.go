package components

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// EncryptionKeyArgs describe the stack's own KMS key.
type EncryptionKeyArgs struct {
	Alias                string // with its alias/ in front
	Description          string
	DeletionWindowInDays int // 7 to 30
	RotationPeriodInDays int // 90 to 2560
	// ExistingKeyID imports a key that exists already under the alias, created
	// by an update that was killed. The engine ignores it once the key is in the
	// stack.
	ExistingKeyID string
	KeepRecords   bool
	RefuseDestroy bool
	Labels        Labels
}

// EncryptionKey is the stack's own symmetric KMS key, with rotation, under an
// alias. Rotation keeps every earlier version of the key, so what was encrypted
// stays readable (https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html).
//
// The key outlives what it encrypts. Whatever is encrypted depends on the key,
// so a destroy comes to the key last, and AWS deletes it only after the deletion
// window, in which that can be called off. With KeepRecords the key is kept
// like the session logs, enabled. The alias is deleted: the next key needs it.
type EncryptionKey struct {
	pulumi.ResourceState

	// KeyARN is known once the alias is there, by which a later preview finds
	// the key.
	KeyARN pulumi.StringOutput `pulumi:"keyArn"`
	KeyID  pulumi.StringOutput `pulumi:"keyId"`
	Ready  Ready
}

// NewEncryptionKey registers key and alias. Until KeyPolicy gives it another
// one, the key has AWS's default policy.
func NewEncryptionKey(ctx *pulumi.Context, name string, args *EncryptionKeyArgs, opts ...pulumi.ResourceOption) (*EncryptionKey, error) {
	if args == nil || args.Alias == "" || args.Description == "" {
		return nil, errors.New("encryption key: Alias and Description are required")
	}
	if args.DeletionWindowInDays < 7 || args.DeletionWindowInDays > 30 || args.RotationPeriodInDays < 90 || args.RotationPeriodInDays > 2560 {
		return nil, fmt.Errorf("encryption key: DeletionWindowInDays is %d (7 to 30 are allowed), RotationPeriodInDays is %d (90 to 2560)",
			args.DeletionWindowInDays, args.RotationPeriodInDays)
	}

	c := &EncryptionKey{}
	if err := ctx.RegisterComponentResource(token("EncryptionKey"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	keyOptions := []pulumi.ResourceOption{child, keeping(args.KeepRecords, args.RefuseDestroy)}
	aliasOptions := []pulumi.ResourceOption{child}
	if args.ExistingKeyID != "" {
		keyOptions = append(keyOptions, pulumi.Import(pulumi.ID(args.ExistingKeyID)))
		aliasOptions = append(aliasOptions, pulumi.Import(pulumi.ID(args.Alias)))
	}
	key, err := kms.NewKey(ctx, name+"-key", &kms.KeyArgs{
		Description:          pulumi.String(args.Description),
		DeletionWindowInDays: pulumi.Int(args.DeletionWindowInDays),
		EnableKeyRotation:    pulumi.Bool(true),
		RotationPeriodInDays: pulumi.Int(args.RotationPeriodInDays),
		Tags:                 args.Labels.For("records"),
	}, keyOptions...)
	if err != nil {
		return nil, failed("encryption key", "key", err)
	}
	alias, err := kms.NewAlias(ctx, name+"-key", &kms.AliasArgs{
		Name:        pulumi.String(args.Alias),
		TargetKeyId: key.KeyId,
	}, aliasOptions...)
	if err != nil {
		return nil, failed("encryption key", "alias", err)
	}

	c.Ready = Ready{key, alias}
	c.KeyARN, c.KeyID = alias.TargetKeyArn, key.KeyId
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"keyArn": c.KeyARN, "keyId": c.KeyID})
}
