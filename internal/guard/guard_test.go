package guard_test

import (
	"fmt"
	"maps"
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
	local := map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "x"}
	with := func(name, value string) map[string]string {
		changed := maps.Clone(local)
		changed[name] = value
		return changed
	}
	for _, c := range []struct {
		name            string
		config, environ map[string]string
		want            []string
	}{
		{"as make sets it", nil, local, []string{}},
		{"localhost", nil, with("AWS_ENDPOINT_URL", "http://localhost:1"), []string{}},
		{"IPv6", nil, with("AWS_ENDPOINT_URL", "http://[::1]:1"), []string{}},
		{"plain pulumi in a new shell", nil, nil, []string{"AWS_ENDPOINT_URL"}},
		{"plain pulumi with real keys", nil, map[string]string{"AWS_ACCESS_KEY_ID": "AKIAXXXXXXXXXXXXXXXX", "AWS_SECRET_ACCESS_KEY": "x"}, []string{"AWS_ENDPOINT_URL"}},
		{"AWS's endpoint", nil, with("AWS_ENDPOINT_URL", "https://ec2.us-east-2.amazonaws.com"), []string{"AWS_ENDPOINT_URL"}},
		{"a name that only looks local", nil, with("AWS_ENDPOINT_URL", "http://127.0.0.1.example.com"), []string{"AWS_ENDPOINT_URL"}},
		{"not an address", nil, with("AWS_ENDPOINT_URL", "::"), []string{"AWS_ENDPOINT_URL"}},
		{"one service elsewhere", nil, with("AWS_ENDPOINT_URL_SSM", "https://ssm.us-east-2.amazonaws.com"), []string{"AWS_ENDPOINT_URL_SSM"}},
		{"endpoints ignored", nil, with("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}},
		{"no key", nil, with("AWS_ACCESS_KEY_ID", ""), []string{"AWS_ACCESS_KEY_ID"}},
		{"a real key", nil, with("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX"), []string{"AWS_ACCESS_KEY_ID"}},
		{"no secret key", nil, with("AWS_SECRET_ACCESS_KEY", ""), []string{"AWS_SECRET_ACCESS_KEY"}},
		{"a real session token", nil, with("AWS_SESSION_TOKEN", "x"), []string{"AWS_SESSION_TOKEN"}},
		{"keys in the config", map[string]string{"aws:accessKey": "test", "aws:secretKey": "test", "aws:token": "x"}, local, []string{"aws:accessKey", "aws:secretKey", "aws:token"}},
		{"a profile", map[string]string{"aws:profile": "prod"}, local, []string{"aws:profile"}},
		{"a role", map[string]string{"aws:assumeRole": "{}"}, local, []string{"aws:assumeRole"}},
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
	for _, m := range guard.Check(true, map[string]string{"aws:secretKey": "SECRET", "aws:token": "SECRET"}, map[string]string{
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIAXXXXXXXXXXXXXXXX", "AWS_SESSION_TOKEN": "SECRET",
	}) {
		if m.Key == "AWS_ACCESS_KEY_ID" {
			require.Equal(t, "AKIA…", m.Got)
		}
		require.NotContains(t, fmt.Sprint(m), "SECRET")
		require.NotContains(t, fmt.Sprint(m), "AKIAX")
	}
}
