// Package emulator is the local emulator: moto with named fixes, behind one HTTP front that records
// every call and can answer, refuse, delay or change calls by a table of rules.
//
// Session Manager and the agents of the instances are played by the package sessions, in the same front.
//
// It needs a Python with moto/requirements.txt installed, and nothing else. The front listens on 127.0.0.1 only, and answers
// only those who know the secret of this start; see authenticator. moto listens on a socket in a folder of the user's own.
package emulator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"private-ec2-access/tools/emulator/sessions"
	"private-ec2-access/tools/environment"
)

//go:embed moto/serve.py moto/fixes.py moto/policies.py
var python embed.FS

const (
	startTimeout = 60 * time.Second // moto's first start in a new venv compiles its byte code
	stopTimeout  = 5 * time.Second
)

// Options says what to start.
type Options struct {
	// Python is the interpreter that has moto installed.
	Python string
	// Secret is the secret access key that belongs to AccessKeyID; "" for a new one, which nobody else knows.
	Secret string
	// Port of the front; 0: any free one.
	Port int
	// Dir takes logs (moto.log, front.log) and the Python files; "" makes a temporary folder that Stop removes.
	Dir string
	// Rules come before everything else that answers.
	Rules []Rule
	// Sessions lets tests hurry the sessions' clocks; the zero value is AWS's pace.
	Sessions sessions.Timing
}

// Emulator is a running emulated AWS account, in all Regions.
type Emulator struct {
	front  *front
	url    string
	secret string
	dir    string
	pid    int
	server *http.Server
	timing sessions.Timing
	moto   *http.Client // speaks to moto's socket, whatever the host of the URL is
	log    *log.Logger
	parent *Emulator // of a copy

	done    chan struct{} // closed when moto has ended
	stopped sync.Once
	end     func() error // ends moto; set for originals

	mu     sync.Mutex
	err    error // why moto ended
	copies []*Emulator
}

// Start starts moto and the front, and returns once both answer. The context bounds the start, not the life.
func Start(ctx context.Context, o Options) (*Emulator, error) {
	if o.Python == "" {
		return nil, errors.New("no Python given to run moto with: name an interpreter that has tools/emulator/moto/requirements.txt installed")
	}
	dir, temporary, err := prepare(o.Dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	e := &Emulator{done: make(chan struct{}), dir: dir, timing: o.Sessions, secret: o.Secret}
	if e.secret == "" {
		e.secret = rand.Text()
	}
	fail := func(err error) (*Emulator, error) {
		if e.end != nil {
			err = errors.Join(err, e.end())
		}
		if temporary {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		return nil, err
	}

	frontLog, err := os.OpenFile(filepath.Join(dir, "front.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fail(err)
	}
	e.log = log.New(frontLog, "", log.LstdFlags|log.Lmicroseconds)
	listener, err := listen(o.Port)
	if err != nil {
		return fail(errors.Join(err, frontLog.Close()))
	}
	who, err := e.startMoto(ctx, o.Python, dir, listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return fail(errors.Join(err, listener.Close(), frontLog.Close()))
	}
	e.startFront(who, listener, o.Rules)
	endMoto := e.end
	e.end = func() error {
		err := errors.Join(endMoto(), frontLog.Close())
		if temporary {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		return err
	}
	return e, nil
}

// prepare makes the folder and puts the Python files into it.
func prepare(dir string) (string, bool, error) {
	temporary := dir == ""
	var err error
	if temporary {
		if dir, err = os.MkdirTemp("", "emulator-"); err != nil {
			return "", false, err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "moto"), 0o700); err != nil {
		return "", false, err
	}
	for _, name := range []string{"serve.py", "fixes.py", "policies.py"} {
		text, err := python.ReadFile("moto/" + name)
		if err != nil {
			return "", false, err
		}
		if err := os.WriteFile(filepath.Join(dir, "moto", name), text, 0o600); err != nil {
			return "", false, err
		}
	}
	return dir, temporary, nil
}

// identity is what serve.py says of a process.
type identity struct {
	Socket string `json:"socket"`
	PID    int    `json:"pid"`
}

func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("the emulator's port: %w; choose another one, or 0 for any", err)
	}
	return listener, nil
}

// startMoto starts serve.py and waits until it listens. moto lives as long as this process holds its
// standard input, however this process ends. The port is the front's, for the URLs that moto makes.
func (e *Emulator) startMoto(ctx context.Context, interpreter, dir string, port int) (identity, error) {
	path := filepath.Join(dir, "moto.log")
	output, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return identity{}, err
	}
	cmd := exec.Command(interpreter, "-B", "-u", filepath.Join(dir, "moto", "serve.py"), "--port", strconv.Itoa(port)) //nolint:gosec // the caller's interpreter
	cmd.Stderr = output
	cmd.Env = environment.Clean(os.Environ())
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return identity{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return identity{}, err
	}
	if err := cmd.Start(); err != nil {
		return identity{}, fmt.Errorf("moto does not start with Python %q: %w", interpreter, err)
	}
	line := make(chan []byte, 1)
	go func() {
		reader := bufio.NewReader(stdout)
		first, _ := reader.ReadBytes('\n') // an early end shows in the line
		line <- first
		_, _ = io.Copy(output, reader)
		err := errors.Join(cmd.Wait(), output.Close())
		e.mu.Lock()
		e.err = fmt.Errorf("moto ended (%v); its log is %s", err, path)
		e.mu.Unlock()
		close(e.done)
	}()
	e.end = func() error {
		_ = lifeline.Close() // closed already if moto is gone
		select {
		case <-e.done:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-e.done
		}
		return nil
	}
	select {
	case first := <-line:
		var who identity
		if err := json.Unmarshal(first, &who); err != nil {
			<-e.done
			return identity{}, fmt.Errorf("moto does not start with Python %q:\n%s", interpreter, tail(path))
		}
		return who, nil
	case <-ctx.Done():
		return identity{}, fmt.Errorf("moto does not answer after %s (%w); the end of its log:\n%s", startTimeout, ctx.Err(), tail(path))
	}
}

// tail is the end of a log, for an error message.
func tail(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // our own log
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// startFront serves on the listener.
func (e *Emulator) startFront(who identity, listener net.Listener, rules []Rule) {
	e.pid = who.PID
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", who.Socket)
	}
	e.moto = &http.Client{Transport: &http.Transport{DialContext: dial}}
	e.url = "http://" + listener.Addr().String()
	e.front = newFront(dial, rules, e.log)
	e.front.sessions = sessions.New(sessions.Options{
		Moto: e.moto, Front: &url.URL{Scheme: "http", Host: listener.Addr().String()}, Folder: e.dir, Log: e.log.Printf, Timing: e.timing,
	})
	e.front.fork = e.Fork
	e.server = &http.Server{
		Handler:  &authenticator{secret: e.secret, issued: e.issued, log: e.log, next: e.front},
		ErrorLog: e.log, ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = e.server.Serve(listener) }() // ends with Stop
}

// URL is the endpoint for AWS_ENDPOINT_URL.
func (e *Emulator) URL() string { return e.url }

// Secret is the secret access key that belongs to AccessKeyID, and the bearer token of the front's own calls.
func (e *Emulator) Secret() string { return e.secret }

// Sessions is the account's Session Manager.
func (e *Emulator) Sessions() *sessions.Service { return e.front.sessions }

// Calls returns the recorded calls, the oldest first; of more than keptCalls only the newest.
func (e *Emulator) Calls() []Call { return e.front.recorded() }

// Reset forgets the recorded calls. Account and rules stay.
func (e *Emulator) Reset() { e.front.reset() }

// Add puts a rule before all others until remove is called.
func (e *Emulator) Add(r Rule) (remove func()) {
	a := e.front.add(r, nil)
	return func() { e.front.remove(func(b *added) bool { return a == b }) }
}

// Done is closed when moto has ended, by Stop or by itself; Err then says why.
func (e *Emulator) Done() <-chan struct{} { return e.done }

// Err says why moto ended; nil while it runs.
func (e *Emulator) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Fork makes a copy of the whole account, in milliseconds: from then on the two know nothing of each
// other. The copy has a front of its own, with the same rules, no recorded calls, and no sessions, neither
// running nor past, and the same secret. Calls in flight are finished first. A copy ends with Stop, or with its original.
func (e *Emulator) Fork(ctx context.Context) (*Emulator, error) {
	var who identity
	if err := e.ask(ctx, http.MethodPost, "fork", &who); err != nil {
		return nil, fmt.Errorf("copying the emulator: %w", err)
	}
	listener, err := listen(0)
	if err != nil {
		return nil, err
	}
	c := &Emulator{parent: e, log: e.log, done: make(chan struct{}), dir: e.dir, timing: e.timing, secret: e.secret}
	c.startFront(who, listener, nil)
	c.front.stop = c.Stop
	e.front.mu.Lock()
	for _, a := range e.front.rules {
		same := *a
		c.front.rules = append(c.front.rules, &same)
	}
	c.front.next = e.front.next
	e.front.mu.Unlock()
	e.mu.Lock()
	e.copies = append(e.copies, c)
	e.mu.Unlock()
	return c, nil
}

// ask makes one of serve.py's own calls.
func (e *Emulator) ask(ctx context.Context, method, what string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://moto/_moto/"+what, http.NoBody)
	if err != nil {
		return err
	}
	response, err := e.moto.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("moto answers %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, answer)
}

// issued asks moto for a key that its IAM or STS issued and that is valid now.
func (e *Emulator) issued(ctx context.Context, id string) (secret, token string, err error) {
	var key struct{ Secret, Token string }
	err = e.ask(ctx, http.MethodGet, "key?id="+url.QueryEscape(id), &key)
	return key.Secret, key.Token, err
}

// Stop ends the front, moto, and all copies. It may be called more than once.
func (e *Emulator) Stop() {
	e.stopped.Do(func() {
		e.mu.Lock()
		copies := slices.Clone(e.copies)
		e.mu.Unlock()
		for _, c := range copies {
			c.Stop()
		}
		e.front.sessions.Close()
		_ = e.server.Close()
		if e.parent == nil {
			if err := e.end(); err != nil {
				e.log.Print(err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		var gone map[string]any
		if err := e.ask(ctx, http.MethodPost, "stop", &gone); err != nil {
			e.log.Printf("stopping a copy: %v", err) // it ends with the original at the latest
		}
		e.mu.Lock()
		e.err = errors.New("the copy was stopped")
		e.mu.Unlock()
		close(e.done)
		e.parent.mu.Lock()
		e.parent.copies = slices.DeleteFunc(e.parent.copies, func(c *Emulator) bool { return c == e })
		e.parent.mu.Unlock()
	})
}
