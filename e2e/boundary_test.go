package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A role that is deployed already gets the permissions boundary by an update in place, by calls that the deploy role may make.
// Another path replaces role, policy and instance profile, and no instance: only the preview says so here, because moto does not
// give an instance another profile.
func TestRole_BoundaryOnDeployedRole_UpdatesInPlace(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	shared := newSharedState(t, in)
	s := shared.stack(t, in, "dev", quick(in, map[string]any{"session": map[string]any{"encryption": true}}))
	s.up()
	role := s.outputs().text("roleName")
	require.Empty(t, in.aws("iam", "get-role", "--role-name", role).text("Role.PermissionsBoundary.PermissionsBoundaryArn"))

	s.set("role.permissionsBoundary", boundary)
	require.Equal(t, map[string]string{"aws:iam/role:Role private-ec2-access-instance": "update"}, s.steps())
	in.Reset()
	s.up()
	calls := in.Calls()
	require.Contains(t, in.writes(), "iam:PutRolePermissionsBoundary")
	require.Equal(t, boundary, in.aws("iam", "get-role", "--role-name", role).text("Role.PermissionsBoundary.PermissionsBoundaryArn"))
	s.requireNoChanges()
	known := survey(in)
	b := readBootstrap(t, shared, nil).withOptions(t, map[string]string{"LogBucket": s.outputs().text("logBucket")})
	b.keyPolicies = map[string]any{known.records: known.keyPolicy}
	requireAllowed(t, b, "DeployRole", known.asks(t, calls))

	s.set("role.path", "/shells/")
	steps := s.steps()
	require.Equal(t, "replace", steps["aws:iam/role:Role private-ec2-access-instance"])
	require.Equal(t, "replace", steps["aws:iam/policy:Policy private-ec2-access-instance"])
	require.Equal(t, "replace", steps["aws:iam/instanceProfile:InstanceProfile private-ec2-access-instance"])
	require.Equal(t, "update", steps["aws:ec2/instance:Instance private-ec2-access-app-arm64"])
}
