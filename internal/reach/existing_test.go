package reach

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func checkOf(t *testing.T, d Diagnosis, title string) Check {
	t.Helper()
	at := slices.IndexFunc(d.Checks, func(c Check) bool { return strings.HasPrefix(c.Title, title) })
	require.GreaterOrEqual(t, at, 0, "no check %q", title)
	return d.Checks[at]
}

// An instance of a second stack reaches the endpoints of the first by the CIDR
// rules of both groups, and an instance of neither by that of the endpoints.
func TestDiagnose_EndpointsOfAnotherGroup_ReachedByCidrRules(t *testing.T) {
	t.Parallel()
	shared := func() Facts {
		f := healthy()
		f.Instance.Value.Groups = []string{"sg-2"}
		f.Groups.Value["sg-2"] = Group{Egress: []Rule{{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"10.0.0.0/24"}}}}
		return f
	}
	require.Equal(t, OK, checkOf(t, Diagnose(shared(), now), "endpoint ssm").Status)

	for name, c := range map[string]struct {
		spoil      func(*Facts)
		found, fix string
	}{
		"its own egress blocks 443": {
			func(f *Facts) {
				f.Groups.Value["sg-2"] = Group{Egress: []Rule{{Protocol: "tcp", From: 80, To: 80, Ranges: []string{"0.0.0.0/0"}}}}
			},
			"the instance's group sg-2 lets no HTTPS out", "authorize-security-group-egress --region us-east-2 --group-id sg-2",
		},
		"the endpoints' group has no CIDR rule": {
			func(f *Facts) {
				f.Groups.Value["sg-1"] = Group{Ingress: []Rule{{Protocol: "-1", GroupIDs: []string{"sg-1"}}}}
			},
			"the group sg-1 of vpce-ssm lets no HTTPS in", "authorize-security-group-ingress --region us-east-2 --group-id sg-1",
		},
		"the other stack was destroyed": {
			func(f *Facts) { f.Endpoints.Value = nil }, "there is none in vpc-1", "make up STACK=dev",
		},
	} {
		f := shared()
		c.spoil(&f)
		check := checkOf(t, Diagnose(f, now), "endpoint ssm")
		require.Equal(t, Missing, check.Status, name)
		require.Contains(t, check.Found, c.found, name)
		require.Contains(t, check.Fix, c.fix, name)
	}
}

// Of several endpoints for a service, the one with private DNS counts, and of
// several gateways the one on the subnet's route table.
func TestDiagnose_SeveralEndpoints_TheOneInUseJudged(t *testing.T) {
	t.Parallel()
	f := healthy()
	f.Endpoints.Value = slices.Concat(
		[]Endpoint{{Service: "ssm", ID: "vpce-plain", Type: "Interface", State: "available"}, {Service: "s3", ID: "vpce-before", Type: "Gateway", State: "available"}},
		f.Endpoints.Value,
		[]Endpoint{{Service: "s3", ID: "vpce-after", Type: "Gateway", State: "available"}},
	)
	d := Diagnose(f, now)
	require.Equal(t, OK, checkOf(t, d, "endpoint ssm").Status)
	require.Equal(t, "rtb-1 leads to vpce-s3", checkOf(t, d, "the subnet has a route to S3").Found)
	require.Nil(t, d.First())
}

func TestDiagnose_EndpointsOfCentralVPC_WayThereJudged(t *testing.T) {
	t.Parallel()
	central := func() Facts {
		f := healthy()
		f.Endpoints.Value, f.Elsewhere = nil, []string{"10.99.0.0/16"}
		f.Groups.Value["sg-1"] = Group{Egress: []Rule{{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"10.99.0.0/16"}}}}
		f.Routes.Value.Routes = append(f.Routes.Value.Routes, Route{"10.0.0.0/8", "tgw-1"})
		return f
	}
	check := checkOf(t, Diagnose(central(), now), "endpoint ssm")
	require.Equal(t, Unknown, check.Status)
	require.Contains(t, check.Found, "which cannot be seen from here")

	noRule, noRoute := central(), central()
	noRule.Groups.Value["sg-1"] = Group{}
	noRoute.Routes.Value.Routes = []Route{{"10.99.1.0/24", "tgw-1"}, {"pl-s3", "vpce-s3"}}
	check = checkOf(t, Diagnose(noRule, now), "endpoint ssm")
	require.Equal(t, Missing, check.Status)
	require.Equal(t, "aws ec2 authorize-security-group-egress --region us-east-2 --group-id sg-1 --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.99.0.0/16}]'", check.Fix)
	check = checkOf(t, Diagnose(noRoute, now), "endpoint ssm")
	require.Equal(t, Missing, check.Status)
	require.Contains(t, check.Fix, "create-route")

	// The central VPC may have S3's endpoint as well. No update creates a gateway endpoint here.
	d := Diagnose(central(), now)
	check = checkOf(t, d, "the subnet has a route to S3")
	require.Equal(t, Check{check.Title, Unknown, "there is no gateway endpoint for S3 in vpc-1; by the stack's config it may be in 10.99.0.0/16 of another VPC, which cannot be seen from here", ""}, check)
}

func TestDiagnoseLog_EndpointsOfCentralVPC_CannotTell(t *testing.T) {
	t.Parallel()
	f := recording()
	f.Endpoints.Value, f.Elsewhere, f.Routes.Value.Routes = nil, []string{"10.99.0.0/16"}, []Route{{"10.99.0.0/16", "tgw-1"}}
	d := DiagnoseLog(f)
	require.Nil(t, d.First(), "%+v", d.First())
	for title, found := range map[string]string{
		"the subnet has a route to S3": "there is no gateway endpoint for S3 in vpc-1; by the stack's config it may be in 10.99.0.0/16 of another VPC, which cannot be seen from here",
		"endpoint logs":                "there is none in vpc-1; by the stack's config it may be in 10.99.0.0/16 of another VPC, which cannot be seen from here",
	} {
		check := checkOf(t, d, title)
		require.Equal(t, Check{check.Title, Unknown, found, ""}, check)
	}
}

// Without the addresses of S3, only rules and entries for every address, or a rule for its prefix list, decide.
func TestDiagnose_AddressesOfS3Unknown_OnlyRulesForAllDecide(t *testing.T) {
	t.Parallel()
	deny := ACLEntry{Number: 50, Protocol: "-1", Range: "52.219.80.0/20"}
	for name, c := range map[string]struct {
		egress Rule
		denied bool // some addresses, by the network ACL
		want   Status
	}{
		"the prefix list":      {Rule{Protocol: "tcp", From: 443, To: 443, PrefixLists: []string{"pl-s3"}}, false, OK},
		"every address":        {Rule{Protocol: "-1", Ranges: []string{"0.0.0.0/0"}}, false, OK},
		"some addresses":       {Rule{Protocol: "-1", Ranges: []string{"52.0.0.0/8"}}, false, Unknown},
		"another port":         {Rule{Protocol: "tcp", From: 80, To: 80, Ranges: []string{"0.0.0.0/0"}}, false, Missing},
		"a network ACL denies": {Rule{Protocol: "-1", Ranges: []string{"0.0.0.0/0"}}, true, Unknown},
	} {
		f := healthy()
		f.S3.Value.Ranges = nil
		f.group(func(g *Group) { g.Egress = []Rule{c.egress} })
		if c.denied {
			acl := f.ACLs.Value["subnet-1"]
			acl.Egress = append([]ACLEntry{deny}, acl.Egress...)
			f.ACLs.Value["subnet-1"] = acl
		}
		require.Equal(t, c.want, checkOf(t, Diagnose(f, now), "HTTPS reaches S3").Status, name)
	}
}
