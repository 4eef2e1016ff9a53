// Package diagnosis says why an instance is not online as a managed instance. It is given facts, makes no call, and
// decides nothing that the facts do not show.
package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Status is what became of one check.
type Status string

// What a check can come to.
const (
	OK      Status = "ok"
	Missing Status = "missing"
	// Unknown: the fact could not be read, or does not decide.
	Unknown Status = "cannot tell"
)

// Read is a fact, or the reason why it could not be read.
type Read[T any] struct {
	Value   T
	Problem string
}

// Facts are what AWS says about one instance and its way to Systems Manager.
type Facts struct {
	// Stack and Region go into the commands that mend.
	Stack, Region string
	// Account is the account's id; empty where it is not known.
	Account string
	// ExpectedProfile is the instance profile that the stack made.
	ExpectedProfile string

	Instance Read[Instance]
	// Role is the role in the instance's profile; empty if there is none.
	Role Read[string]
	// Boundary tells that the role has a permissions boundary, which is not evaluated here.
	Boundary bool
	Policies Read[[]Policy]
	// Groups are the security groups of the instance and of the endpoints, by id.
	Groups    Read[map[string]Group]
	Endpoints Read[[]Endpoint]
	// Subnets has the IPv4 range of each subnet that the instance or an endpoint is in.
	Subnets Read[map[string]string]
	Network Read[Network]
	Routes  Read[Routes]
	Agent   Read[Agent]
}

// Instance is what EC2 says of it. The zero value is an instance that EC2 does not know.
type Instance struct {
	ID, Name string
	// State is pending, running, shutting-down, terminated, stopping or stopped; empty if there is no such instance.
	State    string
	Launched time.Time
	// Profile is the name of its instance profile; empty if it has none.
	Profile                  string
	VpcID, SubnetID, Address string
	Groups                   []string
}

// Group is a security group's rules, as far as they matter for HTTPS.
type Group struct {
	Ingress, Egress []Rule
}

// Rule is one permission of a security group.
type Rule struct {
	// Protocol is tcp, udp, …, or -1 for all.
	Protocol   string
	From, To   int
	Ranges     []string
	GroupIDs   []string
	PrefixList bool
}

// Endpoint is a VPC endpoint in the instance's VPC.
type Endpoint struct {
	// Service is the last part of its name: ssm, ssmmessages, ec2messages, s3.
	Service, ID, Type, State string
	PrivateDNS               bool
	Policy                   string
	SubnetIDs, Groups        []string
	RouteTableIDs            []string
}

// Network is the VPC's attributes.
type Network struct{ DNSSupport, DNSHostnames bool }

// Routes is the route table of the instance's subnet.
type Routes struct {
	TableID string
	// ToEndpoints are the ids of the gateway endpoints that a route leads to.
	ToEndpoints []string
	// WayOut is the target of a default route (a NAT gateway, say); empty if there is none.
	WayOut string
}

// Agent is what Systems Manager says about the instance.
type Agent struct {
	// Registered: it has been heard of at all.
	Registered bool
	// PingStatus is Online, ConnectionLost or Inactive.
	PingStatus, Version string
	LastPing            time.Time
}

// Check is one line of the list.
type Check struct {
	Title  string
	Status Status
	// Found is what the fact is, in words.
	Found string
	// Mend is the command or key that mends it; only of what is missing.
	Mend string
}

// Diagnosis is the list of checks, in the order of the way from the instance to Systems Manager.
type Diagnosis struct{ Checks []Check }

// First is the first thing to mend, nil if nothing is seen to be missing.
func (d Diagnosis) First() *Check {
	for i := range d.Checks {
		if d.Checks[i].Status == Missing {
			return &d.Checks[i]
		}
	}
	return nil
}

// Needed are the agent's calls without which no session can be had
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html).
var Needed = []string{
	"ssm:UpdateInstanceInformation",
	"ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel",
}

// ManagedPolicies are AWS's own policies that hold all of Needed.
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
	d.agent(now)
	return Diagnosis{d.checks}
}

type list struct {
	facts  Facts
	checks []Check
}

func (l *list) add(title string, status Status, found, mend string) {
	l.checks = append(l.checks, Check{title, status, found, mend})
}

// unread adds a check that could not be made, and reports whether it did.
func (l *list) unread(title, problem string) bool {
	if problem != "" {
		l.add(title, Unknown, "cannot be read: "+problem, "")
	}
	return problem != ""
}

func (l *list) region() string { return " --region " + l.facts.Region }

// again is what puts back everything that the stack made and that was changed since.
func (l *list) again() string { return "make up STACK=" + l.facts.Stack + " ARGS=--refresh" }

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
		l.add(title, Missing, "EC2 knows no instance "+id, l.again())
	default:
		l.add(title, Missing, id+" is "+i.Value.State, l.again())
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
	var missing, unsure []string
	for _, action := range Needed {
		switch allows(policies.Value, l.facts.Account, action) {
		case Missing:
			missing = append(missing, action)
		case Unknown:
			unsure = append(unsure, action)
		case OK:
		}
	}
	switch {
	case len(missing) > 0:
		l.add(title, Missing, "the policies of "+role.Value+" do not allow "+strings.Join(missing, ", "),
			"aws iam attach-role-policy --role-name "+role.Value+" --policy-arn arn:"+Partition(l.facts.Region)+":iam::aws:policy/"+ManagedPolicies[0])
	case len(unsure) > 0:
		l.add(title, Unknown, "conditions or resources decide about "+strings.Join(unsure, ", "), "")
	case l.facts.Boundary:
		l.add(title, Unknown, "the policies do, but the role has a permissions boundary, which is not evaluated here", "")
	default:
		l.add(title, OK, "ssm:UpdateInstanceInformation and the four of ssmmessages", "")
	}
}

// Partition is the partition that a Region is in.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// endpoints looks at what leads to ssm and ssmmessages, and at the security groups on both sides of each.
func (l *list) endpoints() {
	all := l.facts.Endpoints
	if l.unread("the endpoints", all.Problem) {
		return
	}
	for _, service := range []string{"ssm", "ssmmessages", "ec2messages"} {
		title := "endpoint " + service
		at := slices.IndexFunc(all.Value, func(e Endpoint) bool { return e.Service == service && e.State != "deleted" })
		switch {
		case at >= 0:
			l.endpoint(title, all.Value[at])
		case service == "ec2messages":
			l.add(title, Unknown, "none; agents since 3.3.40.0 do without", "")
		case l.facts.Routes.Problem == "" && l.facts.Routes.Value.WayOut != "":
			l.add(title, Unknown, "none, but a default route leads to "+l.facts.Routes.Value.WayOut, "")
		default:
			l.add(title, Missing, "there is none in "+l.facts.Instance.Value.VpcID, l.again())
		}
	}
}

func (l *list) endpoint(title string, e Endpoint) {
	modify := "aws ec2 modify-vpc-endpoint" + l.region() + " --vpc-endpoint-id " + e.ID
	switch {
	case strings.EqualFold(e.State, "pending"):
		l.add(title, Unknown, e.ID+" is still being made", "")
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
	actions := []string{e.Service + ":*"}
	for _, a := range Needed {
		if strings.HasPrefix(a, e.Service+":") {
			actions = append(actions, a)
		}
	}
	if len(actions) > 1 && e.Policy != "" {
		for _, action := range actions[1:] {
			switch allows([]Policy{{e.ID, e.Policy}}, l.facts.Account, action) {
			case Missing:
				l.add(title, Missing, "the policy of "+e.ID+" does not let "+action+" through", modify+" --reset-policy")
				return
			case Unknown:
				doubts = append(doubts, "its policy has conditions on "+action)
			case OK:
			}
		}
	}
	found, mend, status := l.between(e)
	if status == Missing {
		l.add(title, Missing, found, mend)
		return
	}
	if status == Unknown {
		doubts = append(doubts, found)
	}
	if len(doubts) > 0 {
		l.add(title, Unknown, e.ID+" is available with private DNS; "+strings.Join(slices.Compact(doubts), "; "), "")
		return
	}
	l.add(title, OK, fmt.Sprintf("%s: available, private DNS on, %s, reachable by the security groups", e.ID, count(len(e.SubnetIDs), "subnet")), "")
}

// between judges the security groups between the instance and an endpoint, for HTTPS.
func (l *list) between(e Endpoint) (found, mend string, status Status) {
	i, groups := l.facts.Instance.Value, l.facts.Groups
	if groups.Problem != "" {
		return "the security groups cannot be read: " + groups.Problem, "", Unknown
	}
	if len(i.Groups) == 0 || len(e.Groups) == 0 {
		return "the security groups are not known", "", Unknown
	}
	out, in := Missing, Missing
	for _, id := range i.Groups {
		for _, r := range groups.Value[id].Egress {
			out = better(out, l.permits(r, e.Groups, l.rangesOf(e)))
		}
	}
	for _, id := range e.Groups {
		for _, r := range groups.Value[id].Ingress {
			in = better(in, l.permits(r, i.Groups, []string{i.Address + "/32"}))
		}
	}
	authorize := func(direction, group, other string) string {
		return fmt.Sprintf("aws ec2 authorize-security-group-%s%s --group-id %s --ip-permissions IpProtocol=tcp,FromPort=443,ToPort=443,UserIdGroupPairs=[{GroupId=%s}]",
			direction, l.region(), group, other)
	}
	switch {
	case out == Missing:
		return fmt.Sprintf("the instance's group %s lets no HTTPS out to %s", strings.Join(i.Groups, ", "), e.ID),
			authorize("egress", i.Groups[0], e.Groups[0]), Missing
	case in == Missing:
		return fmt.Sprintf("the group %s of %s lets no HTTPS in from the instance", strings.Join(e.Groups, ", "), e.ID),
			authorize("ingress", e.Groups[0], i.Groups[0]), Missing
	case out == Unknown || in == Unknown:
		return "a security-group rule covers a part of the addresses, or names a prefix list", "", Unknown
	}
	return "", "", OK
}

// rangesOf are the addresses that the endpoint's interfaces can have.
func (l *list) rangesOf(e Endpoint) []string {
	var ranges []string
	for _, id := range e.SubnetIDs {
		if r := l.facts.Subnets.Value[id]; r != "" {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

func better(a, b Status) Status {
	order := []Status{Missing, Unknown, OK}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// permits tells whether a rule lets HTTPS through to or from members of the groups, whose addresses lie in the ranges.
func (l *list) permits(r Rule, groups, ranges []string) Status {
	if r.Protocol != "-1" && (r.Protocol != "tcp" && r.Protocol != "6" || r.From > 443 || r.To < 443) {
		return Missing
	}
	for _, g := range r.GroupIDs {
		if slices.Contains(groups, g) {
			return OK
		}
	}
	result := Missing
	if r.PrefixList {
		result = Unknown
	}
	covered, touched := 0, false
	for _, text := range ranges {
		inner, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		for _, rangeText := range r.Ranges {
			outer, err := netip.ParsePrefix(rangeText)
			if err != nil {
				continue
			}
			if outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr()) {
				covered++
				break
			}
			touched = touched || outer.Overlaps(inner)
		}
	}
	switch {
	case len(ranges) > 0 && covered == len(ranges):
		return OK
	case covered > 0 || touched:
		return Unknown
	}
	return result
}

func (l *list) network() {
	const title = "the VPC resolves names"
	n := l.facts.Network
	if l.unread(title, n.Problem) {
		return
	}
	modify := "aws ec2 modify-vpc-attribute" + l.region() + " --vpc-id " + l.facts.Instance.Value.VpcID
	switch {
	case !n.Value.DNSSupport:
		l.add(title, Missing, "the attribute enableDnsSupport is off", modify+" --enable-dns-support")
	case !n.Value.DNSHostnames:
		l.add(title, Missing, "the attribute enableDnsHostnames is off, without which private DNS of endpoints does not work", modify+" --enable-dns-hostnames")
	default:
		l.add(title, OK, "enableDnsSupport and enableDnsHostnames are on", "")
	}
}

// routes looks at the way to S3. An instance is online without it; the record of a session is not written.
func (l *list) routes() {
	const title = "a route leads to S3, for the records"
	r := l.facts.Routes
	if l.unread(title, r.Problem) {
		return
	}
	if l.facts.Endpoints.Problem != "" {
		l.add(title, Unknown, "the endpoints cannot be read", "")
		return
	}
	gateway := ""
	for _, e := range l.facts.Endpoints.Value {
		if e.Service == "s3" && e.Type == "Gateway" {
			gateway = e.ID
		}
	}
	switch {
	case slices.Contains(r.Value.ToEndpoints, gateway) && gateway != "":
		l.add(title, OK, r.Value.TableID+" leads to "+gateway, "")
	case r.Value.WayOut != "":
		l.add(title, Unknown, "none to a gateway endpoint, but a default route leads to "+r.Value.WayOut, "")
	case gateway == "":
		l.add(title, Missing, "there is no gateway endpoint for S3 in "+l.facts.Instance.Value.VpcID, l.again())
	default:
		l.add(title, Missing, fmt.Sprintf("%s, the route table of %s, has no route to %s", r.Value.TableID, l.facts.Instance.Value.SubnetID, gateway),
			"aws ec2 modify-vpc-endpoint"+l.region()+" --vpc-endpoint-id "+gateway+" --add-route-table-ids "+r.Value.TableID)
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
		l.add(title, Missing, fmt.Sprintf("agent %s is known, but %s; its last word was %s ago",
			a.Value.Version, strings.ToLower(split(a.Value.PingStatus)), age(now.Sub(a.Value.LastPing))), reboot)
	case i.State == "pending", i.State == "running" && now.Sub(i.Launched) < patience:
		l.add(title, Unknown, fmt.Sprintf("it has not been heard of yet; the instance was launched %s ago, and a few minutes are usual", age(now.Sub(i.Launched))), "")
	default:
		l.add(title, Missing, "it has never been heard of. If nothing above is missing, it does not run, or is not on this image; "+
			"one that could not sign in at its start sleeps up to an hour", reboot)
	}
}

// split makes "connection lost" of ConnectionLost.
func split(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
