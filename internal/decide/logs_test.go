package decide_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/decide"
)

func TestKeyAlias_EveryStackName_IsAnAliasOfKMS(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{"private-ec2-access/dev": "alias/private-ec2-access-dev", "my.project/eu.dev_1": "alias/my-project-eu-dev_1"} {
		require.Equal(t, want, decide.KeyAlias(owner))
		require.Regexp(t, regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`), decide.KeyAlias(owner))
	}
}
