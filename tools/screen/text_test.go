package screen

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded plays a recorded event log. The logs are of the stack local in the emulator, without what the screens do not read.
func recorded(t *testing.T, name string) *Run {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
	require.NoError(t, err)
	r := &Run{Stack: "local"}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var e apitype.EngineEvent
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		r.Add(e)
	}
	return r
}

// Each screen is compared with a golden file, and fits a terminal of 50 lines.
func TestScreens_RecordedRuns_MatchGoldenFiles(t *testing.T) {
	const log = ".local/log/up.log"
	for name, screen := range map[string]func(*Run) string{
		"up":      (*Run).Updated,
		"none":    func(r *Run) string { return r.Preview(false) },
		"one":     func(r *Run) string { return r.Preview(false) },
		"many":    func(r *Run) string { return r.Preview(false) },
		"all":     func(r *Run) string { return r.Preview(false) },
		"destroy": func(r *Run) string { return r.Preview(true) },
		"mistake": func(r *Run) string { return r.Failed("preview", "", "", "") },
		"awserror": func(r *Run) string {
			return r.Failed("up", log, "", "Next: remove the cause; make up continues from there.")
		},
		"cancel": func(r *Run) string { return r.Canceled("up") },
	} {
		t.Run(name, func(t *testing.T) {
			got := screen(recorded(t, name))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
			assert.LessOrEqual(t, strings.Count(got, "\n"), 50)
		})
	}
}
