package stack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/screen"
)

func (a *app) downCommand() *cobra.Command {
	return a.onProject(a.down, &cobra.Command{
		Use:   "down",
		Short: "Stop the local emulator",
		Long:  "Stop the local emulator. It keeps everything in memory, so the resources of all stacks in it are lost.",
	})
}

func (a *app) down() error {
	if err := a.refuseWhileRunning(); err != nil { // without waiting for what it prepares
		return err
	}
	return a.locked(func() error {
		if err := a.refuseWhileRunning(); err != nil {
			return err
		}
		emulator := newEmulator(a.tools, a.say)
		running, _ := emulator.read()
		var again []string
		for _, name := range a.stacksIn(running) {
			again = append(again, screen.Make(name, "up"))
		}
		open := sessionsEnded(running)
		switch ran, err := emulator.Stop(); {
		case err != nil:
			return err
		case !ran:
			a.say("The emulator is not running.")
		case len(again) == 0:
			a.say("Stopped the emulator. No stack was deployed in it. What a destroy may have kept in it is lost.")
		default:
			a.say("Stopped the emulator. It kept everything in memory, so the resources in it are lost.%s Next: %s creates them again.", open, strings.Join(again, ", "))
		}
		return nil
	})
}

// sessionsEnded says which sessions end with an emulator. It is empty if none is open.
func sessionsEnded(emulator Running) string {
	open := openSessions(emulator)
	if open == 0 {
		return ""
	}
	return fmt.Sprintf(" %s ended, without a session log.", screen.Count(open, "open session"))
}

// openSessions counts the sessions that are open in an emulator: none, if it does not answer.
func openSessions(emulator Running) int {
	var sessions struct{ Open int }
	request, err := http.NewRequest(http.MethodGet, emulator.URL+"/_emulator/sessions", nil)
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+emulator.Secret)
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}} // no proxy
	answer, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if json.NewDecoder(answer.Body).Decode(&sessions) != nil {
		return 0
	}
	return sessions.Open
}

// busyFolder has a file for each process that changes an emulated stack, named by its number.
const busyFolder = "busy"

// busy marks this process as one that changes an emulated stack until done is called: Pulumi locks the stack only when its
// update begins. A mark of a process that has ended does not count.
func (a *app) busy(command string) (done func()) {
	if !a.stack.Emulated {
		return func() {}
	}
	path := a.tools.Path(busyFolder, strconv.Itoa(os.Getpid()))
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil || os.WriteFile(path, []byte(screen.Make(a.stack.Name, command)), 0o600) != nil {
		return func() {} // who may not write here fails with a better message
	}
	return func() { _ = os.Remove(path) }
}

// marks are the other commands of this checkout that are changing an emulated stack, or prepare to.
func (a *app) marks() (commands []string) {
	marks, _ := os.ReadDir(a.tools.Path(busyFolder))
	for _, m := range marks {
		if pid, err := strconv.Atoi(m.Name()); err == nil && pid != os.Getpid() && isProgram(pid, "stack") {
			command, _ := os.ReadFile(a.tools.Path(busyFolder, m.Name()))
			commands = append(commands, string(command))
		}
	}
	return commands
}

// preparing is the command in another terminal that changes this stack, or prepares to; it is empty if there is none.
func (a *app) preparing() string {
	for _, command := range []string{"up", "destroy", "upgrade"} {
		if made := screen.Make(a.stack.Name, command); slices.Contains(a.marks(), made) {
			return "`" + made + "` in another terminal"
		}
	}
	return ""
}

// refuseWhileRunning refuses to take the emulator away from an update, which would go on without it.
func (a *app) refuseWhileRunning() error {
	locks, err := findLocks(a.tools.Path("state"), "", "")
	if err != nil {
		return err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, command := range a.marks() {
		return fmt.Errorf("`%s` is running in another terminal. Nothing was stopped.\n  Fix: wait for it, or stop it with Ctrl-C in its terminal", command)
	}
	for _, l := range locks {
		if !l.Stale && l.Hostname == hostname {
			return fmt.Errorf("a command is running on the stack %s in the emulator (%s). Nothing was stopped.\n  Fix: wait for it, or stop it with Ctrl-C in its terminal", l.stack(), l.who())
		}
	}
	return nil
}

func (a *app) cleanCommand() *cobra.Command {
	return a.onProject(a.clean, &cobra.Command{
		Use:   "clean",
		Short: "Stop the local emulator and delete .local",
		Long:  "Stop the local emulator and delete .local: the tools and the state of the stacks in the emulator. Stacks in AWS accounts are not changed.",
	})
}

func (a *app) clean() error {
	if err := a.refuseWhileRunning(); err != nil {
		return err
	}
	return a.locked(func() error {
		if err := a.refuseWhileRunning(); err != nil {
			return err
		}
		emulator := newEmulator(a.tools, a.say)
		running, _ := emulator.read()
		open := sessionsEnded(running)
		ran, err := emulator.Stop()
		if err != nil {
			return err
		}
		if ran {
			a.say("Stopped the emulator. The resources in it are lost.%s", open)
		}
		if err := os.RemoveAll(a.tools.Path()); err != nil {
			return fmt.Errorf("cannot delete %s completely: %w", a.tools.Path(), err)
		}
		a.say("Deleted %s: tools, and the state of the stacks in the emulator. Stacks in AWS accounts are not changed. Next: make up gets the tools again.", a.tools.Path())
		return nil
	})
}
