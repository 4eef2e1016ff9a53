package toolchain

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// read reads files of the project by a pattern of their path, at least some.
func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
	require.NoError(t, err)
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all["/"+strings.TrimPrefix(filepath.ToSlash(file), "../../")] = string(text)
	}
	require.NotEmpty(t, all, pattern)
	return all
}

// Every Python package has a hash, and of moto only the parts are there that the stack uses.
func TestRequirements_EveryPackage_HasHash(t *testing.T) {
	pinned := regexp.MustCompile(`(?m)^([a-z0-9][a-z0-9._-]*)==\S+.*\n(    --hash=sha256:[0-9a-f]{64})?`)
	for _, pattern := range []string{"tools/pins/*/*.txt", "tools/emulator/moto/*.txt"} {
		for file, text := range read(t, pattern) {
			found := pinned.FindAllStringSubmatch(text, -1)
			assert.NotEmpty(t, found, file)
			for _, parts := range found {
				assert.NotEmpty(t, parts[2], "%s: %s has no hash", file, parts[1])
			}
		}
	}
	moto := read(t, "tools/emulator/moto/requirements.*")
	assert.Regexp(t, `(?m)^moto\[ec2,s3,ssm\]==`, moto["/tools/emulator/moto/requirements.in"])
	assert.NotRegexp(t, `(?m)^(docker|joserfc|cfn-lint|graphql-core|openapi-spec-validator|aws-xray-sdk)==`, moto["/tools/emulator/moto/requirements.txt"], "of another part of moto")
}

// No script installs what it does not compare, or runs what comes with a package. TestPython looks at the installation of the
// emulator.
func TestScripts_Installations_CompareHashes(t *testing.T) {
	seen := map[string]int{}
	for _, pattern := range []string{"scripts/*", "scripts/ci/*", "Makefile", ".ci/run", ".github/workflows/*.yml"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		require.NoError(t, err)
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for line := range strings.Lines(string(text)) {
				for tool, flag := range map[string]string{`\bpip"? install\b`: "--require-hashes", `\bnpm (ci|install|i|exec)\b|\bnpx\b`: "--ignore-scripts"} {
					if regexp.MustCompile(tool).MatchString(line) {
						seen[flag]++
						assert.Contains(t, line, flag, file)
					}
				}
			}
		}
	}
	assert.Len(t, seen, 2, "pip and npm")
}

// Dependabot looks at every list of packages, actions are named by their commits, and docs/security.md says of each kind what a
// download is compared with. It does not prove what Dependabot does with its file.
func TestDependabot_EveryListOfPackages_Kept(t *testing.T) {
	var file struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, ".github/dependabot.yml")["/.github/dependabot.yml"]), &file))
	kept := map[string][]string{}
	for _, u := range file.Updates {
		kept[u.Ecosystem] = append(append(kept[u.Ecosystem], u.Directories...), u.Directory)
	}
	ecosystems := map[string]string{"go.mod": "gomod", "package-lock.json": "npm", "requirements.in": "uv"}
	seen := map[string]int{}
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || name != root && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		ecosystem, known := ecosystems[entry.Name()]
		if !known {
			return nil
		}
		seen[ecosystem]++
		relative, err := filepath.Rel(root, filepath.Dir(name))
		folder := path.Clean("/" + filepath.ToSlash(relative))
		covered := false
		for _, pattern := range kept[ecosystem] {
			match, _ := path.Match(pattern, folder)
			covered = covered || match
		}
		assert.True(t, covered, ".github/dependabot.yml has no %s for %s", ecosystem, folder)
		return err
	}))
	assert.Len(t, seen, len(ecosystems))
	assert.Contains(t, kept["github-actions"], "/")
	for name, text := range read(t, ".github/workflows/*.yml") {
		for _, uses := range regexp.MustCompile(`uses: *(\S+)`).FindAllStringSubmatch(text, -1) {
			assert.Regexp(t, `@[0-9a-f]{40}$`, uses[1], name)
		}
	}
	_, page, _ := strings.Cut(read(t, "docs/security.md")["/docs/security.md"], "\n## Which downloads are trusted\n")
	page, _, _ = strings.Cut(page, "\n## ")
	for _, compared := range []string{"`go.sum`", "`tools/toolchain/pins.go`", "`requirements.txt`", "`package-lock.json`", "the commit"} {
		assert.Regexp(t, `(?m)^\|.*\| [^|]*`+regexp.QuoteMeta(compared)+`[^|]* \|$`, page)
	}
}
