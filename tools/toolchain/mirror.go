package toolchain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	for _, pattern := range t.mirrorRoots {
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
	for _, file := range files {
		if isExecutable(file) {
			return true
		}
	}
	return false
}
