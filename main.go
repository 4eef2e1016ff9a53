// Private EC2 access: a recorded shell on instances in a network without a way
// to the internet, for people whom IAM lets in.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/session"
)

func main() { pulumi.Run(program) }

// program is the recipe. Everything that decides the stack's shape is known
// before the first resource is registered.
func program(ctx *pulumi.Context) error {
	config, err := stackConfig(ctx)
	if err != nil {
		return err
	}
	facts, err := survey(ctx, config)
	if err != nil {
		return err
	}
	name, labels, scope := ctx.Project(), facts.Labels, facts.Scope

	place, err := newPlace(ctx, name, config, facts)
	if err != nil {
		return err
	}
	archive, err := newArchive(ctx, name, config, facts)
	if err != nil {
		return err
	}
	role, err := components.NewInstanceRole(ctx, name, &components.InstanceRoleArgs{
		Trust:            fixed(iam.EC2Trust(scope)),
		Policy:           archive.policy(func(a iam.Archive) iam.Document { return iam.InstancePolicy(scope, a) }),
		ManagedPolicyARN: scope.ManagedPolicyARN("AmazonSSMManagedInstanceCore"),
		Labels:           labels,
	})
	if err != nil {
		return err
	}
	group, err := components.NewSecurityGroup(ctx, name, &components.SecurityGroupArgs{
		VpcID:          place.VpcID,
		CidrBlocks:     place.CidrBlocks,
		Ipv6CidrBlocks: place.Ipv6CidrBlocks,
		S3PrefixListID: pulumi.String(facts.S3PrefixListID),
		Labels:         labels,
	})
	if err != nil {
		return err
	}
	endpoints, err := components.NewEndpoints(ctx, name, &components.EndpointsArgs{
		Place:           place,
		SecurityGroupID: group.GroupID,
		Interfaces:      interfaceEndpoints(config, facts),
		S3:              s3Endpoint(config, facts, archive),
		Labels:          labels,
	})
	if err != nil {
		return err
	}
	instances, err := newInstances(ctx, name, config, facts, place, role, group, endpoints)
	if err != nil {
		return err
	}
	preferences, err := components.NewSessionPreferences(ctx, name, &components.SessionPreferencesArgs{
		DocumentName: config.Session.DocumentName,
		Content: archive.text(func(a iam.Archive) string {
			return session.Preferences{
				Owner:              facts.Owner,
				S3BucketName:       a.Bucket,
				S3KeyPrefix:        a.Prefix,
				IdleSessionTimeout: config.Session.IdleSessionTimeout,
				MaxSessionDuration: config.Session.MaxSessionDuration,
			}.JSON()
		}),
		Labels: labels,
	})
	if err != nil {
		return err
	}
	return exportOutputs(ctx, config, facts, place, archive, role, group, endpoints, instances, preferences)
}
