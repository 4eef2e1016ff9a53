package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
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

// Both languages tell the same: the same sections in the same order, and in each
// the same commands, the same names in code, the same rows of tables with the
// same figures, and the same links. That the sentences say the same, no test can
// see.
func TestBothReadmesTellTheSame(t *testing.T) {
	t.Parallel()
	const english, korean = "README.md", "README.ko.md"
	want, got := sections(t, english), sections(t, korean)
	for i := range min(len(want), len(got)) {
		// Headings are in two languages, so what is in code says which section it is.
		if len(got) < len(want) && !want[i].shares(got[i]) {
			require.Fail(t, "a section is missing", "%s: add the Korean of %q behind the section %q", korean, want[i].heading, got[i-1].heading)
		}
		if len(got) > len(want) && !want[i].shares(got[i]) {
			require.Fail(t, "one section too many", "%s: %q is not in %s: delete it, or add it there", korean, got[i].heading, english)
		}
	}
	require.Equal(t, len(want), len(got), "%s and %s do not have the same number of sections; one is missing at the end of one of them", english, korean)
	for i := range want {
		w, g := want[i], got[i]
		where := fmt.Sprintf("%s, section %q (in %s: %q)", korean, g.heading, english, w.heading)
		require.Equal(t, w.level, g.level, "%s: the headings are not of one level. Is a section missing before it?", where)
		for _, part := range []struct {
			what      string
			want, got []string
		}{
			{"code block", w.blocks, g.blocks},
			{"name in code", w.code, g.code},
			{"row of a table, by its names in code and its figures", w.rows, g.rows},
			{"link", w.links, g.links},
		} {
			for _, one := range part.want {
				require.True(t, slices.Contains(part.got, one), "%s: add this %s, as %s has it:\n%s", where, part.what, english, one)
			}
			for _, one := range part.got {
				require.True(t, slices.Contains(part.want, one), "%s: take this %s away, which %s does not have:\n%s", where, part.what, english, one)
			}
			if part.what != "name in code" && part.what != "link" { // where a sentence has them, is the language's
				require.Equal(t, part.want, part.got, "%s: the order of each %s is that of %s", where, part.what, english)
			}
		}
	}
}

// section is a heading of a README, and what is below it in no language.
type section struct {
	heading string
	level   int
	blocks  []string // of code, without comments
	code    []string // in a line
	rows    []string
	links   []string
}

// shares reports whether the two have something in common, or nothing to tell
// them apart by.
func (s section) shares(other section) bool {
	all := slices.Concat(s.blocks, s.code, s.rows)
	return len(all) == 0 || slices.ContainsFunc(slices.Concat(other.blocks, other.code, other.rows), func(one string) bool { return slices.Contains(all, one) })
}

var (
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```$")
	comment     = regexp.MustCompile(`(?m)(^|\s+)# .*$`)
	inlineCode  = regexp.MustCompile("`[^`]+`")
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	otherReadme = regexp.MustCompile(`README(\.ko)?\.md$`)
	figure      = regexp.MustCompile(`[0-9][0-9.]*[0-9]|[0-9]`)
)

func sections(t *testing.T, file string) (found []section) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	blocks := codeBlock.FindAllString(string(text), -1)
	rest := codeBlock.ReplaceAllString(string(text), "\x00") // where a block was
	current := -1
	for _, line := range strings.Split(rest, "\n") {
		if level := len(line) - len(strings.TrimLeft(line, "#")); level > 0 {
			found = append(found, section{heading: line, level: level})
			current++
			continue
		}
		require.GreaterOrEqual(t, current, 0, "%s begins with its heading", file)
		s := &found[current]
		if line == "\x00" {
			s.blocks = append(s.blocks, strings.TrimSpace(comment.ReplaceAllString(blocks[0], "")))
			blocks = blocks[1:]
		}
		for _, target := range link.FindAllStringSubmatch(line, -1) {
			if !otherReadme.MatchString(target[1]) {
				s.links = append(s.links, target[1])
			}
		}
		if strings.HasPrefix(line, "|") {
			row := inlineCode.FindAllString(line, -1)
			figures := figure.FindAllString(inlineCode.ReplaceAllString(line, ""), -1)
			slices.Sort(figures)
			s.rows = append(s.rows, strings.Join(append(row, figures...), " "))
		}
	}
	// Code in a line may go over the end of the line.
	for i, part := range regexp.MustCompile(`(?m)^#+ .*$`).Split(rest, -1)[1:] {
		for _, code := range inlineCode.FindAllString(part, -1) {
			found[i].code = append(found[i].code, strings.Join(strings.Fields(code), " "))
		}
	}
	return found
}

// Each README begins with the way to the other.
func TestTheReadmesLinkToEachOther(t *testing.T) {
	t.Parallel()
	for file, other := range map[string]string{"README.md": "[한국어](README.ko.md)", "README.ko.md": "[English](README.md)"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, other, strings.Split(string(text), "\n")[2], file)
	}
}
