package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// clone is a new user's checkout, with an empty home folder and without Pulumi on PATH.
type clone struct {
	t   *testing.T
	dir string
	env []string
}

// newFolder is the path of a checkout as people have them: with characters that shells, addresses and make take for their own, below a
// workspace of other Go modules.
func newFolder(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(parent, "go.work"), []byte("go 1.25\n"), 0o600))
	return filepath.Join(parent, "my #1 checkout, 100%41 d'été 한글")
}

func newClone(t *testing.T, releases string) *clone {
	t.Helper()
	return cloneTo(t, filepath.Join(t.TempDir(), "checkout"), releases)
}

func cloneTo(t *testing.T, dir, releases string) *clone {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o755))
	root := project(t)
	c := &clone{t: t, dir: dir}
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = root
	files, err := list.Output()
	require.NoError(t, err)
	for _, name := range strings.Split(strings.Trim(string(files), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, name), text, info.Mode()))
	}

	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "PULUMI_"), strings.HasPrefix(name, "MAKE"), name == "CI", name == "STACK":
		case name == "HOME":
		case name == "PATH":
			var folders []string
			for _, folder := range filepath.SplitList(value) {
				if _, err := os.Stat(filepath.Join(folder, "pulumi")); os.IsNotExist(err) {
					folders = append(folders, folder)
				}
			}
			c.env = append(c.env, "PATH="+strings.Join(folders, string(filepath.ListSeparator)))
		default:
			c.env = append(c.env, entry)
		}
	}
	c.env = append(c.env, "HOME="+t.TempDir(), "PRIVATE_EC2_ACCESS_RELEASES="+releases)
	for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"} { // Go's own caches are not the project's
		value, err := exec.Command("go", "env", name).Output()
		require.NoError(t, err)
		c.env = append(c.env, name+"="+strings.TrimSpace(string(value)))
	}
	c.must("git", "init", "--quiet")
	c.must("git", "add", "--all")
	c.must("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "checkout")
	return c
}

// withTools adds this machine's Pulumi, and the bridge and the Python that the tests use, so that only the project's own
// programs are built.
func (c *clone) withTools() *clone {
	c.t.Helper()
	cli, err := exec.LookPath("pulumi")
	require.NoError(c.t, err)
	for i, entry := range c.env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			c.env[i] = "PATH=" + filepath.Dir(cli) + string(filepath.ListSeparator) + path
		}
	}
	if bridge := os.Getenv("STANDIN_BRIDGE"); bridge != "" {
		require.NoError(c.t, os.MkdirAll(filepath.Join(c.dir, ".local", "bin"), 0o755))
		require.NoError(c.t, os.Symlink(bridge, filepath.Join(c.dir, ".local", "bin", "terraform-bridge")))
	}
	venv := filepath.Dir(filepath.Dir(setting(c.t, "EMULATOR_PYTHON")))
	require.NoError(c.t, os.MkdirAll(filepath.Join(c.dir, ".local"), 0o700))
	require.NoError(c.t, os.Symlink(venv, filepath.Join(c.dir, ".local", "venv")))
	c.t.Cleanup(func() { _, _ = c.run("make", "down") })
	return c
}

// onExistingBucket configures an existing bucket for session logs: the provider waits most of a minute for the lifecycle of
// a new one.
func (c *clone) onExistingBucket(name string) {
	c.t.Helper()
	out, err := c.shell("pulumi config set --path $(sed -n 's/^name: //p' Pulumi.yaml):logging.bucketName " + name + " && " +
		setting(c.t, "EMULATOR_PYTHON") + " -m awscli s3 mb s3://" + name)
	require.NoError(c.t, err, out)
}

func (c *clone) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd
}

func (c *clone) run(name string, args ...string) (string, error) {
	out, err := c.command(name, args...).CombinedOutput()
	return string(out), err
}

func (c *clone) must(name string, args ...string) string {
	c.t.Helper()
	out, err := c.run(name, args...)
	require.NoError(c.t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return out
}

// shell runs a line with the environment that `make env` prints.
func (c *clone) shell(line string) (string, error) {
	return c.run("bash", "-c", `eval "$(make -s env 2>/dev/null)" && `+line)
}

func (c *clone) requireClean() {
	c.t.Helper()
	require.Empty(c.t, c.must("git", "status", "--porcelain"))
}

// releaseServer serves the Pulumi CLI of this machine's toolchain as a release, and returns the name and the sum of its
// archive. It has no AWS plugin, so the stand-in is built.
func releaseServer(t *testing.T) (server *httptest.Server, name, checksum string) {
	t.Helper()
	cli, err := exec.LookPath("pulumi")
	require.NoError(t, err)
	host, err := exec.LookPath("pulumi-language-go")
	require.NoError(t, err)
	built := filepath.Join(filepath.Dir(host), "..", "language-host", "pulumi-language-go")
	if _, err := os.Stat(built); err == nil {
		host = built // the one on PATH is the project's own command in front of it
	}
	archive := filepath.Join(t.TempDir(), "release.tar.gz")
	out, err := os.Create(archive)
	require.NoError(t, err)
	sum := sha256.New()
	packed, err := gzip.NewWriterLevel(io.MultiWriter(out, sum), gzip.BestSpeed)
	require.NoError(t, err)
	pack := tar.NewWriter(packed)
	for _, file := range []string{cli, host} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, pack.WriteHeader(&tar.Header{Name: "pulumi/" + filepath.Base(file), Mode: 0o755, Size: int64(len(text))}))
		_, err = pack.Write(text)
		require.NoError(t, err)
	}
	require.NoError(t, pack.Close())
	require.NoError(t, packed.Close())
	require.NoError(t, out.Close())
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	name = fmt.Sprintf("pulumi-v3.259.0-%s-%s.tar.gz", runtime.GOOS, arch)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pulumi/pulumi/releases/download/v3.259.0/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, archive) })
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, name, hex.EncodeToString(sum.Sum(nil))
}

// A new user runs the two commands of the README, and then the others.
func TestMake_FreshClone_AllCommands(t *testing.T) {
	t.Parallel()
	server, release, checksum := releaseServer(t)
	c := newClone(t, server.URL)
	t.Cleanup(func() { _, _ = c.run("make", "down") })

	// git clone with core.autocrlf=true keeps the line ends of scripts.
	c.must("git", "-c", "core.autocrlf=true", "checkout-index", "--prefix=.local/written/", "scripts/check")
	script, err := os.ReadFile(filepath.Join(c.dir, ".local", "written", "scripts", "check"))
	require.NoError(t, err)
	require.NotContains(t, string(script), "\r")

	// A download with a wrong checksum is an error: it is neither used nor replaced by a build.
	out, err := c.run("make", "up")
	require.Error(t, err)
	require.Contains(t, out, "the checksum of "+server.URL)
	require.Contains(t, out, "(from tools/toolchain/pins.go)")
	require.Contains(t, out, "got      "+checksum)
	require.NoFileExists(t, filepath.Join(c.dir, ".local", "bin", "pulumi"))
	pins, err := os.ReadFile(filepath.Join(c.dir, "tools", "toolchain", "pins.go"))
	require.NoError(t, err)
	pinned := regexp.MustCompile(`("`+regexp.QuoteMeta(release)+`": *)"[0-9a-f]{64}"`).ReplaceAllString(string(pins), `${1}"`+checksum+`"`)
	require.NotEqual(t, string(pins), pinned)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "tools", "toolchain", "pins.go"), []byte(pinned), 0o644))
	c.must("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-qam", "Pin the release of the test")

	out = c.must("make", "up")
	screen(t, "up", out)
	require.FileExists(t, filepath.Join(c.dir, ".local", "bin", "pulumi"))
	c.requireClean()

	out = c.must("make", "up")
	require.Contains(t, out, "No changes. The 31 AWS resources of the stack local are")
	screen(t, "preview-none", c.must("make", "preview", "ARGS=--refresh --expect-no-changes"))
	c.requireClean()
	c.requireScreens()
	c.requireClean()

	// JSON on standard output, and nothing else.
	cmd := c.command("make", "-s", "outputs")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var outputs object
	require.NoError(t, json.Unmarshal(stdout, &outputs), "%s", stdout)
	require.NotEmpty(t, outputs.text("instanceIds.app"))

	// Plain pulumi and aws.
	out, err = c.shell("pulumi preview --non-interactive --expect-no-changes")
	require.NoError(t, err, out)
	out, err = c.shell(setting(t, "EMULATOR_PYTHON") + " -m awscli ec2 describe-vpcs --vpc-ids " + outputs.text("vpcId"))
	require.NoError(t, err, out)
	require.Contains(t, out, outputs.text("vpcId"))

	// A local stack refuses settings of a real account, and the reverse.
	out, err = c.shell("make up STACK=dev")
	require.Error(t, err)
	require.Contains(t, out, "AWS_ENDPOINT_URL")
	require.NotContains(t, out, "Updating")
	c.requireClean()

	// A killed emulator forgets everything. The stack's state does not, and the next command recovers.
	text, err := os.ReadFile(filepath.Join(c.dir, ".local", "emulator", "emulator.json"))
	require.NoError(t, err)
	var running struct{ PID int }
	require.NoError(t, json.Unmarshal(text, &running))
	require.NoError(t, syscall.Kill(running.PID, syscall.SIGKILL))
	out = c.must("make", "up")
	require.Contains(t, out, "the emulator was restarted and has lost the ")
	require.Contains(t, out, "So the state is refreshed")
	require.Contains(t, out, "created")
	out = c.must("make", "preview", "ARGS=--refresh --expect-no-changes")
	require.Contains(t, out, "No changes. The 31 AWS resources of the stack local are")

	before, err := c.shell(setting(t, "EMULATOR_PYTHON") + " -m awscli ec2 describe-vpcs --query 'length(Vpcs)'")
	require.NoError(t, err)
	require.Equal(t, "2", strings.TrimSpace(before), "the stack's and the account's default one")
	out = c.must("make", "destroy")
	screen(t, "destroy", out)
	after, err := c.shell(setting(t, "EMULATOR_PYTHON") + " -m awscli ec2 describe-vpcs --query 'length(Vpcs)'")
	require.NoError(t, err)
	require.Equal(t, "1", strings.TrimSpace(after))
	c.requireClean()

	c.must("make", "down")
	require.NoFileExists(t, filepath.Join(c.dir, ".local", "emulator", "emulator.json"))
	c.must("make", "clean")
	require.NoDirExists(t, filepath.Join(c.dir, ".local"))
	c.requireClean()
	require.Contains(t, c.must("make"), "make up")
}
