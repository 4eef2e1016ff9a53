package decide_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
)

func TestKeyAlias_EveryStackName_IsAnAliasOfKMS(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{"private-ec2-access/dev": "alias/private-ec2-access-dev", "my.project/eu.dev_1": "alias/my-project-eu-dev_1"} {
		require.Equal(t, want, decide.KeyAlias(owner))
		require.Regexp(t, regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`), decide.KeyAlias(owner))
	}
}

// The notice of what is guaranteed names what the agent checks with this session document, and nothing else.
func TestGuarantees_EverySetting_NamesWhatTheDocumentHasTheAgentCheck(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]config.Logging{
		"S3 alone":                              {},
		"S3 with a key":                         {Encryption: config.ByKMS},
		"CloudWatch Logs without a key":         {CloudWatch: true, Streaming: true},
		"CloudWatch Logs with a key":            {CloudWatch: true, Encryption: config.ByKMS},
		"CloudWatch Logs with a key, streaming": {CloudWatch: true, Encryption: config.ByKMS, Streaming: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := clean()
			a.config.Logging.CloudWatch, a.config.Logging.Streaming = set.CloudWatch, set.Streaming
			if set.Encryption != "" {
				a.config.Logging.Encryption = set.Encryption
			}
			d, err := decide.Decide(&a.config, a.facts)
			require.NoError(t, err)
			guaranteed := slices.DeleteFunc(d.Notices, func(n decide.Notice) bool { return !strings.HasPrefix(n.Text, "guaranteed: ") })
			require.Len(t, guaranteed, 1)
			document := a.config.Preferences(a.facts.Owner()).JSON()
			for flag, checked := range map[string]string{
				"s3EncryptionEnabled":         "the log bucket's encryption settings cannot be read",
				"cloudWatchEncryptionEnabled": "the log group is missing, has no key or cannot be read",
			} {
				require.Equal(t, strings.Contains(document, `"`+flag+`":true`), strings.Contains(guaranteed[0].Text, checked), "%s: %s", flag, guaranteed[0].Text)
			}
		})
	}
}

// A refusal names the key that it is about, and its fix changes that key.
func TestRefusals_NameTheKeyThatTheFixChanges(t *testing.T) {
	t.Parallel()
	foreignKey := func(a *account) {
		a.facts.Key = decide.Key{ID: "k-1", ARN: "arn:aws:kms:us-east-2:111122223333:key/k-1", Description: "of others", State: "Enabled"}
	}
	for name, c := range map[string]struct {
		change func(*account)
		want   []string
		not    string
	}{
		"alias, session data": {func(a *account) {
			foreignKey(a)
			a.config.Session.Encryption = true
		}, []string{"session.encryption: it needs a key of the stack's own", "session.kmsKeyArn' arn:aws:kms"}, "logging.kmsKeyArn"},
		"alias, session logs and data": {func(a *account) {
			foreignKey(a)
			a.config.Session.Encryption, a.config.Logging.Encryption = true, config.ByKMS
		}, []string{"logging.encryption: it needs", "logging.kmsKeyArn' arn:aws:kms", "session.kmsKeyArn' arn:aws:kms"}, ""},
		"alias, alerts": {func(a *account) {
			foreignKey(a)
			a.config.Alerts.Emails = []string{"a@example.com"}
		}, []string{"alerts.emails: it needs", "delete-alias"}, "kmsKeyArn"},
		"earlier log group": {func(a *account) {
			a.config.Logging.EarlierLocations = []string{"log-group:/company/ssm"}
			a.facts.LogGroups = map[string]decide.Group{"/company/ssm": {Exists: true}}
		}, []string{"logging.earlierLocations[0]: this log group exists already", "config rm --path 'private-ec2-access:logging.earlierLocations[0]'"}, "logGroupName"},
		"policy of AWS in another partition": {func(a *account) {
			a.config.Role.PermissionsBoundary = "arn:aws-cn:iam::aws:policy/PowerUserAccess"
		}, []string{"another account or partition", "arn:aws:iam::aws:policy/PowerUserAccess"}, ""},
		"VPC not found, endpoints elsewhere": {func(a *account) {
			a.config.Endpoints.Create = false
			a.network().Found = false
		}, []string{"network.vpcId"}, "has no endpoint for"},
		"VPC of another account, endpoints elsewhere": {func(a *account) {
			a.config.Endpoints.Create = false
			a.network().OwnerID = "999999999999"
		}, []string{"has no endpoint that this account sees for ssm"}, "create endpoints in this VPC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := clean()
			c.change(a)
			_, err := decide.Decide(&a.config, a.facts)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			if c.not != "" {
				require.NotContains(t, err.Error(), c.not)
			}
		})
	}
}

// A bucket that a destroy kept and the config names is the only one, whatever prefixes of it the config lists.
func TestCreateBucket_KeptBucketNamed_NoSecondOne(t *testing.T) {
	t.Parallel()
	const kept = "private-ec2-access-logs-1"
	for _, c := range []struct {
		bucket, earlier string
		creates         bool
	}{
		{"", "", true}, {"", "s3://" + kept + "/old", true}, {kept, "", false}, {kept, "s3://" + kept + "/old", false},
		{"logs", "s3://" + kept + "/old", true}, {"logs", "s3://others/old", false}, {"logs", "log-group:/g", false},
	} {
		a := clean()
		a.config.Logging.BucketName = c.bucket
		if c.earlier != "" {
			a.config.Logging.EarlierLocations = []string{c.earlier}
		}
		d, _ := decide.Decide(&a.config, a.facts)
		require.Equal(t, c.creates, d.CreateBucket, "%+v", c)
	}
}
