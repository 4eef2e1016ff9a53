package sessions

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithheld_TracebackOfCtrlC_Dropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		written []string
		want    string
	}{
		{[]string{"An error ", "occurred\n"}, "An error occurred\n"},
		{[]string{"begun\nTraceback (most recent call last):\n", "  File x\n", "KeyboardInterrupt\n"}, "begun\n"},
		{[]string{"Traceback (most recent call last):\n  File x\n", "ValueError: y\n"}, "Traceback (most recent call last):\n  File x\nValueError: y\n"},
	} {
		var seen bytes.Buffer
		w := &withheld{to: &seen}
		for _, text := range c.written {
			n, err := w.Write([]byte(text))
			require.NoError(t, err)
			require.Equal(t, len(text), n)
		}
		w.end()
		require.Equal(t, c.want, seen.String())
	}
}
