package access

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/session"
)

// people creates the policies, roles and documents for people, and sets the
// outputs about them.
func (r recipe) people(c *PrivateAccess, role *components.InstanceRole, to logs) error {
	wanted, names := r.args.People, people.Names(r.name, r.ctx.Stack())
	place := pulumi.All(to.bucket, to.ownBucket, to.keyARN, to.sessionKeyARN, to.logKeyARN, role.RoleARN, c.AlertTopicARN).ApplyT(func(known []any) people.Place {
		text := func(i int) string { return known[i].(string) }
		at := people.Place{
			Scope: r.scope, Owner: r.owner, Names: names, Path: r.args.Role.Path, Document: r.args.Session.DocumentName,
			Logs:      iam.Recording{Archives: to.archives(text(0)), LogGroups: r.args.Logging.LogGroups},
			OwnBucket: text(1), OwnKeyARN: text(2), SessionKeyARN: text(3), RoleARN: text(5), TopicARN: text(6),
		}
		if len(r.args.Alerts.Emails) > 0 { // the topic is the stack's own
			at.TopicKeyARN = text(2)
		}
		if key := text(4); key != "" {
			at.LogKeyARNs = []string{key}
		}
		at.LogKeyARNs = append(at.LogKeyARNs, r.args.Logging.EarlierKMSKeyARNs...)
		return at
	})
	written := func(document func(people.Place) iam.Document) pulumi.StringOutput {
		return place.ApplyT(func(at any) string { return document(at.(people.Place)).JSON() }).(pulumi.StringOutput)
	}
	policyARNs, roleARNs := pulumi.StringMap{}, pulumi.StringMap{}
	c.ServiceControlPolicy = pulumi.String("").ToStringOutput()
	args := &components.PeopleArgs{
		Names: names, Tunnels: map[string]pulumi.StringInput{}, BoundaryARN: wanted.PermissionsBoundaryARN, Path: r.args.Role.Path, Labels: r.labels(),
	}
	// Which policies there are does not depend on what they name.
	for i, policy := range wanted.Policies(people.Place{Scope: r.scope}) {
		args.Policies = append(args.Policies, components.PeoplePolicy{
			Part: policy.Part, Description: policy.Description,
			Document: written(func(at people.Place) iam.Document { return wanted.Policies(at)[i].Document }),
		})
	}
	for _, role := range wanted.Roles() {
		args.Roles = append(args.Roles, components.PeopleRole{
			Part: role.Part, Description: role.Description, Trust: role.Trust.JSON(), MaxSessionDuration: role.MaxSessionDuration,
		})
	}
	for _, tunnel := range wanted.Tunnels(names) {
		args.Tunnels[tunnel.Document] = pulumi.String(session.Tunnel(r.owner, tunnel.Host, tunnel.Port))
	}
	if len(args.Policies) > 0 {
		made, err := components.NewPeople(r.ctx, r.name+"-people", args, r.child())
		if err != nil {
			return err
		}
		for part, arn := range made.PolicyARNs {
			policyARNs[part] = arn
		}
		for part, arn := range made.RoleARNs {
			roleARNs[part] = arn
		}
	}
	if wanted.Denials != nil {
		c.ServiceControlPolicy = written(func(at people.Place) iam.Document { document, _ := wanted.ServiceControlPolicy(at); return document })
	}
	c.PeoplePolicyARNs, c.PeopleRoleARNs = policyARNs.ToStringMapOutput(), roleARNs.ToStringMapOutput()
	return nil
}
