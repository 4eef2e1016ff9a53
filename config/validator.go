package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// validator collects mistakes and knows how to fix each kind.
type validator struct {
	project string
	found   *mistake.List
}

// check adds a mistake unless ok. An empty fix stands for setting the key.
func (v *validator) check(ok bool, key, got, problem, allowed, fix string) {
	if ok {
		return
	}
	if fix == "" {
		fix = v.set(key, "VALUE")
	}
	if _, notANumber := strconv.Atoi(got); notANumber != nil && !strings.HasPrefix(got, "[") && !strings.HasPrefix(got, "{") {
		got = strconv.Quote(got) // lists, objects and numbers are shown as they are written
	}
	v.found.Add(mistake.Mistake{Key: key, Got: got, Problem: problem, Allowed: allowed, Fix: fix})
}

// set is the command that gives a key a value.
func (v *validator) set(key, value string) string {
	return "pulumi config set " + settings.Path(v.project, key) + " " + value
}

// remove is the command that removes a key or an element of a list.
func (v *validator) remove(key string) string {
	return "pulumi config rm " + settings.Path(v.project, key)
}

// rename is the fix of a key that needs another name.
func (v *validator) rename(key string) string {
	return v.remove(key) + ", and set it under another name"
}

func (v *validator) oneOf(key, got string, allowed ...string) {
	v.check(slices.Contains(allowed, got), key, got, "no such choice", strings.Join(allowed, ", "), "")
}

func (v *validator) between(key string, got, low, high int, unit string) {
	v.check(low <= got && got <= high, key, strconv.Itoa(got), "out of range", fmt.Sprintf("%d to %d %s", low, high, unit), "")
}

var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)

func (v *validator) keyARN(key, arn string) {
	v.check(arn == "" || keyARN.MatchString(arn), key, arn,
		"not the ARN of a KMS key; an alias can be pointed at another key without this stack noticing",
		"arn:PARTITION:kms:REGION:ACCOUNT:key/ID", "")
}
