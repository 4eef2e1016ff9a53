// Package settings decodes a stack's config into a Go struct, strictly: a key
// that the struct does not have, a value of another type and a key that has no
// value are mistakes, and all of them are found in one pass.
package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"

	"private-ec2-access/internal/mistake"
)

// Decode fills the struct that into points to from a stack's config, whose
// keys are namespace:name and whose structured values are JSON, as the engine
// hands them to a program. Keys of other namespaces are passed over. A field is
// named by its json tag; one that is tagged omitempty may be absent.
func Decode(namespace string, config map[string]string, into any) mistake.List {
	d := decoder{namespace: namespace}
	target := reflect.ValueOf(into).Elem()
	values := map[string]any{}
	for key, text := range config {
		if name, ours := strings.CutPrefix(key, namespace+":"); ours {
			values[name] = parse(text, fieldType(target.Type(), name))
		}
	}
	d.structure("", values, target)
	return d.mistakes
}

// Path is the way in which the command line names a key: nested keys need
// --path.
func Path(namespace, key string) string {
	if strings.ContainsAny(key, ".[") {
		return "--path '" + namespace + ":" + key + "'"
	}
	return namespace + ":" + key
}

type decoder struct {
	namespace string
	mistakes  mistake.List
}

func (d *decoder) wrong(key string, got any, allowed, example string) {
	fix := "pulumi config set " + Path(d.namespace, key) + " " + example
	if example == "" {
		fix = "pulumi config set " + Path(d.namespace, key) + " '" + map[bool]string{true: "[…]", false: "{…}"}[allowed == "a list"] + "'"
	}
	d.mistakes.Add(mistake.Mistake{Key: key, Got: Show(got), Problem: "not " + allowed, Allowed: allowed, Fix: fix})
}

func (d *decoder) value(key string, value any, target reflect.Value) {
	switch target.Kind() {
	case reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		d.value(key, value, target.Elem())
	case reflect.String:
		switch v := value.(type) {
		case string:
			target.SetString(v)
		case json.Number, bool: // YAML reads 2024 or true as such, without quotes
			target.SetString(fmt.Sprint(v))
		default:
			d.wrong(key, value, "a text", "TEXT")
		}
	case reflect.Bool:
		b, err := strconv.ParseBool(fmt.Sprint(value))
		if err != nil {
			d.wrong(key, value, "true or false", "true")
			return
		}
		target.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(fmt.Sprint(value))
		if err != nil {
			d.wrong(key, value, "a whole number", "NUMBER")
			return
		}
		target.SetInt(int64(n))
	case reflect.Slice:
		items, ok := written(value).([]any)
		if !ok {
			d.wrong(key, value, "a list", "")
			return
		}
		list := reflect.MakeSlice(target.Type(), len(items), len(items))
		for i, item := range items {
			d.value(fmt.Sprintf("%s[%d]", key, i), item, list.Index(i))
		}
		target.Set(list)
	case reflect.Map:
		members, ok := written(value).(map[string]any)
		if !ok {
			d.wrong(key, value, "an object", "")
			return
		}
		object := reflect.MakeMap(target.Type())
		for _, name := range slices.Sorted(maps.Keys(members)) {
			member := reflect.New(target.Type().Elem()).Elem()
			d.value(key+"."+name, members[name], member)
			object.SetMapIndex(reflect.ValueOf(name), member)
		}
		target.Set(object)
	case reflect.Struct:
		members, ok := written(value).(map[string]any)
		if !ok && value != nil { // "app:" without members is an empty object in YAML
			d.wrong(key, value, "an object", "")
			return
		}
		d.structure(key+".", members, target)
	default:
		panic("settings: no rule for a field of type " + target.Type().String())
	}
}

func (d *decoder) structure(prefix string, members map[string]any, target reflect.Value) {
	known := fieldNames(target.Type())
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			d.mistakes.Add(mistake.Mistake{
				Key: prefix + name, Got: Show(members[name]), Problem: "no such key",
				Allowed: strings.Join(known, ", "), Fix: d.rename(prefix, name, known),
			})
		}
	}
	for i := range target.NumField() {
		name, optional := tag(target.Type().Field(i))
		value, present := members[name]
		switch {
		case present:
			d.value(prefix+name, value, target.Field(i))
		case target.Field(i).Kind() == reflect.Struct:
			d.structure(prefix+name+".", nil, target.Field(i))
		case !optional:
			d.mistakes.Add(mistake.Mistake{
				Key: prefix + name, Problem: "it has no value and no default",
				Fix: "keep the default for it that Pulumi.yaml came with, or: pulumi config set " +
					Path(d.namespace, prefix+name) + " VALUE",
			})
		}
	}
}

func (d *decoder) rename(prefix, name string, known []string) string {
	if group, _, dotted := strings.Cut(name, "."); prefix == "" && dotted {
		// Set without --path: a key of its own with a dot in its name. The same
		// command with --path would remove the right value instead.
		remove := "pulumi config rm '" + d.namespace + ":" + name + "'"
		if slices.Contains(known, group) {
			return "a key with a dot needs --path. " + remove + ", then: pulumi config set " + Path(d.namespace, name) + " VALUE"
		}
		return remove
	}
	remove := "pulumi config rm " + Path(d.namespace, prefix+name)
	if nearest := Nearest(name, known); nearest != "" {
		return "did you mean " + prefix + nearest + "? " + remove
	}
	return remove
}

// Nearest gives the candidate that is spelt most like the word, or the empty
// string when none is near.
func Nearest(word string, candidates []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, candidate := range candidates {
		if d := levenshtein.Distance(strings.ToLower(word), strings.ToLower(candidate), nil); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Show writes a value as the user would recognise it.
func Show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// parse reads a top-level value. A text field takes it as it is; everything
// else is JSON where it can be read as such.
func parse(text string, field reflect.Type) any {
	if field != nil && field.Kind() == reflect.String {
		return text
	}
	return written(text)
}

// written reads a text that is JSON. The command line knows no other way to
// write an object or a list into a nested key:
// pulumi config set --path 'project:instances.second' '{}' makes it a text.
func written(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	decode := json.NewDecoder(strings.NewReader(text))
	decode.UseNumber()
	var read any
	if err := decode.Decode(&read); err != nil || decode.More() {
		return value
	}
	return read
}

func fieldType(t reflect.Type, name string) reflect.Type {
	for i := range t.NumField() {
		if n, _ := tag(t.Field(i)); n == name {
			return t.Field(i).Type
		}
	}
	return nil
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _ = tag(t.Field(i))
	}
	return names
}

func tag(f reflect.StructField) (name string, optional bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, options == "omitempty"
}
