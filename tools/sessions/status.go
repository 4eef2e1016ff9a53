package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/screen"
)

func statusCommand(r *run) *cobra.Command {
	return r.newCommand(r.status, &cobra.Command{
		Use:   "status",
		Short: "Show what is deployed, who is in a session, and when recording was last verified",
		Long: `Show what is deployed, which instances are online, who is in a session, and when recording was last verified.

It changes nothing and opens no session. The last verification is the newest session that verify opened in the last 30 days, by
whomever; whether its session log is there is looked up now.`,
		Example: "  stack status --stack dev",
	})
}

// mostStatusLines is how many instances and open sessions are listed; history has all sessions.
const mostStatusLines = 10

// status prints a few lines. What cannot be read is said in its place, because the rest is still worth reading.
func (r *run) status(ctx context.Context) error {
	var deployed, instances, open, verified []string
	var wait sync.WaitGroup
	wait.Go(func() {
		text, err := "", error(nil)
		if r.Deployed != nil {
			text, err = r.Deployed()
		}
		deployed = oneOr(err, text)
	})
	wait.Go(func() { instances = r.statusOfInstances(ctx) })
	wait.Go(func() { open = r.openSessions(ctx) })
	wait.Go(func() { verified = r.lastVerified(ctx) })
	wait.Wait()
	logs := r.outputs.LogLocation
	if r.outputs.LogGroup != "" {
		logs += " and the log group " + r.outputs.LogGroup
	}
	for _, part := range []struct {
		label string
		lines []string
	}{
		{"Stack", []string{fmt.Sprintf("%s in %s", r.Stack, r.outputs.Region)}}, {"Deployed", deployed}, {"Instances", instances},
		{"Sessions", open}, {"Verified", verified}, {"Session logs", []string{logs}},
	} {
		for i, line := range part.lines {
			label := ""
			if i == 0 {
				label = part.label + ":"
			}
			r.print("%-14s %s", label, line)
		}
	}
	return nil
}

// statusOfNothing is the status of a stack that has no outputs: what a command that was cut short has left, if anything.
func (r *run) statusOfNothing(n NotDeployed) error {
	text := "nothing"
	if n.Fix != "" {
		text += ": " + n.Problem
	} else if r.Deployed != nil {
		var err error
		if text, err = r.Deployed(); errors.As(err, &n) {
			text = "nothing: " + n.Problem
		} else if err != nil {
			return err
		}
	}
	text = strings.ReplaceAll(text, ", so what follows may be out of date", "") // nothing follows
	text, next, _ := strings.Cut(text, ". Next: ")
	lines := [][2]string{{"Stack", n.Stack}, {"Deployed", text}}
	if !strings.Contains(text, ". Next, ") {
		lines = append(lines, [2]string{"Next", cmp.Or(next, n.fix())})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(cmp.Or(r.Out, os.Stdout), "%-14s %s\n", line[0]+":", line[1]); err != nil {
			return err
		}
	}
	return nil
}

// oneOr is a line, or what prevented it.
func oneOr(err error, text string) []string {
	if err != nil {
		return []string{unknown + ": " + problem(err)}
	}
	return []string{text}
}

func (r *run) statusOfInstances(ctx context.Context) []string {
	all := r.instances()
	if len(all) == 0 {
		return []string{"none"}
	}
	known, err := r.aws.managedInstances(ctx, all)
	if err != nil {
		return oneOr(err, "")
	}
	var lines []string
	online := 0
	for _, n := range all {
		m, found := known[n.id]
		line := n.String() + ": " + m.state()
		if m.PingStatus == "Online" {
			online++
		} else if found {
			line += " since " + m.LastPingDateTime.UTC().Format(minute)
		}
		lines = append(lines, line)
	}
	if len(lines) > mostStatusLines { // those that are not online first
		slices.SortStableFunc(lines, func(a, b string) int { return strings.Count(a, ": online,") - strings.Count(b, ": online,") })
		lines = append([]string{fmt.Sprintf("%d of %d online", online, len(all))}, append(lines[:mostStatusLines-2], fmt.Sprintf("and %d more", len(all)-mostStatusLines+2))...)
	}
	return lines
}

// minute is how times are shown.
const minute = "2006-01-02 15:04 UTC"

// openSessions are those under a document of the stack.
func (r *run) openSessions(ctx context.Context) []string {
	all, err := r.aws.allSessions(ctx, active)
	if err != nil {
		return oneOr(err, "")
	}
	var lines []string
	for _, s := range all {
		if !r.underDocument(s) && !r.ownTunnel(s) {
			continue
		}
		line := fmt.Sprintf("%s on %s since %s (%s): %s", s.who(), r.byID(s.Target), s.StartDate.UTC().Format(minute), lasting(r.now().Sub(s.StartDate.Time)), s.SessionID)
		if r.ownTunnel(s) {
			line += ", a forwarded port without a session log"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	switch n := len(lines); {
	case n == 0:
		return []string{"none open"}
	case n > mostStatusLines:
		return append([]string{screen.Count(n, "session") + " open"}, append(lines[:mostStatusLines-2], fmt.Sprintf("and %d more: %s", n-mostStatusLines+2, r.command("history")))...)
	}
	return lines
}

// lasting is a duration in minutes, and a short one in seconds. The clock of AWS may be ahead.
func lasting(d time.Duration) string {
	if d = max(d, 0); d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// lastVerified finds the newest session that verify opened.
func (r *run) lastVerified(ctx context.Context) []string {
	const pages = 5 // of 200: a busy stack is verified more often than that, or the answer is "not in the newest"
	token, seen, before := "", 0, ""
	for range pages {
		page, next, err := r.aws.sessionsPage(ctx, past, maxPage, token)
		if err != nil {
			return oneOr(err, "")
		}
		for _, s := range page {
			switch {
			case s.Reason != verifyReason || !r.underDocument(s):
			case r.byID(s.Target).name != s.Target:
				return []string{r.verdict(ctx, s)}
			case before == "":
				// An instance may only have the stack's profile. Each look-up is a call, so only the newest one is looked up.
				if !r.gone(ctx, s.Target) {
					return []string{r.verdict(ctx, s)}
				}
				before = fmt.Sprintf(", and the last one before was at %s, on %s", s.StartDate.UTC().Format(minute), s.Target)
			}
		}
		seen += len(page)
		if token = next; token == "" {
			of := ""
			if before != "" {
				of = " of the instances that exist now"
				if len(r.outputs.InstanceIDs) > 0 {
					of = " of the stack's instances"
				}
			}
			return []string{"no make verify in the last 30 days" + of + before + ". Next: " + r.verifyOf("")}
		}
	}
	return []string{fmt.Sprintf("no make verify among the newest %s. Next: %s", screen.Count(seen, "session"), r.verifyOf(""))}
}

// verifyOf is the command that verifies an instance again, or any. Without an instance of the stack, verify needs an ID.
func (r *run) verifyOf(id string) string {
	switch {
	case id != "":
		return r.command("verify INSTANCE=" + r.byID(id).name)
	case len(r.outputs.InstanceIDs) == 0:
		return r.command("verify INSTANCE=i-…")
	}
	return r.command("verify")
}

// verdict says whether the session log of a session of verify is there.
func (r *run) verdict(ctx context.Context, s session) string {
	text := fmt.Sprintf("%s by %s on %s: ", s.StartDate.UTC().Format(minute), s.who(), r.byID(s.Target))
	found, err := r.findRecord(ctx, s, s.SessionID)
	if err != nil {
		return text + "whether it was recorded is unknown: " + problem(err)
	}
	s = r.settled(ctx, found, s)
	none := len(found.versions)+len(found.streams) == 0
	missing, err := []sessiondoc.Location(nil), error(nil)
	if !none {
		missing, err = r.missing(ctx, found, s.SessionID)
	}
	switch {
	case s.Status == "Failed":
		return text + "the session was refused. Next: " + r.verifyOf(s.Target)
	case none && len(found.problems) > 0:
		return text + "whether it was recorded is unknown: " + problem(found.problems[0])
	case none && r.settling(s):
		return text + "its session log is not there yet, and may take some minutes"
	case none:
		return text + "NOT recorded. Next: " + r.command("record SESSION="+s.SessionID)
	case len(r.judge(found, s)) > 0:
		return text + "its session log is in doubt. Next: " + r.command("record SESSION="+s.SessionID)
	case err != nil:
		return text + "recorded, but whether in every log location is unknown: " + problem(err)
	case len(missing) == 0:
		return text + "recorded"
	case r.settling(s):
		return text + "not there yet: " + describe(missing, s.SessionID)
	}
	// A session keeps the log locations that the document had when it started.
	if changed, err := r.documentChanged(ctx); err == nil && s.StartDate.Before(changed) {
		return text + "recorded, before the session document was changed. Next: " + r.verifyOf(s.Target)
	}
	return text + "NOT in " + describe(missing, s.SessionID) + ". Next: " + r.verifyOf(s.Target)
}
