package toolchain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PluginFolder is where the Pulumi CLI of emulated stacks finds the AWS plugin. A folder of this name is all that it
// needs to list and use a plugin.
func (t *Toolchain) PluginFolder() string {
	return filepath.Join(t.PulumiHome(), "plugins", "resource-aws-"+AWSPluginVersion)
}

// Bridge is Pulumi's plugin for any Terraform provider, which the stand-in for the AWS plugin starts.
func (t *Toolchain) Bridge() string { return filepath.Join(t.Bin(), "terraform-bridge") }

// HasOfficialPlugin reports whether the plugin is the released one, which somebody installed there. The stand-in is told
// from it by the bridge beside it.
func (t *Toolchain) HasOfficialPlugin() bool {
	return isExecutable(filepath.Join(t.PluginFolder(), "pulumi-resource-aws")) && !t.hasStandIn()
}

func (t *Toolchain) hasStandIn() bool {
	_, err := os.Lstat(filepath.Join(t.PluginFolder(), "terraform-bridge"))
	return err == nil
}

// CheckPlugin fails if there is no way to get the Terraform provider here. It takes a second, a few where the network swallows
// packets, so that nobody waits for minutes of builds that lead nowhere.
func (t *Toolchain) CheckPlugin() error {
	if t.HasOfficialPlugin() {
		return nil
	}
	_, mirrorErr := t.FindMirror()
	if mirrorErr == nil {
		return nil
	}
	var notFound *MirrorNotFoundError
	if !errors.As(mirrorErr, &notFound) {
		return mirrorErr
	}
	r := t.providerRelease()
	body, serverErr := t.get(r.url())
	if serverErr == nil {
		return body.Close()
	}
	return fmt.Errorf(`the Terraform AWS provider %s, which the stand-in for the AWS plugin starts, is not available from either source:
  1. its release: %s
       %v
     Fix: use a network (or HTTPS_PROXY) that reaches that server, or name a server of your own with the same paths in %s.
  2. a filesystem mirror: not found in
       %s
     Fix: %s=<folder that holds %s>.
  Nothing was built or changed`,
		AWSProviderVersion, r.url(), serverErr, ReleasesVariable, strings.Join(notFound.Tried, "\n       "), MirrorVariable, t.providerFolder(""))
}

// EnsurePlugin installs the stand-in for the AWS plugin, for emulated stacks. A plugin that somebody put into its place
// stays.
func (t *Toolchain) EnsurePlugin() error {
	if t.HasOfficialPlugin() {
		return nil
	}
	return t.ensureStandIn()
}

func (t *Toolchain) ensureStandIn() error {
	mirror, err := t.ensureMirror()
	if err != nil {
		return err
	}
	if err := t.ensureBridge(); err != nil {
		return err
	}
	folder := t.PluginFolder()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	// The order matters to a run that is killed: with the bridge in place the folder counts as a stand-in, and the
	// next run goes on from there.
	if err := replaceLink(t.Bridge(), filepath.Join(folder, "terraform-bridge")); err != nil {
		return err
	}
	if err := writeIfChanged(filepath.Join(folder, "terraform-mirror"), mirror+"\n"); err != nil {
		return err
	}
	return t.ensureSameSources(buildStandIn, "", filepath.Join(folder, "pulumi-resource-aws"))
}

func (t *Toolchain) ensureBridge() error {
	if t.builtAsPinned(t.Bridge(), buildBridge) {
		return nil
	}
	return t.goBuild(buildBridge, "the stand-in for the AWS plugin uses it", t.Bridge())
}

// replaceLink makes link a symbolic link to the target. The bridge is 120 MB, so it is not copied.
func replaceLink(target, link string) error {
	if old, err := os.Readlink(link); err == nil && old == target {
		return nil
	}
	// A rename, so that there is never a moment without the link: without it the plugin would count as official.
	temporary := link + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, link)
}

func writeIfChanged(path, content string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return nil
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
