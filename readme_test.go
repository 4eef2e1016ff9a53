package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// The config table of the README is that of Pulumi.yaml, and every command that
// the README names exists.
func TestTheReadmeIsRight(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	text, err := os.ReadFile("Pulumi.yaml")
	require.NoError(t, err)
	var project struct {
		Config map[string]struct {
			Description string `yaml:"description"`
			Default     any    `yaml:"default"`
		} `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &project))
	rows := regexp.MustCompile("(?m)^\\| `([a-z][A-Za-z0-9.]*)` \\| `.*$").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, rows, len(project.Config))
	for _, row := range rows {
		entry, known := project.Config[row[1]]
		require.True(t, known, row[1])
		shown := fmt.Sprint(entry.Default)
		switch value := entry.Default.(type) {
		case map[string]any, []any:
			whole, err := json.Marshal(value)
			require.NoError(t, err)
			shown = regexp.MustCompile(`:`).ReplaceAllString(string(whole), ": ")
		case string:
			if value == "" {
				shown = `""`
			}
		}
		require.Equal(t, fmt.Sprintf("| `%s` | `%s` | %s |", row[1], shown, entry.Description), row[0])
	}

	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	for _, command := range regexp.MustCompile("(?m)(?:^|[`(])make (?:-s )?([a-z-]+)").FindAllStringSubmatch(string(readme), -1) {
		require.Regexp(t, "(?m)^"+command[1]+":", string(makefile), "make %s", command[1])
	}
}
