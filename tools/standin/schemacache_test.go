package standin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
)

// testCache returns a cache for the schema of a bridge, for which the test program stands in.
func testCache(t *testing.T, path string) schemaCache {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cache := newSchemaCache(path, self)
	require.NotEmpty(t, cache.key)
	return cache
}

func TestSchemaCache_GeneratesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "schema")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	generated := 0
	generate := func() (string, error) { generated++; return "{\n}", nil }
	for range 3 {
		schema, err := testCache(t, path).get(generate)
		require.NoError(t, err)
		require.Equal(t, "{\n}", schema)
	}
	require.Equal(t, 1, generated)
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "temporary files are removed")
}

func TestSchemaCache_StaleOrCorruptFileIsReplaced(t *testing.T) {
	write := func(change func(content string) string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(change(string(content))), 0o600))
		}
	}
	for name, damage := range map[string]func(t *testing.T, path string){
		"empty":        write(func(string) string { return "" }),
		"cut off":      write(func(content string) string { return content[:len(content)-1] }),
		"one byte":     write(func(content string) string { return strings.Replace(content, "old", "odd", 1) }),
		"without line": write(func(content string) string { return strings.ReplaceAll(content, "\n", "") }),
		"a folder": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
		"other resources": func(t *testing.T, _ string) {
			before := included
			included = append([]string{"aws_new"}, included...)
			t.Cleanup(func() { included = before })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "schema")
			_, err := testCache(t, path).get(func() (string, error) { return `{"old": 1}`, nil })
			require.NoError(t, err)
			damage(t, path)
			schema, err := testCache(t, path).get(func() (string, error) { return `{"new": 2}`, nil })
			require.NoError(t, err)
			require.Equal(t, `{"new": 2}`, schema)
			if name == "a folder" {
				return // it cannot be replaced; the schema is generated every time
			}
			schema, err = testCache(t, path).get(func() (string, error) { return "", errors.New("generated again") })
			require.NoError(t, err)
			require.Equal(t, `{"new": 2}`, schema)
		})
	}
}

func TestSchemaCache_KeyHasBridgeProviderAndResources(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	key := newSchemaCache("schema", self).key
	require.Contains(t, key, terraformVersion)
	require.Contains(t, key, "private-ec2-access/tools", "the bridge's module and those that it was built from")
	require.Contains(t, key, "\naws_vpc_endpoint\n")
}

func TestSchemaCache_FailureIsNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schema")
	_, err := testCache(t, path).get(func() (string, error) { return "", errors.New("no schema") })
	require.EqualError(t, err, "no schema")
	require.NoFileExists(t, path)
}

func TestSchemaCache_UnknownBridgeIsNotCached(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schema")
	script := filepath.Join(t.TempDir(), "terraform-bridge")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700))
	_, err := newSchemaCache(path, script).get(func() (string, error) { return "{}", nil })
	require.NoError(t, err)
	require.NoFileExists(t, path)
}

// The bridge answers Check, Invoke and CheckConfig also when it was never asked for its schema.
func TestSchemaCache_BridgeWorksWithCachedSchema(t *testing.T) {
	first, _ := realProvider(t)
	text, err := first.bridge.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "schema")
	cache := newSchemaCache(path, os.Getenv("STANDIN_BRIDGE"))
	require.NoError(t, writeFile(path, cache.checksum(text.Schema)+"\n"+text.Schema))

	bridge, err := StartBridge(t.Context(), BridgeConfig{
		Path: os.Getenv("STANDIN_BRIDGE"), Mirror: os.Getenv("STANDIN_MIRROR"), SchemaCache: path, Stderr: os.Stderr,
	})
	require.NoError(t, err)
	t.Cleanup(bridge.Stop)
	typ := "aws:ec2/vpc:Vpc"
	resp, err := NewProvider(bridge).Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: "urn:pulumi:dev::proj::" + typ + "::r", Type: typ, News: object(t, m{"cidrBlock": "10.0.0.0/16"}),
	})
	require.NoError(t, err)
	require.Empty(t, resp.Failures)
	require.Equal(t, "10.0.0.0/16", resp.Inputs.AsMap()["cidrBlock"])
}
