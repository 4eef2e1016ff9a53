package main

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
)

// recipe turns config and facts into each component's arguments.
type recipe struct {
	ctx    *pulumi.Context
	name   string // of every component; the names of children begin with it
	config *Config
	facts  *Facts
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

func (r recipe) instanceRole() (*components.InstanceRole, error) {
	scope := r.facts.Scope
	return components.NewInstanceRole(r.ctx, r.name, &components.InstanceRoleArgs{
		Trust:            pulumi.String(iam.EC2Trust(scope).JSON()),
		ManagedPolicyARN: scope.ManagedPolicyARN("AmazonSSMManagedInstanceCore"),
		Labels:           r.facts.Labels,
	})
}

func (r recipe) instancePolicy(role *components.InstanceRole, to records) (*components.InstancePolicy, error) {
	return components.NewInstancePolicy(r.ctx, r.name, &components.InstancePolicyArgs{
		RoleName: role.RoleName,
		Policy: to.policy(func(bucket string) iam.Document {
			return iam.InstancePolicy(r.facts.Scope, iam.Recording{Archives: to.archives(bucket), LogGroups: to.groups})
		}),
		Labels: r.facts.Labels,
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

func (r recipe) endpoints(place components.Place, group *components.SecurityGroup, to records) (*components.Endpoints, error) {
	scope, narrow := r.facts.Scope, r.config.NarrowPolicies()
	full := pulumi.String(iam.FullAccess().JSON())
	interfaces := map[string]components.Endpoint{}
	for _, service := range r.facts.Services {
		endpoint := components.Endpoint{ServiceName: scope.EndpointService(service), Policy: full}
		switch {
		case !narrow:
		case service == "logs":
			endpoint.Policy = pulumi.String(iam.LogsEndpointPolicy(scope, to.groups).JSON())
		case service == "kms":
			endpoint.Policy = to.sessionKeyARN.ApplyT(func(arn string) string { return iam.KMSEndpointPolicy(scope, arn).JSON() }).(pulumi.StringOutput)
		default:
			endpoint.Policy = pulumi.String(iam.InterfaceEndpointPolicy(scope, service).JSON())
		}
		interfaces[service] = endpoint
	}
	s3 := components.Endpoint{ServiceName: scope.EndpointService("s3"), Policy: full}
	if narrow {
		s3.Policy = to.policy(func(bucket string) iam.Document { return iam.S3EndpointPolicy(scope, to.archives(bucket)) })
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
	place components.Place, role *components.InstanceRole, policy *components.InstancePolicy, group *components.SecurityGroup,
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
			After: slices.Concat(role.Ready, policy.Ready, group.Ready, endpoints.Ready, preferences.Ready),
		})
		if err != nil {
			return nil, err
		}
		instances[part] = made
	}
	return instances, nil
}

func (r recipe) sessionPreferences(
	to records, policy *components.InstancePolicy, endpoints *components.Endpoints,
) (*components.SessionPreferences, error) {
	found := r.facts.Preferences
	return components.NewSessionPreferences(r.ctx, r.name, &components.SessionPreferencesArgs{
		DocumentName: r.config.Session.DocumentName,
		Content: pulumi.All(to.bucket, to.sessionKeyARN).ApplyT(func(known []any) string {
			return r.facts.preferences(r.config, known[0].(string), known[1].(string)).JSON()
		}).(pulumi.StringOutput),
		Exists:  found.Found,
		Adopted: found.Before() != "",
		Labels:  r.facts.Labels,
		// The document names only what is there and may be written to.
		After: slices.Concat(to.ready, policy.Ready, endpoints.Ready),
	})
}
