package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// quick is the config of a stack with an existing bucket: the provider waits most of a minute for a new bucket's lifecycle.
func quick(in *account, own map[string]any) map[string]any {
	in.t.Helper()
	in.aws("s3api", "create-bucket", "--bucket", "existing-logs", "--create-bucket-configuration", "LocationConstraint="+in.region)
	config := map[string]any{"logging": map[string]any{"bucketName": "existing-logs"}}
	for key, value := range own {
		config[key] = value
	}
	return config
}

// In a Region without ec2messages the stack has three endpoints, and the preview says why.
func TestEC2Messages_NotInRegion_NoEndpoint(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2", emulator.WithoutService("ec2messages"))
	s := newStack(t, in, "without", quick(in, nil))
	out, err := s.preview()
	require.NoError(t, err, out)
	require.Contains(t, out, "no endpoint for ec2messages: us-east-2 does not offer the service")
	require.NotContains(t, out, "private-ec2-access-ec2messages")
	s.up()
	require.Len(t, in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints"), 3)
	s.requireNoChanges()

	// The user's choice wins over what the Region offers.
	s.set("endpoints.ec2messages", "always")
	require.Equal(t, map[string]string{"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ec2messages": "create"}, s.steps())
	s.destroy()
}

// When the service is retired, or cannot be looked up, the stack's own endpoint stays until the user sets never.
func TestEC2Messages_RetiredLater_EndpointStays(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "retired", quick(in, nil))
	s.up()
	require.Len(t, in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints"), 4)

	restore := in.Add(emulator.WithoutService("ec2messages"))
	s.requireNoChanges()
	restore()

	service := "com.amazonaws.us-east-2.ec2messages"
	deniedOffer := emulator.Fail("ec2", "DescribeVpcEndpointServices", 403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
	deniedOffer.Contains = service
	restoreOffer := in.Add(deniedOffer)
	s.requireNoChanges()

	// Neither look-up is allowed: the preview stops with an error, and nothing is deleted.
	deniedOwn := emulator.Fail("ec2", "DescribeVpcEndpoints", 403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
	deniedOwn.Contains = service
	restoreOwn := in.Add(deniedOwn)
	in.Reset()
	out, err := s.run("up", "--yes", "--skip-preview", "--stack", s.name)
	require.Error(t, err)
	require.Contains(t, out, "finding out whether us-east-2 offers "+service)
	require.Contains(t, out, "UnauthorizedOperation")
	require.Empty(t, in.writes())
	restoreOffer()

	// The service can be looked up again, the endpoint cannot: that is no error.
	out, err = s.preview("--expect-no-changes")
	require.NoError(t, err, out)
	restoreOwn()

	in.Add(emulator.WithoutService("ec2messages"))
	s.set("endpoints.ec2messages", "never")
	require.Equal(t, map[string]string{"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-ec2messages": "delete"}, s.steps())
	s.up()
	require.Len(t, in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints"), 3)
	s.requireNoChanges()
}

// A newer image changes nothing by itself. The documented step replaces exactly one of two instances.
func TestInstance_NewerImage_ReplacedOnlyWhenPinned(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "images", quick(in, map[string]any{"instances": map[string]any{"app": map[string]any{}, "db": map[string]any{"subnetIndex": 1}}}))
	s.up()
	before := s.outputs()
	parameter := before.text("imageParameters.app")
	older := in.aws("ssm", "get-parameter", "--name", parameter).text("Parameter.Value")
	newer := in.aws("ec2", "register-image", "--name", "newer", "--architecture", "arm64", "--root-device-name", "/dev/xvda").text("ImageId")
	require.NotEqual(t, older, newer)
	in.Add(emulator.SetParameter(parameter, newer))
	require.Equal(t, newer, in.aws("ssm", "get-parameter", "--name", parameter).text("Parameter.Value"))

	s.requireNoChanges()

	// A data volume comes without replacing the instance, and outlives it.
	s.set("instances.app.dataVolumes[0].device", "/dev/sdf")
	s.set("instances.app.dataVolumes[0].size", "10")
	const attachment = "aws:ec2/volumeAttachment:VolumeAttachment private-ec2-access-app-data-sdf"
	require.Equal(t, map[string]string{"aws:ebs/volume:Volume private-ec2-access-app-data-sdf": "create", attachment: "create"}, s.steps())
	s.up()
	volume := func(instance string) object {
		t.Helper()
		found := in.aws("ec2", "describe-volumes", "--filters", "Name=attachment.instance-id,Values="+instance, "Name=attachment.device,Values=/dev/sdf").list("Volumes")
		require.Len(t, found, 1)
		require.Equal(t, true, found[0].at("Encrypted"))
		return found[0]
	}
	data := volume(before.text("instanceIds.app")).text("VolumeId")
	s.requireNoChanges()

	s.set("instances.app.imageId", newer)
	require.Equal(t, map[string]string{"aws:ec2/instance:Instance private-ec2-access-app-arm64": "replace", attachment: "replace"}, replacements(s.steps()))
	s.up()
	require.Equal(t, data, volume(s.outputs().text("instanceIds.app")).text("VolumeId"))
	after := s.outputs()
	require.NotEqual(t, before.text("instanceIds.app"), after.text("instanceIds.app"))
	require.Equal(t, before.text("instanceIds.db"), after.text("instanceIds.db"))
	image := func(id string) string {
		return in.aws("ec2", "describe-instances", "--instance-ids", id).text("Reservations[0].Instances[0].ImageId")
	}
	require.Equal(t, newer, image(after.text("instanceIds.app")))
	require.Equal(t, older, image(after.text("instanceIds.db")))
	s.requireNoChanges()

	// Without the pin the instance keeps its image.
	s.must("config", "rm", "--path", "private-ec2-access:instances.app.imageId", "--stack", s.name)
	s.requireNoChanges()
}

// replacements reports the three steps of a replacement as one.
func replacements(steps map[string]string) map[string]string {
	folded := map[string]string{}
	for name, op := range steps {
		if strings.HasSuffix(op, "replacement") || strings.HasSuffix(op, "replaced") || op == "replace" {
			op = "replace"
		}
		folded[name] = op
	}
	return folded
}

// The account's default session document is not managed by the stack: the preview stops before anything is created, and
// lists two fixes. The first one works.
func TestSessionDocument_NotOfThisStack_PreviewStops(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	existing := `{"schemaVersion":"1.0","description":"Document to hold regional settings for Session Manager","sessionType":"Standard_Stream","inputs":{"s3BucketName":"theirs"}}`
	in.aws("ssm", "create-document", "--name", "SSM-SessionManagerRunShell", "--document-type", "Session", "--content", existing)
	s := newStack(t, in, "unmanaged", quick(in, nil))
	in.Reset()
	for _, args := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
		out, err := s.run(append(args, "--stack", s.name)...)
		require.Error(t, err)
		require.Contains(t, out, "session.documentName: this document exists already, and it was not made by this program")
		require.Contains(t, out, "pulumi config set --path 'private-ec2-access:session.documentName' private-ec2-access-unmanaged")
		require.Contains(t, out, "pulumi config set --path 'private-ec2-access:session.adopt' true")
	}
	require.Empty(t, in.writes())

	s.set("session.documentName", "private-ec2-access-unmanaged")
	s.up()
	require.JSONEq(t, existing, in.aws("ssm", "get-document", "--name", "SSM-SessionManagerRunShell").text("Content"))
	require.Contains(t, s.outputs().text("startSession.app"), " --document-name private-ec2-access-unmanaged")
	s.requireNoChanges()
	s.destroy()
	require.JSONEq(t, existing, in.aws("ssm", "get-document", "--name", "SSM-SessionManagerRunShell").text("Content"))
}

// In a VPC that others use, with two CIDR blocks and a subnet on the main route table, nobody loses access through the
// endpoints, and the preview names each route table that changes.
func TestNetwork_ExistingVPC_OthersKeepAccess(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	vpc := in.aws("ec2", "create-vpc", "--cidr-block", "10.50.0.0/16").text("Vpc.VpcId")
	in.aws("ec2", "modify-vpc-attribute", "--vpc-id", vpc, "--enable-dns-hostnames")
	in.aws("ec2", "associate-vpc-cidr-block", "--vpc-id", vpc, "--cidr-block", "10.51.0.0/16")
	first := in.aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.50.0.0/24", "--availability-zone", "us-east-2a").text("Subnet.SubnetId")
	second := in.aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.51.0.0/24", "--availability-zone", "us-east-2b").text("Subnet.SubnetId")
	table := in.aws("ec2", "create-route-table", "--vpc-id", vpc).text("RouteTable.RouteTableId")
	in.aws("ec2", "associate-route-table", "--route-table-id", table, "--subnet-id", first)
	main := in.aws("ec2", "describe-route-tables", "--filters", "Name=vpc-id,Values="+vpc, "Name=association.main,Values=true").text("RouteTables[0].RouteTableId")
	before := inventory(in)

	s := newStack(t, in, "existing", quick(in, map[string]any{"network": map[string]any{"vpcId": vpc, "subnetIds": []any{first, second}}}))
	out, err := s.preview()
	require.NoError(t, err, out)
	for _, id := range []string{table, main} {
		require.Contains(t, out, "the route table "+id+" gets a route to S3 through this stack's gateway endpoint")
	}
	s.up()
	outputs := s.outputs()
	require.Equal(t, vpc, outputs.text("vpcId"))
	var https []string
	for _, r := range rules(in, outputs.text("securityGroupId")) {
		if r.direction == "in" && r.protocol == "tcp" {
			require.Equal(t, "443", r.from)
			https = append(https, r.source)
		}
	}
	require.ElementsMatch(t, []string{"10.50.0.0/16", "10.51.0.0/16"}, https)
	for _, e := range in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		require.JSONEq(t, `{"Version":"2012-10-17","Statement":[{"Sid":"FullAccess","Effect":"Allow","Principal":"*","Action":["*"],"Resource":["*"]}]}`,
			e.text("PolicyDocument"), "%s", e.text("ServiceName"))
		if e.text("VpcEndpointType") == "Gateway" {
			require.ElementsMatch(t, []any{table, main}, e.at("RouteTableIds"))
		}
	}
	require.Equal(t, []any{false, false}, []any{outputs.at("routeTables[0].leavesVpc"), outputs.at("routeTables[1].leavesVpc")})
	require.Equal(t, main, outputs.text("routeTables[1].routeTableId"))
	s.requireNoChanges()

	// Somebody adds an internet route: the next update warns.
	gateway := in.aws("ec2", "create-internet-gateway").text("InternetGateway.InternetGatewayId")
	in.aws("ec2", "attach-internet-gateway", "--vpc-id", vpc, "--internet-gateway-id", gateway)
	in.aws("ec2", "create-route", "--route-table-id", main, "--destination-cidr-block", "0.0.0.0/0", "--gateway-id", gateway)
	out = s.up()
	require.Contains(t, out, "the subnet "+second+" is not private: its route table "+main+" has a route to the internet: 0.0.0.0/0 to "+gateway)
	require.Equal(t, false, s.outputs().at("routeTables[0].leavesVpc"))
	require.Equal(t, true, s.outputs().at("routeTables[1].leavesVpc"))

	// A new stack is refused, with everything else that is wrong for it, and nothing is created.
	acl := in.aws("ec2", "create-network-acl", "--vpc-id", vpc).text("NetworkAcl.NetworkAclId")
	association := ""
	for _, found := range in.aws("ec2", "describe-network-acls", "--filters", "Name=association.subnet-id,Values="+second).list("NetworkAcls[0].Associations") {
		if found.text("SubnetId") == second {
			association = found.text("NetworkAclAssociationId")
		}
	}
	moved := in.aws("ec2", "replace-network-acl-association", "--association-id", association, "--network-acl-id", acl).text("NewAssociationId")
	new := newStack(t, in, "refused", map[string]any{
		"network":  map[string]any{"vpcId": vpc, "subnetIds": []any{first, second}},
		"instance": map[string]any{"instanceType": "x9g.nano"}, "session": map[string]any{"documentName": "private-ec2-access-refused"},
	})
	new.requireRefused("6 mistakes", "0.0.0.0/0 to "+gateway, "aws ec2 delete-route --region us-east-2 --route-table-id "+main+" --destination-cidr-block 0.0.0.0/0",
		"network.subnetIds[1]: the network ACL "+acl+" of the subnet does not let", "(TCP 32768-60999)", "x9g.nano")
	in.aws("ec2", "delete-route", "--route-table-id", main, "--destination-cidr-block", "0.0.0.0/0")
	back := in.aws("ec2", "describe-network-acls", "--filters", "Name=vpc-id,Values="+vpc, "Name=default,Values=true").text("NetworkAcls[0].NetworkAclId")
	in.aws("ec2", "replace-network-acl-association", "--association-id", moved, "--network-acl-id", back)
	in.aws("ec2", "delete-network-acl", "--network-acl-id", acl)

	// The user can require narrow policies, which replaces no endpoint.
	s.set("endpoints.policies", "narrow")
	for name, op := range s.steps() {
		require.Equal(t, "update", op, name)
		require.Contains(t, name, "VpcEndpoint")
	}
	s.destroy()
	after := inventory(in)
	delete(after, "Buckets")
	delete(before, "Buckets")
	require.Equal(t, before, after)
}

// Plain pulumi refuses emulator settings on a stack for a real account, and the reverse. No request is sent.
func TestGuard_MixedSettings_NoRequest(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")

	t.Run("a real stack with an emulator around", func(t *testing.T) {
		s := newStack(t, in, "real", nil)
		s.write(map[string]any{"aws:region": "us-east-2"})
		in.Reset()
		for _, command := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
			out, err := s.run(append(command, "--stack", s.name)...)
			require.NotZero(t, exitCode(err), out)
			require.Contains(t, out, "AWS_ENDPOINT_URL: the stack is a real account, but this is the address of an emulator (got "+in.URL()+")")
			require.Contains(t, out, "AWS_ACCESS_KEY_ID: the stack is a real account, but this is the key of an emulator (got test)")
		}
		require.Empty(t, in.Calls())
	})

	t.Run("a stack for the emulator without an emulator", func(t *testing.T) {
		// Every request to AWS would go through this proxy.
		var connections atomic.Int32
		proxy, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = proxy.Close() })
		go func() {
			for {
				conn, err := proxy.Accept()
				if err != nil {
					return
				}
				connections.Add(1)
				_ = conn.Close()
			}
		}()
		s := newStack(t, in, "emulated", nil)
		s.env = []string{"AWS_ENDPOINT_URL=", "HTTPS_PROXY=http://" + proxy.Addr().String(), "HTTP_PROXY=http://" + proxy.Addr().String()}
		for _, command := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
			out, err := s.run(append(command, "--stack", s.name)...)
			require.NotZero(t, exitCode(err), out)
			require.Contains(t, out, "AWS_ENDPOINT_URL: the stack is emulated, but no emulator is named, so requests would go to AWS")
		}
		require.Zero(t, connections.Load())
	})
}

// An input that the provider does not have is an error; it is not ignored.
func TestProvider_UnknownInput_Refused(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "unknown", nil)
	s.name, s.dir = "unknown-input", t.TempDir()
	require.NoError(t, os.CopyFS(s.dir, os.DirFS(filepath.Join("testdata", "unknown-input"))))
	s.write(map[string]any{"aws:region": "us-east-2", "aws:skipCredentialsValidation": "true"})
	s.must("stack", "init", "unknown-input")
	out, err := s.run("preview", "--stack", "unknown-input")
	require.Error(t, err)
	require.Contains(t, out, "cidrBlok")
	require.Contains(t, out, "cidrBlock")
	require.Empty(t, in.writes())
}

// With keepRecords a destroy leaves the bucket, every version in it and everything that protects it. Without, it leaves
// nothing. With refuse it fails and deletes nothing.
func TestDestroy_LogsKept_SessionLogsStay(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "kept", map[string]any{"keepRecords": "true"})
	s.up()
	first := s.outputs()
	bucket := first.text("logBucket")
	put := func(bucket, text string) {
		file := filepath.Join(t.TempDir(), "session.log")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		in.as(s.outputs().text("roleName"), "s3api", "put-object", "--bucket", bucket, "--key", "sessions/user-0123.log", "--body", file)
	}
	put(bucket, "the first")
	put(bucket, "the second")
	versions := in.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions")
	require.Len(t, versions, 2)

	// With refuse nothing is deleted.
	s.set("keepRecords", "refuse")
	s.up()
	before := inventory(in)
	out, err := s.run("destroy", "--yes", "--stack", s.name)
	require.Error(t, err)
	require.Contains(t, out, "is protected")
	require.Equal(t, before, inventory(in))
	require.Equal(t, versions, in.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions"))
	requireArchive(t, in, first)
	s.set("keepRecords", "true")
	s.up()

	s.destroy()
	left := inventory(in)
	require.Equal(t, []string{bucket}, left["Buckets"])
	require.Empty(t, left["Instances"])
	require.Empty(t, left["VpcEndpoints"])
	require.Empty(t, left["Roles"])
	require.Equal(t, versions, in.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions"))
	got := filepath.Join(t.TempDir(), "session.log")
	in.aws("s3api", "get-object", "--bucket", bucket, "--key", "sessions/user-0123.log", got)
	text, err := os.ReadFile(got)
	require.NoError(t, err)
	require.Equal(t, "the second", string(text))
	requireArchive(t, in, first)

	// The stack can be deployed again next to the kept bucket, and says so.
	out = s.up()
	second := s.outputs().text("logBucket")
	require.NotEqual(t, bucket, second)
	require.Contains(t, out, "session logs go to the log bucket "+second+"; those of previous deployments of this stack are kept in "+bucket)
	require.Equal(t, []any{bucket}, s.outputs().at("keptLogBuckets"))
	put(second, "the third")
	s.set("keepRecords", "false")
	s.up()
	s.destroy()
	require.Equal(t, []string{bucket}, inventory(in)["Buckets"])

	// Or it reuses the kept bucket, once its policy accepts another role.
	s.set("logging.bucketName", bucket)
	out, err = s.preview()
	require.Error(t, err)
	require.Contains(t, out, "session logs of this stack would be refused silently")
	policy := parsed(t, in.aws("s3api", "get-bucket-policy", "--bucket", bucket).text("Policy")).(map[string]any)
	policy["Statement"] = slices.DeleteFunc(policy["Statement"].([]any), func(s any) bool { return s.(map[string]any)["Sid"] == "OnlyWriters" })
	unlimited, err := json.Marshal(policy)
	require.NoError(t, err)
	in.aws("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", string(unlimited))
	out = s.up()
	require.Contains(t, out, "session logs go on in the log bucket "+bucket+" of a previous deployment of this stack")
	require.Equal(t, bucket, s.outputs().text("logBucket"))
	require.Empty(t, s.outputs().at("keptLogBuckets"))
	s.destroy()
	require.Equal(t, versions, in.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions"))
}

// All config mistakes are in one error, and no request is sent.
func TestConfig_Mistakes_ReportedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	s := newStack(t, in, "mistakes", map[string]any{
		"netwrok": map[string]any{"vpcId": "vpc-1"}, "instance": map[string]any{"instanceType": "t3.nano"},
		"network": map[string]any{"cidrBlock": "10.20.0.0/28", "availabilityZoneCount": 3},
	})
	in.Reset()
	for _, command := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
		out, err := s.run(append(command, "--stack", s.name)...)
		require.NotZero(t, exitCode(err), out)
		require.Contains(t, out, "3 mistakes in the stack's config; nothing was changed")
		require.Contains(t, out, "netwrok: no such key (got {\"vpcId\":\"vpc-1\"})")
		require.Contains(t, out, "did you mean network?")
	}
	s.must("config", "rm", "private-ec2-access:netwrok", "--stack", s.name)
	out, err := s.preview()
	require.NotZero(t, exitCode(err), out)
	require.Contains(t, out, "2 mistakes in the stack's config; nothing was changed")
	require.Contains(t, out, "too small for 3 subnets of at least /28 each")
	require.Contains(t, out, "this type does not have the architecture arm64")
	require.Empty(t, in.Calls())
}
