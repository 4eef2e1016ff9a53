// Breaks the program on purpose, one way after the other, in a copy of its
// source, and says which test notices. A break that no test notices is an
// error: then the tests prove less than they seem to.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	project := flag.String("project", ".", "the folder of the program")
	only := flag.String("only", "", "only the breaks whose name contains this")
	flag.Parse()
	survivors := 0
	tried := 0
	for _, b := range breaks {
		if !strings.Contains(b.name, *only) {
			continue
		}
		tried++
		started := time.Now()
		caught, err := try(*project, b)
		switch {
		case err != nil:
			fmt.Fprintf(os.Stderr, "error: %s: %v\n", b.name, err)
			survivors++
		case len(caught) == 0:
			fmt.Printf("SURVIVED  %-46s no test notices\n", b.name)
			survivors++
		default:
			fmt.Printf("caught    %-46s by %s (%.0fs)\n", b.name, summary(caught), time.Since(started).Seconds())
		}
	}
	fmt.Printf("%d breaks, %d caught, %d survived\n", tried, tried-survivors, survivors)
	if survivors > 0 || tried == 0 {
		os.Exit(1)
	}
}

// try makes one break in a copy and gives the tests that fail.
func try(project string, b breakage) ([]string, error) {
	copied, err := os.MkdirTemp("", "break-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(copied) }()
	for _, name := range []string{"access", "components", "config", "docs", "internal", "program", "pulumitest", "survey"} {
		if err := os.CopyFS(filepath.Join(copied, name), os.DirFS(filepath.Join(project, name))); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(project, "*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(file)), text, 0o600); err != nil {
			return nil, err
		}
	}
	for _, e := range b.edits {
		path := filepath.Join(copied, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return nil, fmt.Errorf("%s has %q %d times; the break has to say one place: mend it in tools/cmd/breaks", e.file, e.old, n)
		}
		text = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	test := exec.Command("go", "test", "-json", "./...")
	test.Dir = copied
	out, err := test.Output()
	if err == nil {
		return nil, nil
	}
	if problems := compiler(out); problems != "" {
		return nil, fmt.Errorf("it does not compile, so it proves nothing:\n%s", problems)
	}
	if names := failed(out); len(names) > 0 {
		return names, nil
	}
	return nil, fmt.Errorf("the tests crash, and say nothing of what is wrong: %s", out)
}

// compiler reads what the compiler said of a package that does not build.
func compiler(report []byte) string {
	var said strings.Builder
	for line := range bytes.Lines(report) {
		var event struct{ Action, Output string }
		if json.Unmarshal(line, &event) == nil && event.Action == "build-output" {
			said.WriteString(event.Output)
		}
	}
	return said.String()
}

// failed reads the names of the failed tests, each without those it contains.
func failed(report []byte) []string {
	var names []string
	for line := range bytes.Lines(report) {
		var event struct{ Action, Package, Test string }
		if json.Unmarshal(line, &event) == nil && event.Action == "fail" && event.Test != "" && !strings.Contains(event.Test, "/") {
			names = append(names, event.Test)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func summary(names []string) string {
	if len(names) > 2 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
	}
	return strings.Join(names, ", ")
}
