package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSizes(t *testing.T) {
	sizes, err := parseSizes(" 1 50 ")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 50}, sizes)
	for _, text := range []string{"", "0", "201", "many", "1,50"} {
		_, err := parseSizes(text)
		require.ErrorContains(t, err, "BENCH_INSTANCES", text)
		assert.ErrorContains(t, err, "Allowed: numbers from 1 to 200")
	}
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2*time.Second, median([]time.Duration{9 * time.Second, time.Second, 2 * time.Second}))
	assert.Equal(t, 3*time.Second, median([]time.Duration{4 * time.Second, 2 * time.Second}))
}

func TestVerdict_ComparesPrintedRatio(t *testing.T) {
	assert.Equal(t, "≤ 1.05", verdict(1.0549, 1.05, 2))
	assert.Equal(t, "≤ 1.05 **missed**", verdict(1.0551, 1.05, 2))
	assert.Equal(t, "", verdict(9, 0, 2))
}

func TestReport_RowsHaveRatiosAndGoalsOfTheirSize(t *testing.T) {
	times := func(seconds ...float64) map[step][]time.Duration {
		result := map[step][]time.Duration{}
		for i, s := range []step{first, up, unchanged, refreshed, unrefreshed, destroy} {
			result[s] = []time.Duration{time.Duration(seconds[i] * float64(time.Second))}
		}
		return result
	}
	measured := map[string]map[step][]time.Duration{
		pulumiName: times(3, 66, 2, 4, 0, 2), terraformName: times(2, 60, 5, 0, 4, 4), terraform32Name: times(2, 66, 5, 0, 4, 2),
	}
	r := &report{}
	r.add(1, measured)
	r.add(50, measured)
	text := r.markdown()
	for _, row := range []string{
		"`terraform plan` | 3.0 s | 2.0 s | 1.50 | ≤ 1.00 **missed** | 2.0 s | 1.50 |  |",
		"`terraform apply` | 66.0 s | 60.0 s | 1.10 | ≤ 1.05 **missed** | 66.0 s | 1.00 | ≤ 1.05 |",
		"`terraform apply` | 66.0 s | 60.0 s | 1.10 | ≤ 0.90 **missed** | 66.0 s | 1.00 | ≤ 1.05 |",
		"which refreshes | 2.0 s | 5.0 s | 0.40 | ≤ 0.65 |",
		"`terraform plan -refresh=false` | 2.0 s | 4.0 s | 0.50 |  |",
		"`pulumi preview --refresh`, no changes : `terraform plan` | 4.0 s | 5.0 s | 0.80 |  |",
		"`terraform destroy` | 2.0 s | 4.0 s | 0.50 | ≤ 0.90 |",
		"`terraform destroy` | 2.0 s | 4.0 s | 0.50 | ≤ 0.60 |",
	} {
		assert.Contains(t, text, row)
	}
}

func TestReport_AddedInstances_OfLastTwoRuns(t *testing.T) {
	times := func(preview, everything time.Duration) times {
		result := times{}
		for _, name := range []string{pulumiName, terraformName, terraform32Name} {
			result[name] = map[step][]time.Duration{}
			for _, s := range order {
				result[name][s.step] = []time.Duration{everything}
			}
		}
		result[pulumiName][first], result[pulumiName][unchanged] = []time.Duration{preview}, []time.Duration{preview}
		return result
	}
	r := &report{}
	r.add(50, times(2*time.Second, time.Second))
	r.addedInstances()
	assert.NotContains(t, r.markdown(), "Each instance")
	r.add(150, times(4040*time.Millisecond, 11*time.Second))
	r.addedInstances()
	assert.Contains(t, r.markdown(), "## Each instance between 50 and 150, in seconds")
	assert.Contains(t, r.markdown(), "nothing deployed : `terraform plan` | 0.020 | ≤ 0.02 | 0.100 | 0.100 |\n")
	assert.Contains(t, r.markdown(), "| `pulumi up` : `terraform apply` | 0.100 |  | 0.100 | 0.100 |\n")
	r.add(151, times(4061*time.Millisecond, 11*time.Second))
	r.addedInstances()
	assert.Contains(t, r.markdown(), "| 0.021 | ≤ 0.02 **missed** |")
}

func TestReport_Memory_ComparedWithGoal(t *testing.T) {
	r := &report{}
	r.memory(0)
	assert.Empty(t, r.markdown())
	r.memory(299)
	assert.Contains(t, r.markdown(), "at most 299 MB (goal: under 300 MB).")
	r.memory(300)
	assert.Contains(t, r.markdown(), "at most 300 MB (goal: under 300 MB, **missed**).")
}

func TestHighestMemory_OfRunningProgram(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("the system has no /proc")
	}
	assert.Greater(t, highestMemory(program), int64(1<<20))
	assert.Zero(t, highestMemory(program+"-that-does-not-run"))
}

func TestPrepare_WithoutTerraform_SaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := prepare(t.TempDir(), 1)
	require.ErrorContains(t, err, "there is no `terraform` on PATH")
	assert.ErrorContains(t, err, "Fix: install Terraform")
}

func TestSameResources_NamesDifference(t *testing.T) {
	counting := func(name string, count map[string]int) *contender {
		return &contender{name: name, count: func(context.Context) (map[string]int, error) { return count, nil }}
	}
	program := counting("Pulumi", map[string]int{"aws_vpc": 1, "aws_instance": 2})
	require.NoError(t, sameResources(t.Context(), []*contender{program, counting("Terraform", map[string]int{"aws_vpc": 1, "aws_instance": 2})}))
	err := sameResources(t.Context(), []*contender{program, counting("Terraform", map[string]int{"aws_vpc": 1, "aws_subnet": 1})})
	require.EqualError(t, err, "Pulumi and Terraform do not create the same resources:\n  aws_instance: 2 and 0\n  aws_subnet: 0 and 1\n  Fix: change bench/main.tf as the program was changed")
}

func TestContenders_CountResourcesByTerraformType(t *testing.T) {
	folder := t.TempDir()
	program := func(output string) *contender {
		path := filepath.Join(folder, "program")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\ncat <<'END'\n"+output+"\nEND\n"), 0o755))
		return &contender{program: path, folder: folder}
	}
	count, err := program(`{"deployment": {"resources": [
		{"type": "pulumi:pulumi:Stack"}, {"type": "pulumi:providers:aws", "custom": true}, {"type": "aws:s3/bucketV2:BucketV2", "custom": true},
		{"type": "aws:ec2/subnet:Subnet", "custom": true}, {"type": "aws:ec2/subnet:Subnet", "custom": true}, {"type": "private-ec2-access:index:Network"}]}}`).pulumiResources(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"aws_s3_bucket": 1, "aws_subnet": 2}, count)

	count, err = program("data.aws_region.current\naws_s3_bucket.logs\naws_subnet.private[0]\naws_subnet.private[1]").terraformResources(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"aws_s3_bucket": 1, "aws_subnet": 2}, count)

	failing := filepath.Join(folder, "failing")
	require.NoError(t, os.WriteFile(failing, []byte("#!/bin/sh\necho out\necho problem >&2\nexit 2\n"), 0o755))
	_, err = (&contender{program: failing, folder: folder}).run(t.Context(), "plan")
	require.ErrorContains(t, err, "failing plan: exit status 2\nout\nproblem")
	assert.Equal(t, 1, strings.Count(err.Error(), "problem"))
}
