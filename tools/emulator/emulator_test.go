//go:build unix

package emulator

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Tests below run the real moto. They take the interpreter from the environment; the Makefile sets it.
func interpreter(t *testing.T) string {
	t.Helper()
	python := os.Getenv("EMULATOR_PYTHON")
	if python == "" {
		t.Skip("EMULATOR_PYTHON is not set: name a Python that has moto/requirements.txt installed")
	}
	return python
}

func start(t *testing.T, rules ...Rule) *Emulator {
	t.Helper()
	e, err := Start(t.Context(), Options{Python: interpreter(t), Secret: secret, Dir: t.TempDir(), Rules: rules})
	require.NoError(t, err)
	t.Cleanup(e.Stop)
	return e
}

// TestMain lets this binary be the process that TestMoto_FrontKilled_Ends kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EMULATOR_TEST_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

func TestFixes(t *testing.T) {
	e := start(t)
	cmd := exec.CommandContext(t.Context(), interpreter(t), "-B", "moto/checks.py", e.URL())
	cmd.Env = append(os.Environ(), "AWS_SECRET_ACCESS_KEY="+e.Secret())
	var errors bytes.Buffer
	cmd.Stderr = &errors
	output, err := cmd.Output()
	require.NoError(t, err, errors.String())
	checked := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		var result struct {
			Check string
			Error *string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &result), line)
		checked[result.Check] = true
		t.Run(result.Check, func(t *testing.T) {
			if result.Error != nil {
				t.Error(*result.Error)
			}
		})
	}
	// No fix without a check of the same name.
	source, err := python.ReadFile("moto/fixes.py")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(source), "\nALL: ")
	require.True(t, found)
	for _, fix := range regexp.MustCompile(`(?m)^    (\w+),$`).FindAllStringSubmatch(list, -1) {
		assert.True(t, checked[fix[1]], "fixes.py has %s, checks.py has no check of that name", fix[1])
	}
}

func TestEmulator_EmptyAccount_NoSessions(t *testing.T) {
	e := start(t)
	for action, want := range map[string]string{
		"DescribeInstanceInformation": `{"InstanceInformationList":[]}`,
		"DescribeSessions":            `{"Sessions":[]}`,
		"GetConnectionStatus":         `{"Status":"notconnected","Target":"i-1"}`,
	} {
		status, _, body := send(t, jsonCall(t, e.URL(), "ssm", "AmazonSSM."+action, `{"Target":"i-1","State":"Active"}`))
		assert.Equal(t, 200, status, action)
		assert.JSONEq(t, want, body)
	}
	status, _, body := send(t, query(t, e.URL(), "iam", "Action=GetPolicy&Version=2010-05-08&PolicyArn=arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"))
	assert.Equal(t, 200, status, body)
}

func TestWithoutService_Name_Removed(t *testing.T) {
	e := start(t)
	services := func(region, more string) string {
		_, _, body := send(t, signed(t, http.MethodPost, e.URL()+"/", "ec2", region, "Action=DescribeVpcEndpointServices&Version=2016-11-15"+more))
		return body
	}
	const name = "com.amazonaws.us-east-2.ec2messages"
	before := services("us-east-2", "")
	require.Contains(t, before, name)
	remove := e.Add(WithoutService("ec2messages", "us-east-2"))
	after := services("us-east-2", "")
	assert.NotContains(t, after, "ec2messages")
	// Only that name and its details are gone.
	assert.Equal(t, strings.Count(before, "<serviceName>")-1, strings.Count(after, "<serviceName>"))
	assert.Contains(t, after, "<item>com.amazonaws.us-east-2.ssmmessages</item>")
	assert.Contains(t, services("us-east-2", "&ServiceName.1=com.amazonaws.us-east-2.ssm&ServiceName.2="+name),
		"<Code>InvalidServiceName</Code><Message>The Vpc Endpoint Service &#39;"+name+"&#39; does not exist</Message>")
	assert.NotContains(t, services("us-east-2", "&Filter.1.Name=service-name&Filter.1.Value.1="+name), name)
	assert.Contains(t, services("eu-west-1", ""), "com.amazonaws.eu-west-1.ec2messages")
	remove()
	assert.Contains(t, services("us-east-2", "&ServiceName.1="+name), name)
}

func createVPC(t *testing.T, e *Emulator) {
	t.Helper()
	status, _, body := send(t, query(t, e.URL(), "ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0/16"))
	require.Equal(t, 200, status, body)
}

func countVPCs(t *testing.T, e *Emulator) int {
	t.Helper()
	status, _, body := send(t, query(t, e.URL(), "ec2", "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=cidr&Filter.1.Value.1=10.9.0.0/16"))
	require.Equal(t, 200, status, body)
	return strings.Count(body, "<vpcId>")
}

func TestFork_Account_CopiedCompletely(t *testing.T) {
	e := start(t)
	createVPC(t, e)
	e.Add(Answer("sts", "GetCallerIdentity", 200, "same rules"))
	began := time.Now()
	c, err := e.Fork(t.Context())
	require.NoError(t, err)
	t.Logf("forked in %s", time.Since(began))
	assert.NotEqual(t, e.URL(), c.URL())
	assert.Empty(t, c.Calls())
	_, _, body := send(t, query(t, c.URL(), "sts", "Action=GetCallerIdentity&Version=2011-06-15"))
	assert.Equal(t, "same rules", body)

	assert.Equal(t, 1, countVPCs(t, c))
	createVPC(t, c)
	cc, err := c.Fork(t.Context()) // a copy of a copy
	require.NoError(t, err)
	createVPC(t, e)
	createVPC(t, e)
	assert.Equal(t, []int{3, 2, 2}, []int{countVPCs(t, e), countVPCs(t, c), countVPCs(t, cc)})

	c.Stop()
	c.Stop()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Error("a stopped copy is not done")
	}
	waitForEnd(t, c.pid)
	waitForEnd(t, cc.pid)
	assert.Equal(t, 3, countVPCs(t, e), "the original lives on")
}

// Calls run all the time while copies are made: a copy must never hang on a lock that a thread of the
// original held, nor hold half a change.
func TestFork_UnderLoad_Consistent(t *testing.T) {
	e := start(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					createVPC(t, e)
					send(t, jsonCall(t, e.URL(), "ssm", "AmazonSSM.DescribeDocument", `{"Name":"absent"}`))
				}
			}
		})
	}
	client := http.Client{Timeout: 10 * time.Second}
	for range 15 {
		c, err := e.Fork(t.Context())
		require.NoError(t, err)
		for _, r := range []*http.Request{
			query(t, c.URL(), "ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0/16"),
			query(t, c.URL(), "iam", "Action=ListRoles&Version=2010-05-08"), // a service that is new to the copy
		} {
			response, err := client.Do(r)
			require.NoError(t, err)
			assert.Equal(t, 200, response.StatusCode)
			require.NoError(t, response.Body.Close())
		}
		c.Stop()
	}
	close(stop)
	group.Wait()
}

func TestStart_Failure_NamesCause(t *testing.T) {
	_, err := Start(t.Context(), Options{})
	require.ErrorContains(t, err, "no Python given")
	_, err = Start(t.Context(), Options{Python: "/absent/python", Dir: t.TempDir()})
	require.ErrorContains(t, err, `"/absent/python"`)

	// A Python without moto: -S leaves out the installed packages.
	script := t.TempDir() + "/python"
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexec '"+interpreter(t)+"' -S \"$@\"\n"), 0o755))
	_, err = Start(t.Context(), Options{Python: script, Dir: t.TempDir()})
	require.ErrorContains(t, err, "No module named 'moto'")

	e := start(t)
	port, err := strconv.Atoi(e.URL()[strings.LastIndex(e.URL(), ":")+1:])
	require.NoError(t, err)
	_, err = Start(t.Context(), Options{Python: interpreter(t), Dir: t.TempDir(), Port: port})
	require.ErrorContains(t, err, "choose another one")
}

func TestStop_TemporaryFolder_Removed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e, err := Start(t.Context(), Options{Python: interpreter(t)})
	require.NoError(t, err)
	e.Stop()
	<-e.Done()
	require.Error(t, e.Err())
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// victim starts an emulator and a copy, prints their process ids and waits to be killed.
func victim(dir string) {
	e, err := Start(context.Background(), Options{Python: os.Getenv("EMULATOR_PYTHON"), Dir: dir})
	if err != nil {
		panic(err)
	}
	c, err := e.Fork(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(e.pid, c.pid)
	select {}
}

func TestMoto_FrontKilled_Ends(t *testing.T) {
	python := interpreter(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "EMULATOR_TEST_VICTIM="+t.TempDir(), "EMULATOR_PYTHON="+python)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	var moto, fork int
	_, err = fmt.Sscan(line, &moto, &fork)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	waitForEnd(t, moto)
	waitForEnd(t, fork)
}

// waitForEnd fails unless the process ends soon.
func waitForEnd(t *testing.T, pid int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		return syscall.Kill(pid, 0) != nil
	}, 30*time.Second, 20*time.Millisecond, "process %d still runs", pid)
}
