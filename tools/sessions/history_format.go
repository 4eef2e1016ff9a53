package sessions

import (
	"encoding/csv"
	"encoding/json"
	"io"
)

// entryWriter writes entries in one format.
type entryWriter interface {
	write(page []entry) error
	close() error
}

func (h *historyRun) writer() (entryWriter, error) {
	switch h.list.format {
	case "csv":
		w := csvWriter{csv.NewWriter(h.Out)}
		return w, w.Write(columns)
	case "json":
		return &jsonWriter{to: h.Out}, nil
	}
	to := plain(h.Out)
	if h.limit == 0 {
		to = h.pager()
	}
	return &tableWriter{historyRun: h, to: to}, nil
}

type csvWriter struct{ *csv.Writer }

func (w csvWriter) write(page []entry) error {
	for _, e := range page {
		if err := w.Write(e.cells()); err != nil {
			return err
		}
	}
	return nil
}

func (w csvWriter) close() error {
	w.Flush()
	return w.Error()
}

// jsonWriter writes an array with one entry a line.
type jsonWriter struct {
	to    io.Writer
	begun bool
}

func (w *jsonWriter) write(page []entry) error {
	for _, e := range page {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		start := "[\n  "
		if w.begun {
			start = ",\n  "
		}
		w.begun = true
		if _, err := io.WriteString(w.to, start+escaped(string(line), steers)); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonWriter) close() error {
	end := "[]\n"
	if w.begun {
		end = "\n]\n"
	}
	_, err := io.WriteString(w.to, end)
	return err
}
