package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
)

const endpointType = "aws:ec2/vpcEndpoint:VpcEndpoint"

// refuseCutOff refuses to delete VPC endpoints that instances of others use, unless --cut-off says so. Everything in the VPC
// uses them: with private DNS, the names of the services lead to them.
func (a *app) refuseCutOff(before *deployment) error {
	vpc := before.vpcOfEndpoints()
	if vpc == "" {
		return nil
	}
	region, owner := a.region(before), a.stack.Owner()
	users, err := sessions.Neighbours(context.Background(), a.awsEnviron(), region, vpc, owner, slices.AppendSeq(before.ownInstances(), maps.Values(before.values().InstanceIDs)))
	again := "make destroy STACK=" + a.stack.Name + " CUT_OFF=1"
	switch {
	case err == nil:
	case a.stack.Emulated && errors.As(err, new(process.Missing)):
		return nil // the emulator can be started afresh
	case a.cutOff:
		a.say("Note: cannot tell who else uses the VPC endpoints in %s: %v", vpc, err)
		return nil
	default:
		return fmt.Errorf("cannot tell who else uses the VPC endpoints in %s, which this destroy deletes. Nothing was deleted.\n  Cause: %w\n"+
			"  Fix: remove the cause; or, if you know that nobody does: %s", vpc, err, again)
	}
	if len(users) == 0 {
		return nil
	}
	who := cutOffList(users)
	if a.cutOff {
		a.say("Cut off from the VPC endpoints in %s:\n%s", vpc, who)
		return nil
	}
	return fmt.Errorf("the destroy of the stack %s deletes VPC endpoints that others in %s use. Nothing was deleted. Without the endpoints, these instances reach neither "+
		"Systems Manager nor S3, unless they have another route:\n%s"+
		"  To cut them off:   %s\n"+
		"  Afterwards, another stack of this program creates endpoints of its own: make up STACK=NAME\n"+
		"  Plain pulumi destroy does not ask. To make it refuse as well:\n    %s\n    pulumi config set --path '%s:endpoints.protect' true\n    make up STACK=%[1]s",
		a.stack.Name, vpc, who, again, screen.Environment(a.stack.Name), a.stack.Project)
}

// cutOffList has a line for each stack and one for the instances of nobody.
func cutOffList(users []sessions.Neighbour) string {
	const shown = 20
	byStack, order := map[string][]string{}, []string{}
	for _, u := range users {
		if !slices.Contains(order, u.Stack) {
			order = append(order, u.Stack)
		}
		byStack[u.Stack] = append(byStack[u.Stack], u.String())
	}
	var b strings.Builder
	for _, stack := range order {
		names := byStack[stack]
		label := "instances of the stack " + stack
		if stack == "" {
			label = "other instances"
		}
		more := ""
		if len(names) > shown {
			names, more = names[:shown], fmt.Sprintf(", and %d more", len(byStack[stack])-shown)
		}
		fmt.Fprintf(&b, "    %s: %s%s\n", label, strings.Join(names, ", "), more)
	}
	return b.String()
}

// vpcOfEndpoints is the VPC that the stack has endpoints in, "" if it has none.
func (d *deployment) vpcOfEndpoints() (vpc string) {
	for _, r := range d.Deployment.Resources {
		if r.Type == endpointType && !r.Delete {
			vpc, _ = r.Outputs["vpcId"].(string)
		}
	}
	return vpc
}
