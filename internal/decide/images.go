package decide

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// Image is an image as EC2 describes it. The zero value: it was not asked about.
type Image struct {
	ID           string
	Asked, Found bool
	Name         string
	OwnerID      string
	OwnerAlias   string // amazon, for an image of AWS
	Architecture string
	Windows      bool
}

// InstanceType is what EC2 says of a type. The zero value: it was not asked about.
type InstanceType struct {
	MemoryMiB, VCPUs int
}

const (
	windowsVolumeGiB = 30   // the size of the root snapshot of AWS's images of Windows Server
	windowsMemoryMiB = 2048 // what Microsoft requires for Windows Server with Desktop Experience
)

// ImageSource is the key of an instance's image in Facts.Images: its id, or the
// parameter that holds the newest one.
func ImageSource(m config.Machine) string {
	if m.ImageID != "" {
		return m.ImageID
	}
	return m.ImageParameter
}

// images checks the image of each instance and fleet, and says whether the agent
// is in it. The standard image of Amazon Linux 2023 is not asked about.
func (d *decider) images() {
	d.ImageParameters = map[string]string{}
	said := map[string]bool{}
	complete := d.config.Complete()
	for _, name := range slices.Sorted(maps.Keys(complete)) {
		i := complete[name]
		image := d.facts.Images[ImageSource(i.Machine)]
		// An image of another kind, without a parameter of its own, has no newest one.
		if i.ImageID == "" || !i.DefaultImage() || !image.Found || strings.HasPrefix(image.Name, amazonLinuxName) {
			d.ImageParameters[name] = i.ImageParameter
		}
		at := settings.Member("instances", name)
		if i.Fleet != "" {
			at = settings.Member("fleets", i.Fleet)
		}
		if said[at] || !image.Asked {
			continue
		}
		said[at] = true
		if !image.Found {
			d.imageAbsent(at, name, i)
			continue
		}
		d.imageFits(at, i, image)
		d.agent(at, image)
		if image.Windows {
			d.windows(at, i)
		}
	}
}

// imageAbsent refuses an image that does not exist. AWS deregisters old images; an
// instance that has one already goes on.
func (d *decider) imageAbsent(at, name string, i config.CompleteInstance) {
	names := []string{name}
	if i.Fleet != "" {
		names = d.config.FleetInstances(i.Fleet)
	}
	if i.ImageID != "" && !slices.ContainsFunc(names, func(n string) bool { return d.facts.Deployed.Instances[n].ImageID != i.ImageID }) {
		d.say(fmt.Sprintf("%s: the image %s does not exist any more; the instances that have it go on", at, i.ImageID))
		return
	}
	key, got := at+".imageParameter", i.ImageParameter
	if i.ImageID != "" {
		key, got = at+".imageId", i.ImageID
	}
	d.refuse(mistake.Mistake{
		Key: key, Got: got, Problem: "there is no such image in " + d.facts.Scope.Region + ", or it is not shared with this account",
		Allowed: "an image of the stack's Region", Fix: mistake.Run(d.set(key, "VALUE")),
	})
}

func (d *decider) imageFits(at string, i config.CompleteInstance, image Image) {
	if minimal(image) {
		d.refuse(mistake.Mistake{
			Key: at, Got: image.ID, Problem: "the image " + image.Name + " is a minimal one, which has no SSM Agent; its instances would never come online",
			Allowed: "the standard image of Amazon Linux, or another one with SSM Agent",
			Fix:     mistake.Do("to use the standard image of Amazon Linux 2023:", d.unset(d.imageKey(at, i))),
		})
	}
	// AWS knows the architecture of every image; the local emulator does not know that of one that was registered.
	if image.Architecture != "" && image.Architecture != i.Architecture {
		d.refuse(mistake.Mistake{
			Key: at + ".architecture", Got: i.Architecture, Problem: "the image " + image.ID + " (" + image.Name + ") has the architecture " + image.Architecture,
			Allowed: "the architecture of the image, with an instance type that has it",
			Fix:     mistake.Run(d.set(at+".architecture", image.Architecture), d.set(at+".instanceType", "VALUE")),
		})
	}
}

// imageKey is the key that names the image.
func (d *decider) imageKey(at string, i config.CompleteInstance) string {
	if i.ImageID != "" {
		return at + ".imageId"
	}
	return at + ".imageParameter"
}

// amazonLinuxName begins the names of the images of Amazon Linux 2023.
const amazonLinuxName = "al2023-ami-"

func minimal(i Image) bool {
	return i.OwnerAlias == "amazon" && strings.HasPrefix(i.Name, "al2023-ami-minimal-") || strings.HasPrefix(i.Name, "amzn2-ami-minimal-")
}

// canonical is the account that publishes Ubuntu
// (https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/).
var canonical = []string{"099720109477", "513442679011", "837727238323"} // aws, aws-us-gov, aws-cn

// agent says whether SSM Agent is in an image
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/ami-preinstalled-agent.html).
func (d *decider) agent(at string, image Image) {
	if minimal(image) {
		return // it is refused, because it has none
	}
	name := image.ID + " (" + image.Name + ")"
	switch {
	case image.OwnerAlias == "amazon" && (image.Windows || strings.HasPrefix(image.Name, amazonLinuxName) || strings.HasPrefix(image.Name, "amzn2-ami-")):
		d.say(at + ": SSM Agent is in the image " + name)
	case slices.Contains(canonical, image.OwnerID):
		d.say(at + ": SSM Agent is in the image " + name + " as a snap; without a route to the snap store it keeps the image's version")
	default:
		d.say(at + ": whether SSM Agent is in the image " + name + " is not known; without it, its instances do not come online, and make wait says so")
	}
}

// windows checks what Windows Server needs, and says how sessions on it differ.
func (d *decider) windows(at string, i config.CompleteInstance) {
	if i.VolumeSize < windowsVolumeGiB {
		d.refuse(mistake.Mistake{
			Key: at + ".volumeSize", Got: strconv.Itoa(i.VolumeSize), Problem: "the root volume is too small for Windows Server",
			Allowed: fmt.Sprintf("%d or more", windowsVolumeGiB), Fix: mistake.Run(d.set(at+".volumeSize", strconv.Itoa(windowsVolumeGiB))),
		})
	}
	if memory := d.facts.InstanceTypes[i.InstanceType].MemoryMiB; memory > 0 && memory < windowsMemoryMiB {
		d.refuse(mistake.Mistake{
			Key: at + ".instanceType", Got: i.InstanceType, Problem: fmt.Sprintf("it has %d MiB of memory, too few for Windows Server", memory),
			Allowed: fmt.Sprintf("a type with %d MiB or more, for example t3.small", windowsMemoryMiB), Fix: mistake.Run(d.set(at+".instanceType", "t3.small")),
		})
	}
	if d.config.Session.RunAsEnabled {
		d.warn(at + ": session.runAsEnabled does not apply to Windows Server: sessions run as ssm-user, a member of the group Administrators")
	}
}
