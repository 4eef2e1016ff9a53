package stack

import (
	"fmt"
	"os"
	"slices"

	"private-ec2-access/tools/sessions"
)

// sessions runs a command about sessions, on the stack's outputs and in the stack's environment.
func (a *app) sessions(name string, args []string) error {
	if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
		return codeOf(sessions.Run(name, sessions.Setting{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, []string{"-h"}))
	}
	if a.stack.Emulated && !a.exists() {
		return fmt.Errorf("the stack %s has not been brought up in this checkout: make up STACK=%s", a.stack.Name, a.stack.Name)
	}
	if err := a.prepareTools(); err != nil {
		return err
	}
	if err := a.loggedIn(); err != nil {
		return err
	}
	if gone, err := a.memoryIsGone(); err != nil {
		return err
	} else if gone {
		return fmt.Errorf("the emulated AWS was started anew and has forgotten what the stack %s made: make up STACK=%s", a.stack.Name, a.stack.Name)
	}
	s := sessions.Setting{
		Stack: a.stack.Name, Emulated: a.stack.Emulated, Environ: a.env.Apply(a.environ),
		Outputs: func() (string, error) { return a.read("stack", "output", "--json", "--stack", a.stack.Name) },
		In:      os.Stdin, Out: os.Stdout, Err: os.Stderr,
	}
	if a.stack.Emulated {
		s.Plugin = a.sessionPlugin
	} else {
		s.OfferedPlugin = `make plugin builds one from its source; then export PATH="$PATH:$PWD/.local/bin"`
	}
	return codeOf(sessions.Run(name, s, args))
}

// sessionPlugin makes sure that the emulated stacks' environment has a session-manager-plugin.
func (a *app) sessionPlugin() error {
	_, err := a.ensureSessionPlugin()
	return err
}

func (a *app) ensureSessionPlugin() (string, error) {
	unlock, err := a.tools.Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	return a.tools.EnsureSessionPlugin()
}

// printSessionPlugin builds the plugin for whoever has none; on a real account nothing uses it without being told to.
func (a *app) printSessionPlugin() error {
	path, err := a.ensureSessionPlugin()
	if err == nil {
		fmt.Fprintln(a.stdout, path)
	}
	return err
}

func codeOf(code int) error {
	if code == 0 {
		return nil
	}
	return &ExitError{Code: code}
}
