// Package survey asks AWS, at preview and before anything is registered, for the
// facts that shape a stack: where it lives, which zones and services there are,
// what a named network looks like, what the stack has already. It creates
// nothing and decides nothing.
//
// "Absent" is only what AWS itself says is absent. A look-up that is denied,
// throttled or cannot reach AWS is an error and never an answer.
package survey

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
)

// Take asks for every fact that the config makes necessary.
func Take(ctx *pulumi.Context, c *config.Config) (decide.Facts, error) {
	f := decide.Facts{Project: ctx.Project(), Stack: ctx.Stack()}
	var err error
	if f.Scope, f.Deployed, err = region(ctx); err != nil {
		return f, err
	}
	s := surveyor{ctx: ctx, config: c, facts: &f}
	err = together(
		inOrder(s.documents, s.bucketPolicies), s.key, s.logBucket, s.logGroups,
		inOrder(s.network, s.prefixList, s.endpoints), s.services, s.instanceTypes, s.existingInstances, inOrder(s.images, s.quotas),
	)
	return f, err
}

// together asks several things at the same time. Each writes facts of its own.
func together(lookUps ...func() error) error {
	failures := make([]error, len(lookUps))
	var running sync.WaitGroup
	for i, lookUp := range lookUps {
		running.Go(func() { failures[i] = lookUp() })
	}
	running.Wait()
	return errors.Join(failures...)
}

// inOrder asks for things of which the later need the facts of the earlier.
func inOrder(lookUps ...func() error) func() error {
	return func() error {
		var failures []error
		for _, lookUp := range lookUps {
			failures = append(failures, lookUp())
		}
		return errors.Join(failures...)
	}
}

// surveyor fills facts.
type surveyor struct {
	ctx    *pulumi.Context
	config *config.Config
	facts  *decide.Facts
}

func (s surveyor) documents() (err error) {
	name := s.config.Session.DocumentName
	if s.facts.Document, err = document(s.ctx, name); err != nil || name == session.DefaultDocument {
		return err
	}
	s.facts.DefaultDocument, err = document(s.ctx, session.DefaultDocument)
	return err
}

// document reads the session document of a name.
func document(ctx *pulumi.Context, name string) (session.Existing, error) {
	current, err := ssm.LookupDocument(ctx, &ssm.LookupDocumentArgs{Name: name, DocumentFormat: pulumi.StringRef("JSON")})
	switch {
	case isAbsent(err):
		return session.Existing{}, nil
	case err != nil:
		return session.Existing{}, fmt.Errorf("finding out whether the session document %s exists: %w", name, err)
	}
	latest, err := ssm.LookupDocument(ctx, &ssm.LookupDocumentArgs{
		Name: name, DocumentFormat: pulumi.StringRef("JSON"), DocumentVersion: pulumi.StringRef("$LATEST"),
	})
	if err != nil {
		return session.Existing{}, fmt.Errorf("reading the newest version of the session document %s: %w", name, err)
	}
	return session.ReadExisting(name, value(current.DocumentVersion), current.Content, value(latest.DocumentVersion), latest.Content)
}

// services asks which zones the Region offers each wanted service in; and about a
// service that not every Region offers, whether this one does and whether the
// stack has it already.
func (s surveyor) services() error {
	s.facts.Services = map[string]decide.Service{}
	for _, wanted := range endpoint.Interfaces() {
		if !wanted.Wanted(s.config) {
			continue
		}
		name := wanted.ServiceName(s.facts.Scope)
		switch {
		case wanted.WhereOffered != nil && wanted.WhereOffered(s.config):
			_, ownErr := ec2.LookupVpcEndpoint(s.ctx, &ec2.LookupVpcEndpointArgs{
				ServiceName: &name,
				Filters: []ec2.GetVpcEndpointFilter{
					{Name: "tag:" + scope.OwnerTag, Values: []string{s.facts.Owner()}},
					{Name: "vpc-endpoint-state", Values: []string{"available", "pending", "pendingAcceptance"}},
				},
			})
			offer, offerErr := ec2.LookupVpcEndpointService(s.ctx, &ec2.LookupVpcEndpointServiceArgs{ServiceName: &name})
			fact := decide.Service{Own: answer(ownErr), Offered: answer(offerErr)}
			if offerErr == nil {
				fact.Zones = offer.AvailabilityZones
			}
			s.facts.Services[wanted.Name] = fact
		case wanted.OptionalBecause == "":
			offer, err := ec2.LookupVpcEndpointService(s.ctx, &ec2.LookupVpcEndpointServiceArgs{ServiceName: &name})
			if err != nil {
				return fmt.Errorf("finding the zones of the endpoint service %s: %w", name, err)
			}
			s.facts.Services[wanted.Name] = decide.Service{Zones: offer.AvailabilityZones}
		}
	}
	return nil
}

// prefixList finds the id of the list of S3's addresses in the Region, which a
// security group's rule can name.
func (s surveyor) prefixList() error {
	name := s.facts.Scope.EndpointService(endpoint.S3)
	list, err := ec2.GetPrefixList(s.ctx, &ec2.GetPrefixListArgs{Name: &name})
	if err != nil {
		return fmt.Errorf("finding the prefix list of S3 in %s: %w", s.facts.Scope.Region, err)
	}
	s.facts.S3PrefixListID, s.facts.S3CidrBlocks = list.Id, list.CidrBlocks
	return nil
}

// images finds the newest image of each parameter in use, and what EC2 says of
// every image but the standard Amazon Linux 2023, and of the types that Windows
// Server runs on.
func (s surveyor) images() error {
	s.facts.Images, s.facts.InstanceTypes = map[string]decide.Image{}, map[string]decide.InstanceType{}
	complete := s.config.Complete()
	for _, name := range slices.Sorted(maps.Keys(complete)) {
		instance := complete[name]
		source := decide.ImageSource(instance.Machine)
		image, known := s.facts.Images[source]
		if !known {
			var err error
			if image, err = s.image(instance.Machine); err != nil {
				return err
			}
			s.facts.Images[source] = image
		}
		if _, known := s.facts.InstanceTypes[instance.InstanceType]; image.Windows && !known {
			found, err := ec2.GetInstanceType(s.ctx, &ec2.GetInstanceTypeArgs{InstanceType: instance.InstanceType})
			if err != nil {
				return fmt.Errorf("finding the memory of the instance type %s: %w", instance.InstanceType, err)
			}
			s.facts.InstanceTypes[instance.InstanceType] = decide.InstanceType{MemoryMiB: found.MemorySize, VCPUs: found.DefaultVcpus}
		}
	}
	return nil
}

func (s surveyor) image(m config.Machine) (decide.Image, error) {
	image := decide.Image{ID: m.ImageID}
	if m.ImageID == "" {
		parameter, err := ssm.LookupParameter(s.ctx, &ssm.LookupParameterArgs{Name: m.ImageParameter})
		if err != nil {
			return image, fmt.Errorf("finding the newest image in the parameter %s: %w", m.ImageParameter, err)
		}
		image.ID = parameter.InsecureValue // public; value would be a secret
		if m.DefaultImage() {
			return image, nil
		}
	}
	found, err := ec2.LookupAmi(s.ctx, &ec2.LookupAmiArgs{
		Filters:           []ec2.GetAmiFilter{{Name: "image-id", Values: []string{image.ID}}},
		IncludeDeprecated: pulumi.BoolRef(true),
	})
	if err != nil && !isAbsent(err) {
		return image, fmt.Errorf("looking at the image %s: %w", image.ID, err)
	}
	image.Asked, image.Found = true, err == nil
	if image.Found {
		image.Name, image.OwnerID, image.OwnerAlias = found.Name, found.OwnerId, found.ImageOwnerAlias
		image.Architecture, image.Windows = found.Architecture, strings.EqualFold(found.Platform, "windows")
	}
	return image, nil
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
