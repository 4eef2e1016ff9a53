package sessions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/scope"
)

// managed is one of DescribeInstanceInformation.
type managed struct {
	InstanceID, PingStatus, AgentVersion string

	LastPingDateTime stamp
}

// state says in words what Systems Manager knows of an instance.
func (m managed) state() string {
	if m.PingStatus == "Online" {
		return "online, agent " + m.AgentVersion
	}
	return cmp.Or(m.PingStatus, "not registered yet")
}

// managedInstances asks what Systems Manager knows of instances; one that is not in the answer has never reported.
func (c *client) managedInstances(ctx context.Context, wanted []named) (map[string]managed, error) {
	found := map[string]managed{}
	for some := range slices.Chunk(wanted, 100) {
		var ids []string
		for _, n := range some {
			ids = append(ids, n.id)
		}
		var answer struct{ InstanceInformationList []managed }
		err := c.call(ctx, &answer, "ssm", "describe-instance-information", input{"Filters": []input{{"Key": "InstanceIds", "Values": ids}}})
		if err != nil {
			return nil, err
		}
		for _, m := range answer.InstanceInformationList {
			found[m.InstanceID] = m
		}
	}
	return found, nil
}

// problem says in a word why a fact could not be read.
func problem(err error) string {
	var e *callError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.denied():
		return e.action() + " was refused"
	case errors.As(err, &e):
		return fmt.Sprintf("%s:%s: %s", e.service, e.operation, firstLine(e.message))
	}
	return firstLine(err.Error())
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// facts reads what there is between an instance and Systems Manager. What cannot be read is a problem in its place.
func (r *run) facts(ctx context.Context, n named) reach.Facts {
	f := reach.Facts{Stack: r.Stack, Region: r.outputs.Region, ExpectedProfile: r.outputs.InstanceProfileName, Elsewhere: r.outputs.EndpointCidrBlocks, Unlisted: n.name == n.id}
	var wait sync.WaitGroup
	wait.Go(func() {
		if me, err := r.aws.caller(ctx); err == nil {
			f.Account = me.Account
		}
	})
	wait.Go(func() {
		found, err := r.aws.managedInstances(ctx, []named{n})
		m, known := found[n.id]
		f.Agent.Problem = problem(err)
		f.Agent.Value = reach.Agent{Registered: known, PingStatus: m.PingStatus, Version: m.AgentVersion, LastPing: m.LastPingDateTime.Time}
	})
	wait.Go(func() {
		f.Instance = r.aws.instance(ctx, n)
		var more sync.WaitGroup
		more.Go(func() { r.aws.role(ctx, &f) })
		more.Go(func() { r.aws.surroundings(ctx, &f) })
		more.Wait()
	})
	wait.Wait()
	return f
}

// reservations is an answer of DescribeInstances. Names in answers are read whatever their case is.
type reservations struct {
	Reservations []struct{ Instances []ec2Instance }
}

type ec2Instance struct {
	InstanceID, ImageID, VpcID, SubnetID, PrivateIPAddress, PublicIPAddress string

	State              struct{ Name string }
	LaunchTime         stamp
	IamInstanceProfile struct{ Arn string }
	Tags               []struct{ Key, Value string }
	SecurityGroups     []groupID
	NetworkInterfaces  []struct{ Groups []groupID }
}

type groupID struct{ GroupID string }

func (r reservations) instances() (all []ec2Instance) {
	for _, one := range r.Reservations {
		all = append(all, one.Instances...)
	}
	return all
}

func (c *client) instance(ctx context.Context, n named) (fact reach.Read[reach.Instance]) {
	fact.Value = reach.Instance{ID: n.id, Name: n.name}
	var answer reservations
	err := c.call(ctx, &answer, "ec2", "describe-instances", input{"InstanceIds": []string{n.id}})
	if isAbsent(err) {
		return fact
	}
	if fact.Problem = problem(err); err != nil || len(answer.instances()) == 0 {
		return fact
	}
	i := answer.instances()[0]
	v := &fact.Value
	v.State, v.Launched, v.VpcID, v.SubnetID, v.Address = i.State.Name, i.LaunchTime.Time, i.VpcID, i.SubnetID, i.PrivateIPAddress
	v.PublicAddress, v.Profile = i.PublicIPAddress, lastPart(i.IamInstanceProfile.Arn)
	for _, g := range i.SecurityGroups {
		v.Groups = append(v.Groups, g.GroupID)
	}
	for _, n := range i.NetworkInterfaces {
		for _, g := range n.Groups {
			if !slices.Contains(v.Groups, g.GroupID) {
				v.Groups = append(v.Groups, g.GroupID)
			}
		}
	}
	return fact
}

// role reads the role in the instance's profile, and its policies.
func (c *client) role(ctx context.Context, f *reach.Facts) {
	if f.Instance.Problem != "" || f.Instance.Value.Profile == "" {
		return
	}
	var answer struct {
		InstanceProfile struct {
			Roles []struct {
				RoleName, Arn       string
				PermissionsBoundary struct{ PermissionsBoundaryArn string }
			}
		}
	}
	err := c.call(ctx, &answer, "iam", "get-instance-profile", input{"InstanceProfileName": f.Instance.Value.Profile})
	if err != nil && !isAbsent(err) || len(answer.InstanceProfile.Roles) == 0 {
		if !isAbsent(err) {
			f.Role.Problem = problem(err)
		}
		return
	}
	f.Role.Value, f.RoleARN = answer.InstanceProfile.Roles[0].RoleName, answer.InstanceProfile.Roles[0].Arn
	f.Boundary = answer.InstanceProfile.Roles[0].PermissionsBoundary.PermissionsBoundaryArn != ""
	policies, err := c.policies(ctx, f.Role.Value)
	f.Policies = reach.Read[[]reach.Policy]{Value: policies, Problem: problem(err)}
}

// policies reads every policy of a role, attached and inline.
func (c *client) policies(ctx context.Context, role string) ([]reach.Policy, error) {
	var attached struct {
		AttachedPolicies []struct{ PolicyArn string }
	}
	if err := c.call(ctx, &attached, "iam", "list-attached-role-policies", input{"RoleName": role}); err != nil {
		return nil, err
	}
	var inline struct{ PolicyNames []string }
	if err := c.call(ctx, &inline, "iam", "list-role-policies", input{"RoleName": role}); err != nil {
		return nil, err
	}
	var all []reach.Policy
	for _, a := range attached.AttachedPolicies {
		var policy struct {
			Policy struct{ DefaultVersionID string }
		}
		if err := c.call(ctx, &policy, "iam", "get-policy", input{"PolicyArn": a.PolicyArn}); err != nil {
			return nil, err
		}
		var version struct {
			PolicyVersion struct{ Document json.RawMessage }
		}
		err := c.call(ctx, &version, "iam", "get-policy-version", input{"PolicyArn": a.PolicyArn, "VersionId": policy.Policy.DefaultVersionID})
		if err != nil {
			return nil, err
		}
		all = append(all, reach.Policy{Name: a.PolicyArn, Document: string(version.PolicyVersion.Document)})
	}
	for _, name := range inline.PolicyNames {
		var policy struct{ PolicyDocument json.RawMessage }
		if err := c.call(ctx, &policy, "iam", "get-role-policy", input{"RoleName": role, "PolicyName": name}); err != nil {
			return nil, err
		}
		all = append(all, reach.Policy{Name: name, Document: string(policy.PolicyDocument)})
	}
	return all, nil
}

// surroundings reads endpoints, security groups, subnets, the VPC's attributes and the routes.
func (c *client) surroundings(ctx context.Context, f *reach.Facts) {
	i := f.Instance.Value
	if f.Instance.Problem != "" || i.VpcID == "" {
		const unseen = "the instance's VPC is not known"
		f.Endpoints.Problem, f.Groups.Problem, f.Subnets.Problem, f.Network.Problem, f.Routes.Problem = unseen, unseen, unseen, unseen, unseen
		f.ACLs.Problem, f.S3.Problem = unseen, unseen
		return
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		endpoints, err := c.endpoints(ctx, i.VpcID)
		f.Endpoints = reach.Read[[]reach.Endpoint]{Value: endpoints, Problem: problem(err)}
		groups, subnets := slices.Clone(i.Groups), []string{i.SubnetID}
		for _, e := range endpoints {
			groups, subnets = append(groups, e.Groups...), append(subnets, e.SubnetIDs...)
		}
		rules, err := c.groups(ctx, unique(groups))
		f.Groups = reach.Read[map[string]reach.Group]{Value: rules, Problem: problem(err)}
		ranges, err := c.subnets(ctx, unique(subnets))
		f.Subnets = reach.Read[map[string]string]{Value: ranges, Problem: problem(err)}
	})
	wait.Go(func() {
		acls, err := c.acls(ctx, i.VpcID)
		f.ACLs = reach.Read[map[string]reach.ACL]{Value: acls, Problem: problem(err)}
		s3, err := c.s3(ctx)
		f.S3 = reach.Read[reach.PrefixList]{Value: s3, Problem: problem(err)}
	})
	wait.Go(func() {
		network, err := c.network(ctx, i.VpcID)
		f.Network = reach.Read[reach.Network]{Value: network, Problem: problem(err)}
		routes, err := c.routes(ctx, i.VpcID, i.SubnetID)
		f.Routes = reach.Read[reach.Table]{Value: routes, Problem: problem(err)}
	})
	wait.Wait()
}

func unique(list []string) []string {
	set := map[string]bool{}
	for _, one := range list {
		set[one] = one != ""
	}
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

// inVPC selects what is in a VPC.
func inVPC(vpc string) input {
	return input{"Filters": []input{{"Name": "vpc-id", "Values": []string{vpc}}}}
}

func (c *client) endpoints(ctx context.Context, vpc string) ([]reach.Endpoint, error) {
	var answer struct {
		VpcEndpoints []struct {
			VpcEndpointID, VpcEndpointType, ServiceName, State, PolicyDocument string

			PrivateDNSEnabled        bool
			SubnetIDs, RouteTableIDs []string
			Groups                   []groupID
		}
	}
	if err := c.call(ctx, &answer, "ec2", "describe-vpc-endpoints", inVPC(vpc)); err != nil {
		return nil, err
	}
	var all []reach.Endpoint
	for _, e := range answer.VpcEndpoints {
		one := reach.Endpoint{
			Service: e.ServiceName[strings.LastIndexByte(e.ServiceName, '.')+1:], ID: e.VpcEndpointID, Type: e.VpcEndpointType, State: e.State,
			PrivateDNS: e.PrivateDNSEnabled, Policy: e.PolicyDocument, SubnetIDs: e.SubnetIDs, RouteTableIDs: e.RouteTableIDs,
		}
		for _, g := range e.Groups {
			one.Groups = append(one.Groups, g.GroupID)
		}
		all = append(all, one)
	}
	return all, nil
}

type permission struct {
	IPProtocol       string
	FromPort, ToPort int
	IPRanges         []struct{ CidrIP string }
	IPv6Ranges       []struct{ CidrIPv6 string }
	UserIDGroupPairs []groupID
	PrefixListIDs    []struct{ PrefixListID string }
}

func rules(permissions []permission) []reach.Rule {
	var all []reach.Rule
	for _, p := range permissions {
		rule := reach.Rule{Protocol: p.IPProtocol, From: p.FromPort, To: p.ToPort}
		for _, r := range p.IPRanges {
			rule.Ranges = append(rule.Ranges, r.CidrIP)
		}
		for _, r := range p.IPv6Ranges {
			rule.Ranges = append(rule.Ranges, r.CidrIPv6)
		}
		for _, l := range p.PrefixListIDs {
			rule.PrefixLists = append(rule.PrefixLists, l.PrefixListID)
		}
		for _, g := range p.UserIDGroupPairs {
			rule.GroupIDs = append(rule.GroupIDs, g.GroupID)
		}
		all = append(all, rule)
	}
	return all
}

func (c *client) groups(ctx context.Context, ids []string) (map[string]reach.Group, error) {
	found := map[string]reach.Group{}
	if len(ids) == 0 {
		return found, nil
	}
	var answer struct {
		SecurityGroups []struct {
			GroupID                            string
			IPPermissions, IPPermissionsEgress []permission
		}
	}
	err := c.call(ctx, &answer, "ec2", "describe-security-groups", input{"GroupIds": ids})
	for _, g := range answer.SecurityGroups {
		found[g.GroupID] = reach.Group{Ingress: rules(g.IPPermissions), Egress: rules(g.IPPermissionsEgress)}
	}
	return found, err
}

func (c *client) subnets(ctx context.Context, ids []string) (map[string]string, error) {
	found := map[string]string{}
	if len(ids) == 0 {
		return found, nil
	}
	var answer struct {
		Subnets []struct{ SubnetID, CidrBlock string }
	}
	err := c.call(ctx, &answer, "ec2", "describe-subnets", input{"SubnetIds": ids})
	for _, s := range answer.Subnets {
		found[s.SubnetID] = s.CidrBlock
	}
	return found, err
}

func (c *client) network(ctx context.Context, vpc string) (n reach.Network, err error) {
	var attributes struct{ EnableDNSSupport, EnableDNSHostnames struct{ Value bool } }
	if err = c.call(ctx, &attributes, "ec2", "describe-vpc-attribute", input{"VpcId": vpc, "Attribute": "enableDnsSupport"}); err != nil {
		return n, err
	}
	if err = c.call(ctx, &attributes, "ec2", "describe-vpc-attribute", input{"VpcId": vpc, "Attribute": "enableDnsHostnames"}); err != nil {
		return n, err
	}
	n.DNSSupport, n.DNSHostnames = attributes.EnableDNSSupport.Value, attributes.EnableDNSHostnames.Value
	var answer struct {
		Vpcs []struct {
			CidrBlock, DhcpOptionsID    string
			CidrBlockAssociationSet     []struct{ CidrBlock string }
			IPv6CidrBlockAssociationSet []struct{ IPv6CidrBlock string }
		}
	}
	if err = c.call(ctx, &answer, "ec2", "describe-vpcs", input{"VpcIds": []string{vpc}}); err != nil || len(answer.Vpcs) == 0 {
		return n, err
	}
	v := answer.Vpcs[0]
	n.CidrBlock, n.Ranges = v.CidrBlock, []string{v.CidrBlock}
	for _, block := range v.CidrBlockAssociationSet {
		n.Ranges = append(n.Ranges, block.CidrBlock)
	}
	for _, block := range v.IPv6CidrBlockAssociationSet {
		n.Ranges = append(n.Ranges, block.IPv6CidrBlock)
	}
	n.DNSServers = c.dnsServers(ctx, v.DhcpOptionsID)
	return n, nil
}

// dnsServers reads the name servers of DHCP options. A VPC without options has the id "default".
func (c *client) dnsServers(ctx context.Context, options string) (servers reach.Read[[]string]) {
	if options == "default" {
		return servers
	}
	var answer struct {
		DhcpOptions []struct {
			DhcpConfigurations []struct {
				Key    string
				Values []struct{ Value string }
			}
		}
	}
	err := c.call(ctx, &answer, "ec2", "describe-dhcp-options", input{"DhcpOptionsIds": []string{options}})
	if err != nil || len(answer.DhcpOptions) == 0 {
		servers.Problem = cmp.Or(problem(err), "there are no DHCP options "+options)
		return servers
	}
	for _, option := range answer.DhcpOptions[0].DhcpConfigurations {
		for _, value := range option.Values {
			if option.Key == "domain-name-servers" {
				servers.Value = append(servers.Value, value.Value)
			}
		}
	}
	return servers
}

// acls reads the network ACLs of a VPC, by the subnets that have them.
func (c *client) acls(ctx context.Context, vpc string) (map[string]reach.ACL, error) {
	var answer struct {
		NetworkAcls []struct {
			NetworkAclID string
			Associations []struct{ SubnetID string }
			Entries      []struct {
				CidrBlock, IPv6CidrBlock, Protocol, RuleAction string

				Egress     bool
				PortRange  struct{ From, To int }
				RuleNumber int
			}
		}
	}
	if err := c.call(ctx, &answer, "ec2", "describe-network-acls", inVPC(vpc)); err != nil {
		return nil, err
	}
	found := map[string]reach.ACL{}
	for _, a := range answer.NetworkAcls {
		acl := reach.ACL{ID: a.NetworkAclID}
		for _, e := range a.Entries {
			entry := reach.ACLEntry{
				Number: e.RuleNumber, Protocol: e.Protocol, From: e.PortRange.From, To: e.PortRange.To,
				Range: cmp.Or(e.CidrBlock, e.IPv6CidrBlock), Allow: e.RuleAction == "allow",
			}
			if e.Egress {
				acl.Egress = append(acl.Egress, entry)
			} else {
				acl.Ingress = append(acl.Ingress, entry)
			}
		}
		for _, association := range a.Associations {
			found[association.SubnetID] = acl
		}
	}
	return found, nil
}

// s3 reads the Region's prefix list of S3.
func (c *client) s3(ctx context.Context) (list reach.PrefixList, err error) {
	var answer struct {
		PrefixLists []struct {
			PrefixListID string
			Cidrs        []string
		}
	}
	name := scope.Scope{Partition: scope.PartitionOf(c.region), Region: c.region}.EndpointService("s3")
	err = c.call(ctx, &answer, "ec2", "describe-prefix-lists", input{"Filters": []input{{"Name": "prefix-list-name", "Values": []string{name}}}})
	if err == nil && len(answer.PrefixLists) == 0 {
		err = fmt.Errorf("there is no prefix list %s", name)
	}
	if err != nil {
		return list, err
	}
	return reach.PrefixList{ID: answer.PrefixLists[0].PrefixListID, Ranges: answer.PrefixLists[0].Cidrs}, nil
}

// routes reads the subnet's effective route table: its own, or the VPC's main one.
func (c *client) routes(ctx context.Context, vpc, subnet string) (reach.Table, error) {
	type route struct {
		DestinationCidrBlock, DestinationIPv6CidrBlock, DestinationPrefixListID                        string
		GatewayID, NatGatewayID, TransitGatewayID, VpcPeeringConnectionID, EgressOnlyInternetGatewayID string
		CarrierGatewayID, LocalGatewayID, CoreNetworkARN, InstanceID, NetworkInterfaceID               string
	}
	type table struct {
		RouteTableID string
		Associations []struct {
			Main     bool
			SubnetID string
		}
		Routes []route
	}
	var answer struct{ RouteTables []table }
	if err := c.call(ctx, &answer, "ec2", "describe-route-tables", inVPC(vpc)); err != nil {
		return reach.Table{}, err
	}
	var own, main *table
	for i, t := range answer.RouteTables {
		for _, a := range t.Associations {
			if a.SubnetID == subnet {
				own = &answer.RouteTables[i]
			}
			if a.Main {
				main = &answer.RouteTables[i]
			}
		}
	}
	chosen := cmp.Or(own, main)
	if chosen == nil {
		return reach.Table{}, fmt.Errorf("no route table of %s was found", subnet)
	}
	found := reach.Table{SubnetID: subnet, RouteTableID: chosen.RouteTableID}
	for _, r := range chosen.Routes {
		found.Routes = append(found.Routes, reach.Route{
			Destination: cmp.Or(r.DestinationCidrBlock, r.DestinationIPv6CidrBlock, r.DestinationPrefixListID),
			Target: cmp.Or(r.GatewayID, r.NatGatewayID, r.TransitGatewayID, r.VpcPeeringConnectionID, r.EgressOnlyInternetGatewayID,
				r.CarrierGatewayID, r.LocalGatewayID, r.CoreNetworkARN, r.InstanceID, r.NetworkInterfaceID),
		})
	}
	return found, nil
}
