package program

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

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

// The stack files for several Regions in docs/configuration.md deploy, each in the
// Region that it names, with networks that do not overlap unless they are in
// different partitions.
func TestDocs_StackFilesOfSeveralRegions_Deploy(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Deploy to several Regions\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	files := regexp.MustCompile("(?s)```yaml\n# Pulumi\\.(\\S+)\\.yaml\n(.*?)```").FindAllStringSubmatch(section, -1)
	require.Len(t, files, 3)
	taken := map[string]bool{}
	for _, file := range files {
		var stack struct{ Config map[string]any }
		require.NoError(t, yaml.Unmarshal([]byte(file[2]), &stack))
		i := slices.IndexFunc(regions, func(r region) bool { return r.name == stack.Config["aws:region"] })
		require.GreaterOrEqual(t, i, 0, file[1])
		require.Equal(t, regions[i].name, file[1], "the stack is named after its Region")
		require.Contains(t, section, "make up STACK=$stack")
		delete(stack.Config, "aws:profile") // the emulated account, in which tests run, has none
		own := local(regions[i])
		for key, value := range stack.Config {
			group, isGroup := value.(map[string]any)
			if _, whole := pulumitest.Keys(t)[key]; !isGroup || whole {
				own[key] = value
			}
			for name, value := range group { // the engine merges it with the defaults of Pulumi.yaml
				if _, isKey := pulumitest.Keys(t)[key+"."+name]; isKey {
					own[key+"."+name] = value
				}
			}
		}
		recorder := &pulumitest.Recorder{Answer: regions[i].answers(nil)}
		resources, err := recorder.Run(t, pulumitest.Project, file[1], false, New(pulumitest.StackConfig(t, pulumitest.Defaults(t, own)), pulumitest.LocalEnvironment))
		require.NoError(t, err)
		vpc := pulumitest.Find(t, resources, "aws:ec2/vpc:Vpc", "private-ec2-access-vpc")
		place := regions[i].partition + " " + vpc.Inputs["cidrBlock"].(string)
		require.False(t, taken[place], place)
		taken[place] = true
	}
}
