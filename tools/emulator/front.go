package emulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"private-ec2-access/tools/emulator/sessions"
)

// AdminPath is where the front's own calls live. No bucket can have this name.
const AdminPath = "/_emulator/"

// Call is one recorded call.
type Call struct {
	Time      time.Time         `json:"time"`
	Service   string            `json:"service"`
	Action    string            `json:"action"`
	Region    string            `json:"region,omitempty"`
	AccessKey string            `json:"accessKey,omitempty"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Params    map[string]string `json:"params,omitempty"`
	Body      string            `json:"body,omitempty"` // its beginning; not of uploaded objects
	Resource  string            `json:"resource,omitempty"`
	Status    int               `json:"status"` // 0: the client hung up first
	ErrorCode string            `json:"errorCode,omitempty"`
	Rules     []string          `json:"rules,omitempty"` // names of the rules that touched it
	Duration  time.Duration     `json:"duration"`
}

// Writes tells whether the call changes something, as far as its name says.
func (c Call) Writes() bool {
	for _, read := range []string{"Describe", "Get", "List", "Head", "Lookup", "Search", "Simulate", "Decode", "Test"} {
		if strings.HasPrefix(c.Action, read) {
			return false
		}
	}
	return true
}

func (c Call) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s:%s %s %d %s %s", c.Service, c.Action, c.Region, c.Status, c.ErrorCode, c.Resource))
}

const (
	recordedBody = 64 << 10 // how much of a request's body a record keeps
	keptCalls    = 10_000   // how many calls are kept; an emulator may run for weeks
)

// added is a rule in the table.
type added struct {
	id    int
	rule  Rule
	spec  *RuleSpec // of rules that came over HTTP
	left  int       // calls that it still applies to, where it is limited
	fixed bool      // from the start; not removed by DELETE
}

// front is the HTTP server before moto.
type front struct {
	proxy    *httputil.ReverseProxy
	sessions *sessions.Service
	log      *log.Logger
	fork     func(context.Context) (*Emulator, error)
	stop     func() // ends this front's emulator; nil where others still need it

	mu    sync.Mutex
	next  int
	rules []*added // the newest last
	calls []Call
}

// exchange travels with a request through the proxy.
type exchange struct {
	request *Request
	changes []func(*Request, *Reply) error // the newest last
	code    string
}

type exchangeKey struct{}

// newFront makes a front before the moto that dial reaches.
func newFront(dial func(ctx context.Context, network, address string) (net.Conn, error), rules []Rule, logger *log.Logger) *front {
	f := &front{log: logger}
	for _, r := range rules {
		f.add(r, nil).fixed = true
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // replies go on as they came
	transport.Proxy = nil
	transport.DialContext = dial
	transport.MaxIdleConnsPerHost = 16
	f.proxy = &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  logger,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "moto"
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = p.In.Host // moto makes URLs from it
			// This front has the body already, or reads it while moto does: nobody need wait.
			p.Out.Header.Del("Expect")
		},
		ModifyResponse: f.change,
		ErrorHandler: func(w http.ResponseWriter, h *http.Request, err error) {
			if h.Context().Err() != nil {
				return // the client hung up
			}
			x := h.Context().Value(exchangeKey{}).(*exchange)
			x.code = "EmulatorUnavailable"
			ErrorReply(x.request, http.StatusBadGateway, x.code, "moto does not answer: "+err.Error()).write(w)
		},
	}
	return f
}

func (f *front) add(r Rule, spec *RuleSpec) *added {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	a := &added{id: f.next, rule: r, spec: spec, left: r.Times}
	f.rules = append(f.rules, a)
	return a
}

func (f *front) remove(drop func(*added) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, drop)
	return before - len(f.rules)
}

// selectRules returns the rules for a call, the newest first, up to the one that answers, and that answer.
func (f *front) selectRules(q *Request) (rules []Rule, reply *Reply) {
	f.mu.Lock()
	all := slices.Clone(f.rules)
	f.mu.Unlock()
	for _, a := range slices.Backward(all) {
		if !a.rule.selects(q) || !f.use(a) {
			continue
		}
		rules = append(rules, a.rule)
		if a.rule.Answer != nil {
			if reply = a.rule.Answer(q); reply != nil {
				return rules, reply
			}
		}
	}
	return rules, nil
}

// use counts a call against a rule's limit, and tells whether it is within.
func (f *front) use(a *added) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.rule.Times == 0 {
		return true
	}
	a.left--
	return a.left >= 0
}

func (f *front) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	if strings.HasPrefix(h.URL.Path, AdminPath) {
		f.admin(w, h)
		return
	}
	if strings.HasPrefix(h.URL.Path, sessions.ChannelPath) {
		f.sessions.ServeChannel(w, h)
		return
	}
	if strings.HasPrefix(h.URL.Path, "/_moto/") {
		http.Error(w, "calls of moto's own go through "+AdminPath, http.StatusNotFound)
		return
	}
	start := time.Now()
	q, err := readRequest(h)
	if err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	x := &exchange{request: q}
	rules, reply := f.selectRules(q)
	seen := &statusWriter{ResponseWriter: w}
	// Also when the proxy gives up in the middle of a reply, which it does by a panic.
	defer func() { f.record(x, rules, start, seen.status) }()

	for _, r := range rules {
		if r.Change != nil {
			x.changes = append([]func(*Request, *Reply) error{r.Change}, x.changes...)
		}
		if r.Delay > 0 {
			select {
			case <-time.After(r.Delay):
			case <-h.Context().Done():
				return
			}
		}
	}
	if reply == nil && f.sessions.Answers(q.Service, q.Action) {
		reply = f.session(q)
	}
	if reply != nil {
		x.apply(reply)
		x.code = errorCodeOf(reply)
		reply.write(seen)
		return
	}
	f.proxy.ServeHTTP(seen, h.WithContext(context.WithValue(h.Context(), exchangeKey{}, x)))
}

// session lets the emulated Session Manager answer.
func (f *front) session(q *Request) *Reply {
	answer, err := f.sessions.Answer(sessions.Call{
		Context: q.HTTP.Context(), Action: q.Action, Region: q.Region, AccessKey: q.AccessKey, Body: q.Body,
	})
	var known *sessions.Error
	switch {
	case err == nil:
		return jsonReply(q, answer)
	case errors.As(err, &known):
		return ErrorReply(q, http.StatusBadRequest, known.Code, known.Message)
	}
	return ErrorReply(q, http.StatusNotImplemented, "EmulatorCrashed", "the emulated Session Manager: "+err.Error())
}

// change applies the fixes and rules to moto's reply before the client gets it.
func (f *front) change(response *http.Response) error {
	x := response.Request.Context().Value(exchangeKey{}).(*exchange)
	code := response.Header.Get("X-Emulator-Error")
	// Addresses that moto does not serve, and failures outside its services, are HTML pages.
	page := response.StatusCode >= http.StatusBadRequest && strings.HasPrefix(response.Header.Get("Content-Type"), "text/html")
	if page && x.request.Service == "s3" && response.StatusCode < http.StatusInternalServerError {
		page = false // moto's S3 calls XML so
	}
	failed := response.StatusCode >= http.StatusBadRequest
	if len(x.changes) == 0 && !failed {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	reply := &Reply{Status: response.StatusCode, Header: response.Header, Body: body}
	if code != "" || page && isPage(body) {
		var why struct{ Error string }
		if json.Unmarshal(body, &why) != nil {
			why.Error = "moto answers " + response.Status
		}
		// Not 500: SDKs would repeat the call.
		reply = ErrorReply(x.request, http.StatusNotImplemented, cmp.Or(code, "NotImplementedByEmulator"),
			fmt.Sprintf("the local emulator does not answer %s:%s: %s", x.request.Service, x.request.Action, why.Error))
		response.Header = reply.Header
	}
	x.apply(reply)
	x.code = errorCodeOf(reply)
	response.StatusCode, response.Status = reply.Status, ""
	response.Body = io.NopCloser(bytes.NewReader(reply.Body))
	if x.request.HTTP.Method != http.MethodHead {
		response.ContentLength = int64(len(reply.Body))
		response.TransferEncoding = nil
		response.Header.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	return nil
}

func isPage(body []byte) bool {
	return bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(body)), []byte("<!doctype html"))
}

func errorCodeOf(r *Reply) string {
	if r.Status < http.StatusBadRequest {
		return ""
	}
	return errorCode(r.Header, r.Body)
}

// apply lets the rules change a reply, the oldest first.
func (x *exchange) apply(reply *Reply) {
	for _, change := range x.changes {
		if err := change(x.request, reply); err != nil {
			*reply = *ErrorReply(x.request, http.StatusNotImplemented, "EmulatorCrashed", "a rule cannot change the reply: "+err.Error())
			return
		}
	}
}

func (r *Reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.Header)
	w.Header().Set("Content-Length", strconv.Itoa(len(r.Body)))
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // the client may have gone; there is nobody to tell
}

func (f *front) record(x *exchange, rules []Rule, start time.Time, status int) {
	q := x.request
	c := Call{
		Time: start, Service: q.Service, Action: q.Action, Region: q.Region, AccessKey: q.AccessKey,
		Method: q.HTTP.Method, URL: q.HTTP.URL.RequestURI(), Params: q.Params, Body: string(q.Body[:min(len(q.Body), recordedBody)]),
		Resource: resource(q), Status: status, ErrorCode: x.code, Duration: time.Since(start),
	}
	for _, r := range rules {
		c.Rules = append(c.Rules, r.Name)
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	if len(f.calls) > keptCalls {
		f.calls = slices.Delete(f.calls, 0, keptCalls/10)
	}
	f.mu.Unlock()
	f.log.Printf("%s (%s)%s", c, c.Duration.Round(time.Millisecond), strings.Join(append([]string{""}, c.Rules...), " | "))
}

// resource is what the call is about, in a word: for reading records, not for judging them.
func resource(q *Request) string {
	if bucket := q.Params["Bucket"]; q.Service == "s3" {
		return strings.TrimSuffix(bucket+"/"+q.Params["Key"], "/")
	}
	best := ""
	for _, k := range slices.Sorted(maps.Keys(q.Params)) {
		base, _, _ := strings.Cut(k, ".")
		for _, end := range []string{"Id", "Ids", "Name", "Names", "Arn", "ARN", "Target", "GroupName"} {
			if strings.HasSuffix(strings.ToUpper(base), strings.ToUpper(end)) && len(q.Params[k]) < 200 && best == "" {
				best = q.Params[k]
			}
		}
	}
	return best
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets the proxy flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// admin answers the front's own calls:
//
//	GET    /_emulator/health      {"ok": true}
//	GET    /_emulator/calls       the recorded calls, the oldest first; ?service=, ?action= select
//	DELETE /_emulator/calls       forgets them
//	GET    /_emulator/rules       the rules, the newest first
//	POST   /_emulator/rules       adds a RuleSpec, answers it with its id
//	DELETE /_emulator/rules/ID    removes one
//	DELETE /_emulator/rules       removes all that were added after the start
//	POST   /_emulator/fork        {"url", "pid"} of a copy of the whole account, with a front of its own
//	POST   /_emulator/stop        ends a copy (only copies)
//
// and those of the sessions, which are at sessions.Service.Administer.
func (f *front) admin(w http.ResponseWriter, h *http.Request) {
	if path := strings.TrimPrefix(h.URL.Path, AdminPath); sessions.Administers(path) {
		answer, status, err := f.sessions.Administer(h.Method, path, h)
		if err != nil {
			sendError(w, status, err)
			return
		}
		sendJSON(w, status, answer)
		return
	}
	what, id, _ := strings.Cut(strings.TrimPrefix(h.URL.Path, AdminPath), "/")
	switch h.Method + " " + what {
	case "GET health":
		sendJSON(w, http.StatusOK, map[string]any{"ok": true})
	case "GET calls":
		found := []Call{}
		for _, c := range f.recorded() {
			service, action := h.URL.Query().Get("service"), h.URL.Query().Get("action")
			if (service == "" || service == c.Service) && (action == "" || action == c.Action) {
				found = append(found, c)
			}
		}
		sendJSON(w, http.StatusOK, found)
	case "DELETE calls":
		f.reset()
		sendJSON(w, http.StatusOK, map[string]any{})
	case "GET rules":
		sendJSON(w, http.StatusOK, f.specs())
	case "POST rules":
		f.postRule(w, h)
	case "DELETE rules":
		n := f.remove(func(a *added) bool { return id == "" && !a.fixed || id == strconv.Itoa(a.id) })
		if id != "" && n == 0 {
			sendError(w, http.StatusNotFound, fmt.Errorf("no rule has the id %q; GET %srules lists them", id, AdminPath))
			return
		}
		sendJSON(w, http.StatusOK, map[string]any{"removed": n})
	case "POST fork":
		copied, err := f.fork(h.Context())
		if err != nil {
			sendError(w, http.StatusServiceUnavailable, err)
			return
		}
		sendJSON(w, http.StatusOK, map[string]any{"url": copied.URL(), "pid": copied.pid})
	case "POST stop":
		if f.stop == nil {
			sendError(w, http.StatusConflict, fmt.Errorf("this is no copy; end the process that started it"))
			return
		}
		sendJSON(w, http.StatusOK, map[string]any{})
		go f.stop()
	default:
		sendError(w, http.StatusNotFound, fmt.Errorf("%s %s is not a call of the emulator; it has calls, rules, fork, stop and health, and agents and sessions, under %s",
			h.Method, h.URL.Path, AdminPath))
	}
}

func (f *front) postRule(w http.ResponseWriter, h *http.Request) {
	var spec RuleSpec
	decoder := json.NewDecoder(h.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		sendError(w, http.StatusBadRequest, fmt.Errorf("not a rule: %w", err))
		return
	}
	rule, err := spec.Rule()
	if err != nil {
		sendError(w, http.StatusBadRequest, err)
		return
	}
	spec.ID = f.add(rule, &spec).id
	sendJSON(w, http.StatusOK, spec)
}

// specs describes all rules; of those made in this process only what selects them.
func (f *front) specs() []RuleSpec {
	f.mu.Lock()
	defer f.mu.Unlock()
	specs := []RuleSpec{}
	for _, a := range slices.Backward(f.rules) {
		s := RuleSpec{Name: a.rule.Name, Service: a.rule.Service, Action: a.rule.Action, Where: a.rule.Where, Contains: a.rule.Contains, Times: a.rule.Times}
		if a.spec != nil {
			s = *a.spec
		}
		s.ID = a.id
		specs = append(specs, s)
	}
	return specs
}

func (f *front) recorded() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *front) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

func sendError(w http.ResponseWriter, status int, err error) {
	sendJSON(w, status, map[string]string{"error": err.Error()})
}

func sendJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may have gone
}
