//go:build unix

package sessions_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What TestMain does with all calls of these tests would be worth nothing if nothing could fail it.
func TestModel_UnknownMember_Refused(t *testing.T) {
	python := os.Getenv("EMULATOR_PYTHON")
	if python == "" {
		t.Skip("EMULATOR_PYTHON is not set: run the tests with `make test`")
	}
	t.Parallel()
	for line, problem := range map[string]string{
		`{"action":"GetConnectionStatus","request":{"Target":"i-1"},"status":200,"answer":{"Target":"i-1","Status":"connected"}}`:           "",
		`{"action":"GetConnectionStatus","request":{"Target":"i-1"},"status":200,"answer":{"Target":"i-1","Status":"online"}}`:              "'online' is none of",
		`{"action":"GetConnectionStatus","request":{},"status":200,"answer":{}}`:                                                            "Target is missing",
		`{"action":"TerminateSession","request":{"SessionId":"a"},"status":200,"answer":{"Id":"a"}}`:                                        "no member Id",
		`{"action":"DescribeSessions","request":{"State":"Active"},"status":200,"answer":{"Sessions":[{"StartDate":"2026-01-01"}]}}`:        "is no timestamp",
		`{"action":"DescribeSessions","request":{"State":"Active","MaxResults":201},"status":200,"answer":{"Sessions":[]}}`:                 "is not within",
		`{"action":"StartSession","request":{"Target":"i-1","DocumentName":"a b c"},"status":400,"answer":{"__type":"TargetNotConnected"}}`: "does not match",
		`{"action":"StartSession","request":{"Target":"i-1"},"status":400,"answer":{"__type":"DoesNotExistException"}}`:                     "is no error of this call",
	} {
		cmd := exec.Command(python, "testdata/validate.py")
		cmd.Stdin = strings.NewReader(line + "\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		if problem == "" {
			assert.Empty(t, string(out))
			continue
		}
		assert.Contains(t, string(out), problem, line)
	}
}
