package survey

import (
	"slices"
	"strings"

	"private-ec2-access/internal/decide"
)

// absences are the words in which the provider passes on that AWS found
// nothing. Everything else is a failed look-up.
var absences = []string{
	"no matching EC2 VPC Endpoint Service found",
	"no matching EC2 VPC Endpoint found",
	"no matching EC2 VPC found",
	"no matching EC2 Subnet found",
	"no matching EC2 DHCP Options Set found",
	"no matching EC2 Instance found",
	"InvalidInstanceID.NotFound",
	"NoSuchEntity",
	"no matching EC2 VPN Gateway found",
	"query returned no results",
	"InvalidServiceName",
	"InvalidDocument:",
	"NoSuchBucket", // also of its policy
	"couldn't find resource",
	"empty result",
}

func isAbsent(err error) bool {
	return err != nil && slices.ContainsFunc(absences, func(words string) bool { return strings.Contains(err.Error(), words) })
}

// isSeveral recognises more than one match, which the provider reports as an error.
func isSeveral(err error) bool { return err != nil && strings.Contains(err.Error(), "multiple") }

// answer makes an answer of a look-up's error. Several matches are a yes.
func answer(err error) decide.Answer {
	switch {
	case err == nil || isSeveral(err):
		return decide.Answer{Yes: true}
	case isAbsent(err):
		return decide.Answer{}
	}
	return decide.Answer{Problem: err}
}
