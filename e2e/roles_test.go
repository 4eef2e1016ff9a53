package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/emulator"
)

const (
	stackTag = "private-ec2-access:stack"
	ownStack = "private-ec2-access/dev"
	here     = "123456789012"
	boundary = "arn:aws:iam::" + here + ":policy/private-ec2-access-boundary"

	peopleBoundary = "arn:aws:iam::" + here + ":policy/private-ec2-access-boundary-people"
)

// The policies of the bootstrap's roles allow every call of real runs.
//
// It does not prove that AWS authorizes each call by the action, resource and tags of the tables below, nor that a run on the
// emulator makes every call of a run on AWS: calls that the provider makes only after a failure, or in another config, are
// not recorded. The emulator enforces no policy, so an IAM policy evaluator decides.
func TestBootstrapRoles_RecordedCalls_Allowed(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	shared := newSharedState(t, in)
	existing := instanceWithRole(in, "billing")
	// Everything that the program can create. Session logs are kept, as on a real account.
	s := shared.stack(t, in, "dev", map[string]any{
		"tags": map[string]any{"team": "platform", "old": "x"}, "keepRecords": true,
		"logging": map[string]any{
			"required": true, "cloudWatch": true, "encryption": "kms", "objectLock": "governance", "objectLockDays": 20, "transitionDays": 10,
		},
		"session": map[string]any{"encryption": true},
		"role":    map[string]any{"permissionsBoundary": boundary},
		"operators": map[string]any{"dba": map[string]any{
			"instances": []any{"app"}, "principals": []any{"arn:aws:iam::" + here + ":root"}, "mfa": true,
			"portForwarding": map[string]any{"db": map[string]any{"host": "db.internal", "port": 5432}},
		}},
		"auditors":   map[string]any{"enabled": true},
		"breakGlass": map[string]any{"principals": []any{"arn:aws:iam::" + here + ":root"}},
		"people": map[string]any{
			"permissionsBoundary": peopleBoundary, "denyUnrecorded": true, "exemptRoleArns": []any{roleARN("private-ec2-access-deploy")},
		},
		"existingInstances": map[string]any{"billing": map[string]any{"instanceId": existing}},
	})
	// The commands that make runs.
	in.Reset()
	s.must("stack", "select", "dev", "--create")
	s.up()
	deployed := in.Calls()

	in.Reset()
	s.must("stack", "select", "dev")
	s.requireNoChanges()
	previewed := in.Calls()
	for _, call := range in.writes() {
		require.Equal(t, "kms:Decrypt", call, "a preview writes nothing: no lock, no state")
	}

	in.Reset()
	s.set("session.idleSessionTimeout", "30")
	s.set("logging.retentionDays", "30")
	s.set("logging.logGroupRetentionDays", "30")
	s.set("logging.objectLockDays", "10")
	s.set("key.rotationPeriodInDays", "180")
	s.set("session.encryption", "false")
	s.set("tags.team", "security")
	s.must("config", "rm", "--path", "private-ec2-access:tags.old", "--stack", s.name)
	s.set("operators.dba.mfa", "false")
	s.set("operators.dba.maxSessionDuration", "7200")
	s.set("operators.dba.notAfter", "2030-01-01T00:00:00Z")
	s.set("operators.dba.portForwarding.db.port", "5433")
	s.must("config", "rm", "--path", "private-ec2-access:breakGlass", "--stack", s.name)
	s.up()
	deployed = append(deployed, in.Calls()...)
	known := survey(in)

	in.Reset()
	s.destroy()
	deployed = append(deployed, in.Calls()...)

	made := map[string]bool{}
	for _, call := range deployed {
		made[call.Service+":"+call.Action] = true
	}
	for _, call := range []string{
		"kms:CreateKey", "kms:CreateAlias", "kms:PutKeyPolicy", "kms:DeleteAlias", "logs:CreateLogGroup", "logs:PutRetentionPolicy",
		"s3:PutObjectLockConfiguration", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "ssm:UpdateDocument", "tagging:GetResources",
		"iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:CreatePolicyVersion", "ssm:DeleteDocument", "iam:DetachRolePolicy",
	} {
		require.True(t, made[call], "the runs made no call of %s, so they do not test its permission", call)
	}

	b := readBootstrap(t, shared, map[string]string{"ExistingRoles": allOptions["ExistingRoles"]})
	b.keyPolicies = map[string]any{known.records: known.keyPolicy}
	options := b.withOptions(t, allOptions)
	for role, asks := range map[string][]ask{"PreviewRole": known.asks(t, previewed), "DeployRole": known.asks(t, deployed)} {
		requireAllowed(t, options, role, asks)
		// Without the options everything but what they are for.
		requireAllowed(t, b, role, slices.DeleteFunc(asks, func(a ask) bool {
			return strings.Contains(a.resource, ":role/"+forPeople) || strings.Contains(a.resource, ":policy/"+forPeople) ||
				strings.HasSuffix(a.resource, "/"+existing) || strings.HasSuffix(a.resource, "/billing")
		}))
	}
}

const trustsEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`

// instanceWithRole launches an instance with a role of its own, both by the AWS CLI.
func instanceWithRole(in *account, role string) string {
	in.aws("iam", "create-role", "--role-name", role, "--assume-role-policy-document", trustsEC2)
	in.aws("iam", "create-instance-profile", "--instance-profile-name", role)
	in.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", role, "--role-name", role)
	return in.launch("--iam-instance-profile", "Name="+role)
}

// launch launches an instance as somebody else does, not as the program.
func (cli *awsCLI) launch(more ...string) string {
	image := cli.aws("ssm", "get-parameter", "--name", "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64").text("Parameter.Value")
	return cli.aws(append([]string{"ec2", "run-instances", "--image-id", image, "--instance-type", "t3.nano",
		"--block-device-mappings", `[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":8}}]`}, more...)...).text("Instances[0].InstanceId")
}

// forPeople is what the names of roles and policies for people begin with.
const forPeople = "private-ec2-access-people-"

// The policies of the bootstrap's roles deny these calls.
func TestBootstrapRoles_ForbiddenCalls_Denied(t *testing.T) {
	t.Parallel()
	b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, nil)
	const (
		records = "arn:aws:s3:::private-ec2-access-logs-2026"
		state   = "arn:aws:s3:::private-ec2-access-state-" + here + "-us-east-2"
		iam     = "arn:aws:iam::" + here + ":"
		ec2     = "arn:aws:ec2:us-east-2:" + here + ":"
		doc     = "arn:aws:ssm:us-east-2:" + here + ":document/"
		own     = iam + "role/private-ec2-access-instance-1"
		logs    = "arn:aws:logs:us-east-2:" + here + ":log-group:"
		group   = logs + "/private-ec2-access/dev/sessions"
		another = logs + "/another/group"
		keys    = "arn:aws:kms:us-east-2:" + here + ":"
		ownKey  = keys + "key/session-logs"
		// Its policy leaves everything to IAM, as AWS's default does.
		otherKey = keys + "key/another"
	)
	// The deploy role may write the policy of the stack's own key, so session logs must be safe under the most open one.
	b.keyPolicies = map[string]any{ownKey: map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
	}}}}
	const requested, tagged, boundaryKey = "aws:RequestTag/" + stackTag, "aws:ResourceTag/" + stackTag, "iam:PermissionsBoundary"
	foreign := map[string]string{tagged: "another-project/dev"}
	prod := map[string]string{tagged: "private-ec2-access/prod"} // another stack of the project
	ours := map[string]string{tagged: ownStack}
	bounded := map[string]string{tagged: ownStack, boundaryKey: boundary}
	unlike := func(context map[string]string, pairs ...string) map[string]string { // an empty value takes the key away
		made := maps.Clone(context)
		for i := 0; i < len(pairs); i += 2 {
			if made[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
				delete(made, pairs[i])
			}
		}
		return made
	}
	const core, ownPolicy = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", iam + "policy/private-ec2-access-instance-1"
	makesRole := map[string]string{requested: ownStack, boundaryKey: boundary}
	attaches := unlike(bounded, "iam:PolicyARN", core)
	adopts := map[string]string{requested: ownStack, "aws:RequestTag/Name": "private-ec2-access-dev-default-closed", "aws:TagKeys": stackTag + ",Name"}
	closed := map[string]string{tagged: ownStack, "aws:ResourceTag/Name": "private-ec2-access-dev-default-closed"}
	instanceAttributes := ask{"ec2:DescribeInstanceAttribute", ec2 + "instance/i-1", ours}
	ownState := state + "/.pulumi/stacks/private-ec2-access/dev.json"
	both := []ask{
		{"s3:GetObject", records + "/sessions/a.log", nil},
		{"s3:GetObjectVersion", records + "/sessions/a.log", nil},
		{"s3:PutObject", records + "/sessions/a.log", nil},
		{"s3:DeleteObject", records + "/sessions/a.log", nil},
		{"s3:DeleteObjectVersion", records + "/sessions/a.log", nil},
		{"s3:GetObject", "arn:aws:s3:::another/.pulumi/stacks/x.json", nil},
		{"s3:ListBucket", "arn:aws:s3:::another", nil},
		{"s3:PutBucketPolicy", "arn:aws:s3:::another", nil},
		{"s3:DeleteBucket", "arn:aws:s3:::another", nil},
		{"s3:DeleteBucket", state, nil},
		{"s3:PutBucketPolicy", state, nil},
		{"s3:PutBucketVersioning", state, nil},
		{"s3:PutLifecycleConfiguration", state, nil},
		{"s3:DeleteObject", state + "/.pulumi/stacks/private-ec2-access/dev.json", nil},
		{"s3:DeleteObjectVersion", state + "/.pulumi/stacks/private-ec2-access/dev.json", nil},
		{"kms:Encrypt", b.values["Key.Arn"], nil},
		{"kms:ScheduleKeyDeletion", b.values["Key.Arn"], nil},
		{"kms:DisableKey", b.values["Key.Arn"], nil},
		{"kms:PutKeyPolicy", b.values["Key.Arn"], nil},
		{"kms:Decrypt", "arn:aws:kms:us-east-2:" + here + ":key/another", nil},
		{"iam:CreateUser", iam + "user/somebody", nil},
		{"iam:CreateAccessKey", iam + "user/somebody", nil},
		{"iam:PassRole", iam + "role/admin", toEC2},
		{"iam:PassRole", iam + "role/private-ec2-access-deploy", toEC2},
		{"iam:PassRole", own, map[string]string{"iam:PassedToService": "lambda.amazonaws.com"}},
		{"iam:UpdateAssumeRolePolicy", iam + "role/admin", nil},
		{"iam:UpdateAssumeRolePolicy", own, bounded},
		{"iam:UpdateAssumeRolePolicy", iam + "role/private-ec2-access-deploy", nil},
		{"iam:CreatePolicyVersion", iam + "policy/private-ec2-access-deploy-rest", nil},
		{"iam:AttachRolePolicy", iam + "role/private-ec2-access-preview", map[string]string{"iam:PolicyARN": iam + "policy/private-ec2-access-deploy-rest"}},
		{"iam:AttachRolePolicy", own, map[string]string{"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}},
		{"iam:PutRolePolicy", iam + "role/admin", nil},
		{"iam:PutRolePolicy", iam + "role/private-ec2-access-deploy", nil},
		{"iam:DeleteRolePolicy", iam + "role/private-ec2-access-preview", nil},
		// The boundary.
		{"iam:CreateRole", own, unlike(makesRole, boundaryKey, "")},
		{"iam:CreateRole", own, unlike(makesRole, boundaryKey, ownPolicy)},
		{"iam:CreateRole", own, unlike(makesRole, requested, "another-project/dev")},
		{"iam:CreateRole", own, unlike(makesRole, requested, "")},
		{"iam:CreateRole", iam + "role/another", makesRole},
		{"iam:PutRolePolicy", own, unlike(bounded, boundaryKey, "")},
		{"iam:PutRolePolicy", own, unlike(bounded, boundaryKey, ownPolicy)},
		{"iam:PutRolePolicy", own, unlike(bounded, tagged, "private-ec2-access/prod")},
		{"iam:AttachRolePolicy", own, unlike(attaches, boundaryKey, "")},
		{"iam:AttachRolePolicy", own, unlike(attaches, "iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess")},
		{"iam:AttachRolePolicy", own, unlike(attaches, tagged, "private-ec2-access/prod")},
		{"iam:PutRolePermissionsBoundary", own, unlike(bounded, boundaryKey, ownPolicy)},
		{"iam:PutRolePermissionsBoundary", own, unlike(bounded, boundaryKey, "arn:aws:iam::aws:policy/AdministratorAccess")},
		{"iam:PutRolePermissionsBoundary", own, unlike(bounded, tagged, "private-ec2-access/prod")},
		{"iam:PutRolePermissionsBoundary", iam + "role/private-ec2-access-deploy", bounded},
		{"iam:DeleteRolePermissionsBoundary", own, bounded},
		{"iam:CreatePolicyVersion", boundary, ours},
		{"iam:SetDefaultPolicyVersion", boundary, ours},
		{"iam:DeletePolicy", boundary, ours},
		{"iam:TagPolicy", boundary, map[string]string{requested: ownStack}},
		{"iam:CreatePolicyVersion", ownPolicy, prod},
		// The policy that an administrator attached to roles of existing instances, which have no boundary.
		{"iam:CreatePolicyVersion", iam + "policy/private-ec2-access-instance-existing-1", ours},
		{"iam:SetDefaultPolicyVersion", iam + "policy/private-ec2-access-instance-existing-1", ours},
		{"iam:DeletePolicy", iam + "policy/a/path/private-ec2-access-instance-existing-1", ours},
		// An endpoint of a service of another account would be a route out of the VPC.
		{"ec2:CreateVpcEndpoint", ec2 + "vpc-endpoint/new", map[string]string{requested: ownStack, "ec2:VpceServiceOwner": outside}},
		{"ec2:CreateVpcEndpoint", ec2 + "vpc-endpoint/new", map[string]string{requested: ownStack, "ec2:VpceServiceOwner": "aws-marketplace"}},
		{"iam:DeleteRole", own, prod},
		{"iam:TagRole", own, unlike(prod, requested, ownStack)},
		// Another stack of the project.
		{"ec2:TerminateInstances", ec2 + "instance/i-1", prod},
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group/sg-1", prod},
		{"ssm:UpdateDocument", doc + "private-ec2-access-prod", prod},
		{"kms:PutKeyPolicy", otherKey, prod},
		{"kms:UpdateAlias", keys + "alias/private-ec2-access-prod", nil},
		{"logs:PutRetentionPolicy", logs + "/private-ec2-access/prod/sessions", nil},
		{"s3:GetObject", state + "/.pulumi/stacks/private-ec2-access/prod.json", nil},
		{"s3:PutObject", state + "/.pulumi/stacks/private-ec2-access/prod.json", nil},
		{"s3:PutObject", state + "/.pulumi/locks/organization/private-ec2-access/prod/1.json", nil},
		{"s3:DeleteObject", state + "/.pulumi/locks/organization/private-ec2-access/prod/1.json", nil},
		{"s3:GetObject", state + "/.pulumi/stacks/private-ec2-access/prod.pulumi-tags", nil},
		{"s3:GetObject", state + "/.pulumi/locks/organization/private-ec2-access/prod/1.json", nil},
		{"s3:PutObject", state + "/.pulumi/stacks/private-ec2-access/prod.pulumi-tags", nil},
		{"s3:PutObject", state + "/.pulumi/history/private-ec2-access/prod/prod-1.history.json", nil},
		{"s3:PutObject", state + "/.pulumi/backups/private-ec2-access/prod/1.json", nil},
		{"s3:GetObject", state + "/.pulumi/stacks/another-project/dev.json", nil},
		{"s3:PutObject", state + "/.pulumi/meta.yaml", nil},
		{"ec2:DescribeInstanceAttribute", ec2 + "instance/i-1", nil},
		{"ec2:DescribeInstanceAttribute", ec2 + "instance/i-1", foreign},
		{"ec2:DescribeInstanceAttribute", ec2 + "instance/i-1", prod},
		// What others have in a document may be secret.
		{"ssm:GetDocument", doc + "somebodys", nil},
		{"logs:ListTagsForResource", another, nil},
		// Resources that the stack does not manage are not adopted.
		{"iam:CreateInstanceProfile", iam + "instance-profile/somebodys", map[string]string{requested: ownStack}},
		{"iam:TagInstanceProfile", iam + "instance-profile/somebodys", map[string]string{requested: ownStack}},
		{"iam:AddRoleToInstanceProfile", iam + "instance-profile/somebodys", ours},
		{"iam:CreatePolicy", iam + "policy/somebodys", map[string]string{requested: ownStack}},
		{"iam:DeletePolicy", iam + "policy/somebodys", ours},
		{"iam:DeleteRole", iam + "role/somebodys", ours},
		{"iam:AttachRolePolicy", iam + "role/somebodys", attaches},
		{"iam:PutRolePermissionsBoundary", iam + "role/somebodys", bounded},
		{"ssm:CreateDocument", doc + "somebodys", map[string]string{requested: ownStack}},
		{"ssm:AddTagsToResource", doc + "somebodys", map[string]string{requested: ownStack}},
		{"ssm:UpdateDocument", doc + "somebodys", ours},
		{"kms:TagResource", b.values["Key.Arn"], map[string]string{requested: ownStack, "kms:ResourceAliases": stateAlias}},
		{"kms:TagResource", b.values["Key.Arn"], map[string]string{requested: ownStack}},
		{"kms:PutKeyPolicy", b.values["Key.Arn"], ours},
		{"kms:CreateGrant", b.values["Key.Arn"], ours},
		{"kms:CreateAlias", b.values["Key.Arn"], ours},
		{"kms:ReEncryptFrom", b.values["Key.Arn"], nil},
		{"kms:TagResource", otherKey, map[string]string{requested: ownStack, "kms:ResourceAliases": "alias/somebodys"}},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(adopts, "aws:RequestTag/Name", "private-ec2-access-dev-group")},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(adopts, "aws:ResourceTag/Name", "somebody's group")},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(adopts, "aws:ResourceTag/aws:cloudformation:stack-id", "arn:aws:cloudformation:us-east-2:"+here+":stack/a/b")},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(adopts, tagged, "private-ec2-access/prod")},
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group/sg-1", closed},
		{"ec2:AuthorizeSecurityGroupEgress", ec2 + "security-group/sg-1", closed},
		{"ec2:ModifySecurityGroupRules", ec2 + "security-group/sg-1", closed},
		{"ec2:RunInstances", ec2 + "security-group/sg-1", closed},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(closed, "aws:RequestTag/Name", "private-ec2-access-dev-group", "aws:TagKeys", "Name")},
		{"ec2:DeleteTags", ec2 + "security-group/sg-1", unlike(closed, "aws:TagKeys", "Name")},
		// Tags in the request count only for the resource that the call creates.
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group/sg-1", map[string]string{requested: ownStack}},
		{"ec2:CreateSubnet", ec2 + "vpc/vpc-1", map[string]string{requested: ownStack}},
		{"ec2:CreateRouteTable", ec2 + "vpc/vpc-1", map[string]string{requested: ownStack}},
		{"ec2:CreateVpcEndpoint", ec2 + "security-group/sg-1", map[string]string{requested: ownStack}},
		{"ec2:CreateTags", ec2 + "volume/vol-1", map[string]string{requested: ownStack, "aws:ResourceTag/Name": "somebody's volume"}},
		{"ssm:AddTagsToResource", doc + "SSM-SessionManagerRunShell", unlike(foreign, requested, ownStack)},
		{"ssm:AddTagsToResource", doc + "private-ec2-access-prod", unlike(prod, requested, ownStack)},
		// A key without the stack's tag cannot be used either.
		{"kms:Decrypt", ownKey, nil},
		{"kms:ScheduleKeyDeletion", ownKey, nil},
		{"logs:GetLogEvents", group + ":log-stream:user-0123", nil},
		{"logs:FilterLogEvents", group, nil},
		{"logs:StartQuery", group, nil},
		{"logs:PutLogEvents", group + ":log-stream:user-0123", nil},
		{"logs:DeleteLogStream", group + ":log-stream:user-0123", nil},
		{"logs:DeleteLogGroup", group, nil},
		{"logs:PutSubscriptionFilter", group, nil},
		{"logs:DeleteLogGroup", another, nil},
		{"logs:PutRetentionPolicy", another, nil},
		{"logs:AssociateKmsKey", another, nil},
		{"logs:DisassociateKmsKey", another, nil},
		{"kms:Decrypt", ownKey, ours},
		{"kms:Encrypt", ownKey, ours},
		{"kms:GenerateDataKey", ownKey, ours},
		{"kms:ReEncryptFrom", ownKey, ours},
		{"kms:CreateGrant", ownKey, ours},
		{"kms:ScheduleKeyDeletion", ownKey, ours},
		{"kms:DisableKey", ownKey, ours},
		{"kms:PutKeyPolicy", otherKey, foreign},
		{"kms:PutKeyPolicy", otherKey, nil},
		{"kms:ScheduleKeyDeletion", otherKey, foreign},
		{"kms:ScheduleKeyDeletion", otherKey, nil},
		{"kms:DisableKeyRotation", otherKey, foreign},
		{"kms:CreateAlias", otherKey, foreign},
		{"kms:UpdateAlias", otherKey, nil},
		{"kms:DeleteAlias", b.values["Key.Arn"], nil},
		{"kms:CreateAlias", keys + "alias/another", nil},
		{"kms:DeleteAlias", keys + "alias/aws/s3", nil},
		{"kms:CreateKey", "*", nil},
		{"kms:CreateKey", "*", map[string]string{"aws:RequestTag/" + stackTag: "another-project/dev"}},
		{"kms:TagResource", otherKey, map[string]string{"aws:RequestTag/" + stackTag: ownStack, "aws:ResourceTag/" + stackTag: "another-project/dev"}},
		{"kms:TagResource", otherKey, nil},
		{"s3:PutBucketObjectLockConfiguration", "arn:aws:s3:::another", nil},
		{"s3:PutObjectRetention", records + "/sessions/a.log", nil},
		{"s3:BypassGovernanceRetention", records + "/sessions/a.log", nil},
		{"iam:CreateServiceLinkedRole", iam + "role/aws-service-role/x.amazonaws.com/x", nil},
		{"iam:DeleteOpenIDConnectProvider", iam + "oidc-provider/token.actions.githubusercontent.com", nil},
		{"ec2:TerminateInstances", ec2 + "instance/i-1", foreign},
		{"ec2:TerminateInstances", ec2 + "instance/i-1", nil},
		{"ec2:DeleteVpc", ec2 + "vpc/vpc-1", foreign},
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group/sg-1", foreign},
		{"ec2:CreateVpc", ec2 + "vpc/new", nil},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", map[string]string{"aws:RequestTag/" + stackTag: ownStack, "aws:ResourceTag/" + stackTag: "another-project/dev"}},
		{"ec2:CreateTags", ec2 + "vpc/vpc-1", map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"ec2:RunInstances", ec2 + "network-interface/new", map[string]string{"ec2:AssociatePublicIpAddress": "true"}},
		{"ec2:RunInstances", ec2 + "instance/new", map[string]string{"aws:RequestTag/" + stackTag: ownStack, "ec2:MetadataHttpTokens": "optional"}},
		{"ec2:CreateInternetGateway", ec2 + "internet-gateway/new", nil},
		{"ec2:CreateRoute", ec2 + "route-table/rtb-1", ours},
		{"ssm:StartSession", ec2 + "instance/i-1", nil},
		{"ssm:SendCommand", ec2 + "instance/i-1", nil},
		{"ssm:UpdateDocument", doc + "SSM-SessionManagerRunShell", foreign},
		{"ssm:DeleteDocument", doc + "another", foreign},
		{"ssm:GetParameter", "arn:aws:ssm:us-east-2:" + here + ":parameter/secret", nil},
		{"ssm:GetParameter", "arn:aws:ssm:us-east-2:" + here + ":parameter/aws/reference/secretsmanager/x", nil}, // public parameters have no account
		{"sts:AssumeRole", iam + "role/admin", nil},
	}
	requireDenied(t, b, "DeployRole", both)
	table := [][]string{{"who asks", "action", "resource", "context", "verdict"}}
	shown := func(role, verdict string, asks []ask) {
		for _, a := range asks {
			table = append(table, []string{role, a.action, strings.ReplaceAll(a.resource, here, "ACCOUNT"), strings.ReplaceAll(a.shown(), here, "ACCOUNT"), verdict})
		}
	}
	shown("both", "denied", both)

	// The preview role may change nothing, not even resources of its own stacks.
	changes := []ask{
		{"s3:PutObject", state + "/.pulumi/stacks/private-ec2-access/dev.json", nil},
		{"s3:PutObject", state + "/.pulumi/locks/organization/private-ec2-access/dev/1.json", nil},
		{"s3:DeleteObject", state + "/.pulumi/locks/organization/private-ec2-access/dev/1.json", nil},
		{"s3:PutBucketPolicy", records, nil},
		{"s3:DeleteBucket", records, nil},
		{"ec2:TerminateInstances", ec2 + "instance/i-1", ours},
		{"ec2:CreateTags", ec2 + "instance/i-1", ours},
		{"ec2:CreateVpc", ec2 + "vpc/new", map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"iam:CreateRole", own, makesRole},
		{"iam:PassRole", own, toEC2},
		{"iam:PutRolePolicy", own, bounded},
		{"iam:PutRolePermissionsBoundary", own, bounded},
		{"logs:CreateLogGroup", group, nil},
		{"logs:PutRetentionPolicy", group, nil},
		{"logs:AssociateKmsKey", group, nil},
		{"s3:PutBucketObjectLockConfiguration", records, nil},
		{"ssm:UpdateDocument", doc + "SSM-SessionManagerRunShell", ours},
	}
	requireDenied(t, b, "PreviewRole", append(slices.Clone(both), changes...))
	shown("preview", "denied", changes)

	// Each condition allows at least one request. Otherwise the denials above would prove nothing.
	needed := []ask{
		{"iam:PassRole", own, toEC2},
		{"iam:CreateRole", own, makesRole},
		{"iam:TagRole", own, map[string]string{requested: ownStack}},
		{"iam:PutRolePolicy", own, bounded},
		{"iam:AttachRolePolicy", own, attaches},
		{"iam:AttachRolePolicy", own, unlike(attaches, "iam:PolicyARN", ownPolicy)},
		{"iam:PutRolePermissionsBoundary", own, bounded},
		{"iam:DeleteRole", own, ours},
		{"iam:DeleteRolePolicy", own, ours}, // of a role that has no boundary yet
		{"iam:DetachRolePolicy", own, unlike(ours, "iam:PolicyARN", core)},
		instanceAttributes,
		{"s3:GetObject", ownState, nil},
		{"s3:PutObject", ownState, nil},
		{"s3:PutObject", ownState + ".bak", nil},
		{"s3:PutObject", state + "/.pulumi/history/private-ec2-access/dev/dev-1.history.json", nil},
		{"s3:DeleteObject", state + "/.pulumi/locks/organization/private-ec2-access/dev/1.json", nil},
		{"ec2:RevokeSecurityGroupIngress", ec2 + "security-group/sg-1", closed},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", unlike(closed, "aws:RequestTag/team", "platform", "aws:TagKeys", "team")},
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group/sg-1", ours},
		{"ec2:AuthorizeSecurityGroupIngress", ec2 + "security-group-rule/new", map[string]string{requested: ownStack}},
		{"ec2:CreateVpcEndpoint", ec2 + "security-group/sg-1", ours},
		{"ec2:CreateVpcEndpoint", ec2 + "vpc-endpoint/new", map[string]string{requested: ownStack, "ec2:VpceServiceOwner": "amazon"}},
		{"ec2:CreateTags", ec2 + "volume/vol-1", map[string]string{requested: ownStack}},
		{"ssm:AddTagsToResource", doc + "private-ec2-access-dev", map[string]string{requested: ownStack}},
		{"ec2:TerminateInstances", ec2 + "instance/i-1", ours},
		{"ec2:CreateTags", ec2 + "security-group/sg-1", adopts},
		{"ec2:RunInstances", ec2 + "network-interface/new", map[string]string{"ec2:AssociatePublicIpAddress": "false"}},
		{"ec2:RunInstances", ec2 + "instance/new", map[string]string{"aws:RequestTag/" + stackTag: ownStack, "ec2:MetadataHttpTokens": "required"}},
		// Calls of an update in place that are not in the recorded runs.
		{"ec2:ModifyVpcEndpoint", ec2 + "vpc-endpoint/vpce-1", ours},
		{"ec2:ModifyVpcEndpoint", ec2 + "subnet/subnet-of-an-existing-network", nil},
		{"ec2:ModifySecurityGroupRules", ec2 + "security-group/sg-1", ours},
		{"ec2:StopInstances", ec2 + "instance/i-1", ours},
		{"iam:CreatePolicyVersion", ownPolicy, ours},
		{"logs:AssociateKmsKey", group, nil},
		{"logs:DisassociateKmsKey", group, nil},
		{"logs:DeleteRetentionPolicy", group, nil},
		{"s3:DeleteBucket", records, nil},
		{"ssm:DeleteDocument", doc + "private-ec2-access-dev", ours},
	}
	requireAllowed(t, b, "DeployRole", needed)
	shown("deploy", "**allowed**", needed)
	reads := []ask{instanceAttributes, {"s3:GetObject", ownState, nil}, {"kms:Decrypt", b.values["Key.Arn"], nil}}
	requireAllowed(t, b, "PreviewRole", reads)
	shown("both", "**allowed**", reads)

	// The same for KMS keys whose policy delegates to IAM.
	b.keyPolicies = nil
	ofKeys := []ask{
		{"kms:CreateKey", "*", map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"kms:TagResource", ownKey, map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"kms:PutKeyPolicy", ownKey, ours},
		{"kms:CreateAlias", ownKey, ours},
		{"kms:CreateAlias", keys + "alias/private-ec2-access-dev", nil},
		{"kms:UpdateKeyDescription", ownKey, ours},
	}
	requireAllowed(t, b, "DeployRole", ofKeys)
	shown("deploy", "**allowed**", ofKeys)
	requireTable(t, "The pipelines' roles: the verdicts", table)
}

// What the templates deny stays denied beside another policy that allows everything, such as one that somebody attaches later.
//
// It does not prove that nobody takes the denials away: docs/team.md says who can.
func TestBootstrapRoles_Denials_HoldBesideAnotherPolicy(t *testing.T) {
	t.Parallel()
	b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, nil)
	b.resources = maps.Clone(b.resources)
	b.resources["Everything"] = map[string]any{"Type": "AWS::IAM::ManagedPolicy", "Properties": map[string]any{
		"Roles": []any{"private-ec2-access-deploy", "private-ec2-access-preview"},
		"PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Action": "*", "Resource": "*",
		}}},
	}}
	const (
		bucket    = "arn:aws:s3:::private-ec2-access-logs-2026"
		log       = bucket + "/sessions/a.log"
		group     = "arn:aws:logs:us-east-2:" + here + ":log-group:/private-ec2-access/dev/sessions"
		stream    = group + ":log-stream:user-0123"
		key       = "arn:aws:kms:us-east-2:" + here + ":key/another"
		role      = "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1"
		existing  = "arn:aws:iam::" + here + ":policy/private-ec2-access-instance-existing-1"
		otherRole = "arn:aws:iam::" + here + ":role/admin"
	)
	closed := map[string]string{"aws:ResourceTag/Name": "private-ec2-access-dev-default-closed", "aws:TagKeys": "Name"}
	unbounded := map[string]string{"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}
	var both []ask
	for on, actions := range map[string][]string{
		log:                 {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention"},
		group:               {"logs:DeleteLogGroup", "logs:FilterLogEvents", "logs:StartQuery", "logs:PutSubscriptionFilter"},
		stream:              {"logs:GetLogEvents", "logs:PutLogEvents", "logs:DeleteLogStream"},
		key:                 {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey"},
		b.values["Key.Arn"]: {"kms:Encrypt", "kms:PutKeyPolicy", "kms:TagResource", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:CreateAlias"},
		bucket:              {"s3:PutReplicationConfiguration", "s3:PutBucketAcl", "s3:PutBucketLogging"},
		boundary:            {"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion"},
		existing:            {"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy"},
		role:                {"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary"},
		otherRole:           {"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary"},
	} {
		for _, action := range actions {
			both = append(both, ask{action, on, nil})
		}
	}
	for _, action := range []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"} {
		both = append(both, ask{action, role, nil}, ask{action, role, unbounded}, ask{action, otherRole, unbounded})
	}
	for _, action := range []string{"ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup", "ec2:RunInstances", "ec2:CreateTags", "ec2:DeleteTags"} {
		both = append(both, ask{action, "arn:aws:ec2:us-east-2:" + here + ":security-group/sg-1", closed})
	}
	requireDenied(t, b, "DeployRole", both)
	changes := []ask{
		{"ec2:RunInstances", "arn:aws:ec2:us-east-2:" + here + ":instance/new", nil}, {"ssm:StartSession", "arn:aws:ec2:us-east-2:" + here + ":instance/i-1", nil},
		{"s3:PutBucketPolicy", bucket, nil}, {"kms:PutKeyPolicy", key, nil}, {"iam:PassRole", role, toEC2}, {"iam:DeletePolicy", boundary, nil},
		{"logs:PutRetentionPolicy", group, nil}, {"ssm:UpdateDocument", "arn:aws:ssm:us-east-2:" + here + ":document/" + preferencesName, nil},
		{"s3:PutBucketPolicy", chainState, nil}, {"iam:DetachRolePolicy", "arn:aws:iam::" + here + ":role/private-ec2-access-preview", nil},
	}
	requireDenied(t, b, "PreviewRole", append(both, changes...))
	// The other policy counts: what no statement denies is allowed by it.
	requireAllowed(t, b, "DeployRole", []ask{{"ec2:TerminateInstances", "arn:aws:ec2:us-east-2:" + here + ":instance/i-1", nil}})
	requireAllowed(t, b, "PreviewRole", []ask{{"ec2:DescribeFlowLogs", "*", nil}})
}

// The trust policies allow only the configured repository, branch and environment to assume the roles.
//
// It does not prove that GitHub's tokens have these subjects; they are as GitHub documents them.
func TestBootstrapRoles_TrustPolicy_OnlyOwnRepository(t *testing.T) {
	t.Parallel()
	shared := sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}
	plain := readBootstrap(t, shared, nil)
	branch := readBootstrap(t, shared, map[string]string{"PreviewBranch": "main", "OIDCProviderExists": "true"})
	immutable := readBootstrap(t, shared, map[string]string{"Repository": "owner@12/name@34"})
	release := readBootstrap(t, shared, map[string]string{"DeployBranch": "release"})
	china := readBootstrap(t, shared, map[string]string{"AWS::Partition": "aws-cn", "AWS::URLSuffix": "amazonaws.com.cn"})
	const aws, claims = "sts.amazonaws.com", "token.actions.githubusercontent.com:"
	cases := []struct {
		b        bootstrap
		role     string
		aud, sub string
		allowed  bool
		others   map[string]string // claims that differ from those of the workflow on main
	}{
		{plain, "PreviewRole", aws, "repo:owner/name:pull_request", true, nil},
		{plain, "PreviewRole", "https://github.com/owner", "repo:owner/name:pull_request", false, nil},
		{plain, "PreviewRole", aws, "repo:outsider/name:pull_request", false, nil}, // a fork's own token
		{plain, "PreviewRole", aws, "repo:owner/name-2:pull_request", false, nil},
		{plain, "PreviewRole", aws, "repo:owner/name:ref:refs/heads/main", false, nil},
		{plain, "PreviewRole", aws, "repo:owner/name:environment:dev", false, nil},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", true, nil},
		{plain, "DeployRole", "https://github.com/owner", "repo:owner/name:environment:dev", false, nil},
		{plain, "DeployRole", aws, "repo:outsider/name:environment:dev", false, nil},
		{plain, "DeployRole", aws, "repo:owner/another:environment:dev", false, nil},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev-2", false, nil},
		{plain, "DeployRole", aws, "repo:owner/name:ref:refs/heads/main", false, nil},
		{plain, "DeployRole", aws, "repo:owner/name:ref:refs/heads/feature", false, nil},
		{plain, "DeployRole", aws, "repo:owner/name:pull_request", false, nil},
		{plain, "DeployRole", aws, "repo:owner@12/name@34:environment:dev", false, nil},
		{branch, "PreviewRole", aws, "repo:owner/name:pull_request", true, nil},
		{branch, "PreviewRole", aws, "repo:owner/name:ref:refs/heads/main", true, nil},
		{branch, "PreviewRole", aws, "repo:owner/name:ref:refs/heads/feature", false, nil},
		{branch, "PreviewRole", aws, "repo:outsider/name:ref:refs/heads/main", false, nil},
		{branch, "DeployRole", aws, "repo:owner/name:ref:refs/heads/main", false, nil},
		{immutable, "PreviewRole", aws, "repo:owner@12/name@34:pull_request", true, nil},
		{immutable, "PreviewRole", aws, "repo:owner/name:pull_request", false, nil},
		{immutable, "DeployRole", aws, "repo:owner@12/name@34:environment:dev", true, nil},
		{immutable, "DeployRole", aws, "repo:owner@99/name@34:environment:dev", false, nil},
		// A workflow on another branch names the environment, and the environment has no branch rule.
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{
			"ref": "refs/heads/feature", "job_workflow_ref": "owner/name/.github/workflows/deploy.yml@refs/heads/feature"}},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{"ref": "refs/pull/5/merge"}},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{"ref": "refs/tags/main"}},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{"job_workflow_ref": "owner/name/.github/workflows/drift.yml@refs/heads/main"}},
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{"job_workflow_ref": "outsider/name/.github/workflows/deploy.yml@refs/heads/main"}},
		// The repository's name belongs to another owner now.
		{plain, "DeployRole", aws, "repo:owner/name:environment:dev", false, map[string]string{"repository_id": "75"}},
		{plain, "PreviewRole", aws, "repo:owner/name:pull_request", false, map[string]string{"repository_id": "75"}},
		// Claims that the preview role does not check, because a pull request can change its workflow.
		{plain, "PreviewRole", aws, "repo:owner/name:pull_request", true, map[string]string{"ref": "refs/pull/5/merge", "job_workflow_ref": "owner/name/.github/workflows/preview.yml@refs/pull/5/merge"}},
		{release, "DeployRole", aws, "repo:owner/name:environment:dev", false, nil},
		{release, "DeployRole", aws, "repo:owner/name:environment:dev", true, map[string]string{
			"ref": "refs/heads/release", "job_workflow_ref": "owner/name/.github/workflows/deploy.yml@refs/heads/release"}},
		// Where STS does not evaluate the claims.
		{china, "DeployRole", "sts.amazonaws.com.cn", "repo:owner/name:environment:dev", true, map[string]string{"ref": "", "job_workflow_ref": "", "repository_id": ""}},
		{china, "DeployRole", "sts.amazonaws.com.cn", "repo:owner/another:environment:dev", false, map[string]string{"ref": "", "job_workflow_ref": "", "repository_id": ""}},
	}
	var simulations []map[string]any
	for _, c := range cases {
		role := c.b.properties(t, c.role)
		require.EqualValues(t, 3600, role["MaxSessionDuration"])
		trust, _ := role["AssumeRolePolicyDocument"].(map[string]any)
		statement := object(trust).list("Statement")[0]
		require.Len(t, object(trust).list("Statement"), 1)
		require.Equal(t, map[string]any{"Federated": "arn:aws:iam::" + here + ":oidc-provider/token.actions.githubusercontent.com"}, statement["Principal"])
		given := map[string]string{
			"aud": c.aud, "sub": c.sub, "repository_id": "74", "ref": "refs/heads/main",
			"job_workflow_ref": "owner/name/.github/workflows/deploy.yml@refs/heads/main",
		}
		maps.Copy(given, c.others)
		context := map[string]string{}
		for claim, value := range given {
			if value != "" {
				context["aws:RequestTag/"+claim] = value
			}
		}
		// The evaluator does not support federated principals, so a role replaces it. The line above checks the real principal.
		standIn := "arn:aws:iam::" + here + ":role/stand-in"
		statement = maps.Clone(statement)
		statement["Principal"] = map[string]any{"AWS": standIn}
		// It does not compare claims of a token either, so the conditions become conditions on request tags.
		text, err := json.Marshal(statement)
		require.NoError(t, err)
		asked := map[string]int{"PreviewRole": 3, "DeployRole": 5}[c.role]
		if c.b.values["AWS::Partition"] != "aws" {
			asked = 2
		}
		require.Equal(t, asked, strings.Count(string(text), claims))
		simulations = append(simulations, map[string]any{
			"identityPolicies": []any{}, "serviceControlPolicies": []any{}, "resourceControlPolicies": []any{},
			"resourcePolicy": map[string]any{"Version": "2012-10-17", "Statement": []any{
				parsed(t, strings.ReplaceAll(string(text), claims, "aws:RequestTag/")),
			}},
			"request": map[string]any{
				"principal": standIn, "action": "sts:AssumeRoleWithWebIdentity",
				"resource":         map[string]any{"resource": "arn:aws:iam::" + here + ":role/" + role["RoleName"].(string), "accountId": here},
				"contextVariables": context,
			},
		})
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error)
		require.Equal(t, cases[i].allowed, v.Verdict == "Allowed", "%s with %s for %s is %s, others: %v", cases[i].role, cases[i].sub, cases[i].aud, v.Verdict, cases[i].others)
	}
}

// Access to the state bucket is logged where a bucket for it is named.
func TestBootstrap_StateAccessLogs(t *testing.T) {
	t.Parallel()
	for bucket, want := range map[string]any{
		"": nil, "access-logs": map[string]any{"DestinationBucketName": "access-logs", "LogFilePrefix": "private-ec2-access-state/"},
	} {
		b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, map[string]string{"StateAccessLogBucket": bucket})
		require.Equal(t, want, b.properties(t, "StateBucket")["LoggingConfiguration"])
	}
}

// State, key and provider are retained when the stack is deleted, and no parameter can bring a wildcard into a trust
// policy.
func TestBootstrap_StackDeleted_StateAndKeyStay(t *testing.T) {
	t.Parallel()
	b := readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, nil)
	for _, name := range []string{"Key", "KeyAlias", "StateBucket", "StateBucketPolicy", "Provider", "Boundary"} {
		resource, _ := b.resources[name].(map[string]any)
		require.Equal(t, "Retain", resource["DeletionPolicy"], name)
		require.Equal(t, "Retain", resource["UpdateReplacePolicy"], name)
	}
	require.Equal(t, true, b.properties(t, "Key")["EnableKeyRotation"])
	bucket := object(b.properties(t, "StateBucket"))
	require.Equal(t, "Enabled", bucket.text("VersioningConfiguration.Status"))
	encryption := bucket.at("BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault")
	require.Equal(t, map[string]any{"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": b.values["Key.Arn"]}, encryption)
	require.Equal(t, map[string]any{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
		bucket.at("PublicAccessBlockConfiguration"))
	for name, parameter := range b.parameters {
		pattern, ok := parameter.(map[string]any)["AllowedPattern"].(string)
		if !ok {
			continue
		}
		for _, bad := range []string{"owner/*", "*", "owner/name?", "o:w/n"} {
			if name == "Stack" && bad == "*" { // all stacks of the project; no part of a trust policy
				continue
			}
			require.NotRegexp(t, pattern, bad, name)
		}
	}
	requireWithinQuotas(t, b, "bootstrap.yaml")
}

// requireWithinQuotas compares a template with AWS's quotas: 6,144 characters without white space in a policy, 10 policies in a
// role, and 51,200 bytes in a template that is not uploaded to S3 first.
func requireWithinQuotas(t *testing.T, b bootstrap, template string) {
	t.Helper()
	for name, made := range b.resources {
		if made.(map[string]any)["Type"] != "AWS::IAM::ManagedPolicy" {
			continue
		}
		text, err := json.Marshal(b.properties(t, name)["PolicyDocument"])
		require.NoError(t, err)
		t.Logf("%s has %d of 6,144 characters", name, len(text))
		require.LessOrEqual(t, len(text), 6144, "%s is full: begin another policy, as the template says above DeployNetwork", name)
	}
	for _, role := range []string{"PreviewRole", "DeployRole"} {
		require.LessOrEqual(t, len(b.policies(t, role)), 10)
	}
	file, err := os.Stat(filepath.Join(project(t), "bootstrap", template))
	require.NoError(t, err)
	require.LessOrEqual(t, file.Size(), int64(51200))
}

// bootstrap is the template with its functions resolved for an account.
type bootstrap struct {
	resources, parameters map[string]any
	keyPolicies           map[string]any    // of keys that are not the bootstrap's, by their ARNs
	values                map[string]string // of parameters, pseudo parameters and attributes
}

func (b bootstrap) properties(t *testing.T, resource string) map[string]any {
	t.Helper()
	made, _ := b.resources[resource].(map[string]any)
	require.NotNil(t, made, "the template has no resource %s", resource)
	return made["Properties"].(map[string]any)
}

// policyNames returns the names of a role's policies: those that the role lists, and those that list the role.
func (b bootstrap) policyNames(t *testing.T, role string) (names []string) {
	t.Helper()
	properties := b.properties(t, role)
	for _, name := range properties["ManagedPolicyArns"].([]any) {
		names = append(names, name.(string))
	}
	for _, name := range slices.Sorted(maps.Keys(b.resources)) {
		if roles, _ := b.properties(t, name)["Roles"].([]any); slices.Contains(roles, properties["RoleName"]) {
			names = append(names, name)
		}
	}
	return names
}

// policies returns a role's policies in the evaluator's form.
func (b bootstrap) policies(t *testing.T, role string) (policies []map[string]any) {
	t.Helper()
	for _, name := range b.policyNames(t, role) {
		text, err := json.Marshal(b.properties(t, name)["PolicyDocument"])
		require.NoError(t, err)
		policies = append(policies, map[string]any{"name": name, "policy": parsed(t, publicParameters(string(text)))})
	}
	return policies
}

// publicParameters adds an account to the ARNs of AWS's own parameters. They
// have none, and the evaluator does not accept that as the ARN of a parameter.
func publicParameters(text string) string {
	return strings.ReplaceAll(text, "::parameter/", ":"+here+":parameter/")
}

// readBootstrap reads bootstrap.yaml and resolves the CloudFormation functions in it.
func readBootstrap(t *testing.T, shared sharedState, parameters map[string]string) bootstrap {
	t.Helper()
	return readTemplate(t, "bootstrap.yaml", map[string]string{
		"Repository": "owner/name", "RepositoryId": "74", "Key.Arn": shared.key, "Boundary": boundary,
		"Provider": "arn:aws:iam::" + here + ":oidc-provider/token.actions.githubusercontent.com",
	}, parameters)
}

// withOptions adds the resources that options.yaml creates with these parameters.
func (b bootstrap) withOptions(t *testing.T, parameters map[string]string) bootstrap {
	t.Helper()
	options := readTemplate(t, "options.yaml", map[string]string{"PeopleBoundary": peopleBoundary}, parameters)
	for name := range options.resources {
		require.NotContains(t, b.resources, name, "the templates may not use a name twice, or these tests mix them up")
	}
	b.resources = maps.Clone(b.resources)
	maps.Copy(b.resources, options.resources)
	return b
}

// readTemplate reads a template and resolves the CloudFormation functions in it. Another function fails the test.
func readTemplate(t *testing.T, name string, values, parameters map[string]string) bootstrap {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(project(t), "bootstrap", name))
	require.NoError(t, err)
	// CloudFormation does not support anchors and aliases.
	require.NotRegexp(t, `(?m)[-:] [&*]\w`, string(text))
	var file struct {
		Parameters map[string]struct {
			Type    string `yaml:"Type"`
			Default string `yaml:"Default"`
		} `yaml:"Parameters"`
		Conditions map[string]yaml.Node `yaml:"Conditions"`
		Resources  map[string]yaml.Node `yaml:"Resources"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	var raw struct {
		Parameters map[string]any `yaml:"Parameters"`
	}
	require.NoError(t, yaml.Unmarshal(text, &raw))
	b := bootstrap{resources: map[string]any{}, parameters: raw.Parameters, values: map[string]string{
		"AWS::Partition": "aws", "AWS::AccountId": here, "AWS::Region": "us-east-2", "AWS::URLSuffix": "amazonaws.com",
	}}
	maps.Copy(b.values, values)
	for name, parameter := range file.Parameters {
		if _, given := b.values[name]; !given {
			b.values[name] = parameter.Default
		}
	}
	maps.Copy(b.values, parameters)
	for name := range file.Resources { // a reference to a policy is read as its name
		if _, given := b.values[name]; !given {
			b.values[name] = name
		}
	}
	r := resolver{t: t, values: b.values, conditions: file.Conditions, lists: map[string]bool{}}
	for name, parameter := range file.Parameters {
		r.lists[name] = parameter.Type == "CommaDelimitedList"
	}
	for name, node := range file.Resources {
		made := r.resolve(&node).(map[string]any)
		if condition, found := made["Condition"].(string); found {
			if node := r.conditions[condition]; !r.resolve(&node).(bool) {
				continue
			}
		}
		b.resources[name] = made
	}
	return b
}

type resolver struct {
	t          *testing.T
	values     map[string]string
	conditions map[string]yaml.Node
	lists      map[string]bool // parameters that are lists
}

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

type noValue struct{}

func (r resolver) value(name string) string {
	value, known := r.values[name]
	require.True(r.t, known, "this test does not know %s of the template", name)
	return value
}

func (r resolver) resolve(n *yaml.Node) any {
	r.t.Helper()
	switch n.Tag {
	case "!Sub":
		if n.Kind == yaml.SequenceNode { // with values of its own
			values := maps.Clone(r.values)
			for name, value := range r.resolve(n.Content[1]).(map[string]any) {
				values[name] = value.(string)
			}
			inner := resolver{t: r.t, values: values, conditions: r.conditions}
			return variable.ReplaceAllStringFunc(n.Content[0].Value, func(v string) string { return inner.value(v[2 : len(v)-1]) })
		}
		return variable.ReplaceAllStringFunc(n.Value, func(v string) string { return r.value(v[2 : len(v)-1]) })
	case "!Ref":
		if n.Value == "AWS::NoValue" {
			return noValue{}
		}
		if r.lists[n.Value] {
			return split(r.value(n.Value), ",")
		}
		return r.value(n.Value)
	case "!GetAtt":
		return r.value(n.Value)
	case "!If":
		condition := r.conditions[n.Content[0].Value]
		if r.resolve(&condition).(bool) {
			return r.resolve(n.Content[1])
		}
		return r.resolve(n.Content[2])
	case "!Select":
		return r.resolve(n.Content[1]).([]any)[r.resolve(n.Content[0]).(int)]
	case "!Split":
		return split(r.resolve(n.Content[1]).(string), n.Content[0].Value)
	case "!Join":
		var parts []string
		for _, part := range r.resolve(n.Content[1]).([]any) {
			parts = append(parts, part.(string))
		}
		return strings.Join(parts, n.Content[0].Value)
	case "!Equals":
		return r.resolve(n.Content[0]) == r.resolve(n.Content[1])
	case "!Condition":
		condition := r.conditions[n.Value]
		return r.resolve(&condition)
	case "!Or":
		return slices.ContainsFunc(n.Content, func(part *yaml.Node) bool { return r.resolve(part).(bool) })
	case "!Not":
		return !r.resolve(n.Content[0]).(bool)
	}
	require.True(r.t, strings.HasPrefix(n.Tag, "!!"), "line %d: this test does not know %s", n.Line, n.Tag)
	switch n.Kind {
	case yaml.MappingNode:
		made := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if value := r.resolve(n.Content[i+1]); value != (noValue{}) {
				made[n.Content[i].Value] = value
			}
		}
		return made
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			if value := r.resolve(item); value != (noValue{}) {
				list = append(list, value)
			}
		}
		return list
	default:
		var value any
		require.NoError(r.t, n.Decode(&value))
		return value
	}
}

func split(text, separator string) []any {
	parts := []any{}
	for part := range strings.SplitSeq(text, separator) {
		parts = append(parts, part)
	}
	return parts
}

// ask is one request that the policies of a role are checked for.
type ask struct {
	action, resource string
	context          map[string]string
}

// shown is the context in one line.
func (a ask) shown() string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(a.context)) {
		pairs = append(pairs, key+"="+a.context[key])
	}
	return strings.Join(pairs, ", ")
}

func requireAllowed(t *testing.T, b bootstrap, role string, asks []ask) {
	t.Helper()
	require.NotEmpty(t, asks)
	var missing []string
	for i, v := range b.verdicts(t, role, asks) {
		require.Empty(t, v.Error, "%s: %v", role, asks[i])
		if !v.allowed() {
			missing = append(missing, asks[i].action+" on "+asks[i].resource+" with "+asks[i].shown())
		}
	}
	require.Empty(t, missing, "%s needs these: add them to bootstrap/bootstrap.yaml, and as narrow", role)
}

func requireDenied(t *testing.T, b bootstrap, role string, asks []ask) {
	t.Helper()
	require.GreaterOrEqual(t, len(asks), 6)
	for i, v := range b.verdicts(t, role, asks) {
		require.Empty(t, v.Error, "%s: %v", role, asks[i])
		require.NotEqual(t, "Allowed", v.Verdict, "%s may %s on %s with %v", role, asks[i].action, asks[i].resource, asks[i].context)
	}
}

func (b bootstrap) verdicts(t *testing.T, role string, asks []ask) []verdict {
	t.Helper()
	policies := b.policies(t, role)
	var simulations []map[string]any
	for _, a := range asks {
		context := map[string]any{}
		for key, value := range a.context {
			context[key] = value
			if key == "aws:TagKeys" || key == "kms:ResourceAliases" { // these have several values
				context[key] = strings.Split(value, ",")
			}
		}
		simulation := map[string]any{
			"identityPolicies": policies, "serviceControlPolicies": []any{}, "resourceControlPolicies": []any{},
			"request": map[string]any{
				"principal": "arn:aws:iam::" + here + ":role/" + b.properties(t, role)["RoleName"].(string),
				"action":    a.action, "contextVariables": context,
				"resource": map[string]any{"resource": publicParameters(a.resource), "accountId": here},
			},
		}
		switch {
		case b.keyPolicies[a.resource] != nil:
			simulation["resourcePolicy"] = b.keyPolicies[a.resource]
		case strings.HasPrefix(a.action, "kms:"): // a key's own policy has to refer to the account's
			simulation["resourcePolicy"] = b.properties(t, "Key")["KeyPolicy"]
		case strings.HasPrefix(a.resource, "arn:aws:s3:::private-ec2-access-logs-") && strings.Contains(a.resource, "/"):
			// The deploy role may write the bucket's policy, so session logs must be safe under the most open one, too.
			simulation["resourcePolicy"] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::private-ec2-access-logs-*",
			}}}
		case strings.HasPrefix(a.action, "sts:"): // a role's trust has to name the caller
			simulation["resourcePolicy"] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, "Action": "sts:AssumeRole",
			}}}
		}
		simulations = append(simulations, simulation)
	}
	return evaluate(t, nil, simulations)
}

// surveyed holds facts of the account about the resources that recorded calls name.
type surveyed struct {
	tagged       map[string]bool     // EC2 ids with the stack's tag
	names        map[string]string   // of EC2 ids, by their tag Name
	associations map[string][]string // of a route table: the table and the subnet
	key          string              // of the state
	records      string              // the stack's own key
	keyPolicy    any                 // its policy, as the program wrote it
}

func survey(in *account) surveyed {
	in.t.Helper()
	s := surveyed{tagged: map[string]bool{}, names: map[string]string{}, associations: map[string][]string{}}
	for _, tag := range in.aws("ec2", "describe-tags", "--filters", "Name=key,Values="+stackTag).list("Tags") {
		require.Equal(in.t, ownStack, tag.text("Value"))
		s.tagged[tag.text("ResourceId")] = true
	}
	for _, tag := range in.aws("ec2", "describe-tags", "--filters", "Name=key,Values=Name").list("Tags") {
		s.names[tag.text("ResourceId")] = tag.text("Value")
	}
	for _, table := range in.aws("ec2", "describe-route-tables").list("RouteTables") {
		for _, association := range table.list("Associations") {
			s.associations[association.text("RouteTableAssociationId")] = []string{table.text("RouteTableId"), association.text("SubnetId")}
		}
	}
	s.key = in.aws("kms", "describe-key", "--key-id", stateAlias).text("KeyMetadata.Arn")
	s.records = in.aws("kms", "describe-key", "--key-id", recordsAlias).text("KeyMetadata.Arn")
	s.keyPolicy = parsed(in.t, in.aws("kms", "get-key-policy", "--key-id", s.records, "--policy-name", "default").text("Policy"))
	return s
}

// noPermission are calls that need no permission, or that are not made on a real account.
var noPermission = map[string]string{
	"sts:GetCallerIdentity": "AWS answers everybody",
	"iam:GetUser":           "the provider asks so only where aws:skipCredentialsValidation is set, which a real account's stack does not have",
}

// dependents are the permissions that AWS checks in addition to that of the
// call, as the Service Authorization Reference has them
// (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html,
// column "Dependent actions", and for a bucket that is encrypted with a key,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
// Every call that creates a tagged resource needs ec2:CreateTags too; the
// function ec2 adds it. Add lines here for the calls of a new resource.
var dependents = map[string][]dependent{
	"ec2:RunInstances": {{"iam:PassRole", func(_ surveyed, call emulator.Call) string {
		return roleARN(call.Params["IamInstanceProfile.Name"]) // the profile's role; here it has the profile's name
	}, toEC2}},
	"iam:AddRoleToInstanceProfile": {{"iam:PassRole", func(_ surveyed, call emulator.Call) string {
		return roleARN(call.Params["RoleName"])
	}, toEC2}},
	"ec2:CreateVpcEndpoint": {{"route53:AssociateVPCWithHostedZone", func(_ surveyed, call emulator.Call) string {
		if call.Params["PrivateDnsEnabled"] != "true" {
			return ""
		}
		return "arn:aws:route53:::hostedzone/Z0"
	}, nil}},
	"s3:GetObject":  {{"kms:Decrypt", stateKey, nil}},
	"s3:HeadObject": {{"kms:Decrypt", stateKey, nil}},
	"s3:PutObject":  {{"kms:GenerateDataKey", stateKey, nil}},
	"s3:CopyObject": {{"kms:Decrypt", stateKey, nil}, {"kms:GenerateDataKey", stateKey, nil}},
}

type dependent struct {
	action   string
	resource func(surveyed, emulator.Call) string // empty where this call does not need it
	context  map[string]string
}

var toEC2 = map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}

func roleARN(name string) string { return "arn:aws:iam::" + here + ":role/" + name }

// stateKey is the key of the state: the runs put no objects anywhere else.
func stateKey(s surveyed, _ emulator.Call) string { return s.key }

// s3Actions are the calls of S3 whose permission has another name
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html).
var s3Actions = map[string]string{
	"GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
	"GetBucketCors":                    "GetBucketCORS",
	"GetBucketEncryption":              "GetEncryptionConfiguration",
	"GetBucketLifecycleConfiguration":  "GetLifecycleConfiguration",
	"GetBucketReplication":             "GetReplicationConfiguration",
	"GetObjectLockConfiguration":       "GetBucketObjectLockConfiguration",
	"GetPublicAccessBlock":             "GetBucketPublicAccessBlock",
	"HeadBucket":                       "ListBucket",
	"HeadObject":                       "GetObject",
	"ListObjects":                      "ListBucket",
	"ListObjectsV2":                    "ListBucket",
	"ListObjectVersions":               "ListBucketVersions",
	"PutBucketEncryption":              "PutEncryptionConfiguration",
	"PutBucketLifecycleConfiguration":  "PutLifecycleConfiguration",
	"PutObjectLockConfiguration":       "PutBucketObjectLockConfiguration",
	"PutPublicAccessBlock":             "PutBucketPublicAccessBlock",
}

// kinds are the resource types of EC2 by the beginning of an id.
var kinds = map[string]string{
	"vpc": "vpc", "subnet": "subnet", "rtb": "route-table", "sg": "security-group", "sgr": "security-group-rule",
	"vpce": "vpc-endpoint", "i": "instance", "vol": "volume", "ami": "image",
}

// named are the parameters in which an EC2 call names what it works on. A rule
// of a security group is authorised on the group.
var named = regexp.MustCompile(`^(VpcId|SubnetId|RouteTableId|GroupId|InstanceId|ImageId|VpcEndpointId|ResourceId|SecurityGroupId|AssociationId)(\.\d+)?$` +
	`|^NetworkInterface\.\d+\.(SubnetId|SecurityGroupId\.\d+)$`)

// asks returns the requests that AWS would authorize for the calls, without duplicates.
func (s surveyed) asks(t *testing.T, calls []emulator.Call) []ask {
	t.Helper()
	// The default security group and the root volume have no tag before the call that gives them one.
	untagged := map[string]bool{}
	made, boundaries := map[string]bool{}, map[string]string{}
	for _, call := range calls {
		if call.Action == "CreateTags" && tagsOf(call)[stackTag] != "" {
			untagged[call.Params["ResourceId.1"]] = true
		}
	}
	seen := map[string]bool{}
	var asks []ask
	for _, call := range calls {
		if noPermission[call.Service+":"+call.Action] != "" {
			continue
		}
		require.NotContains(t, call.Action, "?", "a call that the emulator has no name for: %s", call)
		var found []ask
		switch call.Service {
		case "ec2":
			found = s.ec2(t, call, untagged)
			if call.Action == "CreateTags" {
				delete(untagged, call.Params["ResourceId.1"])
			}
		case "iam":
			found = s.iam(call, boundaries)
		case "s3":
			found = askS3(call)
		case "ssm":
			found = askSSM(call, made)
		case "kms":
			found = s.kms(t, call)
		case "logs":
			found = askLogs(t, call)
		case "tagging":
			found = []ask{{"tag:" + call.Action, "*", nil}}
		default:
			require.Fail(t, "a call of a service that is not asked about yet", "%s: give the service its case here", call)
		}
		for _, d := range dependents[call.Service+":"+call.Action] {
			if resource := d.resource(s, call); resource != "" {
				found = append(found, ask{d.action, resource, d.context})
			}
		}
		for _, a := range found {
			text, err := json.Marshal([]any{a.action, a.resource, a.context})
			require.NoError(t, err)
			if !seen[string(text)] {
				seen[string(text)] = true
				asks = append(asks, a)
			}
		}
	}
	return asks
}

func (s surveyed) ec2(t *testing.T, call emulator.Call, untagged map[string]bool) (asks []ask) {
	t.Helper()
	action := "ec2:" + call.Action
	arn := func(kind, id string) string {
		owner := here
		if kind == "image" {
			owner = "" // Amazon's
		}
		return "arn:aws:ec2:" + call.Region + ":" + owner + ":" + kind + "/" + id
	}
	oneResource := call.Action == "DescribeInstanceAttribute" || call.Action == "DescribeVpcAttribute"
	if strings.HasPrefix(call.Action, "Describe") && !oneResource {
		return []ask{{action, "*", nil}}
	}
	request := map[string]string{}
	tags := tagsOf(call)
	for key, value := range tags {
		if key == stackTag || key == "Name" {
			request["aws:RequestTag/"+key] = value
		}
	}
	// The resources that the call names.
	for _, name := range slices.Sorted(maps.Keys(call.Params)) {
		if !named.MatchString(name) {
			continue
		}
		ids := []string{call.Params[name]}
		if strings.HasPrefix(ids[0], "rtbassoc-") {
			ids = s.associations[ids[0]]
			require.NotEmpty(t, ids, "%s", call)
		}
		for _, id := range ids {
			prefix, _, _ := strings.Cut(id, "-")
			require.NotEmpty(t, kinds[prefix], "%s names %s", call, id)
			context := map[string]string{}
			if s.tagged[id] && !untagged[id] {
				context["aws:ResourceTag/"+stackTag] = ownStack
				if name := s.names[id]; name != "" {
					context["aws:ResourceTag/Name"] = name
				}
			}
			if call.Action == "CreateTags" || call.Action == "DeleteTags" {
				maps.Copy(context, request)
				context["aws:TagKeys"] = strings.Join(slices.Sorted(maps.Keys(tags)), ",")
			}
			asks = append(asks, ask{action, arn(kinds[prefix], id), context})
		}
	}
	// The resources that the call creates and tags.
	makes := map[string]map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(call.Params)) {
		if strings.HasPrefix(name, "TagSpecification.") && strings.HasSuffix(name, ".ResourceType") {
			kind := call.Params[name]
			makes[kind] = maps.Clone(request)
			tagging := maps.Clone(request)
			tagging["ec2:CreateAction"] = call.Action
			asks = append(asks, ask{"ec2:CreateTags", arn(kind, "new"), tagging})
		}
	}
	// The resources that AWS creates with an instance.
	if call.Action == "RunInstances" {
		makes["volume"] = nil
		makes["network-interface"] = map[string]string{"ec2:AssociatePublicIpAddress": call.Params["NetworkInterface.1.AssociatePublicIpAddress"]}
		require.NotNil(t, makes["instance"])
		makes["instance"]["ec2:MetadataHttpTokens"] = call.Params["MetadataOptions.HttpTokens"]
	}
	for _, kind := range slices.Sorted(maps.Keys(makes)) {
		asks = append(asks, ask{action, arn(kind, "new"), makes[kind]})
	}
	require.NotEmpty(t, asks, "%s names and makes nothing that the tables know", call)
	return asks
}

// iam asks with the tags that everything of the stack in IAM has from the call on
// that makes it, and with the boundary that the role has by then.
func (s surveyed) iam(call emulator.Call, boundaries map[string]string) []ask {
	arn := func(kind, name string) string { return "arn:aws:iam::" + here + ":" + kind + "/" + name }
	p, action := call.Params, "iam:"+call.Action
	context := map[string]string{}
	if tags := tagsOf(call); len(tags) > 0 {
		context["aws:RequestTag/"+stackTag] = tags[stackTag]
	}
	makes := strings.HasPrefix(call.Action, "Create") && call.Action != "CreatePolicyVersion"
	if !makes && call.Writes() && p["RoleName"] != "billing" {
		context["aws:ResourceTag/"+stackTag] = ownStack
		if context["aws:RequestTag/"+stackTag] == "" {
			delete(context, "aws:RequestTag/"+stackTag)
		}
	}
	if p["PermissionsBoundary"] != "" {
		boundaries[p["RoleName"]] = p["PermissionsBoundary"]
	}
	withBoundary := []string{"AttachRolePolicy", "CreateRole", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy"}
	if slices.Contains(withBoundary, call.Action) && boundaries[p["RoleName"]] != "" {
		context["iam:PermissionsBoundary"] = boundaries[p["RoleName"]]
	}
	tagging := func(kind, name string) []ask {
		if !makes || len(context) == 0 {
			return nil
		}
		return []ask{{"iam:Tag" + strings.TrimPrefix(call.Action, "Create"), arn(kind, name), map[string]string{"aws:RequestTag/" + stackTag: context["aws:RequestTag/"+stackTag]}}}
	}
	switch {
	case call.Action == "AttachRolePolicy" || call.Action == "DetachRolePolicy":
		context["iam:PolicyARN"] = p["PolicyArn"]
		return []ask{{action, arn("role", p["RoleName"]), context}}
	case p["InstanceProfileName"] != "":
		return append(tagging("instance-profile", p["InstanceProfileName"]), ask{action, arn("instance-profile", p["InstanceProfileName"]), context})
	case p["RoleName"] != "":
		return append(tagging("role", p["RoleName"]), ask{action, arn("role", p["RoleName"]), context})
	case p["PolicyArn"] != "":
		return []ask{{action, p["PolicyArn"], context}}
	default:
		return append(tagging("policy", p["PolicyName"]), ask{action, arn("policy", p["PolicyName"]), context})
	}
}

func askS3(call emulator.Call) []ask {
	bucket := "arn:aws:s3:::" + call.Params["Bucket"]
	object := bucket + "/" + call.Params["Key"]
	switch call.Action {
	case "CopyObject": // the source is the state, too
		return []ask{{"s3:GetObject", bucket + "/.pulumi/stacks/private-ec2-access/dev.json", nil}, {"s3:PutObject", object, nil}}
	case "PutObject":
		return []ask{{"s3:PutObject", object, nil}}
	case "GetObject", "HeadObject":
		return []ask{{"s3:GetObject", object, nil}}
	}
	action := call.Action
	if other := s3Actions[action]; other != "" {
		action = other
	}
	if call.Params["Key"] != "" {
		return []ask{{"s3:" + action, object, nil}}
	}
	return []ask{{"s3:" + action, bucket, nil}}
}

// kms returns the requests for the key of the state, and for the stack's own key, which has the stack's tag since its
// creation.
func (s surveyed) kms(t *testing.T, call emulator.Call) []ask {
	t.Helper()
	action, tagged := "kms:"+call.Action, map[string]string{"aws:ResourceTag/" + stackTag: ownStack}
	given := map[string]string{}
	if value := tagsOf(call)[stackTag]; value != "" {
		given["aws:RequestTag/"+stackTag] = value
	}
	switch call.Action {
	case "ListAliases":
		return []ask{{action, "*", nil}}
	case "CreateKey":
		return []ask{{action, "*", given}, {"kms:TagResource", s.records, given}}
	case "CreateAlias", "DeleteAlias":
		require.Equal(t, recordsAlias, call.Params["AliasName"])
		return []ask{{action, s.arnOf(recordsAlias), nil}, {action, s.records, tagged}}
	}
	switch id := call.Params["KeyId"]; {
	case id == "" && call.Action == "Decrypt": // a ciphertext tells its key; nobody but the state's secrets provider asks
		return []ask{{action, s.key, nil}}
	case id == stateAlias || id != "" && strings.HasSuffix(s.key, id):
		return []ask{{action, s.key, nil}}
	case id == recordsAlias || id != "" && strings.HasSuffix(s.records, id):
		maps.Copy(given, tagged)
		return []ask{{action, s.records, given}}
	}
	require.Fail(t, "a key that is neither the state's nor the stack's own", "%s: ask with its ARN and tags", call)
	return nil
}

// arnOf is the ARN of an alias of the stack's own key.
func (s surveyed) arnOf(alias string) string {
	account, _, _ := strings.Cut(s.records, ":key/")
	return account + ":" + alias
}

const recordsAlias = "alias/private-ec2-access-dev"

func askLogs(t *testing.T, call emulator.Call) []ask {
	t.Helper()
	action := "logs:" + call.Action
	if call.Action == "DescribeLogGroups" {
		return []ask{{action, "*", nil}}
	}
	arn := call.Params["resourceArn"]
	if name := call.Params["logGroupName"]; name != "" {
		arn = "arn:aws:logs:" + call.Region + ":" + here + ":log-group:" + name
	}
	require.Contains(t, arn, ":log-group:", "%s", call)
	asks := []ask{{action, arn, nil}}
	if call.Action == "CreateLogGroup" {
		asks = append(asks, ask{"logs:TagResource", arn, nil})
	}
	return asks
}

func askSSM(call emulator.Call, made map[string]bool) []ask {
	name := call.Params["Name"] + call.Params["ResourceId"]
	arn := "arn:aws:ssm:" + call.Region + ":" + here + ":document/" + name
	switch call.Action {
	case "GetParameter":
		return []ask{{"ssm:GetParameter", "arn:aws:ssm:" + call.Region + "::parameter" + name, nil}}
	case "CreateDocument":
		made[name] = true
		tags := map[string]string{"aws:RequestTag/" + stackTag: tagsOf(call)[stackTag]}
		return []ask{{"ssm:CreateDocument", arn, tags}, {"ssm:AddTagsToResource", arn, tags}}
	}
	context := map[string]string{}
	if made[name] && call.Writes() {
		context["aws:ResourceTag/"+stackTag] = ownStack
	}
	return []ask{{"ssm:" + call.Action, arn, context}}
}

// tagsOf returns the tags in a call's parameters.
func tagsOf(call emulator.Call) map[string]string {
	tags := map[string]string{}
	for name, value := range call.Params {
		if key, found := strings.CutSuffix(name, ".Key"); found && (strings.HasPrefix(name, "Tag") || strings.Contains(name, ".Tag.")) {
			tags[value] = call.Params[key+".Value"]
		}
		if key, found := strings.CutSuffix(name, ".TagKey"); found { // KMS
			tags[value] = call.Params[key+".TagValue"]
		}
	}
	return tags
}
