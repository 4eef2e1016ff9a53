package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/account"
	"private-ec2-access/components"
	"private-ec2-access/internal/network"
	"private-ec2-access/internal/scope"
)

// Facts are what the account and the Region say. With the config they decide
// the shape of the stack, so all of them are plain values.
type Facts struct {
	Scope          scope.Scope
	Owner          string // this stack, as its marks on resources name it
	Labels         components.Labels
	Zones          []string         // for a network of the stack's own
	Network        *account.Network // an existing one, or nil
	S3PrefixListID string
	Services       []string            // interface endpoints, by their short names
	Preferences    account.Preferences // the session document as it is, if there is one
	Key            bool                // there is a KMS key of the stack's own, to be made or made before
	KeyID          string              // of the one that was made before
	LogGroups      map[string]bool     // the stack's log groups by name, and whether they exist
	KeptLogGroups  []string            // those of an earlier time that are not in the stack
	KeepsRecords   bool                // a destroy leaves the records behind
	NewestImages   map[string]string   // by architecture, those that the instances use
}

// survey asks AWS for the facts, at preview and before anything is registered.
func survey(ctx *pulumi.Context, c *Config) (*Facts, error) {
	s, err := account.Scope(ctx)
	if err != nil {
		return nil, err
	}
	f := &Facts{Scope: s, Owner: ctx.Project() + "/" + ctx.Stack()}
	f.Labels = components.Labels{Prefix: ctx.Project() + "-" + ctx.Stack(), Tags: maps.Clone(c.Tags)}
	if f.Labels.Tags == nil {
		f.Labels.Tags = map[string]string{}
	}
	f.Labels.Tags[account.OwnerTag] = f.Owner

	if err := f.records(ctx, c); err != nil {
		return nil, err
	}
	f.Services = []string{"ssm", "ssmmessages"}
	if len(f.LogGroups) > 0 {
		f.Services = append(f.Services, "logs")
	}
	if c.Session.Encryption {
		f.Services = append(f.Services, "kms")
	}
	wanted, note, err := account.EC2Messages(ctx, s, c.Endpoints.EC2Messages, f.Owner)
	if err != nil {
		return nil, err
	}
	if note != "" {
		say(ctx, note)
	}
	if c.Network.Existing() {
		f.Network, err = account.ExistingNetwork(ctx, s, c.Network.VpcID, c.Network.SubnetIDs)
		if err == nil {
			for _, table := range f.Network.RouteTableIDs {
				say(ctx, fmt.Sprintf("the route table %s gets a route to S3 through this stack's gateway endpoint; "+
					"every subnet that uses the table reaches S3 that way", table))
			}
			for _, table := range f.Network.RouteTables {
				warnOfAWayOut(ctx, table)
			}
		}
	} else {
		// ec2messages does not decide about zones: it may go, the subnets stay.
		f.Zones, err = account.Zones(ctx, s, c.Network.AvailabilityZoneCount, f.Services)
	}
	if err != nil {
		return nil, err
	}
	if wanted {
		f.Services = append(f.Services, "ec2messages")
	}
	if f.S3PrefixListID, err = account.S3PrefixList(ctx, s); err != nil {
		return nil, err
	}
	f.NewestImages = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Instances)) {
		architecture := c.merged(c.Instances[name]).Architecture
		if _, known := f.NewestImages[architecture]; known || c.Instances[name].ImageID != "" {
			continue
		}
		if f.NewestImages[architecture], err = account.NewestImage(ctx, architecture); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// warnOfAWayOut tells of a subnet that is not private. It is for the user to
// decide: nothing here makes it worse.
func warnOfAWayOut(ctx *pulumi.Context, table network.Table) {
	if table.LeavesVPC() {
		_ = ctx.Log.Warn(fmt.Sprintf("the subnet %s is not private: its route table %s has a route out of the VPC",
			table.SubnetID, table.RouteTableID), nil)
	}
}

// say puts a line into the preview and the update.
func say(ctx *pulumi.Context, text string) {
	// That a line could not be shown is no reason to fail.
	_ = ctx.Log.Info(text, nil)
}
