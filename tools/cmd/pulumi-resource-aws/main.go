// Command pulumi-resource-aws stands in for Pulumi's AWS plugin where that cannot be downloaded. See package standin.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"private-ec2-access/tools/standin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-aws (stand-in):", err)
		os.Exit(1)
	}
}

func run() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	bridge, err := standin.FindBridge(executable, os.Args[1:])
	if err != nil {
		return err
	}
	// The engine interrupts a plugin that it no longer needs.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return standin.Serve(ctx, bridge, os.Stdout)
}
