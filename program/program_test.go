package program

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/scope"
	"private-ec2-access/pulumitest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// region is a Region as the look-ups answer.
type region struct{ name, partition, dnsSuffix string }

var ohio = region{"us-east-2", "aws", "amazonaws.com"}

var regions = []region{
	ohio,
	{"ap-northeast-2", "aws", "amazonaws.com"},
	{"cn-north-1", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-west-1", "aws-us-gov", "amazonaws.com"},
}

// answers are the look-ups of an account in which nothing is special. A test
// replaces one by its token; the last part of a token is enough.
func (r region) answers(replaced map[string]func(map[string]any) (map[string]any, error)) func(string, map[string]any) (map[string]any, error) {
	return func(token string, args map[string]any) (map[string]any, error) {
		name := token[strings.LastIndex(token, ":")+1:]
		if answer, ok := replaced[name]; ok {
			return answer(args)
		}
		switch name {
		case "readStackResourceOutputs": // a stack that has nothing yet
			return map[string]any{"outputs": map[string]any{}}, nil
		case "getRegion":
			return map[string]any{"name": r.name}, nil
		case "getPartition":
			return map[string]any{"partition": r.partition, "dnsSuffix": r.dnsSuffix}, nil
		case "getCallerIdentity":
			return map[string]any{"accountId": "111122223333"}, nil
		case "getAvailabilityZones":
			return map[string]any{"names": []any{r.name + "c", r.name + "a", r.name + "b"}}, nil
		case "getDocument":
			return nil, errors.New("reading SSM Document (" + fmt.Sprint(args["name"]) + "): InvalidDocument: The specified document does not exist.")
		case "getVpcEndpoint":
			return nil, errors.New("no matching EC2 VPC Endpoint found")
		case "getVpcEndpointService":
			return map[string]any{"availabilityZones": []any{r.name + "a", r.name + "b", r.name + "c"}}, nil
		case "getPrefixList":
			return map[string]any{"id": "pl-of-s3", "name": args["name"], "cidrBlocks": []any{"52.219.80.0/20", "3.5.128.0/22"}}, nil
		case "getParameter":
			return map[string]any{"insecureValue": "ami-0aaaaaaaaaaaaaaaa", "value": "secret", "name": args["name"]}, nil
		case "getAmi": // which the parameters and ids in the tests name
			return map[string]any{"name": "al2023-ami-2023.11.20260427.1-kernel-6.1-arm64", "imageOwnerAlias": "amazon", "architecture": "arm64"}, nil
		case "getInstanceType":
			return map[string]any{"memorySize": 2048, "defaultVcpus": 2}, nil
		case "getServiceQuota":
			return map[string]any{"value": 64.0}, nil
		case "getVpc":
			return map[string]any{
				"id": args["id"], "cidrBlock": "10.20.0.0/16", "enableDnsSupport": true, "enableDnsHostnames": true, "cidrBlockAssociations": []any{},
				"ownerId": "111122223333", "dhcpOptionsId": "dopt-0aaaaaaaaaaaaaaaa",
			}, nil
		case "getVpcDhcpOptions":
			return map[string]any{"domainNameServers": []any{"AmazonProvidedDNS"}}, nil
		case "getSubnet": // whose id ends in the letter of its zone, and then as often
			id := fmt.Sprint(args["id"])
			return map[string]any{
				"vpcId": "vpc-0123456789abcdef0", "availabilityZone": r.name + id[len(id)-1:], "cidrBlock": "10.20.0.0/24", "availableIpAddressCount": 250,
			}, nil
		case "getNetworkAcls":
			return map[string]any{"ids": []any{"acl-0aaaaaaaaaaaaaaaa"}}, nil
		case "DefaultNetworkAcl":
			entry := map[string]any{"ruleNo": 100, "protocol": "-1", "action": "allow", "cidrBlock": "0.0.0.0/0", "fromPort": 0, "toPort": 0}
			return map[string]any{"ingress": []any{entry}, "egress": []any{entry}}, nil
		case "getInstanceTypeOfferings":
			types, locations := []any{}, []any{}
			for _, zone := range []string{"a", "b", "c"} {
				for _, name := range args["filters"].([]any)[0].(map[string]any)["values"].([]any) {
					types, locations = append(types, name), append(locations, r.name+zone)
				}
			}
			return map[string]any{"instanceTypes": types, "locations": locations}, nil
		case "getVpnGateway":
			return nil, errors.New("no matching EC2 VPN Gateway found")
		case "getResources":
			return map[string]any{"resourceTagMappingLists": []any{}}, nil
		case "getBucket":
			return map[string]any{"bucket": args["bucket"], "region": r.name}, nil
		case "getBucketPolicy":
			return nil, fmt.Errorf("reading S3 Bucket Policy (%v): couldn't find resource", args["bucket"])
		case "getAlias":
			return nil, fmt.Errorf("reading KMS Alias (%v): couldn't find resource", args["name"])
		case "getLogGroup":
			return nil, fmt.Errorf("reading CloudWatch Logs Log Group (%v): couldn't find resource", args["name"])
		case "getRouteTable":
			return map[string]any{"routeTableId": "rtb-of-" + fmt.Sprint(args["subnetId"]), "routes": []any{}}, nil
		}
		return nil, fmt.Errorf("no answer for %s", token)
	}
}

func local(r region) map[string]any { return pulumitest.LocalConfig(r.name) }

// golden compares what was registered with a file. Region, partition and the
// suffix of service principals stand in it as words, so that one file holds for
// every Region, and one that named a Region of its own would differ. Patch
// Manager's bucket has a suffix, and not every Region has one.
func golden(t *testing.T, name string, r region, got string) {
	t.Helper()
	const patches = "aws-patch-manager-REGION-SUFFIX"
	words := []string{"ec2." + r.dnsSuffix, "ec2.DNS_SUFFIX", "arn:" + r.partition + ":", "arn:PARTITION:", r.name, "REGION"}
	published := scope.Scope{Region: r.name}.AgentBuckets()[7:]
	for _, bucket := range published {
		words = append([]string{bucket, patches}, words...)
	}
	got = strings.NewReplacer(words...).Replace(got)
	file := filepath.Join("testdata", name+".json")
	if *update && r == ohio {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err, "run: go test ./program -update, and read the difference")
	want := string(text)
	if len(published) == 0 {
		want = regexp.MustCompile(`,\s*"arn:PARTITION:s3:::`+patches+`/\*"`).ReplaceAllString(want, "")
	}
	require.Equal(t, want, got)
}

// Every resource of the recipe, with its inputs, parent and options, in four
// Regions of three partitions, as a preview and as an update.
//
// It does not prove that AWS accepts any of it.
func TestProgram_Default_RegistersEveryResource(t *testing.T) {
	t.Parallel()
	for _, r := range regions {
		for _, dryRun := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/dryRun=%t", r.name, dryRun), func(t *testing.T) {
				t.Parallel()
				recorder := &pulumitest.Recorder{Answer: r.answers(nil)}
				config := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(r), map[string]any{"tags": map[string]any{"team": "platform"}})))
				resources, err := recorder.Run(t, "private-ec2-access", "test", dryRun, New(config, pulumitest.LocalEnvironment))
				require.NoError(t, err)
				if !dryRun { // a preview does not know what is computed
					golden(t, "own-network", r, pulumitest.JSON(t, resources))
				}
				require.Equal(t, recipeNames, pulumitest.Names(resources))
				for _, res := range resources {
					requireParent(t, res)
					requireTags(t, res)
				}
			})
		}
	}
}

var recipeNames = []string{
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup private-ec2-access-default-group",
	"aws:ec2/instance:Instance private-ec2-access-app-arm64",
	"aws:ec2/routeTable:RouteTable private-ec2-access-routes",
	"aws:ec2/routeTableAssociation:RouteTableAssociation private-ec2-access-private-0",
	"aws:ec2/routeTableAssociation:RouteTableAssociation private-ec2-access-private-1",
	"aws:ec2/securityGroup:SecurityGroup private-ec2-access-group",
	"aws:ec2/subnet:Subnet private-ec2-access-private-0",
	"aws:ec2/subnet:Subnet private-ec2-access-private-1",
	"aws:ec2/vpc:Vpc private-ec2-access-vpc",
	"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ec2messages",
	"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-s3",
	"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ssm",
	"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ssmmessages",
	"aws:iam/instanceProfile:InstanceProfile private-ec2-access-instance",
	"aws:iam/policy:Policy private-ec2-access-instance",
	"aws:iam/role:Role private-ec2-access-instance",
	"aws:iam/rolePolicy:RolePolicy private-ec2-access-parameters",
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-managed-instance-core",
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-session-logs",
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2 private-ec2-access-logs",
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls private-ec2-access-logs",
	"aws:s3/bucketPolicy:BucketPolicy private-ec2-access-logs",
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock private-ec2-access-logs",
	"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2 private-ec2-access-logs",
	"aws:s3/bucketV2:BucketV2 private-ec2-access-logs",
	"aws:s3/bucketVersioningV2:BucketVersioningV2 private-ec2-access-logs",
	"aws:ssm/document:Document private-ec2-access-preferences",
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule private-ec2-access-https-to-members",
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule private-ec2-access-https-to-s3",
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule private-ec2-access-from-members",
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule private-ec2-access-https-from-10.20.0.0-16",
	"private-ec2-access:index:Endpoints private-ec2-access",
	"private-ec2-access:index:InstancePolicy private-ec2-access",
	"private-ec2-access:index:InstanceRole private-ec2-access",
	"private-ec2-access:index:LogArchive private-ec2-access",
	"private-ec2-access:index:Network private-ec2-access",
	"private-ec2-access:index:PrivateAccess private-ec2-access",
	"private-ec2-access:index:PrivateInstance private-ec2-access-app",
	"private-ec2-access:index:SecurityGroup private-ec2-access",
	"private-ec2-access:index:SessionPreferences private-ec2-access",
}

// requireParent holds every child to its component, by the component's name,
// which the child's begins with.
func requireParent(t *testing.T, r pulumitest.Resource) {
	t.Helper()
	typ, name, _ := strings.Cut(r.Parent, " ")
	if strings.HasPrefix(r.Type, "private-ec2-access:") {
		parent := "private-ec2-access:index:PrivateAccess"
		if r.Type == parent {
			parent = "pulumi:pulumi:Stack"
		}
		require.Equal(t, parent, typ, "%s %s", r.Type, r.Name)
		return
	}
	require.True(t, strings.HasPrefix(typ, "private-ec2-access:index:"), "%s %s has the parent %s", r.Type, r.Name, r.Parent)
	require.True(t, strings.HasPrefix(r.Name, name+"-"), "%s %s has the parent %s", r.Type, r.Name, r.Parent)
}

// untaggable are the types that AWS has no tags for.
var untaggable = []string{
	"aws:ec2/routeTableAssociation:RouteTableAssociation",
	"aws:iam/rolePolicy:RolePolicy",
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment",
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2",
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls",
	"aws:s3/bucketPolicy:BucketPolicy",
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
	"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
	"aws:s3/bucketVersioningV2:BucketVersioningV2",
}

func requireTags(t *testing.T, r pulumitest.Resource) {
	t.Helper()
	if strings.HasPrefix(r.Type, "private-ec2-access:") || slices.Contains(untaggable, r.Type) {
		require.NotContains(t, r.Inputs, "tags", "%s", r.Type)
		return
	}
	tags, _ := r.Inputs["tags"].(map[string]any)
	require.Equal(t, "platform", tags["team"], "%s %s", r.Type, r.Name)
	require.Equal(t, "private-ec2-access/test", tags["private-ec2-access:stack"], "%s %s", r.Type, r.Name)
	require.True(t, strings.HasPrefix(fmt.Sprint(tags["Name"]), "private-ec2-access-test-"), "%s %s is named %v", r.Type, r.Name, tags["Name"])
}

func run(t *testing.T, own map[string]any, replaced map[string]func(map[string]any) (map[string]any, error)) ([]pulumitest.Resource, error) {
	t.Helper()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(replaced)}
	return recorder.Run(t, "private-ec2-access", "test", false, New(pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), own))), pulumitest.LocalEnvironment))
}

func TestInstance_DependsOn_RoleAndEndpoints(t *testing.T) {
	t.Parallel()
	resources, err := run(t, nil, nil)
	require.NoError(t, err)
	instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", "private-ec2-access-app-arm64")
	for _, needed := range []string{
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-s3",
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ssm",
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ssmmessages",
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ec2messages",
		"aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-managed-instance-core",
		"aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-session-logs",
		"aws:iam/instanceProfile:InstanceProfile private-ec2-access-instance",
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule private-ec2-access-https-to-members",
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule private-ec2-access-https-to-s3",
		"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule private-ec2-access-from-members",
		"aws:ssm/document:Document private-ec2-access-preferences",
	} {
		require.Contains(t, instance.DependsOn, needed)
	}
}

func TestNetwork_Existing_Used(t *testing.T) {
	t.Parallel()
	resources, err := run(t, map[string]any{
		"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"},
	}, map[string]func(map[string]any) (map[string]any, error){
		"getVpc": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"id": args["id"], "cidrBlock": "10.1.0.0/16", "enableDnsSupport": true, "enableDnsHostnames": true, "ipv6CidrBlock": "2001:db8::/56", "cidrBlockAssociations": []any{
				map[string]any{"cidrBlock": "10.2.0.0/16", "state": "associated"},
				map[string]any{"cidrBlock": "10.1.0.0/16", "state": "associated"},
				map[string]any{"cidrBlock": "10.3.0.0/16", "state": "disassociated"},
			}}, nil
		},
		// Neither subnet is associated with a table: the VPC's main one holds for both.
		"getRouteTable": func(args map[string]any) (map[string]any, error) {
			if args["subnetId"] != nil {
				return nil, errors.New("query returned no results. Please change your search criteria and try again")
			}
			return map[string]any{"routeTableId": "rtb-main", "routes": []any{}}, nil
		},
	})
	require.NoError(t, err)
	golden(t, "existing-network", ohio, pulumitest.JSON(t, resources))
	for _, name := range pulumitest.Names(resources) {
		require.NotRegexp(t, `aws:ec2/(vpc|subnet|routeTable|routeTableAssociation|defaultSecurityGroup):`, name)
	}
}

func TestRealAccount_KeepsSessionLogs(t *testing.T) {
	t.Parallel()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(nil)}
	config := pulumitest.StackConfig(t, pulumitest.Defaults(t, map[string]any{"aws:region": "us-east-2"}))
	resources, err := recorder.Run(t, "private-ec2-access", "dev", false, New(config, nil))
	require.NoError(t, err)
	for _, r := range resources {
		archive := strings.HasPrefix(r.Type, "aws:s3/") || strings.HasSuffix(r.Type, ":LogArchive")
		require.Equal(t, archive, r.Retained, "%s %s", r.Type, r.Name)
	}
	bucket := pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs")
	require.Equal(t, false, bucket.Inputs["forceDestroy"])
	require.False(t, bucket.Protect)
}

// Refuse protects what a destroy would delete, and keeps it: a stack that is
// forgotten with --exclude-protected loses no record either.
func TestDestroy_Refused_ResourcesProtected(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]bool{"refuse": true, "true": false, "false": false} {
		resources, err := run(t, map[string]any{"keepRecords": choice}, nil)
		require.NoError(t, err)
		for _, r := range resources {
			archive := strings.HasPrefix(r.Type, "aws:s3/")
			require.Equal(t, archive && want, r.Protect, "%s: %s %s", choice, r.Type, r.Name)
			component := strings.HasSuffix(r.Type, ":LogArchive")
			require.Equal(t, (archive || component) && choice != "false", r.Retained, "%s: %s %s", choice, r.Type, r.Name)
		}
	}
}

func TestInstance_Image_PinnedOrNewest(t *testing.T) {
	t.Parallel()
	resources, err := run(t, map[string]any{"instances": map[string]any{
		"pinned": map[string]any{"imageId": "ami-0bbbbbbbbbbbbbbbb", "subnetIndex": 1},
		"intel":  map[string]any{"architecture": "x86_64", "instanceType": "t3.nano"},
		"newest": nil,
	}}, map[string]func(map[string]any) (map[string]any, error){
		"getParameter": func(args map[string]any) (map[string]any, error) {
			name := fmt.Sprint(args["name"])
			return map[string]any{"insecureValue": "ami-of" + name[strings.LastIndex(name, "-"):]}, nil
		},
	})
	require.NoError(t, err)
	for name, want := range map[string]struct {
		ami    string
		ignore []string
		subnet string
	}{
		"private-ec2-access-newest-arm64": {"ami-of-arm64", []string{"ami"}, "id-of-private-ec2-access-private-0"},
		"private-ec2-access-intel-x86_64": {"ami-of-x86_64", []string{"ami"}, "id-of-private-ec2-access-private-0"},
		"private-ec2-access-pinned-arm64": {"ami-0bbbbbbbbbbbbbbbb", nil, "id-of-private-ec2-access-private-1"},
	} {
		instance := pulumitest.Find(t, resources, "aws:ec2/instance:Instance", name)
		require.Equal(t, want.ami, instance.Inputs["ami"], name)
		require.Equal(t, want.subnet, instance.Inputs["subnetId"], name)
		require.Equal(t, want.ignore, instance.IgnoreChanges, name)
	}
}

func TestLogBucket_Existing_Unchanged(t *testing.T) {
	t.Parallel()
	resources, err := run(t, map[string]any{"logging.bucketName": "my-logs", "logging.keyPrefix": "a/b/"}, nil)
	require.NoError(t, err)
	for _, r := range resources {
		require.False(t, strings.HasPrefix(r.Type, "aws:s3/"), r.Type)
	}
	policy := pulumitest.Find(t, resources, "aws:iam/policy:Policy", "private-ec2-access-instance")
	require.Contains(t, policy.Inputs["policy"], `"arn:aws:s3:::my-logs/a/b/*"`)
	document := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
	require.Contains(t, document.Inputs["content"], `"s3BucketName":"my-logs","s3KeyPrefix":"a/b"`)
}

// Whether there is an endpoint for ec2messages, by what the config says, what
// the Region offers and whether the stack has one already.
func TestEC2Messages(t *testing.T) {
	t.Parallel()
	absentEndpoint := errors.New("no matching EC2 VPC Endpoint found")
	absentService := errors.New("reading EC2 VPC Endpoint Services: api error InvalidServiceName: does not exist")
	denied := errors.New("api error UnauthorizedOperation: You are not authorized to perform this operation.")
	several := errors.New("multiple EC2 VPC Endpoints matched; use additional constraints")
	for _, c := range []struct {
		choice         string
		own, offer     error // nil: found
		want           bool
		wantErr        string
		withoutLookups bool
	}{
		{choice: "auto", own: absentEndpoint, offer: nil, want: true},
		{choice: "auto", own: absentEndpoint, offer: absentService, want: false},
		{choice: "auto", own: absentEndpoint, offer: errors.New("no matching EC2 VPC Endpoint Service found"), want: false},
		{choice: "auto", own: absentEndpoint, offer: denied, wantErr: "UnauthorizedOperation"},
		{choice: "auto", own: nil, offer: absentService, want: true},
		{choice: "auto", own: nil, offer: denied, want: true},
		{choice: "auto", own: several, offer: absentService, want: true},
		{choice: "auto", own: denied, offer: nil, want: true},
		{choice: "auto", own: denied, offer: absentService, wantErr: "already"},
		{choice: "auto", own: denied, offer: denied, wantErr: "UnauthorizedOperation"},
		{choice: "always", own: denied, offer: absentService, want: true},
		{choice: "never", own: nil, offer: nil, want: false},
	} {
		t.Run(fmt.Sprintf("%s/own=%v/offer=%v", c.choice, c.own, c.offer), func(t *testing.T) {
			t.Parallel()
			resources, err := run(t, map[string]any{"endpoints.ec2messages": c.choice}, map[string]func(map[string]any) (map[string]any, error){
				"getVpcEndpoint": func(args map[string]any) (map[string]any, error) {
					if !strings.HasSuffix(fmt.Sprint(args["serviceName"]), "ec2messages") {
						return nil, absentEndpoint
					}
					require.Contains(t, fmt.Sprint(args["filters"]), "tag:private-ec2-access:stack", "only this stack's own endpoint counts")
					return map[string]any{"id": "vpce-own"}, c.own
				},
				"getVpcEndpointService": func(args map[string]any) (map[string]any, error) {
					if !strings.HasSuffix(fmt.Sprint(args["serviceName"]), "ec2messages") {
						return map[string]any{}, nil
					}
					return map[string]any{}, c.offer
				},
			})
			if c.wantErr != "" {
				require.ErrorContains(t, err, c.wantErr)
				require.Empty(t, resources, "nothing is registered before the shape is decided")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, slices.Contains(pulumitest.Names(resources), "aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ec2messages"))
		})
	}
}

// A look-up that fails is never taken for an absence: whichever it is, the
// preview stops and nothing is registered.
func TestLookUp_Failed_StopsPreview(t *testing.T) {
	t.Parallel()
	for _, lookup := range []string{
		"getRegion", "getPartition", "getCallerIdentity", "getAvailabilityZones", "getDocument",
		"getVpcEndpointService", "getPrefixList", "getParameter", "readStackResourceOutputs",
	} {
		t.Run(lookup, func(t *testing.T) {
			t.Parallel()
			resources, err := run(t, nil, map[string]func(map[string]any) (map[string]any, error){
				lookup: func(map[string]any) (map[string]any, error) {
					return nil, errors.New("ThrottlingException: Rate exceeded")
				},
			})
			require.ErrorContains(t, err, "ThrottlingException")
			require.Empty(t, resources)
		})
	}
	for _, lookup := range []string{"getVpc", "getRouteTable"} {
		t.Run("existing network/"+lookup, func(t *testing.T) {
			t.Parallel()
			resources, err := run(t, map[string]any{
				"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{"subnet-0aaaaaaaaaaaaaaaa"},
			}, map[string]func(map[string]any) (map[string]any, error){
				lookup: func(map[string]any) (map[string]any, error) { return nil, errors.New("RequestLimitExceeded") },
			})
			require.ErrorContains(t, err, "RequestLimitExceeded")
			require.Empty(t, resources)
		})
	}
}

func TestSessionDocument_Unmanaged_NotOverwritten(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"schemaVersion":"1.0","description":"Document to hold regional settings for Session Manager"}`:     "it was not made by this program",
		`{"schemaVersion":"1.0","description":"Session preferences, managed by the Pulumi stack other/dev"}`: "it belongs to the stack other/dev",
		`not json`: "is not JSON",
	} {
		resources, err := run(t, nil, map[string]func(map[string]any) (map[string]any, error){
			"getDocument": func(map[string]any) (map[string]any, error) { return map[string]any{"content": content}, nil },
		})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "SSM-SessionManagerRunShell")
		require.Empty(t, resources)
	}
	_, err := run(t, nil, map[string]func(map[string]any) (map[string]any, error){
		"getDocument": func(map[string]any) (map[string]any, error) {
			return map[string]any{"content": `{"description":"Session preferences, managed by the Pulumi stack private-ec2-access/test"}`}, nil
		},
	})
	require.NoError(t, err, "the stack's own document is accepted")
}

func TestZones_Default_SupportEveryService(t *testing.T) {
	t.Parallel()
	zones := func(offered ...any) map[string]func(map[string]any) (map[string]any, error) {
		return map[string]func(map[string]any) (map[string]any, error){
			"getVpcEndpointService": func(args map[string]any) (map[string]any, error) {
				if strings.HasSuffix(fmt.Sprint(args["serviceName"]), ".ssmmessages") {
					return map[string]any{"availabilityZones": offered}, nil
				}
				return map[string]any{"availabilityZones": []any{"us-east-2a", "us-east-2b", "us-east-2c"}}, nil
			},
		}
	}
	resources, err := run(t, nil, zones("us-east-2b", "us-east-2c"))
	require.NoError(t, err)
	for i, zone := range []string{"us-east-2b", "us-east-2c"} {
		subnet := pulumitest.Find(t, resources, "aws:ec2/subnet:Subnet", fmt.Sprintf("private-ec2-access-private-%d", i))
		require.Equal(t, zone, subnet.Inputs["availabilityZone"])
		require.Equal(t, []string{"availabilityZone"}, subnet.IgnoreChanges)
	}
	resources, err = run(t, nil, zones("us-east-2c"))
	require.ErrorContains(t, err, "us-east-2 has only 1 zones in which all of ssm, ssmmessages can have an endpoint and which offer the instance types t4g.nano: us-east-2c")
	require.Empty(t, resources)
}

// The key that has the type is named, and no other.
func TestInstanceTypes_OfferedNowhere_NamedByTheirKeys(t *testing.T) {
	t.Parallel()
	offered := map[string]func(map[string]any) (map[string]any, error){"getInstanceTypeOfferings": func(map[string]any) (map[string]any, error) {
		return map[string]any{"instanceTypes": []any{"t4g.nano", "t4g.nano"}, "locations": []any{"us-east-2a", "us-east-2b"}}, nil
	}}
	for _, c := range []struct {
		own  map[string]any
		keys []string
	}{
		{map[string]any{"instances": map[string]any{"app": map[string]any{}, "web": map[string]any{"instanceType": "t4g.smal"}}}, []string{"instances.web.instanceType"}},
		{map[string]any{"instances": map[string]any{}, "fleets": map[string]any{"db": map[string]any{"count": 2, "instanceType": "t4g.smal"}}}, []string{"fleets.db.instanceType"}},
		{map[string]any{"instance.instanceType": "t4g.smal"}, []string{"instance.instanceType"}},
		{map[string]any{"instance.instanceType": "t4g.smal", "instances": map[string]any{"app": map[string]any{}, "b": map[string]any{"instanceType": "t4g.smal"}}},
			[]string{"instance.instanceType", "instances.b.instanceType"}},
	} {
		resources, err := run(t, c.own, offered)
		require.Error(t, err)
		require.Equal(t, len(c.keys), strings.Count(err.Error(), "does not offer this instance type (got t4g.smal)"), "%v", err)
		for _, key := range c.keys {
			require.ErrorContains(t, err, key+": the Region us-east-2 does not offer this instance type")
			require.ErrorContains(t, err, "pulumi config set --path 'private-ec2-access:"+key+"' TYPE")
		}
		require.NotContains(t, err.Error(), "availabilityZoneCount")
		require.Empty(t, resources)
	}
}

// Before a deployed instance changes its type, the provider stops it, and a type that does not exist leaves it stopped. The zones of
// its subnets stay as they are, whatever the zones offer now.
func TestInstanceTypes_DeployedStack_CheckedBeforeTheChange(t *testing.T) {
	t.Parallel()
	before, err := run(t, nil, nil)
	require.NoError(t, err)
	offer := func(types, zones []any, err error) lookups {
		return joined(stateWith(before), lookups{"getInstanceTypeOfferings": func(map[string]any) (map[string]any, error) {
			return map[string]any{"instanceTypes": types, "locations": zones}, err
		}})
	}
	misspelt := map[string]any{"instances": map[string]any{"app": map[string]any{"instanceType": "t4g.smal"}}}
	_, err = run(t, misspelt, offer(nil, nil, nil))
	require.ErrorContains(t, err, "instances.app.instanceType: the Region us-east-2 does not offer this instance type (got t4g.smal)")

	d, err := decisions(t, nil, offer([]any{"t4g.nano"}, []any{"us-east-2c"}, nil))
	require.NoError(t, err)
	require.Equal(t, []string{"us-east-2a", "us-east-2b"}, d.Zones)

	d, err = decisions(t, misspelt, offer(nil, nil, errors.New("UnauthorizedOperation")))
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(d.Notices), "not checked: whether the Region offers the instance types, because it cannot be read: UnauthorizedOperation")
}

// A stack whose resources are elsewhere stops before anything else is asked.
// Only ARNs of the state are read: other outputs may be secrets.
func TestNew_ResourcesInAnotherRegion_Refused(t *testing.T) {
	t.Parallel()
	state := func(arn string) map[string]func(map[string]any) (map[string]any, error) {
		return map[string]func(map[string]any) (map[string]any, error){"readStackResourceOutputs": func(args map[string]any) (map[string]any, error) {
			require.Equal(t, map[string]any{"stackName": "test"}, args)
			return map[string]any{"outputs": map[string]any{
				"urn:pulumi:test::p::pulumi:providers:aws::default": map[string]any{
					"type": "pulumi:providers:aws", "outputs": map[string]any{"secretKey": resource.MakeSecret(resource.NewProperty("x"))},
				},
				"urn:pulumi:test::p::aws:ec2/vpc:Vpc::v":     map[string]any{"type": "aws:ec2/vpc:Vpc", "outputs": map[string]any{"arn": arn}},
				"urn:pulumi:test::p::aws:ec2/route:Route::r": map[string]any{"type": "aws:ec2/route:Route", "outputs": map[string]any{}},
			}}, nil
		}}
	}
	_, err := run(t, nil, state("arn:aws:ec2:us-east-2:111122223333:vpc/vpc-1"))
	require.NoError(t, err)

	recorder := &pulumitest.Recorder{Answer: ohio.answers(state("arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"))}
	resources, err := recorder.Run(t, "private-ec2-access", "test", true, New(pulumitest.StackConfig(t, pulumitest.Defaults(t, local(ohio))), pulumitest.LocalEnvironment))
	require.ErrorContains(t, err, "aws:region: the resources of this stack are in another Region")
	require.Empty(t, resources)
	require.Len(t, recorder.Calls(), 4)

	_, err = run(t, nil, map[string]func(map[string]any) (map[string]any, error){
		"readStackResourceOutputs": func(map[string]any) (map[string]any, error) { return nil, errors.New("no access to the bucket") },
	})
	require.ErrorContains(t, err, "reading the state of the stack test: ")
}
