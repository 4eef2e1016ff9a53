package standin

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"github.com/stretchr/testify/require"
)

const testSchema = `{
	"resources": {"aws:index/thing:Thing": {"inputProperties": {
		"name": {"type": "string"},
		"tags": {"type": "object", "additionalProperties": {"type": "string"}},
		"root": {"$ref": "#/types/aws:index/Root:Root"},
		"rules": {"type": "array", "items": {"$ref": "#/types/aws:index/Rule:Rule"}}
	}}},
	"types": {
		"aws:index/Root:Root": {"properties": {"size": {"type": "number"}, "encrypted": {"type": "boolean"}}},
		"aws:index/Rule:Rule": {"properties": {"filters": {"type": "array", "items": {"$ref": "#/types/aws:index/Root:Root"}}}}
	}
}`

func TestUnknownInputs(t *testing.T) {
	schema, err := parseSchema(testSchema)
	require.NoError(t, err)
	inputs := schema.Resources["aws:index/thing:Thing"].InputProperties
	differences := properties{"rules": {nested: properties{"filter": {name: "filters", shape: wrapped}}}}

	for name, tc := range map[string]struct {
		inputs m
		want   []string // the failures' properties
	}{
		"all known":                      {inputs: m{"name": "n", "root": m{"size": 1}, "rules": l{m{"filter": m{"size": 1}}}}},
		"free keys and the engine's own": {inputs: m{"tags": m{"any": "x"}, "__defaults": l{}, "root": m{"__defaults": l{}}}},
		"unknown and null values":        {inputs: m{"root": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "rules": nil}},
		"at the top":                     {inputs: m{"nam": "n"}, want: []string{"nam"}},
		"in an object":                   {inputs: m{"root": m{"sise": 1}}, want: []string{"root.sise"}},
		"in a list":                      {inputs: m{"rules": l{m{}, m{"x": 1}}}, want: []string{"rules[1].x"}},
		"in a secret": {
			inputs: m{"root": m{sig.Key: sig.Secret, "value": m{"sise": 1}}}, want: []string{"root.sise"},
		},
		"under the bridge's name": {inputs: m{"rules": l{m{"filters": l{}}}}, want: []string{"rules[0].filters"}},
		"in a translated object":  {inputs: m{"rules": l{m{"filter": m{"sise": 1}}}}, want: []string{"rules[0].filter.sise"}},
		"several":                 {inputs: m{"b": 1, "a": 1}, want: []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, failure := range schema.unknownInputs("aws:x/thing:Thing", differences, inputs, object(t, tc.inputs)) {
				got = append(got, failure.Property)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestUnknownInputs_NamesNearestFirst(t *testing.T) {
	schema, err := parseSchema(testSchema)
	require.NoError(t, err)
	inputs := schema.Resources["aws:index/thing:Thing"].InputProperties

	failures := schema.unknownInputs("aws:x/thing:Thing", nil, inputs, object(t, m{"root": m{"encrypt": true}}))
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].Reason, `aws:x/thing:Thing, property root, has no input "encrypt"`)
	require.Contains(t, failures[0].Reason, "nearest name first: encrypted, size")
}
