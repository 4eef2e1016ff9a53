package toolchain

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"

	"private-ec2-access/tools/buildtarget"
	"private-ec2-access/tools/environment"
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
		t.programFlags = flagsOf(t.installedHost(cli.Path))
		return cli, nil
	}
	path := filepath.Join(t.Bin(), "pulumi")
	cli := CLI{Path: path, Version: PulumiVersion}
	haveCLI := t.versionOf(path) == PulumiVersion
	if haveCLI && t.hasReleasedHost() {
		t.programFlags = buildtarget.ReleasedHostFlags
		return cli, nil
	}
	if !haveCLI || !t.builtAsPinned(t.builtHost(), buildLanguageHost) {
		get := step{name: "download the Pulumi CLI " + PulumiVersion, why: "none is installed that is new enough", usual: "under a minute"}
		err := t.run(get, func() error { return t.download(t.pulumiRelease(), t.Bin(), "pulumi-language-go", "pulumi") })
		if err == nil {
			if got := t.versionOf(path); got != PulumiVersion {
				return CLI{}, fmt.Errorf("the downloaded %s does not run here: `%s version` says %q, expected %s", path, path, got, PulumiVersion)
			}
			t.programFlags = flagsOf(t.languageHost())
			return cli, nil
		}
		if !isUnavailable(err) {
			return CLI{}, err
		}
	}
	t.programFlags = buildtarget.Flags
	return cli, t.buildCLI(haveCLI)
}

// buildCLI builds the CLI and its language host as far as they are missing. The language host comes first: where there is
// a pulumi, everything it needs is there.
func (t *Toolchain) buildCLI(haveCLI bool) error {
	const why = "the release cannot be downloaded"
	if !t.builtAsPinned(t.builtHost(), buildLanguageHost) {
		if err := t.goBuild(buildLanguageHost, why, t.builtHost()); err != nil {
			return err
		}
	}
	if err := t.ensureSameSources(buildHostFront, "", t.languageHost()); err != nil {
		return err
	}
	if haveCLI {
		return nil
	}
	return t.goBuild(buildPulumi, why, filepath.Join(t.Bin(), "pulumi"))
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
		if t.installedHost(path) == "" {
			t.say("• the installed %s is not used: there is no pulumi-language-go beside it or on PATH", path)
			return CLI{}, false
		}
		return CLI{Path: path, Version: version, Installed: true}, true
	}
	return CLI{}, false
}

// installedHost returns the language host that an installed CLI uses, or "".
func (t *Toolchain) installedHost(cli string) string {
	var folders []string
	if real, err := filepath.EvalSymlinks(cli); err == nil {
		folders = append(folders, filepath.Dir(real))
	}
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), filepath.Dir(cli)) {
		if !sameFile(folder, t.Bin()) {
			folders = append(folders, folder)
		}
	}
	for _, folder := range folders {
		if host := filepath.Join(folder, "pulumi-language-go"); isExecutable(host) {
			return host
		}
	}
	return ""
}

// flagsOf returns the flags with which a language host builds the program. A host from this project's toolchain, as in
// another checkout on PATH, does not trim paths: with the flags of a released one all packages would be compiled again.
func flagsOf(host string) []string {
	if isBuiltHost(host) {
		return buildtarget.Flags
	}
	return buildtarget.ReleasedHostFlags
}

// isBuiltHost reports whether a language host was built from Go modules: command pulumi-language-go, or the host behind it,
// which earlier versions of this project put in its place.
func isBuiltHost(path string) bool {
	return builtFrom(path, "private-ec2-access/tools") || builtFrom(path, "github.com/pulumi/pulumi/sdk/v3")
}

// languageHost is where the CLI of .local/bin finds its Go language host: the released one, or command pulumi-language-go,
// which looks for builtHost at its place beside .local/bin.
func (t *Toolchain) languageHost() string { return filepath.Join(t.Bin(), "pulumi-language-go") }

func (t *Toolchain) builtHost() string { return t.Path("language-host", "pulumi-language-go") }

// hasReleasedHost reports whether the language host came from a release archive, together with its CLI.
func (t *Toolchain) hasReleasedHost() bool {
	path := t.languageHost()
	return isExecutable(path) && !isBuiltHost(path)
}

// versionOf asks a pulumi for its version; "" if it does not run or is not one.
func (t *Toolchain) versionOf(path string) string {
	if !isExecutable(path) {
		return ""
	}
	cmd := exec.Command(path, "version")
	// A PULUMI_HOME of our own, because even this command writes a log to it.
	cmd.Env = append(environment.Clean(os.Environ()), "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_HOME="+t.PulumiHome())
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// sufficient reports whether a version is of the wanted major version and not older. A pre-release of the wanted
// version is older than it.
func sufficient(version, wanted string) bool {
	version, wanted = "v"+strings.TrimPrefix(version, "v"), "v"+strings.TrimPrefix(wanted, "v")
	return semver.IsValid(version) && semver.Major(version) == semver.Major(wanted) && semver.Compare(version, wanted) >= 0
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
