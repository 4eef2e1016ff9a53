package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
)

// live are the states of an endpoint that exists, or soon will.
var live = ec2.GetVpcEndpointFilter{Name: "vpc-endpoint-state", Values: []string{"available", "pending", "pendingAcceptance"}}

// endpoints looks for the endpoints that an existing VPC has for the wanted
// services: an interface endpoint with private DNS can be there only once, and a
// route table has one route to S3.
func (s surveyor) endpoints() error {
	s.facts.Endpoints = map[string]decide.Endpoint{}
	if n := s.facts.Network; n == nil || !n.Found || n.MissingAttributes() != nil {
		return nil
	}
	for _, wanted := range endpoint.Interfaces() {
		if !wanted.Wanted(s.config) {
			continue
		}
		found, err := s.interfaceEndpoint(wanted)
		if err != nil {
			return fmt.Errorf("finding the endpoint for %s in %s: %w", wanted.Name, s.config.Network.VpcID, err)
		}
		if found != nil {
			s.facts.Endpoints[wanted.Name] = *found
		}
	}
	if err := s.gateways(); err != nil {
		return fmt.Errorf("finding the gateway endpoints for S3 in %s: %w", s.config.Network.VpcID, err)
	}
	return s.around()
}

// interfaceEndpoint finds the VPC's interface endpoint for a service, nil: none.
// The look-up has no plural: among several, the stack's own has its tag, and any
// other one has to be named in the config.
func (s surveyor) interfaceEndpoint(wanted endpoint.Service) (*decide.Endpoint, error) {
	args := &ec2.LookupVpcEndpointArgs{
		VpcId: &s.config.Network.VpcID, ServiceName: pulumi.StringRef(wanted.ServiceName(s.facts.Scope)),
		Filters: []ec2.GetVpcEndpointFilter{live, {Name: "vpc-endpoint-type", Values: []string{"Interface"}}},
	}
	id := s.config.Endpoints.Existing[wanted.Name]
	if id != "" {
		args.Id = &id
	}
	found, err := ec2.LookupVpcEndpoint(s.ctx, args)
	if isSeveral(err) {
		args.Filters = append(args.Filters, ec2.GetVpcEndpointFilter{Name: "tag:" + scope.OwnerTag, Values: []string{s.facts.Owner()}})
		if found, err = ec2.LookupVpcEndpoint(s.ctx, args); isAbsent(err) || isSeveral(err) {
			return &decide.Endpoint{Several: true}, nil
		}
	}
	switch {
	case isAbsent(err) && id != "":
		return &decide.Endpoint{Absent: true}, nil
	case isAbsent(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return s.read(wanted.Name, found), nil
}

// read makes a fact of an endpoint. The stack's own is in its state, or has its
// tag, if an update was killed before it could write the state.
func (s surveyor) read(service string, e *ec2.LookupVpcEndpointResult) *decide.Endpoint {
	owner := e.Tags[scope.OwnerTag]
	return &decide.Endpoint{
		Endpoint: reach.Endpoint{
			Service: service, ID: e.Id, Type: e.VpcEndpointType, State: e.State, PrivateDNS: e.PrivateDnsEnabled,
			Policy: e.Policy, SubnetIDs: e.SubnetIds, Groups: e.SecurityGroupIds, RouteTableIDs: e.RouteTableIds,
		},
		Owner: owner,
		Own:   owner == s.facts.Owner() || slices.Contains(s.facts.Deployed.ARNs, e.Arn),
	}
}

// gateways finds which of the subnets' route tables lead to S3 through a gateway
// endpoint that is not the stack's own.
func (s surveyor) gateways() error {
	args := &ec2.LookupVpcEndpointArgs{
		VpcId: &s.config.Network.VpcID, ServiceName: pulumi.StringRef(s.facts.Scope.EndpointService(endpoint.S3)),
		Filters: []ec2.GetVpcEndpointFilter{live, {Name: "vpc-endpoint-type", Values: []string{"Gateway"}}},
	}
	found, err := ec2.LookupVpcEndpoint(s.ctx, args)
	switch {
	case isAbsent(err):
		return nil
	case err == nil:
		if gateway := s.read(endpoint.S3, found); gateway.Own {
			s.facts.OwnGateway = true
		} else {
			s.facts.Endpoints[endpoint.S3] = *gateway
			s.facts.S3Tables = gateway.RouteTableIDs
		}
		return nil
	case !isSeveral(err):
		return err
	}
	// Which endpoint is on which table, no look-up says; but it says which tables
	// have a route to S3, and which of these routes is the stack's own.
	tables, err := ec2.GetRouteTables(s.ctx, &ec2.GetRouteTablesArgs{
		VpcId:   &s.config.Network.VpcID,
		Filters: []ec2.GetRouteTablesFilter{{Name: "route.destination-prefix-list-id", Values: []string{s.facts.S3PrefixListID}}},
	})
	if err != nil {
		return err
	}
	args.Filters = append(args.Filters, ec2.GetVpcEndpointFilter{Name: "tag:" + scope.OwnerTag, Values: []string{s.facts.Owner()}})
	own, err := ec2.LookupVpcEndpoint(s.ctx, args)
	if err != nil && !isAbsent(err) {
		return err
	}
	s.facts.S3Tables = tables.Ids
	if err == nil {
		s.facts.OwnGateway = true
		s.facts.S3Tables = slices.DeleteFunc(tables.Ids, func(id string) bool { return slices.Contains(own.RouteTableIds, id) })
	}
	return nil
}

// around reads what is around the endpoints that are not the stack's own: the
// rules of their security groups and the ranges of their subnets and of the
// stack's.
func (s surveyor) around() error {
	s.facts.Groups, s.facts.Subnets = map[string]reach.Group{}, map[string]decide.Subnet{}
	for _, subnet := range s.facts.Network.Subnets {
		s.facts.Subnets[subnet.ID] = subnet
	}
	for _, service := range endpoint.Interfaces() {
		e, found := s.facts.Endpoints[service.Name]
		if !found || e.Own || !e.Usable() {
			continue
		}
		for _, id := range e.SubnetIDs {
			if err := s.subnet(id); err != nil {
				return err
			}
		}
		for _, id := range e.Groups {
			if err := s.group(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s surveyor) subnet(id string) error {
	if _, known := s.facts.Subnets[id]; known {
		return nil
	}
	found, err := ec2.LookupSubnet(s.ctx, &ec2.LookupSubnetArgs{Id: &id})
	if err != nil {
		return fmt.Errorf("reading the subnet %s: %w", id, err)
	}
	s.facts.Subnets[id] = decide.Subnet{ID: id, VpcID: found.VpcId, CidrBlock: found.CidrBlock, Zone: found.AvailabilityZone}
	return nil
}

// group reads the rules of a security group. There is a look-up for their ids,
// and one for each rule.
func (s surveyor) group(id string) error {
	if _, known := s.facts.Groups[id]; known {
		return nil
	}
	found, err := vpc.GetSecurityGroupRules(s.ctx, &vpc.GetSecurityGroupRulesArgs{
		Filters: []vpc.GetSecurityGroupRulesFilter{{Name: "group-id", Values: []string{id}}},
	})
	if err != nil {
		return fmt.Errorf("listing the rules of the security group %s: %w", id, err)
	}
	var group reach.Group
	for _, ruleID := range found.Ids {
		r, err := vpc.GetSecurityGroupRule(s.ctx, &vpc.GetSecurityGroupRuleArgs{SecurityGroupRuleId: &ruleID})
		if err != nil {
			return fmt.Errorf("reading the rule %s of the security group %s: %w", ruleID, id, err)
		}
		rule := reach.Rule{Protocol: r.IpProtocol, From: r.FromPort, To: r.ToPort}
		if r.PrefixListId != "" {
			rule.PrefixLists = []string{r.PrefixListId}
		}
		for _, block := range []string{r.CidrIpv4, r.CidrIpv6} {
			if block != "" {
				rule.Ranges = append(rule.Ranges, block)
			}
		}
		if group := r.ReferencedSecurityGroupId; group != "" {
			// A group of another VPC or account is written ACCOUNT/GROUP.
			rule.GroupIDs = []string{group[strings.LastIndex(group, "/")+1:]}
		}
		if r.IsEgress {
			group.Egress = append(group.Egress, rule)
		} else {
			group.Ingress = append(group.Ingress, rule)
		}
	}
	s.facts.Groups[id] = group
	return nil
}
