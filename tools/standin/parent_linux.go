package standin

import "syscall"

// childAttributes gives the bridge a process group of its own and has the kernel interrupt it when this process ends,
// even when it is killed.
//
// The engine interrupts the plugin's whole group. A bridge in that group would be interrupted twice, once by the engine
// and once by this process; the second one ends it before it has stopped the Terraform provider that it started. For
// the same reason the kernel's signal is an interrupt, not a kill.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}
