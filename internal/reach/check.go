// Package reach judges network and permission facts: whether a subnet is
// private, and why an instance or a session log does not reach AWS. It is given
// facts, makes no call, and claims nothing that the facts do not show. The
// preview's checks and `make wait` use it, each with a reader of its own.
package reach

import (
	"fmt"
	"strings"
	"time"
)

// Status is the result of one check.
type Status string

// What a check can come to.
const (
	OK      Status = "ok"
	Missing Status = "missing"
	// Unknown: the fact could not be read, or does not decide.
	Unknown Status = "cannot tell"
)

// Read is a fact, or the reason why it could not be read.
type Read[T any] struct {
	Value   T
	Problem string
}

// Check is one line of the list.
type Check struct {
	Title  string
	Status Status
	// Found is what the fact is, in words.
	Found string
	// Fix has the commands or the key that fix it, in lines to be pasted; only of what is missing.
	Fix string
}

// Diagnosis is the list of checks, in the order of the path from the instance to Systems Manager.
type Diagnosis struct{ Checks []Check }

// First is the first thing to fix, nil if nothing is seen to be missing.
func (d Diagnosis) First() *Check {
	for i := range d.Checks {
		if d.Checks[i].Status == Missing {
			return &d.Checks[i]
		}
	}
	return nil
}

// split makes "connection lost" of ConnectionLost.
func split(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
