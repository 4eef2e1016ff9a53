package reach

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const core = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ssm:UpdateInstanceInformation","ssmmessages:*"]}]}`

// healthy is an instance with nothing wrong on its way.
func healthy() Facts {
	group := Group{
		Ingress: []Rule{{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"10.0.0.0/16"}}},
		Egress:  []Rule{{Protocol: "tcp", From: 443, To: 443, GroupIDs: []string{"sg-1"}}, {Protocol: "tcp", From: 443, To: 443, PrefixLists: []string{"pl-s3"}}},
	}
	endpoint := func(service string) Endpoint {
		return Endpoint{Service: service, ID: "vpce-" + service, Type: "Interface", State: "available", PrivateDNS: true,
			SubnetIDs: []string{"subnet-1"}, Groups: []string{"sg-1"},
			Policy: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"` + service + `:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"123"}}}}`}
	}
	return Facts{
		Stack: "dev", Region: "us-east-2", Account: "123", ExpectedProfile: "profile",
		Instance: Read[Instance]{Value: Instance{ID: "i-1", Name: "app", State: "running", Launched: now.Add(-time.Hour), Profile: "profile",
			VpcID: "vpc-1", SubnetID: "subnet-1", Address: "10.0.0.7", Groups: []string{"sg-1"}}},
		Role:     Read[string]{Value: "role"},
		Policies: Read[[]Policy]{Value: []Policy{{"core", core}}},
		Groups:   Read[map[string]Group]{Value: map[string]Group{"sg-1": group}},
		Subnets:  Read[map[string]string]{Value: map[string]string{"subnet-1": "10.0.0.0/24"}},
		Endpoints: Read[[]Endpoint]{Value: []Endpoint{
			endpoint("ssm"), endpoint("ssmmessages"), endpoint("ec2messages"), {Service: "s3", ID: "vpce-s3", Type: "Gateway", State: "available"},
		}},
		Network: Read[Network]{Value: Network{DNSSupport: true, DNSHostnames: true, DNSServers: Read[[]string]{Value: []string{"AmazonProvidedDNS"}}}},
		Routes:  Read[Table]{Value: Table{RouteTableID: "rtb-1", Routes: []Route{{"pl-s3", "vpce-s3"}}}},
		ACLs: Read[map[string]ACL]{Value: map[string]ACL{"subnet-1": {ID: "acl-1",
			Ingress: []ACLEntry{{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}}, Egress: []ACLEntry{{Number: 100, Protocol: "-1", Range: "0.0.0.0/0", Allow: true}}}}},
		S3:    Read[PrefixList]{Value: PrefixList{"pl-s3", []string{"52.219.80.0/20"}}},
		Agent: Read[Agent]{Value: Agent{Registered: true, PingStatus: "Online", Version: "3.3.1"}},
	}
}

func TestInstance_Healthy_NothingToFix(t *testing.T) {
	t.Parallel()
	d := Diagnose(healthy(), now)
	require.Nil(t, d.First())
	for _, c := range d.Checks {
		require.Equal(t, OK, c.Status, "%+v", c)
	}
}

// Each cause is the first thing to fix, named with its fix. The agent is silent in all of them, which is not the cause.
func TestDiagnose_OneThingMissing_FirstFixNamesIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil             func(*Facts)
		title, found, fix string
	}{
		"not known":                   {func(f *Facts) { f.Instance.Value.State, f.Unlisted = "", true }, "the instance runs", "EC2 knows no instance", "make status STACK=dev lists the instances"},
		"gone":                        {func(f *Facts) { f.Instance.Value.State = "" }, "the instance runs", "EC2 knows no instance", "make up STACK=dev"},
		"terminated":                  {func(f *Facts) { f.Instance.Value.State = "terminated" }, "the instance runs", "terminated", "make up STACK=dev"},
		"terminated, not the stack's": {func(f *Facts) { f.Instance.Value.State, f.Unlisted = "terminated", true }, "the instance runs", "terminated", "make status STACK=dev lists the instances"},
		"stopped":                     {func(f *Facts) { f.Instance.Value.State = "stopped" }, "the instance runs", "stopped", "aws ec2 start-instances --region us-east-2 --instance-ids i-1"},
		"no profile":                  {func(f *Facts) { f.Instance.Value.Profile = "" }, "it has an instance profile", "no instance profile", "--iam-instance-profile Name=profile"},
		"no role":                     {func(f *Facts) { f.Role.Value = "" }, "the profile holds a role", "empty", "make up STACK=dev"},
		"no policy":                   {func(f *Facts) { f.Policies.Value = nil }, "the role allows the agent's calls", "ssm:UpdateInstanceInformation, ssmmessages:CreateControlChannel", "attach-role-policy --role-name role --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
		"a part of the policy": {func(f *Facts) {
			f.Policies.Value = []Policy{{"own", `{"Statement":[{"Effect":"Allow","Resource":["*"],"Action":"ssm:Update*"}]}`}}
		}, "the role allows the agent's calls", "do not allow ssmmessages:CreateControlChannel", "attach-role-policy"},
		"denied": {func(f *Facts) {
			f.Policies.Value = append(f.Policies.Value, Policy{"deny", `{"Statement":{"Effect":"Deny","Resource":"*","Action":"ssm:*"}}`})
		}, "the role allows the agent's calls", "ssm:UpdateInstanceInformation", "attach-role-policy"},
		"no endpoint":           {func(f *Facts) { f.Endpoints.Value = f.Endpoints.Value[1:] }, "endpoint ssm", "there is none in vpc-1", "make up STACK=dev"},
		"endpoint failed":       {func(f *Facts) { f.Endpoints.Value[1].State = "failed" }, "endpoint ssmmessages", "failed", "make up"},
		"endpoint rejected":     {func(f *Facts) { f.Endpoints.Value[0].State = "rejected" }, "endpoint ssm", "rejected", "make up"},
		"private DNS off":       {func(f *Facts) { f.Endpoints.Value[0].PrivateDNS = false }, "endpoint ssm", "private DNS off", "--vpc-endpoint-id vpce-ssm --private-dns-enabled"},
		"endpoint in no subnet": {func(f *Facts) { f.Endpoints.Value[0].SubnetIDs = nil }, "endpoint ssm", "no subnet", "--add-subnet-ids subnet-1"},
		"endpoint policy": {func(f *Facts) {
			f.Endpoints.Value[1].Policy = `{"Statement":[{"Effect":"Allow","Action":"ssmmessages:Create*","Resource":"*"}]}`
		}, "endpoint ssmmessages", "does not allow ssmmessages:OpenControlChannel", "--reset-policy"},
		"no egress": {func(f *Facts) {
			g := f.Groups.Value["sg-1"]
			g.Egress = []Rule{{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"192.168.0.0/16"}}}
			f.Groups.Value["sg-1"] = g
		}, "endpoint ssm", "lets no HTTPS out", "authorize-security-group-egress --region us-east-2 --group-id sg-1"},
		"egress on another port": {func(f *Facts) {
			g := f.Groups.Value["sg-1"]
			g.Egress[0].From, g.Egress[0].To = 80, 80
			f.Groups.Value["sg-1"] = g
		}, "endpoint ssm", "lets no HTTPS out", "authorize-security-group-egress"},
		"no ingress": {func(f *Facts) {
			g := f.Groups.Value["sg-1"]
			g.Ingress = nil
			f.Groups.Value["sg-1"] = g
		}, "endpoint ssm", "lets no HTTPS in", "authorize-security-group-ingress"},
		"no egress to S3": {func(f *Facts) {
			g := f.Groups.Value["sg-1"]
			g.Egress = g.Egress[:1]
			f.Groups.Value["sg-1"] = g
		}, "HTTPS reaches S3, for session logs", "lets no HTTPS out to S3", "--ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{PrefixListId=pl-s3}]'"},
		"no DNS":           {func(f *Facts) { f.Network.Value.DNSSupport = false }, "the VPC resolves names", "enableDnsSupport", "--vpc-id vpc-1 --enable-dns-support"},
		"no DNS names":     {func(f *Facts) { f.Network.Value.DNSHostnames = false }, "the VPC resolves names", "enableDnsHostnames", "--enable-dns-hostnames"},
		"no DNS servers":   {func(f *Facts) { f.Network.Value.DNSServers.Value = nil }, "the VPC resolves names", "no DNS server", "Values=AmazonProvidedDNS\naws ec2 associate-dhcp-options --region us-east-2 --dhcp-options-id DHCP_OPTIONS --vpc-id vpc-1"},
		"no route to S3":   {func(f *Facts) { f.Routes.Value.Routes = nil }, "the subnet has a route to S3, for session logs", "no route to vpce-s3", "--add-route-table-ids rtb-1"},
		"no gateway":       {func(f *Facts) { f.Endpoints.Value = f.Endpoints.Value[:3] }, "the subnet has a route to S3, for session logs", "no gateway endpoint", "make up"},
		"agent lost":       {func(f *Facts) { f.Agent.Value.LastPing = now.Add(-3 * time.Hour) }, "the agent reports", "connection lost; its last ping was 3 hours ago", "reboot-instances"},
		"agent never came": {func(f *Facts) { f.Agent.Value = Agent{} }, "the agent reports", "never reported", "reboot-instances"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			f.Agent.Value.PingStatus = "ConnectionLost"
			test.spoil(&f)
			first := Diagnose(f, now).First()
			require.NotNil(t, first)
			require.Equal(t, test.title, first.Title, "%+v", first)
			require.Contains(t, first.Found, test.found)
			require.Contains(t, first.Fix, test.fix)
			for line := range strings.SplitSeq(first.Fix, "\n") {
				require.Regexp(t, `^(make|aws) `, line, "a command to be pasted")
				require.NotContains(t, line, ", ", "a command has no sentence in it")
				require.NotRegexp(t, `^[^']*[\[{]`, line, "zsh would look for files")
			}
		})
	}
}

// What does not decide is not called missing.
func TestInstance_UnreadableFact_CannotTell(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		doubt        func(*Facts)
		title, found string
	}{
		"not readable": {func(f *Facts) { f.Policies.Problem = "iam:ListAttachedRolePolicies was refused" }, "the role allows the agent's calls", "iam:ListAttachedRolePolicies"},
		"a boundary":   {func(f *Facts) { f.Boundary = true }, "the role allows the agent's calls", "permissions boundary"},
		"a condition": {func(f *Facts) {
			f.Policies.Value[0].Document = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}}`
		}, "the role allows the agent's calls", "conditions"},
		"a resource": {func(f *Facts) {
			f.Policies.Value[0].Document = `{"Statement":{"Effect":"Allow","NotAction":"s3:*","Resource":"arn:x"}}`
		}, "the role allows the agent's calls", "conditions or resources"},
		"not a policy": {func(f *Facts) { f.Policies.Value[0].Document = `?` }, "the role allows the agent's calls", "decide"},
		"an internet route": {func(f *Facts) {
			f.Endpoints.Value = f.Endpoints.Value[1:]
			f.Routes.Value.Routes = []Route{{"0.0.0.0/0", "nat-1"}}
		}, "endpoint ssm", "nat-1"},
		"pending": {func(f *Facts) { f.Endpoints.Value[0].State = "pending" }, "endpoint ssm", "still being created"},
		"a part": {func(f *Facts) {
			g := f.Groups.Value["sg-1"]
			g.Egress = []Rule{{Protocol: "-1", Ranges: []string{"10.0.0.0/25"}}, g.Egress[1]}
			f.Groups.Value["sg-1"] = g
		}, "endpoint ssm", "a part of the addresses"},
		"another's":     {func(f *Facts) { f.Account = "999" }, "endpoint ssm", "conditions"},
		"just launched": {func(f *Facts) { f.Agent.Value = Agent{}; f.Instance.Value.Launched = now.Add(-time.Minute) }, "the agent reports", "60 seconds ago"},
		"starting":      {func(f *Facts) { f.Agent.Value = Agent{}; f.Instance.Value.State = "pending" }, "the instance runs", "starting"},
		"old agents":    {func(f *Facts) { f.Endpoints.Value = append(f.Endpoints.Value[:2:2], f.Endpoints.Value[3]) }, "endpoint ec2messages", "3.3.40.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			test.doubt(&f)
			d := Diagnose(f, now)
			require.Nil(t, d.First(), "%+v", d.First())
			for _, c := range d.Checks {
				if c.Title == test.title {
					require.Equal(t, Unknown, c.Status)
					require.Contains(t, c.Found, test.found)
					return
				}
			}
			t.Fatalf("no check %q", test.title)
		})
	}
}

// EC2 shows rules of one protocol and port as one, with the members' group and S3's prefix list in it.
func TestInstance_EgressRulesShownAsOne_ReachTheEndpoints(t *testing.T) {
	t.Parallel()
	f := healthy()
	g := f.Groups.Value["sg-1"]
	g.Egress = []Rule{{Protocol: "tcp", From: 443, To: 443, GroupIDs: []string{"sg-1"}, PrefixLists: []string{"pl-s3"}}}
	f.Groups.Value["sg-1"] = g
	d := Diagnose(f, now)
	require.Nil(t, d.First(), "%+v", d.First())
}
