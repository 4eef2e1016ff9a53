// Command picture records docs/session.svg: it runs the README's commands on the stack local, on a pseudo-terminal, and
// draws what the terminal showed.
//
// IDs, times and the shell's prompt are replaced by fixed ones, so that a new picture differs only where the commands do.
// Nothing else is changed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"html"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/creack/pty"
)

const columns = 100

func main() {
	root := flag.String("project", ".", "the project's folder, with the stack local brought up")
	to := flag.String("to", "docs/session.svg", "the picture")
	flag.Parse()
	if err := record(*root, *to); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func record(root, to string) error {
	// Whatever has to be built or started is done before, and not in the picture.
	if shown, err := run(root, "make wait", nil); err != nil {
		return fmt.Errorf("make wait: %w\n%s", err, shown)
	}
	var lines []string
	session := ""
	for _, step := range []struct {
		command string
		typed   []string
	}{
		{"make wait", nil},
		{"make connect", []string{"uname -s", "echo 'a shell without an internet route'", "exit"}},
		{"make history SINCE=1m", nil},
		{"make record SESSION=", nil},
	} {
		if strings.HasSuffix(step.command, "=") {
			step.command += session
		}
		shown, err := run(root, step.command, step.typed)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", step.command, err, shown)
		}
		if m := regexp.MustCompile(`Starting session with SessionId: (\S+)`).FindStringSubmatch(shown); m != nil {
			session = m[1]
		}
		lines = append(lines, "\x00"+step.command)
		lines = append(lines, strings.Split(strings.Trim(shown, "\n"), "\n")...)
		lines = append(lines, "")
	}
	return os.WriteFile(to, []byte(draw(tidy(lines[:len(lines)-1]))), 0o644)
}

// run types a command's input when a prompt is there, and gives what the terminal showed.
func run(root, line string, typed []string) (string, error) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1", "PAGER=cat", "MAKEFLAGS=", "MAKELEVEL=0", "STACK=local")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		return "", err
	}
	defer tty.Close()
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			chunk := make([]byte, 4096)
			n, err := tty.Read(chunk)
			if n > 0 {
				chunks <- chunk[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	var seen bytes.Buffer
	answered := 0
	deadline := time.After(time.Minute)
	for {
		select {
		case chunk, more := <-chunks:
			if !more {
				return screen(seen.String()), cmd.Wait()
			}
			seen.Write(chunk)
			text := screen(seen.String()[answered:])
			if len(typed) > 0 && prompt.MatchString(text[strings.LastIndexByte(text, '\n')+1:]) {
				answered = seen.Len()
				time.Sleep(500 * time.Millisecond) // the plugin turns the terminal's own echo off after the first output
				if _, err := tty.WriteString(typed[0] + "\r"); err != nil {
					return screen(seen.String()), err
				}
				typed = typed[1:]
			}
		case <-deadline:
			_ = cmd.Process.Kill()
			return screen(seen.String()), errors.New("it does not end within a minute")
		}
	}
}

var (
	prompt  = regexp.MustCompile(`^(?:\S*)[$#] $`)
	escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])`)
)

// screen is what is left to be read of a terminal's output: a carriage return begins a line anew.
func screen(output string) string {
	var lines []string
	for _, line := range strings.Split(escapes.ReplaceAllString(output, ""), "\n") {
		line = strings.TrimRight(line, "\r")
		lines = append(lines, line[strings.LastIndexByte(line, '\r')+1:])
	}
	return strings.Join(lines, "\n")
}

// tidy puts what differs from run to run in one form.
func tidy(lines []string) []string {
	text := strings.Join(lines, "\n")
	for _, r := range []struct{ pattern, with string }{
		{`\bi-[0-9a-f]{17}\b`, "i-0123456789abcdef0"},
		{`\b[A-Za-z][\w.@]+-[0-9a-f]{17}\b`, "alice-0fedcba9876543210"},
		{`(?m)^(SESSION) +WHO `, "$1                  WHO  "},
		{`(?m)^(alice-\w+ +)\S+ +`, "${1}alice  "},
		{`private-ec2-access-logs-\d+`, "private-ec2-access-logs-1234"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "2026-03-02T09:30:00Z"},
		{`\d{4}-\d\d-\d\d \d\d:\d\d\b`, "2026-03-02 09:30"},
		{`(09:30 +)\d+s `, "${1}9s "},
		{`(?m)^(?:\S*)[$#] `, "$ "},
		{`\n{3,}`, "\n\n"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return strings.Split(text, "\n")
}

// draw makes the SVG.
func draw(lines []string) string {
	const (
		size, wide, high = 13, 7.83, 19
		left, top        = 22, 62
	)
	var wrapped []string
	for _, line := range lines {
		for runes := []rune(line); ; {
			if len(runes) <= columns {
				wrapped = append(wrapped, string(runes))
				break
			}
			wrapped = append(wrapped, string(runes[:columns]))
			runes = runes[columns:]
		}
	}
	width, height := int(wide*columns)+2*left, top+high*len(wrapped)+10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-labelledby="title desc">
  <title id="title">A session, the session history and the session log</title>
  <desc id="desc">A terminal, recorded on the local emulator by make picture. make wait reports that the instance is online, make connect opens a shell on it, make history lists the session, and make record prints the session log.</desc>
  <style>
    text     { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; fill: #cbd5e1; white-space: pre }
    .typed   { fill: #f8fafc; font-weight: 600 }
    .prompt  { fill: #4ade80 }
    .inside  { fill: #fde68a }
    .title   { fill: #94a3b8; text-anchor: middle }
  </style>
  <rect width="%[1]d" height="%[2]d" rx="10" fill="#0f172a"/>
  <circle cx="22" cy="20" r="6" fill="#475569"/><circle cx="42" cy="20" r="6" fill="#475569"/><circle cx="62" cy="20" r="6" fill="#475569"/>
  <text class="title" x="%[4]d" y="25">make connect</text>
`, width, height, size, width/2)
	for i, line := range wrapped {
		y := top + high*i
		command, ours := strings.CutPrefix(line, "\x00")
		inside, prompted := strings.CutPrefix(line, "$ ")
		switch {
		case line == "":
		case ours:
			fmt.Fprintf(&b, "  <text x=\"%d\" y=\"%d\" xml:space=\"preserve\"><tspan class=\"prompt\">❯ </tspan><tspan class=\"typed\">%s</tspan></text>\n", left, y, html.EscapeString(command))
		case prompted:
			fmt.Fprintf(&b, "  <text x=\"%d\" y=\"%d\" xml:space=\"preserve\">$ <tspan class=\"inside\">%s</tspan></text>\n", left, y, html.EscapeString(inside))
		default:
			fmt.Fprintf(&b, "  <text x=\"%d\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", left, y, html.EscapeString(line))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
