package session_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/session"
)

func TestTheWholeDocument(t *testing.T) {
	t.Parallel()
	got := session.Preferences{
		Owner: "project/stack", S3BucketName: "logs", S3KeyPrefix: "/a/b/", IdleSessionTimeout: 20, MaxSessionDuration: 60,
	}.JSON()
	require.JSONEq(t, `{
		"schemaVersion": "1.0",
		"description": "Session preferences, managed by the Pulumi stack project/stack",
		"sessionType": "Standard_Stream",
		"inputs": {
			"s3BucketName": "logs",
			"s3KeyPrefix": "a/b",
			"s3EncryptionEnabled": true,
			"cloudWatchLogGroupName": "",
			"cloudWatchEncryptionEnabled": false,
			"cloudWatchStreamingEnabled": false,
			"kmsKeyId": "",
			"runAsEnabled": false,
			"runAsDefaultUser": "",
			"idleSessionTimeout": "20",
			"maxSessionDuration": "60"
		}
	}`, got)
}

func TestNoLimitIsNotWritten(t *testing.T) {
	t.Parallel()
	var d struct{ Inputs map[string]any }
	require.NoError(t, json.Unmarshal([]byte(session.Preferences{IdleSessionTimeout: 1}.JSON()), &d))
	require.NotContains(t, d.Inputs, "maxSessionDuration")
}

func TestOwnerOf(t *testing.T) {
	t.Parallel()
	own := session.Preferences{Owner: "project/stack", IdleSessionTimeout: 1}.JSON()
	for content, want := range map[string]string{own: "project/stack", `{}`: "", `{"description":"another"}`: ""} {
		got, err := session.OwnerOf(content)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := session.OwnerOf("schemaVersion: '1.0'")
	require.ErrorContains(t, err, "is not JSON")
}
