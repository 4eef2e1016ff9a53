package sessions

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/internal/audit"
	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

// codeFindings: the audit found something.
const codeFindings = 6

// auditing are the flags of the audit.
type auditing struct {
	allowed           []string
	topic             string
	withoutCloudTrail bool
	outputs           string
}

func auditCommand(r *run) *cobra.Command {
	r.list.format = formats[0]
	c := r.newCommand(r.audit, &cobra.Command{
		Use:   "audit",
		Short: "Compare the sessions that AWS knows with the session logs that exist",
		Long: `Compare the sessions that AWS knows with the session logs that exist, and report what does not fit: ended sessions without a
session log, session logs without a session, logs that were overwritten, deleted or forged, sessions under other documents, and
other ways to the stack's instances, such as port forwarding and Run Command. If the stack sends alerts, it also reports that no
trail of CloudTrail makes them arrive.

Exit code 0 means that all was compared and nothing was found, 6 that something was found, and 1 that the audit is incomplete or
failed.`,
		Example: `  stack audit --stack dev --since 25h --format json
  stack audit --stack dev --allow AWS-RunPatchBaseline --topic arn:aws:sns:us-east-2:123456789012:alerts`,
	})
	r.formatFlag(c)
	r.timeFlag(c, &r.list.since, "since", "judge what happened at this `TIME` or later (default: the 30 days of the session history)")
	f := c.Flags()
	f.StringSliceVar(&r.auditing.allowed, "allow", nil, "`DOCUMENT` whose sessions and commands are not reported; can be repeated")
	f.BoolVar(&r.all, "all", false, "judge the sessions and commands on every instance of the account and Region")
	f.StringVar(&r.auditing.topic, "topic", "", "`ARN` of an SNS topic that gets a message if something is found or the audit is incomplete")
	f.StringVar(&r.auditing.outputs, "outputs", "", "`FILE` with the stack's outputs as JSON, for who cannot read the Pulumi state")
	f.BoolVar(&r.auditing.withoutCloudTrail, "without-cloudtrail", false, "do not read CloudTrail's event history")
	return c
}

// audit compares the session history with the session logs.
func (r *run) audit(ctx context.Context) error {
	if topic := r.auditing.topic; topic != "" && topicRegion(topic) == "" {
		return process.Usagef("TOPIC: not the ARN of an SNS topic (got %q). Allowed: arn:PARTITION:sns:REGION:ACCOUNT:NAME", topic)
	}
	// The AWS CLI needs 70 MB by itself. Collecting garbage early keeps both together below 100 MB.
	debug.SetGCPercent(25)
	a := &auditRun{run: r, now: r.now()}
	if err := a.read(ctx); err != nil {
		return r.explain(err)
	}
	report := audit.Judge(a.facts)
	err := a.write(report)
	if ignorePipe(err) != nil {
		return err
	}
	a.summary(report)
	code := a.code(report)
	if code != 0 && r.auditing.topic != "" {
		if err := a.alert(ctx, report); err != nil {
			r.say("error: the message to %s could not be sent: %v", r.auditing.topic, r.explain(err))
		} else {
			r.say("A message was sent to %s.", r.auditing.topic)
		}
	}
	if code != 0 {
		return process.Exit{Code: code}
	}
	return nil
}

// auditRun is one audit.
type auditRun struct {
	*run
	now   time.Time
	facts audit.Facts
	// addresses are the private addresses of the stack's instances.
	addresses map[string]string
	// unread are what could not be read, so the audit is incomplete; skipped are what was not to be read.
	unread, skipped []string
}

// code is the exit code.
func (a *auditRun) code(report audit.Report) int {
	switch {
	case len(report.Findings) > 0:
		return codeFindings
	case len(a.unread) > 0:
		return 1
	}
	return 0
}

// summary says in a few lines what was compared.
func (a *auditRun) summary(report audit.Report) {
	for _, s := range a.skipped {
		a.say("Not checked: %s", s)
	}
	for _, u := range a.unread {
		a.say("NOT CHECKED: %s", u)
	}
	for _, line := range a.counts(report) {
		a.say("%s", line)
	}
	for _, f := range report.Findings {
		// The name of a forged log is its writer's choice, and a shell or make would run what is in it.
		if sessiondoc.IsID(f.Session) {
			if a.auditing.outputs != "" { // record reads the state
				a.say("Next: read the session log of %s: %s", f.Session, describe(a.facts.Locations, f.Session))
			} else {
				a.say("Next: %s", a.command("record SESSION="+f.Session))
			}
			break
		}
	}
}

func (a *auditRun) counts(report audit.Report) []string {
	first := fmt.Sprintf("%s under %s since %s: %d logged as they should be", screen.Count(report.Sessions, "session"), a.outputs.SessionDocument, rfc(a.facts.Since), report.Logged)
	for _, c := range []struct {
		n    int
		what string
	}{{report.WithFindings, "with findings"}, {report.Open, "open"}, {report.Refused, "refused"},
		{report.Settling, "ended less than 15 minutes ago, so the log may still come"}, {report.Undecided, "not decided"},
		{report.Tunnels, "more that forwarded a port of the config, without a session log"}} {
		if c.n > 0 {
			first += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	lines := []string{first + "."}
	switch n := len(report.Findings); {
	case n == 0 && len(a.unread) > 0:
		lines = append(lines, "Nothing was found, but the audit is incomplete.")
	case n == 0:
		lines = append(lines, "Nothing was found.")
	default:
		lines = append(lines, fmt.Sprintf("%s: %s.", screen.Count(n, "finding"), strings.Join(kindsOf(report), ", ")))
	}
	return lines
}

// kindsOf counts the findings of each kind, the most frequent first.
func kindsOf(report audit.Report) []string {
	counts := map[audit.Kind]int{}
	var kinds []audit.Kind
	for _, f := range report.Findings {
		if counts[f.Kind] == 0 {
			kinds = append(kinds, f.Kind)
		}
		counts[f.Kind]++
	}
	slices.SortStableFunc(kinds, func(a, b audit.Kind) int { return counts[b] - counts[a] })
	var texts []string
	for _, k := range kinds {
		texts = append(texts, fmt.Sprintf("%d %s", counts[k], k))
	}
	return texts
}

// topicRegion is the Region in the ARN of a topic; empty if it is no such ARN.
func topicRegion(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || slices.Contains(parts[1:], "") {
		return ""
	}
	return parts[3]
}

// again is the command of this audit, for who reads the message later.
func (a *auditRun) again() string {
	line := "audit"
	if !a.list.since.IsZero() {
		line += " SINCE=" + rfc(a.list.since)
	}
	if len(a.auditing.allowed) > 0 {
		line += " ALLOW=" + word(strings.Join(a.auditing.allowed, ","))
	}
	if a.auditing.outputs != "" {
		line += " OUTPUTS=" + word(a.auditing.outputs)
	}
	if a.all {
		line += " ALL=1"
	}
	if a.auditing.withoutCloudTrail {
		line += " WITHOUT_CLOUDTRAIL=1"
	}
	return a.command(line)
}

// maxAlert is how many findings a message has.
const maxAlert = 20

// alert publishes what was found.
func (a *auditRun) alert(ctx context.Context, report audit.Report) error {
	subject := fmt.Sprintf("Session audit of %s: %s", a.Stack, screen.Count(len(report.Findings), "finding"))
	if len(report.Findings) == 0 {
		subject = fmt.Sprintf("Session audit of %s is incomplete", a.Stack)
	}
	lines := a.counts(report)
	for _, u := range a.unread {
		lines = append(lines, "Not checked: "+u)
	}
	lines = append(lines, "")
	for i, f := range report.Findings {
		if i == maxAlert {
			lines = append(lines, fmt.Sprintf("… and %d more.", len(report.Findings)-i))
			break
		}
		lines = append(lines, printable(strings.TrimSpace(fmt.Sprintf("%s %s %s: %s %s", rfc(f.At), f.Kind, a.row(f).subject(), f.Text, f.Where))))
	}
	lines = append(lines, "", "All of it: "+a.again())
	text := printable(subject)
	// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: at most 100 characters, ASCII.
	if len(text) > 100 {
		text = text[:100]
	}
	client := *a.aws
	client.region = topicRegion(a.auditing.topic)
	return client.call(ctx, nil, "sns", "publish", input{"TopicArn": a.auditing.topic, "Subject": text, "Message": visible(strings.Join(lines, "\n"))})
}
