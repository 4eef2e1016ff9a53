// Command pulumi-language-go stands in front of a Go language host that was built from Go modules, and has it run a program
// that is built already. It has two parts, which cannot be confused, because a plugin gets the engine's address as an
// argument, and a program gets none:
//
//   - Pulumi starts it as the language host. It becomes the real host, and names itself as the program to run.
//   - The host starts it as the program, in the program's folder. It builds the program if that has changed, and becomes it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"private-ec2-access/tools/buildtarget"
)

func main() {
	act := buildtarget.Exec
	if len(os.Args) > 1 {
		act = execHost
	}
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// execHost becomes the host in the folder that the toolchain puts it into: language-host, beside the folder of this
// command.
func execHost() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return err
	}
	host := filepath.Join(filepath.Dir(self), "..", "language-host", "pulumi-language-go")
	args := append([]string{host, "-binary=" + self}, os.Args[1:]...)
	return fmt.Errorf("starting the Go language host %s: %w. Fix: run make up, which builds it", host, syscall.Exec(host, args, os.Environ()))
}
