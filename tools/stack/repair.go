package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
	"private-ec2-access/tools/toolchain"
)

// exists reports whether an emulated stack has a state.
func (a *app) exists() bool {
	_, err := os.Stat(a.stateFile())
	return err == nil
}

// stateFile is the stack's state in the backend of the emulated stacks. It stays after a destroy.
func (a *app) stateFile() string {
	return a.tools.Path("state", ".pulumi", "stacks", a.stack.Project, a.stack.Name+".json")
}

// hasResources reports whether a file of that backend has AWS resources. One that cannot be read has none.
func hasResources(file string) bool {
	var state struct {
		Checkpoint struct {
			Latest apitype.DeploymentV3 `json:"latest"`
		} `json:"checkpoint"`
	}
	text, err := os.ReadFile(file)
	return err == nil && json.Unmarshal(text, &state) == nil && (&deployment{Deployment: state.Checkpoint.Latest}).cloudResources() > 0
}

func (a *app) export() (*deployment, error) {
	d, _, err := a.exportText()
	return d, err
}

// exportText also returns the whole of it as text.
func (a *app) exportText() (*deployment, string, error) {
	text, err := a.read("stack", "export", "--stack", a.stack.Name)
	if err != nil {
		return nil, "", err
	}
	var d deployment
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, "", fmt.Errorf("cannot read the state of the stack %s: %w", a.stack.Name, err)
	}
	return &d, text, nil
}

// notDeployed is the error of a command that needs a stack which does not exist.
func (a *app) notDeployed() error {
	problem := fmt.Sprintf("the stack %s is not deployed from this checkout", a.stack.Name)
	if by := a.preparing(); a.stack.Emulated && by != "" {
		return sessions.NotDeployed{Stack: a.stack.Name, Problem: fmt.Sprintf("the stack %s is not deployed yet; that is what %s does", a.stack.Name, by), Fix: "wait for it"}
	}
	if !a.stack.Emulated {
		problem = fmt.Sprintf("the backend that you are logged in to has no stack %s yet (pulumi whoami --verbose names the backend)", a.stack.Name)
	}
	return sessions.NotDeployed{Stack: a.stack.Name, Problem: problem}
}

// explainMissing adds to notDeployed what it means for a command. Pulumi has no preview without a stack in the backend, which may be
// shared, so only up creates it there.
func (a *app) explainMissing(command string, err error) error {
	var missing sessions.NotDeployed
	switch {
	case !errors.As(err, &missing):
	case command == "destroy":
		return fmt.Errorf("%s. Nothing was deleted", missing.Problem)
	case command == "preview" && a.stack.ConfirmChanges:
		return fmt.Errorf("%w creates it there, shows the preview, and asks before it creates anything in AWS", err)
	}
	return err
}

// lost is the error, or the note, where emulatorRestarted.
func (a *app) lost() error {
	return fmt.Errorf("the emulator was restarted and has lost the resources of the stack %s.\n  Fix: %s", a.stack.Name, screen.Make(a.stack.Name, "up"))
}

// emulatorRestarted reports whether the stack has resources that the running emulator has never seen.
func (a *app) emulatorRestarted() (bool, error) {
	if !a.stack.Emulated || a.sameInstance() {
		return false, nil
	}
	d, err := a.export()
	return err == nil && d.cloudResources() > 0, err
}

func (a *app) sameInstance() bool { return a.deployedTo(a.emulator) }

func (a *app) deployedTo(emulator Running) bool {
	recorded, _ := os.ReadFile(instanceFile(a.tools.Path("emulator"), a.stack.Name))
	return strings.TrimSpace(string(recorded)) == emulator.Instance
}

// repair removes what prevents the next update: locks of killed processes, pending operations, resources in the state that a
// restarted emulator has lost, and resources in the emulator that the state does not contain. State and emulator stay. With
// selfRepair off it explains what to do and fails, because Pulumi would create again what may exist already. Pulumi itself
// names the holder of the lock of a stack in an AWS account. Afterwards the emulator's instance is noted for the stack.
func (a *app) repair() error {
	unlocked := false
	if a.stack.Emulated {
		var err error
		if unlocked, err = a.repairLocks(); err != nil {
			return err
		}
	}
	if unlocked && a.stack.SelfRepair {
		if err := a.useNewestDocument(); err != nil {
			return err
		}
	}
	d, text, err := a.exportText()
	if err != nil {
		return err
	}
	a.before = d
	refresh := []string{"refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", a.stack.Name}
	var reasons []string
	if a.lostResources = a.stack.Emulated && !a.sameInstance() && d.cloudResources() > 0; a.lostResources {
		reasons = append(reasons, fmt.Sprintf("the emulator was restarted and has lost the %d resources in the state of the stack %s", d.cloudResources(), a.stack.Name))
	}
	if pending := d.pending(); len(pending) > 0 {
		reasons = append(reasons, fmt.Sprintf("an earlier command was killed during: %s", strings.Join(pending, ", ")))
		refresh = append(refresh, clearPending)
	} else if unlocked && len(reasons) == 0 && d.cloudResources() > 0 {
		// It may have been such a refresh, which drops what is pending before it has looked at everything.
		reasons = append(reasons, "a command was killed that may have refreshed only a part of the state")
	}
	if len(reasons) > 0 {
		if !a.stack.SelfRepair && !a.stack.Emulated {
			return a.explainPending(d.pending())
		}
		if !a.stack.SelfRepair {
			return a.explainRepair(strings.Join(reasons, "; and "), "pulumi "+strings.Join(refresh, " "))
		}
		// Before the refresh, which makes the state forget that something was being created: when this is killed too,
		// the next command must know it.
		if a.stack.Emulated && d.interruptedCreates() && a.sameInstance() {
			if err := a.removeLeftovers(text); err != nil {
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

// clearPending makes a refresh drop the creations that were interrupted, too; it drops the other pending operations anyway.
const clearPending = "--clear-pending-creates"

// refresh lets the state forget what is not there. What Pulumi prints goes to a file: it is long, and every resource
// that is missing is a warning in it, as is to be expected here.
func (a *app) refresh(args []string, reason string) error {
	so := "the state is refreshed"
	if slices.Contains(args, clearPending) {
		so = "pending operations are cleared, and " + so
	}
	a.say("• %s. So %s (pulumi refresh, usually seconds)", reason, so)
	log, err := a.tools.CreateLog("refresh")
	if err != nil {
		return err
	}
	defer log.Close()
	path := log.Name()
	start := time.Now()
	if err := a.pulumi(call{args: args, stdout: log}); err != nil {
		a.say("%s\nThe state could not be repaired. The whole log: %s", toolchain.Tail(path, 20), path)
		if a.stack.Emulated {
			a.say("Next: to start with an empty emulator and an empty state: make clean, then %s. It also deletes the state of every other stack in the emulator.", screen.Make(a.stack.Name, "up"))
		}
		return err
	}
	a.say("  ok: after %s. The log: %s", time.Since(start).Round(100*time.Millisecond), path)
	return nil
}

// leftover is a resource in the emulator that a killed command created and the state does not contain.
type leftover struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Error says why it could not be deleted.
	Error string `json:"error"`
}

// removeLeftovers deletes what a creation made that Pulumi did not see succeed. Nothing has its id, and if its name is fixed,
// it would prevent every later creation.
func (a *app) removeLeftovers(state string) error {
	found, err := a.sweep(state)
	var deleted, kept []string
	for _, l := range found {
		if l.Error == "" {
			deleted = append(deleted, l.Kind+" "+l.ID)
		} else {
			kept = append(kept, fmt.Sprintf("%s %s: %s", l.Kind, l.ID, l.Error))
		}
	}
	const killed = "an earlier command was killed while it created something"
	switch {
	case len(deleted) > 0:
		a.say("• %s. Deleted, because the state does not contain it: %s", killed, strings.Join(deleted, ", "))
	case err == nil && len(kept) == 0:
		a.say("• %s. No resource of the stack is missing in the state", killed)
	}
	if len(kept) > 0 {
		err = errors.New(strings.Join(kept, "; "))
	}
	if err != nil {
		return fmt.Errorf("%s, and what it left could not be deleted: %w\n  Fix: to start with an empty emulator: make down, then %s", killed, err, screen.Make(a.stack.Name, "up"))
	}
	return nil
}

// sweepAccount runs tools/emulator/moto/sweep.py, with the Python that has moto and with it an AWS client.
func (a *app) sweepAccount(state string) ([]leftover, error) {
	unlock, err := a.tools.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	python, err := a.tools.EnsurePython()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, filepath.Join(a.root, "tools", "emulator", "moto", "sweep.py"), a.stack.Owner())
	cmd.Env = a.env.Apply(a.environ)
	cmd.Stdin = strings.NewReader(state)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(problem.String()))
	}
	var found []leftover
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("cannot read the report of sweep.py: %w", err)
	}
	return found, nil
}

func (a *app) explainRepair(reason, command string) error {
	return fmt.Errorf("%s.\n  %s:selfRepair is off for this stack, so nothing was changed. Fix:\n    eval \"$(make -s env STACK=%s)\"\n    %s",
		reason, a.stack.Project, a.stack.Name, command)
}

// explainPending is for an AWS account, where only a person can tell the result of an operation that was interrupted.
func (a *app) explainPending(pending []string) error {
	return fmt.Errorf("an earlier command on the stack %[1]s was killed, or is still running, during: %[2]s.\n"+
		"  The state does not contain the result, so nothing was changed. Fix:\n"+
		"    eval \"$(make -s env STACK=%[1]s)\"\n"+
		"    pulumi refresh --stack %[1]s                             # names the holder of the lock, if there is one; compares, and asks about each creation\n"+
		"    pulumi refresh --stack %[1]s --clear-pending-creates     # the same, and drops all creations\n"+
		"  A creation that is dropped may have succeeded. How to find its resource: docs/team.md, Operations are pending",
		a.stack.Name, strings.Join(pending, ", "))
}

// repairLocks removes the locks of processes that have ended, and reports whether there were any.
func (a *app) repairLocks() (bool, error) {
	locks, err := findLocks(a.tools.Path("state"), a.stack.Project, a.stack.Name)
	if err != nil || len(locks) == 0 {
		return false, err
	}
	cancel := []string{"cancel", "--yes", "--stack", a.stack.Name}
	var stale []string
	for _, l := range locks {
		who := l.who()
		if !l.Stale {
			hostname, _ := os.Hostname()
			if l.Hostname == hostname {
				return false, fmt.Errorf("another command is running on the stack %s (%s). Fix: wait for it, or stop it with Ctrl-C in its terminal; without a terminal: kill %d", a.stack.Name, who, l.PID)
			}
			return false, fmt.Errorf("the stack %s is locked from another machine or container (%s), so this machine cannot tell whether that command is still running.\n"+
				"  Fix, if it is not:\n    eval \"$(make -s env STACK=%s)\"\n    pulumi %s", a.stack.Name, who, a.stack.Name, strings.Join(cancel, " "))
		}
		stale = append(stale, who)
	}
	reason := "a killed command left the stack locked (" + strings.Join(stale, "; ") + "), and its process has ended"
	if !a.stack.SelfRepair {
		return false, a.explainRepair(reason, "pulumi "+strings.Join(cancel, " "))
	}
	a.say("• %s. So the lock is removed (pulumi cancel)", reason)
	return true, a.pulumi(call{args: cancel, stdout: a.stderr})
}

// useNewestDocument completes an interrupted update of the session document, which creates a version and then makes it the
// default. Systems Manager changes only the newest version, so with another default no update could succeed.
func (a *app) useNewestDocument() error {
	used, err := a.useNewest()
	if used && err == nil {
		a.say("• the killed command had written a new version of the session document %s, which is now the default version", a.stack.SessionDocument)
	}
	if errors.As(err, new(process.Missing)) {
		return nil // the program reports it, if there is something wrong
	}
	return err
}

func (a *app) useNewestInAccount() (bool, error) {
	return sessions.UseNewest(context.Background(), a.awsEnviron(), a.stack.Region, a.stack.SessionDocument, a.stack.Owner())
}
