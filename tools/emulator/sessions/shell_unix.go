//go:build unix

package sessions

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// interruptible gives the terminal as a file whose Close ends a read and hangs up. The library's does neither as long
// as a read goes on, and that is as long as a job in the background has the terminal. The file that is given is closed.
func interruptible(tty *os.File) (*os.File, error) {
	defer tty.Close()
	fd, err := unix.FcntlInt(tty.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), tty.Name()), nil
}

func setSize(fd int, columns, rows uint16) {
	_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}) // a size that is refused changes nothing
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
