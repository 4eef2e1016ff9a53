package network_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/network"
)

func TestSubnets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vpc   string
		count int
		want  []string
	}{
		{"10.20.0.0/16", 2, []string{"10.20.0.0/24", "10.20.1.0/24"}},
		{"10.20.0.0/24", 2, []string{"10.20.0.0/25", "10.20.0.128/25"}},
		{"10.20.0.0/24", 3, []string{"10.20.0.0/26", "10.20.0.64/26", "10.20.0.128/26"}},
		{"10.20.0.0/28", 1, []string{"10.20.0.0/28"}},
		{"10.20.0.192/27", 2, []string{"10.20.0.192/28", "10.20.0.208/28"}},
	} {
		got, err := network.Subnets(c.vpc, c.count)
		require.NoError(t, err, c.vpc)
		require.Equal(t, c.want, got, c.vpc)
	}
}

func TestSubnets_Impossible_Refused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vpc   string
		count int
		want  string
	}{
		{"ten", 2, "not an IPv4 range in CIDR notation"},
		{"fd00::/56", 2, "not an IPv4 range"},
		{"10.20.0.1/16", 2, "it has host bits set; the CIDR block is 10.20.0.0/16"},
		{"10.0.0.0/8", 2, "a VPC must be between /16 and /28"},
		{"10.0.0.0/30", 1, "a VPC must be between /16 and /28"},
		{"10.0.0.0/28", 2, "too small for 2 subnets of at least /28 each"},
		{"10.0.0.0/27", 3, "too small for 3 subnets of at least /28 each"},
		{"10.0.0.0/16", 0, "it is to be cut into 0 subnets"},
	} {
		_, err := network.Subnets(c.vpc, c.count)
		require.EqualError(t, err, c.want, c.vpc)
	}
}
