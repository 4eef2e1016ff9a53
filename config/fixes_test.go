package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
	"private-ec2-access/pulumitest"
)

// stack is a stack with files of its own, which are read and changed by the
// packages that the command line uses.
type stack struct {
	folder  string
	environ []string
}

// newStack writes a stack's file: the keys of an emulated stack, and lines of
// YAML under config.
func newStack(t *testing.T, lines string, environ []string) stack {
	t.Helper()
	s := stack{t.TempDir(), environ}
	project, err := os.ReadFile(filepath.Join(pulumitest.Root(t), "Pulumi.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "Pulumi.yaml"), project, 0o644))
	var own struct{ Config map[string]any }
	outside := ""
	for line := range strings.Lines(lines) {
		if line[0] >= 'a' && line[0] <= 'z' {
			break // a key that does not belong below config, and what is below it
		}
		outside += line
	}
	lines, outside = outside, strings.TrimPrefix(lines, outside)
	require.NoError(t, yaml.Unmarshal([]byte("config:\n"+lines), &own))
	for key, value := range pulumitest.LocalConfig("us-east-2") {
		if _, given := own.Config[key]; !given && own.Config[pulumitest.Project+":"+key] == nil {
			lines += fmt.Sprintf("  %s: %q\n", key, fmt.Sprint(value))
		}
	}
	require.NoError(t, os.WriteFile(s.file(), []byte("config:\n"+lines+outside), 0o644))
	return s
}

// project is read once: it is checked against a JSON schema.
var project = func() func(file string) (*workspace.Project, error) {
	var once sync.Once
	var read *workspace.Project
	var err error
	return func(file string) (*workspace.Project, error) {
		once.Do(func() { read, err = workspace.LoadProject(file) })
		return read, err
	}
}()

func (s stack) file() string { return filepath.Join(s.folder, "Pulumi.test.yaml") }

func (s stack) read(t *testing.T) (*workspace.Project, *workspace.ProjectStack) {
	t.Helper()
	project, err := project(filepath.Join(pulumitest.Root(t), "Pulumi.yaml"))
	require.NoError(t, err)
	file, err := workspace.LoadProjectStack(nil, project, s.file())
	require.NoError(t, err)
	return project, file
}

// handed is the config as the engine hands it to the program, with the defaults
// of the project: mergeConfig in pulumi/pkg's workspace/config.go does this.
func (s stack) handed(t *testing.T) string {
	t.Helper()
	project, file := s.read(t)
	for _, name := range slices.Sorted(maps.Keys(project.Config)) {
		key := pulumiconfig.MustMakeKey(pulumitest.Project, name)
		_, found, err := file.Config.Get(key, true)
		require.NoError(t, err, name)
		if found {
			continue
		}
		value := pulumiconfig.NewValue(fmt.Sprint(project.Config[name].Default))
		switch project.Config[name].Default.(type) {
		case string, int, bool:
		default:
			simple, err := workspace.SimplifyMarshalledValue(project.Config[name].Default)
			require.NoError(t, err)
			text, err := json.Marshal(simple)
			require.NoError(t, err)
			value = pulumiconfig.NewObjectValue(string(text))
		}
		require.NoError(t, file.Config.Set(key, value, true), name)
	}
	plain, err := file.Config.Decrypt(pulumiconfig.NewPanicCrypter())
	require.NoError(t, err)
	flat := map[string]string{}
	for key, value := range plain {
		flat[key.String()] = value
	}
	text, err := json.Marshal(flat)
	require.NoError(t, err)
	return string(text)
}

func (s stack) mistakes(t *testing.T) mistake.List {
	t.Helper()
	_, err := config.Load(pulumitest.Project, s.handed(t), settings.ReadLiterals(s.folder, pulumitest.Project, "test"), s.environ)
	var found mistake.List
	if err != nil {
		require.True(t, errors.As(err, &found), "%v", err)
	}
	return found
}

// run does what a command of a fix does.
func (s *stack) run(t *testing.T, command string) {
	t.Helper()
	switch name, argument, _ := strings.Cut(command, " "); name {
	case "make", "eval": // of what make prints
		s.environ = pulumitest.LocalEnvironment
	case "unset":
		s.environ = slices.DeleteFunc(slices.Clone(s.environ), func(entry string) bool { return strings.HasPrefix(entry, argument+"=") })
	case "pulumi":
		out, err := exec.Command("sh", "-c", `pulumi() { printf '%s\0' "$@"; }; `+command).Output() // a shell makes words of it
		require.NoError(t, err, command)
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		require.Equal(t, "config", words[0], command)
		s.config(t, words[1], words[2:])
	default:
		t.Fatalf("no rule for the command %s", command)
	}
}

// edit does what a user does with the lines of a fix: it removes the keys that
// the commands remove, and writes the lines.
func (s *stack) edit(t *testing.T, fix mistake.Fix) {
	t.Helper()
	for _, command := range fix.Commands {
		if strings.HasPrefix(command, "pulumi config rm ") {
			s.run(t, command)
		}
	}
	text, err := os.ReadFile(s.file())
	require.NoError(t, err)
	var file struct{ Config map[string]any }
	require.NoError(t, yaml.Unmarshal(text, &file))
	var lines map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(strings.NewReplacer("NUMBER", "2", "instanceId: VALUE", "instanceId: i-0123456789abcdef2", "NAME", "renamed").Replace(fix.Lines)), &lines))
	for key, value := range lines {
		if !strings.Contains(key, ":") {
			for written := range file.Config {
				if written == key {
					delete(file.Config, key)
				}
			}
			key = pulumitest.Project + ":" + key
		}
		file.Config[key] = merge(file.Config[key], value)
	}
	text, err = yaml.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.file(), text, 0o644))
}

func merge(into, from any) any {
	a, mapping := into.(map[string]any)
	b, both := from.(map[string]any)
	if !mapping || !both {
		return from
	}
	for key, value := range b {
		a[key] = merge(a[key], value)
	}
	return a
}

// config does what pulumi config does: ParseConfigKey and configSetCmd.Run in
// pulumi/pkg's cmd/pulumi/config.
func (s *stack) config(t *testing.T, verb string, words []string) {
	t.Helper()
	_, file := s.read(t)
	kind, path := pulumiconfig.Type(pulumiconfig.TypeUnknown), false
	for strings.HasPrefix(words[0], "--") {
		switch words[0] {
		case "--path":
			path = true
		case "--type":
			require.Equal(t, "string", words[1])
			kind, words = pulumiconfig.TypeString, words[1:]
		default:
			t.Fatalf("no rule for the flag %s", words[0])
		}
		words = words[1:]
	}
	namespace, name, found := strings.Cut(words[0], ":")
	require.True(t, found, "%s has no namespace", words[0])
	key := pulumiconfig.MustMakeKey(namespace, name)
	switch verb {
	case "set":
		require.Len(t, words, 2)
		require.NoError(t, file.Config.Set(key, pulumiconfig.NewTypedValue(words[1], kind), path))
	case "rm":
		require.Len(t, words, 1)
		before, found, err := file.Config.Get(key, path)
		require.NoError(t, err)
		require.True(t, found, "%s removes what is not there: %v", words[0], before)
		require.NoError(t, file.Config.Remove(key, path))
	default:
		t.Fatalf("no rule for pulumi config %s", verb)
	}
	require.NoError(t, file.Save(s.file()))
}

// valid are values that fit a key where its default does not, by the key or by
// the case and the key.
var valid = map[string]string{
	"instanceId":                                   "i-0123456789abcdef2",
	"existing-instances/existingInstances.b":       `{"instanceId": "i-0123456789abcdef3"}`,
	"existing-instances/existingInstances.d":       `{"instanceId": "i-0123456789abcdef4"}`,
	"existing-instances/existingInstances.renamed": `{"instanceId": "i-0123456789abcdef5"}`,

	"endpoints.existing.ssm":                "vpce-0123456789abcdef0",
	"keepRecords":                           "true",
	"region":                                "us-east-2",
	"logging.objectLockDays":                "30",
	"logging.kmsKeyArn":                     keyOfOurs,
	"instances":                             `{"app": {}}`,
	"tags":                                  `{"team": "web"}`,
	"network.subnetIds":                     `["subnet-0aaaaaaaaaaaaaaaa"]`,
	"imageId":                               "ami-0123456789abcdef0",
	"imageParameter":                        "/app/image",
	"subnetIndex":                           "0",
	"count":                                 "5",
	"renamed":                               "x",
	"fleet-machine/fleets.web.instanceType": "t3.nano",
	"instance-tags-too-many/instances.app.tags": `{"team": "web"}`,
	"architecture": "arm64",
	"instanceType": "t4g.nano",
	"volumeSize":   "8",
	"device":       "/dev/sdg",
	"size":         "125",
	"type":         "gp3",

	"operators.renamed":                    "{}",
	"operators.dba.instances[0]":           "i-0123456789abcdef1",
	"operators.dba.maxSessionDuration":     "3600",
	"operators.dba.principals[0]":          "arn:aws:iam::111122223333:user/ana",
	"operators.dba.portForwarding.renamed": `{"host": "db.internal", "port": 5432}`,
	"mfa":                                  "true",
	"notBefore":                            "2026-01-01T00:00:00Z",
	"notAfter":                             "2027-01-01T00:00:00Z",
	"host":                                 "db.internal",
	"port":                                 "5432",
	"auditors.principals[0]":               "arn:aws:iam::111122223333:user/eve",
	"breakGlass.principals[0]":             "arn:aws:iam::111122223333:user/ana",
	"people.exemptRoleArns[0]":             "arn:aws:iam::111122223333:role/deploy",
	"people.exemptRoleArns[1]":             "arn:aws:iam::111122223333:role/admin",
	"people.otherDocumentArns[0]":          "arn:aws:ssm:us-east-2:111122223333:document/other",

	"architecture-of-another-type/instance.instanceType": "t3.nano",
	"logging.earlierLocations[0]":                        "s3://logs/b",
	"logging.earlierKmsKeyArns[1]":                       keyOfOurs,
	"network.subnetIds[0]":                               "subnet-0aaaaaaaaaaaaaaaa",
	"network.vpcId":                                      "vpc-0123456789abcdef0",
	"alerts.emails[0]":                                   "team@example.com",
	"alerts.events[0]":                                   "sessions",
	"alerts.topicArn":                                    "arn:aws:sns:us-east-2:111122223333:ops",
	"emulated-not-a-boolean/emulated":                    "true",
}

// target is the key in a command.
var target = regexp.MustCompile(`(?:private-ec2-access|aws):([^ ]+?)'? `)

// fill replaces the placeholders of a command.
func fill(t *testing.T, name, command string) string {
	t.Helper()
	command = strings.NewReplacer(".NAME", ".renamed", "network.KEY'", "network.cidrBlock'").Replace(command)
	match := target.FindStringSubmatch(command)
	if match == nil {
		return command
	}
	key := match[1]
	value, last := fmt.Sprint(pulumitest.Keys(t)[key].Default), key[strings.LastIndex(key, ".")+1:]
	switch {
	case strings.HasPrefix(key, "tags") && key != "tags":
		value = "web"
	}
	for _, known := range []string{last, key, name + "/" + key} {
		if v, ok := valid[known]; ok {
			value = v
		}
	}
	words := strings.Fields(command)
	if strings.HasPrefix(key, "instances.") && strings.Count(key, ".") == 1 {
		value = "{}"
	}
	switch last := len(words) - 1; words[last] {
	case "VALUE", "NUMBER", "REGION", "VPC", "SUBNET", "'{…}'", "'[…]'":
		words[last] = settings.Quote(value)
	}
	return strings.Join(words, " ")
}

// Every fix that a mistake names is run, by itself and with its placeholders
// filled in: the mistake is gone, and there is no other in its place.
func TestFixes_EachAlone_RemovesItsMistake(t *testing.T) {
	t.Parallel()
	type situation struct {
		lines   string
		environ []string
	}
	situations := map[string]situation{}
	for name, own := range mistakes {
		nested := map[string]any{}
		for key, value := range own {
			pulumitest.Set(nested, key, value)
		}
		var text strings.Builder
		encoder := yaml.NewEncoder(&text)
		encoder.SetIndent(2)
		require.NoError(t, encoder.Encode(map[string]any{"config": nested}))
		situations[name] = situation{strings.TrimPrefix(text.String(), "config:\n"), pulumitest.LocalEnvironment}
	}
	for name, lines := range written {
		situations[name] = situation{lines, pulumitest.LocalEnvironment}
	}
	maps.Copy(situations, map[string]situation{
		"emulated-without-an-emulator":    {"", nil},
		"emulated-with-an-address-of-aws": {"", []string{"AWS_ENDPOINT_URL=https://ec2.us-east-2.amazonaws.com"}},
		"emulated-with-one-service-elsewhere": {"", append(slices.Clone(pulumitest.LocalEnvironment), "AWS_ENDPOINT_URL_SSM=https://ssm.us-east-2.amazonaws.com",
			"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true")},
		"emulated-with-a-real-account": {"  aws:accessKey: AKIAXXXXXXXXXXXXXXXX\n  aws:profile: prod\n", []string{pulumitest.LocalEnvironment[0],
			"AWS_ACCESS_KEY_ID=AKIAXXXXXXXXXXXXXXXX", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x"}},
		"emulated-without-the-secret-key": {"  aws:accessKey: test\n  aws:secretKey: test\n", pulumitest.LocalEnvironment[:2]},
		"real-with-settings-of-another":   {"  private-ec2-access:emulated: false\n  aws:endpoints: '[{\"ec2\":\"http://localhost:1\"}]'\n", []string{"AWS_ENDPOINT_URL=http://localhost:1", "AWS_ACCESS_KEY_ID=test"}},
	})
	for name, s := range situations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := newStack(t, s.lines, s.environ).mistakes(t)
			require.NotEmpty(t, before)
			for i, m := range before {
				require.NotEmpty(t, m.Fix, m.Key)
				for _, fix := range m.Fix {
					require.NotEmpty(t, fix.Commands, "%s has a fix without a command: %s", m.Key, fix.Text)
					fixed := newStack(t, s.lines, s.environ)
					for _, command := range fix.Commands {
						fixed.run(t, fill(t, name, command))
					}
					others := slices.Delete(slices.Clone(before), i, i+1)
					requireFixed := func(fixed stack) {
						for _, left := range fixed.mistakes(t) {
							text, err := os.ReadFile(fixed.file())
							require.NoError(t, err)
							require.True(t, slices.ContainsFunc(others, func(o mistake.Mistake) bool { return o.Problem == left.Problem }),
								"after the fix %v of\n%s\nthere is\n%s\nin\n%s", fix.Commands, m, left, text)
						}
					}
					requireFixed(fixed)
					if fix.Lines != "" {
						edited := newStack(t, s.lines, s.environ)
						edited.edit(t, fix)
						requireFixed(edited)
					}
				}
			}
		})
	}
}

// The fix of a misspelt key leaves the values of the right one, and of the other keys, as they are.
func TestFixes_RightKeyHasAValueToo_Stays(t *testing.T) {
	t.Parallel()
	s := newStack(t, besideTheRightKey, pulumitest.LocalEnvironment)
	for _, m := range s.mistakes(t) {
		require.Len(t, m.Fix, 1, m.Key)
		for _, command := range m.Fix[0].Commands {
			s.run(t, command)
		}
	}
	require.Empty(t, s.mistakes(t))
	text, err := os.ReadFile(s.file())
	require.NoError(t, err)
	var file struct{ Config map[string]any }
	require.NoError(t, yaml.Unmarshal(text, &file))
	for key, want := range map[string]any{
		"keepRecords": "refuse",
		"tags":        map[string]any{"environment": "try", "team": "web", "cost": "a"},
		"network":     map[string]any{"cidrBlock": "10.30.0.0/16", "availabilityZoneCount": 3},
	} {
		require.Equal(t, want, file.Config[pulumitest.Project+":"+key], key)
	}
}
