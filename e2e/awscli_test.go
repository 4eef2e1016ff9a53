package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// awsCLI runs commands of the AWS CLI, which shares no code with the program. Loading the CLI takes most of a second, so
// one process loads it once and forks for each command.
type awsCLI struct {
	test    *testing.T
	environ []string

	mu      sync.Mutex
	in      io.Writer
	answers *bufio.Reader
}

// awsCLIProcess reads the arguments of one command a line, and answers with its exit code and output.
const awsCLIProcess = `
import json, os, sys, tempfile
from awscli.clidriver import create_clidriver
driver = create_clidriver()
for line in sys.stdin:
    with tempfile.TemporaryFile() as file:
        child = os.fork()
        if child == 0:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.exit(driver.main(json.loads(line)))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        file.seek(0)
        output = file.read().decode(errors="replace")
    print(json.dumps({"code": code, "output": output}), flush=True)
`

// start starts the process when the first command is run. The test's end stops it.
func (c *awsCLI) start() error {
	cmd := exec.Command(setting(c.test, "EMULATOR_PYTHON"), "-c", awsCLIProcess)
	cmd.Env, cmd.Stderr = append(slices.Clone(c.environ), "AWS_DEFAULT_OUTPUT=json"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.test.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	c.in, c.answers = in, bufio.NewReader(out)
	return nil
}

// try runs one command and returns everything that it printed.
func (c *awsCLI) try(args ...string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == nil {
		if err := c.start(); err != nil {
			return nil, err
		}
	}
	line, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	answer, err := c.answers.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the process of the AWS CLI ended: %w", err)
	}
	var result struct {
		Code   int
		Output string
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, err
	}
	if result.Code != 0 {
		return []byte(result.Output), fmt.Errorf("exit code %d", result.Code)
	}
	return []byte(result.Output), nil
}

// aws runs one command, which must succeed, and returns the JSON that it printed.
func (c *awsCLI) aws(args ...string) object {
	c.test.Helper()
	out, err := c.try(args...)
	require.NoError(c.test, err, "aws %s: %s", strings.Join(args, " "), out)
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	var answer object
	require.NoError(c.test, json.Unmarshal(out, &answer), "%s", out)
	return answer
}

// as runs one command with the credentials of a session of the role, such as an
// instance has them.
func (c *awsCLI) as(role string, args ...string) object {
	c.test.Helper()
	arn := c.aws("iam", "get-role", "--role-name", role).text("Role.Arn")
	session := c.aws("sts", "assume-role", "--role-arn", arn, "--role-session-name", "i-0123456789abcdef0")
	own := &awsCLI{test: c.test, environ: append(slices.Clone(c.environ), "AWS_ACCESS_KEY_ID="+session.text("Credentials.AccessKeyId"),
		"AWS_SECRET_ACCESS_KEY="+session.text("Credentials.SecretAccessKey"), "AWS_SESSION_TOKEN="+session.text("Credentials.SessionToken"))}
	return own.aws(args...)
}

// The answers and exit codes are those of a process of its own.
func TestAWSCLI_SeveralCommandsInOneProcess(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	vpc := in.aws("ec2", "create-vpc", "--cidr-block", "10.1.0.0/16").text("Vpc.VpcId")
	require.NotEmpty(t, vpc)
	out, err := in.try("ec2", "describe-vpcs", "--vpc-ids", "vpc-0123456789abcdef0")
	require.EqualError(t, err, "exit code 255")
	require.Contains(t, string(out), "InvalidVpcID.NotFound")
	out, err = in.try("ec2", "no-such-command")
	require.EqualError(t, err, "exit code 2")
	require.Contains(t, string(out), "Invalid choice")
	out, err = in.try("ec2", "describe-vpcs", "--vpc-ids", vpc, "--query", "Vpcs[0].CidrBlock", "--output", "text")
	require.NoError(t, err)
	require.Equal(t, "10.1.0.0/16\n", string(out))
	require.Equal(t, "10.1.0.0/16", in.aws("ec2", "describe-vpcs", "--vpc-ids", vpc).text("Vpcs[0].CidrBlock"), "JSON again")
	require.Nil(t, in.aws("ec2", "delete-vpc", "--vpc-id", vpc))
}
