package config

import (
	"regexp"
	"strconv"
)

// Role is what an organization asks of every IAM role: a permissions boundary,
// and a path.
type Role struct {
	PermissionsBoundary string `json:"permissionsBoundary"`
	Path                string `json:"path"`
}

var (
	policyARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$`)
	// IAM allows more characters in a path; these are the ones of names in IAM.
	rolePath = regexp.MustCompile(`^/([A-Za-z0-9+=,.@_-]+/)*$`)
)

const maxRolePath = 512 // of IAM

func (r Role) validate(v *validator) {
	v.check(r.PermissionsBoundary == "" || policyARN.MatchString(r.PermissionsBoundary), "role.permissionsBoundary", r.PermissionsBoundary,
		"not the ARN of a managed policy", "empty, or arn:PARTITION:iam::ACCOUNT:policy/NAME")
	v.check(r.Path == "" || rolePath.MatchString(r.Path), "role.path", r.Path, "not a path of IAM",
		"empty, or names of letters, digits and any of +=,.@_- between slashes, for example /private-ec2-access/")
	v.check(len(r.Path) <= maxRolePath, "role.path", strconv.Itoa(len(r.Path))+" characters long", "too long", "up to 512 characters")
}
