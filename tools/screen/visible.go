package screen

import (
	"strings"
	"unicode"
)

// Steers tells whether a character tells a terminal, or the layout of a text, to do something: control characters, and the
// format characters of Unicode, which can reverse what follows. The joiners stay, since scripts and emoji need them.
func Steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' || r == '\u2028' || r == '\u2029'
}

// Printable makes text of others one line that is safe on a terminal.
func Printable(s string) string { return replaced(s, "") }

// Visible makes text of others safe on a terminal. Its lines and tabs stay.
func Visible(s string) string { return replaced(s, "\n\t") }

func replaced(s, allowed string) string {
	return strings.Map(func(r rune) rune {
		if Steers(r) && !strings.ContainsRune(allowed, r) {
			return '?'
		}
		return r
	}, s)
}
