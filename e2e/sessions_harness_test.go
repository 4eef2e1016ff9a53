package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
	"private-ec2-access/tools/toolchain"
)

// desk is a checkout with the stack local deployed to an account of its own: a copy of one that was deployed once.
type desk struct {
	*clone
	*awsCLI
	in running
}

func deskOf(c *clone, in running) *desk {
	return &desk{clone: c, awsCLI: cliOf(c.t, in), in: in}
}

// cliOf is the AWS CLI beside the commands of a checkout.
func cliOf(t *testing.T, in running) *awsCLI {
	return &awsCLI{test: t, environ: append(os.Environ(), "AWS_ENDPOINT_URL="+in.URL, "AWS_DEFAULT_REGION=us-east-2", "AWS_ACCESS_KEY_ID="+emulator.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+in.Secret, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")}
}

// deploy deploys the stack local as a new user does.
func deploy(t *testing.T) *desk {
	t.Helper()
	c := cloneTo(t, newFolder(t), "http://127.0.0.1:1").withTools()
	c.must("make", "env") // starts the emulated AWS
	c.onExistingBucket("session-records")
	// AWS encrypts every bucket by itself.
	out, err := c.shell(setting(t, "EMULATOR_PYTHON") + ` -m awscli s3api put-bucket-encryption --bucket session-records --server-side-encryption-configuration ` +
		`'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'`)
	require.NoError(t, err, out)
	c.must("make", "up")
	return deskOf(c, emulatorOf(t, c.dir))
}

// running is what the emulator of a checkout says about itself.
type running struct{ URL, Secret, Instance string }

func emulatorOf(t *testing.T, dir string) (in running) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".local", "emulator", "emulator.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &in))
	return in
}

func (r running) send(t *testing.T, method, path string, body any) (*http.Response, error) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequest(method, r.URL+emulator.AdminPath+path, bytes.NewReader(text))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+r.Secret)
	return http.DefaultClient.Do(request)
}

// ask makes one of the emulator's own calls.
func (r running) ask(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	response, err := r.send(t, method, path, body)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // read to the end
	said, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s %s: %s", method, path, said)
	if answer != nil {
		require.NoError(t, json.Unmarshal(said, answer), "%s", said)
	}
}

// fork gives a test its own account and its own checkout, in milliseconds. The copy's emulator.json names the copied
// account; everything else is what `make up` left behind.
func (d *desk) fork(t *testing.T) *desk {
	t.Helper()
	var copied struct{ URL string }
	d.ask(t, http.MethodPost, "fork", nil, &copied)
	to := newFolder(t)
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = d.dir
	files, err := list.Output()
	require.NoError(t, err)
	carry := func(name string) {
		text, err := os.ReadFile(filepath.Join(d.dir, name))
		require.NoError(t, err)
		info, err := os.Stat(filepath.Join(d.dir, name))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), text, info.Mode()))
	}
	for _, name := range strings.Split(strings.Trim(string(files), "\x00"), "\x00") {
		carry(name)
	}
	for _, name := range []string{"state", "emulator"} {
		require.NoError(t, os.CopyFS(filepath.Join(to, ".local", name), os.DirFS(filepath.Join(d.dir, ".local", name))))
	}
	// The files of its plugin are its own too, because the plugin's link to the bridge names the checkout.
	for _, name := range []string{".local", filepath.Join(".local", "pulumi"), filepath.Join(".local", "pulumi", "plugins"),
		filepath.Join(".local", "pulumi", "plugins", "resource-aws-"+toolchain.AWSPluginVersion)} {
		require.NoError(t, os.MkdirAll(filepath.Join(to, name), 0o755))
	}
	var link func(folder string)
	link = func(folder string) {
		entries, err := os.ReadDir(filepath.Join(d.dir, folder))
		require.NoError(t, err)
		for _, e := range entries {
			name := filepath.Join(folder, e.Name())
			info, err := os.Lstat(filepath.Join(to, name))
			switch {
			case err == nil && info.IsDir() && strings.HasPrefix(name, filepath.Join(".local", "pulumi")):
				link(name)
			case err != nil && e.Name() != "lock":
				require.NoError(t, os.Symlink(filepath.Join(d.dir, name), filepath.Join(to, name)))
			}
		}
	}
	link(".local")
	file := filepath.Join(to, ".local", "emulator", "emulator.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	// A checkout's emulator is a process that names its folder. The copied account is part of another's, so a
	// process that does nothing takes its place.
	stand := exec.Command("tail", "-f", filepath.Join(to, ".local", "emulator", "port"))
	require.NoError(t, stand.Start())
	t.Cleanup(func() { _ = stand.Process.Kill(); _ = stand.Wait() })
	var running map[string]any
	require.NoError(t, json.Unmarshal(text, &running))
	running["url"], running["pid"] = copied.URL, stand.Process.Pid
	text, err = json.Marshal(running)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	other := deskOf(&clone{t: t, dir: to, env: d.env}, emulatorOf(t, to))
	t.Cleanup(func() {
		// It ends with the answer on its way.
		if response, err := other.in.send(t, http.MethodPost, "stop", nil); err == nil {
			response.Body.Close()
		}
	})
	return other
}

// ask makes one of the emulator's own calls.
func (d *desk) ask(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	d.in.ask(t, method, path, body, answer)
}

// agent sets how the agent of the instance app behaves.
func (d *desk) agent(settings object) {
	d.t.Helper()
	d.ask(d.t, http.MethodPut, "agents/"+d.instance(), settings, nil)
}

func (d *desk) instance() string {
	d.t.Helper()
	return d.outputs().text("instanceIds.app")
}

func (d *desk) outputs() object {
	d.t.Helper()
	cmd := d.command(".local/bin/stack", "outputs")
	out, err := cmd.Output()
	require.NoError(d.t, err)
	var o object
	require.NoError(d.t, json.Unmarshal(out, &o))
	return o
}

// refuse makes the account refuse one operation.
func (d *desk) refuse(service, action string) {
	d.t.Helper()
	d.ask(d.t, http.MethodPost, "rules", emulator.RuleSpec{Service: service, Action: action, Fail: &emulator.FailSpec{
		Status: 400, Code: "AccessDeniedException", Message: "User is not authorized to perform: " + service + ":" + action,
	}}, nil)
}

func (d *desk) calls(service, action string) []emulator.Call {
	d.t.Helper()
	var calls []emulator.Call
	d.ask(d.t, http.MethodGet, "calls?service="+service+"&action="+action, nil, &calls)
	return calls
}

// do runs a command behind make in a pipe, with the exit code that make hides.
func (d *desk) do(args ...string) (stdout, stderr string, code int) {
	d.t.Helper()
	cmd := d.command(".local/bin/stack", args...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	return out.String(), problems.String(), exitCode(err)
}

// typed is a user at a terminal.
type typed struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen bytes.Buffer
	done chan struct{}
	err  error
}

// terminal runs a command on a pseudo-terminal of its own, as the leader of a session, which is what a login is.
func (d *desk) terminal(columns uint16, env []string, name string, args ...string) *typed {
	d.t.Helper()
	cmd := d.command(name, args...)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], append([]string{"TERM=xterm"}, env...)...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: columns})
	require.NoError(d.t, err)
	p := &typed{t: d.t, tty: tty, cmd: cmd, done: make(chan struct{})}
	go func() {
		chunk := make([]byte, 4096)
		for {
			n, err := tty.Read(chunk)
			p.mu.Lock()
			p.seen.Write(chunk[:n])
			p.mu.Unlock()
			// A program that asks the terminal for the cursor's position waits for an answer.
			if bytes.Contains(chunk[:n], []byte("\x1b[6n")) {
				_, _ = tty.WriteString("\x1b[1;1R")
			}
			if err != nil {
				break
			}
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	d.t.Cleanup(func() {
		_ = tty.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	})
	return p
}

var escape = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])`)

func (p *typed) raw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *typed) text() string {
	return strings.ReplaceAll(escape.ReplaceAllString(p.raw(), ""), "\r", "")
}

// sees waits until the terminal has shown something.
func (p *typed) sees(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if found := expression.FindStringSubmatch(p.text()); found != nil {
			return found
		}
		select {
		case <-p.done:
			time.Sleep(50 * time.Millisecond)
			if found := expression.FindStringSubmatch(p.text()); found != nil {
				return found
			}
			require.FailNow(p.t, "the command is over", "without %q:\n%s", pattern, p.text())
		default:
		}
		require.False(p.t, time.Now().After(deadline), "no %q:\n%s", pattern, p.text())
	}
}

func (p *typed) types(text string) {
	p.t.Helper()
	_, err := p.tty.WriteString(text)
	require.NoError(p.t, err)
}

// ends waits for the command's end and returns its exit code.
func (p *typed) ends() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * time.Minute):
		require.FailNow(p.t, "the command does not end", "%s", p.text())
	}
	return exitCode(p.err)
}

// opens waits until a shell answers in the session, and returns the session's id.
func (p *typed) opens() string {
	p.t.Helper()
	id := p.sees(`Starting session with SessionId: (\S+)`)[1]
	p.sees(`SessionId: \S+\n+[^\n]*[$#] `)
	return id
}

func seeded(n int, instance string, newest time.Time) []object {
	var list []object
	for i := range n {
		start := newest.Add(-time.Duration(i) * time.Minute)
		person := []string{"alice", "bob", "carol"}[i%3]
		list = append(list, object{
			"SessionId": fmt.Sprintf("%s-%017d", person, i), "Target": instance, "Status": "Terminated", "DocumentName": "SSM-SessionManagerRunShell", "Region": "us-east-2",
			"StartDate": start.Format(time.RFC3339), "EndDate": start.Add(30 * time.Second).Format(time.RFC3339), "Owner": "arn:aws:sts::123456789012:assumed-role/operators/" + person,
		})
	}
	return list
}
