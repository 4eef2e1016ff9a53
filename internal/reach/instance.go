package reach

import (
	"fmt"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/scope"
	"slices"
	"strings"
	"time"
)

// needed are the agent's calls without which no session can be opened.
func needed() (calls []string) {
	for _, service := range endpoint.Table {
		calls = append(calls, service.Calls...)
	}
	return calls
}

// ManagedPolicies are AWS's own policies that allow all of them.
var ManagedPolicies = []string{"AmazonSSMManagedInstanceCore", "AmazonSSMManagedEC2InstanceDefaultPolicy"}

// patience is how long an instance may take from its launch until its agent has reported.
const patience = 5 * time.Minute

// Diagnose judges the facts as of now.
func Diagnose(f Facts, now time.Time) Diagnosis {
	d := &list{facts: f}
	d.instance(now)
	d.profileAndRole()
	d.policies()
	d.endpoints()
	d.network()
	d.routes()
	d.toS3()
	d.agent(now)
	return Diagnosis{d.checks}
}

type list struct {
	facts  Facts
	checks []Check
}

func (l *list) add(title string, status Status, found, fix string) {
	l.checks = append(l.checks, Check{title, status, found, fix})
}

// unread adds a check that could not be made, and reports whether it did.
func (l *list) unread(title, problem string) bool {
	if problem != "" {
		l.add(title, Unknown, "cannot be read: "+problem, "")
	}
	return problem != ""
}

func (l *list) region() string { return " --region " + l.facts.Region }

// again is what restores everything that the stack created and that was changed since.
func (l *list) again() string { return "make up STACK=" + l.facts.Stack + " ARGS=--refresh" }

// ofStack is a fix for an instance of the stack. No update brings back one that the stack does not have.
func (l *list) ofStack(fix string) string {
	if l.facts.Unlisted {
		return "make status STACK=" + l.facts.Stack + " lists the instances of the stack"
	}
	return fix
}

func (l *list) instance(now time.Time) {
	const title = "the instance runs"
	i := l.facts.Instance
	if l.unread(title, i.Problem) {
		return
	}
	id := i.Value.ID
	switch i.Value.State {
	case "running":
		l.add(title, OK, id+" is running", "")
	case "pending":
		l.add(title, Unknown, fmt.Sprintf("%s is starting, since %s", id, age(now.Sub(i.Value.Launched))), "")
	case "stopped", "stopping":
		l.add(title, Missing, id+" is "+i.Value.State, "aws ec2 start-instances"+l.region()+" --instance-ids "+id)
	case "":
		l.add(title, Missing, "EC2 knows no instance "+id, l.ofStack(l.again()))
	default:
		l.add(title, Missing, id+" is "+i.Value.State, l.ofStack(l.again()))
	}
}

func (l *list) profileAndRole() {
	i := l.facts.Instance
	if i.Problem != "" || i.Value.State == "" {
		l.add("it has an instance profile", Unknown, "the instance itself cannot be seen", "")
		return
	}
	if i.Value.Profile == "" {
		l.add("it has an instance profile", Missing, "no instance profile",
			"aws ec2 associate-iam-instance-profile"+l.region()+" --instance-id "+i.Value.ID+" --iam-instance-profile Name="+l.facts.ExpectedProfile)
		return
	}
	l.add("it has an instance profile", OK, i.Value.Profile, "")
	const title = "the profile holds a role"
	switch role := l.facts.Role; {
	case l.unread(title, role.Problem):
	case role.Value == "":
		l.add(title, Missing, "the profile "+i.Value.Profile+" is empty", l.again())
	default:
		l.add(title, OK, role.Value, "")
	}
}

func (l *list) policies() {
	const title = "the role allows the agent's calls"
	role, policies := l.facts.Role, l.facts.Policies
	if role.Problem != "" || role.Value == "" {
		l.add(title, Unknown, "there is no role to look at", "")
		return
	}
	if l.unread(title, policies.Problem) {
		return
	}
	missing, unsure := notAllowed(needed(), func(action string) Status { return allows(policies.Value, l.facts.Account, action) })
	switch {
	case len(missing) > 0:
		l.add(title, Missing, "the policies of "+role.Value+" do not allow "+strings.Join(missing, ", "),
			"aws iam attach-role-policy --role-name "+role.Value+" --policy-arn "+l.scope().ManagedPolicyARN(ManagedPolicies[0]))
	case len(unsure) > 0:
		l.add(title, Unknown, "conditions or resources decide about "+strings.Join(unsure, ", "), "")
	case l.facts.Boundary:
		l.add(title, Unknown, "the policies do, but the role has a permissions boundary, which is not evaluated here", "")
	default:
		l.add(title, OK, "ssm:UpdateInstanceInformation and the four of ssmmessages", "")
	}
}

// scope names things where the stack lives.
func (l *list) scope() scope.Scope {
	return scope.Scope{Partition: scope.PartitionOf(l.facts.Region), Region: l.facts.Region, AccountID: l.facts.Account}
}

// endpoints looks at the endpoints that sessions need, and at the security groups on both sides of each.
func (l *list) endpoints() {
	all := l.facts.Endpoints
	if l.unread("the endpoints", all.Problem) {
		return
	}
	for _, service := range endpoint.Interfaces() {
		if service.Calls == nil && service.OptionalBecause == "" {
			continue // what needs it is judged with session logs
		}
		title := "endpoint " + service.Name
		e, found := l.endpointFor(service.Name)
		switch {
		case found:
			l.endpoint(title, service.Calls, e)
		case service.OptionalBecause != "":
			l.add(title, Unknown, "none; "+service.OptionalBecause, "")
		case l.facts.Routes.Problem == "" && l.facts.Routes.Value.DefaultRoute() != "":
			l.add(title, Unknown, "none, but a default route leads to "+l.facts.Routes.Value.DefaultRoute(), "")
		case len(l.facts.Elsewhere) > 0:
			l.elsewhere(title)
		default:
			l.add(title, Missing, "there is none in "+l.facts.Instance.Value.VpcID, l.again())
		}
	}
}

// endpointFor finds the VPC's interface endpoint for a service. Only one of
// several can have private DNS, by which the service's name leads to it.
func (l *list) endpointFor(service string) (best Endpoint, found bool) {
	for _, e := range l.facts.Endpoints.Value {
		if e.Service != service || e.State == "deleted" || e.Type == "Gateway" {
			continue
		}
		if !found || e.PrivateDNS && !best.PrivateDNS {
			best, found = e, true
		}
	}
	return best, found
}

func (l *list) endpoint(title string, calls []string, e Endpoint) {
	modify := "aws ec2 modify-vpc-endpoint" + l.region() + " --vpc-endpoint-id " + e.ID
	switch {
	case strings.EqualFold(e.State, "pending"):
		l.add(title, Unknown, e.ID+" is still being created", "")
		return
	case !strings.EqualFold(e.State, "available"):
		l.add(title, Missing, e.ID+" is in the state "+e.State, l.again())
		return
	case !e.PrivateDNS:
		l.add(title, Missing, e.ID+" has private DNS off, so the service's name does not lead to it", modify+" --private-dns-enabled")
		return
	case len(e.SubnetIDs) == 0:
		l.add(title, Missing, e.ID+" is in no subnet", modify+" --add-subnet-ids "+l.facts.Instance.Value.SubnetID)
		return
	}
	doubts := []string{}
	if e.Policy != "" {
		for _, action := range calls {
			switch allows([]Policy{{e.ID, e.Policy}}, l.facts.Account, action) {
			case Missing:
				l.add(title, Missing, "the policy of "+e.ID+" does not allow "+action, modify+" --reset-policy")
				return
			case Unknown:
				doubts = append(doubts, "its policy has conditions on "+action)
			case OK:
			}
		}
	}
	for _, judge := range []func(Endpoint) (string, string, Status){l.between, l.acls} {
		found, fix, status := judge(e)
		if status == Missing {
			l.add(title, Missing, found, fix)
			return
		}
		if status == Unknown {
			doubts = append(doubts, found)
		}
	}
	if len(doubts) > 0 {
		l.add(title, Unknown, e.ID+" is available with private DNS; "+strings.Join(slices.Compact(doubts), "; "), "")
		return
	}
	l.add(title, OK, fmt.Sprintf("%s: available, private DNS on, %s, reachable by security groups and network ACLs", e.ID, count(len(e.SubnetIDs), "subnet")), "")
}

func (l *list) network() {
	const title = "the VPC resolves names"
	n := l.facts.Network
	if l.unread(title, n.Problem) {
		return
	}
	modify := "aws ec2 modify-vpc-attribute" + l.region() + " --vpc-id " + l.facts.Instance.Value.VpcID
	off := n.Value.MissingAttributes()
	servers, others := n.Value.DNSServers, n.Value.OtherDNSServers()
	switch {
	case len(off) == 0 && servers.Problem != "":
		l.add(title, Unknown, "enableDnsSupport and enableDnsHostnames are on, and the DHCP options cannot be read: "+servers.Problem, "")
	case len(off) == 0 && len(servers.Value) == 0:
		l.add(title, Missing, "the VPC's DHCP options name no DNS server",
			strings.Join(ResolverCommands(l.facts.Region, l.facts.Instance.Value.VpcID), "\n"))
	case len(off) == 0 && len(others) > 0:
		l.add(title, Unknown, "the DHCP options name the DNS servers "+strings.Join(others, ", ")+
			", which know the private names of endpoints only if they forward queries to the VPC's Route 53 Resolver", "")
	case len(off) == 0:
		l.add(title, OK, "enableDnsSupport and enableDnsHostnames are on, and the VPC's Route 53 Resolver answers", "")
	case off[0] == "enableDnsSupport":
		l.add(title, Missing, "the attribute enableDnsSupport is off", modify+" --enable-dns-support")
	default:
		l.add(title, Missing, "the attribute enableDnsHostnames is off, without which private DNS of endpoints does not work", modify+" --enable-dns-hostnames")
	}
}

// routes looks at the route to S3. An instance is online without it, but its session logs are not written.
func (l *list) routes() {
	const title = "the subnet has a route to S3, for session logs"
	r := l.facts.Routes
	if l.unread(title, r.Problem) {
		return
	}
	if l.facts.Endpoints.Problem != "" {
		l.add(title, Unknown, "the endpoints cannot be read", "")
		return
	}
	// There may be one for each route table.
	gateway := ""
	for _, e := range l.facts.Endpoints.Value {
		if e.Service == "s3" && e.Type == "Gateway" && !slices.Contains(r.Value.GatewayEndpoints(), gateway) {
			gateway = e.ID
		}
	}
	switch {
	case slices.Contains(r.Value.GatewayEndpoints(), gateway) && gateway != "":
		l.add(title, OK, r.Value.RouteTableID+" leads to "+gateway, "")
	case r.Value.DefaultRoute() != "":
		l.add(title, Unknown, "none to a gateway endpoint, but a default route leads to "+r.Value.DefaultRoute(), "")
	case gateway == "" && len(l.facts.Elsewhere) > 0: // no update creates one there
		l.add(title, Unknown, "there is no gateway endpoint for S3 in "+l.facts.Instance.Value.VpcID+"; "+l.maybeElsewhere(), "")
	case gateway == "":
		l.add(title, Missing, "there is no gateway endpoint for S3 in "+l.facts.Instance.Value.VpcID, l.again())
	default:
		l.add(title, Missing, fmt.Sprintf("%s, the route table of %s, has no route to %s", r.Value.RouteTableID, l.facts.Instance.Value.SubnetID, gateway),
			"aws ec2 modify-vpc-endpoint"+l.region()+" --vpc-endpoint-id "+gateway+" --add-route-table-ids "+r.Value.RouteTableID)
	}
}

func (l *list) agent(now time.Time) {
	const title = "the agent reports"
	a := l.facts.Agent
	if l.unread(title, a.Problem) {
		return
	}
	i := l.facts.Instance.Value
	reboot := "aws ec2 reboot-instances" + l.region() + " --instance-ids " + i.ID
	switch {
	case a.Value.PingStatus == "Online":
		l.add(title, OK, "agent "+a.Value.Version+" is online", "")
	case a.Value.Registered:
		l.add(title, Missing, fmt.Sprintf("agent %s is known, but %s; its last ping was %s ago",
			a.Value.Version, strings.ToLower(split(a.Value.PingStatus)), age(now.Sub(a.Value.LastPing))), reboot)
	case i.State == "pending", i.State == "running" && now.Sub(i.Launched) < patience:
		l.add(title, Unknown, fmt.Sprintf("it has not reported yet; the instance was launched %s ago, and a few minutes are usual", age(now.Sub(i.Launched))), "")
	default:
		l.add(title, Missing, "it has never reported. If nothing above is missing, the agent does not run or is not in this image; "+
			"an agent that could not register when it started sleeps for up to an hour", reboot)
	}
}
