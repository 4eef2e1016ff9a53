package sessions

import (
	"encoding/json"
	"fmt"
	"strings"
)

// outputs are the stack's outputs that the commands work on.
type outputs struct {
	Region              string            `json:"region"`
	InstanceIDs         map[string]string `json:"instanceIds"`
	SessionDocument     string            `json:"sessionDocument"`
	LogLocation         string            `json:"logLocation"`
	KeptLogBuckets      []string          `json:"keptLogBuckets"`
	InstanceProfileName string            `json:"instanceProfileName"`
	RoleName            string            `json:"roleName"`
}

func parseOutputs(text, stack string) (outputs, error) {
	var o outputs
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return o, fmt.Errorf("cannot read the outputs of the stack %s: %w", stack, err)
	}
	if o.Region == "" || o.SessionDocument == "" {
		return o, fmt.Errorf("the stack %s has no outputs yet, so it was not brought up, or not to the end: make up STACK=%s", stack, stack)
	}
	return o, nil
}

// splitLocation takes s3://bucket/prefix/ apart.
func splitLocation(location string) (bucket, prefix string) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
	return bucket, strings.Trim(prefix, "/")
}
