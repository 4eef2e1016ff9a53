// Command breaks changes the program's source in one wrong way after the other and reports which tests fail. A change
// that no test notices is an error: the tests then prove less than they seem to.
//
// Nothing is written to the source: each change reaches the compiler through `go test -overlay`. Only the packages whose
// tests can see the changed file are tested, its own first, until a test fails.
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
				started := time.Now()
				failed, err := failing(root, packages, b)
				results[i] <- result{failed, time.Since(started), err}
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
func reached(packages []goPackage, file string) ([]goPackage, error) {
	i := slices.IndexFunc(packages, func(p goPackage) bool { return p.Dir == filepath.Dir(file) })
	if i < 0 {
		return nil, fmt.Errorf("%s is in no package of this module. Fix: the file's name in tools/cmd/breaks/breaks.go", file)
	}
	changed := packages[i].ImportPath
	var seen []goPackage
	for _, p := range packages {
		sees := p.ImportPath == changed || !strings.HasSuffix(file, "_test.go") &&
			uses(packages, p, func(path string) bool { return path == changed })
		if sees && len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 {
			seen = append(seen, p)
		}
	}
	return seen, nil
}

// uses tells whether the package's code or tests import a package that matches, directly or through others.
func uses(packages []goPackage, p goPackage, matches func(string) bool) bool {
	imports := slices.Concat(p.TestImports, p.XTestImports)
	return slices.ContainsFunc(p.Deps, matches) || slices.ContainsFunc(imports, matches) || slices.ContainsFunc(packages, func(other goPackage) bool {
		return slices.Contains(imports, other.ImportPath) && slices.ContainsFunc(other.Deps, matches)
	})
}

// stages orders the packages for a test that stops at the first failure. The changed packages come first, because their
// own tests see most changes. Then come the others that do not use the AWS SDK of Pulumi. Linking a package that does costs
// several seconds: each of these is a stage of its own, and the program's tests come first among them.
func stages(packages, tested []goPackage, changed []string) [][]string {
	var own, cheap []string
	var costly [][]string
	for _, p := range tested {
		switch heavy := uses(packages, p, func(path string) bool { return strings.HasPrefix(path, "github.com/pulumi/pulumi-aws/") }); {
		case !heavy && slices.Contains(changed, p.ImportPath):
			own = append(own, p.ImportPath)
		case !heavy:
			cheap = append(cheap, p.ImportPath)
		case strings.HasSuffix(p.ImportPath, "/program"):
			costly = slices.Insert(costly, 0, []string{p.ImportPath})
		default:
			costly = append(costly, []string{p.ImportPath})
		}
	}
	return slices.DeleteFunc(append([][]string{own, cheap}, costly...), func(stage []string) bool { return len(stage) == 0 })
}

// failing runs the tests with one break and returns those that fail.
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
	var tested []goPackage
	var own []string
	for path, text := range changed {
		seen, err := reached(packages, path)
		if err != nil {
			return nil, err
		}
		for _, p := range seen {
			if p.Dir == filepath.Dir(path) {
				own = append(own, p.ImportPath)
			}
			if !slices.ContainsFunc(tested, func(other goPackage) bool { return other.ImportPath == p.ImportPath }) {
				tested = append(tested, p)
			}
		}
		replacement := filepath.Join(folder, fmt.Sprintf("%d.go", len(overlay.Replace)))
		overlay.Replace[path] = replacement
		if err := os.WriteFile(replacement, text, 0o600); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}

	for _, stage := range stages(packages, tested, own) {
		names, err := runTests(root, file, stage)
		if err != nil || len(names) > 0 {
			return names, err
		}
	}
	return nil, nil
}

// runTests tests the packages with the overlay and returns the names of the top-level tests that failed before go test stopped.
func runTests(root, overlay string, paths []string) ([]string, error) {
	// Without vet: what vet finds is not found by a test.
	test := exec.Command("go", append([]string{"test", "-json", "-vet=off", "-failfast", "-overlay", overlay}, paths...)...)
	test.Dir = root
	var problem bytes.Buffer
	test.Stderr = &problem
	out, err := test.Output()
	if err == nil {
		return nil, nil
	}
	var names []string
	compiler := ""
	for line := range bytes.Lines(out) {
		var event struct{ Action, Test, Output string }
		switch {
		case json.Unmarshal(line, &event) != nil:
		case event.Action == "build-output":
			compiler += event.Output
		case event.Action == "fail" && event.Test != "" && !strings.Contains(event.Test, "/"):
			names = append(names, event.Test)
		}
	}
	switch {
	case compiler != "":
		return nil, fmt.Errorf("the change does not compile, so it proves nothing:\n%s", compiler)
	case names == nil:
		return nil, fmt.Errorf("go test fails, but no test does: %w\n%s%s", err, problem.String(), out)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func summary(names []string) string {
	if len(names) > 2 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
	}
	return strings.Join(names, ", ")
}
