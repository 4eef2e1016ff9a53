package sessions

import (
	"os"

	"golang.org/x/sys/unix"
)

// smallPipe is a pipe that holds a page of memory. One of the usual 64 KiB would be filled with hundreds of lines that
// nobody has asked to see.
func smallPipe() (from, to *os.File, err error) {
	from, to, err = os.Pipe()
	if err == nil {
		_, _ = unix.FcntlInt(to.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()) // else it is only larger
	}
	return from, to, err
}
