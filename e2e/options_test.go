package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allOptions turns on everything in options.yaml. An option that is added there is added here.
var allOptions = map[string]string{
	"People": "roles", "LogBucket": "central-logs", "Alerts": "on", "FlowLogs": "on", "DataVolumes": "on", "ExistingRoles": roleARN("billing"), "ExistingInstances": anyInstance,
}

const anyInstance = "arn:aws:ec2:us-east-2:" + here + ":instance/*"

func bootstrapForOptions(t *testing.T) bootstrap {
	t.Helper()
	return readBootstrap(t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, nil)
}

// With its defaults the template creates nothing, and with everything on it stays within AWS's quotas.
func TestBootstrapOptions_Defaults_GrantNothing(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	require.Equal(t, b.resources, b.withOptions(t, nil).resources)
	on := b.withOptions(t, allOptions)
	require.Greater(t, len(on.resources), len(b.resources))
	requireWithinQuotas(t, on, "options.yaml")
	boundary, _ := on.resources["PeopleBoundary"].(map[string]any)
	require.Equal(t, "Retain", boundary["DeletionPolicy"])
	require.Equal(t, "Retain", boundary["UpdateReplacePolicy"])
}

// Each option allows its calls, and only with the option. Everything that another option could reach stays denied.
//
// It does not prove that AWS authorizes the calls by these actions, resources and tags.
func TestBootstrapOptions_People_Verdicts(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	policies, roles := b.withOptions(t, map[string]string{"People": "policies"}), b.withOptions(t, map[string]string{"People": "roles"})
	const (
		iam       = "arn:aws:iam::" + here + ":"
		role      = iam + "role/private-ec2-access-people-dev-operators-dba"
		policy    = iam + "policy/private-ec2-access-people-dev-operators-dba"
		instance  = iam + "role/private-ec2-access-instance-1"
		requested = "aws:RequestTag/" + stackTag
		tagged    = "aws:ResourceTag/" + stackTag
		key       = "iam:PermissionsBoundary"
	)
	with := func(pairs ...string) map[string]string {
		made := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			made[pairs[i]] = pairs[i+1]
		}
		return made
	}
	ofPolicies := []ask{
		{"iam:CreatePolicy", policy, with(requested, ownStack)},
		{"iam:TagPolicy", policy, with(requested, ownStack)},
		{"iam:CreatePolicyVersion", policy, with(tagged, ownStack)},
		{"iam:DeletePolicyVersion", policy, with(tagged, ownStack)},
		{"iam:DeletePolicy", policy, with(tagged, ownStack)},
		{"iam:UntagPolicy", policy, with(tagged, ownStack)},
	}
	ofRoles := []ask{
		{"iam:CreateRole", role, with(requested, ownStack, key, peopleBoundary)},
		{"iam:TagRole", role, with(requested, ownStack)},
		{"iam:AttachRolePolicy", role, with(tagged, ownStack, key, peopleBoundary, "iam:PolicyARN", policy)},
		{"iam:UpdateAssumeRolePolicy", role, with(tagged, ownStack)},
		{"iam:UpdateRole", role, with(tagged, ownStack)},
		{"iam:DetachRolePolicy", role, with(tagged, ownStack, "iam:PolicyARN", policy)},
		{"iam:DeleteRole", role, with(tagged, ownStack)},
	}
	reads := []ask{
		{"iam:GetPolicy", policy, nil}, {"iam:GetPolicyVersion", policy, nil}, {"iam:ListPolicyVersions", policy, nil},
		{"iam:GetRole", role, nil}, {"iam:GetRolePolicy", role, nil}, {"iam:ListRolePolicies", role, nil},
		{"iam:ListAttachedRolePolicies", role, nil}, {"iam:ListInstanceProfilesForRole", role, nil},
	}
	never := []ask{
		{"iam:CreatePolicy", policy, with(requested, prodStack)},
		{"iam:CreatePolicy", policy, nil},
		{"iam:CreatePolicy", peopleBoundary, with(requested, ownStack)},
		{"iam:CreatePolicyVersion", policy, with(tagged, prodStack)},
		{"iam:CreatePolicyVersion", policy, nil},
		{"iam:CreatePolicyVersion", peopleBoundary, with(tagged, ownStack)},
		{"iam:SetDefaultPolicyVersion", peopleBoundary, with(tagged, ownStack)},
		{"iam:TagPolicy", peopleBoundary, with(requested, ownStack)},
		{"iam:DeletePolicy", peopleBoundary, with(tagged, ownStack)},
		{"iam:CreateRole", role, with(requested, ownStack)},
		{"iam:CreateRole", role, with(requested, ownStack, key, boundary)},
		{"iam:CreateRole", role, with(requested, ownStack, key, policy)},
		{"iam:CreateRole", role, with(requested, prodStack, key, peopleBoundary)},
		{"iam:CreateRole", instance, with(requested, ownStack, key, peopleBoundary)}, // an instance may not be an operator
		{"iam:AttachRolePolicy", role, with(tagged, ownStack, key, peopleBoundary, "iam:PolicyARN", adminPolicy)},
		{"iam:AttachRolePolicy", role, with(tagged, ownStack, key, boundary, "iam:PolicyARN", policy)},
		{"iam:AttachRolePolicy", role, with(tagged, ownStack, "iam:PolicyARN", policy)},
		{"iam:AttachRolePolicy", role, with(tagged, prodStack, key, peopleBoundary, "iam:PolicyARN", policy)},
		{"iam:AttachRolePolicy", instance, with(tagged, ownStack, key, boundary, "iam:PolicyARN", policy)},
		{"iam:PutRolePolicy", role, with(tagged, ownStack, key, peopleBoundary)},
		{"iam:PutRolePermissionsBoundary", role, with(tagged, ownStack, key, adminPolicy)},
		{"iam:DeleteRolePermissionsBoundary", role, with(tagged, ownStack, key, peopleBoundary)},
		{"iam:UpdateAssumeRolePolicy", role, with(tagged, prodStack)},
		{"iam:UpdateAssumeRolePolicy", instance, with(tagged, ownStack)},
		{"iam:UpdateAssumeRolePolicy", iam + "role/private-ec2-access-deploy", with(tagged, ownStack)},
		{"iam:DeleteRole", role, with(tagged, prodStack)},
		{"iam:TagRole", role, with(requested, ownStack, tagged, prodStack)},
		{"iam:PassRole", role, toEC2},
		{"sts:AssumeRole", role, nil},
		{"ssm:StartSession", "arn:aws:ec2:us-east-2:" + here + ":instance/i-1", with("ssm:resourceTag/"+stackTag, ownStack)},
	}
	off := append(append(append([]ask{}, ofPolicies...), ofRoles...), reads...)
	requireDenied(t, b, "DeployRole", off)
	requireDenied(t, b, "PreviewRole", off)
	requireAllowed(t, policies, "DeployRole", append(append([]ask{}, ofPolicies...), reads...))
	requireDenied(t, policies, "DeployRole", append(append([]ask{}, ofRoles...), never...))
	requireAllowed(t, roles, "DeployRole", append(append(append([]ask{}, ofPolicies...), ofRoles...), reads...))
	requireDenied(t, roles, "DeployRole", never)
	requireAllowed(t, roles, "PreviewRole", reads)
	requireDenied(t, roles, "PreviewRole", append(append(append([]ask{}, ofPolicies...), ofRoles...), never...))
}

// The preview reads the policy of the bucket that the option names, and nothing in it.
func TestBootstrapOptions_LogBucket_Verdicts(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	on := b.withOptions(t, map[string]string{"LogBucket": "central-logs"})
	const bucket = "arn:aws:s3:::central-logs"
	reads := []ask{{"s3:GetBucketPolicy", bucket, nil}, {"s3:GetBucketWebsite", bucket, nil}, {"s3:ListBucket", bucket, nil}}
	never := []ask{
		{"s3:GetObject", bucket + "/sessions/log", nil}, {"s3:PutObject", bucket + "/sessions/log", nil},
		{"s3:PutBucketPolicy", bucket, nil}, {"s3:GetBucketPolicy", "arn:aws:s3:::other-logs", nil},
	}
	for _, role := range []string{"PreviewRole", "DeployRole"} {
		requireAllowed(t, on, role, reads)
		for _, v := range append(b.verdicts(t, role, reads), on.verdicts(t, role, never)...) {
			require.Empty(t, v.Error)
			require.False(t, v.allowed())
		}
	}
}

// A role for people can do within its boundary what sessions and their logs need, and no more, whatever its policies and the
// policies of buckets and keys allow.
func TestBootstrapOptions_PeopleBoundary_LimitsRoles(t *testing.T) {
	t.Parallel()
	const (
		ec2  = "arn:aws:ec2:us-east-2:" + here + ":instance/i-1"
		doc  = "arn:aws:ssm:us-east-2:" + here + ":document/"
		logs = "arn:aws:s3:::private-ec2-access-logs-1"
		key  = "arn:aws:kms:us-east-2:" + here + ":key/1"
		tag  = "ssm:resourceTag/" + stackTag
		open = "arn:aws:ssm:us-east-2:" + here + ":session/ana-1"

		trail = "arn:aws:cloudtrail:us-east-1:" + here + ":trail/main"
		topic = "arn:aws:sns:us-east-2:" + here + ":private-ec2-access-alerts-1"
	)
	session := map[string]string{"kms:EncryptionContext:aws:ssm:SessionId": "s", "kms:EncryptionContext:aws:ssm:TargetId": "i-1"}
	ofState := maps.Clone(session)
	ofState["kms:ResourceAliases"] = stateAlias
	cases := []struct {
		enter string
		asked ask
		want  bool
	}{
		{"stack", ask{"ssm:StartSession", ec2, map[string]string{tag: ownStack}}, true},
		{"stack", ask{"ssm:StartSession", ec2, map[string]string{tag: prodStack}}, false},
		{"stack", ask{"ssm:StartSession", ec2, nil}, false},
		{"account", ask{"ssm:StartSession", ec2, nil}, true},
		{"stack", ask{"ssm:StartSession", doc + "SSM-SessionManagerRunShell", nil}, true},
		{"stack", ask{"ssm:StartSession", doc + "private-ec2-access-dev", nil}, true},
		{"account", ask{"ssm:StartSession", doc + "another", nil}, false},
		{"account", ask{"ssm:StartSession", doc + "AWS-StartSSHSession", nil}, false},
		{"account", ask{"ssm:SendCommand", ec2, nil}, false},
		{"stack", ask{"ssmmessages:OpenDataChannel", "*", nil}, true},
		{"stack", ask{"ssm:TerminateSession", "arn:aws:ssm:us-east-2:" + here + ":session/ana-1", nil}, true},
		{"stack", ask{"ssm:UpdateDocument", doc + "private-ec2-access-dev", nil}, false},
		{"stack", ask{"s3:GetObject", logs + "/sessions/a.log", nil}, true},
		{"stack", ask{"s3:PutObject", logs + "/sessions/a.log", nil}, false},
		{"stack", ask{"s3:DeleteObjectVersion", logs + "/sessions/a.log", nil}, false},
		{"stack", ask{"s3:GetObject", "arn:aws:s3:::private-ec2-access-state-" + here + "-us-east-2/.pulumi/meta.yaml", nil}, false},
		{"stack", ask{"s3:GetBucketVersioning", logs, nil}, true},
		{"stack", ask{"ssm:ListDocumentVersions", doc + "SSM-SessionManagerRunShell", nil}, true},
		{"stack", ask{"ssm:ListCommandInvocations", "*", nil}, true},
		{"stack", ask{"cloudtrail:LookupEvents", "*", nil}, true},
		{"stack", ask{"cloudtrail:DescribeTrails", "*", nil}, true},
		{"stack", ask{"cloudtrail:GetTrailStatus", trail, nil}, true},
		{"stack", ask{"cloudtrail:GetEventSelectors", trail, nil}, true},
		{"stack", ask{"cloudtrail:StopLogging", trail, nil}, false},
		{"stack", ask{"sns:Publish", topic, nil}, true},
		{"stack", ask{"sns:Publish", "arn:aws:sns:us-east-2:" + here + ":billing", nil}, false},
		{"stack", ask{"sns:SetTopicAttributes", topic, nil}, false},
		{"stack", ask{"kms:Decrypt", key, map[string]string{"kms:ViaService": "sns.us-east-2.amazonaws.com"}}, true},
		{"stack", ask{"kms:GenerateDataKey", key, map[string]string{"kms:ViaService": "sns.us-east-2.amazonaws.com"}}, true},
		{"stack", ask{"kms:GenerateDataKey", key, map[string]string{"kms:ViaService": "s3.us-east-2.amazonaws.com"}}, false},
		{"stack", ask{"kms:GenerateDataKey", key, session}, true},
		{"stack", ask{"kms:GenerateDataKey", key, nil}, false},
		{"stack", ask{"kms:GenerateDataKey", key, ofState}, false},
		{"stack", ask{"kms:Decrypt", key, nil}, false},
		{"stack", ask{"kms:ScheduleKeyDeletion", key, nil}, false},
		{"stack", ask{"iam:CreateUser", "arn:aws:iam::" + here + ":user/somebody", nil}, false},
		{"stack", ask{"sts:AssumeRole", "arn:aws:iam::" + here + ":role/admin", nil}, false},
		{"stack", ask{"ssm:ResumeSession", open, map[string]string{"ssm:resourceTag/aws:ssmmessages:session-id": "AROA1:me", "aws:userid": "AROA1:me"}}, true},
		{"stack", ask{"ssm:ResumeSession", open, map[string]string{"ssm:resourceTag/aws:ssmmessages:session-id": "AROA2:admin", "aws:userid": "AROA1:me"}}, false},
		{"stack", ask{"ssm:TerminateSession", open, map[string]string{"ssm:resourceTag/aws:ssmmessages:session-id": "AROA2:admin", "aws:userid": "AROA1:me"}}, true},
		{"stack", ask{"ec2:CreateTags", ec2, nil}, false},
	}
	allow := func(principal any) any {
		statement := map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}
		if principal != nil {
			statement["Principal"] = principal
		}
		return map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}
	}
	var simulations []map[string]any
	for _, c := range cases {
		options := bootstrapForOptions(t).withOptions(t, map[string]string{"People": "roles", "PeopleEnter": c.enter})
		text, err := json.Marshal(options.properties(t, "PeopleBoundary")["PolicyDocument"])
		require.NoError(t, err)
		context := c.asked.context
		if context == nil {
			context = map[string]string{}
		}
		simulation := map[string]any{
			"identityPolicies":           []any{map[string]any{"name": "everything", "policy": allow(nil)}},
			"permissionBoundaryPolicies": []any{map[string]any{"name": "boundary", "policy": parsed(t, string(text))}},
			"request": map[string]any{
				"principal": "arn:aws:iam::" + here + ":role/private-ec2-access-people-dev-x", "action": c.asked.action,
				"contextVariables": maps.Clone(context), "resource": map[string]any{"resource": c.asked.resource, "accountId": here},
			},
		}
		if strings.HasPrefix(c.asked.action, "kms:") || strings.HasPrefix(c.asked.action, "sts:") {
			simulation["resourcePolicy"] = allow(map[string]any{"AWS": "arn:aws:iam::" + here + ":root"})
		}
		simulations = append(simulations, simulation)
	}
	for i, v := range evaluate(t, nil, simulations) {
		require.Empty(t, v.Error, "%v", cases[i].asked)
		require.Equal(t, cases[i].want, v.allowed(), "%s: %v", cases[i].enter, cases[i].asked)
	}
}

// With the option, the deploy role makes the topic and the rules of its own stack, and nothing that belongs to others.
func TestBootstrapOptions_Alerts_Verdicts(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	on := b.withOptions(t, map[string]string{"Alerts": "on"})
	const (
		rule      = "arn:aws:events:us-east-2:" + here + ":rule/private-ec2-access-alert-sessions-1"
		topic     = "arn:aws:sns:us-east-2:" + here + ":private-ec2-access-alerts-1"
		requested = "aws:RequestTag/" + stackTag
		tagged    = "aws:ResourceTag/" + stackTag
	)
	make, change := map[string]string{requested: ownStack}, map[string]string{tagged: ownStack}
	writes := []ask{
		{"events:PutRule", rule, make}, {"events:PutRule", rule, change}, {"events:TagResource", rule, make}, {"events:UntagResource", rule, change},
		{"events:PutTargets", rule, change}, {"events:RemoveTargets", rule, change}, {"events:DeleteRule", rule, change},
		{"sns:CreateTopic", topic, make}, {"sns:TagResource", topic, make}, {"sns:UntagResource", topic, change}, {"sns:SetTopicAttributes", topic, change},
		{"sns:Subscribe", topic, change}, {"sns:Unsubscribe", "*", nil}, {"sns:DeleteTopic", topic, change},
	}
	reads := []ask{
		{"events:DescribeRule", rule, nil}, {"events:ListTargetsByRule", rule, nil}, {"events:ListTagsForResource", rule, nil},
		{"sns:GetTopicAttributes", topic, nil}, {"sns:ListTagsForResource", topic, nil}, {"sns:GetSubscriptionAttributes", "*", nil},
	}
	prod, both := map[string]string{tagged: prodStack}, map[string]string{requested: ownStack, tagged: prodStack}
	never := []ask{
		{"events:PutRule", rule, nil}, {"events:PutRule", rule, prod}, {"events:PutRule", "arn:aws:events:us-east-2:" + here + ":rule/billing", make},
		{"events:DeleteRule", rule, prod}, {"events:PutTargets", rule, prod}, {"events:TagResource", rule, both},
		{"sns:CreateTopic", topic, nil}, {"sns:CreateTopic", "arn:aws:sns:us-east-2:" + here + ":billing", make}, {"sns:TagResource", topic, both},
		{"sns:SetTopicAttributes", topic, prod}, {"sns:DeleteTopic", topic, prod}, {"sns:Publish", topic, change}, {"sns:ListSubscriptions", "*", nil},
		{"sns:Subscribe", topic, prod}, {"sns:UntagResource", topic, prod}, {"sns:AddPermission", topic, change}, {"sns:Subscribe", "arn:aws:sns:us-east-2:" + here + ":billing", change},
		{"events:RemoveTargets", rule, prod}, {"events:UntagResource", rule, prod}, {"events:DeleteRule", "arn:aws:events:us-east-2:" + here + ":rule/billing", change},
		{"iam:PassRole", "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1", map[string]string{"iam:PassedToService": "events.amazonaws.com"}},
	}
	off := append(append([]ask{}, writes...), reads...)
	requireDenied(t, b, "DeployRole", off)
	requireDenied(t, b, "PreviewRole", off)
	requireAllowed(t, on, "DeployRole", off)
	requireDenied(t, on, "DeployRole", never)
	requireAllowed(t, on, "PreviewRole", reads)
	requireDenied(t, on, "PreviewRole", append(append([]ask{}, writes...), never...))
}

// The deploy role makes, attaches and deletes data volumes of the stack, and no others.
func TestBootstrapOptions_DataVolumes_Verdicts(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	on := b.withOptions(t, map[string]string{"DataVolumes": "on"})
	const (
		ec2              = "arn:aws:ec2:us-east-2:" + here + ":"
		volume, instance = ec2 + "volume/vol-1", ec2 + "instance/i-1"
		requested        = "aws:RequestTag/" + stackTag
		tagged           = "aws:ResourceTag/" + stackTag
	)
	writes := []ask{
		{"ec2:CreateVolume", volume, map[string]string{requested: ownStack}},
		{"ec2:AttachVolume", volume, map[string]string{tagged: ownStack}},
		{"ec2:AttachVolume", instance, map[string]string{tagged: ownStack}},
		{"ec2:DetachVolume", volume, map[string]string{tagged: ownStack}},
		{"ec2:DetachVolume", instance, map[string]string{tagged: ownStack}},
		{"ec2:DeleteVolume", volume, map[string]string{tagged: ownStack}},
	}
	never := []ask{
		{"ec2:CreateVolume", volume, nil},
		{"ec2:CreateVolume", volume, map[string]string{requested: prodStack}},
		{"ec2:CreateTags", volume, map[string]string{requested: prodStack, "ec2:CreateAction": "CreateVolume"}},
		{"ec2:AttachVolume", volume, nil},
		{"ec2:AttachVolume", volume, map[string]string{tagged: prodStack}},
		{"ec2:AttachVolume", instance, map[string]string{tagged: prodStack}},
		{"ec2:DeleteVolume", volume, map[string]string{tagged: prodStack}},
	}
	tag := ask{"ec2:CreateTags", volume, map[string]string{requested: ownStack, "ec2:CreateAction": "CreateVolume"}}
	requireDenied(t, b, "DeployRole", writes)
	requireAllowed(t, on, "DeployRole", append(writes, tag))
	requireDenied(t, on, "DeployRole", never)
	requireDenied(t, on, "PreviewRole", slices.Concat(writes, never, []ask{tag}))
}

// The deploy role makes and deletes flow logs of the stack's own VPC. It reaches no other stack's, and cannot pass a role on.
func TestBootstrapOptions_FlowLogs_Verdicts(t *testing.T) {
	t.Parallel()
	b := bootstrapForOptions(t)
	on := b.withOptions(t, map[string]string{"FlowLogs": "on"})
	const (
		ec2       = "arn:aws:ec2:us-east-2:" + here + ":"
		vpc, log  = ec2 + "vpc/vpc-1", ec2 + "vpc-flow-log/fl-1"
		requested = "aws:RequestTag/" + stackTag
		tagged    = "aws:ResourceTag/" + stackTag
	)
	of := func(key, value string, more ...string) map[string]string {
		made := map[string]string{key: value}
		for i := 0; i < len(more); i += 2 {
			made[more[i]] = more[i+1]
		}
		return made
	}
	reads := []ask{{"ec2:DescribeFlowLogs", "*", nil}}
	writes := []ask{
		{"ec2:CreateFlowLogs", vpc, of(tagged, ownStack)},
		{"ec2:CreateFlowLogs", log, of(requested, ownStack)},
		{"ec2:CreateTags", log, of(requested, ownStack, "ec2:CreateAction", "CreateFlowLogs")},
		{"ec2:DeleteFlowLogs", log, of(tagged, ownStack)},
		{"logs:CreateLogDelivery", "*", nil},
		{"logs:DeleteLogDelivery", "*", nil},
	}
	never := []ask{
		{"ec2:CreateFlowLogs", vpc, of(tagged, prodStack)},
		{"ec2:CreateFlowLogs", vpc, nil},
		{"ec2:CreateFlowLogs", log, of(requested, prodStack)},
		{"ec2:CreateTags", log, of(requested, ownStack)},
		{"ec2:DeleteFlowLogs", log, of(tagged, prodStack)},
		{"ec2:DeleteFlowLogs", log, nil},
		{"iam:PassRole", "arn:aws:iam::" + here + ":role/private-ec2-access-instance-1", of("iam:PassedToService", "vpc-flow-logs.amazonaws.com")},
		{"s3:PutBucketPolicy", "arn:aws:s3:::flow-logs", nil},
	}
	requireDenied(t, b, "DeployRole", append(append([]ask{}, reads...), writes...))
	requireAllowed(t, on, "DeployRole", append(append([]ask{}, reads...), writes...))
	requireDenied(t, on, "DeployRole", never)
	requireAllowed(t, on, "PreviewRole", reads)
	requireDenied(t, on, "PreviewRole", append(append([]ask{}, writes...), never...))
}

// The deploy role attaches its own policy to the roles that the options name, and its own instance profile to the named
// instances that have none. Both templates name the roles: bootstrap.yaml denies what it does not know. The stack's own roles
// still need the boundary.
//
// It does not prove what the attached policy says: no condition limits that.
func TestBootstrapOptions_ExistingInstances_Verdicts(t *testing.T) {
	t.Parallel()
	const (
		iam      = "arn:aws:iam::" + here + ":"
		policy   = iam + "policy/private-ec2-access-instance-existing-0a1b2c3"
		profile  = iam + "instance-profile/private-ec2-access-instance-1"
		another  = iam + "instance-profile/billing"
		instance = "arn:aws:ec2:us-east-2:" + here + ":instance/i-0123456789abcdef0"
		attached = "iam:PolicyARN"
	)
	named := map[string]string{"ExistingRoles": roleARN("billing") + "," + roleARN("app/batch"), "ExistingInstances": instance}
	shared := sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}
	b := bootstrapForOptions(t)
	onlyOptions := b.withOptions(t, named)
	on := readBootstrap(t, shared, map[string]string{"ExistingRoles": named["ExistingRoles"]}).withOptions(t, named)
	own := map[string]string{attached: policy}
	roles := []ask{
		{"iam:AttachRolePolicy", roleARN("billing"), own}, {"iam:AttachRolePolicy", roleARN("app/batch"), own},
	}
	rest := []ask{
		{"iam:DetachRolePolicy", roleARN("billing"), own}, {"iam:DetachRolePolicy", roleARN("app/batch"), own},
		{"ec2:AssociateIamInstanceProfile", instance, map[string]string{"ec2:NewInstanceProfile": profile}},
		{"ec2:DisassociateIamInstanceProfile", instance, map[string]string{"ec2:InstanceProfile": profile}},
	}
	reads := []ask{
		{"iam:ListAttachedRolePolicies", roleARN("billing"), nil}, {"iam:GetInstanceProfile", another, nil}, {"ec2:DescribeInstanceAttribute", instance, nil},
	}
	never := []ask{
		{"iam:AttachRolePolicy", roleARN("billing"), map[string]string{attached: adminPolicy}},
		{"iam:AttachRolePolicy", roleARN("billing"), map[string]string{attached: iam + "policy/private-ec2-access-instance-0a1b2c3"}},
		{"iam:AttachRolePolicy", roleARN("admin"), own},
		{"iam:AttachRolePolicy", roleARN("private-ec2-access-deploy"), own},
		{"iam:AttachRolePolicy", roleARN("private-ec2-access-instance-1"), map[string]string{attached: policy, "aws:ResourceTag/" + stackTag: ownStack}},
		{"iam:DetachRolePolicy", roleARN("billing"), map[string]string{attached: iam + "policy/queue"}},
		{"iam:PutRolePolicy", roleARN("billing"), nil},
		{"iam:UpdateAssumeRolePolicy", roleARN("billing"), nil},
		{"iam:DeleteRole", roleARN("billing"), nil},
		{"iam:PutRolePermissionsBoundary", roleARN("billing"), map[string]string{"iam:PermissionsBoundary": boundary}},
		{"iam:DeleteRolePermissionsBoundary", roleARN("billing"), nil},
		{"iam:TagRole", roleARN("billing"), map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"iam:PassRole", roleARN("billing"), toEC2},
		{"ec2:AssociateIamInstanceProfile", instance, map[string]string{"ec2:NewInstanceProfile": another}},
		{"ec2:AssociateIamInstanceProfile", instance, map[string]string{"ec2:NewInstanceProfile": profile, "ec2:InstanceProfile": another}},
		{"ec2:AssociateIamInstanceProfile", instance + "1", map[string]string{"ec2:NewInstanceProfile": profile}},
		{"ec2:DisassociateIamInstanceProfile", instance, map[string]string{"ec2:InstanceProfile": another}},
		{"ec2:ReplaceIamInstanceProfileAssociation", instance, map[string]string{"ec2:NewInstanceProfile": profile, "ec2:InstanceProfile": another}},
		{"ec2:TerminateInstances", instance, nil},
		{"ec2:ModifyInstanceAttribute", instance, nil},
		{"ec2:CreateTags", instance, map[string]string{"aws:RequestTag/" + stackTag: ownStack}},
		{"ec2:DescribeInstanceAttribute", instance + "1", nil},
		{"ssm:StartSession", instance, nil},
	}
	changes := slices.Concat(roles, rest)
	requireDenied(t, b, "DeployRole", slices.Concat(changes, reads))
	requireDenied(t, b, "PreviewRole", slices.Concat(changes, reads))
	requireAllowed(t, on, "DeployRole", slices.Concat(changes, reads))
	requireDenied(t, on, "DeployRole", never)
	requireAllowed(t, on, "PreviewRole", reads)
	requireDenied(t, on, "PreviewRole", slices.Concat(changes, never))
	requireAllowed(t, onlyOptions, "DeployRole", rest)
	for _, v := range onlyOptions.verdicts(t, "DeployRole", roles) {
		require.Equal(t, "ExplicitlyDenied", v.Verdict)
	}
}
