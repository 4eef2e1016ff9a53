// Package account asks AWS, at preview, for the facts that decide the shape of
// a stack: where it lives, which zones and services there are, what a named
// network looks like. It creates nothing.
//
// "Absent" is only what AWS itself says is absent. A look-up that is denied,
// throttled or cannot reach AWS is an error and never a decision.
package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/scope"
)

// Scope finds out where the stack lives.
func Scope(ctx *pulumi.Context) (scope.Scope, error) {
	region, err := aws.GetRegion(ctx, nil)
	if err != nil {
		return scope.Scope{}, fmt.Errorf("finding the stack's Region: %w", err)
	}
	partition, err := aws.GetPartition(ctx, nil)
	if err != nil {
		return scope.Scope{}, fmt.Errorf("finding the stack's partition: %w", err)
	}
	identity, err := aws.GetCallerIdentity(ctx, nil)
	if err != nil {
		return scope.Scope{}, fmt.Errorf("finding the stack's account: %w", err)
	}
	s := scope.Scope{
		Partition: partition.Partition, Region: region.Name,
		AccountID: identity.AccountId, DNSSuffix: partition.DnsSuffix,
	}
	if !s.Supported() {
		return s, mistake.List{{
			Key: "aws:region", Got: s.Region, Problem: "it lies in the partition " + s.Partition + ", whose names of services and buckets are not known here",
			Allowed: "a Region of the partitions " + strings.Join(scope.Partitions(), ", "), Mend: "pulumi config set aws:region REGION",
		}}
	}
	return s, nil
}

// Zones picks the availability zones for a network of the stack's own: the
// first ones by name in which every one of the services can have an endpoint.
func Zones(ctx *pulumi.Context, s scope.Scope, count int, services []string) ([]string, error) {
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
	zones := slices.Sorted(slices.Values(available.Names))
	for _, service := range services {
		offer, err := ec2.LookupVpcEndpointService(ctx, &ec2.LookupVpcEndpointServiceArgs{
			ServiceName: pulumi.StringRef(s.EndpointService(service)),
		})
		if err != nil {
			return nil, fmt.Errorf("finding the zones of the endpoint service %s: %w", s.EndpointService(service), err)
		}
		if len(offer.AvailabilityZones) == 0 {
			continue // GovCloud names services without their zones
		}
		zones = slices.DeleteFunc(zones, func(zone string) bool { return !slices.Contains(offer.AvailabilityZones, zone) })
	}
	if len(zones) < count {
		return nil, mistake.List{{
			Key: "network.availabilityZoneCount", Got: fmt.Sprint(count),
			Problem: fmt.Sprintf("%s has only %d zones in which all of %s can have an endpoint: %s",
				s.Region, len(zones), strings.Join(services, ", "), strings.Join(zones, ", ")),
			Allowed: fmt.Sprintf("1 to %d", len(zones)),
			Mend:    "pulumi config set --path '" + ctx.Project() + ":network.availabilityZoneCount' NUMBER",
		}}
	}
	return zones[:count], nil
}

// S3PrefixList is the id of the list of S3's addresses in the Region, which a
// security group's rule can name.
func S3PrefixList(ctx *pulumi.Context, s scope.Scope) (string, error) {
	list, err := ec2.GetPrefixList(ctx, &ec2.GetPrefixListArgs{Name: pulumi.StringRef(s.EndpointService("s3"))})
	if err != nil {
		return "", fmt.Errorf("finding the prefix list of S3 in %s: %w", s.Region, err)
	}
	return list.Id, nil
}

// NewestImage is the newest Amazon Linux 2023 of an architecture, by AWS's
// public parameter.
func NewestImage(ctx *pulumi.Context, architecture string) (string, error) {
	name := ImageParameter(architecture)
	parameter, err := ssm.LookupParameter(ctx, &ssm.LookupParameterArgs{Name: name})
	if err != nil {
		return "", fmt.Errorf("finding the newest Amazon Linux 2023 in the public parameter %s: %w", name, err)
	}
	return parameter.InsecureValue, nil // public: value would be taken for a secret
}

// ImageParameter names the public parameter that holds the id of the newest
// Amazon Linux 2023
// (https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-via-aws-cli).
func ImageParameter(architecture string) string {
	return "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-" + architecture
}

// absences are the words in which the provider passes on that AWS found
// nothing. Everything else is a failed look-up.
var absences = []string{
	"no matching EC2 VPC Endpoint Service found",
	"no matching EC2 VPC Endpoint found",
	"no matching EC2 VPC found",
	"no matching EC2 VPN Gateway found",
	"query returned no results",
	"InvalidServiceName",
	"InvalidDocument:",
	"NoSuchBucket", // also of its policy
	"couldn't find resource",
	"empty result",
}

// several are the words for more than one match.
var several = []string{"multiple EC2 VPC Endpoints matched", "multiple"}

func isAbsent(err error) bool {
	return err != nil && slices.ContainsFunc(absences, func(words string) bool { return strings.Contains(err.Error(), words) })
}

func isSeveral(err error) bool {
	return err != nil && slices.ContainsFunc(several, func(words string) bool { return strings.Contains(err.Error(), words) })
}

// EC2Messages decides whether the stack has an endpoint for ec2messages.
//
// Newer Regions do not offer the service, agents since 3.3.40.0 do without it,
// and AWS is reported to retire it. So with auto it is created where the Region
// offers it. Once created it stays until the user says never: neither a retired
// service nor a failed look-up takes it away. The note, if any, is for the
// preview.
func EC2Messages(ctx *pulumi.Context, s scope.Scope, choice, owner string) (wanted bool, note string, err error) {
	switch choice {
	case "always":
		return true, "", nil
	case "never":
		return false, "no endpoint for ec2messages: the stack's config says never", nil
	}
	service := s.EndpointService("ec2messages")
	_, ownErr := ec2.LookupVpcEndpoint(ctx, &ec2.LookupVpcEndpointArgs{
		ServiceName: &service,
		Filters: []ec2.GetVpcEndpointFilter{
			{Name: "tag:" + OwnerTag, Values: []string{owner}},
			{Name: "vpc-endpoint-state", Values: []string{"available", "pending", "pendingAcceptance"}},
		},
	})
	own := ownErr == nil || isSeveral(ownErr)
	if own {
		return true, "", nil
	}
	_, offerErr := ec2.LookupVpcEndpointService(ctx, &ec2.LookupVpcEndpointServiceArgs{ServiceName: &service})
	offered := offerErr == nil
	switch {
	case offered:
		return true, "", nil
	case isAbsent(offerErr) && isAbsent(ownErr):
		return false, "no endpoint for ec2messages: " + s.Region + " does not offer the service; " +
			"agents since 3.3.40.0 need only ssmmessages", nil
	case isAbsent(offerErr):
		return false, "", fmt.Errorf("finding out whether this stack has an endpoint for ec2messages already: %w", ownErr)
	default:
		return false, "", fmt.Errorf("finding out whether %s offers %s (this stack's own endpoint was not seen either): %w",
			s.Region, service, errors.Join(offerErr, unlessAbsent(ownErr)))
	}
}

func unlessAbsent(err error) error {
	if isAbsent(err) {
		return nil
	}
	return err
}
