package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/guard"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/scope"
)

// region finds out where the stack lives, and refuses a place in which it does
// not. It also gives what the stack has there.
func region(ctx *pulumi.Context) (scope.Scope, decide.Deployed, error) {
	var none decide.Deployed
	region, err := aws.GetRegion(ctx, nil)
	if err != nil {
		name, _ := ctx.GetConfig("aws:region")
		return scope.Scope{}, none, regionError(name, err)
	}
	partition, err := aws.GetPartition(ctx, nil)
	if err != nil {
		return scope.Scope{}, none, fmt.Errorf("finding the stack's partition: %w", err)
	}
	identity, err := aws.GetCallerIdentity(ctx, nil)
	if err != nil {
		return scope.Scope{}, none, fmt.Errorf("finding the stack's account: %w", err)
	}
	s := scope.Scope{
		Partition: partition.Partition, Region: region.Name,
		AccountID: identity.AccountId, DNSSuffix: partition.DnsSuffix,
	}
	if !s.Supported() {
		return s, none, mistake.List{{
			Key: "aws:region", Got: s.Region, Problem: "it is in the partition " + s.Partition + ", whose service and bucket names this program does not know",
			Allowed: "a Region of the partitions " + strings.Join(scope.Partitions(), ", "),
			Fix:     mistake.Run("pulumi config set aws:region REGION"),
		}}
	}
	has, err := deployed(ctx)
	if err != nil {
		return s, none, err
	}
	return s, has, guard.CheckPlace(ctx.Stack(), has.ARNs, s).Err()
}

// regionError is why the provider has no Region: the name has the form of one, and
// AWS has no such Region.
func regionError(name string, err error) error {
	if !strings.Contains(err.Error(), "invalid AWS Region") {
		return fmt.Errorf("finding the stack's Region: %w", err)
	}
	return mistake.List{{
		Key: "aws:region", Got: name, Problem: "AWS has no such Region", Allowed: "a Region of AWS, for example us-east-2",
		Fix: mistake.Run("pulumi config set aws:region REGION"),
	}}
}

// zones lists the Region's availability zones by name.
func zones(ctx *pulumi.Context, s scope.Scope) ([]string, error) {
	available, err := aws.GetAvailabilityZones(ctx, &aws.GetAvailabilityZonesArgs{
		State: pulumi.StringRef("available"),
		Filters: []aws.GetAvailabilityZonesFilter{
			// Local and Wavelength Zones have neither these endpoints nor small instances.
			{Name: "opt-in-status", Values: []string{"opt-in-not-required"}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("listing the availability zones of %s: %w", s.Region, err)
	}
	return slices.Sorted(slices.Values(available.Names)), nil
}

// instanceTypes finds the zones that offer each instance type in use. It shapes a
// network that the stack is to create, and only checks one that exists.
func (s surveyor) instanceTypes() error {
	types, exists := decide.InstanceTypes(s.config), s.config.Network.Existing() || len(s.facts.Deployed.VPCs) > 0
	if len(types) == 0 {
		return nil
	}
	found, err := ec2.GetInstanceTypeOfferings(s.ctx, &ec2.GetInstanceTypeOfferingsArgs{
		LocationType: pulumi.StringRef("availability-zone"),
		Filters:      []ec2.GetInstanceTypeOfferingsFilter{{Name: "instance-type", Values: types}},
	})
	switch {
	case err != nil && !exists:
		return fmt.Errorf("finding the zones that offer the instance types %s: %w", strings.Join(types, ", "), err)
	case err != nil:
		s.facts.TypeZones.Problem = problem(err, "")
		return nil
	}
	s.facts.TypeZones.Value = map[string][]string{}
	for i, name := range found.InstanceTypes {
		s.facts.TypeZones.Value[name] = append(s.facts.TypeZones.Value[name], found.Locations[i])
	}
	return nil
}
