// Package access is private access to EC2 instances as one Pulumi component
// resource: a recorded shell on instances in a network without an internet
// route, for the people whom IAM allows. It reads no config and asks AWS
// nothing, so any Pulumi program can create it.
package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
)

// PrivateAccess is the whole recipe, and the parent of all its parts.
type PrivateAccess struct {
	pulumi.ResourceState

	Place               components.Place
	InstanceIDs         pulumi.StringMapOutput `pulumi:"instanceIds"`
	PrivateIPAddresses  pulumi.StringMapOutput `pulumi:"privateIpAddresses"`
	SessionDocument     pulumi.StringOutput    `pulumi:"sessionDocument"`
	LogBucket           pulumi.StringOutput    `pulumi:"logBucket"`
	KeyARN              pulumi.StringOutput    `pulumi:"keyArn"`        // of the key that is created; empty: none
	SessionKeyARN       pulumi.StringOutput    `pulumi:"sessionKeyArn"` // empty: sessions are not encrypted with KMS
	RoleName            pulumi.StringOutput    `pulumi:"roleName"`
	InstanceProfileName pulumi.StringOutput    `pulumi:"instanceProfileName"`
	SecurityGroupID     pulumi.StringOutput    `pulumi:"securityGroupId"`
	EndpointIDs         pulumi.StringMapOutput `pulumi:"endpointIds"`   // by the short name, s3 included
	AlertTopicARN       pulumi.StringOutput    `pulumi:"alertTopicArn"` // empty: no alerts

	// The policies and roles for people, by group or purpose; empty where Args has no People.
	PeoplePolicyARNs     pulumi.StringMapOutput `pulumi:"peoplePolicyArns"`
	PeopleRoleARNs       pulumi.StringMapOutput `pulumi:"peopleRoleArns"`
	ServiceControlPolicy pulumi.StringOutput    `pulumi:"serviceControlPolicy"`
}

// New registers private access under a name, with which the names of all parts
// begin. The error has everything that is wrong with the arguments, and nothing
// is registered then.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*PrivateAccess, error) {
	if args == nil {
		return nil, errors.New("private access: no args")
	}
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("private access: %w", err)
	}
	c := &PrivateAccess{}
	if err := ctx.RegisterComponentResource("private-ec2-access:index:PrivateAccess", name, c, opts...); err != nil {
		return nil, err
	}
	r := recipe{ctx: ctx, name: name, args: args, parent: c, scope: args.scope(), owner: args.Owner}
	if r.owner == "" {
		r.owner = ctx.Project() + "/" + ctx.Stack()
	}

	place, err := r.network()
	if err != nil {
		return nil, err
	}
	role, err := r.instanceRole()
	if err != nil {
		return nil, err
	}
	logs, err := r.logs(role)
	if err != nil {
		return nil, err
	}
	policy, err := r.instancePolicy(role, logs)
	if err != nil {
		return nil, err
	}
	group, err := r.securityGroup(place)
	if err != nil {
		return nil, err
	}
	endpoints, err := r.endpoints(place, group, logs)
	if err != nil {
		return nil, err
	}
	existing, err := r.existingRoles(logs)
	if err != nil {
		return nil, err
	}
	preferences, err := r.sessionPreferences(logs, slices.Concat(policy.Ready, endpoints.Ready, existing))
	if err != nil {
		return nil, err
	}
	// The preferences too: no session opens before it would be logged.
	ready := slices.Concat(role.Ready, policy.Ready, group.Ready, endpoints.Ready, preferences.Ready)
	instances, err := r.instances(place, role, group, ready)
	if err != nil {
		return nil, err
	}
	alerts, err := r.alerts(logs)
	if err != nil {
		return nil, err
	}
	if c.AlertTopicARN = pulumi.String("").ToStringOutput(); alerts != nil {
		c.AlertTopicARN = alerts.TopicARN
	}
	if err := r.people(c, role, logs); err != nil {
		return nil, err
	}

	c.Place = place
	ids, addresses := pulumi.StringMap{}, pulumi.StringMap{}
	for name, instance := range instances {
		ids[name], addresses[name] = instance.InstanceID, instance.PrivateIP
	}
	for name, instance := range r.args.ExistingInstances {
		ids[name], addresses[name] = pulumi.String(instance.InstanceID), pulumi.String(instance.PrivateIP)
	}
	endpointIDs := pulumi.ToStringMap(r.args.ExistingEndpoints)
	for service, id := range endpoints.IDs {
		endpointIDs[service] = id
	}
	c.InstanceIDs, c.PrivateIPAddresses, c.EndpointIDs = ids.ToStringMapOutput(), addresses.ToStringMapOutput(), endpointIDs.ToStringMapOutput()
	c.SessionDocument, c.LogBucket = preferences.DocumentName, logs.bucket
	c.KeyARN, c.SessionKeyARN = logs.keyARN, logs.sessionKeyARN
	c.RoleName, c.InstanceProfileName, c.SecurityGroupID = role.RoleName, role.ProfileName, group.GroupID
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"instanceIds": c.InstanceIDs, "privateIpAddresses": c.PrivateIPAddresses, "sessionDocument": c.SessionDocument,
		"logBucket": c.LogBucket, "keyArn": c.KeyARN, "sessionKeyArn": c.SessionKeyARN, "roleName": c.RoleName,
		"instanceProfileName": c.InstanceProfileName, "securityGroupId": c.SecurityGroupID, "endpointIds": c.EndpointIDs,
		"peoplePolicyArns": c.PeoplePolicyARNs, "peopleRoleArns": c.PeopleRoleARNs, "serviceControlPolicy": c.ServiceControlPolicy, "alertTopicArn": c.AlertTopicARN,
	})
}

// recipe turns the arguments into those of each part.
type recipe struct {
	ctx    *pulumi.Context
	name   string // of every part; the names of its children begin with it
	args   *Args
	parent pulumi.Resource
	scope  scope.Scope
	owner  string
}

// child are the options of every part. Before version 0.1.0 the parts had no
// parent, so a stack of that time knows them by other URNs.
func (r recipe) child() pulumi.ResourceOption {
	return pulumi.Composite(pulumi.Parent(r.parent), pulumi.Aliases([]pulumi.Alias{{NoParent: pulumi.Bool(true)}}))
}

func (r recipe) labels() components.Labels {
	tags := maps.Clone(r.args.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[scope.OwnerTag] = r.owner
	return components.Labels{Prefix: r.name + "-" + r.ctx.Stack(), Tags: tags}
}

func (r recipe) network() (components.Place, error) {
	if r.args.VpcID != nil {
		return components.Place{
			VpcID: r.args.VpcID, CidrBlocks: r.args.CidrBlocks, Ipv6CidrBlocks: r.args.Ipv6CidrBlocks,
			SubnetIDs: r.args.SubnetIDs, EndpointSubnetIDs: r.args.EndpointSubnetIDs, RouteTableIDs: r.args.RouteTableIDs,
		}, nil
	}
	made, err := components.NewNetwork(r.ctx, r.name, &components.NetworkArgs{
		CidrBlock: r.args.CidrBlocks[0],
		Zones:     r.args.AvailabilityZones,
		FlowLogs:  r.args.FlowLogs,
		Labels:    r.labels(),
	}, r.child())
	if err != nil {
		return components.Place{}, err
	}
	return made.Place, nil
}

func (r recipe) instanceRole() (*components.InstanceRole, error) {
	args := &components.InstanceRoleArgs{
		Trust:       pulumi.String(iam.EC2Trust(r.scope).JSON()),
		BoundaryARN: r.args.Role.PermissionsBoundaryARN,
		Path:        r.args.Role.Path,
		Labels:      r.labels(),
	}
	if r.args.Role.SessionsOnly {
		args.Policies = map[string]string{"sessions": iam.SessionsOnly().JSON()}
	} else {
		args.ManagedPolicyARN = r.scope.ManagedPolicyARN("AmazonSSMManagedInstanceCore")
		args.Policies = map[string]string{"parameters": iam.ParameterLimit(r.scope, r.args.Role.ParameterPaths).JSON()}
	}
	return components.NewInstanceRole(r.ctx, r.name, args, r.child())
}

func (r recipe) instancePolicy(role *components.InstanceRole, to logs) (*components.InstancePolicy, error) {
	return components.NewInstancePolicy(r.ctx, r.name, &components.InstancePolicyArgs{
		RoleName: role.RoleName,
		Policy: to.policy(func(bucket string) iam.Document {
			return iam.InstancePolicy(r.scope, iam.Recording{Archives: to.archives(bucket), LogGroups: r.args.Logging.LogGroups})
		}),
		Path:   r.args.Role.Path,
		Labels: r.labels(),
	}, r.child())
}

func (r recipe) securityGroup(place components.Place) (*components.SecurityGroup, error) {
	return components.NewSecurityGroup(r.ctx, r.name, &components.SecurityGroupArgs{
		VpcID:          place.VpcID,
		CidrBlocks:     place.CidrBlocks,
		Ipv6CidrBlocks: place.Ipv6CidrBlocks,
		S3PrefixListID: pulumi.String(r.args.S3PrefixListID),
		EndpointBlocks: r.args.EndpointCidrBlocks,
		HTTPSOnly:      r.args.HTTPSBetweenMembers,
		Labels:         r.labels(),
	}, r.child())
}

func (r recipe) endpoints(place components.Place, group *components.SecurityGroup, to logs) (*components.Endpoints, error) {
	args := &components.EndpointsArgs{
		Place:           place,
		SecurityGroupID: group.GroupID,
		Interfaces:      map[string]components.Endpoint{},
		Protect:         r.args.ProtectEndpoints,
		Labels:          r.labels(),
	}
	for _, name := range append([]string{endpoint.S3}, r.args.Endpoints...) {
		service, _ := endpoint.Find(name)
		made := components.Endpoint{ServiceName: service.ServiceName(r.scope), Policy: pulumi.String(iam.FullAccess().JSON())}
		if r.args.NarrowEndpointPolicies {
			made.Policy = r.endpointPolicy(service, to)
		}
		if service.Gateway {
			args.S3 = made
		} else {
			args.Interfaces[name] = made
		}
	}
	return components.NewEndpoints(r.ctx, r.name, args, r.child())
}

func (r recipe) endpointPolicy(service endpoint.Service, to logs) pulumi.StringInput {
	bucket, key := pulumi.String("").ToStringOutput(), pulumi.String("").ToStringOutput()
	if service.NamesBucket {
		bucket = to.bucket
	}
	if service.NamesSessionKey {
		key = to.sessionKeyARN
	}
	return pulumi.All(bucket, key).ApplyT(func(known []any) string {
		return service.Policy(r.scope, endpoint.Uses{
			Archives:      to.archives(known[0].(string)),
			LogGroups:     r.args.Logging.LogGroups,
			SessionKeyARN: known[1].(string),
		}).JSON()
	}).(pulumi.StringOutput)
}

// existingRoles lets the roles of existing instances carry and log sessions.
func (r recipe) existingRoles(to logs) (components.Ready, error) {
	if len(r.args.ExistingRoles) == 0 {
		return nil, nil
	}
	l := r.args.Logging
	made, err := components.NewExistingRoles(r.ctx, r.name, &components.ExistingRolesArgs{
		RoleNames: slices.Collect(maps.Keys(r.args.ExistingRoles)),
		Policy: pulumi.All(to.bucket, to.sessionKeyARN).ApplyT(func(known []any) string {
			bucket, sessionKey := known[0].(string), known[1].(string)
			archives := to.archives(bucket)
			parts := []iam.Document{iam.SessionsOnly(), iam.InstancePolicy(r.scope, iam.Recording{Archives: archives, LogGroups: l.LogGroups})}
			for _, arn := range r.existingKeys() {
				parts = append(parts, iam.ArchiveKeyAccess(r.scope, arn, archives))
			}
			if r.args.Session.EncryptWithKMS {
				parts = append(parts, iam.SessionKeyAccess(sessionKey))
			}
			return iam.Join(parts...).JSON()
		}).(pulumi.StringOutput),
		Path:   r.args.Role.Path,
		Labels: r.labels(),
	}, pulumi.Parent(r.parent))
	if err != nil {
		return nil, err
	}
	return made.Ready, nil
}

func (r recipe) sessionPreferences(to logs, after components.Ready) (*components.SessionPreferences, error) {
	s := r.args.Session
	existing, err := s.existing()
	if err != nil {
		return nil, err
	}
	return components.NewSessionPreferences(r.ctx, r.name, &components.SessionPreferencesArgs{
		DocumentName: s.DocumentName,
		Content: pulumi.All(to.bucket, to.sessionKeyARN).ApplyT(func(known []any) string {
			planned := s.Preferences
			planned.S3BucketName, planned.KMSKeyID = known[0].(string), known[1].(string)
			planned.Mark = existing.NextMark(r.owner, planned)
			return planned.JSON()
		}).(pulumi.StringOutput),
		Exists:  existing.Found,
		Adopted: existing.Before() != "",
		Labels:  r.labels(),
		// The document names only what is there and may be written to.
		After: slices.Concat(to.ready, after),
	}, r.child())
}

func (s Session) existing() (session.Existing, error) {
	if s.Existing == nil {
		return session.Existing{}, nil
	}
	e := s.Existing
	return session.ReadExisting(s.DocumentName, e.Version, e.Content, e.NewestVersion, e.NewestContent)
}

func (r recipe) instances(
	place components.Place, role *components.InstanceRole, group *components.SecurityGroup, ready components.Ready,
) (map[string]*components.PrivateInstance, error) {
	instances := map[string]*components.PrivateInstance{}
	for _, part := range slices.Sorted(maps.Keys(r.args.Instances)) {
		wanted := r.args.Instances[part]
		made, err := components.NewPrivateInstance(r.ctx, r.name+"-"+part, &components.PrivateInstanceArgs{
			ImageID:         pulumi.String(wanted.ImageID),
			PinImage:        wanted.PinImage,
			UserData:        wanted.UserData,
			KeepUserData:    wanted.KeepUserData,
			Architecture:    wanted.Architecture,
			InstanceType:    wanted.InstanceType,
			VolumeSize:      wanted.VolumeSize,
			DataVolumes:     wanted.DataVolumes,
			Zone:            r.args.zone(wanted.SubnetIndex),
			SubnetID:        subnet(place, wanted.SubnetIndex),
			SecurityGroupID: group.GroupID,
			ProfileName:     role.ProfileName,
			Labels:          r.labels().With(wanted.labels()),
			Part:            part,
			Tags:            r.args.People.InstanceTags(part),
			After:           ready,
		}, r.child())
		if err != nil {
			return nil, err
		}
		instances[part] = made
	}
	return instances, nil
}

// subnet gives one subnet. In a list of single inputs it is that one alone, so
// that a subnet which is added later, and not known yet, moves no instance.
func subnet(place components.Place, index int) pulumi.StringInput {
	if single, ok := place.SubnetIDs.(pulumi.StringArray); ok {
		return single[index]
	}
	return place.SubnetIDs.ToStringArrayOutput().Index(pulumi.Int(index))
}
