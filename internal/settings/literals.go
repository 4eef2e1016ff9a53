package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"private-ec2-access/internal/mistake"
)

// Literals tells how the values of a stack's config are written in its files.
// The engine hands over what YAML makes of them: of 0123 the number 83, of 1.10
// the number 1.1, of 2026-01-31 a point in time.
//
// It is empty where the config comes from elsewhere, such as an environment of
// Pulumi ESC or the Automation API.
type Literals struct {
	values map[string]literal // by key
	names  map[string]literal // of the members of objects, by the member's key
	// outside are the keys of the stack's file that are not below config; file is its name.
	outside map[string]any
	file    string
	// forms are the ways in which the stack's file writes each of its keys.
	forms map[string][]string
	// own are the keys of the values in the stack's file, the defaults aside.
	own       map[string]literal
	namespace string
}

// literal is a scalar as it is written, and as the engine hands it over.
type literal struct {
	text, handed string
	boolean      bool
}

// ReadLiterals reads the files in a folder from which the engine takes the
// config of a stack: Pulumi.STACK.yaml, and Pulumi.yaml for the defaults. It
// passes over a file that it cannot read: the engine could, or there is none.
func ReadLiterals(folder, namespace, stack string) Literals {
	l := Literals{values: map[string]literal{}, names: map[string]literal{}, outside: map[string]any{}, forms: map[string][]string{}, file: "Pulumi." + stack + ".yaml", namespace: namespace}
	var project struct {
		StackConfigDir string               `yaml:"stackConfigDir"`
		Config         map[string]yaml.Node `yaml:"config"`
	}
	if text, err := os.ReadFile(filepath.Join(folder, "Pulumi.yaml")); err == nil && yaml.Unmarshal(text, &project) == nil {
		for key, described := range project.Config {
			var entry struct{ Default, Value yaml.Node }
			if described.Kind == yaml.MappingNode && described.Decode(&entry) == nil {
				l.read(strings.TrimPrefix(key, namespace+":"), &entry.Default)
				l.read(strings.TrimPrefix(key, namespace+":"), &entry.Value)
			}
		}
	}
	var own struct {
		Config map[string]yaml.Node `yaml:"config"`
		Others map[string]any       `yaml:",inline"`
	}
	if text, err := os.ReadFile(filepath.Join(folder, project.StackConfigDir, l.file)); err == nil && yaml.Unmarshal(text, &own) == nil {
		written := Literals{values: map[string]literal{}, names: map[string]literal{}}
		for key, value := range own.Config {
			name := strings.TrimPrefix(FullKey(namespace, key), namespace+":")
			l.forms[name] = append(l.forms[name], key)
			l.read(name, &value)
			if !strings.Contains(name, ".") { // set without --path, it is no path
				written.read(name, &value)
			}
		}
		l.own = written.values
		for key, value := range own.Others {
			if !slices.Contains(besidesConfig, key) {
				l.outside[strings.TrimPrefix(key, namespace+":")] = value
			}
		}
	}
	return l
}

// besidesConfig are the keys of a stack's file, config aside: ProjectStack in
// pulumi/sdk's workspace package.
var besidesConfig = []string{"secretsprovider", "encryptedkey", "encryptionsalt", "environment"}

// FullKey is a key of a stack's file with its namespace: one without is the
// project's own, and Pulumi also reads NAMESPACE:config:KEY.
func FullKey(namespace, key string) string {
	steps := strings.SplitN(key, ":", 3)
	switch {
	case len(steps) == 1:
		return namespace + ":" + key
	case len(steps) == 3 && steps[1] == "config":
		return steps[0] + ":" + steps[2]
	}
	return key
}

// correct is the fix of a value that stands at a wrong key: the commands that
// remove it there, and those that set it at the right one, as far as the stack's
// file does not have it there too.
func (l Literals) correct(question string, remove []string, namespace string, all []setting) mistake.Fix {
	var taken []string
	free := slices.DeleteFunc(slices.Clone(all), func(s setting) bool {
		full := strings.TrimPrefix(namespace+":"+s.key, l.namespace+":")
		value, is := l.own[full]
		if is = is && value.text != ""; is {
			taken = append(taken, full)
		}
		return is
	})
	if len(taken) > 0 {
		if rest, is := strings.CutSuffix(question, ":"); is { // the commands do not follow it any more
			question = rest + "."
		}
		question += " The file has " + strings.Join(taken, " and ") + " too. To leave that as it is:"
	}
	return mistake.Fix{Text: question, Commands: append(remove, setCommands(namespace, free)...)}
}

// Twice reports the keys that the stack's file has in two forms: Pulumi takes
// either value, and not always the same.
func (l Literals) Twice(namespace string, into any) (found mistake.List) {
	for _, key := range slices.Sorted(maps.Keys(l.forms)) {
		forms := slices.Sorted(slices.Values(l.forms[key]))
		if len(forms) < 2 {
			continue
		}
		in, name, value := namespace, key, "VALUE"
		if other, rest, foreign := strings.Cut(key, ":"); foreign {
			in, name = other, rest
		} else if field, known := find(reflect.TypeOf(into).Elem(), key); known {
			value = placeholder(field.Type)
		}
		found.Add(mistake.Mistake{
			Key: key, Problem: "more than once in " + l.file + ", as " + strings.Join(forms, " and ") + "; Pulumi takes any of them",
			Fix: mistake.Do("delete all but one of these lines in the file, or run:", SetCommand(in, name, value)),
		})
	}
	return found
}

// Elsewhere reports keys, by their full names, in a namespace that is likely
// to be a misspelt one: nothing reads them. Secrets are not shown.
func (l Literals) Elsewhere(namespace string, config map[string]string, into any) (found mistake.List) {
	known := fieldNames(reflect.TypeOf(into).Elem())
	for _, key := range slices.Sorted(maps.Keys(config)) {
		in, name, _ := strings.Cut(key, ":")
		if in == namespace || in == "aws" || in == "pulumi" && name == "tags" { // tags of the stack in Pulumi Cloud
			continue
		}
		meant := Nearest(in, []string{namespace, "aws"})
		if slices.Contains(known, name[:strings.IndexAny(name+".", ".[")]) {
			meant = namespace
		}
		if meant == "" {
			continue
		}
		value := readJSON(config[key])
		if !isMapping(value) {
			value = config[key]
		}
		if _, encrypted := l.values[Member(key, "secure")]; encrypted || secret(name) {
			value = "VALUE"
		}
		found.Add(mistake.Mistake{
			Key: key, Problem: "nothing reads it: the namespace is " + meant + ", not " + in,
			Fix: []mistake.Fix{l.correct("did you mean "+meant+":"+name+"?", []string{RemoveCommand(in, name)}, meant, leaves(name, value))},
		})
	}
	return found
}

// Outside reports the keys that are not below config. Pulumi ignores them, and
// drops them when it writes the file.
func (l Literals) Outside(namespace string, into any) (found mistake.List) {
	known := fieldNames(reflect.TypeOf(into).Elem())
	for _, key := range slices.Sorted(maps.Keys(l.outside)) {
		value := l.outside[key]
		in, name := namespace, key
		if other, rest, foreign := strings.Cut(key, ":"); foreign {
			in, name = other, rest
		} else if !slices.Contains(known, strings.Split(name, ".")[0]) {
			m := mistake.Mistake{Key: key, Got: Show(value), Problem: "not a key of " + l.file + ", so Pulumi ignores it", Fix: mistake.Do("remove it")}
			if meant := Nearest(key, append([]string{"config"}, besidesConfig...)); meant != "" {
				m.Fix = mistake.Do("did you mean " + meant + ":?")
			} else if homes := homesOf(name, value, reflect.TypeOf(into).Elem()); in == namespace && len(homes) > 0 {
				m.Fix = (&decoder{namespace: namespace}).indent("", homes, name, value, "")
			}
			found.Add(m)
			continue
		}
		if secret(name) {
			value = "VALUE"
		}
		found.Add(mistake.Mistake{
			Key: key, Got: Show(value), Problem: "outside of config: in " + l.file + ", where Pulumi ignores it",
			Fix: []mistake.Fix{{
				Text: "indent it below config:", Lines: strings.Join(block(map[string]any{key: value}, ""), "\n"),
				Commands: setCommands(in, leaves(name, value)),
			}},
		})
	}
	return found
}

func (l Literals) read(key string, node *yaml.Node) {
	switch node.Kind {
	case yaml.AliasNode:
		l.read(key, node.Alias)
	case yaml.ScalarNode:
		l.values[key] = scalar(node)
	case yaml.SequenceNode:
		for i, element := range node.Content {
			l.read(Element(key, i), element)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Tag == "!!merge" {
				l.read(key, node.Content[i+1])
			}
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Tag == "!!merge" {
				continue
			}
			name := scalar(node.Content[i])
			member := Member(key, name.handed)
			l.names[member] = name
			l.read(member, node.Content[i+1])
		}
	}
}

func scalar(node *yaml.Node) literal {
	l := literal{text: node.Value, handed: node.Value}
	var value any
	if node.Decode(&value) != nil {
		return l
	}
	switch v := value.(type) {
	case bool:
		l.handed, l.boolean = fmt.Sprint(v), true
	case int, int64, uint64:
		l.handed = fmt.Sprint(v)
	case float64:
		if text, err := json.Marshal(v); err == nil {
			l.handed = string(text)
		}
	case time.Time:
		l.handed = v.String()
	}
	return l
}

// value gives the text of which the engine made what it handed over. It is
// false where no file has it.
func (l Literals) value(key, handed string) (text string, known bool) {
	found, ok := l.values[key]
	return found.text, ok && found.handed == handed
}

// Changed reports the values outside of a namespace that YAML changes, by the
// keys of a stack's config. The namespace itself is for Decode.
func (l Literals) Changed(namespace string, config map[string]string) (found mistake.List) {
	for _, key := range slices.Sorted(maps.Keys(l.values)) {
		value := l.values[key]
		top := key[:strings.IndexFunc(key+".", func(r rune) bool { return r == '.' || r == '[' })]
		other, name, foreign := strings.Cut(top, ":")
		if !foreign || other == namespace || value.text == value.handed || value.boolean {
			continue
		}
		if handed, isSet := config[top]; !isSet || key == top && handed != value.handed {
			continue
		}
		m := misread(other, name+strings.TrimPrefix(key, top), key, value.text, value.handed)
		if secret(name) {
			m.Got, m.Allowed, m.Problem = "", "the text in quotation marks", "without quotation marks, YAML reads this as something else"
			m.Fix = mistake.Run(SetTextCommand(other, name, "VALUE"))
		}
		found.Add(m)
	}
	return found
}

// secret reports whether a key of the AWS provider holds a credential, which no
// message shows.
func secret(name string) bool { return name == "secretKey" || name == "token" }

// misread is the mistake of a text without quotation marks that YAML reads as
// something else.
func misread(namespace, key, shown, text, handed string) mistake.Mistake {
	return mistake.Mistake{
		Key: shown, Got: text, Problem: "without quotation marks, YAML reads this as " + handed,
		Allowed: "the text in quotation marks: " + Show(text),
		// Pulumi writes the whole file as YAML reads it, also for another key.
		Fix: mistake.Do("put it in quotation marks in the stack's file. Pulumi's config commands write "+handed+" instead, so if you run one, run this too:",
			SetTextCommand(namespace, key, Quote(text))),
	}
}
