package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// The default stack in one Region of each partition: up, every resource read back with the AWS CLI, no changes, an update in
// place, destroy, nothing left. Neither the calls nor the stack's state name another Region or partition. GovCloud, whose
// names differ least, is in the long tests only.
//
// It does not prove that AWS offers each service there, nor that its names are still those in the documentation, which the
// emulator answers with.
func TestRecipe_EveryPartition_UpChangeDestroy(t *testing.T) {
	t.Parallel()
	regions := []string{"ap-northeast-2", "cn-north-1"}
	if long(t) {
		regions = append(regions, "us-gov-west-1")
	}
	for i, region := range regions {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			in := newAccount(t, region)
			before := inventory(in)
			dir := stub(t)
			if i == 0 {
				dir = sources(t) // which Pulumi builds
			}
			s := newStackIn(t, dir, in, "whole", map[string]any{"tags": map[string]any{"team": "platform"}})
			s.up()
			outputs := s.outputs()

			requireNetwork(t, in, outputs)
			requireSecurityGroup(t, in, outputs)
			requireEndpoints(t, in, outputs)
			requireRole(t, in, outputs)
			requireInstance(t, in, outputs)
			requireArchive(t, in, outputs)
			requirePreferences(t, in, outputs)
			requireTags(t, in, s)
			requireOwnRegionOnly(t, in, s)

			s.requireNoChanges()

			// A change of the session preferences, a lifecycle rule and a tag
			// replaces nothing.
			s.set("session.idleSessionTimeout", "30")
			s.set("tags.team", "security")
			for name, op := range s.steps() {
				require.Equal(t, "update", op, name)
			}
			s.up()
			require.Equal(t, "30", object(document(in, outputs)).text("inputs.idleSessionTimeout"))
			require.Equal(t, outputs.at("instanceIds"), s.outputs().at("instanceIds"))
			s.requireNoChanges()

			removed := s.destroy()
			require.Contains(t, removed, "deleted")
			require.Equal(t, before, inventory(in), "the account is as it was before")
		})
	}
}

// partition is that of the account's Region, with the domain of its services
// (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
func (a *account) partition() (name, domain string) {
	switch {
	case strings.HasPrefix(a.region, "cn-"):
		return "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(a.region, "us-gov-"):
		return "aws-us-gov", "amazonaws.com"
	}
	return "aws", "amazonaws.com"
}

// inventory lists the resources of an account that the program could have created.
func inventory(in *account) map[string][]string {
	found := map[string][]string{}
	collect := func(kind, list, id string, args ...string) {
		for _, item := range in.aws(args...).list(list) {
			if kind == "Instances" {
				for _, instance := range item.list("Instances") {
					if instance.text("State.Name") != "terminated" {
						found[kind] = append(found[kind], instance.text(id))
					}
				}
				continue
			}
			if state := item.text("State"); state == "deleted" || state == "deleting" {
				continue
			}
			found[kind] = append(found[kind], item.text(id))
		}
		slices.Sort(found[kind])
	}
	collect("Vpcs", "Vpcs", "VpcId", "ec2", "describe-vpcs")
	collect("Subnets", "Subnets", "SubnetId", "ec2", "describe-subnets")
	collect("RouteTables", "RouteTables", "RouteTableId", "ec2", "describe-route-tables")
	collect("SecurityGroups", "SecurityGroups", "GroupId", "ec2", "describe-security-groups")
	collect("VpcEndpoints", "VpcEndpoints", "VpcEndpointId", "ec2", "describe-vpc-endpoints")
	collect("Volumes", "Volumes", "VolumeId", "ec2", "describe-volumes")
	collect("NetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId", "ec2", "describe-network-interfaces")
	collect("Instances", "Reservations", "InstanceId", "ec2", "describe-instances")
	collect("Roles", "Roles", "RoleName", "iam", "list-roles")
	collect("Policies", "Policies", "Arn", "iam", "list-policies", "--scope", "Local")
	collect("InstanceProfiles", "InstanceProfiles", "InstanceProfileName", "iam", "list-instance-profiles")
	collect("Buckets", "Buckets", "Name", "s3api", "list-buckets")
	collect("Documents", "DocumentIdentifiers", "Name", "ssm", "list-documents", "--filters", "Key=Owner,Values=Self")
	return found
}

func requireNetwork(t *testing.T, in *account, outputs object) {
	t.Helper()
	vpc := outputs.text("vpcId")
	for _, attribute := range []string{"enableDnsSupport", "enableDnsHostnames"} {
		got := in.aws("ec2", "describe-vpc-attribute", "--vpc-id", vpc, "--attribute", attribute)
		require.Equal(t, true, got.at(strings.ToUpper(attribute[:1])+attribute[1:]+".Value"), attribute)
	}
	subnets := in.aws("ec2", "describe-subnets", "--filters", "Name=vpc-id,Values="+vpc).list("Subnets")
	require.Len(t, subnets, 2)
	zones := map[string]bool{}
	for _, subnet := range subnets {
		zones[subnet.text("AvailabilityZone")] = true
		require.Equal(t, false, subnet.at("MapPublicIpOnLaunch"))
		require.True(t, netip.MustParsePrefix(outputs.vpcRange(in)).Contains(netip.MustParsePrefix(subnet.text("CidrBlock")).Addr()))
	}
	require.Len(t, zones, 2, "one subnet a zone")
	require.Empty(t, in.aws("ec2", "describe-internet-gateways", "--filters", "Name=attachment.vpc-id,Values="+vpc).list("InternetGateways"))
	require.Empty(t, in.aws("ec2", "describe-nat-gateways", "--filter", "Name=vpc-id,Values="+vpc).list("NatGateways"))
	require.Empty(t, in.aws("ec2", "describe-egress-only-internet-gateways").list("EgressOnlyInternetGateways"))

	// No route table of the VPC has a route out of it.
	endpoint := outputs.text("endpointIds.s3")
	for _, table := range in.aws("ec2", "describe-route-tables", "--filters", "Name=vpc-id,Values="+vpc).list("RouteTables") {
		for _, route := range table.list("Routes") {
			require.Contains(t, []string{"local", endpoint}, route.text("GatewayId"), "%v", route)
			for _, out := range []string{"NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId", "EgressOnlyInternetGatewayId"} {
				require.Empty(t, route.text(out), "%v", route)
			}
		}
	}
	// The stack's own check of route tables agrees.
	tables := outputs.list("routeTables")
	require.Len(t, tables, 2)
	for _, table := range tables {
		require.Equal(t, false, table.at("leavesVpc"))
		require.Len(t, table.list("routes"), 2)
		require.Equal(t, "local", table.text("routes[0].target"))
		require.Equal(t, endpoint, table.text("routes[1].target"))
	}
	// The default security group allows nothing.
	group := in.aws("ec2", "describe-security-groups", "--filters", "Name=vpc-id,Values="+vpc, "Name=group-name,Values=default").list("SecurityGroups")
	require.Len(t, group, 1)
	require.Empty(t, group[0].list("IpPermissions"))
	require.Empty(t, group[0].list("IpPermissionsEgress"))
}

func (o object) vpcRange(in *account) string {
	return in.aws("ec2", "describe-vpcs", "--vpc-ids", o.text("vpcId")).text("Vpcs[0].CidrBlock")
}

// rule is one rule of a security group, without its id.
type rule struct{ direction, protocol, from, to, source, description string }

func rules(in *account, group string) []rule {
	found := []rule{}
	for _, r := range in.aws("ec2", "describe-security-group-rules", "--filters", "Name=group-id,Values="+group).list("SecurityGroupRules") {
		direction := "in"
		if r.at("IsEgress") == true {
			direction = "out"
		}
		source := r.text("CidrIpv4") + r.text("CidrIpv6") + r.text("PrefixListId") + r.text("ReferencedGroupInfo.GroupId")
		from, to := r.text("FromPort"), r.text("ToPort")
		if r.text("IpProtocol") == "-1" {
			from, to = "", ""
		}
		found = append(found, rule{direction, r.text("IpProtocol"), from, to, source, r.text("Description")})
	}
	return found
}

func requireSecurityGroup(t *testing.T, in *account, outputs object) {
	t.Helper()
	group := outputs.text("securityGroupId")
	s3 := in.aws("ec2", "describe-prefix-lists", "--filters", "Name=prefix-list-name,Values=com.amazonaws."+in.region+".s3").text("PrefixLists[0].PrefixListId")
	require.NotEmpty(t, s3)
	require.ElementsMatch(t, []rule{
		{"in", "-1", "", "", group, "Members talk to each other"},
		{"in", "tcp", "443", "443", outputs.vpcRange(in), "HTTPS from the VPC"},
		{"out", "tcp", "443", "443", group, "HTTPS to the endpoints"},
		{"out", "tcp", "443", "443", s3, "HTTPS to S3 through its gateway endpoint"},
	}, rules(in, group))
}

func requireEndpoints(t *testing.T, in *account, outputs object) {
	t.Helper()
	services := map[string]object{}
	for _, e := range in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		services[strings.TrimPrefix(e.text("ServiceName"), "com.amazonaws."+in.region+".")] = e
	}
	require.Len(t, services, 4)
	for _, name := range []string{"ssm", "ssmmessages", "ec2messages"} {
		e := services[name]
		require.Equal(t, outputs.text("endpointIds."+name), e.text("VpcEndpointId"))
		require.Equal(t, "Interface", e.text("VpcEndpointType"))
		require.Equal(t, true, e.at("PrivateDnsEnabled"))
		require.ElementsMatch(t, outputs.at("subnetIds"), e.at("SubnetIds"))
		require.Len(t, e.list("Groups"), 1)
		require.Equal(t, outputs.text("securityGroupId"), e.text("Groups[0].GroupId"))
		require.Contains(t, e.text("PolicyDocument"), `"aws:PrincipalAccount"`)
	}
	s3 := services["s3"]
	require.Equal(t, "Gateway", s3.text("VpcEndpointType"))
	tables := map[string]bool{}
	for _, table := range outputs.list("routeTables") {
		tables[table.text("routeTableId")] = true
	}
	require.Len(t, s3.at("RouteTableIds"), len(tables))
	for _, id := range s3.at("RouteTableIds").([]any) {
		require.True(t, tables[id.(string)])
	}
}

func requireRole(t *testing.T, in *account, outputs object) {
	t.Helper()
	partition, domain := in.partition()
	role := outputs.text("roleName")
	var attached []string
	for _, policy := range in.aws("iam", "list-attached-role-policies", "--role-name", role).list("AttachedPolicies") {
		attached = append(attached, policy.text("PolicyArn"))
	}
	require.Len(t, attached, 2)
	require.Contains(t, attached, "arn:"+partition+":iam::aws:policy/AmazonSSMManagedInstanceCore")
	inline := texts(in.aws("iam", "list-role-policies", "--role-name", role).at("PolicyNames"))
	require.Len(t, inline, 1)
	require.Contains(t, inline[0], "-parameters-")
	trust := in.aws("iam", "get-role", "--role-name", role).at("Role.AssumeRolePolicyDocument")
	require.Contains(t, texts(trust), "ec2."+domain)
	profile := in.aws("iam", "get-instance-profile", "--instance-profile-name", outputs.text("instanceProfileName"))
	require.Equal(t, role, profile.text("InstanceProfile.Roles[0].RoleName"))

	for _, line := range []string{outputs.text("attachInstanceProfile"), outputs.text("replaceInstanceProfile")} {
		require.Contains(t, line, "Name="+outputs.text("instanceProfileName"))
		require.Contains(t, line, "--region "+in.region)
	}
}

func requireInstance(t *testing.T, in *account, outputs object) {
	t.Helper()
	id := outputs.text("instanceIds.app")
	instance := in.aws("ec2", "describe-instances", "--instance-ids", id).list("Reservations")[0].list("Instances")[0]
	require.Equal(t, "running", instance.text("State.Name"))
	require.Equal(t, "required", instance.text("MetadataOptions.HttpTokens"))
	require.Equal(t, "1", instance.text("MetadataOptions.HttpPutResponseHopLimit"))
	require.Empty(t, instance.text("PublicIpAddress"))
	require.Empty(t, instance.text("KeyName"))
	require.Equal(t, "t4g.nano", instance.text("InstanceType"))
	require.Equal(t, outputs.text("subnetIds[0]"), instance.text("SubnetId"))
	require.Equal(t, outputs.text("securityGroupId"), instance.text("SecurityGroups[0].GroupId"))
	require.True(t, strings.HasSuffix(instance.text("IamInstanceProfile.Arn"), "/"+outputs.text("instanceProfileName")))
	newest := in.aws("ssm", "get-parameter", "--name", "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64")
	require.Equal(t, newest.text("Parameter.Value"), instance.text("ImageId"))
	volume := in.aws("ec2", "describe-volumes", "--filters", "Name=attachment.instance-id,Values="+id).list("Volumes")
	require.Len(t, volume, 1)
	require.Equal(t, true, volume[0].at("Encrypted"))
	require.Equal(t, "gp3", volume[0].text("VolumeType"))
	require.Equal(t, "8", volume[0].text("Size"))
	require.Equal(t, "aws ssm start-session --region "+in.region+" --target "+id, outputs.text("startSession.app"))

	// The instance was created after everything that its first boot needs.
	last := map[string]int{}
	for i, call := range in.Calls() {
		last[call.Action] = i
	}
	first := slices.IndexFunc(in.Calls(), func(c emulator.Call) bool { return c.Action == "RunInstances" })
	require.Positive(t, first)
	for _, needed := range []string{"CreateVpcEndpoint", "AttachRolePolicy", "AddRoleToInstanceProfile", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress"} {
		require.Contains(t, last, needed)
		require.Less(t, last[needed], first, needed)
	}
}

func requireArchive(t *testing.T, in *account, outputs object) {
	t.Helper()
	partition, _ := in.partition()
	bucket := outputs.text("logBucket")
	require.Equal(t, "s3://"+bucket+"/sessions/", outputs.text("logLocation"))
	ask := func(call string) object { return in.aws("s3api", call, "--bucket", bucket) }
	block := ask("get-public-access-block")
	for _, setting := range []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"} {
		require.Equal(t, true, block.at("PublicAccessBlockConfiguration."+setting), setting)
	}
	require.Equal(t, "BucketOwnerEnforced", ask("get-bucket-ownership-controls").text("OwnershipControls.Rules[0].ObjectOwnership"))
	require.Equal(t, "Enabled", ask("get-bucket-versioning").text("Status"))
	require.Equal(t, "AES256", ask("get-bucket-encryption").text("ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm"))
	require.JSONEq(t, strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[
		{"Sid":"OnlyOverTLS","Effect":"Deny","Principal":"*","Action":["s3:*"],"Resource":["arn:aws:s3:::`+bucket+`","arn:aws:s3:::`+bucket+`/*"],
			"Condition":{"Bool":{"aws:SecureTransport":"false"}}},
		{"Sid":"OnlyUnderThePrefix","Effect":"Deny","Principal":"*","Action":["s3:PutObject"],"NotResource":["arn:aws:s3:::`+bucket+`/sessions/*"]},
		{"Sid":"OnlyWriters","Effect":"Deny","Principal":"*","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::`+bucket+`/*"],
			"Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/`+outputs.text("roleName")+`"}}},
		{"Sid":"NoOtherEncryption","Effect":"Deny","Principal":"*","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::`+bucket+`/*"],
			"Condition":{"Null":{"s3:x-amz-server-side-encryption":"false"},"StringNotEquals":{"s3:x-amz-server-side-encryption":["AES256","aws:kms"]}}}]}`,
		"arn:aws:", "arn:"+partition+":"), ask("get-bucket-policy").text("Policy"))
	rules := ask("get-bucket-lifecycle-configuration").list("Rules")
	require.Len(t, rules, 2)
	for _, rule := range rules {
		require.Equal(t, "Enabled", rule.text("Status"))
		switch rule.text("ID") {
		case "retention":
			require.Equal(t, "365", rule.text("Expiration.Days"))
			require.Equal(t, "365", rule.text("NoncurrentVersionExpiration.NoncurrentDays"))
		case "incomplete":
			require.Equal(t, "7", rule.text("AbortIncompleteMultipartUpload.DaysAfterInitiation"))
		default:
			t.Fatalf("an unexpected rule: %v", rule)
		}
	}
}

func document(in *account, outputs object) object {
	content := in.aws("ssm", "get-document", "--name", outputs.text("sessionDocument")).text("Content")
	var d object
	if err := json.Unmarshal([]byte(content), &d); err != nil {
		in.t.Fatalf("%v: %s", err, content)
	}
	return d
}

func requirePreferences(t *testing.T, in *account, outputs object) {
	t.Helper()
	require.Equal(t, "SSM-SessionManagerRunShell", outputs.text("sessionDocument"))
	require.Equal(t, object{
		"schemaVersion": "1.0",
		"description":   "Session preferences, managed by the Pulumi stack private-ec2-access/whole",
		"sessionType":   "Standard_Stream",
		"inputs": map[string]any{
			"s3BucketName": outputs.text("logBucket"), "s3KeyPrefix": "sessions", "s3EncryptionEnabled": true,
			"cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": false, "cloudWatchStreamingEnabled": false,
			"kmsKeyId": "", "runAsEnabled": false, "runAsDefaultUser": "", "idleSessionTimeout": "20",
		},
	}, document(in, outputs))
	described := in.aws("ssm", "describe-document", "--name", "SSM-SessionManagerRunShell")
	require.Equal(t, "Session", described.text("Document.DocumentType"))
}

// requireTags checks the tags of every resource of the stack that can have tags.
func requireTags(t *testing.T, in *account, s *stack) {
	t.Helper()
	check := func(what string, tags []object) {
		got := map[string]string{}
		for _, tag := range tags {
			got[tag.text("Key")] = tag.text("Value")
		}
		require.Equal(t, "platform", got["team"], what)
		require.Equal(t, "private-ec2-access/whole", got["private-ec2-access:stack"], what)
		require.True(t, strings.HasPrefix(got["Name"], "private-ec2-access-whole-"), "%s is named %q", what, got["Name"])
	}
	outputs := s.outputs()
	ids := []string{outputs.text("vpcId"), outputs.text("securityGroupId"), outputs.text("instanceIds.app"), outputs.text("routeTables[0].routeTableId")}
	for _, list := range []string{"subnetIds", "endpointIds"} {
		ids = append(ids, slices.DeleteFunc(texts(outputs.at(list)), func(s string) bool { return !strings.Contains(s, "-") })...)
	}
	for _, r := range in.aws("ec2", "describe-security-group-rules", "--filters", "Name=group-id,Values="+outputs.text("securityGroupId")).list("SecurityGroupRules") {
		ids = append(ids, r.text("SecurityGroupRuleId"))
	}
	ids = append(ids, in.aws("ec2", "describe-volumes").text("Volumes[0].VolumeId"))
	for _, id := range ids {
		check(id, in.aws("ec2", "describe-tags", "--filters", "Name=resource-id,Values="+id).list("Tags"))
	}
	role, profile := outputs.text("roleName"), outputs.text("instanceProfileName")
	check(role, in.aws("iam", "list-role-tags", "--role-name", role).list("Tags"))
	check(profile, in.aws("iam", "get-instance-profile", "--instance-profile-name", profile).list("InstanceProfile.Tags"))
	check("bucket", in.aws("s3api", "get-bucket-tagging", "--bucket", outputs.text("logBucket")).list("TagSet"))
	check("document", in.aws("ssm", "list-tags-for-resource", "--resource-type", "Document", "--resource-id", outputs.text("sessionDocument")).list("TagList"))
}

var (
	anyRegion    = regexp.MustCompile(`\b(us|eu|ap|ca|sa|me|af|il|mx|cn|us-gov)-(north|south|east|west|central|northeast|southeast|northwest|southwest)-[0-9]`)
	anyPartition = regexp.MustCompile(`\barn:(aws[a-z-]*):`)
	anyDomain    = regexp.MustCompile(`[a-z0-9.-]+\.(amazonaws\.com(?:\.cn)?)\b`)
)

// requireOwnRegionOnly requires that neither a request to AWS nor the stack's state names another Region or partition than the
// stack's. The state has every input, every output, and what AWS answered.
func requireOwnRegionOnly(t *testing.T, in *account, s *stack) {
	t.Helper()
	partition, domain := in.partition()
	said := map[string]string{"the state": s.must("stack", "export", "--stack", s.name)}
	for i, c := range in.Calls() {
		sent, err := url.QueryUnescape(c.Body)
		if err != nil {
			sent = c.Body // not a form
		}
		// The namespace of S3's XML is the same everywhere.
		said[fmt.Sprintf("call %d, %s:%s", i, c.Service, c.Action)] = strings.ReplaceAll(sent, "http://s3.amazonaws.com/doc/2006-03-01/", "")
	}
	seen := map[string]bool{}
	for what, text := range said {
		for _, found := range anyRegion.FindAllString(text, -1) {
			seen[found] = true
			require.Equal(t, in.region, found, "%s: %s", what, text)
		}
		for _, found := range anyPartition.FindAllStringSubmatch(text, -1) {
			seen[found[1]] = true
			require.Equal(t, partition, found[1], "%s: %s", what, text)
		}
		for _, found := range anyDomain.FindAllStringSubmatch(text, -1) {
			seen[found[1]] = true
			require.Equal(t, domain, found[1], "%s: %s in %s", what, found[0], text)
		}
	}
	require.Equal(t, map[string]bool{in.region: true, partition: true, domain: true}, seen)
}
