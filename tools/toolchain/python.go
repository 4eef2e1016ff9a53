package toolchain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Emulator is the command that runs the emulated AWS.
func (t *Toolchain) Emulator() string { return filepath.Join(t.Bin(), "emulator") }

// EnsureEmulator builds the emulator command, again when its sources have changed.
func (t *Toolchain) EnsureEmulator() error {
	return t.ensureSameSources(buildEmulator, "", t.Emulator())
}

// EnsurePython returns a Python interpreter with the pinned moto: the python3 on PATH if it has exactly that version,
// else the one of a virtual environment in .local/venv. A half-finished installation is done again.
func (t *Toolchain) EnsurePython() (string, error) {
	requirements := filepath.Join(t.Root, "tools", "emulator", "moto", "requirements.txt")
	content, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	wanted := regexp.MustCompile(`(?mi)^moto(?:\[[^\]]*\])?==([^\s;#\\]+)`).FindSubmatch(content)
	if wanted == nil {
		return "", fmt.Errorf("%s must pin moto by a line like moto[server]==5.2.1", requirements)
	}
	version := string(wanted[1])

	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("there is no python3 on PATH, which runs the local emulator (moto %s). Fix: install Python 3.10 or later", version)
	}
	if path := pythonWithMoto(python, version); path != "" {
		return path, nil
	}

	venv := t.Path("venv")
	python3 := filepath.Join(venv, "bin", "python3")
	sum := sha256.Sum256(content)
	marker, hash := filepath.Join(venv, "installed-requirements"), hex.EncodeToString(sum[:])
	// Running it finds a base interpreter that was upgraded or removed since.
	if old, _ := os.ReadFile(marker); string(old) == hash && exec.Command(python3, "-c", "import moto, awscli").Run() == nil {
		return python3, nil
	}
	s := step{name: "install the local emulator (moto " + version + ") into .local/venv", why: "python3 on PATH does not have this version", usual: "half a minute"}
	return python3, t.run(s, func() error {
		if err := os.RemoveAll(venv); err != nil {
			return err
		}
		fix := "on Debian and Ubuntu the module venv is a package of its own: apt-get install python3-venv"
		if err := t.command("python-venv", fix, exec.Command(python, "-m", "venv", venv)); err != nil {
			return err
		}
		fix = "pip must reach a Python package index (`pip config list`, PIP_INDEX_URL); run the same command again when it does"
		if err := t.command("pip", fix, exec.Command(python3, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements)); err != nil {
			return err
		}
		return os.WriteFile(marker, []byte(hash), 0o644)
	})
}

// pythonWithMoto returns the path of the interpreter itself (PATH may hold a shim in front of it) if it can run the
// server of exactly this version, and the AWS CLI, of whatever version.
func pythonWithMoto(python, version string) string {
	out, err := exec.Command(python, "-c", "import sys, moto, moto.server, awscli; print(moto.__version__); print(sys.executable)").Output()
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || strings.TrimSpace(lines[0]) != version {
		return ""
	}
	return strings.TrimSpace(lines[1])
}
