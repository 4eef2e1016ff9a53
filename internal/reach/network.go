package reach

// Network is what decides whether names of endpoints resolve in a VPC.
type Network struct{ DNSSupport, DNSHostnames bool }

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
