package stack

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endpointState has two endpoints, an instance of the stack, and an existing one that the stack lists.
const endpointState = `{"version":3,"deployment":{"resources":[
	{"type":"pulumi:pulumi:Stack","urn":"urn:pulumi:local::private-ec2-access::pulumi:pulumi:Stack::s","outputs":{"region":"us-east-2","instanceIds":{"app":"i-app","legacy":"i-legacy"}}},
	{"type":"aws:ec2/instance:Instance","custom":true,"id":"i-app"},
	{"type":"aws:ec2/vpcEndpoint:VpcEndpoint","custom":true,"id":"vpce-1","protect":%t,"outputs":{"vpcId":"vpc-1"}}
]}}`

// A destroy that would cut off others stops, and names them; the stack's own instances and those that it lists do not count.
//
// It does not prove that the others really use the endpoints. Whether an instance does, AWS does not say.
func TestDestroy_EndpointsUsedByOthers_StopsUnlessTold(t *testing.T) {
	instance := func(id, tags string) string {
		return fmt.Sprintf(`{"Instances":[{"InstanceId":%q,"Tags":[%s]}]}`, id, tags)
	}
	own := instance("i-app", `{"Key":"private-ec2-access:stack","Value":"private-ec2-access/local"}`) + "," + instance("i-legacy", "") + "," +
		instance("i-fleet", `{"Key":"private-ec2-access:stack","Value":"private-ec2-access/local"}`)
	others := own + "," + instance("i-2", `{"Key":"Name","Value":"web"},{"Key":"private-ec2-access:stack","Value":"private-ec2-access/other"}`) + "," + instance("i-3", "")
	const denied = "An error occurred (UnauthorizedOperation) when calling the DescribeInstances operation: You are not authorized to perform this operation."
	for name, c := range map[string]struct {
		protect, cutOff, real bool
		name                  string // of the stack, if it is not local
		answer                string // empty: there is no AWS CLI
		refused               string
		said                  string
	}{
		"nobody else":             {answer: own},
		"of an organization":      {real: true, name: "acme/local", answer: own},
		"others":                  {answer: others, refused: "other instances: i-3\n    instances of the stack private-ec2-access/other: web (i-2)\n  To cut them off:   make destroy STACK=local CUT_OFF=1"},
		"how to refuse always":    {real: true, name: "acme/local", answer: others, refused: "as well:\n    eval \"$(make -s env STACK=acme/local)\"\n    pulumi config set --path 'private-ec2-access:endpoints.protect' true\n    make up STACK=acme/local"},
		"others, told":            {answer: others, cutOff: true, said: "Cut off from the VPC endpoints in vpc-1:\n    other instances: i-3"},
		"denied":                  {answer: denied, refused: "cannot tell who else uses the VPC endpoints in vpc-1"},
		"denied, told":            {answer: denied, cutOff: true, said: "cannot tell who else uses"},
		"no AWS CLI":              {real: true, refused: "there is no `aws` on PATH"},
		"no AWS CLI, emulated":    {},
		"protected":               {protect: true, answer: own, refused: "deployed with private-ec2-access:endpoints.protect true, and no update has applied false yet. Others may use the VPC endpoints vpce-1"},
		"protected, even if told": {protect: true, cutOff: true, answer: others, refused: "  Fix:\n    make up STACK=local\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a, said, calls := testApp(t, "", fmt.Sprintf(endpointState, c.protect))
			require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), "local"), []byte("new\n"), 0o644))
			a.cutOff, a.stack.Emulated, a.stack.Name = c.cutOff, !c.real, cmp.Or(c.name, a.stack.Name)
			folder := t.TempDir()
			sed, err := exec.LookPath("sed") // which the fake pulumi uses
			require.NoError(t, err)
			require.NoError(t, os.Symlink(sed, filepath.Join(folder, "sed")))
			a.environ, a.env = []string{"PATH=" + folder}, &Environment{}
			if c.answer != "" {
				script := "#!/bin/sh\ncase \"$*\" in *describe-instances*) ;; *) exit 254 ;; esac\n/bin/cat <<'END'\n{\"Reservations\":[" + c.answer + "]}\nEND\n"
				if c.answer == denied {
					script = "#!/bin/sh\necho '" + denied + "' >&2\nexit 254\n"
				}
				require.NoError(t, os.WriteFile(filepath.Join(folder, "aws"), []byte(script), 0o755))
			}
			err = a.destroyPrepared(nil)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				assert.NotContains(t, calls(), "destroy")
				return
			}
			require.NoError(t, err)
			assert.Contains(t, calls(), "destroy")
			assert.Contains(t, said.String(), c.said)
		})
	}
}
