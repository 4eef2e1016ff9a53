package main

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/session"
)

// recipe turns config and facts into each component's arguments.
type recipe struct {
	ctx    *pulumi.Context
	name   string // of every component; the names of children begin with it
	config *Config
	facts  *Facts
}

// logArchive is where session logs go: a bucket of the stack's own, whose name
// the engine chooses, or an existing one.
type logArchive struct {
	bucket pulumi.StringOutput
	prefix string
}

// text builds a text that names the archive.
func (a logArchive) text(build func(iam.Archive) string) pulumi.StringOutput {
	return a.bucket.ApplyT(func(bucket string) string {
		return build(iam.Archive{Bucket: bucket, Prefix: a.prefix})
	}).(pulumi.StringOutput)
}

// policy builds a policy that names the archive.
func (a logArchive) policy(build func(iam.Archive) iam.Document) pulumi.StringOutput {
	return a.text(func(to iam.Archive) string { return build(to).JSON() })
}

func (r recipe) network() (components.Place, error) {
	if n := r.facts.Network; n != nil {
		return components.ExistingPlace(n.VpcID, n.CidrBlocks, n.Ipv6CidrBlocks, n.SubnetIDs, n.RouteTableIDs), nil
	}
	made, err := components.NewNetwork(r.ctx, r.name, &components.NetworkArgs{
		CidrBlock: r.config.Network.CidrBlock,
		Zones:     r.facts.Zones,
		Labels:    r.facts.Labels,
	})
	if err != nil {
		return components.Place{}, err
	}
	return made.Place, nil
}

func (r recipe) archive() (logArchive, error) {
	logging := r.config.Logging
	if logging.BucketName != "" {
		return logArchive{bucket: pulumi.String(logging.BucketName).ToStringOutput(), prefix: logging.KeyPrefix}, nil
	}
	made, err := components.NewLogArchive(r.ctx, r.name, &components.LogArchiveArgs{
		Policy:        func(bucket string) string { return iam.BucketPolicy(r.facts.Scope, bucket).JSON() },
		RetentionDays: logging.RetentionDays,
		KeepRecords:   r.config.KeepRecords.Or(!r.config.Emulated) || r.config.KeepRecords == refuse,
		RefuseDestroy: r.config.KeepRecords == refuse,
		Labels:        r.facts.Labels,
	})
	if err != nil {
		return logArchive{}, err
	}
	return logArchive{bucket: made.BucketName, prefix: logging.KeyPrefix}, nil
}

func (r recipe) instanceRole(to logArchive) (*components.InstanceRole, error) {
	scope := r.facts.Scope
	return components.NewInstanceRole(r.ctx, r.name, &components.InstanceRoleArgs{
		Trust:            pulumi.String(iam.EC2Trust(scope).JSON()),
		Policy:           to.policy(func(a iam.Archive) iam.Document { return iam.InstancePolicy(scope, a) }),
		ManagedPolicyARN: scope.ManagedPolicyARN("AmazonSSMManagedInstanceCore"),
		Labels:           r.facts.Labels,
	})
}

func (r recipe) securityGroup(place components.Place) (*components.SecurityGroup, error) {
	return components.NewSecurityGroup(r.ctx, r.name, &components.SecurityGroupArgs{
		VpcID:          place.VpcID,
		CidrBlocks:     place.CidrBlocks,
		Ipv6CidrBlocks: place.Ipv6CidrBlocks,
		S3PrefixListID: pulumi.String(r.facts.S3PrefixListID),
		Labels:         r.facts.Labels,
	})
}

func (r recipe) endpoints(place components.Place, group *components.SecurityGroup, to logArchive) (*components.Endpoints, error) {
	scope, narrow := r.facts.Scope, r.config.NarrowPolicies()
	interfaces := map[string]components.Endpoint{}
	for _, service := range r.facts.Services {
		policy := iam.FullAccess()
		if narrow {
			policy = iam.InterfaceEndpointPolicy(scope, service)
		}
		interfaces[service] = components.Endpoint{
			ServiceName: scope.EndpointService(service),
			Policy:      pulumi.String(policy.JSON()),
		}
	}
	s3 := components.Endpoint{ServiceName: scope.EndpointService("s3"), Policy: pulumi.String(iam.FullAccess().JSON())}
	if narrow {
		s3.Policy = to.policy(func(a iam.Archive) iam.Document { return iam.S3EndpointPolicy(scope, a) })
	}
	return components.NewEndpoints(r.ctx, r.name, &components.EndpointsArgs{
		Place:           place,
		SecurityGroupID: group.GroupID,
		Interfaces:      interfaces,
		S3:              s3,
		Labels:          r.facts.Labels,
	})
}

func (r recipe) instances(
	place components.Place, role *components.InstanceRole, group *components.SecurityGroup,
	endpoints *components.Endpoints, preferences *components.SessionPreferences,
) (map[string]*components.PrivateInstance, error) {
	instances := map[string]*components.PrivateInstance{}
	for _, part := range slices.Sorted(maps.Keys(r.config.Instances)) {
		wanted := r.config.merged(r.config.Instances[part])
		image := wanted.ImageID
		if image == "" {
			image = r.facts.NewestImages[wanted.Architecture]
		}
		made, err := components.NewPrivateInstance(r.ctx, r.name+"-"+part, &components.PrivateInstanceArgs{
			ImageID:         pulumi.String(image),
			PinImage:        wanted.ImageID != "",
			Architecture:    wanted.Architecture,
			InstanceType:    wanted.InstanceType,
			VolumeSize:      wanted.VolumeSize,
			SubnetID:        place.SubnetIDs[wanted.SubnetIndex],
			SecurityGroupID: group.GroupID,
			ProfileName:     role.ProfileName,
			Labels:          r.facts.Labels,
			Part:            part,
			// The preferences too: no session opens before it would be recorded.
			After: slices.Concat(role.Ready, group.Ready, endpoints.Ready, preferences.Ready),
		})
		if err != nil {
			return nil, err
		}
		instances[part] = made
	}
	return instances, nil
}

func (r recipe) sessionPreferences(to logArchive) (*components.SessionPreferences, error) {
	wanted := r.config.Session
	return components.NewSessionPreferences(r.ctx, r.name, &components.SessionPreferencesArgs{
		DocumentName: wanted.DocumentName,
		Content: to.text(func(a iam.Archive) string {
			return session.Preferences{
				Owner:              r.facts.Owner,
				S3BucketName:       a.Bucket,
				S3KeyPrefix:        a.Prefix,
				IdleSessionTimeout: wanted.IdleSessionTimeout,
				MaxSessionDuration: wanted.MaxSessionDuration,
			}.JSON()
		}),
		Labels: r.facts.Labels,
	})
}
