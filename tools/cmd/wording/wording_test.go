package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each kind of text is found with its line, and nothing else of the file is.
func TestCheck_KindsOfText(t *testing.T) {
	for name, test := range map[string]struct{ file, content, want string }{
		"a document":              {"README.md", "# Title\n\nMend it\n", `README.md:3: "Mend": use fix`},
		"a phrase over two lines": {"docs/a.md", "Do it by\nhand.\n", `docs/a.md:1: "by hand": use "with plain pulumi and aws"`},
		"Korean":                  {"README.ko.md", "## 철거하기\n", `README.ko.md:1: "철거": use "삭제"`},
		"a command":               {"docs/a.md", "`make record SESSION=ID` prints it.\n", ""},
		"a config key":            {"docs/a.md", "`keepRecords`, `logging.earlierLocations`\n", ""},
		"the verb":                {"docs/a.md", "It cannot record a session.\n", ""},
		"a part of a word":        {"docs/a.md", "The amendment is a standard, displayed.\n", ""},
		"a message in Go":         {"x/a.go", "package x\n\nvar a = \"nothing to mend\"\n", `x/a.go:3: "mend": use fix`},
		"a raw string in Go":      {"x/a.go", "package x\n\nvar a = `one\nmend two`\n", `x/a.go:4: "mend": use fix`},
		"a name in Go":            {"x/a.go", "package x\n\nvar Mend = \"mend\"\n", ""},
		"a comment in Go":         {"x/a.go", "// Mend it.\npackage x\n", ""},
		"a test's name":           {"x/a_test.go", "package x\n\nfunc TestRepair_MendsALock() {}\n", `x/a_test.go:3: "Mends": use fix`},
		"an acronym in a name":    {"x/a_test.go", "package x\n\nfunc TestRoutes_LeaveTheVPC() {}\n", `x/a_test.go:3: "Leave The VPC": use "route out of the VPC"`},
		"not a test":              {"x/a.go", "package x\n\nfunc TestMends() {}\n", ""},
		"a message in Python":     {"x/a.py", "# mend it\na = 'do not' + f\"mend it\"\n", `x/a.py:2: "mend": use fix`},
		"a docstring in Python":   {"x/a.py", "def f():\n    \"\"\"Title.\n\n    It can't mend.\"\"\"\n", `x/a.py:4: "mend": use fix`},
		"a help text":             {"Makefile", "up: ## mend it\n", `Makefile:1: "mend": use fix`},
		"a make target":           {"Makefile", "record: command\n\t@$(run) record\n", ""},
		"a picture":               {"docs/a.svg", "<style>\n.record {}\n</style>\n<text class=\"record\">The record.</text>\n", `docs/a.svg:4: "record": use "session log", or "recording" for the act`},
		"golden files":            {"x/testdata/a.md", "mend\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, test.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(test.content), 0o644))
			var out bytes.Buffer
			_, err := check(folder, map[int]bool{}, &out)
			require.NoError(t, err)
			require.Equal(t, test.want, string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))))
		})
	}
}

// An exception that nothing needs is a finding, so the list stays short.
func TestUnused_ExceptionThatNothingNeeds_IsReported(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, len(exceptions), unused(map[int]bool{}, &out))
	require.Contains(t, out.String(), "is not needed any more")
}

func TestExceptions_HaveReasonsAndCoverAPhrase(t *testing.T) {
	for _, e := range exceptions {
		require.NotEmpty(t, e.reason, e.pattern)
		require.NotPanics(t, func() { regexp.MustCompile(e.pattern) })
	}
	require.Empty(t, compile(phrases).find("a stand-in", map[int]bool{}))
}
