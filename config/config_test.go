package config_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
	"private-ec2-access/program"
	"private-ec2-access/pulumitest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func load(t *testing.T, own map[string]any) (*config.Config, error) {
	t.Helper()
	return config.Load("private-ec2-access", pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(pulumitest.LocalConfig("us-east-2"), own))), settings.Literals{}, pulumitest.LocalEnvironment)
}

func TestLoad_Defaults_Valid(t *testing.T) {
	t.Parallel()
	c, err := load(t, nil)
	require.NoError(t, err)
	require.True(t, c.NarrowPolicies())
	require.False(t, c.KeepRecords.Or(!c.Emulated))
}

func manyTags(count int) map[string]any {
	tags := map[string]any{}
	for i := range count {
		tags[fmt.Sprintf("key-%d", i)] = "x"
	}
	return tags
}

const keyOfOurs = "arn:aws:kms:us-east-2:111122223333:key/0a1b2c3d-0000-0000-0000-000000000000"

// Each mistake by the config that has it. The whole message is in testdata, one
// file a case; -update writes them anew, to be read by a person.
var mistakes = map[string]map[string]any{
	"auditors-not-enabled":   {"auditors.principals": []any{"arn:aws:iam::111122223333:root"}},
	"auditors-not-a-boolean": {"auditors.enabled": "perhaps"},
	"auditors-of-other-types": {
		"auditors.enabled": true, "auditors.mfa": "sometimes", "auditors.maxSessionDuration": 100, "auditors.userNameIn": "tag",
		"auditors.principals": []any{"ana", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"},
	},
	"break-glass": {
		"breakGlass.principals": []any{"arn:aws:iam::111122223333:role/*"}, "breakGlass.maxSessionDuration": 43201, "breakGlass.userNameIn": "name",
	},
	"break-glass-without-principals": {"breakGlass.maxSessionDuration": 3600, "breakGlass.userNameIn": "sourceIdentity"},
	"operators": {"operators": map[string]any{
		"DBA": map[string]any{},
		"dba": map[string]any{
			"instances": []any{"nothing", "app", "app", "i-0123456789abcdef0"}, "principals": []any{"arn:aws:iam::111122223333:role/dba"},
			"userNameIn": "roleSessionName", "maxSessionDuration": 60, "notBefore": "2026-12-24", "notAfter": "2026-12-24T18:00:00+09:00",
			"portForwarding": map[string]any{"DB": map[string]any{"host": "db internal", "port": 0}},
		},
		"web": map[string]any{"mfa": "yes", "notBefore": "2026-12-24T18:00:00Z", "notAfter": "2026-12-24T17:00:00Z", "maxSessionDuration": 3600, "userNameIn": "sourceIdentity"},
	}},
	"people-boundary":       {"people.permissionsBoundary": "boundary"},
	"people-deny-no-choice": {"people.denyUnrecorded": "perhaps"},
	"people-denied-to-all":  {"people.denyUnrecorded": true},
	"people-exempt-from-nothing": {
		"people.exemptRoleArns": []any{"arn:aws:iam::111122223333:role/deploy"}, "people.otherDocumentArns": []any{"arn:aws:ssm:us-east-2:111122223333:document/other"},
	},
	"people-arns": {
		"people.denyUnrecorded": true, "people.exemptRoleArns": []any{"arn:aws:iam::111122223333:user/ana", "arn:aws:iam::111122223333:role/*"},
		"people.otherDocumentArns": []any{"other"},
	},
	"alerts-about-nothing":           {"alerts.emails": []any{"ops@example.com"}, "alerts.events": []any{}},
	"alerts-addresses":               {"alerts.emails": []any{"ops", "ops@example.com", "ops@example.com"}},
	"alerts-events":                  {"alerts.emails": []any{"ops@example.com"}, "alerts.events": []any{"logins", "changes", "changes"}},
	"alerts-topic":                   {"alerts.topicArn": "ops"},
	"alerts-topic-and-addresses":     {"alerts.topicArn": "arn:aws:sns:us-east-2:111122223333:ops", "alerts.emails": []any{"ops@example.com"}},
	"architecture-no-such-choice":    {"instance.architecture": "amd64"},
	"architecture-of-another-type":   {"instance.architecture": "x86_64"},
	"bucket-name-dotted":             {"logging.bucketName": "my.logs"},
	"cidr-block-not-private":         {"network.cidrBlock": "8.8.0.0/16"},
	"cidr-block-bits-set":            {"network.cidrBlock": "10.20.0.1/16"},
	"cidr-block-too-small-for-zones": {"network.cidrBlock": "10.20.0.0/28"},
	"confirm-changes":                {"confirmChanges": "sometimes"},
	"document-name":                  {"session.documentName": "my document"},
	"document-name-of-aws":           {"session.documentName": "AWS-Sessions"},
	"ec2messages":                    {"endpoints.ec2messages": "yes"},
	"endpoints-elsewhere-in-own-vpc": {"endpoints.create": false, "endpoints.cidrBlocks": []any{"10.0.0.0/16"}},
	"endpoints-elsewhere-addresses":  {"endpoints.create": false, "endpoints.protect": true, "endpoints.cidrBlocks": []any{"10.0.0.1/16", "0.0.0.0/0", "10.1.0.0/16", "10.1.0.0/16", "central"}, "network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}},
	"endpoints-addresses-unused":     {"endpoints.cidrBlocks": []any{"10.0.0.0/16"}},
	"endpoints-existing":             {"endpoints.existing": map[string]any{"ssm": "vpc-0123456789abcdef0", "sqs": "vpce-0123456789abcdef0"}, "network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}},
	"endpoints-existing-in-own-vpc":  {"endpoints.existing": map[string]any{"ssm": "vpce-0123456789abcdef0"}},
	"emulated-not-a-boolean":         {"emulated": "maybe"},
	"idle-timeout-too-long":          {"session.idleSessionTimeout": 61},
	"idle-timeout-over-the-session":  {"session.idleSessionTimeout": 30, "session.maxSessionDuration": 20},
	"instance-image":                 {"instances": map[string]any{"app": map[string]any{"imageId": "latest"}}},
	"instances-with-mistakes-in-order": {"instances": map[string]any{
		"f": map[string]any{"imageId": "x"}, "e": map[string]any{"imageId": "x"}, "d": map[string]any{"imageId": "x"},
		"c": map[string]any{"imageId": "x"}, "b": map[string]any{"imageId": "x"}, "a": map[string]any{"imageId": "x"},
	}},
	"instance-image-parameter":    {"instances": map[string]any{"app": map[string]any{"imageParameter": "al2023"}}},
	"instance-user-data-too-long": {"instances": map[string]any{"app": map[string]any{"userData": strings.Repeat("a", 16385)}}},
	"instance-tags":               {"instances": map[string]any{"app": map[string]any{"tags": map[string]any{"Name": "mine", "private-ec2-access:fleet": "web", "a,b": "x"}}}},
	"instance-tags-too-many":      {"tags": manyTags(30), "instances": map[string]any{"app": map[string]any{"tags": map[string]any{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6", "g": "7", "h": "8", "i": "9", "j": "0", "k": "1", "l": "2", "m": "3", "n": "4", "o": "5", "p": "6", "q": "7", "r": "8"}}}},
	"fleet-name":                  {"fleets": map[string]any{"Web": map[string]any{"count": 2}, strings.Repeat("w", 28): map[string]any{"count": 2}}},
	"fleet-count":                 {"fleets": map[string]any{"web": map[string]any{"count": 1000}, "db": map[string]any{}}},
	"fleet-without":               {"fleets": map[string]any{"web": map[string]any{"count": 3, "without": []any{4, 2, 2, 0}}}},
	"fleet-machine":               {"fleets": map[string]any{"web": map[string]any{"count": 3, "architecture": "x86_64", "imageId": "x", "tags": map[string]any{"Name": "x"}}}},
	"fleet-name-of-an-instance":   {"instances": map[string]any{"web": map[string]any{}, "web-002": map[string]any{}}, "fleets": map[string]any{"web": map[string]any{"count": 2}}},
	"data-volumes": {
		"instances": map[string]any{"app": map[string]any{"dataVolumes": []any{map[string]any{"device": "/dev/sda1", "size": 0, "type": "io2"}}}},
		"fleets": map[string]any{"web": map[string]any{"count": 1, "dataVolumes": []any{
			map[string]any{"device": "/dev/sdf", "size": 10}, map[string]any{"device": "/dev/sdf", "size": 100, "type": "st1"},
		}}},
	},
	"data-volumes-of-another-type":     {"instances": map[string]any{"app": map[string]any{"dataVolumes": []any{map[string]any{"device": "/dev/sdf", "gib": 10}, "x"}}}},
	"fleet-no-such-key":                {"fleets": map[string]any{"web": map[string]any{"count": 2, "subnetIndex": 1}}},
	"instance-name":                    {"instances": map[string]any{"App_1": map[string]any{}}},
	"instance-no-such-key":             {"instances": map[string]any{"app": map[string]any{"imageID": "ami-0aaaaaaaaaaaaaaaa"}}},
	"instance-key-without-a-blank":     {"instances": map[string]any{"db": map[string]any{"instanceType:t4g.small": nil}}},
	"instance-in-the-singular":         {"instance.app": map[string]any{}, "instance.db": map[string]any{"instanceType": "t4g.small"}},
	"instance-without-a-blank":         {"instances": map[string]any{"db:{instanceType": "t4g.small}"}},
	"instance-beside-instances":        {"db": map[string]any{"instanceType": "t4g.small"}},
	"instance-subnet":                  {"instances": map[string]any{"app": map[string]any{"subnetIndex": 2}}},
	"instance-subnet-of-existing":      {"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}, "instances": map[string]any{"app": map[string]any{"subnetIndex": 1}}},
	"instance-type":                    {"instance.instanceType": "small"},
	"instance-type-of-its-own":         {"instances": map[string]any{"app": map[string]any{"instanceType": "t3.nano"}}},
	"instance-architecture-of-its-own": {"instances": map[string]any{"app": map[string]any{"architecture": "arm"}}},
	"instance-volume-size-of-its-own":  {"instances": map[string]any{"app": map[string]any{"volumeSize": 20000}}},
	"existing-instances": {"existingInstances": map[string]any{
		"a": map[string]any{"instanceId": "app"}, "app": map[string]any{"instanceId": "i-0123456789abcdef0"}, "b": map[string]any{},
		"c": map[string]any{"instanceId": "i-0123456789abcdef0"}, "d": map[string]any{"instanceId": "i-0123456789abcdef1", "tags": map[string]any{"a": "b"}}, "E": map[string]any{"tags": map[string]any{"a": "b"}},
	}},
	"instances-not-an-object":         {"instances": []any{"app", "db"}},
	"instances-a-name":                {"instances": "app"},
	"keep-records":                    {"keepRecords": "never"},
	"key-prefix":                      {"logging.keyPrefix": "a b"},
	"allow-internet-route":            {"network.allowInternetRoute": "sometimes"},
	"dns-servers-forward":             {"network.dnsServersForward": "perhaps"},
	"flow-logs":                       {"network.flowLogs": "log-group:/flow-logs"},
	"flow-logs-among-session-logs":    {"network.flowLogs": "s3://logs/flow", "logging.bucketName": "logs"},
	"flow-logs-in-the-stacks-bucket":  {"network.flowLogs": "s3://private-ec2-access-logs-0123456/flow"},
	"existing-instance-of-a-fleet":    {"fleets": map[string]any{"web": map[string]any{"count": 2}}, "existingInstances": map[string]any{"web": map[string]any{"instanceId": "i-0123456789abcdef0"}}},
	"negative-for-no-limit":           {"session.maxSessionDuration": -1, "logging.retentionDays": -1, "logging.transitionDays": 30, "logging.objectLock": "governance", "logging.objectLockDays": 1},
	"bucket-name-a-url":               {"logging.bucketName": "s3://my-logs"},
	"forwarding-a-text":               {"operators": map[string]any{"dba": map[string]any{"portForwarding": map[string]any{"db": "db.internal:5432"}}}},
	"other-documents-without-denial":  {"people.otherDocumentArns": []any{"arn:aws:ssm:us-east-2:111122223333:document/Other"}},
	"lock-days-of-another-bucket":     {"logging.bucketName": "logs", "logging.objectLockDays": 30},
	"lock-days-above-retention":       {"logging.objectLockDays": 400},
	"elsewhere-and-protected":         {"endpoints.protect": true, "endpoints.cidrBlocks": []any{"10.0.0.0/16"}, "network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0123456789abcdef0"}},
	"flow-logs-of-an-existing-vpc":    {"network.flowLogs": "s3://flow-logs", "network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0123456789abcdef0"}},
	"member-traffic":                  {"network.memberTraffic": "ssh"},
	"max-duration":                    {"session.maxSessionDuration": 1441},
	"policies":                        {"endpoints.policies": "tight"},
	"retention-not-a-number":          {"logging.retentionDays": "a year"},
	"retention-negative":              {"logging.retentionDays": -1},
	"self-repair":                     {"selfRepair": "1"},
	"subnet-not-an-id":                {"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"private-a"}},
	"subnet-twice":                    {"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0aaaaaaaaaaaaaaaa"}},
	"subnets-not-a-list":              {"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": "subnet-0aaaaaaaaaaaaaaaa"},
	"subnets-without-vpc":             {"network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}},
	"tag-keys-that-differ-in-case":    {"tags": map[string]any{"Env": "x", "env": "y", "name": "z", "Private-EC2-Access:Stack": "w"}},
	"tag-key-empty":                   {"tags": map[string]any{"": "x"}},
	"tag-key-too-long":                {"tags": map[string]any{strings.Repeat("가", 128): "x"}},
	"tag-characters":                  {"tags": map[string]any{"a,b": "x", "team": "a&b", "owner": "tab\tor line\n", "emoji": "🚀"}},
	"tag-value-too-long":              {"tags": map[string]any{"team": strings.Repeat("나", 257)}},
	"tag-value-of-aws":                {"tags": map[string]any{"team": "AWS:x"}},
	"tags-too-many":                   {"tags": manyTags(49)},
	"key-prefix-too-long":             {"logging.keyPrefix": strings.Repeat("a", 901)},
	"shell-profiles-too-long-as-json": {"session.shellProfile.linux": strings.Repeat("<", 10000), "session.shellProfile.windows": strings.Repeat("\n", 10000)},
	"tag-of-aws":                      {"tags": map[string]any{"aws:team": "platform"}},
	"tag-of-the-program":              {"tags": map[string]any{"Name": "mine"}},
	"unknown-key":                     {"netwrok": map[string]any{"availabilityZoneCount": 1}},
	"unknown-key-with-a-mapping":      {"instnces": map[string]any{"web": map[string]any{}}},
	"unknown-nested-key":              {"network.cidrblock": "10.30.0.0/16"},
	"unknown-keys-of-choices":         {"keepRecord": "yes", "confirmChange": "true", "logging.objectlock": "on", "logging.encryptions": "kms"},
	"volume-size":                     {"instance.volumeSize": 4},
	"vpc-not-an-id":                   {"network.vpcId": "main", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}},
	"vpc-without-subnets":             {"network.vpcId": "vpc-0123456789abcdef0"},
	"writer-roles": {"logging.writerRoleArns": []any{
		"arn:aws:sts::111122223333:assumed-role/app/i-0123456789abcdef0", "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/*",
	}},
	"zones-none":                       {"network.availabilityZoneCount": 0},
	"zones-too-many-for-the-range":     {"network.cidrBlock": "10.20.0.0/26", "network.availabilityZoneCount": 5},
	"adopt-without-keeping":            {"session.adopt": true, "keepRecords": "false"},
	"compliance-without-keeping":       {"logging.objectLock": "compliance", "logging.objectLockDays": 30},
	"cloud-watch-not-a-boolean":        {"logging.cloudWatch": "perhaps"},
	"earlier-key-not-an-arn":           {"logging.earlierKmsKeyArns": []any{"", "alias/records"}},
	"earlier-locations":                {"logging.earlierLocations": []any{"logs/sessions", "s3://logs/a", "s3://logs/a"}},
	"encryption":                       {"logging.encryption": "none"},
	"encryption-in-two-layers":         {"logging.encryption": "aws:kms:dsse"},
	"key-deletion-window":              {"key.deletionWindowInDays": 6},
	"key-for-records-without-use":      {"logging.kmsKeyArn": keyOfOurs},
	"key-for-records-not-an-arn":       {"logging.encryption": "kms", "logging.kmsKeyArn": "alias/records"},
	"key-for-sessions-without-use":     {"session.kmsKeyArn": keyOfOurs},
	"key-rotation":                     {"key.rotationPeriodInDays": 30},
	"lock":                             {"logging.objectLock": "legal"},
	"lock-of-an-existing-bucket":       {"logging.objectLock": "governance", "logging.objectLockDays": 1, "logging.bucketName": "logs"},
	"lock-days-negative":               {"logging.objectLock": "governance", "logging.objectLockDays": -1},
	"lock-without-days":                {"logging.objectLock": "governance"},
	"lock-days-without-a-lock":         {"logging.objectLockDays": 30},
	"lock-longer-than-retention":       {"logging.objectLock": "governance", "logging.objectLockDays": 400},
	"log-group-name":                   {"logging.logGroupName": "my group"},
	"log-group-name-of-aws":            {"logging.logGroupName": "aws/sessions"},
	"log-group-retention":              {"logging.logGroupRetentionDays": 100},
	"max-duration-doubtful":            {"session.maxSessionDuration": 1050},
	"required-with-s3-alone":           {"logging.required": true},
	"required-without-a-key":           {"logging.required": true, "logging.cloudWatch": true},
	"required-without-streaming":       {"logging.required": true, "logging.cloudWatch": true, "logging.encryption": "kms", "logging.streaming": false},
	"required-not-a-boolean":           {"logging.required": "yes"},
	"role-boundary-not-an-arn":         {"role.permissionsBoundary": "private-ec2-access-boundary"},
	"role-boundary-of-a-role":          {"role.permissionsBoundary": "arn:aws:iam::111122223333:role/boundary"},
	"role-path-without-slashes":        {"role.path": "shells"},
	"role-path-too-long":               {"role.path": "/" + strings.Repeat("a", 520) + "/"},
	"role-policy":                      {"role.policy": "minimal"},
	"role-parameter-paths":             {"role.parameterPaths": []any{"app", "/app/", "/app/*", "/app", "/app"}},
	"role-parameter-paths-without-use": {"role.policy": "session", "role.parameterPaths": []any{"/app"}},
	"run-as-root":                      {"session.runAsEnabled": true, "session.runAsDefaultUser": "root"},
	"run-as-not-a-name":                {"session.runAsEnabled": true, "session.runAsDefaultUser": "a b"},
	"session-reason":                   {"session.reason": "always"},
	"run-as-without-use":               {"session.runAsDefaultUser": "ec2-user"},
	"run-as-not-a-boolean":             {"session.runAsEnabled": "sometimes"},
	"session-adopt-not-a-boolean":      {"session.adopt": "maybe"},
	"session-encryption-not-a-boolean": {"session.encryption": "aes256"},
	"shell-profiles-too-long":          {"session.shellProfile.linux": strings.Repeat("a", 20000), "session.shellProfile.windows": strings.Repeat("b", 20000)},
	"streaming-not-a-boolean":          {"logging.streaming": "live"},
	"transition-after-the-end":         {"logging.transitionDays": 365},
	"transition-negative":              {"logging.transitionDays": -1},
	"several-of-every-kind": {
		"netwrok": map[string]any{"availabilityZoneCount": 1}, "instance.volumeSize": "abc", "network.cidrBlock": "10.30.0.0/8",
		"session.idleSessionTimeout": 90, "endpoints": "wide", "instances": map[string]any{"web_1": map[string]any{}},
		"tags": map[string]any{"Name": "x"},
	},
	"several-at-once": {
		"network.cidrBlock": "10.0.0.0/30", "instance.instanceType": "t3.nano", "logging.bucketName": "my.logs",
		"session.idleSessionTimeout": 0, "endpoints.ec2messages": "perhaps",
	},
}

func TestLoad_Mistakes_AllReported(t *testing.T) {
	t.Parallel()
	told := map[string]func(t *testing.T) error{}
	for name, own := range mistakes {
		told[name] = func(t *testing.T) error { _, err := load(t, own); return err }
	}
	for name, lines := range written {
		told[name] = func(t *testing.T) error { return newStack(t, lines, pulumitest.LocalEnvironment).mistakes(t).Err() }
	}
	for name, load := range told {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := load(t)
			require.Error(t, err)
			file := filepath.Join("testdata", "mistakes", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(err.Error()+"\n"), 0o644))
			}
			want, readErr := os.ReadFile(file)
			require.NoError(t, readErr, "run: go test ./config -update, and read the difference")
			require.Equal(t, string(want), err.Error()+"\n")
			var list mistake.List
			require.True(t, errors.As(err, &list))
			if name == "several-at-once" {
				require.Len(t, list, 5)
			}
			for _, m := range list {
				require.NotEmpty(t, m.Fix, m.Key)
			}
		})
	}
}

// Tags that every one of the services allows.
func TestTags_ThatAWSAllows(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string]map[string]any{
		"as many as fit with the program's own":         manyTags(48),
		"Korean syllables, which have three bytes each": {strings.Repeat("가", 127): strings.Repeat("나", 256)},
		"every character":                   {"Az09 _.:/=+-@": "Az09 _.:/=+-@", "cost center": "ⅷ", "x-aws:y": "is aws:"},
		"a path that needs quotation marks": {"a.b": "x"},
	} {
		_, err := load(t, map[string]any{"tags": tags})
		require.NoError(t, err, name)
	}
}

// The line that the README adds for a second instance is right.
func TestREADME_SecondInstance_Valid(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(pulumitest.Root(t), "README.md"))
	require.NoError(t, err)
	line := regexp.MustCompile("`(db: \\{.*\\})`").FindSubmatch(readme)
	require.NotNil(t, line)
	var instances map[string]any
	require.NoError(t, yaml.Unmarshal(append([]byte("app: {}\n"), line[1]...), &instances))
	c, err := load(t, map[string]any{"instances": instances})
	require.NoError(t, err)
	require.Equal(t, "t4g.small", c.Complete()["db"].InstanceType)
	require.Len(t, c.Complete(), 2)
}

// The same mistakes are told in the same order each time.
func TestLoad_InstanceMistakes_SortedByName(t *testing.T) {
	t.Parallel()
	instances, want := map[string]any{}, []string{}
	for letter := 'a'; letter <= 'z'; letter++ { // so many that no map goes through them in order by chance
		instances[string(letter)] = map[string]any{"imageId": "none"}
		want = append(want, "instances."+string(letter)+".imageId")
	}
	_, err := load(t, map[string]any{"instances": instances})
	var list mistake.List
	require.True(t, errors.As(err, &list))
	var got []string
	for _, m := range list {
		got = append(got, m.Key)
	}
	require.Equal(t, want, got)
}

// Mistakes that are in no key by itself: two keys do not go together, and each
// of the two changes, alone, fixes it.
var relations = map[string][2]map[string]any{
	"architecture-of-another-type":   {{"instance.architecture": "arm64"}, {"instance.instanceType": "t3.nano"}},
	"cidr-block-too-small-for-zones": {{"network.cidrBlock": "10.20.0.0/27"}, {"network.availabilityZoneCount": 1}},
	"idle-timeout-over-the-session":  {{"session.idleSessionTimeout": 20}, {"session.maxSessionDuration": 30}},
	"instance-subnet": {
		{"instances": map[string]any{"app": map[string]any{"subnetIndex": 1}}}, {"network.availabilityZoneCount": 3},
	},
	"instance-subnet-of-existing": {
		{"instances": map[string]any{"app": map[string]any{"subnetIndex": 0}}},
		{"network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"}},
	},
	"instance-type-of-its-own": {
		{"instance.architecture": "x86_64", "instance.instanceType": "t3.nano"},
		{"instances": map[string]any{"app": map[string]any{"instanceType": "t4g.micro"}}},
	},
	"subnets-without-vpc": {{"network.vpcId": "vpc-0123456789abcdef0"}, {"network.subnetIds": []any{}}},
	"vpc-without-subnets": {{"network.vpcId": ""}, {"network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"}}},
	"zones-too-many-for-the-range": {
		{"network.cidrBlock": "10.20.0.0/24"}, {"network.availabilityZoneCount": 4},
	},
}

func TestLoad_RelatedKeys_Checked(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(relations), 8)
	for name, fixes := range relations {
		require.Contains(t, mistakes, name)
		for _, fix := range fixes {
			_, err := load(t, pulumitest.With(mistakes[name], fix))
			require.NoError(t, err, "%s, fixed by %v", name, fix)
		}
	}
}

// Nothing is asked of AWS and nothing registered when the config is wrong, and
// the program fails, whatever the mistake is.
func TestLoad_Mistake_NoLookUp(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(mistakes), 25)
	for name, own := range mistakes {
		recorder := &pulumitest.Recorder{}
		handed := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(pulumitest.LocalConfig("us-east-2"), own)))
		resources, err := recorder.Run(t, "private-ec2-access", "test", false, program.New(handed, pulumitest.LocalEnvironment))
		require.ErrorContains(t, err, "in the stack's config; nothing was changed", name)
		require.Empty(t, resources, name)
		require.Empty(t, recorder.Calls(), name)
	}
}

// Every key has a mistake of its own in the table above. A free-form text has
// none.
func TestLoad_EveryKey_HasMistakeCase(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, own := range mistakes {
		_, err := load(t, own)
		var list mistake.List
		require.True(t, errors.As(err, &list))
		for _, m := range list {
			covered[m.Key] = true
		}
	}
	for _, key := range fields("", reflect.TypeFor[config.Instance]()) {
		require.True(t, covered["instances.app."+key] || covered["instances.app."+key+".Name"] || covered["instances.app."+key+"[0].device"], "no case in the table has a mistake in the %s of an instance", key)
	}
	for _, key := range []string{"count", "without[0]"} {
		require.True(t, covered["fleets.web."+key], "no case in the table has a mistake in the %s of a fleet", key)
	}
	for _, key := range projectKeys(t) {
		hit := covered[key]
		for k := range covered {
			hit = hit || strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[")
		}
		require.True(t, hit, "no case in the table has a mistake in %s", key)
	}
}

// Pulumi.yaml and the struct know the same keys, and Pulumi.yaml describes each.
func TestPulumiYaml_EveryKey_Described(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, fields("", reflect.TypeFor[config.Config]()), projectKeys(t))
}

func TestPulumiYaml_KeyWithoutDefault_Reported(t *testing.T) {
	t.Parallel()
	keys := pulumitest.Defaults(t, pulumitest.LocalConfig("us-east-2"))
	delete(keys, "tags")
	delete(keys["session"].(map[string]any), "documentName")
	_, err := config.Load("private-ec2-access", pulumitest.StackConfig(t, keys), settings.Literals{}, pulumitest.LocalEnvironment)
	require.ErrorContains(t, err, "1. tags: it has no value and no default")
	require.ErrorContains(t, err, "2. session.documentName: it has no value and no default")
}

func TestLoad_NoRegion_Refused(t *testing.T) {
	t.Parallel()
	keys := pulumitest.StackConfig(t, pulumitest.Defaults(t, nil))
	_, err := config.Load("private-ec2-access", keys, settings.Literals{}, nil)
	require.ErrorContains(t, err, "aws:region: it has no value")
	_, err = config.Load("private-ec2-access", keys, settings.Literals{}, []string{"AWS_REGION=us-east-2"})
	require.NoError(t, err)
}

// The three stack files are valid, by the same loader.
func TestStackFiles_Checked_Valid(t *testing.T) {
	t.Parallel()
	for stack, environ := range map[string][]string{"local": pulumitest.LocalEnvironment, "dev": nil} {
		text, err := os.ReadFile(filepath.Join(pulumitest.Root(t), "Pulumi."+stack+".yaml"))
		require.NoError(t, err)
		var file struct {
			Config map[string]any `yaml:"config"`
		}
		require.NoError(t, yaml.Unmarshal(text, &file))
		own := map[string]any{}
		for key, value := range file.Config {
			own[strings.TrimPrefix(key, "private-ec2-access:")] = value
		}
		_, err = config.Load("private-ec2-access", pulumitest.StackConfig(t, pulumitest.Defaults(t, own)), settings.ReadLiterals(pulumitest.Root(t), pulumitest.Project, stack), environ)
		require.NoError(t, err, stack)
	}
}

func projectKeys(t *testing.T) []string {
	t.Helper()
	keys := pulumitest.Keys(t)
	for key, entry := range keys {
		require.NotEmpty(t, entry.Description, key)
		require.NotNil(t, entry.Default, key)
	}
	return slices.Sorted(maps.Keys(keys))
}

func fields(prefix string, of reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, fields(prefix+name+".", f.Type)...)
			continue
		}
		keys = append(keys, prefix+name)
	}
	return keys
}
