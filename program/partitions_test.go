package program

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/pulumitest"
)

var (
	regionName   = regexp.MustCompile(`\b(?:af|ap|ca|cn|eu|il|me|mx|sa|us)-(?:gov-)?(?:north|south|east|west|central)(?:east|west)?-\d\b`)
	arnPartition = regexp.MustCompile(`arn:(aws[a-z-]*):`)
)

// With every feature on, and a fleet, nothing names another Region or another
// partition. Alerts about IAM name the Region in which IAM reports its calls.
//
// It does not prove that AWS offers every service there.
func TestProgram_EveryPartition_NamesNoOther(t *testing.T) {
	t.Parallel()
	reportsIAM := map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
	for _, r := range regions {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			own := pulumitest.With(pulumitest.With(local(r), everything), map[string]any{"fleets": map[string]any{"web": map[string]any{"count": 2}}})
			recorder := &pulumitest.Recorder{Answer: r.answers(nil)}
			// What the user names is in the Region and the partition too.
			stack := strings.NewReplacer("arn:aws:", "arn:"+r.partition+":", ohio.name, r.name).Replace(pulumitest.StackConfig(t, pulumitest.Defaults(t, own)))
			resources, err := recorder.Run(t, pulumitest.Project, "test", false, New(stack, pulumitest.LocalEnvironment))
			require.NoError(t, err)
			for _, resource := range resources {
				text := strings.ReplaceAll(pulumitest.JSON(t, resource), pulumitest.TargetKeyARN, "KEY") // of the recorder
				for _, name := range regionName.FindAllString(text, -1) {
					require.Contains(t, []string{r.name, reportsIAM[r.partition]}, name, text)
				}
				for _, found := range arnPartition.FindAllStringSubmatch(text, -1) {
					require.Equal(t, r.partition, found[1], text)
				}
			}
		})
	}
}
