package sessions

import (
	"context"
	"fmt"
	"time"

	"charm.land/huh/v2"
	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

func endCommand(r *run) *cobra.Command {
	c := r.newCommand(r.end, &cobra.Command{
		Use:   "end",
		Short: "End one session, or your sessions on an instance",
		Example: `  stack end --session alice-0123456789abcdef0
  stack end --instance app --all --yes`,
	})
	r.sessionFlag(c)
	r.instanceFlag(c)
	c.Flags().BoolVar(&r.all, "all", false, "also end the sessions of other users")
	c.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	return c
}

// end ends one session, or all of an instance.
func (r *run) end(ctx context.Context) error {
	if (r.session == "") == (r.instance == "") {
		got := "none"
		if r.session != "" {
			got = "both"
		}
		return process.Usagef("name a session or an instance (got "+got+").\n  Fix: %s, or for all sessions on an instance: %s", r.command("end SESSION=ID"), r.command("end INSTANCE=NAME"))
	}
	me, err := r.aws.caller(ctx)
	if err != nil {
		return r.explain(err)
	}
	if r.session != "" {
		return r.endOne(ctx, me)
	}
	n, err := r.find(r.instance)
	if err != nil {
		return err
	}
	open, err := r.aws.allSessions(ctx, active, filter{"Target", n.id})
	if err != nil {
		return r.explain(err)
	}
	var mine []session
	others := 0
	for _, s := range open {
		switch {
		case s.Status == "Terminating" || s.Status == "Terminated":
		case r.all || s.Owner == me.ARN:
			mine = append(mine, s)
		default:
			others++
		}
	}
	if others > 0 {
		r.say("%d open on %s by other users: ALL=1 ends those as well.", others, n)
	}
	if len(mine) == 0 {
		r.say("Nothing to end: no session of %s is open on %s.", map[bool]string{true: "anybody", false: me.ARN}[r.all], n)
		return nil
	}
	for _, s := range mine {
		r.say("  %s, %s, since %s", s.SessionID, printable(s.who()), s.StartDate.Format(time.RFC3339))
	}
	if !r.yes {
		if !process.IsTerminal(r.In) || !process.IsTerminal(r.Err) {
			options := " YES=1"
			if r.all {
				options = " ALL=1 YES=1"
			}
			return process.Usagef("there is no terminal to ask on, so nothing was ended. To end %d on %s: %s", len(mine), n, r.command("end INSTANCE="+r.instance+options))
		}
		if r.Where != "" {
			r.say("The stack %s: %s.", r.Stack, r.Where)
		}
		sure := false
		if err := r.ask("", huh.NewConfirm().Title(fmt.Sprintf("End %s on %s?", screen.Count(len(mine), "session"), n)).Value(&sure)); err != nil {
			return err
		}
		if !sure {
			r.say("Nothing was ended.")
			return nil
		}
	}
	for _, s := range mine {
		if err := r.terminate(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) endOne(ctx context.Context, me Identity) error {
	s, isActive, err := r.aws.findSession(ctx, r.session)
	switch {
	case err != nil:
		return r.explain(err)
	case s.SessionID == "":
		return fmt.Errorf("there is no session %s in Session Manager.\n  Fix: %s lists the ids", r.session, r.command("history"))
	case !isActive:
		r.say("The session %s has ended already, at %s.", s.SessionID, s.EndDate.Format(time.RFC3339))
		return nil
	case s.Owner != me.ARN && !r.all:
		return fmt.Errorf("the session %s is open by %s and you are %s. Nothing was ended; to end it all the same: %s",
			s.SessionID, printable(s.Owner), me.ARN, r.command("end SESSION="+s.SessionID+" ALL=1"))
	}
	return r.terminate(ctx, s)
}

func (r *run) terminate(ctx context.Context, s session) error {
	if err := r.aws.call(ctx, nil, "ssm", "terminate-session", input{"SessionId": s.SessionID}); err != nil {
		return r.explain(err)
	}
	log := ""
	if r.unrecorded(s) {
		log = ", which has no session log"
	} else if r.underDocument(s) { // another document may name other log locations, or none
		log = "; its session log: " + r.command("record SESSION="+s.SessionID)
	}
	r.print("ended %s of %s on %s%s", s.SessionID, printable(s.who()), r.byID(s.Target), log)
	return nil
}
