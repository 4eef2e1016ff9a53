// Package sessions plays Session Manager on the emulated AWS: the service's calls, its data channel, and on each
// instance an agent that gives a shell and delivers the record that the deployed session document asks for.
//
// The real AWS CLI and the real session-manager-plugin work with it. What they prove is their own part. The service and
// the agent are our reading of AWS's documentation, of the public source of agent and plugin, and of what a real agent
// was seen to do; no AWS was asked. In particular it is not proved that AWS words its messages, orders its history,
// counts its timeouts or fills OutputUrl as it is done here, that an endpoint or a security group lets a session
// through (nothing here uses the network of the emulated VPC), or that IAM lets the person in (the emulated AWS checks
// no permission of the person, and of the agent only what bucket policies say).
//
// The shell is one of this machine, started in a scratch folder with an environment of its own. That is no sandbox: who
// can call the emulator can run commands as its user. Therefore the front, which stands before this package, refuses web
// pages and callers without the secret of this start, and a token opens one data channel once.
//
// Each running instance with a role in its profile has an agent that is online, because nothing boots here; SetAgent
// changes that. An agent calls AWS as its role, through the front, so that those calls are recorded, can be refused by
// rules, and are judged by bucket policies. What the service itself looks up (documents, instances, who asks) is asked
// of moto directly and is not recorded. Sessions live in memory: a copy of the account (a fork) begins without any.
//
// Not played: sessions other than a shell (ports, single commands), parameters of documents, runAs with another user
// (it is only checked that the user exists), Windows.
package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Timing is how fast time goes. The zero value is AWS's pace, and what users of the emulator get; tests may hurry.
type Timing struct {
	// Minute is how long a minute of the document's timeouts lasts; 0: a minute.
	Minute time.Duration
	// Tick is how often records are streamed, and a refused one tried again; 0: a second.
	Tick time.Duration
	// Handshake is how long the agent waits for the client's answers; 0: 15 seconds.
	Handshake time.Duration
}

func (t Timing) withDefaults() Timing {
	return Timing{cmp.Or(t.Minute, time.Minute), cmp.Or(t.Tick, time.Second), cmp.Or(t.Handshake, 15*time.Second)}
}

// Options says where the service works.
type Options struct {
	// Moto answers what the service looks up.
	Moto *http.Client
	// Front is the address that agents and clients use.
	Front *url.URL
	// Folder takes the shells' scratch folders; "" is the system's folder for temporary files.
	Folder string
	// Log takes what an agent would write to its log.
	Log    func(format string, args ...any)
	Timing Timing
}

// Service is Session Manager in one emulated account, in all Regions.
type Service struct {
	Options
	account account
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	agents map[string]agentSetting
	past   []Session        // ended or seeded
	live   map[string]*live // by session id
	tokens map[string]*live // not used yet
}

// New starts the service. Close ends it.
func New(o Options) *Service {
	o.Timing = o.Timing.withDefaults()
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Service{Options: o, account: account{o.Moto}, agents: map[string]agentSetting{}, live: map[string]*live{}, tokens: map[string]*live{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends all sessions at once, without session logs, and removes the shells' folders. The clients are told: they would
// try to resume their sessions for minutes.
func (s *Service) Close() {
	s.mu.Lock()
	open := slices.Collect(maps.Values(s.live))
	s.mu.Unlock()
	var told sync.WaitGroup
	for _, l := range open {
		told.Go(func() {
			entry := l.snapshot()
			l.channel.close(entry.SessionID, entry.Target, "The local emulator was stopped.")
			l.channel.leave()
		})
	}
	told.Wait()
	s.cancel()
	s.running.Wait()
}

// live is a session that has not ended.
type live struct {
	channel *channel
	agent   managed
	doc     document

	mu     sync.Mutex
	entry  Session
	ending chan struct{} // closed when the session is to end
	reason string        // for the client; set before ending is closed
}

func (l *live) snapshot() Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry
}

func (l *live) set(change func(*Session)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.entry)
}

// end asks the session to end; later reasons are not heard.
func (l *live) end(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ending:
	default:
		l.reason = reason
		l.entry.Status = statusTerminating
		close(l.ending)
	}
}

// open begins a session: from here on it is the agent's.
func (s *Service) open(entry Session, agent managed, doc document) (l *live, token string) {
	ctx, cancel := context.WithCancel(s.ctx)
	l = &live{channel: newChannel(ctx), agent: agent, doc: doc, entry: entry, ending: make(chan struct{})}
	s.mu.Lock()
	s.live[entry.SessionID] = l
	token = s.token(l)
	s.mu.Unlock()
	s.running.Go(func() {
		defer cancel()
		s.run(ctx, l)
		s.forget(l)
	})
	return l, token
}

// forget moves an ended session to the history.
func (s *Service) forget(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := l.snapshot()
	if s.live[entry.SessionID] != l {
		return // done already
	}
	delete(s.live, entry.SessionID)
	for token, of := range s.tokens {
		if of == l {
			delete(s.tokens, token)
		}
	}
	s.past = append(s.past, entry)
}

// token makes a token for one connection. The caller holds the lock.
func (s *Service) token(l *live) string {
	token := rand.Text() + rand.Text()
	s.tokens[token] = l
	return token
}

// redeem takes a token back, which is worth nothing from then on.
func (s *Service) redeem(session, token string) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.tokens[token]
	if l == nil || s.live[session] != l {
		return nil
	}
	delete(s.tokens, token)
	return l
}

func (s *Service) find(session string) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[session]
}

// newSessionID names a session as AWS does: after the user, or a role's session name, and 17 hexadecimal digits.
func newSessionID(owner string) string {
	name := owner[strings.LastIndexAny(owner, "/:")+1:]
	random := make([]byte, 9)
	_, _ = rand.Read(random) // never fails
	return name + "-0" + hex.EncodeToString(random)[:16]
}
