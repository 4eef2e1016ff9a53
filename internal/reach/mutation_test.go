package reach

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deployed is a stack as it is deployed, with network ACLs of the account's that let pass only what sessions need: an
// instance in one of two subnets, and endpoints in both.
func deployed() Facts {
	https := func(r Rule) Rule { r.Protocol, r.From, r.To = "tcp", 443, 443; return r }
	statement := func(actions ...string) string {
		text, _ := json.Marshal(map[string]any{"Statement": []any{map[string]any{
			"Effect": "Allow", "Principal": "*", "Resource": "*", "Action": actions, "Condition": map[string]any{"StringEquals": map[string]any{"aws:PrincipalAccount": "123"}},
		}}})
		return string(text)
	}
	service := func(name string, actions ...string) Endpoint {
		return Endpoint{Service: name, ID: "vpce-" + name, Type: "Interface", State: "available", PrivateDNS: true,
			SubnetIDs: []string{"subnet-1", "subnet-2"}, Groups: []string{"sg-1"}, Policy: statement(actions...)}
	}
	open := func(number, from, to int, block string) ACLEntry {
		return ACLEntry{Number: number, Protocol: "6", From: from, To: to, Range: block, Allow: true}
	}
	// Both directions of both subnets: requests and answers between the subnets, requests to S3 and its answers.
	entries := func(other string) ([]ACLEntry, []ACLEntry) {
		return []ACLEntry{open(10, 443, 443, other), open(20, 1024, 65535, other), open(30, 1024, 65535, "52.219.80.0/20")},
			[]ACLEntry{open(10, 443, 443, other), open(20, 1024, 65535, other), open(30, 443, 443, "52.219.80.0/20")}
	}
	acl := func(id, other string) ACL {
		in, out := entries(other)
		return ACL{ID: id, Ingress: in, Egress: out}
	}
	role, _ := json.Marshal(map[string]any{"Statement": []any{map[string]any{"Effect": "Allow", "Resource": "*", "Action": needed()}}})
	return Facts{
		Stack: "dev", Region: "us-east-2", Account: "123", ExpectedProfile: "profile",
		Instance: Read[Instance]{Value: Instance{ID: "i-1", Name: "app", State: "running", Launched: now.Add(-time.Hour), Profile: "profile",
			VpcID: "vpc-1", SubnetID: "subnet-1", Address: "10.0.1.7", Groups: []string{"sg-1"}}},
		Role: Read[string]{Value: "role"}, Policies: Read[[]Policy]{Value: []Policy{{"core", string(role)}}},
		Groups: Read[map[string]Group]{Value: map[string]Group{"sg-1": {
			Ingress: []Rule{{Protocol: "-1", GroupIDs: []string{"sg-1"}}, https(Rule{Ranges: []string{"10.0.0.0/16"}})},
			Egress:  []Rule{https(Rule{GroupIDs: []string{"sg-1"}}), https(Rule{PrefixLists: []string{"pl-s3"}})},
		}}},
		Subnets: Read[map[string]string]{Value: map[string]string{"subnet-1": "10.0.1.0/24", "subnet-2": "10.0.2.0/24"}},
		Endpoints: Read[[]Endpoint]{Value: []Endpoint{
			service("ssm", "ssm:UpdateInstanceInformation"),
			service("ssmmessages", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
			{Service: "s3", ID: "vpce-s3", Type: "Gateway", State: "available", RouteTableIDs: []string{"rtb-1"}},
		}},
		Network: Read[Network]{Value: Network{DNSSupport: true, DNSHostnames: true, CidrBlock: "10.0.0.0/16", Ranges: []string{"10.0.0.0/16", "2001:db8::/56"},
			DNSServers: Read[[]string]{Value: []string{"AmazonProvidedDNS"}}}},
		Routes: Read[Table]{Value: Table{SubnetID: "subnet-1", RouteTableID: "rtb-1", Routes: []Route{{"10.0.0.0/16", "local"}, {"pl-s3", "vpce-s3"}}}},
		ACLs:   Read[map[string]ACL]{Value: map[string]ACL{"subnet-1": acl("acl-1", "10.0.2.0/24"), "subnet-2": acl("acl-2", "10.0.1.0/24")}},
		S3:     Read[PrefixList]{Value: PrefixList{"pl-s3", []string{"52.219.80.0/20"}}},
		Agent:  Read[Agent]{Value: Agent{Registered: true, PingStatus: "Online", Version: "3.3.1"}},
	}
}

func (f *Facts) group(change func(*Group)) {
	g := f.Groups.Value["sg-1"]
	change(&g)
	f.Groups.Value["sg-1"] = g
}

type mutation struct {
	name   string
	mutate func(*Facts)
}

// taken are all deployed facts that something needs, each taken by itself.
func taken() (all []mutation) {
	add := func(name string, mutate func(*Facts)) { all = append(all, mutation{name, mutate}) }
	base := deployed()
	for i := range base.Groups.Value["sg-1"].Egress {
		add(fmt.Sprintf("egress rule %d", i), func(f *Facts) { f.group(func(g *Group) { g.Egress = slices.Delete(slices.Clone(g.Egress), i, i+1) }) })
	}
	add("both ingress rules", func(f *Facts) { f.group(func(g *Group) { g.Ingress = nil }) })
	add("the instance's group", func(f *Facts) { f.Instance.Value.Groups = []string{"sg-2"} })
	for i, e := range base.Endpoints.Value {
		add("endpoint "+e.Service, func(f *Facts) { f.Endpoints.Value = slices.Delete(slices.Clone(f.Endpoints.Value), i, i+1) })
		if e.Type == "Gateway" {
			continue
		}
		add("private DNS of "+e.Service, func(f *Facts) { f.Endpoints.Value[i].PrivateDNS = false })
		add("subnets of "+e.Service, func(f *Facts) { f.Endpoints.Value[i].SubnetIDs = nil })
		add("group of "+e.Service, func(f *Facts) { f.Endpoints.Value[i].Groups = []string{"sg-2"} })
		for _, action := range needed() {
			if strings.Contains(e.Policy, action) {
				add("endpoint policy: "+action, func(f *Facts) {
					f.Endpoints.Value[i].Policy = strings.ReplaceAll(f.Endpoints.Value[i].Policy, action, "x:y")
				})
			}
		}
	}
	for _, action := range needed() {
		add("role policy: "+action, func(f *Facts) {
			f.Policies.Value = []Policy{{"core", strings.ReplaceAll(f.Policies.Value[0].Document, action, "x:y")}}
		})
	}
	add("route to S3", func(f *Facts) { f.Routes.Value.Routes = f.Routes.Value.Routes[:1] })
	for subnet, acl := range base.ACLs.Value {
		for i := range acl.Ingress {
			if subnet == "subnet-2" && i != 0 {
				continue // the endpoints' subnet takes requests; nothing there starts a connection
			}
			if subnet == "subnet-1" && i == 0 {
				continue // and the instance's takes answers
			}
			add(fmt.Sprintf("%s: entry %d in", acl.ID, acl.Ingress[i].Number), func(f *Facts) {
				a := f.ACLs.Value[subnet]
				a.Ingress = slices.Delete(slices.Clone(a.Ingress), i, i+1)
				f.ACLs.Value[subnet] = a
			})
		}
		for i := range acl.Egress {
			if subnet == "subnet-2" && i != 1 || subnet == "subnet-1" && i == 1 {
				continue
			}
			add(fmt.Sprintf("%s: entry %d out", acl.ID, acl.Egress[i].Number), func(f *Facts) {
				a := f.ACLs.Value[subnet]
				a.Egress = slices.Delete(slices.Clone(a.Egress), i, i+1)
				f.ACLs.Value[subnet] = a
			})
		}
	}
	add("enableDnsSupport", func(f *Facts) { f.Network.Value.DNSSupport = false })
	add("enableDnsHostnames", func(f *Facts) { f.Network.Value.DNSHostnames = false })
	add("DNS servers", func(f *Facts) { f.Network.Value.DNSServers.Value = nil })
	add("instance profile", func(f *Facts) { f.Instance.Value.Profile = "" })
	add("role", func(f *Facts) { f.Role.Value = "" })
	return all
}

// denied are denials and limits, each added by itself.
func denied() (all []mutation) {
	add := func(name string, mutate func(*Facts)) { all = append(all, mutation{name, mutate}) }
	const deny = `{"Statement":{"Effect":"Deny","Principal":"*","Resource":"*","Action":"ssmmessages:Open*"}}`
	add("Deny in the role's policies", func(f *Facts) { f.Policies.Value = append(f.Policies.Value, Policy{"deny", deny}) })
	add("Deny in an endpoint policy", func(f *Facts) { f.Endpoints.Value[1].Policy = deny })
	for _, subnet := range []string{"subnet-1", "subnet-2"} {
		add("deny before all out of "+subnet, func(f *Facts) {
			a := f.ACLs.Value[subnet]
			a.Egress = append([]ACLEntry{{Number: 1, Protocol: "-1", Range: "10.0.0.0/8"}}, a.Egress...)
			f.ACLs.Value[subnet] = a
		})
		add("deny before all into "+subnet, func(f *Facts) {
			a := f.ACLs.Value[subnet]
			a.Ingress = append([]ACLEntry{{Number: 1, Protocol: "6", From: 0, To: 65535, Range: "10.0.0.0/8"}}, a.Ingress...)
			f.ACLs.Value[subnet] = a
		})
	}
	return all
}

// opened are ways out of the VPC or into it, each added by itself.
func opened() (all []mutation) {
	for _, r := range []Route{
		{"0.0.0.0/0", "igw-1"}, {"::/0", "igw-1"}, {"0.0.0.0/0", "nat-1"}, {"::/0", "eigw-1"}, {"0.0.0.0/0", "cagw-1"}, {"0.0.0.0/0", "tgw-1"}, {"0.0.0.0/0", "pcx-1"},
		{"10.9.0.0/16", "pcx-1"}, {"10.9.0.0/16", "tgw-1"}, {"10.9.0.0/16", "vgw-1"}, {"what the VPN gateway propagates", "vgw-1"}, {"0.0.0.0/0", "eni-1"}, {"0.0.0.0/0", "vpce-2"},
		{"pl-9", "tgw-1"}, {"10.9.0.0/16", "lgw-1"}, {"8.8.8.8/32", "i-9"}, {"10.9.0.0/16", "arn:aws:networkmanager::1:core-network/c"},
	} {
		all = append(all, mutation{"route " + r.String(), func(f *Facts) { f.Routes.Value.Routes = append(slices.Clone(f.Routes.Value.Routes), r) }})
	}
	for _, block := range []string{"0.0.0.0/0", "::/0", "8.8.8.8/32", "10.9.0.0/16", "10.0.0.0/15", "2001:db8:1::/48", "pl-9"} {
		rule := Rule{Protocol: "-1", Ranges: []string{block}}
		if strings.HasPrefix(block, "pl-") {
			rule = Rule{Protocol: "-1", PrefixLists: []string{block}}
		}
		all = append(all,
			mutation{"egress to " + block, func(f *Facts) { f.group(func(g *Group) { g.Egress = append(slices.Clone(g.Egress), rule) }) }},
			mutation{"ingress from " + block, func(f *Facts) { f.group(func(g *Group) { g.Ingress = append(slices.Clone(g.Ingress), rule) }) }},
			mutation{"a second group with egress to " + block, func(f *Facts) {
				f.Groups.Value["sg-2"] = Group{Egress: []Rule{rule}}
				f.Instance.Value.Groups = append(f.Instance.Value.Groups, "sg-2")
			}},
			mutation{"a group of an endpoint with ingress from " + block, func(f *Facts) {
				f.Groups.Value["sg-2"] = Group{Ingress: []Rule{rule}}
				f.Endpoints.Value[0].Groups = append(slices.Clone(f.Endpoints.Value[0].Groups), "sg-2")
			}},
		)
	}
	return append(all,
		mutation{"ingress from S3", func(f *Facts) {
			f.group(func(g *Group) { g.Ingress = append(g.Ingress, Rule{Protocol: "-1", PrefixLists: []string{"pl-s3"}}) })
		}},
		mutation{"a public address", func(f *Facts) { f.Instance.Value.PublicAddress = "3.5.128.9" }},
	)
}

// No single fact can be taken from a deployed stack, and no denial or way out or in be added, without the judge noticing.
func TestJudge_AnyMutation_Noticed(t *testing.T) {
	t.Parallel()
	require.Nil(t, Diagnose(deployed(), now).First())
	require.Nil(t, Isolation(deployed()).First())
	for _, c := range append(Diagnose(deployed(), now).Checks, Isolation(deployed()).Checks...) {
		if c.Title != "endpoint ec2messages" {
			require.Equal(t, OK, c.Status, "%+v", c)
		}
	}
	require.Greater(t, len(taken())+len(denied())+len(opened()), 80)
	for _, m := range append(taken(), denied()...) {
		f := deployed()
		m.mutate(&f)
		first := Diagnose(f, now).First()
		require.NotNil(t, first, m.name)
		require.NotEmpty(t, first.Fix, m.name)
	}
	for _, m := range opened() {
		f := deployed()
		m.mutate(&f)
		first := Isolation(f).First()
		require.NotNil(t, first, m.name)
		require.Nil(t, Diagnose(f, now).First(), "%s: sessions work as before", m.name)
	}
}

// Each of the two rules that let HTTPS in is enough for the endpoints.
func TestJudge_OneIngressRule_Suffices(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		f := deployed()
		f.group(func(g *Group) { g.Ingress = g.Ingress[i : i+1] })
		require.Nil(t, Diagnose(f, now).First())
	}
}

// What the config asks for, the routes to and the rules for the endpoints of another VPC, leads out of this one and is no finding.
func TestIsolation_EndpointsOfCentralVPC_AreWanted(t *testing.T) {
	t.Parallel()
	central := func() Facts {
		f := deployed()
		f.Elsewhere = []string{"10.99.0.0/16"}
		f.Routes.Value.Routes = append(f.Routes.Value.Routes, Route{"10.99.0.0/16", "tgw-1"})
		f.group(func(g *Group) {
			g.Egress = append(g.Egress, Rule{Protocol: "tcp", From: 443, To: 443, Ranges: []string{"10.99.0.0/16"}})
		})
		return f
	}
	d := Isolation(central())
	require.Nil(t, d.First(), "%+v", d.First())
	require.Equal(t, "rtb-1 has none, except to the endpoints in 10.99.0.0/16", checkOf(t, d, "no route").Found)

	for name, c := range map[string]struct {
		mutate            func(*Facts)
		title, found, fix string
	}{
		"another route": {func(f *Facts) { f.Routes.Value.Routes = append(f.Routes.Value.Routes, Route{"10.98.0.0/16", "tgw-1"}) },
			"no route", "rtb-1 has the route 10.98.0.0/16 to tgw-1", "aws ec2 delete-route --region us-east-2 --route-table-id rtb-1 --destination-cidr-block 10.98.0.0/16"},
		"a wider route that the endpoints need": {func(f *Facts) { f.Routes.Value.Routes[2].Destination = "10.0.0.0/8" },
			"no route", "rtb-1 has the route 10.0.0.0/8 to tgw-1, which leads to more than the endpoints in 10.99.0.0/16. They need a route of their own first", ""},
		"a wider rule": {func(f *Facts) { f.group(func(g *Group) { g.Egress[2].Ranges[0] = "10.0.0.0/8" }) },
			"its security groups let nothing out", "a rule of sg-1 names 10.0.0.0/8", "aws ec2 revoke-security-group-egress --region us-east-2 --group-id sg-1 --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.0.0.0/8}]'"},
		"a rule that lets the other VPC in": {func(f *Facts) { f.group(func(g *Group) { g.Ingress[1].Ranges[0] = "10.99.0.0/16" }) },
			"its security groups let nothing in", "a rule of sg-1 names 10.99.0.0/16", "aws ec2 revoke-security-group-ingress --region us-east-2 --group-id sg-1 --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.99.0.0/16}]'"},
	} {
		f := central()
		c.mutate(&f)
		check := checkOf(t, Isolation(f), c.title)
		require.Equal(t, []string{c.found, c.fix}, []string{check.Found, check.Fix}, name)
	}
}

// What cannot be read is neither a problem nor a proof.
func TestIsolation_UnreadableFact_CannotTell(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(*Facts){
		"routes":    func(f *Facts) { f.Routes.Problem = "refused" },
		"groups":    func(f *Facts) { f.Groups.Problem = "refused" },
		"network":   func(f *Facts) { f.Network.Problem = "refused" },
		"instance":  func(f *Facts) { f.Instance.Problem = "refused" },
		"endpoints": func(f *Facts) { f.Endpoints.Problem = "refused" },
		"a group":   func(f *Facts) { f.Instance.Value.Groups = []string{"sg-9"} },
	} {
		f := deployed()
		hide(&f)
		d := Isolation(f)
		require.Nil(t, d.First(), name)
		require.True(t, slices.ContainsFunc(d.Checks, func(c Check) bool { return c.Status == Unknown }), name)
	}
}
