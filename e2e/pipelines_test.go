package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/ci/githubtest"
)

// The commands are read from the workflow files, and run for a pull request, its merge and the daily drift check.
//
// The stack dev is on the local emulator here. It does not prove the sign-in to AWS, nor what GitHub decides: which events
// start a run, approvals and forks.
func TestPipelines_WorkflowCommands_FromPullRequestToDrift(t *testing.T) {
	t.Parallel()
	c := newClone(t, "").withTools()
	c.onExistingBucket("existing-logs")
	local, err := os.ReadFile(filepath.Join(c.dir, "Pulumi.local.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "Pulumi.dev.yaml"), local, 0o600))
	c.env = append(c.env, "CI=true")
	github := githubtest.New(t)
	github.Main = "abc"
	p := &pipelines{clone: c, github: github, artifacts: t.TempDir()}
	commentsOf := func() []*githubtest.Entry {
		github.Settle()
		return github.Comments[5]
	}

	// A pull request.
	p.job("preview.yml", "preview")
	require.Empty(t, commentsOf(), "the job that runs the pull request's code does not comment")
	p.job("preview.yml", "comment")
	require.Len(t, commentsOf(), 1)
	comment := commentsOf()[0]
	require.Contains(t, comment.Body, "### Preview of the stack `dev`")
	require.Regexp(t, `\+ \d+ to create`, comment.Body)
	require.Contains(t, comment.Body, "aws:ec2/instance:Instance")

	// Its merge.
	p.job("deploy.yml", "preview")
	require.Contains(t, p.summary, "Preview of the stack `dev`")
	deployed := p.job("deploy.yml", "deploy")
	require.Regexp(t, `\d+ created`, deployed)
	github.Main = "def"
	out, err := p.try("deploy.yml", "deploy")
	require.Error(t, err, "an approval that came too late")
	require.Contains(t, out, "main is at def, and this run is for abc")
	require.NotContains(t, out, "Updating")
	github.Main = "abc"
	// Something else than the approved preview is not deployed.
	configure := func(args string) {
		t.Helper()
		out, err := c.shell("pulumi config " + args)
		require.NoError(t, err, out)
	}
	configure("set --path private-ec2-access:session.idleSessionTimeout 21 --stack dev")
	p.job("deploy.yml", "preview")
	configure("set --path private-ec2-access:session.idleSessionTimeout 59 --stack dev")
	out, err = p.try("deploy.yml", "deploy")
	require.Error(t, err)
	require.Contains(t, out, "violates plan: properties changed")
	configure("rm --path private-ec2-access:session.idleSessionTimeout --stack dev")

	// The next pull request changes nothing, and a new push to it updates the comment.
	p.job("preview.yml", "preview")
	p.job("preview.yml", "comment")
	require.Len(t, commentsOf(), 1)
	require.Regexp(t, `\*\*\d+ unchanged\*\*`, comment.Body)

	// The drift check: somebody changes a resource in the account, and reverts it.
	drift := func() {
		t.Helper()
		p.job("drift.yml", "drift")
		p.job("drift.yml", "issue")
		github.Settle()
	}
	drift()
	require.Empty(t, github.Issues)
	aws := func(args string) {
		t.Helper()
		out, err := c.shell(setting(t, "EMULATOR_PYTHON") + " -m awscli " + args)
		require.NoError(t, err, out)
	}
	tag := "--resources $(pulumi stack output vpcId --stack dev) --tags Key=Name"
	aws("ec2 create-tags " + tag + ",Value=mine")
	drift()
	require.Len(t, github.Issues, 1)
	issue := github.Issues[0]
	require.Equal(t, "The stack dev is not as the program says", issue.Title)
	require.Contains(t, issue.Body, `"mine"`)
	require.NotEqual(t, "closed", issue.State)
	aws("ec2 create-tags " + tag + ",Value=private-ec2-access-dev-vpc")
	drift()
	require.Equal(t, "closed", issue.State)
}

// pipelines runs jobs of .github/workflows as GitHub would.
type pipelines struct {
	*clone
	github    *githubtest.GitHub
	artifacts string // the folder that holds them
	summary   string // of the last job
}

// Values of the workflows' expressions. An expression without a value fails the test.
func (p *pipelines) expressions(outputs map[string]string) map[string]string {
	values := map[string]string{
		"matrix.stack": "dev", "strategy.job-index": "0", "github.token": githubtest.Token, "vars.PULUMI_BACKEND_URL": "",
		"github.event.pull_request.number": "5", "github.event.pull_request.head.sha": "abc", "github.event.pull_request.base.sha": "abc",
	}
	for name, value := range outputs {
		values[name] = value
	}
	return values
}

var expression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)

// job runs the steps of a job and returns their output.
func (p *pipelines) job(workflow, name string) string {
	p.t.Helper()
	out, err := p.try(workflow, name)
	require.NoError(p.t, err, "%s, %s\n%s", workflow, name, out)
	return out
}

func (p *pipelines) try(workflow, name string) (said string, err error) {
	p.t.Helper()
	var file struct {
		Jobs map[string]struct {
			Steps []struct {
				ID   string            `yaml:"id"`
				Uses string            `yaml:"uses"`
				With map[string]string `yaml:"with"`
				Run  string            `yaml:"run"`
				Env  map[string]string `yaml:"env"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	text, err := os.ReadFile(filepath.Join(p.dir, ".github", "workflows", workflow))
	require.NoError(p.t, err)
	require.NoError(p.t, yaml.Unmarshal(text, &file))
	steps := file.Jobs[name].Steps
	require.NotEmpty(p.t, steps, "%s has no job %s", workflow, name)

	folder := p.t.TempDir()
	outputs := map[string]string{}
	for _, step := range steps {
		if step.Uses != "" {
			action, _, _ := strings.Cut(step.Uses, "@")
			path, kept := filepath.Join(p.dir, filepath.FromSlash(p.fill(step.With["path"], outputs))), filepath.Join(p.artifacts, p.fill(step.With["name"], outputs))
			switch action {
			case "actions/upload-artifact": // moved, so that the next job has only what it downloads
				require.NoError(p.t, os.RemoveAll(kept))
				require.NoError(p.t, os.MkdirAll(kept, 0o700))
				require.NoError(p.t, moveFiles(path, kept))
			case "actions/download-artifact":
				require.NoError(p.t, os.MkdirAll(path, 0o700))
				require.NoError(p.t, os.CopyFS(path, os.DirFS(kept)))
			default:
				require.Contains(p.t, []string{"actions/checkout", "actions/setup-go", "aws-actions/configure-aws-credentials"}, action)
			}
			continue
		}
		output, summary, script := filepath.Join(folder, "output"), filepath.Join(folder, "summary"), filepath.Join(folder, "step")
		require.NoError(p.t, os.WriteFile(output, nil, 0o600))
		require.NoError(p.t, os.WriteFile(script, []byte(p.fill(step.Run, outputs)), 0o600))
		cmd := p.command("bash", "-e", script) // as GitHub runs them
		cmd.Env = append(cmd.Env, "GITHUB_API_URL="+p.github.URL, "GITHUB_SERVER_URL=https://github.example", "GITHUB_REPOSITORY=owner/name",
			"GITHUB_RUN_ID=7", "GITHUB_SHA=abc", "GITHUB_REF_NAME=main", "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+summary)
		for key, value := range step.Env {
			if filled := p.fill(value, outputs); filled != "" { // GitHub sets an empty one; here none leads anywhere
				cmd.Env = append(cmd.Env, key+"="+filled)
			}
		}
		out, err := cmd.CombinedOutput()
		said += string(out)
		if err != nil {
			return said, err
		}
		written, err := os.ReadFile(output)
		require.NoError(p.t, err)
		for line := range strings.Lines(string(written)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			outputs["steps."+step.ID+".outputs."+key] = value
		}
		shown, _ := os.ReadFile(summary) // not every job writes one
		p.summary = string(shown)
	}
	return said, nil
}

func (p *pipelines) fill(text string, outputs map[string]string) string {
	p.t.Helper()
	values := p.expressions(outputs)
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		name := expression.FindStringSubmatch(found)[1]
		value, known := values[name]
		require.True(p.t, known, "no value for %s", found)
		return value
	})
}

// moveFiles takes a file, or the files of a folder, into another folder.
func moveFiles(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return os.Rename(from, filepath.Join(to, filepath.Base(from)))
	}
	entries, err := os.ReadDir(from)
	for _, entry := range entries {
		if err == nil {
			err = os.Rename(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name()))
		}
	}
	return err
}
