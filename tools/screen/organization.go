package screen

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"private-ec2-access/internal/settings"
)

var (
	tagPolicy = regexp.MustCompile(`TagPolicyViolation.*tag key: '([^']+)'`)
	// The policy's ARN is missing in the answers of some services.
	serviceControlPolicy = regexp.MustCompile(`(?s)not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+).*with an explicit deny in a service control policy(?:: (arn:\S+))?`)
)

// organization puts the errors by which the policies of an organization refuse resources into one, because they have one
// cause and one fix. The others stay as they are.
func organization(project string, errors []message) (left []message, summary string) {
	refused := map[string][]string{} // by policy: what it refused
	keys := map[string]bool{}
	for _, m := range errors {
		if found := tagPolicy.FindStringSubmatch(m.text); found != nil {
			policy := "the tag policy allows another value of the tag " + found[1]
			keys[found[1]] = true
			refused[policy] = append(refused[policy], m.resource)
			continue
		}
		if found := serviceControlPolicy.FindStringSubmatch(m.text); found != nil {
			policy := strings.TrimSpace("a service control policy denies it " + strings.TrimRight(found[2], "."))
			refused[policy] = append(refused[policy], m.resource+" ("+found[1]+")")
			continue
		}
		left = append(left, m)
	}
	if len(refused) == 0 {
		return errors, ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "policies of the organization refused %s:", Count(len(errors)-len(left), "AWS resource"))
	for _, policy := range slices.Sorted(maps.Keys(refused)) {
		what := refused[policy]
		slices.Sort(what)
		fmt.Fprintf(&b, "\n  %s: %s", policy, strings.Join(slices.Compact(what), ", "))
	}
	if len(keys) == 0 {
		keys["KEY"] = true
	}
	b.WriteString("\nIf the policies require tags, give them to all resources of the stack:")
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		b.WriteString("\n  " + settings.SetTextCommand(project, settings.Member("tags", key), "VALUE"))
	}
	return left, b.String()
}
