package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// `pulumi new` uses a checkout as a template. The new project has its own name and is deployed by the same two commands.
//
// The template is a folder here. It does not prove that Pulumi fetches it from a Git server.
func TestTemplate_NewProject_ComesUp(t *testing.T) {
	t.Parallel()
	template := newClone(t, "").withTools()
	made := &clone{t: t, dir: filepath.Join(t.TempDir(), "shells"), env: template.env}
	backend := t.TempDir()
	// The tests share one virtual environment by a symbolic link, and Pulumi cannot copy a link to a folder.
	require.NoError(t, os.Remove(filepath.Join(template.dir, ".local", "venv")))

	// The template's environment has the plugin; where AWS's own can be
	// downloaded, Pulumi does that.
	out, err := template.shell("PULUMI_STACK= PULUMI_BACKEND_URL=file://" + backend + " pulumi new " + template.dir + " --dir " + made.dir +
		" --name shells --description 'Shells of our own' --stack dev --yes --non-interactive")
	require.NoError(t, err, out)
	require.Contains(t, out, "Your new project is ready to go!")
	text, err := os.ReadFile(filepath.Join(made.dir, "Pulumi.yaml"))
	require.NoError(t, err)
	require.Regexp(t, "(?m)^name: shells$", string(text))
	require.NotContains(t, string(text), "quickstart", "what made it a template is not the project's")
	require.FileExists(t, filepath.Join(backend, ".pulumi", "stacks", "shells", "dev.json"))
	config, err := os.ReadFile(filepath.Join(made.dir, "Pulumi.dev.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(config), "aws:region: us-east-2")
	require.NotContains(t, string(config), "private-ec2-access:", "a key of another project would mean nothing")

	// A release has no .local. Here it was copied, and belongs to the template.
	require.NoError(t, os.RemoveAll(filepath.Join(made.dir, ".local")))
	made.withTools()
	made.onExistingBucket("existing-logs")
	made.must("make", "up")
	log, err := os.ReadFile(filepath.Join(made.dir, ".local", "log", "up.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "shells-app")
	require.NotContains(t, string(log), "private-ec2-access-app")
	out = made.must("make", "preview", "ARGS=--refresh --expect-no-changes")
	require.NotRegexp(t, `\d+ to (create|update|delete|replace)`, out)
	made.must("make", "destroy")
}
