package screen

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// Line is one line that is renewed on a terminal, and a line for each change elsewhere.
type Line struct {
	to   *os.File
	live bool
	last string
	open bool
}

// NewLine returns a line on a stream. It is renewed only if live, which is for terminals that can move their cursor.
func NewLine(to *os.File, live bool) *Line { return &Line{to: to, live: live} }

// Show shows a text of one line. What changes with every look, such as the time, goes into live, which is for terminals only.
func (l *Line) Show(text, live string) {
	if !l.live {
		if text != l.last {
			fmt.Fprintln(l.to, text)
		}
		l.last = text
		return
	}
	line := text + live
	if w := Width(l.to); len([]rune(line)) >= w {
		line = string([]rune(line)[:w-2]) + "…"
	}
	if l.open && line == l.last {
		return
	}
	fmt.Fprint(l.to, "\r\x1b[K"+line)
	l.open, l.last = true, line
}

// Clear removes the renewed line.
func (l *Line) Clear() {
	if l.open {
		fmt.Fprint(l.to, "\r\x1b[K")
		l.open = false
	}
}

// Width is that of a terminal.
func Width(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil || w <= 0 {
		return 80
	}
	return w
}
