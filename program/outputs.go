package program

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/access"
	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/outputs"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/session"
	"private-ec2-access/survey"
)

// stackOutputs say what a person does next, and where things are.
func stackOutputs(ctx *pulumi.Context, c *config.Config, f decide.Facts, d decide.Decisions, made *access.PrivateAccess) pulumi.Map {
	region, document := f.Scope.Region, made.SessionDocument
	commands := pulumi.All(made.InstanceIDs, document).ApplyT(func(known []any) map[string]string {
		commands := map[string]string{}
		for name, id := range known[0].(map[string]string) {
			commands[name] = fmt.Sprintf("aws ssm start-session --region %s --target %s%s%s", region, id, documentFlag(known[1].(string)), reasonFlag(c.Session))
		}
		return commands
	}).(pulumi.StringMapOutput)
	fleets := pulumi.Map{}
	for fleet := range c.Fleets {
		fleets[fleet] = pulumi.ToStringArray(c.FleetInstances(fleet))
	}
	profile := made.InstanceProfileName
	found := pulumi.Map{
		outputs.InstanceIDs:        made.InstanceIDs,
		outputs.PrivateIPAddresses: made.PrivateIPAddresses,
		outputs.StartSession:       commands,
		outputs.Fleets:             fleets,
		outputs.ImageParameters:    pulumi.ToStringMap(d.ImageParameters),
		outputs.SessionDocument:    document,
		outputs.SessionReason:      pulumi.String(c.Session.Reason),

		outputs.LogBucket: made.LogBucket,
		outputs.LogLocation: made.LogBucket.ApplyT(func(bucket string) string {
			return "s3://" + path.Join(bucket, c.Logging.KeyPrefix) + "/"
		}).(pulumi.StringOutput),
		outputs.EarlierLocations: pulumi.ToStringArray(c.Logging.EarlierLocations),
		outputs.LogGroup:         pulumi.String(d.LogGroup),
		outputs.KeyARN:           made.KeyARN,
		outputs.SessionKeyARN:    made.SessionKeyARN,
		outputs.KeptLogBuckets:   keptLogBuckets(ctx, c, f, made.LogBucket),

		// For instances that exist already.
		outputs.InstanceProfileName: profile,
		outputs.RoleName:            made.RoleName,
		outputs.AttachInstanceProfile: pulumi.Sprintf(
			"aws ec2 associate-iam-instance-profile --region %s --instance-id INSTANCE_ID --iam-instance-profile Name=%s",
			region, profile),
		outputs.ReplaceInstanceProfile: pulumi.Sprintf(
			"aws ec2 replace-iam-instance-profile-association --region %s --iam-instance-profile Name=%s --association-id "+
				"$(aws ec2 describe-iam-instance-profile-associations --region %s --filters Name=instance-id,Values=INSTANCE_ID "+
				"--query 'IamInstanceProfileAssociations[0].AssociationId' --output text)",
			region, profile, region),

		outputs.ExistingProfiles: existingProfiles(d, region, profile),

		outputs.Region:             pulumi.String(region),
		outputs.AccountID:          pulumi.String(f.Scope.AccountID),
		outputs.VpcID:              made.Place.VpcID,
		outputs.SubnetIDs:          made.Place.SubnetIDs,
		outputs.SecurityGroupID:    made.SecurityGroupID,
		outputs.EndpointCidrBlocks: pulumi.ToStringArray(c.Endpoints.CidrBlocks),
		outputs.EndpointIDs:        made.EndpointIDs,
		outputs.RouteTables:        routeTables(ctx, f, made),
	}
	who := c.People()
	if len(who.Policies(people.Place{Scope: f.Scope})) > 0 {
		found[outputs.PeoplePolicyARNs], found[outputs.PeopleRoleARNs] = made.PeoplePolicyARNs, made.PeopleRoleARNs
	}
	if who.Denials != nil {
		found[outputs.ServiceControlPolicy] = made.ServiceControlPolicy
	}
	if tunnels := who.Tunnels(people.Names(ctx.Project(), ctx.Stack())); len(tunnels) > 0 {
		commands, documents := pulumi.StringMap{}, pulumi.StringMap{}
		for _, t := range tunnels {
			documents[t.Group+"/"+t.Name] = pulumi.String(t.Document)
			commands[t.Group+"/"+t.Name] = pulumi.String(fmt.Sprintf(
				"aws ssm start-session --region %s --target INSTANCE_ID --document-name %s --parameters localPortNumber=%d", region, t.Document, t.Port))
		}
		found[outputs.StartTunnel], found[outputs.TunnelDocuments] = commands, documents
	}
	if c.Alerts.On() {
		found[outputs.AlertTopicARN] = made.AlertTopicARN
	}
	if before := f.Document.Before(); before != "" {
		// Pulumi leaves the document as it is; make destroy runs this first.
		found[outputs.RestoreSessionDocument] = pulumi.Sprintf(
			"aws ssm update-document-default-version --region %s --name %s --document-version %s", region, document, before)
	}
	return found
}

// existingProfiles are the commands for existing instances without an instance
// profile of their own. No resource attaches one to an instance that the stack
// does not manage: make up does, by this output, and notes by it what it did.
func existingProfiles(d decide.Decisions, region string, profile pulumi.StringOutput) pulumi.Map {
	commands := pulumi.Map{}
	for _, name := range d.AttachProfile {
		id := d.Existing[name].ID
		commands[name] = pulumi.StringMap{
			"instanceId": pulumi.String(id),
			"attach":     pulumi.Sprintf("aws ec2 associate-iam-instance-profile --region %s --instance-id %s --iam-instance-profile Name=%s", region, id, profile),
			"detach": pulumi.Sprintf("aws ec2 disassociate-iam-instance-profile --region %s --association-id "+
				"$(aws ec2 describe-iam-instance-profile-associations --region %s --filters Name=instance-id,Values=%s "+
				"--query 'IamInstanceProfileAssociations[0].AssociationId' --output text)", region, region, id),
		}
	}
	return commands
}

// keptLogBuckets are the log buckets of previous deployments of this stack that
// it no longer writes to. The update names them, and one that it uses again.
func keptLogBuckets(ctx *pulumi.Context, c *config.Config, f decide.Facts, current pulumi.StringOutput) pulumi.Output {
	say := func(text string) { announce(ctx, []decide.Notice{{Text: text}}) }
	return current.ApplyT(func(current string) []string {
		buckets, err := survey.LogBuckets(ctx, f.Owner())
		if err != nil {
			// It is for the reader's convenience and decides nothing.
			say("whether session logs of a previous deployment are kept is not known: " + err.Error())
			return []string{}
		}
		kept := slices.DeleteFunc(slices.Clone(buckets), func(bucket string) bool { return bucket == current })
		switch {
		case len(kept) < len(buckets) && c.Logging.BucketName != "":
			say(fmt.Sprintf("session logs go on in the log bucket %s of a previous deployment of this stack", current))
		case len(kept) > 0:
			say(fmt.Sprintf("session logs go to the log bucket %s; those of previous deployments of this stack are kept in %s",
				current, strings.Join(kept, ", ")))
		}
		return kept
	}).(pulumi.StringArrayOutput)
}

func documentFlag(name string) string {
	if name == session.DefaultDocument {
		return ""
	}
	return " --document-name " + name
}

// reasonFlag is the option for a reason, with a placeholder that a shell passes on unchanged.
func reasonFlag(s config.Session) string {
	if s.Reason != config.ReasonRequired {
		return ""
	}
	return " --reason REASON"
}

// routeTables is the recipe's route-table check, read back from AWS once the
// S3 gateway endpoint has added its routes.
func routeTables(ctx *pulumi.Context, f decide.Facts, made *access.PrivateAccess) pulumi.Output {
	return pulumi.All(made.Place.VpcID, made.Place.SubnetIDs, made.EndpointIDs).ApplyT(func(known []any) (any, error) {
		tables, err := survey.RouteTables(ctx, f.Scope, known[0].(string), known[1].([]string))
		if err != nil {
			return nil, fmt.Errorf("the route-table check: %w", err)
		}
		checked := make([]map[string]any, len(tables))
		for i, table := range tables {
			checked[i] = routeTable(table)
			if text := decide.InternetRouteWarning(table); text != "" && f.Network == nil { // an existing one was judged before
				announce(ctx, []decide.Notice{{Warning: true, Text: text}})
			}
		}
		return checked, nil
	})
}

func routeTable(t reach.Table) map[string]any {
	routes := make([]map[string]any, len(t.Routes))
	for i, r := range t.Routes {
		routes[i] = map[string]any{"destination": r.Destination, "target": r.Target, "leavesVpc": r.LeavesVPC()}
	}
	return map[string]any{
		"subnetId": t.SubnetID, "routeTableId": t.RouteTableID, "routes": routes, "leavesVpc": t.LeavesVPC(),
	}
}
