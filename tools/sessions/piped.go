package sessions

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"private-ec2-access/tools/process"
)

// prompted finds the plugin's first line, and then the first output of the shell.
var prompted = regexp.MustCompile(`Starting session with SessionId: [^\r\n]+[\r\n]+\s*\S`)

// leaving finds what the plugin prints when the session has ended. Then it gives the terminal its echo back.
var leaving = regexp.MustCompile(`Exiting session with sessionId: `)

const endOfInput = "\x04" // Ctrl-D

// piped opens a session without a terminal: it types what is on standard input, and then Ctrl-D. The plugin gets a
// pseudo-terminal, because without one it leaves at the end of its input, and the session stays open.
func (r *run) piped(line []string) (said string, code int, err error) {
	cmd := exec.Command(r.aws.path, line...)
	cmd.Env = append(r.aws.environ[:len(r.aws.environ):len(r.aws.environ)], "TERM=dumb") // no terminal reads its control sequences
	var kept bytes.Buffer
	cmd.Stderr = io.MultiWriter(safeWriter{r.Err}, &kept)
	cmd.WaitDelay = time.Second
	terminal, theirs, err := pty.Open()
	if err != nil {
		return "", 0, err
	}
	defer terminal.Close()
	_, _ = term.MakeRaw(int(theirs.Fd())) // else it echoes what is typed, beside the shell on the instance
	_ = pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 200})
	cmd.Stdin, cmd.Stdout = theirs, theirs
	controlTerminal(cmd)
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return "", 0, err
	}
	stop := process.OnSignal(func(os.Signal) { _ = cmd.Process.Signal(syscall.SIGTERM) }, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	ready, over, ended, copied := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(copied)
		r.copyOutput(terminal, ready, over)
	}()
	go r.typeInput(terminal, ready, over, ended)
	err = cmd.Wait()
	close(ended)
	select {
	case <-copied:
	case <-time.After(time.Second): // the plugin outlives aws
	}
	code, err = clientExit(err)
	return kept.String(), code, err
}

// copyOutput copies what the session prints, and closes ready once its shell has printed something: input before that may be
// lost. It closes over when the plugin says that the session has ended.
func (r *run) copyOutput(terminal io.Reader, ready, over chan<- struct{}) {
	var seen, last []byte
	chunk := make([]byte, 4096)
	for {
		n, err := terminal.Read(chunk)
		_, _ = r.Out.WriteString(strings.ReplaceAll(string(chunk[:n]), "\r", ""))
		if ready != nil {
			if seen = append(seen, chunk[:n]...); prompted.Match(seen) {
				close(ready)
				ready = nil
			}
		}
		last = append(last[max(0, len(last)-100):], chunk[:n]...)
		if over != nil && leaving.Match(last) {
			close(over)
			over = nil
		}
		if err != nil {
			return
		}
	}
}

// typeInput types the lines of standard input and then Ctrl-D, again and again: a program in the session may have taken the
// first one.
func (r *run) typeInput(terminal io.Writer, ready, over, ended <-chan struct{}) {
	select {
	case <-ready:
	case <-ended:
		return
	}
	input := bufio.NewReader(r.In)
	for {
		line, err := input.ReadString('\n')
		if text, complete := strings.CutSuffix(line, "\n"); complete || err == io.EOF && text != "" {
			_, _ = io.WriteString(terminal, text+"\r")
		}
		if err != nil {
			break
		}
	}
	for {
		if _, err := io.WriteString(terminal, endOfInput); err != nil {
			return
		}
		select {
		case <-over: // or a program in the session has printed the same
			over = nil
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Second):
			}
		case <-ended:
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// leaveNone ends a session that is still open and has no terminal.
func (r *run) leaveNone(ctx context.Context, id string) error {
	err := r.aws.call(ctx, nil, "ssm", "terminate-session", input{"SessionId": id})
	if err != nil {
		r.say("The session %s is still open and could not be ended: %v\n  Next: %s", id, r.explain(err), r.command("end SESSION="+id))
		return process.Exit{Code: 1}
	}
	r.say("The session %s was still open, so it has been ended.", id)
	return nil
}
