package program

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/decide"
	"private-ec2-access/pulumitest"
)

// The quota of vCPUs is looked up for many instances of which one is new, and only
// then; what cannot be read is said, and stops nothing.
//
// It does not prove how many vCPUs the account's other instances use.
func TestQuotas_ManyInstances_NamedInThePreview(t *testing.T) {
	t.Parallel()
	fleet := func(count int) map[string]any { return fleetOf(map[string]any{"count": count}) }
	deployed, err := run(t, fleet(40), nil)
	require.NoError(t, err)
	quota := func(value float64, err error) func(map[string]any) (map[string]any, error) {
		return func(args map[string]any) (map[string]any, error) {
			require.Equal(t, "ec2", args["serviceCode"])
			require.Equal(t, "L-1216C47A", args["quotaCode"])
			return map[string]any{"value": value}, err
		}
	}
	for name, test := range map[string]struct {
		config  map[string]any
		quota   func(map[string]any) (map[string]any, error)
		state   lookups
		want    string
		warning bool
		asked   int
	}{
		"few":                {config: fleet(10)},
		"within":             {fleet(20), quota(64, nil), nil, "the stack's 20 instances need 40 vCPUs, of 64 that the account runs", false, 1},
		"over":               {fleet(40), quota(64, nil), nil, "the stack's 40 instances need 80 vCPUs, of 64 that the account runs", true, 1},
		"denied":             {fleet(40), quota(0, errors.New("AccessDeniedException: no")), nil, "is not known, because the quota L-1216C47A could not be read: AccessDeniedException: no", false, 1},
		"nothing new":        {config: fleet(40), state: stateWith(deployed)},
		"another quota":      {config: pulumitest.With(fleet(40), map[string]any{"instance.architecture": "x86_64", "instance.instanceType": "g4dn.xlarge"})},
		"one of them is new": {fleet(41), quota(64, nil), stateWith(deployed), "the stack's 41 instances need 82 vCPUs", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			replaced := lookups{"getServiceQuota": func(args map[string]any) (map[string]any, error) {
				asked++
				return test.quota(args)
			}}
			d, err := decisions(t, test.config, joined(replaced, test.state))
			require.NoError(t, err)
			require.Equal(t, test.asked, asked)
			if test.want == "" {
				require.NotContains(t, fmt.Sprint(d.Notices), "vCPU")
				return
			}
			said := func(n decide.Notice) bool { return n.Warning == test.warning && strings.Contains(n.Text, test.want) }
			require.True(t, slices.ContainsFunc(d.Notices, said), "%v", d.Notices)
			require.Regexp(t, `quotas: 2 of 60 rules of the security group in one direction, [0-9]+ of 6144 characters of the instance role's policy, 3 of 50 interface endpoints of the VPC`, fmt.Sprint(d.Notices))
		})
	}
}

// A security group with more rules than AWS allows by default is announced, and an
// instance policy that is too long is refused.
func TestQuotas_RulesAndPolicy_Named(t *testing.T) {
	t.Parallel()
	var ranges, locations []any
	for i := range 59 {
		ranges = append(ranges, fmt.Sprintf("10.99.%d.0/24", i))
	}
	for i := range 40 {
		locations = append(locations, fmt.Sprintf("s3://earlier-session-logs-of-this-stack-%02d/a/rather/long/prefix/of/the/year", i))
	}
	endpoints := func(ranges []any) map[string]any {
		return map[string]any{"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}, "endpoints.create": false, "endpoints.cidrBlocks": ranges}
	}
	routes := lookups{"getRouteTable": func(map[string]any) (map[string]any, error) {
		return map[string]any{"routeTableId": "rtb-1", "routes": []any{map[string]any{"cidrBlock": "10.0.0.0/8", "transitGatewayId": "tgw-1"}}}, nil
	}}
	d, err := decisions(t, endpoints(ranges), routes)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(d.Notices), "the security group needs 61 rules in one direction, and AWS allows 60 unless the quota was raised. To ask for more:\n"+
		"  aws service-quotas request-service-quota-increase --region us-east-2 --service-code vpc --quota-code L-0EA8095F --desired-value 61")
	d, err = decisions(t, endpoints(ranges[:58]), routes)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(d.Notices), "rules in one direction")

	_, err = decisions(t, map[string]any{"logging.earlierLocations": locations}, nil)
	require.ErrorContains(t, err, "logging.earlierLocations: the policy of the instance role may be longer than AWS takes")
}
