// Package standin makes Pulumi's bridge for any Terraform provider look like the official AWS plugin to the engine.
//
// It translates the types and functions of the pulumi-aws SDK into those of the bridge and forwards every call. It is
// a stand-in: the engine, the bridge library and the Terraform provider are the official plugin's, the binary is not.
package standin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Version is the version of the AWS plugin that the stand-in stands for.
const Version = "6.83.2"

// Provider serves the protocol of a resource plugin by way of a bridge.
//
// Methods that are not written out here answer Unimplemented, on purpose: the bridge implements neither Handshake
// (the engine then relies on Configure) nor Construct, Call and List, and its schema and Parameterize speak of types
// that the SDK does not have.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	bridge pulumirpc.ResourceProviderClient
	engine *engineRelay
	// schema is read at the first Check, because a plugin that only deletes does not need it.
	schema func() (*schema, error)
}

// NewProvider returns a provider that forwards to the bridge.
func NewProvider(bridge *Bridge) *Provider {
	return &Provider{
		bridge: bridge.client,
		engine: bridge.engine,
		schema: sync.OnceValues(func() (*schema, error) {
			text, err := bridge.cache.get(func() (string, error) {
				resp, err := bridge.client.GetSchema(context.Background(), &pulumirpc.GetSchemaRequest{})
				return resp.GetSchema(), err
			})
			if err != nil {
				return nil, fmt.Errorf("asking the bridge for its schema: %w", err)
			}
			return parseSchema(text)
		}),
	}
}

// translation is one type or function under its two names; for a resource also its two URNs, and the properties that
// the two sides spell otherwise.
type translation struct {
	sdk, bridge       string
	sdkURN, bridgeURN string
	toBridge, toSDK   properties
}

// translate replaces the names in a request about a resource, and returns what it replaced.
func (p *Provider) translate(u, typ *string) (translation, error) {
	t := translation{sdk: string(urn.URN(*u).Type()), sdkURN: *u}
	t.toBridge = sdkProperties[t.sdk]
	t.toSDK = t.toBridge.inverted()
	var err error
	if t.bridge, err = bridgeToken(t.sdk); err != nil {
		return t, status.Error(codes.InvalidArgument, err.Error())
	}
	t.bridgeURN = renamedURN(urn.URN(*u), t.bridge)
	p.engine.remember(t)
	*u = t.bridgeURN
	if *typ != "" {
		*typ = t.bridge
	}
	return t, nil
}

// text puts the SDK's name back into a message of the bridge.
func (t translation) text(message string) string {
	return strings.ReplaceAll(message, t.bridge, t.sdk)
}

// err puts the SDK's name back into an error of the bridge, and keeps the error's code and details, in which the
// engine finds the state of a resource that was created but failed to start.
func (t translation) err(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	translated := status.New(s.Code(), t.text(s.Message()))
	for _, detail := range s.Details() {
		message, ok := detail.(protoadapt.MessageV1)
		if !ok {
			return err
		}
		if failed, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			failed.Properties = t.toSDK.translate(failed.Properties)
			failed.Inputs = t.toSDK.translate(failed.Inputs)
			for i, reason := range failed.Reasons {
				failed.Reasons[i] = t.text(reason)
			}
		}
		if translated, err = translated.WithDetails(message); err != nil {
			return err
		}
	}
	return translated.Err()
}

func (t translation) failures(failures []*pulumirpc.CheckFailure) []*pulumirpc.CheckFailure {
	for _, failure := range failures {
		failure.Property = t.toSDK.translatePath(failure.Property)
		failure.Reason = t.text(failure.Reason)
	}
	return failures
}

// GetPluginInfo answers the version of the official plugin.
func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// GetMapping answers that there is no mapping; mappings serve program conversion only.
func (p *Provider) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// GetMappings answers that there are no mappings.
func (p *Provider) GetMappings(context.Context, *pulumirpc.GetMappingsRequest) (*pulumirpc.GetMappingsResponse, error) {
	return &pulumirpc.GetMappingsResponse{}, nil
}

// Attach connects the log to an engine that did not start the plugin itself.
func (p *Provider) Attach(_ context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, p.engine.connect(req.Address)
}

func (p *Provider) Cancel(ctx context.Context, req *emptypb.Empty) (*emptypb.Empty, error) {
	return p.bridge.Cancel(ctx, req)
}

// CheckConfig refuses settings that the Terraform provider does not have. The engine sends nested settings as JSON
// text, so only the names at the top are checked here.
func (p *Provider) CheckConfig(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	schema, err := p.schema()
	if err != nil {
		return nil, err
	}
	settings := map[string]typeSpec{"version": {}, "pluginDownloadURL": {}} // the engine's own
	for name := range schema.Provider.InputProperties {
		settings[name] = typeSpec{}
	}
	if failures := schema.unknownInputs("pulumi:providers:aws", nil, settings, req.News); len(failures) > 0 {
		return &pulumirpc.CheckResponse{Inputs: req.News, Failures: failures}, nil
	}
	return p.bridge.CheckConfig(ctx, req)
}

func (p *Provider) DiffConfig(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return p.bridge.DiffConfig(ctx, req)
}

func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return p.bridge.Configure(ctx, req)
}

// Invoke calls a data source. It refuses arguments that the data source does not have.
func (p *Provider) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	t := translation{sdk: req.Tok}
	var err error
	if t.bridge, err = bridgeToken(req.Tok); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	schema, err := p.schema()
	if err != nil {
		return nil, err
	}
	function, ok := schema.Functions[t.bridge]
	if !ok {
		return nil, notServed(t)
	}
	if failures := schema.unknownInputs(t.sdk, nil, function.Inputs.Properties, req.Args); len(failures) > 0 {
		return &pulumirpc.InvokeResponse{Failures: failures}, nil
	}
	req.Tok = t.bridge
	resp, err := p.bridge.Invoke(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Failures = t.failures(resp.Failures)
	return resp, nil
}

// Check refuses inputs that the resource does not have, then has the Terraform provider check the rest.
func (p *Provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	schema, err := p.schema()
	if err != nil {
		return nil, err
	}
	resource, ok := schema.Resources[t.bridge]
	if !ok {
		return nil, notServed(t)
	}
	if failures := schema.unknownInputs(t.sdk, t.toBridge, resource.InputProperties, req.News); len(failures) > 0 {
		return &pulumirpc.CheckResponse{Inputs: req.News, Failures: failures}, nil
	}
	req.Olds, req.News = t.toBridge.translate(req.Olds), t.toBridge.translate(req.News)
	resp, err := p.bridge.Check(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Inputs = t.toSDK.translate(resp.Inputs)
	resp.Failures = t.failures(resp.Failures)
	return resp, nil
}

// notServed is the answer when the Terraform name is included, but Terraform has no such resource or data source.
func notServed(t translation) error {
	return status.Errorf(codes.InvalidArgument, "the Terraform AWS provider %s has nothing like %s: the bridge does not serve %s",
		terraformVersion, t.sdk, t.bridge)
}

func (p *Provider) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	req.Olds, req.News = t.toBridge.translate(req.Olds), t.toBridge.translate(req.News)
	req.OldInputs = t.toBridge.translate(req.OldInputs)
	req.IgnoreChanges = t.toBridge.translatePaths(req.IgnoreChanges)
	resp, err := p.bridge.Diff(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Replaces = t.toSDK.translatePaths(resp.Replaces)
	resp.Stables = t.toSDK.translatePaths(resp.Stables)
	resp.Diffs = t.toSDK.translatePaths(resp.Diffs)
	resp.DetailedDiff = t.detailedDiff(resp.DetailedDiff)
	return resp, nil
}

// detailedDiff translates the paths. Where two become one, as filters and filters[0] do, the change that replaces the
// resource stays.
func (t translation) detailedDiff(bridge map[string]*pulumirpc.PropertyDiff) map[string]*pulumirpc.PropertyDiff {
	result := make(map[string]*pulumirpc.PropertyDiff, len(bridge))
	for _, path := range slices.Sorted(maps.Keys(bridge)) {
		sdkPath := t.toSDK.translatePath(path)
		if existing := result[sdkPath]; existing == nil || replaces(bridge[path]) {
			result[sdkPath] = bridge[path]
		}
	}
	return result
}

func replaces(diff *pulumirpc.PropertyDiff) bool {
	return strings.HasSuffix(diff.Kind.String(), "_REPLACE")
}

func (p *Provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	req.Properties = t.toBridge.translate(req.Properties)
	resp, err := p.bridge.Create(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Properties = t.toSDK.translate(resp.Properties)
	return resp, nil
}

func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	req.Properties, req.Inputs = t.toBridge.translate(req.Properties), t.toBridge.translate(req.Inputs)
	resp, err := p.bridge.Read(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Properties, resp.Inputs = t.toSDK.translate(resp.Properties), t.toSDK.translate(resp.Inputs)
	return resp, nil
}

func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	req.Olds, req.News = t.toBridge.translate(req.Olds), t.toBridge.translate(req.News)
	req.OldInputs = t.toBridge.translate(req.OldInputs)
	req.IgnoreChanges = t.toBridge.translatePaths(req.IgnoreChanges)
	resp, err := p.bridge.Update(ctx, req)
	if err != nil {
		return nil, t.err(err)
	}
	resp.Properties = t.toSDK.translate(resp.Properties)
	return resp, nil
}

func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	t, err := p.translate(&req.Urn, &req.Type)
	if err != nil {
		return nil, err
	}
	req.Properties, req.OldInputs = t.toBridge.translate(req.Properties), t.toBridge.translate(req.OldInputs)
	resp, err := p.bridge.Delete(ctx, req)
	return resp, t.err(err)
}
