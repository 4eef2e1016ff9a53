package sessions

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"

	"private-ec2-access/internal/audit"
)

// finding is one finding as it is written. What is not known is empty.
type finding struct {
	Finding    string `json:"finding"`
	Time       string `json:"time"`
	Session    string `json:"session"`
	Who        string `json:"who"`
	Owner      string `json:"owner"`
	Instance   string `json:"instance"`
	InstanceID string `json:"instanceId"`
	Document   string `json:"document"`
	Where      string `json:"where"`
	Problem    string `json:"problem"`
}

var findingColumns = []string{"finding", "time", "session", "who", "owner", "instance", "instanceId", "document", "where", "problem"}

func (f finding) cells() []string {
	all := []string{f.Finding, f.Time, f.Session, f.Who, f.Owner, f.Instance, f.InstanceID, f.Document, f.Where, f.Problem}
	for i := range all {
		all[i] = cell(all[i])
	}
	return all
}

// subject is what the finding is about, in a word.
func (f finding) subject() string { return cmp.Or(f.Session, f.Instance, f.Document) }

func (a *auditRun) row(f audit.Finding) finding {
	row := finding{
		Finding: string(f.Kind), Time: rfc(f.At), Session: f.Session, Who: session{Owner: f.Owner}.who(), Owner: f.Owner,
		InstanceID: f.Instance, Document: f.Document, Where: f.Where, Problem: f.Text,
	}
	if f.Instance != "" {
		row.Instance = a.byID(f.Instance).name
	}
	return row
}

// auditJSON is the report in JSON.
type auditJSON struct {
	Stack        string    `json:"stack"`
	Region       string    `json:"region"`
	Document     string    `json:"document"`
	At           string    `json:"at"`
	Since        string    `json:"since"`
	Complete     bool      `json:"complete"`
	NotChecked   []string  `json:"notChecked"`
	Sessions     int       `json:"sessions"`
	Logged       int       `json:"logged"`
	WithFindings int       `json:"withFindings"`
	Open         int       `json:"open"`
	Refused      int       `json:"refused"`
	Settling     int       `json:"settling"`
	Undecided    int       `json:"undecided"`
	Tunnels      int       `json:"tunnels"`
	Findings     []finding `json:"findings"`
}

// write writes the findings to standard output.
func (a *auditRun) write(report audit.Report) error {
	rows := []finding{}
	for _, f := range report.Findings {
		rows = append(rows, a.row(f))
	}
	switch a.list.format {
	case "csv":
		w := csv.NewWriter(a.Out)
		cells := [][]string{findingColumns}
		for _, row := range rows {
			cells = append(cells, row.cells())
		}
		return w.WriteAll(cells)
	case "json":
		text, err := json.MarshalIndent(auditJSON{
			Stack: a.Stack, Region: a.outputs.Region, Document: a.outputs.SessionDocument, At: rfc(a.now), Since: rfc(a.facts.Since),
			Complete: len(a.unread) == 0, NotChecked: append(append([]string{}, a.skipped...), a.unread...),
			Sessions: report.Sessions, Logged: report.Logged, WithFindings: report.WithFindings, Open: report.Open, Refused: report.Refused, Settling: report.Settling, Undecided: report.Undecided, Tunnels: report.Tunnels, Findings: rows,
		}, "", "  ")
		if err != nil {
			return err
		}
		_, err = io.WriteString(a.Out, escaped(string(text), func(r rune) bool { return r != '\n' && steers(r) })+"\n")
		return err
	}
	return a.output([]byte(a.table(rows)))
}

// table has two lines for each finding: what it is about, and what is wrong with it.
func (a *auditRun) table(rows []finding) string {
	var b strings.Builder
	for _, row := range rows {
		about := []string{short(row.Time)}
		for _, part := range []string{row.Session, row.Who, row.Instance} {
			if part != "" {
				about = append(about, part)
			}
		}
		b.WriteString(a.paint(a.Out, red, row.Finding) + "  " + printable(strings.Join(about, "  ")) + "\n")
		detail := printable(row.Problem)
		if row.Where != "" {
			detail += "\n    " + printable(row.Where)
		}
		b.WriteString("    " + detail + "\n")
	}
	return b.String()
}
