package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// moment is a moment at which a command is killed: AWS has handled the call, and Pulumi does not have the answer.
type moment struct {
	operation string // as the state calls it
	resource  string // its type
	action    string // the call
}

var (
	creations = []moment{
		{"creating", "aws:ssm/document:Document", "CreateDocument"},
		{"creating", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "AuthorizeSecurityGroupIngress"},
		{"creating", "aws:ec2/vpc:Vpc", "CreateVpc"},
		{"creating", "aws:ec2/subnet:Subnet", "CreateSubnet"},
		{"creating", "aws:ec2/routeTableAssociation:RouteTableAssociation", "AssociateRouteTable"},
		{"creating", "aws:ec2/securityGroup:SecurityGroup", "CreateSecurityGroup"},
		{"creating", "aws:ec2/vpcEndpoint:VpcEndpoint", "CreateVpcEndpoint"},
		{"creating", "aws:iam/role:Role", "CreateRole"},
		{"creating", "aws:iam/instanceProfile:InstanceProfile", "CreateInstanceProfile"},
		{"creating", "aws:ec2/instance:Instance", "RunInstances"},
	}
	deletions = []moment{
		{"deleting", "aws:ec2/instance:Instance", "TerminateInstances"},
		{"deleting", "aws:ec2/vpcEndpoint:VpcEndpoint", "DeleteVpcEndpoints"},
		{"deleting", "aws:ec2/routeTableAssociation:RouteTableAssociation", "DisassociateRouteTable"},
		{"deleting", "aws:iam/instanceProfile:InstanceProfile", "DeleteInstanceProfile"},
		{"deleting", "aws:ec2/vpc:Vpc", "DeleteVpc"},
	}
)

// A killed command leaves a lock, pending operations, and resources that are not in the state. The next command continues
// from there; it starts neither the state nor the account afresh.
func TestRecovery_KilledCommand_NextCommandContinues(t *testing.T) {
	t.Parallel()
	create, remove := creations[:2], deletions[:1]
	if long(t) {
		create, remove = creations, deletions
	}
	r := newRecovery(t)

	var created, deleted [][]string
	for i, m := range create {
		created = append(created, r.killedUp(m))
		if i < len(remove) {
			deleted = append(deleted, r.killedDestroy(remove[i], i%2 == 1))
		}
		if i < len(create)-1 {
			r.must("make", "destroy")
			require.Empty(t, r.account(), m.action)
		}
		t.Logf("recovered: %s", m.action)
	}
	out := r.must("make", "preview", "ARGS=--refresh --expect-no-changes")
	require.NotRegexp(t, `\d+ (created|updated|deleted|replaced)`, out)
	report(t, "The next command continues", slices.Concat(
		[][]string{{"killed at", "command", "in the state", "in the account", "next command", "result", "seconds"}}, created, deleted))
}

const logsHeading = "Session logs are kept"

// Session logs survive a destroy that is killed, at whatever moment.
func TestDestroy_KilledWithLogsKept_SessionLogsStay(t *testing.T) {
	t.Parallel()
	moments := deletions[:1]
	if long(t) {
		moments = deletions
	}
	rows := [][]string{{"destroy killed at", "deleted by then", "next command", "result", "seconds"}}
	r := newRecovery(t)
	config := func(line string) {
		t.Helper()
		out, err := r.shell("pulumi config " + line)
		require.NoError(t, err, out)
	}
	config("rm --path private-ec2-access:logging.bucketName")
	config("set private-ec2-access:keepRecords true")

	// The engine chooses a bucket's name, so a killed update leaves a bucket that is
	// not in the state.
	r.killedUp(moment{"creating", "aws:s3/bucketV2:BucketV2", "CreateBucket"})
	for i, m := range moments {
		if i > 0 {
			r.must("make", "up")
		}
		var outputs object
		require.NoError(t, json.Unmarshal([]byte(r.must("bash", "-c", "make -s outputs 2>/dev/null")), &outputs))
		bucket, role := outputs.text("logBucket"), outputs.text("roleName")
		for _, text := range []string{"the first", "the second"} {
			file := filepath.Join(t.TempDir(), "session.log")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			r.as(role, "s3api", "put-object", "--bucket", bucket, "--key", "sessions/user-0123.log", "--body", file)
		}
		versions := r.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions")
		require.Len(t, versions, 2)

		before := r.account()
		r.killed("destroy", m)
		gone := missing(before, r.account())
		require.NotContains(t, gone, bucket, m.action)
		require.Equal(t, versions, r.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions"), m.action)
		start := time.Now()
		out := r.must("make", "destroy")
		took := seconds(start)
		require.Contains(t, out, "Kept: the log bucket "+bucket, m.action)
		require.Equal(t, versions, r.aws("s3api", "list-object-versions", "--bucket", bucket).at("Versions"), m.action)
		got := filepath.Join(t.TempDir(), "session.log")
		r.aws("s3api", "get-object", "--bucket", bucket, "--key", "sessions/user-0123.log", got)
		text, err := os.ReadFile(got)
		require.NoError(t, err)
		require.Equal(t, "the second", string(text))
		require.Equal(t, "true", r.aws("s3api", "get-public-access-block", "--bucket", bucket).text("PublicAccessBlockConfiguration.BlockPublicPolicy"))
		require.Contains(t, r.aws("s3api", "get-bucket-policy", "--bucket", bucket).text("Policy"), "aws:SecureTransport")
		require.Equal(t, []string{bucket}, r.account(), m.action)
		r.others = append(r.others, bucket)
		rows = append(rows, []string{m.action, fmt.Sprintf("%d of %d", len(gone), len(before)), "destroy", "only the bucket is left, with " + count(len(versions.([]any)), "version"), took})
		t.Logf("the session logs are unchanged: %s", m.action)
	}
	report(t, logsHeading, rows)
}

// killedUp returns a row of the report.
func (r *recovery) killedUp(m moment) []string {
	r.t.Helper()
	before := r.killed("up", m)
	left := missing(r.account(), before)
	require.NotEmpty(r.t, left, "%s: the kill left nothing behind", m.action)
	start := time.Now()
	out := r.must("make", "up")
	took := seconds(start)
	require.Contains(r.t, out, "left the stack locked", m.action)
	require.Contains(r.t, out, "So pending operations are cleared", m.action)
	require.Contains(r.t, out, "Deleted, because the state does not contain it", m.action)
	r.requireSame(before, "an up that was killed at "+m.action)
	return []string{m.action, "up", strconv.Itoa(len(before)), count(len(left), "resource") + " that the state lacks", "up",
		fmt.Sprintf("%d deleted, %d kept with their IDs, %d created", len(left), len(before), len(r.state())-len(before)), took}
}

// killedDestroy continues with an up that restores everything, or with the destroy. It returns a row of the report.
func (r *recovery) killedDestroy(m moment, up bool) []string {
	r.t.Helper()
	after := "a destroy that was killed at " + m.action
	before := r.killed("destroy", m)
	gone := missing(before, r.account())
	require.NotEmpty(r.t, gone, "%s: the kill came too early", m.action)
	row := []string{m.action, "destroy", strconv.Itoa(len(before)), fmt.Sprintf("%d of them deleted", len(gone))}
	start := time.Now()
	if !up {
		r.must("make", "destroy")
		row = append(row, "destroy", "state and account are empty", seconds(start))
		require.Empty(r.t, r.state(), after)
		r.requireSame(nil, after)
		return row
	}
	out := r.must("make", "up")
	row = append(row, "up", fmt.Sprintf("%d kept with their IDs, %d created", len(before)-len(gone), len(r.state())-len(before)+len(gone)), seconds(start))
	require.NotContains(r.t, out, "Deleted, because", after)
	r.requireSame(missing(before, gone), after)
	return row
}

// recovery is a clone with an account of the local emulator.
type recovery struct {
	*clone
	*awsCLI
	in      running  // the emulator
	exports string   // what make env prints
	others  []string // what was in the account before
}

func newRecovery(t *testing.T) *recovery {
	t.Helper()
	r := &recovery{clone: newClone(t, "").withTools()}
	// The emulator is started here, so that it is no child of a command that is killed.
	r.exports = r.must("bash", "-c", "make -s env 2>/dev/null")
	r.onExistingBucket("existing-logs")
	r.in = emulatorOf(t, r.dir)
	r.awsCLI = cliOf(t, r.in)
	r.others = r.account()
	return r
}

// shell is the clone's shell without a `make env` for each line.
func (r *recovery) shell(line string) (string, error) {
	return r.run("bash", "-c", r.exports+line)
}

func (r *recovery) ask(method, path string, body any, answer any) {
	r.t.Helper()
	r.in.ask(r.t, method, path, body, answer)
}

// killed runs a command, kills it at the moment, and returns the ids in the state then.
//
// The emulator delays the call. Meanwhile the engine is stopped, so that it cannot receive the answer. When the call has
// been answered, all processes are killed.
func (r *recovery) killed(command string, m moment) []string {
	r.t.Helper()
	var ignored any
	r.ask("DELETE", "calls", nil, &ignored)
	r.ask("POST", "rules", map[string]any{"name": "hold back", "action": m.action, "delay": "4s"}, &ignored)
	defer r.ask("DELETE", "rules", nil, &ignored)

	var out bytes.Buffer
	cmd := r.command("make", command)
	cmd.Stdout, cmd.Stderr = &out, &out
	// Pipes that a plugin inherits must not keep Wait waiting.
	cmd.WaitDelay = time.Second
	require.NoError(r.t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	var processes []int
	defer func() {
		for _, pid := range processes { // one that was stopped would stay for ever
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	until := func(what string, reached func() bool) {
		r.t.Helper()
		for deadline := time.Now().Add(3 * time.Minute); !reached(); time.Sleep(20 * time.Millisecond) {
			select {
			case <-ended:
				require.FailNow(r.t, "the command ended before "+what, out.String())
			default:
				require.True(r.t, time.Now().Before(deadline), "%s: not seen in time", what)
			}
		}
	}
	until(m.operation+" "+m.resource, func() bool { return r.pending(m) })
	time.Sleep(time.Second) // the state is written before the plugin is asked
	processes = descendants(cmd.Process.Pid)
	engine := slices.IndexFunc(processes, func(pid int) bool { return programOf(pid) == "pulumi" })
	require.GreaterOrEqual(r.t, engine, 0, "no engine runs")
	require.NoError(r.t, syscall.Kill(processes[engine], syscall.SIGSTOP))
	until("the answer to "+m.action, func() bool {
		var calls []object
		r.ask("GET", "calls?action="+m.action, nil, &calls)
		return slices.ContainsFunc(calls, func(c object) bool { return c.text("status") == "200" })
	})
	for _, pid := range processes {
		_ = syscall.Kill(pid, syscall.SIGKILL) // its parent's end may have ended it
	}
	processes = nil
	<-ended
	require.True(r.t, r.pending(m), "%s: the engine heard of the answer\n%s", m.action, out.String())
	return r.state()
}

// pending reads the backend's file, because Pulumi would take a second.
func (r *recovery) pending(m moment) bool {
	text, err := os.ReadFile(filepath.Join(r.dir, ".local", "state", ".pulumi", "stacks", "private-ec2-access", "local.json"))
	var file object
	if err != nil || json.Unmarshal(text, &file) != nil {
		return false // it is being written
	}
	return slices.ContainsFunc(file.list("checkpoint.latest.pending_operations"), func(o object) bool {
		return o.text("type") == m.operation && o.text("resource.type") == m.resource
	})
}

// descendants returns a process and its descendants, parents first.
func descendants(root int) []int {
	list := []int{root}
	for i := 0; i < len(list); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", list[i]))
		for _, task := range tasks {
			text, _ := os.ReadFile(task) // it may have ended
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil {
					list = append(list, pid)
				}
			}
		}
	}
	return list
}

func programOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

// Types in the state whose ids can be listed in the account. The other types are attributes of these, or are created and
// deleted with them.
var listedKinds = []string{
	"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable", "aws:ec2/routeTableAssociation:RouteTableAssociation",
	"aws:ec2/securityGroup:SecurityGroup", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
	"aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/instance:Instance", "aws:s3/bucketV2:BucketV2",
	"aws:iam/role:Role", "aws:iam/policy:Policy", "aws:iam/instanceProfile:InstanceProfile", "aws:ssm/document:Document",
}

// state lists the ids in the state.
func (r *recovery) state() []string {
	r.t.Helper()
	out, err := r.shell("pulumi stack export")
	require.NoError(r.t, err, out)
	var state object
	require.NoError(r.t, json.Unmarshal([]byte(out), &state), out)
	var ids []string
	for _, resource := range state.list("deployment.resources") {
		if slices.Contains(listedKinds, resource.text("type")) {
			ids = append(ids, resource.text("id"))
		}
	}
	return ids
}

// Lists every resource of these types in the account, whoever created it, except those that AWS creates in every VPC. It
// does not filter by tags, so that a resource without its tags is found.
const listAccount = `
import boto3, json
ec2, iam, ssm, s3, kms, logs = (boto3.client(name) for name in ("ec2", "iam", "ssm", "s3", "kms", "logs"))
of_aws = [a.get("TargetKeyId") for a in kms.list_aliases()["Aliases"] if a["AliasName"].startswith("alias/aws/")]
tables = ec2.describe_route_tables()["RouteTables"]
groups = [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"]
associations = [a for t in tables for a in t["Associations"]]
print(json.dumps(
    [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]]
    + [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
    + [t["RouteTableId"] for t in tables if not any(a["Main"] for a in t["Associations"])]
    + [a["RouteTableAssociationId"] for a in associations if not a["Main"]]
    + groups
    + [r["SecurityGroupRuleId"] for r in ec2.describe_security_group_rules()["SecurityGroupRules"] if r["GroupId"] in groups]
    + [e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["State"].lower() != "deleted"]
    + [i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"] if i["State"]["Name"] != "terminated"]
    + [r["RoleName"] for r in iam.list_roles()["Roles"]]
    + [p["Arn"] for p in iam.list_policies(Scope="Local")["Policies"]]
    + [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]]
    + [d["Name"] for d in ssm.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])["DocumentIdentifiers"]]
    + [b["Name"] for b in s3.list_buckets()["Buckets"]]
    + [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
    + [k for k in (key["KeyId"] for key in kms.list_keys()["Keys"]) if k not in of_aws and kms.describe_key(KeyId=k)["KeyMetadata"]["KeyState"] == "Enabled"]
))
`

// account lists the ids in the account that were not there before the test.
func (r *recovery) account() []string {
	r.t.Helper()
	script := filepath.Join(r.t.TempDir(), "list.py")
	require.NoError(r.t, os.WriteFile(script, []byte(listAccount), 0o600))
	out, err := r.shell(setting(r.t, "EMULATOR_PYTHON") + " " + script)
	require.NoError(r.t, err, out)
	var ids []string
	require.NoError(r.t, json.Unmarshal([]byte(out), &ids), out)
	return missing(ids, r.others)
}

// missing returns the ids of the first list that are not in the second.
func missing(ids, in []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(in, id) })
}

// requireSame requires account and state to have the same ids, including all earlier ones, and the emulator not to have been
// restarted.
func (r *recovery) requireSame(before []string, after string) {
	r.t.Helper()
	state := r.state()
	require.ElementsMatch(r.t, r.account(), state, after)
	require.Empty(r.t, missing(before, state), "%s: lost", after)
	require.Equal(r.t, r.in.Instance, emulatorOf(r.t, r.dir).Instance, after)
}

// Creates resources beside a stack's own, and prints the ids that the sweep must delete and those that must stay:
// {"go": [...], "stay": [...]}, and a state with those that it has.
const besideItsOwn = `
import boto3, json
ec2, iam, ssm, s3, kms, logs = (boto3.client(name) for name in ("ec2", "iam", "ssm", "s3", "kms", "logs"))
own = [{"Key": "private-ec2-access:stack", "Value": "private-ec2-access/local"}]
other = [{"Key": "private-ec2-access:stack", "Value": "private-ec2-access/other"}]
go, stay, known = [], [], []

def tags(kind, of): return [{"ResourceType": kind, "Tags": of}]

def network(of):
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tags("vpc", of))["Vpc"]["VpcId"]
    default = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]["GroupId"]
    ec2.create_tags(Resources=[default], Tags=of)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24", TagSpecifications=tags("subnet", of))["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table", of))["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    group = ec2.create_security_group(GroupName="access", Description="x", VpcId=vpc, TagSpecifications=tags("security-group", of))["GroupId"]
    return vpc, subnet, table, association, group

def rule(group, of, port):
    allowed = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}]
    more = {"TagSpecifications": tags("security-group-rule", of)} if of else {}
    return ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=allowed, **more)["SecurityGroupRules"][0]["SecurityGroupRuleId"]

# In the state, with a rule and a subnet that somebody added with the AWS CLI; outside it, what a killed command created.
vpc, subnet, table, association, group = network(own)
known += [vpc, subnet, table, association, group]
stay += known + [rule(group, None, 22)]
added = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.2.0/24")["Subnet"]["SubnetId"]
stay += [added, ec2.associate_route_table(SubnetId=added, RouteTableId=table)["AssociationId"]]
second = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.3.0/24", TagSpecifications=tags("subnet", own))["Subnet"]["SubnetId"]
known += [second]
stay += [second]
go += [rule(group, own, 443), ec2.associate_route_table(SubnetId=second, RouteTableId=table)["AssociationId"]]
go += [*network(own)]
stay += [*network(other)]

for of, to in ((own, go), (other, stay), ([], stay)):
    name = "private-ec2-access-instance-" + str(len(to))
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Tags=of)
    policy = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(allow), Tags=of)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName=name + "-profile", Tags=of)
    iam.add_role_to_instance_profile(InstanceProfileName=name + "-profile", RoleName=name)
    to += [name, policy, name + "-profile"]

for name, description, to in (
    ("SSM-SessionManagerRunShell", "Session preferences, managed by the Pulumi stack private-ec2-access/local", go),
    ("of-another-stack", "Session preferences, managed by the Pulumi stack private-ec2-access/local-2", stay),
    ("of-nobody", "mine", stay),
):
    content = {"schemaVersion": "1.0", "description": description, "sessionType": "Standard_Stream", "inputs": {}}
    ssm.create_document(Name=name, DocumentType="Session", Content=json.dumps(content))
    to += [name]

def bucket(number, of, to, policy=False, log=False, name="private-ec2-access-logs-2026112322333990220000000"):
    name += str(number)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    if of: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": of})
    if policy:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    if log: s3.put_object(Bucket=name, Key="sessions/a.log", Body=b"x")
    to += [name]

bucket(1, own, go)
bucket(2, None, go)                  # killed before its tags
bucket(3, own, stay, policy=True)    # kept by a destroy, although nothing is in it
bucket(4, own, stay, log=True)
bucket(5, other, stay)
bucket(6, None, stay, name="private-ec2-access-logs-mine-")

def key(of, to, policy=None, alias=None, state=False):
    more = {"Policy": json.dumps(policy)} if policy else {}
    id = kms.create_key(Tags=[{"TagKey": t["Key"], "TagValue": t["Value"]} for t in of], **more)["KeyMetadata"]["KeyId"]
    if alias: kms.create_alias(AliasName=alias, TargetKeyId=id)
    if state: known.append(id)
    to += [id]

administer = {"Sid": "Administer", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:Get*", "Resource": "*"}
key(own, go)  # killed before the alias
key(own, stay, alias="alias/private-ec2-access-local")  # the program reuses it
key(own, stay, policy={"Version": "2012-10-17", "Statement": [administer]})  # kept by a destroy
key(own, stay, state=True)
key(other, stay)
key([], stay)

def group(name, of, to, retention=None, stream=False, state=False):
    logs.create_log_group(logGroupName=name, tags={t["Key"]: t["Value"] for t in of})
    if retention: logs.put_retention_policy(logGroupName=name, retentionInDays=retention)
    if stream: logs.create_log_stream(logGroupName=name, logStreamName="session")
    if state: known.append(name)
    to += [name]

group("/killed", own, go)  # before its retention
group("/kept", own, stay, retention=365)
group("/kept-for-good", own, stay, stream=True)
group("/in-the-state", own, stay, state=True)
group("/of-another-stack", other, stay)
group("/of-nobody", [], stay)

print(json.dumps({"go": go, "stay": stay, "state": {"deployment": {
    "resources": [{"custom": True, "id": id} for id in known],
    "pending_operations": [{"type": "creating", "resource": {"type": t}} for t in ("aws:s3/bucketV2:BucketV2", "aws:cloudwatch/logGroup:LogGroup")],
}}}))
`

// The sweep deletes only resources that this stack created and that are not in its state: no resource of another stack, none
// that somebody created in the account, and never a session log.
func TestRecovery_Sweep_DeletesOnlyOwnResources(t *testing.T) {
	t.Parallel()
	in := newAccount(t, "us-east-2")
	python := func(input, file string, args ...string) []byte {
		cmd := exec.Command(setting(t, "EMULATOR_PYTHON"), append([]string{file}, args...)...)
		cmd.Env, cmd.Stdin = in.environment(), strings.NewReader(input)
		var problem bytes.Buffer
		cmd.Stderr = &problem
		out, err := cmd.Output()
		require.NoError(t, err, problem.String())
		return out
	}
	script := func(text string) []byte {
		file := filepath.Join(t.TempDir(), "script.py")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return python("", file)
	}
	var made struct {
		Go, Stay []string
		State    json.RawMessage
	}
	require.NoError(t, json.Unmarshal(script(besideItsOwn), &made))
	sweep := filepath.Join(project(t), "tools", "emulator", "moto", "sweep.py")
	var report []object
	require.NoError(t, json.Unmarshal(python(string(made.State), sweep, "private-ec2-access/local"), &report))
	var deleted []string
	for _, found := range report {
		require.Nil(t, found["error"], "%v", found)
		deleted = append(deleted, found.text("id"))
	}
	require.ElementsMatch(t, made.Go, deleted)
	var left []string
	require.NoError(t, json.Unmarshal(script(listAccount), &left))
	require.Subset(t, left, made.Stay)
	require.Empty(t, missing(made.Go, missing(made.Go, left)), "still there")
	require.JSONEq(t, "[]", string(python(string(made.State), sweep, "private-ec2-access/local")), "there is nothing left to do")
}
