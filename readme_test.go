package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The config table of the README is that of Pulumi.yaml, and every command that
// the README names exists.
func TestTheReadmeIsRight(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	config := projectConfig(t)
	rows := regexp.MustCompile("(?m)^\\| `([a-z][A-Za-z0-9.]*)` \\| `.*$").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, rows, len(config))
	for _, row := range rows {
		entry, known := config[row[1]]
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
