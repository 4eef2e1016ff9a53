package standin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	terraformProvider = "registry.terraform.io/hashicorp/aws"
	// terraformVersion is the Terraform provider inside pulumi-aws 6.83.2.
	terraformVersion = "5.100.0"
	// mirrorVariable names the folder in which the bridge looks for Terraform providers before it downloads them.
	mirrorVariable = "PULUMI_DYNAMIC_TF_PLUGIN_CACHE_DIR"
	// shutdownTime is what the bridge gets to stop the Terraform provider; the engine gives the plugin 5 seconds.
	shutdownTime = 4 * time.Second
)

// Bridge is a running bridge plugin that serves the Terraform AWS provider's included resources.
type Bridge struct {
	client pulumirpc.ResourceProviderClient
	engine *engineRelay
	cache  schemaCache
	cancel context.CancelFunc
	exited chan struct{}
	err    error // how it ended; valid when exited is closed
}

// BridgeConfig says how to start a bridge.
type BridgeConfig struct {
	// Path is the bridge's executable.
	Path string
	// Args are the plugin arguments of the engine: logging flags and the engine's address.
	Args []string
	// Mirror is the folder with Terraform providers; when empty, the environment or a download decides.
	Mirror string
	// SchemaCache is a file that keeps the bridge's schema; when empty, it is generated anew.
	SchemaCache string
	// Stderr receives what the bridge writes, its port excepted. It must be safe for concurrent use, as a file is.
	Stderr io.Writer
}

// FindBridge returns the configuration of the bridge that is installed beside the given executable: the file
// terraform-bridge, and the mirror named by the environment or else by the one line of the file terraform-mirror.
func FindBridge(executable string, args []string) (BridgeConfig, error) {
	directory := filepath.Dir(executable)
	config := BridgeConfig{
		Path: filepath.Join(directory, "terraform-bridge"), SchemaCache: filepath.Join(directory, "schema"),
		Args: args, Stderr: os.Stderr,
	}
	if runtime.GOOS == "windows" {
		config.Path += ".exe"
	}
	if _, err := os.Stat(config.Path); err != nil {
		return config, fmt.Errorf("the stand-in needs the bridge in the file %s beside itself: %w", config.Path, err)
	}
	if os.Getenv(mirrorVariable) != "" {
		return config, nil
	}
	mirrorFile := filepath.Join(directory, "terraform-mirror")
	line, err := os.ReadFile(mirrorFile)
	if errors.Is(err, os.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return config, fmt.Errorf("reading the path of the Terraform provider mirror: %w", err)
	}
	config.Mirror = strings.TrimSpace(string(line))
	if info, err := os.Stat(config.Mirror); err != nil || !info.IsDir() {
		return config, fmt.Errorf("%s names %q, which is not a folder: write the path of a Terraform provider mirror into it, "+
			"or delete it to have the provider downloaded", mirrorFile, config.Mirror)
	}
	return config, nil
}

// StartBridge starts the bridge and gives it the Terraform provider and the included names. When ctx ends the bridge
// is asked to stop, and killed when it does not. On Linux it also stops when this process is killed; elsewhere it
// stops within minutes, when it finds that the engine it knows, which is this process, is gone.
func StartBridge(ctx context.Context, config BridgeConfig) (*Bridge, error) {
	ctx, cancel := context.WithCancel(ctx)
	b, err := startBridge(ctx, config)
	if b == nil {
		cancel()
		return nil, err
	}
	b.cancel = cancel
	if err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// Stop asks the bridge to stop, or kills it when it does not, and returns when it has.
func (b *Bridge) Stop() {
	b.cancel()
	<-b.exited
}

// startBridge returns the bridge together with an error when it failed after the start.
func startBridge(ctx context.Context, config BridgeConfig) (*Bridge, error) {
	engine := newEngineRelay(config.Stderr)
	relayAddress, err := engine.serve()
	if err != nil {
		return nil, err
	}
	flags, engineAddress := splitArgs(config.Args)
	if engineAddress != "" {
		if err := engine.connect(engineAddress); err != nil {
			return nil, err
		}
	}

	cmd := exec.CommandContext(ctx, config.Path, append(slices.Clone(flags), relayAddress)...)
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = shutdownTime
	cmd.SysProcAttr = childAttributes()
	cmd.Stderr = config.Stderr
	cmd.Env = os.Environ()
	if config.Mirror != "" {
		cmd.Env = append(cmd.Env, mirrorVariable+"="+config.Mirror)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}

	b := &Bridge{engine: engine, cache: newSchemaCache(config.SchemaCache, config.Path), exited: make(chan struct{})}
	started := make(chan error)
	port := make(chan string, 1)
	go func() {
		// Linux ties "die with the parent" to the thread that starts the child, so the thread has to stay.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		port <- strings.TrimSpace(line)
		_, _ = io.Copy(config.Stderr, lines)
		b.err = cmd.Wait()
		close(b.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting the bridge: %w", err)
	}

	line := <-port
	if _, err := strconv.ParseUint(line, 10, 16); err != nil {
		return b, fmt.Errorf("the bridge %s wrote %q where its port was expected; what it wrote before says why", config.Path, line)
	}
	conn, err := grpc.NewClient("127.0.0.1:"+line,
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return b, fmt.Errorf("connecting to the bridge: %w", err)
	}
	b.client = pulumirpc.NewResourceProviderClient(conn)
	_, err = b.client.Parameterize(ctx, &pulumirpc.ParameterizeRequest{
		Parameters: &pulumirpc.ParameterizeRequest_Args{Args: &pulumirpc.ParameterizeRequest_ParametersArgs{
			Args: []string{terraformProvider, terraformVersion, "--include", strings.Join(included, ",")},
		}},
	})
	if err != nil {
		return b, fmt.Errorf("the bridge cannot load the Terraform provider %s %s (from the mirror in %s, or by download): %w",
			terraformProvider, terraformVersion, mirrorVariable, err)
	}
	return b, nil
}

// splitArgs separates a plugin's flags from the engine's address, which the engine puts last. The address is "" when the
// plugin is to wait for Attach.
func splitArgs(args []string) (flags []string, engineAddress string) {
	last := len(args) - 1
	if last < 0 || strings.HasPrefix(args[last], "-") {
		return args, ""
	}
	return args[:last], args[last]
}

// interrupt asks a process to stop; systems without an interrupt signal kill it.
func interrupt(p *os.Process) error {
	if runtime.GOOS == "windows" {
		return p.Kill()
	}
	return p.Signal(syscall.SIGINT)
}
