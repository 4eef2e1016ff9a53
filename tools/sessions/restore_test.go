package sessions

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func versionAnswer(t *testing.T, version, number, description string) answer {
	t.Helper()
	content, err := json.Marshal(map[string]string{"description": description})
	require.NoError(t, err)
	text, err := json.Marshal(map[string]string{"Content": string(content), "DocumentVersion": number})
	require.NoError(t, err)
	return answer{Contains: `get-document --region us-east-2 --output json --cli-input-json {"DocumentFormat":"JSON","DocumentVersion":"` + version + `","Name":"doc"}`, Stdout: string(text)}
}

func restore(t *testing.T, answers []answer) (string, bool, []string, error) {
	t.Helper()
	folder := fakeFolder(t, answers)
	version, restored, err := Restore(context.Background(), []string{"PATH=" + folder, "FAKE_AWS=" + folder}, "us-east-2", "doc", "p/dev")
	calls, _ := os.ReadFile(filepath.Join(folder, "calls"))
	var changes []string
	for _, line := range strings.Split(string(calls), "\n") {
		if line != "" && !strings.Contains(line, "get-document") {
			changes = append(changes, strings.Replace(line, "ssm ", "", 1))
		}
	}
	return version, restored, changes, err
}

// What the document said before becomes what sessions use, and the stack's own
// versions go, the newest last. A version of somebody else's stays.
func TestRestore(t *testing.T) {
	const mark = "Session preferences, managed by the Pulumi stack p/dev; revision %d; adopted, version 3 has what was there before"
	gone := answer{Contains: `"DocumentVersion":"5"`, Code: 254, Stderr: "\nAn error occurred (InvalidDocumentVersion) when calling the GetDocument operation: no such version\n"}
	version, restored, changes, err := restore(t, []answer{
		versionAnswer(t, "$LATEST", "7", fmt.Sprintf(mark, 3)), versionAnswer(t, "4", "4", strings.Replace(mark, "; revision %d", "", 1)),
		gone, versionAnswer(t, "6", "6", "somebody's"), versionAnswer(t, "7", "7", fmt.Sprintf(mark, 3)),
		{Contains: "update-document-default-version"}, {Contains: "delete-document"},
	})
	require.NoError(t, err)
	require.True(t, restored)
	require.Equal(t, "3", version)
	require.Equal(t, []string{
		`update-document-default-version --region us-east-2 --output json --cli-input-json {"DocumentVersion":"3","Name":"doc"}`,
		`delete-document --region us-east-2 --output json --cli-input-json {"DocumentVersion":"4","Name":"doc"}`,
		`delete-document --region us-east-2 --output json --cli-input-json {"DocumentVersion":"7","Name":"doc"}`,
	}, changes)
}

func TestRestore_NotAdopted_ChangesNothing(t *testing.T) {
	absent := answer{Contains: "get-document", Code: 254, Stderr: "\nAn error occurred (InvalidDocument) when calling the GetDocument operation: it does not exist\n"}
	for name, a := range map[string]answer{
		"gone":            absent,
		"never adopted":   versionAnswer(t, "$LATEST", "2", "Session preferences, managed by the Pulumi stack p/dev"),
		"somebody's":      versionAnswer(t, "$LATEST", "2", "mine"),
		"another stack's": versionAnswer(t, "$LATEST", "2", "Session preferences, managed by the Pulumi stack p/prod; adopted, version 1 has what was there before"),
	} {
		_, restored, changes, err := restore(t, []answer{a})
		require.NoError(t, err, name)
		require.False(t, restored, name)
		require.Empty(t, changes, name)
	}
	_, _, _, err := restore(t, []answer{refused("get-document")})
	require.ErrorContains(t, err, "AccessDenied")
}
