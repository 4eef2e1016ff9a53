package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	oldImage = "ami-0857189c7373017e0" // Amazon Linux 2023 for arm64 with kernel 6.1
	newImage = "ami-01e06eb78a94a2c91" // the same with kernel 6.12
)

// A fleet is upgraded in batches by the real command, which is killed in the second batch. The next run continues. In the
// long tests it stops at an instance whose agent does not come online, without touching the next batch; the last run finishes.
//
// It does not prove that a real image boots, nor that its agent starts: the agents are simulated.
func TestRollingUpgrade_KilledAndNeverOnline_Continues(t *testing.T) {
	t.Parallel()
	count, batch := 2, 1
	if long(t) {
		count, batch = 20, 5
	}
	d := fleetDesk(t)
	publish := func(image string) {
		d.aws("ssm", "put-parameter", "--name", "/golden/image", "--type", "String", "--overwrite", "--value", image)
	}
	publish(oldImage)
	d.set("fleets.web.count", fmt.Sprint(count))
	d.set("fleets.web.imageParameter", "/golden/image")
	d.must("make", "up")
	require.Len(t, d.fleet(oldImage), count)
	publish(newImage)

	command := []string{"--stack", "local", "upgrade", "--fleet", "web", "--batch", fmt.Sprint(batch), "--timeout", "30s"}
	start := time.Now()
	killed := d.command(".local/bin/stack", command...)
	killed.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	killed.Stdout, killed.Stderr = &said, &said
	require.NoError(t, killed.Start())
	ended := make(chan error, 1)
	go func() { ended <- killed.Wait() }()
	require.Eventually(t, func() bool { return len(d.fleet(newImage)) > batch }, 5*time.Minute, 100*time.Millisecond, "the second batch did not begin")
	require.NoError(t, syscall.Kill(-killed.Process.Pid, syscall.SIGKILL))
	require.Error(t, <-ended, said.String())
	require.Contains(t, said.String(), fmt.Sprintf("batch 2 of %d", count/batch))
	require.LessOrEqual(t, len(d.fleet(newImage)), 2*batch)

	if long(t) {
		d.failsAtSilentAgent(command, fmt.Sprintf("web-%03d", 2*batch), batch)
		require.Len(t, d.fleet(oldImage), count-2*batch, "the batches after the failed one are not replaced")
	}
	before := d.fleet(newImage)
	out, problems, code := d.do(command...)
	require.Zero(t, code, "%s\n%s", out, problems)
	after := d.fleet(newImage)
	require.Len(t, after, count)
	require.Empty(t, d.fleet(oldImage))
	for n := 1; n <= batch; n++ { // what the killed update created is not in the state, so it is created again
		name := fmt.Sprintf("web-%03d", n)
		require.NotEmpty(t, before[name])
		require.Equal(t, before[name], after[name], "%s was replaced twice", name)
	}
	out = d.must("make", "preview", "ARGS=--expect-no-changes")
	require.NotContains(t, out, "loses a subnet", "the program finds each instance's subnet in the stack's state")
	t.Logf("%d instances in batches of %d: %.0f s for the three runs\n%s", count, batch, time.Since(start).Seconds(), strings.TrimSpace(out))

	d.removes("web", count/2)
	d.verifiesAll("web", count, fmt.Sprintf("web-%03d", count))
}

// fleetDesk is a checkout with an existing log bucket, whose stack has no instances.
func fleetDesk(t *testing.T) *desk {
	t.Helper()
	c := newClone(t, "http://127.0.0.1:1").withTools()
	c.must("make", "env") // starts the emulated AWS
	c.onExistingBucket("session-records")
	d := deskOf(c, emulatorOf(t, c.dir))
	d.aws("s3api", "put-bucket-encryption", "--bucket", "session-records", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`)
	d.set("instances", "{}")
	return d
}

// pulumi runs plain pulumi.
func (d *desk) pulumi(line string) string {
	d.t.Helper()
	out, err := d.shell("pulumi " + line)
	require.NoError(d.t, err, out)
	return out
}

func (d *desk) set(key, value string) {
	d.t.Helper()
	d.pulumi("config set --path 'private-ec2-access:" + key + "' '" + value + "'")
}

func (d *desk) unset(key string) {
	d.t.Helper()
	d.pulumi("config rm --path 'private-ec2-access:" + key + "'")
}

// plans requires that the next update does one thing to instances of a fleet, each with its component, and nothing else.
func (d *desk) plans(op, fleet string, from, to int) {
	d.t.Helper()
	want := map[string]string{}
	for n := from; n <= to; n++ {
		name := fmt.Sprintf("private-ec2-access-%s-%03d", fleet, n)
		want["aws:ec2/instance:Instance "+name+"-arm64"], want["private-ec2-access:index:PrivateInstance "+name] = op, op
	}
	require.Equal(d.t, want, stepsOf(d.t, d.pulumi("preview --json 2>/dev/null")))
}

// removes requires that a fleet can lose one instance, and nothing else changes.
func (d *desk) removes(fleet string, number int) {
	d.t.Helper()
	d.set("fleets."+fleet+".without[0]", fmt.Sprint(number))
	d.plans("delete", fleet, number, number)
	d.unset("fleets." + fleet + ".without")
}

// verifiesAll requires a summary for a fleet of which one instance is offline at the end.
func (d *desk) verifiesAll(fleet string, count int, offline string) {
	t := d.t
	t.Helper()
	command := []string{"--stack", "local", "verify", "--all", "--instance", fleet}
	out, problems, code := d.do(command...)
	require.Zero(t, code, "%s\n%s", out, problems)
	require.Equal(t, fmt.Sprintf("%d of %d instances: sessions are recorded\n", count, count), out)
	d.ask(t, http.MethodPut, "agents/"+d.outputs().text("instanceIds."+offline), object{"status": "lost"}, nil)
	out, problems, code = d.do(command...)
	require.Equal(t, 1, code, "%s\n%s", out, problems)
	require.Contains(t, out, fmt.Sprintf("%d of %d instances: sessions are recorded\n%s (", count-1, count, offline))
	require.Contains(t, problems, "What is missing:")
}

// failsAtSilentAgent runs the upgrade while the agent of one instance does not start; afterwards it has.
func (d *desk) failsAtSilentAgent(command []string, silent string, batch int) {
	t := d.t
	t.Helper()
	var group sync.WaitGroup
	stop := make(chan struct{})
	group.Go(func() {
		for seen := ""; ; {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if id := d.fleet(newImage)[silent]; id != "" && id != seen {
				d.ask(t, http.MethodPut, "agents/"+id, object{"status": "never"}, nil)
				seen = id
			}
		}
	})
	out, problems, code := d.do(command...)
	close(stop)
	group.Wait()
	require.Equal(t, 1, code, "%s\n%s", out, problems)
	require.Contains(t, problems, silent+" (")
	require.Contains(t, problems, "is not online after 30s. Findings:")
	require.Contains(t, problems, "The upgrade of the fleet web stopped: no further instance is replaced.")
	require.Contains(t, problems, fmt.Sprintf("make upgrade STACK=local FLEET=web BATCH=%d", batch))
	d.ask(t, http.MethodPut, "agents/"+d.fleet(newImage)[silent], object{"status": "online"}, nil)
}

// fleet returns the running instances of the fleet web that have an image: their ids by name.
func (d *desk) fleet(image string) map[string]string {
	found := map[string]string{}
	answer := d.aws("ec2", "describe-instances", "--filters", "Name=tag:private-ec2-access:fleet,Values=web", "Name=image-id,Values="+image,
		"Name=instance-state-name,Values=pending,running")
	for _, reservation := range answer.list("Reservations") {
		for _, instance := range reservation.list("Instances") {
			for _, tag := range instance.list("Tags") {
				if tag.text("Key") == "Name" {
					found[strings.TrimPrefix(tag.text("Value"), "private-ec2-access-local-")] = instance.text("InstanceId")
				}
			}
		}
	}
	return found
}
