package standin

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/stretchr/testify/require"
)

func TestBridgeToken(t *testing.T) {
	for sdk, bridge := range map[string]string{
		"aws:ec2/vpc:Vpc":                                         "aws:index/vpc:Vpc",
		"aws:ec2/vpcEndpoint:VpcEndpoint":                         "aws:index/vpcEndpoint:VpcEndpoint",
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "aws:index/vpcSecurityGroupEgressRule:VpcSecurityGroupEgressRule",
		"aws:iam/role:Role":                                       "aws:index/iamRole:IamRole",
		"aws:s3/bucketV2:BucketV2":                                "aws:index/s3Bucket:S3Bucket",
		"aws:s3/bucketPolicy:BucketPolicy":                        "aws:index/s3BucketPolicy:S3BucketPolicy",
		"aws:ec2/getVpc:getVpc":                                   "aws:index/getVpc:getVpc",
		"aws:ec2/getInstanceType:getInstanceType":                 "aws:index/getEc2InstanceType:getEc2InstanceType",
		"aws:index/getCallerIdentity:getCallerIdentity":           "aws:index/getCallerIdentity:getCallerIdentity",
		"aws:kms/getKey:getKey":                                   "aws:index/getKmsKey:getKmsKey",
		"pulumi:providers:aws":                                    "pulumi:providers:aws",
	} {
		got, err := bridgeToken(sdk)
		require.NoError(t, err)
		require.Equal(t, bridge, got)
	}
}

func TestBridgeToken_MissingResource_NamesFileToEdit(t *testing.T) {
	_, err := bridgeToken("aws:ec2/natGateway:NatGateway")
	require.ErrorContains(t, err, "aws:ec2/natGateway:NatGateway")
	require.ErrorContains(t, err, "aws_nat_gateway")
	require.ErrorContains(t, err, "tools/standin/tokens.txt")
}

func TestBridgeToken_BucketWithoutV2_IsRefused(t *testing.T) {
	_, err := bridgeToken("aws:s3/bucket:Bucket")
	require.ErrorContains(t, err, "use the type with V2 in its name")
}

func TestRenamedURN_KeepsParentsAndName(t *testing.T) {
	got := renamedURN("urn:pulumi:dev::proj::my:c:Part$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet::a::b", "aws:index/subnet:Subnet")
	require.Equal(t, "urn:pulumi:dev::proj::my:c:Part$aws:ec2/vpc:Vpc$aws:index/subnet:Subnet::a::b", got)
	require.True(t, urn.URN(got).IsValid())

	require.Equal(t, "urn:pulumi:dev::proj::aws:index/vpc:Vpc::v",
		renamedURN("urn:pulumi:dev::proj::aws:ec2/vpc:Vpc::v", "aws:index/vpc:Vpc"))
}

func TestTokensFile_IsSortedAndUnique(t *testing.T) {
	require.NotEmpty(t, served)
	require.True(t, slices.IsSorted(served), "sort tokens.txt")
	require.Equal(t, served, slices.Compact(slices.Clone(served)))
	for _, name := range included {
		require.True(t, strings.HasPrefix(name, "aws_"), name)
	}
}

// TestTokensFile_EveryNameIsServed finds spelling mistakes in tokens.txt: the bridge passes over a name that the Terraform
// provider does not have.
func TestTokensFile_EveryNameIsServed(t *testing.T) {
	_, schema := realProvider(t)
	for _, name := range included {
		pascal := pascalCase(strings.TrimPrefix(name, "aws_"))
		_, resource := schema.Resources["aws:index/"+strings.ToLower(pascal[:1])+pascal[1:]+":"+pascal]
		_, function := schema.Functions["aws:index/get"+pascal+":get"+pascal]
		require.True(t, resource || function, "the Terraform provider has no %s", name)
	}
}
