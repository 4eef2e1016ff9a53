package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"private-ec2-access/tools/environment"
	"private-ec2-access/tools/toolchain"
)

// Running describes a running emulator, as it describes itself in emulator.json.
type Running struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
	// Secret is the secret access key of this start. Without it nobody gets an answer, whoever reaches the port.
	Secret string `json:"secret"`
	// Instance is different after every start. The emulator keeps everything in memory, so another instance has
	// forgotten what a stack remembers.
	Instance string `json:"instance"`
}

// Emulator controls the process of the local emulator. A checkout has one, which all its emulated stacks share.
type Emulator struct {
	// Folder is where it keeps its files; Log is where its output goes.
	Folder, Log string
	Say         func(format string, args ...any)
	// patience is how long a start may take.
	patience time.Duration
}

func newEmulator(t *toolchain.Toolchain, say func(string, ...any)) *Emulator {
	return &Emulator{Folder: t.Path("emulator"), Log: t.Path("log", "emulator.log"), Say: say, patience: time.Minute}
}

func (e *Emulator) read() (Running, error) {
	var r Running
	content, err := os.ReadFile(filepath.Join(e.Folder, "emulator.json"))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil || r.PID <= 0 || r.URL == "" || r.Instance == "" || r.Secret == "" {
		return r, fmt.Errorf("%s is damaged", filepath.Join(e.Folder, "emulator.json"))
	}
	return r, nil
}

// Running returns the emulator if its process lives and answers. In a copy of a checkout, such as `pulumi new` makes, the
// file may name the emulator of the original, which does not count.
func (e *Emulator) Running() (Running, bool) {
	r, err := e.read()
	return r, err == nil && e.isOurs(r.PID) && answers(r.URL)
}

// Start starts the emulator on the port it had before, so that its URL stays the same, or on a free one. It survives
// the command that started it.
func (e *Emulator) Start(command, python string) (Running, error) {
	// One that lives but does not answer would keep the port.
	if err := e.stopProcess(); err != nil {
		return Running{}, err
	}
	for _, folder := range []string{e.Folder, filepath.Dir(e.Log)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return Running{}, err
		}
	}
	port, err := e.choosePort()
	if err != nil {
		return Running{}, err
	}
	log, err := os.OpenFile(e.Log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Running{}, err
	}
	defer log.Close()

	e.Say("• start the local emulator on 127.0.0.1:%d (a few seconds)", port)
	start := time.Now()
	cmd := exec.Command(command, "-python", python, "-port", strconv.Itoa(port), "-dir", e.Folder)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, environment.Clean(os.Environ())
	// A session of its own: Ctrl-C in this terminal is not meant for it.
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return Running{}, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	problem := "it did not answer within " + e.patience.String()
	for deadline := time.Now().Add(e.patience); time.Now().Before(deadline); {
		if r, ok := e.Running(); ok && r.PID == cmd.Process.Pid {
			e.Say("  ok: it listens on %s, after %s", r.URL, time.Since(start).Round(100*time.Millisecond))
			return r, nil
		}
		select {
		case err := <-exited:
			problem = fmt.Sprintf("it ended (%v)", err)
			deadline = time.Now()
		case <-time.After(50 * time.Millisecond):
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	return Running{}, fmt.Errorf("the local emulator did not start: %s\n%s\n  The whole log: %s", problem, toolchain.Tail(e.Log, 15), e.Log)
}

func (e *Emulator) choosePort() (int, error) {
	file := filepath.Join(e.Folder, "port")
	if content, err := os.ReadFile(file); err == nil {
		if port, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && port > 0 {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				return port, listener.Close()
			}
			e.Say("• the emulator's port %d is taken by another program, so it gets a new one. Run eval \"$(make -s env)\" again in shells that use it", port)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	return port, os.WriteFile(file, []byte(strconv.Itoa(port)+"\n"), 0o600)
}

// Stop ends the emulator, if it runs, and reports whether it did.
func (e *Emulator) Stop() (bool, error) {
	r, err := e.read()
	ran := err == nil && e.isOurs(r.PID)
	return ran, e.stopProcess()
}

func (e *Emulator) stopProcess() error {
	r, err := e.read()
	if err == nil && e.isOurs(r.PID) {
		if err := send(r.PID, syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("cannot stop the emulator (process %d): %w", r.PID, err)
		}
		for deadline := time.Now().Add(10 * time.Second); alive(r.PID); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("the emulator (process %d) does not end. Its log: %s\n  Fix: kill -9 %d", r.PID, e.Log, r.PID)
			}
		}
	}
	if err := os.Remove(filepath.Join(e.Folder, "emulator.json")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// isOurs guards against the number of an ended process having been given to another program. A process of another user does
// not count, whatever its command line says: it could have taken the port, to be asked for sessions in the emulator's place.
func (e *Emulator) isOurs(pid int) bool {
	if !alive(pid) || !ownProcess(pid) {
		return false
	}
	// ps prints a question mark for each letter that the language of the environment does not have.
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		if out, err = exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output(); err != nil {
			return false
		}
	}
	return strings.Contains(string(out), e.Folder)
}

// alive reports whether the process exists. An ended child that nobody has waited for does not count; but while another of
// its threads ends, it still has its port.
func alive(pid int) bool {
	if err := send(pid, syscall.Signal(0)); err != nil {
		return errors.Is(err, os.ErrPermission)
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "Z") {
			threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
			return len(threads) > 1
		}
	}
	return true
}

func send(pid int, s os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(s)
}

func answers(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	connection, err := net.DialTimeout("tcp", u.Host, 2*time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}
