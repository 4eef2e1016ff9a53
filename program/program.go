// Package program is what the engine runs: from a stack's config to its outputs.
package program

import (
	"cmp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/access"
	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
	"private-ec2-access/survey"
)

// New is the program for a stack's config, as the engine hands it over in
// PULUMI_CONFIG, and an environment. Everything that shapes the stack is known
// before the first resource is registered.
func New(stackConfig string, environ []string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		c, err := config.Load(ctx.Project(), stackConfig, settings.ReadLiterals(".", ctx.Project(), ctx.Stack()), environ)
		if err != nil {
			return err
		}
		facts, err := survey.Take(ctx, c)
		if err != nil {
			return err
		}
		decisions, err := decide.Decide(c, facts)
		announce(ctx, decisions.Notices) // also beside mistakes: the preview reports everything at once
		if err != nil {
			return err
		}
		made, err := access.New(ctx, ctx.Project(), arguments(c, facts, decisions))
		if err != nil {
			return err
		}
		for name, value := range stackOutputs(ctx, c, facts, decisions, made) {
			ctx.Export(name, value)
		}
		return nil
	}
}

// announce puts notices into the preview and the update. That a line could not
// be shown is no reason to fail.
func announce(ctx *pulumi.Context, notices []decide.Notice) {
	for _, notice := range notices {
		if notice.Warning {
			_ = ctx.Log.Warn(notice.Text, nil)
		} else {
			_ = ctx.Log.Info(notice.Text, nil)
		}
	}
}

// flowLogs is the ARN of a location of flow logs.
func flowLogs(l session.Location, s scope.Scope) string {
	switch {
	case l.Bucket == "":
		return ""
	case l.Prefix == "":
		return s.BucketARN(l.Bucket)
	}
	return s.BucketARN(l.Bucket) + "/" + l.Prefix
}

// arguments puts config, facts and decisions into the component's arguments.
func arguments(c *config.Config, f decide.Facts, d decide.Decisions) *access.Args {
	l, owner := c.Logging, f.Owner()
	args := &access.Args{
		Partition: f.Scope.Partition, Region: f.Scope.Region, AccountID: f.Scope.AccountID, DNSSuffix: f.Scope.DNSSuffix,
		Owner: owner,
		Tags:  c.Tags,

		CidrBlocks:             []string{c.Network.CidrBlock},
		AvailabilityZones:      d.Zones,
		FlowLogs:               flowLogs(c.Network.FlowLogLocation(), f.Scope),
		HTTPSBetweenMembers:    c.Network.MemberTraffic == config.HTTPSOnly,
		S3PrefixListID:         f.S3PrefixListID,
		Endpoints:              d.Services,
		ExistingEndpoints:      d.UsedEndpoints,
		EndpointCidrBlocks:     d.EndpointRanges,
		ProtectEndpoints:       c.Endpoints.Protect,
		NarrowEndpointPolicies: d.NarrowPolicies,

		Instances: map[string]access.Instance{},
		Logging: access.Logging{
			BucketName:        l.BucketName,
			CreateBucket:      d.CreateBucket,
			WriterRoleARNs:    l.WriterRoleARNs,
			KeyPrefix:         l.KeyPrefix,
			EarlierLocations:  l.EarlierLocations,
			RetentionDays:     l.RetentionDays,
			TransitionDays:    l.TransitionDays,
			ObjectLock:        objectLock(l.ObjectLock),
			ObjectLockDays:    l.ObjectLockDays,
			LogGroups:         d.LogGroups,
			ExistingLogGroups: d.ExistingLogGroups,
			KeptLogGroups:     d.KeptLogGroups,
			LogGroupRetention: l.LogGroupRetentionDays,
			EncryptWithKMS:    l.Encryption == config.ByKMS,
			KMSKeyARN:         l.KMSKeyARN,
			EarlierKMSKeyARNs: l.EarlierKMSKeyARNs,
		},
		Session: access.Session{
			DocumentName:   c.Session.DocumentName,
			Preferences:    c.Preferences(owner),
			EncryptWithKMS: c.Session.Encryption,
			Existing:       existing(f),
		},
		Key: access.Key{
			Create:               d.CreateKey,
			Alias:                decide.KeyAlias(owner),
			Description:          decide.KeyDescription(owner),
			ExistingKeyID:        d.ExistingKeyID,
			DeletionWindowInDays: c.Key.DeletionWindowInDays,
			RotationPeriodInDays: c.Key.RotationPeriodInDays,
		},
		Role: access.Role{
			SessionsOnly: c.Role.Policy == config.SessionsOnly, ParameterPaths: c.Role.ParameterPaths,
			PermissionsBoundaryARN: c.Role.PermissionsBoundary, Path: c.Role.Path,
		},
		People:        c.People(),
		Alerts:        access.Alerts{TopicARN: c.Alerts.TopicARN, Emails: c.Alerts.Emails, Events: c.Alerts.Events},
		KeepRecords:   d.KeepRecords,
		RefuseDestroy: d.RefuseDestroy,
	}
	if n := f.Network; n != nil {
		args.VpcID = pulumi.String(c.Network.VpcID)
		args.SubnetIDs = pulumi.ToStringArray(c.Network.SubnetIDs)
		if len(d.GatewayTables) > 0 {
			args.RouteTableIDs = pulumi.ToStringArray(d.GatewayTables)
		}
		args.EndpointSubnetIDs = pulumi.ToStringArray(d.EndpointSubnetIDs)
		args.CidrBlocks, args.Ipv6CidrBlocks = n.CidrBlocks, n.Ipv6CidrBlocks
		for _, subnet := range n.Subnets {
			args.AvailabilityZones = append(args.AvailabilityZones, subnet.Zone)
		}
	}
	args.ExistingInstances, args.ExistingRoles = map[string]access.ExistingInstance{}, d.ExistingRoles
	for name, i := range d.Existing {
		args.ExistingInstances[name] = access.ExistingInstance{InstanceID: i.ID, PrivateIP: i.Address}
	}
	for name, i := range c.Complete() {
		instance := access.Instance{
			ImageID: f.Images[decide.ImageSource(i.Machine)].ID, PinImage: i.ImageID != "", Architecture: i.Architecture,
			InstanceType: i.InstanceType, VolumeSize: i.VolumeSize, SubnetIndex: i.SubnetIndex,
			UserData: i.UserData, Tags: i.Tags,
		}
		for _, v := range i.DataVolumes {
			instance.DataVolumes = append(instance.DataVolumes, access.DataVolume{Device: v.Device, Size: v.Size, Type: cmp.Or(v.Type, "gp3")})
		}
		if i.Fleet != "" {
			upgrade := c.Upgrades(name)
			instance.Fleet, instance.SubnetIndex = i.Fleet, d.Subnets[name]
			instance.PinImage, instance.KeepUserData = upgrade, !upgrade
		}
		args.Instances[name] = instance
	}
	return args
}

func objectLock(mode string) string {
	if mode == "off" {
		return ""
	}
	return strings.ToUpper(mode)
}

func existing(f decide.Facts) *access.ExistingDocument {
	d := f.Document
	if !d.Found {
		return nil
	}
	return &access.ExistingDocument{
		Version: d.Version, Content: d.Content, NewestVersion: d.Latest.Version, NewestContent: d.Latest.Content,
	}
}
