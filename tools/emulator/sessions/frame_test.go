package sessions

import (
	"encoding/hex"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden was written by the session-manager-plugin's own message package (SerializeClientMessage) for the frame below,
// so it is not our reading of the layout that is compared with itself.
const golden = "00000074696e7075745f73747265616d5f64617461202020202020202020202020202020000000010000019b76daa87b000000000000000700000000" +
	"00000003090a0b0c0d0e0f100102030405060708d53ca1ea7dce87c11432052a8550ed2615cf715ca843c89710ed83325b691cba0000000300000015" +
	"7b22636f6c73223a38302c22726f7773223a32347d"

func goldenFrame() frame {
	f := frame{
		Type: inputStream, Created: time.UnixMilli(1_767_225_600_123), Sequence: 7, Flags: 3, PayloadType: payloadSize,
		Payload: []byte(`{"cols":80,"rows":24}`),
	}
	for i := range f.ID {
		f.ID[i] = byte(i + 1)
	}
	return f
}

func TestFrame_Marshal_MatchesPlugin(t *testing.T) {
	assert.Equal(t, golden, hex.EncodeToString(goldenFrame().encode()))
	assert.Equal(t, "01020304-0506-0708-090a-0b0c0d0e0f10", goldenFrame().ID.String())
	bytes, err := hex.DecodeString(golden)
	require.NoError(t, err)
	f, err := decodeFrame(bytes)
	require.NoError(t, err)
	assert.Equal(t, goldenFrame(), f)
}

func TestFrame_RoundTrip_Unchanged(t *testing.T) {
	require.NoError(t, quick.Check(func(created uint32, sequence int64, flags uint64, id [16]byte, kind uint32, payload []byte) bool {
		if payload == nil {
			payload = []byte{}
		}
		f := frame{Type: outputStream, Created: time.UnixMilli(int64(created)), Sequence: sequence, Flags: flags, ID: id, PayloadType: kind, Payload: payload}
		back, err := decodeFrame(f.encode())
		return err == nil && assert.ObjectsAreEqual(f, back)
	}, nil))
}

func TestFrame_Damaged_Refused(t *testing.T) {
	whole := goldenFrame().encode()
	for name, damage := range map[string]func([]byte) []byte{
		"nothing":               func([]byte) []byte { return nil },
		"cut in the header":     func(b []byte) []byte { return b[:payloadAt-1] },
		"cut in the payload":    func(b []byte) []byte { return b[:len(b)-1] },
		"longer than it says":   func(b []byte) []byte { return append(b, 0) },
		"another header length": func(b []byte) []byte { b[3]++; return b },
		"another payload":       func(b []byte) []byte { b[len(b)-1]++; return b },
		"another digest":        func(b []byte) []byte { b[digestAt]++; return b },
	} {
		_, err := decodeFrame(damage(append([]byte{}, whole...)))
		assert.Error(t, err, name)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(goldenFrame().encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if one, err := decodeFrame(b); err == nil {
			_, err := decodeFrame(one.encode())
			assert.NoError(t, err)
		}
	})
}

func TestEncryption_EachSide_DecryptsTheOther(t *testing.T) {
	key := make([]byte, keyLength)
	for i := range key {
		key[i] = byte(i)
	}
	agent, err := newSealer(key)
	require.NoError(t, err)
	client, err := newSealer(append(append([]byte{}, key[32:]...), key[:32]...)) // the other half first
	require.NoError(t, err)
	sealed := agent.encrypt([]byte("to the client"))
	assert.NotContains(t, string(sealed), "client")
	plain, err := client.decrypt(sealed)
	require.NoError(t, err)
	assert.Equal(t, "to the client", string(plain))
	_, err = agent.decrypt(sealed)
	assert.Error(t, err, "its own it cannot open")
	sealed[len(sealed)-1]++
	_, err = client.decrypt(sealed)
	assert.Error(t, err)
	_, err = client.decrypt(nil)
	assert.Error(t, err)
	_, err = newSealer(key[:32])
	assert.Error(t, err)
}

func TestDocuments(t *testing.T) {
	for name, one := range map[string]struct {
		content string
		check   func(d document, err error)
	}{
		"nothing but the type": {`{"sessionType":"Standard_Stream"}`, func(d document, err error) {
			require.NoError(t, err)
			assert.Equal(t, document{idle: 20}, d)
		}},
		"flags as strings": {`{"sessionType":"Standard_Stream","inputs":{"s3EncryptionEnabled":"true","cloudWatchEncryptionEnabled":"false","runAsEnabled":""}}`, func(d document, err error) {
			require.NoError(t, err)
			require.NoError(t, d.dropped)
			assert.True(t, bool(d.S3EncryptionEnabled))
			assert.False(t, bool(d.CloudWatchEncryptionEnabled))
			assert.False(t, bool(d.RunAsEnabled))
		}},
		"streaming as a string": {`{"sessionType":"Standard_Stream","inputs":{"cloudWatchStreamingEnabled":"true"}}`, func(d document, err error) {
			require.NoError(t, err)
			assert.Error(t, d.dropped)
		}},
		"a bucket that is a number": {`{"sessionType":"Standard_Stream","inputs":{"s3BucketName":1}}`, func(d document, err error) {
			require.NoError(t, err)
			assert.Error(t, d.dropped)
		}},
		"minutes": {`{"sessionType":"Standard_Stream","inputs":{"idleSessionTimeout":"5","maxSessionDuration":60}}`, func(d document, err error) {
			require.NoError(t, err)
			idle, longest := d.timeouts(time.Minute)
			assert.Equal(t, []time.Duration{5 * time.Minute, time.Hour}, []time.Duration{idle, longest})
		}},
		"another type": {`{"sessionType":"Port"}`, func(_ document, err error) { assert.ErrorContains(t, err, `"Port"`) }},
		"no JSON":      {`sessionType: Port`, func(_ document, err error) { assert.ErrorContains(t, err, "not JSON") }},
	} {
		t.Run(name, func(t *testing.T) { one.check(parseDocument(one.content)) })
	}
}

func TestOutput_MultibyteCharacter_NotSplit(t *testing.T) {
	for _, one := range []struct{ in, complete, rest string }{
		{"abc", "abc", ""}, {"", "", ""}, {"a€", "a€", ""}, {"a\xe2", "a", "\xe2"}, {"a\xe2\x82", "a", "\xe2\x82"},
		{"\xf0\x9f\x98", "", "\xf0\x9f\x98"}, {"a\xff", "a\xff", ""}, {"\x82\x82\x82\x82", "\x82\x82\x82\x82", ""},
	} {
		complete, rest := completeRunes([]byte(one.in))
		assert.Equal(t, []string{one.complete, one.rest}, []string{string(complete), string(rest)}, "%q", one.in)
	}
}

func TestSessionIDs(t *testing.T) {
	for owner, name := range map[string]string{
		"arn:aws:iam::123456789012:root": "root", "arn:aws:iam::123456789012:user/path/anna": "anna", "arn:aws:sts::123456789012:assumed-role/ops/ben@example.com": "ben@example.com",
	} {
		assert.Regexp(t, "^"+name+"-[0-9a-f]{17}$", newSessionID(owner))
	}
	assert.NotEqual(t, newSessionID("a"), newSessionID("a"))
}
