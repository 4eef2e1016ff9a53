package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// VolumeInstance gives the name in the config of the instance that a data volume
// belongs to, by the name of its resource.
func VolumeInstance(component, resource string) (name string, ok bool) {
	name, ok = strings.CutPrefix(resource, component+"-")
	at := strings.LastIndex(name, "-data-")
	if !ok || at <= 0 {
		return "", false
	}
	return name[:at], true
}

// dataVolumes protects the data that is there: it refuses to move an instance to
// another zone, where its volumes cannot follow, and warns of volumes that the
// config no longer has.
func (d *decider) dataVolumes() {
	complete, moves := d.config.Complete(), map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(d.facts.Deployed.Devices)) {
		devices := d.facts.Deployed.Devices[name]
		i := complete[name] // without data volumes where the config no longer has it
		kept := func(device string) bool {
			return slices.ContainsFunc(i.DataVolumes, func(v config.DataVolume) bool { return v.Device == device })
		}
		if gone := slices.DeleteFunc(slices.Clone(devices), kept); len(gone) > 0 {
			d.warn(fmt.Sprintf("%s: the update deletes data volumes with all data: %s. To keep the data, create snapshots first", name, strings.Join(gone, ", ")))
		}
		from, to := d.facts.Deployed.Instances[name].Zone, d.zoneOf(name, i)
		if !slices.ContainsFunc(devices, kept) || from == "" || to == "" || from == to {
			continue
		}
		at := settings.Member("instances", name)
		if i.Fleet != "" {
			at = settings.Member("fleets", i.Fleet)
		}
		moves[at] = append(moves[at], fmt.Sprintf("%s from %s to %s", name, from, to))
	}
	for _, at := range slices.Sorted(maps.Keys(moves)) {
		d.refuse(mistake.Mistake{
			Key: at + ".dataVolumes", Problem: "instances move to another zone, where their data volumes cannot follow", Detail: strings.Join(moves[at], "\n"),
			Allowed: "instances with data volumes stay in their zones",
			Fix: []mistake.Fix{
				{Text: "restore the subnets of these instances"},
				{Text: "delete the volumes with all data, after snapshots of them:", Commands: []string{d.unset(at + ".dataVolumes")}},
			},
		})
	}
}

// zoneOf is the zone of an instance's subnet; empty: not known.
func (d *decider) zoneOf(name string, i config.CompleteInstance) string {
	index := d.subnetOf(name, i)
	if n := d.facts.Network; n != nil && index < len(n.Subnets) {
		return n.Subnets[index].Zone
	} else if n == nil && index < len(d.Zones) {
		return d.Zones[index]
	}
	return ""
}
