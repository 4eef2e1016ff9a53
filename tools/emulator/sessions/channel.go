package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	resendAfter  = 200 * time.Millisecond // how long an acknowledgement is waited for
	resendEvery  = 50 * time.Millisecond  // how often that is looked at
	mostUnacked  = 512                    // frames that are on their way; then the shell waits
	mostEarly    = 10_000                 // frames kept that came before their turn
	mostWaiting  = 1_024                  // input that the agent has not taken yet
	frameLimit   = 1 << 20
	writeTimeout = 5 * time.Second
	drainTimeout = 3 * time.Second // for the last acknowledgements, before a channel is closed
)

// channel is the data channel of one session: two sequences of frames that arrive complete and in order, although
// connections come and go. It is the service's and the agent's side together.
type channel struct {
	ctx     context.Context // ends with the session
	joined  chan struct{}   // closed when a client has come for the first time
	arrived chan struct{}   // says that the inbox is not empty

	mu       sync.Mutex
	changed  *sync.Cond
	conn     *websocket.Conn
	closed   bool
	unacked  []*unacked
	nextOut  int64
	expected int64 // of the input stream
	early    map[int64]frame
	inbox    []frame // what the client sent, in order
}

type unacked struct {
	sequence int64
	bytes    []byte
	sent     time.Time
}

func newChannel(ctx context.Context) *channel {
	c := &channel{ctx: ctx, joined: make(chan struct{}), arrived: make(chan struct{}, 1), early: map[int64]frame{}}
	c.changed = sync.NewCond(&c.mu)
	context.AfterFunc(ctx, c.wake)
	go c.resend()
	return c
}

// wake lets those that wait for a change look again.
func (c *channel) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.Broadcast()
}

// serve makes a connection the channel's, in place of an older one, and reads it until it ends.
func (c *channel) serve(conn *websocket.Conn) {
	c.mu.Lock()
	old := c.conn
	if c.closed {
		c.mu.Unlock()
		_ = conn.CloseNow()
		return
	}
	c.conn = conn
	conn.SetReadLimit(frameLimit)
	resumed := true
	select {
	case <-c.joined:
	default:
		resumed = false
		close(c.joined)
	}
	for _, u := range c.unacked {
		u.sent = time.Time{} // at once
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	if old != nil {
		_ = old.CloseNow()
	}
	if resumed {
		c.write(newFrame(startPublication, 0, 0, []byte("{}")).encode())
	}
	defer func() {
		c.mu.Lock()
		if c.conn == conn {
			c.conn = nil
			c.changed.Broadcast()
		}
		c.mu.Unlock()
		_ = conn.CloseNow()
	}()
	for {
		kind, bytes, err := conn.Read(c.ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageBinary {
			continue
		}
		f, err := decodeFrame(bytes)
		if err != nil {
			return // a client that does not speak the protocol
		}
		c.receive(f)
	}
}

// receive deals with one frame of the client.
func (c *channel) receive(f frame) {
	switch f.Type {
	case acknowledge:
		var a acknowledgement
		if json.Unmarshal(f.Payload, &a) == nil {
			c.acknowledged(a.Sequence)
		}
	case inputStream:
		if c.take(f) {
			c.write(acknowledgementOf(f).encode())
		}
	}
}

// take accepts a frame of the input stream, and tells whether it is to be acknowledged: not where there is no room for
// it, so that the client sends it again.
func (c *channel) take(f frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.Sequence < c.expected:
		return true // the acknowledgement was lost
	case f.Sequence > c.expected:
		if len(c.early) >= mostEarly {
			return false
		}
		c.early[f.Sequence] = f
		return true
	}
	if len(c.inbox) >= mostWaiting {
		return false
	}
	for ok := true; ok; f, ok = c.early[c.expected] {
		delete(c.early, c.expected)
		c.inbox = append(c.inbox, f)
		c.expected++
	}
	select {
	case c.arrived <- struct{}{}:
	default: // said already
	}
	return true
}

// taken is what has arrived since the last call; it may be nothing.
func (c *channel) taken() []frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := c.inbox
	c.inbox = nil
	return frames
}

func (c *channel) acknowledged(sequence int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unacked = slices.DeleteFunc(c.unacked, func(u *unacked) bool { return u.sequence == sequence })
	c.changed.Broadcast()
}

// send puts a payload on the output stream. It waits while too much is on its way, as it does without a connection.
func (c *channel) send(payloadType uint32, payload []byte) error {
	c.mu.Lock()
	for len(c.unacked) >= mostUnacked && c.ctx.Err() == nil && !c.closed {
		c.changed.Wait()
	}
	if c.ctx.Err() != nil || c.closed {
		c.mu.Unlock()
		return errors.New("the session has ended")
	}
	f := newFrame(outputStream, c.nextOut, payloadType, payload)
	if c.nextOut == 0 {
		f.Flags = 1 // the first of the stream
	}
	c.nextOut++
	u := &unacked{sequence: f.Sequence, bytes: f.encode(), sent: time.Now()}
	c.unacked = append(c.unacked, u)
	c.mu.Unlock()
	c.write(u.bytes)
	return nil
}

// resend repeats what was not acknowledged in time, the oldest first, until the session ends.
func (c *channel) resend() {
	ticker := time.NewTicker(resendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		var late [][]byte
		c.mu.Lock()
		if c.conn != nil {
			for _, u := range c.unacked {
				if time.Since(u.sent) > resendAfter {
					late = append(late, u.bytes)
					u.sent = time.Now()
				}
			}
		}
		c.mu.Unlock()
		for _, bytes := range late {
			c.write(bytes)
		}
	}
}

// write sends bytes over the connection, if there is one. What is lost is sent again, or answered by the client's own
// repetition.
func (c *channel) write(bytes []byte) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if conn.Write(ctx, websocket.MessageBinary, bytes) != nil {
		_ = conn.CloseNow()
	}
}

// drain waits until everything was acknowledged, but not long.
func (c *channel) drain() {
	c.waitWhile(func() bool { return len(c.unacked) > 0 && !c.closed })
}

// leave waits until the client has gone, but not long: closing the connection first could lose it the last message.
func (c *channel) leave() { c.waitWhile(func() bool { return true }) }

func (c *channel) waitWhile(more func() bool) {
	defer time.AfterFunc(drainTimeout, c.wake).Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for end := time.Now().Add(drainTimeout); more() && c.conn != nil && c.ctx.Err() == nil && time.Now().Before(end); {
		c.changed.Wait()
	}
}

// close tells the client that the session is over, and why. It is done once.
func (c *channel) close(session, target, output string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	c.write(closedFrame(session, target, output).encode())
}

// cut ends the connection without a close message, as a broken network does.
func (c *channel) cut() bool {
	c.mu.Lock()
	conn := c.conn
	c.conn = nil
	c.mu.Unlock()
	if conn == nil {
		return false
	}
	_ = conn.CloseNow()
	return true
}
