package toolchain

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// release is one official archive.
type release struct {
	// folder is the path of the release on the server.
	server, folder, archive string
}

func (t *Toolchain) pulumiRelease() release {
	arch := t.arch
	if arch == "amd64" {
		arch = "x64" // The CLI's archives say x64, the plugins' say amd64.
	}
	return release{
		server:  t.releases,
		folder:  "pulumi/pulumi/releases/download/" + PulumiVersion,
		archive: fmt.Sprintf("pulumi-%s-%s-%s.tar.gz", PulumiVersion, t.os, arch),
	}
}

// providerRelease is the Terraform provider, from HashiCorp.
func (t *Toolchain) providerRelease() release {
	return release{
		server:  t.hashicorp,
		folder:  "terraform-provider-aws/" + AWSProviderVersion,
		archive: fmt.Sprintf("terraform-provider-aws_%s_%s_%s.zip", AWSProviderVersion, t.os, t.arch),
	}
}

// ChecksumError says that an archive is not the one that was released. It is never passed over by trying another way:
// either the download was damaged, or somebody exchanged the file.
type ChecksumError struct {
	URL, Expected, Got string
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("the checksum of %s is wrong\n    expected %s (from tools/toolchain/pins.go)\n    got      %s\n"+
		"  Nothing was installed. Run the same command again; if it happens again, somebody else changed the file, and it must "+
		"not be used.", e.URL, e.Expected, e.Got)
}

// unavailable marks the errors after which another way is tried: the server cannot be had, or not the file.
type unavailable struct{ error }

func isUnavailable(err error) bool {
	var u unavailable
	return errors.As(err, &u)
}

// newClient gives up a connection after seconds, so that a network that swallows packets does not look like a hang.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 10 * time.Second,
	}}
}

// get opens one file of the release server. Without any data for 30 seconds it gives up.
func (t *Toolchain) get(url string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s=%q is not the address of a server: %w", ReleasesVariable, t.releases, err)
	}
	response, err := t.client.Do(request)
	if err != nil {
		cancel()
		return nil, unavailable{err}
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		cancel()
		return nil, unavailable{fmt.Errorf("%s answered %s", url, response.Status)}
	}
	const patience = 30 * time.Second
	return &impatientBody{ReadCloser: response.Body, timer: time.AfterFunc(patience, cancel), patience: patience, cancel: cancel}, nil
}

type impatientBody struct {
	io.ReadCloser
	timer    *time.Timer
	patience time.Duration
	cancel   context.CancelFunc
}

func (b *impatientBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.patience)
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = unavailable{fmt.Errorf("the download broke off: %w", err)}
	}
	return n, err
}

func (b *impatientBody) Close() error {
	b.timer.Stop()
	b.cancel()
	return b.ReadCloser.Close()
}

func (r release) url() string {
	return strings.TrimSuffix(r.server, "/") + "/" + r.folder + "/" + r.archive
}

// download gets a release, verifies it, and puts the named files of it into a folder. Nothing appears in the folder
// before the whole archive is verified. Files are put in place in the order in which they are named; all must be there.
func (t *Toolchain) download(r release, folder string, files ...string) error {
	expected, ok := pinnedChecksums[r.archive]
	if !ok {
		return unavailable{fmt.Errorf("tools/toolchain/pins.go has no checksum for %s", r.archive)}
	}
	temporary, err := t.temporary("download")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)

	archive := filepath.Join(temporary, r.archive)
	got, err := t.save(r.url(), archive)
	if err != nil {
		return err
	}
	if got != expected {
		return &ChecksumError{URL: r.url(), Expected: expected, Got: got}
	}
	if err := extract(archive, temporary, files); err != nil {
		return fmt.Errorf("cannot unpack %s: %w", r.archive, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Rename(filepath.Join(temporary, file), filepath.Join(folder, file)); err != nil {
			return err
		}
	}
	return nil
}

// save downloads to a file and returns the SHA-256 of what was written.
func (t *Toolchain) save(url, path string) (string, error) {
	body, err := t.get(url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, hash), body); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), file.Close()
}

func extract(archive, folder string, wanted []string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, name := range wanted {
		missing[name] = true
	}
	for reader := tar.NewReader(unzipped); len(missing) > 0; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		// Only the last part of the name counts, so no entry can be written outside the folder.
		name := path.Base(header.Name)
		if header.Typeflag != tar.TypeReg || !missing[name] {
			continue
		}
		out, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, reader); err != nil {
			out.Close()
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
		delete(missing, name)
	}
	for name := range missing {
		return fmt.Errorf("it does not hold %s", name)
	}
	return nil
}

// temporary makes a folder in .local/tmp, on the same file system as everything it will be renamed to.
func (t *Toolchain) temporary(purpose string) (string, error) {
	if err := os.MkdirAll(t.Path("tmp"), 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(t.Path("tmp"), purpose+"-")
}

// removeLeftovers deletes what killed commands left in .local/tmp. The caller holds the lock, so nobody else uses it.
func (t *Toolchain) removeLeftovers() {
	os.RemoveAll(t.Path("tmp"))
}
