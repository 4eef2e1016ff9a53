package survey

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/decide"
)

// onlyRead are the types of what is in the state because the program reads it: the
// network ACLs of an existing network.
var onlyRead = []string{"aws:ec2/networkAcl:NetworkAcl", "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"}

// deployed gives the ARNs of what the stack has, sorted, and its instances,
// subnets and VPCs. The engine reads them from the stack's state, as it does for a program
// that refers to another stack, so it asks AWS nothing.
//
// The stack's outputs would not do: an update that fails does not write them.
func deployed(ctx *pulumi.Context) (decide.Deployed, error) {
	has := decide.Deployed{Instances: map[string]decide.Instance{}, Subnets: map[int]string{}, Devices: map[string][]string{}}
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
				ARN      string `pulumi:"arn"`
				SubnetID string `pulumi:"subnetId"`
				VpcID    string `pulumi:"vpcId"`
				Zone     string `pulumi:"availabilityZone"`
				ImageID  string `pulumi:"ami"`
				Device   string `pulumi:"deviceName"`
			} `pulumi:"outputs"`
		} `pulumi:"outputs"`
	}
	if err := ctx.Invoke("pulumi:pulumi:readStackResourceOutputs", &args, &state); err != nil {
		return has, fmt.Errorf("reading the state of the stack %s: %w", name, err)
	}
	for _, urn := range slices.Sorted(maps.Keys(state.Resources)) {
		resource := state.Resources[urn]
		if slices.Contains(onlyRead, resource.Type) {
			continue
		}
		if strings.HasPrefix(resource.Type, "aws:") && resource.Outputs.ARN != "" {
			has.ARNs = append(has.ARNs, resource.Outputs.ARN)
		}
		name := urn[strings.LastIndex(urn, "::")+len("::"):]
		switch resource.Type {
		case "aws:ec2/instance:Instance":
			if instance, ok := decide.InstanceName(ctx.Project(), name); ok {
				has.Instances[instance] = decide.Instance{SubnetID: resource.Outputs.SubnetID, Zone: resource.Outputs.Zone, ImageID: resource.Outputs.ImageID}
			}
		case "aws:ec2/volumeAttachment:VolumeAttachment":
			if instance, ok := decide.VolumeInstance(ctx.Project(), name); ok {
				has.Devices[instance] = append(has.Devices[instance], resource.Outputs.Device)
			}
		case "aws:ec2/securityGroup:SecurityGroup":
			has.VPCs = append(has.VPCs, resource.Outputs.VpcID)
		case "aws:ec2/subnet:Subnet":
			if index, err := strconv.Atoi(strings.TrimPrefix(name, ctx.Project()+"-private-")); err == nil {
				has.Subnets[index] = resource.Outputs.ARN[strings.LastIndex(resource.Outputs.ARN, "/")+1:] // the id is no output
			}
		}
	}
	slices.Sort(has.ARNs)
	slices.Sort(has.VPCs)
	return has, nil
}
