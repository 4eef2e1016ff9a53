package decide

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"private-ec2-access/config"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

// VCPUQuota is the code of EC2's quota of vCPUs that run at the same time, in
// On-Demand instances of the standard types
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html).
const VCPUQuota = "L-1216C47A"

// standardType matches the instance types that VCPUQuota counts: of the families
// A, C, D, H, I, M, R, T and Z.
var standardType = regexp.MustCompile(`^([acdhmrtz]|i[ms]?)[0-9]`)

const (
	// someInstances is up to how many instances the quota is not asked for.
	someInstances = 10
	// Default quotas of VPCs
	// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
	maxGroupRules         = 60 // of a security group in each direction
	maxInterfaceEndpoints = 50 // of a VPC
)

// QuotaTypes are the instance types that matter for the quota of vCPUs, sorted. A
// stack with few instances, or without a new one, has none.
func QuotaTypes(c *config.Config, has Deployed) []string {
	complete := c.Complete()
	isNew := func(name string) bool { _, there := has.Instances[name]; return !there }
	if len(complete) <= someInstances || !slices.ContainsFunc(slices.Collect(maps.Keys(complete)), isNew) {
		return nil
	}
	return slices.DeleteFunc(InstanceTypes(c), func(name string) bool { return !standardType.MatchString(name) })
}

// quotas names the quotas of the account that the stack meets.
func (d *decider) quotas() {
	rules, policy := d.groupRules(), iam.InstancePolicy(d.facts.Scope, d.placeAtItsLongest().Logs)
	if types := QuotaTypes(d.config, d.facts.Deployed); len(types) > 0 {
		d.vCPUs(types)
		d.say(fmt.Sprintf("default quotas: %d of %d rules of the security group in one direction, %d of %d characters of the instance role's policy, "+
			"%d of %d interface endpoints of the VPC, without those that are not this stack's",
			rules, maxGroupRules, len(policy.JSON()), iam.MaxManagedPolicy, len(d.Services), maxInterfaceEndpoints))
	}
	d.size("logging.earlierLocations", "the policy of the instance role", policy, iam.MaxManagedPolicy,
		"remove locations that no open session writes to any more")
}

func (d *decider) vCPUs(types []string) {
	quota, count, needed := d.facts.VCPUs, 0, 0
	for _, i := range d.config.Complete() {
		if slices.Contains(types, i.InstanceType) {
			count, needed = count+1, needed+d.facts.InstanceTypes[i.InstanceType].VCPUs
		}
	}
	which := fmt.Sprintf("that the account runs at the same time (quota %s), with its other instances", VCPUQuota)
	switch {
	case quota.Problem != "":
		d.say(fmt.Sprintf("whether EC2 can run %d instances is not known, because the quota %s could not be read: %s", count, VCPUQuota, quota.Problem))
	case needed > quota.Value:
		d.warn(fmt.Sprintf("the stack's %d instances need %d vCPUs, of %d %s: EC2 refuses those over the quota. To ask for more:\n  %s",
			count, needed, quota.Value, which, increase(d.facts.Scope, "ec2", VCPUQuota, needed)))
	default:
		d.say(fmt.Sprintf("the stack's %d instances need %d vCPUs, of %d %s", count, needed, quota.Value, which))
	}
}

// groupRules compares the rules of the security group with the quota. Without more
// address ranges than usual a stack has a handful.
func (d *decider) groupRules() int {
	ranges := 1
	if n := d.facts.Network; n != nil {
		ranges = len(n.CidrBlocks) + len(n.Ipv6CidrBlocks)
	}
	rules := max(1+ranges, 2+len(d.EndpointRanges)) // from members; to members and to S3
	if rules > maxGroupRules {
		d.warn(fmt.Sprintf("the security group needs %d rules in one direction, and AWS allows %d unless the quota was raised. To ask for more:\n  %s",
			rules, maxGroupRules, increase(d.facts.Scope, "vpc", "L-0EA8095F", rules)))
	}
	return rules
}

// increase is the command that asks AWS for a higher quota.
func increase(at scope.Scope, service, code string, value int) string {
	return fmt.Sprintf("aws service-quotas request-service-quota-increase --region %s --service-code %s --quota-code %s --desired-value %d",
		at.Region, service, code, value)
}
