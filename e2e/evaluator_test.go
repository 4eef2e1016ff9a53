package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

type verdict struct {
	Verdict string `json:"verdict"`
	Error   string `json:"error"`
}

func (v verdict) allowed() bool { return v.Verdict == "Allowed" }

// evaluate runs simulations in an IAM policy evaluator, all in one process. A simulation can name one of the policies in
// place of a policy.
//
// It does not prove that AWS decides alike. The emulator does not enforce policies, so the evaluator takes its place.
func evaluate(t *testing.T, policies map[string]any, simulations []map[string]any) []verdict {
	t.Helper()
	input, err := json.Marshal(map[string]any{"policies": policies, "simulations": simulations})
	require.NoError(t, err)
	cmd := exec.Command("node", "evaluator/evaluate.mjs")
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\nthe evaluator's packages are installed by `make test`, or: cd e2e/evaluator && npm ci", stderr.String())
	var verdicts []verdict
	require.NoError(t, json.Unmarshal(out, &verdicts))
	require.Len(t, verdicts, len(simulations))
	return verdicts
}

// The evaluator decides these cases as AWS documents them, both allowed and denied, also where the adapter translates
// something for it.
func TestEvaluator_DocumentedCases_MatchAWS(t *testing.T) {
	t.Parallel()
	const (
		root    = "arn:aws:iam::" + here + ":root"
		role    = "arn:aws:iam::" + here + ":role/instance"
		session = "arn:aws:sts::" + here + ":assumed-role/instance/i-0123456789abcdef0"
		other   = "arn:aws:sts::" + here + ":assumed-role/another/i-0123456789abcdef0"
		key     = "arn:aws:kms:us-east-2:" + here + ":key/0123"
		arnOf   = "kms:EncryptionContext:aws:s3:arn"
		bucket  = "arn:aws:s3:::logs"
		header  = "s3:x-amz-server-side-encryption"
	)
	statement := func(effect string, principal any, action string, condition any) map[string]any {
		made := map[string]any{"Effect": effect, "Action": action, "Resource": "*"}
		if principal != nil {
			made["Principal"] = principal
		}
		if condition != nil {
			made["Condition"] = condition
		}
		return made
	}
	policies := map[string]any{}
	for name, statements := range map[string][]any{
		"everything":        {statement("Allow", nil, "*", nil)},
		"to the role":       {statement("Allow", map[string]any{"AWS": role}, "kms:*", nil)},
		"to the account":    {statement("Allow", map[string]any{"AWS": root}, "kms:*", nil)},
		"to the service":    {statement("Allow", map[string]any{"Service": "logs.us-east-2.amazonaws.com"}, "kms:*", nil)},
		"account, via S3":   {statement("Allow", map[string]any{"AWS": root}, "kms:*", map[string]any{"StringEquals": map[string]any{"kms:ViaService": "s3.us-east-2.amazonaws.com"}})},
		"in a context":      {statement("Allow", map[string]any{"AWS": role}, "kms:*", map[string]any{"StringLike": map[string]any{arnOf: bucket}})},
		"in a context, ARN": {statement("Allow", map[string]any{"AWS": role}, "kms:*", map[string]any{"ArnEquals": map[string]any{arnOf: bucket}})},
		"in any context":    {statement("Allow", map[string]any{"AWS": role}, "kms:*", map[string]any{"Null": map[string]any{arnOf: "false"}})},
		"not in a context": {
			statement("Allow", map[string]any{"AWS": role}, "kms:*", nil),
			statement("Deny", "*", "kms:*", map[string]any{"StringEquals": map[string]any{arnOf: bucket}}),
		},
		"no other header":  {statement("Deny", "*", "s3:*", map[string]any{"StringNotEquals": map[string]any{header: "aws:kms"}})},
		"no wrong header":  {statement("Deny", "*", "s3:*", map[string]any{"StringNotEquals": map[string]any{header: "aws:kms"}, "Null": map[string]any{header: "false"}})},
		"read by everyone": {statement("Allow", "*", "s3:*", nil)},
	} {
		policies[name] = map[string]any{"Version": "2012-10-17", "Statement": statements}
	}
	with := func(key, value string) map[string]string { return map[string]string{key: value} }
	cases := []struct {
		what      string
		principal string
		identity  []string
		resource  string // its policy
		action    string
		on        string
		owner     string
		context   map[string]string
		allowed   bool
	}{
		// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
		{"a key policy that names the role allows by itself", role, nil, "to the role", "kms:Decrypt", key, here, nil, true},
		{"so it does for the role's session", session, nil, "to the role", "kms:Decrypt", key, here, nil, true},
		{"but not for another role's", other, nil, "to the role", "kms:Decrypt", key, here, nil, false},
		{"one that names the account refers to IAM, which allows", session, []string{"everything"}, "to the account", "kms:Decrypt", key, here, nil, true},
		{"or does not", session, nil, "to the account", "kms:Decrypt", key, here, nil, false},
		{"IAM by itself allows nothing on a key", other, []string{"everything"}, "to the role", "kms:Decrypt", key, here, nil, false},
		{"the condition of a reference to IAM counts", session, []string{"everything"}, "account, via S3", "kms:Decrypt", key, here, with("kms:ViaService", "s3.us-east-2.amazonaws.com"), true},
		{"also when it does not hold", session, []string{"everything"}, "account, via S3", "kms:Decrypt", key, here, nil, false},
		{"a service that the policy names", "logs.us-east-2.amazonaws.com", nil, "to the service", "kms:Decrypt", key, here, nil, true},
		{"is not another one", "logs.us-east-1.amazonaws.com", nil, "to the service", "kms:Decrypt", key, here, nil, false},
		{"nor a role", session, []string{"everything"}, "to the service", "kms:Decrypt", key, here, nil, false},
		// The context's new name, in an Allow and in a Deny.
		{"the context is compared", session, nil, "in a context", "kms:Decrypt", key, here, with(arnOf, bucket), true},
		{"another one is another", session, nil, "in a context", "kms:Decrypt", key, here, with(arnOf, bucket+"2"), false},
		{"none is another", session, nil, "in a context", "kms:Decrypt", key, here, nil, false},
		{"it is compared as an ARN", session, nil, "in a context, ARN", "kms:Decrypt", key, here, with(arnOf, bucket), true},
		{"and differs as an ARN", session, nil, "in a context, ARN", "kms:Decrypt", key, here, with(arnOf, bucket+"2"), false},
		{"some context is asked for", session, nil, "in any context", "kms:Decrypt", key, here, with(arnOf, "x"), true},
		{"and there is none", session, nil, "in any context", "kms:Decrypt", key, here, nil, false},
		{"a context is denied", session, nil, "not in a context", "kms:Decrypt", key, here, with(arnOf, bucket), false},
		{"another one is not", session, nil, "not in a context", "kms:Decrypt", key, here, with(arnOf, "x"), true},
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
		{"a negated operator holds for a key that is absent", session, []string{"everything"}, "no other header", "s3:PutObject", bucket + "/x", here, nil, false},
		{"unless its presence is asked for as well", session, []string{"everything"}, "no wrong header", "s3:PutObject", bucket + "/x", here, nil, true},
		{"which leaves the wrong value denied", session, []string{"everything"}, "no wrong header", "s3:PutObject", bucket + "/x", here, with(header, "AES256"), false},
		{"in another account both sides have to allow", session, []string{"everything"}, "read by everyone", "s3:GetObject", bucket + "/x", "999999999999", nil, true},
		{"and one does not", session, nil, "read by everyone", "s3:GetObject", bucket + "/x", "999999999999", nil, false},
	}
	var simulations []map[string]any
	for _, c := range cases {
		if c.context == nil {
			c.context = map[string]string{}
		}
		if c.identity == nil {
			c.identity = []string{}
		}
		simulations = append(simulations, map[string]any{
			"identityPolicies": c.identity, "resourcePolicy": c.resource,
			"request": map[string]any{
				"principal": c.principal, "action": c.action, "contextVariables": c.context,
				"resource": map[string]any{"resource": c.on, "accountId": c.owner},
			},
		})
	}
	// A key that the evaluator does not know for the action fails the test.
	ignored := map[string]any{}
	for name, value := range simulations[0] {
		ignored[name] = value
	}
	ignored["request"] = map[string]any{
		"principal": role, "action": "kms:Decrypt", "contextVariables": with("s3:prefix", "x"),
		"resource": map[string]any{"resource": key, "accountId": here},
	}
	verdicts := evaluate(t, policies, append(simulations, ignored))
	for i, c := range cases {
		require.Empty(t, verdicts[i].Error, c.what)
		require.Equal(t, c.allowed, verdicts[i].allowed(), "%s: %s", c.what, verdicts[i].Verdict)
	}
	require.Contains(t, verdicts[len(cases)].Error, "passed over the context keys s3:prefix")
}
