package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/guard"
)

func keys(t *testing.T, emulated bool, config, environ map[string]string) []string {
	t.Helper()
	found := []string{}
	for _, m := range guard.Check(emulated, config, environ) {
		require.NotEmpty(t, m.Problem)
		require.NotEmpty(t, m.Fix, m.Key)
		found = append(found, m.Key)
	}
	return found
}

func TestLocalEmulatorStack_NeverReachesAWS(t *testing.T) {
	t.Parallel()
	test := map[string]string{"aws:accessKey": "test"}
	local := map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
	for _, c := range []struct {
		name            string
		config, environ map[string]string
		want            []string
	}{
		{"as make sets it", test, local, []string{}},
		{"localhost", test, map[string]string{"AWS_ENDPOINT_URL": "http://localhost:1"}, []string{}},
		{"IPv6", test, map[string]string{"AWS_ENDPOINT_URL": "http://[::1]:1"}, []string{}},
		{"no endpoint", test, nil, []string{"AWS_ENDPOINT_URL"}},
		{"AWS's endpoint", test, map[string]string{"AWS_ENDPOINT_URL": "https://ec2.us-east-2.amazonaws.com"}, []string{"AWS_ENDPOINT_URL"}},
		{"a name that only looks local", test, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com"}, []string{"AWS_ENDPOINT_URL"}},
		{"not an address", test, map[string]string{"AWS_ENDPOINT_URL": "::"}, []string{"AWS_ENDPOINT_URL"}},
		{"one service elsewhere", test, map[string]string{"AWS_ENDPOINT_URL": local["AWS_ENDPOINT_URL"], "AWS_ENDPOINT_URL_SSM": "https://ssm.us-east-2.amazonaws.com"}, []string{"AWS_ENDPOINT_URL_SSM"}},
		{"endpoints ignored", test, map[string]string{"AWS_ENDPOINT_URL": local["AWS_ENDPOINT_URL"], "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}},
		{"no key", nil, local, []string{"aws:accessKey"}},
		{"a real key", map[string]string{"aws:accessKey": "AKIAXXXXXXXXXXXXXXXX"}, local, []string{"aws:accessKey"}},
		{"a profile", map[string]string{"aws:accessKey": "test", "aws:profile": "prod"}, local, []string{"aws:profile"}},
		{"a role", map[string]string{"aws:accessKey": "test", "aws:assumeRole": "{}"}, local, []string{"aws:assumeRole"}},
	} {
		require.Equal(t, c.want, keys(t, true, c.config, c.environ), c.name)
	}
}

func TestGuard_RealStack_EmulatorSettingsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		config, environ map[string]string
		want            []string
	}{
		{"nothing set", nil, nil, []string{}},
		{"a profile and a private endpoint of AWS's", map[string]string{"aws:profile": "prod"}, map[string]string{"AWS_ENDPOINT_URL_SSM": "https://vpce-1.ssm.us-east-2.vpce.amazonaws.com"}, []string{}},
		{"an emulator", nil, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, []string{"AWS_ENDPOINT_URL"}},
		{"an emulator for one service", nil, map[string]string{"AWS_ENDPOINT_URL_S3": "http://localhost:4566"}, []string{"AWS_ENDPOINT_URL_S3"}},
		{"an emulator's key around", nil, map[string]string{"AWS_ACCESS_KEY_ID": "test"}, []string{"AWS_ACCESS_KEY_ID"}},
		{"an emulator's key in the config", map[string]string{"aws:accessKey": "test"}, nil, []string{"aws:accessKey"}},
		{"an emulator's endpoints", map[string]string{"aws:endpoints": `[{"ec2":"http://localhost:4566"}]`}, nil, []string{"aws:endpoints"}},
		{"checks switched off", map[string]string{"aws:skipCredentialsValidation": "true"}, nil, []string{"aws:skipCredentialsValidation"}},
	} {
		require.Equal(t, c.want, keys(t, false, c.config, c.environ), c.name)
	}
}

func TestGuard_AccessKey_NotShownInFull(t *testing.T) {
	t.Parallel()
	found := guard.Check(true, map[string]string{"aws:accessKey": "AKIAXXXXXXXXXXXXXXXX"}, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
	require.Equal(t, "AKIA…", found[0].Got)
}
