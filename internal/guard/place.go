package guard

import (
	"maps"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/scope"
)

// CheckPlace refuses to update a stack from an account or a Region in which it
// has nothing, while it has resources elsewhere: the engine would replace some
// of them, update others in the wrong place, and leave the rest behind. Deployed
// are the ARNs of the stack's resources, now is where an update would go. A
// stack that has nothing yet, or nothing any more, may go anywhere.
func CheckPlace(stack string, deployed []string, now scope.Scope) (found mistake.List) {
	regions, accounts := map[string]bool{}, map[string]bool{}
	for _, arn := range deployed {
		// IAM's have no Region, and S3's neither a Region nor an account.
		if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
			regions[parts[3]], accounts[parts[4]] = true, true
		}
	}
	delete(regions, "")
	delete(accounts, "")
	if len(accounts) > 0 && !accounts[now.AccountID] {
		account := listed(accounts)
		found.Add(mistake.Mistake{
			Key: "account", Got: now.AccountID, Problem: "the resources of this stack are in another account, and an update would lose them",
			Allowed: account + ", while the stack has resources there",
			Fix: []mistake.Fix{
				{Text: "sign in to the account " + account + "; this shows the account you are signed in to:", Commands: []string{"aws sts get-caller-identity"}},
				{Text: "to move the stack, delete it while you are signed in to the account " + account + ", and create it again in the other:",
					Commands: []string{"make destroy STACK=" + stack, "make up STACK=" + stack}},
			},
		})
	}
	if len(regions) > 0 && !regions[now.Region] {
		region := slices.Sorted(maps.Keys(regions))[0]
		back := "pulumi config set aws:region " + region
		found.Add(mistake.Mistake{
			Key: "aws:region", Got: now.Region, Problem: "the resources of this stack are in another Region; an update would replace some, and leave others behind",
			Allowed: listed(regions) + ", while the stack has resources there",
			Fix: []mistake.Fix{
				{Text: "to stay in " + region + ":", Commands: []string{back}},
				{Text: "to move the stack, delete it and create it again; session logs that it keeps stay in " + region + ":",
					Commands: []string{back, "make destroy STACK=" + stack, "pulumi config set aws:region " + now.Region, "make up STACK=" + stack}},
			},
		})
	}
	return found
}

func listed(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), ", ") }
