package toolchain

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/buildtarget"
	"private-ec2-access/tools/process"
)

// testToolchain is a toolchain in an empty folder, on a machine with no mirror, no release server and an empty PATH.
func testToolchain(t *testing.T) (*Toolchain, *bytes.Buffer) {
	t.Helper()
	t.Setenv("PATH", t.TempDir())
	t.Setenv(MirrorVariable, "")
	t.Setenv(ReleasesVariable, "http://127.0.0.1:1")
	var out bytes.Buffer
	tools := New(t.TempDir(), &out)
	tools.os, tools.arch = "linux", "amd64"
	tools.mirrorRoots = []string{filepath.Join(t.TempDir(), "nothing")}
	return tools, &out
}

func script(t *testing.T, path, body string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	writer := tar.NewWriter(zipped)
	for name, content := range files {
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err := writer.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.NoError(t, zipped.Close())
	return b.Bytes()
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// serve makes the toolchain use a release server with these files.
func serve(t *testing.T, tools *Toolchain, files map[string][]byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	tools.releases = server.URL
}

const fakePulumi = "#!/bin/sh\necho " + PulumiVersion + "\n"

// pin changes the table of checksums for one test.
func pin(t *testing.T, archive, checksum string) {
	t.Helper()
	before := pinnedChecksums
	pinnedChecksums = maps.Clone(before)
	pinnedChecksums[archive] = checksum
	t.Cleanup(func() { pinnedChecksums = before })
}

func pulumiFiles(t *testing.T, tools *Toolchain, checksum string) map[string][]byte {
	r := tools.pulumiRelease()
	content := archive(t, map[string]string{"pulumi/pulumi": fakePulumi, "pulumi/pulumi-language-go": "#!/bin/sh\n", "pulumi/pulumi-language-nodejs": "#!/bin/sh\n"})
	if checksum == "" {
		checksum = sum(content)
	}
	pin(t, r.archive, checksum)
	return map[string][]byte{r.folder + "/" + r.archive: content}
}

func TestReleaseNames(t *testing.T) {
	tools, _ := testToolchain(t)
	assert.Equal(t, release{tools.releases, "pulumi/pulumi/releases/download/v3.259.0", "pulumi-v3.259.0-linux-x64.tar.gz"}, tools.pulumiRelease())
	tools.os, tools.arch = "darwin", "arm64"
	assert.Equal(t, "pulumi-v3.259.0-darwin-arm64.tar.gz", tools.pulumiRelease().archive)
	t.Setenv(ReleasesVariable, "")
	assert.Equal(t, "https://releases.hashicorp.com/terraform-provider-aws/5.100.0/terraform-provider-aws_5.100.0_"+runtime.GOOS+"_"+runtime.GOARCH+".zip",
		New(t.TempDir(), io.Discard).providerRelease().url())
}

// A new version without its checksums would be built everywhere, unnoticed.
func TestPins_EachPlatform_HasChecksum(t *testing.T) {
	tools, _ := testToolchain(t)
	names := map[string]bool{}
	for _, platform := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}} {
		tools.os, tools.arch = platform[0], platform[1]
		name := tools.pulumiRelease().archive
		assert.Regexp(t, "^[0-9a-f]{64}$", pinnedChecksums[name], name)
		names[name] = true
	}
	for name := range pinnedChecksums {
		assert.True(t, names[name], "%s is of another version", name)
	}
}

// The mirror of this machine holds what HashiCorp released.
func TestPins_ProviderOfThisMachine_Released(t *testing.T) {
	mirror := os.Getenv("STANDIN_MIRROR")
	if mirror == "" {
		t.Skip("STANDIN_MIRROR is not set: run the tests with `make test`")
	}
	tools := New(t.TempDir(), io.Discard)
	require.NoError(t, os.MkdirAll(tools.Path(), 0o755))
	require.NoError(t, tools.verifyProvider(mirror))
}

func TestPins_AgreeWithModules(t *testing.T) {
	gomod, err := os.ReadFile("../pins/pulumi/go.mod")
	require.NoError(t, err)
	assert.Equal(t, PulumiVersion, requiredVersion(string(gomod), "github.com/pulumi/pulumi/pkg/v3"))
	program, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	assert.Equal(t, AWSPluginVersion, requiredVersion(string(program), "github.com/pulumi/pulumi-aws/sdk/v6"))
}

func TestDownloadedCLI(t *testing.T) {
	tools, out := testToolchain(t)
	serve(t, tools, pulumiFiles(t, tools, ""))
	cli, err := tools.EnsureCLI()
	require.NoError(t, err)
	assert.Equal(t, CLI{Path: filepath.Join(tools.Bin(), "pulumi"), Version: PulumiVersion}, cli)
	assert.Contains(t, out.String(), "• download the Pulumi CLI v3.259.0: none is installed that is new enough (usually")
	assert.Contains(t, out.String(), "ok: download the Pulumi CLI v3.259.0, in ")
	assert.Empty(t, leftovers(t, tools))
	entries, err := os.ReadDir(tools.Bin())
	require.NoError(t, err)
	assert.Len(t, entries, 2, "only the CLI and its Go language host are wanted")

	out.Reset()
	tools.releases = "http://127.0.0.1:1"
	_, err = tools.EnsureCLI()
	require.NoError(t, err)
	assert.Empty(t, out.String(), "the second time nothing is to do")
}

func leftovers(t *testing.T, tools *Toolchain) []string {
	files, err := filepath.Glob(tools.Path("tmp", "*", "*"))
	require.NoError(t, err)
	return files
}

func TestEnsureCLI_WrongChecksum_IsAnError(t *testing.T) {
	tools, out := testToolchain(t)
	wrong := strings.Repeat("ab", 32)
	files := pulumiFiles(t, tools, wrong)
	serve(t, tools, files)
	_, err := tools.EnsureCLI()
	var checksum *ChecksumError
	require.ErrorAs(t, err, &checksum)
	r := tools.pulumiRelease()
	assert.Contains(t, err.Error(), "expected "+wrong)
	assert.Contains(t, err.Error(), "got      "+sum(files[r.folder+"/"+r.archive]))
	assert.Contains(t, err.Error(), "tools/toolchain/pins.go")
	assert.Empty(t, leftovers(t, tools), "the file is deleted")
	assert.NoFileExists(t, filepath.Join(tools.Bin(), "pulumi"))
	assert.NotContains(t, out.String(), "build")
}

// A checksum that lies beside the archive proves nothing: whoever exchanges the archive exchanges it, too.
func TestDownload_NoChecksumInRepository_NotAsked(t *testing.T) {
	tools, _ := testToolchain(t)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Error("asked for", r.URL) }))
	t.Cleanup(server.Close)
	tools.releases = server.URL
	r := tools.pulumiRelease()
	r.archive = "unknown.tar.gz"
	err := tools.download(r, tools.Bin(), "pulumi")
	assert.True(t, isUnavailable(err), "%v", err)
	assert.ErrorContains(t, err, "has no checksum for unknown.tar.gz")
}

func TestEnsureCLI_UnreachableServer_BuildsFromModules(t *testing.T) {
	for name, prepare := range map[string]func(*Toolchain){
		"nobody listens":             func(tools *Toolchain) { tools.releases = "http://127.0.0.1:1" },
		"no such file":               func(tools *Toolchain) { serve(t, tools, nil) },
		"no release for this system": func(tools *Toolchain) { serve(t, tools, pulumiFiles(t, tools, "")); tools.arch = "riscv64" },
	} {
		t.Run(name, func(t *testing.T) {
			tools, out := testToolchain(t)
			prepare(tools)
			_, err := tools.EnsureCLI()
			require.ErrorContains(t, err, "build Pulumi's Go language host failed", "PATH has no go here, so the next way is seen by its failure")
			assert.Contains(t, err.Error(), "install Go")
			assert.Contains(t, out.String(), "  not available here: download the Pulumi CLI ")
		})
	}
}

func TestDownload_SilentServer_TimesOut(t *testing.T) {
	tools, _ := testToolchain(t)
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	tools.releases = server.URL
	tools.client.Transport.(*http.Transport).ResponseHeaderTimeout = 50 * time.Millisecond
	err := tools.download(tools.pulumiRelease(), tools.Bin(), "pulumi")
	assert.True(t, isUnavailable(err), "%v", err)
}

// zipped is a provider as HashiCorp releases it.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	writer := zip.NewWriter(&b)
	for name, content := range files {
		header := &zip.FileHeader{Name: name}
		header.SetMode(0o755)
		file, err := writer.CreateHeader(header)
		require.NoError(t, err)
		_, err = io.WriteString(file, content)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return b.Bytes()
}

func TestEnsureMirror_NoMirror_DownloadsVerifiedProvider(t *testing.T) {
	tools, out := testToolchain(t)
	r := tools.providerRelease()
	provider := map[string]string{"LICENSE.txt": "x", "terraform-provider-aws_v5.100.0_x5": "#!/bin/sh\n"}
	files := map[string][]byte{r.folder + "/" + r.archive: zipped(t, provider)}
	serve(t, tools, files)
	tools.hashicorp = tools.releases
	require.NoError(t, tools.CheckPlugin())
	_, err := tools.ensureMirror()
	var wrong *ChecksumError
	require.ErrorAs(t, err, &wrong, "it is not HashiCorp's")
	assert.NoDirExists(t, tools.ownMirror())
	assert.Empty(t, leftovers(t, tools))

	before := providerHashes
	t.Cleanup(func() { providerHashes = before })
	providerHashes = []string{wrong.Got}
	mirror, err := tools.ensureMirror()
	require.NoError(t, err)
	assert.Equal(t, tools.ownMirror(), mirror)
	assert.Contains(t, out.String(), "ok: download the Terraform AWS provider")
	assert.FileExists(t, filepath.Join(tools.providerFolder(mirror), "terraform-provider-aws_v5.100.0_x5"))

	tools.hashicorp = "http://127.0.0.1:1"
	again, err := tools.ensureMirror()
	require.NoError(t, err)
	assert.Equal(t, mirror, again, "it is there")

	// What somebody puts into a mirror is noticed, in place of the provider or beside it.
	for _, name := range []string{"terraform-provider-aws_v5.100.0_x5", "terraform-provider-aws_v5.100.0_x6"} {
		path := filepath.Join(tools.providerFolder(mirror), name)
		old, readErr := os.ReadFile(path)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755))
		_, err = tools.ensureMirror()
		require.ErrorAs(t, err, &wrong)
		require.NoError(t, os.Remove(path))
		if readErr == nil {
			require.NoError(t, os.WriteFile(path, old, 0o755))
		}
		_, err = tools.ensureMirror()
		require.NoError(t, err)
	}
}

func TestUnzip_PathsOutside_StayInside(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.zip"), zipped(t, map[string]string{"../../evil": "x"}), 0o600))
	require.NoError(t, unzip(filepath.Join(folder, "a.zip"), filepath.Join(folder, "to")))
	assert.FileExists(t, filepath.Join(folder, "to", "evil"))
}

func TestSufficient(t *testing.T) {
	for version, want := range map[string]bool{
		"v3.259.0": true, "v3.259.1": true, "v3.300.0": true, "3.260.0": true, "v3.260.0-alpha.1": true, "v3.259.0+dirty": true,
		"v3.258.9": false, "v3.99.0": false, "v4.0.0": false, "v2.300.0": false, "v3.259.0-alpha.1": false, "": false, "latest": false,
	} {
		assert.Equal(t, want, sufficient(version, PulumiVersion), version)
	}
}

func TestInstalledCLI(t *testing.T) {
	for _, c := range []struct {
		name, version string
		host, used    bool
		message       string
	}{
		{"new enough", "v3.300.1", true, true, ""},
		{"too old", "v3.100.0", true, false, "it is v3.100.0, needed is v3.259.0 or newer of the same major version"},
		{"another major version", "v4.0.0", true, false, "it is v4.0.0"},
		{"without language host", "v3.300.1", false, false, "there is no pulumi-language-go beside it or on PATH"},
		{"broken", "", true, false, "`pulumi version` fails"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tools, out := testToolchain(t)
			folder := t.TempDir()
			body := "echo " + c.version
			if c.version == "" {
				body = "exit 1"
			}
			script(t, filepath.Join(folder, "pulumi"), body)
			if c.host {
				script(t, filepath.Join(folder, "pulumi-language-go"), "")
			}
			t.Setenv("PATH", folder)
			cli, used := tools.installedCLI()
			assert.Equal(t, c.used, used)
			assert.Equal(t, c.used, cli.Installed)
			assert.Contains(t, out.String(), c.message)
		})
	}
	t.Run("ours on PATH is not installed", func(t *testing.T) {
		tools, _ := testToolchain(t)
		script(t, filepath.Join(tools.Bin(), "pulumi"), "echo v3.300.0")
		script(t, filepath.Join(tools.Bin(), "pulumi-language-go"), "")
		t.Setenv("PATH", tools.Bin())
		_, used := tools.installedCLI()
		assert.False(t, used)
	})
}

func TestFlagsOf_HostFromModules_DoesNotTrimPaths(t *testing.T) {
	self, err := os.Executable() // a program of this module, as command pulumi-language-go is
	require.NoError(t, err)
	assert.Equal(t, buildtarget.Flags, flagsOf(self))
	released := filepath.Join(t.TempDir(), "pulumi-language-go")
	script(t, released, "")
	assert.Equal(t, buildtarget.ReleasedHostFlags, flagsOf(released))
}

func mirror(t *testing.T, tools *Toolchain, root string) string {
	script(t, filepath.Join(tools.providerFolder(root), "terraform-provider-aws_v"+AWSProviderVersion+"_x5"), "")
	return root
}

func TestFindMirror(t *testing.T) {
	tools, _ := testToolchain(t)
	parent := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(parent, "a"), 0o755))
	second := mirror(t, tools, filepath.Join(parent, "b"))
	tools.mirrorRoots = append(tools.mirrorRoots, parent+"/*")
	found, err := tools.FindMirror()
	require.NoError(t, err)
	assert.Equal(t, second, found)

	first := mirror(t, tools, t.TempDir())
	tools.mirrorRoots = append([]string{first}, tools.mirrorRoots...)
	found, err = tools.FindMirror()
	require.NoError(t, err)
	assert.Equal(t, first, found, "the order of the places counts")

	named := mirror(t, tools, t.TempDir())
	t.Setenv(MirrorVariable, named)
	found, err = tools.FindMirror()
	require.NoError(t, err)
	assert.Equal(t, named, found, "the variable wins")

	t.Setenv(MirrorVariable, parent)
	_, err = tools.FindMirror()
	require.ErrorContains(t, err, MirrorVariable+"="+parent+" does not hold the AWS provider")

	t.Setenv(MirrorVariable, "")
	tools.arch = "arm64"
	_, err = tools.FindMirror()
	var notFound *MirrorNotFoundError
	require.ErrorAs(t, err, &notFound, "a mirror for another machine does not count")
	assert.Contains(t, err.Error(), parent+"/*")
}

func TestDefaultMirrorRoots(t *testing.T) {
	t.Setenv("TF_PLUGIN_CACHE_DIR", "/cache")
	t.Setenv("HOME", "/home/x")
	assert.Equal(t, []string{"/cache", "/home/x/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*"}, defaultMirrorRoots())
}

func TestEnsureEmulated_NoServerAndNoMirror_FailsAtOnce(t *testing.T) {
	tools, out := testToolchain(t)
	start := time.Now()
	_, err := tools.EnsureEmulated(true)
	require.Error(t, err)
	assert.Less(t, time.Since(start), time.Second)
	for _, part := range []string{"http://127.0.0.1:1/terraform-provider-aws/", "connection refused", tools.mirrorRoots[0], MirrorVariable, ReleasesVariable, "Nothing was built or changed"} {
		assert.Contains(t, err.Error(), part)
	}
	assert.Empty(t, out.String(), "nothing was begun")
}

// realGo brings back the PATH that testToolchain took away.
func realGo(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PATH")
	_, err := exec.LookPath("go")
	require.NoError(t, err)
	return path
}

func TestBuild_ReplacesProgramInOneStepWhenSourcesChange(t *testing.T) {
	path := realGo(t)
	tools, out := testToolchain(t)
	t.Setenv("PATH", path)
	folder := filepath.Join(tools.Root, "tools", "cmd", "emulator")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	write := func(file, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(tools.Root, "tools", file), []byte(content), 0o644))
	}
	write("go.mod", "module example/tools\n")
	write("cmd/emulator/main.go", "package main\nfunc main() { println(1) }\n")
	require.NoError(t, tools.EnsureEmulator())
	assert.True(t, isExecutable(tools.Emulator()))

	out.Reset()
	require.NoError(t, tools.EnsureEmulator())
	assert.Empty(t, out.String(), "nothing has changed")

	// A build that was killed: there is a temporary file, and the program is missing.
	require.NoError(t, os.MkdirAll(tools.Path("tmp", "build-1"), 0o755))
	require.NoError(t, os.WriteFile(tools.Path("tmp", "build-1", "emulator"), []byte("half"), 0o755))
	require.NoError(t, os.Remove(tools.Emulator()))
	tools.removeLeftovers()
	require.NoError(t, tools.EnsureEmulator())
	assert.True(t, isExecutable(tools.Emulator()))
	assert.Empty(t, leftovers(t, tools))

	before, err := os.ReadFile(tools.Emulator())
	require.NoError(t, err)
	write("cmd/emulator/main.go", "package main\nfunc main() { nonsense }\n")
	err = tools.EnsureEmulator()
	require.ErrorContains(t, err, "undefined: nonsense")
	assert.Contains(t, err.Error(), tools.Path("log", "build-emulator.log"))
	assert.Contains(t, err.Error(), "Fix:")
	assert.Contains(t, out.String(), "its sources have changed")
	after, err := os.ReadFile(tools.Emulator())
	require.NoError(t, err)
	assert.True(t, bytes.Equal(before, after), "the old program is still whole")

	write("cmd/emulator/main.go", "package main\nfunc main() { println(2) }\n")
	require.NoError(t, tools.EnsureEmulator())
}

func TestBuiltAsPinned_OtherProgram_False(t *testing.T) {
	tools, _ := testToolchain(t)
	script(t, tools.Bridge(), "")
	assert.False(t, tools.builtAsPinned(tools.Bridge(), buildBridge), "not a Go program")
	self, err := os.Executable()
	require.NoError(t, err)
	assert.False(t, tools.builtAsPinned(self, buildBridge), "another Go program")
	gomod := "require example.com/a v1.0.0\n\nrequire (\n\texample.com/b/v3 v3.1.0\n\texample.com/b/v3/c v9.9.9 // indirect\n)\n"
	assert.Equal(t, "v1.0.0", requiredVersion(gomod, "example.com/a"))
	assert.Equal(t, "v3.1.0", requiredVersion(gomod, "example.com/b/v3"))
	assert.Equal(t, "", requiredVersion(gomod, "example.com/b"))
}

func TestPython(t *testing.T) {
	tools, out := testToolchain(t)
	requirements := filepath.Join(tools.Root, "tools/emulator/moto/requirements.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(requirements), 0o755))
	require.NoError(t, os.WriteFile(requirements, []byte("# comment\nmoto==5.2.1 \\\n    --hash=sha256:0\n"), 0o644))
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")

	// A virtual environment, made by `python3 -m venv FOLDER` and filled by `python3 -m pip`, even where python3 on PATH
	// says that it has the pinned moto.
	inner := `case "$*" in *pip*) [ -e "` + bin + `/no-pip" ] && { echo no index; exit 1; }; echo "$*" >> "` + bin + `/pips" ;; esac`
	script(t, filepath.Join(bin, "inner"), inner)
	script(t, filepath.Join(bin, "python3"), `case "$2" in
venv) mkdir -p "$3/bin" && cp "`+bin+`/inner" "$3/bin/python3" ;;
*) printf '5.2.1\n/the/interpreter\n' ;;
esac`)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "no-pip"), nil, 0o644))
	_, err := tools.EnsurePython()
	require.ErrorContains(t, err, "no index")
	assert.Contains(t, err.Error(), "pip must reach")

	require.NoError(t, os.Remove(filepath.Join(bin, "no-pip")))
	python, err := tools.EnsurePython()
	require.NoError(t, err, "what the failed installation left is done again")
	assert.Equal(t, tools.Path("venv", "bin", "python3"), python)
	pips, err := os.ReadFile(filepath.Join(bin, "pips"))
	require.NoError(t, err)
	for _, flag := range []string{"--require-hashes", "--no-deps", "--only-binary=:all:"} {
		assert.Contains(t, string(pips), flag, "no package without its hash, none that the list lacks, none that runs a program when it is installed")
	}
	out.Reset()
	_, err = tools.EnsurePython()
	require.NoError(t, err)
	assert.Empty(t, out.String(), "installed already")

	require.NoError(t, os.WriteFile(requirements, []byte("moto==5.2.1\nflask==3\n"), 0o644))
	_, err = tools.EnsurePython()
	require.NoError(t, err)
	assert.Contains(t, out.String(), "install the local emulator", "other requirements")

	require.NoError(t, os.WriteFile(requirements, []byte("moto\n"), 0o644))
	_, err = tools.EnsurePython()
	require.ErrorContains(t, err, "must pin moto")
}

// No system starts a script whose "#!" line has a path with a blank.
func TestAWSCLI_FolderWithABlank_Starts(t *testing.T) {
	tools, _ := testToolchain(t)
	tools.Root = filepath.Join(t.TempDir(), "my work #1")
	script(t, tools.Path("venv", "bin", "python3"), `echo "$@"`)
	require.NoError(t, tools.writeAWS())
	out, err := exec.Command(tools.Path("venv", "bin", "aws"), "s3", "ls", "a b").Output()
	require.NoError(t, err)
	assert.Equal(t, "-m awscli s3 ls a b\n", string(out))
}

// The disk is full during a build: half a program has been written when the system refuses the rest. That is said with
// the fix, nothing half-finished is in place, and once there is room the same command goes through.
//
// The device that is full is the system's /dev/full, and a script in the place of go writes to it: that go itself leaves
// half a file behind is taken from what it does on a full disk, and not shown here.
func TestBuild_FullDisk_KeepsOldProgram(t *testing.T) {
	path := realGo(t)
	goPath, err := exec.LookPath("go")
	require.NoError(t, err)
	tools, _ := testToolchain(t)
	bin, full := t.TempDir(), filepath.Join(t.TempDir(), "full")
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+path)
	t.Setenv("LC_ALL", "C")
	script(t, filepath.Join(bin, "go"), `if [ -e "`+full+`" ] && [ "$1 $2" = "build -o" ]; then
	echo half > "$3" && chmod +x "$3"
	exec cat "$3" > /dev/full
fi
exec "`+goPath+`" "$@"`)
	setFull := func(yes bool) {
		if yes {
			require.NoError(t, os.WriteFile(full, nil, 0o644))
		} else {
			require.NoError(t, os.Remove(full))
		}
	}
	refused := func(err error) {
		t.Helper()
		require.ErrorContains(t, err, "No space left on device")
		require.ErrorContains(t, err, "Fix: the disk is full: make room")
		assert.Empty(t, leftovers(t, tools))
	}
	says := func() string {
		t.Helper()
		text, err := exec.Command(tools.Emulator()).CombinedOutput()
		require.NoError(t, err)
		return string(text)
	}
	write := func(file, content string) {
		t.Helper()
		file = filepath.Join(tools.Root, "tools", file)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	}

	write("go.mod", "module example/tools\n")
	write("cmd/emulator/main.go", "package main\nfunc main() { println(1) }\n")
	setFull(true)
	refused(tools.EnsureEmulator())
	assert.NoFileExists(t, tools.Emulator())
	setFull(false)
	require.NoError(t, tools.EnsureEmulator())
	assert.Equal(t, "1\n", says())

	write("cmd/emulator/main.go", "package main\nfunc main() { println(2) }\n")
	setFull(true)
	refused(tools.EnsureEmulator())
	assert.Equal(t, "1\n", says(), "the old program is still whole")
	setFull(false)
	require.NoError(t, tools.EnsureEmulator())
	assert.Equal(t, "2\n", says())

	// The same while pip installs.
	write("emulator/moto/requirements.txt", "moto==5.2.1\n")
	script(t, filepath.Join(bin, "inner"), `case "$*" in
*pip*) echo half > "$(dirname "$0")/half" && [ ! -e "`+full+`" ] || exec cat "$0" > /dev/full ;;
esac`)
	script(t, filepath.Join(bin, "python3"), `case "$2" in
venv) mkdir -p "$3/bin" && cp "`+bin+`/inner" "$3/bin/python3" ;;
*) printf '5.0.0\n/the/interpreter\n' ;;
esac`)
	setFull(true)
	_, err = tools.EnsurePython()
	refused(err)
	setFull(false)
	python, err := tools.EnsurePython()
	require.NoError(t, err)
	assert.Equal(t, tools.Path("venv", "bin", "python3"), python)
}

func TestProgress_Steps_ShowDuration(t *testing.T) {
	tools, out := testToolchain(t)
	tools.every = 10 * time.Millisecond
	require.NoError(t, tools.run(step{name: "wait", why: "a test", usual: "no time"}, func() error { time.Sleep(35 * time.Millisecond); return nil }))
	assert.Contains(t, out.String(), "• wait: a test (usually no time)\n  still running: wait … ")
	assert.Contains(t, out.String(), "  ok: wait, in ")

	out.Reset()
	tools.every = time.Hour
	require.NoError(t, tools.run(step{name: "quick", quiet: time.Hour}, func() error { return nil }))
	assert.Empty(t, out.String())

	err := tools.run(step{name: "full"}, func() error { return fmt.Errorf("write x: %w", syscall.ENOSPC) })
	require.ErrorContains(t, err, "The disk is full")
	assert.True(t, errors.Is(err, syscall.ENOSPC))
}

// Ctrl-C is no failure of the program that it ends.
func TestRun_Interrupted_SaysSo(t *testing.T) {
	tools, out := testToolchain(t)
	err := tools.run(step{name: "build"}, func() error {
		self, err := os.FindProcess(os.Getpid())
		return errors.Join(err, self.Signal(os.Interrupt), errors.New("its program was interrupted too"))
	})
	require.Equal(t, process.Exit{Code: 130}, err)
	require.Contains(t, out.String(), "• build\nCancelled. What is finished is kept: the same command continues from there.\n")
}

// SIGTERM, as of kill, reaches the command alone: the program of the step would go on without it.
func TestRun_Terminated_StopsItsPrograms(t *testing.T) {
	tools, _ := testToolchain(t)
	program := exec.Command("/bin/sh", "-c", "PATH=/usr/bin:/bin; sleep 0.5; kill -TERM $PPID; exec sleep 300")
	start := time.Now()
	err := tools.run(step{name: "build"}, func() error { return tools.command("sleep", "", program) })
	require.Equal(t, process.Exit{Code: 130}, err)
	require.Less(t, time.Since(start), 4*time.Second, "the program was not stopped at once")
	require.NotNil(t, program.ProcessState, "it still runs")
}

func TestLock_TwoProcesses_OneWaits(t *testing.T) {
	tools, out := testToolchain(t)
	unlock, err := tools.Lock()
	require.NoError(t, err)
	other := New(tools.Root, out)
	other.lockQuiet = 10 * time.Millisecond
	got := make(chan error)
	go func() {
		unlock, err := other.Lock()
		if err == nil {
			unlock()
		}
		got <- err
	}()
	select {
	case <-got:
		t.Fatal("two commands hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	require.NoError(t, <-got)
	assert.Contains(t, out.String(), "• wait for another command of this checkout")
}

// The emulator's secret, the state and the logs are in .local. One that an earlier version made is closed, too.
func TestLock_Folder_OnlyUserEnters(t *testing.T) {
	tools, _ := testToolchain(t)
	require.NoError(t, os.Mkdir(tools.Path(), 0o755))
	unlock, err := tools.Lock()
	require.NoError(t, err)
	unlock()
	info, err := os.Stat(tools.Path())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestBin_HoldsNoPulumiPlugin(t *testing.T) {
	tools, _ := testToolchain(t)
	assert.NotEqual(t, tools.Bin(), tools.PluginFolder())
	for _, path := range []string{tools.Bridge(), tools.Emulator()} {
		assert.False(t, strings.HasPrefix(filepath.Base(path), "pulumi-resource-"), path)
	}
}

func TestSessionPlugin_IsInstalledOneOrBuilt(t *testing.T) {
	tools, out := testToolchain(t)
	bin := t.TempDir()
	t.Setenv("PATH", tools.Bin()+string(filepath.ListSeparator)+bin)

	// What an interrupted or another version's build left in .local/bin is no installed plugin, although it is on PATH.
	script(t, filepath.Join(tools.Bin(), "session-manager-plugin"), "")
	_, err := tools.EnsureSessionPlugin()
	require.ErrorContains(t, err, "install Go", "PATH has no go here, so the build is seen by its failure")
	assert.Contains(t, out.String(), "session-manager-plugin from its Go module: none is installed")

	script(t, filepath.Join(bin, "session-manager-plugin"), "")
	out.Reset()
	path, err := tools.EnsureSessionPlugin()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(bin, "session-manager-plugin"), path)
	assert.Empty(t, out.String())
}

func TestSessionPlugin_IsPinned(t *testing.T) {
	gomod, err := os.ReadFile(filepath.Join("..", "..", buildSessionPlugin.folder, "go.mod"))
	require.NoError(t, err)
	assert.Regexp(t, `^v0\.0\.0-\d{14}-[0-9a-f]{12}$`, requiredVersion(string(gomod), "github.com/aws/session-manager-plugin"))
	assert.Contains(t, string(gomod), "tool "+buildSessionPlugin.pkg+"\n")
	assert.Contains(t, string(gomod), "replace github.com/twinj/uuid => github.com/twinj/uuid v0.0.0-20151029044442-89173bcdda19")
}

// Installations use the package sources of the caller's environment, and none of its options. Only the scripts' view of it is
// proved; that pip and Go follow these variables is theirs to say.
func TestInstallation_HostileEnvironment_OnlyPackageSourcesPass(t *testing.T) {
	tools, _ := testToolchain(t)
	requirements := filepath.Join(tools.Root, "tools/emulator/moto/requirements.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(requirements), 0o755))
	require.NoError(t, os.WriteFile(requirements, []byte("moto==5.2.1\n"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(tools.Root, "tools"), 0o755))
	bin := t.TempDir()
	seen := filepath.Join(bin, "seen")
	record := "env | grep -E '^(PIP_|PYTHON|GO|CGO|TMPDIR|https_proxy)' >> '" + seen + "'\n"
	script(t, filepath.Join(bin, "inner"), record+`case "$*" in *platlibdir*) exit 0;; esac`)
	script(t, filepath.Join(bin, "python3"), record+`case "$2" in
venv) mkdir -p "$3/bin" "$3/lib" && ln -s lib "$3/lib64" && cp '`+bin+`/inner' "$3/bin/python3" ;;
*) printf '5.0.0\n/the/interpreter\n' ;;
esac`)
	script(t, filepath.Join(bin, "go"), record+`for last; do :; done; while [ $# -gt 1 ]; do [ "$1" = -o ] && printf '#!/bin/sh\n' > "$2" && chmod +x "$2"; shift; done`)
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "PIP_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for name, value := range map[string]string{
		"PIP_INDEX_URL": "https://pip", "GOPROXY": "https://goproxy", "GONOSUMDB": "corp", "https_proxy": "http://proxy",
		"PIP_USER": "1", "PIP_TARGET": "/x", "PYTHONPATH": "/x", "PYTHONHOME": "/x", "GOFLAGS": "-mod=vendor", "GOWORK": "/x", "GOOS": "plan9", "GOBIN": "/x", "CGO_ENABLED": "1",
	} {
		t.Setenv(name, value)
	}
	_, err := tools.EnsurePython()
	require.NoError(t, err)
	require.NoError(t, tools.goBuild(build{step: step{name: "build"}, folder: "tools", pkg: "p"}, "", filepath.Join(tools.Bin(), "p")))
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	// What a killed program leaves is in .local.
	for _, name := range []string{"TMPDIR=", "GOTMPDIR="} {
		assert.True(t, slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+tools.Path("tmp")) }), name)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "TMPDIR=") })
	slices.Sort(lines)
	assert.Equal(t, []string{"GOFLAGS=-buildvcs=false", "GONOSUMDB=corp", "GOPROXY=https://goproxy", "GOWORK=off", "PIP_INDEX_URL=https://pip", "https_proxy=http://proxy"}, slices.Compact(lines))
	assert.NoFileExists(t, tools.Path("venv", "lib64"), "`pulumi new` cannot copy a link to a folder")
}

func TestPython_CannotRunTheEmulator_SaidBeforeAnythingIsBuilt(t *testing.T) {
	tools, _ := testToolchain(t)
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	require.ErrorContains(t, tools.CheckPython(), "there is no python3 on PATH")
	for imports, want := range map[string]string{"sys": "", "version_info": "is too old, or does not run.\n  Fix: install Python 3.10", "venv": "lacks the module venv"} {
		script(t, filepath.Join(bin, "python3"), `case "$2" in *moto*) exit 1;; *"import `+imports+`"*|*`+imports+`*) exit `+map[bool]string{true: "0", false: "1"}[want == ""]+`;; esac`)
		if err := tools.CheckPython(); want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
	script(t, filepath.Join(bin, "python3"), `case "$2" in *venv*) exit 1;; esac`)
	require.ErrorContains(t, tools.CheckPython(), "lacks the module venv", "a moto that is installed elsewhere is not used")
}
