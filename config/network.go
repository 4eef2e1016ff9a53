package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"private-ec2-access/internal/network"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// Network names an existing network, or describes the one to create.
type Network struct {
	VpcID                 string   `json:"vpcId"`
	SubnetIDs             []string `json:"subnetIds"`
	CidrBlock             string   `json:"cidrBlock"`
	AvailabilityZoneCount int      `json:"availabilityZoneCount"`
	MemberTraffic         string   `json:"memberTraffic"`
	AllowInternetRoute    bool     `json:"allowInternetRoute"`
	DNSServersForward     bool     `json:"dnsServersForward"`
	FlowLogs              string   `json:"flowLogs"`
}

// FlowLogLocation is where the flow logs of the VPC go; empty: there are none.
func (n Network) FlowLogLocation() session.Location {
	l, err := session.ParseLocation(n.FlowLogs)
	if err != nil {
		return session.Location{}
	}
	return l
}

// Existing reports whether the stack goes into a network that it did not create.
func (n Network) Existing() bool { return n.VpcID != "" }

var (
	vpcID    = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetID = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	// sharedAddressSpace is RFC 6598's range, which AWS allows for a VPC.
	sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10")
)

// HTTPSOnly is the choice of network.memberTraffic that allows only HTTPS.
const HTTPSOnly = "https"

func (n Network) validate(v *validator, logBucket string) {
	v.oneOf("network.memberTraffic", n.MemberTraffic, "all", HTTPSOnly)
	v.between("network.availabilityZoneCount", n.AvailabilityZoneCount, 1, 6, "zones, each with a subnet")
	if n.Existing() {
		v.check(vpcID.MatchString(n.VpcID), "network.vpcId", n.VpcID, "not the ID of a VPC", "vpc- and 8 to 17 hexadecimal digits")
		v.check(len(n.SubnetIDs) > 0, "network.subnetIds", "[]", "an existing VPC is named, but none of its subnets",
			"the IDs of private subnets in network.vpcId", v.set("network.subnetIds[0]", "SUBNET"), v.remove("network.vpcId"))
	} else {
		v.check(len(n.SubnetIDs) == 0, "network.subnetIds", settings.Show(n.SubnetIDs), "subnets are named, but not their VPC",
			"empty for a network that the stack creates", v.set("network.vpcId", "VPC"), v.remove("network.subnetIds"))
		n.validateCidrBlock(v)
	}
	n.validateFlowLogs(v, logBucket)
	for i, id := range n.SubnetIDs {
		key := settings.Element("network.subnetIds", i)
		v.check(subnetID.MatchString(id), key, id, "not the ID of a subnet", "subnet- and 8 to 17 hexadecimal digits")
		v.check(slices.Index(n.SubnetIDs, id) == i, key, id, "named twice", "each subnet once", v.remove(key))
	}
}

func (n Network) validateFlowLogs(v *validator, logBucket string) {
	const key = "network.flowLogs"
	if n.FlowLogs == "" {
		return
	}
	bucket := n.FlowLogLocation().Bucket
	v.check(bucket != "", key, n.FlowLogs, "not a location in a bucket", "s3://BUCKET/PREFIX, or empty for no flow logs")
	v.check(!n.Existing(), key, n.FlowLogs, "the stack does not create this VPC, so its owner creates the flow logs",
		"empty with network.vpcId", v.remove(key))
	// AWS may replace the policy of the bucket by one that lets the delivery of logs write.
	own := logBucket == "" && strings.HasPrefix(bucket, v.project+"-logs-")
	v.check(bucket == "" || bucket != logBucket && !own, key, n.FlowLogs, "the session logs are in this bucket, and AWS would replace its policy",
		"another bucket", v.remove(key))
}

func (n Network) validateCidrBlock(v *validator) {
	const key = "network.cidrBlock"
	zones, room := max(1, min(6, n.AvailabilityZoneCount)), "zone"
	if zones == n.AvailabilityZoneCount { // another number is a mistake of its own
		room = fmt.Sprintf("of %d zones", zones)
	}
	if _, err := network.Subnets(n.CidrBlock, zones); err != nil {
		v.check(false, key, n.CidrBlock, err.Error(),
			fmt.Sprintf("an IPv4 range between /%d and /%d with room for a subnet in each %s",
				network.LargestPrefix, network.SmallestPrefix, room))
		return
	}
	block := netip.MustParsePrefix(n.CidrBlock)
	v.check(block.Addr().IsPrivate() || sharedAddressSpace.Contains(block.Addr()), key, n.CidrBlock,
		"these are public addresses, which belong to others on the internet",
		"a range within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10")
}
