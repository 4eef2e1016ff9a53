package sessions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
)

func connectCommand(r *run) *cobra.Command {
	c := r.newCommand(r.connect, &cobra.Command{
		Use:     "connect",
		Short:   "Open a session on an instance",
		Example: "  stack connect --stack dev --instance app --reason 'ticket 1234'",
	})
	r.instanceFlag(c)
	c.Flags().StringVar(&r.reason, "reason", "", "`TEXT` that the session history keeps; with session.reason: required, there has to be one")
	return c
}

// connect opens a session and hands the terminal over to it.
func (r *run) connect(ctx context.Context) error {
	if err := r.needPlugin(); err != nil {
		return err
	}
	n, err := r.pick(ctx)
	if err != nil {
		return err
	}
	why, err := r.askReason()
	if err != nil {
		return err
	}
	// The mark tells this session from others that the same person opens at the same time.
	reason := reasonOf("connect-"+randomHex(), why)
	line := append(r.startLine(n), "--reason", reason)
	r.aws.show(line)
	if process.IsTerminal(r.Out) {
		r.say("A session on %s. `exit` or Ctrl-D ends it.", n)
	}
	if r.Emulated {
		r.say("This is the local emulator: the session is a shell on this machine, and that is no sandbox.")
	}
	found := r.follow(ctx, n, reason)
	// An update may give later sessions another log location while this one is open.
	places := make(chan []sessiondoc.Location, 1)
	go func() {
		all, err := r.silent().locations(ctx)
		if all == nil && err != nil { // a document that was read may name none
			all = []sessiondoc.Location{r.current()}
		}
		places <- all
	}()
	hand := r.handOver
	if !process.IsTerminal(r.In) {
		hand = r.piped
	}
	said, code, err := hand(line)
	if r.emulatorGone() {
		r.say("The local emulator was stopped while the session was open, so there is no session log of it. Next: %s", r.command("up"))
		return process.Exit{Code: 1}
	}
	session, known := found()
	if err != nil {
		return err
	}
	interrupted := isSignal(code) // Ctrl-C, before the plugin had the terminal
	if code != 0 && known && (interrupted || !process.IsTerminal(r.In)) {
		if s, isActive, err := r.aws.findSession(ctx, session.SessionID); err == nil && isActive && s.Status != "Terminating" {
			if err := r.leaveNone(ctx, session.SessionID); err != nil {
				return err
			}
		}
	}
	if interrupted && process.IsTerminal(r.In) {
		r.say("Cancelled.")
		return process.Exit{Code: code}
	}
	if code != 0 {
		failed := readError(line, said, errors.New("see above"))
		if failed.code == "TargetNotConnected" && n.name == n.id && r.gone(ctx, n.id) {
			r.say("There is no instance %s in %s, or not any more. Next: %s lists those of the stack", n.id, r.outputs.Region, r.command("status"))
		} else if failed.code == "TargetNotConnected" && r.gone(ctx, n.id) {
			r.say("%s", r.deleted(n))
		} else if failed.code == "TargetNotConnected" {
			r.say("The instance is not online as a managed instance. Next: %s prints what is missing", r.command("wait INSTANCE="+n.name+" TIMEOUT=1s"))
		} else if failed.denied() {
			r.say("error: %v", r.explain(failed))
		}
		return process.Exit{Code: code}
	}
	unrecorded := fmt.Sprintf("It is not recorded, because the document %s names no log location.\n  Next: %s prints what to do",
		r.outputs.SessionDocument, r.command("verify INSTANCE="+n.name))
	if !known {
		log := "Its session log follows within a minute."
		if len(<-places) == 0 {
			log = unrecorded
		}
		r.say("The session has ended. %s lists its id. %s", r.command("history"), log)
		return nil
	}
	gone := make(chan bool, 1)
	go func() { gone <- r.gone(ctx, n.id) }()
	s, isActive, err := r.aws.findSession(ctx, session.SessionID)
	switch {
	case err != nil:
	case isActive && s.Status != "Terminating" && !process.IsTerminal(r.In):
		if err := r.leaveNone(ctx, session.SessionID); err != nil {
			return err
		}
	case !isActive && s.Status == "Failed":
		r.say("The session was refused%s. Next: %s prints the cause.", because(s.Details), r.command("verify INSTANCE="+n.name))
		return process.Exit{Code: 1}
	}
	if <-gone {
		r.say("The session %s has ended. Its instance was deleted while it was open, so there may be no session log of it; and a destroy deletes session logs, unless keepRecords keeps them.", session.SessionID)
		return process.Exit{Code: 1}
	}
	all := <-places
	if len(all) == 0 {
		r.say("The session %s has ended. %s", session.SessionID, unrecorded)
		return nil
	}
	r.say("The session %s has ended. Its session log will be in %s, usually within a minute.\n  Next: %s",
		session.SessionID, describe(all, session.SessionID), r.command("record SESSION="+session.SessionID))
	return nil
}

// deleted is for an instance of the outputs that does not exist any more. An update without --refresh does not notice one that
// was deleted outside of Pulumi.
func (r *run) deleted(n named) string {
	if text := r.outOfDate(); text != "" {
		return fmt.Sprintf("The instance %s does not exist any more. %s", n.id, text)
	}
	return fmt.Sprintf("The instance %s was deleted. Next: %s", n.id, r.command("up ARGS=--refresh"))
}

// emulatorGone tells whether the emulator of this stack does not answer any more. The AWS CLI would try again for half a minute.
func (r *run) emulatorGone() bool {
	address, err := url.Parse(process.Variable(r.Environ, "AWS_ENDPOINT_URL"))
	if !r.Emulated || err != nil || address.Host == "" {
		return false
	}
	conn, err := net.DialTimeout("tcp", address.Host, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// startLine is the plain line. It names the document only where that is not what AWS uses anyway.
func (r *run) startLine(n named) []string {
	line := []string{"ssm", "start-session", "--region", r.outputs.Region, "--target", n.id}
	if r.outputs.SessionDocument != sessiondoc.DefaultDocument {
		line = append(line, "--document-name", r.outputs.SessionDocument)
	}
	return line
}

// pick gives the instance that is meant: the named one, the only one that matches, or the one that is chosen.
func (r *run) pick(ctx context.Context) (named, error) {
	all, err := r.matching(ctx)
	if err != nil {
		return named{}, err
	}
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		which, other := "the stack "+r.Stack+" has no instances", r.command(r.name+" INSTANCE=i-…")
		if text := r.outOfDate(); text != "" { // there may be some that are not in the outputs yet
			which, other = "the outputs of the stack "+r.Stack+" have no instances", other+"\n  "+text
		}
		return named{}, fmt.Errorf("%s; for one that has the stack's profile: %s", which, other)
	case !process.IsTerminal(r.In) || !process.IsTerminal(r.Err):
		which := fmt.Sprintf("the stack %s has %d instances", r.Stack, len(all))
		if r.instance != "" {
			which = fmt.Sprintf("INSTANCE=%s matches %d instances of the stack %s", r.instance, len(all), r.Stack)
		}
		reason := "" // which could not be asked for either
		if r.reason != "" || reasonRequired(r.outputs) {
			reason = " REASON='TEXT'"
		}
		return named{}, process.Usagef("%s and there is no terminal to ask on. Say which, as in: %s\n  It has: %s",
			which, r.command(r.name+" INSTANCE="+all[0].name+reason), shortList(all))
	}
	var options []huh.Option[int]
	for i, n := range all {
		options = append(options, huh.NewOption(n.name, i)) // without its ID, which nearly every short filter would match
	}
	const title = "A session on which instance?"
	chosen := 0
	question := huh.NewSelect[int]().Title(title).Options(options...).Value(&chosen).Filtering(true)
	if len(all) > maxNamed {
		question = question.Height(maxNamed + 4)
	}
	// The filter takes the place of the question's own title.
	err = r.ask(title+" Type to filter, Enter to choose, Ctrl-C to stop.", filtered{question})
	return all[chosen], err
}

// filtered is a list that is filtered by what is typed. While nothing matches it takes only text: a key that moves the cursor of an
// empty list would have Enter choose what was under it before. The key / begins a filter elsewhere, and is in no name.
type filtered struct{ *huh.Select[int] }

func (f filtered) Update(m tea.Msg) (huh.Model, tea.Cmd) {
	if k, is := m.(tea.KeyPressMsg); is {
		_, matches := f.Hovered()
		if k.Text == "/" || !matches && k.Text == "" && k.Code != tea.KeyBackspace {
			return f, nil
		}
	}
	_, cmd := f.Select.Update(m)
	return f, cmd
}

// View says so when nothing matches, on the first line of the empty list.
func (f filtered) View() string {
	lines := strings.Split(f.Select.View(), "\n")
	if _, matches := f.Hovered(); !matches && len(lines) > 1 {
		lines[1] = strings.TrimRight(lines[1], " ") + " No instance matches. Backspace deletes a character."
	}
	return strings.Join(lines, "\n")
}

// given is INSTANCE= as it was given, for a command that does the same.
func (r *run) given() string {
	if r.instance == "" {
		return ""
	}
	return " INSTANCE=" + word(r.instance)
}

// matching are the instances that INSTANCE= means: a name or an ID, a tag, or the beginning of names; all without it.
func (r *run) matching(ctx context.Context) ([]named, error) {
	if r.instance == "" {
		return r.instances(), nil
	}
	if tag, is := strings.CutPrefix(r.instance, "tag:"); is {
		return r.tagged(ctx, tag)
	}
	one, err := r.find(r.instance)
	if err == nil {
		return []named{one}, nil
	}
	var all []named
	for _, n := range r.instances() {
		if strings.HasPrefix(n.name, r.instance) {
			all = append(all, n)
		}
	}
	if all == nil {
		return nil, err
	}
	return all, nil
}

// tagged are the running instances of the stack, and those with its instance profile, that have a tag: KEY=VALUE, in which
// * stands for any text.
func (r *run) tagged(ctx context.Context, tag string) ([]named, error) {
	key, value, found := strings.Cut(tag, "=")
	if !found || key == "" {
		return nil, process.Usagef("INSTANCE=tag:%s: not a tag. Allowed: tag:KEY=VALUE", tag)
	}
	filters := []input{{"Name": "tag:" + key, "Values": []string{value}}, {"Name": "instance-state-name", "Values": []string{"running"}}}
	var all []named
	err := pages(ctx, r.aws, "ec2", "describe-instances", input{"Filters": filters}, 1000, func(answer reservations) bool {
		for _, i := range answer.instances() {
			if n := r.byID(i.InstanceID); n.name != n.id || strings.HasSuffix(i.IamInstanceProfile.Arn, "/"+r.outputs.InstanceProfileName) {
				all = append(all, n)
			}
		}
		return true
	})
	if err != nil {
		return nil, r.explain(err)
	}
	if all == nil {
		return nil, process.Usagef("INSTANCE=tag:%s: no running instance of the stack %s has this tag", tag, r.Stack)
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// ask runs one question, below a title that also says which keys it takes, if it has none of its own. On a terminal that cannot move its cursor it is asked in plain lines.
func (r *run) ask(title string, question huh.Field) error {
	theme := huh.ThemeFunc(huh.ThemeBase)
	if r.colours(r.Err) {
		theme = huh.ThemeCharm
	}
	form := huh.NewForm(huh.NewGroup(question).Title(title).WithShowHelp(title == "")).WithInput(r.In).WithOutput(r.Err).WithTheme(theme).
		WithAccessible(process.Variable(r.Environ, "TERM") == "dumb")
	err := form.Run()
	if errors.Is(err, huh.ErrUserAborted) {
		r.say("Nothing was done.")
		return process.Exit{Code: 130}
	}
	return err
}

// handOver runs aws with the terminal in its hands: it is the foreground process group, so Ctrl-C and Ctrl-Z reach the
// session and neither this program nor make. Its error messages are seen and also returned.
func (r *run) handOver(line []string) (said string, code int, err error) {
	cmd := exec.Command(r.aws.path, line...)
	cmd.Env = r.aws.environ
	cmd.Stdin, cmd.Stdout = r.In, r.Out
	var kept bytes.Buffer
	traceback := &withheld{to: safeWriter{r.Err}}
	cmd.Stderr = io.MultiWriter(traceback, &kept)
	// The plugin inherits that pipe and may outlive aws.
	cmd.WaitDelay = time.Second
	if process.IsTerminal(r.In) {
		in := int(r.In.Fd())
		before, err := term.GetState(in)
		if err == nil {
			// Also when the plugin was killed and could not do it.
			defer func() { _ = term.Restore(in, before) }()
		}
		takeBack, err := foreground(cmd, in)
		if err != nil {
			r.say("Note: this is not the controlling terminal of the command, as under `su -c`, so Ctrl-C and Ctrl-Z may not reach the session. They do with `su -P -c`, or in a shell that `su -` opens.")
		}
		defer takeBack()
	}
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	stop := process.OnSignal(func(s os.Signal) { signalForeground(cmd, s) }, syscall.SIGTERM, syscall.SIGHUP)
	err = cmd.Wait()
	stop()
	traceback.end()
	code, err = clientExit(err)
	return kept.String(), code, err
}

// withheld keeps a traceback of Python back until the end, and drops that of Ctrl-C.
type withheld struct {
	to   io.Writer
	held []byte
}

func (w *withheld) Write(text []byte) (int, error) {
	if w.held == nil {
		at := bytes.Index(text, []byte("Traceback (most recent call last)"))
		if at < 0 {
			return w.to.Write(text)
		}
		if _, err := w.to.Write(text[:at]); err != nil {
			return 0, err
		}
		w.held = append(w.held, text[at:]...)
		return len(text), nil
	}
	w.held = append(w.held, text...)
	return len(text), nil
}

func (w *withheld) end() {
	if !bytes.Contains(w.held, []byte("KeyboardInterrupt")) {
		_, _ = w.to.Write(w.held)
	}
}

// isSignal tells whether an exit code is that of a client which a signal has ended. The AWS CLI reports its errors with 252 to 255
// (https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-returncodes.html).
func isSignal(code int) bool { return code > 128 && code < 252 }

// clientExit returns the exit code of a client that ran. The error is that it did not run.
func clientExit(err error) (code int, problem error) {
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		code, _ = process.ExitCode(failed)
		return code, nil
	case errors.Is(err, exec.ErrWaitDelay):
		return 0, nil
	}
	return 0, err
}

// silent is for look-ups beside a session, which has the terminal.
func (r *run) silent() *run {
	quiet, aws := *r, *r.aws
	aws.echo = io.Discard
	quiet.aws = &aws
	return &quiet
}

// follow finds out, while a session runs, which one it is. The returned function asks once more if that is not known when the
// session ends.
func (r *run) follow(ctx context.Context, n named, reason string) func() (session, bool) {
	quiet := r.silent().aws
	look := func(ctx context.Context) (session, bool, error) {
		for _, state := range []string{active, past} {
			page, _, err := quiet.sessionsPage(ctx, state, 50, "", filter{"Target", n.id})
			if err != nil {
				return session{}, false, err
			}
			for _, s := range page {
				if s.Reason == reason {
					return s, true, nil
				}
			}
		}
		return session{}, false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan session, 1)
	go func() {
		defer close(found)
		for _, after := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
			select {
			case <-time.After(after):
			case <-ctx.Done():
				return
			}
			s, known, err := look(ctx)
			if known {
				found <- s
			}
			if known || err != nil {
				return
			}
		}
	}()
	return func() (session, bool) {
		cancel() // an answer that is on its way is dropped, and asked for again
		if s, known := <-found; known {
			return s, true
		}
		short, stop := context.WithTimeout(context.Background(), 20*time.Second)
		defer stop()
		s, known, _ := look(short)
		return s, known
	}
}
