package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// Fleet is a number of instances of one kind. They are named after the fleet,
// from NAME-001 on.
type Fleet struct {
	Count   int   `json:"count,omitempty"`   // the highest number
	Without []int `json:"without,omitempty"` // numbers that have no instance
	Machine
}

// UpgradeVariable names the instances of fleets, separated by commas, that get
// their fleet's image and user data by this update. Without it a running instance
// of a fleet keeps both, so that no update of a config replaces a fleet at once.
const UpgradeVariable = "PRIVATE_EC2_ACCESS_UPGRADE"

const maxFleet = 999

// fleetName leaves room for a hyphen and three digits in instanceName.
var fleetName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,26}$`)

// FleetInstances gives the names of a fleet's instances, in the order of their
// numbers; of a fleet that does not exist, none.
func (c *Config) FleetInstances(fleet string) []string { return c.Fleets[fleet].names(fleet) }

func (f Fleet) names(fleet string) []string {
	var names []string
	for number := 1; number <= min(f.Count, maxFleet); number++ {
		if !slices.Contains(f.Without, number) {
			names = append(names, fmt.Sprintf("%s-%03d", fleet, number))
		}
	}
	return names
}

func (c *Config) validateFleets(v *validator) {
	members := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Fleets)) {
		f, at := c.Fleets[name], settings.Member("fleets", name)
		v.check(fleetName.MatchString(name), at, name, "not a name for a fleet",
			"1 to 27 lower-case letters, digits and hyphens, a letter first", v.rename("fleets", name, f))
		v.between(at+".count", f.Count, 1, maxFleet, "instances")
		for i, number := range f.Without {
			key := settings.Element(at+".without", i)
			v.check(1 <= number && number <= f.Count, key, strconv.Itoa(number), "the fleet has no such number",
				fmt.Sprintf("1 to %d", f.Count), v.remove(key))
			v.check(slices.Index(f.Without, number) == i, key, strconv.Itoa(number), "named twice", "each number once", v.remove(key))
		}
		c.validateMachine(v, at, f.Machine)
		v.machineTags(at, f.Tags, c.Tags, len(c.Operators))
		if _, taken := c.Instances[name]; taken {
			v.check(false, at, name, "an instance already has this name", "a name of its own", v.rename("fleets", name, f))
		}
		for _, member := range f.names(name) {
			members[member] = true
			if instance, taken := c.Instances[member]; taken {
				key := settings.Member("instances", member)
				v.check(false, key, member, "an instance of the fleet "+name+" already has this name", "a name that no fleet uses", v.rename("instances", member, instance))
			}
		}
	}
	for _, name := range c.Upgrade {
		v.check(members[name], UpgradeVariable+" (environment variable)", name, "no fleet has an instance of this name",
			"names of instances of fleets, separated by commas", mistake.Fix{Commands: []string{"unset " + UpgradeVariable}})
	}
}

// Upgrades reports whether an instance of a fleet gets its fleet's image by this
// update.
func (c *Config) Upgrades(instance string) bool { return slices.Contains(c.Upgrade, instance) }

// machineTags checks the tags of an instance, which EC2 gets in one list with those
// of the stack.
func (v *validator) machineTags(at string, tags, ofStack map[string]string, groups int) {
	taken := map[string]string{}
	for _, key := range instanceTags {
		taken[strings.ToLower(key)] = key
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		v.tag(at+".tags", key, tags[key], taken)
	}
	all := maps.Clone(ofStack)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	v.check(len(all)+len(instanceTags)+groups <= maxTags, at+".tags", strconv.Itoa(len(tags)), "too many tags for one instance, together with the stack's tags",
		fmt.Sprintf("up to %d, because the program adds %s", maxTags-len(instanceTags)-groups, addedTags(groups)), v.set(at+".tags", "'{…}'"))
}

// addedTags are the tags that the program sets on an instance. It has one for each
// group of operators that names it.
func addedTags(groups int) string {
	names := strings.Join(instanceTags, ", ")
	if groups > 0 {
		names += ", and one for each group of operators"
	}
	return names
}
