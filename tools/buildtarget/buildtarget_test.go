package buildtarget

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source writes a program that prints a text, in a folder whose path has a blank.
func source(t *testing.T, folder, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module example\n"), 0o600))
	content := fmt.Sprintf("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Print(%q) }\n", text)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(content), 0o600))
}

// front builds command pulumi-language-go into the bin folder of a .local.
func front(t *testing.T, local string) string {
	t.Helper()
	path := filepath.Join(local, "bin", "pulumi-language-go")
	out, err := exec.Command("go", "build", "-o", path, "private-ec2-access/tools/cmd/pulumi-language-go").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// run starts the front as the language host starts a program: in its folder, without arguments.
func run(front, folder string) (stdout string, err error) {
	cmd := exec.Command(front)
	cmd.Dir = folder
	// Another file system than the target's, where there is one: go build then writes the file byte by byte.
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		cmd.Env = append(os.Environ(), "GOTMPDIR=/dev/shm")
	}
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

func TestFront_BuildsChangedProgramOnly(t *testing.T) {
	front, folder := front(t, t.TempDir()), filepath.Join(t.TempDir(), "a blank")
	target := filepath.Join(folder, Path)
	source(t, folder, "one")
	out, err := run(front, folder)
	require.NoError(t, err)
	assert.Equal(t, "one", out)

	built, err := os.Open(target) // while it is open no other file can have its inode
	require.NoError(t, err)
	defer built.Close()
	first, err := built.Stat()
	require.NoError(t, err)
	out, err = run(front, folder)
	require.NoError(t, err)
	assert.Equal(t, "one", out)
	second, err := os.Stat(target)
	require.NoError(t, err)
	assert.True(t, os.SameFile(first, second), "an unchanged program is not linked again")

	source(t, folder, "two")
	out, err = run(front, folder)
	require.NoError(t, err)
	assert.Equal(t, "two", out)
	third, err := os.Stat(target)
	require.NoError(t, err)
	assert.False(t, os.SameFile(first, third))
}

func TestFront_CompileErrorIsShownAndNothingRuns(t *testing.T) {
	front, folder := front(t, t.TempDir()), t.TempDir()
	source(t, folder, "old")
	_, err := run(front, folder)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\n\nfunc main() { nonsense }\n"), 0o600))
	out, err := run(front, folder)
	require.ErrorContains(t, err, "undefined: nonsense")
	assert.Empty(t, out)
}

// Without the lock one run replaces the file while another one starts it.
func TestFront_ConcurrentRunsOfChangedProgram(t *testing.T) {
	front, folder := front(t, t.TempDir()), t.TempDir()
	for round := range 3 {
		text := fmt.Sprint("round ", round)
		source(t, folder, text)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				out, err := run(front, folder)
				assert.NoError(t, err)
				assert.Equal(t, text, out)
			})
		}
		wait.Wait()
	}
}

func TestFront_StartsHostWithItselfAsProgram(t *testing.T) {
	local := filepath.Join(t.TempDir(), "a blank", ".local")
	front := front(t, local)
	_, err := exec.Command(front, "127.0.0.1:1").CombinedOutput()
	require.Error(t, err, "there is no host yet")

	host := filepath.Join(local, "language-host", "pulumi-language-go")
	require.NoError(t, os.MkdirAll(filepath.Dir(host), 0o755))
	require.NoError(t, os.WriteFile(host, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 7\n"), 0o755))
	// A link to the front, as on a PATH made of links, finds the host of the front.
	link := filepath.Join(t.TempDir(), "pulumi-language-go")
	require.NoError(t, os.Symlink(front, link))
	for _, path := range []string{front, link} {
		out, err := exec.Command(path, "-tracing=x", "127.0.0.1:1").Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, 7, exit.ExitCode(), "the host's exit code")
		assert.Equal(t, "-binary="+front+"\n-tracing=x\n127.0.0.1:1\n", string(out))
	}
}

func TestTarget_IsBuildTargetOfProject(t *testing.T) {
	text, err := os.ReadFile("../../Pulumi.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(text), "runtime:\n  name: go\n  options:\n")
	assert.Contains(t, string(text), "\n    buildTarget: "+Path+"\n")
}
