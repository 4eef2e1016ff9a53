// Package toolchain gets everything the project's commands need, into one ignored folder of the project (.local), and
// touches nothing else on the machine (the caches of Go and pip excepted).
//
// Each part is had in the best way that works here: what is installed, else the official release whose checksum is in
// pins.go, else a build from Go modules whose hashes are in go.sum. Everything is put in place by one rename, so that a step that is killed
// leaves nothing half-finished behind.
package toolchain

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Environment variables that change where the toolchain looks.
const (
	// MirrorVariable names the Terraform filesystem mirror to use, and no other.
	MirrorVariable = "PRIVATE_EC2_ACCESS_TERRAFORM_MIRROR"
	// ReleasesVariable names a server that holds the releases in place of the official ones, with the same paths.
	ReleasesVariable = "PRIVATE_EC2_ACCESS_RELEASES"
)

const (
	officialReleases   = "https://github.com"
	officialTerraforms = "https://releases.hashicorp.com"
)

// Toolchain is the set of tools of one checkout of the project.
type Toolchain struct {
	// Root is the project's folder, the one with Pulumi.yaml.
	Root string
	// Out receives the progress. It is never standard output, which belongs to the commands' results.
	Out io.Writer

	// The rest has defaults that only tests change.
	os, arch    string
	releases    string
	hashicorp   string // the server of Terraform providers
	client      *http.Client
	every       time.Duration // between the lines of a step that goes on
	lockQuiet   time.Duration // after which waiting for the lock is mentioned
	mirrorRoots []string
	// programFlags are the flags with which the language host in use builds the program. EnsureCLI sets them.
	programFlags []string

	mu   sync.Mutex // guards Out
	tell sync.Once  // that the steps were cancelled
	// programs are the running ones of steps.
	programs sync.Map
}

// New returns the toolchain of the project in root, which reports its progress to out.
func New(root string, out io.Writer) *Toolchain {
	releases, hashicorp := officialReleases, officialTerraforms
	if own := os.Getenv(ReleasesVariable); own != "" {
		releases, hashicorp = own, own
	}
	return &Toolchain{
		Root:        root,
		Out:         out,
		os:          runtime.GOOS,
		arch:        runtime.GOARCH,
		releases:    releases,
		hashicorp:   hashicorp,
		client:      newClient(),
		every:       15 * time.Second,
		lockQuiet:   500 * time.Millisecond,
		mirrorRoots: defaultMirrorRoots(),
	}
}

// Path returns a path inside the project's .local folder.
func (t *Toolchain) Path(elements ...string) string {
	return filepath.Join(append([]string{t.Root, ".local"}, elements...)...)
}

// Bin is the folder of the commands that were downloaded or built. It is put on the PATH of real stacks too, so it
// must never hold an executable whose name begins with pulumi-resource-: the Pulumi CLI would take that for a plugin.
func (t *Toolchain) Bin() string { return t.Path("bin") }

// PulumiHome is the PULUMI_HOME of emulated stacks.
func (t *Toolchain) PulumiHome() string { return t.Path("pulumi") }

// Lock keeps two commands of the same checkout from preparing the toolchain or starting the emulator at the same time.
// It says so when it has to wait. The lock ends with unlock, or with the process.
func (t *Toolchain) Lock() (unlock func(), err error) {
	// Nobody else has any business in it: it holds the emulator's secret, the state of its stacks, and logs.
	if err := errors.Join(os.MkdirAll(t.Path(), 0o700), os.Chmod(t.Path(), 0o700)); err != nil {
		return nil, explain(err)
	}
	s := step{name: "wait for another command of this checkout, which prepares the toolchain or the emulator", quiet: t.lockQuiet, waits: true}
	err = t.run(s, func() error {
		unlock, err = lockedfile.MutexAt(t.Path("lock")).Lock()
		return err
	})
	return unlock, err
}

func (t *Toolchain) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.Out, format+"\n", args...)
}

// explain adds what to do to the errors of a machine that is out of space.
func explain(err error) error {
	if err == nil || !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w\n  The disk is full. A first run needs about 8 GB in .local and Go's caches (`go env GOCACHE GOMODCACHE`). "+
		"Make room and run the same command again: finished parts are kept", err)
}
