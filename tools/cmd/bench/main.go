// Command bench times the daily commands of Pulumi and of Terraform for the same resources, on the same provider and the same
// kind of emulator, and prints their ratios. The resources are those of a default stack; bench/main.tf has them for Terraform.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"private-ec2-access/tools/emulator"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/stack"
	"private-ec2-access/tools/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context) error {
	project := flag.String("project", ".", "folder with Pulumi.yaml")
	instances := flag.String("instances", "1 50", "numbers of instances, each of which is a run of its own")
	rounds := flag.Int("rounds", 3, "how often the commands that change nothing are timed; the median counts")
	write := flag.Bool("write", false, "write docs/bench.md as well")
	flag.Parse()
	sizes, err := parseSizes(*instances)
	if err != nil {
		return err
	}
	if *rounds < 1 {
		return fmt.Errorf("BENCH_ROUNDS: too small (got %d). Allowed: 1 or more", *rounds)
	}
	root, err := filepath.Abs(*project)
	if err != nil {
		return err
	}
	b, err := prepare(root, *rounds)
	if err != nil {
		return err
	}
	report := newReport(b)
	for _, size := range sizes {
		times, err := b.measure(ctx, size)
		if err != nil {
			fmt.Fprint(os.Stderr, report.markdown()) // what was measured before
			return fmt.Errorf("%s: %w", screen.Count(size, "instance"), err)
		}
		report.add(size, times)
	}
	report.addedInstances()
	report.memory(int(b.memory.Load() >> 20))
	text := report.markdown()
	fmt.Print(text)
	if !*write {
		return nil
	}
	return os.WriteFile(filepath.Join(root, "docs", "bench.md"), []byte(text), 0o644)
}

func parseSizes(text string) ([]int, error) {
	var sizes []int
	for _, field := range strings.Fields(text) {
		size, err := strconv.Atoi(field)
		if err != nil || size < 1 || size > 200 {
			return nil, fmt.Errorf("BENCH_INSTANCES: not a number of instances (got %q). Allowed: numbers from 1 to 200, separated by blanks", field)
		}
		sizes = append(sizes, size)
	}
	if len(sizes) == 0 {
		return nil, errors.New(`BENCH_INSTANCES: empty. Allowed: numbers from 1 to 200, separated by blanks, such as "1 50"`)
	}
	return sizes, nil
}

// bench is what all runs have in common.
type bench struct {
	root, folder string // folder holds everything that the runs write
	rounds       int
	cli          toolchain.CLI
	python       string
	terraform    string
	tools        *toolchain.Toolchain
	memory       atomic.Int64 // the most bytes that a process of the program has used; 0 if unknown
}

func prepare(root string, rounds int) (*bench, error) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		return nil, errors.New("there is no `terraform` on PATH, which Pulumi is compared with.\n" +
			"  Fix: install Terraform 1.x (https://developer.hashicorp.com/terraform/install) and run make bench again")
	}
	tools := toolchain.New(root, os.Stderr)
	mirror, err := tools.FindMirror()
	if err != nil {
		return nil, err
	}
	unlock, err := tools.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	ensured, err := tools.EnsureEmulated(true)
	if err != nil {
		return nil, err
	}
	if err := tools.CompileProgram(); err != nil {
		return nil, err
	}
	b := &bench{root: root, folder: tools.Path("bench"), rounds: rounds, cli: ensured.CLI, python: ensured.Python, terraform: terraform, tools: tools}
	if err := os.RemoveAll(b.folder); err != nil {
		return nil, err
	}
	// Terraform gets the provider that the stand-in for the AWS plugin runs.
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	return b, errors.Join(os.MkdirAll(b.folder, 0o755), os.WriteFile(b.terraformConfig(), []byte(config), 0o644))
}

func (b *bench) terraformConfig() string { return filepath.Join(b.folder, "terraform.tfrc") }

// contender is a tool with an account of its own.
type contender struct {
	name    string
	program string
	folder  string // where it runs
	args    []string
	env     []string
	steps   map[step][]string
	count   func(ctx context.Context) (map[string]int, error) // its resources, by Terraform type
}

type step string

const (
	first       step = "first preview"
	up          step = "up"
	unchanged   step = "without changes"
	refreshed   step = "without changes, with refresh"
	unrefreshed step = "without changes, without refresh"
	destroy     step = "destroy"
)

// order is that of a stack's life. Only commands that change nothing can be repeated.
var order = []struct {
	step
	repeated bool
}{{first, true}, {up, false}, {unchanged, true}, {refreshed, true}, {unrefreshed, true}, {destroy, false}}

// Each command fails if it finds a change where there should be none.
var (
	pulumiSteps = map[step][]string{
		first:     {"preview"},
		up:        {"up", "--yes", "--skip-preview"},
		unchanged: {"preview", "--expect-no-changes"},
		refreshed: {"preview", "--expect-no-changes", "--refresh"},
		destroy:   {"destroy", "--yes", "--skip-preview"},
	}
	terraformSteps = map[step][]string{
		first:       {"plan"},
		up:          {"apply", "-auto-approve"},
		unchanged:   {"plan", "-detailed-exitcode"},
		unrefreshed: {"plan", "-detailed-exitcode", "-refresh=false"},
		destroy:     {"destroy", "-auto-approve"},
	}
)

// times are the durations of each contender's steps.
type times map[string]map[step][]time.Duration

// measure runs the whole life of a stack with each contender, step by step: the commands that are compared run one after
// the other, so that other work on the machine slows all of them down.
func (b *bench) measure(ctx context.Context, size int) (times, error) {
	folder := filepath.Join(b.folder, strconv.Itoa(size))
	var contenders []*contender
	result := times{}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go b.watchMemory(watching)
	for i, start := range []func(context.Context, string, stack.Running, int) (*contender, error){b.pulumi, b.terraformDefault, b.terraform32} {
		own := filepath.Join(folder, strconv.Itoa(i))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return nil, err
		}
		account, err := emulator.Start(ctx, emulator.Options{Python: b.python, Dir: own})
		if err != nil {
			return nil, err
		}
		defer account.Stop()
		c, err := start(ctx, own, stack.Running{URL: account.URL(), Secret: account.Secret()}, size)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
		result[c.name] = map[step][]time.Duration{}
	}
	for _, s := range order {
		rounds := 1
		if s.repeated {
			rounds = b.rounds
		}
		for range rounds {
			for _, c := range contenders {
				args, ok := c.steps[s.step]
				if !ok {
					continue
				}
				began := time.Now()
				if _, err := c.run(ctx, args...); err != nil {
					return nil, err
				}
				took := time.Since(began)
				fmt.Fprintf(os.Stderr, "  %s, %s, %s: %.1f s\n", screen.Count(size, "instance"), c.name, strings.Join(args, " "), took.Seconds())
				result[c.name][s.step] = append(result[c.name][s.step], took)
			}
		}
		if s.step == up {
			if err := sameResources(ctx, contenders); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

// run returns what the command wrote to its standard output.
func (c *contender) run(ctx context.Context, args ...string) (string, error) {
	args = slices.Concat(args, c.args)
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.folder, c.env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(c.program), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// sameResources fails if bench/main.tf does not create what the program creates.
func sameResources(ctx context.Context, contenders []*contender) error {
	var counts []map[string]int
	for _, c := range contenders {
		count, err := c.count(ctx)
		if err != nil {
			return err
		}
		counts = append(counts, count)
	}
	for i, count := range counts[1:] {
		if maps.Equal(counts[0], count) {
			continue
		}
		var differences []string
		types := slices.Concat(slices.Collect(maps.Keys(counts[0])), slices.Collect(maps.Keys(count)))
		slices.Sort(types)
		for _, name := range slices.Compact(types) {
			if counts[0][name] != count[name] {
				differences = append(differences, fmt.Sprintf("  %s: %d and %d", name, counts[0][name], count[name]))
			}
		}
		return fmt.Errorf("%s and %s do not create the same resources:\n%s\n  Fix: change bench/main.tf as the program was changed",
			contenders[0].name, contenders[i+1].name, strings.Join(differences, "\n"))
	}
	return nil
}

func (b *bench) environment(account stack.Running, own ...string) []string {
	local := &stack.Stack{Name: "local", Region: "us-east-2", Emulated: true}
	environ := stack.EmulatedEnvironment(local, b.tools, b.cli, account, os.Environ()).Apply(os.Environ())
	return append(environ, own...) // the last value of a variable counts
}
