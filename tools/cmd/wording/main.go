// Command wording checks the project's texts against a list of phrases that
// readers had to read twice, and names the word to use instead. It reads documents
// and scripts line by line, the string literals of Go and Python, and the names of
// Go tests. It does not read comments in code.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	project := flag.String("project", ".", "the folder to check")
	flag.Parse()
	used := map[int]bool{}
	found, err := check(*project, used, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	found += unused(used, os.Stdout)
	if found > 0 {
		fmt.Fprintf(os.Stderr, "%d findings. Fix: use the suggested words, or add an exception with its reason to tools/cmd/wording/phrases.go\n", found)
		os.Exit(1)
	}
}

// check writes one line for each finding, and returns how many there are. It notes
// in used which exceptions were needed.
func check(project string, used map[int]bool, to io.Writer) (found int, err error) {
	rules := compile(phrases)
	err = filepath.WalkDir(project, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(project, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			if slices.Contains(skipped, path.Base(name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		extract := extractor(name)
		if extract == nil {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		texts, err := extract(name, content)
		if err != nil {
			return err
		}
		for _, t := range texts {
			for _, f := range rules.find(t.content, used) {
				line := t.line + strings.Count(t.content[:f.at], "\n")
				fmt.Fprintf(to, "%s:%d: %q: use %s\n", name, line, strings.Join(strings.Fields(f.phrase), " "), f.instead)
				found++
			}
		}
		return nil
	})
	return found, err
}

// unused writes one line for each exception that nothing needs, and returns how
// many there are.
func unused(used map[int]bool, to io.Writer) (found int) {
	for i, e := range exceptions {
		if !used[i] {
			fmt.Fprintf(to, "phrases.go: the exception %q is not needed any more. Fix: delete it\n", e.pattern)
			found++
		}
	}
	return found
}

// skipped are folders without texts of the project.
var skipped = []string{".git", ".local", "node_modules", "testdata", "wording"}

func extractor(file string) func(string, []byte) ([]text, error) {
	switch base := path.Base(file); {
	case strings.HasSuffix(base, ".go"):
		return goTexts
	case strings.HasSuffix(base, ".py"):
		return pythonTexts
	case base == "Makefile":
		return makefileTexts
	case path.Ext(base) == ".svg":
		return pictureTexts
	case slices.Contains([]string{".md", ".yml", ".yaml"}, path.Ext(base)), strings.HasPrefix(file, "scripts/"), strings.HasPrefix(file, ".ci/"):
		return wholeText
	}
	return nil
}
