package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// signedIn are the users whose calls the policies decide about.
type signedIn struct {
	t        *testing.T
	in       *account
	users    map[string]string            // by access key
	policies map[string]map[string]any    // of each user: by name
	tags     map[string]map[string]string // of instances, by id
}

// signIn creates a user with policies of the account, and returns the AWS CLI with an access key of that user.
func (s *signedIn) signIn(name string, arns ...string) *awsCLI {
	s.t.Helper()
	s.in.aws("iam", "create-user", "--user-name", name)
	s.policies[name] = map[string]any{}
	for _, arn := range arns {
		s.in.aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", arn)
		s.policies[name][arn] = policyOf(s.in, arn)
	}
	key := s.in.aws("iam", "create-access-key", "--user-name", name)
	s.users[key.text("AccessKey.AccessKeyId")] = name
	return &awsCLI{test: s.t, environ: s.in.environment(
		"AWS_ACCESS_KEY_ID="+key.text("AccessKey.AccessKeyId"), "AWS_SECRET_ACCESS_KEY="+key.text("AccessKey.SecretAccessKey"))}
}

// asks returns what AWS authorizes for a call of one of the users, all of which has to be allowed.
func (s *signedIn) asks(q *emulator.Request) []ask {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":" + q.Region + ":" + here + ":" + resource
	}
	action := q.Service + ":" + q.Action
	tagsOf := func(id string) map[string]string {
		context := map[string]string{}
		for key, value := range s.tags[id] {
			context["ssm:resourceTag/"+key] = value
		}
		return context
	}
	switch q.Action {
	case "StartSession":
		document := q.Params["DocumentName"]
		if document == "" {
			document = preferencesName
		}
		target := q.Params["Target"]
		return []ask{{action, arn("ec2", "instance/"+target), tagsOf(target)}, {action, arn("ssm", "document/"+document), nil}}
	case "TerminateSession", "ResumeSession":
		return []ask{{action, arn("ssm", "session/"+q.Params["SessionId"]), nil}}
	case "SendCommand":
		return []ask{{action, arn("ec2", "instance/"+q.Params["InstanceIds.1"]), tagsOf(q.Params["InstanceIds.1"])}}
	case "UpdateDocument", "GetDocument":
		return []ask{{action, arn("ssm", "document/"+q.Params["Name"]), nil}}
	}
	if q.Service == "s3" {
		return askS3(emulator.Call{Action: q.Action, Params: q.Params})
	}
	return []ask{{action, "*", nil}}
}

// decide refuses a call as AWS does, if the user's policies do not allow all of it.
func (s *signedIn) decide(q *emulator.Request) *emulator.Reply {
	name := s.users[q.AccessKey]
	arn := "arn:aws:iam::" + here + ":user/" + name
	var names []string
	for policy := range s.policies[name] {
		names = append(names, policy)
	}
	if names == nil {
		names = []string{}
	}
	asks := s.asks(q)
	var simulations []map[string]any
	for _, a := range asks {
		context := map[string]string{"aws:username": name, "aws:userid": "AIDA" + strings.ToUpper(name)}
		for key, value := range a.context {
			context[key] = value
		}
		simulations = append(simulations, map[string]any{"identityPolicies": names, "request": map[string]any{
			"principal": arn, "action": a.action, "contextVariables": context, "resource": map[string]any{"resource": a.resource, "accountId": here},
		}})
	}
	for i, v := range evaluate(s.t, s.policies[name], simulations) {
		if v.Error != "" {
			s.t.Errorf("%s: %s", asks[i].action, v.Error)
		}
		if v.allowed() {
			continue
		}
		message := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
			arn, asks[i].action, asks[i].resource, asks[i].action)
		if q.Service == "s3" {
			return emulator.ErrorReply(q, http.StatusForbidden, "AccessDenied", message)
		}
		return emulator.ErrorReply(q, http.StatusBadRequest, "AccessDeniedException", message)
	}
	return nil
}

// requirePoliciesDecide signs in an operator, an auditor and somebody without a policy, and lets the policies that the stack
// made decide about the calls of the real AWS CLI: an IAM policy evaluator is asked before the emulator answers.
//
// It does not prove that AWS authorizes these calls on these resources. The data channel of a session is not authorized.
func requirePoliciesDecide(t *testing.T, in *account, outputs object, log string) {
	t.Helper()
	s := &signedIn{t: t, in: in, users: map[string]string{}, policies: map[string]map[string]any{}, tags: map[string]map[string]string{}}
	app, db, bucket := outputs.text("instanceIds.app"), outputs.text("instanceIds.db"), outputs.text("logBucket")
	for _, tag := range in.aws("ec2", "describe-tags", "--filters", "Name=resource-type,Values=instance").list("Tags") {
		id := tag.text("ResourceId")
		if s.tags[id] == nil {
			s.tags[id] = map[string]string{}
		}
		s.tags[id][tag.text("Key")] = tag.text("Value")
	}
	arns, _ := outputs["peoplePolicyArns"].(map[string]any)
	operator := s.signIn("ana", fmt.Sprint(arns["operators-web"]))
	auditor := s.signIn("kim", fmt.Sprint(arns["auditors"]))
	nobody := s.signIn("eve")
	own, theirs := "ana-0123456789abcdef0", "joe-0123456789abcdef0"
	in.Add(emulator.Rule{Name: "the policies decide", Match: func(q *emulator.Request) bool { return s.users[q.AccessKey] != "" }, Answer: s.decide})

	shown := operator.typed(t, []string{"ssm", "start-session", "--target", app}, "echo marked=$((6 * 7))", "exit")
	require.Contains(t, shown, "marked=42", "the operator works on an instance of the group")
	denied := func(who *awsCLI, action, on string, args ...string) {
		t.Helper()
		out, err := who.try(args...)
		require.Error(t, err, "%v", args)
		require.Contains(t, string(out), "is not authorized to perform: "+action+" on resource: "+on, "%v", args)
	}
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":us-east-2:" + here + ":" + resource
	}
	onDB, object := arn("ec2", "instance/"+db), "arn:aws:s3:::"+bucket+"/"+log
	denied(operator, "ssm:StartSession", onDB, "ssm", "start-session", "--target", db)
	denied(operator, "ssm:StartSession", arn("ssm", "document/AWS-StartSSHSession"), "ssm", "start-session", "--target", app, "--document-name", "AWS-StartSSHSession")
	denied(operator, "ssm:TerminateSession", arn("ssm", "session/"+theirs), "ssm", "terminate-session", "--session-id", theirs)
	denied(operator, "ssm:UpdateDocument", arn("ssm", "document/"+preferencesName), "ssm", "update-document", "--name", preferencesName, "--content", "{}")
	denied(operator, "s3:GetObject", object, "s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
	operator.aws("ssm", "terminate-session", "--session-id", own)

	require.NotEmpty(t, auditor.aws("ssm", "describe-sessions", "--state", "History").list("Sessions"))
	require.NotEmpty(t, auditor.aws("s3api", "list-objects-v2", "--bucket", bucket).list("Contents"))
	auditor.aws("s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
	denied(auditor, "ssm:StartSession", arn("ec2", "instance/"+app), "ssm", "start-session", "--target", app)
	denied(auditor, "s3:DeleteObject", object, "s3api", "delete-object", "--bucket", bucket, "--key", log)

	denied(nobody, "ssm:StartSession", arn("ec2", "instance/"+app), "ssm", "start-session", "--target", app)
	denied(nobody, "ssm:DescribeSessions", "*", "ssm", "describe-sessions", "--state", "History")
	denied(nobody, "s3:GetObject", object, "s3api", "get-object", "--bucket", bucket, "--key", log, "/dev/null")
}
