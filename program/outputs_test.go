package program

import (
	"encoding/json"
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

// Every output that the tools read is one that the program exports, by the same
// name. The outputs' values are held by the end-to-end tests.
func TestOutputs_ReadByTheTools_AreExported(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(outputs.Values{})
	require.NoError(t, err)
	var read map[string]any
	require.NoError(t, json.Unmarshal(text, &read))

	adopted := deployed(session.Preferences{Mark: session.Mark{Owner: "private-ec2-access/test", Before: "7"}, S3BucketName: "private-ec2-access-logs-1", S3KeyPrefix: "sessions"})
	recorder := &pulumitest.Recorder{Answer: ohio.answers(adopted)}
	exported := map[string]any{}
	_, err = recorder.Run(t, pulumitest.Project, "test", false, func(ctx *pulumi.Context) error {
		c, err := config.Load(ctx.Project(), pulumitest.StackConfig(t, pulumitest.Defaults(t, local(ohio))), settings.Literals{}, pulumitest.LocalEnvironment)
		require.NoError(t, err)
		facts, err := survey.Take(ctx, c)
		require.NoError(t, err)
		decisions, err := decide.Decide(c, facts)
		require.NoError(t, err)
		made, err := access.New(ctx, ctx.Project(), arguments(c, facts, decisions))
		require.NoError(t, err)
		for name := range stackOutputs(ctx, c, facts, decisions, made) {
			exported[name] = nil
		}
		return nil
	})
	require.NoError(t, err)
	for name := range read {
		require.Contains(t, exported, name)
	}
}
