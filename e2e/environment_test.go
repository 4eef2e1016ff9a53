package e2e

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile are variables that the AWS CLI and SDKs, the Terraform provider, Pulumi, Go, pip, npm, make and shells follow. Each
// of them breaks a command, or changes what it does, if it reaches the program that it is for.
const hostile = `
AWS_PROFILE=absent AWS_DEFAULT_PROFILE=absent AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=x AWS_SESSION_TOKEN=x AWS_SECURITY_TOKEN=x
AWS_CREDENTIAL_EXPIRATION=2001-01-01T00:00:00Z AWS_ROLE_ARN=arn:aws:iam::999988887777:role/r AWS_ROLE_SESSION_NAME=x AWS_WEB_IDENTITY_TOKEN_FILE=/absent
AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9/ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x AWS_CONFIG_FILE=/absent AWS_SHARED_CREDENTIALS_FILE=/absent
AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 AWS_EC2_METADATA_DISABLED=false AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9
AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_ENDPOINT_URL_SSM=http://127.0.0.1:9 AWS_ENDPOINT_URL_S3=http://127.0.0.1:9 AWS_ENDPOINT_URL_STS=http://127.0.0.1:9
AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true AWS_USE_FIPS_ENDPOINT=true AWS_USE_DUALSTACK_ENDPOINT=true AWS_STS_REGIONAL_ENDPOINTS=legacy AWS_S3_USE_ARN_REGION=x
AWS_RETRY_MODE=legacy AWS_MAX_ATTEMPTS=0 AWS_DEFAULTS_MODE=absent AWS_CA_BUNDLE=/absent AWS_SDK_LOAD_CONFIG=x AWS_DATA_PATH=/absent
AWS_DEFAULT_OUTPUT=text AWS_PAGER=false AWS_CLI_ERROR_FORMAT=json AWS_CLI_AUTO_PROMPT=on AWS_CLI_FILE_ENCODING=utf-16 AWS_REQUEST_CHECKSUM_CALCULATION=absent
AWS_ACCOUNT_ID_ENDPOINT_MODE=required AWS_DISABLE_REQUEST_COMPRESSION=x AWS_SIGV4A_SIGNING_REGION_SET=x AWS_SDK_UA_APP_ID=x
TF_LOG=trace TF_CLI_CONFIG_FILE=/absent TF_DATA_DIR=/absent TF_CLI_ARGS=-absent TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=x TF_REATTACH_PROVIDERS=x
PULUMI_ACCESS_TOKEN=pul-x PULUMI_BACKEND_URL=s3://absent PULUMI_HOME=/absent PULUMI_STACK=prod PULUMI_CONFIG_PASSPHRASE=wrong PULUMI_CONFIG_PASSPHRASE_FILE=/absent
PULUMI_DIY_BACKEND_GZIP=true PULUMI_SKIP_CONFIRMATIONS=true PULUMI_OPTION_REFRESH=true PULUMI_OPTION_SHOW_SAMES=true PULUMI_DEBUG_COMMANDS=true PULUMI_PARALLEL=none
PULUMI_DISABLE_PROVIDER_PREVIEW=true PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true PULUMI_IGNORE_AMBIENT_PLUGINS=true PULUMI_CONFIG={} PULUMI_DISABLE_REFRESH=true
GOFLAGS=-mod=vendor GOWORK=/absent/go.work GOOS=plan9 GOARCH=mips GO111MODULE=off GOEXPERIMENT=absent GOBIN=/absent CGO_ENABLED=1 CC=false GOGC=off
PYTHONPATH=/absent PYTHONHOME=/absent PYTHONSTARTUP=/absent PYTHONIOENCODING=latin-1 PYTHONWARNINGS=error PYTHONINSPECT=1 PYTHONVERBOSE=1 PYTHONOPTIMIZE=2
PIP_USER=1 PIP_TARGET=/absent PIP_REQUIRE_VIRTUALENV=1 VIRTUAL_ENV=/absent NODE_OPTIONS=--absent npm_config_ignore_scripts=true MOTO_ACCOUNT_ID=999988887777
HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
STACK=prod ARGS=--absent INSTANCE=absent SESSION=absent REASON=absent TIMEOUT=0s FORMAT=absent RAW=1 ALL=1 YES=1 V=1 LIMIT=1
BASH_ENV=/absent ENV=/absent CDPATH=/:/tmp POSIXLY_CORRECT=1 GREP_OPTIONS=-v LESSOPEN=false GIT_DIR=/absent`

// The same commands on two copies of one account, with hostile variables and with next to none, print the same and leave the same.
//
// It does not prove that installing works with them: the tools are installed already. The tests of the toolchain do.
func hostileEnvironment(d, tame *desk) {
	t := d.t
	var minimal []string
	for _, entry := range d.env {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains([]string{"PATH", "HOME", "GOMODCACHE", "GOCACHE", "GOPROXY", "PRIVATE_EC2_ACCESS_RELEASES"}, name) {
			minimal = append(minimal, entry)
		}
	}
	variables := strings.Fields(hostile)
	require.GreaterOrEqual(t, len(variables), 60)
	tame.env, d.env = minimal, append(slices.Clone(minimal), variables...)
	var expected, found []string
	var both sync.WaitGroup
	both.Go(func() { expected = tame.tellAll() })
	both.Go(func() { found = d.tellAll() })
	both.Wait()
	require.Equal(t, expected, found)
	require.Len(t, found, 7)
	require.Equal(t, inventoryOf(tame), inventoryOf(d))
}

// tellAll runs the commands of a first day and returns what each of them printed, without what differs from run to run.
func (d *desk) tellAll() (printed []string) {
	var ids []string
	tell := func(command, text string) {
		for i, id := range ids {
			text = strings.ReplaceAll(text, id, "SESSION-"+string(rune('0'+i)))
		}
		text = strings.ReplaceAll(text, d.dir, "CHECKOUT")
		text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "EMULATOR")
		text = regexp.MustCompile(`(?m)\b(\d+m)?\d+(\.\d+)?(ms|s)\b|\d{4}-\d\d-\d\d[T ][\d:.+Z-]+|pid \d+|[ \t\r]+$`).ReplaceAllString(text, "")
		text = regexp.MustCompile(`\((?:[A-Z][a-z]{2} )?[\d: ]+[AP]M\)|instance-\d+`).ReplaceAllString(text, "")
		// These lines depend on how long something takes.
		text = regexp.MustCompile(`(?m)^(@ |• compile|  ok: compile|  still running|  waiting).*$`).ReplaceAllString(text, "")
		// Pulumi prints as it goes, so the order of its lines is that of the moment.
		lines := strings.Split(text, "\n")
		if command != "outputs" {
			slices.Sort(lines)
			lines = slices.Compact(lines)
		}
		printed = append(printed, command+"\n"+strings.Join(lines, "\n"))
	}
	run := func(args ...string) {
		out, err := d.run("make", append([]string{"--no-print-directory"}, args...)...)
		require.NoError(d.t, err, out)
		tell(args[0], out)
	}
	run("up")
	run("preview")
	run("outputs")

	p := d.terminal(120, nil, "make", "--no-print-directory", "connect")
	ids = append(ids, p.opens())
	p.types("echo 세션-$((40+2))\r")
	p.sees(`세션-42\n`)
	p.types("exit\r")
	require.Zero(d.t, p.ends(), p.text())
	_, said, _ := strings.Cut(p.text(), "Exiting session")
	tell("connect", said)
	require.Eventually(d.t, func() bool {
		_, err := d.run("make", "record", "SESSION="+ids[0])
		return err == nil
	}, time.Minute, time.Second)
	run("record", "SESSION="+ids[0])
	run("history", "FORMAT=csv")
	run("destroy")
	return printed
}

func inventoryOf(d *desk) []string {
	var left []string
	for _, v := range d.aws("ec2", "describe-vpcs").list("Vpcs") {
		left = append(left, v.text("CidrBlock"))
	}
	for _, b := range d.aws("s3api", "list-buckets").list("Buckets") {
		left = append(left, b.text("Name"))
	}
	return left
}
