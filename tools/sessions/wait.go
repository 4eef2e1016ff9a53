package sessions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/internal/reach"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

func waitCommand(r *run) *cobra.Command {
	c := r.newCommand(r.wait, &cobra.Command{
		Use:   "wait",
		Short: "Wait until the instances are online, or print what is missing",
		Example: `  stack wait --stack dev
  stack wait --instance app --timeout 90s
  stack wait --network`,
	})
	r.instanceFlag(c)
	r.timeoutFlag(c, 10*time.Minute)
	c.Flags().BoolVar(&r.network, "network", false, "check too that every endpoint is reached, and that nothing leads out of the VPC or into it")
	return c
}

// wait returns once the instances are online as managed instances. If one does not come in time it says why.
func (r *run) wait(ctx context.Context) error {
	wanted := r.instances()
	if r.instance != "" {
		one, err := r.find(r.instance)
		if err != nil {
			return err
		}
		wanted = []named{one}
	}
	if len(wanted) == 0 {
		r.say("The stack %s has no instances to wait for.%s", r.Stack, r.perhapsMore())
		return nil
	}
	r.noteOutOfDate()
	if err := r.waitFor(ctx, wanted); err != nil {
		return err
	}
	if r.network {
		if err := r.checkNetwork(ctx, wanted); err != nil {
			return err
		}
	}
	next := "connect"
	if len(r.instances()) > 1 || r.instance != "" {
		next += " INSTANCE=" + wanted[0].name
	}
	r.say("Next: %s", r.command(next))
	return nil
}

// perhapsMore is a line for a stack without instances if its outputs are out of date: an update that adds some may have failed.
func (r *run) perhapsMore() string {
	if text := r.outOfDate(); text != "" {
		return "\n  " + text
	}
	return ""
}

// waitFor returns once the instances are online.
func (r *run) waitFor(ctx context.Context, wanted []named) error {
	start, pause := r.now(), r.poll
	shown := r.progress()
	for {
		waiting, lines, err := r.look(ctx, wanted)
		if err != nil {
			shown.Clear()
			return r.explain(err)
		}
		if len(waiting) == 0 {
			shown.Clear()
			for _, line := range lines {
				r.print("%s", line)
			}
			return nil
		}
		spent := r.now().Sub(start)
		shown.Show(printable("waiting for "+strings.Join(lines, "; ")), fmt.Sprintf("  %s of %s", spent.Round(time.Second), r.timeout))
		if spent >= r.timeout {
			shown.Clear()
			return r.neverCame(ctx, waiting)
		}
		time.Sleep(min(pause, r.timeout-spent+10*time.Millisecond))
		pause = min(pause*5/4, 4*r.poll)
	}
}

// look gives the instances that are not online, and a line about each: of those that are waited for, or of all when
// there is nothing to wait for.
func (r *run) look(ctx context.Context, wanted []named) (waiting []named, lines []string, err error) {
	known, err := r.aws.managedInstances(ctx, wanted)
	if err != nil {
		return nil, nil, err
	}
	if len(wanted) > maxNamed {
		waiting, lines = byState(wanted, known)
		return waiting, lines, nil
	}
	var online []string
	for _, n := range wanted {
		m := known[n.id]
		line := n.String() + ": " + m.state()
		if m.PingStatus == "Online" {
			online = append(online, line)
		} else {
			waiting, lines = append(waiting, n), append(lines, line)
		}
	}
	if len(waiting) == 0 {
		lines = online
	}
	return waiting, lines, nil
}

// checkNetwork judges the network of instances that are online, as it is deployed: the path of each to Systems Manager and
// S3, and that there is no other one.
func (r *run) checkNetwork(ctx context.Context, instances []named) error {
	failed := false
	for _, n := range instances {
		facts := r.facts(ctx, n)
		checks := append(reach.Diagnose(facts, r.now()).Checks, reach.Isolation(facts).Checks...)
		d := reach.Diagnosis{Checks: checks}
		if d.First() == nil && !slices.ContainsFunc(checks, func(c reach.Check) bool { return c.Status == reach.Unknown }) {
			r.print("%s: reaches every endpoint and S3, and nothing else outside the VPC", n)
			continue
		}
		r.say("The network of %s. Findings:", n)
		r.tell(d)
		failed = failed || d.First() != nil
	}
	if failed {
		return process.Exit{Code: 1}
	}
	return nil
}

// maxNamed is of how many instances each has a line of its own.
const maxNamed = 10

// byState gives the instances that are not online, and a line for each state with the number of instances in it.
func byState(wanted []named, known map[string]managed) (waiting []named, lines []string) {
	counts := map[string]int{}
	for _, n := range wanted {
		m := known[n.id]
		counts[m.state()]++
		if m.PingStatus != "Online" {
			waiting = append(waiting, n)
		}
	}
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%d of %d instances: %s", counts[state], len(wanted), state))
	}
	return waiting, lines
}

// maxDiagnosed is for how many instances the causes are looked for: each takes a dozen look-ups.
const maxDiagnosed = 3

func (r *run) neverCame(ctx context.Context, waiting []named) error {
	for i, n := range waiting {
		if i == maxDiagnosed {
			r.say("%d more are not online: %s. Next: %s", len(waiting)-i, shortList(waiting[i:]), r.command("wait INSTANCE="+n.name+" TIMEOUT=1s"))
			break
		}
		r.say("%s is not online after %s. Findings:", n, r.timeout)
		r.tell(reach.Diagnose(r.facts(ctx, n), r.now()))
	}
	r.say("Not checked: the agent's own log on the instance, and the AWS Health Dashboard. The first finding is not always the cause.")
	return process.Exit{Code: 1}
}

// tell prints what to fix first, and then the whole list.
func (r *run) tell(d reach.Diagnosis) {
	if first := d.First(); first != nil {
		r.mark(bold, "", "First to fix:", first.Title+": "+first.Found)
		if first.Fix != "" {
			fix := "    " + strings.ReplaceAll(first.Fix, "\n", "\n    ")
			r.say("%s", fix)
			if hint := r.shellHint(fix); hint != "" {
				r.say("    %s", hint)
			}
		}
	} else {
		r.say("No problem found.")
	}
	for _, c := range d.Checks {
		colour := map[reach.Status]string{reach.OK: green, reach.Missing: red, reach.Unknown: yellow}[c.Status]
		r.mark(colour, "  ", fmt.Sprintf("%-11s", c.Status), c.Title+": "+c.Found)
	}
}

// shellHint says how a shell gets the stack's environment, if a text has commands that need it. Without it, plain aws would go to the
// user's own account although the stack is in the local emulator.
func (r *run) shellHint(text string) string {
	if !r.Emulated {
		return "" // the identity of the shell is the user's choice
	}
	return screen.ShellHint(text, r.Stack)
}

// mark prints a line whose first words have a colour.
func (r *run) mark(colour, indent, first, rest string) {
	fmt.Fprintln(r.Err, indent+r.paint(r.Err, colour, first), printable(rest))
}

// shortList names the first instances of a list.
func shortList(all []named) string {
	var names []string
	for _, n := range all[:min(len(all), maxNamed)] {
		names = append(names, n.String())
	}
	if len(all) > maxNamed {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}
