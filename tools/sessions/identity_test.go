package sessions

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// commandLineInterface returns an environment in which `aws` is the AWS CLI of this machine, or the one beside the emulator.
func commandLineInterface(t *testing.T) []string {
	t.Helper()
	folder := t.TempDir()
	if path, err := exec.LookPath("aws"); err == nil {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "aws"), []byte("#!/bin/sh\nexec '"+path+"' \"$@\"\n"), 0o755))
	} else if python := os.Getenv("EMULATOR_PYTHON"); python != "" {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "aws"), []byte("#!/bin/sh\nexec '"+python+"' -m awscli \"$@\"\n"), 0o755))
	} else {
		t.Skip("there is no AWS CLI")
	}
	return []string{"PATH=" + folder + ":" + os.Getenv("PATH"), "HOME=" + folder, "AWS_EC2_METADATA_DISABLED=true"}
}

func TestReadError_TextOfAWS_IsOneLine(t *testing.T) {
	err := readError([]string{"ssm", "start-session"}, "An error occurred (ValidationException) when calling the StartSession operation: i-1\n  Fix: run this", context.Canceled)
	require.EqualError(t, err, "ssm:StartSession failed: i-1 Fix: run this (ValidationException)")
}

// What stops a command before AWS is asked for anything is said in one clear text, at once, by the real AWS CLI. What only AWS
// can answer is in TestExplainSignIn_AnswersOfAWS.
func TestCaller_NoWayToSignIn_SaidAtOnce(t *testing.T) {
	t.Parallel()
	environ := commandLineInterface(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nowhere := "http://" + closed.Addr().String()
	require.NoError(t, closed.Close())
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(`[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = admin
[profile process]
credential_process = false
`), 0o600))
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, []byte("[profile\n="), 0o600))
	keys := []string{"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=x"}
	for name, c := range map[string]struct {
		own  []string
		want string
	}{
		"no credentials":     {nil, "the AWS CLI has no credentials here."},
		"half of a key":      {keys[:1], "the AWS CLI has no credentials here."},
		"no such profile":    {[]string{"AWS_PROFILE=absent"}, "there is no such profile in your AWS configuration."},
		"single sign-on":     {[]string{"AWS_CONFIG_FILE=" + config, "AWS_PROFILE=sso"}, "Fix: aws sso login --profile sso, or"},
		"credential process": {[]string{"AWS_CONFIG_FILE=" + config, "AWS_PROFILE=process"}, "the credential_process of your profile failed"},
		"broken file":        {append(keys, "AWS_CONFIG_FILE="+broken), "your AWS configuration cannot be read"},
		"proxy refuses":      {append(keys, "HTTPS_PROXY="+nowhere), "the proxy does not let requests to AWS through"},
		"no network":         {append(keys, "AWS_ENDPOINT_URL="+nowhere), "AWS does not answer in the Region us-east-2."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := Caller(context.Background(), append(environ[:len(environ):len(environ)], c.own...), "us-east-2")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "\n  AWS CLI: ")
			require.ErrorContains(t, err, "\n  Fix: ")
			require.Equal(t, 2, strings.Count(err.Error(), "\n"), "%v", err)
			require.Less(t, time.Since(start), 20*time.Second)
		})
	}
}

// The codes and texts are those that AWS documents. That AWS sends them in these situations is not proved here.
func TestExplainSignIn_AnswersOfAWS(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The security token included in the request is expired":                                                                    "your sign-in to AWS has expired",
		"An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the request is invalid":                                                            "aws account enable-region --region-name af-south-1",
		"An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z":                                        "this machine's clock is",
		"Enter MFA code for arn:aws:iam::111122223333:mfa/alice: \nAn error occurred (AccessDenied) when calling the AssumeRole operation: MultiFactorAuthentication failed with invalid MFA one time pass code.": "AWS refused the code",
		"Enter MFA code for arn:aws:iam::111122223333:mfa/alice: \nEOF when reading a line":                                                                                                                       "Pulumi cannot ask for codes",
		"Error when retrieving token from sso: Token has expired and refresh failed":                                                                                                                              "your sign-in to AWS has expired",
		"SSL validation failed for https://sts.af-south-1.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain":                                "set AWS_CA_BUNDLE",
		`You must specify a region. You can also configure your region by running "aws configure".`:                                                                                                               "set aws:region in the stack's file",
		`Could not connect to the endpoint URL: "https://sts.eu-nowhere-1.amazonaws.com/"`:                                                                                                                        "the name of the Region",
		"An error occurred (AccessDenied) when calling the GetObject operation: the proxy of an instance profile says: Unable to locate credentials":                                                              "s3:GetObject failed: the proxy",
		"An error occurred (ThrottlingException) when calling the GetCallerIdentity operation: Rate exceeded, the token has expired, no proxy, no credentials":                                                    "s3:GetCallerIdentity failed: Rate exceeded",
	} {
		err := explainSignIn(readError([]string{"s3", "get-object"}, said, context.Canceled), nil, "af-south-1")
		require.ErrorContains(t, err, want)
	}
}
