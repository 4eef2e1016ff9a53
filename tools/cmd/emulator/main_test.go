package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// Only its user can read the file with the secret, also where one that everybody can read is left of an earlier start.
func TestWriteState_Secret_OnlyForUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "emulator.json")
	for _, name := range []string{path, path + ".new"} {
		require.NoError(t, os.WriteFile(name, []byte("of an earlier start"), 0o644))
		require.NoError(t, os.Chmod(name, 0o666)) // whatever the umask is
	}
	require.NoError(t, writeState(path, new(emulator.Emulator)))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	written := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &written))
	assert.Contains(t, written, "secret")
	assert.NoFileExists(t, path+".new")
}
