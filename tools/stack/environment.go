package stack

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/tools/environment"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/toolchain"
)

// Environment is the difference between the caller's environment and the one that Pulumi and the AWS CLI get.
type Environment struct {
	names  []string
	values map[string]string
	// unset are the caller's variables that a shell has to drop.
	unset []string
	// clean removes from the caller's environment what its programs must not see; nil removes only unset.
	clean func(environ []string) []string
}

func (e *Environment) set(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	e.names = append(e.names, name)
	e.values[name] = value
}

// setParallel lets Pulumi work on 32 resources at once, unless the caller chose another number. Its default is four for
// each CPU: with 8, a stack of 50 instances takes half as long again to create, and more than twice as long to delete.
func (e *Environment) setParallel(caller []string) {
	number := process.Variable(caller, "PULUMI_PARALLEL")
	if n, err := strconv.Atoi(number); err != nil || n < 1 {
		number = "32"
	}
	e.set("PULUMI_PARALLEL", number)
}

// Exports returns the environment as lines for a shell: eval "$(make -s env)".
func (e *Environment) Exports() string {
	var b strings.Builder
	for _, name := range e.unset {
		fmt.Fprintf(&b, "unset %s\n", name)
	}
	for _, name := range e.names {
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(e.values[name]))
	}
	return b.String()
}

func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// Apply returns the caller's environment with the difference applied.
func (e *Environment) Apply(environ []string) []string {
	if e.clean != nil {
		environ = e.clean(environ)
	}
	var result []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if _, replaced := e.values[name]; !replaced && !slices.Contains(e.unset, name) {
			result = append(result, entry)
		}
	}
	for _, name := range e.names {
		result = append(result, name+"="+e.values[name])
	}
	return result
}

// ofAnotherStack are the variables that would send plain pulumi and aws to a real account or to another backend, or that change
// what they do. The programs that are run here see even less: environment.Clean.
var ofAnotherStack = regexp.MustCompile(`^(AWS|PULUMI|TF|BOTO|MOTO)_`)

// changesAnswers are variables of a user that would make an update fail, or answer the question whether to go on. The AWS identity,
// the endpoints and the login to the backend are the user's own.
var changesAnswers = regexp.MustCompile(`^(AWS_RETRY_MODE|AWS_MAX_ATTEMPTS|AWS_DEFAULTS_MODE|AWS_CLI_AUTO_PROMPT|AWS_CLI_ERROR_FORMAT|` +
	`PULUMI_SKIP_CONFIRMATIONS|PULUMI_OPTION_.+|PULUMI_CONFIG|PULUMI_CONFIG_FILE|PULUMI_STACK|GOOS|GOARCH|GO111MODULE|GOEXPERIMENT|CGO_ENABLED|CC|CXX|TF_.+)$`)

func (e *Environment) unsetMatching(pattern *regexp.Regexp, caller []string) {
	for _, entry := range caller {
		if name, _, _ := strings.Cut(entry, "="); pattern.MatchString(name) {
			e.unset = append(e.unset, name)
		}
	}
	slices.Sort(e.unset)
}

// setGo lets the program be built in any checkout, as the toolchain builds.
func (e *Environment) setGo() {
	for _, entry := range environment.GoBuild {
		name, value, _ := strings.Cut(entry, "=")
		e.set(name, value)
	}
}

// EmulatedEnvironment is complete: nothing of the caller's AWS identity or Pulumi login is left, so an emulated stack
// cannot reach a real account, and a variable that the caller happens to have cannot change what it does.
func EmulatedEnvironment(s *Stack, t *toolchain.Toolchain, cli toolchain.CLI, emulator Running, caller []string) *Environment {
	e := &Environment{clean: environment.Clean}
	e.unsetMatching(ofAnotherStack, caller)
	proxied := false
	for _, entry := range caller {
		name, value, _ := strings.Cut(entry, "=")
		if strings.EqualFold(name, "HTTP_PROXY") || strings.EqualFold(name, "ALL_PROXY") {
			proxied = proxied || value != ""
		}
	}

	path := pathWith(filepath.Dir(cli.Path), t, process.Variable(caller, "PATH"))
	if filepath.Dir(cli.Path) != t.Bin() {
		// The session-manager-plugin is there, where the user has none.
		path += string(filepath.ListSeparator) + t.Bin()
	}
	if venv := t.Path("venv", "bin"); isFolder(venv) {
		// Its AWS CLI serves where the user has none.
		path += string(filepath.ListSeparator) + venv
	}
	e.set("PATH", path)
	e.set("PULUMI_HOME", t.PulumiHome())
	e.set("PULUMI_BACKEND_URL", fileURL(t.Path("state")))
	e.set("PULUMI_CONFIG_PASSPHRASE", "")
	e.set("PULUMI_SKIP_UPDATE_CHECK", "true")
	e.setParallel(caller)
	e.set("AWS_ENDPOINT_URL", emulator.URL)
	e.set("AWS_ACCESS_KEY_ID", "test")
	e.set("AWS_SECRET_ACCESS_KEY", emulator.Secret)
	e.set("AWS_REGION", s.Region)
	e.set("AWS_DEFAULT_REGION", s.Region) // version 1 of the AWS CLI reads only this one
	e.set("AWS_EC2_METADATA_DISABLED", "true")
	e.set("AWS_CONFIG_FILE", os.DevNull)
	e.set("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	// A setting of the caller may name a file that does not exist, which stops the Terraform provider.
	e.set("TF_CLI_CONFIG_FILE", t.Path("terraform.tfrc"))
	e.setGo()
	if proxied {
		// The AWS CLI, unlike Go programs, sends even loopback requests to a proxy.
		bypass := "127.0.0.1,localhost"
		for _, name := range []string{"no_proxy", "NO_PROXY"} {
			if own := process.Variable(caller, name); own != "" {
				bypass = own + "," + bypass
			}
		}
		e.set("NO_PROXY", bypass)
		e.set("no_proxy", bypass)
	}
	return e
}

// RealEnvironment changes little: a stack on a real account uses the user's own Pulumi login, plugins and AWS identity. It adds
// the CLI if the user has none.
func RealEnvironment(t *toolchain.Toolchain, cli toolchain.CLI, caller []string) *Environment {
	e := &Environment{}
	e.unsetMatching(changesAnswers, caller)
	if !cli.Installed {
		e.set("PATH", pathWith(filepath.Dir(cli.Path), t, process.Variable(caller, "PATH")))
	}
	e.set("PULUMI_SKIP_UPDATE_CHECK", "true")
	e.setParallel(caller)
	e.setGo()
	return e
}

// fileURL is a path as the address of a backend: # and ? would end it, and % begins a code.
func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// pathWith puts the folder of the CLI first. An earlier .local/bin goes, so that PATH does not grow with every `eval`.
func pathWith(folder string, t *toolchain.Toolchain, path string) string {
	folders := []string{folder}
	for _, f := range filepath.SplitList(path) {
		if f != t.Bin() && f != folder {
			folders = append(folders, f)
		}
	}
	return strings.Join(folders, string(filepath.ListSeparator))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// RefuseLeak fails if the caller's environment carries settings of an emulated stack (left by `eval "$(make -s env)"`,
// say), with which a command on a real account would work on the emulator, or with invented credentials.
func RefuseLeak(s *Stack, t *toolchain.Toolchain, caller []string) error {
	if s.Emulated {
		return nil // Its own environment replaces all of it.
	}
	reasons, names := leaks(t, caller)
	if len(reasons) == 0 {
		return nil
	}
	fix := "unset " + strings.Join(names, " ")
	if left, _ := leaks(t, undone(caller)); len(left) == 0 {
		fix = `eval "$(make -s env UNDO=1)"` + "\n  Afterwards, as before: " + screen.Environment(s.Name)
	}
	return fmt.Errorf("the stack %s is on a real AWS account (%s does not say `%s:emulated: true`), but the environment has settings of the local emulator:\n  - %s\n"+
		"  Nothing was run. Open a new shell, or: %s",
		s.Name, filepath.Base(s.File()), s.Project, strings.Join(reasons, "\n  - "), fix)
}

// leaks are the settings of the local emulator in an environment, and the variables to unset.
func leaks(t *toolchain.Toolchain, environ []string) (reasons, names []string) {
	blame := func(name, reason string) {
		reasons = append(reasons, reason)
		names = append(names, name)
	}
	local := fileURL(t.Path())
	inLocal := func(path string) bool {
		if strings.HasPrefix(path, local+"/") {
			return true
		}
		return path == t.Path() || strings.HasPrefix(path, t.Path()+string(filepath.Separator))
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "AWS_ENDPOINT_URL") && isLoopback(value):
			blame(name, fmt.Sprintf("%s=%s is an address on this machine", name, value))
		case name == "AWS_ACCESS_KEY_ID" && value == "test":
			blame("AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID=test is the key of the local emulator")
		case (name == "AWS_CONFIG_FILE" || name == "AWS_SHARED_CREDENTIALS_FILE") && value == os.DevNull:
			blame(name, name+"="+value+" hides your AWS configuration")
		case name == "PULUMI_HOME" && inLocal(value), name == "PULUMI_BACKEND_URL" && inLocal(value), name == "PULUMI_BACKEND_URL" && inLocal(strings.TrimPrefix(value, "file://")):
			blame(name, fmt.Sprintf("%s=%s belongs to the local emulator", name, value))
		}
	}
	if len(reasons) == 0 {
		return nil, nil
	}
	// The rest of the same set does harm as well, once these are gone.
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == "PULUMI_CONFIG_PASSPHRASE" && value == "", name == "AWS_EC2_METADATA_DISABLED", name == "TF_CLI_CONFIG_FILE" && inLocal(value):
			names = append(names, name)
		}
	}
	slices.Sort(reasons)
	return reasons, names
}

func isLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		u, err = url.Parse("//" + address)
		if err != nil {
			return false
		}
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsUnspecified()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "localhost.localstack.cloud"
}
