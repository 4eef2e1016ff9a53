package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// requireRefused requires an update to be refused with these texts before it
// changes anything.
func (s *stack) requireRefused(texts ...string) {
	s.t.Helper()
	s.in.Reset()
	out, err := s.run("up", "--yes", "--skip-preview", "--stack", s.name)
	require.Error(s.t, err, out)
	for _, text := range texts {
		require.Contains(s.t, out, text)
	}
	require.Empty(s.t, s.in.writes())
}

// A stack lives where its resources are. Another Region or account is refused
// while it has any, also after an update that failed. A stack that has none any
// more may go anywhere, also when it kept its session logs.
func TestPlace_ChangedWhileTheStackHasResources_IsRefused(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "place", quick(in, map[string]any{"keepRecords": "true"}))
	s.set("logging.cloudWatch", "true")
	toRegion := func(region string) { s.must("config", "set", "aws:region", region, "--stack", s.name) }
	elsewhere := []string{
		"aws:region: the resources of this stack are in another Region", "(got eu-west-1)", "Allowed: us-east-2",
		"\n           pulumi config set aws:region us-east-2\n", "\n           make destroy STACK=place\n",
	}

	// A part is enough: the first update fails after the VPC.
	restore := in.Add(emulator.Fail("ec2", "CreateVpcEndpoint", 403, "UnauthorizedOperation", "You are not authorized to perform this operation."))
	out, err := s.run("up", "--yes", "--skip-preview", "--stack", s.name)
	require.Error(t, err, out)
	restore()
	toRegion("eu-west-1")
	s.requireRefused(elsewhere...)

	// Without the key, the environment decides.
	s.must("config", "rm", "aws:region", "--stack", s.name)
	s.env = []string{"AWS_REGION=eu-west-1"}
	s.requireRefused(elsewhere...)
	s.env = nil

	// Another account in the right Region.
	restore = in.Add(emulator.Answer("sts", "GetCallerIdentity", 200, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`+
		`<GetCallerIdentityResult><Arn>arn:aws:iam::999988887777:user/u</Arn><UserId>AIDA</UserId><Account>999988887777</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`))
	toRegion("us-east-2")
	s.requireRefused("account: the resources of this stack are in another account", "(got 999988887777)", "Allowed: 123456789012")
	restore()

	// Nothing any more, and session logs that stay.
	s.destroy()
	require.Len(t, in.aws("logs", "describe-log-groups").list("logGroups"), 1)
	s.set("logging.bucketName", "") // the bucket is in the former Region
	toRegion("eu-west-1")
	out, err = s.preview()
	require.NoError(t, err, out)
}
