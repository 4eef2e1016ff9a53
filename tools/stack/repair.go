package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"private-ec2-access/tools/toolchain"
)

// exists reports whether an emulated stack has a state.
func (a *app) exists() bool {
	_, err := os.Stat(a.tools.Path("state", ".pulumi", "stacks", a.stack.Project, a.stack.Name+".json"))
	return err == nil
}

func (a *app) export() (*deployment, error) {
	text, err := a.read("stack", "export", "--stack", a.stack.Name)
	if err != nil {
		return nil, err
	}
	var d deployment
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("cannot read the state of the stack %s: %w", a.stack.Name, err)
	}
	return &d, nil
}

// memoryIsGone reports whether the stack has resources that the running emulator has never seen.
func (a *app) memoryIsGone() (bool, error) {
	if !a.stack.Emulated || a.sameInstance() {
		return false, nil
	}
	d, err := a.export()
	return err == nil && d.cloudResources() > 0, err
}

func (a *app) sameInstance() bool {
	recorded, _ := os.ReadFile(instanceFile(a.tools.Path("emulator"), a.stack.Name))
	return strings.TrimSpace(string(recorded)) == a.emulator.Instance
}

// repair brings the stack into a state from which Pulumi can go on: no lock of a killed process, no operation that was
// interrupted, nothing in the state that a restarted emulator has forgotten. With selfRepair off it explains what to do.
// Afterwards the emulator's instance is recorded for the stack.
func (a *app) repair() error {
	if !a.stack.Emulated && !a.stack.SelfRepair {
		return nil // Pulumi itself explains locks and interrupted operations of a real stack.
	}
	if a.stack.Emulated {
		if err := a.repairLocks(); err != nil {
			return err
		}
	}
	d, err := a.export()
	if err != nil {
		return err
	}
	refresh := []string{"refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", a.stack.Name}
	var reasons []string
	if a.stack.Emulated && !a.sameInstance() && d.cloudResources() > 0 {
		reasons = append(reasons, fmt.Sprintf("the emulated AWS was started anew and has forgotten the %d resources that the stack %s remembers", d.cloudResources(), a.stack.Name))
	}
	if pending := d.pending(); len(pending) > 0 {
		reasons = append(reasons, fmt.Sprintf("an earlier command was killed during: %s", strings.Join(pending, ", ")))
		refresh = append(refresh, "--clear-pending-creates")
	}
	if len(reasons) > 0 {
		if !a.stack.SelfRepair {
			return a.explainRepair(strings.Join(reasons, "; and "), "pulumi "+strings.Join(refresh, " "))
		}
		if a.stack.Emulated && d.interruptedCreates() && a.sameInstance() {
			// What was being created may exist, and nothing knows its id. If its name is fixed, it would be in the way
			// of creating it again for good.
			a.say("• an earlier command was killed while it created something, which may exist without the stack knowing it. " +
				"So the emulated AWS begins anew, and the stack is made again (a minute)")
			if err := a.restartEmulator(); err != nil {
				return err
			}
		}
		if err := a.refresh(refresh, strings.Join(reasons, "; and ")); err != nil {
			return err
		}
	}
	if !a.stack.Emulated {
		return nil
	}
	return os.WriteFile(instanceFile(a.tools.Path("emulator"), a.stack.Name), []byte(a.emulator.Instance+"\n"), 0o644)
}

// refresh lets the state forget what is not there. What Pulumi prints goes to a file: it is long, and every resource
// that is missing is a warning in it, as is to be expected here.
func (a *app) refresh(args []string, reason string) error {
	a.say("• %s. So the state is compared with what is there first (pulumi refresh, usually seconds)", reason)
	path := a.tools.Path("log", "refresh.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	start := time.Now()
	if err := a.pulumi(call{args: args, stdout: log}); err != nil {
		a.say("%s\nThe state could not be repaired; all of the above: %s", toolchain.Tail(path, 20), path)
		if a.stack.Emulated {
			a.say("What always works on an emulated stack, whose resources are worth nothing: make clean, then make up.")
		}
		return err
	}
	a.say("  ok: after %s; what it did: %s", time.Since(start).Round(100*time.Millisecond), path)
	return nil
}

func (a *app) explainRepair(reason, command string) error {
	return fmt.Errorf("%s.\n  %s:selfRepair is off for this stack, so nothing was changed. To mend:\n    eval \"$(make -s env STACK=%s)\"\n    %s",
		reason, a.stack.Project, a.stack.Name, command)
}

func (a *app) repairLocks() error {
	locks, err := findLocks(a.tools.Path("state"), a.stack.Project, a.stack.Name)
	if err != nil || len(locks) == 0 {
		return err
	}
	cancel := []string{"cancel", "--yes", "--stack", a.stack.Name}
	var stale []string
	for _, l := range locks {
		who := fmt.Sprintf("%s@%s, process %d, since %s", l.Username, l.Hostname, l.PID, l.Timestamp.Format(time.DateTime))
		if l.PID <= 0 {
			who = "a damaged lock file, " + filepath.Base(l.Path)
		}
		if !l.Stale {
			hostname, _ := os.Hostname()
			if l.Hostname == hostname {
				return fmt.Errorf("another command is working on the stack %s (%s): wait for it, or end it by Ctrl-C where it runs", a.stack.Name, who)
			}
			return fmt.Errorf("the stack %s is locked from another machine or container (%s), so it cannot be seen from here whether that command still runs.\n"+
				"  If it does not:\n    eval \"$(make -s env STACK=%s)\"\n    pulumi %s", a.stack.Name, who, a.stack.Name, strings.Join(cancel, " "))
		}
		stale = append(stale, who)
	}
	reason := "a killed command left the stack locked (" + strings.Join(stale, "; ") + "), and its process has ended"
	if !a.stack.SelfRepair {
		return a.explainRepair(reason, "pulumi "+strings.Join(cancel, " "))
	}
	a.say("• %s. So the lock is taken away (pulumi cancel)", reason)
	return a.pulumi(call{args: cancel, stdout: a.stderr})
}
