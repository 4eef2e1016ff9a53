// Command breaks changes the program's source in one wrong way after the other and reports which tests fail. A change
// that no test notices is an error: the tests then prove less than they seem to.
//
// Nothing is written to the source: each change reaches the compiler through `go test -overlay`. Only the packages whose
// tests can see the changed file are tested.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	project := flag.String("project", ".", "the program's folder")
	only := flag.String("only", "", "run only the breaks whose name contains this")
	workers := flag.Int("parallel", runtime.NumCPU(), "how many breaks run at once")
	flag.Parse()
	selected := slices.DeleteFunc(slices.Clone(breaks), func(b breakage) bool { return !strings.Contains(b.name, *only) })
	survived, err := run(os.Stdout, *project, selected, *workers)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	if survived > 0 || len(selected) == 0 {
		os.Exit(1)
	}
}

// run tries the breaks, prints a line for each in the order of the list, and returns how many were not caught.
func run(out io.Writer, project string, selected []breakage, workers int) (int, error) {
	root, err := filepath.Abs(project)
	if err != nil {
		return 0, err
	}
	packages, err := list(root)
	if err != nil {
		return 0, err
	}
	started := time.Now()
	results := make([]chan result, len(selected))
	for i := range results {
		results[i] = make(chan result, 1)
	}
	go func() {
		slots := make(chan struct{}, max(workers, 1))
		for i, b := range selected {
			slots <- struct{}{}
			go func() {
				results[i] <- try(root, packages, b)
				<-slots
			}()
		}
	}()
	survived := 0
	for i, b := range selected {
		r := <-results[i]
		switch {
		case r.err != nil:
			fmt.Fprintf(out, "error     %s: %v\n", b.name, r.err)
			survived++
		case len(r.failed) == 0:
			fmt.Fprintf(out, "SURVIVED  %-46s no test fails\n", b.name)
			survived++
		default:
			fmt.Fprintf(out, "caught    %-46s by %s (%.0fs)\n", b.name, summary(r.failed), r.took.Seconds())
		}
	}
	fmt.Fprintf(out, "%d breaks, %d caught, %d survived, in %.0fs\n", len(selected), len(selected)-survived, survived, time.Since(started).Seconds())
	return survived, nil
}

type result struct {
	failed []string // top-level tests
	took   time.Duration
	err    error
}

// goPackage is what `go list` says of a package of the program's module.
type goPackage struct {
	ImportPath, Dir                 string
	Deps, TestImports, XTestImports []string
	TestGoFiles, XTestGoFiles       []string
}

func list(root string) ([]goPackage, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Deps,TestImports,XTestImports,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// reached returns the packages whose tests a change of the file can make fail: those that have tests, and whose code or
// tests import the file's package, directly or through other packages. A test file is seen by its own package only.
func reached(packages []goPackage, file string) ([]string, error) {
	i := slices.IndexFunc(packages, func(p goPackage) bool { return p.Dir == filepath.Dir(file) })
	if i < 0 {
		return nil, fmt.Errorf("%s is in no package of this module. Fix: the file's name in tools/cmd/breaks/breaks.go", file)
	}
	changed := packages[i].ImportPath
	imports := func(path string) bool {
		return path == changed || slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == path && slices.Contains(p.Deps, changed) })
	}
	var paths []string
	for _, p := range packages {
		sees := p.ImportPath == changed || !strings.HasSuffix(file, "_test.go") &&
			(imports(p.ImportPath) || slices.ContainsFunc(slices.Concat(p.TestImports, p.XTestImports), imports))
		if sees && len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 {
			paths = append(paths, p.ImportPath)
		}
	}
	return paths, nil
}

// try runs the tests with one break and returns those that fail.
func try(root string, packages []goPackage, b breakage) result {
	started := time.Now()
	failed, err := failing(root, packages, b)
	return result{failed: failed, took: time.Since(started), err: err}
}

func failing(root string, packages []goPackage, b breakage) ([]string, error) {
	folder, err := os.MkdirTemp("", "break-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()

	changed := map[string][]byte{}
	for _, e := range b.edits {
		path := filepath.Join(root, e.file)
		text, edited := changed[path]
		if !edited {
			if text, err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return nil, fmt.Errorf("%s contains %q %d times, expected once. Fix: the text in tools/cmd/breaks/breaks.go", e.file, e.old, n)
		}
		changed[path] = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	var tested []string
	for path, text := range changed {
		paths, err := reached(packages, path)
		if err != nil {
			return nil, err
		}
		tested = append(tested, paths...)
		replacement := filepath.Join(folder, fmt.Sprintf("%d.go", len(overlay.Replace)))
		overlay.Replace[path] = replacement
		if err := os.WriteFile(replacement, text, 0o600); err != nil {
			return nil, err
		}
	}
	slices.Sort(tested)
	if tested = slices.Compact(tested); len(tested) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}

	// Without vet: what vet finds is not found by a test.
	test := exec.Command("go", append([]string{"test", "-json", "-vet=off", "-overlay", file}, tested...)...)
	test.Dir = root
	var problem bytes.Buffer
	test.Stderr = &problem
	out, err := test.Output()
	if err == nil {
		return nil, nil
	}
	if problems := compilerOutput(out); problems != "" {
		return nil, fmt.Errorf("the change does not compile, so it proves nothing:\n%s", problems)
	}
	if names := failedTests(out); len(names) > 0 {
		return names, nil
	}
	return nil, fmt.Errorf("go test fails, but no test does: %w\n%s%s", err, problem.String(), out)
}

// compilerOutput returns what the compiler printed about packages that do not build.
func compilerOutput(report []byte) string {
	var output strings.Builder
	for line := range bytes.Lines(report) {
		var event struct{ Action, Output string }
		if json.Unmarshal(line, &event) == nil && event.Action == "build-output" {
			output.WriteString(event.Output)
		}
	}
	return output.String()
}

// failedTests returns the names of the failed top-level tests.
func failedTests(report []byte) []string {
	var names []string
	for line := range bytes.Lines(report) {
		var event struct{ Action, Test string }
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
