package sessions

import (
	"os"
	"os/exec"
)

// foreground does nothing: a Windows console has no foreground process group.
func foreground(*exec.Cmd, int) (takeBack func(), err error) { return func() {}, nil }

func signalForeground(cmd *exec.Cmd, s os.Signal) { _ = cmd.Process.Signal(s) }

func controlTerminal(*exec.Cmd) {}
