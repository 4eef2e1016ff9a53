package decide

import (
	"strings"

	"private-ec2-access/internal/mistake"
)

// role refuses a permissions boundary that IAM would refuse for the role: a
// policy of another account or partition.
func (d *decider) role() {
	arn, s := d.config.Role.PermissionsBoundary, d.facts.Scope
	if arn == "" {
		return
	}
	own, aws := "arn:"+s.Partition+":iam::"+s.AccountID+":policy/", "arn:"+s.Partition+":iam::aws:policy/"
	if !strings.HasPrefix(arn, own) && !strings.HasPrefix(arn, aws) {
		d.refuse(mistake.Mistake{
			Key: "role.permissionsBoundary", Got: arn,
			Problem: "the policy belongs to another account, and a permissions boundary has to be in the role's own",
			Allowed: own + "NAME, or a policy of AWS: " + aws + "NAME",
			Fix:     mistake.Run(d.set("role.permissionsBoundary", own+"NAME")),
		})
	}
}
