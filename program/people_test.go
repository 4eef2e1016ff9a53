package program

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/outputs"
	"private-ec2-access/pulumitest"
)

// The outputs name what an administrator attaches, and what people assume and
// type. Without operators, auditors, break-glass or denials there are none.
func TestOutputs_People_NameWhatToAttach(t *testing.T) {
	t.Parallel()
	for _, name := range []string{outputs.PeoplePolicyARNs, outputs.PeopleRoleARNs, outputs.StartTunnel, outputs.TunnelDocuments, outputs.ServiceControlPolicy} {
		require.NotContains(t, stackOutputsOf(t, ohio), name)
	}
	found := stackOutputsWith(t, ohio, everything)
	require.Equal(t, map[string]string{
		"auditors": "arn-of-private-ec2-access-people-auditors", "boundary": "arn-of-private-ec2-access-people-boundary",
		"break-glass": "arn-of-private-ec2-access-people-break-glass", "operators-all": "arn-of-private-ec2-access-people-operators-all",
		"operators-dba": "arn-of-private-ec2-access-people-operators-dba", "unrecorded": "arn-of-private-ec2-access-people-unrecorded",
	}, found[outputs.PeoplePolicyARNs])
	require.Equal(t, map[string]string{
		"auditors": "arn-of-private-ec2-access-people-auditors", "break-glass": "arn-of-private-ec2-access-people-break-glass",
		"operators-dba": "arn-of-private-ec2-access-people-operators-dba",
	}, found[outputs.PeopleRoleARNs])
	require.Equal(t, map[string]string{
		"dba/postgres": "aws ssm start-session --region us-east-2 --target INSTANCE_ID --document-name private-ec2-access-people-test-tunnel-dba-postgres --parameters localPortNumber=5432",
	}, found[outputs.StartTunnel])
	require.Equal(t, map[string]string{"dba/postgres": "private-ec2-access-people-test-tunnel-dba-postgres"}, found[outputs.TunnelDocuments])
	resources, err := run(t, everything, nil)
	require.NoError(t, err)
	denials := pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-people-unrecorded").Inputs["policy"]
	require.Equal(t, denials, found[outputs.ServiceControlPolicy], "the service control policy has the same denials as the policy to attach")
	boundary := fmt.Sprint(pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-people-boundary").Inputs["policy"])
	_, inBoundary, _ := strings.Cut(boundary, `{"Sid":"NoOtherDocument"`)
	_, inPolicy, _ := strings.Cut(fmt.Sprint(denials), `{"Sid":"NoOtherDocument"`)
	require.NotEmpty(t, inPolicy)
	require.Equal(t, inPolicy, inBoundary, "and so has the permissions boundary")
}

// What AWS would refuse for its length is a mistake of the config at preview,
// when the names in a policy are not known yet.
func TestPeople_TooLongForAWS_Refused(t *testing.T) {
	t.Parallel()
	arns := func(kind string, count int) (list []any) {
		for i := range count {
			list = append(list, fmt.Sprintf("arn:aws:iam::111122223333:%s/%s-%d", kind, strings.Repeat("x", 40), i))
		}
		return list
	}
	var ids []any
	for i := range 90 {
		ids = append(ids, fmt.Sprintf("i-%017x", i))
	}
	for want, own := range map[string]map[string]any{
		"people.denyUnrecorded: the service control policy may be longer than AWS takes": {
			"people.denyUnrecorded": true, "people.exemptRoleArns": arns("role", 12),
		},
		"operators.dba.principals: the trust policy of the role private-ec2-access-people-test-operators-dba may be longer": {
			"operators": map[string]any{"dba": map[string]any{"principals": arns("user", 30)}},
		},
		"operators.dba: the policy private-ec2-access-people-test-operators-dba may be longer": {
			"operators": map[string]any{"dba": map[string]any{"instances": ids}},
		},
		"people.permissionsBoundary: the policy belongs to another account": {
			"people.permissionsBoundary": "arn:aws:iam::999999999999:policy/boundary",
		},
	} {
		resources, err := run(t, own, nil)
		require.ErrorContains(t, err, want)
		require.Empty(t, resources)
	}
}
