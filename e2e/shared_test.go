package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// terraformNetwork is a VPC with two private subnets, and the role of an application, made by Terraform.
const terraformNetwork = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}
provider "aws" {
  region                      = "us-east-2"
  skip_credentials_validation = true
}
data "aws_availability_zones" "available" { state = "available" }
resource "aws_vpc" "main" {
  cidr_block           = "10.60.0.0/16"
  enable_dns_hostnames = true
}
resource "aws_route_table" "private" { vpc_id = aws_vpc.main.id }
resource "aws_subnet" "private" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet("10.60.0.0/16", 8, count.index)
  availability_zone = data.aws_availability_zones.available.names[count.index]
}
resource "aws_route_table_association" "private" {
  count          = 2
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}
resource "aws_iam_role" "app" {
  name               = "billing"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
resource "aws_iam_role_policy" "app" {
  role   = aws_iam_role.app.name
  name   = "queue"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sqs:SendMessage", Resource = "*" }] })
}
resource "aws_iam_role_policy_attachment" "core" {
  role       = aws_iam_role.app.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}
resource "aws_iam_instance_profile" "app" {
  name = "billing"
  role = aws_iam_role.app.name
}
output "vpc" { value = aws_vpc.main.id }
output "subnets" { value = aws_subnet.private[*].id }
`

// neighbourhood is a checkout with the stacks local and second, in a VPC of Terraform's with two instances of others.
type neighbourhood struct {
	*desk
	vpc            string
	subnets        []any
	billing, plain string // instances: one with a role of its own, one without an instance profile
}

func newNeighbourhood(t *testing.T) *neighbourhood {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("there is no terraform on PATH, which makes the network")
	}
	c := newClone(t, "http://127.0.0.1:1").withTools()
	c.must("make", "env") // starts the local emulator
	c.onExistingBucket("session-records")
	n := &neighbourhood{desk: deskOf(c, emulatorOf(t, c.dir))}
	n.aws("s3api", "put-bucket-encryption", "--bucket", "session-records", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`)
	n.terraform("apply", "-auto-approve")
	var outputs object
	require.NoError(t, json.Unmarshal([]byte(n.terraform("output", "-json")), &outputs))
	n.vpc, n.subnets = outputs.text("vpc.value"), outputs.at("subnets.value").([]any)

	subnet := fmt.Sprint(n.subnets[1])
	n.billing = n.launch("--subnet-id", subnet, "--iam-instance-profile", "Name=billing")
	n.plain = n.launch("--subnet-id", subnet, "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=batch},{Key=Role,Value=batch}]")

	network := map[string]any{"vpcId": n.vpc, "subnetIds": n.subnets}
	n.configure("local", map[string]any{
		"network": network, "endpoints": map[string]any{"ec2messages": "never"}, "session": map[string]any{"documentName": "private-ec2-access-local"},
		"existingInstances": map[string]any{"billing": map[string]any{"instanceId": n.billing}, "batch": map[string]any{"tags": map[string]any{"Role": "batch"}}},
	})
	n.configure("second", map[string]any{
		"network": network, "endpoints": map[string]any{"ec2messages": "never"}, "session": map[string]any{"documentName": "private-ec2-access-second"},
	})
	return n
}

// terraform runs Terraform on the network, with the provider of this machine's mirror.
func (n *neighbourhood) terraform(args ...string) string {
	n.t.Helper()
	dir := filepath.Join(n.dir, ".local", "terraform")
	run := func(args ...string) string {
		cmd := exec.Command("terraform", args...)
		cmd.Dir = dir
		cmd.Env = append(slices.Clone(n.awsCLI.environ), "TF_IN_AUTOMATION=true", "CHECKPOINT_DISABLE=true", "TF_INPUT=false", "TF_CLI_ARGS=-no-color", "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraform.tfrc"))
		out, err := cmd.Output()
		var failed *exec.ExitError
		if err != nil {
			failed, _ = err.(*exec.ExitError) //nolint:errorlint // cmd.Output gives this type itself
			require.NoError(n.t, err, "terraform %v\n%s\n%s", args, out, failed.Stderr)
		}
		return string(out)
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		require.NoError(n.t, os.MkdirAll(dir, 0o755))
		require.NoError(n.t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(terraformNetwork), 0o644))
		rc := ""
		if mirror := os.Getenv("STANDIN_MIRROR"); mirror != "" {
			rc = fmt.Sprintf("provider_installation {\n  filesystem_mirror { path = %q }\n}\n", mirror)
		}
		require.NoError(n.t, os.WriteFile(filepath.Join(dir, "terraform.tfrc"), []byte(rc), 0o644))
		run("init")
	}
	return run(args...)
}

// configure gives a stack of the checkout keys; a new stack has those of local that make it a stack on the emulator.
func (n *neighbourhood) configure(stack string, own map[string]any) {
	n.t.Helper()
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	text, err := os.ReadFile(filepath.Join(n.dir, "Pulumi.local.yaml"))
	require.NoError(n.t, err)
	require.NoError(n.t, yaml.Unmarshal(text, &file))
	const namespace = "private-ec2-access:" // which Pulumi writes before each key
	delete(file.Config, namespace+"existingInstances")
	for key, value := range own {
		file.Config[namespace+key] = value
	}
	text, err = yaml.Marshal(file)
	require.NoError(n.t, err)
	require.NoError(n.t, os.WriteFile(filepath.Join(n.dir, "Pulumi."+stack+".yaml"), text, 0o644))
}

// make runs a make command on a stack.
func (n *neighbourhood) make(command, stack string, more ...string) string {
	n.t.Helper()
	return n.must("make", append([]string{command, "STACK=" + stack}, more...)...)
}

// unmade requires it to fail.
func (n *neighbourhood) unmade(command, stack string, more ...string) string {
	n.t.Helper()
	out, err := n.run("make", append([]string{command, "STACK=" + stack}, more...)...)
	require.Error(n.t, err, out)
	return out
}

func (n *neighbourhood) ids(stack string) object {
	n.t.Helper()
	out, problems, code := n.do("outputs", "--stack", stack)
	require.Zero(n.t, code, problems)
	var o object
	require.NoError(n.t, json.Unmarshal([]byte(out), &o))
	ids, _ := o.at("instanceIds").(map[string]any)
	return ids
}

// endpoints are the ids of the VPC's endpoints by service.
func (n *neighbourhood) endpoints() map[string]string {
	n.t.Helper()
	found := map[string]string{}
	for _, e := range n.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		service := e.text("ServiceName")
		service = service[strings.LastIndexByte(service, '.')+1:]
		require.Empty(n.t, found[service], "two endpoints for %s", service)
		found[service] = e.text("VpcEndpointId")
	}
	return found
}

// reaches requires make wait to judge the way of each of a stack's instances to its endpoints. The agents are silent
// meanwhile: the simulated ones are online whatever the network is.
func (n *neighbourhood) reaches(stack string, reached bool) {
	n.t.Helper()
	for name, id := range n.ids(stack) {
		n.ask(n.t, "PUT", "agents/"+fmt.Sprint(id), object{"status": "never"}, nil)
		out := n.unmade("wait", stack, "INSTANCE="+name, "TIMEOUT=1s")
		for _, service := range []string{"ssm", "ssmmessages"} {
			if reached {
				require.Regexp(n.t, `ok +endpoint `+service+`: vpce-\w+: available, private DNS on, 2 subnets, reachable by security groups and network ACLs`, out, "%s of %s", name, stack)
			} else {
				require.Regexp(n.t, `missing +endpoint `+service+`: there is none in `+n.vpc, out, "%s of %s", name, stack)
			}
		}
		if reached {
			require.Regexp(n.t, `ok +the subnet has a route to S3`, out)
			// An agent that was just launched may still come.
			require.Regexp(n.t, `No problem found\.|First to fix: the agent reports: it has never reported`, out)
		} else {
			require.Contains(n.t, out, "First to fix: endpoint ssm: there is none in "+n.vpc+"\n    make up STACK="+stack)
		}
		n.ask(n.t, "PUT", "agents/"+fmt.Sprint(id), object{"status": "online"}, nil)
	}
	require.Contains(n.t, n.make("wait", stack), "online, agent")
}

// others is what the instances of others and their role have.
func (n *neighbourhood) others() string {
	n.t.Helper()
	var found []any
	for _, id := range []string{n.billing, n.plain} {
		i := n.aws("ec2", "describe-instances", "--instance-ids", id)
		found = append(found, i.at("Reservations[0].Instances[0].IamInstanceProfile"), i.at("Reservations[0].Instances[0].SecurityGroups"),
			i.at("Reservations[0].Instances[0].State"), i.at("Reservations[0].Instances[0].Tags"), i.at("Reservations[0].Instances[0].SubnetId"))
	}
	role, _ := n.aws("iam", "get-role", "--role-name", "billing").at("Role").(map[string]any)
	delete(role, "RoleLastUsed") // a session log was uploaded with it
	found = append(found, n.aws("iam", "list-attached-role-policies", "--role-name", "billing"), n.aws("iam", "list-role-policies", "--role-name", "billing"), role)
	text, err := json.MarshalIndent(found, "", " ")
	require.NoError(n.t, err)
	return string(text)
}

// Two stacks share a VPC of Terraform's and its endpoints, whichever of them has these, and two instances of others are
// brought in, used and let go. What the others had before is as it was.
//
// An endpoint of the emulator carries no traffic, and its Session Manager asks neither endpoints nor roles: that make wait is
// right is judged by what it reads back, not by a connection.
func TestStacks_TwoInOneVPC_ShareEndpoints(t *testing.T) {
	t.Parallel()
	if !long(t) {
		return // it takes minutes. The decisions have a test in internal/decide, and the commands in tools/stack
	}
	start := time.Now()
	step := func(name string) { t.Logf("%5.1f s  %s", time.Since(start).Seconds(), name) }
	n := newNeighbourhood(t)
	before := n.others()
	step("network and instances of others")

	out := n.make("up", "local")
	require.Contains(t, out, "batch-"+n.plain+" ("+n.plain+"), which had none. make destroy detaches it.")
	require.Contains(t, out, "the role billing of billing ("+n.billing+") gets this stack's policy")
	first := n.endpoints()
	require.Len(t, first, 3)
	step("local is up")
	n.aws("ssm", "update-service-setting", "--setting-id", "/ssm/managed-instance/default-ec2-instance-management-role", "--setting-value", "service-role/Default")
	out = n.make("preview", "local", "ARGS=--expect-no-changes --refresh")
	require.Contains(t, out, "Default Host Management Configuration is on in us-east-2", "the emulator's setting is the account's")
	n.reaches("local", true)
	step("local reaches its endpoints")

	// An instance that Terraform's role and the AWS CLI made: connected to, recorded.
	p := n.terminal(120, nil, "make", "connect", "INSTANCE=billing")
	id := p.opens()
	p.types("echo sum-$((40+2))\r")
	p.sees(`sum-42\n`)
	p.types("exit\r")
	require.Zero(t, p.ends(), p.text())
	record, problems, code := n.do("record", "--session", id)
	require.Zero(t, code, problems)
	require.Contains(t, record, "sum-42")
	require.Regexp(t, regexp.QuoteMeta(id)+` +\S+ +billing `, n.make("history", "local"))
	step("session on an existing instance")

	out = n.make("up", "second")
	require.Contains(t, out, "(of the stack private-ec2-access/local)")
	require.Equal(t, first, n.endpoints(), "the second stack uses the endpoints of the first")
	step("second is up")
	n.reaches("second", true)
	n.make("preview", "local", "ARGS=--expect-no-changes")

	out = n.unmade("destroy", "local")
	require.Contains(t, out, "instances of the stack private-ec2-access/second: private-ec2-access-second-app ("+n.ids("second").text("app")+")")
	require.NotContains(t, out, n.billing, "an instance that is let go is not cut off against its owner's will")
	require.Equal(t, first, n.endpoints())
	require.Contains(t, n.make("destroy", "local", "CUT_OFF=1"), "Detached: the deleted instance profile")
	require.Equal(t, before, n.others(), "what others had before is as it was")
	step("local is destroyed")
	n.reaches("second", false)
	n.make("up", "second")
	second := n.endpoints()
	require.Len(t, second, 3)
	n.reaches("second", true)
	step("second has endpoints of its own")

	// The other order. This time the stack without endpoints is destroyed first, and an instance is let go by the config.
	n.make("up", "local")
	require.Equal(t, second, n.endpoints())
	n.reaches("local", true)
	n.reaches("second", true)
	n.configure("local", map[string]any{
		"network": map[string]any{"vpcId": n.vpc, "subnetIds": n.subnets}, "endpoints": map[string]any{"ec2messages": "never"}, "session": map[string]any{"documentName": "private-ec2-access-local"},
	})
	require.Contains(t, n.make("up", "local"), "which the config no longer names. It has none now, as before.")
	require.Equal(t, before, n.others())
	step("instances of others are let go")
	n.make("destroy", "local")
	n.reaches("second", true)
	require.Contains(t, n.unmade("destroy", "second"), "other instances: batch ("+n.plain+"), "+n.billing)
	step("local is destroyed, and second keeps its endpoints")

	// The last stack takes its endpoints with it.
	n.make("destroy", "second", "CUT_OFF=1")
	require.Empty(t, n.endpoints())
	require.Equal(t, before, n.others())
	step("both are destroyed")
}
