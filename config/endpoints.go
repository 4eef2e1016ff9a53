package config

// Endpoints decides which endpoints there are and what they let through.
type Endpoints struct {
	EC2Messages string `json:"ec2messages"`
	Policies    string `json:"policies"`
}

func (e Endpoints) validate(v *validator) {
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
