package main

// breakage is one way to break the program.
type breakage struct {
	name  string
	edits []edit
}

type edit struct{ file, old, new string }

var breaks = []breakage{
	// Policies and names.
	{"a trailing blank in an ARN", []edit{{"internal/scope/scope.go", `return s.BucketARN(bucket + "/*")`, `return s.BucketARN(bucket + "/* ")`}}},
	{"a hard-coded Region", []edit{{"internal/scope/scope.go", `"com.amazonaws." + s.Region + "."`, `"com.amazonaws.us-east-2."`}}},
	{"a hard-coded partition", []edit{{"internal/scope/scope.go", `[]string{"arn", s.Partition,`, `[]string{"arn", "aws",`}}},
	{"a hard-coded service principal", []edit{{"internal/scope/scope.go", `return service + "." + s.DNSSuffix`, `return service + ".amazonaws.com"`}}},
	{"a wider PutObject", []edit{{"internal/iam/instance.go", `s.ObjectsARN(archive.Bucket, archive.Prefix))
		buckets`, `s.ObjectsARN(archive.Bucket, ""))
		buckets`}}},
	{"an instance that reads its logs", []edit{{"internal/iam/instance.go", `"s3:PutObject", "s3:PutObjectAcl"`, `"s3:PutObject", "s3:PutObjectAcl", "s3:GetObject"`}}},
	{"one of the seven buckets missing", []edit{{"internal/scope/buckets.go", `		s.Region + "-birdwatcher-prod",` + "\n", ""}}},
	{"an endpoint open to other accounts", []edit{{"internal/iam/endpoint.go", `"aws:PrincipalAccount": {s.AccountID}`, `"aws:PrincipalAccount": {"*"}`}}},
	{"parameters read through their path", []edit{{"internal/iam/instance.go", `[]string{"ssm:GetParameter*"}`, `[]string{"ssm:GetParameter", "ssm:GetParameters"}`}}},
	{"session logs written by anybody", []edit{{"internal/iam/bucket.go", `"ArnNotEquals": {caller: rules.Writers}`, `"ArnEquals": {caller: rules.Writers}`}}},
	{"a bucket of Patch Manager by a wildcard", []edit{{"internal/scope/buckets.go", `"aws-patch-manager-"+s.Region+"-"+suffix`, `"aws-patch-manager-"+s.Region+"-*"`}}},
	{"operators on any instance", []edit{{"internal/iam/people.go", "		Condition: tagged,", "		Condition: when,"}}},
	{"MFA asked of the credentials of a role", []edit{{"internal/people/people.go", "MFA: g.MFA && len(g.Principals) == 0,", "MFA: g.MFA,"}}},
	{"denials for nobody", []edit{{"internal/iam/people.go", `Condition{"ArnNotEquals": {caller: g.ExemptARNs}}`, `Condition{"ArnEquals": {caller: g.ExemptARNs}}`}}},
	{"plain HTTP to the bucket", []edit{{"internal/iam/bucket.go", `"Bool": {"aws:SecureTransport": {"false"}}`, `"Bool": {"aws:SecureTransport": {"true"}}`}}},

	// The network.
	{"an internet route", []edit{{"components/network.go", "		VpcId: vpc.ID(),\n		Tags:  args.Labels.For(\"private\"),",
		"		VpcId: vpc.ID(),\n		Tags:  args.Labels.For(\"private\"),\n		Routes: ec2.RouteTableRouteArray{ec2.RouteTableRouteArgs{CidrBlock: pulumi.String(\"0.0.0.0/0\"), GatewayId: pulumi.String(\"igw-0\")}},"}}},
	{"an internet route of a NAT gateway accepted", []edit{{"internal/reach/route.go", "return err == nil && r.LeavesVPC() && !private(destination)", "return err == nil && r.LeavesVPC() && private(destination)"}}},
	{"network ACL entries in any order", []edit{{"internal/reach/acl.go", "return cmp.Compare(a.Number, b.Number)", "return cmp.Compare(b.Number, a.Number)"}}},
	{"endpoints in two subnets of a zone", []edit{{"internal/decide/network.go", `case taken[subnet.Zone] != "":`, `case false:`}}},
	{"unknown addresses of S3 taken as reached", []edit{{"internal/reach/rules.go", "unlisted && len(BlockedConnection(", "false && len(BlockedConnection("}}},
	{"a rule out of the VPC that is not judged", []edit{{"internal/reach/isolation.go", "if !within(block, l.facts.Network.Value.Ranges) && !within(block, wanted) {", "if false {"}}},
	{"a failed look-up that stops nothing", []edit{{"survey/survey.go", "failures[i] = lookUp()", "_, failures[i] = lookUp(), nil"}}},
	{"a Deny of the log bucket overlooked", []edit{{"internal/reach/bucketpolicy.go", "return is(negated || ifExists)", "return is(ifExists)"}}},
	{"an endpoint that the VPC has already created again", []edit{{"internal/decide/endpoints.go", "case !found || e.Own:", "case !found || e.ID != \"\":"}}},
	{"another stack's endpoint taken for the stack's own", []edit{{"survey/endpoints.go", "owner == s.facts.Owner() ||", `owner != "" ||`}}},
	{"an existing role that may not write session logs", []edit{{"access/logs.go", "!slices.Contains(all, arn)", "slices.Contains(all, arn)"}}},
	{"no DNS host names", []edit{{"components/network.go", "EnableDnsHostnames: pulumi.Bool(true)", "EnableDnsHostnames: pulumi.Bool(false)"}}},
	{"public addresses in the subnets", []edit{{"components/network.go", "MapPublicIpOnLaunch: pulumi.Bool(false)", "MapPublicIpOnLaunch: pulumi.Bool(true)"}}},
	{"a zone that moves subnets", []edit{{"components/network.go", `pulumi.IgnoreChanges([]string{"availabilityZone"})`, `pulumi.IgnoreChanges(nil)`}}},
	{"a missing endpoint", []edit{{"internal/endpoint/table.go", "		Name: \"ssmmessages\", Wanted: always,", "		Name: \"ssmmessages\", Wanted: func(*config.Config) bool { return false },"}}},
	{"endpoints without private DNS", []edit{{"components/endpoints.go", "PrivateDnsEnabled: pulumi.Bool(true)", "PrivateDnsEnabled: pulumi.Bool(false)"}}},
	{"narrow policies in an existing VPC", []edit{{"config/endpoints.go", "return !c.Network.Existing()", "return true"}}},
	{"a missing self-reference", []edit{{"components/security_group.go", "		ReferencedSecurityGroupId: id,\n		IpProtocol:                pulumi.String(\"-1\"),",
		"		CidrIpv4:   pulumi.String(\"10.20.0.0/16\"),\n		IpProtocol: pulumi.String(\"-1\"),"}}},
	{"HTTPS from everywhere", []edit{{"components/security_group.go", "CidrIpv4: pulumi.String(block)", `CidrIpv4: pulumi.String("0.0.0.0/0")`}}},
	{"unrestricted egress", []edit{{"components/security_group.go", `{part: "https-to-members", description: "HTTPS to the endpoints", group: id.ToStringPtrOutput()}`,
		`{part: "https-to-members", description: "HTTPS to the endpoints"}`}}},
	{"a route that is not judged", []edit{{"internal/reach/route.go", "default:\n		return true", "default:\n		return false"}}},

	// The instance.
	{"a public address", []edit{{"components/private_instance.go", "AssociatePublicIpAddress: pulumi.Bool(false)", "AssociatePublicIpAddress: pulumi.Bool(true)"}}},
	{"IMDSv1", []edit{{"components/private_instance.go", `pulumi.String("required")`, `pulumi.String("optional")`}}},
	{"credentials reachable over one hop", []edit{{"components/private_instance.go", "HttpPutResponseHopLimit: pulumi.Int(1)", "HttpPutResponseHopLimit: pulumi.Int(2)"}}},
	{"an unencrypted root volume", []edit{{"components/private_instance.go", "pulumi.Bool(true),\n			VolumeType", "pulumi.Bool(false),\n			VolumeType"}}},
	{"an unencrypted data volume", []edit{{"components/private_instance.go", "Encrypted:        pulumi.Bool(true)", "Encrypted:        pulumi.Bool(false)"}}},
	{"a data volume attached to two instances", []edit{{"components/private_instance.go", ", pulumi.DeleteBeforeReplace(true))", ")"}}},
	{"a data volume replaced when its instance moves", []edit{{"components/private_instance.go", `[]string{"availabilityZone"}`, `[]string{}`}}},
	{"a newer image replaces an instance", []edit{{"components/private_instance.go", `kept = append(kept, "ami")`, `kept = append(kept, "userData")`}}},
	{"a new image replaces a fleet at once", []edit{{"program/program.go", "instance.PinImage, instance.KeepUserData = upgrade, !upgrade", "instance.KeepUserData = !upgrade"}}},
	{"another number of zones moves a fleet", []edit{{"internal/decide/fleets.go", "if deployed && stays && at < len(load) {", "if false {"}}},
	{"a pinned image is not followed", []edit{{"components/private_instance.go", "if !args.PinImage", "if true"}}},
	{"an instance that boots too early", []edit{{"access/access.go", "slices.Concat(role.Ready, policy.Ready, group.Ready, endpoints.Ready, preferences.Ready)", "components.Ready(nil)"}}},

	// Session logs.
	{"a number instead of a string in the document", []edit{
		{"internal/session/document.go", "IdleSessionTimeout          string        `json", "IdleSessionTimeout          int           `json"},
		{"internal/session/document.go", "strconv.Itoa(p.IdleSessionTimeout)", "p.IdleSessionTimeout"},
	}},
	{"a required flag missing", []edit{{"internal/session/document.go", "`json:\"cloudWatchStreamingEnabled\"`", "`json:\"cloudWatchStreamingEnabled,omitempty\"`"}}},
	{"session logs deleted with the stack", []edit{{"components/shared.go", "pulumi.RetainOnDelete(keepRecords)", "pulumi.RetainOnDelete(false)"}}},
	{"a bucket deleted with its objects", []edit{{"components/log_archive.go", "pulumi.Bool(!args.KeepRecords)", "pulumi.Bool(true)"}}},
	{"a public bucket", []edit{{"components/log_archive.go", "BlockPublicPolicy:     pulumi.Bool(true)", "BlockPublicPolicy:     pulumi.Bool(false)"}}},
	{"an unmanaged document overwritten", []edit{{"internal/decide/document.go", "existing.Mark.Owner == owner || existing.Unmanaged() && adopt {", "existing.Mark.Owner == owner || true || adopt {"}}},

	{"a key deleted before its session logs", []edit{{"components/log_archive.go", "keep, pulumi.DependsOn(args.After))", "keep)"}}},
	{"a key deleted with its setting", []edit{{"internal/decide/logs.go", "d.CreateKey = d.ExistingKeyID != \"\" || needed", "d.CreateKey = needed"}}},
	{"another stack's document adopted", []edit{{"internal/session/existing.go", "return e.Found && e.Mark.Owner == \"\"", "return e.Found"}}},
	{"an adopted document deleted with the stack", []edit{{"components/session_preferences.go", "pulumi.RetainOnDelete(args.Adopted)", "pulumi.RetainOnDelete(false)"}}},
	{"the content of an existing version", []edit{{"internal/session/existing.go", "m.Revision = max(e.Mark.Revision, e.Latest.Mark.Revision) + 1", "m.Revision = 1"}}},
	{"a document before the resources that it names", []edit{{"access/access.go", "After: slices.Concat(to.ready, after),", "After: nil,"}}},
	{"a key replaced without the earlier one", []edit{{"internal/decide/logs.go", "if key == \"\" || same ||", "if key != \"\" || same ||"}}},
	{"a new key before its policy", []edit{{"access/logs.go", "ReplacesKey: len(l.EarlierKMSKeyARNs) > 0", "ReplacesKey: false"}}},
	{"a log location taken from open sessions", []edit{{"internal/decide/logs.go", "if keeps(location) ||", "if keeps(location) || true ||"}}},
	{"an abandoned default document without notice", []edit{{"internal/decide/document.go", "{d.facts.Document, d.facts.DefaultDocument}", "{d.facts.Document}"}}},
	{"logging required with S3 alone", []edit{{"config/logging.go", `v.check(l.CloudWatch, "logging.cloudWatch"`, `v.check(true, "logging.cloudWatch"`}}},
	{"a check of the log group promised without a key", []edit{{"internal/decide/logs.go", `case p.LogGroupName != "" && p.LogGroupEncrypted:`, `case p.LogGroupName != "":`}}},
	{"a log group that need not be encrypted", []edit{{"internal/session/document.go", `p.LogGroupName != "" && p.LogGroupEncrypted`, `false`}}},
	{"a duration that AWS may refuse", []edit{{"config/session.go", "minutes%100 < 40", "minutes%100 < 99"}}},
	{"a key for every bucket", []edit{{"internal/iam/key.go", "Condition: throughS3(s, s.BucketARN(u.Bucket)),\n			},\n			Statement{", "},\n			Statement{"}}},
	{"a session key without its context", []edit{{"internal/iam/key.go", "Condition: ofASession(),\n	})\n}\n\nvar", "})\n}\n\nvar"}}},
	{"Object Lock that stays when it is turned off", []edit{{"components/log_archive.go", "}, child, pulumi.RetainOnDelete(false), pulumi.DeletedWith(bucket), pulumi.DependsOn([]pulumi.Resource{versioning})); err", "}, append(with, pulumi.DependsOn([]pulumi.Resource{versioning}))...); err"}}},
	{"an audit that takes an unread log location for an empty one", []edit{{"internal/audit/audit.go", "case len(j.Unread) > 0:", "case false:"}}},
	{"an audit that trusts another account's session document", []edit{{"internal/audit/facts.go", "parts[4] == f.Account", "true"}}},
	{"an audit that takes a stopped trail for one that logs", []edit{{"internal/audit/audit.go", "case !t.Logging:", "case false:"}}},
	{"previous versions that expire early", []edit{{"components/log_archive.go", "NoncurrentDays: pulumi.Int(retentionDays)", "NoncurrentDays: pulumi.Int(1)"}}},

	// Alerts.
	{"no alert about a session under the account's default document", []edit{{"internal/alert/rules.go", "if w.Document != session.DefaultDocument {", "if w.Document == session.DefaultDocument {"}}},
	{"an alert topic that EventBridge cannot use", []edit{{"components/alerts.go", "KmsMasterKeyId: args.KeyARN.ToStringOutput().ToStringPtrOutput(),", `KmsMasterKeyId: pulumi.String("alias/aws/sns"),`}}},
	{"a rule before the topic's policy", []edit{{"components/alerts.go", "after = append(after, policy)", "_ = policy"}}},

	// How the program is built.
	{"a child without its parent", []edit{{"components/instance_role.go", "		Path:                optional(args.Path),\n		Tags:                args.Labels.For(\"instance\"),\n	}, child)",
		"		Path:                optional(args.Path),\n		Tags:                args.Labels.For(\"instance\"),\n	})"}}},
	{"a role without its boundary", []edit{{"components/instance_role.go", "PermissionsBoundary: optional(args.BoundaryARN)", "PermissionsBoundary: optional(\"\")"}}},
	{"a policy outside its path", []edit{{"components/instance_policy.go", "Path:        optional(args.Path)", "Path:        optional(\"\")"}}},
	{"a boundary of another account", []edit{{"internal/decide/role.go", "!strings.HasPrefix(arn, own) &&", "false &&"}}},
	{"options that leak to a child", []edit{{"components/session_preferences.go", "}, options...)", "}, append(opts, options...)...)"}}},
	{"a child with a fixed name", []edit{{"components/endpoints.go", `name+"-"+service`, `"endpoint-"+service`}}},
	{"an unsorted iteration over instances", []edit{{"config/instances.go", "for _, name := range slices.Sorted(maps.Keys(c.Instances)) {\n		i, at", "for _, name := range slices.Collect(maps.Keys(c.Instances)) {\n		i, at"}}},
	{"unsorted ranges of a VPC", []edit{{"survey/network.go", "	slices.Sort(blocks)\n", ""}}},
	{"a missing tag", []edit{{"components/endpoints.go", "	endpoint.Tags = args.Labels.For(service)\n", ""}}},
	{"a failed look-up treated as absence", []edit{{"survey/absence.go", "return err != nil && slices.ContainsFunc(absences,", "return err != nil || false && slices.ContainsFunc(absences,"}}},
	{"an endpoint dropped when a service retires", []edit{{"internal/decide/endpoints.go", "case fact.Own.Yes || fact.Offered.Yes:", "case fact.Offered.Yes:"}}},
	{"a mistake that is not reported", []edit{{"config/session.go", `v.between("session.idleSessionTimeout", s.IdleSessionTimeout, 1, 60, "minutes")`, `v.between("session.idleSessionTimeout", s.IdleSessionTimeout, 0, 60, "minutes")`}}},
	{"a stack that moves to another Region", []edit{{"internal/guard/place.go", "if len(regions) > 0 && !regions[now.Region] {", "if false {"}}},
	{"a stack that moves to another account", []edit{{"internal/guard/place.go", "if len(accounts) > 0 && !accounts[now.AccountID] {", "if false {"}}},
	{"a text that YAML changed", []edit{{"internal/settings/settings.go", "case known && text != handed:", "case false:"}}},
	{"a key beside the one that it belongs below", []edit{{"internal/settings/settings.go", "members = d.sameLevel(key, members, target.Type())", "_ = d.sameLevel"}}},
	{"a key outside of config", []edit{{"config/config.go", "	found = append(found, literals.Outside(project, c)...)\n", ""}}},
	{"a key in a misspelt namespace", []edit{{"config/config.go", "	found = append(found, literals.Elsewhere(project, raw, c)...)\n", ""}}},
	{"a key in two forms", []edit{{"config/config.go", "	found = append(found, literals.Twice(project, c)...)\n", ""}}},
	{"a Region of an unknown partition", []edit{{"config/region.go", "case !scope.Scope{Partition: partition}.Supported():", "case false:"}}},
	{"tag keys that IAM takes for one", []edit{{"config/tags.go", "case other != \"\":", "case false:"}}},
	{"a tag's length in bytes", []edit{{"config/tags.go", "length := utf8.RuneCountInString(value)", "length := len(value)"}}},
	{"a fix that leads to a second mistake", []edit{{"config/logging.go", "append(v.set(\"logging.objectLock\", \"off\").Commands, v.set(\"logging.objectLockDays\", \"0\").Commands...)", "v.set(\"logging.objectLock\", \"off\").Commands"}}},
	{"a real key in the local emulator", []edit{{"internal/guard/guard.go", `endpoint != "" && key != EmulatorKey`, `false && key != EmulatorKey`}}},
	{"an emulator's key on a real account", []edit{{"internal/guard/guard.go", `if key := environ["AWS_ACCESS_KEY_ID"]; key == EmulatorKey {`, `if key := environ["AWS_ACCESS_KEY_ID"]; false {`}}},
}
