package standin

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProperties_MatchSDK compares every input and output that the Go SDK knows with the bridge's schema: one that is
// named otherwise, or is a list on one side only, would be lost on the way.
func TestProperties_MatchSDK(t *testing.T) {
	_, schema := realProvider(t)
	sdk := newSDKSources(t)
	for _, tok := range served {
		if strings.Contains(tok, "/get") {
			continue
		}
		t.Run(tok, func(t *testing.T) {
			bridge, err := bridgeToken(tok)
			require.NoError(t, err)
			resource, ok := schema.Resources[bridge]
			require.True(t, ok, "the bridge serves no resource %s", bridge)
			module, name, _ := parseToken(tok)
			pkg := sdk.module(t, module)
			require.FileExists(t, filepath.Join(pkg.dir, name+".go"))
			require.Empty(t, pkg.differences(t, schema, "", sdkProperties[tok], pkg.structs[name+"Args"], resource.InputProperties))
			require.Empty(t, pkg.differences(t, schema, "", sdkProperties[tok], pkg.structs[name+"State"], resource.Properties))
		})
	}
	for _, tok := range served {
		if !strings.Contains(tok, "/get") {
			continue
		}
		t.Run(tok, func(t *testing.T) {
			bridge, err := bridgeToken(tok)
			require.NoError(t, err)
			function, ok := schema.Functions[bridge]
			require.True(t, ok, "the bridge serves no function %s", bridge)
			module, name, _ := parseToken(tok)
			pkg := sdk.module(t, module)
			// The SDK calls a function LookupVpc where there is a resource Vpc, and GetVpc otherwise.
			args, result := "Args", "Result"
			prefix := "Lookup" + strings.TrimPrefix(name, "get")
			if pkg.structs[prefix+result] == nil {
				prefix = "Get" + strings.TrimPrefix(name, "get")
			}
			require.NotNil(t, pkg.structs[prefix+result])
			if pkg.structs[prefix+args] != nil {
				require.Empty(t, pkg.differences(t, schema, "", nil, pkg.structs[prefix+args], function.Inputs.Properties))
			}
			require.Empty(t, pkg.differences(t, schema, "", nil, pkg.structs[prefix+result], function.Outputs.Properties))
		})
	}
}

// sdkSources reads the pulumi-aws sources; to compile them would cost minutes and gigabytes.
type sdkSources struct {
	dir     string
	modules map[string]*sdkModule
}

type sdkModule struct {
	dir     string
	structs map[string]*ast.StructType
}

func newSDKSources(t *testing.T) *sdkSources {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/pulumi/pulumi-aws/sdk/v6@v"+Version)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	return &sdkSources{dir: filepath.Join(module.Dir, "go", "aws"), modules: map[string]*sdkModule{}}
}

func (s *sdkSources) module(t *testing.T, name string) *sdkModule {
	t.Helper()
	if m := s.modules[name]; m != nil {
		return m
	}
	m := &sdkModule{dir: filepath.Join(s.dir, name), structs: map[string]*ast.StructType{}}
	if name == "index" {
		m.dir = s.dir
	}
	files, err := filepath.Glob(filepath.Join(m.dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				for _, spec := range d.Specs {
					if typ, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
						m.structs[spec.(*ast.TypeSpec).Name.Name] = typ
					}
				}
			}
		}
	}
	s.modules[name] = m
	return m
}

// differences lists what the SDK's struct has and the bridge's properties do not have in the same shape.
func (m *sdkModule) differences(
	t *testing.T, s *schema, path string, table properties, typ *ast.StructType, bridge map[string]typeSpec,
) []string {
	require.NotNil(t, typ)
	known := sdkView(table, bridge)
	var differences []string
	for _, field := range typ.Fields.List {
		if field.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		require.NoError(t, err)
		name := reflect.StructTag(tag).Get("pulumi")
		if name == "" {
			continue
		}
		at := joinPath(path, name)
		if property, ok := known[name]; ok {
			differences = append(differences, m.typeDifferences(t, s, at, table[name].nested, field.Type, property)...)
		} else {
			differences = append(differences, at+": not in the bridge")
		}
	}
	return differences
}

func (m *sdkModule) typeDifferences(
	t *testing.T, s *schema, path string, table properties, sdk ast.Expr, bridge typeSpec,
) []string {
	if pointer, ok := sdk.(*ast.StarExpr); ok {
		sdk = pointer.X
	}
	switch sdk := sdk.(type) {
	case *ast.ArrayType:
		if bridge.Items == nil {
			return []string{fmt.Sprintf("%s: a list in the SDK, %s%s in the bridge", path, bridge.Type, bridge.Ref)}
		}
		return m.typeDifferences(t, s, path+"[]", table, sdk.Elt, *bridge.Items)
	case *ast.MapType:
		if bridge.Type != "object" {
			return []string{fmt.Sprintf("%s: a map in the SDK, %s%s in the bridge", path, bridge.Type, bridge.Ref)}
		}
	case *ast.Ident:
		if nested := m.structs[sdk.Name]; nested != nil {
			object := s.object(bridge)
			if object == nil {
				return []string{fmt.Sprintf("%s: an object in the SDK, %s%s in the bridge", path, bridge.Type, bridge.Ref)}
			}
			return m.differences(t, s, path, table, nested, object)
		}
		// The bridge does not tell whole numbers from others.
		want := map[string]string{"string": "string", "bool": "boolean", "int": "number", "float64": "number"}[sdk.Name]
		if bridge.Type != want {
			return []string{fmt.Sprintf("%s: %s in the SDK, %s%s in the bridge", path, sdk.Name, bridge.Type, bridge.Ref)}
		}
	case *ast.InterfaceType: // a name or a resource, a JSON text or a document: text for the bridge
		if bridge.Type != "string" {
			return []string{fmt.Sprintf("%s: anything in the SDK, %s%s in the bridge", path, bridge.Type, bridge.Ref)}
		}
	default:
		return []string{fmt.Sprintf("%s: this test does not know the SDK's type %T", path, sdk)}
	}
	return nil
}
