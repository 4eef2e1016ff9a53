//go:build unix

package sessions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
	"private-ec2-access/tools/emulator/sessions"
)

const (
	region   = "eu-central-1"
	bucket   = "session-logs"
	group    = "/sessions"
	patience = time.Minute
)

// The tests drive the real AWS CLI and the real session-manager-plugin. The Makefile sets the environment.
func TestMain(m *testing.M) {
	code := m.Run()
	if problems := againstTheModel(); problems != "" {
		fmt.Fprintf(os.Stderr, "--- FAIL: calls and answers of these tests are not as botocore's model of ssm says:\n%s\n", problems)
		code = 1
	}
	if original != nil {
		original.Stop()
	}
	os.Exit(code)
}

var (
	once     sync.Once
	original *emulator.Emulator
	started  error
	target   string // the instance with a role
	lonely   string // the one without
)

// exchanges are all calls of Systems Manager in these tests, with their answers, as lines of JSON.
var exchanges struct {
	sync.Mutex
	lines bytes.Buffer
}

// keepExchange is a rule that keeps a call of the sessions with its answer.
var keepExchange = emulator.PassOn("ssm", "StartSession|ResumeSession|TerminateSession|DescribeSessions|GetConnectionStatus|DescribeInstanceInformation",
	func(q *emulator.Request, reply *emulator.Reply) error {
		status := reply.Status
		if status == 0 {
			status = http.StatusOK
		}
		line, err := json.Marshal(object{"action": q.Action, "request": json.RawMessage(q.Body), "status": status, "answer": json.RawMessage(reply.Body)})
		exchanges.Lock()
		defer exchanges.Unlock()
		exchanges.lines.Write(append(line, '\n'))
		return err
	})

// againstTheModel puts everything that was asked and answered to botocore's model.
func againstTheModel() string {
	if exchanges.lines.Len() == 0 {
		return ""
	}
	cmd := exec.Command(os.Getenv("EMULATOR_PYTHON"), "testdata/validate.py")
	cmd.Stdin = &exchanges.lines
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, out)
	}
	return string(out)
}

// fast is the pace of the tests.
var fast = sessions.Timing{Minute: 4 * time.Second, Tick: 100 * time.Millisecond, Handshake: 5 * time.Second}

// scene is an account of the test's own: a copy of one that has two instances, a bucket and a log group.
type scene struct {
	*emulator.Emulator
	t *testing.T
}

func newScene(t *testing.T) scene {
	t.Helper()
	t.Parallel()
	return newSceneSerial(t)
}

// newSceneSerial is for tests that change this process.
func newSceneSerial(t *testing.T) scene {
	t.Helper()
	python := os.Getenv("EMULATOR_PYTHON")
	if python == "" {
		t.Skip("EMULATOR_PYTHON is not set: run the tests with `make test`")
	}
	_, err := exec.LookPath("session-manager-plugin")
	require.NoError(t, err, "the tests need the session-manager-plugin on PATH: run them with `make test`")
	once.Do(func() {
		dir, err := os.MkdirTemp("", "sessions-")
		require.NoError(t, err)
		if original, started = emulator.Start(context.Background(), emulator.Options{Python: python, Dir: dir, Sessions: fast}); started == nil {
			furnish(scene{original, t})
		}
	})
	require.NoError(t, started)
	copied, err := original.Fork(t.Context())
	require.NoError(t, err)
	t.Cleanup(copied.Stop)
	copied.Add(keepExchange)
	return scene{copied, t}
}

// Images of moto's: Ubuntu and Windows Server 2016.
const linuxImage, windowsImage = "ami-785db401", "ami-b7e93bce"

// furnish makes what all tests begin with.
func furnish(s scene) {
	s.query("iam", "2010-05-08", "Action", "CreateRole", "RoleName", "node", "AssumeRolePolicyDocument", `{"Version":"2012-10-17","Statement":[]}`)
	s.query("iam", "2010-05-08", "Action", "CreateInstanceProfile", "InstanceProfileName", "node")
	s.query("iam", "2010-05-08", "Action", "AddRoleToInstanceProfile", "InstanceProfileName", "node", "RoleName", "node")
	run := []string{"Action", "RunInstances", "ImageId", linuxImage, "MinCount", "1", "MaxCount", "1"}
	id := regexp.MustCompile(`<instanceId>(i-\w+)<`)
	target = id.FindStringSubmatch(s.query("ec2", "2016-11-15", append(run, "IamInstanceProfile.Name", "node")...))[1]
	lonely = id.FindStringSubmatch(s.query("ec2", "2016-11-15", run...))[1]
	_, err := s.s3().CreateBucket(context.Background(), &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region},
	})
	require.NoError(s.t, err)
	_, err = s.logs().CreateLogGroup(context.Background(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	require.NoError(s.t, err)
}

func (s scene) config() aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(s.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: s.Secret()}, nil
		}),
	}
}

func (s scene) s3() *s3.Client {
	return s3.NewFromConfig(s.config(), func(o *s3.Options) { o.UsePathStyle = true })
}
func (s scene) logs() *cloudwatchlogs.Client { return cloudwatchlogs.NewFromConfig(s.config()) }
func (s scene) kms() *kms.Client             { return kms.NewFromConfig(s.config()) }

func (s scene) send(service string, header http.Header, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL()+"/", strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header = header
	require.NoError(s.t, s.Sign(request, service, region, body))
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(text)
}

func (s scene) query(service, version string, pairs ...string) string {
	s.t.Helper()
	form := url.Values{"Version": {version}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	status, text := s.send(service, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode())
	require.Equal(s.t, http.StatusOK, status, text)
	return text
}

// ssm calls Systems Manager and returns the answer, or the error's code.
func (s scene) ssm(action string, in any) (answer map[string]any, code string) {
	s.t.Helper()
	body, err := json.Marshal(in)
	require.NoError(s.t, err)
	status, text := s.send("ssm", http.Header{"X-Amz-Target": {"AmazonSSM." + action}, "Content-Type": {"application/x-amz-json-1.1"}}, string(body))
	require.NoError(s.t, json.Unmarshal([]byte(text), &answer), text)
	if status != http.StatusOK {
		code, _ = answer["__type"].(string)
	}
	return answer, code
}

type object = map[string]any

// deploy makes a session document of these inputs.
func (s scene) deploy(name string, inputs object) {
	s.t.Helper()
	content, err := json.Marshal(object{"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs})
	require.NoError(s.t, err)
	answer, code := s.ssm("CreateDocument", object{"Name": name, "DocumentType": "Session", "DocumentFormat": "JSON", "Content": string(content)})
	require.Empty(s.t, code, answer)
}

// client is the AWS CLI with the plugin, on a terminal.
type client struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	done chan struct{}

	mu      sync.Mutex
	text    string // everything that was shown
	read    int    // how much of it was waited for already
	changed chan struct{}
}

// start opens a session, as a person does.
func (s scene) start(arguments ...string) *client {
	s.t.Helper()
	cmd := exec.Command(os.Getenv("EMULATOR_PYTHON"), append([]string{"-m", "awscli", "ssm", "start-session"}, arguments...)...)
	cmd.Env = append([]string{"AWS_ENDPOINT_URL=" + s.URL(), "AWS_ACCESS_KEY_ID=" + emulator.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s.Secret(), "AWS_DEFAULT_REGION=" + region,
		"AWS_REGION=" + region, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true"}, keep("PATH", "HOME", "PYTHONPATH")...)
	cmd.Dir = s.t.TempDir() // not a folder of Python packages
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(s.t, err)
	c := &client{t: s.t, cmd: cmd, tty: tty, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	go func() {
		defer close(c.done)
		buffer := make([]byte, 4096)
		for {
			n, err := tty.Read(buffer)
			c.mu.Lock()
			c.text += string(buffer[:n])
			c.mu.Unlock()
			select {
			case c.changed <- struct{}{}:
			default:
			}
			if err != nil {
				_ = cmd.Wait()
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the plugin, too, or it keeps the terminal
		_ = tty.Close()
		<-c.done
	})
	return c
}

func keep(names ...string) (kept []string) {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

// expect waits until the pattern is shown after what was waited for before, and returns its groups.
func (c *client) expect(pattern string) []string {
	c.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		rest := c.text[c.read:]
		found := expression.FindStringSubmatchIndex(rest)
		if found != nil {
			c.read += found[1]
		}
		all := c.text
		c.mu.Unlock()
		if found != nil {
			return expression.FindStringSubmatch(rest)
		}
		select {
		case <-c.changed:
		case <-c.done:
			c.mu.Lock()
			unread := expression.MatchString(c.text[c.read:])
			c.mu.Unlock()
			if !unread {
				require.FailNow(c.t, "the client has ended and did not show "+pattern, all)
			}
		case <-deadline:
			require.FailNow(c.t, "the client does not show "+pattern, all)
		}
	}
}

// prompt is the end of the shell's prompt.
const prompt = `[$#>] `

// enter types a line at the shell's next prompt.
func (c *client) enter(line string) {
	c.t.Helper()
	c.expect(prompt)
	c.write(line + "\r")
}

// write types, whatever is shown.
func (c *client) write(keys string) {
	c.t.Helper()
	_, err := c.tty.WriteString(keys)
	require.NoError(c.t, err)
}

// opened waits until the plugin takes input, and returns the session's id.
func (c *client) opened() string {
	c.t.Helper()
	id := c.expect(`Starting session with SessionId: (\S+)`)[1]
	// The plugin shows the first prompt before it reads the keyboard, and what it reads in its first moments it may
	// send under the number of its first size message, so that it is lost. It is past that when it has switched the echo
	// off, which no person is fast enough to notice.
	require.Eventually(c.t, func() bool {
		stty := exec.Command("stty", "-a")
		stty.Stdin = c.tty
		out, err := stty.Output()
		return err == nil && regexp.MustCompile(`(^|\s)-echo\s`).Match(out)
	}, patience, 20*time.Millisecond, "the plugin does not read the keyboard")
	return id
}

// ends waits until the client has ended, and returns its exit code.
func (c *client) ends() int {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		require.FailNow(c.t, "the client does not end", c.shown())
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *client) shown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text
}

// object reads an object of the bucket; "" where there is none.
func (s scene) object(key string) string {
	s.t.Helper()
	out, err := s.s3().GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return ""
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	require.NoError(s.t, err)
	return string(text)
}

// entry is a session in the history.
func (s scene) entry(state, id string) object {
	s.t.Helper()
	answer, code := s.ssm("DescribeSessions", object{"State": state, "Filters": []object{{"key": "SessionId", "value": id}}})
	require.Empty(s.t, code, answer)
	list := answer["Sessions"].([]any)
	if len(list) == 0 {
		return nil
	}
	return list[0].(object)
}

// agentCalls are the calls that were not made with the tests' key, as "service:Action".
func (s scene) agentCalls() (list []string) {
	for _, c := range s.Calls() {
		if c.AccessKey != "test" && c.Service != "ssm" && c.Service != "iam" && c.Service != "ec2" {
			list = append(list, c.Service+":"+c.Action)
		}
	}
	return list
}
