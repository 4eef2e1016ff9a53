package sessions

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// line is a channel with a client that a test plays, frame by frame.
type line struct {
	t      *testing.T
	c      *channel
	server *httptest.Server
	conn   *websocket.Conn
}

func newLine(t *testing.T) *line {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	l := &line{t: t, c: newChannel(ctx)}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			l.c.serve(conn)
		}
	}))
	t.Cleanup(func() { cancel(); l.server.Close() })
	l.connect()
	return l
}

func (l *line) connect() {
	conn, _, err := websocket.Dial(l.t.Context(), "ws"+strings.TrimPrefix(l.server.URL, "http"), nil)
	require.NoError(l.t, err)
	l.conn = conn
	l.t.Cleanup(func() { _ = conn.CloseNow() })
}

func (l *line) put(f frame) {
	require.NoError(l.t, l.conn.Write(l.t.Context(), websocket.MessageBinary, f.encode()))
}

func (l *line) input(sequence int64, text string) {
	l.put(newFrame(inputStream, sequence, payloadData, []byte(text)))
}

func (l *line) get() frame {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	_, bytes, err := l.conn.Read(ctx)
	require.NoError(l.t, err)
	f, err := decodeFrame(bytes)
	require.NoError(l.t, err)
	return f
}

// acknowledged reads an acknowledgement and returns the sequence number in it.
func (l *line) acknowledged() int64 {
	l.t.Helper()
	f := l.get()
	require.Equal(l.t, acknowledge, f.Type)
	var a acknowledgement
	require.NoError(l.t, json.Unmarshal(f.Payload, &a))
	assert.Equal(l.t, inputStream, a.Type)
	assert.True(l.t, a.Sequential)
	return a.Sequence
}

func (l *line) acknowledge(f frame) { l.put(acknowledgementOf(f)) }

func (l *line) arrived() (text string) {
	for _, f := range l.c.taken() {
		text += string(f.Payload)
	}
	return text
}

func TestChannel_Input_ReadOnceInOrder(t *testing.T) {
	l := newLine(t)
	l.input(1, "b")
	assert.Equal(t, int64(1), l.acknowledged(), "it is kept until its turn")
	assert.Empty(t, l.arrived())
	l.input(0, "a")
	assert.Equal(t, int64(0), l.acknowledged())
	assert.Equal(t, "ab", l.arrived())
	l.input(1, "b")
	assert.Equal(t, int64(1), l.acknowledged(), "its acknowledgement was lost")
	l.input(2, "c")
	assert.Equal(t, int64(2), l.acknowledged())
	assert.Equal(t, "c", l.arrived(), "b does not come twice")
}

func TestChannel_InputBufferFull_NotAcknowledged(t *testing.T) {
	l := newLine(t)
	for i := range int64(mostWaiting) {
		l.input(i, "x")
		require.Equal(t, i, l.acknowledged())
	}
	l.input(mostWaiting, "y")
	l.input(0, "x") // its answer shows that the one before has been looked at
	assert.Equal(t, int64(0), l.acknowledged())
	assert.Len(t, l.arrived(), mostWaiting)
	l.input(mostWaiting, "y")
	assert.Equal(t, int64(mostWaiting), l.acknowledged())
	assert.Equal(t, "y", l.arrived())
}

func TestChannel_Output_SentUntilAcknowledged(t *testing.T) {
	l := newLine(t)
	require.NoError(t, l.c.send(payloadData, []byte("first")))
	first := l.get()
	again := l.get()
	assert.Equal(t, first, again, "the same frame, with the same id")
	assert.Equal(t, uint64(1), first.Flags, "the beginning of the stream")
	l.acknowledge(first)
	require.Eventually(t, func() bool { l.c.mu.Lock(); defer l.c.mu.Unlock(); return len(l.c.unacked) == 0 }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, l.c.send(payloadData, []byte("second")))
	second := l.get()
	for second.Sequence == 0 { // one more repetition may have been on its way
		second = l.get()
	}
	assert.Equal(t, int64(1), second.Sequence)
	assert.Equal(t, uint64(0), second.Flags)
}

func TestChannel_NewConnection_GetsMissedOutput(t *testing.T) {
	l := newLine(t)
	<-l.c.joined
	require.True(t, l.c.cut())
	assert.False(t, l.c.cut(), "there is nobody any more")
	require.NoError(t, l.c.send(payloadData, []byte("meanwhile")))
	l.connect()
	assert.Equal(t, startPublication, l.get().Type)
	assert.Equal(t, "meanwhile", string(l.get().Payload))
}

func TestChannel_ClientAway_OutputWaits(t *testing.T) {
	l := newLine(t)
	<-l.c.joined
	l.c.cut()
	sent := make(chan int)
	go func() {
		n := 0
		for l.c.send(payloadData, []byte("x")) == nil {
			n++
		}
		sent <- n
	}()
	require.Eventually(t, func() bool { l.c.mu.Lock(); defer l.c.mu.Unlock(); return len(l.c.unacked) == mostUnacked }, 30*time.Second, 10*time.Millisecond)
	l.c.close("s", "i", "over")
	assert.Equal(t, mostUnacked, <-sent)
}

func TestChannel_End_ClientInformed(t *testing.T) {
	l := newLine(t)
	<-l.c.joined
	l.c.close("session-1", "i-1", "why")
	l.c.close("session-1", "i-1", "a second reason")
	f := l.get()
	assert.Equal(t, channelClosed, f.Type)
	var c closed
	require.NoError(t, json.Unmarshal(f.Payload, &c))
	assert.Equal(t, []string{"session-1", "i-1", "why"}, []string{c.SessionID, c.DestinationID, c.Output})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err := l.conn.Read(ctx)
	assert.Error(t, err, "once")
	assert.Error(t, l.c.send(payloadData, nil), "nothing comes after it")
}

func TestChannel_OtherProtocol_Refused(t *testing.T) {
	l := newLine(t)
	require.NoError(t, l.conn.Write(t.Context(), websocket.MessageBinary, []byte("hello")))
	_, _, err := l.conn.Read(t.Context())
	assert.Error(t, err)
}
