package session_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/session"
)

func TestDocument_AllPreferences_MatchGolden(t *testing.T) {
	t.Parallel()
	got := session.Preferences{
		Mark: session.Mark{Owner: "project/stack"}, S3BucketName: "logs", S3KeyPrefix: "/a/b/", IdleSessionTimeout: 20, MaxSessionDuration: 60,
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

func TestDocument_NoDurationLimit_Omitted(t *testing.T) {
	t.Parallel()
	var d struct{ Inputs map[string]any }
	require.NoError(t, json.Unmarshal([]byte(session.Preferences{IdleSessionTimeout: 1}.JSON()), &d))
	require.NotContains(t, d.Inputs, "maxSessionDuration")
}

// What a document says is read back, whoever made it.
func TestRead_Documents_ParsedOrRefused(t *testing.T) {
	t.Parallel()
	for _, mark := range []session.Mark{
		{Owner: "project/stack", Revision: 1}, {Owner: "project/stack", Revision: 2}, {Owner: "project/stack", Revision: 1, Before: "3"},
		{Owner: "a; b/c", Revision: 10, Before: "12"},
	} {
		d, err := session.Read(session.Preferences{Mark: mark, S3BucketName: "logs", S3KeyPrefix: "a/", LogGroupName: "/g", IdleSessionTimeout: 1}.JSON())
		require.NoError(t, err)
		require.Equal(t, mark, d.Mark)
		require.Equal(t, []session.Location{{Bucket: "logs", Prefix: "a"}, {LogGroup: "/g"}}, d.Locations())
	}
	for _, foreign := range []string{`{}`, `{"description":"another"}`, `{"inputs":{"s3BucketName":""}}`, `{"inputs":{"s3BucketName":7}}`} {
		d, err := session.Read(foreign)
		require.NoError(t, err)
		require.Empty(t, d.Mark)
		require.Empty(t, d.Locations())
	}
	_, err := session.Read("schemaVersion: '1.0'")
	require.ErrorContains(t, err, "is not JSON")
}

func TestChanges_TwoDocuments_ListedByField(t *testing.T) {
	t.Parallel()
	was, err := session.Read(`{"inputs":{"s3BucketName":"old","kmsKeyId":"","runAsEnabled":true,"shellProfile":{"linux":"date"}}}`)
	require.NoError(t, err)
	is, err := session.Read(`{"inputs":{"s3BucketName":"new","runAsEnabled":true,"idleSessionTimeout":"20"}}`)
	require.NoError(t, err)
	require.Equal(t, []string{
		`idleSessionTimeout: "" → "20"`, `s3BucketName: "old" → "new"`, `shellProfile: {"linux":"date"} → ""`,
	}, was.Changes(is))
}

func TestLocations(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"s3://logs", "s3://logs/a/b", "log-group:/project/stack"} {
		l, err := session.ParseLocation(text)
		require.NoError(t, err)
		require.Equal(t, text, l.String())
	}
	for _, text := range []string{"", "logs", "s3://my.logs/a", "s3://logs/a b", "log-group:", "log-group:a b"} {
		_, err := session.ParseLocation(text)
		require.ErrorContains(t, err, "is neither s3://BUCKET/PREFIX nor log-group:NAME", text)
	}
}

// A log's name may come from whoever can write to the bucket, and an ID is pasted into a shell.
func TestSessionID_InKeysAndTexts_Found(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"prefix/alice-0123456789abcdef0.log": "alice-0123456789abcdef0",
		"bob@example.com-0a1b2c3d4e.log":     "bob@example.com-0a1b2c3d4e",
		"$(id)-0123456789abcdef0.log":        "$(id)-0123456789abcdef0",
		"alice-0123456789abcdef0":            "",
		"alice-012.log":                      "",
		"-0123456789abcdef0.log":             "",
	} {
		id, is := session.LogID(key)
		require.Equal(t, want, id, key)
		require.Equal(t, want != "", is, key)
	}
	require.True(t, session.IsID("bob@example.com-0a1b2c3d4e"))
	for _, text := range []string{"", "alice", "$(id)-0123456789abcdef0", "a b-0123456789abcdef0", "alice-0123456789abcdef0\n"} {
		require.False(t, session.IsID(text), text)
	}
}
