package standin

import (
	"bytes"
	"context"
	"strconv"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

type recordingEngine struct {
	pulumirpc.UnimplementedEngineServer
	logs []*pulumirpc.LogRequest
}

func (e *recordingEngine) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.logs = append(e.logs, req)
	return &emptypb.Empty{}, nil
}

func TestEngineRelay(t *testing.T) {
	var stderr bytes.Buffer
	relay := newEngineRelay(&stderr)
	relay.remember(translation{
		sdk: "aws:ec2/vpc:Vpc", sdkURN: "urn:pulumi:dev::proj::aws:ec2/vpc:Vpc::v",
		bridge: "aws:index/vpc:Vpc", bridgeURN: "urn:pulumi:dev::proj::aws:index/vpc:Vpc::v",
	})
	message := func() *pulumirpc.LogRequest {
		return &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_WARNING,
			Urn:      "urn:pulumi:dev::proj::aws:index/vpc:Vpc::v",
			Message:  "aws:index/vpc:Vpc is old",
		}
	}

	_, err := relay.Log(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, "aws:ec2/vpc:Vpc is old\n", stderr.String(), "without an engine")

	engine, stop := &recordingEngine{}, make(chan bool)
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: stop, Init: func(s *grpc.Server) error {
		pulumirpc.RegisterEngineServer(s, engine)
		return nil
	}})
	require.NoError(t, err)
	defer close(stop)
	require.NoError(t, relay.connect("127.0.0.1:"+strconv.Itoa(server.Port)))
	_, err = relay.Log(t.Context(), message())
	require.NoError(t, err)
	require.Len(t, engine.logs, 1)
	require.Equal(t, "urn:pulumi:dev::proj::aws:ec2/vpc:Vpc::v", engine.logs[0].Urn)
	require.Equal(t, "aws:ec2/vpc:Vpc is old", engine.logs[0].Message)
}
