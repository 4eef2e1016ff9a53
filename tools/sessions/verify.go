package sessions

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"private-ec2-access/internal/reach"
	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
)

func verifyCommand(r *run) *cobra.Command {
	c := r.newCommand(r.verify, &cobra.Command{
		Use:   "verify",
		Short: "Verify that sessions are recorded",
		Long: `Verify that sessions are recorded: open a session, print a random token in it, and wait for the token in every log location of the
session document. With --all on every instance, or on those that --instance matches, ` + fmt.Sprint(verifiedAtOnce) + ` at the same time.`,
		Example: `  stack verify --stack dev --instance app --timeout 2m
  stack verify --all --instance web`,
	})
	r.instanceFlag(c)
	c.Flags().BoolVar(&r.all, "all", false, "verify all instances, or all that --instance matches: a name, the beginning of names, or tag:KEY=VALUE")
	r.timeoutFlag(c, 5*time.Minute)
	return c
}

// verify verifies one instance, the first unless another one is named, or all that are meant.
func (r *run) verify(ctx context.Context) error {
	if err := r.needPlugin(); err != nil {
		return err
	}
	all := r.instances()
	if r.instance == "" && len(all) == 0 {
		return fmt.Errorf("the stack %s has no instances: %s%s", r.Stack, r.command("verify INSTANCE=i-…"), r.perhapsMore())
	}
	r.noteOutOfDate()
	if r.all {
		wanted, err := r.matching(ctx)
		if err != nil {
			return err
		}
		return r.verifyAll(ctx, wanted)
	}
	if r.instance == "" {
		return r.verifyOne(ctx, all[0])
	}
	n, err := r.find(r.instance)
	if err != nil {
		return err
	}
	return r.verifyOne(ctx, n)
}

// verifyOne opens a session under the stack's document, prints a random token in it, and looks for the token in every log
// location of the document.
func (r *run) verifyOne(ctx context.Context, n named) error {
	p, err := r.aws.document(ctx, r.outputs.SessionDocument)
	if err != nil {
		return r.explain(err)
	}
	places := p.Locations()
	if len(places) == 0 {
		r.say("%s has no log location:", r.outputs.SessionDocument)
		r.tell(r.whyNoRecord(ctx, n, r.outputs.SessionDocument, "SESSION"))
		return process.Exit{Code: 1}
	}
	token := newToken()
	r.say("• a session on %s under %s, which prints %s", n, r.outputs.SessionDocument, token)
	t, err := r.talk(ctx, n, token)
	if err != nil {
		return r.notOpened(ctx, n, t, err)
	}
	r.say("  ok: %s has ended", t.id)
	return r.recorded(ctx, n, places, t.id, token)
}

func newToken() string { return "verify-" + randomHex() }

func randomHex() string {
	random := make([]byte, 8)
	_, _ = rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}

// talk is what was said in a session of our own.
type talk struct {
	id   string
	said string
	code int
}

var (
	startedLine = regexp.MustCompile(`Starting session with SessionId: (\S+)`)
	refusedLine = regexp.MustCompile(`SessionId: (\S+) : ([^\r\n]+)`)
)

// hasLine tells whether the token stands alone on a line: the typed command holds it too, which proves no shell.
func hasLine(text []byte, token string) (string, bool) {
	for _, line := range strings.Split(plainText(text), "\n") {
		if strings.TrimSpace(line) == token {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

// talk opens a session on a pseudo-terminal of its own, as a person would have it, types a line and leaves.
func (r *run) talk(ctx context.Context, n named, token string) (talk, error) {
	line := append(r.startLine(n), "--reason", verifyReason) // by which status finds it
	r.aws.show(line)
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.aws.path, line...)
	cmd.Env = append(r.aws.environ[:len(r.aws.environ):len(r.aws.environ)], "TERM=dumb")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 200})
	if err != nil {
		return talk{}, err
	}
	// It hangs up on the plugin, too, which the end of aws alone does not reach; at the latest as this program ends, because
	// Close waits for a read that goes on.
	defer terminal.Close()
	var mu sync.Mutex
	var output bytes.Buffer
	go func() {
		chunk := make([]byte, 4096)
		for {
			n, err := terminal.Read(chunk)
			mu.Lock()
			output.Write(chunk[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	seen := func() []byte {
		mu.Lock()
		defer mu.Unlock()
		return bytes.Clone(output.Bytes())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t := talk{}
	read := func() {
		text := seen()
		if m := startedLine.FindSubmatch(text); m != nil {
			t.id = string(m[1])
		}
		t.said = strings.TrimSpace(plainText(text))
	}
	over := func(err error) (talk, error) {
		time.Sleep(100 * time.Millisecond) // the last of the output is on its way
		read()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.code = failed.ExitCode()
		}
		if _, printed := hasLine(seen(), token); printed && t.code == 0 {
			return t, nil
		}
		return t, errors.New("the session ended before it printed the token")
	}
	typed, left := time.Time{}, false
	for {
		select {
		case err := <-ended:
			return over(err)
		case <-ctx.Done():
			read()
			r.giveUp(t.id)
			return t, fmt.Errorf("the session did not end within %s", r.timeout)
		case <-time.After(50 * time.Millisecond):
		}
		read()
		_, after, prompt := strings.Cut(t.said, "Starting session with SessionId: "+t.id)
		switch {
		case left || t.id == "":
		case typed.IsZero() && prompt && strings.TrimSpace(after) != "", !typed.IsZero() && time.Since(typed) > 10*time.Second:
			// Once more after a while: what is typed before the shell reads may be lost.
			typed = time.Now()
			if _, err := terminal.WriteString("echo " + token + "\r"); err != nil {
				return t, err
			}
		default:
			if _, printed := hasLine(seen(), token); printed {
				left = true
				if _, err := terminal.WriteString("exit\r"); err != nil {
					return t, err
				}
			}
		}
	}
}

// giveUp leaves no session open that nobody will end.
func (r *run) giveUp(id string) {
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.aws.call(ctx, nil, "ssm", "terminate-session", input{"SessionId": id}); err != nil {
		r.say("The session %s is still open and could not be ended: %v", id, err)
	}
}

func (r *run) notOpened(ctx context.Context, n named, t talk, err error) error {
	failed := readError([]string{"ssm", "start-session"}, t.said, err)
	switch {
	case failed.denied():
		return r.explain(failed)
	case failed.code == "TargetNotConnected":
		r.say("FAILED: %s is not online as a managed instance. What is missing:", n)
		r.tell(reach.Diagnose(r.facts(ctx, n), r.now()))
		return process.Exit{Code: 1}
	}
	r.say("FAILED: %v. The output:", err)
	for _, line := range strings.Split(t.said, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			r.say("    %s", printable(line))
		}
	}
	id := t.id
	if m := refusedLine.FindStringSubmatch(t.said); m != nil {
		id = m[1]
		r.say("The agent refused the session: %s", printable(m[2]))
	} else if s, _, err := r.aws.findSession(ctx, id); id != "" && err == nil && s.Status == "Failed" {
		r.say("The agent refused the session%s", because(s.Details))
	}
	if id == "" {
		id = "SESSION"
	}
	r.say("Findings about %s:", r.outputs.SessionDocument)
	r.tell(r.whyNoRecord(ctx, n, r.outputs.SessionDocument, id))
	return process.Exit{Code: 1}
}

// recorded waits for the record in every place and shows the line with the token in each.
func (r *run) recorded(ctx context.Context, n named, places []sessiondoc.Location, id, token string) error {
	start, pause := r.now(), min(r.poll, 2*time.Second)
	waiting := append([]sessiondoc.Location{}, places...)
	me, err := r.aws.caller(ctx)
	if err != nil {
		return r.explain(err)
	}
	var all evidence
	shown := r.progress()
	for {
		var missing []sessiondoc.Location
		for _, p := range waiting {
			text, versions, err := r.fetch(ctx, p, id, me.Account)
			if err != nil {
				// What is denied or fails does not become right by waiting.
				shown.Clear()
				r.say("FAILED: %s could not be read.", logOf(p, id))
				return r.explain(err)
			}
			if text == nil {
				missing = append(missing, p)
				continue
			}
			all.versions, all.doubts = append(all.versions, versions.versions...), append(all.doubts, versions.doubts...)
			line, printed := hasLine(text, token)
			if !printed {
				if p.LogGroup != "" {
					missing = append(missing, p) // it is being streamed
					continue
				}
				shown.Clear()
				r.say("FAILED: there is a session log, %s, but the token is not in it.", logOf(p, id))
				return process.Exit{Code: 1}
			}
			shown.Clear()
			r.print("recorded: %s\n    %s", logOf(p, id), line)
		}
		if waiting = missing; len(waiting) == 0 {
			return r.trusted(ctx, all, id)
		}
		spent := r.now().Sub(start)
		if spent >= r.timeout {
			break
		}
		shown.Show(printable("waiting for the session log in "+describe(waiting, id)), fmt.Sprintf("  %s of %s", spent.Round(time.Second), r.timeout))
		time.Sleep(min(pause, r.timeout-spent+10*time.Millisecond))
		pause = min(pause*5/4, 4*r.poll)
	}
	shown.Clear()
	r.say("FAILED: the session %s succeeded, but %s after its end there is no session log in %s.", id, r.timeout, describe(waiting, id))
	r.tell(r.whyNoRecord(ctx, n, r.outputs.SessionDocument, id))
	return process.Exit{Code: 1}
}

// fetch reads the session log in a log location; nil if it is not there. Of an object it also gives the versions.
func (r *run) fetch(ctx context.Context, p sessiondoc.Location, id, account string) (text []byte, found evidence, err error) {
	if p.LogGroup != "" {
		read, err := r.aws.fetchStream(ctx, p.LogGroup, id)
		return read.text, found, err
	}
	r.copies(ctx, &found, p.Bucket, p.Key(id), account)
	if len(found.problems) > 0 {
		return nil, found, found.problems[0]
	}
	for _, v := range found.versions {
		if !v.deleted {
			text, err = r.aws.fetchVersion(ctx, v)
		}
	}
	return text, found, err
}

// trusted says whether the session logs that were found can be trusted.
func (r *run) trusted(ctx context.Context, found evidence, id string) error {
	s, _, err := r.aws.findSession(ctx, id)
	if err != nil {
		found.notAsked(err)
	}
	if doubts := r.judge(found, r.settled(ctx, found, s)); len(doubts) > 0 {
		r.warnDoubts(doubts)
		for _, v := range found.versions {
			r.print("    %s", v)
		}
		return process.Exit{Code: codeDoubt}
	}
	r.say("Sessions under %s are recorded.", r.outputs.SessionDocument)
	return nil
}
