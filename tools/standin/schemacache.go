package standin

import (
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// schemaCache is a file with the bridge's schema, which takes the bridge about two seconds to generate.
//
// The file begins with a line that holds the checksum of key and schema, so that a damaged file and one of another bridge,
// provider or tokens.txt are told in the same way. Such a file is written anew.
type schemaCache struct {
	path, key string
}

// newSchemaCache returns the cache in a file for the schema that a bridge's executable generates. Without a file, or for an
// executable that does not say how it was built, it returns a cache that holds nothing.
func newSchemaCache(path, bridge string) schemaCache {
	info, err := buildinfo.ReadFile(bridge)
	if path == "" || err != nil {
		return schemaCache{}
	}
	return schemaCache{path: path, key: strings.Join(append([]string{terraformProvider, terraformVersion, info.String()}, included...), "\n")}
}

func (c schemaCache) checksum(schema string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(c.key+"\n\n"+schema)))
}

// get returns the schema, or gets it from the bridge and keeps it.
func (c schemaCache) get(generate func() (string, error)) (string, error) {
	if c.path == "" {
		return generate()
	}
	if content, err := os.ReadFile(c.path); err == nil {
		if sum, schema, _ := strings.Cut(string(content), "\n"); sum == c.checksum(schema) {
			return schema, nil
		}
	}
	schema, err := generate()
	if err == nil {
		// Where it cannot be kept, in a folder that is read-only for example, the next start takes longer.
		_ = writeFile(c.path, c.checksum(schema)+"\n"+schema)
	}
	return schema, err
}

// writeFile replaces a file in one step, so that no other process reads half of it.
func writeFile(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(content); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
