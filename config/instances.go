package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"private-ec2-access/internal/settings"
)

// InstanceDefaults hold for every instance that says nothing else.
type InstanceDefaults struct {
	Architecture string `json:"architecture"`
	InstanceType string `json:"instanceType"`
	VolumeSize   int    `json:"volumeSize"`
}

// Instance is one instance by its name; what it leaves out comes from
// InstanceDefaults.
type Instance struct {
	ImageID      string `json:"imageId,omitempty"`
	SubnetIndex  int    `json:"subnetIndex,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	InstanceType string `json:"instanceType,omitempty"`
	VolumeSize   int    `json:"volumeSize,omitempty"`
}

// Complete gives the instances with every default filled in, by name.
func (c *Config) Complete() map[string]Instance {
	complete := map[string]Instance{}
	for name, instance := range c.Instances {
		complete[name] = c.Instance.fill(instance)
	}
	return complete
}

func (d InstanceDefaults) fill(i Instance) Instance {
	if i.Architecture == "" {
		i.Architecture = d.Architecture
	}
	if i.InstanceType == "" {
		i.InstanceType = d.InstanceType
	}
	if i.VolumeSize == 0 {
		i.VolumeSize = d.VolumeSize
	}
	return i
}

var (
	instanceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	imageID      = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)
	instanceType = regexp.MustCompile(`^([a-z][a-z0-9-]*)\.[a-z0-9-]+$`)
	// graviton matches the families with AWS's own processors: a1, and those
	// with a g after the generation, such as t4g or c7gn
	// (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
	graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+g[a-z-]*)$`)
)

func (c *Config) validateInstances(v *validator) {
	v.check(len(c.Instances) > 0, "instances", "{}", "no instance is named, so there would be nothing to open a shell on",
		"at least one name, for example {app: {}}", v.set("instances.app", "'{}'"))
	v.instance("instance.", c.Instance.Architecture, c.Instance.InstanceType, c.Instance.VolumeSize)
	subnets := c.Network.AvailabilityZoneCount
	if c.Network.Existing() {
		subnets = len(c.Network.SubnetIDs)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Instances)) {
		i, at := c.Instances[name], settings.Member("instances", name)
		prefix := at + "."
		v.check(instanceName.MatchString(name), at, name, "not a name for an instance",
			"1 to 31 lower-case letters, digits and hyphens, a letter first", v.rename("instances", name, "'{…}'"))
		v.check(i.ImageID == "" || imageID.MatchString(i.ImageID), prefix+"imageId", i.ImageID,
			"not the id of an image", "ami- and 8 to 17 hexadecimal digits")
		v.check(i.SubnetIndex >= 0 && (i.SubnetIndex < subnets || subnets < 1), prefix+"subnetIndex", strconv.Itoa(i.SubnetIndex),
			"there is no such subnet", fmt.Sprintf("0 to %d", subnets-1))
		if i.Architecture != "" || i.InstanceType != "" || i.VolumeSize != 0 {
			own := c.Instance.fill(i)
			v.instance(prefix, own.Architecture, own.InstanceType, own.VolumeSize)
		}
	}
}

func (v *validator) instance(prefix, architecture, typ string, volumeSize int) {
	v.oneOf(prefix+"architecture", architecture, "arm64", "x86_64")
	family := instanceType.FindStringSubmatch(typ)
	v.check(family != nil, prefix+"instanceType", typ, "not an instance type", "a family, a dot and a size, for example t4g.nano")
	if family != nil && (architecture == "arm64" || architecture == "x86_64") {
		v.check(graviton.MatchString(family[1]) == (architecture == "arm64"), prefix+"instanceType", typ,
			"this type does not have the architecture "+architecture,
			map[bool]string{true: "a Graviton type such as t4g.nano", false: "a type such as t3.nano"}[architecture == "arm64"])
	}
	v.between(prefix+"volumeSize", volumeSize, 8, 16384, "GiB; the image of Amazon Linux 2023 needs 8")
}
