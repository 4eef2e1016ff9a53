package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What differs from run to run, and what it becomes in a golden file.
var differing = []struct {
	found *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`(?m)^(• |  ok: |  waiting: ).*\n`), ""}, // progress, which depends on the machine
	{regexp.MustCompile(`(?m)^Created stack .*\n`), ""},
	{regexp.MustCompile(`\b(i|vpc|sg|ami)-[0-9a-f]{8,}\b`), "$1-ID"},
	{regexp.MustCompile(`logs-\d{20,}`), "logs-ID"},
	{regexp.MustCompile(`RequestID: [^,]+`), "RequestID: ID"},
	{regexp.MustCompile(`\b(\d+m)?\d+s\b`), "TIME"},
	{regexp.MustCompile(`(?m)^make: \*\*\* \[Makefile:\d+: `), "make: *** [Makefile:LINE: "},
}

// screen compares what a command prints with a golden file in testdata/screens. It fits a terminal of 50 lines, and each
// line a wide one, apart from messages.
func screen(t *testing.T, name, out string) {
	t.Helper()
	if _, after, found := strings.Cut(out, "• update the resources"); found {
		_, out, _ = strings.Cut(after, "\n") // the installation of the tools is before it
	}
	for _, d := range differing {
		out = d.found.ReplaceAllString(out, d.shown)
	}
	golden := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(out), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out, "make up, preview and destroy print something else than %s", golden)
	assert.LessOrEqual(t, strings.Count(out, "\n"), 50, name)
}

// requireScreens compares the screens of a deployed stack whose config changes, has a mistake, or meets an error.
func (c *clone) requireScreens() {
	c.t.Helper()
	file := filepath.Join(c.dir, "Pulumi.local.yaml")
	committed, err := os.ReadFile(file)
	require.NoError(c.t, err)
	config := func(lines string) {
		require.NoError(c.t, os.WriteFile(file, []byte(strings.Replace(string(committed), "config:\n", "config:\n"+lines, 1)), 0o644))
	}
	defer config("")

	config("  session: {idleSessionTimeout: 30}\n")
	screen(c.t, "preview-one", c.must("make", "preview"))

	// AWS denies a call.
	const denied = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: ssm:UpdateDocument"
	c.rule(map[string]any{"name": "denied", "action": "UpdateDocument",
		"fail": map[string]any{"status": 400, "code": "AccessDeniedException", "message": denied}})
	out, err := c.run("make", "up")
	require.Equal(c.t, 2, exitCode(err))
	screen(c.t, "up-aws-error", out)
	c.rule(nil)

	// Ctrl-C while the call is on its way reaches every process of the terminal, and so does the end of the terminal, which
	// Pulumi does not survive by itself: it would leave a lock and an operation that nobody knows the end of.
	hears := make(chan os.Signal, 1)
	signal.Notify(hears, syscall.SIGHUP) // or else, under nohup, make does not hear of it
	defer signal.Stop(hears)
	for _, sent := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		c.rule(map[string]any{"name": "slow", "action": "UpdateDocument", "delay": "5s"})
		var printed bytes.Buffer
		cmd := c.command("make", "up")
		cmd.Stdout, cmd.Stderr = &printed, &printed
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(c.t, os.Remove(filepath.Join(c.dir, ".local", "log", "up.log")))
		require.NoError(c.t, cmd.Start())
		require.Eventually(c.t, func() bool {
			log, _ := os.ReadFile(filepath.Join(c.dir, ".local", "log", "up.log"))
			return strings.Contains(string(log), "aws:ssm:Document private-ec2-access-preferences updating")
		}, time.Minute, 50*time.Millisecond, "the update does not begin")
		require.NoError(c.t, syscall.Kill(-cmd.Process.Pid, sent))
		require.Error(c.t, cmd.Wait())
		if sent == syscall.SIGINT {
			screen(c.t, "up-cancelled", printed.String())
		} else {
			require.Contains(c.t, printed.String(), "Cancelled before everything was updated. AWS resources so far: 1 updated, 29 unchanged.")
			config("  session: {idleSessionTimeout: 40}\n")
		}
		c.rule(nil)
	}

	config("  tags: {team: ops}\n  instance: {instanceType: t4g.small}\n")
	screen(c.t, "preview-many", c.must("make", "preview"))

	config("  session: {idleSessionTimeout: 90}\n  network: {cidrBlock: 10.20.0.0/28, availabilityZoneCount: 3}\n")
	out, err = c.run("make", "preview")
	require.Equal(c.t, 2, exitCode(err))
	screen(c.t, "preview-mistake", out)

	// What was cancelled is continued.
	config("")
	c.must("make", "up")
}

// rule adds a rule to the checkout's emulator; nil removes those that were added.
func (c *clone) rule(rule map[string]any) {
	c.t.Helper()
	method := http.MethodPost
	if rule == nil {
		method = http.MethodDelete
	}
	emulatorOf(c.t, c.dir).ask(c.t, method, "rules", rule, nil)
}
