package sessions

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"regexp"

	"private-ec2-access/internal/outputs"
	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
	"private-ec2-access/tools/screen"
)

// NotDeployed is the error of a command about sessions on a stack that has no outputs to begin with. The usual fix is make up.
type NotDeployed struct{ Stack, Problem, Fix string }

func (n NotDeployed) Error() string { return n.Problem + ".\n  Fix: " + n.fix() }

func (n NotDeployed) fix() string { return cmp.Or(n.Fix, screen.Make(n.Stack, "up")) }

// NoOutputs is the error on a stack whose outputs are empty.
func NoOutputs(stack string) NotDeployed {
	return NotDeployed{Stack: stack, Problem: fmt.Sprintf("the stack %s has no outputs: it is not deployed, or not to the end", stack)}
}

func parseOutputs(text, stack string) (outputs.Values, error) {
	var o outputs.Values
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return o, fmt.Errorf("cannot read the outputs of the stack %s: %w", stack, err)
	}
	if o.Region == "" || o.SessionDocument == "" {
		return o, NoOutputs(stack)
	}
	return o, nil
}

// ReadOutputs reads a file with a stack's outputs as JSON. What is in it says nothing about what is deployed.
func ReadOutputs(file, stack string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if _, err := parseOutputs(string(text), stack); err != nil {
		return "", fmt.Errorf("%s has no outputs of a stack.\n  Fix: pulumi stack output --json --stack %s > %s", file, stack, word(file))
	}
	return string(text), nil
}

// plainWord is what no shell changes.
var plainWord = regexp.MustCompile(`^[\w./:,@+=-]+$`)

// word is one word of a shell.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return settings.Quote(text)
}

// earlier are the previous log locations of the stack, which open sessions may still write to.
func (r *run) earlier() (locations []sessiondoc.Location) {
	for _, text := range r.outputs.EarlierLocations {
		if location, err := sessiondoc.ParseLocation(text); err == nil {
			locations = append(locations, location)
		}
	}
	return locations
}
