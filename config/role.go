package config

import (
	"regexp"
	"slices"
	"strconv"

	"private-ec2-access/internal/settings"
)

// Role is the instances' role: what it may do, and what an organization asks of
// every IAM role, a permissions boundary and a path.
type Role struct {
	Policy              string   `json:"policy"`
	ParameterPaths      []string `json:"parameterPaths"`
	PermissionsBoundary string   `json:"permissionsBoundary"`
	Path                string   `json:"path"`
}

// SessionsOnly is the choice of role.policy that allows only what sessions need.
const SessionsOnly = "session"

var (
	// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html, without wildcards of IAM
	parameterPath = regexp.MustCompile(`^(/|(/[A-Za-z0-9_.-]+)+)$`)
	policyARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$`)
	// IAM allows more characters in a path; these are the ones of names in IAM.
	rolePath = regexp.MustCompile(`^/([A-Za-z0-9+=,.@_-]+/)*$`)
)

const maxRolePath = 512 // of IAM

func (r Role) validate(v *validator) {
	v.oneOf("role.policy", r.Policy, "managed", SessionsOnly)
	v.check(r.Policy != SessionsOnly || len(r.ParameterPaths) == 0, "role.parameterPaths", settings.Show(r.ParameterPaths),
		"paths are named, but the role reads no parameters (role.policy is "+SessionsOnly+")", "empty", v.set("role.policy", "managed"))
	for i, path := range r.ParameterPaths {
		key := settings.Element("role.parameterPaths", i)
		v.check(parameterPath.MatchString(path), key, path, "not the name or path of an SSM parameter",
			"/ for every parameter of the account, or /NAME, /NAME/NAME …, without a slash at the end")
		v.check(slices.Index(r.ParameterPaths, path) == i, key, path, "named twice", "each path once", v.remove(key))
	}
	v.check(r.PermissionsBoundary == "" || policyARN.MatchString(r.PermissionsBoundary), "role.permissionsBoundary", r.PermissionsBoundary,
		"not the ARN of a managed policy", "empty, or arn:PARTITION:iam::ACCOUNT:policy/NAME")
	v.check(r.Path == "" || rolePath.MatchString(r.Path), "role.path", r.Path, "not a path of IAM",
		"empty, or names of letters, digits and any of +=,.@_- between slashes, for example /private-ec2-access/")
	v.check(len(r.Path) <= maxRolePath, "role.path", strconv.Itoa(len(r.Path))+" characters", "too long", "up to 512 characters")
}
