// Package mistake collects what is wrong with a user's input, so that all of
// it can be reported at once.
package mistake

import (
	"fmt"
	"strings"
)

// Mistake is one thing that the user has to fix.
type Mistake struct {
	Key     string // the config key, nested keys with dots
	Got     string // the value got, as the user would recognise it
	Problem string // what is wrong with it
	Allowed string // the values allowed
	Fix     string // a command or an action that fixes it
}

func (m Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", m.Key, m.Problem)
	if m.Got != "" {
		fmt.Fprintf(&b, " (got %s)", m.Got)
	}
	for _, part := range []struct{ label, text string }{{"Allowed", m.Allowed}, {"Fix", m.Fix}} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n     %s: %s", part.label, part.text)
		}
	}
	return b.String()
}

// List is a collection of mistakes. The zero value is empty and ready for use.
type List []Mistake

// Add appends a mistake.
func (l *List) Add(m Mistake) { *l = append(*l, m) }

// Error lists all mistakes, numbered, in the order in which they were found.
func (l List) Error() string {
	var b strings.Builder
	switch len(l) {
	case 1:
		b.WriteString("1 mistake in the stack's config; nothing was changed:")
	default:
		fmt.Fprintf(&b, "%d mistakes in the stack's config; nothing was changed:", len(l))
	}
	for i, m := range l {
		fmt.Fprintf(&b, "\n  %d. %s", i+1, m)
	}
	return b.String()
}

// Err gives the list as an error, or nil when there is no mistake.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
