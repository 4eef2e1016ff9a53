//go:build unix

package sessions_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
	"private-ec2-access/tools/emulator/sessions"
)

func denied(service, action string) emulator.Rule {
	code := "AccessDeniedException"
	if service == "s3" {
		code = "AccessDenied"
	}
	return emulator.Fail(service, action, http.StatusForbidden, code, "not authorized to perform "+service+":"+action)
}

// encrypt gives the bucket a default encryption.
func (s scene) encrypt(algorithm types.ServerSideEncryption, key string) {
	s.t.Helper()
	by := &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm}
	if key != "" {
		by.KMSMasterKeyID = aws.String(key)
	}
	_, err := s.s3().PutBucketEncryption(context.Background(), &s3.PutBucketEncryptionInput{
		Bucket:                            aws.String(bucket),
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: by}}},
	})
	require.NoError(s.t, err)
}

func (s scene) key() string {
	s.t.Helper()
	out, err := s.kms().CreateKey(context.Background(), &kms.CreateKeyInput{})
	require.NoError(s.t, err)
	return aws.ToString(out.KeyMetadata.Arn)
}

func (s scene) encryptedGroup(name string) {
	s.t.Helper()
	_, err := s.logs().CreateLogGroup(context.Background(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(name), KmsKeyId: aws.String(s.key())})
	require.NoError(s.t, err)
}

// events are the messages of a log stream.
func (s scene) events(group, stream string) (messages []string) {
	s.t.Helper()
	out, err := s.logs().GetLogEvents(context.Background(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream), StartFromHead: aws.Bool(true)})
	if err != nil {
		return nil
	}
	for _, e := range out.Events {
		messages = append(messages, aws.ToString(e.Message))
	}
	return messages
}

// session opens a session under a document of these inputs, types a line and leaves.
func (s scene) session(inputs object) (id string, c *client) {
	s.t.Helper()
	s.deploy("doc", inputs)
	c = s.start("--target", target, "--document-name", "doc")
	id = c.opened()
	c.enter("echo done=$((6 * 7))")
	c.expect("done=42")
	c.enter("exit")
	c.expect("Exiting session with sessionId: " + id)
	assert.Equal(s.t, 0, c.ends())
	return id, c
}

func TestSession_BrokenLogging_Refused(t *testing.T) {
	streaming := object{"cloudWatchLogGroupName": group, "cloudWatchEncryptionEnabled": true, "cloudWatchStreamingEnabled": true}
	for name, one := range map[string]struct {
		prepare func(s scene)
		inputs  object
		message string
	}{
		"the bucket's encryption cannot be read": {
			func(s scene) { s.Add(denied("s3", "GetBucketEncryption")) },
			object{"s3BucketName": bucket, "s3EncryptionEnabled": true}, "unable to validate encryption on Amazon S3 bucket. Error: AccessDenied",
		},
		"there is no bucket": {
			func(scene) {}, object{"s3BucketName": "nowhere", "s3EncryptionEnabled": "true"}, "unable to validate encryption on Amazon S3 bucket. Error: NoSuchBucket",
		},
		"the bucket has a double encryption": {
			func(s scene) { s.encrypt(types.ServerSideEncryptionAwsKmsDsse, "") },
			object{"s3BucketName": bucket, "s3EncryptionEnabled": true}, "encryption is not set up on the selected Amazon S3 bucket",
		},
		"the group has no key": {func(scene) {}, streaming, "encryption is not set up on the selected CloudWatch Logs log group"},
		"the group cannot be seen": {
			func(s scene) { s.Add(denied("logs", "DescribeLogGroups")) }, streaming, "encryption is not set up on the selected CloudWatch Logs log group",
		},
		"there is no such group": {
			func(s scene) { s.encryptedGroup(group + "/other") },
			object{"cloudWatchLogGroupName": group + "/oth", "cloudWatchEncryptionEnabled": true, "cloudWatchStreamingEnabled": true},
			"encryption is not set up on the selected CloudWatch Logs log group",
		},
		"the user of runAs is missing": {
			func(scene) {}, object{"runAsEnabled": true, "runAsDefaultUser": "nobody-has-this-name", "s3BucketName": bucket, "s3KeyPrefix": "logs"}, "RunAs user nobody-has-this-name does not exist",
		},
		"runAs names root":   {func(scene) {}, object{"runAsEnabled": true, "runAsDefaultUser": "root"}, "invalid uid and gid"},
		"runAs names nobody": {func(scene) {}, object{"runAsEnabled": true, "runAsDefaultUser": ""}, "please set the RunAs default user"},
		"the client may not make the data key": {
			func(s scene) { s.Add(denied("kms", "GenerateDataKey")) }, object{"kmsKeyId": "KEY", "s3BucketName": bucket, "s3KeyPrefix": "logs"}, "initiating handshake. KMSEncryption failed on client",
		},
		"the agent may not open the data key": {
			func(s scene) { s.Add(denied("kms", "Decrypt")) }, object{"kmsKeyId": "KEY"}, "initiating handshake. Fetching data key failed: Unable to retrieve data key, AccessDeniedException",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			one.prepare(s)
			encrypted := one.inputs["kmsKeyId"] == "KEY"
			inputs := object{}
			for k, v := range one.inputs {
				inputs[k] = v
			}
			if encrypted {
				inputs["kmsKeyId"] = s.key()
			}
			s.deploy("doc", inputs)
			c := s.start("--target", target, "--document-name", "doc")
			id := c.expect(`Starting session with SessionId: (\S+)`)[1]
			c.expect("SessionId: " + id + " : .*" + one.message)
			assert.Equal(t, 0, c.ends(), "what the plugin does: it does not fail")
			assert.NotRegexp(t, `\n[$#] `, c.shown(), "there was no shell")
			entry := s.entry("History", id)
			require.NotNil(t, entry)
			assert.Equal(t, "Failed", entry["Status"])
			assert.Contains(t, entry["Details"], one.message)
			assert.Empty(t, s.object(id+".log"))
			if inputs["s3BucketName"] != nil && inputs["s3KeyPrefix"] != nil {
				stray := s.object("logs/Standard_Stream/stderr")
				assert.True(t, strings.HasPrefix(stray, "----------ERROR-------\n"), stray)
				assert.Regexp(t, "KMSEncryption failed on client|RunAs user", stray)
			}
		})
	}
}

func TestStartSession_BadRequest_Refused(t *testing.T) {
	s := newScene(t)
	answer, code := s.ssm("CreateDocument", object{"Name": "command", "DocumentType": "Command", "DocumentFormat": "JSON",
		"Content": `{"schemaVersion":"2.2","description":"x","mainSteps":[{"action":"aws:runShellScript","name":"x","inputs":{"runCommand":["date"]}}]}`})
	require.Empty(t, code, answer)
	answer, code = s.ssm("CreateDocument", object{"Name": "port", "DocumentType": "Session", "DocumentFormat": "JSON", "Content": `{"schemaVersion":"1.0","sessionType":"Port"}`})
	require.Empty(t, code, answer)
	for name, one := range map[string]struct {
		in   object
		code string
	}{
		"no role in the profile":    {object{"Target": lonely}, "TargetNotConnected"},
		"no such instance":          {object{"Target": "i-0123456789abcdef0"}, "TargetNotConnected"},
		"no target":                 {object{}, "ValidationException"},
		"no such document":          {object{"Target": target, "DocumentName": "missing"}, "InvalidDocument"},
		"a document for commands":   {object{"Target": target, "DocumentName": "command"}, "InvalidDocument"},
		"a session of another type": {object{"Target": target, "DocumentName": "port"}, "InvalidDocument"},
		"not a document's name":     {object{"Target": target, "DocumentName": "a b"}, "ValidationException"},
		"a reason too long":         {object{"Target": target, "Reason": strings.Repeat("x", 257)}, "ValidationException"},
	} {
		answer, code := s.ssm("StartSession", one.in)
		assert.Equal(t, one.code, code, "%s: %v", name, answer)
	}
	answer, code = s.ssm("DescribeSessions", object{"State": "Active"})
	require.Empty(t, code)
	assert.Empty(t, answer["Sessions"], "nothing was opened")
}

func TestUpload_Encryption_FollowsBucketDefault(t *testing.T) {
	for name, one := range map[string]struct {
		prepare   func(s scene) (key string)
		algorithm string
	}{
		"aws:kms": {func(s scene) string { key := s.key(); s.encrypt(types.ServerSideEncryptionAwsKms, key); return key }, "aws:kms"},
		"AES256":  {func(s scene) string { s.encrypt(types.ServerSideEncryptionAes256, ""); return "" }, "AES256"},
		"not readable": {func(s scene) string {
			s.encrypt(types.ServerSideEncryptionAes256, "")
			s.Add(denied("s3", "GetBucketEncryption"))
			return ""
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			key := one.prepare(s)
			headers := make(chan http.Header, 1)
			s.Add(emulator.Rule{Name: "look at the upload", Service: "s3", Action: "PutObject", Match: func(q *emulator.Request) bool {
				headers <- q.HTTP.Header.Clone()
				return false
			}})
			id, _ := s.session(object{"s3BucketName": bucket, "s3KeyPrefix": "logs/", "s3EncryptionEnabled": name == "aws:kms"})
			require.Contains(t, s.object("logs/"+id+".log"), "done=42")
			got := <-headers
			assert.Equal(t, "bucket-owner-full-control", got.Get("X-Amz-Acl"))
			assert.Equal(t, one.algorithm, got.Get("X-Amz-Server-Side-Encryption"))
			assert.Equal(t, key, got.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"))
			assert.NotEmpty(t, got.Get("Content-Md5"), "Object Lock requires it")
		})
	}
}

func TestUpload_LargeSessionLog_InParts(t *testing.T) {
	s := newScene(t)
	s.encrypt(types.ServerSideEncryptionAes256, "")
	s.deploy("doc", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.enter(`head -c 5500000 /dev/zero | tr '\0' y; echo done=$((6 * 7))`)
	c.expect("done=42")
	c.enter("exit")
	assert.Equal(t, 0, c.ends())
	log := s.object(id + ".log")
	assert.True(t, strings.Contains(log, strings.Repeat("y", 5_500_000)), "%d bytes", len(log))
	assert.Contains(t, log, "done=42")
	assert.Equal(t, []string{"s3:HeadBucket", "s3:GetBucketEncryption", "s3:CreateMultipartUpload", "s3:UploadPart", "s3:UploadPart", "s3:CompleteMultipartUpload"}, s.agentCalls())
}

// The bucket's policy is judged for the instance's role, which is who the agent is.
func TestAgent_Calls_UseInstanceRole(t *testing.T) {
	s := newScene(t)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/node"}}}]}`
	_, err := s.s3().PutBucketPolicy(context.Background(), &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(policy)})
	require.NoError(t, err)
	id, _ := s.session(object{"s3BucketName": bucket})
	assert.Contains(t, s.object(id+".log"), "done=42")
	_, err = s.s3().PutBucketPolicy(context.Background(), &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(strings.Replace(policy, "role/node", "role/other", 1))})
	require.NoError(t, err)
	c := s.start("--target", target, "--document-name", "doc")
	id = c.opened()
	c.enter("exit")
	assert.Equal(t, 0, c.ends())
	assert.Empty(t, s.object(id+".log"), "another role may write; this one may not, in silence")
}

func TestAgent_FailedUpload_NotReported(t *testing.T) {
	for name, one := range map[string]struct {
		prepare func(s scene)
		inputs  object
	}{
		"PutObject denied":        {func(s scene) { s.Add(denied("s3", "PutObject")) }, object{"s3BucketName": bucket}},
		"no bucket":               {func(scene) {}, object{"s3BucketName": "nowhere"}},
		"CreateLogStream denied":  {func(s scene) { s.Add(denied("logs", "CreateLogStream")) }, object{"cloudWatchLogGroupName": group, "cloudWatchStreamingEnabled": true}},
		"no group":                {func(scene) {}, object{"cloudWatchLogGroupName": "/nowhere", "cloudWatchStreamingEnabled": true}},
		"no group, not streaming": {func(scene) {}, object{"cloudWatchLogGroupName": "/nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			one.prepare(s)
			id, _ := s.session(one.inputs)
			entry := s.entry("History", id)
			assert.Equal(t, "Terminated", entry["Status"], "the history says nothing of it")
			assert.NotContains(t, entry, "Details")
			assert.Empty(t, s.object(id+".log"))
			assert.Empty(t, s.events(group, id))
		})
	}
}

// Without the program script there is no session log, and the session has failed.
func TestAgent_WithoutScript_SessionFails(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.Sessions().SetAgent(target, sessions.Agent{WithoutScript: true}))
	s.deploy("doc", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.enter("exit")
	c.expect("unable to generate log data")
	c.ends()
	entry := s.entry("History", id)
	assert.Equal(t, "Failed", entry["Status"])
	assert.Contains(t, entry["Details"], "unable to generate log data")
	assert.Empty(t, s.object(id+".log"))
	assert.Contains(t, s.object("Standard_Stream/stderr"), "unable to generate log data")
}

func TestCloudWatch_Streaming_EventsWritten(t *testing.T) {
	s := newScene(t)
	s.encryptedGroup(group + "/encrypted")
	s.deploy("doc", object{"cloudWatchLogGroupName": group + "/encrypted", "cloudWatchEncryptionEnabled": true, "cloudWatchStreamingEnabled": true})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.enter("printf 'red=\\033[31m%d\\033[0m\\ttab\\n' $((6 * 7))")
	c.expect("42")
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(s.events(group+"/encrypted", id), ""), "red=42 tab") }, patience, 50*time.Millisecond,
		"it is logged while the session lasts, as plain text")
	c.enter("exit")
	assert.Equal(t, 0, c.ends())
	messages := s.events(group+"/encrypted", id)
	var last struct {
		EventVersion, EventTime, AwsRegion, RunAsUser, SessionID string
		Target                                                   struct{ ID string }
		UserIdentity                                             struct{ Arn string }
		SessionData                                              []string
	}
	require.NoError(t, json.Unmarshal([]byte(messages[len(messages)-1]), &last))
	assert.Equal(t, []string{"1.0", region, "ssm-user", id, target}, []string{last.EventVersion, last.AwsRegion, last.RunAsUser, last.SessionID, last.Target.ID})
	assert.Contains(t, last.UserIdentity.Arn, ":root")
	assert.Contains(t, strings.Join(last.SessionData, "\n"), "exit")
	calls := s.agentCalls()
	assert.Equal(t, []string{"logs:DescribeLogGroups", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, calls[:4])
	assert.NotContains(t, calls, "logs:CreateLogGroup")
}

func TestCloudWatch_NoStreaming_WrittenAtEnd(t *testing.T) {
	s := newScene(t)
	id, _ := s.session(object{"cloudWatchLogGroupName": group, "cloudWatchStreamingEnabled": false})
	text := strings.Join(s.events(group, id), "\n")
	assert.Contains(t, text, "done=42")
	assert.NotContains(t, text, "eventVersion")
	assert.Equal(t, []string{"logs:DescribeLogGroups", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, s.agentCalls())
}

// While PutLogEvents is denied, the session does not end, whether events are streamed or written at the end.
func TestExit_PutLogEventsDenied_Waits(t *testing.T) {
	for name, streaming := range map[string]bool{"streaming": true, "at the end": false} {
		t.Run(name, func(t *testing.T) { exitWaits(t, streaming) })
	}
}

func exitWaits(t *testing.T, streaming bool) {
	s := newScene(t)
	allow := s.Add(denied("logs", "PutLogEvents"))
	s.deploy("doc", object{"cloudWatchLogGroupName": group, "cloudWatchStreamingEnabled": streaming})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.enter("echo done=$((6 * 7))")
	c.expect("done=42")
	c.enter("exit")
	tries := func() (n int) {
		for _, call := range s.agentCalls() {
			if call == "logs:PutLogEvents" {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return tries() >= 8 }, patience, 50*time.Millisecond, "it is tried again and again")
	select {
	case <-c.done:
		t.Fatal("the client has ended", c.shown())
	default:
	}
	assert.Equal(t, "Terminating", s.entry("Active", id)["Status"])
	allow()
	c.expect("Exiting session")
	assert.Equal(t, 0, c.ends())
	assert.Contains(t, strings.Join(s.events(group, id), ""), "done=42")
}

// The agent cannot read a message in which this flag is a string, so nothing ever happens in the terminal.
func TestSession_StreamingAsString_TerminalHangs(t *testing.T) {
	s := newScene(t)
	s.deploy("doc", object{"cloudWatchLogGroupName": group, "cloudWatchStreamingEnabled": "true"})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.expect(`Starting session with SessionId: (\S+)`)[1]
	time.Sleep(1500 * time.Millisecond)
	assert.NotRegexp(t, `[$#] `, c.shown())
	assert.Equal(t, "Connecting", s.entry("Active", id)["Status"])
	_, code := s.ssm("TerminateSession", object{"SessionId": id})
	require.Empty(t, code)
	c.expect("has been terminated")
	assert.Equal(t, 0, c.ends())
	assert.Empty(t, s.agentCalls())
}

func TestSession_Encrypted_Works(t *testing.T) {
	s := newScene(t)
	key := s.key()
	s.deploy("doc", object{"kmsKeyId": key, "s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.expect("This session is encrypted using AWS KMS")
	c.enter("echo secret=$((6 * 7))")
	c.expect("secret=42")
	c.enter("exit")
	c.expect("Exiting session")
	assert.Equal(t, 0, c.ends())
	assert.Contains(t, s.object(id+".log"), "secret=42", "readers see the session log as plain text")
	contexts := map[string]string{}
	for _, call := range s.Calls() {
		if call.Service == "kms" && (call.Action == "GenerateDataKey" || call.Action == "Decrypt") {
			contexts[call.Action] = call.Params["EncryptionContext.aws:ssm:SessionId"] + " " + call.Params["EncryptionContext.aws:ssm:TargetId"]
			assert.Equal(t, call.Action == "GenerateDataKey", call.AccessKey == "test", "the person makes the key, the agent opens it")
		}
	}
	assert.Equal(t, map[string]string{"GenerateDataKey": id + " " + target, "Decrypt": id + " " + target}, contexts)
	assert.Equal(t, "kms:Decrypt", s.agentCalls()[0], "before everything else")
}

func TestUpload_Delayed_ArrivesLater(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.Sessions().SetAgent(target, sessions.Agent{RecordAfter: sessions.Duration{Duration: 2 * time.Second}}))
	s.deploy("doc", object{"s3BucketName": bucket})
	c := s.start("--target", target, "--document-name", "doc")
	id := c.opened()
	c.enter("exit")
	assert.Equal(t, 0, c.ends())
	assert.Empty(t, s.object(id+".log"))
	assert.Equal(t, "Terminating", s.entry("Active", id)["Status"])
	require.Eventually(t, func() bool { return s.object(id+".log") != "" }, patience, 50*time.Millisecond)
	require.Eventually(t, func() bool { return s.entry("History", id) != nil }, patience, 50*time.Millisecond)
}
