package toolchain

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// MirrorNotFoundError names the places where no Terraform provider was found.
type MirrorNotFoundError struct {
	Provider string
	Tried    []string
}

func (e *MirrorNotFoundError) Error() string {
	return fmt.Sprintf("no Terraform filesystem mirror holds %s; looked in\n    %s\n  Fix: %s=<folder that holds it>",
		e.Provider, strings.Join(e.Tried, "\n    "), MirrorVariable)
}

// defaultMirrorRoots are the places where Terraform itself looks, and then the folders one level under /opt, where
// images of machines without network keep such things.
func defaultMirrorRoots() []string {
	var roots []string
	if cache := os.Getenv("TF_PLUGIN_CACHE_DIR"); cache != "" {
		roots = append(roots, cache)
	}
	if home, err := os.UserHomeDir(); err == nil {
		roots = append(roots, filepath.Join(home, ".terraform.d", "plugins"))
	}
	return append(roots, "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*")
}

func (t *Toolchain) providerFolder(mirror string) string {
	return filepath.Join(mirror, "registry.terraform.io", "hashicorp", "aws", AWSProviderVersion, t.os+"_"+t.arch)
}

// FindMirror returns the first Terraform filesystem mirror that holds the AWS provider for this machine. Where the
// environment names one, no other is considered.
func (t *Toolchain) FindMirror() (string, error) {
	if named := os.Getenv(MirrorVariable); named != "" {
		if !t.holdsProvider(named) {
			return "", fmt.Errorf("%s=%s does not hold the AWS provider: there is no terraform-provider-aws_* in %s. "+
				"Correct the variable, or unset it to search the usual places", MirrorVariable, named, t.providerFolder(named))
		}
		return filepath.Abs(named)
	}
	var tried []string
	for _, pattern := range append([]string{t.ownMirror()}, t.mirrorRoots...) {
		tried = append(tried, pattern)
		folders := []string{pattern}
		if strings.HasSuffix(pattern, "*") {
			folders, _ = filepath.Glob(pattern)
		}
		for _, folder := range folders {
			if t.holdsProvider(folder) {
				return filepath.Abs(folder)
			}
		}
	}
	return "", &MirrorNotFoundError{Provider: t.providerFolder(""), Tried: tried}
}

func (t *Toolchain) holdsProvider(mirror string) bool {
	files, _ := filepath.Glob(filepath.Join(t.providerFolder(mirror), "terraform-provider-aws_*"))
	return slices.ContainsFunc(files, isExecutable)
}

// ownMirror is the mirror that holds the provider if the machine has none.
func (t *Toolchain) ownMirror() string { return t.Path("terraform") }

// ensureMirror returns a mirror with the provider that was released, and downloads the provider if no mirror has it.
func (t *Toolchain) ensureMirror() (string, error) {
	mirror, err := t.FindMirror()
	var notFound *MirrorNotFoundError
	if errors.As(err, &notFound) {
		get := step{name: "download the Terraform AWS provider " + AWSProviderVersion, why: "the first run needs it", usual: "1 to 2 minutes"}
		return t.ownMirror(), t.run(get, t.downloadProvider)
	}
	if err != nil {
		return "", err
	}
	return mirror, t.verifyProvider(mirror)
}

// downloadProvider puts the provider into the own mirror once its hash is known to be right.
func (t *Toolchain) downloadProvider() error {
	temporary, err := t.temporary("download")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	r := t.providerRelease()
	archive, unpacked := filepath.Join(temporary, r.archive), filepath.Join(temporary, "provider")
	if _, err := t.save(r.url(), archive); err != nil {
		return err
	}
	if err := unzip(archive, unpacked); err != nil {
		return fmt.Errorf("cannot unpack %s: %w", r.archive, err)
	}
	if err := checkHash(unpacked, r.url()); err != nil {
		return err
	}
	folder := t.providerFolder(t.ownMirror())
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	return os.Rename(unpacked, folder)
}

// unzip unpacks the files of an archive that has no folders.
func unzip(archive, folder string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	for _, entry := range reader.File {
		// Only the last part of the name counts, so no entry can be written outside the folder.
		out, err := os.OpenFile(filepath.Join(folder, path.Base(entry.Name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, entry.Mode().Perm())
		if err != nil {
			return err
		}
		in, err := entry.Open()
		if err == nil {
			_, err = io.Copy(out, in)
			err = errors.Join(err, in.Close())
		}
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	return nil
}

func checkHash(folder, source string) error {
	got, err := dirhash.HashDir(folder, "", dirhash.Hash1)
	if err != nil {
		return err
	}
	if !slices.Contains(providerHashes, got) {
		return &ChecksumError{URL: source, Expected: "one of providerHashes", Got: got}
	}
	return nil
}

// verifyProvider compares the provider of a mirror with the hashes of the release. It reads 700 MB, so it remembers what it
// has found right, by the size and the time of the last change.
func (t *Toolchain) verifyProvider(mirror string) error {
	folder := t.providerFolder(mirror)
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var now strings.Builder
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&now, folder, file.Name(), info.Size(), info.ModTime().UnixNano())
	}
	marker := t.Path("verified-provider")
	if old, _ := os.ReadFile(marker); string(old) == now.String() {
		return nil
	}
	s := step{name: "verify the Terraform AWS provider in " + mirror, usual: "seconds", quiet: t.lockQuiet}
	return t.run(s, func() error {
		if err := checkHash(folder, folder); err != nil {
			return err
		}
		return os.WriteFile(marker, []byte(now.String()), 0o600)
	})
}
