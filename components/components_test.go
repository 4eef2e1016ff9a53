package components_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/components"
	"private-ec2-access/pulumitest"
)

var place = components.Place{
	VpcID: pulumi.String("vpc-1"), CidrBlocks: []string{"10.0.0.0/16"},
	SubnetIDs: pulumi.ToStringArray([]string{"subnet-1"}), RouteTableIDs: pulumi.ToStringArray([]string{"rtb-1"}),
}

// builders register each component under a name, with options of the caller's.
var builders = map[string]func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error{
	"Network": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewNetwork(ctx, name, &components.NetworkArgs{CidrBlock: "10.0.0.0/16", Zones: []string{"a", "b"}}, opts...)
		return err
	},
	"SecurityGroup": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewSecurityGroup(ctx, name, &components.SecurityGroupArgs{
			VpcID: place.VpcID, CidrBlocks: place.CidrBlocks, Ipv6CidrBlocks: []string{"2001:db8::/56"}, S3PrefixListID: pulumi.String("pl-1"),
		}, opts...)
		return err
	},
	"Endpoints": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		endpoint := components.Endpoint{ServiceName: "service", Policy: pulumi.String("{}")}
		_, err := components.NewEndpoints(ctx, name, &components.EndpointsArgs{
			Place: place, SecurityGroupID: pulumi.String("sg-1"), S3: endpoint,
			Interfaces: map[string]components.Endpoint{"ssm": endpoint, "ssmmessages": endpoint},
		}, opts...)
		return err
	},
	"InstanceRole": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewInstanceRole(ctx, name, &components.InstanceRoleArgs{
			Trust: pulumi.String("{}"), ManagedPolicyARN: "arn", Policies: map[string]string{"parameters": "{}"},
		}, opts...)
		return err
	},
	"InstancePolicy": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewInstancePolicy(ctx, name, &components.InstancePolicyArgs{
			RoleName: pulumi.String("role"), Policy: pulumi.String("{}"),
		}, opts...)
		return err
	},
	"EncryptionKey": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewEncryptionKey(ctx, name, &components.EncryptionKeyArgs{
			Alias: "alias/" + name, Description: "key", DeletionWindowInDays: 30, RotationPeriodInDays: 365,
		}, opts...)
		return err
	},
	"KeyGrants": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewKeyGrants(ctx, name, &components.KeyGrantsArgs{
			RoleName: pulumi.String("role"), KeyID: pulumi.String("arn"), KeyPolicy: pulumi.String("{}"),
			RolePolicies: map[string]pulumi.StringInput{"session-key": pulumi.String("{}")},
		}, opts...)
		return err
	},
	"LogGroup": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewLogGroup(ctx, name, &components.LogGroupArgs{GroupName: "/" + name, KeyARN: pulumi.String("arn")}, opts...)
		return err
	},
	"LogArchive": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewLogArchive(ctx, name, &components.LogArchiveArgs{
			Policy: func(string, string, string) string { return "{}" }, WriterARN: pulumi.String("arn"), KeyARN: pulumi.String("arn"), Lock: components.ObjectLock{Mode: "GOVERNANCE", Days: 1},
		}, opts...)
		return err
	},
	"SessionPreferences": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewSessionPreferences(ctx, name, &components.SessionPreferencesArgs{
			DocumentName: "document-of-" + name, Content: pulumi.String("{}"),
		}, opts...)
		return err
	},
	"PrivateInstance": func(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
		_, err := components.NewPrivateInstance(ctx, name, &components.PrivateInstanceArgs{
			ImageID: pulumi.String("ami-1"), Architecture: "arm64", InstanceType: "t4g.nano", VolumeSize: 8,
			SubnetID: pulumi.String("subnet-1"), SecurityGroupID: pulumi.String("sg-1"), ProfileName: pulumi.String("profile"),
		}, opts...)
		return err
	},
}

// Two of a kind live beside each other (the recorder refuses a URN that stands
// twice), every child belongs to its own component, and nothing that the caller
// asks of the component leaks to a child, except what the engine hands down.
func TestComponents_CreatedTwice_NamesDiffer(t *testing.T) {
	t.Parallel()
	for kind, build := range builders {
		for _, dryRun := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/dryRun=%t", kind, dryRun), func(t *testing.T) {
				t.Parallel()
				recorder := &pulumitest.Recorder{}
				resources, err := recorder.Run(t, "project", "stack", dryRun, func(ctx *pulumi.Context) error {
					for _, name := range []string{"one", "two"} {
						if err := build(ctx, name, pulumi.IgnoreChanges([]string{"tags"}),
							pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String("older-" + name)}})); err != nil {
							return err
						}
					}
					return nil
				})
				require.NoError(t, err)
				own := "private-ec2-access:index:" + kind
				seen := map[string]int{}
				for _, r := range resources {
					if r.Type == own {
						require.Equal(t, []string{"tags"}, r.IgnoreChanges)
						continue
					}
					typ, parent, _ := strings.Cut(r.Parent, " ")
					require.Equal(t, own, typ, r.Name)
					require.True(t, strings.HasPrefix(r.Name, parent+"-"), "%s is a child of %s", r.Name, parent)
					require.NotContains(t, r.IgnoreChanges, "tags", "%s %s", r.Type, r.Name)
					seen[parent]++
				}
				require.Positive(t, seen["one"])
				require.Equal(t, seen["one"], seen["two"])
			})
		}
	}
}

// What is missing is refused before anything is registered.
func TestComponents_MissingArgument_Refused(t *testing.T) {
	t.Parallel()
	for want, build := range map[string]func(ctx *pulumi.Context) error{
		"network: no args": func(ctx *pulumi.Context) error { _, err := components.NewNetwork(ctx, "n", nil); return err },
		`network: CidrBlock "10.0.0.0/28" for 2 zones: too small for 2 subnets of at least /28 each`: func(ctx *pulumi.Context) error {
			_, err := components.NewNetwork(ctx, "n", &components.NetworkArgs{CidrBlock: "10.0.0.0/28", Zones: []string{"a", "b"}})
			return err
		},
		"security group: VpcID and S3PrefixListID are required": func(ctx *pulumi.Context) error { _, err := components.NewSecurityGroup(ctx, "n", nil); return err },
		"security group: CidrBlocks is empty: no instance could reach an endpoint": func(ctx *pulumi.Context) error {
			_, err := components.NewSecurityGroup(ctx, "n", &components.SecurityGroupArgs{VpcID: place.VpcID, S3PrefixListID: pulumi.String("pl")})
			return err
		},
		"endpoints: SecurityGroupID and S3 are required": func(ctx *pulumi.Context) error { _, err := components.NewEndpoints(ctx, "n", nil); return err },
		"endpoints: Place needs VpcID and SubnetIDs": func(ctx *pulumi.Context) error {
			_, err := components.NewEndpoints(ctx, "n", &components.EndpointsArgs{
				SecurityGroupID: pulumi.String("sg"), S3: components.Endpoint{Policy: pulumi.String("{}")},
			})
			return err
		},
		"instance role: Trust, and ManagedPolicyARN or Policies, are required": func(ctx *pulumi.Context) error { _, err := components.NewInstanceRole(ctx, "n", nil); return err },
		"log archive: Policy and WriterARN are required":                       func(ctx *pulumi.Context) error { _, err := components.NewLogArchive(ctx, "n", nil); return err },
		"log archive: RetentionDays is -1: 0 or more is required": func(ctx *pulumi.Context) error {
			_, err := components.NewLogArchive(ctx, "n", &components.LogArchiveArgs{RetentionDays: -1, Policy: func(string, string, string) string { return "" }, WriterARN: pulumi.String("arn")})
			return err
		},
		"log archive: Lock.Days is 0 with the mode COMPLIANCE: 1 or more is required": func(ctx *pulumi.Context) error {
			_, err := components.NewLogArchive(ctx, "n", &components.LogArchiveArgs{Policy: func(string, string, string) string { return "" }, WriterARN: pulumi.String("arn"), Lock: components.ObjectLock{Mode: "COMPLIANCE"}})
			return err
		},
		"instance policy: RoleName and Policy are required": func(ctx *pulumi.Context) error { _, err := components.NewInstancePolicy(ctx, "n", nil); return err },
		"encryption key: Alias and Description are required": func(ctx *pulumi.Context) error {
			_, err := components.NewEncryptionKey(ctx, "n", nil)
			return err
		},
		"encryption key: DeletionWindowInDays is 6 (7 to 30 are allowed), RotationPeriodInDays is 365 (90 to 2560)": func(ctx *pulumi.Context) error {
			_, err := components.NewEncryptionKey(ctx, "n", &components.EncryptionKeyArgs{Alias: "a", Description: "d", DeletionWindowInDays: 6, RotationPeriodInDays: 365})
			return err
		},
		"key grants: RoleName is required": func(ctx *pulumi.Context) error { _, err := components.NewKeyGrants(ctx, "n", nil); return err },
		"key grants: KeyID and KeyPolicy are required together": func(ctx *pulumi.Context) error {
			_, err := components.NewKeyGrants(ctx, "n", &components.KeyGrantsArgs{RoleName: pulumi.String("role"), KeyID: pulumi.String("arn")})
			return err
		},
		"log group: GroupName is required": func(ctx *pulumi.Context) error { _, err := components.NewLogGroup(ctx, "n", nil); return err },
		"session preferences: DocumentName and Content are required": func(ctx *pulumi.Context) error {
			_, err := components.NewSessionPreferences(ctx, "n", nil)
			return err
		},
		"private instance: ImageID, SubnetID, SecurityGroupID and ProfileName are required": func(ctx *pulumi.Context) error {
			_, err := components.NewPrivateInstance(ctx, "n", nil)
			return err
		},
		"private instance: Architecture, InstanceType and VolumeSize are required": func(ctx *pulumi.Context) error {
			s := pulumi.String("x")
			_, err := components.NewPrivateInstance(ctx, "n", &components.PrivateInstanceArgs{ImageID: s, SubnetID: s, SecurityGroupID: s, ProfileName: s})
			return err
		},
	} {
		recorder := &pulumitest.Recorder{}
		resources, err := recorder.Run(t, "project", "stack", true, build)
		require.ErrorContains(t, err, want)
		require.Empty(t, resources, want)
	}
}
