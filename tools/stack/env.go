package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
)

func (a *app) envCommand() *cobra.Command {
	undo := false
	c := a.onStack(func([]string) error {
		if undo {
			return a.printUndo()
		}
		return a.printEnvironment()
	}, &cobra.Command{
		Use:   "env",
		Short: "Print the stack's environment for plain pulumi and aws",
		Long:  "Print the stack's environment for plain pulumi and aws, or with --undo the one that the shell had before.",
		Example: `  eval "$(stack env --stack dev)"
  eval "$(stack env --undo)"`,
		Annotations: map[string]string{forEval: "true"},
	})
	c.Use, c.Args = "env", process.NoArgs
	c.Flags().BoolVar(&undo, "undo", false, "print what the shell's environment was before (make: UNDO=1)")
	return c
}

// before is a variable with the values that a shell had before it got a stack's environment.
const before = "PRIVATE_EC2_ACCESS_BEFORE"

// saved returns a line that keeps the values which the environment replaces. A second stack's environment keeps those of the
// first time.
func (e *Environment) saved(caller []string) string {
	values := map[string]*string{}
	if err := json.Unmarshal([]byte(process.Variable(caller, before)), &values); err != nil {
		values = map[string]*string{}
	}
	for _, name := range slices.Concat(e.unset, e.names) {
		if _, kept := values[name]; kept {
			continue
		}
		values[name] = nil
		for _, entry := range caller {
			if n, value, _ := strings.Cut(entry, "="); n == name {
				values[name] = &value
			}
		}
	}
	text, _ := json.Marshal(values) // texts can always be written
	return "export " + before + "=" + quote(string(text)) + "\n"
}

// undone is the environment after UNDO=1, or the same one where nothing can be undone.
func undone(caller []string) []string {
	e, err := undo(caller)
	if err != nil {
		return caller
	}
	return e.Apply(caller)
}

// printUndo prints the lines that give a shell its own environment back.
func (a *app) printUndo() error {
	e, err := undo(a.environ)
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, e.Exports())
	return nil
}

// undo is what gives a shell the values back that it had before make env.
func undo(caller []string) (*Environment, error) {
	values := map[string]*string{}
	kept := process.Variable(caller, before)
	if kept == "" {
		return nil, fmt.Errorf("this shell does not have the environment of a stack, so there is nothing to undo.\n  Fix: open a new shell if you are not sure")
	}
	if err := json.Unmarshal([]byte(kept), &values); err != nil {
		return nil, fmt.Errorf("%s: not what make env wrote.\n  Fix: open a new shell", before)
	}
	e := &Environment{unset: []string{before}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch value := values[name]; {
		case !variable.MatchString(name): // a shell would run it
		case value == nil:
			e.unset = append(e.unset, name)
		default:
			e.set(name, *value)
		}
	}
	return e, nil
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (a *app) printEnvironment() error {
	if !a.stack.Emulated {
		// The environment is what a user needs in order to log in, so the backend is not asked yet.
		if err := a.prepareTools(); err != nil {
			return err
		}
		fmt.Fprint(a.stdout, a.env.saved(a.environ), a.env.Exports())
		return nil
	}
	if err := a.prepare(false); err != nil {
		return err
	}
	if restarted, err := a.emulatorRestarted(); err != nil {
		return err
	} else if restarted {
		a.say("Note: %v", a.lost())
	}
	fmt.Fprint(a.stdout, a.env.saved(a.environ), a.env.Exports())
	return nil
}

func (a *app) testenvCommand() *cobra.Command {
	return a.onProject(a.testEnvironment, &cobra.Command{
		Use:         "testenv",
		Short:       "Print the environment that the tests of all modules need",
		Example:     `  eval "$(stack testenv)" && cd e2e && go test -run TestSessions .`,
		Annotations: map[string]string{forEval: "true"},
	})
}

// testEnvironment prints what the tests of all modules need to run against the real tools.
func (a *app) testEnvironment() error {
	return a.locked(func() error {
		t, err := a.tools.EnsureTests()
		if err != nil {
			return err
		}
		if err := a.writeTerraformConfig(); err != nil {
			return err
		}
		e := &Environment{}
		path := pathWith(filepath.Dir(t.CLI.Path), a.tools, process.Variable(a.environ, "PATH"))
		if filepath.Dir(t.SessionPlugin) == a.tools.Bin() && filepath.Dir(t.CLI.Path) != a.tools.Bin() {
			path += string(filepath.ListSeparator) + a.tools.Bin()
		}
		e.set("PATH", path)
		e.set("PULUMI_SKIP_UPDATE_CHECK", "true")
		e.set("STANDIN_BRIDGE", t.Bridge)
		e.set("STANDIN_MIRROR", t.Mirror)
		e.set("EMULATOR_PYTHON", t.Python)
		e.set("TF_CLI_CONFIG_FILE", a.tools.Path("terraform.tfrc"))
		fmt.Fprint(a.stdout, e.Exports())
		return nil
	})
}
