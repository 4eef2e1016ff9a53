package sessions

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

// width is that of the terminal; 0 where there is none, and so no limit.
func width(f *os.File) int {
	if !process.IsTerminal(f) {
		return 0
	}
	return screen.Width(f)
}

// colours tells whether a stream takes colours: https://no-color.org/.
func (r *run) colours(f *os.File) bool {
	return process.IsTerminal(f) && process.Variable(r.Environ, "NO_COLOR") == "" && process.Variable(r.Environ, "TERM") != "dumb"
}

// paint makes a text bold or coloured where the stream takes it.
func (r *run) paint(f *os.File, code, text string) string {
	if !r.colours(f) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	green  = "32"
	red    = "31"
	yellow = "33"
	bold   = "1"
)

// progress is a line on standard error. With V=1 other lines come between, so it is not renewed.
func (r *run) progress() *screen.Line {
	return screen.NewLine(r.Err, process.IsTerminal(r.Err) && process.Variable(r.Environ, "TERM") != "dumb" && !r.verbose)
}

// busy shows on a terminal what is being done, until the returned function is called.
func (r *run) busy(text string) (done func()) {
	if !process.IsTerminal(r.Err) {
		return func() {}
	}
	line := r.progress()
	line.Show(text+" …", "")
	return line.Clear
}

// pager is where long output goes: $PAGER, else less, on a terminal; standard output itself elsewhere.
type pager struct {
	io.Writer
	close func() // how a pager ends says nothing about what was shown
}

func plain(out io.Writer) *pager { return &pager{out, func() {}} }

func (r *run) pager() *pager {
	if !process.IsTerminal(r.Out) {
		return plain(r.Out)
	}
	line := process.Variable(r.Environ, "PAGER")
	if line == "" {
		if _, err := process.LookPath("less", r.Environ); err != nil {
			return plain(r.Out)
		}
		line = "less -FRX"
	}
	if strings.TrimSpace(line) == "cat" {
		return plain(r.Out)
	}
	l := &lazyPager{start: func() (io.WriteCloser, *exec.Cmd, error) {
		// A small pipe lets the pager, and so the reader, decide how much is fetched.
		from, to, err := smallPipe()
		if err != nil {
			return nil, nil, err
		}
		cmd := exec.Command("sh", "-c", line)
		cmd.Env = r.Environ
		cmd.Stdin, cmd.Stdout, cmd.Stderr = from, r.Out, r.Err
		err = cmd.Start()
		from.Close()
		if err != nil {
			to.Close()
			return nil, nil, fmt.Errorf("PAGER=%s: %w", line, err)
		}
		return to, cmd, nil
	}}
	return &pager{l, l.close}
}

// lazyPager starts the pager with the first text, so that an empty list does not open it.
type lazyPager struct {
	start func() (io.WriteCloser, *exec.Cmd, error)
	to    io.WriteCloser
	cmd   *exec.Cmd
}

func (l *lazyPager) Write(text []byte) (n int, err error) {
	if len(text) == 0 {
		return 0, nil
	}
	if l.to == nil {
		if l.to, l.cmd, err = l.start(); err != nil {
			return 0, err
		}
	}
	return l.to.Write(text)
}

func (l *lazyPager) close() {
	if l.to != nil {
		l.to.Close()
		_ = l.cmd.Wait()
	}
}
