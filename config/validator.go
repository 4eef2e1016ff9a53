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

// check adds a mistake unless ok. Each fix is enough by itself; without one, the
// fix is to give the key another value.
func (v *validator) check(ok bool, key, got, problem, allowed string, fixes ...mistake.Fix) {
	if ok {
		return
	}
	if len(fixes) == 0 {
		fixes = []mistake.Fix{v.set(key, "VALUE")}
	}
	if _, notANumber := strconv.Atoi(got); notANumber != nil && !strings.HasPrefix(got, "[") && !strings.HasPrefix(got, "{") {
		got = strconv.Quote(got) // lists, objects and numbers are shown as they are written
	}
	v.found.Add(mistake.Mistake{Key: key, Got: got, Problem: problem, Allowed: allowed, Fix: fixes})
}

// set gives a key a value.
func (v *validator) set(key, value string) mistake.Fix {
	return mistake.Fix{Commands: []string{settings.SetCommand(v.project, key, value)}}
}

// remove removes a key or an element of a list.
func (v *validator) remove(key string) mistake.Fix {
	return mistake.Fix{Commands: []string{settings.RemoveCommand(v.project, key)}}
}

// removeOf removes a key of another namespace.
func (v *validator) removeOf(namespace, key string) mistake.Fix {
	return mistake.Fix{Commands: []string{settings.RemoveCommand(namespace, key)}}
}

// rename gives a member of an object another name.
func (v *validator) rename(object, name string, member any) mistake.Fix {
	return mistake.Fix{Object: object, Name: name, Commands: append([]string{settings.RemoveCommand(v.project, settings.Member(object, name))},
		settings.SetCommands(v.project, settings.Member(object, "NAME"), member)...)}
}

func (v *validator) oneOf(key, got string, allowed ...string) {
	v.check(slices.Contains(allowed, got), key, got, "not an allowed value", strings.Join(allowed, ", "))
}

func (v *validator) between(key string, got, low, high int, unit string) {
	v.check(low <= got && got <= high, key, strconv.Itoa(got), "out of range", fmt.Sprintf("%d to %d %s", low, high, unit))
}

var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)

func (v *validator) keyARN(key, arn string) {
	v.check(arn == "" || keyARN.MatchString(arn), key, arn,
		"not the ARN of a KMS key; an alias can be pointed at another key without this stack noticing",
		"arn:PARTITION:kms:REGION:ACCOUNT:key/ID")
}
