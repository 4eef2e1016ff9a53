// Package e2e runs the real program through the real engine and the real Terraform AWS provider against the local emulator.
//
// It does not prove what only AWS can show: AWS may refuse a request that the emulator accepts, an endpoint here carries no
// traffic, and no policy is enforced. The provider's plugin is the stand-in where the official one cannot be downloaded.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/emulator"
)

// project returns the program's folder.
func project(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	return root
}

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run the tests with `make test`, or after eval \"$(.local/bin/stack testenv)\"", name)
	return value
}

// account is an AWS account of the local emulator.
type account struct {
	*emulator.Emulator
	*awsCLI
	t      *testing.T
	region string
}

func newAccount(t *testing.T, region string, rules ...emulator.Rule) *account {
	t.Helper()
	e, err := emulator.Start(context.Background(), emulator.Options{
		Python: setting(t, "EMULATOR_PYTHON"), Dir: t.TempDir(), Rules: rules,
	})
	require.NoError(t, err)
	t.Cleanup(e.Stop)
	return accountOf(t, e, region)
}

func accountOf(t *testing.T, e *emulator.Emulator, region string) *account {
	a := &account{Emulator: e, t: t, region: region}
	a.awsCLI = &awsCLI{test: t, environ: a.environment()}
	return a
}

// environment is this process's environment with the settings of this account in place of all other AWS and Pulumi
// settings.
func (a *account) environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "PULUMI_")
	})
	env = append(env, "AWS_ENDPOINT_URL="+a.URL(), "AWS_ACCESS_KEY_ID="+emulator.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.Secret(),
		"AWS_REGION="+a.region, "AWS_DEFAULT_REGION="+a.region, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	return append(env, more...)
}

// writes returns the calls since the last Reset that change the account.
func (a *account) writes() []string {
	var calls []string
	for _, call := range a.Calls() {
		if call.Writes() {
			calls = append(calls, call.Service+":"+call.Action)
		}
	}
	return calls
}

// object is a JSON object, read by a path such as "Vpcs[0].VpcId".
type object map[string]any

func (o object) at(path string) any {
	var value any = map[string]any(o)
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (o object) text(path string) string {
	if value := o.at(path); value != nil {
		return fmt.Sprint(value)
	}
	return ""
}

func (o object) list(path string) []object {
	items, _ := o.at(path).([]any)
	list := make([]object, len(items))
	for i, item := range items {
		list[i], _ = item.(map[string]any)
	}
	return list
}

// stack is a Pulumi stack of the program, in a project folder and with a backend of its own.
type stack struct {
	t       *testing.T
	in      *account
	name    string
	dir     string // the project's
	backend string
	env     []string
}

// sources copies what `pulumi up` needs of the project to a folder of its own, without the stacks.
func sources(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	root := project(t)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case slices.Contains([]string{"access", "components", "config", "internal", "program", "survey"}, name):
			require.NoError(t, os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(root, name))))
		case strings.HasSuffix(name, ".go") || slices.Contains([]string{"go.mod", "go.sum", "Pulumi.yaml"}, name):
			copyFile(t, filepath.Join(root, name), filepath.Join(to, name))
		}
	}
	return to
}

// builtProgram builds the program once for all tests.
var builtProgram = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, ".local", "bin", "program-under-test")
	cmd := exec.Command("go", "build", "-o", binary, "-buildvcs=false", "-ldflags=-w -s", ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// stub makes a project whose Go program does nothing but start the built one. Pulumi then compiles a few lines in each
// test in place of the AWS packages. The option of Pulumi.yaml for a program that is built already is ignored by the
// language host that can be built from Go modules.
func stub(t *testing.T) string {
	t.Helper()
	binary, err := builtProgram()
	require.NoError(t, err)
	to := t.TempDir()
	copyFile(t, filepath.Join(project(t), "Pulumi.yaml"), filepath.Join(to, "Pulumi.yaml"))
	start := fmt.Sprintf("package main\n\nimport (\n\t\"os\"\n\t\"syscall\"\n)\n\nfunc main() { panic(syscall.Exec(%q, os.Args, os.Environ())) }\n", binary)
	require.NoError(t, os.WriteFile(filepath.Join(to, "main.go"), []byte(start), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(to, "go.mod"), []byte("module start\n\ngo 1.25\n"), 0o600))
	return to
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
}

// newStack makes a stack of the built program on an account of the local emulator. Own are config keys of the project; a
// key with a colon is used as it is.
func newStack(t *testing.T, in *account, name string, own map[string]any) *stack {
	t.Helper()
	return newStackIn(t, stub(t), in, name, own)
}

// newStackIn makes a stack of the project in a folder: a stub, or the sources, which Pulumi then builds.
func newStackIn(t *testing.T, dir string, in *account, name string, own map[string]any) *stack {
	t.Helper()
	s := &stack{t: t, in: in, name: name, dir: dir, backend: t.TempDir()}
	config := map[string]any{
		"aws:region": in.region, "aws:s3UsePathStyle": "true", "aws:skipCredentialsValidation": "true", "private-ec2-access:emulated": true,
	}
	for key, value := range own {
		if !strings.Contains(key, ":") {
			key = "private-ec2-access:" + key
		}
		config[key] = value
	}
	s.write(config)
	s.must("stack", "init", name)
	return s
}

func (s *stack) write(config map[string]any) {
	s.t.Helper()
	text, err := yaml.Marshal(map[string]any{"config": config})
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "Pulumi."+s.name+".yaml"), text, 0o600))
}

// set changes one config key with `pulumi config set`.
func (s *stack) set(key, value string) {
	s.t.Helper()
	s.must("config", "set", "--path", "private-ec2-access:"+key, value, "--stack", s.name)
}

// run runs pulumi and returns its output.
func (s *stack) run(args ...string) (string, error) {
	cmd := exec.Command("pulumi", append([]string{"--non-interactive", "--color", "never", "--cwd", s.dir}, args...)...)
	cmd.Env = append(s.in.environment(
		"PULUMI_HOME="+filepath.Join(project(s.t), ".local", "pulumi"), "PULUMI_BACKEND_URL=file://"+s.backend,
		"PULUMI_CONFIG_PASSPHRASE=", "PULUMI_SKIP_UPDATE_CHECK=true",
	), s.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *stack) must(args ...string) string {
	s.t.Helper()
	out, err := s.run(args...)
	require.NoError(s.t, err, "pulumi %s\n%s", strings.Join(args, " "), out)
	return out
}

func (s *stack) up(args ...string) string {
	s.t.Helper()
	return s.must(append([]string{"up", "--yes", "--skip-preview", "--stack", s.name}, args...)...)
}

func (s *stack) preview(args ...string) (string, error) {
	return s.run(append([]string{"preview", "--stack", s.name}, args...)...)
}

func (s *stack) destroy() string {
	s.t.Helper()
	return s.must("destroy", "--yes", "--skip-preview", "--stack", s.name)
}

// requireNoChanges requires a preview after a refresh to show no changes.
func (s *stack) requireNoChanges() {
	s.t.Helper()
	out, err := s.preview("--refresh", "--expect-no-changes", "--diff")
	require.NoError(s.t, err, "%s", out)
}

func (s *stack) outputs() object {
	s.t.Helper()
	cmd := s.must("stack", "output", "--json", "--stack", s.name)
	var outputs object
	require.NoError(s.t, json.Unmarshal([]byte(cmd), &outputs), cmd)
	return outputs
}

// steps returns what a preview would do: the operation for each type and name, without unchanged resources.
func (s *stack) steps(args ...string) map[string]string {
	s.t.Helper()
	out := s.must(append([]string{"preview", "--json", "--stack", s.name}, args...)...)
	return stepsOf(s.t, out)
}

// stepsOf reads the steps of `pulumi preview --json`.
func stepsOf(t *testing.T, out string) map[string]string {
	t.Helper()
	var plan struct {
		Steps []struct {
			Op  string `json:"op"`
			URN string `json:"urn"`
		} `json:"steps"`
	}
	require.NoError(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &plan), out)
	steps := map[string]string{}
	for _, step := range plan.Steps {
		if step.Op == "same" || step.Op == "read" {
			continue
		}
		parts := strings.SplitN(step.URN, "::", 4)
		types := strings.Split(parts[2], "$")
		steps[types[len(types)-1]+" "+parts[3]] = step.Op
	}
	return steps
}

// texts collects every string in a value.
func texts(value any) (found []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			found = append(found, texts(item)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(append(found, key), texts(v[key])...)
		}
	case object:
		return texts(map[string]any(v))
	}
	return found
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
