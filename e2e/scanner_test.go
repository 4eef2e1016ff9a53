package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// waivers are the findings of prowler that stay open, each with its reason. Missing are the look-ups that fail on the emulator,
// so that what depends on them is not checked.
type waivers struct {
	Findings map[string]string `json:"findings"` // by check
	Missing  map[string]string `json:"missing"`  // by a pattern of the error
}

func readWaivers(t *testing.T) (w waivers) {
	t.Helper()
	text, err := os.ReadFile("scanner/waivers.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &w))
	for what, reason := range w.Findings {
		require.NotEmpty(t, reason, what)
	}
	for what, reason := range w.Missing {
		require.NotEmpty(t, reason, what)
	}
	return w
}

// finding is one of prowler's, about one resource.
type finding struct {
	Check, Title, Status, Resource, ARN, Text string
	Tags                                      map[string]string
}

// scan runs prowler's checks of the services that stacks use.
func scan(t *testing.T, in *account) (found []finding, errors []string) {
	t.Helper()
	root := project(t)
	venv := filepath.Join(root, ".local", "prowler-venv")
	install := exec.Command("scripts/venv", venv, "tools/pins/prowler/requirements.txt", "tools/pins/prowler/prowler.txt", "--", "--no-deps", "--only-binary=:all:")
	install.Dir = root
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)
	services := []string{"cloudwatch", "ec2", "eventbridge", "iam", "kms", "s3", "sns", "ssm", "vpc"}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), append([]string{"-B", "scanner/scan.py", in.region}, services...)...)
	cmd.Env = in.environment()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var answer struct {
		Findings []finding
		Errors   []string
	}
	require.NoError(t, json.Unmarshal(text, &answer), stderr.String())
	return answer.Findings, answer.Errors
}

// prowler finds nothing on the resources of a default stack, and of one with the options on, but what has a waiver with its
// reason. Each waiver is needed.
//
// It does not prove what the emulator does not have or answers wrongly: the look-ups that fail are in the same file. Findings
// about the account itself, such as its password policy, are not the stack's.
func TestScanner_Findings_HaveWaivers(t *testing.T) {
	t.Parallel()
	w := readWaivers(t)
	rows := "| check of prowler | why the finding stays |\n| --- | --- |\n"
	for _, check := range slices.Sorted(maps.Keys(w.Findings)) {
		rows += "| `" + check + "` | " + w.Findings[check] + " |\n"
	}
	page := filepath.Join(project(t), "docs", "security.md")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	made, there := replaceTable(string(text), "What a scanner finds", rows)
	require.True(t, there)
	if !long(t) {
		require.Equal(t, string(text), made, "docs/security.md has other waivers; run: make test-long")
		return
	}
	used := map[string]bool{}
	var open []string
	for name, config := range map[string]map[string]any{"plain": nil, "options": {
		"logging": map[string]any{"required": true, "cloudWatch": true, "streaming": true, "encryption": "kms", "objectLock": "governance", "objectLockDays": 20, "logGroupRetentionDays": 400},
		"session": map[string]any{"encryption": true, "runAsEnabled": true, "runAsDefaultUser": "operator"},
		"role":    map[string]any{"policy": "session"},
		"network": map[string]any{"memberTraffic": "https", "flowLogs": "s3://flow-logs"},
		"alerts":  map[string]any{"emails": []any{"ops@example.com"}, "events": []any{"sessions", "otherDocuments", "changes"}},
		"operators": map[string]any{"dba": map[string]any{
			"instances": []any{"app"}, "principals": []any{"arn:aws:iam::" + here + ":root"}, "mfa": true,
		}},
		"auditors":   map[string]any{"enabled": true, "principals": []any{"arn:aws:iam::" + here + ":root"}},
		"breakGlass": map[string]any{"principals": []any{"arn:aws:iam::" + here + ":root"}},
		"people":     map[string]any{"denyUnrecorded": true, "exemptRoleArns": []any{roleARN("private-ec2-access-deploy")}},
	}} {
		in := newAccount(t, "us-east-2")
		// A bucket that is as bad as can be shows that the scan finds something.
		in.aws("s3api", "create-bucket", "--bucket", "flow-logs", "--create-bucket-configuration", "LocationConstraint=us-east-2")
		s := newStack(t, in, "dev", config)
		s.up()
		ids := map[string]bool{}
		for _, r := range s.deployed() {
			ids[r.ID] = true
		}
		found, errors := scan(t, in)
		control, passed := false, 0
		for _, f := range found {
			control = control || f.Resource == "flow-logs" && f.Status == "FAIL"
			if !ids[f.Resource] && !ids[f.ARN] && f.Tags[stackTag] != ownStack {
				continue
			}
			if f.Status == "PASS" {
				passed++
				continue
			}
			if used[f.Check] = true; w.Findings[f.Check] == "" {
				open = append(open, strings.Join([]string{name, f.Check, f.Status, f.Resource, f.Text}, ": "))
			}
		}
		require.True(t, control, "prowler found nothing wrong with a plain bucket")
		require.Greater(t, passed, 60, "prowler looked at too little of the stack")
		for _, text := range errors {
			known := false
			for pattern := range w.Missing {
				if regexp.MustCompile(pattern).MatchString(text) {
					known, used[pattern] = true, true
				}
			}
			if !known {
				open = append(open, name+": prowler could not look at something: "+text)
			}
		}
		t.Logf("%s: %d checks passed on resources of the stack, %d look-ups failed; open so far: %d", name, passed, len(errors), len(open))
	}
	require.Empty(t, strings.Join(open, "\n"), "fix these, or add a waiver with its reason to e2e/scanner/waivers.json")
	for _, what := range slices.Concat(slices.Collect(maps.Keys(w.Findings)), slices.Collect(maps.Keys(w.Missing))) {
		require.True(t, used[what], "the waiver of %s matches nothing. Fix: remove it from e2e/scanner/waivers.json", what)
	}
	require.NoError(t, os.WriteFile(page, []byte(made), 0o644))
}
