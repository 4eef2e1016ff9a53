package toolchain

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// CLI is the Pulumi command that is used.
type CLI struct {
	Path, Version string
	// Installed says that it is the user's own, found on PATH, and not one of .local.
	Installed bool
}

// EnsureCLI returns an installed Pulumi CLI that is new enough, with its language host for Go, or else gets the pinned
// version into .local/bin.
func (t *Toolchain) EnsureCLI() (CLI, error) {
	if cli, ok := t.installedCLI(); ok {
		return cli, nil
	}
	path := filepath.Join(t.Bin(), "pulumi")
	cli := CLI{Path: path, Version: PulumiVersion}
	haveCLI := t.versionOf(path) == PulumiVersion
	haveHost := t.languageHostIsCurrent()
	if haveCLI && haveHost {
		return cli, nil
	}

	// The language host comes first: where there is a pulumi, everything it needs is there.
	get := step{name: "download the Pulumi CLI " + PulumiVersion, why: "none is installed that is new enough", usual: "under a minute"}
	err := t.run(get, func() error { return t.download(t.pulumiRelease(), t.Bin(), "pulumi-language-go", "pulumi") })
	if err == nil {
		if got := t.versionOf(path); got != PulumiVersion {
			return CLI{}, fmt.Errorf("the downloaded %s does not run here: `%s version` says %q, expected %s", path, path, got, PulumiVersion)
		}
		return cli, nil
	}
	if !isUnavailable(err) {
		return CLI{}, err
	}
	if !haveHost {
		if err := t.goBuild(buildLanguageHost, "the release cannot be downloaded", filepath.Join(t.Bin(), "pulumi-language-go")); err != nil {
			return CLI{}, err
		}
	}
	if !haveCLI {
		if err := t.goBuild(buildPulumi, "the release cannot be downloaded", path); err != nil {
			return CLI{}, err
		}
	}
	return cli, nil
}

// installedCLI looks for a sufficient pulumi on PATH. .local/bin does not count, although `make env` puts it there.
func (t *Toolchain) installedCLI() (CLI, bool) {
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(folder, "pulumi")
		if sameFile(folder, t.Bin()) || !isExecutable(path) {
			continue
		}
		version := t.versionOf(path)
		if !sufficient(version, PulumiVersion) {
			t.say("• the installed %s is not used: it is %s, needed is %s or newer of the same major version", path, orUnknown(version), PulumiVersion)
			return CLI{}, false
		}
		if !t.hasLanguageHost(path) {
			t.say("• the installed %s is not used: there is no pulumi-language-go beside it or on PATH", path)
			return CLI{}, false
		}
		return CLI{Path: path, Version: version, Installed: true}, true
	}
	return CLI{}, false
}

func (t *Toolchain) hasLanguageHost(cli string) bool {
	if real, err := filepath.EvalSymlinks(cli); err == nil && isExecutable(filepath.Join(filepath.Dir(real), "pulumi-language-go")) {
		return true
	}
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), filepath.Dir(cli)) {
		if !sameFile(folder, t.Bin()) && isExecutable(filepath.Join(folder, "pulumi-language-go")) {
			return true
		}
	}
	return false
}

// languageHostIsCurrent accepts the host that is pinned in tools/pins, and any other one (from a release archive, where
// it comes together with its CLI).
func (t *Toolchain) languageHostIsCurrent() bool {
	path := filepath.Join(t.Bin(), "pulumi-language-go")
	return t.builtAsPinned(path, buildLanguageHost) || isExecutable(path) && !builtFrom(path, "github.com/pulumi/pulumi/sdk/v3")
}

// versionOf asks a pulumi for its version; "" if it does not run or is not one.
func (t *Toolchain) versionOf(path string) string {
	if !isExecutable(path) {
		return ""
	}
	cmd := exec.Command(path, "version")
	// A PULUMI_HOME of our own, because even this command writes a log to it.
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_HOME="+t.PulumiHome())
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

var versionPattern = regexp.MustCompile(`^v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(\+.*)?$`)

// sufficient reports whether a version is of the wanted major version and not older. A pre-release of the wanted
// version is older than it.
func sufficient(version, wanted string) bool {
	have, want := versionPattern.FindStringSubmatch(version), versionPattern.FindStringSubmatch(wanted)
	if have == nil || want == nil || have[1] != want[1] {
		return false
	}
	for i := 2; i <= 3; i++ {
		h, _ := strconv.Atoi(have[i])
		w, _ := strconv.Atoi(want[i])
		if h != w {
			return h > w
		}
	}
	return have[4] == ""
}

func orUnknown(version string) string {
	if version == "" {
		return "of an unknown version (`pulumi version` fails)"
	}
	return version
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
