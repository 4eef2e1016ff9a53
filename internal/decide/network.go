package decide

import (
	"fmt"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
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
			Allowed: "the id of a VPC in the stack's account and Region (aws:region)", Fix: mistake.Run(d.set("network.vpcId", "VPC")),
		})
		return
	}
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
		return
	}
	for _, table := range d.GatewayTables {
		d.say(fmt.Sprintf("the route table %s gets a route to S3 through this stack's gateway endpoint; "+
			"every subnet that uses the table reaches S3 that way", table))
	}
	for _, table := range n.RouteTables {
		if text := InternetRouteWarning(table); text != "" {
			d.warn(text)
		}
	}
}

// InternetRouteWarning is the warning about a subnet that is not private; empty:
// it is. It is for the user to decide: nothing here makes it worse.
func InternetRouteWarning(table reach.Table) string {
	if !table.LeavesVPC() {
		return ""
	}
	return fmt.Sprintf("the subnet %s is not private: its route table %s has a route out of the VPC", table.SubnetID, table.RouteTableID)
}

// zones picks the availability zones for a network that the stack creates: the
// first ones by name in which every service can have an endpoint.
func (d *decider) zones() {
	zones, services := slices.Clone(d.facts.Zones), []string{}
	for _, service := range d.deciding() {
		services = append(services, service.Name)
		offered := d.facts.Services[service.Name].Zones
		if len(offered) == 0 {
			continue // GovCloud names services without their zones
		}
		zones = slices.DeleteFunc(zones, func(zone string) bool { return !slices.Contains(offered, zone) })
	}
	count := d.config.Network.AvailabilityZoneCount
	if len(zones) < count {
		d.refuse(mistake.Mistake{
			Key: "network.availabilityZoneCount", Got: fmt.Sprint(count),
			Problem: fmt.Sprintf("%s has only %d zones in which all of %s can have an endpoint: %s",
				d.facts.Scope.Region, len(zones), strings.Join(services, ", "), strings.Join(zones, ", ")),
			Allowed: fmt.Sprintf("1 to %d", len(zones)),
			Fix:     mistake.Run(d.set("network.availabilityZoneCount", "NUMBER")),
		})
		return
	}
	d.Zones = zones[:count]
}
