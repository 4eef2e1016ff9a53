package sessions

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"charm.land/huh/v2"

	"private-ec2-access/internal/outputs"
	"private-ec2-access/tools/process"
)

// maxReason is how long a reason may be: AWS takes 256 characters, and the mark of `connect` needs some of them.
const maxReason = 256 - len("connect-0123456789abcdef: ")

// verifyReason is the reason of a session that `verify` opens.
const verifyReason = "make verify"

var connectMark = regexp.MustCompile(`^connect-[0-9a-f]{16}(?:: |$)`)

// reasonOf is what a session is started with: a mark that this program finds the session by, and the user's text. The mark is
// first, so that the AWS CLI takes no text for an option, a file or a URL.
func reasonOf(mark, text string) string {
	if text == "" {
		return mark
	}
	return mark + ": " + text
}

// givenReason is the user's text in the reason of a session.
func givenReason(reason string) string { return connectMark.ReplaceAllString(reason, "") }

// reasonRequired tells whether the stack's config requires a reason.
func reasonRequired(o outputs.Values) bool { return o.SessionReason == "required" }

func checkReason(text string) error {
	switch {
	case !utf8.ValidString(text) || printable(text) != text:
		return fmt.Errorf("control characters (got %q). Allowed: one line of text", text)
	case utf8.RuneCountInString(text) > maxReason:
		return fmt.Errorf("%d characters. Allowed: at most %d", utf8.RuneCountInString(text), maxReason)
	}
	return nil
}

// askReason gives the reason for a session: that of --reason, or where the stack requires one, that which the user types.
func (r *run) askReason() (string, error) {
	text := strings.TrimSpace(r.reason)
	if err := checkReason(text); err != nil {
		return "", process.Usagef("REASON: %v", err)
	}
	if text != "" || !reasonRequired(r.outputs) {
		return text, nil
	}
	if !process.IsTerminal(r.In) || !process.IsTerminal(r.Err) {
		return "", process.Usagef("the stack %s requires a reason for each session (session.reason), and there is no terminal to ask on.\n  Fix: %s",
			r.Stack, r.command("connect REASON='TEXT'"+r.given()))
	}
	err := r.ask("", huh.NewInput().Title("Reason for this session?").CharLimit(maxReason).Value(&text).Validate(func(text string) error {
		if strings.TrimSpace(text) == "" {
			return errors.New("this stack requires a reason")
		}
		return checkReason(text)
	}))
	return strings.TrimSpace(text), err
}
