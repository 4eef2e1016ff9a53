// Package docs has no code. Its tests keep the documentation in step with the
// program: the configuration page, the commands, the config keys and the links.
package docs

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

var update = flag.Bool("update", false, "regenerate docs/configuration.md (make docs)")

const (
	generatedFrom = "<!-- Generated from Pulumi.yaml by `make docs`. Do not edit. -->\n"
	generatedTo   = "<!-- End of the generated part. -->\n"
)

// The tables in configuration.md are those of Pulumi.yaml.
func TestConfigurationPage_MatchesPulumiYaml(t *testing.T) {
	const page = "configuration.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), generatedFrom)
	require.True(t, found, "%s has no line %q", page, generatedFrom)
	_, after, found := strings.Cut(rest, generatedTo)
	require.True(t, found, "%s has no line %q", page, generatedTo)
	want := before + generatedFrom + "\n" + configTables(t) + generatedTo + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	// Both texts are pages long, and make docs writes the difference where git shows it.
	require.True(t, want == string(text), "docs/%s is not up to date. Fix: make docs", page)
}

type configKey struct {
	name, description string
	value             any
}

// configKeys are the project's config keys, in the order of Pulumi.yaml.
func configKeys(t *testing.T) []configKey {
	t.Helper()
	text, err := os.ReadFile("../Pulumi.yaml")
	require.NoError(t, err)
	var project struct {
		Config yaml.Node `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &project))
	var keys []configKey
	for i := 0; i < len(project.Config.Content); i += 2 {
		name := project.Config.Content[i].Value
		if strings.Contains(name, ":") {
			continue // another namespace: `pulumi new` adds pulumi:template
		}
		var entry struct {
			Description string
			Default     any
		}
		require.NoError(t, project.Config.Content[i+1].Decode(&entry))
		require.NotEmpty(t, entry.Description, "%s in Pulumi.yaml has no description", name)
		keys = append(keys, configKey{name, entry.Description, entry.Default})
	}
	require.NotEmpty(t, keys)
	return keys
}

// configTables is one table for each group of keys, in the order of Pulumi.yaml.
// Keys without a group come first.
func configTables(t *testing.T) string {
	t.Helper()
	groups := []string{""}
	rows := map[string]string{}
	for _, key := range configKeys(t) {
		group, _, nested := strings.Cut(key.name, ".")
		if !nested {
			group = ""
		}
		if group != "" && rows[group] == "" {
			groups = append(groups, group)
		}
		rows[group] += fmt.Sprintf("| `%s` | `%s` | %s |\n", key.name, shown(t, key.value), key.description)
	}
	var tables strings.Builder
	for _, group := range groups {
		heading := "The stack"
		if group != "" {
			heading = "`" + group + "`"
		}
		fmt.Fprintf(&tables, "### %s\n\n| key | default | description |\n| --- | --- | --- |\n%s\n", heading, rows[group])
	}
	return tables.String()
}

func shown(t *testing.T, value any) string {
	t.Helper()
	switch value := value.(type) {
	case map[string]any, []any:
		text, err := json.Marshal(value)
		require.NoError(t, err)
		return strings.ReplaceAll(string(text), ":", ": ")
	case string:
		if value == "" {
			return `""`
		}
	}
	return fmt.Sprint(value)
}

// pages are the documents for people, by their path from the top of the
// repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"../*.md", "*.md", "../.github/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			path, err := filepath.Rel("..", filepath.Join(".", file))
			if err != nil || !strings.HasPrefix(file, "..") {
				path = filepath.Join("docs", file)
			}
			found[path] = string(text)
		}
	}
	require.Contains(t, found, "README.md")
	require.Contains(t, found, "docs/configuration.md")
	return found
}

// Each `make` command that a page names is a target of the Makefile.
func TestCommandsInPages_AreMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	command := regexp.MustCompile("(?m)(?:^|[`(])make (?:-s )?([a-z0-9-]+)")
	for page, text := range pages(t) {
		for _, found := range command.FindAllStringSubmatch(text, -1) {
			require.Regexp(t, "(?m)^"+found[1]+":", string(makefile), "%s: make %s", page, found[1])
		}
	}
}

// The page about security names what is not promised, and what narrows it. It does not prove that the page is right.
func TestSecurityPage_NamesEveryLimit(t *testing.T) {
	_, page, _ := strings.Cut(pages(t)["docs/security.md"], "\n## What is not promised\n")
	page, _, _ = strings.Cut(page, "\n## ")
	for _, limit := range []string{
		"* `session.runAsEnabled`", "* `logging.cloudWatch` with `logging.streaming`", "* `logging.objectLock`",
		"| an EC2 Instance Connect endpoint |", "| the EC2 serial console |", "\n* DNS.", "**Within the security group**",
	} {
		require.Contains(t, page, limit)
	}
}

// The command in team.md for a project with another name changes every name in both templates, except the key of the tag.
// The tables of the page have every parameter of the templates.
func TestTeamPage_FollowsBothTemplates(t *testing.T) {
	page, err := os.ReadFile("team.md")
	require.NoError(t, err)
	command := regexp.MustCompile(`(?m)^sed .*$`).FindString(string(page))
	require.Contains(t, command, "NAME")
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(folder, "bootstrap"), os.DirFS("../bootstrap")))
	run := exec.Command("bash", "-c", strings.ReplaceAll(command, "NAME", "shells"))
	run.Dir = folder
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	templates, err := os.ReadDir(filepath.Join(folder, "bootstrap"))
	require.NoError(t, err)
	require.Len(t, templates, 2)
	for _, file := range templates {
		text, err := os.ReadFile(filepath.Join(folder, "bootstrap", file.Name()))
		require.NoError(t, err)
		require.Positive(t, strings.Count(string(text), "shells-deploy"), file.Name())
		require.Zero(t, strings.Count(strings.ReplaceAll(string(text), "private-ec2-access:stack", ""), "private-ec2-access"), file.Name())
		_, parameters, _ := strings.Cut(string(text), "\nParameters:\n")
		parameters, _, _ = strings.Cut(parameters, "\n\n")
		for _, parameter := range regexp.MustCompile(`(?m)^  (\w+):$`).FindAllStringSubmatch(parameters, -1) {
			require.True(t, regexp.MustCompile("(?m)^\\| [^|]*`"+parameter[1]+"`").Match(page), "the tables of team.md do not have %s of %s", parameter[1], file.Name())
		}
	}
}

// The tables of refusals name every statement of the policies for operators and
// auditors, and only statements that have the action.
func TestRefusals_NameStatementsOfPolicies(t *testing.T) {
	here := scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	const key = "arn:aws:kms:us-east-2:111122223333:key/1"
	for page, policy := range map[string]iam.Document{
		"operators.md": iam.OperatorPolicy(here, iam.Operators{InstanceIDs: []string{"i-1"}, SessionKeyARN: key}),
		"auditors.md": iam.AuditorPolicy(here, iam.Auditors{
			Recording: iam.Recording{Archives: []iam.Archive{{Bucket: "logs"}}, LogGroups: []string{"/logs"}}, KeyARNs: []string{key}, TopicARN: "topic", TopicKeyARN: key,
		}),
	} {
		actions, unnamed := map[string][]string{}, map[string]bool{}
		for _, statement := range policy.Statement {
			actions[statement.Sid], unnamed[statement.Sid] = statement.Action, true
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		_, table, found := strings.Cut(string(text), "## What a refusal means")
		require.True(t, found, page)
		for row := range strings.Lines(table) {
			cells := strings.Split(row, "|")
			if len(cells) < 4 {
				continue
			}
			first, last := cells[1], cells[len(cells)-2]
			allowed := []string{}
			for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(last, -1) {
				require.Contains(t, actions, name[1], "%s: %s", page, row)
				allowed = append(allowed, actions[name[1]]...)
				delete(unnamed, name[1])
			}
			if strings.Contains(last, "`") {
				for _, action := range regexp.MustCompile("`(?:kms|ssm|ssmmessages|s3|logs|sns|ec2|cloudtrail):\\w+`").FindAllString(strings.Split(first, " for ")[0], -1) {
					require.Contains(t, allowed, strings.Trim(action, "`"), "%s: %s", page, row)
				}
			}
		}
		require.Empty(t, unnamed, "%s does not say what these statements are for", page)
	}
}

// Each config key that a page sets with pulumi is a key of Pulumi.yaml, or a part
// of one.
func TestConfigKeysInPages_Exist(t *testing.T) {
	keys := configKeys(t)
	set := regexp.MustCompile(`pulumi config (?:set|rm) (?:--path )?'?private-ec2-access:([A-Za-z0-9.]+)`)
	checked := 0
	for page, text := range pages(t) {
		for _, found := range set.FindAllStringSubmatch(text, -1) {
			known := false
			for _, key := range keys {
				known = known || key.name == found[1] || strings.HasPrefix(found[1], key.name+".")
			}
			require.True(t, known, "%s sets %s, which is not in Pulumi.yaml", page, found[1])
			checked++
		}
	}
	require.NotZero(t, checked)
}

// In a block that writes the config of the stack dev, or has its environment,
// each make names a stack: PULUMI_STACK is for plain pulumi, and make alone acts
// on the stack local. Text outside of code blocks is not checked.
func TestCommandsInPages_AfterPulumi_NameTheStack(t *testing.T) {
	pulumi := regexp.MustCompile(`(?m)^pulumi (config|stack|login)|STACK=`)
	onStack := regexp.MustCompile(`(?m)^make .*$`)
	checked := 0
	for page, text := range pages(t) {
		for _, block := range codeBlock.FindAllString(text, -1) {
			if !pulumi.MatchString(block) {
				continue
			}
			for _, command := range onStack.FindAllString(block, -1) {
				require.Contains(t, command, "STACK=", "%s: %s", page, command)
				checked++
			}
		}
	}
	require.Greater(t, checked, 20)
	// pulumi config set needs a stack that exists.
	require.Regexp(t, `(?s)make -s env STACK=dev.*pulumi stack select dev --create.*pulumi config set `, codeBlock.FindString(pages(t)["docs/configuration.md"]))
}

// The example in configuration.md of what Pulumi does to a stack's file is what
// its own package does.
func TestConfigurationPage_FileWrittenByPulumi(t *testing.T) {
	text, err := os.ReadFile("configuration.md")
	require.NoError(t, err)
	block := func(comment string) string {
		_, rest, found := strings.Cut(string(text), "<!-- "+comment+" -->\n\n```yaml\n")
		require.True(t, found, comment)
		block, _, _ := strings.Cut(rest, "```")
		return block
	}
	file := filepath.Join(t.TempDir(), "Pulumi.dev.yaml")
	require.NoError(t, os.WriteFile(file, []byte(block("before pulumi writes")), 0o644))
	project, err := workspace.LoadProject("../Pulumi.yaml")
	require.NoError(t, err)
	stack, err := workspace.LoadProjectStack(nil, project, file)
	require.NoError(t, err)
	require.NoError(t, stack.Config.Set(config.MustMakeKey("private-ec2-access", "keepRecords"), config.NewValue("refuse"), false))
	require.NoError(t, stack.Save(file))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(written), block("after pulumi config set private-ec2-access:keepRecords refuse"))
}

var (
	heading   = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// anchors are the fragments that GitHub gives to the headings of a page.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, title := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(title[1]), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

// Each relative link leads to a file, and its fragment to a heading there.
func TestLinksInPages_Resolve(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, found := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			target, fragment, _ := strings.Cut(found[1], "#")
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			require.FileExists(t, filepath.Join("..", path), "%s links to %s", page, found[1])
			if fragment != "" {
				require.Contains(t, anchors(all[path]), fragment, "%s links to %s: no such heading", page, found[1])
			}
		}
	}
}
