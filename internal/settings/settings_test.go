package settings_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

type sample struct {
	Flag   bool              `json:"flag"`
	Count  int               `json:"count"`
	Text   string            `json:"text"`
	Tags   map[string]string `json:"tags"`
	List   []int             `json:"list"`
	Nested struct {
		Name string `json:"name"`
		Size int    `json:"size,omitempty"`
	} `json:"nested"`
	Things map[string]struct {
		Size int `json:"size,omitempty"`
	} `json:"things,omitempty"`
}

func valid() map[string]string {
	return map[string]string{
		"p:flag": "true", "p:count": "3", "p:text": "[not json", "p:tags": `{"a":"1","b":"2"}`, "p:list": "[1,2]",
		"p:nested": `{"name":"2024"}`, "p:things": `{"one":null,"two":{"size":"7"}}`, "aws:region": "us-east-2",
	}
}

func decode(config map[string]string, literals settings.Literals, into any) mistake.List {
	found, misread := settings.Decode("p", config, literals, nil, into)
	return append(found, misread...)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var got sample
	require.Empty(t, decode(valid(), settings.Literals{}, &got))
	require.True(t, got.Flag)
	require.Equal(t, 3, got.Count)
	require.Equal(t, "[not json", got.Text, "a text is taken as it is")
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, got.Tags)
	require.Equal(t, []int{1, 2}, got.List)
	require.Equal(t, "2024", got.Nested.Name)
	require.Equal(t, 7, got.Things["two"].Size)
	require.Contains(t, got.Things, "one")
}

// The command line can write an object or a list into a nested key only as a text.
func TestDecode_JSONText_ReadForObjects(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:things"] = `{"one":"{}","two":"{\"size\":7}"}`
	var got sample
	require.Empty(t, decode(config, settings.Literals{}, &got))
	require.Equal(t, 7, got.Things["two"].Size)
	require.Contains(t, got.Things, "one")

	for _, text := range []string{`"[]"`, `"no object"`, `"{} {}"`, `"7"`, `"{"`} {
		config["p:things"] = `{"one":` + text + `}`
		found := decode(config, settings.Literals{}, &got)
		require.Len(t, found, 1, text)
		require.Equal(t, "things.one", found[0].Key, text)
	}
}

func TestDecode_Mistakes_AllReported(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:flag"], config["p:count"], config["p:list"] = "perhaps", "1.5", `[1,"x"]`
	config["p:nested"], config["p:things"], config["p:txet"] = `{"naem":"x"}`, `{"one":[]}`, "x"
	delete(config, "p:tags")
	var got sample
	var keys []string
	for _, m := range decode(config, settings.Literals{}, &got) {
		keys = append(keys, m.Key)
		require.NotEmpty(t, m.Fix, m.Key)
	}
	require.Equal(t, []string{"txet", "flag", "count", "tags", "list[1]", "nested.naem", "nested.name", "things.one"}, keys)
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"vpcId", "subnetIds", "cidrBlock"}
	require.Equal(t, "vpcId", settings.Nearest("vpcID", known))
	require.Equal(t, "subnetIds", settings.Nearest("subnetId", known))
	require.Equal(t, "cidrBlock", settings.Nearest("cidrblok", known))
	require.Empty(t, settings.Nearest("somethingElse", known))
}

func TestPath(t *testing.T) {
	t.Parallel()
	require.Equal(t, "p:count", settings.Path("p", "count"))
	require.Equal(t, "--path 'p:nested.name'", settings.Path("p", "nested.name"))
	require.Equal(t, `--path 'p:tags["aws:team"]'`, settings.Path("p", settings.Member("tags", "aws:team")))
	require.Equal(t, `--path 'p:list[2]'`, settings.Path("p", settings.Element("list", 2)))
	require.Equal(t, `--path 'p:tags["it'\''s \"x\""]'`, settings.Path("p", settings.Member("tags", `it's "x"`)))
}

// The fix of a key that was set without --path must not remove the one that
// was set with it.
func TestDecode_KeySetWithoutPath(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"nested.name":      {"pulumi config rm 'p:nested.name'", "pulumi config set --path 'p:nested.name' x"},
		"nested.naem":      {"pulumi config rm 'p:nested.naem'", "pulumi config set --path 'p:nested.name' x"},
		"nsted.size":       {"pulumi config rm 'p:nsted.size'", "pulumi config set --path 'p:nested.size' NUMBER"},
		"tags.team":        {"pulumi config rm 'p:tags.team'", "pulumi config set --path 'p:tags.team' x"},
		"things.one.size":  {"pulumi config rm 'p:things.one.size'", "pulumi config set --path 'p:things.one.size' NUMBER"},
		"nested.elsewhere": {"pulumi config rm 'p:nested.elsewhere'"},
		"what.ever":        {"pulumi config rm 'p:what.ever'"},
	} {
		config := valid()
		config["p:"+key] = "x"
		var got sample
		found := decode(config, settings.Literals{}, &got)
		require.Len(t, found, 1, key)
		require.Equal(t, want, found[0].Fix[0].Commands)
	}
}

// literals reads how lines under config are written in a stack's file.
func literals(t *testing.T, lines string) settings.Literals {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Pulumi.test.yaml"), []byte("config:\n"+lines), 0o600))
	return settings.ReadLiterals(folder, "p", "test")
}

// What YAML changes is a mistake; what it does not change is a text, also where
// the engine hands over a number. The command line writes 2024 so.
func TestDecode_TextThatYAMLReadsAsSomethingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ written, handed, problem string }{
		{`2024`, `2024`, ""},
		{`true`, `true`, ""},
		{`1.5`, `1.5`, ""},
		{`"0123"`, `"0123"`, ""},
		{`"2026-01-31"`, `"2026-01-31"`, ""},
		{`'2026-01-31 00:00:00 +0000 UTC'`, `"2026-01-31 00:00:00 +0000 UTC"`, ""},
		{`0123`, `83`, "without quotation marks, YAML reads this as 83"},
		{`012345678901`, `12345678901`, "without quotation marks, YAML reads this as 12345678901"},
		{`2026-01-31`, `"2026-01-31 00:00:00 +0000 UTC"`, "without quotation marks, YAML reads this as 2026-01-31 00:00:00 +0000 UTC"},
		{`1.10`, `1.1`, "without quotation marks, YAML reads this as 1.1"},
		{`True`, `true`, "without quotation marks, YAML reads this as true"},
		{`1e3`, `1000`, "without quotation marks, YAML reads this as 1000"},
		{``, `83`, "a number where a text belongs; YAML may have changed it, as it reads 0123 as 83 and 1.10 as 1.1"},
		{``, `true`, "a boolean where a text belongs; YAML may have changed it, as it reads 0123 as 83 and 1.10 as 1.1"},
		{``, `"2026-01-31 00:00:00 +0000 UTC"`, "a date where a text belongs; YAML may have changed it, as it reads 0123 as 83 and 1.10 as 1.1"},
		{`"another file"`, `83`, "a number where a text belongs; YAML may have changed it, as it reads 0123 as 83 and 1.10 as 1.1"},
	} {
		read := settings.Literals{}
		if c.written != "" {
			read = literals(t, "  p:tags:\n    a: "+c.written+"\n")
		}
		config := valid()
		config["p:tags"] = `{"a":` + c.handed + `}`
		var got sample
		found := decode(config, read, &got)
		if c.problem == "" {
			require.Empty(t, found, c.written)
			continue
		}
		require.Len(t, found, 1, c.written)
		require.Equal(t, "tags.a", found[0].Key)
		require.Equal(t, c.problem, found[0].Problem)
		require.Contains(t, found[0].Allowed, "in quotation marks")
	}
}

// The same holds for a number where a number belongs, for the names of members,
// at the top level, and for what an anchor stands for.
func TestDecode_OtherValuesThatYAMLChanges(t *testing.T) {
	t.Parallel()
	config, read := valid(), literals(t, `  count: 010
  text: 0123
  p:tags: {0123: x, <<: &more {b: 1.10}}
  p:nested: {name: &number 0x10, size: 0o17}
`)
	config["p:count"], config["p:text"], config["p:tags"], config["p:nested"] = "8", "83", `{"83":"x","b":1.1}`, `{"name":16,"size":15}`
	var got sample
	var keys []string
	for _, m := range decode(config, read, &got) {
		keys = append(keys, m.Key)
	}
	require.ElementsMatch(t, []string{"count", "text", `tags.83`, "tags.b", "nested.name", "nested.size"}, keys)
}

// A user may write an object as JSON, in which nothing is changed.
func TestDecode_JSONByTheUser(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:tags"] = `{"year":2024,"ver":1.10}`
	var got sample
	require.Empty(t, decode(config, literals(t, "  p:tags: '"+config["p:tags"]+"'\n"), &got))
	require.Equal(t, map[string]string{"year": "2024", "ver": "1.10"}, got.Tags)
}

func TestLiterals_ChangedInOtherNamespaces(t *testing.T) {
	t.Parallel()
	read := literals(t, `  aws:profile: 0123
  aws:region: us-east-2
  aws:skipRegionValidation: True
  aws:allowedAccountIds: [012345678901, "012345678901", 111122223333]
  aws:defaultTags: {tags: {ver: 1.10}}
  p:text: 0123
`)
	var keys []string
	for _, m := range read.Changed("p", map[string]string{
		"aws:profile": "83", "aws:region": "us-east-2", "aws:skipRegionValidation": "true", "aws:allowedAccountIds": "[]", "aws:defaultTags": "{}", "p:text": "83",
	}) {
		keys = append(keys, m.Key)
	}
	require.Equal(t, []string{"aws:allowedAccountIds[0]", "aws:defaultTags.tags.ver", "aws:profile"}, keys)
	require.Empty(t, read.Changed("p", nil), "the config is from another file")
}

// The defaults of the project come from a file, too.
func TestReadLiterals_DefaultsOfTheProject(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Pulumi.yaml"), []byte("name: p\nruntime: go\nstackConfigDir: stacks\nconfig:\n  tags:\n    default: {ver: 1.10}\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "stacks"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "stacks", "Pulumi.test.yaml"), []byte("config:\n  text: 0123\n"), 0o600))
	config := valid()
	config["p:tags"], config["p:text"] = `{"ver":1.1}`, "83"
	var got sample
	require.Len(t, decode(config, settings.ReadLiterals(folder, "p", "test"), &got), 2)
}

// A message may end in a pipeline's log.
func TestKeysThatAreNotRead_Secrets_NotShown(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Pulumi.dev.yaml"), []byte("config:\n  asw:profile: {secure: v1:x}\n  asw:secretKey: plain\n  asw:region: us-east-2\naws:secretKey: plain\n"), 0o600))
	var into struct{}
	require.NotContains(t, settings.ReadLiterals(folder, "private-ec2-access", "dev").Outside("private-ec2-access", &into).Error(), "plain")
	found := settings.ReadLiterals(folder, "private-ec2-access", "dev").Elsewhere("private-ec2-access",
		map[string]string{"asw:profile": "decrypted", "asw:secretKey": "plain", "asw:region": "us-east-2"}, &into)
	require.Len(t, found, 3)
	require.NotContains(t, found.Error(), "decrypted")
	require.NotContains(t, found.Error(), "plain")
	require.ErrorContains(t, found.Err(), "pulumi config set aws:profile VALUE")
	require.ErrorContains(t, found.Err(), "pulumi config set aws:secretKey VALUE")
	require.ErrorContains(t, found.Err(), "pulumi config set aws:region us-east-2")
}

// A key beside config that no stack's file has is one that is misspelt, or one
// that does not exist.
func TestOutside_UnknownKeys_Reported(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Pulumi.dev.yaml"), []byte("confg:\n  size: 3\nanything: 1\nencryptionsalt: x\nenvironment: [e]\nsecretsprovider: x\nencryptedkey: x\n"), 0o600))
	var into struct {
		Size int `json:"size"`
	}
	require.EqualError(t, settings.ReadLiterals(folder, "p", "dev").Outside("p", &into).Err(), `2 mistakes in the stack's config; nothing was changed:
  1. anything: not a key of Pulumi.dev.yaml, so Pulumi ignores it (got 1)
     Fix: remove it
  2. confg: not a key of Pulumi.dev.yaml, so Pulumi ignores it (got {"size":3})
     Fix: did you mean config:?`)
}
