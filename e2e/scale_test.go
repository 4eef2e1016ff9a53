package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stack of 200 instances in two fleets, with the real commands: each change touches its own instances only, and the commands
// about all of them take seconds, with 10,000 sessions in the history.
//
// It does not prove how long AWS takes. TestRollingUpgrade has the commands on a small fleet in each run.
func TestTwoHundredInstances_EveryChange_TouchesItsOwn(t *testing.T) {
	t.Parallel()
	if !long(t) {
		return
	}
	const web, api, grown = 160, 40, 60
	d := fleetDesk(t)
	d.set("fleets.web.count", fmt.Sprint(web))
	d.set("fleets.api.count", fmt.Sprint(api))
	start := time.Now()
	lap := func(what string) {
		t.Logf("%s: %.1f s", what, time.Since(start).Seconds())
		start = time.Now()
	}
	d.must("make", "up")
	lap("up of 200 instances")
	ids := d.outputs().at("instanceIds").(map[string]any)
	require.Len(t, ids, web+api)

	d.set("fleets.web.without[0]", "100")
	d.plans("delete", "web", 100, 100)
	lap("preview without instance 100")
	d.must("make", "up")
	lap("up without instance 100")
	d.unset("fleets.web.without")
	d.plans("create", "web", 100, 100)
	d.must("make", "up")
	lap("up with instance 100")
	d.set("fleets.api.count", fmt.Sprint(grown))
	d.plans("create", "api", api+1, grown)
	d.must("make", "up")
	d.set("fleets.api.count", fmt.Sprint(api))
	d.plans("delete", "api", api+1, grown)
	d.must("make", "up")
	lap("a fleet from 40 to 60, and back")
	d.must("make", "preview", "ARGS=--expect-no-changes")
	lap("preview without changes")
	after := d.outputs().at("instanceIds").(map[string]any)
	require.NotEqual(t, ids["web-100"], after["web-100"])
	delete(ids, "web-100")
	for name, id := range ids {
		require.Equal(t, id, after[name], "%s was replaced", name)
	}

	newest := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	var sessions []object
	for i, s := range seeded(10_000, "", newest) {
		s["Target"] = after[fmt.Sprintf("web-%03d", 1+i%web)]
		sessions = append(sessions, s)
	}
	d.ask(t, http.MethodPost, "sessions", sessions, nil)
	out := d.within(10*time.Second, "wait")
	require.Equal(t, "200 of 200 instances: online, agent 3.3.1611.0\n", out)
	require.Equal(t, 51, strings.Count(d.within(10*time.Second, "history"), "\n"), "a page")
	var entries []object
	require.NoError(t, json.Unmarshal([]byte(d.within(10*time.Second, "history", "--format", "json")), &entries))
	require.Len(t, entries, 10_000)
	require.Equal(t, 51, strings.Count(d.within(10*time.Second, "history", "--instance", "web-100"), "\n"))
	d.within(10*time.Second, "status")

	start = time.Now()
	d.must("make", "destroy", "ARGS=--yes")
	lap("destroy of 200 instances")
	require.Empty(t, d.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints"))
}

// within runs a command, and fails if it and the processes that it starts use more CPU time. It logs the time, and the memory of
// the largest process. On a machine that does nothing else, a command takes hardly longer than its CPU time.
func (d *desk) within(most time.Duration, args ...string) string {
	t := d.t
	t.Helper()
	cmd := d.command(".local/bin/stack", append([]string{"--stack", "local"}, args...)...)
	start := time.Now()
	out, err := cmd.Output()
	took := time.Since(start)
	require.NoError(t, err, "%v: %s", args, out)
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("%s: %.1f s, %.1f s of CPU time, %d MB", strings.Join(args, " "), took.Seconds(), cpu.Seconds(), used.Maxrss>>10)
	require.Less(t, cpu, most, "%v", args)
	return string(out)
}
