// Package config holds the stack's config: one file per group of keys, with its
// struct, its defaults' meaning and its checks side by side. Pulumi.yaml
// describes each key and holds its default.
//
// Nothing here asks AWS anything. Every mistake is found before the first
// look-up, and all of them are reported at once.
package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"private-ec2-access/internal/guard"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// Config is the stack's config. A key that AWS has too carries AWS's name.
type Config struct {
	Emulated          bool                        `json:"emulated"`
	KeepRecords       Choice                      `json:"keepRecords"` // or Refuse
	ConfirmChanges    Choice                      `json:"confirmChanges"`
	SelfRepair        Choice                      `json:"selfRepair"`
	Tags              map[string]string           `json:"tags"`
	Network           Network                     `json:"network"`
	Endpoints         Endpoints                   `json:"endpoints"`
	Instance          InstanceDefaults            `json:"instance"`
	ExistingInstances map[string]ExistingInstance `json:"existingInstances"`
	Instances         map[string]Instance         `json:"instances"`
	Fleets            map[string]Fleet            `json:"fleets"`
	Logging           Logging                     `json:"logging"`
	Session           Session                     `json:"session"`
	Key               Key                         `json:"key"`
	Role              Role                        `json:"role"`
	Alerts            Alerts                      `json:"alerts"`

	// Upgrade names the instances of fleets that get their fleet's image by this
	// update, from the environment.
	Upgrade []string `json:"-"`

	Operators      map[string]OperatorGroup `json:"operators"`
	Auditors       Auditors                 `json:"auditors"`
	BreakGlass     BreakGlass               `json:"breakGlass"`
	PeopleSettings PeopleSettings           `json:"people"`
}

// KeepsRecords reports whether a destroy leaves the session logs behind. A
// document that was adopted goes on naming the bucket, so then they stay too.
func (c *Config) KeepsRecords() bool {
	return c.KeepRecords == Refuse || c.KeepRecords.Or(!c.Emulated || c.Session.Adopt)
}

// Load decodes and validates the config of a stack: a JSON object with every
// value by its full key, as the engine hands it to the program in
// PULUMI_CONFIG. The SDK's own config object cannot list the keys, so a
// misspelt one would pass unnoticed. Literals tells how values are written. The
// error is a mistake.List with every mistake; AWS has been asked nothing by then.
func Load(project, stackConfig string, literals settings.Literals, environ []string) (*Config, error) {
	raw := map[string]string{}
	if stackConfig != "" {
		if err := json.Unmarshal([]byte(stackConfig), &raw); err != nil {
			return nil, fmt.Errorf("reading the stack's config from the engine: %w", err)
		}
	}
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}

	c := &Config{Upgrade: strings.FieldsFunc(env[UpgradeVariable], func(r rune) bool { return r == ',' })}
	unread, misread := settings.Decode(project, raw, literals, allows(project), c)
	found, invalid := slices.Clone(unread), c.validate(project, raw["aws:defaultTags"])
	for _, m := range misread {
		if !concerns(invalid, m.Key) { // quotation marks alone would not make it valid
			found.Add(m)
		}
	}
	for _, m := range invalid {
		switch {
		case !concerns(unread, m.Key):
			found.Add(m)
		case m.OfName() && !slices.ContainsFunc(unread, func(u mistake.Mistake) bool { return u.Key == m.Key }):
			if m.Fix = renameAll(project, raw, m.Fix[0]); m.Fix != nil {
				found.Add(m)
			}
		default: // a value of the wrong type is judged once it has the right one
		}
	}
	found = append(found, literals.Outside(project, c)...)
	found = append(found, literals.Twice(project, c)...)
	found = append(found, literals.Elsewhere(project, raw, c)...)
	found = append(found, checkRegion(raw, env)...)
	found = append(found, literals.Changed(project, raw)...)
	if !concerns(unread, "emulated") {
		found = append(found, guard.Check(c.Emulated, raw, env)...)
	}
	return c, found.Err()
}

// renameAll is a fix of a name with all that the config has below it, also what
// was not read. It is nil if the object is a member of another one.
func renameAll(project string, raw map[string]string, fix mistake.Fix) []mistake.Fix {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(raw[project+":"+fix.Object]), &members) != nil || members[fix.Name] == nil {
		return nil
	}
	return mistake.Run(append([]string{settings.RemoveCommand(project, settings.Member(fix.Object, fix.Name))},
		settings.SetCommands(project, settings.Member(fix.Object, "NAME"), members[fix.Name])...)...)
}

// allows judges the text of a key by itself, as if no other key had a value.
func allows(project string) settings.Allows {
	return func(key, text string) bool {
		steps := strings.Split(key, ".")
		var value any = text
		for _, step := range slices.Backward(steps[1:]) {
			value = map[string]any{step: value}
		}
		written, isText := value.(string)
		if !isText {
			object, err := json.Marshal(value)
			if err != nil {
				return false
			}
			written = string(object)
		}
		trial := &Config{}
		settings.Decode(project, map[string]string{project + ":" + steps[0]: written}, settings.Literals{}, nil, trial)
		return !concerns(slices.DeleteFunc(trial.validate(project, ""), mistake.Mistake.OfName), key)
	}
}

// concerns reports whether one of the mistakes is about the key, about
// something in it or about what it is in.
func concerns(found mistake.List, key string) bool {
	within := func(inner, outer string) bool {
		return inner == outer || strings.HasPrefix(inner, outer+".") || strings.HasPrefix(inner, outer+"[")
	}
	return slices.ContainsFunc(found, func(m mistake.Mistake) bool { return within(m.Key, key) || within(key, m.Key) })
}

var projectName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}$`)

// validate finds every mistake that can be found without asking AWS.
func (c *Config) validate(project, defaultTags string) (found mistake.List) {
	v := &validator{project: project, found: &found}
	v.check(projectName.MatchString(project), "name (in Pulumi.yaml)", project,
		"the names of roles and buckets begin with it, and one of them could not be created",
		"2 to 31 lower-case letters, digits and hyphens, a letter first", mistake.Fix{Text: "rename the project in Pulumi.yaml"})
	v.oneOf("keepRecords", string(c.KeepRecords), "auto", "true", "false", "refuse")
	v.oneOf("confirmChanges", string(c.ConfirmChanges), "auto", "true", "false")
	v.oneOf("selfRepair", string(c.SelfRepair), "auto", "true", "false")
	c.validateTags(v, defaultTags)
	c.Network.validate(v, c.Logging.BucketName)
	c.Endpoints.validate(v, c.Network)
	c.validateInstances(v)
	c.validateExistingInstances(v)
	c.validateFleets(v)
	c.Logging.validate(v, c)
	c.Session.validate(v, c)
	c.Key.validate(v)
	c.Role.validate(v)
	c.validatePeople(v)
	c.Alerts.validate(v)
	return found
}
