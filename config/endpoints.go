package config

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// Endpoints decides which endpoints there are and what they let through.
type Endpoints struct {
	Create      bool              `json:"create"`
	Protect     bool              `json:"protect"`
	Existing    map[string]string `json:"existing"`
	CidrBlocks  []string          `json:"cidrBlocks"`
	EC2Messages string            `json:"ec2messages"`
	Policies    string            `json:"policies"`
}

// interfaceServices are those of the table in internal/endpoint, which imports
// this package.
var interfaceServices = []string{"ssm", "ssmmessages", "logs", "kms", "ec2messages"}

var endpointID = regexp.MustCompile(`^vpce-[0-9a-f]{8,17}$`)

func (e Endpoints) validate(v *validator, n Network) {
	v.check(e.Create || n.Existing(), "endpoints.create", "false", "in a VPC that the stack creates, nobody else creates endpoints",
		"true, or an existing VPC (network.vpcId)", v.remove("endpoints.create"))
	v.check(e.Create || !n.Existing() || !e.Protect, "endpoints.protect", "true", "the stack creates no endpoints, so there is nothing to protect",
		"false with endpoints.create false", v.remove("endpoints.protect"))
	for _, service := range slices.Sorted(maps.Keys(e.Existing)) {
		id, key := e.Existing[service], settings.Member("endpoints.existing", service)
		if !n.Existing() {
			v.check(false, key, id, "a VPC that the stack creates has no endpoints yet", "empty without network.vpcId", v.remove(key))
			continue
		}
		v.check(slices.Contains(interfaceServices, service), key, id, "not a service that this program uses", strings.Join(interfaceServices, ", "), v.remove(key))
		v.check(endpointID.MatchString(id), key, id, "not the ID of a VPC endpoint", "vpce- and 8 to 17 hexadecimal digits")
	}
	for i, block := range e.CidrBlocks {
		key := settings.Element("endpoints.cidrBlocks", i)
		prefix, err := netip.ParsePrefix(block)
		v.check(err == nil && prefix.Addr().Is4() && prefix.Masked() == prefix && prefix.Bits() >= 8, key, block,
			"not a usable IPv4 CIDR block", "a CIDR block from /8 to /32 without host bits, such as 10.0.0.0/16")
		v.check(slices.Index(e.CidrBlocks, block) == i, key, block, "named twice", "each CIDR block once", v.remove(key))
	}
	fixes := []mistake.Fix{v.remove("endpoints.cidrBlocks")}
	if n.Existing() {
		elsewhere := v.set("endpoints.create", "false")
		if e.Protect { // the stack then has none to protect
			elsewhere.Commands = append(elsewhere.Commands, v.remove("endpoints.protect").Commands...)
		}
		fixes = append(fixes, elsewhere)
	}
	v.check(!e.Create && n.Existing() || len(e.CidrBlocks) == 0, "endpoints.cidrBlocks", settings.Show(e.CidrBlocks),
		"these CIDR blocks are for endpoints in another VPC, but this stack creates its own endpoints", "empty, unless endpoints.create is false", fixes...)
	v.oneOf("endpoints.ec2messages", e.EC2Messages, "auto", "always", "never")
	v.oneOf("endpoints.policies", e.Policies, "auto", "narrow", "full")
}

// NarrowPolicies reports whether endpoint policies let through only what this
// stack needs. In a VPC that others use too, that is for the user to ask for.
func (c *Config) NarrowPolicies() bool {
	if c.Endpoints.Policies == "auto" {
		return !c.Network.Existing()
	}
	return c.Endpoints.Policies == "narrow"
}
