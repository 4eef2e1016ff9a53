package reach_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/reach"
)

func TestLeavesVPC(t *testing.T) {
	t.Parallel()
	for route, leaves := range map[reach.Route]bool{
		{Destination: "10.0.0.0/16", Target: "local"}:            false,
		{Destination: "pl-63a5400a", Target: "vpce-0123"}:        false,
		{Destination: "0.0.0.0/0", Target: "vpce-0123"}:          true, // Gateway Load Balancer
		{Destination: "0.0.0.0/0", Target: "igw-0123"}:           true,
		{Destination: "::/0", Target: "eigw-0123"}:               true,
		{Destination: "0.0.0.0/0", Target: "nat-0123"}:           true,
		{Destination: "10.9.0.0/16", Target: "pcx-0123"}:         true,
		{Destination: "10.9.0.0/16", Target: "tgw-0123"}:         true,
		{Destination: "10.9.0.0/16", Target: "vgw-0123"}:         true,
		{Destination: "pl-63a5400a", Target: "tgw-0123"}:         true,
		{Destination: "0.0.0.0/0", Target: "eni-0123"}:           true,
		{Destination: "10.9.0.0/16", Target: ""}:                 true,
		{Destination: "10.9.0.0/16", Target: "something-unseen"}: true,
	} {
		require.Equal(t, leaves, route.LeavesVPC(), "%+v", route)
		require.Equal(t, leaves, reach.Table{Routes: []reach.Route{{Target: "local"}, route}}.LeavesVPC())
	}
}
