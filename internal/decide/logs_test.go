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
