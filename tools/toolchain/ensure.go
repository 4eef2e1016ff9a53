package toolchain

import "sync"

// Tools is what a command on an emulated stack works with.
type Tools struct {
	CLI CLI
	// Python runs the emulator; empty if it was not asked for.
	Python string
}

// EnsureEmulated gets everything an emulated stack needs. Python is only needed to start an emulator, and finding out
// whether it has what it needs takes a second. The caller holds the lock.
func (t *Toolchain) EnsureEmulated(withPython bool) (Tools, error) {
	if err := t.CheckPlugin(); err != nil {
		return Tools{}, err
	}
	if withPython {
		if err := t.CheckPython(); err != nil {
			return Tools{}, err
		}
	}
	t.removeLeftovers()

	// pip mostly waits for the network, so it runs beside the builds. The Go builds go one after the other: each of
	// them uses every core, and together they need more memory than a small machine has.
	var (
		tools            Tools
		pythonErr, goErr error
		wait             sync.WaitGroup
	)
	if withPython {
		wait.Go(func() { tools.Python, pythonErr = t.EnsurePython() })
	}
	tools.CLI, goErr = t.EnsureCLI()
	for _, ensure := range []func() error{t.EnsurePlugin, t.EnsureEmulator} {
		if goErr == nil {
			goErr = ensure()
		}
	}
	wait.Wait()
	if goErr != nil {
		return Tools{}, goErr
	}
	return tools, pythonErr
}

// EnsureReal gets what a stack on a real account needs: the CLI. Plugins are the business of the user's own Pulumi
// there; the stand-in is never used on a real account. The caller holds the lock.
func (t *Toolchain) EnsureReal() (CLI, error) {
	t.removeLeftovers()
	return t.EnsureCLI()
}

// TestTools is what the tests work with.
type TestTools struct {
	CLI    CLI
	Python string
	// SessionPlugin is the session-manager-plugin; tests find it on PATH.
	SessionPlugin string
	// Bridge and Mirror are what the stand-in is made of; empty where there is no mirror, and tests of it are skipped.
	Bridge, Mirror string
}

// EnsureTests gets everything the tests need. The caller holds the lock.
func (t *Toolchain) EnsureTests() (TestTools, error) {
	tools, err := t.EnsureEmulated(true)
	if err != nil {
		return TestTools{}, err
	}
	result := TestTools{CLI: tools.CLI, Python: tools.Python}
	if result.SessionPlugin, err = t.EnsureSessionPlugin(); err != nil {
		return TestTools{}, err
	}
	if result.Mirror, err = t.ensureMirror(); err != nil {
		t.say("• the tests of the stand-in for the AWS plugin will be skipped: %v", err)
		return result, nil
	}
	result.Bridge = t.Bridge()
	return result, t.ensureBridge()
}
