// Package pulumitest runs a program under Pulumi's mocks and records what it
// registers. It proves what the program asks the engine for, not what the
// engine, the provider or AWS make of it.
package pulumitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/pasted"
)

// Resource is one registration.
type Resource struct {
	Type          string         `json:"type"`
	Name          string         `json:"name"`
	Parent        string         `json:"parent"` // name of the parent's type and name
	Inputs        map[string]any `json:"inputs,omitempty"`
	IgnoreChanges []string       `json:"ignoreChanges,omitempty"`
	Retained      bool           `json:"retainOnDelete,omitempty"`
	DeletedWith   string         `json:"deletedWith,omitempty"`
	DependsOn     []string       `json:"dependsOn,omitempty"`
	Aliases       int            `json:"aliases,omitempty"`
	Protect       bool           `json:"protect,omitempty"`
	DeletedFirst  bool           `json:"deleteBeforeReplace,omitempty"`
	URN           string         `json:"-"`
}

// TargetKeyARN is where every alias leads to.
const TargetKeyARN = "arn:aws:kms:us-east-2:111122223333:key/0a1b2c3d-2222-2222-2222-222222222222"

// Recorder is a mock engine and provider.
type Recorder struct {
	// Answer gives the result of a look-up by its token.
	Answer func(token string, args map[string]any) (map[string]any, error)

	mu        sync.Mutex
	resources []Resource
	calls     []string
}

// Run runs a program and gives what it registered, sorted, and its error.
func (r *Recorder) Run(t *testing.T, project, stack string, dryRun bool, program pulumi.RunFunc) ([]Resource, error) {
	t.Helper()
	err := pulumi.RunErr(program, pulumi.WithMocks(project, stack, r), func(info *pulumi.RunInfo) { info.DryRun = dryRun })
	if err != nil {
		pasted.RequireRunnable(t, err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.resources, func(a, b Resource) int { return strings.Compare(a.Type+a.Name, b.Type+b.Name) })
	for _, res := range r.resources {
		require.Equal(t, 1, count(r.resources, res.URN), "two resources would have the URN %s; the mocks do not notice, the engine refuses", res.URN)
	}
	return r.resources, err
}

// Calls are the tokens of the look-ups made, in order.
func (r *Recorder) Calls() []string { return r.calls }

// NewResource is called by the SDK for each registration.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.ReadRPC != nil {
		return r.read(args)
	}
	if args.TypeToken == "pulumi:pulumi:Stack" || strings.HasPrefix(args.TypeToken, "pulumi:providers:") {
		return args.Name, args.Inputs, nil
	}
	id := "id-of-" + args.Name
	outputs := args.Inputs.Copy()
	computed := map[string]string{
		"name": args.Name, "arn": "arn-of-" + args.Name, "bucket": args.Name, "privateIp": "10.20.0.4", "prefixListId": "pl-s3",
		"targetKeyArn": TargetKeyARN,
	}
	for key, value := range computed {
		if _, given := outputs[resource.PropertyKey(key)]; !given {
			outputs[resource.PropertyKey(key)] = resource.NewProperty(value)
		}
	}
	if prefix, ok := args.Inputs["bucketPrefix"]; ok { // the provider chooses what follows
		id = prefix.StringValue() + "1"
		outputs["bucket"] = resource.NewProperty(id)
	}
	rec := Resource{Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs.Mappable()}
	if rpc := args.RegisterRPC; rpc != nil {
		rec.Parent = short(rpc.GetParent())
		rec.IgnoreChanges = rpc.GetIgnoreChanges()
		rec.Retained = rpc.GetRetainOnDelete()
		rec.DeletedWith = short(rpc.GetDeletedWith())
		rec.Aliases = len(rpc.GetAliases()) + len(rpc.GetAliasURNs())
		rec.Protect = rpc.GetProtect()
		rec.DeletedFirst = rpc.GetDeleteBeforeReplace()
		rec.URN = urn(rpc.GetParent(), args.TypeToken, args.Name)
		for _, dependency := range rpc.GetDependencies() {
			rec.DependsOn = append(rec.DependsOn, short(dependency))
		}
		slices.Sort(rec.DependsOn)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources = append(r.resources, rec)
	return id, outputs, nil
}

// read answers a read of a resource that the program does not manage. Its token
// is the type, and its one argument the id.
func (r *Recorder) read(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	answer, err := r.Answer(args.TypeToken, map[string]any{"id": args.ID})
	return args.ID, resource.NewPropertyMapFromMap(answer), err
}

// Call is called by the SDK for each look-up.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	r.mu.Lock()
	r.calls = append(r.calls, args.Token)
	r.mu.Unlock()
	if r.Answer == nil {
		return nil, fmt.Errorf("the test has no answer for %s", args.Token)
	}
	answer, err := r.Answer(args.Token, args.Args.Mappable())
	if err != nil {
		return nil, err
	}
	return resource.NewPropertyMapFromMap(answer), nil
}

// JSON writes what was registered or exported, for a comparison with a golden file. A string that holds a JSON document,
// such as a policy, is written as {"json": DOCUMENT}, so that a diff of the file shows the statement that has changed.
func JSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	return holdsDocument.ReplaceAllStringFunc(string(text), func(line string) string {
		parts := holdsDocument.FindStringSubmatch(line)
		var document string
		require.NoError(t, json.Unmarshal([]byte(parts[3]), &document))
		if !json.Valid([]byte(document)) {
			return line
		}
		var shown bytes.Buffer
		require.NoError(t, json.Indent(&shown, []byte(`{"json":`+document+`}`), parts[1], "  "))
		return parts[1] + parts[2] + shown.String() + parts[4]
	}) + "\n"
}

// holdsDocument matches a line with a string that is an object in JSON: its indentation, its key, the string, and what follows.
var holdsDocument = regexp.MustCompile(`(?m)^( *)("[^"]*": )?("\{.*\}")(,?)$`)

// Find gives the one resource of a type and name.
func Find(t *testing.T, resources []Resource, typ, name string) Resource {
	t.Helper()
	i := slices.IndexFunc(resources, func(r Resource) bool { return r.Type == typ && r.Name == name })
	require.GreaterOrEqual(t, i, 0, "no %s named %s was registered", typ, name)
	return resources[i]
}

// Names lists type and name of what was registered.
func Names(resources []Resource) []string {
	names := make([]string, len(resources))
	for i, r := range resources {
		names[i] = r.Type + " " + r.Name
	}
	return names
}

// short keeps the last type and the name of a URN.
func short(urn string) string {
	_, rest, found := strings.Cut(urn, "::")
	if !found {
		return urn
	}
	parts := strings.SplitN(rest, "::", 3)
	if len(parts) < 3 {
		return urn
	}
	types := strings.Split(parts[1], "$")
	return types[len(types)-1] + " " + parts[2]
}

// urn is the engine's rule: it carries the types of the parents, not their names.
func urn(parent, typ, name string) string {
	parts := strings.SplitN(parent, "::", 4)
	if len(parts) == 4 && !strings.HasSuffix(parts[2], "pulumi:pulumi:Stack") {
		typ = parts[2] + "$" + typ
	}
	return typ + "::" + name
}

func count(resources []Resource, urn string) (n int) {
	for _, r := range resources {
		if r.URN == urn {
			n++
		}
	}
	return n
}
