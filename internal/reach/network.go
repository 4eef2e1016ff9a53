package reach

import (
	"net/netip"
	"slices"
)

// Network is what decides whether names of endpoints resolve in a VPC.
type Network struct {
	DNSSupport, DNSHostnames bool
	// CidrBlock is the VPC's first IPv4 range, in which AWS's resolver has an address.
	CidrBlock string
	// Ranges are all of them, IPv4 and IPv6.
	Ranges []string
	// DNSServers are the name servers of the VPC's DHCP options.
	DNSServers Read[[]string]
}

// MissingAttributes are the names of the DNS attributes that are off. Private
// DNS of interface endpoints needs both
// (https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html).
func (n Network) MissingAttributes() (off []string) {
	if !n.DNSSupport {
		off = append(off, "enableDnsSupport")
	}
	if !n.DNSHostnames {
		off = append(off, "enableDnsHostnames")
	}
	return off
}

// resolvers are names and addresses of AWS's resolver in every VPC. It has one
// more address there, the third of the VPC's first range
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
var resolvers = []string{"AmazonProvidedDNS", "169.254.169.253", "fd00:ec2::253"}

// OtherDNSServers are the name servers of the DHCP options that are not AWS's
// resolver. Only that one knows the private names of endpoints.
func (n Network) OtherDNSServers() []string {
	known := resolvers
	if block, err := netip.ParsePrefix(n.CidrBlock); err == nil {
		known = append(slices.Clone(known), block.Masked().Addr().Next().Next().String())
	}
	return slices.DeleteFunc(slices.Clone(n.DNSServers.Value), func(server string) bool { return slices.Contains(known, server) })
}

// ResolverCommands make AWS's resolver the name server of a VPC.
func ResolverCommands(region, vpc string) []string {
	return []string{
		"aws ec2 create-dhcp-options --region " + region + " --dhcp-configurations Key=domain-name-servers,Values=AmazonProvidedDNS",
		"aws ec2 associate-dhcp-options --region " + region + " --dhcp-options-id DHCP_OPTIONS --vpc-id " + vpc,
	}
}
