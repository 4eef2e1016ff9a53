package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"private-ec2-access/tools/process"
)

// Identity is who the AWS CLI is.
type Identity struct {
	Account string
	ARN     string `json:"Arn"`
}

// Name is the last part of the ARN: the user's name, or the name of a role's session.
func (i Identity) Name() string { return lastPart(i.ARN) }

func lastPart(arn string) string { return arn[strings.LastIndexAny(arn, "/:")+1:] }

func (c *client) caller(ctx context.Context) (Identity, error) {
	var me Identity
	err := c.call(ctx, &me, "sts", "get-caller-identity", nil)
	return me, err
}

// Role is a role that the provider assumes, as its setting assumeRole has it, with the parameters of sts:AssumeRole.
type Role struct {
	ARN string `json:"roleArn"`

	SessionName, ExternalID, Policy, SourceIdentity string
	Duration                                        duration
	PolicyARNs, TransitiveTagKeys                   []string
	Tags                                            map[string]string
}

// duration is a time.Duration that is "1h" in JSON, or empty.
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(cmp.Or(string(text), "0"))
	return err
}

// The first call of a command tells whether AWS can be reached at all, so it waits for seconds only and is not repeated.
var quickly = []string{"--cli-connect-timeout", "5", "--cli-read-timeout", "15"}

func quickClient(environ []string, region string) *client {
	c := newClient(environ, region)
	c.environ = append(c.environ, "AWS_MAX_ATTEMPTS=1", "AWS_STS_REGIONAL_ENDPOINTS=regional")
	return c
}

// Caller asks AWS whose credentials the environment has. An error says how to sign in.
func Caller(ctx context.Context, environ []string, region string) (me Identity, err error) {
	c := quickClient(environ, region)
	return me, explainSignIn(c.call(ctx, &me, "sts", "get-caller-identity", nil, quickly...), environ, region)
}

// AssumeRole opens a session of the role, and returns its credentials as environment variables, and who they belong to.
func AssumeRole(ctx context.Context, environ []string, region string, role Role) (variables map[string]string, me Identity, err error) {
	c := quickClient(environ, region)
	in := input{"RoleArn": role.ARN, "RoleSessionName": role.SessionName}
	for name, value := range map[string]string{"ExternalId": role.ExternalID, "Policy": role.Policy, "SourceIdentity": role.SourceIdentity} {
		if value != "" {
			in[name] = value
		}
	}
	if seconds := int(role.Duration.Seconds()); seconds > 0 {
		in["DurationSeconds"] = seconds
	}
	var policies, tags []input
	for _, arn := range role.PolicyARNs {
		policies = append(policies, input{"arn": arn})
	}
	for key, value := range role.Tags {
		tags = append(tags, input{"Key": key, "Value": value})
	}
	if policies != nil {
		in["PolicyArns"] = policies
	}
	if tags != nil {
		in["Tags"] = tags
	}
	if role.TransitiveTagKeys != nil {
		in["TransitiveTagKeys"] = role.TransitiveTagKeys
	}
	var answer struct {
		Credentials     struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		AssumedRoleUser struct{ Arn string }
	}
	err = c.call(ctx, &answer, "sts", "assume-role", in, quickly...)
	if isDenied(err) {
		who := "your identity"
		if base, err := c.caller(ctx); err == nil {
			who = base.ARN
		}
		return nil, me, fmt.Errorf("AWS does not let %s assume the role %s.\n  AWS: %w\n  Fix: name %[1]s in the role's trust policy, and allow it sts:AssumeRole on the role", who, role.ARN, err)
	} else if err != nil {
		return nil, me, explainSignIn(err, environ, region)
	}
	me.ARN = answer.AssumedRoleUser.Arn
	if parts := strings.SplitN(me.ARN, ":", 6); len(parts) == 6 {
		me.Account = parts[4]
	}
	return map[string]string{
		"AWS_ACCESS_KEY_ID": answer.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY": answer.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN": answer.Credentials.SessionToken,
	}, me, nil
}

// signInProblems are what the AWS CLI and STS say when there is no usable identity, or no way to AWS. In the texts, PROFILE and
// REGION are replaced. The first one that matches counts.
var signInProblems = []struct {
	says         *regexp.Regexp
	problem, fix string
}{
	{regexp.MustCompile(`(?i)MultiFactorAuthentication failed|MFA code|EOF when reading a line`),
		"the profile needs an MFA code, and AWS refused the code, or there is no terminal to ask on. Pulumi cannot ask for codes",
		`unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; eval "$(aws configure export-credentials --format env PROFILE)" reads the code, and signs in this shell`},
	{regexp.MustCompile(`(?i)ExpiredToken|RequestExpired|token .*(has expired|does not exist)|SSO (session|token)|session has expired|credentials .*expired`),
		"your sign-in to AWS has expired", "aws sso login PROFILE, or however you sign in; then run the same command again"},
	{regexp.MustCompile(`(?i)Unable to locate credentials|partial credentials`),
		"the AWS CLI has no credentials here", "sign in (aws sso login, or aws configure), and set AWS_PROFILE to the profile"},
	{regexp.MustCompile(`(?i)config profile .* could not be found|profile .* (does not exist|not found)`),
		"there is no such profile in your AWS configuration", "aws configure list-profiles shows the profiles (version 1 does not have it: they are in ~/.aws/config and ~/.aws/credentials); set AWS_PROFILE, or aws:profile in the stack's file, to one of them"},
	{regexp.MustCompile(`(?i)specify a region`), "neither the stack's file nor your environment names a Region", "set aws:region in the stack's file"},
	{regexp.MustCompile(`(?i)Unable to parse config file`), "your AWS configuration cannot be read", "correct the file"},
	{regexp.MustCompile(`(?i)custom-process|credential_process`), "the credential_process of your profile failed", "run that program by itself; `aws configure get credential_process PROFILE` shows it"},
	{regexp.MustCompile(`(?i)proxy`), "the proxy does not let requests to AWS through", "check HTTPS_PROXY, and NO_PROXY for addresses that need no proxy"},
	{regexp.MustCompile(`(?i)SSL validation failed|CERTIFICATE_VERIFY_FAILED`),
		"the certificate of AWS's answer is not trusted here", "if a proxy of your company opens TLS connections, set AWS_CA_BUNDLE to its certificate"},
	{regexp.MustCompile(`(?i)Could not connect to the endpoint|timeout on endpoint|Connection was closed|Could not resolve|Name or service not known`),
		"AWS does not answer in the Region REGION", "check the network, HTTPS_PROXY, and the name of the Region (aws:region in the stack's file)"},
	{regexp.MustCompile(`(?i)InvalidClientTokenId|UnrecognizedClient|AuthFailure|security token included in the request is invalid`),
		"AWS does not accept the credentials in the Region REGION: the access key is wrong or was deleted, or the Region is not enabled in the account",
		"aws sts get-caller-identity --region us-east-1 tells whether the access key is right. If it is: aws account enable-region --region-name REGION"},
	{regexp.MustCompile(`(?i)SignatureDoesNotMatch|Signature (expired|not yet current)`),
		"AWS does not accept the signature: the secret key is wrong, or this machine's clock is", "check the clock (date -u), then the secret key"},
}

func (e *callError) wrongMFA() bool {
	return strings.Contains(e.message, "MultiFactorAuthentication failed")
}

// explainSignIn makes a readable error of a call that failed before anything was asked. It returns other errors as they are.
func explainSignIn(err error, environ []string, region string) error {
	var e *callError
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("AWS does not answer in the Region %s.\n  Fix: check the network, HTTPS_PROXY, and the name of the Region (aws:region in the stack's file)", region)
	}
	if !errors.As(err, &e) {
		return err
	}
	profile := ""
	if name := cmp.Or(process.Variable(environ, "AWS_PROFILE"), process.Variable(environ, "AWS_DEFAULT_PROFILE")); name != "" {
		profile = " --profile " + name
	}
	// Of an answer of AWS the code counts; a message may quote anything.
	said := e.message
	if e.code != "" && !e.wrongMFA() {
		said = e.code
	}
	for _, p := range signInProblems {
		if p.says.MatchString(said) {
			fill := func(text string) string {
				return strings.NewReplacer(" PROFILE", profile, "REGION", region).Replace(text)
			}
			return fmt.Errorf("%s.\n  AWS CLI: %s\n  Fix: %s", fill(p.problem), lastLine(e.message), fill(p.fix))
		}
	}
	return err
}

// lastLine is what the AWS CLI says in the end; before it there may be a question or a traceback.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
