package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const peoplePage = "docs/people-verdicts.md"

// The instance that no stack creates, of the group dba.
const otherInstance = "i-0fedcba9876543210"

// peopleConfig has operators of every kind, auditors, break-glass and the denials.
func peopleConfig() map[string]any {
	account := "arn:aws:iam::" + here + ":root"
	return map[string]any{
		"instances": map[string]any{"app": map[string]any{}, "db": map[string]any{}},
		"operators": map[string]any{
			"all": map[string]any{},
			"dba": map[string]any{
				"instances": []any{"db", otherInstance}, "mfa": true, "notBefore": "2026-12-01T00:00:00Z", "notAfter": "2026-12-31T00:00:00Z",
				"portForwarding": map[string]any{"postgres": map[string]any{"host": "db.internal", "port": 5432}},
			},
			"web":   map[string]any{"instances": []any{"app"}, "principals": []any{account}, "mfa": true, "userNameIn": "roleSessionName"},
			"named": map[string]any{"instances": []any{"app"}, "principals": []any{account}, "userNameIn": "sourceIdentity"},
		},
		"auditors":   map[string]any{"enabled": true},
		"breakGlass": map[string]any{"principals": []any{account}},
		"people": map[string]any{
			"denyUnrecorded": true, "exemptRoleArns": []any{roleARN("private-ec2-access-deploy")},
			"otherDocumentArns": []any{"arn:aws:ssm:us-east-2:" + here + ":document/private-ec2-access-prod"},
		},
	}
}

// policiesForPeople are the policies for people in the account, the trust policies of their roles, and the service control
// policy that the stack puts out.
func policiesForPeople(in *account, outputs object) map[string]any {
	in.t.Helper()
	made := map[string]any{}
	arns, _ := outputs["peoplePolicyArns"].(map[string]any)
	for part, arn := range arns {
		made[part] = policyOf(in, arn.(string))
	}
	roles, _ := outputs["peopleRoleArns"].(map[string]any)
	for part, arn := range roles {
		_, name, _ := strings.Cut(arn.(string), ":role/")
		made["trust of "+part] = in.aws("iam", "get-role", "--role-name", name).at("Role.AssumeRolePolicyDocument")
	}
	if text, found := outputs["serviceControlPolicy"].(string); found {
		made["service control policy"] = parsed(in.t, text)
		requireServiceControlPolicy(in, text)
	}
	return made
}

// requireServiceControlPolicy attaches the document by the commands of people.md to another account of an organization.
//
// It does not prove that AWS takes the document: the emulator does not read it.
func requireServiceControlPolicy(in *account, text string) {
	in.t.Helper()
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
	require.LessOrEqual(in.t, len(text), 5120)
	require.NotContains(in.t, text, `"Principal"`)
	file := filepath.Join(in.t.TempDir(), "scp.json")
	require.NoError(in.t, os.WriteFile(file, []byte(text), 0o600))
	in.aws("organizations", "create-organization", "--feature-set", "ALL")
	member := in.aws("organizations", "create-account", "--email", "ops@example.com", "--account-name", "shells").text("CreateAccountStatus.AccountId")
	policy := in.aws("organizations", "create-policy", "--type", "SERVICE_CONTROL_POLICY", "--name", "unrecorded-access",
		"--description", "No shell without a session log", "--content", "file://"+file).text("Policy.PolicySummary.Id")
	in.aws("organizations", "attach-policy", "--policy-id", policy, "--target-id", member)
	require.Equal(in.t, text, in.aws("organizations", "describe-policy", "--policy-id", policy).text("Policy.Content"))
	require.Equal(in.t, member, in.aws("organizations", "list-targets-for-policy", "--policy-id", policy).text("Targets[0].TargetId"))
}

// person is somebody who asks.
type person struct {
	name, arn         string
	context           map[string]string // what AWS knows of the caller
	policies          []string
	boundary, control string // a permissions boundary, a service control policy; empty: none
}

// wish is one thing that a person wants. It is allowed if every part of it is: StartSession is authorized on the instance and
// on the document.
type wish struct {
	who     person
	action  string
	on      []string          // resources
	context map[string]string // of the request
	tags    map[string]string // of the instance, volume, session, document or key
	trust   string            // the policy of the resource, by its name
}

// variant is one changed fact.
type variant struct {
	fact   string
	change func(*wish)
}

// peopleRow is a row of the table.
type peopleRow struct {
	what, page string
	changed    bool
	wish
	allowed bool
}

// peopleJudged are the policies for people, as `pulumi up` wrote them.
type peopleJudged struct {
	t        *testing.T
	d        deployed
	policies map[string]any
	rows     []peopleRow
}

// The pages of AWS that the verdicts follow.
const (
	quickstart   = "https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-quickstart.html"
	examples     = "https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html"
	ofDocuments  = "https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-default-session-document.html"
	ofSSM        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html"
	ofEC2        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html"
	ofConnect    = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2instanceconnect.html"
	ofGUI        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanagerguiconnect.html"
	ofIAM        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html"
	ofS3         = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"
	ofLogs       = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html"
	ofKMS        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html"
	ofTokens     = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html"
	ofSNS        = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html"
	ofTopicKeys  = "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"
	ofCloudTrail = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudtrail.html"
	ofSTS        = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html"
	ofVariables  = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"
	ofMFA        = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html"
	ofSessions   = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-enable-encryption.html"
)

func (p *peopleJudged) allow(what, page string, w wish, variants ...variant) {
	p.t.Helper()
	require.NotEmpty(p.t, variants, "%s: an allow needs the same request with one fact changed", what)
	p.rows = append(p.rows, peopleRow{what, page, false, w, true})
	for _, v := range variants {
		changed := w
		changed.on, changed.context, changed.tags = slices.Clone(w.on), maps.Clone(w.context), maps.Clone(w.tags)
		v.change(&changed)
		p.rows = append(p.rows, peopleRow{v.fact, page, true, changed, false})
	}
}

func asWho(fact string, who person) variant { return variant{fact, func(w *wish) { w.who = who }} }
func onto(fact string, resources ...string) variant {
	return variant{fact, func(w *wish) { w.on = resources }}
}
func withTag(fact, key, value string) variant {
	return variant{fact, func(w *wish) {
		if w.tags = maps.Clone(w.tags); value == "" {
			delete(w.tags, key)
		} else {
			w.tags[key] = value
		}
	}}
}
func givenThat(fact, key, value string) variant {
	return variant{fact, func(w *wish) {
		if w.context == nil {
			w.context = map[string]string{}
		}
		if w.context[key] = value; value == "" {
			delete(w.context, key)
		}
	}}
}
func doing(fact, action string) variant { return variant{fact, func(w *wish) { w.action = action }} }

// knowing is a person about whom AWS knows something else.
func (p person) knowing(key, value string) person {
	p.context = maps.Clone(p.context)
	if p.context[key] = value; value == "" {
		delete(p.context, key)
	}
	return p
}

const (
	mfaKey, now    = "aws:MultiFactorAuthPresent", "aws:CurrentTime"
	sessionOwner   = "ssm:resourceTag/aws:ssmmessages:session-id"
	everythingOf   = "everything"
	dbaPolicy      = "operators-dba"
	allPolicy      = "operators-all"
	unrecorded     = "unrecorded"
	ofTheBoundary  = "boundary"
	inWindow       = "2026-12-15T12:00:00Z"
	operatorsOfDBA = "private-ec2-access:operators:dba"
	openTrust      = "a trust policy for the account"
	tagsOfDocument = "the condition of the instance's tags for the document as well"
	noDocument     = "no ARN of a document"
	noChannel      = "no ssmmessages:OpenDataChannel"
)

func aUser(name string, policies ...string) person {
	return person{
		name: name + ", a user", arn: "arn:aws:iam::" + here + ":user/" + name, policies: policies,
		context: map[string]string{"aws:username": name, "aws:userid": "AIDA" + strings.ToUpper(name), mfaKey: "true", now: inWindow},
	}
}

// session is a session of a role; what AWS knows of it says nothing about MFA.
func roleSession(what, role, name string, policies ...string) person {
	return person{
		name: what, arn: "arn:aws:sts::" + here + ":assumed-role/" + role + "/" + name, policies: policies,
		context: map[string]string{"aws:userid": "AROA" + strings.ToUpper(role[:3]) + ":" + name, now: inWindow},
	}
}

// mistaken are forms of a policy for operators with well-known mistakes, by what is wrong with them.
func mistaken(t *testing.T, policy any) map[string]any {
	t.Helper()
	text, err := json.Marshal(policy)
	require.NoError(t, err)
	forms := map[string]any{}
	for name, change := range map[string]func(statement object) (left bool){
		tagsOfDocument: func(statement object) bool {
			if statement.text("Sid") == "UnderTheDocumentsOfTheStack" {
				statement["Condition"] = map[string]any{"StringEquals": map[string]any{"ssm:resourceTag/" + stackTag: "private-ec2-access/judged"}}
			}
			return true
		},
		noDocument: func(statement object) bool { return statement.text("Sid") != "UnderTheDocumentsOfTheStack" },
		noChannel: func(statement object) bool {
			statement["Action"] = slices.DeleteFunc(texts(statement["Action"]), func(action string) bool { return action == "ssmmessages:OpenDataChannel" })
			return true
		},
	} {
		form := parsedObject(t, string(text))
		form["Statement"] = slices.DeleteFunc(form.list("Statement"), func(statement object) bool { return !change(statement) })
		forms[name] = form
	}
	return forms
}

func (p *peopleJudged) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + p.d.Region + ":" + here + ":" + resource
}

func (p *peopleJudged) requests() {
	var (
		app, db = p.arn("ec2", "instance/i-app"), p.arn("ec2", "instance/i-db")
		shell   = p.arn("ssm", "document/SSM-SessionManagerRunShell")
		tunnel  = p.arn("ssm", "document/private-ec2-access-people-judged-tunnel-dba-postgres")
		ofAWS   = p.arn("ssm", "document/AWS-StartSSHSession") // the evaluator knows no document without an account
		ours    = map[string]string{stackTag: "private-ec2-access/judged"}
		ofDB    = map[string]string{stackTag: "private-ec2-access/judged", operatorsOfDBA: "true"}
		ana     = aUser("ana", dbaPolicy)
		bob     = aUser("bob", allPolicy)
		role    = roleSession("web, a role", "private-ec2-access-people-judged-operators-web", "ana", "operators-web")
		sso     = roleSession("ana, by IAM Identity Center", "AWSReservedSSO_all_0123456789abcdef", "ana@example.com", allPolicy)
		nobody  = aUser("eve")
		auditor = aUser("kim", "auditors")
		glass   = roleSession("break-glass, a role", "private-ec2-access-people-judged-break-glass", "ana", "break-glass")
		check   = map[string]string{"ssm:SessionDocumentAccessCheck": "true"}
		starts  = func(who person, instance string, tags map[string]string) wish {
			return wish{who: who, action: "ssm:StartSession", on: []string{instance, shell}, tags: tags, context: check}
		}
		untagged = variant{"on an instance without tags", func(w *wish) { w.tags = nil }}
	)
	// Starting sessions: the AND of instance and document.
	p.allow("start a session on an instance of the group", examples, starts(ana, db, ofDB),
		asWho("as somebody without a policy", nobody), asWho("as an auditor", auditor),
		asWho("without MFA", ana.knowing(mfaKey, "false")), asWho("with an access key, which says nothing about MFA", ana.knowing(mfaKey, "")),
		asWho("before the window", ana.knowing(now, "2026-11-30T23:59:59Z")), asWho("after the window", ana.knowing(now, "2026-12-31T00:00:00Z")),
		withTag("on an instance of another group", operatorsOfDBA, ""), withTag("on an instance of another stack", stackTag, "private-ec2-access/prod"), untagged,
		asWho("by a policy that requires the instance's tags of the document, too", aUser("ana", tagsOfDocument)),
		asWho("by a policy that names no document", aUser("ana", noDocument)),
		onto("under a document that the policy does not name", db, p.arn("ssm", "document/another")),
		onto("under a document of AWS", db, ofAWS), onto("on an instance of another account", strings.ReplaceAll(db, here, outside), shell),
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	p.allow("start a session on an instance that the stack does not create", examples, starts(ana, p.arn("ec2", "instance/"+otherInstance), nil),
		onto("on another one", p.arn("ec2", "instance/i-0000000000000000f"), shell), asWho("without MFA", ana.knowing(mfaKey, "false")),
		asWho("before the window", ana.knowing(now, "2026-11-30T23:59:59Z")), asWho("after the window", ana.knowing(now, "2026-12-31T00:00:00Z")),
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	p.allow("start a session on every instance of the stack, without a group's tag", examples, starts(bob, app, ours),
		untagged, withTag("on an instance of another stack", stackTag, "private-ec2-access/prod"), asWho("as somebody without a policy", nobody),
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	p.allow("start a session when no document is checked, as AWS documents it today", ofDocuments, wish{who: bob, action: "ssm:StartSession", on: []string{app, shell}, tags: ours},
		onto("under another document", app, p.arn("ssm", "document/another")))
	p.allow("start a session as a role of the stack", examples, starts(role, app, map[string]string{stackTag: ours[stackTag], "private-ec2-access:operators:web": "true"}),
		withTag("on an instance of another group", "private-ec2-access:operators:web", ""), withTag("of another stack", stackTag, "private-ec2-access/prod"),
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	p.allow("start a session by IAM Identity Center", examples, starts(sso, app, ours), untagged,
		onto("under a document of AWS", app, ofAWS))
	p.allow("start a session as break-glass on an instance of any group", examples, starts(glass, db, ofDB),
		withTag("on an instance of another stack", stackTag, "private-ec2-access/prod"), untagged,
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	p.allow("start a session as break-glass on an instance that the stack does not create", examples, starts(glass, p.arn("ec2", "instance/"+otherInstance), nil),
		onto("on another one", p.arn("ec2", "instance/i-0000000000000000f"), shell),
		givenThat("where only the instance was checked", "ssm:SessionDocumentAccessCheck", "false"))
	// Forwarded ports.
	forwards := wish{who: ana, action: "ssm:StartSession", on: []string{db, tunnel}, tags: ofDB, context: check}
	p.allow("forward the port of the group", ofDocuments, forwards,
		asWho("as a group without forwarded ports", bob), asWho("as an auditor", auditor), asWho("as somebody without a policy", nobody),
		onto("by AWS's document, to any host", db, p.arn("ssm", "document/AWS-StartPortForwardingSessionToRemoteHost")),
		withTag("through an instance of another group", operatorsOfDBA, ""))
	p.allow("forward it as break-glass", ofDocuments, wish{who: glass, action: "ssm:StartSession", on: []string{db, tunnel}, tags: ofDB, context: check},
		onto("by AWS's document", db, p.arn("ssm", "document/AWS-StartPortForwardingSession")))
	// The data channel, and what command line and console look up.
	for _, who := range []person{ana, bob, role, sso, glass} {
		p.allow("open the data channel as "+who.name, quickstart, wish{who: who, action: "ssmmessages:OpenDataChannel", on: []string{"*"}},
			asWho("as somebody without a policy", nobody), asWho("by a policy without this action", aUser("ana", noChannel)), doing("open a control channel, as an instance does", "ssmmessages:OpenControlChannel"))
	}
	for _, action := range []string{"ssm:DescribeSessions", "ssm:GetConnectionStatus", "ssm:DescribeInstanceProperties", "ssm:DescribeInstanceInformation", "ec2:DescribeInstances"} {
		on := "*"
		if action == "ssm:GetConnectionStatus" {
			on = db
		}
		for _, who := range []person{ana, bob, role, glass} {
			p.allow("look up: "+action+" as "+who.name, quickstart, wish{who: who, action: action, on: []string{on}}, asWho("as somebody without a policy", nobody))
		}
	}
	for _, who := range []person{ana, bob, role, glass} {
		p.allow("read the session document in the console as "+who.name, examples, wish{who: who, action: "ssm:GetDocument", on: []string{shell}},
			onto("another document", p.arn("ssm", "document/another")), doing("change it", "ssm:UpdateDocument"))
	}
	for _, who := range []person{ana, glass} {
		p.allow("read the document of the forwarded port as "+who.name, examples, wish{who: who, action: "ssm:GetDocument", on: []string{tunnel}},
			asWho("as a group without forwarded ports", bob))
	}
	// One's own sessions, by the tag that Systems Manager gives a session, and by the name of a user.
	for _, action := range []string{"ssm:TerminateSession", "ssm:ResumeSession"} {
		for _, who := range []person{ana, bob, role, sso, glass} {
			own := who.context["aws:userid"]
			p.allow(action+", an own session, as "+who.name, examples,
				wish{who: who, action: action, on: []string{p.arn("ssm", "session/tagged-0123")}, tags: map[string]string{"aws:ssmmessages:session-id": own}},
				withTag("somebody else's", "aws:ssmmessages:session-id", "AIDAEVE"), withTag("one without the tag", "aws:ssmmessages:session-id", ""),
				asWho("as an auditor", auditor))
		}
		for _, who := range []person{ana, bob} {
			name := who.context["aws:username"]
			p.allow(action+", an own session, by the user's name, as "+who.name, ofVariables, wish{who: who, action: action, on: []string{p.arn("ssm", "session/"+name+"-0123")}},
				onto("somebody else's", p.arn("ssm", "session/eve-0123")),
				asWho("as a role whose session has the same name: aws:username has no value there", roleSession("a role", "another", name, who.policies...)))
		}
		for _, policy := range []string{"operators-web", "break-glass"} {
			p.allow(action+" of a user to whom the policy "+policy+" is attached", ofVariables, wish{who: aUser("ida", policy), action: action, on: []string{p.arn("ssm", "session/ida-0123")}},
				onto("somebody else's", p.arn("ssm", "session/eve-0123")))
		}
	}
	// The key of encrypted sessions, only in the context of a session.
	for _, who := range []person{ana, bob, role, glass} {
		p.allow("encrypt a session as "+who.name, ofSessions, wish{who: who, action: "kms:GenerateDataKey", on: []string{p.d.Session}, trust: openKey,
			context: map[string]string{inSession: "ana-0123", withTarget: "i-db"}},
			givenThat("without a session in the context", inSession, ""), givenThat("without a target in the context", withTarget, ""),
			asWho("as somebody without a policy", nobody), doing("decrypt it", "kms:Decrypt"))
	}
	p.trusts()
	p.auditing(auditor, nobody, bob)
	p.denials(app, ours)
}

// trusts are the trust policies of the roles.
func (p *peopleJudged) trusts() {
	ana := aUser("ana", everythingOf)
	web := wish{who: ana, action: "sts:AssumeRole", on: []string{roleARN("private-ec2-access-people-judged-operators-web")},
		context: map[string]string{"sts:RoleSessionName": "ana"}, trust: "trust of operators-web"}
	outsider := ana
	outsider.name, outsider.arn = "a user of another account", strings.ReplaceAll(ana.arn, here, outside)
	p.allow("assume the role web, with MFA, under one's own name", ofSTS, web,
		asWho("without MFA", ana.knowing(mfaKey, "false")), asWho("with an access key", ana.knowing(mfaKey, "")), asWho("as an outsider", outsider),
		givenThat("under another name", "sts:RoleSessionName", "eve"))
	named := wish{who: ana, action: "sts:AssumeRole", on: []string{roleARN("private-ec2-access-people-judged-operators-named")},
		context: map[string]string{"sts:SourceIdentity": "ana"}, trust: "trust of operators-named"}
	p.allow("assume the role named, with one's own name as the source identity", ofSTS, named,
		givenThat("with another one", "sts:SourceIdentity", "eve"), givenThat("without one", "sts:SourceIdentity", ""), asWho("as an outsider", outsider))
	sets := named
	sets.action = "sts:SetSourceIdentity"
	p.allow("set the source identity for it", ofSTS, sets, givenThat("of somebody else", "sts:SourceIdentity", "eve"))
	p.allow("assume break-glass with MFA", ofMFA, wish{who: ana, action: "sts:AssumeRole", on: []string{roleARN("private-ec2-access-people-judged-break-glass")}, trust: "trust of break-glass"},
		asWho("without MFA", ana.knowing(mfaKey, "false")), asWho("with an access key", ana.knowing(mfaKey, "")), asWho("as an outsider", outsider))
}

// auditing is what auditors read.
func (p *peopleJudged) auditing(auditor, nobody, operator person) {
	bucket, group := "arn:aws:s3:::"+p.d.Bucket, p.arn("logs", "log-group:"+p.d.Group)
	log := bucket + "/sessions/ana-0123.log"
	for _, action := range []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:GetBucketVersioning"} {
		p.allow("find session logs: "+action, ofS3, wish{who: auditor, action: action, on: []string{bucket}},
			onto("in another bucket", "arn:aws:s3:::another"), asWho("as an operator", operator), asWho("as somebody without a policy", nobody))
	}
	for _, action := range []string{"s3:GetObject", "s3:GetObjectVersion"} {
		p.allow("read a session log: "+action, ofS3, wish{who: auditor, action: action, on: []string{log}},
			onto("an object elsewhere in the bucket", bucket+"/else"), asWho("as an operator", operator),
			doing("overwrite it", "s3:PutObject"), doing("delete it", "s3:DeleteObject"), doing("delete a version", "s3:DeleteObjectVersion"),
			doing("unlock it", "s3:BypassGovernanceRetention"))
	}
	through := map[string]string{via: "s3." + p.d.Region + ".amazonaws.com", inBucket: bucket}
	p.allow("decrypt a session log through S3, by the policy of the stack's key", ofKMS, wish{who: auditor, action: "kms:Decrypt", on: []string{p.d.Key}, trust: ofKey, context: through},
		asWho("as an operator", operator))
	p.allow("decrypt a session log through S3", ofKMS, wish{who: auditor, action: "kms:Decrypt", on: []string{p.d.Key}, trust: openKey, context: through},
		givenThat("by a direct call", via, ""), givenThat("of another bucket", inBucket, "arn:aws:s3:::another"), asWho("as an operator", operator),
		doing("encrypt", "kms:Encrypt"), doing("delete the key", "kms:ScheduleKeyDeletion"))
	object := maps.Clone(through)
	object[inBucket] = log
	p.allow("decrypt one that was encrypted without a bucket key", ofKMS, wish{who: auditor, action: "kms:Decrypt", on: []string{p.d.Key}, trust: openKey, context: object},
		givenThat("elsewhere in the bucket", inBucket, bucket+"/else"))
	p.allow("list the streams", ofLogs, wish{who: auditor, action: "logs:DescribeLogStreams", on: []string{group}}, onto("of another group", p.arn("logs", "log-group:/another")),
		asWho("as an operator", operator))
	p.allow("read log events", ofLogs, wish{who: auditor, action: "logs:GetLogEvents", on: []string{group + ":log-stream:ana-0123"}},
		onto("of another group", p.arn("logs", "log-group:/another:log-stream:ana-0123")), asWho("as an operator", operator),
		doing("write some", "logs:PutLogEvents"), doing("delete the stream", "logs:DeleteLogStream"))
	p.allow("search log events", ofLogs, wish{who: auditor, action: "logs:FilterLogEvents", on: []string{group}}, onto("of another group", p.arn("logs", "log-group:/another")),
		doing("delete the group", "logs:DeleteLogGroup"), doing("shorten its retention", "logs:PutRetentionPolicy"))
	for _, see := range [][2]string{
		{"logs:DescribeLogGroups", ofLogs}, {"ssm:DescribeSessions", ofSSM}, {"ssm:DescribeInstanceInformation", ofSSM}, {"cloudtrail:LookupEvents", ofCloudTrail},
		{"ssm:ListCommandInvocations", ofSSM}, {"ec2:DescribeInstances", ofEC2}, {"cloudtrail:DescribeTrails", ofCloudTrail},
	} {
		action, page := see[0], see[1]
		p.allow("see history: "+action, page, wish{who: auditor, action: action, on: []string{"*"}}, asWho("as somebody without a policy", nobody))
	}
	document, trail := p.arn("ssm", "document/SSM-SessionManagerRunShell"), "arn:aws:cloudtrail:us-east-1:"+here+":trail/main"
	for _, action := range []string{"ssm:GetDocument", "ssm:ListDocumentVersions"} {
		p.allow("see where sessions are logged: "+action, ofSSM, wish{who: auditor, action: action, on: []string{document}},
			onto("another document", p.arn("ssm", "document/another")), doing("change it", "ssm:UpdateDocument"), asWho("as somebody without a policy", nobody))
	}
	for _, action := range []string{"cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"} {
		p.allow("see whether a trail logs: "+action, ofCloudTrail, wish{who: auditor, action: action, on: []string{trail}},
			asWho("as somebody without a policy", nobody), doing("stop it", "cloudtrail:StopLogging"))
	}
	p.allow("send the result of an audit to the topic of alerts", ofSNS, wish{who: auditor, action: "sns:Publish", on: []string{p.d.Topic}},
		onto("to another topic", p.d.Topic+"-2"), asWho("as an operator", operator), doing("subscribe to it", "sns:Subscribe"), doing("change it", "sns:SetTopicAttributes"))
	bySNS := map[string]string{via: "sns." + p.d.Region + ".amazonaws.com"}
	for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
		send := wish{who: auditor, action: action, on: []string{p.d.Key}, trust: ofKey, context: bySNS}
		p.allow("encrypt the result, by the policy of the stack's key: "+action, ofTopicKeys, send, asWho("as an operator", operator))
		send.trust = openKey
		p.allow("encrypt the result: "+action, ofTopicKeys, send, givenThat("by a direct call", via, ""), asWho("as an operator", operator), doing("encrypt", "kms:Encrypt"))
	}
}

// denials are the ways to a shell that leave no session log, and the changes of what decides, of an administrator: allowed
// without the policy, and denied with it, with the boundary and with the service control policy; and allowed to an exempt role.
func (p *peopleJudged) denials(instance string, ours map[string]string) {
	admin := aUser("joe", everythingOf)
	denied, bounded, controlled := aUser("joe", everythingOf, unrecorded), admin, admin
	denied.name, bounded.name, controlled.name = "joe with the denials", "joe with the boundary", "joe under the service control policy"
	bounded.boundary, controlled.control = ofTheBoundary, "service control policy"
	exempt := roleSession("the deploy role with the denials", "private-ec2-access-deploy", "run", everythingOf, unrecorded)
	exempt.context["aws:PrincipalArn"] = roleARN("private-ec2-access-deploy")
	forms := []variant{asWho("with the denials attached", denied), asWho("with the denials as the permissions boundary", bounded), asWho("under the service control policy", controlled)}

	doc := func(name string) string { return p.arn("ssm", "document/"+name) }
	volume, key := p.arn("ec2", "volume/vol-1"), p.d.Key
	role := roleARN(p.d.Role)
	bucket, log := "arn:aws:s3:::"+p.d.Bucket, "arn:aws:s3:::"+p.d.Bucket+"/sessions/a.log"
	group := p.arn("logs", "log-group:"+p.d.Group)
	tagKeys := func(keys string) map[string]string { return map[string]string{"aws:TagKeys": keys} }
	all := []struct {
		what, page, action string
		on                 []string
		tags, context      map[string]string
		trust              string
	}{
		{"SSH through a session", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartSSHSession")}, ours, nil, ""},
		{"forward a port", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartPortForwardingSession")}, ours, nil, ""},
		{"forward a port to any host", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartPortForwardingSessionToRemoteHost")}, ours, nil, ""},
		{"forward a socket", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartPortForwardingSessionToSocket")}, ours, nil, ""},
		{"an interactive command", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartInteractiveCommand")}, ours, nil, ""},
		{"a noninteractive command", ofSSM, "ssm:StartSession", []string{instance, doc("AWS-StartNonInteractiveCommand")}, ours, nil, ""},
		{"a session under somebody's document", ofSSM, "ssm:StartSession", []string{instance, doc("somebodys")}, ours, nil, ""},
		{"Run Command", ofSSM, "ssm:SendCommand", []string{instance, doc("AWS-RunShellScript")}, ours, nil, ""},
		{"a State Manager association", ofSSM, "ssm:CreateAssociation", []string{instance}, ours, nil, ""},
		{"several associations at once", ofSSM, "ssm:CreateAssociationBatch", []string{instance}, ours, nil, ""},
		{"change an association", ofSSM, "ssm:UpdateAssociation", []string{instance}, ours, nil, ""},
		{"an Automation", ofSSM, "ssm:StartAutomationExecution", []string{p.arn("ssm", "automation-execution/*")}, nil, nil, ""},
		{"a change request, which runs an Automation", ofSSM, "ssm:StartChangeRequestExecution", []string{p.arn("ssm", "automation-execution/*")}, nil, nil, ""},
		{"ask for just-in-time access", ofSSM, "ssm:StartAccessRequest", []string{instance}, nil, nil, ""},
		{"use just-in-time access", ofSSM, "ssm:GetAccessToken", []string{p.arn("ssm", "opsitem/oi-1")}, nil, nil, ""},
		{"Remote Desktop by Fleet Manager", ofGUI, "ssm-guiconnect:StartConnection", []string{"*"}, nil, nil, ""},
		{"a key for SSH by EC2 Instance Connect", ofConnect, "ec2-instance-connect:SendSSHPublicKey", []string{instance}, ours, nil, ""},
		{"a key for the serial console", ofConnect, "ec2-instance-connect:SendSerialConsoleSSHPublicKey", []string{instance}, ours, nil, ""},
		// The evaluator's data has the resource of this action twice, so a whole ARN is ambiguous.
		{"a tunnel of EC2 Instance Connect", ofConnect, "ec2-instance-connect:OpenTunnel", []string{p.arn("ec2", "instance-connect-endpoint/*")}, nil, nil, ""},
		{"an endpoint for such tunnels", ofEC2, "ec2:CreateInstanceConnectEndpoint", []string{p.arn("ec2", "instance-connect-endpoint/*")}, nil, nil, ""},
		{"turn on the serial console", ofEC2, "ec2:EnableSerialConsoleAccess", []string{"*"}, nil, nil, ""},
		{"change userData", ofEC2, "ec2:ModifyInstanceAttribute", []string{instance}, ours, nil, ""},
		{"another instance profile", ofEC2, "ec2:AssociateIamInstanceProfile", []string{instance}, ours, nil, ""},
		{"replace the instance profile", ofEC2, "ec2:ReplaceIamInstanceProfileAssociation", []string{instance}, ours, nil, ""},
		{"remove the instance profile", ofEC2, "ec2:DisassociateIamInstanceProfile", []string{instance}, ours, nil, ""},
		{"a snapshot of the volume", ofEC2, "ec2:CreateSnapshot", []string{volume}, ours, nil, ""},
		{"an image of the instance", ofEC2, "ec2:CreateImage", []string{instance}, ours, nil, ""},
		{"detach the volume", ofEC2, "ec2:DetachVolume", []string{volume}, ours, nil, ""},
		{"detach a volume of the instance", ofEC2, "ec2:DetachVolume", []string{instance}, ours, nil, ""},
		{"snapshots of all volumes", ofEC2, "ec2:CreateSnapshots", []string{instance}, ours, nil, ""},
		{"attach a volume", ofEC2, "ec2:AttachVolume", []string{instance}, ours, nil, ""},
		{"replace the root volume", ofEC2, "ec2:CreateReplaceRootVolumeTask", []string{instance}, ours, nil, ""},
		{"delete all tags of the instance", ofEC2, "ec2:DeleteTags", []string{instance}, ours, nil, ""},
		{"tag another instance as the stack's", ofEC2, "ec2:CreateTags", []string{p.arn("ec2", "instance/i-else")}, nil, tagKeys(stackTag), ""},
		{"tag another instance for a group", ofEC2, "ec2:CreateTags", []string{p.arn("ec2", "instance/i-else")}, nil, tagKeys(operatorsOfDBA), ""},
		{"remove such a tag by its key", ofEC2, "ec2:DeleteTags", []string{p.arn("ec2", "instance/i-else")}, nil, tagKeys(operatorsOfDBA), ""},
		{"choose the OS user of a user", ofIAM, "iam:TagUser", []string{"arn:aws:iam::" + here + ":user/joe"}, nil, tagKeys("SSMSessionRunAs"), ""},
		{"take the OS user of a user away", ofIAM, "iam:UntagUser", []string{"arn:aws:iam::" + here + ":user/joe"}, nil, tagKeys("SSMSessionRunAs"), ""},
		{"choose the OS user of a role", ofIAM, "iam:TagRole", []string{roleARN("joe")}, nil, tagKeys("SSMSessionRunAs"), ""},
		{"take the OS user of a role away", ofIAM, "iam:UntagRole", []string{roleARN("joe")}, nil, tagKeys("SSMSessionRunAs"), ""},
		{"choose the OS user of one's session of a role", ofTokens, "sts:TagSession", []string{roleARN("joe")}, nil, tagKeys("SSMSessionRunAs"), openTrust},
		{"change the session document", ofSSM, "ssm:UpdateDocument", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"make another version its default", ofSSM, "ssm:UpdateDocumentDefaultVersion", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"delete it", ofSSM, "ssm:DeleteDocument", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"create it, where it was deleted", ofSSM, "ssm:CreateDocument", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"share it", ofSSM, "ssm:ModifyDocumentPermission", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"tag it", ofSSM, "ssm:AddTagsToResource", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"remove a tag from it", ofSSM, "ssm:RemoveTagsFromResource", []string{doc("SSM-SessionManagerRunShell")}, nil, nil, ""},
		{"change the document of a forwarded port", ofSSM, "ssm:UpdateDocument", []string{doc("private-ec2-access-people-judged-tunnel-dba-postgres")}, nil, nil, ""},
		{"pass the instance role", ofIAM, "iam:PassRole", []string{role}, nil, toEC2, ""},
		{"attach a policy to it", ofIAM, "iam:AttachRolePolicy", []string{role}, nil, nil, ""},
		{"detach a policy from it", ofIAM, "iam:DetachRolePolicy", []string{role}, nil, nil, ""},
		{"put a policy into it", ofIAM, "iam:PutRolePolicy", []string{role}, nil, nil, ""},
		{"delete a policy in it", ofIAM, "iam:DeleteRolePolicy", []string{role}, nil, nil, ""},
		{"change who assumes it", ofIAM, "iam:UpdateAssumeRolePolicy", []string{role}, nil, nil, ""},
		{"change a policy for people", ofIAM, "iam:CreatePolicyVersion", []string{"arn:aws:iam::" + here + ":policy/private-ec2-access-people-judged-unrecorded"}, nil, nil, ""},
		{"go back to an earlier version of it", ofIAM, "iam:SetDefaultPolicyVersion", []string{"arn:aws:iam::" + here + ":policy/private-ec2-access-people-judged-unrecorded"}, nil, nil, ""},
		{"delete it", ofIAM, "iam:DeletePolicy", []string{"arn:aws:iam::" + here + ":policy/private-ec2-access-people-judged-unrecorded"}, nil, nil, ""},
		{"delete a session log", ofS3, "s3:DeleteObject", []string{log}, nil, nil, ""},
		{"unlock a session log", ofS3, "s3:BypassGovernanceRetention", []string{log}, nil, nil, ""},
		{"shorten the lock of a session log", ofS3, "s3:PutObjectRetention", []string{log}, nil, nil, ""},
		{"lift a legal hold", ofS3, "s3:PutObjectLegalHold", []string{log}, nil, nil, ""},
		{"delete the bucket", ofS3, "s3:DeleteBucket", []string{bucket}, nil, nil, ""},
		{"change the policy of the bucket", ofS3, "s3:PutBucketPolicy", []string{bucket}, nil, nil, ""},
		{"suspend its versions", ofS3, "s3:PutBucketVersioning", []string{bucket}, nil, nil, ""},
		{"change its encryption", ofS3, "s3:PutEncryptionConfiguration", []string{bucket}, nil, nil, ""},
		{"expire its objects", ofS3, "s3:PutLifecycleConfiguration", []string{bucket}, nil, nil, ""},
		{"replicate it elsewhere", ofS3, "s3:PutReplicationConfiguration", []string{bucket}, nil, nil, ""},
		{"delete the log group", ofLogs, "logs:DeleteLogGroup", []string{group}, nil, nil, ""},
		{"delete a log stream", ofLogs, "logs:DeleteLogStream", []string{group + ":log-stream:a"}, nil, nil, ""},
		{"expire log events", ofLogs, "logs:PutRetentionPolicy", []string{group}, nil, nil, ""},
		{"take the key from the log group", ofLogs, "logs:DisassociateKmsKey", []string{group}, nil, nil, ""},
		{"give it another key", ofLogs, "logs:AssociateKmsKey", []string{group}, nil, nil, ""},
		{"send its log events elsewhere", ofLogs, "logs:PutSubscriptionFilter", []string{group}, nil, nil, ""},
		{"change the policy of the key", ofKMS, "kms:PutKeyPolicy", []string{key}, nil, nil, openKey},
		{"disable the key", ofKMS, "kms:DisableKey", []string{key}, nil, nil, openKey},
		{"delete the key", ofKMS, "kms:ScheduleKeyDeletion", []string{key}, nil, nil, openKey},
		{"grant the key", ofKMS, "kms:CreateGrant", []string{key}, nil, nil, openKey},
		{"take its alias away", ofKMS, "kms:DeleteAlias", []string{key}, nil, nil, openKey},
		{"give its alias to another key", ofKMS, "kms:UpdateAlias", []string{key}, nil, nil, openKey},
	}
	for _, c := range all {
		w := wish{who: admin, action: c.action, on: c.on, tags: c.tags, context: c.context, trust: c.trust}
		p.allow(c.what+": an administrator without the denials", c.page, w, forms...)
		w.who = exempt
		p.rows = append(p.rows, peopleRow{c.what + ": an exempt role with the denials attached", c.page, false, w, true})
	}
	for _, c := range all {
		if !slices.Equal(c.on[:1], []string{instance}) || c.tags == nil || c.action == "ssm:StartSession" {
			continue
		}
		p.allow(c.what+", on the instance of a group that the stack does not create: an administrator without the denials", c.page,
			wish{who: admin, action: c.action, on: []string{p.arn("ec2", "instance/"+otherInstance)}}, forms...)
	}
	// What the denials leave alone.
	for _, left := range []struct {
		what, action string
		on           []string
		tags         map[string]string
		changed      variant
	}{
		{"a session under the document of the stack", "ssm:StartSession", []string{instance, doc("SSM-SessionManagerRunShell")}, ours, onto("under another one", instance, doc("somebodys"))},
		{"the forwarded port of a group", "ssm:StartSession", []string{instance, doc("private-ec2-access-people-judged-tunnel-dba-postgres")}, ours, onto("another one", instance, doc("somebodys"))},
		{"a session under a document that people.otherDocumentArns names", "ssm:StartSession", []string{instance, doc("private-ec2-access-prod")}, ours, onto("under another one", instance, doc("somebodys"))},
		{"a session on a node outside of EC2", "ssm:StartSession", []string{p.arn("ssm", "managed-instance/mi-0123456789abcdef0"), doc("SSM-SessionManagerRunShell")}, nil, onto("under another document", p.arn("ssm", "managed-instance/mi-0123456789abcdef0"), doc("somebodys"))},
		{"a session in a task of ECS", "ssm:StartSession", []string{p.arn("ecs", "task/cluster/0123")}, nil, onto("under a document", p.arn("ecs", "task/cluster/0123"), doc("somebodys"))},
		{"another tag on an instance of others", "ec2:CreateTags", []string{p.arn("ec2", "instance/i-else")}, nil, variant{"a tag that decides", func(w *wish) { w.context["aws:TagKeys"] = stackTag }}},
		{"Run Command on an instance of another stack", "ssm:SendCommand", []string{instance}, map[string]string{stackTag: "private-ec2-access/prod"}, withTag("of this stack", stackTag, "private-ec2-access/judged")},
	} {
		w := wish{who: denied, action: left.action, on: left.on, tags: left.tags}
		if left.action == "ec2:CreateTags" {
			w.context = tagKeys("team")
		}
		p.allow(left.what+", with the denials attached", ofSSM, w, left.changed)
	}
}

// simulations are the questions for one wish: one for each resource.
func (p *peopleJudged) simulations(w wish) (asked []map[string]any) {
	for _, resource := range w.on {
		context := map[string]any{}
		for key, value := range w.who.context {
			context[key] = value
		}
		for key, value := range w.context {
			if key == "aws:TagKeys" {
				context[key] = strings.Split(value, ",")
				continue
			}
			if key == "ssm:SessionDocumentAccessCheck" && w.action != "ssm:StartSession" {
				continue
			}
			context[key] = value
		}
		if !strings.Contains(resource, ":document/") { // a document has no tag of an instance
			for key, value := range w.tags {
				switch {
				case key == "aws:ssmmessages:session-id":
					context[sessionOwner] = value
				case w.action == "ssm:StartSession":
					context["ssm:resourceTag/"+key] = value
				default:
					context["aws:ResourceTag/"+key] = value
				}
			}
		}
		owner := here
		if parts := strings.Split(resource, ":"); len(parts) > 4 && parts[4] == outside {
			owner = outside
		}
		simulation := map[string]any{
			"identityPolicies": slices.Clone(w.who.policies),
			"request": map[string]any{
				"principal": w.who.arn, "action": w.action, "contextVariables": context,
				"resource": map[string]any{"resource": resource, "accountId": owner},
			},
		}
		if w.who.policies == nil {
			simulation["identityPolicies"] = []string{}
		}
		if w.trust != "" {
			simulation["resourcePolicy"] = w.trust
		}
		if w.who.boundary != "" {
			simulation["permissionBoundaryPolicies"] = []string{w.who.boundary}
		}
		if w.who.control != "" {
			simulation["serviceControlPolicies"] = []any{map[string]any{"orgIdentifier": "r-1", "policies": []any{
				map[string]any{"name": "FullAWSAccess", "policy": p.policies[everythingOf]}, map[string]any{"name": w.who.control, "policy": p.policies[w.who.control]},
			}}}
		}
		asked = append(asked, simulation)
	}
	return asked
}

// about reports whether a statement of a policy is about an action.
func about(policy any, sid, action string) bool {
	for _, statement := range object(policy.(map[string]any)).list("Statement") {
		if statement.text("Sid") != sid {
			continue
		}
		for _, pattern := range texts(statement["Action"]) {
			if matched, _ := path.Match(pattern, action); matched { // no action has a slash in it
				return true
			}
		}
	}
	return false
}

// requirePeopleVerdicts judges the policies for people of a deployed stack, and each of them without each of its parts.
//
// It does not prove that AWS decides alike, nor that its requests have the context that AWS documents.
func requirePeopleVerdicts(t *testing.T, d deployed) {
	t.Helper()
	own := d.People
	p := &peopleJudged{t: t, d: d, policies: maps.Clone(own)}
	p.policies[everythingOf] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}
	p.policies[openKey] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, "Action": "kms:*", "Resource": "*",
	}}}
	p.policies[openTrust] = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, "Action": []any{"sts:AssumeRole", "sts:TagSession"},
	}}}
	p.policies[ofKey] = d.Policies[ofKey]
	maps.Copy(p.policies, mistaken(t, own[dbaPolicy]))
	p.requests()

	type attempt struct{ broken, row, part int }
	var simulations []map[string]any
	var at [][]int // of each row
	for _, r := range p.rows {
		var parts []int
		for _, s := range p.simulations(r.wish) {
			parts = append(parts, len(simulations))
			simulations = append(simulations, s)
		}
		at = append(at, parts)
	}
	// The boundary and the service control policy have the same denials as the policy to attach.
	breaks := slices.DeleteFunc(breaksOf(t, own), func(b broken) bool {
		if strings.Contains(b.what, " opened to ") {
			return true // each allow has a denied request beside it
		}
		return b.policy == "service control policy" || b.policy == "operators-named" /* its role is judged, its policy is like that of web */ || b.policy == ofTheBoundary && (b.statement != "WhateverOtherPoliciesAllow" || b.what != "left out")
	})
	var attempts []attempt
	documents := maps.Clone(p.policies)
	for b, broken := range breaks {
		name := fmt.Sprintf("%s, broken %d", broken.policy, b)
		documents[name] = broken.document
		for n, parts := range at {
			if !about(own[broken.policy], broken.statement, p.rows[n].action) {
				continue // a part of the statement cannot change the verdict
			}
			for k, s := range parts {
				s := simulations[s]
				boundaries, _ := s["permissionBoundaryPolicies"].([]string)
				switch {
				case meets(s, broken.policy):
					simulations = append(simulations, instead(s, broken.policy, name))
				case slices.Contains(boundaries, broken.policy):
					s = maps.Clone(s)
					s["permissionBoundaryPolicies"] = []string{name}
					simulations = append(simulations, s)
				default:
					continue
				}
				attempts = append(attempts, attempt{b, n, k})
			}
		}
	}
	verdicts := evaluate(t, documents, simulations)

	table := [][]string{{"", "request", "who asks", "action", "verdict", "follows"}}
	pages, follows := map[string]int{}, [][]string{{"", "page"}}
	var wrong []string
	for n, r := range p.rows {
		allowed := true
		for _, i := range at[n] {
			require.Empty(t, verdicts[i].Error, "%s: %s on %v", r.what, r.action, r.on)
			allowed = allowed && verdicts[i].allowed()
		}
		if r.allowed != allowed {
			wrong = append(wrong, fmt.Sprintf("%d. %s: %s asks for %s on %v with %v, tags %v: allowed is %v", n+1, r.what, r.who.name, r.action, r.on, r.context, r.tags, allowed))
		}
		what, say := r.what, "**allowed**"
		if r.changed {
			what = "… " + what
		}
		if !r.allowed {
			say = "denied"
		}
		if pages[r.page] == 0 {
			pages[r.page] = len(pages) + 1
			follows = append(follows, []string{strconv.Itoa(pages[r.page]), r.page})
		}
		table = append(table, []string{strconv.Itoa(n + 1), what, r.who.name, r.action, say, strconv.Itoa(pages[r.page])})
	}
	require.Empty(t, strings.Join(wrong, "\n"))
	require.GreaterOrEqual(t, len(p.rows), 120)

	changed := map[int]map[int]bool{}
	for k, a := range attempts {
		i := len(simulations) - len(attempts) + k
		require.Empty(t, verdicts[i].Error, "%s: %s", breaks[a.broken].policy, breaks[a.broken].what)
		if verdicts[i].allowed() != verdicts[at[a.row][a.part]].allowed() {
			if changed[a.broken] == nil {
				changed[a.broken] = map[int]bool{}
			}
			changed[a.broken][a.row+1] = true
		}
	}
	idle := []string{}
	parts := [][]string{{"policy", "statement", "without", "changes"}}
	named := strings.NewReplacer(d.Bucket, "BUCKET", d.Key, "KEY", d.Role, "ROLE") // these differ from run to run
	for b, broken := range breaks {
		rows := slices.Sorted(maps.Keys(changed[b]))
		if len(rows) == 0 {
			idle = append(idle, broken.policy+", "+broken.statement+": "+broken.what)
			continue
		}
		if broken.what == "left out" || strings.HasPrefix(broken.what, "without ") && !strings.HasPrefix(broken.what, "without arn:") {
			shown := strconv.Itoa(rows[0])
			if len(rows) > 1 {
				shown += fmt.Sprintf(", and %d more", len(rows)-1)
			}
			parts = append(parts, []string{broken.policy, broken.statement, named.Replace(strings.TrimPrefix(broken.what, "without ")), shown})
		}
	}
	require.Empty(t, strings.Join(idle, "\n"), "these change no verdict: take the part out of the program, or add a request that shows what it is for")
	t.Logf("%d verdicts on the policies for people, %d ways to break one, %d simulations", len(p.rows), len(breaks), len(simulations))
	requireTableOf(t, peoplePage, "The verdicts", table)
	requireTableOf(t, peoplePage, "What each part is for", parts)
	requireTableOf(t, peoplePage, "The pages that the verdicts follow", follows)
}
