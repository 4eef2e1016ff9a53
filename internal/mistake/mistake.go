// Package mistake collects what is wrong with a user's input, so that all of
// it can be reported at once.
package mistake

import (
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that the user has to fix.
type Mistake struct {
	Key     string // the config key, nested keys as the command line writes them
	Got     string // the value got, as the user would recognise it
	Problem string // what is wrong with it
	Detail  string // more about it, after the value; lines are indented by the list
	Allowed string // the values allowed
	Fix     []Fix  // alternatives: each of them is enough
}

// Fix is one way to fix a mistake. Placeholders in commands are in capitals.
type Fix struct {
	Text     string   // empty where the commands say it
	Lines    string   // YAML of the stack's file, below config; the commands write the same
	Commands []string // to run in this order
	// Object and Name are set where the fix gives a member of an object another
	// name: what is wrong is the name.
	Object, Name string
}

// OfName reports whether the name of the key is wrong, whatever its value.
func (m Mistake) OfName() bool {
	return slices.ContainsFunc(m.Fix, func(f Fix) bool { return f.Name != "" })
}

// Do is a fix in words, with the commands that it needs.
func Do(text string, commands ...string) []Fix { return []Fix{{Text: text, Commands: commands}} }

// Run is a fix that its commands explain.
func Run(commands ...string) []Fix { return Do("", commands...) }

func (m Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", m.Key, m.Problem)
	if m.Got != "" {
		fmt.Fprintf(&b, " (got %s)", m.Got)
	}
	if m.Detail != "" {
		fmt.Fprintf(&b, "\n     %s", strings.ReplaceAll(m.Detail, "\n", "\n     "))
	}
	if m.Allowed != "" {
		fmt.Fprintf(&b, "\n     Allowed: %s", m.Allowed)
	}
	label := "Fix"
	for _, fix := range m.Fix {
		fmt.Fprintf(&b, "\n     %s:", label)
		if fix.Text != "" {
			fmt.Fprintf(&b, " %s", fix.Text)
		}
		if fix.Lines != "" {
			fmt.Fprintf(&b, "\n         %s\n       or run:", strings.ReplaceAll(fix.Lines, "\n", "\n         "))
		}
		for _, command := range fix.Commands { // on a line of its own, to be pasted
			fmt.Fprintf(&b, "\n       %s", command)
		}
		label = "Or"
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
