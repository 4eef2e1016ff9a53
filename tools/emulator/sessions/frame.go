package sessions

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Types of messages on a data channel.
const (
	inputStream      = "input_stream_data"
	outputStream     = "output_stream_data"
	acknowledge      = "acknowledge"
	channelClosed    = "channel_closed"
	startPublication = "start_publication"
)

// Types of payload of the two streams.
const (
	payloadData              = 1
	payloadSize              = 3
	payloadHandshakeRequest  = 5
	payloadHandshakeResponse = 6
	payloadHandshakeComplete = 7
	payloadChallengeRequest  = 8
	payloadChallengeResponse = 9
	payloadFlag              = 10
)

// flagTerminate is the payload of a payloadFlag with which a client ends its session.
const flagTerminate = 2

// The header's layout: offset and length of each field. All numbers are big-endian. The header length at the beginning
// counts what lies before the payload's own length, so the payload begins four bytes after it.
const (
	typeAt, typeLength     = 4, 32
	versionAt              = 36
	createdAt              = 40
	sequenceAt             = 48
	flagsAt                = 56
	idAt, idLength         = 64, 16
	digestAt, digestLength = 80, sha256.Size
	payloadTypeAt          = 112
	payloadLengthAt        = 116
	headerLength           = payloadLengthAt
	payloadAt              = payloadLengthAt + 4
)

// frame is one binary message on a data channel.
type frame struct {
	Type        string
	Created     time.Time // to the millisecond
	Sequence    int64
	Flags       uint64
	ID          uuid.UUID
	PayloadType uint32
	Payload     []byte
}

// encode writes the frame.
func (f frame) encode() []byte {
	b := make([]byte, payloadAt, payloadAt+len(f.Payload))
	binary.BigEndian.PutUint32(b, headerLength)
	copy(b[typeAt:typeAt+typeLength], f.Type+strings.Repeat(" ", typeLength))
	binary.BigEndian.PutUint32(b[versionAt:], 1)
	binary.BigEndian.PutUint64(b[createdAt:], uint64(f.Created.UnixMilli()))
	binary.BigEndian.PutUint64(b[sequenceAt:], uint64(f.Sequence))
	binary.BigEndian.PutUint64(b[flagsAt:], f.Flags)
	copy(b[idAt:], f.ID[8:]) // the low half comes first
	copy(b[idAt+8:], f.ID[:8])
	digest := sha256.Sum256(f.Payload)
	copy(b[digestAt:], digest[:])
	binary.BigEndian.PutUint32(b[payloadTypeAt:], f.PayloadType)
	binary.BigEndian.PutUint32(b[payloadLengthAt:], uint32(len(f.Payload)))
	return append(b, f.Payload...)
}

// decodeFrame reads a frame and checks its lengths and its digest.
func decodeFrame(b []byte) (frame, error) {
	if len(b) < payloadAt {
		return frame{}, fmt.Errorf("a frame has %d bytes at least, got %d", payloadAt, len(b))
	}
	header := binary.BigEndian.Uint32(b)
	if header != headerLength {
		return frame{}, fmt.Errorf("the header's length is %d, expected %d", header, headerLength)
	}
	if length := binary.BigEndian.Uint32(b[payloadLengthAt:]); int(length) != len(b)-payloadAt {
		return frame{}, fmt.Errorf("the payload's length is %d, but %d bytes follow the header", length, len(b)-payloadAt)
	}
	f := frame{
		Type:        strings.TrimRight(string(b[typeAt:typeAt+typeLength]), " \x00"),
		Created:     time.UnixMilli(int64(binary.BigEndian.Uint64(b[createdAt:]))),
		Sequence:    int64(binary.BigEndian.Uint64(b[sequenceAt:])),
		Flags:       binary.BigEndian.Uint64(b[flagsAt:]),
		PayloadType: binary.BigEndian.Uint32(b[payloadTypeAt:]),
		Payload:     bytes.Clone(b[payloadAt:]),
	}
	copy(f.ID[8:], b[idAt:idAt+8])
	copy(f.ID[:8], b[idAt+8:idAt+idLength])
	// The client's acknowledgements carry a digest as well; no message is without.
	if digest := sha256.Sum256(f.Payload); !bytes.Equal(digest[:], b[digestAt:digestAt+digestLength]) {
		return frame{}, fmt.Errorf("the digest of a %s is not that of its payload", f.Type)
	}
	return f, nil
}

// newFrame makes a frame with a fresh id.
func newFrame(kind string, sequence int64, payloadType uint32, payload []byte) frame {
	return frame{Type: kind, Created: time.Now(), Sequence: sequence, ID: uuid.New(), PayloadType: payloadType, Payload: payload}
}

// acknowledgement is the payload of an acknowledge.
type acknowledgement struct {
	Type       string `json:"AcknowledgedMessageType"`
	ID         string `json:"AcknowledgedMessageId"`
	Sequence   int64  `json:"AcknowledgedMessageSequenceNumber"`
	Sequential bool   `json:"IsSequentialMessage"`
}

func acknowledgementOf(f frame) frame {
	a := newFrame(acknowledge, 0, 0, mustJSON(acknowledgement{f.Type, f.ID.String(), f.Sequence, true}))
	a.Flags = 3 // first and last of its own stream
	return a
}

// closed is the payload of a channel_closed. Output is shown to the user where it is not empty.
type closed struct {
	MessageID     string `json:"MessageId"`
	CreatedDate   string `json:"CreatedDate"`
	DestinationID string `json:"DestinationId"`
	SessionID     string `json:"SessionId"`
	MessageType   string `json:"MessageType"`
	SchemaVersion int    `json:"SchemaVersion"`
	Output        string `json:"Output"`
}

func closedFrame(session, target, output string) frame {
	f := newFrame(channelClosed, 0, 0, nil)
	f.Payload = mustJSON(closed{
		MessageID: f.ID.String(), CreatedDate: f.Created.UTC().Format(time.RFC3339), DestinationID: target,
		SessionID: session, MessageType: channelClosed, SchemaVersion: 1, Output: output,
	})
	return f
}

// Handshake: what the agent asks of the client, and what the client answers.
type (
	handshakeRequest struct {
		AgentVersion           string         `json:"AgentVersion"`
		RequestedClientActions []clientAction `json:"RequestedClientActions"`
	}
	clientAction struct {
		ActionType       string `json:"ActionType"`
		ActionParameters any    `json:"ActionParameters"`
	}
	sessionTypeAction struct {
		SessionType string `json:"SessionType"`
		Properties  any    `json:"Properties"`
	}
	encryptionAction struct {
		KMSKeyID string `json:"KMSKeyId"`
	}
	handshakeResponse struct {
		ClientVersion          string `json:"ClientVersion"`
		ProcessedClientActions []struct {
			ActionType   string          `json:"ActionType"`
			ActionStatus int             `json:"ActionStatus"` // 1: success
			ActionResult json.RawMessage `json:"ActionResult"`
			Error        string          `json:"Error"`
		} `json:"ProcessedClientActions"`
	}
	encryptionResult struct {
		KMSCipherTextKey []byte `json:"KMSCipherTextKey"`
	}
	challenge struct {
		Challenge []byte `json:"Challenge"`
	}
	handshakeComplete struct {
		HandshakeTimeToComplete time.Duration `json:"HandshakeTimeToComplete"`
		CustomerMessage         string        `json:"CustomerMessage"`
	}
)

// mustJSON is for values of this package's own types, which always can be written.
func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
