package standin

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
)

// realProvider starts the real bridge with the real Terraform provider and returns its schema too. The Makefile names
// both, the second by its mirror, in the environment.
func realProvider(t *testing.T) (*Provider, *schema) {
	t.Helper()
	path := os.Getenv("STANDIN_BRIDGE")
	if path == "" {
		t.Skip("STANDIN_BRIDGE is not set to the path of the terraform-bridge executable; `make` sets it")
	}
	bridge, err := StartBridge(t.Context(), BridgeConfig{
		Path: path, Mirror: os.Getenv("STANDIN_MIRROR"), Stderr: os.Stderr,
	})
	require.NoError(t, err)
	t.Cleanup(bridge.Stop)
	provider := NewProvider(bridge)
	schema, err := provider.schema()
	require.NoError(t, err)
	return provider, schema
}

func TestProvider_UnknownInput_IsRefused(t *testing.T) {
	provider, _ := realProvider(t)
	check := func(typ string, inputs m) (*pulumirpc.CheckResponse, error) {
		return provider.Check(t.Context(), &pulumirpc.CheckRequest{
			Urn: "urn:pulumi:dev::proj::" + typ + "::r", Type: typ, News: object(t, inputs),
		})
	}

	resp, err := check(lifecycleType, m{"bucket": "b", "rules": l{m{"id": "r", "status": "Enabled", "expiration": m{"day": 1}}}})
	require.NoError(t, err)
	require.Len(t, resp.Failures, 1)
	require.Equal(t, "rules[0].expiration.day", resp.Failures[0].Property)
	require.Contains(t, resp.Failures[0].Reason, "nearest name first: days, date")

	sound := m{"id": "r", "status": "Enabled", "expiration": m{"days": 1.0}, "filter": m{"prefix": "p"}}
	resp, err = check(lifecycleType, m{"bucket": "b", "rules": l{sound}})
	require.NoError(t, err)
	require.Empty(t, resp.Failures)
	rule := resp.Inputs.AsMap()["rules"].(l)[0].(m)
	require.Equal(t, 1.0, rule["expiration"].(m)["days"])
	require.Equal(t, "p", rule["filter"].(m)["prefix"])

	_, err = check("aws:ec2/natGateway:NatGateway", m{})
	require.ErrorContains(t, err, "aws_nat_gateway")

	// aws_subnets is a data source only.
	_, err = check("aws:ec2/subnets:Subnets", m{})
	require.ErrorContains(t, err, "nothing like aws:ec2/subnets:Subnets")

	invoked, err := provider.Invoke(t.Context(), &pulumirpc.InvokeRequest{
		Tok: "aws:ec2/getVpc:getVpc", Args: object(t, m{"cidrblock": "10.0.0.0/16"}),
	})
	require.NoError(t, err)
	require.Len(t, invoked.Failures, 1)
	require.Contains(t, invoked.Failures[0].Reason, "nearest name first: cidrBlock")

	config, err := provider.CheckConfig(t.Context(), &pulumirpc.CheckRequest{
		Urn: "urn:pulumi:dev::proj::pulumi:providers:aws::default", News: object(t, m{"regionn": "us-east-2"}),
	})
	require.NoError(t, err)
	require.Len(t, config.Failures, 1)
	require.Contains(t, config.Failures[0].Reason, "nearest name first: region")
}

func TestProvider_Messages_HaveSDKNames(t *testing.T) {
	provider, _ := realProvider(t)
	typ := "aws:ec2/securityGroup:SecurityGroup"
	resp, err := provider.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: "urn:pulumi:dev::proj::" + typ + "::r", Type: typ,
		News: object(t, m{"name": "sg-mine"}), // Terraform refuses names that look like an ID
	})
	require.NoError(t, err)
	require.NotEmpty(t, resp.Failures)
	for _, failure := range resp.Failures {
		require.NotContains(t, failure.Property+failure.Reason, "aws:index")
	}
}

func TestGetPluginInfo(t *testing.T) {
	info, err := (&Provider{}).GetPluginInfo(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "6.83.2", info.Version)
}

func TestFindBridge(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the bridge has another file name on Windows")
	}
	t.Setenv(mirrorVariable, "")
	directory, mirror := t.TempDir(), t.TempDir()
	executable := filepath.Join(directory, "pulumi-resource-aws")
	mirrorFile := filepath.Join(directory, "terraform-mirror")

	_, err := FindBridge(executable, nil)
	require.ErrorContains(t, err, filepath.Join(directory, "terraform-bridge"))

	require.NoError(t, os.WriteFile(filepath.Join(directory, "terraform-bridge"), nil, 0o700))
	config, err := FindBridge(executable, []string{"127.0.0.1:1"})
	require.NoError(t, err)
	require.Empty(t, config.Mirror)
	require.Equal(t, []string{"127.0.0.1:1"}, config.Args)

	require.NoError(t, os.WriteFile(mirrorFile, []byte(mirror+"\n"), 0o600))
	config, err = FindBridge(executable, nil)
	require.NoError(t, err)
	require.Equal(t, mirror, config.Mirror)

	require.NoError(t, os.WriteFile(mirrorFile, []byte(filepath.Join(mirror, "gone")), 0o600))
	_, err = FindBridge(executable, nil)
	require.ErrorContains(t, err, "not a folder")

	t.Setenv(mirrorVariable, mirror)
	config, err = FindBridge(executable, nil)
	require.NoError(t, err)
	require.Empty(t, config.Mirror, "the child inherits the environment")
}

func TestStartBridge_Failure_NamesCause(t *testing.T) {
	_, err := StartBridge(t.Context(), BridgeConfig{Path: filepath.Join(t.TempDir(), "none"), Stderr: io.Discard})
	require.ErrorContains(t, err, "starting the bridge")

	if runtime.GOOS == "windows" {
		return
	}
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho no port\n"), 0o700))
	_, err = StartBridge(t.Context(), BridgeConfig{Path: script, Stderr: io.Discard})
	require.ErrorContains(t, err, `wrote "no port" where its port was expected`)
}

func TestSplitArgs(t *testing.T) {
	flags, address := splitArgs([]string{"--logtostderr", "-v=9", "127.0.0.1:1"})
	require.Equal(t, []string{"--logtostderr", "-v=9"}, flags)
	require.Equal(t, "127.0.0.1:1", address)
	_, address = splitArgs([]string{"-v=9"})
	require.Empty(t, address)
	_, address = splitArgs(nil)
	require.Empty(t, address)
}
