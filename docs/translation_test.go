package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// README.ko.md has the sections of README.md in the same order, and in each the
// same commands, names in code, table rows with their figures, and links. A test
// cannot see whether the sentences mean the same.
func TestKoreanREADME_HasTheContentOfREADME(t *testing.T) {
	t.Parallel()
	const english, korean = "../README.md", "../README.ko.md"
	want, got := sections(t, english), sections(t, korean)
	for i := range min(len(want), len(got)) {
		// The headings are in two languages, so sections are told apart by their code.
		if len(got) < len(want) && !want[i].shares(got[i]) {
			require.Fail(t, "a section is missing", "%s: add a translation of %q after the section %q", korean, want[i].heading, got[i-1].heading)
		}
		if len(got) > len(want) && !want[i].shares(got[i]) {
			require.Fail(t, "an extra section", "%s: %q is not in %s. Delete it there, or add it to both", korean, got[i].heading, english)
		}
	}
	require.Equal(t, len(want), len(got), "%s and %s have different numbers of sections: one is missing at the end", english, korean)
	for i := range want {
		w, g := want[i], got[i]
		where := fmt.Sprintf("%s, section %q (in %s: %q)", korean, g.heading, english, w.heading)
		require.Equal(t, w.level, g.level, "%s: the headings have different levels. Is a section missing before this one?", where)
		for _, part := range []struct {
			what      string
			want, got []string
		}{
			{"code block", w.blocks, g.blocks},
			{"name in code", w.code, g.code},
			{"table row, by its names in code and its figures", w.rows, g.rows},
			{"link", w.links, g.links},
		} {
			for _, one := range part.want {
				require.True(t, slices.Contains(part.got, one), "%s: add this %s, which is in %s:\n%s", where, part.what, english, one)
			}
			for _, one := range part.got {
				require.True(t, slices.Contains(part.want, one), "%s: remove this %s, which is not in %s:\n%s", where, part.what, english, one)
			}
			if part.what != "name in code" && part.what != "link" { // their order depends on the language
				require.Equal(t, part.want, part.got, "%s: the order of each %s must be that of %s", where, part.what, english)
			}
		}
	}
}

// section is a heading of a README, and what does not depend on the language in
// the text below it.
type section struct {
	heading string
	level   int
	blocks  []string // code blocks, without comments
	code    []string // inline code
	rows    []string
	links   []string
}

// shares reports whether the two sections have code in common, or have none to
// compare.
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
	rest := codeBlock.ReplaceAllString(string(text), "\x00") // marks the position of a block
	current := -1
	for _, line := range strings.Split(rest, "\n") {
		if level := len(line) - len(strings.TrimLeft(line, "#")); level > 0 {
			found = append(found, section{heading: line, level: level})
			current++
			continue
		}
		require.GreaterOrEqual(t, current, 0, "%s must begin with a heading", file)
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
	// Inline code can continue on the next line.
	for i, part := range regexp.MustCompile(`(?m)^#+ .*$`).Split(rest, -1)[1:] {
		for _, code := range inlineCode.FindAllString(part, -1) {
			found[i].code = append(found[i].code, strings.Join(strings.Fields(code), " "))
		}
	}
	return found
}

// Each README links to the other in its third line.
func TestREADMEs_LinkToEachOther(t *testing.T) {
	t.Parallel()
	for file, other := range map[string]string{"README.md": "[한국어](README.ko.md)", "README.ko.md": "[English](README.md)"} {
		text, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		require.Equal(t, other, strings.Split(string(text), "\n")[2], file)
	}
}
