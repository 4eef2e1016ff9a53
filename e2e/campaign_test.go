package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// long reports whether a test runs in full, as in `make test-long`, or in the part that `make test` has time for.
//
// It fails in every run if `make test-long` would not run a test of this name.
func long(t *testing.T) bool {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(project(t), "Makefile"))
	require.NoError(t, err)
	line := regexp.MustCompile(`LONG=1 go test .*-run '?([^\s']+)`).FindSubmatch(makefile)
	require.NotNil(t, line, "the Makefile has no line of the long tests")
	require.Regexp(t, string(line[1]), t.Name(), "`make test-long` would not run this test: its name must match %s", line[1])
	return os.Getenv("LONG") == "1"
}

// No other file reads the variable LONG.
func TestLong_TestFiles_AskOnlyThroughLong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if file != "campaign_test.go" {
			require.NotContains(t, string(text), `Getenv("LONG")`, "%s: ask long(t), which holds the test's name to what `make test-long` runs", file)
		}
	}
}

// reportFile has a table for each of the long tests, under its heading.
const reportFile = "docs/recovery.md"

var reporting sync.Mutex

// report writes a table to the report file after a long run that passed.
func report(t *testing.T, heading string, rows [][]string) {
	t.Helper()
	if os.Getenv("LONG") != "1" || t.Failed() {
		return
	}
	reporting.Lock()
	defer reporting.Unlock()
	path := filepath.Join(project(t), reportFile)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	made, found := replaceTable(string(text), heading, tableOf(rows))
	require.True(t, found, "%s has no table under %q", reportFile, heading)
	require.NoError(t, os.WriteFile(path, []byte(made), 0o644))
}

// tableOf is a table in Markdown, of which the first row is the header.
func tableOf(rows [][]string) string {
	var table strings.Builder
	for i, row := range rows {
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			table.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return table.String()
}

// requireListed compares a table in docs/preflight.md with what a test consists of. A long run that passed writes it.
func requireListed(t *testing.T, heading string, rows [][]string) {
	t.Helper()
	reporting.Lock()
	defer reporting.Unlock()
	file := filepath.Join(project(t), "docs", "preflight.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	made, found := replaceTable(string(text), heading, tableOf(rows))
	require.True(t, found, "%s has no table under %q", file, heading)
	if long(t) && !t.Failed() {
		require.NoError(t, os.WriteFile(file, []byte(made), 0o644))
		return
	}
	require.Equal(t, string(text), made, "the documentation lists others; run: make test-long")
}

// replaceTable replaces the table under a heading.
func replaceTable(text, heading, table string) (string, bool) {
	start := strings.Index(text, "## "+heading+"\n")
	if start < 0 {
		return text, false
	}
	at := regexp.MustCompile(`(?m)(^\|.*\n)+`).FindStringIndex(text[start:])
	if at == nil || strings.Contains(text[start+1:start+at[0]], "\n## ") {
		return text, false
	}
	return text[:start+at[0]] + table + text[start+at[1]:], true
}

// The report has a row for each moment of the long tests, so it is up to date.
func TestRecoveryReport_HasEveryMoment(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(project(t), reportFile))
	require.NoError(t, err)
	kills, logs, found := strings.Cut(string(text), "## "+logsHeading)
	require.True(t, found)
	for _, m := range creations {
		require.Contains(t, kills, "| "+m.action+" | up |", "run `make test-long`, which writes it")
	}
	for _, m := range deletions {
		require.Contains(t, kills, "| "+m.action+" | destroy |", "run `make test-long`, which writes it")
		require.Contains(t, logs, "| "+m.action+" |", "run `make test-long`, which writes it")
	}
	_, restored, found := strings.Cut(logs, "## "+adoptionHeading)
	require.True(t, found)
	for _, m := range adoptions {
		require.Contains(t, restored, "| "+m.action+" | up |", "run `make test-long`, which writes it")
	}
	for _, m := range endsOfAdoptions {
		require.Contains(t, restored, "| "+m.action+" | destroy |", "run `make test-long`, which writes it")
	}
	for _, call := range restorations {
		require.Contains(t, restored, "| "+call+" | destroy, while it restores |", "run `make test-long`, which writes it")
	}
}

func seconds(since time.Time) string { return fmt.Sprintf("%.0f", time.Since(since).Seconds()) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
