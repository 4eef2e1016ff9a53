package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A chain is a sequence of calls, each of which is allowed and may change what
// the next one is allowed: a tag, a boundary, a policy. The content of a policy
// is the worst one, because no condition of AWS limits it.

// thing is a resource of the account that calls are about.
type thing struct {
	kind, arn string
	own       bool // the stack's, which the deploy role may change
}

const (
	chainRole   = "arn:aws:iam::" + here + ":role/private-ec2-access-instance-"
	chainPolicy = "arn:aws:iam::" + here + ":policy/private-ec2-access-"
	chainEC2    = "arn:aws:ec2:us-east-2:" + here + ":"
	chainKey    = "arn:aws:kms:us-east-2:" + here + ":key/"
	chainDoc    = "arn:aws:ssm:us-east-2:" + here + ":document/"
	chainLogs   = "arn:aws:logs:us-east-2:" + here + ":log-group:"
	chainState  = "arn:aws:s3:::private-ec2-access-state-" + here + "-us-east-2"
	adminPolicy = "arn:aws:iam::aws:policy/AdministratorAccess"
	prodStack   = "private-ec2-access/prod"
)

var things = map[string]thing{
	"a new role":           {"role", chainRole + "new", true},
	"the instance role":    {"role", chainRole + "own", true},
	"prod's instance role": {"role", chainRole + "prod", false},
	"an admin's role":      {"role", "arn:aws:iam::" + here + ":role/admin", false},
	"the deploy role":      {"role", "arn:aws:iam::" + here + ":role/private-ec2-access-deploy", false},

	"the instance policy":    {"policy", chainPolicy + "instance-own", true},
	"prod's instance policy": {"policy", chainPolicy + "instance-prod", false},
	// The stack's as well, but an administrator attached it to roles of others, which have no boundary.
	"the policy of existing roles": {"policy", chainPolicy + "instance-existing-own", false},
	"the boundary":                 {"policy", boundary, false},
	"a deploy policy":              {"policy", chainPolicy + "deploy-rest", false},

	"the stack's group":            {"security-group", chainEC2 + "security-group/sg-own", true},
	"prod's group":                 {"security-group", chainEC2 + "security-group/sg-prod", false},
	"a named group":                {"security-group", chainEC2 + "security-group/sg-named", false},
	"a group of CloudFormation":    {"security-group", chainEC2 + "security-group/sg-cfn", false},
	"a group without tags":         {"security-group", chainEC2 + "security-group/sg-bare", false},
	"prod's instance":              {"instance", chainEC2 + "instance/i-prod", false},
	"another instance":             {"instance", chainEC2 + "instance/i-another", false},
	"prod's volume":                {"volume", chainEC2 + "volume/vol-prod", false},
	"a named volume":               {"volume", chainEC2 + "volume/vol-named", false},
	"a volume without tags":        {"volume", chainEC2 + "volume/vol-bare", false},
	"another VPC":                  {"vpc", chainEC2 + "vpc/vpc-another", false},
	"prod's VPC":                   {"vpc", chainEC2 + "vpc/vpc-prod", false},
	"the key of the state":         {"key", chainKey + "state", false},
	"the stack's key":              {"key", chainKey + "own", true},
	"prod's key":                   {"key", chainKey + "prod", false},
	"another key":                  {"key", chainKey + "another", false},
	"a key without tags or alias":  {"key", chainKey + "bare", false},
	"the stack's document":         {"document", chainDoc + "private-ec2-access-dev", true},
	"prod's document":              {"document", chainDoc + "private-ec2-access-prod", false},
	"untagged session preferences": {"document", chainDoc + preferencesName, false},

	"the log bucket":    {"bucket", "arn:aws:s3:::private-ec2-access-logs-own", true},
	"prod's log bucket": {"bucket", "arn:aws:s3:::private-ec2-access-logs-prod", false},
	"the state bucket":  {"bucket", chainState, false},
	"another bucket":    {"bucket", "arn:aws:s3:::another", false},

	"a session log":         {"object", "arn:aws:s3:::private-ec2-access-logs-own/sessions/a.log", false},
	"the stack's state":     {"object", chainState + "/.pulumi/stacks/private-ec2-access/dev.json", true},
	"prod's state":          {"object", chainState + "/.pulumi/stacks/private-ec2-access/prod.json", false},
	"the stack's log group": {"log-group", chainLogs + "/private-ec2-access/dev/sessions", true},
	"prod's log group":      {"log-group", chainLogs + "/private-ec2-access/prod/sessions", false},
	"another log group":     {"log-group", chainLogs + "/another", false},
	"a user":                {"user", "arn:aws:iam::" + here + ":user/somebody", false},
}

// world is what calls have changed so far, and what conditions compare: the
// facts of things by "THING FACT".
type world map[string]string

func (w world) key() string {
	text, _ := json.Marshal(w) // sorts the keys, and cannot fail for a map of strings
	return string(text)
}

func (w world) with(pairs ...string) world {
	made := maps.Clone(w)
	for i := 0; i < len(pairs); i += 2 {
		if made[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(made, pairs[i])
		}
	}
	return made
}

// chainStart is an account with a deployed stack, another stack of the project,
// and what belongs to others.
func chainStart() world {
	return world{
		"the instance role tag": ownStack, "the instance role boundary": boundary,
		"prod's instance role tag": prodStack, "prod's instance role boundary": boundary,
		"the instance policy tag": ownStack, "prod's instance policy tag": prodStack, "the policy of existing roles tag": ownStack,
		"the stack's group tag": ownStack, "the stack's group name": "private-ec2-access-dev-instances",
		"prod's group tag": prodStack, "prod's group name": "private-ec2-access-prod-instances",
		"a named group name": "somebody's", "a group of CloudFormation cfn": "arn:aws:cloudformation:us-east-2:" + here + ":stack/a/b",
		"prod's instance tag": prodStack, "prod's volume tag": prodStack, "a named volume name": "somebody's",
		"prod's VPC tag":             prodStack,
		"the key of the state alias": stateAlias, "another key alias": "alias/somebody",
		"the stack's key tag": ownStack, "the stack's key alias": recordsAlias,
		"prod's key tag": prodStack, "prod's key alias": "alias/private-ec2-access-prod",
		"the stack's document tag": ownStack, "prod's document tag": prodStack,
	}
}

// move is one call, and what it changes.
type move struct {
	action, on string
	request    map[string]string // of the context
	say        string            // what the request asks for, besides the action
	effect     func(world, string) world
	reads      bool // changes nothing; told only where it reads what is secret or uses a key
}

func (m move) String() string {
	said := m.action
	if m.say != "" {
		said += " (" + m.say + ")"
	}
	return said + " on " + m.on
}

func sets(fact, value string) func(world, string) world {
	return func(w world, on string) world { return w.with(on+" "+fact, value) }
}

// moves is every call on every thing, with every request that differs for a
// condition.
func moves() (all []move) {
	const requested = "aws:RequestTag/" + stackTag
	tagged := map[string]string{requested: ownStack}
	byKind := map[string][]move{
		"role": {
			{action: "iam:DeleteRole", effect: nil},
			{action: "iam:PutRolePolicy", say: "everything", effect: sets("wide", "yes")},
			{action: "iam:AttachRolePolicy", say: "the instance policy", request: map[string]string{"iam:PolicyARN": chainPolicy + "instance-own"}, effect: sets("attached", "yes")},
			{action: "iam:AttachRolePolicy", say: "AdministratorAccess", request: map[string]string{"iam:PolicyARN": adminPolicy}, effect: sets("wide", "yes")},
			{action: "iam:PutRolePermissionsBoundary", say: "the boundary", request: map[string]string{"iam:PermissionsBoundary": boundary}, effect: sets("boundary", boundary)},
			{action: "iam:PutRolePermissionsBoundary", say: "the instance policy", request: map[string]string{"iam:PermissionsBoundary": chainPolicy + "instance-own"}, effect: sets("boundary", "")},
			{action: "iam:PutRolePermissionsBoundary", say: "AdministratorAccess", request: map[string]string{"iam:PermissionsBoundary": adminPolicy}, effect: sets("boundary", "")},
			{action: "iam:DeleteRolePermissionsBoundary", effect: sets("boundary", "")},
			{action: "iam:UpdateAssumeRolePolicy", say: "an outsider", effect: sets("trust", "outsider")},
			{action: "iam:TagRole", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "iam:UntagRole", say: "the stack's tag", request: map[string]string{"aws:TagKeys": stackTag}, effect: sets("tag", "")},
			{action: "iam:PassRole", say: "to an instance", request: toEC2},
			{action: "sts:AssumeRole", reads: true},
		},
		"policy": {
			{action: "iam:CreatePolicyVersion", say: "everything", effect: sets("wide", "yes")},
			{action: "iam:SetDefaultPolicyVersion", effect: sets("wide", "yes")},
			{action: "iam:DeletePolicy"},
			{action: "iam:TagPolicy", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "iam:UntagPolicy", say: "the stack's tag", request: map[string]string{"aws:TagKeys": stackTag}, effect: sets("tag", "")},
		},
		"security-group": {
			{action: "ec2:CreateTags", say: "as the stack's", request: map[string]string{requested: ownStack, "aws:TagKeys": stackTag}, effect: sets("tag", ownStack)},
			{action: "ec2:CreateTags", say: "as the stack's default group", request: map[string]string{requested: ownStack, "aws:RequestTag/Name": "private-ec2-access-dev-default-closed", "aws:TagKeys": stackTag + ",Name"},
				effect: func(w world, on string) world {
					return w.with(on+" tag", ownStack, on+" name", "private-ec2-access-dev-default-closed")
				}},
			{action: "ec2:CreateTags", say: "another name", request: map[string]string{"aws:RequestTag/Name": "x", "aws:TagKeys": "Name"}, effect: sets("name", "x")},
			{action: "ec2:DeleteTags", say: "the name", request: map[string]string{"aws:TagKeys": "Name"}, effect: sets("name", "")},
			{action: "ec2:DeleteTags", say: "all", effect: func(w world, on string) world { return w.with(on+" tag", "", on+" name", "") }},
			{action: "ec2:AuthorizeSecurityGroupIngress"},
			{action: "ec2:AuthorizeSecurityGroupIngress", say: "a rule with the stack's tag", request: tagged},
			{action: "ec2:AuthorizeSecurityGroupEgress"},
			{action: "ec2:RevokeSecurityGroupIngress"},
			{action: "ec2:RevokeSecurityGroupEgress"},
			{action: "ec2:ModifySecurityGroupRules"},
			{action: "ec2:DeleteSecurityGroup"},
			{action: "ec2:RunInstances", say: "in the group"},
			{action: "ec2:CreateVpcEndpoint", say: "in the group"},
		},
		"instance": {
			{action: "ec2:CreateTags", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "ec2:TerminateInstances"},
			{action: "ec2:ModifyInstanceAttribute"},
			{action: "ec2:AssociateIamInstanceProfile"},
			{action: "ec2:DescribeInstanceAttribute", say: "userData", reads: true},
			{action: "ssm:StartSession"},
			{action: "ssm:SendCommand"},
		},
		"volume": {
			{action: "ec2:CreateTags", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "ec2:ModifyVolume"},
			{action: "ec2:DeleteVolume"},
			{action: "ec2:CreateSnapshot"},
		},
		"vpc": {
			{action: "ec2:CreateTags", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "ec2:CreateSubnet", say: "with the stack's tag", request: tagged},
			{action: "ec2:CreateRouteTable", say: "with the stack's tag", request: tagged},
			{action: "ec2:ModifyVpcAttribute"},
			{action: "ec2:DeleteVpc"},
		},
		"key": {
			{action: "kms:TagResource", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "kms:UntagResource", say: "the stack's tag", request: map[string]string{"aws:TagKeys": stackTag}, effect: sets("tag", "")},
			{action: "kms:PutKeyPolicy", say: "open to everyone", effect: sets("open", "yes")},
			{action: "kms:CreateAlias"},
			{action: "kms:DeleteAlias", effect: sets("alias", "")},
			{action: "kms:CreateGrant"},
			{action: "kms:DisableKey"},
			{action: "kms:ScheduleKeyDeletion"},
			{action: "kms:Encrypt", reads: true},
			{action: "kms:GenerateDataKey", reads: true},
			{action: "kms:Decrypt", reads: true},
			{action: "kms:Decrypt", say: "of a session", reads: true, request: map[string]string{"kms:EncryptionContext:aws:ssm:SessionId": "s", "kms:EncryptionContext:aws:ssm:TargetId": "i-1"}},
			{action: "kms:Decrypt", say: "of a session log", reads: true, request: map[string]string{"kms:ViaService": "s3.us-east-2.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::private-ec2-access-logs-own"}},
		},
		"document": {
			{action: "ssm:AddTagsToResource", say: "as the stack's", request: tagged, effect: sets("tag", ownStack)},
			{action: "ssm:RemoveTagsFromResource", effect: sets("tag", "")},
			{action: "ssm:UpdateDocument"},
			{action: "ssm:DeleteDocument"},
		},
		"bucket": {
			{action: "s3:PutBucketPolicy", say: "open to everyone", effect: sets("open", "yes")},
			{action: "s3:PutBucketPublicAccessBlock"},
			{action: "s3:PutLifecycleConfiguration"},
			{action: "s3:PutBucketObjectLockConfiguration"},
			{action: "s3:PutReplicationConfiguration"},
			{action: "s3:PutBucketVersioning"},
			{action: "s3:DeleteBucket"},
		},
		"object": {
			{action: "s3:GetObject", reads: true},
			{action: "s3:PutObject"},
			{action: "s3:DeleteObject"},
			{action: "s3:DeleteObjectVersion"},
			{action: "s3:BypassGovernanceRetention"},
		},
		"log-group": {
			{action: "logs:PutRetentionPolicy"},
			{action: "logs:AssociateKmsKey"},
			{action: "logs:PutSubscriptionFilter"},
			{action: "logs:DeleteLogGroup"},
			{action: "logs:FilterLogEvents", reads: true},
		},
		"user": {
			{action: "iam:CreateUser"},
			{action: "iam:CreateAccessKey"},
		},
	}
	for _, on := range slices.Sorted(maps.Keys(things)) {
		for _, m := range byKind[things[on].kind] {
			m.on = on
			all = append(all, m)
		}
	}
	for say, arn := range map[string]string{"no boundary": "", "the boundary": boundary, "the instance policy as its boundary": chainPolicy + "instance-own"} {
		request := map[string]string{requested: ownStack}
		if arn != "" {
			request["iam:PermissionsBoundary"] = arn
		}
		all = append(all, move{action: "iam:CreateRole", on: "a new role", say: say + ", trusting an outsider", request: request, effect: func(w world, on string) world {
			held := arn
			if arn != boundary { // whose content the deploy role writes
				held = ""
			}
			return w.with(on+" tag", ownStack, on+" boundary", held, on+" trust", "outsider")
		}})
	}
	slices.SortStableFunc(all, func(a, b move) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// exists reports whether the call makes sense: a role is there, or is not.
func (w world) exists(m move) bool {
	if m.on != "a new role" {
		return m.action != "iam:CreateRole"
	}
	return (w["a new role tag"] != "" || w["a new role trust"] != "") == (m.action != "iam:CreateRole")
}

// actors are those who make calls: the pipelines' roles, a role that the deploy
// role writes to (by an instance, or by its trust), and another account.
var actors = []string{"the preview role", "the deploy role", "the instance role", "a new role", "an outsider"}

func (w world) wide(role string) bool {
	attached := w[role+" attached"] != "" || role == "the instance role"
	return w[role+" wide"] != "" || attached && w["the instance policy wide"] != ""
}

// boundaryActions compare the boundary of the role that they are about.
var boundaryActions = []string{"iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"}

// simulation is the question whether an actor may make a call, or nil if it
// cannot be asked.
func (w world) simulation(b bootstrap, t *testing.T, actor string, m move) map[string]any {
	t.Helper()
	on := things[m.on]
	context := map[string]any{}
	for key, value := range m.request {
		context[key] = value
		if key == "aws:TagKeys" {
			context[key] = strings.Split(value, ",")
		}
	}
	if slices.Contains([]string{"role", "policy", "security-group", "instance", "volume", "vpc", "key", "document"}, on.kind) {
		if value := w[m.on+" tag"]; value != "" && m.action != "iam:CreateRole" && !strings.HasPrefix(m.action, "sts:") && !strings.HasPrefix(m.action, "iam:PassRole") {
			context["aws:ResourceTag/"+stackTag] = value
		}
	}
	if on.kind == "bucket" || on.kind == "object" {
		context["aws:ResourceAccount"] = here
	}
	if value := w[m.on+" name"]; value != "" {
		context["aws:ResourceTag/Name"] = value
	}
	if value := w[m.on+" cfn"]; value != "" {
		context["aws:ResourceTag/aws:cloudformation:stack-id"] = value
	}
	if value := w[m.on+" alias"]; value != "" {
		context["kms:ResourceAliases"] = []string{value}
	}
	if held := w[m.on+" boundary"]; held != "" && slices.Contains(boundaryActions, m.action) {
		context["iam:PermissionsBoundary"] = held
	}
	made := map[string]any{"identityPolicies": []string{}}
	request := map[string]any{"action": m.action, "contextVariables": context, "resource": map[string]any{"resource": on.arn, "accountId": here}}
	made["request"] = request
	switch actor {
	case "the preview role", "the deploy role":
		role := map[string]string{"the preview role": "PreviewRole", "the deploy role": "DeployRole"}[actor]
		request["principal"] = "arn:aws:iam::" + here + ":role/" + b.properties(t, role)["RoleName"].(string)
		made["identityPolicies"] = b.policyNames(t, role)
	case "an outsider":
		request["principal"], made["identityPolicies"] = "arn:aws:iam::"+outside+":role/an-outsider", []string{everything}
	default: // a role of instances, by a session of it, which a resource's policy may name
		if !w.wide(actor) {
			return nil
		}
		_, name, _ := strings.Cut(things[actor].arn, ":role/")
		request["principal"], made["identityPolicies"] = "arn:aws:sts::"+here+":assumed-role/"+name+"/session", []string{everything}
		if w[actor+" boundary"] == boundary {
			made["permissionBoundaryPolicies"] = []string{"Boundary"}
		}
	}
	bucket, _, _ := strings.Cut(strings.TrimPrefix(on.arn, "arn:aws:s3:::"), "/")
	open := w[m.on+" open"] != "" || on.kind == "object" && bucket == "private-ec2-access-logs-own" && w["the log bucket open"] != ""
	switch {
	case on.kind == "key" && !open:
		made["resourcePolicy"] = openKey
	case open:
		made["resourcePolicy"] = openToAll
	case m.action == "sts:AssumeRole" && w[m.on+" trust"] != "":
		made["resourcePolicy"] = "trusting an outsider"
	}
	return made
}

// chainEvaluator puts each question once.
type chainEvaluator struct {
	t        *testing.T
	b        bootstrap
	policies map[string]any
	known    map[string]bool
}

func newChainEvaluator(t *testing.T, b bootstrap) *chainEvaluator {
	t.Helper()
	allow := func(principal any, action string) any {
		statement := map[string]any{"Effect": "Allow", "Action": action, "Resource": "*"}
		if principal != nil {
			statement["Principal"] = principal
		}
		return map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}
	}
	e := &chainEvaluator{t: t, b: b, known: map[string]bool{}, policies: map[string]any{
		everything: allow(nil, "*"),
		openKey:    allow(map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, "kms:*"),
		// Everyone, and the sessions of the roles, which a boundary's missing allow does not limit.
		openToAll: allow(map[string]any{"AWS": []any{
			"*", "arn:aws:sts::" + here + ":assumed-role/private-ec2-access-instance-own/session",
			"arn:aws:sts::" + here + ":assumed-role/private-ec2-access-instance-new/session",
		}}, "*"),
		"trusting an outsider": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"AWS": "arn:aws:iam::" + outside + ":role/an-outsider"},
		}}},
	}}
	for name, made := range b.resources {
		if made.(map[string]any)["Type"] == "AWS::IAM::ManagedPolicy" {
			e.policies[name] = b.properties(t, name)["PolicyDocument"]
		}
	}
	return e
}

func question(simulation map[string]any) string {
	text, _ := json.Marshal(simulation) // made of maps and strings
	return string(text)
}

// ask puts the questions that are new.
func (e *chainEvaluator) ask(simulations map[string]map[string]any) {
	e.t.Helper()
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(simulations)), func(name string) bool { _, known := e.known[name]; return known })
	if len(names) == 0 {
		return
	}
	put := make([]map[string]any, len(names))
	for i, name := range names {
		put[i] = simulations[name]
	}
	for i, v := range evaluate(e.t, e.policies, put) {
		require.Empty(e.t, v.Error, names[i])
		e.known[names[i]] = v.allowed()
	}
}

// found is something that must not be possible, with the shortest chain to it.
type found struct{ actor, call, on, chain string }

// tell reports whether a call that an actor may make goes too far.
func tell(actor string, m move) bool {
	on := things[m.on]
	switch actor {
	case "an outsider":
		return true
	case "the preview role":
		return !(m.reads && m.action == "kms:Decrypt" || m.reads && m.on == "the stack's state") || m.on != "the key of the state" && m.on != "the stack's state"
	case "the deploy role":
		switch on.kind {
		case "key": // of the state: what the state needs
			if m.on == "the key of the state" {
				return m.action != "kms:Decrypt" && m.action != "kms:GenerateDataKey"
			}
			return !on.own || m.reads || slices.Contains([]string{"kms:CreateGrant", "kms:DisableKey", "kms:ScheduleKeyDeletion"}, m.action)
		case "log-group":
			return !on.own || m.reads || slices.Contains([]string{"logs:DeleteLogGroup", "logs:PutSubscriptionFilter"}, m.action)
		case "bucket":
			return !on.own || m.action == "s3:PutReplicationConfiguration"
		case "role":
			return !on.own || slices.Contains([]string{"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary"}, m.action)
		}
		return !on.own
	}
	// A role of instances is compared with the boundary, which must not allow these.
	return slices.Contains([]string{"the key of the state", "the state bucket", "the stack's state", "prod's state", "an admin's role"}, m.on) ||
		m.on == "a session log" && m.action != "s3:PutObject"
}

// search looks for chains of up to three calls.
func (e *chainEvaluator) search(start world) map[string]found {
	e.t.Helper()
	type node struct {
		world world
		chain []string
	}
	all := moves()
	level, seen := []node{{world: start}}, map[string]bool{start.key(): true}
	results := map[string]found{}
	for depth := 1; depth <= 3; depth++ {
		type try struct {
			at       int
			actor    string
			move     move
			question string
			within   string // the boundary by itself, for a role of instances
		}
		var tries []try
		simulations := map[string]map[string]any{}
		for i, n := range level {
			for _, actor := range actors {
				for _, m := range all {
					if !n.world.exists(m) {
						continue
					}
					simulation := n.world.simulation(e.b, e.t, actor, m)
					if simulation == nil {
						continue
					}
					one := try{at: i, actor: actor, move: m, question: question(simulation)}
					simulations[one.question] = simulation
					if actor == "the instance role" || actor == "a new role" {
						within := maps.Clone(simulation)
						within["identityPolicies"] = []string{"Boundary"}
						delete(within, "permissionBoundaryPolicies")
						if things[m.on].kind == "key" {
							within["resourcePolicy"] = openKey
						} else {
							delete(within, "resourcePolicy")
						}
						one.within = question(within)
						simulations[one.within] = within
					}
					tries = append(tries, one)
				}
			}
		}
		e.ask(simulations)
		var next []node
		for _, one := range tries {
			if !e.known[one.question] {
				continue
			}
			n := level[one.at]
			chain := append(slices.Clone(n.chain), one.actor+": "+one.move.String())
			if tell(one.actor, one.move) || one.within != "" && !e.known[one.within] {
				result := found{one.actor, one.move.action, one.move.on, strings.Join(chain, "; ")}
				name := result.actor + ": " + result.call + " on " + result.on
				if _, earlier := results[name]; !earlier {
					results[name] = result
				}
			}
			if one.move.effect == nil || depth == 3 {
				continue
			}
			changed := one.move.effect(n.world, one.move.on)
			if key := changed.key(); !seen[key] {
				seen[key] = true
				next = append(next, node{changed, chain})
			}
		}
		e.t.Logf("%d calls: %d states, %d calls tried, %d questions so far", depth, len(level), len(tries), len(e.known))
		level = next
	}
	return results
}

// Every chain of up to three calls, by the pipelines' roles, by roles that the
// deploy role writes to, and by an outsider. What goes too far is exactly the
// table below: what no condition of AWS can stop. docs/team.md says what else
// stops it.
//
// It does not prove that AWS evaluates alike, nor that the list of calls is
// complete: a call that is not in it is not tried.
func TestBootstrapRoles_ChainsOfThreeCalls_GoNoFurtherThanDocumented(t *testing.T) {
	t.Parallel()
	e := newChainEvaluator(t, readBootstrap(t, sharedState{key: things["the key of the state"].arn}, nil))
	type group struct{ actor, on string }
	calls, shortest := map[group][]string{}, map[group]string{}
	for _, f := range e.search(chainStart()) {
		g := group{f.actor, f.on}
		_, action, _ := strings.Cut(f.call, ":")
		calls[g] = append(calls[g], action)
		if held := shortest[g]; held == "" || strings.Count(f.chain, ";") < strings.Count(held, ";") || strings.Count(f.chain, ";") == strings.Count(held, ";") && f.chain < held {
			shortest[g] = f.chain
		}
	}
	table := [][]string{{"who", "what", "calls", "for example"}}
	groups := slices.SortedFunc(maps.Keys(calls), func(a, b group) int { return strings.Compare(a.actor+a.on, b.actor+b.on) })
	for _, g := range groups {
		slices.Sort(calls[g])
		table = append(table, []string{g.actor, g.on, strings.Join(calls[g], ", "), shortest[g]})
	}
	requireTable(t, "The pipelines' roles: what remains possible", table)
	text, err := os.ReadFile(filepath.Join(project(t), "docs", "team.md"))
	require.NoError(t, err)
	for _, g := range groups {
		require.Contains(t, string(text), "| "+g.actor+" | "+g.on+" |", "docs/team.md does not say what stops this:\n%s", shortest[g])
	}
}

// A role that was deployed before the boundary existed is not limited until an
// update gives it the boundary. The search finds that, so it can find something.
func TestBootstrapRoles_RoleWithoutBoundary_IsLimitedByTheFirstUpdate(t *testing.T) {
	t.Parallel()
	e := newChainEvaluator(t, readBootstrap(t, sharedState{key: things["the key of the state"].arn}, nil))
	before := chainStart().with("the instance role boundary", "")
	results := e.search(before)
	require.Equal(t, "the deploy role: iam:CreatePolicyVersion (everything) on the instance policy; the instance role: iam:CreateUser on a user",
		results["the instance role: iam:CreateUser on a user"].chain)
	require.Equal(t, []int{2}, e.stops(before, []link{
		{"the deploy role", "iam:PutRolePermissionsBoundary (the boundary) on the instance role"},
		{"the deploy role", "iam:DeleteRolePermissionsBoundary on the instance role"},
	}))
}

// link is one call of a chain.
type link struct{ actor, call string }

// questions are those of a chain, each in the world after the calls before it.
func (e *chainEvaluator) questions(w world, chain []link) (asked []map[string]any) {
	e.t.Helper()
	all := moves()
	for _, l := range chain {
		at := slices.IndexFunc(all, func(m move) bool { return m.String() == l.call })
		require.GreaterOrEqual(e.t, at, 0, "no such call: %s", l.call)
		require.True(e.t, w.exists(all[at]), l.call)
		simulation := w.simulation(e.b, e.t, l.actor, all[at])
		require.NotNil(e.t, simulation, l.call)
		asked = append(asked, simulation)
		if all[at].effect != nil {
			w = all[at].effect(w, all[at].on)
		}
	}
	return asked
}

// stops gives, for each chain, the number of the first call that is denied; 0
// is none. One process judges all of them.
func (e *chainEvaluator) stops(w world, chains ...[]link) (at []int) {
	e.t.Helper()
	simulations := map[string]map[string]any{}
	for _, chain := range chains {
		for _, asked := range e.questions(w, chain) {
			simulations[question(asked)] = asked
		}
	}
	e.ask(simulations)
	for _, chain := range chains {
		at = append(at, 1+slices.IndexFunc(e.questions(w, chain), func(asked map[string]any) bool { return !e.known[question(asked)] }))
	}
	return at
}

// Chains that would have led to an administrator, to the state's key, to session
// logs or to what belongs to others, with the call that is denied.
func TestBootstrapRoles_KnownChains_AreStopped(t *testing.T) {
	t.Parallel()
	e := newChainEvaluator(t, readBootstrap(t, sharedState{key: things["the key of the state"].arn}, nil))
	const deploy, instance, fresh = "the deploy role", "the instance role", "a new role"
	within := link{deploy, "iam:CreateRole (the boundary, trusting an outsider) on a new role"}
	wide := link{deploy, "iam:PutRolePolicy (everything) on a new role"}
	version := link{deploy, "iam:CreatePolicyVersion (everything) on the instance policy"}
	table := [][]string{{"first call", "second call", "third call", "denied"}}
	known := []struct {
		at    int
		chain []link
	}{
		{1, []link{{deploy, "iam:CreateRole (no boundary, trusting an outsider) on a new role"}}},
		{1, []link{{deploy, "iam:CreateRole (the instance policy as its boundary, trusting an outsider) on a new role"}}},
		{2, []link{within, {deploy, "iam:DeleteRolePermissionsBoundary on a new role"}}},
		{2, []link{within, {deploy, "iam:PutRolePermissionsBoundary (AdministratorAccess) on a new role"}}},
		{2, []link{within, {deploy, "iam:PutRolePermissionsBoundary (the instance policy) on a new role"}}},
		{2, []link{within, {deploy, "iam:AttachRolePolicy (AdministratorAccess) on a new role"}}},
		{3, []link{within, wide, {fresh, "iam:CreateUser on a user"}}},
		{3, []link{within, wide, {fresh, "sts:AssumeRole on an admin's role"}}},
		{3, []link{within, wide, {fresh, "kms:Decrypt on the key of the state"}}},
		{3, []link{within, wide, {fresh, "kms:Decrypt (of a session) on the key of the state"}}},
		{3, []link{within, wide, {fresh, "s3:GetObject on prod's state"}}},
		{3, []link{within, wide, {fresh, "iam:PutRolePermissionsBoundary (AdministratorAccess) on a new role"}}},
		{2, []link{version, {instance, "iam:CreateUser on a user"}}},
		{2, []link{version, {instance, "ssm:StartSession on prod's instance"}}},
		{2, []link{version, {instance, "iam:CreatePolicyVersion (everything) on the boundary"}}},
		{3, []link{version, {deploy, "s3:PutBucketPolicy (open to everyone) on the log bucket"}, {instance, "s3:GetObject on a session log"}}},
		{3, []link{version, {deploy, "s3:PutBucketPolicy (open to everyone) on the log bucket"}, {instance, "s3:DeleteObjectVersion on a session log"}}},
		{3, []link{version, {deploy, "kms:PutKeyPolicy (open to everyone) on the stack's key"}, {instance, "kms:ScheduleKeyDeletion on the stack's key"}}},
		{1, []link{{deploy, "iam:CreatePolicyVersion (everything) on the boundary"}}},
		{1, []link{{deploy, "iam:CreatePolicyVersion (everything) on a deploy policy"}}},
		{1, []link{{deploy, "iam:UpdateAssumeRolePolicy (an outsider) on the instance role"}}},
		{1, []link{{deploy, "iam:TagRole (as the stack's) on prod's instance role"}}},
		{1, []link{{deploy, "kms:TagResource (as the stack's) on the key of the state"}}},
		{1, []link{{deploy, "kms:PutKeyPolicy (open to everyone) on the key of the state"}}},
		{1, []link{{deploy, "kms:TagResource (as the stack's) on another key"}}},
		{3, []link{{deploy, "kms:PutKeyPolicy (open to everyone) on the stack's key"}, {deploy, "kms:UntagResource (the stack's tag) on the stack's key"}, {deploy, "kms:ScheduleKeyDeletion on the stack's key"}}},
		{3, []link{{deploy, "kms:PutKeyPolicy (open to everyone) on the stack's key"}, {deploy, "kms:UntagResource (the stack's tag) on the stack's key"}, {deploy, "kms:Decrypt on the stack's key"}}},
		{2, []link{{deploy, "kms:PutKeyPolicy (open to everyone) on the stack's key"}, {"the preview role", "kms:PutKeyPolicy (open to everyone) on the stack's key"}}},
		{2, []link{{deploy, "s3:PutBucketPolicy (open to everyone) on the log bucket"}, {deploy, "s3:GetObject on a session log"}}},
		{2, []link{{deploy, "s3:PutBucketPolicy (open to everyone) on the log bucket"}, {deploy, "s3:PutReplicationConfiguration on the log bucket"}}},
		{2, []link{{deploy, "s3:PutBucketPolicy (open to everyone) on the log bucket"}, {"the preview role", "s3:PutLifecycleConfiguration on the log bucket"}}},
		{1, []link{{deploy, "ssm:AddTagsToResource (as the stack's) on prod's document"}}},
		{1, []link{{deploy, "ec2:CreateTags (as the stack's) on a named group"}}},
		{1, []link{{deploy, "ec2:CreateTags (as the stack's default group) on a group of CloudFormation"}}},
		{1, []link{{deploy, "ec2:CreateTags (as the stack's) on a group without tags"}}},
		{2, []link{{deploy, "ec2:CreateTags (as the stack's default group) on a group without tags"}, {deploy, "ec2:AuthorizeSecurityGroupIngress on a group without tags"}}},
		{2, []link{{deploy, "ec2:CreateTags (as the stack's default group) on a group without tags"}, {deploy, "ec2:CreateTags (another name) on a group without tags"}}},
		{3, []link{{deploy, "ec2:CreateTags (as the stack's default group) on a group without tags"}, {deploy, "ec2:DeleteTags (all) on a group without tags"}, {deploy, "ec2:AuthorizeSecurityGroupIngress on a group without tags"}}},
		{1, []link{{deploy, "ec2:AuthorizeSecurityGroupIngress (a rule with the stack's tag) on a named group"}}},
		{1, []link{{deploy, "ec2:CreateSubnet (with the stack's tag) on another VPC"}}},
		{1, []link{{"the preview role", "ec2:DescribeInstanceAttribute (userData) on another instance"}}},
		{1, []link{{"the preview role", "s3:GetObject on prod's state"}}},
	}
	var chains [][]link
	for _, c := range known {
		chains = append(chains, c.chain)
	}
	for n, at := range e.stops(chainStart(), chains...) {
		c, row := known[n], []string{"", "", "", ""}
		for i, l := range c.chain {
			row[i] = l.actor + ": " + l.call
		}
		row[3] = []string{"none", "the first", "the second", "the third"}[at]
		require.Equal(t, c.at, at, "%v", row)
		table = append(table, row)
	}
	requireTable(t, "The pipelines' roles: chains that are stopped", table)
}
