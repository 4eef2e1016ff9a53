package e2e

import (
	"os"
	"path/filepath"
	"strings"
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

// Everybody can give a bucket a name that begins like those of the stacks' buckets. Whatever the policies of the role and of that
// bucket allow, the boundary lets the role write to buckets of its own account, and to the one that a parameter names.
func TestBoundary_BucketOfAnotherAccount_Denied(t *testing.T) {
	t.Parallel()
	const name = "arn:aws:s3:::private-ec2-access-logs-1/sessions/a.log"
	everything := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}
	open := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}}
	cases := []struct {
		parameter, action, object, owner string
		allowed                          bool
	}{
		{"", "s3:PutObject", name, here, true},
		{"", "s3:PutObject", name, outside, false},
		{"", "s3:PutObject", "arn:aws:s3:::central-logs/sessions/a.log", outside, false},
		{"central-logs", "s3:PutObject", "arn:aws:s3:::central-logs/sessions/a.log", outside, true},
		{"central-logs", "s3:PutObject", name, outside, false},
		{"private-ec2-access-logs-1", "s3:PutObject", name, outside, true},
		{"private-ec2-access-logs-1", "s3:PutObject", "arn:aws:s3:::private-ec2-access-logs-2/a.log", outside, false},
	}
	var simulations []map[string]any
	for _, c := range cases {
		b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, map[string]string{"LogBucket": c.parameter})
		simulations = append(simulations, map[string]any{
			"identityPolicies":           []any{map[string]any{"name": "everything", "policy": everything}},
			"permissionBoundaryPolicies": []any{map[string]any{"name": "boundary", "policy": b.properties(t, "Boundary")["PolicyDocument"]}},
			"resourcePolicy":             open,
			"request": map[string]any{
				"principal": "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1", "action": c.action,
				"contextVariables": map[string]string{"aws:ResourceAccount": c.owner}, "resource": map[string]any{"resource": c.object, "accountId": c.owner},
			},
		})
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error, "%+v", cases[i])
		require.Equal(t, cases[i].allowed, v.allowed(), "%+v", cases[i])
	}
}

// Whatever the policies of the role allow, the boundary lets it read AWS's public parameters, and those below the path that a
// parameter of the template names. AmazonSSMManagedInstanceCore allows those of the whole account.
func TestBoundary_OtherParameters_Denied(t *testing.T) {
	t.Parallel()
	core := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": []any{"ssm:GetParameter", "ssm:GetParameters"}, "Resource": "*",
	}}}
	const aws, app, other = "aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "app/password", "application/password"
	cases := []struct {
		path, parameter string
		allowed         bool
	}{
		{"", aws, true}, {"", app, false}, {"", "aws/reference/secretsmanager/x", false},
		{"/app/", aws, true}, {"/app/", app, true}, {"/app/", other, false},
	}
	var simulations []map[string]any
	for _, c := range cases {
		b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, map[string]string{"ParameterPath": c.path})
		for _, action := range []string{"ssm:GetParameter", "ssm:GetParameters"} {
			simulations = append(simulations, map[string]any{
				"identityPolicies":           []any{map[string]any{"name": "core", "policy": core}},
				"permissionBoundaryPolicies": []any{map[string]any{"name": "boundary", "policy": b.properties(t, "Boundary")["PolicyDocument"]}},
				"request": map[string]any{
					"principal": "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1", "action": action, "contextVariables": map[string]string{},
					"resource": map[string]any{"resource": "arn:aws:ssm:us-east-2:" + here + ":parameter/" + c.parameter, "accountId": here},
				},
			})
		}
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error, "%+v", cases[i/2])
		require.Equal(t, cases[i/2].allowed, v.allowed(), "%+v", cases[i/2])
	}
}

// The resource control policy in docs/team.md refuses whom the deploy role may let in by the trust of a new role or the policy of
// a bucket, and nobody else.
func TestTeamPage_ResourceControlPolicy_RefusesOutsiders(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(project(t), "docs", "team.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```json\n")
	require.True(t, found)
	text, _, _ := strings.Cut(rest, "```")
	limits := []any{map[string]any{"orgIdentifier": "r-1", "policies": []any{map[string]any{"name": "page", "policy": parsed(t, text)}}}}
	open := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}}
	trust := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}}}
	everything := []any{map[string]any{"name": "everything", "policy": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}}}
	const (
		ofInstances = "arn:aws:iam::" + here + ":role/a/private-ec2-access-instance-new"
		deploys     = "arn:aws:iam::" + here + ":role/private-ec2-access-deploy"
		log         = "arn:aws:s3:::private-ec2-access-logs-1/sessions/a.log"
	)
	cases := []struct {
		action, on, account, organization string
		allowed                           bool
	}{
		{"s3:GetObject", log, here, "o-EXAMPLE", true},
		{"s3:GetObject", log, outside, "o-another", false},
		{"s3:GetObject", log, outside, "", false},
		{"sts:AssumeRole", ofInstances, here, "o-EXAMPLE", true},
		{"sts:AssumeRole", ofInstances, outside, "o-another", false},
		// The caller of an identity provider has no organization: neither a workflow of another repository, nor the pipelines'.
		{"sts:AssumeRoleWithWebIdentity", ofInstances, here, "", false},
		{"sts:AssumeRoleWithSAML", ofInstances, here, "", false},
		{"sts:AssumeRoleWithWebIdentity", deploys, here, "", true},
	}
	var simulations []map[string]any
	for _, c := range cases {
		context := map[string]string{"aws:PrincipalIsAWSService": "false"}
		if c.organization != "" {
			context["aws:PrincipalOrgID"] = c.organization
		}
		policy := open
		if strings.HasPrefix(c.action, "sts:") {
			policy = trust
		}
		simulations = append(simulations, map[string]any{
			"identityPolicies": everything, "resourcePolicy": policy, "resourceControlPolicies": limits,
			"request": map[string]any{ // The evaluator knows no federated principals: a role takes their place.
				"principal": "arn:aws:iam::" + c.account + ":role/somebody", "action": c.action, "contextVariables": context,
				"resource": map[string]any{"resource": c.on, "accountId": here},
			},
		})
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error, "%+v", cases[i])
		require.Equal(t, cases[i].allowed, v.allowed(), "%+v", cases[i])
	}
}
