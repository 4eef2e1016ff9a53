package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/decide"
	"private-ec2-access/pulumitest"
)

// A data volume and its attachment come beside an instance, in the zone of its
// subnet, also in an existing VPC. Adding one registers nothing else differently.
//
// It does not prove that the instance's system sees the device.
func TestDataVolumes_Added_OnlyTheirOwnResources(t *testing.T) {
	t.Parallel()
	volumes := []any{map[string]any{"device": "/dev/sdf", "size": 100}, map[string]any{"device": "xvdg", "size": 500, "type": "st1"}}
	for name, c := range map[string]struct {
		more map[string]any
		zone string
	}{
		"own VPC":      {nil, "us-east-2b"},
		"existing VPC": {map[string]any{"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0cccccccccccccccc", "subnet-0aaaaaaaaaaaaaaaa"}}, "us-east-2a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := func(volumes []any) map[string]any {
				web := map[string]any{"count": 2}
				if volumes != nil {
					web["dataVolumes"] = volumes
				}
				return pulumitest.With(fleetOf(web), c.more)
			}
			before, err := run(t, with(nil), nil)
			require.NoError(t, err)
			after, err := run(t, with(volumes), stateWith(before))
			require.NoError(t, err)
			var want []string
			for _, instance := range []string{"web-001", "web-002"} {
				for _, device := range []string{"sdf", "xvdg"} {
					name := "private-ec2-access-" + instance + "-data-" + device
					want = append(want, name, name)
				}
			}
			require.ElementsMatch(t, want, differing(t, before, after))

			volume := pulumitest.Find(t, after, "aws:ebs/volume:Volume", "private-ec2-access-web-002-data-xvdg")
			require.Equal(t, c.zone, volume.Inputs["availabilityZone"])
			require.Equal(t, true, volume.Inputs["encrypted"])
			require.Equal(t, "st1", volume.Inputs["type"])
			require.Equal(t, 500.0, volume.Inputs["size"])
			require.Equal(t, "private-ec2-access-test-web-002-data-xvdg", volume.Inputs["tags"].(map[string]any)["Name"])
			attachment := pulumitest.Find(t, after, "aws:ec2/volumeAttachment:VolumeAttachment", "private-ec2-access-web-002-data-xvdg")
			require.Equal(t, "xvdg", attachment.Inputs["deviceName"])
			require.Equal(t, true, attachment.Inputs["stopInstanceBeforeDetaching"])
		})
	}
}

// An update that would lose data is refused where another key causes it, and
// announced where the config no longer has the volume.
func TestDataVolumes_UpdateLosesData_RefusedOrAnnounced(t *testing.T) {
	t.Parallel()
	volume := map[string]any{"dataVolumes": []any{map[string]any{"device": "/dev/sdf", "size": 100}}}
	stack := func(app, web map[string]any) map[string]any {
		return map[string]any{"instances": map[string]any{"app": app}, "fleets": map[string]any{"web": pulumitest.With(map[string]any{"count": 2}, web)}}
	}
	whole := stack(volume, volume)
	before, err := run(t, whole, nil)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		config           map[string]any
		announced, fails string
	}{
		"nothing changes": {config: whole},
		"instance removed": {config: pulumitest.With(whole, map[string]any{"instances": map[string]any{}}),
			announced: "app: the update deletes data volumes with all data: /dev/sdf. To keep the data, create snapshots first"},
		"fleet shrinks": {config: stack(volume, pulumitest.With(volume, map[string]any{"count": 1})), announced: "web-002: the update deletes data volumes"},
		"volume removed, instance moved": {config: stack(map[string]any{"subnetIndex": 1}, volume),
			announced: "app: the update deletes data volumes with all data: /dev/sdf."},
		"instance moved": {config: stack(pulumitest.With(volume, map[string]any{"subnetIndex": 1}), volume),
			fails: "instances.app.dataVolumes: instances move to another zone, where their data volumes cannot follow\n     app from us-east-2a to us-east-2b"},
		"fleet loses a zone": {config: pulumitest.With(whole, map[string]any{"network.availabilityZoneCount": 1}),
			fails: "fleets.web.dataVolumes: instances move to another zone, where their data volumes cannot follow\n     web-002 from us-east-2b to us-east-2a"},
		"existing VPC in the same zones": {config: pulumitest.With(whole, map[string]any{
			"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"},
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := decisions(t, test.config, stateWith(before))
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			if test.announced == "" {
				require.NotContains(t, fmt.Sprint(d.Notices), "data volume")
				return
			}
			require.True(t, slices.ContainsFunc(d.Notices, func(n decide.Notice) bool { return n.Warning && strings.Contains(n.Text, test.announced) }), "%v", d.Notices)
		})
	}
}

// What replaces an instance leaves its data volumes as they are.
func TestDataVolumes_InstanceReplaced_VolumesStay(t *testing.T) {
	t.Parallel()
	app := func(more map[string]any) map[string]any {
		return map[string]any{"instances": map[string]any{"app": pulumitest.With(map[string]any{"dataVolumes": []any{map[string]any{"device": "/dev/sdf", "size": 100}}}, more)}}
	}
	before, err := run(t, app(nil), nil)
	require.NoError(t, err)
	for _, more := range []map[string]any{
		{"architecture": "x86_64", "instanceType": "t3.nano"}, {"imageId": "ami-0bbbbbbbbbbbbbbbb"}, {"userData": "#!/bin/sh\n"}, {"volumeSize": 20}, {"tags": map[string]any{"a": "b"}}, {"subnetIndex": 1},
	} {
		after, err := run(t, app(more), nil) // without a state, which a moved instance would be refused by
		require.NoError(t, err)
		require.NotEmpty(t, differing(t, before, after))
		for _, resources := range [][]pulumitest.Resource{before, after} {
			volume := pulumitest.Find(t, resources, "aws:ebs/volume:Volume", "private-ec2-access-app-data-sdf")
			inputs := maps.Clone(volume.Inputs)
			delete(inputs, "availabilityZone")
			require.Equal(t, map[string]any{"encrypted": true, "size": 100.0, "type": "gp3", "tags": volume.Inputs["tags"]}, inputs)
			require.Equal(t, []string{"availabilityZone"}, volume.IgnoreChanges)
		}
	}
}
