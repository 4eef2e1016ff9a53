package main

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
)

// archive is where session logs go: a bucket of the stack's own, whose name the
// engine chooses, or an existing one.
type archive struct {
	bucket pulumi.StringOutput
	prefix string
}

// text builds a text that names the archive.
func (a archive) text(build func(iam.Archive) string) pulumi.StringOutput {
	return a.bucket.ApplyT(func(bucket string) string {
		return build(iam.Archive{Bucket: bucket, Prefix: a.prefix})
	}).(pulumi.StringOutput)
}

// policy builds a policy that names the archive.
func (a archive) policy(build func(iam.Archive) iam.Document) pulumi.StringOutput {
	return a.text(func(to iam.Archive) string { return build(to).JSON() })
}

// fixed is a policy that names nothing which the engine chooses.
func fixed(d iam.Document) pulumi.StringInput { return pulumi.String(d.JSON()) }

func newArchive(ctx *pulumi.Context, name string, c *Config, f *Facts) (archive, error) {
	if c.Logging.BucketName != "" {
		return archive{bucket: pulumi.String(c.Logging.BucketName).ToStringOutput(), prefix: c.Logging.KeyPrefix}, nil
	}
	made, err := components.NewLogArchive(ctx, name, &components.LogArchiveArgs{
		Policy:        func(bucket string) string { return iam.BucketPolicy(f.Scope, bucket).JSON() },
		RetentionDays: c.Logging.RetentionDays,
		KeepRecords:   c.KeepRecords.Or(!c.Emulated),
		Labels:        f.Labels,
	})
	if err != nil {
		return archive{}, err
	}
	return archive{bucket: made.BucketName, prefix: c.Logging.KeyPrefix}, nil
}

func newPlace(ctx *pulumi.Context, name string, c *Config, f *Facts) (components.Place, error) {
	if n := f.Network; n != nil {
		return components.ExistingPlace(n.VpcID, n.CidrBlocks, n.Ipv6CidrBlocks, n.SubnetIDs, n.RouteTableIDs), nil
	}
	made, err := components.NewNetwork(ctx, name, &components.NetworkArgs{
		CidrBlock: c.Network.CidrBlock,
		Zones:     f.Zones,
		Labels:    f.Labels,
	})
	if err != nil {
		return components.Place{}, err
	}
	return made.Place, nil
}

func interfaceEndpoints(c *Config, f *Facts) map[string]components.Endpoint {
	endpoints := map[string]components.Endpoint{}
	for _, service := range f.Services {
		policy := iam.FullAccess()
		if c.NarrowPolicies() {
			policy = iam.InterfaceEndpointPolicy(f.Scope, service)
		}
		endpoints[service] = components.Endpoint{ServiceName: f.Scope.EndpointService(service), Policy: fixed(policy)}
	}
	return endpoints
}

func s3Endpoint(c *Config, f *Facts, to archive) components.Endpoint {
	endpoint := components.Endpoint{ServiceName: f.Scope.EndpointService("s3"), Policy: fixed(iam.FullAccess())}
	if c.NarrowPolicies() {
		endpoint.Policy = to.policy(func(a iam.Archive) iam.Document { return iam.S3EndpointPolicy(f.Scope, a) })
	}
	return endpoint
}

func newInstances(
	ctx *pulumi.Context, name string, c *Config, f *Facts, place components.Place,
	role *components.InstanceRole, group *components.SecurityGroup, endpoints *components.Endpoints,
) (map[string]*components.PrivateInstance, error) {
	instances := map[string]*components.PrivateInstance{}
	for _, part := range slices.Sorted(maps.Keys(c.Instances)) {
		wanted := c.merged(c.Instances[part])
		image := wanted.ImageID
		if image == "" {
			image = f.NewestImages[wanted.Architecture]
		}
		made, err := components.NewPrivateInstance(ctx, name+"-"+part, &components.PrivateInstanceArgs{
			ImageID:         pulumi.String(image),
			PinImage:        wanted.ImageID != "",
			Architecture:    wanted.Architecture,
			InstanceType:    wanted.InstanceType,
			VolumeSize:      wanted.VolumeSize,
			SubnetID:        place.SubnetIDs[wanted.SubnetIndex],
			SecurityGroupID: group.GroupID,
			ProfileName:     role.ProfileName,
			Labels:          f.Labels,
			Part:            part,
			After:           []pulumi.Resource{role, group, endpoints},
		})
		if err != nil {
			return nil, err
		}
		instances[part] = made
	}
	return instances, nil
}
