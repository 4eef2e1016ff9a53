package survey

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicequotas"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/internal/decide"
)

// quotas reads how many vCPUs the account may run, and those of each type, where
// new instances could be over the quota. It shapes nothing, so what cannot be read
// is no error.
func (s surveyor) quotas() error {
	types := decide.QuotaTypes(s.config, s.facts.Deployed)
	if len(types) == 0 {
		return nil
	}
	for _, name := range types {
		if _, known := s.facts.InstanceTypes[name]; known {
			continue
		}
		found, err := ec2.GetInstanceType(s.ctx, &ec2.GetInstanceTypeArgs{InstanceType: name})
		if err != nil {
			s.facts.VCPUs.Problem = problem(err, "")
			return nil
		}
		s.facts.InstanceTypes[name] = decide.InstanceType{MemoryMiB: found.MemorySize, VCPUs: found.DefaultVcpus}
	}
	quota, err := servicequotas.LookupServiceQuota(s.ctx, &servicequotas.LookupServiceQuotaArgs{
		ServiceCode: "ec2", QuotaCode: pulumi.StringRef(decide.VCPUQuota),
	})
	if err != nil {
		s.facts.VCPUs.Problem = problem(err, "")
		return nil
	}
	s.facts.VCPUs.Value = int(quota.Value)
	return nil
}
