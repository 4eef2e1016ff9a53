package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
		"p:flag": "true", "p:count": "3", "p:text": "[not json", "p:tags": `{"a":"1","b":2}`, "p:list": "[1,2]",
		"p:nested": `{"name":2024}`, "p:things": `{"one":null,"two":{"size":"7"}}`, "aws:region": "us-east-2",
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var got sample
	require.Empty(t, settings.Decode("p", valid(), &got))
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
func TestATextThatIsJSONIsReadWhereItIsDue(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:things"] = `{"one":"{}","two":"{\"size\":7}"}`
	var got sample
	require.Empty(t, settings.Decode("p", config, &got))
	require.Equal(t, 7, got.Things["two"].Size)
	require.Contains(t, got.Things, "one")

	for _, text := range []string{`"[]"`, `"no object"`, `"{} {}"`, `"7"`, `"{"`} {
		config["p:things"] = `{"one":` + text + `}`
		found := settings.Decode("p", config, &got)
		require.Len(t, found, 1, text)
		require.Equal(t, "things.one", found[0].Key, text)
	}
}

func TestEveryMistakeIsFoundInOnePass(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:flag"], config["p:count"], config["p:list"] = "perhaps", "1.5", `[1,"x"]`
	config["p:nested"], config["p:things"], config["p:txet"] = `{"naem":"x"}`, `{"one":[]}`, "x"
	delete(config, "p:tags")
	var got sample
	var keys []string
	for _, m := range settings.Decode("p", config, &got) {
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
}

// The fix of a key that was set without --path must not remove the one that
// was set with it.
func TestAKeySetWithoutPath(t *testing.T) {
	t.Parallel()
	config := valid()
	config["p:nested.name"], config["p:what.ever"] = "x", "y"
	var got sample
	found := settings.Decode("p", config, &got)
	require.Len(t, found, 2)
	require.Equal(t, "a key with a dot needs --path. pulumi config rm 'p:nested.name', then: pulumi config set --path 'p:nested.name' VALUE", found[0].Fix)
	require.Equal(t, "pulumi config rm 'p:what.ever'", found[1].Fix)
}
