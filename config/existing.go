package config

import (
	"maps"
	"regexp"
	"slices"

	"private-ec2-access/internal/settings"
)

// ExistingInstance names an instance that this stack did not create, or all
// instances that have some tags.
type ExistingInstance struct {
	InstanceID string            `json:"instanceId,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

func (c *Config) validateExistingInstances(v *validator) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.ExistingInstances)) {
		i, at := c.ExistingInstances[name], settings.Member("existingInstances", name)
		v.check(instanceName.MatchString(name), at, name, "not a name for an instance",
			"1 to 31 lower-case letters, digits and hyphens, a letter first", v.rename("existingInstances", name, i))
		_, taken := c.Complete()[name]
		_, isFleet := c.Fleets[name]
		v.check(!taken && !isFleet, at, name, "an instance or a fleet that this stack creates has this name", "a name of its own", v.rename("existingInstances", name, i))
		switch {
		case i.InstanceID != "" && len(i.Tags) > 0:
			v.check(false, at, settings.Show(i), "it has both an instance ID and tags", "{instanceId: ID} or {tags: {KEY: VALUE}}", v.remove(at+".tags"), v.remove(at+".instanceId"))
		case i.InstanceID == "" && len(i.Tags) == 0:
			v.check(false, at, settings.Show(i), "it needs either an instance ID or tags", "{instanceId: ID} or {tags: {KEY: VALUE}}", v.set(at+".instanceId", "VALUE"))
		case i.InstanceID != "":
			v.check(instanceID.MatchString(i.InstanceID), at+".instanceId", i.InstanceID, "not the ID of an instance", "i- and 8 to 17 hexadecimal digits")
			v.check(!seen[i.InstanceID], at+".instanceId", i.InstanceID, "named twice", "each instance once", v.remove(at))
			seen[i.InstanceID] = true
		}
	}
}
