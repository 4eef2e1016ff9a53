//go:build unix && !linux

package standin

import "syscall"

// childAttributes gives the bridge a process group of its own, for the reason in parent_linux.go. When this process is
// killed the bridge ends within minutes, when it finds that the engine it knows, which is this process, is gone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
