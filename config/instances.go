package config

import (
	"cmp"
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

// Machine is what an instance by its name and the instances of a fleet have in
// common; what it leaves out comes from InstanceDefaults.
type Machine struct {
	ImageID        string            `json:"imageId,omitempty"`
	ImageParameter string            `json:"imageParameter,omitempty"`
	Architecture   string            `json:"architecture,omitempty"`
	InstanceType   string            `json:"instanceType,omitempty"`
	VolumeSize     int               `json:"volumeSize,omitempty"`
	UserData       string            `json:"userData,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	DataVolumes    []DataVolume      `json:"dataVolumes,omitempty"`
}

// DataVolume is a volume beside the root volume.
type DataVolume struct {
	Device string `json:"device"`
	Size   int    `json:"size"`
	Type   string `json:"type,omitempty"` // empty: gp3
}

// Instance is one instance by its name.
type Instance struct {
	SubnetIndex int `json:"subnetIndex,omitempty"`
	Machine
}

// Named lets the fix of `instances: [app]` keep the names.
func (Instance) Named() {}

// CompleteInstance has every default filled in.
type CompleteInstance struct {
	Machine
	SubnetIndex int    // of an instance by its name; the place of a fleet's is decided with the facts
	Fleet       string // empty: the instance is named in instances
}

// Complete gives the instances, those of the fleets included, with every default
// filled in, by name.
func (c *Config) Complete() map[string]CompleteInstance {
	complete := map[string]CompleteInstance{}
	for name, instance := range c.Instances {
		complete[name] = CompleteInstance{Machine: c.Instance.fill(instance.Machine), SubnetIndex: instance.SubnetIndex}
	}
	for fleet, f := range c.Fleets {
		machine := c.Instance.fill(f.Machine)
		for _, name := range f.names(fleet) {
			complete[name] = CompleteInstance{Machine: machine, Fleet: fleet}
		}
	}
	return complete
}

// DefaultImage reports whether the newest image is the standard Amazon Linux 2023.
func (m Machine) DefaultImage() bool { return m.ImageParameter == amazonLinux+m.Architecture }

func (d InstanceDefaults) fill(m Machine) Machine {
	m.Architecture = cmp.Or(m.Architecture, d.Architecture)
	m.InstanceType = cmp.Or(m.InstanceType, d.InstanceType)
	m.VolumeSize = cmp.Or(m.VolumeSize, d.VolumeSize)
	if m.ImageParameter == "" {
		m.ImageParameter = amazonLinux + m.Architecture
	}
	return m
}

// amazonLinux begins the name of the public parameter that holds the id of the
// newest Amazon Linux 2023
// (https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-via-aws-cli).
const amazonLinux = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"

var (
	instanceName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	imageID       = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)
	parameterName = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
	// dataDevice matches the names that EC2 recommends for data volumes
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html).
	dataDevice   = regexp.MustCompile(`^(/dev/sd[f-p]|xvd[f-z])$`)
	instanceType = regexp.MustCompile(`^([a-z][a-z0-9-]*)\.[a-z0-9-]+$`)
	// graviton matches the families with AWS's own processors: a1, and those
	// with a g after the generation, such as t4g or c7gn
	// (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
	graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+g[a-z-]*)$`)
)

// upTo shows the numbers from 0 to last.
func upTo(last int) string {
	if last <= 0 {
		return "0"
	}
	return fmt.Sprintf("0 to %d", last)
}

func (c *Config) validateInstances(v *validator) {
	v.instance("instance.", c.Instance.Architecture, c.Instance.InstanceType, c.Instance.VolumeSize)
	subnets := c.Network.AvailabilityZoneCount
	if c.Network.Existing() {
		subnets = len(c.Network.SubnetIDs)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Instances)) {
		i, at := c.Instances[name], settings.Member("instances", name)
		v.check(instanceName.MatchString(name), at, name, "not a name for an instance",
			"1 to 31 lower-case letters, digits and hyphens, a letter first", v.rename("instances", name, i))
		v.check(i.SubnetIndex >= 0 && (i.SubnetIndex < subnets || subnets < 1), at+".subnetIndex", strconv.Itoa(i.SubnetIndex),
			"there is no such subnet", upTo(subnets-1))
		c.validateMachine(v, at, i.Machine)
		if len(i.Tags) > 0 {
			v.machineTags(at, i.Tags, c.Tags, len(c.Operators))
		}
	}
}

// validateMachine checks what an instance or a fleet says itself.
func (c *Config) validateMachine(v *validator, at string, m Machine) {
	v.check(m.ImageID == "" || imageID.MatchString(m.ImageID), at+".imageId", m.ImageID,
		"not the ID of an image", "ami- and 8 to 17 hexadecimal digits")
	v.check(m.ImageParameter == "" || parameterName.MatchString(m.ImageParameter), at+".imageParameter", m.ImageParameter,
		"not the name of an SSM parameter", "a path that begins with a slash, for example "+amazonLinux+"arm64")
	v.check(len(m.UserData) <= maxUserData, at+".userData", fmt.Sprintf("%d bytes", len(m.UserData)), "too long for EC2", fmt.Sprintf("up to %d bytes", maxUserData))
	for i, volume := range m.DataVolumes {
		key := settings.Element(at+".dataVolumes", i)
		v.check(dataDevice.MatchString(volume.Device), key+".device", volume.Device, "not a device name for a data volume", "/dev/sdf to /dev/sdp, or xvdf to xvdz for Windows")
		same := func(other DataVolume) bool { return other.Device == volume.Device }
		v.check(slices.IndexFunc(m.DataVolumes, same) == i, key+".device", volume.Device, "named twice", "each device once", v.remove(key))
		v.oneOf(key+".type", cmp.Or(volume.Type, "gp3"), "gp3", "st1", "sc1")
		least := 1
		if volume.Type == "st1" || volume.Type == "sc1" {
			least = 125
		}
		v.between(key+".size", volume.Size, least, 16384, "GiB")
	}
	if m.Architecture != "" || m.InstanceType != "" || m.VolumeSize != 0 {
		own := c.Instance.fill(m)
		v.instance(at+".", own.Architecture, own.InstanceType, own.VolumeSize)
	}
}

// maxUserData is EC2's limit, before base64
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html).
const maxUserData = 16384

func (v *validator) instance(prefix, architecture, typ string, volumeSize int) {
	v.oneOf(prefix+"architecture", architecture, "arm64", "x86_64")
	family := instanceType.FindStringSubmatch(typ)
	v.check(family != nil, prefix+"instanceType", typ, "not an instance type", "a family, a dot and a size, for example t4g.nano")
	other := map[string]string{"arm64": "x86_64", "x86_64": "arm64"}[architecture]
	if family != nil && other != "" {
		v.check(graviton.MatchString(family[1]) == (architecture == "arm64"), prefix+"instanceType", typ,
			"this type does not have the architecture "+architecture,
			map[string]string{"arm64": "a Graviton type such as t4g.nano", "x86_64": "a type such as t3.nano"}[architecture],
			v.set(prefix+"architecture", other), v.set(prefix+"instanceType", "VALUE"))
	}
	v.between(prefix+"volumeSize", volumeSize, 8, 16384, "GiB; the image of Amazon Linux 2023 needs 8")
}
