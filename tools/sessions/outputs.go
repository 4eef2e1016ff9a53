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
	EarlierLocations    []string          `json:"earlierLocations"`
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

// earlier are the places that the stack recorded sessions in before, and that open ones may still write to.
func (o outputs) earlier() []place {
	var all []place
	for _, location := range o.EarlierLocations {
		if group, ok := strings.CutPrefix(location, "log-group:"); ok {
			all = append(all, place{group: group})
			continue
		}
		bucket, prefix := splitLocation(location)
		all = append(all, place{bucket: bucket, prefix: prefix})
	}
	return all
}

// splitLocation takes s3://bucket/prefix/ apart.
func splitLocation(location string) (bucket, prefix string) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
	return bucket, strings.Trim(prefix, "/")
}
