package environment_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"private-ec2-access/tools/environment"
)

func TestClean_KeepsPackageSources_DropsOptionsAndCredentials(t *testing.T) {
	kept := []string{
		"PATH=/bin", "HOME=/h", "LC_ALL=C.UTF-8", "TMPDIR=/t", "https_proxy=http://p", "NO_PROXY=corp", "SSL_CERT_FILE=/ca", "NODE_EXTRA_CA_CERTS=/ca",
		"GOPROXY=https://goproxy", "GONOSUMDB=corp", "GOPRIVATE=corp", "GOMODCACHE=/m", "PIP_INDEX_URL=https://pip", "PIP_FIND_LINKS=/wheels",
		"npm_config_registry=https://npm", "npm_config_https_proxy=http://p", "PRIVATE_EC2_ACCESS_RELEASES=https://r",
	}
	dropped := []string{
		"AWS_PROFILE=prod", "AWS_CA_BUNDLE=/ca", "PULUMI_ACCESS_TOKEN=x", "PULUMI_DIY_BACKEND_GZIP=true", "TF_LOG=trace", "TF_PLUGIN_CACHE_MAY_BREAK=1",
		"GOFLAGS=-mod=vendor", "GOOS=windows", "GOWORK=/x", "CGO_ENABLED=1", "PIP_USER=1", "PIP_TARGET=/x", "PYTHONPATH=/x", "npm_config_ignore_scripts=true",
		"YES=1", "STACK=dev", "MAKEFLAGS=n", "BASH_ENV=/x", "LD_PRELOAD=/x", "MYPATH=/x", "PATHS=/x", "TERM_PROGRAM=x",
	}
	assert.Equal(t, kept, environment.Clean(append(kept[:len(kept):len(kept)], dropped...)))
}

func TestForAWS_KeepsIdentity_DropsTheFormOfAnswers(t *testing.T) {
	own := []string{"PATH=/bin", "AWS_PROFILE=prod", "AWS_CA_BUNDLE=/ca", "AWS_ENDPOINT_URL_S3=https://s3", "AWS_USE_FIPS_ENDPOINT=true", "AWS_SESSION_TOKEN=x", "PYTHONPATH=/p"}
	form := []string{"AWS_CLI_ERROR_FORMAT=json", "AWS_CLI_AUTO_PROMPT=on", "AWS_DEFAULT_OUTPUT=text", "AWS_RETRY_MODE=legacy", "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=less", "PYTHONIOENCODING=latin-1"}
	assert.Equal(t, append(own[:len(own):len(own)], "AWS_PAGER=", "PYTHONIOENCODING=utf-8", "PYTHONUTF8=1"), environment.ForAWS(append(own[:len(own):len(own)], form...)))
}
