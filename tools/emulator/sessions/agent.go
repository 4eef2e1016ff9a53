package sessions

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// refusal is why a session is not opened, in the agent's words, which the client shows.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// dataChunk is how many bytes of output a frame takes.
const dataChunk = 1024

// run is one session on the instance, in the agent's order: session encryption, the checks of where the record goes,
// the shell, the record.
func (s *Service) run(ctx context.Context, l *live) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := l.snapshot().SessionID
	s.limit(ctx, l)
	if l.doc.dropped != nil {
		// The agent's message of this session cannot be read, so nothing happens until somebody ends it.
		s.Log("session %s: the agent drops the message: %v", id, l.doc.dropped)
		s.conclude(l, statusTerminated, waitFor(ctx, l))
		return
	}
	// A real agent begins at once. Here it waits for the client, so that no refusal is lost on a client that comes late.
	select {
	case <-l.channel.joined:
	case <-l.ending:
		s.conclude(l, statusTerminated, waitFor(ctx, l))
		return
	case <-time.After(s.Timing.Minute):
		s.conclude(l, statusTerminated, "no client came")
		return
	case <-ctx.Done():
		return
	}
	client, err := s.clients(ctx, l)
	if err != nil {
		s.conclude(l, statusFailed, err.Error())
		return
	}
	l.set(func(e *Session) { e.Status = statusConnected })
	record := newRecord(client, l, s.Timing.Tick, s.Log)
	a := &agent{live: l, timing: s.Timing, client: client, used: make(chan struct{}, 1)}
	if key := l.doc.KMSKeyID; key != "" {
		if err := a.handshake(ctx, key); err != nil {
			record.stray(ctx, err)
			s.conclude(l, statusFailed, "Encountered error while initiating handshake. "+err.Error())
			return
		}
	}
	if err := record.prepare(ctx); err != nil {
		s.conclude(l, statusFailed, err.Error())
		return
	}
	err = checkRunAs(l.doc.preferences)
	var sh *shell
	if err == nil {
		sh, err = startShell(s.Folder)
	}
	if err != nil {
		record.stray(ctx, err)
		s.conclude(l, statusFailed, "Unable to start command: "+err.Error())
		return
	}
	defer sh.remove()
	go func() { // an emulator that ends takes its shells along
		<-ctx.Done()
		sh.kill()
	}()
	if profile := l.doc.ShellProfile.Linux; profile != "" {
		_, _ = sh.tty.WriteString(profile + "\n") // a shell that has gone shows in the output's end
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.output(sh, record)
	}()
	go a.input(ctx, sh)
	go s.watchIdle(ctx, l, a.used)
	streamed := record.stream(ctx)
	select {
	case <-ended:
		l.channel.drain()
	case <-l.ending:
		l.mu.Lock()
		reason := l.reason
		l.mu.Unlock()
		l.channel.close(id, l.agent.ID, reason)
		sh.kill()
		<-ended
	case <-ctx.Done():
		return
	}
	l.set(func(e *Session) { e.Status = statusTerminating })
	if wait := l.agent.agent.RecordAfter.Duration; wait > 0 {
		l.channel.close(id, l.agent.ID, "")
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
	output, err := record.finish(ctx, streamed)
	if err != nil {
		record.stray(ctx, err)
		s.conclude(l, statusFailed, err.Error())
		return
	}
	l.set(func(e *Session) { e.OutputURL = output })
	s.conclude(l, statusTerminated, "")
}

// conclude ends a session, for the client as well.
func (s *Service) conclude(l *live, status, message string) {
	l.set(func(e *Session) {
		e.Status, e.EndDate = status, Time{time.Now()}
		if status == statusFailed {
			e.Details = message
		}
	})
	e := l.snapshot()
	if message != "" {
		s.Log("session %s: %s: %s", e.SessionID, status, message)
	}
	l.channel.drain()
	// The channel is told after the history, so that who reads the history after the client's end finds the end in it.
	s.forget(l)
	l.channel.close(e.SessionID, e.Target, message)
	l.channel.leave()
}

// waitFor waits for the end of a session that nothing happens in, and returns the reason.
func waitFor(ctx context.Context, l *live) string {
	select {
	case <-l.ending:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// limit ends the session after the document's maximum duration.
func (s *Service) limit(ctx context.Context, l *live) {
	if _, longest := l.doc.timeouts(s.Timing.Minute); longest > 0 {
		timer := time.AfterFunc(longest, func() { l.end("Your session timed out because it exceeded its maximum duration.") })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
}

// watchIdle ends a session whose client sends nothing for the document's idle time.
func (s *Service) watchIdle(ctx context.Context, l *live, used <-chan struct{}) {
	idle, _ := l.doc.timeouts(s.Timing.Minute)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-used:
			timer.Reset(idle)
		case <-timer.C:
			l.end("Your session timed out due to inactivity.")
			return
		case <-ctx.Done():
			return
		}
	}
}

// agent is the part of the agent that talks to the client.
type agent struct {
	*live
	timing Timing
	client clients
	sealer *sealer       // of an encrypted session
	used   chan struct{} // something was typed
}

// handshake makes the session's data key together with the client: the client has it generated, the agent has it
// decrypted, and a challenge shows that both have the same.
func (a *agent) handshake(ctx context.Context, key string) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.timing.Handshake)
	defer cancel()
	request := handshakeRequest{AgentVersion: a.live.agent.agent.AgentVersion, RequestedClientActions: []clientAction{
		{"SessionType", sessionTypeAction{SessionType: shellSession}},
		{"KMSEncryption", encryptionAction{key}},
	}}
	if err := a.channel.send(payloadHandshakeRequest, mustJSON(request)); err != nil {
		return err
	}
	answer, err := a.await(ctx, payloadHandshakeResponse)
	if err != nil {
		return refusal("Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
	}
	var response handshakeResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return refuse("Unmarshalling of HandshakeResponse message failed, %v", err)
	}
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != 1 {
			return refuse("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error)
		}
		if action.ActionType != "KMSEncryption" {
			continue
		}
		var result encryptionResult
		if err := json.Unmarshal(action.ActionResult, &result); err != nil {
			return err
		}
		plain, err := a.client.decrypt(ctx, key, result.KMSCipherTextKey, a.snapshot())
		if err != nil {
			return refuse("Fetching data key failed: Unable to retrieve data key, %v", err)
		}
		if a.sealer, err = newSealer(plain); err != nil {
			return err
		}
	}
	if a.sealer == nil {
		return errors.New("the client has not dealt with the encryption of the session")
	}
	secret := make([]byte, keyLength)
	_, _ = rand.Read(secret) // never fails
	if err := a.channel.send(payloadChallengeRequest, mustJSON(challenge{a.sealer.encrypt(secret)})); err != nil {
		return err
	}
	if answer, err = a.await(ctx, payloadChallengeResponse); err != nil {
		return refusal("Timed out waiting for encryption challenge.")
	}
	var back challenge
	if err := json.Unmarshal(answer, &back); err != nil {
		return err
	}
	if plain, err := a.sealer.decrypt(back.Challenge); err != nil || !bytes.Equal(plain, secret) {
		return refusal("Encryption challenge does not match!")
	}
	return a.channel.send(payloadHandshakeComplete, mustJSON(handshakeComplete{time.Since(start), "This session is encrypted using AWS KMS."}))
}

// await waits for a payload of one type; others are ignored, as long as the handshake lasts.
func (a *agent) await(ctx context.Context, payloadType uint32) ([]byte, error) {
	for {
		select {
		case <-a.channel.arrived:
		case <-a.ending:
			return nil, errors.New("the session was ended")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		for _, f := range a.channel.taken() {
			if f.PayloadType == payloadType {
				return f.Payload, nil
			}
		}
	}
}

// output sends what the shell writes, in whole characters, and records it, until the shell ends.
func (a *agent) output(sh *shell, record *record) {
	buffer := make([]byte, dataChunk)
	kept := 0 // bytes of a character that is not complete
	for {
		n, err := sh.tty.Read(buffer[kept:])
		text, rest := completeRunes(buffer[:kept+n])
		if err != nil {
			text, rest = buffer[:kept+n], nil
		}
		if len(text) > 0 {
			record.write(text)
			payload := bytes.Clone(text)
			if a.sealer != nil {
				payload = a.sealer.encrypt(payload)
			}
			if a.channel.send(payloadData, payload) != nil && err == nil {
				// Nobody listens any more; what the shell still writes is recorded all the same.
				kept = copy(buffer, rest)
				continue
			}
		}
		if err != nil {
			return // the shell has ended
		}
		kept = copy(buffer, rest)
	}
}

// input gives the shell what the client sends.
func (a *agent) input(ctx context.Context, sh *shell) {
	for {
		select {
		case <-a.channel.arrived:
		case <-ctx.Done():
			return
		}
		for _, f := range a.channel.taken() {
			a.payload(f, sh)
		}
	}
}

func (a *agent) payload(f frame, sh *shell) {
	switch f.PayloadType {
	case payloadData:
		text := f.Payload
		if a.sealer != nil {
			var err error
			if text, err = a.sealer.decrypt(text); err != nil {
				return // not of this client
			}
		}
		select {
		case a.used <- struct{}{}:
		default:
		}
		_, _ = sh.tty.Write(text) // a shell that has gone shows in the output's end
	case payloadSize:
		var size struct {
			Cols uint32 `json:"cols"`
			Rows uint32 `json:"rows"`
		}
		if json.Unmarshal(f.Payload, &size) == nil {
			sh.resize(size.Cols, size.Rows)
		}
	case payloadFlag:
		if len(f.Payload) == 4 && f.Payload[3] == flagTerminate {
			a.end("")
		}
	}
}
