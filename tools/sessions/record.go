package sessions

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
)

func recordCommand(r *run) *cobra.Command {
	c := r.newCommand(r.record, &cobra.Command{
		Use:   "record",
		Short: "Print the session log of one session",
		Long: `Print the session log of one session.

Without --session it is that of your last session. Only the stack's own log locations are read.

Exit code 3 means that the session log is not there yet, 4 that there is none: it is missing, or the session is unknown or cannot
have one. 5 means that it is in doubt: it has several versions, or one that is older than the end of the session, or that could not
be checked.`,
		Example: "  stack record --session alice-0123456789abcdef0",
	})
	r.sessionFlag(c)
	c.Flags().BoolVar(&r.raw, "raw", false, "print the bytes as they are, with the sequences that control a terminal")
	return c
}

// settling is how long after the end of a session its session log may take: the agent uploads it when the shell has ended,
// and a large log takes a while.
const settling = 5 * time.Minute

// record prints the session log of one session.
func (r *run) record(ctx context.Context) error {
	s, isActive, asked := session{}, false, error(nil)
	if r.session == "" {
		var err error
		if s, isActive, err = r.lastOfMine(ctx); err != nil {
			return r.explain(err)
		}
		r.session = s.SessionID
		r.say("Your last session: %s, on %s, since %s.", s.SessionID, r.byID(s.Target), s.StartDate.Format(time.RFC3339))
	} else {
		if strings.ContainsAny(r.session, "/ \t\n") || printable(r.session) != r.session {
			return process.Usagef("SESSION: not the ID of a session (got %q). Allowed: an ID such as alice-0123456789abcdef0", r.session)
		}
		s, isActive, asked = r.aws.findSession(ctx, r.session)
	}
	found, err := r.findRecord(ctx, s, r.session)
	if err != nil {
		return r.explain(err)
	}
	for _, note := range found.notes {
		r.say("Note: %s", note)
	}
	if len(found.versions) > 0 || len(found.streams) > 0 {
		s = r.settled(ctx, found, s)
		if asked != nil {
			found.notAsked(asked)
		}
		return r.showRecord(ctx, found, s)
	}
	if at := slices.IndexFunc(found.problems, isDenied); at >= 0 {
		return r.explain(found.problems[at])
	}
	// What failed says nothing about whether the session log is there.
	if len(found.problems) > 0 {
		return fmt.Errorf("the session log of %s could not be looked for: %w", r.session, r.explain(found.problems[0]))
	}
	if asked != nil {
		return r.explain(asked)
	}
	ended := r.now().Sub(s.EndDate.Time)
	switch {
	case r.unrecorded(s): // nothing to wait for
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
	r.say("There is no session log of the session %s. Looked in: %s.", r.session, strings.Join(found.looked, "; "))
	switch {
	case s.SessionID == "":
		r.say("Session Manager has no such session either; it keeps the history of 30 days. Is the id right? %s lists them.", r.command("history"))
	case s.Status == "Failed":
		r.say("The session never opened%s, so it has no session log.", because(s.Details))
	case r.unrecorded(s):
		r.say("It was opened under %s: Session Manager does not log port forwarding and SSH.", s.DocumentName)
	case r.gone(ctx, s.Target):
		r.say("It ended at %s, on the instance %s, which does not exist any more: it was replaced, or belonged to an earlier deployment. "+
			"Why there is no session log cannot be found out from what exists now.", s.EndDate.Format(time.RFC3339), s.Target)
		r.say("  A destroy deletes the session logs with the bucket, unless keepRecords keeps them. If they are in a bucket or log group that this stack does not use any more, name it in logging.earlierLocations.")
	default:
		r.say("It ended at %s, so its session log should be there. Findings:", s.EndDate.Format(time.RFC3339))
		r.tell(r.whyNoRecord(ctx, r.byID(s.Target), cmp.Or(s.DocumentName, r.outputs.SessionDocument), r.session))
	}
	return process.Exit{Code: codeNoRecord}
}

// gone tells whether the instance of a session exists no more. What cannot be looked up may exist.
func (r *run) gone(ctx context.Context, id string) bool {
	if !strings.HasPrefix(id, "i-") {
		return false
	}
	i := r.aws.instance(ctx, named{id, id})
	return i.Problem == "" && (i.Value.State == "" || i.Value.State == "shutting-down" || i.Value.State == "terminated")
}

// lastOfMine is the caller's newest session under the stack's document.
func (r *run) lastOfMine(ctx context.Context) (last session, isActive bool, err error) {
	me, err := r.aws.caller(ctx)
	if err != nil {
		return last, false, err
	}
	for _, state := range []string{active, past} {
		all, err := r.aws.allSessions(ctx, state, filter{"Owner", me.ARN})
		if err != nil {
			return last, false, err
		}
		for _, s := range all {
			if s.Owner == me.ARN && r.underDocument(s) && (last.SessionID == "" || s.StartDate.After(last.StartDate.Time)) {
				last, isActive = s, state == active
			}
		}
	}
	if last.SessionID == "" {
		return last, false, process.Usagef("no session of %s under %s is in the history of 30 days, and no SESSION= is given.\n  Fix: %s opens one. For a session of somebody else: %s; %s lists the ids",
			me.ARN, r.outputs.SessionDocument, r.command("connect"), r.command("record SESSION=ID"), r.command("history"))
	}
	return last, isActive, nil
}

// maxBodies is how many versions of a session log in doubt are printed: the first and the last, which may be the agent's.
const maxBodies = 20

// showRecord prints a session log. One in doubt is printed in all its versions, and ends with an exit code of its own.
func (r *run) showRecord(ctx context.Context, found evidence, s session) error {
	doubts := r.judge(found, s)
	for _, p := range found.problems {
		r.say("Note: not every log location could be looked at: %v", p)
	}
	type body struct {
		heading string
		text    []byte
	}
	var bodies []body
	for i, v := range found.versions {
		b := body{heading: v.String()}
		if !v.deleted && (i < maxBodies/2 || i >= len(found.versions)-maxBodies/2) {
			text, err := r.aws.fetchVersion(ctx, v)
			if err != nil {
				return r.explain(err)
			}
			b.text = text
		}
		for _, other := range found.streams {
			if b.text != nil {
				b.heading += map[bool]string{true: "; the same text as in ", false: "; another text than in "}[sameText(b.text, other.text)] + other.where
			}
		}
		bodies = append(bodies, b)
	}
	for _, other := range found.streams {
		if len(found.versions) == 0 || len(doubts) > 0 {
			bodies = append(bodies, body{other.where, other.text})
		}
	}
	r.warnDoubts(doubts)
	if len(doubts) == 0 {
		r.say("From %s:", firstWhere(found))
		if found.versions != nil && found.versions[0].VersionID == "null" {
			r.say("Note: the bucket keeps no versions, so an overwritten session log would not be noticed.")
		}
	} else if len(found.versions) > maxBodies {
		r.say("%d versions; the first %d and the last %d are printed with their text.", len(found.versions), maxBodies/2, maxBodies/2)
	}
	var text bytes.Buffer
	for _, b := range bodies {
		if len(doubts) > 0 {
			fmt.Fprintf(&text, "==> %s <==\n", printable(b.heading))
		}
		if r.raw {
			text.Write(b.text)
		} else {
			text.WriteString(visible(plainText(b.text)))
		}
		if len(doubts) > 0 && !bytes.HasSuffix(text.Bytes(), []byte("\n")) {
			text.WriteByte('\n')
		}
	}
	if err := r.output(text.Bytes()); err != nil {
		return err
	}
	if len(doubts) > 0 {
		return process.Exit{Code: codeDoubt}
	}
	return nil
}

func firstWhere(found evidence) string {
	if len(found.versions) > 0 {
		return found.versions[0].where()
	}
	return found.streams[0].where
}

func (r *run) warnDoubts(doubts []string) {
	for _, d := range doubts {
		r.say("DOUBT: %s", d)
	}
	if len(doubts) > 0 {
		r.say("So this is no proof of what was done in the session.")
	}
}

// output prints text, through a pager on a terminal unless it is raw.
func (r *run) output(text []byte) error {
	to := plain(r.Out)
	if !r.raw {
		to = r.pager()
	} else if process.IsTerminal(r.Out) {
		r.say("Warning: RAW=1 prints what others wrote to this terminal as it is, and it may control the terminal.")
	}
	_, err := to.Write(text)
	to.close()
	return ignorePipe(err)
}

func because(details string) string {
	if details == "" {
		return ""
	}
	return " (" + printable(details) + ")"
}

// unrecorded tells whether a session forwards a port or SSH, which no session preferences record.
func (r *run) unrecorded(s session) bool {
	return sessiondoc.Unlogged(s.DocumentName) || r.ownTunnel(s)
}

// ownTunnel tells whether a session forwards a port that the stack's config allows (operators.GROUP.portForwarding).
func (r *run) ownTunnel(s session) bool {
	return slices.Contains(slices.Collect(maps.Values(r.outputs.TunnelDocuments)), s.DocumentName)
}

// ignorePipe: a reader who has read enough is no error.
func ignorePipe(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
