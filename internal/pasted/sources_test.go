package pasted

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInSources_PartsOfText_PutTogether(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.go"), []byte(`package a
const refresh = "ARGS=--refresh"
func region() string { return " --region " + unknown }
func aws(service, command string) string { return "aws " + service + " " + command }
func f() {
	route := "aws ec2 delete-route" + region()
	print(route+" --route-table-id "+id, "make up STACK="+name+" "+refresh+", then make wait.")
	fmt.Sprintf("  Fix:\n    aws s3 ls %[2]s # what is there\n    pulumi config set k %[1]d", n, bucket)
	print(aws("iam", "get-role") + " --role-name \"$(pulumi stack output roleName)\" | head")
	print("aws logs tail /g is a sentence. It goes on", "to make, or to pulumi")
}`), 0o600))
	require.Equal(t, []string{
		"aws ec2 delete-route --region x1 --route-table-id x1",
		"aws iam get-role --role-name x1",
		"aws logs tail",
		"aws s3 ls x1",
		"aws x1 x1", // of the function
		"make up STACK=x1 ARGS=--refresh",
		"make wait",
		"pulumi config set k 1",
		"pulumi stack output roleName",
	}, slices.Sorted(maps.Keys(InSources(t, root, "."))))
}

func TestInPages_CommandsInCodeBlocks(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("Run aws s3 mb.\n```sh\nmake up   # then make it so\naws ec2 describe-vpcs --vpc-ids \"$vpc\" \\\n  --output text\n```\n"), 0o600))
	require.Equal(t, []string{"aws ec2 describe-vpcs --vpc-ids x1   --output text", "make up"}, slices.Sorted(maps.Keys(InPages(t, page))))
}
