package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/pasted"
)

// prose are the beginnings of texts that are no commands, and commands that are known only when they are printed.
var prose = []string{"make it", "make sure", "make room", "make target", "make " + pasted.Unknown, "aws command", "aws " + pasted.Unknown,
	"pulumi and", "pulumi cannot", "pulumi follow", "pulumi was", "pulumi " + pasted.Unknown}

// printed are the commands of a program that messages and pages name, and where.
func printed(t *testing.T, program string) map[string]string {
	t.Helper()
	found := pasted.InSources(t, "../..", "access", "components", "config", "internal", "program", "survey", "tools")
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	maps.Copy(found, pasted.InPages(t, append(pages, "../../README.md", "../../CONTRIBUTING.md")...))
	maps.DeleteFunc(found, func(command, _ string) bool {
		return !strings.HasPrefix(command, program+" ") || slices.ContainsFunc(prose, func(p string) bool { return strings.HasPrefix(command+" ", p+" ") })
	})
	require.Greater(t, len(found), 20)
	return found
}

// requireUnderstood checks all commands of a program, and that the check notices wrong ones.
func requireUnderstood(t *testing.T, program string, check func(commands []string) []error, wrong ...string) {
	t.Helper()
	found := printed(t, program)
	commands := slices.Sorted(maps.Keys(found))
	problems := check(append(slices.Clone(commands), wrong...))
	for i, command := range commands {
		assert.NoError(t, problems[i], "%s: %s", found[command], command)
	}
	for i, command := range wrong {
		assert.Error(t, problems[len(commands)+i], command)
	}
}

// A shell and make read every command of make that messages and pages name. The target uses every variable, and the command line that
// it runs has flags that the stack command knows. That the command then helps is not proved here.
func TestPrinted_MakeCommands_UnderstoodByMakeAndTheCommandLine(t *testing.T) {
	requireUnderstood(t, "make", func(commands []string) (problems []error) {
		for _, command := range commands {
			problems = append(problems, readMake(command))
		}
		return problems
	}, "make upp", "make wait SESSION=x", "make connect INSTANCE=x AGES=1", "make record SESSION=(1)")
}

func readMake(command string) error {
	runs, err := dryRun(command)
	if err != nil || strings.Contains(runs, "there is no target") {
		return fmt.Errorf("%v: %s", err, runs)
	}
	for _, word := range strings.Fields(command)[1:] {
		name, _, variable := strings.Cut(word, "=")
		if !variable || name != strings.ToUpper(name) {
			continue
		}
		without, err := dryRun(strings.Replace(command, " "+word, "", 1))
		if err != nil || without == runs && name != "STACK" {
			return fmt.Errorf("the target does not use %s: %s", word, without)
		}
	}
	for line := range strings.Lines(runs) {
		at := strings.Index(line, ".local/bin/stack --stack ")
		if at < 0 {
			continue
		}
		// Bash takes the path as the name of a function.
		args, err := words(".local/bin/stack", line[at:])
		if err != nil {
			return err
		}
		c, rest, err := (&app{}).command().Find(args)
		if err := errors.Join(err, c.ParseFlags(rest)); err != nil {
			return err
		}
		if err := c.ValidateRequiredFlags(); err != nil {
			return err
		}
	}
	return nil
}

// dryRun returns what make would run, in a shell without variables.
func dryRun(command string) (string, error) {
	cmd := exec.Command("bash", "--noprofile", "--norc", "-c", strings.Replace(command, "make ", "make -n ", 1))
	cmd.Dir, cmd.Env = "../..", []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// words returns the arguments that a shell gives to a program.
func words(program, command string) ([]string, error) {
	out, err := exec.Command("bash", "--noprofile", "--norc", "-c", program+`() { printf '%s\0' "$@"; }; `+command).Output()
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), err
}

// onlyVersion2 are commands that version 1 of the AWS CLI, which this project installs, lacks.
var onlyVersion2 = []string{"aws sso login", "aws configure export-credentials", "aws configure list-profiles"}

// valid replaces what is known only when a command is printed, where the AWS CLI checks the value.
var valid = strings.NewReplacer("--rule-number "+pasted.Unknown, "--rule-number 10", "--policy-arn "+pasted.Unknown, "--policy-arn arn:aws:iam::aws:policy/P",
	"group-"+pasted.Unknown, "group-ingress", "--ip-permissions '"+pasted.Unknown+"'", "--ip-permissions 'IpProtocol=tcp'",
	"--route-table-id "+pasted.Unknown+" "+pasted.Unknown, "--route-table-id rtb-1 --destination-cidr-block 0.0.0.0/0", "file://", "")

// ready is what a request ends with that the AWS CLI has checked and would send.
const ready = "the request is ready"

// awsCLI reads the arguments of one command a line. Drivers of their own share what they load, and send nothing.
const awsCLI = `
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
loader = create_clidriver().session.get_component("data_loader")
def stop(**_):
    raise Exception("` + ready + `")
for line in sys.stdin:
    driver = create_clidriver()
    driver.session.register_component("data_loader", loader)
    driver.session.register("before-call", stop)
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        try:
            driver.main(json.loads(line))
        except SystemExit:
            pass
    print(json.dumps(said.getvalue()))
`

// The AWS CLI reads every command that messages and pages name, and its parameters fit botocore's model of the service. What AWS makes
// of the command is not proved here.
func TestPrinted_AWSCommands_UnderstoodByTheAWSCLI(t *testing.T) {
	python := os.Getenv("EMULATOR_PYTHON")
	if python == "" {
		t.Skip("EMULATOR_PYTHON is not set: run the tests with `make test`")
	}
	requireUnderstood(t, "aws", func(commands []string) (problems []error) {
		var input strings.Builder
		for _, command := range commands {
			args, err := words("aws", valid.Replace(command))
			require.NoError(t, err, command)
			line, err := json.Marshal(args)
			require.NoError(t, err)
			input.Write(append(line, '\n'))
		}
		cmd := exec.Command(python, "-c", awsCLI)
		cmd.Dir, cmd.Stdin = "../..", strings.NewReader(input.String())
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_DEFAULT_REGION=us-east-2"}
		out, err := cmd.Output()
		require.NoError(t, err)
		answers := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.Len(t, answers, len(commands))
		for i, command := range commands {
			local := strings.HasPrefix(command, "aws configure ") && !strings.Contains(answers[i], "usage:") // sends nothing
			known := local || strings.Contains(answers[i], ready) || slices.ContainsFunc(onlyVersion2, func(c string) bool { return strings.HasPrefix(command, c) })
			if known {
				problems = append(problems, nil)
			} else {
				problems = append(problems, errors.New(answers[i]))
			}
		}
		return problems
	}, "aws logs tail --region us-east-2 /g", "aws ec2 describe-vpcs --subnet-id s", "aws ec2 associate-dhcp-options --dhcp-options-id D --vpc-id vpc-1, with options",
		"aws ec2 start-instances", "aws iam attach-role-policy --role-name r --policy-arn p", "aws configure gets region")
}

var flag = regexp.MustCompile(`--[a-z-]+`)

// Pulumi has the commands and flags that messages and pages name. The values that `pulumi config` gets are tested with the mistakes.
func TestPrinted_PulumiCommands_HaveFlagsOfPulumi(t *testing.T) {
	if os.Getenv("EMULATOR_PYTHON") == "" {
		t.Skip("the environment of the tests is not set: run them with `make test`")
	}
	helps := map[string]string{}
	requireUnderstood(t, "pulumi", func(commands []string) (problems []error) {
		for _, command := range commands {
			problems = append(problems, readPulumi(command, helps))
		}
		return problems
	}, "pulumi cancle", "pulumi stack drop", "pulumi config set --paths x y", "pulumi refresh --clear-pending")
}

func readPulumi(command string, helps map[string]string) error {
	path := strings.Fields(command)[:2]
	if more := strings.Fields(command)[2:]; len(more) > 0 && (path[1] == "config" || path[1] == "stack") && !strings.HasPrefix(more[0], "-") {
		path = append(path, more[0])
	}
	name := strings.Join(path, " ")
	if helps[name] == "" {
		out, err := exec.Command("pulumi", append(path[1:], "--help")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		helps[name] = string(out)
	}
	// Pulumi prints the help of the group if there is no such command.
	if !regexp.MustCompile(`(?m)^  ` + name + `( |$)|^Aliases:\n.*\b` + path[len(path)-1] + `\b`).MatchString(helps[name]) {
		return errors.New(name + " is no command of Pulumi")
	}
	for _, f := range flag.FindAllString(command, -1) {
		if !regexp.MustCompile(f + `\b[^-]`).MatchString(helps[name]) {
			return fmt.Errorf("%s has no flag %s", name, f)
		}
	}
	return nil
}
