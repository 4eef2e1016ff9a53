package sessions

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

// filterValues is how many values EC2 accepts in one filter.
const filterValues = 200

// Images gives the image of each of the stack's instances that exists, by its name. AWS says which: neither the stack's
// config nor its state does.
func Images(ctx context.Context, s Setting) (map[string]string, error) {
	r, err := newRun(s)
	if err != nil {
		return nil, err
	}
	images := map[string]string{}
	for some := range slices.Chunk(r.instances(), filterValues) {
		names := map[string]string{}
		for _, n := range some {
			names[n.id] = n.name
		}
		var answer reservations
		// A filter, unlike a list of ids, passes over an instance that is gone.
		err := r.aws.call(ctx, &answer, "ec2", "describe-instances", input{"Filters": []input{
			{"Name": "instance-id", "Values": slices.Sorted(maps.Keys(names))},
			{"Name": "instance-state-name", "Values": []string{"pending", "running", "stopping", "stopped"}},
		}})
		if err != nil {
			return nil, r.explain(err)
		}
		for _, i := range answer.instances() {
			images[names[i.InstanceID]] = i.ImageID
		}
	}
	return images, nil
}

// Ready waits until instances of the stack are online, and then verifies that sessions on some of them are recorded. It
// says what is missing.
func Ready(ctx context.Context, s Setting, online, verified []string, timeout time.Duration) error {
	r, err := newRun(s)
	if err != nil {
		return err
	}
	r.timeout = timeout
	wanted, err := r.findAll(online)
	if err != nil || len(wanted) == 0 {
		return err
	}
	if err := r.waitFor(ctx, wanted); err != nil {
		return err
	}
	if wanted, err = r.findAll(verified); err != nil {
		return err
	}
	return r.verifyAll(ctx, wanted)
}

// newRun is a run on the stack as it is now.
func newRun(s Setting) (*run, error) {
	r := &run{open: func(string) (Setting, error) { return s, nil }, now: time.Now, poll: 5 * time.Second}
	return r, r.start()
}

func (r *run) findAll(names []string) (found []named, err error) {
	for _, name := range names {
		one, err := r.find(name)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

// verifiedAtOnce limits the sessions that are open at the same time.
const verifiedAtOnce = 10

// failure is an instance of which a verification failed.
type failure struct {
	named
	code  int
	cause string
}

// verifyAll verifies instances side by side, and ends with a summary. What the first failed ones printed is shown; it has the
// findings.
func (r *run) verifyAll(ctx context.Context, wanted []named) error {
	if len(wanted) == 0 {
		return nil
	}
	if err := r.needPlugin(); err != nil {
		return err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed []failure
	done, shown := 0, r.progress()
	count := func() {
		shown.Show(fmt.Sprintf("verifying that sessions on %s are recorded", screen.Count(len(wanted), "instance")), fmt.Sprintf("  %d done, %d failed", done, len(failed)))
	}
	count()
	slots := make(chan struct{}, verifiedAtOnce)
	for _, n := range wanted {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			said, err := r.quietly(func(one *run) error { return one.verifyOne(ctx, n) })
			mu.Lock()
			defer mu.Unlock()
			done++
			shown.Clear()
			if err != nil {
				failed = append(failed, failure{n, exitCode(err), causeOf(said, err)})
				r.say("  %s: FAILED", n)
			} else if len(wanted) <= maxNamed {
				r.say("  %s: recorded", n)
			}
			if err != nil && len(failed) <= maxDiagnosed {
				for line := range strings.Lines(strings.TrimSpace(said)) {
					r.say("    %s", strings.TrimRight(line, "\n"))
				}
			}
			count()
		})
	}
	group.Wait()
	shown.Clear()
	r.print("%d of %d instances: sessions are recorded", len(wanted)-len(failed), len(wanted))
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b failure) int { return strings.Compare(a.name, b.name) })
	width, code := 0, codeDoubt
	for _, f := range failed {
		width = max(width, len(f.String()))
		if f.code != codeDoubt {
			code = 1
		}
	}
	for _, f := range failed {
		r.print("%-*s  %s", width, f, f.cause)
	}
	r.say("Next: %s prints the findings again", r.command("verify INSTANCE="+failed[0].name))
	return process.Exit{Code: code}
}

// exitCode is that of a command that ends with the error.
func exitCode(err error) int { return process.Code(io.Discard, err) }

// causeOf gives a failed verification one line: what to fix first, or else what failed.
func causeOf(said string, err error) string {
	for _, prefix := range []string{"First to fix: ", "DOUBT: ", "FAILED: "} {
		for line := range strings.Lines(said) {
			if _, text, found := strings.Cut(line, prefix); found {
				return strings.TrimSpace(text)
			}
		}
	}
	return firstLine(err.Error())
}

// quietly runs an action of a copy of the run, and returns what it printed.
func (r *run) quietly(action func(*run) error) (string, error) {
	file, err := os.CreateTemp("", "verify-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	one := *r
	one.Out, one.Err = file, file
	err = action(&one)
	if _, e := file.Seek(0, io.SeekStart); e != nil {
		return "", e
	}
	said, e := io.ReadAll(file)
	if e != nil {
		return "", fmt.Errorf("cannot read what was printed: %w", e)
	}
	return string(said), err
}
