package components

import (
	"errors"
	"path"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ebs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// PrivateInstanceArgs describe one instance.
type PrivateInstanceArgs struct {
	ImageID         pulumi.StringInput
	PinImage        bool   // follow ImageID; otherwise a running instance keeps the image it has
	UserData        string // runs at the first boot; another one replaces the instance, unless KeepUserData
	KeepUserData    bool   // a running instance keeps the user data it has
	Architecture    string // arm64 or x86_64, of image and type
	InstanceType    string
	VolumeSize      int // of the root volume, in GiB
	DataVolumes     []DataVolume
	Zone            string // of the subnet; required with DataVolumes
	SubnetID        pulumi.StringInput
	SecurityGroupID pulumi.StringInput
	ProfileName     pulumi.StringInput
	Labels          Labels
	Part            string // the instance's own part of its Name
	// Tags are those of the instance alone, and not of its volume.
	Tags  map[string]string
	After Ready // what it needs from its first boot on
}

// DataVolume is an encrypted volume beside the root volume.
type DataVolume struct {
	Device string // for example /dev/sdf; it is part of the volume's name
	Size   int    // in GiB
	Type   string // for example gp3
}

// PrivateInstance is an instance without a public address and without a key
// pair. Its root volume is encrypted, and only a signed IMDSv2 request from the
// instance itself gets the role's credentials.
//
// It boots after everything in After is there: an agent that finds no endpoint
// or no role at boot goes to sleep for up to an hour.
type PrivateInstance struct {
	pulumi.ResourceState

	InstanceID pulumi.StringOutput `pulumi:"instanceId"`
	PrivateIP  pulumi.StringOutput `pulumi:"privateIp"`
}

// NewPrivateInstance registers an instance.
func NewPrivateInstance(ctx *pulumi.Context, name string, args *PrivateInstanceArgs, opts ...pulumi.ResourceOption) (*PrivateInstance, error) {
	if args == nil || args.ImageID == nil || args.SubnetID == nil || args.SecurityGroupID == nil || args.ProfileName == nil {
		return nil, errors.New("private instance: ImageID, SubnetID, SecurityGroupID and ProfileName are required")
	}
	if args.Architecture == "" || args.InstanceType == "" || args.VolumeSize < 1 {
		return nil, errors.New("private instance: Architecture, InstanceType and VolumeSize are required")
	}
	if len(args.DataVolumes) > 0 && args.Zone == "" {
		return nil, errors.New("private instance: Zone is required with DataVolumes")
	}

	c := &PrivateInstance{}
	if err := ctx.RegisterComponentResource(token("PrivateInstance"), name, c, opts...); err != nil {
		return nil, err
	}
	options := []pulumi.ResourceOption{pulumi.Parent(c), pulumi.DependsOn(args.After)}
	var kept []string
	if !args.PinImage {
		// The newest image changes every few weeks. It must not replace an
		// instance that somebody works on.
		kept = append(kept, "ami")
	}
	if args.KeepUserData {
		kept = append(kept, "userData", "userDataReplaceOnChange")
	}
	if len(kept) > 0 {
		options = append(options, pulumi.IgnoreChanges(kept))
	}

	tags, own := args.Labels.For(args.Part), args.Labels.For(args.Part)
	for key, value := range args.Tags {
		own[key] = pulumi.String(value)
	}
	var replace pulumi.BoolPtrInput
	if args.UserData != "" {
		replace = pulumi.Bool(true)
	}
	// The architecture is in the name because an image of another architecture
	// can only go with another instance: a change makes a new one with the
	// image it needs, rather than keeping the one that is ignored above.
	instance, err := ec2.NewInstance(ctx, name+"-"+args.Architecture, &ec2.InstanceArgs{
		Ami:                      args.ImageID.ToStringOutput().ToStringPtrOutput(),
		InstanceType:             pulumi.String(args.InstanceType),
		SubnetId:                 args.SubnetID.ToStringOutput().ToStringPtrOutput(),
		VpcSecurityGroupIds:      pulumi.StringArray{args.SecurityGroupID},
		IamInstanceProfile:       args.ProfileName,
		AssociatePublicIpAddress: pulumi.Bool(false),
		MetadataOptions: ec2.InstanceMetadataOptionsArgs{
			HttpEndpoint:            pulumi.String("enabled"),
			HttpTokens:              pulumi.String("required"),
			HttpPutResponseHopLimit: pulumi.Int(1),
		},
		RootBlockDevice: ec2.InstanceRootBlockDeviceArgs{
			Encrypted:           pulumi.Bool(true),
			VolumeType:          pulumi.String("gp3"),
			VolumeSize:          pulumi.Int(args.VolumeSize),
			DeleteOnTermination: pulumi.Bool(true),
			Tags:                tags,
		},
		UserData:                optional(args.UserData),
		UserDataReplaceOnChange: replace,
		Tags:                    own,
	}, options...)
	if err != nil {
		return nil, failed("private instance", name, err)
	}
	for _, volume := range args.DataVolumes {
		if err := c.attach(ctx, name, args, volume, instance); err != nil {
			return nil, failed("private instance", name, err)
		}
	}

	c.InstanceID, c.PrivateIP = instance.ID().ToStringOutput(), instance.PrivateIp
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"instanceId": c.InstanceID, "privateIp": c.PrivateIP,
	})
}

// attach registers a data volume and its attachment. They are resources of their
// own: a block device of the instance would be replaced with it, and adding one
// would replace the instance.
//
// Nothing replaces a volume: an instance that moves to another zone fails to attach
// it, and the data is still there. A volume is attached to one instance at a time,
// so the old attachment is deleted before the new one is created. The instance is
// stopped first: what it has not yet written would be lost.
func (c *PrivateInstance) attach(ctx *pulumi.Context, name string, args *PrivateInstanceArgs, volume DataVolume, to *ec2.Instance) error {
	part := "-data-" + path.Base(volume.Device)
	made, err := ebs.NewVolume(ctx, name+part, &ebs.VolumeArgs{
		AvailabilityZone: pulumi.String(args.Zone),
		Size:             pulumi.Int(volume.Size),
		Type:             pulumi.String(volume.Type),
		Encrypted:        pulumi.Bool(true),
		Tags:             args.Labels.For(args.Part + part),
	}, pulumi.Parent(c), pulumi.IgnoreChanges([]string{"availabilityZone"}))
	if err != nil {
		return err
	}
	_, err = ec2.NewVolumeAttachment(ctx, name+part, &ec2.VolumeAttachmentArgs{
		DeviceName:                  pulumi.String(volume.Device),
		InstanceId:                  to.ID(),
		VolumeId:                    made.ID(),
		StopInstanceBeforeDetaching: pulumi.Bool(true),
	}, pulumi.Parent(c), pulumi.DeleteBeforeReplace(true))
	return err
}
