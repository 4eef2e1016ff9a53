package standin

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engineRelay is the engine that the bridge talks to. It passes the bridge's log on to the real engine under the URNs
// that the engine knows. While no engine is connected the log goes to stderr: the bridge crashes without a listener.
type engineRelay struct {
	pulumirpc.UnimplementedEngineServer

	stderr io.Writer

	mu     sync.Mutex
	engine pulumirpc.EngineClient
	names  map[string]translation // by bridge URN
}

func newEngineRelay(stderr io.Writer) *engineRelay {
	return &engineRelay{stderr: stderr, names: map[string]translation{}}
}

// serve starts to listen and returns the address to give to the bridge.
func (e *engineRelay) serve() (string, error) {
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterEngineServer(server, e)
			return nil
		},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", server.Port), nil
}

// connect makes the engine at the address the receiver of the log.
func (e *engineRelay) connect(address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return fmt.Errorf("connecting to the engine at %q: %w", address, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engine = pulumirpc.NewEngineClient(conn)
	return nil
}

// remember keeps the names of a resource for the messages about it.
func (e *engineRelay) remember(t translation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.names[t.bridgeURN] = t
}

func (e *engineRelay) Log(ctx context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	engine := e.engine
	t, known := e.names[req.Urn]
	e.mu.Unlock()
	if known {
		req.Urn, req.Message = t.sdkURN, t.text(req.Message)
	}
	// A failed look-up is the caller's to judge: it gets the error as the answer. The bridge logs it as an error as
	// well, which pulumi-aws does not do and which would fail the update whatever the program makes of the answer.
	if req.Urn == "" && req.Severity == pulumirpc.LogSeverity_ERROR {
		req.Severity = pulumirpc.LogSeverity_DEBUG
	}
	if engine != nil {
		return engine.Log(ctx, req)
	}
	if req.Severity >= pulumirpc.LogSeverity_INFO {
		_, _ = fmt.Fprintln(e.stderr, req.Message)
	}
	return &emptypb.Empty{}, nil
}
