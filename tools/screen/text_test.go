package screen

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded plays a recorded event log. The logs are of the stack local in the emulator, without what the screens do not read.
func recorded(t *testing.T, name string) *Run {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
	require.NoError(t, err)
	r := &Run{Stack: "local"}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var e apitype.EngineEvent
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		r.Add(e)
	}
	return r
}

// Each screen is compared with a golden file, and fits a terminal of 50 lines.
func TestScreens_RecordedRuns_MatchGoldenFiles(t *testing.T) {
	const log = ".local/log/up.log"
	for name, screen := range map[string]func(*Run) string{
		"up":      (*Run).Updated,
		"none":    func(r *Run) string { return r.Preview(false) },
		"one":     func(r *Run) string { return r.Preview(false) },
		"many":    func(r *Run) string { return r.Preview(false) },
		"all":     func(r *Run) string { return r.Preview(false) },
		"destroy": func(r *Run) string { return r.Preview(true) },
		"mistake": func(r *Run) string { return r.Failed("preview", "", "", "") },
		"awserror": func(r *Run) string {
			return r.Failed("up", log, "", "Next: remove the cause; make up continues from there.")
		},
		"cancel": func(r *Run) string { return r.Canceled("up") },
	} {
		t.Run(name, func(t *testing.T) {
			got := screen(recorded(t, name))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
			assert.LessOrEqual(t, strings.Count(got, "\n"), 50)
		})
	}
}

// Commands that act on the stack get a hint; those that sign in, and prose, do not.
func TestShellHint_OnlyForCommandsOfTheStack(t *testing.T) {
	for text, hinted := range map[string]bool{
		"Fix:\n     pulumi config set a:b c": true, "aws ec2 start-instances --instance-ids i-1": true, "make up, which creates it; or aws logs create-log-group --x": true,
		"then: aws s3api delete-bucket --bucket b":   true,
		"Fix: aws sso login, or however you sign in": false, "there is no `aws` on PATH": false, "pulumi login s3://BUCKET": false, "So the state is refreshed (pulumi refresh, usually seconds)": false,
		"    eval \"$(make -s env STACK=dev)\"\n    pulumi config set a b": false,
	} {
		assert.Equal(t, hinted, ShellHint(text, "dev") != "", text)
	}
	assert.Equal(t, `In a shell without the stack's environment, first run: eval "$(make -s env STACK=dev)"`, ShellHint("  pulumi config set a b", "dev"))
}

// What pulumi-aws's own plugin prints around a cause: its log line, and the same in Go's multierror. The stand-in prints other
// layers, which the recorded run has.
func TestErrors_SameCauseInSeveralLayers_ToldOnce(t *testing.T) {
	const urn, cause = "urn:pulumi:dev::p::p:index:A$aws:ec2/vpc:Vpc::v", "creating EC2 VPC: operation error EC2: CreateVpc, api error VpcLimitExceeded: The maximum number of VPCs has been reached."
	r := &Run{Stack: "dev"}
	for _, text := range []string{
		"  sdk-v2/provider2.go:572: sdk.helper_schema: " + cause + ": provider=aws@6.83.2\n",
		"1 error occurred:\n\t* creating " + urn + ": 1 error occurred:\n\t* " + cause + "\n\n",
	} {
		r.Add(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", URN: urn, Message: text}})
	}
	r.Add(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", URN: "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev", Message: "update failed\n"}})
	assert.Equal(t, "Everything that Pulumi printed: log\nerror: aws:ec2:Vpc v: "+cause+"\n", r.Failed("up", "log", "", ""))
}

func TestWaiting_NamesTheOldestAndWhyItTakesLong(t *testing.T) {
	r := &Run{Stack: "local"}
	step := func(kind, name string) apitype.StepEventMetadata {
		return apitype.StepEventMetadata{Op: apitype.OpCreate, Type: kind, URN: "urn:pulumi:local::p::" + kind + "::" + name, New: &apitype.StepEventStateMetadata{Custom: true}}
	}
	vpc, rules := step("aws:ec2/vpc:Vpc", "v"), step("aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", "logs")
	assert.Empty(t, r.Waiting())
	r.Add(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: vpc}})
	r.Add(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: rules}})
	assert.Equal(t, "creation of aws:ec2:Vpc v and 1 more", r.Waiting())
	r.Add(apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{Metadata: vpc}})
	assert.Equal(t, "the provider watches the new lifecycle rules for a minute: creation of aws:s3:BucketLifecycleConfigurationV2 logs", r.Waiting())
	assert.Equal(t, "1 done, "+r.Waiting(), r.Progress(false))
	assert.Equal(t, "waiting for what AWS has begun: "+r.Waiting(), r.Progress(true))
	r.Add(apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{Metadata: rules}})
	assert.Empty(t, r.Waiting())
	assert.Equal(t, "2 done", r.Progress(false))
	assert.Equal(t, "waiting for what AWS has begun", r.Progress(true))
}

// A preview makes nothing, so it waits for nothing that AWS does.
func TestWaiting_Preview_OnlyChecks(t *testing.T) {
	r := &Run{Stack: "local"}
	r.Add(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Planning: true, Metadata: apitype.StepEventMetadata{
		Op: apitype.OpCreate, Type: "aws:ec2/instance:Instance", URN: "urn:pulumi:local::p::aws:ec2/instance:Instance::app", New: &apitype.StepEventStateMetadata{Custom: true}}}})
	assert.Equal(t, "checking aws:ec2:Instance app", r.Waiting())
	assert.Equal(t, r.Waiting(), r.Progress(false))
	assert.Empty(t, r.Progress(true))
}

// A list is cut at its end, so what can do damage is first, and everything is counted.
func TestPreview_LongList_CutAfterDeletions(t *testing.T) {
	r := &Run{Stack: "dev"}
	for i := range 60 {
		op, old := apitype.OpCreate, (*apitype.StepEventStateMetadata)(nil)
		if i >= 58 {
			op, old = apitype.OpDelete, &apitype.StepEventStateMetadata{Custom: true, ID: "i-1", RetainOnDelete: i == 59}
		}
		m := apitype.StepEventMetadata{Op: op, Type: "aws:ec2/instance:Instance", URN: fmt.Sprintf("urn:pulumi:dev::p::aws:ec2/instance:Instance::n%02d", i), Old: old, New: &apitype.StepEventStateMetadata{Custom: true}}
		r.Add(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: m}})
	}
	lines := strings.Split(strings.TrimSpace(r.Preview(false)), "\n")
	assert.Equal(t, "The stack dev: 1 to delete, 1 to keep, 58 to create.", lines[0])
	assert.Contains(t, lines[1], "delete   aws:ec2:Instance  n58  i-1")
	assert.Contains(t, lines[2], "keep     aws:ec2:Instance  n59  i-1")
	assert.Equal(t, "  and 29 more", lines[len(lines)-2])
	assert.Contains(t, lines[len(lines)-1], "make end INSTANCE=NAME ALL=1 STACK=dev ends it before")
	assert.LessOrEqual(t, len(lines), 50)
}

// What the provider says about resources that are gone is in the list of changes.
func TestHear_RemovedFromTheProvidersState_NotRepeated(t *testing.T) {
	r := &Run{Stack: "local"}
	r.Add(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "warning", URN: "urn:pulumi:local::p::aws:ec2/vpc:Vpc::v",
		Message: "[WARNING] Automatically removing from Terraform State instead of returning the error, which may trigger resource recreation. Original error: gone"}})
	assert.Empty(t, r.Notices())
}

// A tag in the account, or an answer of AWS that quotes one, cannot control the terminal.
func TestMessages_OfOthers_CannotControlTheTerminal(t *testing.T) {
	const hostile = "belongs to \x1b]52;c;eA==\x07another\u009b2J\u202e stack\nfix: tag it"
	var r Run
	for _, severity := range []string{"info", "warning", "error"} {
		r.Add(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: severity, URN: "urn:pulumi:dev::p::aws:ec2/vpc:Vpc::v", Message: severity + " " + hostile}})
	}
	for _, text := range []string{r.Preview(false), r.Notices(), r.Updated(), r.Failed("up", "log", "", ""), (&Run{}).Failed("up", "log", hostile, "")} {
		for _, steers := range []string{"\x1b", "\x07", "\u009b", "\u202e"} {
			assert.NotContains(t, text, steers)
		}
		assert.Contains(t, text, "another?2J? stack\n")
	}
}

// The command that Pulumi advises downloads from the host that could not be reached.
func TestErrors_PluginNotDownloaded_NamesTheHost(t *testing.T) {
	const said = "pulumi:providers:aws default_6_83_2: Could not automatically download and install resource plugin 'pulumi-resource-aws' at version v6.83.2, " +
		"install the plugin using 'pulumi plugin install resource aws v6.83.2': error downloading provider aws to file: failed to download plugin: aws-6.83.2: failed all 5 attempts"
	for _, r := range []*Run{{Stack: "dev"}, {Stack: "dev", told: []message{{severity: "error", text: said}}}} {
		got := r.Failed("up", "log", said, "")
		assert.True(t, strings.HasSuffix(got, "\n  Fix: let this machine reach get.pulumi.com by HTTPS (HTTPS_PROXY names a proxy); or download the plugin elsewhere, "+
			"and here: pulumi plugin install resource aws v6.83.2 --file FILE\n  In a shell without the stack's environment, first run: eval \"$(make -s env STACK=dev)\"\n"), got)
	}
	assert.NotContains(t, (&Run{}).Failed("up", "log", "failed to download something", ""), "get.pulumi.com")
}
