package program

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/access"
	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/outputs"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
	"private-ec2-access/pulumitest"
	"private-ec2-access/survey"
)

// stackOutputsOf are the outputs of a stack that adopted the session document.
func stackOutputsOf(t *testing.T, r region) map[string]any {
	t.Helper()
	return stackOutputsWith(t, r, nil)
}

func stackOutputsWith(t *testing.T, r region, own map[string]any) map[string]any {
	t.Helper()
	adopted := deployed(session.Preferences{Mark: session.Mark{Owner: "private-ec2-access/test", Before: "7"}, S3BucketName: "private-ec2-access-logs-1", S3KeyPrefix: "sessions"})
	recorder := &pulumitest.Recorder{Answer: r.answers(adopted)}
	exported := make(chan map[string]any, 1)
	_, err := recorder.Run(t, pulumitest.Project, "test", false, func(ctx *pulumi.Context) error {
		c, err := config.Load(ctx.Project(), pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(r), own))), settings.Literals{}, pulumitest.LocalEnvironment)
		require.NoError(t, err)
		facts, err := survey.Take(ctx, c)
		require.NoError(t, err)
		decisions, err := decide.Decide(c, facts)
		require.NoError(t, err)
		made, err := access.New(ctx, ctx.Project(), arguments(c, facts, decisions))
		require.NoError(t, err)
		stackOutputs(ctx, c, facts, decisions, made).ToMapOutput().ApplyT(func(values map[string]any) error {
			exported <- values
			return nil
		})
		return nil
	})
	require.NoError(t, err)
	return <-exported
}

func TestOutputs_EveryRegion_MatchGoldenFile(t *testing.T) {
	t.Parallel()
	for _, r := range regions {
		golden(t, "outputs", r, pulumitest.JSON(t, stackOutputsOf(t, r)))
	}
}

// Every output that the tools read is one that the program exports, by the same
// name.
func TestOutputs_ReadByTheTools_AreExported(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(outputs.Values{})
	require.NoError(t, err)
	var read map[string]any
	require.NoError(t, json.Unmarshal(text, &read))
	exported := stackOutputsOf(t, ohio)
	maps.Copy(exported, stackOutputsWith(t, ohio, everything)) // some are there only if the config asks for them
	for name := range read {
		require.Contains(t, exported, name)
	}
}
