package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// combination is a row of the table that the program's own tests generate and check. Every possible pair of values is
// in one of the rows.
type combination struct {
	Values [][2]string    `json:"values"` // factor and value
	Config map[string]any `json:"config"` // words in capitals stand for what the account has
}

func combinations(t *testing.T) (rows []combination) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(project(t), "program", "testdata", "combinations.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &rows))
	return rows
}

func (c combination) value(factor string) string {
	for _, v := range c.Values {
		if v[0] == factor {
			return v[1]
		}
	}
	return ""
}

// everyRun are the rows that `make test` deploys. Together they have each value of KMS encryption, object lock, session key
// and keepRecords, both networks and both buckets.
var everyRun = []int{2, 5, 6, 16}

// Each combination is deployed to a copy of an account that has a network, a bucket and two keys. A preview then finds no
// changes, and the session document has the form that AWS documents. A stack that keeps its session logs is destroyed, and
// what stays is as protected as before.
//
// It does not prove that AWS accepts each combination. moto lacks AssociateKmsKey, and Object Lock on a bucket that holds
// objects: fixes of the emulator answer these calls in the form that AWS documents.
func TestStack_EveryCombination_ComesUp(t *testing.T) {
	t.Parallel()
	prepared := newAccount(t, "us-east-2")
	words := existing(prepared)
	check := sessionSchema(t)
	rows := combinations(t)
	t.Run("rows", func(t *testing.T) {
		for i, row := range rows {
			if !long(t) && !slices.Contains(everyRun, i+1) {
				continue
			}
			t.Run(fmt.Sprint(i+1), func(t *testing.T) {
				t.Parallel()
				in := prepared.copy(t)
				s := newStack(t, in, fmt.Sprintf("row-%d", i+1), spoken(row.Config, words))
				s.up()
				s.requireNoChanges()
				outputs := s.outputs()
				content := in.aws("ssm", "get-document", "--name", outputs.text("sessionDocument")).text("Content")
				require.NoError(t, check(content), content)
				requireWhatTheDocumentNames(t, in, row, content)
				requireSessionsAsPromised(t, in, s, row)
				if row.value("keepRecords") == "true" {
					s.destroy()
					requireKept(t, in, row, outputs)
				}
			})
		}
	})
	file := filepath.Join(project(t), "docs", "combinations.md")
	if long(t) && !t.Failed() {
		require.NoError(t, os.WriteFile(file, []byte(table(rows)), 0o644))
	}
	documented, err := os.ReadFile(file)
	require.NoError(t, err, "run: make test-long")
	require.Equal(t, string(documented), table(rows), "the documentation has other combinations; run: make test-long")
}

// copy returns another account with the same content. The test's end stops it.
func (a *account) copy(t *testing.T) *account {
	t.Helper()
	e, err := a.Fork(context.Background())
	require.NoError(t, err)
	t.Cleanup(e.Stop)
	return accountOf(t, e, a.region)
}

// existing creates the resources that a stack's config can name, and returns their ids by the words of the table.
func existing(in *account) map[string]any {
	in.t.Helper()
	vpc := in.aws("ec2", "create-vpc", "--cidr-block", "10.50.0.0/16").text("Vpc.VpcId")
	in.aws("ec2", "modify-vpc-attribute", "--vpc-id", vpc, "--enable-dns-hostnames")
	subnet := func(block, zone string) string {
		return in.aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", block, "--availability-zone", in.region+zone).text("Subnet.SubnetId")
	}
	in.aws("s3api", "create-bucket", "--bucket", "existing-logs", "--create-bucket-configuration", "LocationConstraint="+in.region)
	// AWS encrypts every bucket by itself.
	in.aws("s3api", "put-bucket-encryption", "--bucket", "existing-logs", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`)
	return map[string]any{
		"VPC": vpc, "SUBNET_A": subnet("10.50.0.0/24", "a"), "SUBNET_B": subnet("10.50.1.0/24", "b"),
		"KEY": newKey(in), "SESSION_KEY": newKey(in),
	}
}

func newKey(in *account) string { return in.aws("kms", "create-key").text("KeyMetadata.Arn") }

// spoken replaces the words by the account's ids, and nests the keys as a stack's file does.
func spoken(config, words map[string]any) map[string]any {
	nested := map[string]any{}
	id := func(value any) any {
		if word, ok := value.(string); ok && words[word] != nil {
			return words[word]
		}
		return value
	}
	for key, value := range config {
		value = id(value)
		if items, ok := value.([]any); ok {
			ids := make([]any, len(items))
			for i, item := range items {
				ids[i] = id(item)
			}
			value = ids
		}
		at := nested
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			if at[part] == nil {
				at[part] = map[string]any{}
			}
			at = at[part].(map[string]any)
		}
		at[parts[len(parts)-1]] = value
	}
	return nested
}

// sessionSchema compiles the JSON schema of a session document, which is independent of the Go type.
func sessionSchema(t *testing.T) func(content string) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(project(t), "internal", "session", "testdata", "schema.json"))
	require.NoError(t, err)
	return func(content string) error {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(content))
		if err != nil {
			return err
		}
		return schema.Validate(document)
	}
}

// requireWhatTheDocumentNames requires everything that the session document names to exist in the account.
func requireWhatTheDocumentNames(t *testing.T, in *account, row combination, content string) {
	t.Helper()
	var d object
	require.NoError(t, json.Unmarshal([]byte(content), &d))
	bucket := d.text("inputs.s3BucketName")
	require.Equal(t, row.value("bucket") == "existing", bucket == "existing-logs")
	in.aws("s3api", "head-bucket", "--bucket", bucket)

	group := d.text("inputs.cloudWatchLogGroupName")
	require.Equal(t, row.value("logging.cloudWatch") == "on", group != "")
	byKey := row.value("logging.encryption") != "aes256"
	if group != "" {
		found := in.aws("logs", "describe-log-groups", "--log-group-name-prefix", group).list("logGroups")
		require.Len(t, found, 1)
		require.Equal(t, byKey, found[0].text("kmsKeyId") != "")
		require.Equal(t, byKey, d.at("inputs.cloudWatchEncryptionEnabled"))
	}
	if bucket != "existing-logs" {
		rule := in.aws("s3api", "get-bucket-encryption", "--bucket", bucket).text("ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm")
		require.Equal(t, map[bool]string{false: "AES256", true: "aws:kms"}[byKey], rule)
	}
	key := d.text("inputs.kmsKeyId")
	require.Equal(t, row.value("session.encryption") != "off", key != "")
	if key != "" {
		require.Equal(t, "Enabled", in.aws("kms", "describe-key", "--key-id", key).text("KeyMetadata.KeyState"))
	}
	if mode := row.value("logging.objectLock"); mode != "off" {
		lock := in.aws("s3api", "get-object-lock-configuration", "--bucket", bucket)
		require.Equal(t, strings.ToUpper(mode), lock.text("ObjectLockConfiguration.Rule.DefaultRetention.Mode"))
	}
}

// requireKept checks what a destroy has left: the bucket still has its lock and encryption, and the key is enabled.
func requireKept(t *testing.T, in *account, row combination, outputs object) {
	t.Helper()
	if key := outputs.text("keyArn"); key != "" {
		require.Equal(t, "Enabled", in.aws("kms", "describe-key", "--key-id", key).text("KeyMetadata.KeyState"))
	}
	if group := outputs.text("logGroup"); group != "" {
		require.Len(t, in.aws("logs", "describe-log-groups", "--log-group-name-prefix", group).list("logGroups"), 1)
	}
	bucket := outputs.text("logBucket")
	if row.value("bucket") == "existing" {
		return
	}
	rule := in.aws("s3api", "get-bucket-encryption", "--bucket", bucket).text("ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm")
	require.Equal(t, row.value("logging.encryption") == "aes256", rule == "AES256")
	require.Contains(t, in.aws("s3api", "get-bucket-policy", "--bucket", bucket).text("Policy"), "OnlyOverTLS")
	if mode := row.value("logging.objectLock"); mode != "off" {
		lock := in.aws("s3api", "get-object-lock-configuration", "--bucket", bucket)
		require.Equal(t, strings.ToUpper(mode), lock.text("ObjectLockConfiguration.Rule.DefaultRetention.Mode"), "what is kept is locked as before")
	}
}

func table(rows []combination) string {
	var b strings.Builder
	b.WriteString("# Tested combinations of settings\n\n" +
		"Every possible pair of values is in at least one row. The test deploys each row with the Pulumi engine to a local emulator of its own. " +
		"Then a `preview --refresh` finds nothing to change, and the account has everything that the session document names.\n\n" +
		"`make test-long` regenerates this page.\n\n| row")
	for _, v := range rows[0].Values {
		b.WriteString(" | " + v[0])
	}
	b.WriteString(" |\n|" + strings.Repeat(" --- |", len(rows[0].Values)+1) + "\n")
	for i, row := range rows {
		fmt.Fprintf(&b, "| %d", i+1)
		for _, v := range row.Values {
			b.WriteString(" | " + v[1])
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
