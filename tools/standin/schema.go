package standin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// schema is the part of a Pulumi package schema that names inputs and outputs.
type schema struct {
	Provider  resourceSpec            `json:"provider"`
	Resources map[string]resourceSpec `json:"resources"`
	Functions map[string]functionSpec `json:"functions"`
	Types     map[string]objectSpec   `json:"types"`
}

type resourceSpec struct {
	InputProperties map[string]typeSpec `json:"inputProperties"`
	Properties      map[string]typeSpec `json:"properties"`
}

type functionSpec struct {
	Inputs  objectSpec `json:"inputs"`
	Outputs objectSpec `json:"outputs"`
}

type objectSpec struct {
	Properties map[string]typeSpec `json:"properties"`
}

type typeSpec struct {
	Type  string    `json:"type"`
	Ref   string    `json:"$ref"`
	Items *typeSpec `json:"items"`
}

func parseSchema(text string) (*schema, error) {
	var s schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("the bridge's schema is not valid JSON: %w", err)
	}
	return &s, nil
}

// object returns the properties of the object type that t refers to, nil for every other type.
func (s *schema) object(t typeSpec) map[string]typeSpec {
	if name, ok := strings.CutPrefix(t.Ref, "#/types/"); ok {
		return s.Types[name].Properties
	}
	return nil
}

// sdkView returns the bridge's properties under the SDK's names and in the SDK's shapes.
func sdkView(differences properties, bridge map[string]typeSpec) map[string]typeSpec {
	toSDK := differences.inverted()
	view := make(map[string]typeSpec, len(bridge))
	for name, t := range bridge {
		p := toSDK[name]
		switch {
		case p.shape == wrapped: // a list for the SDK
			item := t
			t = typeSpec{Type: "array", Items: &item}
		case p.shape == unwrapped && t.Items != nil: // an object for the SDK
			t = *t.Items
		}
		view[p.otherName(name)] = t
	}
	return view
}

// unknownInputs returns one failure for each input, nested ones too, that is not among the bridge's properties; those
// are dropped by the bridge silently. Maps with free keys, such as tags, are not looked into, and neither are
// keys that begin with "__", which belong to the engine and the bridge. The inputs are the SDK's, typ is the SDK's type
// or function, and the differences are the type's.
func (s *schema) unknownInputs(
	typ string, differences properties, bridge map[string]typeSpec, inputs *structpb.Struct,
) []*pulumirpc.CheckFailure {
	return s.unknownIn(typ, "", differences, bridge, inputs)
}

func (s *schema) unknownIn(
	typ, path string, differences properties, bridge map[string]typeSpec, inputs *structpb.Struct,
) []*pulumirpc.CheckFailure {
	known := sdkView(differences, bridge)
	var failures []*pulumirpc.CheckFailure
	for _, name := range slices.Sorted(maps.Keys(inputs.GetFields())) {
		if strings.HasPrefix(name, "__") {
			continue
		}
		at := joinPath(path, name)
		t, ok := known[name]
		if !ok {
			failures = append(failures, &pulumirpc.CheckFailure{Property: at, Reason: unknownReason(typ, path, name, known)})
			continue
		}
		failures = append(failures, s.unknownInValue(typ, at, differences[name].nested, t, inputs.Fields[name])...)
	}
	return failures
}

func (s *schema) unknownInValue(
	typ, path string, differences properties, t typeSpec, v *structpb.Value,
) []*pulumirpc.CheckFailure {
	if object := v.GetStructValue(); object != nil {
		// A secret, an output, an asset or a resource travels as an object with a signature.
		if _, signed := object.Fields[sig.Key]; signed {
			if wrapped, ok := object.Fields["value"]; ok {
				return s.unknownInValue(typ, path, differences, t, wrapped)
			}
			return nil
		}
		if nested := s.object(t); nested != nil {
			return s.unknownIn(typ, path, differences, nested, object)
		}
		return nil
	}
	var failures []*pulumirpc.CheckFailure
	if t.Items != nil {
		for i, item := range v.GetListValue().GetValues() {
			failures = append(failures, s.unknownInValue(typ, path+"["+strconv.Itoa(i)+"]", differences, *t.Items, item)...)
		}
	}
	return failures
}

func unknownReason(typ, path, name string, properties map[string]typeSpec) string {
	owner := typ
	if path != "" {
		owner += ", property " + path + ","
	}
	if len(properties) == 0 {
		return fmt.Sprintf("%s has no input %q; it has no inputs at all", owner, name)
	}
	names := slices.Sorted(maps.Keys(properties))
	slices.SortStableFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	return fmt.Sprintf("%s has no input %q. Its inputs, nearest name first: %s. "+
		"(The stand-in for the AWS plugin refuses inputs that its provider would ignore silently.)",
		owner, name, strings.Join(names, ", "))
}

// distance takes upper case for the lower: a property is misspelt in its case more often than in its letters.
func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
