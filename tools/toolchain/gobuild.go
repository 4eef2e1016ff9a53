package toolchain

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"private-ec2-access/tools/buildtarget"
	"private-ec2-access/tools/environment"
)

// build is one Go program of the toolchain.
type build struct {
	step
	// folder is where go build runs, relative to the project: the module that pins the versions.
	folder string
	pkg    string
	// ldflags are handed to the linker.
	ldflags string
}

var (
	buildPulumi = build{
		step:    step{name: "build the Pulumi CLI " + PulumiVersion + " from Go modules", usual: "3 to 4 minutes on 2 cores the first time"},
		folder:  "tools/pins/pulumi",
		pkg:     "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
		ldflags: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + PulumiVersion,
	}
	buildLanguageHost = build{
		step:   step{name: "build Pulumi's Go language host", usual: "15 seconds"},
		folder: "tools/pins/pulumi-language-go",
		pkg:    "github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go",
	}
	buildHostFront = build{
		step:   step{name: "build the command in front of the language host", usual: "seconds"},
		folder: "tools",
		pkg:    "./cmd/pulumi-language-go",
	}
	buildBridge = build{
		step:   step{name: "build Pulumi's bridge to Terraform providers", usual: "1 to 2 minutes the first time"},
		folder: "tools/pins/terraform-bridge",
		pkg:    "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic",
	}
	buildStandIn = build{
		step:   step{name: "build the stand-in for the AWS plugin", usual: "10 to 60 seconds the first time"},
		folder: "tools",
		pkg:    "./cmd/pulumi-resource-aws",
	}
	buildEmulator = build{
		step:   step{name: "build the emulator command", usual: "seconds"},
		folder: "tools",
		pkg:    "./cmd/emulator",
	}
	buildSessionPlugin = build{
		step:    step{name: "build the AWS CLI's session-manager-plugin from its Go module", usual: "15 to 60 seconds the first time"},
		folder:  "tools/pins/session-manager-plugin",
		pkg:     "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main",
		ldflags: "-s -w",
	}
)

// goBuild builds a program and puts it at the path by one rename.
func (t *Toolchain) goBuild(b build, why, path string) error {
	b.why = why
	return t.run(b.step, func() error {
		if _, err := exec.LookPath("go"); err != nil {
			return fmt.Errorf("there is no `go` on PATH: install Go (the version in go.mod or newer) from https://go.dev/dl/")
		}
		temporary, err := t.temporary("build")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		built := filepath.Join(temporary, filepath.Base(path))

		cmd := exec.Command("go", "build", "-o", built, "-ldflags", b.ldflags, b.pkg)
		cmd.Dir = filepath.Join(t.Root, b.folder)
		cmd.Env = append(environment.Clean(os.Environ()), environment.GoBuild...)
		cmd.Env = append(cmd.Env, "GOTMPDIR="+temporary) // a killed build leaves hundreds of megabytes there
		fix := "the build needs a Go module proxy that can be reached (`go env GOPROXY`); run the same command again when it can, what is downloaded is kept"
		if err := t.command("build-"+filepath.Base(path), fix, cmd); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.Rename(built, path)
	})
}

// ensureSameSources builds one of the project's own programs again when its sources have changed. Comparing sources
// costs milliseconds, where go build costs the linking of a large program each time.
func (t *Toolchain) ensureSameSources(b build, why, path string) error {
	sources, err := t.hashSources()
	if err != nil {
		return err
	}
	stamp := path + ".sources"
	old, _ := os.ReadFile(stamp)
	if string(old) == sources && isExecutable(path) {
		return nil
	}
	if len(old) > 0 {
		why = "its sources have changed"
	}
	if err := os.Remove(stamp); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := t.goBuild(b, why, path); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(sources), 0o644)
}

// hashSources covers everything under tools that can be part of the stand-in or the emulator.
func (t *Toolchain) hashSources() (string, error) {
	root := filepath.Join(t.Root, "tools")
	hash := sha256.New()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		if entry.IsDir() {
			switch relative {
			case "pins", "toolchain", "stack", filepath.Join("cmd", "stack"):
				return filepath.SkipDir
			}
			if entry.Name() == "testdata" || entry.Name() == "__pycache__" {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(relative, "_test.go") || !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %x\n", filepath.ToSlash(relative), sha256.Sum256(content))
		return nil
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}

// builtAsPinned reports whether a program was built from the module version that a module of tools/pins requires. The
// program says so itself, so no second record of it can be wrong.
func (t *Toolchain) builtAsPinned(path string, b build) bool {
	if !isExecutable(path) {
		return false
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil || info.Path != b.pkg {
		return false
	}
	pinned, err := os.ReadFile(filepath.Join(t.Root, b.folder, "go.mod"))
	if err != nil {
		return false
	}
	want := requiredVersion(string(pinned), info.Main.Path)
	return want != "" && want == info.Main.Version
}

func requiredVersion(gomod, module string) string {
	match := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + `\s+(\S+)`).FindStringSubmatch(gomod)
	if match == nil {
		return ""
	}
	return match[1]
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// CompileProgram builds the Pulumi program where the language host finds it. The host does the same in each run, but says
// nothing, and the AWS packages take more than a minute the first time.
func (t *Toolchain) CompileProgram() error {
	if sources, _ := filepath.Glob(filepath.Join(t.Root, "*.go")); len(sources) == 0 {
		return nil
	}
	s := step{name: "compile the Pulumi program", usual: "80 seconds and 4 GB of memory the first time, then seconds", quiet: 1500 * time.Millisecond}
	return t.run(s, func() error {
		unlock, err := buildtarget.Build(t.Root, t.programFlags, func(cmd *exec.Cmd) error {
			return t.command("compile-program", "correct the error above; `go build -o /dev/null .` shows the same", cmd)
		})
		if err == nil {
			unlock()
		}
		return err
	})
}

// builtFrom reports whether a program's main package lies in the module.
func builtFrom(path, module string) bool {
	info, err := buildinfo.ReadFile(path)
	return err == nil && info.Main.Path == module
}
