package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// healthInterval is how often the plugin looks whether the engine still lives. Pulumi's own plugins do every 5 minutes;
// this one has a Terraform provider of 300 MB behind it, which should not outlive a killed engine for long.
const healthInterval = 5 * time.Second

// Serve starts the bridge and serves the engine until ctx, the engine or the bridge ends. It writes the port that it
// listens on to stdout, as the engine expects of a plugin.
func Serve(ctx context.Context, config BridgeConfig, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bridge, err := StartBridge(ctx, config)
	if err != nil {
		return err
	}
	defer bridge.Stop()

	if _, engineAddress := splitArgs(config.Args); engineAddress != "" {
		if err := rpcutil.Healthcheck(ctx, engineAddress, healthInterval, cancel); err != nil {
			return fmt.Errorf("watching the engine at %q: %w", engineAddress, err)
		}
	}

	stop := make(chan bool)
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(server, NewProvider(bridge))
			return nil
		},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, server.Port); err != nil {
		return err
	}

	select {
	case <-ctx.Done():
		close(stop)
		return <-server.Done
	case <-bridge.exited:
		if ctx.Err() == nil {
			return errors.Join(errors.New("the bridge stopped by itself"), bridge.err)
		}
		return nil
	case err := <-server.Done:
		return err
	}
}
