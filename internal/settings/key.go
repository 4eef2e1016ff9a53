package settings

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// plainName is what the command line reads as one step of a path without
// quotation marks (https://www.pulumi.com/docs/iac/concepts/config/#structured-configuration).
var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Member is the key of a member of an object, as the command line writes it
// after --path: tags.team, but tags["aws:team"]. The top level has no parent.
func Member(parent, name string) string {
	switch {
	case parent == "":
		return name
	case plainName.MatchString(name):
		return parent + "." + name
	}
	return parent + `["` + strings.ReplaceAll(name, `"`, `\"`) + `"]`
}

// Element is the key of an element of a list.
func Element(parent string, index int) string { return parent + "[" + strconv.Itoa(index) + "]" }

// Path is the argument by which the command line names a key, quoted for a
// shell: nested keys need --path.
func Path(namespace, key string) string {
	if strings.ContainsAny(key, ".[") {
		return "--path " + Quote(namespace+":"+key)
	}
	return namespace + ":" + key
}

// SetCommand gives a key a value, which is quoted already.
func SetCommand(namespace, key, value string) string {
	return "pulumi config set " + Path(namespace, key) + " " + value
}

// setting gives a key a value, which is quoted already.
type setting struct{ key, value string }

// leaves give each value inside of a mapping or a list a setting of its own. A
// mapping that one command sets replaces what the file has in its place, and is
// a text there, which the next command with --path replaces.
func leaves(key string, value any) (all []setting) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, leaves(Member(key, name), v[name])...)
		}
	case []any:
		for i, item := range v {
			all = append(all, leaves(Element(key, i), item)...)
		}
	}
	if len(all) == 0 {
		all = []setting{{key, word(value)}}
	}
	return all
}

// SetCommands give a key a value of the config, a mapping too.
func SetCommands(namespace, key string, value any) []string {
	return setCommands(namespace, leaves(key, readJSON(Show(value))))
}

func setCommands(namespace string, all []setting) (commands []string) {
	for _, s := range all {
		commands = append(commands, SetCommand(namespace, s.key, s.value))
	}
	return commands
}

// SetTextCommand gives a key a text as it is. Without --type, the command line
// writes 2024 and true into an object as a number and a boolean.
func SetTextCommand(namespace, key, value string) string {
	return "pulumi config set --type string " + Path(namespace, key) + " " + value
}

// RemoveCommand removes a key.
func RemoveCommand(namespace, key string) string { return "pulumi config rm " + Path(namespace, key) }

// Quote quotes a text for a shell.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
