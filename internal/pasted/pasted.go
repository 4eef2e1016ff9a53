// Package pasted checks, in tests, the commands that messages tell users to paste
// into a shell.
package pasted

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// command finds the lines of a message that are to be pasted into a shell.
var command = regexp.MustCompile(`(?m)^ {4,}((?:make|pulumi|aws|eval|export|unset) .*)$`)

// global are the services of AWS whose commands need no Region.
var global = []string{"iam", "sts", "s3", "s3api", "sso", "configure", "account", "organizations"}

// RequireRunnable checks every command that an error message tells the user to
// run: a shell can read it, make has the target and the variables, Pulumi.yaml
// has the key, and a command of the AWS CLI does not leave the Region to the
// shell. That it removes the mistake is for other tests to show.
func RequireRunnable(t *testing.T, message string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	require.NoError(t, err)
	var project struct {
		Name   string         `yaml:"name"`
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &project))
	_, options, _ := strings.Cut(strings.ReplaceAll(string(makefile), "\\\n", ""), "\noptions := ")
	options, _, _ = strings.Cut(options, "\n")
	for _, match := range command.FindAllStringSubmatch(message, -1) {
		line, _, _ := strings.Cut(match[1], " #")
		out, err := exec.Command("bash", "-nc", line).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		words := strings.Fields(line)
		switch words[0] {
		case "make":
			for _, word := range words[1:] {
				if name, _, variable := strings.Cut(word, "="); variable {
					require.Contains(t, strings.Fields(options), name, line)
				} else if !strings.HasPrefix(word, "-") {
					require.True(t, strings.Contains("\n"+string(makefile), "\n"+word+":"), "make has no target %s", word)
				}
			}
		case "pulumi":
			if words[1] != "config" {
				continue
			}
			require.Contains(t, []string{"set", "rm"}, words[2], line)
			at := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, ":") })
			require.Positive(t, at, line)
			namespace, key, _ := strings.Cut(strings.Trim(words[at], "'"), ":")
			if namespace == "aws" || words[2] == "rm" { // a key that does not exist may be removed
				continue
			}
			require.Equal(t, project.Name, namespace, line)
			group, _, _ := strings.Cut(key, ".")
			group, _, _ = strings.Cut(group, "[")
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(project.Config)), func(known string) bool { return known == group || strings.HasPrefix(known, group+".") }), line)
		case "aws":
			if !slices.Contains(global, words[1]) {
				require.Contains(t, words, "--region", line)
			}
		}
	}
}
