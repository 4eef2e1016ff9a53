// Package buildtarget builds the Pulumi program once for each state of its sources, so that Pulumi does not link an unchanged
// program in every run.
//
// The released Go language host does so itself when Pulumi.yaml names a buildTarget. The last host that can be built from
// Go modules ignores that option; command pulumi-language-go makes up for it.
package buildtarget

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/lockedfile"

	"private-ec2-access/tools/environment"
)

// Path is the built program, relative to the program's folder. Pulumi.yaml names it as runtime.options.buildTarget.
// Windows would not run a file without an extension.
const Path = ".local/program.bin"

// The flags of go build. They leave out what a run does not need: debug information, which takes half of the linker's
// time, and the commit, which would have the program linked again after each one.
var (
	// ReleasedHostFlags are those of the released language host. Programs built with others are linked again by it.
	ReleasedHostFlags = []string{"-buildvcs=false", "-trimpath", "-ldflags=-w -s"}
	// Flags share the compiled packages with go test, which does not trim paths.
	Flags = []string{"-buildvcs=false", "-ldflags=-w -s"}
)

// Build runs go build in the program's folder by way of run. Where Path is up to date, go build leaves it alone. Builds
// in the same folder wait for each other; no other one begins before unlock is called, or this process ends.
func Build(folder string, flags []string, run func(*exec.Cmd) error) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(Path)), 0o755); err != nil {
		return nil, err
	}
	unlock, err = lockedfile.MutexAt(filepath.Join(folder, Path+".lock")).Lock()
	if err != nil {
		return nil, fmt.Errorf("waiting for another build of the program: %w", err)
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", Path}, flags...), ".")...)
	cmd.Dir, cmd.Env = folder, append(environment.Clean(os.Environ()), environment.GoBuild...)
	if err := run(cmd); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// Exec builds the program in the working folder and becomes it. The lock is given up by that, and not before: a build that
// ran next to it could replace the file while it is being started.
func Exec() error {
	unlock, err := Build(".", Flags, func(cmd *exec.Cmd) error {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		return cmd.Run()
	})
	if err != nil {
		return fmt.Errorf("building the program: %w", err)
	}
	defer unlock()
	return fmt.Errorf("starting %s: %w", Path, syscall.Exec(Path, []string{Path}, os.Environ()))
}
