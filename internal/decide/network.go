package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"private-ec2-access/config"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/settings"
)

// network checks an existing network, or picks the zones of a new one.
func (d *decider) network() {
	n := d.facts.Network
	if n == nil {
		d.zones()
		return
	}
	id := d.config.Network.VpcID
	if !n.Found {
		d.refuse(mistake.Mistake{
			Key: "network.vpcId", Got: id, Problem: "there is no such VPC in this account and Region",
			Allowed: "the ID of a VPC in the stack's account and Region (aws:region)", Fix: mistake.Run(d.set("network.vpcId", "VPC")),
		})
		return
	}
	d.owner(n)
	d.dns(n)
	d.subnets(n)
	d.endpointSubnets(n)
	d.freeAddresses(n)
	d.instanceTypes(n)
	for _, table := range d.GatewayTables {
		d.say(fmt.Sprintf("the route table %s gets a route to S3 through this stack's gateway endpoint; "+
			"every subnet that uses the table reaches S3 that way", table))
	}
	d.internetRoutes(n)
	d.networkACLs(n)
}

// refuseNew refuses what keeps sessions from working or a network from being
// private, unless the stack is in the VPC already: then the account has changed
// since, and the user gets a warning instead of an update that stops.
func (d *decider) refuseNew(m mistake.Mistake) {
	if d.deployed() {
		d.warn(m.String())
		return
	}
	d.refuse(m)
}

// deployed reports whether the stack is in its VPC already.
func (d *decider) deployed() bool {
	if d.config.Network.Existing() {
		return slices.Contains(d.facts.Deployed.VPCs, d.config.Network.VpcID)
	}
	return len(d.facts.Deployed.VPCs) > 0
}

// unknown reports a check that could not be made.
func (d *decider) unknown(what, problem string) {
	d.warn(fmt.Sprintf("not checked: %s, because it cannot be read: %s", what, problem))
}

func (d *decider) aws(service, command string) string {
	return "aws " + service + " " + command + " --region " + d.facts.Scope.Region
}

func (d *decider) owner(n *Network) {
	if n.OwnerID == "" || n.OwnerID == d.facts.Scope.AccountID {
		return
	}
	const owners = "only the account %s, to which the VPC belongs and which shares subnets of it, can create endpoints and change route tables and network ACLs in it"
	if !d.config.Endpoints.Create {
		d.say(fmt.Sprintf(owners, n.OwnerID))
		return
	}
	services := strings.Join(append(slices.Clone(d.Services), endpoint.S3), ", ")
	d.refuse(mistake.Mistake{
		Key: "network.vpcId", Got: d.config.Network.VpcID, Problem: fmt.Sprintf(owners, n.OwnerID),
		Allowed: "a VPC of the account " + d.facts.Scope.AccountID + ", or endpoints.create false",
		Fix: []mistake.Fix{
			{Text: "ask the account " + n.OwnerID + " to create the endpoints (" + services + "), with AWS's names leading to them, and create none:", Commands: []string{
				d.set("endpoints.create", "false"), d.set("endpoints.cidrBlocks[0]", "CIDR_BLOCK")}},
			{Text: "use a VPC of this account:", Commands: []string{d.set("network.vpcId", "VPC")}},
			{Text: "deploy the stack in the account " + n.OwnerID},
		},
	})
}

func (d *decider) dns(n *Network) {
	id := d.config.Network.VpcID
	if n.MissingAttributes() != nil {
		d.refuse(mistake.Mistake{
			Key: "network.vpcId", Got: id,
			Problem: fmt.Sprintf("private DNS of the endpoints needs both DNS attributes of the VPC; enableDnsSupport is %t, enableDnsHostnames is %t",
				n.DNSSupport, n.DNSHostnames),
			Allowed: "a VPC with both on",
			Fix: []mistake.Fix{
				{Commands: []string{
					"aws ec2 modify-vpc-attribute --region " + d.facts.Scope.Region + " --vpc-id " + id + " --enable-dns-support",
					"aws ec2 modify-vpc-attribute --region " + d.facts.Scope.Region + " --vpc-id " + id + " --enable-dns-hostnames",
				}},
				{Text: "use another VPC:", Commands: []string{d.set("network.vpcId", "VPC")}},
			},
		})
	}
	servers, others := n.DNSServers, n.OtherDNSServers()
	m := mistake.Mistake{
		Key: "network.vpcId", Got: id,
		Allowed: "DHCP options with AmazonProvidedDNS, or with servers that forward queries for AWS names to the VPC's Route 53 Resolver",
		Fix:     []mistake.Fix{{Text: "use the Resolver:", Commands: reach.ResolverCommands(d.facts.Scope.Region, id)}},
	}
	switch {
	case servers.Problem != "":
		d.unknown("which name servers the instances get from the VPC's DHCP options", servers.Problem)
	case len(servers.Value) == 0:
		m.Problem = "the VPC's DHCP options name no DNS server, so instances do not resolve the names of endpoints"
		d.refuseNew(m)
	case len(others) > 0 && !d.config.Network.DNSServersForward:
		m.Problem = "the VPC's DHCP options name other DNS servers than the VPC's Route 53 Resolver, which alone knows the private names of endpoints: " + strings.Join(others, ", ")
		m.Fix = append(m.Fix, mistake.Fix{Text: "if those servers forward to it:", Commands: []string{d.set("network.dnsServersForward", "true")}})
		d.refuseNew(m)
	}
}

func (d *decider) subnets(n *Network) {
	for i, subnet := range n.Subnets {
		m := mistake.Mistake{
			Key: subnetKey(i), Got: d.config.Network.SubnetIDs[i], Allowed: "a subnet of " + d.config.Network.VpcID + " with IPv4 addresses",
			Fix: []mistake.Fix{
				{Text: "this lists the subnets:", Commands: []string{
					d.aws("ec2", "describe-subnets") + " --filters Name=vpc-id,Values=" + d.config.Network.VpcID + " --query 'Subnets[].[SubnetId,AvailabilityZone,CidrBlock]' --output text",
					d.set(subnetKey(i), "SUBNET"),
				}},
			},
		}
		switch {
		case subnet.ID == "":
			m.Problem = "there is no such subnet in this account and Region"
		case subnet.VpcID != d.config.Network.VpcID:
			m.Problem = "the subnet belongs to another VPC, " + subnet.VpcID
		case subnet.CidrBlock == "":
			m.Problem = "the subnet has only IPv6 addresses, and the endpoints need IPv4"
		default:
			continue
		}
		d.refuse(m)
	}
}

func subnetKey(i int) string { return settings.Element("network.subnetIds", i) }

// usable reports whether a subnet passed the checks of subnets.
func (d *decider) usable(s Subnet) bool {
	return s.ID != "" && s.VpcID == d.config.Network.VpcID && s.CidrBlock != ""
}

// endpointSubnets picks the subnets in which the endpoints have a network
// interface: AWS takes one in each zone, and only zones that offer the service.
// Instances in the other subnets reach the same endpoints.
func (d *decider) endpointSubnets(n *Network) {
	taken, lacking := map[string]string{}, []string{}
	for _, subnet := range n.Subnets {
		if !d.usable(subnet) {
			continue
		}
		missing := d.notOffered(subnet.Zone)
		switch {
		case len(missing) > 0:
			lacking = append(lacking, fmt.Sprintf("the zone %s of %s does not offer %s", subnet.Zone, subnet.ID, strings.Join(missing, ", ")))
		case taken[subnet.Zone] != "":
			d.say(fmt.Sprintf("the endpoints get no network interface in %s: %s is in the same zone %s, and AWS takes one subnet in each",
				subnet.ID, taken[subnet.Zone], subnet.Zone))
		default:
			taken[subnet.Zone] = subnet.ID
			d.EndpointSubnetIDs = append(d.EndpointSubnetIDs, subnet.ID)
		}
	}
	if len(lacking) == 0 {
		return
	}
	if len(taken) > 0 {
		for _, text := range lacking {
			d.say("the endpoints get no network interface there, and instances use those in other zones: " + text)
		}
		return
	}
	allowed := "at least one subnet in one of the zones " + strings.Join(d.zonesOfServices(), ", ")
	if len(d.zonesOfServices()) == 0 {
		allowed = "a Region with a zone that offers " + strings.Join(d.Services, ", ")
	}
	d.refuse(mistake.Mistake{
		Key: "network.subnetIds", Got: settings.Show(d.config.Network.SubnetIDs), Problem: "no subnet is in a zone in which every endpoint can be created",
		Detail: strings.Join(lacking, "\n"), Allowed: allowed, Fix: mistake.Run(d.set(subnetKey(len(n.Subnets)), "SUBNET")),
	})
}

// notOffered are the services of the stack that cannot have an endpoint in a zone.
func (d *decider) notOffered(zone string) (services []string) {
	for _, name := range d.Services {
		// GovCloud names services without their zones.
		if zones := d.facts.Services[name].Zones; len(zones) > 0 && !slices.Contains(zones, zone) {
			services = append(services, name)
		}
	}
	return services
}

// zonesOfServices are the zones that offer every service of the stack, sorted.
func (d *decider) zonesOfServices() (zones []string) {
	for _, name := range d.Services {
		for _, zone := range d.facts.Services[name].Zones {
			if len(d.notOffered(zone)) == 0 && !slices.Contains(zones, zone) {
				zones = append(zones, zone)
			}
		}
	}
	slices.Sort(zones)
	return zones
}

// freeAddresses counts what a new stack needs of each subnet's addresses: one for
// each endpoint, and one for each instance.
func (d *decider) freeAddresses(n *Network) {
	if d.deployed() {
		return // it has them
	}
	for i, subnet := range n.Subnets {
		if !d.usable(subnet) {
			continue
		}
		endpoints, instances := 0, 0
		if slices.Contains(d.EndpointSubnetIDs, subnet.ID) {
			endpoints = len(d.Services)
		}
		for name, instance := range d.config.Complete() {
			if d.subnetOf(name, instance) == i {
				instances++
			}
		}
		if need := endpoints + instances; subnet.FreeAddresses < need {
			d.refuse(mistake.Mistake{
				Key: subnetKey(i), Got: subnet.ID,
				Problem: fmt.Sprintf("the subnet has %d free addresses, and this stack needs %d: %d for endpoints, %d for instances", subnet.FreeAddresses, need, endpoints, instances),
				Allowed: "a subnet with that many", Fix: mistake.Run(d.set(subnetKey(i), "SUBNET")),
			})
		}
	}
}

func (d *decider) instanceTypes(n *Network) {
	if d.facts.TypeZones.Problem != "" {
		d.unknown("whether the zones of the subnets offer the instance types", d.facts.TypeZones.Problem)
		return
	}
	complete, reported := d.config.Complete(), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(complete)) {
		i, at := complete[name], settings.Member("instances", name)
		if i.Fleet != "" {
			at = settings.Member("fleets", i.Fleet)
		}
		index := d.subnetOf(name, i)
		if index >= len(n.Subnets) || !d.usable(n.Subnets[index]) || reported[at] {
			continue
		}
		zone, offered := n.Subnets[index].Zone, slices.Sorted(slices.Values(d.facts.TypeZones.Value[i.InstanceType]))
		if slices.Contains(offered, zone) {
			continue
		}
		reported[at] = true
		m := mistake.Mistake{
			Key: at + ".instanceType", Got: i.InstanceType,
			Problem: fmt.Sprintf("the zone %s of the subnet %s does not offer it", zone, n.Subnets[index].ID),
			Allowed: "a type that the zone offers",
			Fix:     mistake.Run(d.set(at+".instanceType", "TYPE")),
		}
		if len(offered) > 0 {
			m.Allowed += "; the zones that offer this one are " + strings.Join(offered, ", ")
			if i.Fleet == "" {
				m.Fix = append(m.Fix, mistake.Fix{Text: "use another subnet of the config:", Commands: []string{d.set(at+".subnetIndex", "NUMBER")}})
			}
		}
		d.refuseNew(m)
	}
}

// subnetOf is the index of an instance's subnet.
func (d *decider) subnetOf(name string, i config.CompleteInstance) int {
	if index, ok := d.Subnets[name]; ok {
		return index
	}
	return i.SubnetIndex
}

// internetRoutes judges each route table once, whichever subnets use it.
func (d *decider) internetRoutes(n *Network) {
	judged := map[string]bool{}
	for _, table := range n.RouteTables {
		if judged[table.RouteTableID] {
			continue
		}
		judged[table.RouteTableID] = true
		if routes := table.InternetRoutes(); len(routes) > 0 {
			d.internetRoute(table, routes)
		}
		if routes := table.OutsideRoutes(); len(routes) > 0 {
			text := outsideRoutes(table, "out of the VPC", routes)
			if d.config.Network.AllowInternetRoute {
				d.say(text)
			} else {
				d.warn(text)
			}
		}
	}
}

func (d *decider) internetRoute(table reach.Table, routes []reach.Route) {
	text := outsideRoutes(table, "to the internet", routes)
	if d.config.Network.AllowInternetRoute {
		d.say(text + "; network.allowInternetRoute accepts it")
		return
	}
	commands := make([]string, len(routes))
	for i, route := range routes {
		commands[i] = d.aws("ec2", "delete-route") + " --route-table-id " + table.RouteTableID + " " + route.DestinationFlag()
	}
	at := slices.Index(d.config.Network.SubnetIDs, table.SubnetID)
	d.refuseNew(mistake.Mistake{
		Key: subnetKey(at), Got: table.SubnetID, Problem: text,
		Allowed: "a subnet whose route table has no route to the internet",
		Fix: []mistake.Fix{
			{Text: "use a private subnet:", Commands: []string{d.set(subnetKey(at), "SUBNET")}},
			{Text: "delete the route, which everything in the subnets of this route table loses:", Commands: commands},
			{Text: "accept it; instances then reach the internet, and their traffic is not limited to the endpoints:", Commands: []string{d.set("network.allowInternetRoute", "true")}},
		},
	})
}

func outsideRoutes(table reach.Table, where string, routes []reach.Route) string {
	texts := make([]string, len(routes))
	for i, route := range routes {
		texts[i] = route.String()
	}
	noun := "a route"
	if len(routes) > 1 {
		noun = "routes"
	}
	return fmt.Sprintf("the subnet %s is not private: its route table %s has %s %s: %s", table.SubnetID, table.RouteTableID, noun, where, strings.Join(texts, ", "))
}

// InternetRouteWarning is the warning about a subnet of the stack's own network
// that is no longer private; empty: it is private.
func InternetRouteWarning(table reach.Table) string {
	if routes := append(table.InternetRoutes(), table.OutsideRoutes()...); len(routes) > 0 {
		return outsideRoutes(table, "out of the VPC", routes)
	}
	return ""
}

// zones picks the availability zones for a network that the stack creates: the
// first ones by name in which every service can have an endpoint and that offer
// the instance types. The subnets of a deployed stack stay where they are.
func (d *decider) zones() {
	zones, services, types := slices.Clone(d.facts.Zones), []string{}, InstanceTypes(d.config)
	for _, service := range d.deciding() {
		services = append(services, service.Name)
		offered := d.facts.Services[service.Name].Zones
		if len(offered) == 0 {
			continue // GovCloud names services without their zones
		}
		zones = slices.DeleteFunc(zones, func(zone string) bool { return !slices.Contains(offered, zone) })
	}
	if problem := d.facts.TypeZones.Problem; problem != "" {
		d.unknown("whether the Region offers the instance types", problem)
	} else if d.unofferedTypes(types) {
		return
	}
	for _, name := range types {
		if len(d.facts.Deployed.VPCs) > 0 {
			break // the subnets that the stack created stay in their zones
		}
		zones = slices.DeleteFunc(zones, func(zone string) bool { return !slices.Contains(d.facts.TypeZones.Value[name], zone) })
	}
	count := d.config.Network.AvailabilityZoneCount
	if len(zones) < count {
		m := mistake.Mistake{
			Key: "network.availabilityZoneCount", Got: fmt.Sprint(count),
			Problem: fmt.Sprintf("%s has only %d zones in which all of %s can have an endpoint and which offer the instance types %s: %s",
				d.facts.Scope.Region, len(zones), strings.Join(services, ", "), strings.Join(types, ", "), strings.Join(zones, ", ")),
			Allowed: fmt.Sprintf("1 to %d", len(zones)),
			Fix:     mistake.Run(d.set("network.availabilityZoneCount", "NUMBER")),
		}
		if len(zones) == 0 {
			m.Problem = fmt.Sprintf("%s has no zone in which all of %s can have an endpoint and which offers the instance types %s",
				d.facts.Scope.Region, strings.Join(services, ", "), strings.Join(types, ", "))
			m.Allowed = "instance types that the Region offers"
			m.Fix = mistake.Run(d.set("instance.instanceType", "TYPE"))
		}
		d.refuse(m)
		return
	}
	d.Zones = zones[:count]
}

// unofferedTypes refuses the types that no zone of the Region offers, such as
// misspelt ones, at the keys that have them.
func (d *decider) unofferedTypes(types []string) (found bool) {
	for _, name := range types {
		if len(d.facts.TypeZones.Value[name]) > 0 {
			continue
		}
		found = true
		for _, key := range d.keysOfType(name) {
			d.refuse(mistake.Mistake{
				Key: key, Got: name, Problem: "the Region " + d.facts.Scope.Region + " does not offer this instance type",
				Allowed: "one that it offers: aws ec2 describe-instance-type-offerings --region " + d.facts.Scope.Region + " lists them",
				Fix:     mistake.Run(d.set(key, "TYPE")),
			})
		}
	}
	return found
}

// keysOfType are the keys of the config that give instances a type.
func (d *decider) keysOfType(name string) (keys []string) {
	inherited := false
	add := func(group, member, own string, uses bool) {
		if own == name {
			keys = append(keys, settings.Member(settings.Member(group, member), "instanceType"))
		}
		inherited = inherited || uses && own == ""
	}
	for _, instance := range slices.Sorted(maps.Keys(d.config.Instances)) {
		add("instances", instance, d.config.Instances[instance].InstanceType, true)
	}
	for _, fleet := range slices.Sorted(maps.Keys(d.config.Fleets)) {
		add("fleets", fleet, d.config.Fleets[fleet].InstanceType, len(d.config.FleetInstances(fleet)) > 0)
	}
	if inherited && d.config.Instance.InstanceType == name {
		keys = append([]string{"instance.instanceType"}, keys...)
	}
	return keys
}
