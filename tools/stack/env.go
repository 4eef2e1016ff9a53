package stack

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/process"
)

func (a *app) envCommand() *cobra.Command {
	c := a.onStack(a.printEnvironment, &cobra.Command{
		Use:         "env",
		Short:       "Print the stack's environment for plain pulumi and aws",
		Example:     `  eval "$(stack env --stack dev)"`,
		Annotations: map[string]string{forEval: "true"},
	})
	c.Use, c.Args = "env", process.NoArgs
	return c
}

func (a *app) printEnvironment([]string) error {
	if !a.stack.Emulated {
		// The environment is what a user needs in order to log in, so the backend is not asked yet.
		if err := a.prepareTools(); err != nil {
			return err
		}
		fmt.Fprint(a.stdout, a.env.Exports())
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
	fmt.Fprint(a.stdout, a.env.Exports())
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
