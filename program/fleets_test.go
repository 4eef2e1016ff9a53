package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/pulumitest"
)

// fleetOf is a config with one fleet, web, and nothing beside it.
func fleetOf(settings map[string]any) map[string]any {
	return map[string]any{"instances": map[string]any{}, "fleets": map[string]any{"web": settings}}
}

// stateWith answers the look-up of the stack's state with what a run registered.
func stateWith(resources []pulumitest.Resource) lookups {
	outputs, zones := map[string]any{}, map[any]any{}
	for _, r := range resources {
		if r.Type == "aws:ec2/subnet:Subnet" {
			zones["id-of-"+r.Name] = r.Inputs["availabilityZone"]
		}
	}
	for _, r := range resources {
		if slices.Contains([]string{"aws:ec2/instance:Instance", "aws:ec2/subnet:Subnet", "aws:ec2/volumeAttachment:VolumeAttachment", "aws:ec2/securityGroup:SecurityGroup"}, r.Type) {
			outputs["urn:pulumi:test::private-ec2-access::"+r.URN] = map[string]any{"type": r.Type, "outputs": map[string]any{
				"arn": "arn:aws:ec2:us-east-2:111122223333:x/id-of-" + r.Name, "subnetId": r.Inputs["subnetId"], "availabilityZone": zones[r.Inputs["subnetId"]],
				"ami": r.Inputs["ami"], "deviceName": r.Inputs["deviceName"], "vpcId": r.Inputs["vpcId"],
			}}
		}
	}
	return lookups{"readStackResourceOutputs": func(map[string]any) (map[string]any, error) {
		return map[string]any{"outputs": outputs}, nil
	}}
}

// byURN gives what was registered by its URN, as text.
func byURN(t *testing.T, resources []pulumitest.Resource) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, r := range resources {
		texts[r.URN] = pulumitest.JSON(t, r)
	}
	return texts
}

// differing are the URNs that only one of two runs registered, or that differ.
func differing(t *testing.T, before, after []pulumitest.Resource) (names []string) {
	t.Helper()
	was, is := byURN(t, before), byURN(t, after)
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, urn := range slices.Sorted(maps.Keys(all)) {
		if was[urn] != is[urn] {
			names = append(names, urn[strings.LastIndex(urn, ":")+1:])
		}
	}
	return names
}

// instances are the registered instances by the subnet that they are in.
func instances(resources []pulumitest.Resource) map[string][]string {
	in := map[string][]string{}
	for _, r := range resources {
		if r.Type == "aws:ec2/instance:Instance" {
			subnet := strings.TrimPrefix(fmt.Sprint(r.Inputs["subnetId"]), "id-of-private-ec2-access-private-")
			name := strings.TrimSuffix(strings.TrimPrefix(r.Name, "private-ec2-access-"), "-arm64")
			in[subnet] = append(in[subnet], name)
		}
	}
	return in
}

func TestFleet_Registered_NamedTaggedAndSpread(t *testing.T) {
	t.Parallel()
	resources, err := run(t, fleetOf(map[string]any{"count": 4, "without": []any{2}, "tags": map[string]any{"team": "web"}, "userData": "#!/bin/sh\ndate\n"}), nil)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"0": {"web-001", "web-004"}, "1": {"web-003"}}, instances(resources))
	instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", "private-ec2-access-web-003-arm64")
	require.Equal(t, map[string]any{
		"Name": "private-ec2-access-test-web-003", "team": "web", "private-ec2-access:fleet": "web", "private-ec2-access:stack": "private-ec2-access/test",
	}, instance.Inputs["tags"])
	require.Equal(t, []string{"ami", "userData", "userDataReplaceOnChange"}, instance.IgnoreChanges)
	golden(t, "fleet", ohio, pulumitest.JSON(t, instance))
}

// Each change of a fleet of 200 registers its own instances, with their
// component, differently, and everything else as before.
//
// It does not prove that the engine and the provider plan nothing else.
func TestFleet_Changed_NothingElseDiffers(t *testing.T) {
	t.Parallel()
	members := func(from, to int) (names []string) {
		for n := from; n <= to; n++ {
			name := fmt.Sprintf("private-ec2-access-web-%03d", n)
			names = append(names, name+"-arm64", name)
		}
		return names
	}
	for name, c := range map[string]struct {
		before, after map[string]any
		want          []string
	}{
		"instance 100 of 200 is removed": {map[string]any{"count": 200}, map[string]any{"count": 200, "without": []any{100}}, members(100, 100)},
		"instance 100 of 200 is added":   {map[string]any{"count": 200, "without": []any{100}}, map[string]any{"count": 200}, members(100, 100)},
		"from 40 to 60":                  {map[string]any{"count": 40}, map[string]any{"count": 60}, members(41, 60)},
		"from 60 to 40":                  {map[string]any{"count": 60}, map[string]any{"count": 40}, members(41, 60)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := run(t, fleetOf(c.before), nil)
			require.NoError(t, err)
			after, err := run(t, fleetOf(c.after), stateWith(before))
			require.NoError(t, err)
			require.ElementsMatch(t, c.want, differing(t, before, after))
		})
	}
}

// Another number of zones moves no instance whose subnet stays, and new instances
// go where the fleet has the fewest.
func TestFleet_ZonesChanged_StandingInstancesStay(t *testing.T) {
	t.Parallel()
	zones := func(count, instances int) map[string]any {
		return pulumitest.With(fleetOf(map[string]any{"count": instances}), map[string]any{"network.availabilityZoneCount": count})
	}
	two, err := run(t, zones(2, 4), nil)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"0": {"web-001", "web-003"}, "1": {"web-002", "web-004"}}, instances(two))
	three, err := run(t, zones(3, 7), stateWith(two))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"0": {"web-001", "web-003", "web-007"}, "1": {"web-002", "web-004"}, "2": {"web-005", "web-006"}}, instances(three))
	again, err := run(t, zones(3, 7), stateWith(three))
	require.NoError(t, err)
	require.Empty(t, differing(t, three, again))
	fewer, err := run(t, zones(2, 7), stateWith(three))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"0": {"web-001", "web-003", "web-006", "web-007"}, "1": {"web-002", "web-004", "web-005"}}, instances(fewer))
}

// An existing VPC's subnets are told apart by their ids, in whatever order they are
// named.
func TestFleet_ExistingSubnetsReordered_StandingInstancesStay(t *testing.T) {
	t.Parallel()
	in := func(subnets ...any) map[string]any {
		return pulumitest.With(fleetOf(map[string]any{"count": 3}), map[string]any{"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": subnets})
	}
	before, err := run(t, in("subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"), nil)
	require.NoError(t, err)
	after, err := run(t, in("subnet-0cccccccccccccccc", "subnet-0bbbbbbbbbbbbbbbb", "subnet-0aaaaaaaaaaaaaaaa"), stateWith(before))
	require.NoError(t, err)
	require.Len(t, instances(before), 2)
	require.Equal(t, instances(before), instances(after))
}

// A new image of a fleet replaces the named instances only.
func TestFleet_Upgrade_OnlyNamedInstancesFollowTheImage(t *testing.T) {
	t.Parallel()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(nil)}
	stack := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), fleetOf(map[string]any{"count": 3, "imageId": "ami-0bbbbbbbbbbbbbbbb"}))))
	environ := append(slices.Clone(pulumitest.LocalEnvironment), config.UpgradeVariable+"=web-002,web-003")
	resources, err := recorder.Run(t, pulumitest.Project, "test", false, New(stack, environ))
	require.NoError(t, err)
	for name, want := range map[string][]string{"web-001": {"ami", "userData", "userDataReplaceOnChange"}, "web-002": nil, "web-003": nil} {
		instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", "private-ec2-access-"+name+"-arm64")
		require.Equal(t, "ami-0bbbbbbbbbbbbbbbb", instance.Inputs["ami"])
		require.Equal(t, want, instance.IgnoreChanges, name)
	}
}
