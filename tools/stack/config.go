// Package stack is the command behind the Makefile: it reads what kind of stack is meant, prepares what that kind needs
// (tools, emulator, environment), and calls Pulumi.
package stack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
	"private-ec2-access/tools/screen"
)

// Stack is what the files Pulumi.yaml and Pulumi.<name>.yaml say that matters before Pulumi runs.
type Stack struct {
	Root    string
	Project string
	Name    string
	// Region is aws:region; it may be empty for a stack on a real account.
	Region string
	// Emulated decides the kind: an emulated AWS on this machine, or a real account. Not the name decides, and a stack
	// that does not say is taken for a real one, because that kind asks before it changes anything.
	Emulated bool
	// ConfirmChanges makes `up` and `destroy` show what they will do and ask. Default: unless emulated.
	ConfirmChanges bool
	// SelfRepair lets `up` and `destroy` repair what a killed command or a restarted emulator left behind. Default: if
	// emulated. On a real account only a look into it can tell what is right, so the default there is to explain.
	SelfRepair bool
	// KeepRecords is keepRecords as the file has it, empty without it.
	KeepRecords string
	// ProtectEndpoints is endpoints.protect.
	ProtectEndpoints bool
	// ExistingLogBucket is logging.bucketName.
	ExistingLogBucket string
	// SessionDocument is session.documentName.
	SessionDocument string
	// BringsIn: the config names existing instances.
	BringsIn bool
	// Instances are the names in the setting instances, and those of the fleets' instances, sorted.
	Instances []string
	// Fleets is the setting fleets.
	Fleets map[string]any
}

// named is the number of instances that no fleet has.
func (s *Stack) named() (count int) {
	for _, instance := range s.Instances {
		if s.fleetOf(instance) == "" {
			count++
		}
	}
	return count
}

// protection is a config with what the file says about what a destroy keeps.
func (s *Stack) protection() *config.Config {
	return &config.Config{Emulated: s.Emulated, KeepRecords: config.Choice(cmp.Or(s.KeepRecords, "auto"))}
}

// fleetOf is the fleet that an instance belongs to, "" if to none.
func (s *Stack) fleetOf(instance string) string {
	for _, fleet := range slices.Sorted(maps.Keys(s.Fleets)) {
		if slices.Contains(s.fleetInstances(fleet), instance) {
			return fleet
		}
	}
	return ""
}

// fleetInstances are the names of a fleet's instances, as far as the file is valid: the program judges it.
func (s *Stack) fleetInstances(fleet string) []string {
	text, _ := json.Marshal(mapping(s.Fleets[fleet]))
	var f config.Fleet
	_ = json.Unmarshal(text, &f)
	return (&config.Config{Fleets: map[string]config.Fleet{fleet: f}}).FleetInstances(fleet)
}

// Short is the name without an organization and a project, which the program and the names of files have.
func (s *Stack) Short() string { return s.Name[strings.LastIndex(s.Name, "/")+1:] }

// Owner is what the program marks the stack's resources with.
func (s *Stack) Owner() string { return s.Project + "/" + s.Short() }

// File is the stack's configuration file.
func (s *Stack) File() string { return filepath.Join(s.Root, "Pulumi."+s.Short()+".yaml") }

// stackName is STACK, ORGANIZATION/STACK or ORGANIZATION/PROJECT/STACK.
var stackName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.-]*/){0,2}[A-Za-z0-9_.-]+$`)

// FindRoot returns the closest folder, from the given one upwards, that holds Pulumi.yaml.
func FindRoot(from string) (string, error) {
	for folder := from; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "Pulumi.yaml")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("there is no Pulumi.yaml in %s or above it: run this in the project's folder", from)
		}
	}
}

// Load reads a stack's files.
func Load(root, name string) (*Stack, error) {
	if !stackName.MatchString(name) {
		return nil, fmt.Errorf("STACK=%q is not the name of a stack: letters, digits, and the characters - _ . are allowed, and an organization in front, as in acme/dev%s", name, existing(root))
	}
	var project struct {
		Name   string         `yaml:"name"`
		Config map[string]any `yaml:"config"`
	}
	if err := readYAML(filepath.Join(root, "Pulumi.yaml"), &project); err != nil {
		return nil, err
	}
	if project.Name == "" {
		return nil, fmt.Errorf("%s has no `name:`, which is the namespace of the project's settings", filepath.Join(root, "Pulumi.yaml"))
	}
	s := &Stack{Root: root, Project: project.Name, Name: name}

	own, err := s.config()
	if errors.Is(err, os.ErrNotExist) {
		fix := ""
		if names := stacksIn(root); name == "local" {
			fix = "\n  Fix: git checkout Pulumi.local.yaml, which belongs to the project. A copy of another file could be that of a stack in an AWS account"
		} else if len(names) > 0 {
			fix = "\n  Fix, for a new stack:\n    " + copyCommand(names[0], s.Short())
		}
		return nil, fmt.Errorf("there is no stack %q, because there is no file %s%s%s", name, filepath.Base(s.File()), existing(root), fix)
	} else if err != nil {
		return nil, err
	}
	twice, ignored := s.unread(own)
	if len(twice) > 0 {
		return nil, twice
	}
	if about := slices.IndexFunc(ignored, func(m mistake.Mistake) bool { return strings.Contains(m.Key+m.Got, "emulated") }); about >= 0 {
		return nil, ignored // before the stack is taken for one in an AWS account
	}
	value := func(key string) any {
		if v, ok := own[key]; ok {
			return v
		}
		// The project's own keys may be without a namespace in Pulumi.yaml.
		if v, ok := project.Config[strings.TrimPrefix(key, s.Project+":")]; ok {
			return projectValue(v)
		}
		return projectValue(project.Config[key])
	}
	s.Region, _ = value("aws:region").(string)
	setting := func(key string, automatic bool) bool {
		result, e := boolean(s.Project+":"+key, value(s.Project+":"+key), automatic)
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", filepath.Base(s.File()), e)
		}
		return result
	}
	member := func(group, key string) any {
		if v := nested(own[s.Project+":"+group], key); v != nil {
			return v
		}
		return projectValue(project.Config[group+"."+key])
	}
	s.SessionDocument, _ = member("session", "documentName").(string)
	if v := value(s.Project + ":keepRecords"); v != nil {
		s.KeepRecords = cmp.Or(shown(map[string]any{"": v})[""], `""`)
	} else if _, empty := own[s.Project+":keepRecords"]; empty {
		s.KeepRecords = `""`
	}
	s.ProtectEndpoints = slices.Contains([]any{true, "true"}, member("endpoints", "protect"))
	s.ExistingLogBucket, _ = member("logging", "bucketName").(string)
	s.Instances = slices.Collect(maps.Keys(mapping(value(s.Project + ":instances"))))
	s.Fleets = mapping(value(s.Project + ":fleets"))
	for fleet := range s.Fleets {
		s.Instances = append(s.Instances, s.fleetInstances(fleet)...)
	}
	existing := mapping(value(s.Project + ":existingInstances"))
	s.BringsIn = len(existing) > 0
	s.Instances = slices.AppendSeq(s.Instances, maps.Keys(existing))
	slices.Sort(s.Instances)
	s.Emulated = setting("emulated", false)
	s.ConfirmChanges = setting("confirmChanges", !s.Emulated)
	s.SelfRepair = setting("selfRepair", s.Emulated)
	if parts := strings.Split(name, "/"); err == nil && len(parts) == 3 && parts[1] != s.Project {
		err = fmt.Errorf("STACK=%s names the project %s, and this one is %s. Fix: STACK=%s/%s", name, parts[1], s.Project, parts[0], parts[2])
	}
	if err == nil && s.Emulated && s.Name != s.Short() {
		err = fmt.Errorf("STACK=%s: the local emulator has no organizations. Fix: STACK=%s", name, s.Short())
	}
	if _, says := own[s.Project+":emulated"]; err == nil && !says && !s.Emulated {
		_, problem := os.Stat(filepath.Join(root, ".local", "state", ".pulumi", "stacks", s.Project, name+".json"))
		if name == "local" || problem == nil { // it was deployed to the emulator
			err = fmt.Errorf("%s does not say `%s:emulated: true` below config, so the stack %s would be one in an AWS account. Nothing was done.\n"+
				"  Fix: write it there, as in the committed Pulumi.local.yaml; or, if an AWS account is meant, `%[2]s:emulated: false`", filepath.Base(s.File()), s.Project, name)
		}
	}
	if err == nil && s.Emulated && s.Region == "" {
		err = fmt.Errorf("%s: aws:region is missing. Add a line such as `aws:region: eu-central-1` under config", filepath.Base(s.File()))
	}
	return s, err
}

// config is what the stack's file says, with every key in full: one without a namespace is the project's own, as for Pulumi.
func (s *Stack) config() (map[string]any, error) {
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	err := readYAML(s.File(), &file)
	full := map[string]any{}
	for key, value := range file.Config {
		full[settings.FullKey(s.Project, key)] = value
	}
	return full, err
}

// unread are the mistakes of keys that Pulumi does not read, or of which it reads any. The program reports them with all others;
// they matter before it where they decide about more than the program.
func (s *Stack) unread(own map[string]any) (twice, ignored mistake.List) {
	literals := settings.ReadLiterals(s.Root, s.Project, s.Short())
	return literals.Twice(s.Project, &config.Config{}), append(literals.Outside(s.Project, &config.Config{}), literals.Elsewhere(s.Project, shown(own), &config.Config{})...)
}

// shown are keys of a stack's file as the engine hands them over, with a text in the place of each secret.
func shown(own map[string]any) map[string]string {
	result := map[string]string{}
	for key, value := range own {
		switch value := withoutSecrets(value).(type) {
		case nil:
			result[key] = ""
		case string:
			result[key] = value
		default:
			result[key] = settings.Show(value)
		}
	}
	return result
}

func withoutSecrets(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if _, is := value["secure"]; is && len(value) == 1 {
			return "secret"
		}
		members := map[string]any{}
		for name, member := range value {
			members[name] = withoutSecrets(member)
		}
		return members
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = withoutSecrets(element)
		}
		return list
	}
	return value
}

// nested gives a member of an object in the stack's file.
func nested(object any, key string) any { return mapping(object)[key] }

// mapping gives an object of the stack's file, which may be JSON in a text: pulumi config set writes it so.
func mapping(object any) map[string]any {
	if text, is := object.(string); is {
		_ = yaml.Unmarshal([]byte(text), &object) // JSON is YAML; the program judges what is neither
	}
	members, _ := object.(map[string]any)
	return members
}

// canSet fails if a member of a setting is JSON in a text, in which pulumi config set --path cannot set a key.
func (s *Stack) canSet(setting, name string, member any) error {
	if text, is := member.(string); is && text != "" {
		return fmt.Errorf("%s.%s in %s is a text, in which pulumi cannot set a key. Nothing was changed.\n  Fix: in the file, remove its quotation marks: %[2]s: %[4]s",
			setting, name, filepath.Base(s.File()), text)
	}
	return nil
}

// projectValue returns what an entry under config in Pulumi.yaml gives to every stack: it is a value, or a description
// of the key with a value or a default.
func projectValue(entry any) any {
	description, ok := entry.(map[string]any)
	if !ok {
		return entry
	}
	if v, ok := description["value"]; ok {
		return v
	}
	return description["default"]
}

// boolean accepts what a person writes (true) and what `pulumi config set` writes ("true").
func boolean(key string, value any, automatic bool) (bool, error) {
	switch value {
	case nil, "auto":
		return automatic, nil
	case true, "true":
		return true, nil
	case false, "false":
		return false, nil
	default:
		allowed := "true, false"
		if !strings.HasSuffix(key, ":emulated") {
			allowed = "auto, " + allowed
		}
		return false, fmt.Errorf("%s: not an allowed value (got %v)\n  Allowed: %s\n  Fix: write one of them in the file", key, value, allowed)
	}
}

func readYAML(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		cause := likelyCause(string(content))
		if strings.Contains(err.Error(), "already defined") {
			cause = "\n  Fix: write the key once, with the lines of both below it"
		}
		return fmt.Errorf("%s is not valid YAML: %w%s", path, err, cause)
	}
	return nil
}

// holdsText matches a key of a stack's file with its value on the same line.
var holdsText = regexp.MustCompile(`^(\w+): *[^ #]`)

// hasValue matches a key with a value that ends on its line.
var hasValue = regexp.MustCompile(`^(\S+): +[^ #|>].*[^,{\[ ]$`)

// likelyCause names the line that the words of the YAML package do not lead to.
func likelyCause(content string) string {
	above, levels := "", []int{0}
	given, from := "", 0 // the key of the line before, if it has a value, and its indentation
	for i, line := range strings.Split(content, "\n") {
		switch text := strings.TrimLeft(line, " \t"); {
		case text == "" || text[0] == '#':
		case strings.Contains(line[:len(line)-len(text)], "\t"):
			return fmt.Sprintf("\n  Line %d is indented with a tab. Fix: use blanks", i+1)
		case text != line && above != "":
			return fmt.Sprintf("\n  Line %d (%s) is indented, but nothing can be below the text of %s. Fix: move the line up, below the keys of config:", i+1, text, above)
		case given != "" && len(line)-len(text) > from:
			return fmt.Sprintf("\n  Line %d (%s) is indented below %s, which has its value on its own line. Fix: indent both as much as the keys beside them", i+1, text, given)
		case unlike(&levels, len(line)-len(text)):
			return fmt.Sprintf("\n  Line %d (%s) is indented by %s, unlike every line above that it could belong to. Fix: indent it as much as the keys beside it", i+1, text, screen.Count(len(line)-len(text), "blank"))
		case text == line:
			above = ""
			if key := holdsText.FindStringSubmatch(line); key != nil {
				above = key[1]
			}
		}
		if text := strings.TrimLeft(line, " \t"); text != "" && text[0] != '#' {
			given, from = "", len(line)-len(text)
			if key := hasValue.FindStringSubmatch(text); key != nil {
				given = key[1]
			}
		}
	}
	return "\n  Fix: check the indentation, the colons and the quotation marks there"
}

// unlike reports whether a line ends levels of indentation without being on the one before. It keeps the open ones.
func unlike(levels *[]int, indented int) bool {
	open := *levels
	ended := false
	for open[len(open)-1] > indented {
		open, ended = open[:len(open)-1], true
	}
	if open[len(open)-1] < indented {
		if ended {
			return true
		}
		open = append(open, indented)
	}
	*levels = open
	return false
}

// existing lists the stacks there are, as the end of an error.
func existing(root string) string {
	names := stacksIn(root)
	if len(names) == 0 {
		return ""
	}
	return ". Stacks here: " + strings.Join(names, ", ") + " (choose one by STACK=name)"
}

// stacksIn returns the names of the stacks that have a file.
func stacksIn(root string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(root, "Pulumi.*.yaml"))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml"))
	}
	return names
}
