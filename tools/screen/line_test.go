package screen

import (
	"io"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A line that the terminal has no room for ends where one can see that it goes on.
func TestLine_LongerThanTheTerminal_EndsWithAnEllipsis(t *testing.T) {
	seen, terminal, err := pty.Open()
	require.NoError(t, err)
	defer seen.Close()
	require.NoError(t, pty.Setsize(seen, &pty.Winsize{Rows: 24, Cols: 20}))
	l := NewLine(terminal, true)
	l.Show("nineteen letters, 19", "")
	l.Clear()
	l.Show("eighteen letters 18", "")
	terminal.Close()
	text, _ := io.ReadAll(seen) // the end of a terminal is an error
	assert.Equal(t, "\r\x1b[Knineteen letters, …\r\x1b[K\r\x1b[Keighteen letters 18", string(text))
}
