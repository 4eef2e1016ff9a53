package sessions

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"

	"private-ec2-access/tools/screen"
)

// escapes are the sequences that tell a terminal to do something: CSI, OSC and the other strings, and the short ones. A
// string ends with its line at the latest: a session could otherwise open one, and hide from the reader of its log
// everything until it closes it.
var escapes = regexp.MustCompile(`(?s)(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}\r\n]*(?:\x07|\x1b\\|\x{9c})|\x1b[ -/]+[0-~]|\x1b[=>78MDEHNOZc]`)

// plainText is a terminal's output without what moves cursors and sets colours.
func plainText(b []byte) string {
	return strings.ReplaceAll(escapes.ReplaceAllString(string(b), ""), "\r", "")
}

// The names of what makes text of others safe on a terminal.
var steers, printable, visible = screen.Steers, screen.Printable, screen.Visible

// safeError is an error whose text is safe on a terminal.
type safeError struct{ error }

func (e safeError) Error() string { return visible(e.error.Error()) }

func (e safeError) Unwrap() error { return e.error }

// safeWriter writes text that is safe on a terminal.
type safeWriter struct{ to io.Writer }

func (w safeWriter) Write(text []byte) (int, error) {
	_, err := io.WriteString(w.to, visible(strings.ReplaceAll(string(text), "\r\n", "\n")))
	return len(text), err
}

// asciiJSON writes a value as JSON in ASCII, so that it is safe on a terminal and does not depend on a locale.
func asciiJSON(value any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return escaped(strings.TrimSuffix(b.String(), "\n"), func(r rune) bool { return r > '~' }), nil
}

// escaped writes characters of a JSON text as \u….
func escaped(text string, which func(rune) bool) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case !which(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// formula is what a spreadsheet may take for the beginning of one: at the beginning of a cell, and after a semicolon, which
// separates the cells where the comma is the decimal sign.
var formula = regexp.MustCompile("(^[\t\r]|(?:^|;)[ \t\r\n\u00a0\"]*[=+@＝＋－＠-])")

// cell is a CSV cell that no spreadsheet takes for a formula.
func cell(s string) string {
	return printable(formula.ReplaceAllStringFunc(s, func(found string) string {
		if rest, after := strings.CutPrefix(found, ";"); after {
			return ";'" + rest
		}
		return "'" + found
	}))
}
