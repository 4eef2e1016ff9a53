// Command emulator runs the emulated AWS until it is told to end.
//
//	emulator -python PATH -port N -dir DIR
//
// Once it answers it writes DIR/emulator.json, which only its user can read: {"url", "pid", "secret", "instance"}. The secret
// is the account's secret access key. Secret and instance are new for every start: the account is in memory, so another
// instance means another, empty account. The file is removed at the end.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"private-ec2-access/tools/emulator"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "emulator:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	python := flag.String("python", "python3", "Python with tools/emulator/moto/requirements.txt installed")
	port := flag.Int("port", 0, "port on 127.0.0.1; 0: any free one")
	dir := flag.String("dir", "", "folder for emulator.json and the logs (required)")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		return fmt.Errorf("want -dir and no further arguments, got -dir %q and %q", *dir, flag.Args())
	}

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	e, err := emulator.Start(ctx, emulator.Options{Python: *python, Port: *port, Dir: *dir})
	if err != nil {
		return err
	}
	defer e.Stop()

	path := filepath.Join(*dir, "emulator.json")
	if err := writeState(path, e); err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(path); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	for look := time.NewTicker(5 * time.Second); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-e.Done():
			return e.Err()
		case <-look.C:
			// Without its folder, as after rm -r .local, no command finds this emulator, and nothing would stop it.
			if _, err := os.Stat(*dir); errors.Is(err, os.ErrNotExist) {
				return nil
			}
		}
	}
}

// writeState writes the file at once or not at all, so that a reader never finds half of it.
func writeState(path string, e *emulator.Emulator) error {
	text, err := json.Marshal(map[string]any{"url": e.URL(), "pid": os.Getpid(), "secret": e.Secret(), "instance": rand.Text()})
	if err != nil {
		return err
	}
	// One that is left of an earlier start could be readable for others.
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
