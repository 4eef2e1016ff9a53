package sessions

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// ChannelPath is where the data channels are, as at AWS. No bucket can have this name: it has two letters.
const ChannelPath = "/v1/data-channel/"

// tokenTimeout is how long a connection may be open before it has shown its token.
const tokenTimeout = 10 * time.Second

// Call is one call of Systems Manager.
type Call struct {
	Context                   context.Context
	Action, Region, AccessKey string
	Body                      []byte // JSON
}

func (c Call) read(into any) error {
	if len(c.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Body, into); err != nil {
		return &Error{"SerializationException", "the request is not what the call's model says: " + err.Error()}
	}
	return nil
}

// Error is an error of the service.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func invalid(member, value, constraint string) error {
	return &Error{"ValidationException", fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, constraint)}
}

func (s *Service) calls() map[string]func(Call) (any, error) {
	return map[string]func(Call) (any, error){
		"StartSession": s.startSession, "ResumeSession": s.resumeSession, "TerminateSession": s.terminateSession,
		"DescribeSessions": s.describeSessions, "GetConnectionStatus": s.getConnectionStatus,
		"DescribeInstanceInformation": s.describeInstanceInformation,
	}
}

// Answers tells whether a call is one of this service.
func (s *Service) Answers(service, action string) bool {
	return service == "ssm" && s.calls()[action] != nil
}

// Answer answers a call with a value for JSON, or with an *Error.
func (s *Service) Answer(c Call) (any, error) {
	return s.calls()[c.Action](c)
}

var (
	targetPattern   = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{1,400}$`)
	sessionPattern  = regexp.MustCompile(`^[a-zA-Z0-9_.@=+,-]{1,96}$`)
	documentPattern = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{3,128}$`)
)

func (s *Service) startSession(c Call) (any, error) {
	var in struct{ Target, DocumentName, Reason string }
	if err := c.read(&in); err != nil {
		return nil, err
	}
	switch {
	case !targetPattern.MatchString(in.Target):
		return nil, invalid("target", in.Target, "Member must have length between 1 and 400")
	case in.DocumentName != "" && !documentPattern.MatchString(in.DocumentName):
		return nil, invalid("documentName", in.DocumentName, "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.:/]{3,128}$")
	case utf8.RuneCountInString(in.Reason) > 256:
		return nil, invalid("reason", in.Reason, "Member must have length less than or equal to 256")
	}
	agent, err := s.target(c.Context, c.Region, in.Target)
	if err != nil {
		return nil, err
	}
	if agent.windows() {
		return nil, &Error{"ValidationException", in.Target + " runs Windows Server, and the local emulator cannot open sessions on it: " +
			"it simulates SSM Agent with a shell of this machine, and has no PowerShell."}
	}
	if !agent.online {
		return nil, &Error{"TargetNotConnected", in.Target + " is not connected."}
	}
	doc, name, err := s.sessionDocument(c, in.DocumentName)
	if err != nil {
		return nil, err
	}
	owner, err := s.account.whoIs(c.Context, c.AccessKey, c.Region)
	if err != nil {
		return nil, err
	}
	entry := Session{
		SessionID: newSessionID(owner), Target: in.Target, Status: statusConnecting, StartDate: Time{time.Now()},
		DocumentName: name, Owner: owner, Reason: in.Reason, AccessType: "Standard", Region: c.Region,
	}
	if doc.longest > 0 {
		entry.MaxSessionDuration = strconv.Itoa(doc.longest)
	}
	_, token := s.open(entry, agent, doc)
	return map[string]string{"SessionId": entry.SessionID, "TokenValue": token, "StreamUrl": s.streamURL(entry.SessionID)}, nil
}

// sessionDocument reads the document of a session as it is deployed now. The account's default may be missing: a session
// then runs without preferences.
func (s *Service) sessionDocument(c Call, named string) (document, string, error) {
	name := cmp.Or(named, DefaultDocument)
	deployed, err := s.account.document(c.Context, c.Region, name)
	if err != nil {
		return document{}, "", err
	}
	if deployed == nil && named == "" {
		return document{idle: defaultIdle}, name, nil
	}
	if deployed == nil {
		return document{}, "", &Error{"InvalidDocument", fmt.Sprintf("Document with name %s does not exist.", name)}
	}
	if deployed.DocumentType != "Session" {
		return document{}, "", &Error{"InvalidDocument", fmt.Sprintf("Document type %s of %s is not supported for sessions.", deployed.DocumentType, name)}
	}
	doc, err := parseDocument(deployed.Content)
	if err != nil {
		return document{}, "", &Error{"InvalidDocument", fmt.Sprintf("Document %s: %v.", name, err)}
	}
	return doc, name, nil
}

func (s *Service) streamURL(session string) string {
	u := url.URL{Scheme: "ws", Host: s.Front.Host, Path: ChannelPath + session, RawQuery: "role=publish_subscribe"}
	return u.String()
}

func (s *Service) readSession(c Call) (string, error) {
	var in struct {
		SessionID string `json:"SessionId"`
	}
	if err := c.read(&in); err != nil {
		return "", err
	}
	if !sessionPattern.MatchString(in.SessionID) {
		return "", invalid("sessionId", in.SessionID, "Member must have length between 1 and 96")
	}
	return in.SessionID, nil
}

// resumeSession gives a new token for a session that lives, and none for one that has ended: the client takes that for
// "timed out".
func (s *Service) resumeSession(c Call) (any, error) {
	id, err := s.readSession(c)
	if err != nil {
		return nil, err
	}
	l := s.find(id)
	if l == nil {
		if s.ended(id) {
			return map[string]string{"SessionId": id}, nil
		}
		return nil, &Error{"DoesNotExistException", "Session " + id + " does not exist."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]string{"SessionId": id, "TokenValue": s.token(l), "StreamUrl": s.streamURL(id)}, nil
}

func (s *Service) ended(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.past, func(e Session) bool { return e.SessionID == id })
}

// terminateSession ends a session. Ending one that has ended, or never was, is no error: AWS documents the call as
// idempotent, and its model has no error for it but InternalServerError.
func (s *Service) terminateSession(c Call) (any, error) {
	id, err := s.readSession(c)
	if err != nil {
		return nil, err
	}
	if l := s.find(id); l != nil {
		l.end("Your session has been terminated.")
	}
	return map[string]string{"SessionId": id}, nil
}

// ServeChannel is a data channel: a websocket whose first message is JSON with a token that a call has given out.
func (s *Service) ServeChannel(w http.ResponseWriter, r *http.Request) {
	session := r.URL.Path[len(ChannelPath):]
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow() //nolint:errcheck // nobody is left to tell
	ctx, cancel := context.WithTimeout(s.ctx, tokenTimeout)
	kind, text, err := conn.Read(ctx)
	cancel()
	var hello struct{ TokenValue string }
	if err != nil || kind != websocket.MessageText || json.Unmarshal(text, &hello) != nil {
		_ = conn.Close(websocket.StatusPolicyViolation, "the first message is not the one with the token")
		return
	}
	l := s.redeem(session, hello.TokenValue)
	if l == nil {
		_ = conn.Close(websocket.StatusPolicyViolation, "the token was not given out for this session, or was used")
		return
	}
	l.channel.serve(conn)
}

// Cut ends the connection of a session's client as a broken network does, and tells whether there was one.
func (s *Service) Cut(session string) bool {
	l := s.find(session)
	return l != nil && l.channel.cut()
}
