package sessions

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	sessiondoc "private-ec2-access/internal/session"
)

// column is one of the table's; width is at most that many characters, 0 for as many as there are.
type column struct {
	title string
	width int
	value func(entry) string
}

type tableWriter struct {
	*historyRun
	to      *pager
	columns []column
	begun   bool
	// withoutLogs: the terminal has no room for the log locations. elsewhere: one of them is not where the document puts logs now.
	withoutLogs, elsewhere bool
}

var allColumns = []column{
	{"SESSION", 0, func(e entry) string { return e.Session }},
	{"WHO", 20, func(e entry) string { return e.Who }},
	{"INSTANCE", 20, func(e entry) string { return e.Instance }},
	{"START (UTC)", 16, func(e entry) string { return short(e.Start) }},
	{"LASTED", 7, lasted},
	{"STATUS", 13, func(e entry) string { return e.status() }},
	{"REASON", 30, func(e entry) string { return e.Reason }},
	{"LOG", 0, func(e entry) string { return e.record() }},
}

// choose sets the columns and their widths after the first page, since later pages must be alike. A terminal gets the
// columns that it has room for; an id is never cut, since it is typed again.
func (t *tableWriter) choose(first []entry) {
	room, used := width(t.Out), 0
	for _, c := range allColumns {
		// Where reasons are optional, a column is for those who give one.
		if c.title == "REASON" && !reasonRequired(t.outputs) && !slices.ContainsFunc(first, func(e entry) bool { return e.Reason != "" && e.Reason != unknown }) {
			continue
		}
		widest := len(c.title)
		for _, e := range first {
			widest = max(widest, text.RuneWidthWithoutEscSequences(printable(c.value(e))))
		}
		if room > 0 && c.width > 0 {
			widest = min(widest, c.width)
		}
		if room > 0 && used+widest > room && len(t.columns) > 0 {
			if c.title == "LOG" {
				t.withoutLogs = true
			} else {
				t.noted = append(t.noted, fmt.Sprintf("The terminal is too narrow for %s and what follows; FORMAT=json has everything.", c.title))
			}
			break
		}
		c.width = widest
		used += widest + 2
		t.columns = append(t.columns, c)
	}
}

func (e entry) status() string {
	if e.Source == "archive" {
		return unknown
	}
	return strings.ToLower(e.Status)
}

func short(at string) string {
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		return t.Format("2006-01-02 15:04")
	}
	return at
}

func lasted(e entry) string {
	if e.Seconds == nil {
		return e.seconds()
	}
	seconds := *e.Seconds
	d := time.Duration(seconds) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case d < 100*time.Hour:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd", seconds/86400)
}

// write writes some rows. Columns keep their widths from page to page.
func (t *tableWriter) write(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	if !t.begun {
		t.choose(entries)
	}
	t.elsewhere = t.elsewhere || slices.ContainsFunc(entries, t.isElsewhere)
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	var configs []table.ColumnConfig
	header := table.Row{}
	for i, c := range t.columns {
		config := table.ColumnConfig{Number: i + 1, WidthMin: c.width}
		if width(t.Out) > 0 && c.title != "SESSION" && c.title != "LOG" {
			config.WidthMax, config.WidthMaxEnforcer = c.width, text.Trim
		}
		configs = append(configs, config)
		header = append(header, t.paint(t.Out, bold, c.title))
	}
	w.SetColumnConfigs(configs)
	if !t.begun {
		w.AppendHeader(header)
		t.begun = true
	}
	for _, e := range entries {
		row := table.Row{}
		for _, c := range t.columns {
			value := printable(c.value(e))
			if c.title == "STATUS" && e.Source == "aws" && e.End == "" {
				value = t.paint(t.Out, green, value)
			}
			row = append(row, value)
		}
		w.AppendRow(row)
	}
	lines := strings.Split(w.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := io.WriteString(t.to, strings.Join(lines, "\n")+"\n")
	return err
}

// isElsewhere reports whether the logs of a session are not where the stack's document puts those of a new one.
func (t *tableWriter) isElsewhere(e entry) bool {
	inPlace := func(url string) bool {
		return slices.ContainsFunc(t.places, func(l sessiondoc.Location) bool {
			if l.LogGroup != "" {
				return strings.Contains(url, l.LogGroup)
			}
			return strings.Contains(url, l.Bucket) && strings.HasSuffix(url, "/"+l.Key(e.Session)) // AWS may name a host, too
		})
	}
	return len(e.Logs) > 0 && (len(e.Logs) != len(t.places) || slices.ContainsFunc(e.Logs, func(url string) bool { return !inPlace(url) }))
}

func (t *tableWriter) close() error {
	t.to.close()
	switch {
	case t.withoutLogs && t.elsewhere:
		t.noted = append(t.noted, "Session logs: in more than one location; FORMAT=json lists that of each.")
	case t.withoutLogs:
		t.noted = append(t.noted, "Session logs: "+describe(t.places, "SESSION")+" (FORMAT=json lists the location of each)")
	}
	return nil
}
