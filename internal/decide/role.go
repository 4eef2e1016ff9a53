package decide

import (
	"strings"

	"private-ec2-access/internal/mistake"
)

// role refuses a permissions boundary that IAM would refuse for the role.
func (d *decider) role() { d.boundary("role.permissionsBoundary", d.config.Role.PermissionsBoundary) }

// boundary refuses a policy of another account or partition.
func (d *decider) boundary(key, arn string) {
	if arn == "" {
		return
	}
	s := d.facts.Scope
	own, aws := "arn:"+s.Partition+":iam::"+s.AccountID+":policy/", "arn:"+s.Partition+":iam::aws:policy/"
	if !strings.HasPrefix(arn, own) && !strings.HasPrefix(arn, aws) {
		to := own + "NAME"
		if _, name, ofAWS := strings.Cut(arn, ":iam::aws:policy/"); ofAWS {
			to = aws + name
		}
		d.refuse(mistake.Mistake{
			Key: key, Got: arn,
			Problem: "the policy belongs to another account or partition, and a permissions boundary has to be in the role's own",
			Allowed: own + "NAME, or a policy of AWS: " + aws + "NAME",
			Fix:     mistake.Run(d.set(key, to)),
		})
	}
}
