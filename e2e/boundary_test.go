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

// A role whose policies allow everything gets no more than this by the boundary: what an instance needs.
//
// It does not prove that an instance needs no more: TestVerdicts_MatchPage judges with the boundary what the program allows.
func TestBoundary_RoleThatMayEverything_GetsWhatAnInstanceNeeds(t *testing.T) {
	t.Parallel()
	everything := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}
	const (
		parameter = "arn:aws:ssm:us-east-2:" + here + ":parameter"
		image     = parameter + "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
		groups    = "arn:aws:logs:us-east-2:" + here + ":log-group:"
		bucket    = "arn:aws:s3:::private-ec2-access-logs-1"
		key       = "arn:aws:kms:us-east-2:" + here + ":key/1"
		instance  = "arn:aws:ec2:us-east-2:" + here + ":instance/i-1"
		through   = "kms:ViaService"
		ofS3      = "kms:EncryptionContext:aws:s3:arn"
		session   = "kms:EncryptionContext:aws:ssm:SessionId"
		target    = "kms:EncryptionContext:aws:ssm:TargetId"
		s3        = "s3.us-east-2.amazonaws.com"
	)
	own := map[string]string{"aws:ResourceAccount": here}
	cases := []struct {
		path     string // the template's ParameterPath
		action   string
		resource string
		context  map[string]string
		allowed  bool
	}{
		{"", "ssm:UpdateInstanceInformation", instance, nil, true},
		{"", "ssm:SendCommand", instance, nil, false},
		{"", "ssm:StartSession", instance, nil, false},
		{"", "ec2:TerminateInstances", instance, nil, false},
		{"", "iam:CreateUser", "arn:aws:iam::" + here + ":user/somebody", nil, false},
		{"", "sts:AssumeRole", "arn:aws:iam::" + here + ":role/admin", nil, false},

		{"", "ssm:GetParameter", image, nil, true},
		{"", "ssm:GetParameters", parameter + "/app/password", nil, false},
		{"", "ssm:GetParameter", parameter + "/app/password", nil, false},
		{"", "ssm:GetParameter", parameter + "/aws/reference/secretsmanager/x", nil, false},
		{"/app/", "ssm:GetParameter", image, nil, true},
		{"/app/", "ssm:GetParameter", parameter + "/app/password", nil, true},
		{"/app/", "ssm:GetParameter", parameter + "/application/password", nil, false},
		{"/app/", "ssm:PutParameter", parameter + "/app/password", nil, false},

		{"", "s3:GetObject", "arn:aws:s3:::aws-patch-manager-us-east-2-552881074/x", nil, true},
		{"", "s3:GetObject", "arn:aws:s3:::somebodys/x", own, false},
		{"", "s3:PutObject", bucket + "/sessions/a.log", own, true},
		{"", "s3:PutObject", "arn:aws:s3:::somebodys/x", own, false},
		{"", "s3:GetObject", bucket + "/sessions/a.log", own, false},
		{"", "s3:DeleteObject", bucket + "/sessions/a.log", own, false},

		{"", "logs:PutLogEvents", groups + "/private-ec2-access/dev/sessions:log-stream:a", nil, true},
		{"", "logs:PutLogEvents", groups + "/somebodys:log-stream:a", nil, false},
		{"", "logs:GetLogEvents", groups + "/private-ec2-access/dev/sessions:log-stream:a", nil, false},

		{"", "kms:GenerateDataKey", key, map[string]string{through: s3, ofS3: bucket}, true},
		{"", "kms:GenerateDataKey", key, map[string]string{through: s3, ofS3: "arn:aws:s3:::somebodys"}, false},
		{"", "kms:GenerateDataKey", key, map[string]string{through: "ec2.us-east-2.amazonaws.com", ofS3: bucket}, false},
		{"", "kms:GenerateDataKey", key, map[string]string{ofS3: bucket}, false},
		{"", "kms:Decrypt", key, map[string]string{session: "a-1", target: "i-1"}, true},
		{"", "kms:Decrypt", key, map[string]string{target: "i-1", through: s3}, false},
		{"", "kms:Decrypt", key, nil, false},
		{"", "kms:Encrypt", key, map[string]string{session: "a-1", target: "i-1"}, false},
	}
	var simulations []map[string]any
	for _, c := range cases {
		b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, map[string]string{"ParameterPath": c.path})
		context := c.context
		if context == nil {
			context = map[string]string{}
		}
		simulation := map[string]any{
			"identityPolicies":           []any{map[string]any{"name": "everything", "policy": everything}},
			"permissionBoundaryPolicies": []any{map[string]any{"name": "boundary", "policy": b.properties(t, "Boundary")["PolicyDocument"]}},
			"request": map[string]any{
				"principal": "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1", "action": c.action, "contextVariables": context,
				"resource": map[string]any{"resource": c.resource, "accountId": here},
			},
		}
		switch {
		case strings.HasPrefix(c.action, "kms:"): // a key's own policy has to refer to the account's
			simulation["resourcePolicy"] = b.properties(t, "Key")["KeyPolicy"]
		case strings.HasPrefix(c.action, "sts:"):
			simulation["resourcePolicy"] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, "Action": "sts:AssumeRole",
			}}}
		}
		simulations = append(simulations, simulation)
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error, "%+v", cases[i])
		require.Equal(t, cases[i].allowed, v.allowed(), "%+v", cases[i])
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
