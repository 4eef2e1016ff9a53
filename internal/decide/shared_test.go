package decide_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/reach"
)

// sharedVPC has the stack that owns the endpoint of each service.
type sharedVPC map[string]string

// update decides what an update of a stack creates and uses there, and does it.
func (v sharedVPC) update(t *testing.T, stack string) decide.Decisions {
	t.Helper()
	a := clean()
	a.facts.Stack, a.config.Endpoints.EC2Messages = stack, "never"
	f := &a.facts
	f.Endpoints, f.Groups, f.Subnets = map[string]decide.Endpoint{}, map[string]reach.Group{}, map[string]decide.Subnet{}
	for _, subnet := range f.Network.Subnets {
		f.Subnets[subnet.ID] = subnet
	}
	for service, owner := range v {
		own := owner == f.Owner()
		switch {
		case service == endpoint.S3 && own:
			f.OwnGateway = true
			continue
		case service == endpoint.S3:
			f.S3Tables = f.Network.RouteTableIDs
		case own:
			f.Deployed.ARNs, f.Deployed.VPCs = []string{"arn:aws:ec2:us-east-2:111122223333:security-group/sg-" + stack}, []string{vpc}
		}
		f.Groups["sg-"+owner] = reach.Group{Ingress: []reach.Rule{{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"10.1.0.0/16"}}}}
		f.Endpoints[service] = decide.Endpoint{Owner: owner, Own: own, Endpoint: reach.Endpoint{
			Service: service, ID: "vpce-" + service, State: "available", PrivateDNS: service != endpoint.S3,
			SubnetIDs: []string{subnetA, subnetB, subnetC}, Groups: []string{"sg-" + owner},
		}}
	}
	d, err := decide.Decide(&a.config, a.facts)
	require.NoError(t, err)
	for _, n := range d.Notices {
		require.False(t, n.Warning, n.Text)
	}
	created := slices.Clone(d.Services)
	if len(d.GatewayTables) > 0 {
		created = append(created, endpoint.S3)
	}
	for _, service := range created {
		require.Contains(t, []string{"", f.Owner()}, v[service], "a second endpoint for %s", service)
		v[service] = f.Owner()
	}
	return d
}

// destroy deletes what the stack owns.
func (v sharedVPC) destroy(stack string) {
	maps.DeleteFunc(v, func(_, owner string) bool { return owner == "private-ec2-access/"+stack })
}

// Two stacks in one VPC: the first creates the endpoints and keeps them, the second uses them, and creates its own when the
// first is gone. It does not matter which of the two is the first.
func TestEndpoints_TwoStacksInOneVPC_OneEndpointForEachService(t *testing.T) {
	t.Parallel()
	for _, order := range [][2]string{{"blue", "green"}, {"green", "blue"}} {
		first, second := order[0], order[1]
		v := sharedVPC{}
		all := func(stack string) sharedVPC {
			owner := "private-ec2-access/" + stack
			return sharedVPC{"ssm": owner, "ssmmessages": owner, endpoint.S3: owner}
		}
		creates := func(stack string) {
			t.Helper()
			d := v.update(t, stack)
			require.Equal(t, []string{"ssm", "ssmmessages"}, d.Services)
			require.Equal(t, []string{"rtb-1", "rtb-2"}, d.GatewayTables)
			require.Empty(t, d.UsedEndpoints)
			require.Empty(t, d.EndpointRanges)
		}
		uses := func(stack string) {
			t.Helper()
			d := v.update(t, stack)
			require.Empty(t, d.Services)
			require.Empty(t, d.GatewayTables)
			require.Equal(t, map[string]string{"ssm": "vpce-ssm", "ssmmessages": "vpce-ssmmessages", endpoint.S3: "vpce-s3"}, d.UsedEndpoints)
			require.Equal(t, []string{"10.1.0.0/24", "10.1.1.0/24", "10.1.2.0/24"}, d.EndpointRanges)
		}
		creates(first)
		uses(second)
		creates(first) // it keeps its own
		uses(second)
		require.Equal(t, all(first), v)

		v.destroy(second) // of the stack that only uses them
		require.Equal(t, all(first), v)
		uses(second)

		v.destroy(first) // of the one that owns them
		require.Empty(t, v)
		creates(second)
		uses(first)
		v.destroy(second)
		creates(first)
		require.Equal(t, all(first), v)
	}
}
