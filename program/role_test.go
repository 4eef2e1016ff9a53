package program

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/pulumitest"
)

func runWithRole(t *testing.T, role map[string]any) ([]pulumitest.Resource, error) {
	t.Helper()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(nil)}
	config := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), map[string]any{
		"role.permissionsBoundary": role["permissionsBoundary"], "role.path": role["path"], "session.encryption": true, "logging.encryption": "kms",
	})))
	return recorder.Run(t, "private-ec2-access", "test", false, New(config, pulumitest.LocalEnvironment))
}

// Every IAM role has the permissions boundary, and everything in IAM that has a
// path has the one of the config. Without the keys nothing has either, as in
// stacks that were deployed before the keys existed.
func TestRole_BoundaryAndPath_OnEveryRole(t *testing.T) {
	t.Parallel()
	const boundary, path = "arn:aws:iam::111122223333:policy/boundary", "/shells/"
	for name, c := range map[string]struct {
		role           map[string]any
		boundary, path any
	}{
		"not set": {map[string]any{"permissionsBoundary": "", "path": ""}, nil, nil},
		"set":     {map[string]any{"permissionsBoundary": boundary, "path": path}, boundary, path},
		"by AWS":  {map[string]any{"permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess", "path": ""}, "arn:aws:iam::aws:policy/PowerUserAccess", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources, err := runWithRole(t, c.role)
			require.NoError(t, err)
			seen := map[string]int{}
			for _, r := range resources {
				_, kind, _ := strings.Cut(r.Type, "aws:iam/")
				switch kind {
				case "role:Role":
					require.Equal(t, c.boundary, r.Inputs["permissionsBoundary"])
					require.Equal(t, c.path, r.Inputs["path"])
				case "policy:Policy", "instanceProfile:InstanceProfile":
					require.Equal(t, c.path, r.Inputs["path"], r.Type)
				case "rolePolicy:RolePolicy", "rolePolicyAttachment:RolePolicyAttachment", "":
				default:
					require.Fail(t, "a type of IAM that this test does not know", r.Type)
				}
				seen[kind]++
			}
			require.Equal(t, []int{1, 1, 1}, []int{seen["role:Role"], seen["policy:Policy"], seen["instanceProfile:InstanceProfile"]})
		})
	}
}

func TestRole_BoundaryOfAnotherAccount_IsRefused(t *testing.T) {
	t.Parallel()
	_, err := runWithRole(t, map[string]any{"permissionsBoundary": "arn:aws:iam::999999999999:policy/boundary", "path": ""})
	require.ErrorContains(t, err, "role.permissionsBoundary: the policy belongs to another account")
	require.ErrorContains(t, err, "Allowed: arn:aws:iam::111122223333:policy/NAME, or a policy of AWS: arn:aws:iam::aws:policy/NAME")
}
