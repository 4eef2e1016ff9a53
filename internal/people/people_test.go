package people_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/scope"
)

var at = people.Place{
	Scope: scope.Scope{Partition: "aws-cn", Region: "cn-north-1", AccountID: "111122223333", DNSSuffix: "amazonaws.com.cn"},
	Owner: "project/stack", Names: people.Names("project", "stack"), Document: "sessions", RoleARN: "arn:aws-cn:iam::111122223333:role/instance",
}

func policyOf(t *testing.T, p people.People, part string) iam.Document {
	t.Helper()
	for _, policy := range p.Policies(at) {
		if policy.Part == part {
			return policy.Document
		}
	}
	require.Fail(t, "there is no policy "+part)
	return iam.Document{}
}

func TestPeople_Nobody_CreatesNothing(t *testing.T) {
	t.Parallel()
	var nobody people.People
	require.Empty(t, nobody.Policies(at))
	require.Empty(t, nobody.Roles())
	require.Empty(t, nobody.Tunnels(at.Names))
	require.Empty(t, nobody.InstanceTags("app"))
	_, any := nobody.ServiceControlPolicy(at)
	require.False(t, any)
}

// One more instance of the stack is a tag, and no other policy. An instance can be
// in several groups.
func TestPeople_OneMoreInstance_PolicyStays(t *testing.T) {
	t.Parallel()
	one := people.People{Operators: map[string]people.Group{"dba": {Instances: []string{"db-1"}}, "web": {Instances: []string{"db-1"}}}}
	two := people.People{Operators: map[string]people.Group{"dba": {Instances: []string{"db-1", "db-2"}}}}
	require.Equal(t, policyOf(t, one, "operators-dba"), policyOf(t, two, "operators-dba"))
	require.Equal(t, map[string]string{"private-ec2-access:operators:dba": "true", "private-ec2-access:operators:web": "true"}, one.InstanceTags("db-1"))
	require.Empty(t, one.InstanceTags("db-2"))
	require.Equal(t, map[string]string{"private-ec2-access:operators:dba": "true"}, two.InstanceTags("db-2"))
}

// The credentials of a role do not say whether MFA was used: a policy that asked
// would refuse everyone. So the trust policy asks, and without a role the policy.
func TestPeople_MFA_AskedWhereItIsKnown(t *testing.T) {
	t.Parallel()
	const asks = `"aws:MultiFactorAuthPresent":"true"`
	users := people.People{Operators: map[string]people.Group{"dba": {Access: people.Access{MFA: true}}}}
	require.Contains(t, policyOf(t, users, "operators-dba").JSON(), asks)
	require.Empty(t, users.Roles())

	principals := people.Access{MFA: true, Principals: []string{"arn:aws-cn:iam::111122223333:root"}}
	roles := people.People{Operators: map[string]people.Group{"dba": {Access: principals}}, BreakGlass: &principals}
	for _, role := range roles.Roles() {
		require.Contains(t, role.Trust.JSON(), asks, role.Part)
		require.NotContains(t, policyOf(t, roles, role.Part).JSON(), asks)
	}
	require.Len(t, roles.Roles(), 2)
}

// Break-glass may enter what any group may, and instances of no group.
func TestPeople_BreakGlass_EntersEveryInstance(t *testing.T) {
	t.Parallel()
	p := people.People{
		Operators: map[string]people.Group{
			"dba": {InstanceIDs: []string{"i-2", "mi-1"}, Tunnels: map[string]people.Destination{"db": {Host: "db", Port: 1}}}, "web": {InstanceIDs: []string{"i-1", "i-2"}},
		},
		BreakGlass: &people.Access{Principals: []string{"arn:aws-cn:iam::111122223333:root"}, MFA: true},
	}
	text := policyOf(t, p, people.BreakGlassPart).JSON()
	for _, arn := range []string{
		`"arn:aws-cn:ec2:cn-north-1:111122223333:instance/i-1"`, `"arn:aws-cn:ec2:cn-north-1:111122223333:instance/i-2"`,
		`"arn:aws-cn:ssm:cn-north-1:111122223333:managed-instance/mi-1"`, `"arn:aws-cn:ssm:cn-north-1:111122223333:document/project-people-stack-tunnel-dba-db"`,
	} {
		require.Contains(t, text, arn)
	}
	require.NotContains(t, text, "private-ec2-access:operators")

	require.Equal(t, "arn:aws-cn:iam::111122223333:role/project-people-stack-break-glass", p.BreakGlassRoleARN(at))
	inPath := at
	inPath.Path = "/team/"
	require.Equal(t, "arn:aws-cn:iam::111122223333:role/team/project-people-stack-break-glass", p.BreakGlassRoleARN(inPath))
	p.BreakGlass.Principals = nil
	require.Empty(t, p.BreakGlassRoleARN(at), "there is no role without principals")
}

// The audit sends its result to the topic of alerts, and uses a key for it that is known: that of the stack's own topic.
func TestPeople_Auditors_SendTheResult(t *testing.T) {
	t.Parallel()
	p, with := people.People{Auditors: &people.Access{}}, at
	require.NotContains(t, policyOf(t, p, people.AuditorsPart).JSON(), "sns:")
	with.TopicARN = "arn:aws-cn:sns:cn-north-1:111122223333:ops"
	for key, encrypts := range map[string]bool{"": false, "arn:aws-cn:kms:cn-north-1:111122223333:key/1": true} {
		with.TopicKeyARN = key
		for _, policy := range p.Policies(with) {
			require.Contains(t, policy.Document.JSON(), `"sns:Publish"`)
			require.Equal(t, encrypts, strings.Contains(policy.Document.JSON(), `"kms:ViaService":"sns.cn-north-1.amazonaws.com`), key)
		}
	}
}
