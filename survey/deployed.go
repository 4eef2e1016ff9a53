package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// deployed gives the ARNs of what the stack has, sorted. The engine reads them
// from the stack's state, as it does for a program that refers to another stack,
// so it asks AWS nothing.
//
// The stack's outputs would not do: an update that fails does not write them.
func deployed(ctx *pulumi.Context) ([]string, error) {
	name := ctx.Stack()
	if ctx.Organization() != "organization" { // the one organization of a backend of one's own, which may leave it out
		name = ctx.Organization() + "/" + ctx.Project() + "/" + name
	}
	args := struct {
		StackName string `pulumi:"stackName"`
	}{name}
	// Only what is named here is read: other outputs may be secrets, which an
	// invoke refuses to hand out.
	var state struct {
		Resources map[string]struct {
			Type    string `pulumi:"type"`
			Outputs struct {
				ARN string `pulumi:"arn"`
			} `pulumi:"outputs"`
		} `pulumi:"outputs"`
	}
	if err := ctx.Invoke("pulumi:pulumi:readStackResourceOutputs", &args, &state); err != nil {
		return nil, fmt.Errorf("reading the state of the stack %s: %w", name, err)
	}
	var arns []string
	for _, resource := range state.Resources {
		if strings.HasPrefix(resource.Type, "aws:") && resource.Outputs.ARN != "" {
			arns = append(arns, resource.Outputs.ARN)
		}
	}
	slices.Sort(arns)
	return arns, nil
}
