package toolchain

import (
	"os"
	"path/filepath"
)

// sessionPlugin is the name under which the AWS CLI looks for it on PATH.
const sessionPlugin = "session-manager-plugin"

// EnsureSessionPlugin returns the session-manager-plugin, without which the AWS CLI opens no session: an installed one
// on PATH, else one that is built into .local/bin from its Go module. Only commands on emulated stacks and the tests
// ask for it; what is used on a real account is for its user to install. The caller holds the lock.
func (t *Toolchain) EnsureSessionPlugin() (string, error) {
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(folder, sessionPlugin); !sameFile(folder, t.Bin()) && isExecutable(path) {
			return path, nil
		}
	}
	path := filepath.Join(t.Bin(), sessionPlugin)
	if t.builtAsPinned(path, buildSessionPlugin) {
		return path, nil
	}
	return path, t.goBuild(buildSessionPlugin, "none is installed", path)
}
