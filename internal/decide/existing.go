package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// existingInstances decides which existing instances the stack brings in, which
// roles get its policy, and which instances get its instance profile. A profile
// that an instance has is never replaced: a program on the instance may need the
// role in it.
func (d *decider) existingInstances() {
	d.Existing, d.ExistingRoles = map[string]ExistingInstance{}, map[string]string{}
	users, seen := map[string][]string{}, map[string]string{}
	var bare []string
	for _, name := range slices.Sorted(maps.Keys(d.facts.Existing)) {
		i := d.facts.Existing[name]
		if i.ID == "" {
			d.warn("no instance has the tags of " + settings.Member("existingInstances", name))
			continue
		}
		if other := seen[i.ID]; other != "" {
			d.say(fmt.Sprintf("the instance %s has the tags of %s, and is brought in as %s already", i.ID, name, other))
			continue
		}
		seen[i.ID] = name
		if !d.bringsIn(name, i) {
			continue
		}
		d.Existing[name] = i
		switch {
		case i.Profile == "" || i.OwnProfile:
			d.AttachProfile = append(d.AttachProfile, name)
			if i.Profile == "" {
				bare = append(bare, name+" ("+i.ID+")")
			}
		case !slices.Contains(d.facts.Deployed.ARNs, i.RoleARN): // in another profile, the stack's own role has everything
			d.ExistingRoles[i.RoleName] = i.RoleARN
			users[i.RoleName] = append(users[i.RoleName], name+" ("+i.ID+")")
		}
		if vpc := d.vpcID(); i.VpcID != vpc {
			d.warn(fmt.Sprintf("the existing instance %s (%s) is in the VPC %s, and not in that of this stack. It needs endpoints or a route to Systems Manager and S3 there: make wait INSTANCE=%[1]s says what is missing",
				name, i.ID, i.VpcID))
		}
	}
	if len(bare) > 0 {
		d.say("existing instances without an instance profile: " + strings.Join(bare, ", ") +
			". make up attaches the stack's, and make destroy detaches it. Plain pulumi cannot: the output existingInstanceProfiles has both commands")
	}
	for _, role := range slices.Sorted(maps.Keys(d.ExistingRoles)) {
		d.say(fmt.Sprintf("the role %s of %s gets this stack's policy for sessions. Everything else with this role gets it as well. "+
			"By default, a role can have 10 managed policies. A tool that manages all of the role's policies, "+
			"such as Terraform with managed_policy_arns, would remove it again", role, strings.Join(users[role], ", ")))
	}
	d.existingWriters()
	if len(d.config.Complete()) == 0 && len(d.Existing) == 0 {
		d.say("the stack has no instances")
	}
}

// bringsIn refuses what cannot be an existing instance of this stack.
func (d *decider) bringsIn(name string, i ExistingInstance) bool {
	at := settings.Member("existingInstances", name)
	region := " --region " + d.facts.Scope.Region
	switch {
	case !i.Found:
		d.refuse(mistake.Mistake{
			Key: at, Got: i.ID, Problem: "there is no such instance in this account and Region",
			Allowed: "the ID of an instance in the stack's account and Region that is not terminated", Fix: mistake.Run(d.unset(at)),
		})
	case i.Own && i.ByTags:
		// The tags select what the stack creates as well.
	case i.Own:
		d.refuse(mistake.Mistake{
			Key: at, Got: i.ID, Problem: "this stack created the instance",
			Allowed: "instances that this stack did not create", Fix: mistake.Run(d.unset(at)),
		})
	case i.Profile != "" && i.RoleName == "":
		d.refuse(mistake.Mistake{
			Key: at, Got: i.ID, Problem: "its instance profile " + i.Profile + " has no role, or is deleted",
			Allowed: "an instance whose profile has a role, or one without a profile, which gets this stack's",
			Fix: []mistake.Fix{
				{Commands: []string{"aws iam add-role-to-instance-profile --instance-profile-name " + i.Profile + " --role-name ROLE"}},
				{Text: "detach it, so that this stack's can be attached:", Commands: []string{
					"aws ec2 disassociate-iam-instance-profile" + region + " --association-id $(aws ec2 describe-iam-instance-profile-associations" + region +
						" --filters Name=instance-id,Values=" + i.ID + " --query 'IamInstanceProfileAssociations[0].AssociationId' --output text)",
				}},
			},
		})
	default:
		return true
	}
	return false
}

// vpcID is the stack's VPC; empty before it is created.
func (d *decider) vpcID() string {
	if d.config.Network.Existing() {
		return d.config.Network.VpcID
	}
	for _, arn := range d.facts.Deployed.ARNs {
		if _, id, ok := strings.Cut(arn, ":vpc/"); ok {
			return id
		}
	}
	return ""
}

// existingWriters refuses roles whose session logs the bucket of another stack
// would refuse.
func (d *decider) existingWriters() {
	bucket := d.config.Logging.BucketName
	w := d.facts.Writers[bucket]
	if bucket == "" || !w.Limited {
		return
	}
	for _, role := range slices.Sorted(maps.Keys(d.ExistingRoles)) {
		if arn := d.ExistingRoles[role]; !slices.Contains(w.RoleARNs, arn) {
			d.refuse(mistake.Mistake{
				Key: "logging.bucketName", Got: bucket,
				Problem: "the policy of this bucket does not let the role " + arn + " of existing instances write, so their session logs would be refused silently",
				Allowed: "a bucket whose policy lets the roles of existing instances write",
				Fix:     []mistake.Fix{{Text: "name the role in logging.writerRoleArns of the stack that has the bucket, and update that stack first"}},
			})
		}
	}
}
