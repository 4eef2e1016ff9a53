package program

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/pulumitest"
)

const (
	legacy = "i-0123456789abcdef0"
	roleOf = "arn:aws:iam::111122223333:role/app/"
)

// existingOnes answers the look-ups of existing instances: each has a state, a
// profile and tags; a profile called NAME holds the role of the same name.
func existingOnes(of map[string]map[string]any) lookups {
	return lookups{
		"getInstance": func(args map[string]any) (map[string]any, error) {
			id := args["instanceId"].(string)
			i, ok := of[id]
			if !ok {
				return nil, errors.New("reading EC2 Instance (" + id + "): no matching EC2 Instance found")
			}
			found := map[string]any{"id": id, "arn": "arn:aws:ec2:us-east-2:111122223333:instance/" + id, "instanceState": "running", "privateIp": "10.20.0.77", "subnetId": subnetA}
			maps.Copy(found, i)
			return found, nil
		},
		"getInstances": func(args map[string]any) (map[string]any, error) {
			var ids []any
			for _, id := range slices.Sorted(maps.Keys(of)) {
				tags, _ := of[id]["tags"].(map[string]any)
				matches := true
				for key, value := range args["instanceTags"].(map[string]any) {
					matches = matches && tags[key] == value
				}
				if matches {
					ids = append(ids, id)
				}
			}
			return map[string]any{"ids": ids}, nil
		},
		"getInstanceProfile": func(args map[string]any) (map[string]any, error) {
			name := args["name"].(string)
			found := map[string]any{"name": name, "arn": "arn:aws:iam::111122223333:instance-profile/" + name, "roleName": name, "roleArn": roleOf + name}
			switch name {
			case "gone":
				return nil, errors.New("reading IAM Instance Profile (gone): couldn't find resource")
			case "empty":
				found["roleName"], found["roleArn"] = "", ""
			}
			return found, nil
		},
	}
}

func bringIn(t *testing.T, own map[string]any, replaced lookups) (resources []pulumitest.Resource, said string, err error) {
	t.Helper()
	v := ofAnotherStack()
	v.endpoints = nil
	replaced = joined(v.lookups(), replaced)
	own = pulumitest.With(inVPC, own)
	if resources, err = run(t, own, replaced); err != nil {
		return resources, "", err
	}
	return resources, announced(t, pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), own))), replaced), nil
}

func attachments(resources []pulumitest.Resource) (made []string) {
	for _, r := range resources {
		if r.Type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment" && strings.Contains(r.Name, "-existing-") {
			made = append(made, fmt.Sprintf("%v to %v", r.Inputs["policyArn"], r.Inputs["role"]))
		}
	}
	return made
}

// An existing instance with a role: the role gets one policy of this stack's and
// nothing that it may have had before, and may write session logs.
//
// It does not prove that a destroy leaves the role as it was: a test in e2e does.
func TestExistingInstances_WithRole_RoleGetsThePolicy(t *testing.T) {
	t.Parallel()
	resources, said, err := bringIn(t, pulumitest.With(everything, map[string]any{
		"network.flowLogs":  "", // of an existing VPC they are its owner's
		"operators":         map[string]any{"dba": map[string]any{"instances": []any{"legacy"}}},
		"existingInstances": map[string]any{"legacy": map[string]any{"instanceId": legacy}, "web": map[string]any{"tags": map[string]any{"Role": "web"}}},
	}), existingOnes(map[string]map[string]any{
		legacy:                {"iamInstanceProfile": "app"},
		"i-0aaaaaaaaaaaaaaa1": {"iamInstanceProfile": "web", "tags": map[string]any{"Role": "web"}},
		"i-0aaaaaaaaaaaaaaa2": {"iamInstanceProfile": "app", "tags": map[string]any{"Role": "web"}},
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"arn-of-private-ec2-access-instance-existing to app", "arn-of-private-ec2-access-instance-existing to web"}, attachments(resources))
	golden(t, "existing-role-policy", ohio, pulumitest.JSON(t, []pulumitest.Resource{pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-instance-existing")}))
	require.Contains(t, said, "the role app of legacy (i-0123456789abcdef0), web-i-0aaaaaaaaaaaaaaa2 (i-0aaaaaaaaaaaaaaa2) gets this stack's policy")
	bucket := pulumitest.Find(t, resources, "aws:s3/bucketPolicy:BucketPolicy", "private-ec2-access-logs")
	require.Contains(t, bucket.Inputs["policy"], roleOf+"app")
	require.Contains(t, bucket.Inputs["policy"], roleOf+"web")
	for _, r := range resources {
		require.False(t, r.Type == "aws:ec2/instance:Instance" && strings.Contains(r.Name, "legacy"), "nothing may be able to terminate an existing instance")
		if r.Parent == "private-ec2-access:index:ExistingRoles private-ec2-access" {
			requireParent(t, r)
		}
	}
	operators := pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-people-operators-dba")
	require.Contains(t, fmt.Sprint(operators.Inputs["policy"]), "instance/"+legacy, "a group names an existing instance as it names the stack's own")
	document := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
	require.Contains(t, document.DependsOn, "aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-existing-app")
}

func TestExistingInstances_Decided(t *testing.T) {
	t.Parallel()
	const profileARN = "arn:aws:iam::111122223333:instance-profile/private-ec2-access-instance"
	one := map[string]any{"existingInstances": map[string]any{"legacy": map[string]any{"instanceId": legacy}}}
	tagged := map[string]any{"existingInstances": map[string]any{"web": map[string]any{"tags": map[string]any{"Role": "web"}}}}
	stateOf := func(arns ...string) lookups { return (&vpc{deployed: arns}).lookups() }
	for name, c := range map[string]struct {
		own      map[string]any
		facts    lookups
		attached []string
		said     string
		refused  string
	}{
		"no profile": {one, existingOnes(map[string]map[string]any{legacy: {}}), nil, "existing instances without an instance profile: legacy (i-0123456789abcdef0). make up attaches", ""},
		"the stack's own profile, attached by an earlier make up": {
			one, joined(existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "private-ec2-access-instance"}}), lookups{"readStackResourceOutputs": stateOf(profileARN)["readStackResourceOutputs"]}), nil, "", "",
		},
		"in another VPC": {
			one, joined(existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "app", "subnetId": "subnet-elsewhere"}}), lookups{"getSubnet": func(args map[string]any) (map[string]any, error) {
				if args["id"] == "subnet-elsewhere" {
					return map[string]any{"id": args["id"], "vpcId": "vpc-0fffffffffffffff0", "cidrBlock": "10.99.0.0/24"}, nil
				}
				return ofAnotherStack().lookups()["getSubnet"](args)
			}}), []string{"arn-of-private-ec2-access-instance-existing to app"}, "is in the VPC vpc-0fffffffffffffff0, and not in that of this stack", "",
		},
		"nobody has the tags": {tagged, existingOnes(nil), nil, "no instance has the tags of existingInstances.web", ""},
		"gone":                {one, existingOnes(nil), nil, "", "existingInstances.legacy: there is no such instance in this account and Region (got i-0123456789abcdef0)"},
		"terminated":          {one, existingOnes(map[string]map[string]any{legacy: {"instanceState": "terminated"}}), nil, "", "there is no such instance"},
		"an empty profile":    {one, existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "empty"}}), nil, "", "its instance profile empty has no role, or is deleted"},
		"a deleted profile":   {one, existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "gone"}}), nil, "", "aws ec2 disassociate-iam-instance-profile --region us-east-2"},
		"the stack's own": {
			one, joined(existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "app"}}), lookups{"readStackResourceOutputs": stateOf("arn:aws:ec2:us-east-2:111122223333:instance/" + legacy)["readStackResourceOutputs"]}),
			nil, "", "this stack created the instance",
		},
		"the stack's own among those with the tags": {
			tagged, joined(existingOnes(map[string]map[string]any{
				legacy: {"iamInstanceProfile": "private-ec2-access-instance", "tags": map[string]any{"Role": "web"}},
				"i-2":  {"iamInstanceProfile": "app", "tags": map[string]any{"Role": "web"}},
			}), lookups{"readStackResourceOutputs": stateOf("arn:aws:ec2:us-east-2:111122223333:instance/" + legacy)["readStackResourceOutputs"]}),
			[]string{"arn-of-private-ec2-access-instance-existing to app"}, "", "",
		},
		"none at all": {map[string]any{"instances": map[string]any{}}, nil, nil, "the stack has no instances", ""},
		"a bucket whose policy does not let the role write": {
			pulumitest.With(one, map[string]any{"logging.bucketName": "private-ec2-access-logs-1"}),
			joined(existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "app"}}), lookups{
				"getBucketPolicy": func(map[string]any) (map[string]any, error) {
					return map[string]any{"policy": `{"Statement":[{"Sid":"OnlyWriters","Condition":{"ArnNotEquals":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/private-ec2-access-instance-1"]}}}]}`}, nil
				},
				"getRole": func(map[string]any) (map[string]any, error) {
					return map[string]any{"tags": map[string]any{"private-ec2-access:stack": "private-ec2-access/test"}}, nil
				},
			}), nil, "", "does not let the role " + roleOf + "app of existing instances write",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources, said, err := bringIn(t, c.own, c.facts)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				require.Empty(t, resources)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.attached, attachments(resources))
			require.Contains(t, said, c.said)
			require.NotContains(t, said, "this stack created")
		})
	}
}

func TestExistingInstances_FailedLookUp_IsAnError(t *testing.T) {
	t.Parallel()
	for _, lookup := range []string{"getInstance", "getInstances", "getInstanceProfile", "getSubnet"} {
		facts := joined(existingOnes(map[string]map[string]any{legacy: {"iamInstanceProfile": "app", "tags": map[string]any{"Role": "web"}}}), lookups{lookup: func(map[string]any) (map[string]any, error) {
			return nil, errors.New("UnauthorizedOperation: You are not authorized to perform this operation.")
		}})
		_, _, err := bringIn(t, map[string]any{"existingInstances": map[string]any{"web": map[string]any{"tags": map[string]any{"Role": "web"}}}}, facts)
		require.ErrorContains(t, err, "UnauthorizedOperation", lookup)
	}
}
