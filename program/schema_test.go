package program

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// sessionSchema compiles the schema of a session document, which is kept as
// data and knows nothing of the Go type.
func sessionSchema(t *testing.T) func(content string) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "internal", "session", "testdata", "schema.json"))
	require.NoError(t, err)
	return func(content string) error {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(content))
		if err != nil {
			return err
		}
		return schema.Validate(document)
	}
}
