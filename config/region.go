package config

import (
	"regexp"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/settings"
)

// regionName is how Regions are named in every partition: by an area, a direction
// and a number.
var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)*-(central|(north|south)?(east|west)|north|south)-[1-9][0-9]?$`)

// checkRegion checks the Region where the provider takes it from: the config,
// or else the environment.
func checkRegion(config, environ map[string]string) (found mistake.List) {
	key, region := "aws:region", config["aws:region"]
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region == "" {
			key, region = name, environ[name]
		}
	}
	m := mistake.Mistake{Key: key, Got: settings.Show(region), Allowed: "a Region of AWS, for example us-east-2"}
	fix := "REGION"
	switch partition := scope.PartitionOf(region); {
	case region == "":
		m.Key, m.Got, m.Problem = "aws:region", "", "it has no value, so the stack has no Region to live in"
	case !regionName.MatchString(region):
		m.Problem = "not the name of a Region"
		if meant := regionIn(region); meant != "" {
			fix = meant
		}
	case !scope.Scope{Partition: partition}.Supported():
		m.Problem = "it is in the partition " + partition + ", whose service and bucket names this program does not know"
		m.Allowed = "a Region of the partitions " + strings.Join(scope.Partitions(), ", ")
	default:
		return nil
	}
	m.Fix = mistake.Run("pulumi config set aws:region " + fix)
	found.Add(m)
	return found
}

// regionIn finds the Region that a text was meant to name: one in capitals, with
// blanks around it, or with the letter of a zone. It is empty if there is none.
func regionIn(text string) string {
	text = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "_", "-")
	for _, meant := range []string{text, strings.TrimRight(text, "abcdef")} {
		if regionName.MatchString(meant) && (scope.Scope{Partition: scope.PartitionOf(meant)}).Supported() {
			return meant
		}
	}
	return ""
}
