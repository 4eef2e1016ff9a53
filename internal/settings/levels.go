package settings

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
)

// Named is a mapping that needs no more than its name.
type Named interface{ Named() }

func named(t reflect.Type) bool { return t.Implements(reflect.TypeFor[Named]()) }

// empty is what the engine hands over of a key without a value.
func empty(value any) bool { return value == nil || value == "" }

// sameLevel reports keys that are written beside an empty key instead of below
// it, as in
//
//	instances:
//	app: {}
//
// and gives the members as they are meant.
func (d *decoder) sameLevel(parent string, members map[string]any, in reflect.Type) map[string]any {
	known := fieldNames(in)
	for _, f := range fields(in) {
		home, _ := tag(f)
		value, present := members[home]
		literal, written := d.literals.values[Member(parent, home)]
		if !present || !empty(value) && (!written || literal.text != "") || f.Type.Kind() != reflect.Map && f.Type.Kind() != reflect.Struct {
			continue
		}
		below := map[string]any{}
		for name, value := range members {
			if !slices.Contains(known, name) && belongs(name, value, f.Type) {
				below[name] = value
			}
		}
		members = d.below(parent, home, below, members, f.Type)
	}
	return members
}

// tooShallow reports keys of a member that are written beside its name instead
// of below it, as in
//
//	instances:
//	  app:
//	  instanceType: t4g.small
func (d *decoder) tooShallow(key string, members map[string]any, of reflect.Type) map[string]any {
	if of.Kind() != reflect.Struct {
		return members
	}
	home, homes, below := "", 0, map[string]any{}
	for name, value := range members {
		if _, isKey := find(of, name); isKey && !empty(value) && !isMapping(value) {
			below[name] = value
		} else if empty(value) {
			home, homes = name, homes+1
		}
	}
	if homes != 1 {
		return members
	}
	return d.below(key, home, below, members, of)
}

// below reports the keys that belong below an empty one, if there are any.
func (d *decoder) below(parent, home string, keys, members map[string]any, of reflect.Type) map[string]any {
	if len(keys) == 0 {
		return members
	}
	names, at := slices.Sorted(maps.Keys(keys)), Member(parent, home)
	var commands []string
	for _, name := range append([]string{home}, names...) {
		commands = append(commands, RemoveCommand(d.namespace, Member(parent, name)))
	}
	if of.Kind() == reflect.Map {
		commands = append(commands, setCommands(d.namespace, leaves(at, filled(keys)))...)
	} else {
		for _, name := range names {
			commands = append(commands, SetCommand(d.namespace, Member(at, name), word(keys[name])))
		}
	}
	d.mistakes.Add(mistake.Mistake{
		Key: at, Problem: "it is empty; indent " + strings.Join(names, ", ") + " one level deeper, below it",
		Fix: inFile("in the stack's file, indent below "+home+":", at, filled(keys), commands...),
	})
	members = maps.Clone(members)
	maps.DeleteFunc(members, func(name string, _ any) bool { return slices.Contains(names, name) })
	inside, merged := members[home].(map[string]any) // the engine has merged the defaults into a group
	if of.Kind() == reflect.Struct && required(of) && !merged {
		d.unjudged = append(d.unjudged, at)
		delete(members, home)
		return members
	}
	inside = maps.Clone(inside)
	if inside == nil {
		inside = map[string]any{}
	}
	maps.Copy(inside, filled(keys))
	members[home] = inside
	return members
}

// filled gives names without a value an empty mapping.
func filled(keys map[string]any) map[string]any {
	all := map[string]any{}
	for name, value := range keys {
		if all[name] = value; empty(value) {
			all[name] = map[string]any{}
		}
	}
	return all
}

func isMapping(value any) bool { _, is := value.(map[string]any); return is }

// belongs reports whether a key with this value can be in a mapping of the type.
func belongs(name string, value any, of reflect.Type) bool {
	if of.Kind() == reflect.Struct {
		_, known := find(of, name)
		return known
	}
	if of.Elem().Kind() != reflect.Struct {
		return !isMapping(value)
	}
	members, _ := value.(map[string]any)
	known := fieldNames(of.Elem())
	for member := range members {
		if !slices.Contains(known, member) {
			return false
		}
	}
	return len(members) > 0 || named(of.Elem()) && (isMapping(value) || empty(value))
}

// homesOf names the fields that a key belongs below: the first mapping of names
// that the value fits, or else each group that has such a key.
func homesOf(name string, value any, in reflect.Type) (homes []string) {
	for _, f := range fields(in) {
		home, _ := tag(f)
		switch {
		case f.Type.Kind() == reflect.Map && f.Type.Elem().Kind() == reflect.Struct && isMapping(value) && belongs(name, value, f.Type):
			return []string{home}
		case f.Type.Kind() == reflect.Struct:
			if inner, found := find(f.Type, name); found && fits(value, inner.Type) {
				homes = append(homes, home)
			}
		}
	}
	return homes
}

// fits reports whether a value can be decoded into the type.
func fits(value any, of reflect.Type) bool {
	d := decoder{partial: true}
	d.value("", value, reflect.New(of).Elem())
	return len(d.mistakes) == 0
}

// indent is the fix of a key that is one level too high. Without a command that
// removes it, Pulumi does when it writes the file.
func (d *decoder) indent(parent string, homes []string, name string, value any, remove string) (fixes []mistake.Fix) {
	for _, home := range homes {
		at := Member(Member(parent, home), name)
		question, before, all := "did you mean "+at+"?", []string{}, leaves(at, value)
		if remove != "" {
			before = []string{remove}
		}
		fix := d.literals.correct(question, before, d.namespace, all)
		if fix.Text == question { // the file does not have it there too
			fix = inFile(question+" In the stack's file, indent it below "+home+":", Member(parent, home), map[string]any{name: value}, fix.Commands...)[0]
		}
		fixes = append(fixes, fix)
	}
	return fixes
}

// word is a value for the command line.
func word(value any) string {
	if text, isText := value.(string); isText {
		if plainWord.MatchString(text) {
			return text
		}
		return Quote(text)
	}
	return Quote(Show(value))
}

// namesOf is the mapping that was meant by a name, or by a list of names; or one
// that shows what belongs there.
func namesOf(value any, of reflect.Type) map[string]any {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	names := map[string]any{}
	for _, item := range list {
		name, isText := item.(string)
		if !isText || !plainName.MatchString(name) || !named(of.Elem()) {
			return map[string]any{"NAME": example(of.Elem())}
		}
		names[name] = map[string]any{}
	}
	return names
}

// example shows what a value looks like: of a mapping the keys that it needs, or
// else the first.
func example(of reflect.Type) any {
	switch of.Kind() {
	case reflect.Struct:
		members := map[string]any{}
		for _, f := range fields(of) {
			if name, optional := tag(f); !optional || len(members) == 0 && !named(of) {
				members[name] = example(f.Type)
			}
		}
		return members
	case reflect.Map:
		return map[string]any{"NAME": example(of.Elem())}
	case reflect.Slice:
		return []any{example(of.Elem())}
	}
	return placeholder(of)
}

// inFile is a fix with lines of the stack's file.
func inFile(text, key string, value any, commands ...string) []mistake.Fix {
	var lines []string
	steps, indent := strings.Split(key, "."), ""
	for _, step := range steps {
		lines = append(lines, indent+step+":")
		indent += "  "
	}
	return []mistake.Fix{{Text: text, Lines: strings.Join(append(lines, block(value, indent)...), "\n"), Commands: commands}}
}

// block writes a mapping as lines of YAML.
func block(value any, indent string) (lines []string) {
	members, _ := value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if nested, is := members[name].(map[string]any); is && len(nested) > 0 {
			lines = append(append(lines, indent+name+":"), block(nested, indent+"  ")...)
			continue
		}
		text := Show(members[name])
		if s, isText := members[name].(string); isText && (plainWord.MatchString(s) || s == "NUMBER") {
			text = s
		}
		lines = append(lines, indent+name+": "+text)
	}
	return lines
}
