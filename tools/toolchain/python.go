package toolchain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"private-ec2-access/tools/environment"
)

// Emulator is the command that runs the emulated AWS.
func (t *Toolchain) Emulator() string { return filepath.Join(t.Bin(), "emulator") }

// EnsureEmulator builds the emulator command, again when its sources have changed.
func (t *Toolchain) EnsureEmulator() error {
	return t.ensureSameSources(buildEmulator, "", t.Emulator())
}

const installVenv = "on Debian and Ubuntu the module venv is a package of its own: apt-get install python3-venv"

// findPython returns the python3 on PATH.
func findPython() (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("there is no python3 on PATH, which runs the local emulator.\n  Fix: install Python 3.10 or later")
	}
	return python, nil
}

// CheckPython fails if Python cannot run the emulator here. It takes a moment, so that nobody waits for minutes of builds first.
func (t *Toolchain) CheckPython() error {
	if runs(t.Path("venv", "bin", "python3"), "import moto") {
		return nil
	}
	python, err := findPython()
	switch {
	case err != nil:
		return err
	case !runs(python, "import sys; sys.exit(sys.version_info < (3, 10))"):
		return fmt.Errorf("%s is too old, or does not run.\n  Fix: install Python 3.10 or later", python)
	case !runs(python, "import venv, ensurepip"):
		return fmt.Errorf("%s lacks the module venv, which the local emulator is installed with. Nothing was built.\n  Fix: %s", python, installVenv)
	}
	return nil
}

// runs reports whether Python runs a line without an error.
func runs(python, line string) bool {
	cmd := exec.Command(python, "-c", line)
	cmd.Env = environment.Clean(os.Environ())
	return cmd.Run() == nil
}

// EnsurePython returns the interpreter of the virtual environment in .local/venv, with the pinned packages of the local
// emulator. pip compares each of them with its hash in requirements.txt; a moto that is installed elsewhere is not used. A
// half-finished installation is done again.
func (t *Toolchain) EnsurePython() (string, error) {
	requirements := filepath.Join(t.Root, "tools", "emulator", "moto", "requirements.txt")
	content, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	wanted := regexp.MustCompile(`(?m)^moto==([^\s;#\\]+)`).FindSubmatch(content)
	if wanted == nil {
		return "", fmt.Errorf("%s must pin moto by a line like moto==5.2.1", requirements)
	}
	version := string(wanted[1])

	venv := t.Path("venv")
	python3 := filepath.Join(venv, "bin", "python3")
	sum := sha256.Sum256(content)
	marker, hash := filepath.Join(venv, "installed-requirements"), hex.EncodeToString(sum[:])
	// Running it finds a base interpreter that was upgraded or removed since.
	if old, _ := os.ReadFile(marker); string(old) == hash && runs(python3, "import moto, awscli") {
		return python3, t.writeAWS()
	}
	python, err := findPython()
	if err != nil {
		return "", err
	}
	s := step{name: "install the local emulator (moto " + version + ") into .local/venv", usual: "half a minute"}
	return python3, t.run(s, func() error {
		if err := os.RemoveAll(venv); err != nil {
			return err
		}
		temporary, err := t.temporary("pip") // pip leaves what it unpacked there when it is killed
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		environ := append(environment.Clean(os.Environ()), "TMPDIR="+temporary)
		create := exec.Command(python, "-m", "venv", venv)
		create.Env = environ
		if err := t.command("python-venv", installVenv, create); err != nil {
			return err
		}
		fix := "pip must reach a Python package index (`pip config list`, PIP_INDEX_URL); run the same command again when it does"
		install := exec.Command(python3, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", requirements)
		install.Env = environ
		if err := t.command("pip", fix, install); err != nil {
			return err
		}
		// `pulumi new` cannot copy a checkout with a link to a folder. Only some distributions use it.
		if runs(python3, "import sys; sys.exit(sys.platlibdir != 'lib')") {
			if err := os.Remove(filepath.Join(venv, "lib64")); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		if err := t.writeAWS(); err != nil {
			return err
		}
		return os.WriteFile(marker, []byte(hash), 0o644)
	})
}

// pip begins the AWS CLI's script with "#!" and the path of Python, and no system starts it if that path has a blank or is long.
const awsScript = `#!/bin/sh
exec "${0%/*}/python3" -m awscli "$@"
`

// writeAWS replaces pip's script by one that starts in every folder.
func (t *Toolchain) writeAWS() error {
	script := t.Path("venv", "bin", "aws")
	if old, _ := os.ReadFile(script); string(old) == awsScript {
		return nil
	}
	return os.WriteFile(script, []byte(awsScript), 0o755)
}
