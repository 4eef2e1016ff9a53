package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// InstanceName gives the name in the config of an instance whose resource a
// component of this name has registered.
func InstanceName(component, resource string) (name string, ok bool) {
	name, ok = strings.CutPrefix(resource, component+"-")
	if at := strings.LastIndex(name, "-"); ok && at > 0 {
		return name[:at], true // what follows is the architecture
	}
	return "", false
}

// fleets gives each instance of a fleet its subnet: the one that it stands in, or
// else the one in which its fleet has the fewest. So another number of zones
// moves only what loses its subnet.
func (d *decider) fleets() {
	d.Subnets = map[string]int{}
	index := d.subnetIndex()
	count := d.config.Network.AvailabilityZoneCount
	if d.config.Network.Existing() {
		count = len(d.config.Network.SubnetIDs)
	}
	for _, fleet := range slices.Sorted(maps.Keys(d.config.Fleets)) {
		var fresh, moved []string
		load := make([]int, max(1, count)) // a count that is a mistake is reported
		other, image := 0, d.config.Fleets[fleet].ImageID
		for _, name := range d.config.FleetInstances(fleet) {
			standing, deployed := d.facts.Deployed.Instances[name]
			at, stays := index[standing.SubnetID]
			if deployed && stays && at < len(load) {
				d.Subnets[name] = at
				load[at]++
			} else {
				fresh = append(fresh, name)
			}
			if deployed && !stays {
				moved = append(moved, name)
			}
			if deployed && standing.ImageID != image && !d.config.Upgrades(name) {
				other++
			}
		}
		for _, name := range fresh {
			at := slices.Index(load, slices.Min(load))
			d.Subnets[name] = at
			load[at]++
		}
		if len(moved) > 0 {
			d.warn(fmt.Sprintf("the fleet %s loses a subnet: %s are replaced by instances in another one", fleet, strings.Join(moved, ", ")))
		}
		if other > 0 && image != "" {
			d.say(fmt.Sprintf("%d of the %d instances of the fleet %s have another image than its imageId, and keep it: "+
				"make upgrade STACK=%s FLEET=%s BATCH=5 replaces them in batches",
				other, len(d.config.FleetInstances(fleet)), fleet, d.facts.Stack, fleet))
		}
	}
}

// subnetIndex gives the index of each subnet that the stack has and keeps, by its
// id.
func (d *decider) subnetIndex() map[string]int {
	index := map[string]int{}
	if d.config.Network.Existing() {
		for i, id := range d.config.Network.SubnetIDs {
			index[id] = i
		}
		return index
	}
	for i, id := range d.facts.Deployed.Subnets {
		if i < d.config.Network.AvailabilityZoneCount {
			index[id] = i
		}
	}
	return index
}
