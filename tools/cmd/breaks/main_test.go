package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReached(t *testing.T) {
	tests := []string{"x_test.go"}
	packages := []goPackage{
		{ImportPath: "m", Dir: "/m", Deps: []string{"m/a", "m/b"}, TestGoFiles: tests},
		{ImportPath: "m/a", Dir: "/m/a", Deps: []string{"m/b"}, XTestGoFiles: tests},
		{ImportPath: "m/b", Dir: "/m/b"},
		{ImportPath: "m/c", Dir: "/m/c", TestImports: []string{"m/helper"}, TestGoFiles: tests},
		{ImportPath: "m/d", Dir: "/m/d", XTestImports: []string{"m/c"}, XTestGoFiles: tests},
		{ImportPath: "m/helper", Dir: "/m/helper", Deps: []string{"m/b"}},
	}
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"code and tests that import the package": {"/m/b/b.go", []string{"m", "m/a", "m/c"}},
		"a package that only tests import":       {"/m/helper/h.go", []string{"m/c"}},
		"a test's import":                        {"/m/c/c.go", []string{"m/c", "m/d"}},
		"nothing imports the package":            {"/m/m.go", []string{"m"}},
		"a test file":                            {"/m/a/a_test.go", []string{"m/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reached(packages, c.file)
			require.NoError(t, err)
			var paths []string
			for _, p := range got {
				paths = append(paths, p.ImportPath)
			}
			require.Equal(t, c.want, paths)
		})
	}
	_, err := reached(packages, "/m/elsewhere/x.go")
	require.ErrorContains(t, err, "/m/elsewhere/x.go is in no package of this module")
}

func TestStages_ChangedPackagesFirst_ThenCheapOnes_ThenTheProgram(t *testing.T) {
	const sdk = "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	packages := []goPackage{
		{ImportPath: "m/components", Deps: []string{"m/iam", sdk}},
		{ImportPath: "m/iam"},
		{ImportPath: "m/program", XTestImports: []string{"m/components"}},
		{ImportPath: "m/session"},
	}
	require.Equal(t, [][]string{{"m/session"}, {"m/iam"}, {"m/program"}, {"m/components"}}, stages(packages, packages, []string{"m/session"}))
	require.Equal(t, [][]string{{"m/iam", "m/session"}, {"m/program"}, {"m/components"}}, stages(packages, packages, []string{"m/components"}))
}

// A change of a line that a break edits is noticed in seconds, and not only by the run of all breaks.
func TestBreaks_EachEdit_OccursOnce(t *testing.T) {
	for _, b := range breaks {
		for _, e := range b.edits {
			text, err := os.ReadFile(filepath.Join("..", "..", "..", e.file))
			require.NoError(t, err, b.name)
			require.Equal(t, 1, strings.Count(string(text), e.old), "%s: %s contains %q", b.name, e.file, e.old)
		}
	}
}
