//go:build unix

package sessions_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSessionLog_HasWhatWasTyped(t *testing.T) {
	s := newScene(t)
	s.deploy("logged", object{"s3BucketName": bucket, "s3KeyPrefix": "team/logs", "s3EncryptionEnabled": false})
	c := s.start("--target", target, "--document-name", "logged", "--reason", "to see it")
	id := c.opened()
	assert.Regexp(t, `^root-[0-9a-f]{17}$`, id)
	c.enter("echo $((6 * 7))-marked $HOME $AWS_ACCESS_KEY_ID.")
	c.expect(`\n42-marked \S+/home \.`)
	c.enter("exit")
	c.expect("Exiting session with sessionId: " + id)
	assert.Equal(t, 0, c.ends())

	log := s.object("team/logs/" + id + ".log")
	assert.Contains(t, log, "echo $((6 * 7))-marked", "what was typed")
	assert.Contains(t, log, "42-marked", "what it gave")
	entry := s.entry("History", id)
	require.NotNil(t, entry)
	assert.Equal(t, "Terminated", entry["Status"])
	assert.Equal(t, "logged", entry["DocumentName"])
	assert.Equal(t, "to see it", entry["Reason"])
	assert.Equal(t, target, entry["Target"])
	assert.Contains(t, entry["Owner"], ":root")
	assert.Nil(t, s.entry("Active", id))
	assert.Equal(t, []string{"s3:HeadBucket", "s3:GetBucketEncryption", "s3:PutObject"}, s.agentCalls())
}
