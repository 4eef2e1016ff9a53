package iam

import (
	"slices"

	"private-ec2-access/internal/scope"
)

// Sizes that AWS takes, in characters without white space between the parts of
// the document (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html).
const (
	MaxManagedPolicy        = 6144
	MaxTrustPolicy          = 2048
	MaxServiceControlPolicy = 5120
)

// OperatorTag marks the instances on which a group of operators may start
// sessions. Each group has a tag of its own, because an instance can be in
// several, and a policy that compares it stays the same when one is added.
func OperatorTag(group string) string { return "private-ec2-access:operators:" + group }

// OperatorTagValue is the value of every OperatorTag.
const OperatorTagValue = "true"

// Operators are what a group may do.
type Operators struct {
	Owner string // of the stack's instances, the value of scope.OwnerTag
	Group string // only the instances with its OperatorTag; empty: all of the stack
	// InstanceIDs are instances that the stack does not create: i-… or mi-….
	InstanceIDs   []string
	Document      string   // the stack's session document
	Tunnels       []string // documents that forward a port; their sessions leave no log
	SessionKeyARN string   // empty: sessions are not encrypted with KMS
	// MFA is for users, whose policy this is. The credentials of a role do not say
	// whether MFA was used when it was assumed.
	MFA bool
	// NotBefore and NotAfter limit when sessions start, in ISO 8601. Empty: always.
	NotBefore, NotAfter string
}

// OperatorPolicy lets a group of operators start sessions on its instances
// under the stack's document, and resume and end those sessions
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-quickstart.html).
//
// StartSession is authorized on the instance and on the document. Documents have
// no tag of the instance, so one statement with the tag's condition for both
// would refuse every session.
func OperatorPolicy(s scope.Scope, o Operators) Document {
	when := Condition{"BoolIfExists": {documentCheck: {"true"}}}
	if o.MFA {
		when["Bool"] = map[string]Values{"aws:MultiFactorAuthPresent": {"true"}}
	}
	if o.NotBefore != "" {
		when["DateGreaterThanEquals"] = map[string]Values{"aws:CurrentTime": {o.NotBefore}}
	}
	if o.NotAfter != "" {
		when["DateLessThan"] = map[string]Values{"aws:CurrentTime": {o.NotAfter}}
	}
	tagged := Condition{"StringEquals": {"ssm:resourceTag/" + scope.OwnerTag: {o.Owner}}}
	if o.Group != "" {
		tagged["StringEquals"]["ssm:resourceTag/"+OperatorTag(o.Group)] = Values{OperatorTagValue}
	}
	for operator, keys := range when {
		tagged[operator] = keys
	}
	statements := []Statement{{
		Sid:       "StartSessionsOnInstancesOfTheStack",
		Effect:    Allow,
		Action:    []string{startSession},
		Resource:  []string{s.ARN("ec2", "instance/*")},
		Condition: tagged,
	}}
	if len(o.InstanceIDs) > 0 {
		statements = append(statements, Statement{
			Sid:       "StartSessionsOnOtherInstances",
			Effect:    Allow,
			Action:    []string{startSession},
			Resource:  nodes(s, o.InstanceIDs),
			Condition: when,
		})
	}
	documents := []string{s.DocumentARN(o.Document)}
	for _, tunnel := range o.Tunnels {
		documents = append(documents, s.DocumentARN(tunnel))
	}
	statements = append(statements,
		Statement{
			// Without the condition, a request that names no document would be
			// authorized by the instance alone.
			Sid:       "UnderTheDocumentsOfTheStack",
			Effect:    Allow,
			Action:    []string{startSession},
			Resource:  documents,
			Condition: Condition{"BoolIfExists": {documentCheck: {"true"}}},
		},
		Statement{
			// The console reads the document that a session is started under.
			Sid:      "ReadTheDocuments",
			Effect:   Allow,
			Action:   []string{"ssm:GetDocument"},
			Resource: documents,
		},
		Statement{
			Sid:    "ConnectAndLookUp",
			Effect: Allow,
			Action: []string{
				"ec2:DescribeInstances", "ssm:DescribeInstanceInformation", "ssm:DescribeInstanceProperties", "ssm:DescribeSessions",
				"ssm:GetConnectionStatus", "ssmmessages:OpenDataChannel",
			},
			// The service ssmmessages has no resource types, and the look-ups
			// list what there is. A session's token is what opens its channel.
			Resource: []string{"*"},
		},
		Statement{
			// Systems Manager tags a session with the unique ID of the caller
			// that started it: of a user, or of a role with the session's name.
			Sid:       "EndAndResumeOwnSessions",
			Effect:    Allow,
			Action:    []string{"ssm:ResumeSession", "ssm:TerminateSession"},
			Resource:  []string{s.ARN("ssm", "session/*")},
			Condition: Condition{"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": {"${aws:userid}"}}},
		},
		Statement{
			// The ID of a user's session begins with the user's name. For a role
			// the variable has no value, and the statement matches nothing.
			Sid:      "EndAndResumeOwnSessionsAsUser",
			Effect:   Allow,
			Action:   []string{"ssm:ResumeSession", "ssm:TerminateSession"},
			Resource: []string{s.ARN("ssm", "session/${aws:username}-*")},
		},
	)
	if o.SessionKeyARN != "" {
		statements = append(statements, Statement{
			Sid:       "EncryptSessions",
			Effect:    Allow,
			Action:    []string{"kms:GenerateDataKey"},
			Resource:  []string{o.SessionKeyARN},
			Condition: ofASession(),
		})
	}
	return document(statements...)
}

const (
	startSession  = "ssm:StartSession"
	documentCheck = "ssm:SessionDocumentAccessCheck"
)

// nodes are the ARNs of instances, and of managed nodes outside of EC2.
func nodes(s scope.Scope, ids []string) []string {
	arns := make([]string, len(ids))
	for i, id := range ids {
		if len(id) > 3 && id[:3] == "mi-" {
			arns[i] = s.ARN("ssm", "managed-instance/"+id)
		} else {
			arns[i] = s.ARN("ec2", "instance/"+id)
		}
	}
	return arns
}

// Auditors are what auditors read.
type Auditors struct {
	Recording
	KeyARNs  []string // of session logs in S3
	Document string   // the stack's session document
	// TopicARN is that of the topic of alerts, to which an audit can send its
	// result, and TopicKeyARN that of its key. Empty: there is none, or it is not
	// known.
	TopicARN, TopicKeyARN string
}

// AuditorPolicy lets auditors list and read session logs and the history of
// sessions, and run make audit. It allows no change, and no session.
func AuditorPolicy(s scope.Scope, a Auditors) Document {
	var buckets, objects, contexts []string
	for _, archive := range a.Archives {
		buckets = append(buckets, s.BucketARN(archive.Bucket))
		objects = append(objects, s.ObjectsARN(archive.Bucket, archive.Prefix))
		// The context is the bucket's with S3's bucket keys, and the object's without.
		contexts = append(contexts, s.BucketARN(archive.Bucket), s.ObjectsARN(archive.Bucket, archive.Prefix))
	}
	statements := []Statement{
		{
			Sid:      "ListSessionLogs",
			Effect:   Allow,
			Action:   []string{"s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"},
			Resource: unique(buckets),
		},
		{
			Sid:      "ReadSessionLogs",
			Effect:   Allow,
			Action:   []string{"s3:GetObject", "s3:GetObjectVersion"},
			Resource: unique(objects),
		},
		{
			// It names the log locations of today, and since when they are that.
			Sid:      "ReadSessionDocument",
			Effect:   Allow,
			Action:   []string{"ssm:GetDocument", "ssm:ListDocumentVersions"},
			Resource: []string{s.DocumentARN(a.Document)},
		},
	}
	if len(a.KeyARNs) > 0 {
		statements = append(statements, Statement{
			Sid:       "DecryptSessionLogs",
			Effect:    Allow,
			Action:    []string{"kms:Decrypt"},
			Resource:  a.KeyARNs,
			Condition: throughS3(s, unique(contexts)...),
		})
	}
	if a.TopicARN != "" {
		statements = append(statements, Statement{
			Sid:      "SendResult",
			Effect:   Allow,
			Action:   []string{"sns:Publish"},
			Resource: []string{a.TopicARN},
		})
	}
	if a.TopicKeyARN != "" {
		statements = append(statements, Statement{
			Sid:       "EncryptResult",
			Effect:    Allow,
			Action:    []string{"kms:Decrypt", "kms:GenerateDataKey"},
			Resource:  []string{a.TopicKeyARN},
			Condition: throughSNS(s),
		})
	}
	history := []string{
		"cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents",
		"ec2:DescribeInstances", "ssm:DescribeInstanceInformation", "ssm:DescribeSessions", "ssm:ListCommandInvocations",
	}
	if len(a.LogGroups) > 0 {
		var streams []string
		for _, group := range a.LogGroups {
			streams = append(streams, s.LogGroupARN(group), s.LogStreamsARN(group))
		}
		history = append(history, "logs:DescribeLogGroups")
		statements = append(statements, Statement{
			Sid:      "ReadLogEvents",
			Effect:   Allow,
			Action:   []string{"logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"},
			Resource: streams,
		})
	}
	slices.Sort(history)
	return document(append(statements, Statement{
		Sid:    "ReadHistory",
		Effect: Allow,
		Action: history,
		// The calls know no resources, or a trail of any Region, which can be the organization's.
		Resource: []string{"*"},
	})...)
}

// Trust says who may assume a role for people.
type Trust struct {
	Principals []string // ARNs of users, roles or accounts
	MFA        bool
	// Name makes the name of an IAM user the name of the role's session
	// (sts:RoleSessionName) or its source identity (sts:SourceIdentity), so that
	// session logs and CloudTrail name a person. Empty: any name.
	Name string
}

// The values of Trust.Name.
const (
	RoleSessionName = "roleSessionName"
	SourceIdentity  = "sourceIdentity"
)

// PeopleTrust is the trust policy of a role for people
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html).
func PeopleTrust(t Trust) Document {
	statement := Statement{
		Sid:       "PeopleAssumeTheRole",
		Effect:    Allow,
		Principal: AWS(t.Principals...),
		Action:    []string{"sts:AssumeRole"},
		Condition: Condition{},
	}
	if t.MFA {
		statement.Condition["Bool"] = map[string]Values{"aws:MultiFactorAuthPresent": {"true"}}
	}
	switch t.Name {
	case RoleSessionName:
		statement.Condition["StringEquals"] = map[string]Values{"sts:RoleSessionName": {"${aws:username}"}}
	case SourceIdentity:
		statement.Action = append(statement.Action, "sts:SetSourceIdentity")
		statement.Condition["StringEquals"] = map[string]Values{"sts:SourceIdentity": {"${aws:username}"}}
	}
	if len(statement.Condition) == 0 {
		statement.Condition = nil
	}
	return document(statement)
}

// Guarded is what the denials of unrecorded access protect.
type Guarded struct {
	Owner       string   // of the stack's instances
	InstanceIDs []string // those that the stack does not create
	Documents   []string // of the stack, under which sessions may start
	// OtherDocumentARNs are further documents under which people may start sessions.
	OtherDocumentARNs []string
	Bucket            string // of the stack's own; empty: none
	LogGroups         []string
	KeyARNs           []string // of the stack's own
	RoleARN           string   // of the instances
	Policies          string   // the ARN of the people's policies, with a wildcard
	ExemptARNs        []string // roles that may do all of it: those of deployments and administrators
}

// UnrecordedAccessDenials deny, whatever other policies allow, every way to a
// shell on the stack's instances that leaves no session log, and changes to what
// decides about sessions and their logs. They are the same in a policy to
// attach, in a service control policy and in a permissions boundary.
//
// Where AWS compares no tag of an instance, the action is denied in the whole
// account: Automation, just-in-time access, tunnels of EC2 Instance Connect and
// the serial console.
func UnrecordedAccessDenials(s scope.Scope, g Guarded) []Statement {
	owned := Condition{"StringEquals": {"aws:ResourceTag/" + scope.OwnerTag: {g.Owner}}}
	documents := make([]string, len(g.Documents))
	for i, name := range g.Documents {
		documents[i] = s.DocumentARN(name)
	}
	onInstances := []string{
		"ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect:SendSerialConsoleSSHPublicKey",
		"ec2:AssociateIamInstanceProfile", "ec2:AttachVolume", "ec2:CreateImage", "ec2:CreateReplaceRootVolumeTask", "ec2:CreateSnapshot*",
		"ec2:DeleteTags", "ec2:DetachVolume", "ec2:DisassociateIamInstanceProfile", "ec2:ModifyInstanceAttribute",
		"ec2:ReplaceIamInstanceProfileAssociation", "ssm:CreateAssociation*", "ssm:SendCommand",
		"ssm:UpdateAssociation", // not UpdateAssociationStatus, which the agent calls
	}
	statements := []Statement{
		{
			Sid:    "NoOtherDocument",
			Effect: Deny,
			Action: []string{startSession},
			NotResource: slices.Concat(documents, g.OtherDocumentARNs, []string{
				// StartSession names the target as well, which other statements and policies decide about.
				s.AnywhereARN("ec2", "instance/*"), s.AnywhereARN("ssm", "managed-instance/*"), s.AnywhereARN("ecs", "task/*"),
			}),
		},
		{
			Sid:    "NoOtherWay",
			Effect: Deny,
			Action: []string{
				"ec2-instance-connect:OpenTunnel", "ec2:CreateInstanceConnectEndpoint", "ec2:EnableSerialConsoleAccess", "ssm-guiconnect:*",
				"ssm:GetAccessToken", "ssm:StartAccessRequest", "ssm:StartAutomationExecution", "ssm:StartChangeRequestExecution",
			},
			// None of these actions compares a tag of the instance in the end.
			Resource: []string{"*"},
		},
		{
			Sid:       "NoChangeOfInstances",
			Effect:    Deny,
			Action:    onInstances,
			Resource:  []string{s.AnywhereARN("ec2", "instance/*"), s.AnywhereARN("ec2", "volume/*")},
			Condition: owned,
		},
		{
			Sid:       "NoTagsThatDecide",
			Effect:    Deny,
			Action:    []string{"ec2:CreateTags", "ec2:DeleteTags", "iam:TagRole", "iam:TagUser", "iam:UntagRole", "iam:UntagUser", "sts:TagSession"},
			Resource:  []string{s.AnywhereARN("ec2", "*"), s.IAMARN("role/*"), s.IAMARN("user/*")},
			Condition: Condition{"ForAnyValue:StringLike": {"aws:TagKeys": {"SSMSessionRunAs", "private-ec2-access:*"}}},
		},
	}
	// One statement for all of the rest, because a service control policy has to
	// be short. An action never matches a resource of another kind.
	rest := Statement{
		Sid:    "NoChangeOfWhatDecides",
		Effect: Deny,
		Action: []string{
			"iam:AttachRolePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy*", "iam:DeleteRole*", "iam:DetachRolePolicy", "iam:PassRole",
			"iam:PutRole*", "iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy",
			"ssm:AddTagsToResource", "ssm:CreateDocument", "ssm:DeleteDocument", "ssm:ModifyDocumentPermission",
			"ssm:RemoveTagsFromResource", "ssm:UpdateDocument*",
		},
		Resource: append([]string{g.RoleARN, g.Policies}, documents...),
	}
	add := func(actions []string, resources ...string) {
		rest.Action, rest.Resource = append(rest.Action, actions...), append(rest.Resource, resources...)
	}
	if len(g.InstanceIDs) > 0 {
		add(onInstances, nodes(s, g.InstanceIDs)...)
	}
	if g.Bucket != "" {
		// Not PutObject, which the instances need: the bucket's policy says who may.
		add([]string{
			"s3:BypassGovernanceRetention", "s3:Delete*", "s3:PutBucket*", "s3:PutEncryptionConfiguration",
			"s3:PutLifecycleConfiguration", "s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:PutReplicationConfiguration",
		}, s.BucketARN(g.Bucket), s.ObjectsARN(g.Bucket, ""))
	}
	for i, group := range g.LogGroups {
		if i == 0 {
			add([]string{"logs:AssociateKmsKey", "logs:Delete*", "logs:DisassociateKmsKey", "logs:PutRetentionPolicy", "logs:PutSubscriptionFilter"})
		}
		add(nil, s.LogGroupARN(group), s.LogStreamsARN(group))
	}
	if len(g.KeyARNs) > 0 {
		add([]string{"kms:CreateGrant", "kms:DeleteAlias", "kms:Disable*", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:UpdateAlias"}, g.KeyARNs...)
	}
	statements = append(statements, rest)
	for i := range statements {
		condition := Condition{"ArnNotEquals": {caller: g.ExemptARNs}}
		for operator, keys := range statements[i].Condition {
			condition[operator] = keys
		}
		statements[i].Condition = condition
	}
	return statements
}

// UnrecordedAccess is a policy to attach to people, and a service control policy.
func UnrecordedAccess(s scope.Scope, g Guarded) Document {
	return document(UnrecordedAccessDenials(s, g)...)
}

// UnrecordedAccessBoundary is the same as a permissions boundary: everything is
// left to a person's own policies but the denials.
func UnrecordedAccessBoundary(s scope.Scope, g Guarded) Document {
	return document(append([]Statement{{
		Sid:    "WhateverOtherPoliciesAllow",
		Effect: Allow,
		Action: []string{"*"},
		// A boundary allows nothing by itself.
		Resource: []string{"*"},
	}}, UnrecordedAccessDenials(s, g)...)...)
}
