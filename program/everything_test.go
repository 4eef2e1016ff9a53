package program

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/pulumitest"
)

// everything turns on every feature that is off by default.
var everything = map[string]any{
	"logging.required": true, "logging.cloudWatch": true, "logging.encryption": "kms", "logging.objectLock": "governance",
	"logging.objectLockDays": 30, "logging.transitionDays": 90, "session.encryption": true, "session.runAsEnabled": true,
	"session.runAsDefaultUser": "ec2-user", "endpoints.protect": true, "session.shellProfile.linux": "date",
	"instances": map[string]any{"app": map[string]any{}, "db": map[string]any{"dataVolumes": []any{map[string]any{"device": "/dev/sdf", "size": 100}}}},
	"operators": map[string]any{
		"all": map[string]any{},
		"dba": map[string]any{
			"instances": []any{"db", "i-0123456789abcdef0"}, "principals": []any{"arn:aws:iam::111122223333:user/ana"}, "mfa": true,
			"maxSessionDuration": 7200, "userNameIn": "sourceIdentity", "notBefore": "2026-12-01T00:00:00Z", "notAfter": "2026-12-31T00:00:00Z",
			"portForwarding": map[string]any{"postgres": map[string]any{"host": "db.internal", "port": 5432}},
		},
	},
	"auditors.enabled": true, "auditors.mfa": true, "auditors.principals": []any{"arn:aws:iam::111122223333:role/auditors"},
	"breakGlass.principals": []any{"arn:aws:iam::111122223333:root"}, "breakGlass.userNameIn": "roleSessionName",
	"people.permissionsBoundary": "arn:aws:iam::111122223333:policy/private-ec2-access-boundary-people",
	"people.denyUnrecorded":      true, "people.exemptRoleArns": []any{"arn:aws:iam::111122223333:role/private-ec2-access-deploy"},
	"people.otherDocumentArns": []any{"arn:aws:ssm:us-east-2:111122223333:document/private-ec2-access-prod"},
	"network.flowLogs":         "s3://flow-logs/vpc", "network.allowInternetRoute": true, "network.dnsServersForward": true,
	"alerts.emails": []any{"ops@example.com"},
}

// Every config key that is off by default is on in the golden file everything.
func TestEverything_HasEveryKeyThatIsOffByDefault(t *testing.T) {
	t.Parallel()
	for name, key := range pulumitest.Keys(t) {
		if key.Default != false || name == "emulated" || name == "session.adopt" {
			continue // the first says where the stack is, the second needs a document that exists
		}
		require.Equal(t, true, everything[name], "%s is off in every golden file. Fix: add it to everything, and run go test ./program -update", name)
	}
}

func TestProgram_EverySetting_RegistersEveryResource(t *testing.T) {
	t.Parallel()
	resources, err := run(t, everything, nil)
	require.NoError(t, err)
	golden(t, "everything", ohio, pulumitest.JSON(t, resources))
	for _, r := range resources {
		requireParent(t, r)
	}
}
