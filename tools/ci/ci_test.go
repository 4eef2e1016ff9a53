// Package ci tests the scripts of the pipelines (scripts/ci) as a workflow runs them, against a GitHub of its own.
package ci

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/ci/githubtest"
)

// checkout is a project with the scripts, and with a stack command that says what a test wants.
type checkout struct {
	t      *testing.T
	github *githubtest.GitHub // may be nil
	root   string
	env    []string
}

func newCheckout(t *testing.T, g *githubtest.GitHub) *checkout {
	for _, tool := range []string{"bash", "python3", "make"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "the scripts of the pipelines need it, as they do where they run")
	}
	c := &checkout{t: t, github: g, root: t.TempDir()}
	require.NoError(t, os.CopyFS(filepath.Join(c.root, "scripts", "ci"), os.DirFS("../../scripts/ci")))
	c.write("Makefile", "command:\n\t@true\n", 0o644)
	c.env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool {
		// The test may itself run in a workflow, or under make.
		return strings.HasPrefix(entry, "GITHUB_") || strings.HasPrefix(entry, "MAKE") || strings.HasPrefix(entry, "MFLAGS")
	}), "GITHUB_REPOSITORY=owner/name", "GITHUB_SERVER_URL=https://github.example", "GITHUB_RUN_ID=7",
		"GITHUB_SHA=abc", "GITHUB_REF_NAME=main", "GITHUB_TOKEN="+githubtest.Token)
	if g != nil {
		c.env = append(c.env, "GITHUB_API_URL="+g.URL)
	}
	return c
}

func (c *checkout) write(name, content string, mode os.FileMode) {
	path := filepath.Join(c.root, name)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, []byte(content), mode))
}

func (c *checkout) read(name string) string {
	content, err := os.ReadFile(filepath.Join(c.root, name))
	require.NoError(c.t, err)
	return string(content)
}

// pulumi makes the stack command print a diff and messages, and end with an exit code.
func (c *checkout) pulumi(diff, messages string, code int) {
	c.write("diff", diff, 0o644)
	c.write("messages", messages, 0o644)
	c.write(".local/bin/stack", fmt.Sprintf("#!/bin/sh\necho \"$@\" > arguments\ncat diff\ncat messages >&2\nexit %d\n", code), 0o755)
}

func (c *checkout) run(script string, args ...string) (stdout, stderr string, code int) {
	cmd := exec.Command(filepath.Join(c.root, "scripts", "ci", script), args...)
	var out, problem bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.root, c.env, &out, &problem
	c.github.Settle()
	err := cmd.Run()
	c.github.Settle()
	if err != nil {
		require.IsType(c.t, &exec.ExitError{}, err)
	}
	return out.String(), problem.String(), cmd.ProcessState.ExitCode()
}

func (c *checkout) must(script string, args ...string) string {
	stdout, stderr, code := c.run(script, args...)
	require.Zero(c.t, code, stderr)
	return stdout
}

const someChanges = "Previewing update (dev):\n  pulumi:pulumi:Stack: (same)\n    ~ aws:ec2/vpc:Vpc: (update)\nResources:\n    ~ 1 to update\n    37 unchanged\n"

func TestReport_Preview_IsSummarized(t *testing.T) {
	c := newCheckout(t, nil)
	c.pulumi(someChanges, "a note\n", 0)
	_, stderr, code := c.run("report", "dev", "preview", "--target", "a b")
	assert.Zero(t, code)
	assert.Equal(t, "--stack dev preview --diff -- --target a b\n", c.read("arguments"))
	assert.Contains(t, stderr, someChanges, "the log has all of it")
	assert.Contains(t, stderr, "a note\n")
	assert.Equal(t, "<!-- Preview of the stack dev -->\n### Preview of the stack `dev`\n\n**~ 1 to update, 37 unchanged**\n\n"+
		"<details><summary>Diff</summary>\n\n```\n"+someChanges[:len(someChanges)-1]+"\n```\n\n</details>\n\n"+
		"<sub>[Run](https://github.example/owner/name/actions/runs/7) for commit abc</sub>\n", c.read(".local/ci/preview.md"))
}

// A stack of an organization has its own name in the report, and the same files.
func TestReport_StackOfOrganization_IsNamedInFull(t *testing.T) {
	for stack, valid := range map[string]bool{"acme/dev": true, "acme/private-ec2-access/dev": true, "eu.dev": true, "/dev": false, "acme//dev": false, "a/b/c/dev": false, "acme/": false, "a b": false, "": false} {
		c := newCheckout(t, nil)
		c.pulumi(someChanges, "", 0)
		_, stderr, code := c.run("report", stack, "preview")
		require.Equal(t, valid, code == 0, stderr)
		if !valid {
			assert.NoFileExists(t, filepath.Join(c.root, "arguments"), stack)
			continue
		}
		assert.Equal(t, "--stack "+stack+" preview --diff --\n", c.read("arguments"))
		assert.Contains(t, c.read(".local/ci/preview.md"), "<!-- Preview of the stack "+stack+" -->\n### Preview of the stack `"+stack+"`\n")
		assert.Equal(t, "same\n", c.must("drift", stack))
		assert.Contains(t, c.read(".local/ci/drift.md"), "### Drift of the stack `"+stack+"`\n")
	}
}

func TestReport_Failure_ShowsError(t *testing.T) {
	c := newCheckout(t, nil)
	c.pulumi("Previewing update (dev):\nResources:\n    1 errored\n", strings.Repeat("x", 10000)+"error: no `such` thing\n", 4)
	_, _, code := c.run("report", "dev", "preview")
	assert.Equal(t, 4, code, "Pulumi's own exit code")
	report := c.read(".local/ci/preview.md")
	assert.Contains(t, report, "The preview **failed**.")
	assert.Contains(t, report, "error: no `such` thing\n```\n")
	assert.Less(t, len(report), 5000, "only the end of the messages")
}

func TestReport_TooLong_IsCut(t *testing.T) {
	c := newCheckout(t, nil)
	line := strings.Repeat("ü", 98) + "\n"
	c.pulumi(strings.Repeat(line, 700)+"Resources:\n    + 9 to create\n", "", 0)
	c.must("report", "dev", "preview")
	report := c.read(".local/ci/preview.md")
	assert.True(t, utf8.ValidString(report))
	assert.Less(t, utf8.RuneCountInString(report), 61000)
	assert.Equal(t, 606*98, strings.Count(report, "ü"), "whole lines only")
	assert.Contains(t, report, "**+ 9 to create**", "the count comes from what was cut off")
	assert.Contains(t, report, "The diff is cut: it has 69328 characters, and these are the first 59993.")
}

func TestReport_DiffWithFence_StaysInCodeBlock(t *testing.T) {
	c := newCheckout(t, nil)
	c.pulumi("````\n</details> @somebody\n", "", 0)
	c.must("report", "dev", "preview")
	assert.Contains(t, c.read(".local/ci/preview.md"), "\n`````\n````\n</details> @somebody\n`````\n")
}

// What the code of a pull request hands over is text in the comment: it cannot leave its code block, hide characters, write
// into the rest of the comment or run anything.
func TestRender_HostileArtifact_StaysText(t *testing.T) {
	c := newCheckout(t, nil)
	hostile := func(diff, messages, status string) {
		c.write(".local/ci/preview/diff", diff, 0o644)
		c.write(".local/ci/preview/messages", messages, 0o644)
		c.write(".local/ci/preview/status", status, 0o644)
	}
	hostile("`````\n</details> @somebody $(touch broken) `touch broken`\x1b[31m\u202e\u200b\x00\xff\nResources:\n    + 1 to create\n    + 1 approved by the security team\n    @somebody **[click](https://example.com)** 1\n    + 1 <img src=x>\n\n", "", "0\n")
	c.must("render", "dev", "preview")
	report := c.read(".local/ci/preview.md")
	assert.Contains(t, report, "**+ 1 to create**\n", "only lines that Pulumi prints are outside of the block")
	before, inside, found := strings.Cut(report, "\n``````\n")
	require.True(t, found, report)
	inside, after, found := strings.Cut(inside, "\n``````\n")
	require.True(t, found, report)
	assert.NotContains(t, before+after, "@somebody")
	assert.NotContains(t, before+after, "<img")
	assert.Contains(t, inside, "`````\n</details> @somebody $(touch broken) `touch broken`[31m\ufffd\nResources:")
	assert.NotRegexp(t, "[\x00-\x08\x0b-\x1f\u200b\u202e]", report)
	assert.NoFileExists(t, filepath.Join(c.root, "broken"))

	hostile("", "", "08\n")
	c.must("render", "dev", "preview")
	assert.Contains(t, c.read(".local/ci/preview.md"), "The preview **failed**.", "08 is not a number of base 8")

	// The mark at the beginning, by which the comment is found again, is the renderer's own.
	hostile("x\n", "<!-- Preview of the stack prod -->\n", "4")
	c.must("render", "dev", "preview")
	report = c.read(".local/ci/preview.md")
	assert.True(t, strings.HasPrefix(report, "<!-- Preview of the stack dev -->\n### Preview of the stack `dev`\n\nThe preview **failed**.\n"), report)

	for _, status := range []string{"", "0; touch broken", "a[$(touch broken)]", "99999"} {
		hostile("x\n", "", status)
		_, stderr, code := c.run("render", "dev", "preview")
		assert.NotZero(t, code, status)
		assert.Contains(t, stderr, "error: .local/ci/preview/status holds no exit code")
	}
	assert.NoFileExists(t, filepath.Join(c.root, "broken"))

	// Nor does it read anything else, or more than it shows.
	hostile(strings.Repeat("x", 11_000_000), "", "0")
	c.must("render", "dev", "preview")
	assert.Less(t, len(c.read(".local/ci/preview.md")), 65536)
	c.write("secret", "a secret\n", 0o600)
	require.NoError(t, os.Remove(filepath.Join(c.root, ".local/ci/preview/diff")))
	require.NoError(t, os.Symlink(filepath.Join(c.root, "secret"), filepath.Join(c.root, ".local/ci/preview/diff")))
	_, stderr, code := c.run("render", "dev", "preview")
	assert.NotZero(t, code)
	assert.Contains(t, stderr, "error: .local/ci/preview/diff is not a file")
}

func TestReport_BadStackName_Refused(t *testing.T) {
	c := newCheckout(t, nil)
	_, stderr, code := c.run("report", "../x", "preview")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "STACK=../x is not the name of a stack")
}

func TestDrift(t *testing.T) {
	for code, want := range map[int]string{0: "same\n", 7: "differs\n", 1: "", 255: ""} {
		c := newCheckout(t, nil)
		c.pulumi(someChanges, "", code)
		stdout, _, got := c.run("drift", "dev")
		assert.Equal(t, want, stdout, "exit code %d", code)
		assert.Equal(t, want == "", got != 0, "exit code %d", code)
		assert.Equal(t, "--stack dev preview --diff -- --refresh --expect-no-changes\n", c.read("arguments"))
		assert.FileExists(t, filepath.Join(c.root, ".local/ci/drift.md"))
	}
}

func report(stack, text string) string {
	return "<!-- Preview of the stack " + stack + " -->\n" + text + "\n"
}

func TestComment_EachStack_HasOne(t *testing.T) {
	g := githubtest.New(t)
	for i := range 230 {
		g.Add(5, githubtest.By("somebody", fmt.Sprint(i)))
	}
	forged := githubtest.By("somebody", report("dev", "forged"))
	g.Add(5, forged)
	g.Add(5, githubtest.By(githubtest.Bot, "quotes "+report("dev", "")))
	c := newCheckout(t, g)

	// What is in a report reaches neither a shell nor JSON as anything but text.
	first := "one \"$(touch broken)\" `touch broken` \\n %s 'ü'"
	c.write("dev.md", report("dev", first), 0o644)
	c.must("github.py", "comment", "5", "dev.md")
	c.write("prod.md", report("prod", "another stack"), 0o644)
	c.must("github.py", "comment", "5", "prod.md")
	require.Len(t, g.Comments[5], 234)
	assert.Equal(t, report("dev", first), g.Comments[5][232].Body)

	c.write("dev.md", report("dev", "two"), 0o644)
	c.must("github.py", "comment", "5", "dev.md")
	require.Len(t, g.Comments[5], 234, "updated, not added")
	assert.Equal(t, report("dev", "two"), g.Comments[5][232].Body)
	assert.Equal(t, report("prod", "another stack"), g.Comments[5][233].Body)
	assert.Equal(t, report("dev", "forged"), forged.Body, "what somebody else wrote is left alone")
	assert.Equal(t, []string{"POST /issues/5/comments", "POST /issues/5/comments", "PATCH /issues/comments/732"}, g.Writes)
	assert.NoFileExists(t, filepath.Join(c.root, "broken"))
}

func TestComment_FailedRequest_IsReported(t *testing.T) {
	g := githubtest.New(t)
	c := newCheckout(t, g)
	c.write("dev.md", report("dev", ""), 0o644)
	c.write("unmarked.md", "text\n", 0o644)
	for _, args := range [][]string{{"5; true", "dev.md"}, {"5", "missing.md"}, {"5", "unmarked.md"}} {
		_, stderr, code := c.run("github.py", append([]string{"comment"}, args...)...)
		assert.NotZero(t, code, args)
		assert.Contains(t, stderr, "error: ", args)
	}
	g.Refuse = http.MethodGet
	_, stderr, code := c.run("github.py", "comment", "5", "dev.md")
	assert.NotZero(t, code)
	assert.Contains(t, stderr, "error: the request GET /issues/5/comments?per_page=100&page=1 failed")
	assert.NotContains(t, stderr, githubtest.Token)
	assert.Empty(t, g.Writes, "if it is not known whether there is a comment, none is written")

	g.Refuse = http.MethodPost
	_, _, code = c.run("github.py", "comment", "5", "dev.md")
	assert.NotZero(t, code)
}

func TestDriftIssue_WhileDrifted_OneOpen(t *testing.T) {
	g := githubtest.New(t)
	pull := githubtest.By(githubtest.Bot, report("dev", "a pull request is listed among the issues"))
	pull.PullRequest, pull.Number = &struct{}{}, 1
	forged := githubtest.By("somebody", report("dev", "forged"))
	forged.Number = 2
	g.Issues = []*githubtest.Entry{pull, forged}
	c := newCheckout(t, g)
	step := func(result, text string) {
		c.write("dev.md", report("dev", text), 0o644)
		c.must("github.py", "issue", result, "The stack dev differs", "dev.md")
	}

	step("same", "")
	assert.Empty(t, g.Writes)
	step("differs", "one")
	step("differs", "two")
	require.Len(t, g.Issues, 3)
	assert.Equal(t, "The stack dev differs", g.Issues[2].Title)
	assert.Equal(t, report("dev", "two"), g.Issues[2].Body)
	step("same", "three")
	assert.Equal(t, "closed", g.Issues[2].State)
	require.Len(t, g.Comments[3], 1)
	assert.Equal(t, "Nothing differs any more: https://github.example/owner/name/actions/runs/7", g.Comments[3][0].Body)
	step("same", "three")
	step("differs", "four")
	require.Len(t, g.Issues, 4, "a closed issue stays closed")
	assert.Equal(t, []string{"POST /issues", "PATCH /issues/3", "POST /issues/3/comments", "PATCH /issues/3", "POST /issues"}, g.Writes)
	assert.Equal(t, report("dev", "forged"), forged.Body)

	_, _, code := c.run("github.py", "issue", "", "title", "dev.md")
	assert.NotZero(t, code, "no result is no reason to close anything")
}

func TestDeploy_OlderCommit_Skipped(t *testing.T) {
	g := githubtest.New(t)
	c := newCheckout(t, g)
	g.Main = "abc"
	c.must("github.py", "newest")
	g.Main = "def"
	_, stderr, code := c.run("github.py", "newest")
	assert.NotZero(t, code)
	assert.Contains(t, stderr, "main is at def, and this run is for abc. Nothing was changed.")
	g.Refuse = http.MethodGet
	_, _, code = c.run("github.py", "newest")
	assert.NotZero(t, code)
}

type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]job
}

type job struct {
	If          string
	Environment string
	Permissions map[string]string
	Strategy    struct{ Matrix map[string][]string }
	Steps       []struct {
		Uses, Run string
		With      map[string]string
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	all := map[string]workflow{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(text, &w))
		all[file] = w
	}
	return all
}

// A job with an AWS identity runs the program, with modules from elsewhere. Whatever they do, they write nothing at GitHub.
func TestWorkflows_JobWithAWSIdentity_OnlyReads(t *testing.T) {
	seen, deployers := 0, 0
	for file, w := range workflows(t) {
		assert.NotNil(t, w.Permissions, "%s: without permissions at the top a job has those of the repository", file)
		assert.Empty(t, w.Permissions, file)
		for name, job := range w.Jobs {
			if job.Permissions["id-token"] != "write" {
				continue
			}
			seen++
			for permission, access := range job.Permissions {
				assert.True(t, permission == "id-token" || access == "read", "%s, %s: %s is %s", file, name, permission, access)
			}
			for _, step := range job.Steps {
				switch action, _, _ := strings.Cut(step.Uses, "@"); action {
				case "actions/checkout":
					assert.Equal(t, "false", step.With["persist-credentials"], "%s, %s: the program could read the token of GitHub", file, name)
				case "actions/setup-go":
					assert.Equal(t, "false", step.With["cache"], "%s, %s: another run could have written what runs here", file, name)
				case "aws-actions/configure-aws-credentials":
					if !strings.Contains(step.With["role-to-assume"], "DEPLOY") {
						continue
					}
					deployers++
					assert.NotEmpty(t, job.Environment, "%s, %s: nobody reviews what is deployed", file, name)
					assert.Len(t, w.On, 1, file)
					push, _ := w.On["push"].(map[string]any)
					assert.Regexp(t, `^\[[A-Za-z0-9._/-]+\]$`, fmt.Sprint(push["branches"]), "%s: the bootstrap trusts one branch", file)
				}
			}
		}
	}
	assert.Positive(t, seen)
	assert.Positive(t, deployers)
}

// A pull request brings code of anybody. Where it runs, it gets an AWS identity only if it is neither a fork's nor Dependabot's,
// and the job that writes at GitHub runs nothing of it: the scripts are the base branch's, and they are all that runs.
//
// It does not prove what GitHub makes of an event or a condition. TestRender_HostileArtifact_StaysText tests the renderer.
func TestWorkflows_PullRequest_RunsWithoutWriteAccess(t *testing.T) {
	identities, writers := 0, 0
	for file, w := range workflows(t) {
		for _, event := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
			assert.NotContains(t, w.On, event, "%s: this event gives the code of a fork the identity and the secrets of the repository", file)
		}
		if _, found := w.On["pull_request"]; !found {
			continue
		}
		for name, job := range w.Jobs {
			writes := slices.Contains(slices.Collect(maps.Values(job.Permissions)), "write")
			switch {
			case job.Permissions["id-token"] == "write":
				identities++
				var conditions []string
				for condition := range strings.SplitSeq(job.If, "&&") {
					conditions = append(conditions, strings.TrimSpace(condition))
				}
				assert.Contains(t, conditions, "github.event.pull_request.head.repo.full_name == github.repository", "%s, %s", file, name)
				assert.Contains(t, conditions, "github.event.pull_request.user.login != 'dependabot[bot]'", "%s, %s", file, name)
			case writes:
				writers++
				for _, step := range job.Steps {
					action, _, _ := strings.Cut(step.Uses, "@")
					assert.Contains(t, []string{"", "actions/checkout", "actions/download-artifact"}, action, "%s, %s", file, name)
					if action == "actions/checkout" {
						assert.Equal(t, "${{ github.event.pull_request.base.sha }}", step.With["ref"], "%s, %s", file, name)
					}
					for line := range strings.Lines(step.Run) {
						assert.Regexp(t, `^scripts/ci/(render|github\.py) `, line, "%s, %s", file, name)
					}
				}
			}
		}
	}
	assert.Positive(t, identities)
	assert.Positive(t, writers)
}

// One job hands a preview to another under the stack's place in the list: a stack's name may have a slash in it, an artifact's not.
func TestWorkflows_JobsThatHandOver_HaveTheSameStacks(t *testing.T) {
	seen := 0
	for file, w := range workflows(t) {
		var stacks []string
		for name, job := range w.Jobs {
			if job.Strategy.Matrix == nil {
				continue
			}
			seen++
			require.NotEmpty(t, job.Strategy.Matrix["stack"], "%s, %s", file, name)
			if stacks == nil {
				stacks = job.Strategy.Matrix["stack"]
			}
			assert.Equal(t, stacks, job.Strategy.Matrix["stack"], "%s, %s", file, name)
		}
	}
	assert.Equal(t, 4, seen, "two jobs in each of two workflows")
}
