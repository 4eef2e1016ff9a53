package sessions

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
)

func recordCommand(r *run) *cobra.Command {
	c := r.newCommand(r.record, &cobra.Command{
		Use:   "record",
		Short: "Print the session log of one session",
		Long: `Print the session log of one session.

Exit code 3 means that the session log is not there yet, and 4 that it is missing although it should be there.`,
		Example: "  stack record --session alice-0123456789abcdef0",
	})
	r.sessionFlag(c)
	return c
}

// settling is how long after the end of a session its session log may take: the agent uploads it when the shell has ended,
// and a large log takes a while.
const settling = 5 * time.Minute

// record prints the session log of one session.
func (r *run) record(ctx context.Context) error {
	if r.session == "" {
		return process.Usagef("no session is named.\n  Fix: %s; %s lists the ids", r.command("record SESSION=ID"), r.command("history"))
	}
	if strings.ContainsAny(r.session, "/ \t\n") {
		return process.Usagef("SESSION: not the id of a session (got %q). Allowed: an id such as alice-0123456789abcdef0", r.session)
	}
	s, isActive, asked := r.aws.findSession(ctx, r.session)
	record, looked, problems, err := r.findRecord(ctx, s, r.session)
	if err != nil {
		return r.explain(err)
	}
	if record != nil {
		r.say("From %s:", record.where)
		to, err := r.pager()
		if err != nil {
			return err
		}
		_, err = to.Write(record.text)
		return errors.Join(ignorePipe(err), ignorePager(to.close()))
	}
	if denied := firstDenied(problems); denied != nil {
		return r.explain(denied)
	}
	if asked != nil {
		return r.explain(asked)
	}
	ended := r.now().Sub(s.EndDate.Time)
	switch {
	case isActive && s.Status == "Terminating":
		r.say("Not there yet: the session %s is ending, and the agent writes its session log last. Next: try again in a minute.", r.session)
		return process.Exit{Code: codeNotYet}
	case isActive:
		r.say("Not there yet: the session %s is %s. Its session log in S3 is written when the session has ended: %s",
			r.session, strings.ToLower(s.Status), r.command("end SESSION="+r.session))
		return process.Exit{Code: codeNotYet}
	case s.SessionID != "" && s.Status != "Failed" && !s.EndDate.IsZero() && ended < settling:
		r.say("Not there yet: the session %s ended %s ago, and a session log may take some minutes.", r.session, ended.Round(time.Second))
		return process.Exit{Code: codeNotYet}
	}
	r.say("There is no session log of the session %s. Looked in: %s.", r.session, strings.Join(looked, "; "))
	for _, p := range problems {
		r.say("  not readable: %v", p)
	}
	switch {
	case s.SessionID == "":
		r.say("Session Manager has no such session either; it keeps the history of 30 days. Is the id right? %s lists them.", r.command("history"))
	case s.Status == "Failed":
		r.say("The session never opened%s, so it has no session log.", because(s.Details))
	case unrecorded(s.DocumentName):
		r.say("It was opened under %s: Session Manager does not log port forwarding and SSH.", s.DocumentName)
	default:
		r.say("It ended at %s, so its session log should be there. Findings:", s.EndDate.Format(time.RFC3339))
		r.tell(r.whyNoRecord(ctx, r.byID(s.Target), cmp.Or(s.DocumentName, r.outputs.SessionDocument), r.session))
	}
	return process.Exit{Code: codeNoRecord}
}

func because(details string) string {
	if details == "" {
		return ""
	}
	return " (" + details + ")"
}

// unrecorded tells of AWS's documents for port forwarding and SSH, which no preferences record.
func unrecorded(document string) bool {
	return strings.HasPrefix(document, "AWS-StartPortForwarding") || document == "AWS-StartSSHSession"
}

// ignorePipe: a reader who has read enough is no error.
func ignorePipe(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// ignorePager: how a pager ends says nothing about what was shown.
func ignorePager(error) error { return nil }
