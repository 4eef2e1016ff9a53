package program

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/settings"
	"private-ec2-access/pulumitest"
	"private-ec2-access/survey"
)

const (
	windowsParameter = "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base"
	ubuntuParameter  = "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"
)

// imagesOf answers the look-ups of parameters and images: each parameter names an
// image of its own.
func imagesOf(images map[string]map[string]any) lookups {
	return lookups{
		"getParameter": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"insecureValue": fmt.Sprint(args["name"])}, nil
		},
		"getAmi": func(args map[string]any) (map[string]any, error) {
			filter := args["filters"].([]any)[0].(map[string]any)
			image, known := images[filter["values"].([]any)[0].(string)]
			if !known {
				return nil, errors.New("Your query returned no results. Please change your search criteria and try again.") //nolint:staticcheck // the provider's words
			}
			return image, nil
		},
		"getInstanceType": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"memorySize": map[any]int{"t3.nano": 512, "t3.small": 2048}[args["instanceType"]], "defaultVcpus": 2}, nil
		},
	}
}

var published = map[string]map[string]any{
	windowsParameter:        {"name": "Windows_Server-2022-English-Full-Base-2026.10.14", "imageOwnerAlias": "amazon", "platform": "windows", "architecture": "x86_64"},
	ubuntuParameter:         {"name": "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20261001", "ownerId": "099720109477", "architecture": "arm64"},
	"ami-0aaaaaaaaaaaaaaaa": {"name": "al2023-ami-minimal-2023.11.20260427.1-kernel-6.1-arm64", "imageOwnerAlias": "amazon", "architecture": "arm64"},
	"ami-0bbbbbbbbbbbbbbbb": {"name": "golden-42", "ownerId": "111122223333", "architecture": "x86_64"},
	"ami-0cccccccccccccccc": {"name": "al2023-ami-2023.11.20260427.1-kernel-6.1-arm64", "imageOwnerAlias": "amazon", "architecture": "arm64"},
}

// decisions are those about a config.
func decisions(t *testing.T, own map[string]any, replaced lookups) (d decide.Decisions, err error) {
	t.Helper()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(replaced)}
	_, runErr := recorder.Run(t, pulumitest.Project, "test", true, func(ctx *pulumi.Context) error {
		stack := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), own)))
		c, loadErr := config.Load(ctx.Project(), stack, settings.Literals{}, pulumitest.LocalEnvironment)
		require.NoError(t, loadErr)
		facts, surveyErr := survey.Take(ctx, c)
		require.NoError(t, surveyErr)
		d, err = decide.Decide(c, facts)
		return nil
	})
	require.NoError(t, runErr)
	return d, err
}

// What is wrong with an image, or with an instance for it, is a mistake before
// anything is created; what is right is a line about its agent.
func TestImage_Checked(t *testing.T) {
	t.Parallel()
	windows := map[string]any{"imageParameter": windowsParameter, "architecture": "x86_64", "instanceType": "t3.small", "volumeSize": 30}
	for name, c := range map[string]struct {
		instance map[string]any
		more     map[string]any
		mistakes []string
		notice   string
	}{
		"Windows": {instance: windows, notice: "instances.app: SSM Agent is in the image " + windowsParameter + " (Windows_Server-2022"},
		"Windows, too small": {
			instance: map[string]any{"imageParameter": windowsParameter, "architecture": "x86_64", "instanceType": "t3.nano"},
			mistakes: []string{
				"instances.app.volumeSize: the root volume is too small for Windows Server (got 8)",
				"instances.app.instanceType: it has 512 MiB of memory, too few for Windows Server (got t3.nano)",
			},
		},
		"Windows, on Graviton":  {instance: map[string]any{"imageParameter": windowsParameter, "volumeSize": 30, "instanceType": "t4g.small"}, mistakes: []string{"has the architecture x86_64 (got arm64)"}},
		"Windows, with runAs":   {instance: windows, more: map[string]any{"session.runAsEnabled": true}, notice: "session.runAsEnabled does not apply to Windows Server"},
		"Ubuntu":                {instance: map[string]any{"imageParameter": ubuntuParameter}, notice: "as a snap; without a route to the snap store it keeps the image's version"},
		"minimal":               {instance: map[string]any{"imageId": "ami-0aaaaaaaaaaaaaaaa"}, mistakes: []string{"is a minimal one, which has no SSM Agent"}},
		"of another, unknown":   {instance: map[string]any{"imageId": "ami-0bbbbbbbbbbbbbbbb", "architecture": "x86_64", "instanceType": "t3.nano"}, notice: "whether SSM Agent is in the image ami-0bbbbbbbbbbbbbbbb (golden-42) is not known"},
		"pinned Amazon Linux":   {instance: map[string]any{"imageId": "ami-0cccccccccccccccc"}, notice: "instances.app: SSM Agent is in the image ami-0cccccccccccccccc (al2023-ami-2023"},
		"absent":                {instance: map[string]any{"imageId": "ami-0dddddddddddddddd"}, mistakes: []string{"instances.app.imageId: there is no such image in us-east-2, or it is not shared with this account (got ami-0dddddddddddddddd)"}},
		"absent, by parameter":  {instance: map[string]any{"imageParameter": "/golden/image"}, mistakes: []string{"instances.app.imageParameter: there is no such image in us-east-2, or it is not shared with this account (got /golden/image)"}},
		"the standard, unasked": {instance: map[string]any{}, notice: "guaranteed: the agent refuses a session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := decisions(t, pulumitest.With(map[string]any{"instances": map[string]any{"app": c.instance}}, c.more), imagesOf(published))
			if c.mistakes == nil {
				require.NoError(t, err)
				texts := ""
				for _, n := range d.Notices {
					texts += n.Text + "\n"
				}
				require.Contains(t, texts, c.notice)
				return
			}
			for _, mistake := range c.mistakes {
				require.ErrorContains(t, err, mistake)
			}
			require.ErrorContains(t, err, fmt.Sprintf("%d mistake", len(c.mistakes)))
		})
	}
}

// AWS deregisters old images. An instance that has one goes on, and a fleet that
// has one cannot grow.
func TestImage_Deregistered_StandingInstancesGoOn(t *testing.T) {
	t.Parallel()
	fleet := func(count int) map[string]any {
		return fleetOf(map[string]any{"count": count, "imageId": "ami-0cccccccccccccccc"})
	}
	before, err := run(t, fleet(2), imagesOf(published))
	require.NoError(t, err)
	gone := joined(imagesOf(nil), stateWith(before))
	_, err = decisions(t, fleet(2), gone)
	require.NoError(t, err)
	_, err = decisions(t, fleet(3), gone)
	require.ErrorContains(t, err, "fleets.web.imageId: there is no such image")
}

// make upgrade does not replace an image of one's own by Amazon Linux.
func TestImageParameters_OfPinnedImages(t *testing.T) {
	t.Parallel()
	d, err := decisions(t, map[string]any{"instances": map[string]any{
		"linux":  map[string]any{"imageId": "ami-0cccccccccccccccc"},
		"golden": map[string]any{"imageId": "ami-0bbbbbbbbbbbbbbbb", "architecture": "x86_64", "instanceType": "t3.nano"},
		"ubuntu": map[string]any{"imageId": "ami-0cccccccccccccccc", "imageParameter": ubuntuParameter},
	}}, imagesOf(published))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"linux":  "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
		"ubuntu": ubuntuParameter,
	}, d.ImageParameters)
}
