package screen

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Lists are cut, so that each screen fits a terminal of 50 lines.
const (
	mostChanges  = 32
	mostNotices  = 8
	mostErrors   = 5
	mostNames    = 5
	mostOfAnText = 6000
)

// Make returns a make command for the stack, to be pasted.
func Make(stack, command string) string {
	if stack == "local" {
		return "make " + command
	}
	return "make " + command + " STACK=" + stack
}

func (r *Run) command(line string) string { return Make(r.Stack, line) }

// Preview lists what an update or, if destroying, a destroy would do.
func (r *Run) Preview(destroying bool) string {
	var b strings.Builder
	r.writeNotices(&b)
	listed := r.sorted(func(c *change) bool { return c.verb != stays })
	unchanged := r.unchanged()
	switch {
	case len(listed) == 0 && destroying:
		fmt.Fprintf(&b, "The stack %s has no AWS resources.\n", r.Stack)
		return b.String()
	case len(listed) == 0:
		fmt.Fprintf(&b, "No changes. The %s of the stack %s are as the program describes them.\n", Count(unchanged, "AWS resource"), r.Stack)
		r.writeOutputs(&b, "Outputs that change")
		return b.String()
	}
	fmt.Fprintf(&b, "The stack %s: %s.\n", r.Stack, r.planned())
	writeChanges(&b, listed)
	if r.endsSessions() {
		fmt.Fprintf(&b, "Note: a session that is open on a deleted or replaced instance may have no session log. %s ends it before.\n", r.command("end INSTANCE=NAME ALL=1"))
	}
	r.writeOutputs(&b, "Outputs that change")
	return b.String()
}

// endsSessions reports whether instances go, and with them the sessions on them.
func (r *Run) endsSessions() bool {
	return len(r.sorted(func(c *change) bool { return c.kind == "aws:ec2:Instance" && (c.verb == deletes || c.verb == replaces) })) > 0
}

// ChangesOutputs reports whether outputs change. Without changes of resources, that is so after an update that was cut short.
func (r *Run) ChangesOutputs() bool {
	names, later := r.changedOutputs()
	return len(names)+len(later) > 0
}

func (r *Run) writeOutputs(b *strings.Builder, label string) {
	names, later := r.changedOutputs()
	if len(names) > 0 {
		fmt.Fprintf(b, "%s: %s\n", label, shortList(names))
	}
	if len(later) > 0 {
		fmt.Fprintf(b, "Outputs known after the update: %s\n", shortList(later))
	}
}

func (r *Run) unchanged() int {
	return len(r.sorted(func(c *change) bool { return c.verb == stays }))
}

func writeChanges(b *strings.Builder, listed []*change) {
	cut := 0
	if len(listed) > mostChanges {
		cut, listed = len(listed)-mostChanges+1, listed[:mostChanges-1]
	}
	kinds, names := 0, 0
	for _, c := range listed {
		kinds, names = max(kinds, len(c.kind)), max(names, len(c.name))
	}
	for _, c := range listed {
		v := verbs[c.verb]
		line := fmt.Sprintf("  %s %-7s  %-*s  %-*s", v.symbol, v.infinitive, kinds, c.kind, names, c.name)
		switch {
		case c.verb == replaces && len(c.properties) > 0:
			line += "  " + c.id + ", because of " + shortList(c.properties)
		case holdsData[c.kind] && c.verb < updates:
			line += "  " + c.id
		case c.verb == updates:
			line += "  " + shortList(c.properties)
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	if cut > 0 {
		fmt.Fprintf(b, "  and %d more\n", cut)
	}
}

// holdsData are the types whose deletion is worth a look at the id.
var holdsData = map[string]bool{
	"aws:ec2:Instance": true, "aws:s3:BucketV2": true, "aws:cloudwatch:LogGroup": true, "aws:kms:Key": true,
}

func shortList(names []string) string {
	if len(names) > mostNames {
		return strings.Join(names[:mostNames-1], ", ") + fmt.Sprintf(" and %d more", len(names)-mostNames+1)
	}
	return strings.Join(names, ", ")
}

// Count counts things of which there may be one.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// planned counts the changes of a preview, as "2 to create, 1 to replace, 8 unchanged".
func (r *Run) planned() string {
	return r.count(func(v verb, n int) string { return fmt.Sprintf("%d to %s", n, verbs[v].infinitive) }, func(*change) bool { return true })
}

// finished counts what an update has done, as "2 created, 8 unchanged".
func (r *Run) finished() string {
	return r.count(func(v verb, n int) string { return fmt.Sprintf("%d %s", n, verbs[v].past) }, func(c *change) bool { return c.done })
}

func (r *Run) count(words func(verb, int) string, counts func(*change) bool) string {
	number := map[verb]int{}
	for _, c := range r.changes {
		if counts(c) {
			number[c.verb]++
		}
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(number)) {
		if v == stays {
			parts = append(parts, fmt.Sprintf("%d unchanged", number[v]))
		} else {
			parts = append(parts, words(v, number[v]))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing changed")
}

// writeNotices writes the notices and warnings of the program, warnings last.
func (r *Run) writeNotices(b *strings.Builder) {
	for _, kind := range []struct{ severity, label string }{{"info", "Note"}, {"warning", "Warning"}} {
		var lines []string
		for _, m := range r.told {
			if m.severity == kind.severity {
				lines = append(lines, kind.label+": "+m.String())
			}
		}
		if len(lines) > mostNotices {
			lines = append(lines[:mostNotices-1], fmt.Sprintf("%s: and %d more, in the log", kind.label, len(lines)-mostNotices+1))
		}
		for _, line := range lines {
			fmt.Fprintln(b, line)
		}
		if hint := ShellHint(strings.Join(lines, "\n"), r.Stack); hint != "" {
			fmt.Fprintln(b, hint)
		}
	}
}

func (m message) String() string {
	text := m.text
	if len(text) > mostOfAnText {
		text = strings.ToValidUTF8(text[:mostOfAnText], "") + " …"
	}
	if m.resource == "" {
		return text
	}
	return m.resource + ": " + text
}

// Notices are those of a run that says nothing else.
func (r *Run) Notices() string {
	var b strings.Builder
	r.writeNotices(&b)
	return b.String()
}

// Updated is the result of an update: where to go from here.
func (r *Run) Updated() string {
	var b strings.Builder
	r.writeNotices(&b)
	after := seconds(r.seconds)
	if r.Changes() == 0 {
		fmt.Fprintf(&b, "No changes. The %s of the stack %s are as the program describes them.\n", Count(r.unchanged(), "AWS resource"), r.Stack)
	} else {
		fmt.Fprintf(&b, "Updated the stack %s in %s. AWS resources: %s.\n", r.Stack, after, r.finished())
	}
	if r.endsSessions() {
		fmt.Fprintln(&b, "Note: a session that was open on a deleted or replaced instance may have no session log.")
	}
	r.writeOutputs(&b, "Outputs that changed")
	v := r.Values()
	names := slices.Sorted(maps.Keys(v.InstanceIDs))
	var instances []string
	for _, name := range names {
		instances = append(instances, fmt.Sprintf("%s (%s)", name, v.InstanceIDs[name]))
	}
	line := func(label, text string) { fmt.Fprintf(&b, "%-14s %s\n", label+":", text) }
	switch len(names) {
	case 0:
		line("Instances", "none. To use your own: the output attachInstanceProfile")
	case 1:
		line("Instance", instances[0])
		line("Connect", r.command("connect"))
	default:
		line("Instances", shortList(instances))
		line("Connect", r.command("connect INSTANCE="+names[0]))
	}
	places := v.LogLocation
	if v.LogGroup != "" {
		places += " and the log group " + v.LogGroup
	}
	line("Session logs", places)
	line("Next", r.command("wait")+" waits until sessions can start; "+r.command("verify")+" verifies that they are recorded")
	line("More", r.command("-s outputs"))
	return b.String()
}

func seconds(n int) string { return (time.Duration(n) * time.Second).String() }

// Failed is the result of a run that failed: how far it came, and at the end the cause. Command is the run's make target;
// log is the file that has all that Pulumi printed. The cause is the end of it, if no event has one.
func (r *Run) Failed(command, log, tail, advice string) string {
	var b strings.Builder
	r.writeNotices(&b)
	changed := r.sorted(func(c *change) bool { return c.verb != stays && (c.done || c.failed) })
	if command != "preview" && len(changed) > 0 {
		fmt.Fprintf(&b, "Not finished, after %s. AWS resources: %s", seconds(r.seconds), r.finished())
		if failed := len(r.sorted(func(c *change) bool { return c.failed })); failed > 0 {
			fmt.Fprintf(&b, ", %d failed", failed)
		}
		fmt.Fprintln(&b, ".")
	}
	var failures []message
	ofAWS := false
	for _, m := range r.told {
		if m.severity == "error" {
			failures = append(failures, m)
			ofAWS = ofAWS || m.resource != ""
		}
	}
	failures, refused := organization(r.Project, failures)
	var errors []string
	for _, m := range failures {
		errors = append(errors, m.String())
	}
	if refused != "" {
		errors = append(errors, refused)
	}
	if errors == nil || ofAWS {
		fmt.Fprintf(&b, "Everything that Pulumi printed: %s\n", log)
	}
	if errors == nil {
		errors = []string{Visible(tail)}
	}
	if len(errors) > mostErrors {
		errors = append(errors[:mostErrors-1], fmt.Sprintf("and %d more errors, in the log", len(errors)-mostErrors+1))
	}
	for _, text := range errors {
		fmt.Fprintf(&b, "error: %s\n", strings.TrimPrefix(text, "error: "))
	}
	hints := strings.Join(errors, "\n")
	if hint := downloadHint(hints); hint != "" {
		hints += "\n" + hint
		fmt.Fprintln(&b, "  "+hint)
	}
	if hint := ShellHint(hints, r.Stack); hint != "" {
		fmt.Fprintln(&b, "  "+hint)
	}
	if advice != "" {
		fmt.Fprintln(&b, "  "+advice)
	}
	return b.String()
}

var pluginNotDownloaded = regexp.MustCompile(`using 'pulumi plugin install (\S+ \S+ v[0-9.]+)'(?s:.*)failed to download plugin`)

// downloadHint says what Pulumi does not: the command that it advises downloads from the same place.
func downloadHint(text string) string {
	found := pluginNotDownloaded.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return "Fix: let this machine reach get.pulumi.com by HTTPS (HTTPS_PROXY names a proxy); or download the plugin elsewhere, and here: pulumi plugin install " + found[1] + " --file FILE"
}

// pasted finds commands that need the stack's environment: those that sign in, and prose about the programs, do not.
var pasted = regexp.MustCompile(`(?m)(?:^\s*|: |; or |, or )(?:pulumi (?:config|stack|refresh|cancel|import|up|plugin) |aws (?:ec2|iam|kms|logs|s3|s3api|ssm) )`)

// ShellHint says how a shell gets the stack's environment, if a text has commands that need it.
func ShellHint(text, stack string) string {
	if !pasted.MatchString(text) || strings.Contains(text, `eval "$(make`) {
		return ""
	}
	return "In a shell without the stack's environment, first run: " + Environment(stack)
}

// Environment is the line that gives a shell the stack's environment.
func Environment(stack string) string { return `eval "$(` + Make(stack, "-s env") + `)"` }

// Canceled is the result of a run that Ctrl-C ended.
func (r *Run) Canceled(command string) string {
	if command == "preview" {
		return "Cancelled. A preview changes nothing.\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Cancelled before everything was %s. AWS resources so far: %s.\n", map[string]string{"up": "updated", "destroy": "deleted"}[command], r.finished())
	if cut := r.sorted(func(c *change) bool { return c.verb != stays && !c.done }); len(cut) > 0 {
		var names []string
		for _, c := range cut {
			names = append(names, c.kind+" "+c.name)
		}
		fmt.Fprintf(&b, "Cut off, so AWS may have done more than the state has: %s\n", shortList(names))
	}
	fmt.Fprintf(&b, "Next: %s continues from there.", r.command(command))
	if command == "up" {
		fmt.Fprintf(&b, " %s deletes what exists.", r.command("destroy"))
	}
	b.WriteString("\n")
	return b.String()
}

// Explained tells whether what failed says itself how to fix it.
func (r *Run) Explained() bool {
	return slices.ContainsFunc(r.told, func(m message) bool { return m.severity == "error" && strings.Contains(m.String(), "Fix:") })
}

// WasCanceled tells that Pulumi itself ended early because it was asked to.
func (r *Run) WasCanceled() bool { return r.canceled }

// reasons say why something takes longer than the call to AWS.
var reasons = map[string]string{
	"aws:s3:BucketLifecycleConfigurationV2": "the provider watches the new lifecycle rules for a minute",
	"aws:ec2:VpcEndpoint":                   "network interfaces take AWS a minute or two",
	"aws:ec2:Instance":                      "EC2 starts or ends the instance",
	"aws:iam:InstanceProfile":               "IAM makes a new profile known everywhere",
	"aws:kms:Key":                           "KMS makes a new key known everywhere",
}

// Waiting says what a run is waiting for: a line that changes only when that does. It is empty between the steps.
func (r *Run) Waiting() string {
	if len(r.running) == 0 {
		return ""
	}
	oldest := r.changes[r.running[0]]
	text := fmt.Sprintf("%s of %s %s", gerunds[oldest.verb], oldest.kind, oldest.name)
	if r.planning {
		text = fmt.Sprintf("checking %s %s", oldest.kind, oldest.name)
	}
	if others := len(r.running) - 1; others > 0 {
		text += fmt.Sprintf(" and %d more", others)
	}
	if why := reasons[oldest.kind]; why != "" && !r.planning { // first, because a terminal cuts the end
		text = why + ": " + text
	}
	return text
}

var gerunds = map[verb]string{
	deletes: "deletion", replaces: "replacement", keeps: "removal from the state", updates: "update", imports: "import", creates: "creation",
}

// Progress is what a terminal shows beside the time: how many changes have ended, and what the run is waiting for.
func (r *Run) Progress(cancelling bool) string {
	waiting := r.Waiting()
	switch {
	case r.planning && cancelling:
		return ""
	case r.planning:
		return waiting
	case cancelling:
		return "waiting for what AWS has begun" + strings.TrimSuffix(": "+waiting, ": ")
	}
	var parts []string
	if done := len(r.sorted(func(c *change) bool { return c.verb != stays && c.done })); done > 0 {
		parts = append(parts, fmt.Sprintf("%d done", done))
	}
	if waiting != "" {
		parts = append(parts, waiting)
	}
	return strings.Join(parts, ", ")
}
