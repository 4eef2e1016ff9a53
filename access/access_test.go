package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/access"
	"private-ec2-access/pulumitest"
)

// minimal are the fewest arguments that make a working access in a VPC that it
// creates.
func minimal() *access.Args {
	return &access.Args{
		Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com",
		CidrBlocks: []string{"10.0.0.0/16"}, AvailabilityZones: []string{"us-east-2a", "us-east-2b"},
		S3PrefixListID: "pl-1",
		Endpoints:      []string{"ssm", "ssmmessages"},
		Instances:      map[string]access.Instance{"app": {ImageID: "ami-1", Architecture: "arm64", InstanceType: "t4g.nano", VolumeSize: 8}},
		Logging:        access.Logging{CreateBucket: true, KeyPrefix: "sessions"},
		Session:        access.Session{DocumentName: "SSM-SessionManagerRunShell", Preferences: access.Preferences{IdleSessionTimeout: 20}},
	}
}

// Example creates access to instances in a VPC that the same program creates.
func Example() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		vpc, err := ec2.NewVpc(ctx, "vpc", &ec2.VpcArgs{CidrBlock: pulumi.String("10.0.0.0/16"), EnableDnsHostnames: pulumi.Bool(true)})
		if err != nil {
			return err
		}
		subnet, err := ec2.NewSubnet(ctx, "private", &ec2.SubnetArgs{VpcId: vpc.ID(), CidrBlock: pulumi.String("10.0.0.0/24")})
		if err != nil {
			return err
		}
		args := minimal()
		args.VpcID = vpc.ID()
		args.SubnetIDs = pulumi.StringArray{subnet.ID()}
		args.RouteTableIDs = pulumi.StringArray{vpc.MainRouteTableId}
		shell, err := access.New(ctx, "shell", args)
		if err != nil {
			return err
		}
		ctx.Export("instanceIds", shell.InstanceIDs)
		return nil
	})
}

// Two accesses live side by side: the recorder refuses a URN that stands twice,
// every part has its access as parent, and the names begin with the access's.
func TestNew_Twice_PartsBelongToTheirOwn(t *testing.T) {
	t.Parallel()
	for _, dryRun := range []bool{true, false} {
		recorder := &pulumitest.Recorder{}
		resources, err := recorder.Run(t, "project", "stack", dryRun, func(ctx *pulumi.Context) error {
			for _, name := range []string{"one", "two"} {
				args := minimal()
				args.Session.DocumentName = "document-of-" + name
				if _, err := access.New(ctx, name, args); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
		parts := map[string]int{}
		for _, r := range resources {
			if strings.HasPrefix(r.Type, "aws:") {
				continue // held to its component by the components' tests
			}
			if r.Type == "private-ec2-access:index:PrivateAccess" {
				require.Contains(t, r.Parent, "pulumi:pulumi:Stack")
				continue
			}
			typ, parent, _ := strings.Cut(r.Parent, " ")
			require.Equal(t, "private-ec2-access:index:PrivateAccess", typ, r.Name)
			require.True(t, r.Name == parent || strings.HasPrefix(r.Name, parent+"-"), "%s in %s", r.Name, parent)
			parts[parent]++
		}
		require.Positive(t, parts["one"])
		require.Equal(t, parts["one"], parts["two"])
	}
}

// A VPC, subnets and route tables that are created by the same program are
// Inputs: their ids are not known at preview.
func TestNew_VpcOfTheSameProgram_PartsUseIt(t *testing.T) {
	t.Parallel()
	for _, dryRun := range []bool{true, false} {
		recorder := &pulumitest.Recorder{}
		resources, err := recorder.Run(t, "project", "stack", dryRun, func(ctx *pulumi.Context) error {
			vpc, err := ec2.NewVpc(ctx, "mine", &ec2.VpcArgs{CidrBlock: pulumi.String("10.0.0.0/16")})
			if err != nil {
				return err
			}
			args := minimal()
			args.VpcID = vpc.ID()
			args.AvailabilityZones = nil
			args.SubnetIDs = pulumi.All(vpc.ID()).ApplyT(func([]any) []string { return []string{"subnet-a", "subnet-b"} }).(pulumi.StringArrayOutput)
			args.RouteTableIDs = pulumi.StringArray{vpc.MainRouteTableId}
			app := args.Instances["app"]
			app.SubnetIndex = 1
			args.Instances["app"] = app
			_, err = access.New(ctx, "shell", args)
			return err
		})
		require.NoError(t, err)
		names := pulumitest.Names(resources)
		require.NotContains(t, names, "private-ec2-access:index:Network shell")
		if dryRun {
			continue
		}
		instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", "shell-app-arm64")
		require.Equal(t, "subnet-b", instance.Inputs["subnetId"])
		endpoint := pulumitest.Find(t, resources, "aws:ec2/vpcEndpoint:VpcEndpoint", "shell-ssm")
		vpc := pulumitest.Find(t, resources, "aws:ec2/vpc:Vpc", "mine")
		require.Contains(t, fmt.Sprint(endpoint.Inputs["vpcId"]), vpc.Name)
	}
}

// Everything that is wrong is reported at once, and nothing is registered.
func TestNew_WrongArgs_AllReportedAtOnce(t *testing.T) {
	t.Parallel()
	recorder := &pulumitest.Recorder{}
	resources, err := recorder.Run(t, "project", "stack", true, func(ctx *pulumi.Context) error {
		_, err := access.New(ctx, "n", &access.Args{
			CidrBlocks: []string{"10.0.0.0/28"}, AvailabilityZones: []string{"a", "b"},
			Endpoints: []string{"ssm", "s3", "nothing"},
			Instances: map[string]access.Instance{"app": {SubnetIndex: 2}},
			Logging:   access.Logging{EarlierLocations: []string{"logs"}, EncryptWithKMS: true},
		})
		return err
	})
	require.Empty(t, resources)
	for _, want := range []string{
		"Partition, Region, AccountID and DNSSuffix are required", "S3PrefixListID is required",
		"CidrBlocks is 10.0.0.0/28 for 2 AvailabilityZones: too small", `Endpoints has "s3"`, `Endpoints has "nothing"`,
		"Endpoints lacks ssmmessages", "Instances[app]: ImageID, Architecture, InstanceType and VolumeSize are required",
		"Instances[app]: SubnetIndex is 2 of 2 subnets", "Logging: BucketName or CreateBucket is required",
		`Logging.EarlierLocations: "logs" is neither`, "Session.DocumentName is required", "Key.Create is required",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = recorder.Run(t, "project", "stack", true, func(ctx *pulumi.Context) error { _, err := access.New(ctx, "n", nil); return err })
	require.ErrorContains(t, err, "private access: no args")
}
