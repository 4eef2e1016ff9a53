package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultDocument is what a session runs under whose StartSession names no document.
const DefaultDocument = "SSM-SessionManagerRunShell"

// shellSession is the session type of a shell, the only one that is played here.
const shellSession = "Standard_Stream"

// defaultIdle is AWS's idle timeout where a document has none.
const defaultIdle = 20

// preferences is what a session document says. Its types are the agent's: what does not fit makes the agent drop the
// session's message without a word, so that the user's terminal hangs.
type preferences struct {
	S3BucketName                string       `json:"s3BucketName"`
	S3KeyPrefix                 string       `json:"s3KeyPrefix"`
	S3EncryptionEnabled         flexibleBool `json:"s3EncryptionEnabled"`
	CloudWatchLogGroupName      string       `json:"cloudWatchLogGroupName"`
	CloudWatchEncryptionEnabled flexibleBool `json:"cloudWatchEncryptionEnabled"`
	CloudWatchStreamingEnabled  bool         `json:"cloudWatchStreamingEnabled"` // a string does not fit
	KMSKeyID                    string       `json:"kmsKeyId"`
	RunAsEnabled                flexibleBool `json:"runAsEnabled"`
	RunAsDefaultUser            string       `json:"runAsDefaultUser"`
	ShellProfile                struct {
		Windows string `json:"windows"`
		Linux   string `json:"linux"`
	} `json:"shellProfile"`
	// IdleSessionTimeout and MaxSessionDuration are minutes. The service counts them, not the agent.
	IdleSessionTimeout json.RawMessage `json:"idleSessionTimeout"`
	MaxSessionDuration json.RawMessage `json:"maxSessionDuration"`
}

// flexibleBool is a boolean that the agent also takes as a string; "" is false.
type flexibleBool bool

// UnmarshalJSON accepts true and "true".
func (b *flexibleBool) UnmarshalJSON(text []byte) error {
	word := strings.Trim(string(text), `"`)
	if word == "" || word == "null" {
		return nil
	}
	value, err := strconv.ParseBool(word)
	*b = flexibleBool(value)
	return err
}

// document is a session document as it is deployed.
type document struct {
	preferences
	// dropped is why the agent drops the session's message; nil where it does not.
	dropped error
	// idle and longest are minutes; longest is 0 where there is no limit.
	idle, longest int
}

// parseDocument reads a document's content. An error is the service's: it starts no session under such a document.
func parseDocument(content string) (document, error) {
	var outer struct {
		SessionType string          `json:"sessionType"`
		Inputs      json.RawMessage `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(content), &outer); err != nil {
		return document{}, fmt.Errorf("its content is not JSON: %w", err)
	}
	if outer.SessionType != shellSession {
		return document{}, fmt.Errorf("its sessionType is %q; the local emulator simulates only %q", outer.SessionType, shellSession)
	}
	d := document{idle: defaultIdle}
	if len(bytes.TrimSpace(outer.Inputs)) == 0 {
		return d, nil
	}
	d.dropped = json.Unmarshal(outer.Inputs, &d.preferences)
	if minutes := minutesOf(d.IdleSessionTimeout); minutes > 0 {
		d.idle = minutes
	}
	d.longest = minutesOf(d.MaxSessionDuration)
	return d, nil
}

// minutesOf reads a number or a string that holds one; 0 is none.
func minutesOf(text json.RawMessage) int {
	minutes, _ := strconv.Atoi(strings.Trim(string(text), `"`))
	return max(0, minutes)
}

// timeouts are the document's limits, with the length of a minute.
func (d document) timeouts(minute time.Duration) (idle, longest time.Duration) {
	return time.Duration(d.idle) * minute, time.Duration(d.longest) * minute
}
