package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/account"
	"private-ec2-access/components"
	"private-ec2-access/internal/network"
	"private-ec2-access/internal/session"
)

// export tells what a person does next, and where things are.
func (r recipe) export(
	place components.Place, to records, role *components.InstanceRole, group *components.SecurityGroup,
	endpoints *components.Endpoints, instances map[string]*components.PrivateInstance, preferences *components.SessionPreferences,
) {
	region := r.facts.Scope.Region
	ids, addresses, connect, images := pulumi.StringMap{}, pulumi.StringMap{}, pulumi.StringMap{}, pulumi.StringMap{}
	for name, instance := range instances {
		ids[name], addresses[name] = instance.InstanceID, instance.PrivateIP
		connect[name] = pulumi.Sprintf("aws ssm start-session --region %s --target %s%s", region, instance.InstanceID,
			preferences.DocumentName.ApplyT(documentFlag).(pulumi.StringOutput))
		images[name] = pulumi.String(account.ImageParameter(r.config.merged(r.config.Instances[name]).Architecture))
	}
	r.ctx.Export("instanceIds", ids)
	r.ctx.Export("privateIpAddresses", addresses)
	r.ctx.Export("startSession", connect)
	r.ctx.Export("imageParameters", images)
	r.ctx.Export("sessionDocument", preferences.DocumentName)
	if before := r.facts.Preferences.Before(); before != "" {
		// Pulumi leaves the document as it is; make destroy does this first.
		r.ctx.Export("restoreSessionDocument", pulumi.Sprintf(
			"aws ssm update-document-default-version --region %s --name %s --document-version %s", region, preferences.DocumentName, before))
	}

	r.ctx.Export("logBucket", to.bucket)
	r.ctx.Export("logLocation", to.bucket.ApplyT(func(bucket string) string {
		return "s3://" + path.Join(bucket, to.prefix) + "/"
	}))
	r.ctx.Export("earlierLocations", pulumi.ToStringArray(r.config.Logging.EarlierLocations))
	r.ctx.Export("logGroup", pulumi.String(to.group))
	r.ctx.Export("keyArn", to.keyARN)
	r.ctx.Export("sessionKeyArn", to.sessionKeyARN)

	r.ctx.Export("keptLogBuckets", r.keptLogBuckets(to.bucket))

	// For instances that exist already.
	r.ctx.Export("instanceProfileName", role.ProfileName)
	r.ctx.Export("roleName", role.RoleName)
	r.ctx.Export("attachInstanceProfile", pulumi.Sprintf(
		"aws ec2 associate-iam-instance-profile --region %s --instance-id INSTANCE_ID --iam-instance-profile Name=%s",
		region, role.ProfileName))
	r.ctx.Export("replaceInstanceProfile", pulumi.Sprintf(
		"aws ec2 replace-iam-instance-profile-association --region %s --iam-instance-profile Name=%s --association-id "+
			"$(aws ec2 describe-iam-instance-profile-associations --region %s --filters Name=instance-id,Values=INSTANCE_ID "+
			"--query 'IamInstanceProfileAssociations[0].AssociationId' --output text)",
		region, role.ProfileName, region))

	r.ctx.Export("region", pulumi.String(region))
	r.ctx.Export("vpcId", place.VpcID)
	r.ctx.Export("subnetIds", place.SubnetIDs)
	r.ctx.Export("securityGroupId", group.GroupID)
	endpointIDs := pulumi.StringMap{}
	for service, id := range endpoints.IDs {
		endpointIDs[service] = id
	}
	r.ctx.Export("endpointIds", endpointIDs)
	r.ctx.Export("routeTables", r.routeTables(place, endpoints.IDs["s3"]))
}

// keptLogBuckets are the buckets of records that this stack made at an earlier
// time and does not write to any more. The update tells of them, and of one
// that was taken up again.
func (r recipe) keptLogBuckets(current pulumi.StringOutput) pulumi.Output {
	return current.ApplyT(func(current string) []string {
		buckets, err := account.LogBuckets(r.ctx, r.facts.Owner)
		if err != nil {
			// It is for the reader's convenience and decides nothing.
			say(r.ctx, "whether records of an earlier time are kept is not known: "+err.Error())
			return []string{}
		}
		kept := slices.DeleteFunc(slices.Clone(buckets), func(bucket string) bool { return bucket == current })
		switch {
		case len(kept) < len(buckets) && r.config.Logging.BucketName != "":
			say(r.ctx, fmt.Sprintf("records go on in the log bucket %s, which this stack made at an earlier time", current))
		case len(kept) > 0:
			say(r.ctx, fmt.Sprintf("records go to the log bucket %s; those of an earlier time of this stack are kept in %s",
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

// routeTables is the recipe's route-table check, read back from AWS once the
// S3 gateway has put its routes in.
func (r recipe) routeTables(place components.Place, s3EndpointID pulumi.StringOutput) pulumi.Output {
	return pulumi.All(place.VpcID, place.SubnetIDs, s3EndpointID).ApplyT(func(known []any) (any, error) {
		tables, err := account.RouteTables(r.ctx, r.facts.Scope, known[0].(string), known[1].([]string))
		if err != nil {
			return nil, fmt.Errorf("the route-table check: %w", err)
		}
		checked := make([]map[string]any, len(tables))
		for i, table := range tables {
			checked[i] = routeTable(table)
			if r.facts.Network == nil { // an existing one was judged before anything was registered
				warnOfAWayOut(r.ctx, table)
			}
		}
		return checked, nil
	})
}

func routeTable(t network.Table) map[string]any {
	routes := make([]map[string]any, len(t.Routes))
	for i, r := range t.Routes {
		routes[i] = map[string]any{"destination": r.Destination, "target": r.Target, "leavesVpc": r.LeavesVPC()}
	}
	return map[string]any{
		"subnetId": t.SubnetID, "routeTableId": t.RouteTableID, "routes": routes, "leavesVpc": t.LeavesVPC(),
	}
}
