package program

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/pulumitest"
)

// What is attached to the instances' role.
func TestInstanceRole_Policies(t *testing.T) {
	t.Parallel()
	const limit = `{"Version":"2012-10-17","Statement":[{"Sid":"OnlyTheseParameters","Effect":"Deny","Action":["ssm:GetParameter*"],"NotResource":[` +
		`"arn:aws:ssm:us-east-2:*:parameter/aws/service/*"%s]}]}`
	const own = "arn:aws:ssm:us-east-2:111122223333:parameter"
	for name, c := range map[string]struct {
		config   map[string]any
		attached []string
		inline   map[string]string // the end of its name to its policy
	}{
		"the default": {nil, []string{"managed-instance-core", "session-logs"}, map[string]string{"parameters": fmt.Sprintf(limit, "")}},
		"with paths": {map[string]any{"role.parameterPaths": []any{"/app/db", "/shared"}}, []string{"managed-instance-core", "session-logs"},
			map[string]string{"parameters": fmt.Sprintf(limit, `,"`+own+`/app/db","`+own+`/app/db/*","`+own+`/shared","`+own+`/shared/*"`)}},
		"with every path": {map[string]any{"role.parameterPaths": []any{"/"}}, []string{"managed-instance-core", "session-logs"},
			map[string]string{"parameters": fmt.Sprintf(limit, `,"`+own+`/*"`)}},
		"sessions only": {map[string]any{"role.policy": "session"}, []string{"session-logs"}, map[string]string{
			"sessions": `{"Version":"2012-10-17","Statement":[{"Sid":"CarrySessions","Effect":"Allow","Action":["ssm:UpdateInstanceInformation","ssmmessages:CreateControlChannel",` +
				`"ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":["*"]}]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources, err := run(t, c.config, nil)
			require.NoError(t, err)
			var attached []string
			inline := map[string]string{}
			for _, r := range resources {
				part := strings.TrimPrefix(r.Name, "private-ec2-access-")
				switch r.Type {
				case "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
					attached = append(attached, part)
				case "aws:iam/rolePolicy:RolePolicy":
					require.Equal(t, "private-ec2-access-instance", r.Inputs["role"])
					inline[part] = fmt.Sprint(r.Inputs["policy"])
				}
			}
			slices.Sort(attached)
			require.Equal(t, c.attached, attached)
			require.Equal(t, c.inline, inline)

			// Somebody else's role may have this policy too, so it takes nothing away.
			policy := fmt.Sprint(pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-instance").Inputs["policy"])
			require.NotContains(t, policy, "Deny")
			// The instance starts with the limit in place.
			instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", "private-ec2-access-app-arm64")
			for part := range c.inline {
				require.Contains(t, instance.DependsOn, "aws:iam/rolePolicy:RolePolicy private-ec2-access-"+part)
			}
		})
	}
}

// Members of the security group accept everything from each other, as in the
// recipe, or HTTPS alone, which instances need to reach the endpoints.
func TestSecurityGroup_MemberTraffic(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string][]any{"all": {"-1", nil, nil}, "https": {"tcp", 443.0, 443.0}} {
		resources, err := run(t, map[string]any{"network.memberTraffic": choice}, nil)
		require.NoError(t, err)
		rule := pulumitest.Find(t, resources, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "private-ec2-access-from-members").Inputs
		require.Equal(t, want, []any{rule["ipProtocol"], rule["fromPort"], rule["toPort"]})
		require.Equal(t, rule["securityGroupId"], rule["referencedSecurityGroupId"])
		require.Nil(t, rule["cidrIpv4"])
	}
}

// Flow logs go to a bucket that somebody else looks after, and only those of a
// VPC that the stack creates.
func TestNetwork_FlowLogs(t *testing.T) {
	t.Parallel()
	const kind = "aws:ec2/flowLog:FlowLog"
	for location, want := range map[string]string{"s3://flow-logs": "arn:aws:s3:::flow-logs", "s3://flow-logs/a/b/": "arn:aws:s3:::flow-logs/a/b"} {
		resources, err := run(t, map[string]any{"network.flowLogs": location}, nil)
		require.NoError(t, err)
		log := pulumitest.Find(t, resources, kind, "private-ec2-access-flow-log").Inputs
		require.Equal(t, []any{want, "s3", "ALL"}, []any{log["logDestination"], log["logDestinationType"], log["trafficType"]})
		require.NotEmpty(t, log["vpcId"])
		require.Nil(t, log["iamRoleArn"])
	}
	resources, err := run(t, nil, nil)
	require.NoError(t, err)
	for _, r := range resources {
		require.NotEqual(t, kind, r.Type)
	}
}
