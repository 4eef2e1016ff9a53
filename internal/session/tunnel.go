package session

import (
	"encoding/json"
	"strconv"
	"strings"
)

// tunnel is a session document of the type Port. AWS's own document
// AWS-StartPortForwardingSessionToRemoteHost takes host and port from the caller
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-schema.html).
type tunnel struct {
	SchemaVersion string               `json:"schemaVersion"`
	Description   string               `json:"description"`
	SessionType   string               `json:"sessionType"`
	Parameters    map[string]parameter `json:"parameters"`
	Properties    map[string]string    `json:"properties"`
}

type parameter struct {
	Type           string `json:"type"`
	Description    string `json:"description"`
	AllowedPattern string `json:"allowedPattern"`
	Default        string `json:"default"`
}

// Unlogged reports whether a document of AWS forwards ports or SSH, of which
// Session Manager logs nothing.
func Unlogged(document string) bool {
	return strings.HasPrefix(document, "AWS-StartPortForwarding") || document == "AWS-StartSSHSession"
}

// Tunnel is a session document that forwards a local port to one host and port,
// as the instance reaches it. Only the local port is the caller's choice.
// Session Manager logs nothing of such a session.
func Tunnel(owner, host string, port int) string {
	text, err := json.Marshal(tunnel{
		SchemaVersion: "1.0",
		Description:   "Forwards a port without a session log, managed by the Pulumi stack " + owner,
		SessionType:   "Port",
		Parameters: map[string]parameter{"localPortNumber": {
			Type: "String", Description: "Port on your machine; 0 chooses one", AllowedPattern: "^[0-9]{1,5}$", Default: "0",
		}},
		Properties: map[string]string{
			"type": "LocalPortForwarding", "host": host, "portNumber": strconv.Itoa(port), "localPortNumber": "{{ localPortNumber }}",
		},
	})
	if err != nil {
		panic("session: a document without a JSON form: " + err.Error())
	}
	return string(text)
}
