package pulumitest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// Project is the project's name in Pulumi.yaml.
const Project = "private-ec2-access"

// Root is the folder of Pulumi.yaml, above the test's own.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(folder, "Pulumi.yaml")); err == nil {
			return folder
		}
		require.NotEqual(t, filepath.Dir(folder), folder, "no Pulumi.yaml above the test")
		folder = filepath.Dir(folder)
	}
}

// Key is a config key as Pulumi.yaml describes it.
type Key struct {
	Description string `yaml:"description"`
	Default     any    `yaml:"default"`
}

// Keys are the project's config keys.
func Keys(t testing.TB) map[string]Key {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), "Pulumi.yaml"))
	require.NoError(t, err)
	var project struct {
		Config map[string]Key `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &project))
	maps.DeleteFunc(project.Config, func(key string, _ Key) bool {
		return strings.Contains(key, ":") // not the project's: `pulumi new` notes its template there
	})
	return project.Config
}

// Defaults are the defaults of Pulumi.yaml, merged with a stack's own keys as
// the engine does it: a key with dots is a path into an object.
func Defaults(t testing.TB, own map[string]any) map[string]any {
	t.Helper()
	keys := Keys(t)
	config := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		Set(config, key, keys[key].Default)
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		Set(config, key, own[key])
	}
	return config
}

// Set gives a key a value; a key with dots is a path into an object.
func Set(config map[string]any, key string, value any) {
	group, rest, nested := strings.Cut(key, ".")
	if !nested || strings.Contains(key, ":") {
		config[key] = value
		return
	}
	object, _ := config[group].(map[string]any)
	if object == nil {
		object = map[string]any{}
		config[group] = object
	}
	Set(object, rest, value)
}

// StackConfig is a stack's config as the engine hands it to the program.
func StackConfig(t testing.TB, config map[string]any) string {
	t.Helper()
	flat := map[string]string{}
	for key, value := range config {
		if !strings.Contains(key, ":") {
			key = Project + ":" + key
		}
		if s, ok := value.(string); ok {
			flat[key] = s
			continue
		}
		text, err := json.Marshal(value)
		require.NoError(t, err)
		flat[key] = string(text)
	}
	text, err := json.Marshal(flat)
	require.NoError(t, err)
	return string(text)
}

// LocalEnvironment is the environment of an emulated stack.
var LocalEnvironment = []string{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=of-this-start"}

// LocalConfig are the keys of an emulated stack in a Region.
func LocalConfig(region string) map[string]any {
	return map[string]any{
		"emulated": true, "aws:region": region, "aws:s3UsePathStyle": "true", "aws:skipCredentialsValidation": "true",
	}
}

// With is base with more keys.
func With(base map[string]any, more map[string]any) map[string]any {
	merged := maps.Clone(base)
	maps.Copy(merged, more)
	return merged
}
