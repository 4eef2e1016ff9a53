package survey

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	awsiam "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"

	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/scope"
)

// existingInstances reads the instances that the config names by an id or by
// tags, and the role of each. One of several that tags name is called by the
// config's name and its id, so that another one renames none.
func (s surveyor) existingInstances() error {
	s.facts.Existing = map[string]decide.ExistingInstance{}
	for _, name := range slices.Sorted(maps.Keys(s.config.ExistingInstances)) {
		wanted := s.config.ExistingInstances[name]
		named := map[string]string{name: wanted.InstanceID}
		if wanted.InstanceID == "" {
			found, err := ec2.GetInstances(s.ctx, &ec2.GetInstancesArgs{
				InstanceTags: wanted.Tags, InstanceStateNames: []string{"pending", "running", "stopping", "stopped"},
			})
			if err != nil && !isAbsent(err) {
				return fmt.Errorf("listing the instances with the tags of existingInstances.%s: %w", name, err)
			}
			named = map[string]string{}
			if found != nil {
				for _, id := range found.Ids {
					named[name+"-"+id] = id
				}
			}
			if len(named) == 0 {
				s.facts.Existing[name] = decide.ExistingInstance{ByTags: true}
			}
		}
		for _, one := range slices.Sorted(maps.Keys(named)) {
			found, err := s.existingInstance(named[one])
			if err != nil {
				return fmt.Errorf("reading the instance %s (existingInstances.%s): %w", named[one], name, err)
			}
			found.ByTags = wanted.InstanceID == ""
			s.facts.Existing[one] = found
		}
	}
	return nil
}

func (s surveyor) existingInstance(id string) (decide.ExistingInstance, error) {
	i := decide.ExistingInstance{ID: id}
	found, err := ec2.LookupInstance(s.ctx, &ec2.LookupInstanceArgs{InstanceId: &id})
	switch {
	case isAbsent(err):
		return i, nil
	case err != nil:
		return i, err
	case found.InstanceState == "terminated" || found.InstanceState == "shutting-down":
		return i, nil
	}
	i.Found, i.Address, i.Profile = true, found.PrivateIp, found.IamInstanceProfile
	i.Stack = found.Tags[scope.OwnerTag]
	i.Own = slices.Contains(s.facts.Deployed.ARNs, found.Arn)
	subnet, err := ec2.LookupSubnet(s.ctx, &ec2.LookupSubnetArgs{Id: &found.SubnetId})
	if err != nil {
		return i, fmt.Errorf("reading its subnet %s: %w", found.SubnetId, err)
	}
	i.VpcID = subnet.VpcId
	if i.Profile == "" {
		return i, nil
	}
	profile, err := awsiam.LookupInstanceProfile(s.ctx, &awsiam.LookupInstanceProfileArgs{Name: i.Profile})
	switch {
	case isAbsent(err):
	case err != nil:
		return i, fmt.Errorf("reading its instance profile %s: %w", i.Profile, err)
	default:
		i.RoleName, i.RoleARN = profile.RoleName, profile.RoleArn
		i.OwnProfile = slices.Contains(s.facts.Deployed.ARNs, profile.Arn)
	}
	return i, nil
}
