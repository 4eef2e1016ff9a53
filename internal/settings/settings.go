// Package settings decodes a stack's config into a Go struct, strictly: a key
// that the struct does not have, a value of another type and a key that has no
// value are mistakes, and all of them are found in one pass.
package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
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
//
// A number or a boolean is a text only where its literal shows that YAML did
// not change it: 2024 may be, 0123 may not. Misread are the texts that YAML did
// change; into has them as they are written.
//
// The fix of a misspelt key gives its text to the key that was meant, if that
// allows it; nil allows every text.
func Decode(namespace string, config map[string]string, literals Literals, allows Allows, into any) (found, misread mistake.List) {
	d := decoder{namespace: namespace, literals: literals, allows: allows}
	return d.decode(config, into)
}

// Written reports the mistakes in what a stack's own file says, the defaults
// aside: keys that nothing reads, and values of another type than their key's.
func Written(namespace string, config map[string]string, literals Literals, into any) mistake.List {
	d := decoder{namespace: namespace, literals: literals, partial: true}
	found, _ := d.decode(config, into)
	return found
}

func (d *decoder) decode(config map[string]string, into any) (found, misread mistake.List) {
	target, namespace := reflect.ValueOf(into).Elem(), d.namespace
	d.root = target.Type()
	values := map[string]any{}
	for key, text := range config {
		if name, ours := strings.CutPrefix(key, namespace+":"); ours {
			values[name] = d.parse(name, text, target.Type())
		}
	}
	d.structure("", values, target)
	return d.mistakes, d.misread
}

// Allows reports whether a key may have the text as its value.
type Allows func(key, text string) bool

type decoder struct {
	namespace string
	literals  Literals
	allows    Allows
	root      reflect.Type
	mistakes  mistake.List
	misread   mistake.List
	// unjudged are groups that are empty by mistake, so that their keys are missing.
	unjudged []string
	// partial is a config without the defaults.
	partial bool
}

// parse reads a top-level value. A text field takes it as it is; everything
// else is JSON where it can be read as such. The engine writes an object so, and
// a user may: pulumi config set project:tags '{"team": "web"}'.
func (d *decoder) parse(name, text string, of reflect.Type) any {
	if field, ok := find(of, name); ok && field.Type.Kind() == reflect.String {
		return text
	}
	if _, byUser := d.literals.value(name, text); byUser {
		return written(text)
	}
	return readJSON(text)
}

// wrong reports a value of another type than the key's.
func (d *decoder) wrong(key string, got any, of reflect.Type) {
	m := mistake.Mistake{Key: key, Got: Show(got), Problem: "not " + article(of), Allowed: article(of)}
	if empty(got) {
		m.Got, m.Problem = "", "it is empty"
	}
	name := key[strings.LastIndex(key, ".")+1:]
	switch of.Kind() {
	case reflect.Map:
		m.Allowed += ": one line for each name, indented below " + name + ":"
	case reflect.Struct:
		m.Allowed += " with the keys " + strings.Join(fieldNames(of), ", ")
	}
	switch {
	case strings.Contains(key, ":{"): // db:{a: b} is the key "db:{a" with the value "b}"
		m.Fix = mistake.Do("in the file, put a blank between the colon and the brace, as in NAME: {…}; or remove it:", RemoveCommand(d.namespace, key))
	case of.Kind() == reflect.Struct && required(of) && d.grouped(key):
		m.Fix = mistake.Do("to use the defaults of all its keys:", RemoveCommand(d.namespace, key))
	case of.Kind() == reflect.Struct && required(of) && strings.HasSuffix(key, "]"): // after a removal, the index is that of the next element
		m.Fix = mistake.Do("in the stack's file, write "+m.Allowed+" in its place; or remove it:", RemoveCommand(d.namespace, key))
	case of.Kind() == reflect.Struct && required(of):
		m.Fix = mistake.Run(append([]string{RemoveCommand(d.namespace, key)}, d.requiredCommands(key, of)...)...)
	case of.Kind() == reflect.Struct:
		m.Fix = mistake.Run(SetCommand(d.namespace, key, "'{}'"))
	case of.Kind() == reflect.Map:
		meant := namesOf(got, of)
		m.Fix = inFile("in the stack's file, write:", key, meant, append([]string{RemoveCommand(d.namespace, key)}, setCommands(d.namespace, leaves(key, meant))...)...)
	case of.Kind() == reflect.Slice:
		m.Fix = mistake.Run(RemoveCommand(d.namespace, key), SetCommand(d.namespace, Element(key, 0), again(got, of.Elem())))
	default:
		m.Fix = mistake.Run(SetCommand(d.namespace, key, again(got, of)))
	}
	d.mistakes.Add(m)
}

// grouped reports whether a struct with this key is a group of keys, which have defaults: a member of a list or of a mapping of
// names has none.
func (d *decoder) grouped(key string) bool {
	of := d.root
	for _, name := range strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if of == nil || of.Kind() != reflect.Struct {
			return false
		}
		f, found := find(of, name)
		if !found {
			return false
		}
		of = f.Type
	}
	return of == nil || of.Kind() == reflect.Struct
}

// requiredCommands set the fields that must have a value.
func (d *decoder) requiredCommands(key string, of reflect.Type) (commands []string) {
	for _, f := range fields(of) {
		if name, optional := tag(f); !optional {
			commands = append(commands, SetCommand(d.namespace, Member(key, name), placeholder(f.Type)))
		}
	}
	return commands
}

// required reports whether a struct has a field that must have a value, as a
// group of keys with defaults has.
func required(of reflect.Type) bool {
	return slices.ContainsFunc(fields(of), func(f reflect.StructField) bool {
		_, optional := tag(f)
		return !optional
	})
}

func article(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	}
	return "a text"
}

// placeholder stands for a value in a command.
func placeholder(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Int:
		return "NUMBER"
	case reflect.Slice:
		return "'[…]'"
	case reflect.Map, reflect.Struct:
		return "'{…}'"
	}
	return "VALUE"
}

func (d *decoder) value(key string, value any, target reflect.Value) {
	switch target.Kind() {
	case reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		d.value(key, value, target.Elem())
	case reflect.String:
		d.text(key, value, target)
	case reflect.Bool:
		b, err := strconv.ParseBool(fmt.Sprint(value))
		if err != nil {
			d.wrong(key, value, target.Type())
			return
		}
		target.SetBool(b)
	case reflect.Int:
		handed := fmt.Sprint(value)
		n, err := strconv.Atoi(handed)
		if err != nil {
			d.wrong(key, value, target.Type())
			return
		}
		if text, known := d.literals.value(key, handed); known && text != handed {
			d.mistakes.Add(mistake.Mistake{
				Key: key, Got: text, Problem: "YAML reads this as " + handed,
				Allowed: "a whole number in decimal digits, without leading zeros", Fix: mistake.Run(SetCommand(d.namespace, key, "NUMBER")),
			})
			return
		}
		target.SetInt(int64(n))
	case reflect.Slice:
		items, ok := written(value).([]any)
		if !ok {
			d.wrong(key, value, target.Type())
			return
		}
		list := reflect.MakeSlice(target.Type(), len(items), len(items))
		for i, item := range items {
			d.value(Element(key, i), item, list.Index(i))
		}
		target.Set(list)
	case reflect.Map:
		members, ok := written(value).(map[string]any)
		if !ok {
			d.wrong(key, value, target.Type())
			return
		}
		members = d.tooShallow(key, members, target.Type().Elem())
		object := reflect.MakeMap(target.Type())
		for _, name := range slices.Sorted(maps.Keys(members)) {
			at := Member(key, name)
			if text, changed := d.name(at, name); changed {
				m := misread(d.namespace, Member(key, text), at, text, name)
				m.Problem = "without quotation marks, YAML reads the key " + text + " as " + name
				m.Fix = mistake.Run(RemoveCommand(d.namespace, at), SetCommand(d.namespace, Member(key, text), placeholder(target.Type().Elem())))
				d.mistakes.Add(m)
				continue
			}
			member := reflect.New(target.Type().Elem()).Elem()
			d.value(at, members[name], member)
			object.SetMapIndex(reflect.ValueOf(name), member)
		}
		target.Set(object)
	case reflect.Struct:
		members, ok := written(value).(map[string]any)
		if !ok && value != nil { // "app:" without members is an empty object in YAML
			d.wrong(key, value, target.Type())
			return
		}
		d.structure(key, members, target)
	default:
		panic("settings: no rule for a field of type " + target.Type().String())
	}
}

// goTime is what the engine makes of a date in YAML.
var goTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d+)? [+-]\d{4} `)

// text takes a text. A number or a boolean is one where it is written in the
// stack's file as the engine hands it over, which is also how the command line
// writes 2024 into an object.
func (d *decoder) text(key string, value any, target reflect.Value) {
	handed, isText := value.(string)
	switch value.(type) {
	case string:
	case json.Number, bool:
		handed = fmt.Sprint(value)
	default:
		d.wrong(key, value, target.Type())
		return
	}
	text, known := d.literals.value(key, handed)
	switch {
	case known && text != handed:
		d.misread.Add(misread(d.namespace, key, key, text, handed))
		target.SetString(text)
	case !known && (!isText || goTime.MatchString(handed)):
		kind := "number"
		if _, boolean := value.(bool); boolean {
			kind = "boolean"
		} else if isText {
			kind = "date"
		}
		d.mistakes.Add(mistake.Mistake{
			Key: key, Got: handed, Problem: "a " + kind + " where a text belongs; YAML may have changed it, as it reads 0123 as 83 and 1.10 as 1.1",
			Allowed: "a text in quotation marks",
			Fix: mistake.Do("put it in quotation marks where it is written; in the stack's file:",
				SetTextCommand(d.namespace, key, "VALUE")),
		})
	default:
		target.SetString(handed)
	}
}

// name gives the text of which YAML made a member's name, if it changed it.
func (d *decoder) name(key, handed string) (text string, changed bool) {
	l, known := d.literals.names[key]
	return l.text, known && l.handed == handed && l.text != handed
}

func (d *decoder) structure(key string, members map[string]any, target reflect.Value) {
	members = d.sameLevel(key, members, target.Type())
	known := fieldNames(target.Type())
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			d.mistakes.Add(mistake.Mistake{
				Key: Member(key, name), Got: Show(members[name]), Problem: "no such key",
				Allowed: strings.Join(known, ", "), Fix: d.rename(key, name, members[name], target.Type()),
			})
		}
	}
	for _, f := range fields(target.Type()) {
		name, optional := tag(f)
		value, present := members[name]
		at, field := Member(key, name), target.FieldByIndex(f.Index)
		switch {
		case slices.Contains(d.unjudged, at):
		case present:
			d.value(at, value, field)
		case field.Kind() == reflect.Struct:
			d.structure(at, nil, field)
		case !optional && !d.partial:
			m := mistake.Mistake{Key: at, Problem: "it has no value", Fix: mistake.Run(SetCommand(d.namespace, at, placeholder(f.Type)))}
			if d.grouped(key) {
				m.Problem += " and no default"
				m.Fix[0].Text = "keep the default for it that Pulumi.yaml came with, or:"
			}
			d.mistakes.Add(m)
		}
	}
}

// rename is the fix of a key that does not exist: remove it, and set the one
// that was meant, if there is one.
func (d *decoder) rename(parent, name string, value any, in reflect.Type) []mistake.Fix {
	steps, remove := []string{name}, RemoveCommand(d.namespace, Member(parent, name))
	if parent == "" && strings.Contains(name, ".") {
		// Set without --path: a key of its own with a dot in its name. The same
		// command with --path would remove the right value instead.
		steps, remove = strings.Split(name, "."), "pulumi config rm "+Quote(d.namespace+":"+name)
	}
	if key, text, glued := strings.Cut(name, ":"); glued && text != "" && value == nil && slices.Contains(fieldNames(in), key) { // db: {key:value}
		return mistake.Do("in the file, put a blank after the colon, as in "+key+": "+text+"; or:", remove, SetCommand(d.namespace, Member(parent, key), Quote(text)))
	}
	meant, of := nearestPath(parent, steps, in)
	if above, found := d.topLevel(steps[len(steps)-1]); meant == "" && found && (parent != "" || len(steps) > 1) && above.Type.Kind() == reflect.String {
		meant, of = steps[len(steps)-1], above.Type // logging: {keepRecords: true}
	}
	if homes := homesOf(name, value, in); len(homes) > 0 && len(steps) == 1 && (meant == "" || distance(name, meant[strings.LastIndex(meant, ".")+1:]) > max(1, len(name)/3)) {
		return d.indent(parent, homes, name, value, remove)
	}
	switch {
	case meant == "" && d.singular(parent, name, value): // instance: {app: {}}
		at := Member(parent+"s", name)
		return []mistake.Fix{d.literals.correct("did you mean "+at+"?", []string{remove}, d.namespace, leaves(at, filled(map[string]any{name: value})[name]))}
	case meant == "":
		return mistake.Run(remove)
	case of.Kind() == reflect.Struct && isMapping(value) && fits(value, of):
	case of.Kind() == reflect.Struct && required(of): // the engine cannot merge defaults into a group that is a text
		meant, of = Member(meant, "KEY"), reflect.TypeFor[string]()
	}
	question := "did you mean " + strings.TrimSuffix(meant, ".KEY") + "?"
	if len(steps) > 1 && strings.Contains(meant, ".") {
		question = "a key with a dot needs --path:"
	}
	return []mistake.Fix{d.literals.correct(question, []string{remove}, d.namespace, d.again(meant, value, of))}
}

// topLevel finds a key of the whole config. A decoder that only tries a value has none.
func (d *decoder) topLevel(name string) (reflect.StructField, bool) {
	if d.root == nil {
		return reflect.StructField{}, false
	}
	return find(d.root, name)
}

// singular reports whether a name with this value belongs to the mapping of names whose key is the parent's in the plural.
func (d *decoder) singular(parent, name string, value any) bool {
	f, found := d.topLevel(parent + "s")
	return found && f.Type.Kind() == reflect.Map && f.Type.Elem().Kind() == reflect.Struct && belongs(name, value, f.Type)
}

// plainWord is a value that YAML and the shell leave as it is.
var plainWord = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.:/-]*|[0-9.]+/[0-9]+)$`)

// again gives the key that was meant the value, or a placeholder.
func (d *decoder) again(meant string, value any, of reflect.Type) []setting {
	_, isList := value.([]any)
	switch {
	case isMapping(value) && (of.Kind() == reflect.Map || of.Kind() == reflect.Struct) && fits(value, of), isList && of.Kind() == reflect.Slice && fits(value, of):
		all := leaves(meant, value)
		for i, s := range all {
			if d.allows != nil && plainWord.MatchString(s.value) && !d.allows(s.key, s.value) {
				all[i].value = placeholder(reflect.TypeFor[string]())
			}
		}
		return all
	case of.Kind() == reflect.Map:
		return leaves(meant, namesOf(value, of))
	case of.Kind() == reflect.Slice:
		return []setting{{Element(meant, 0), again(value, of.Elem())}}
	}
	text := again(value, of)
	if of.Kind() == reflect.String {
		if _, isBool := value.(bool); isBool && !strings.Contains(meant, ".") { // a text at the top level may look like one
			text = fmt.Sprint(value)
		}
		if d.allows != nil && !d.allows(meant, text) {
			text = placeholder(of)
		}
	}
	return []setting{{meant, text}}
}

// again gives a value for a type, or a placeholder.
func again(value any, of reflect.Type) string {
	switch text := fmt.Sprint(value); of.Kind() {
	case reflect.Bool:
		if _, err := strconv.ParseBool(text); err == nil {
			return text
		}
	case reflect.Int:
		if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
			return text
		}
	case reflect.String:
		if _, isText := value.(string); isText && plainWord.MatchString(text) {
			return text
		}
	}
	return placeholder(of)
}

// nearestPath walks into a type, at each step to the member that is spelt most
// like the next name. It gives the empty string when there is none.
func nearestPath(parent string, names []string, of reflect.Type) (key string, found reflect.Type) {
	key = parent
	for _, name := range names {
		switch of.Kind() {
		case reflect.Struct:
			if name = Nearest(name, fieldNames(of)); name == "" {
				return "", nil
			}
			field, _ := find(of, name)
			of = field.Type
		case reflect.Map:
			of = of.Elem()
		default:
			return "", nil
		}
		key = Member(key, name)
	}
	return key, of
}

// Nearest gives the candidate that is spelt most like the word, or the empty
// string when none is near.
func Nearest(word string, candidates []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, candidate := range candidates {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

// Show writes a value as the user would recognise it.
func Show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// written reads a text that is JSON. The command line knows no other way to
// write an object or a list into a nested key:
// pulumi config set --path 'project:instances.second' '{}' makes it a text.
// Nothing changes a number in it, so scalars are kept as texts.
func written(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	return asTexts(readJSON(text))
}

func asTexts(value any) any {
	switch v := value.(type) {
	case json.Number, bool:
		return fmt.Sprint(v)
	case []any:
		for i := range v {
			v[i] = asTexts(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = asTexts(v[name])
		}
	}
	return value
}

// readJSON gives what a text means as JSON, or the text itself.
func readJSON(text string) any {
	decode := json.NewDecoder(strings.NewReader(text))
	decode.UseNumber()
	var read any
	if err := decode.Decode(&read); err != nil || decode.More() {
		return text
	}
	return read
}

// fields are those that a key can name, those of an embedded struct included.
func fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Anonymous || f.Tag.Get("json") == "-"
	})
}

func find(t reflect.Type, name string) (reflect.StructField, bool) {
	all := fields(t)
	at := slices.IndexFunc(all, func(f reflect.StructField) bool { n, _ := tag(f); return n == name })
	if at < 0 {
		return reflect.StructField{}, false
	}
	return all[at], true
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for _, f := range fields(t) {
		name, _ := tag(f)
		names = append(names, name)
	}
	return names
}

func tag(f reflect.StructField) (name string, optional bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, options == "omitempty"
}
