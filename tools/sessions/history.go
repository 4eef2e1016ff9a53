package sessions

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// listing is what of the history is wanted, and in which form.
type listing struct {
	format       string
	who          string
	since, until time.Time
	// limit is how many entries at most; 0 is no limit.
	limit int
	// next is where an earlier page ended: a token of DescribeSessions, or archiveMark and how many entries to pass over.
	next string
}

// pageSize is how many entries a page has that nobody asked otherwise for.
const pageSize = 50

// archiveMark begins a paging token for the archive. DescribeSessions' tokens are Base64 and hold no colon.
const archiveMark = "archive:"

// unknown stands for what a record does not hold.
const unknown = "unknown"

func parseListing(format, who, since, until, limit, next string, now time.Time) (l listing, err error) {
	l = listing{format: format, who: who, next: next}
	switch format {
	case "":
		l.format = "table"
	case "table", "json", "csv":
	default:
		return l, fmt.Errorf("FORMAT=%s is none of table, json and csv", format)
	}
	if l.since, err = parseTime("SINCE", since, now); err != nil {
		return l, err
	}
	if l.until, err = parseTime("UNTIL", until, now); err != nil {
		return l, err
	}
	if limit != "" {
		if l.limit, err = strconv.Atoi(limit); err != nil || l.limit < 1 {
			return l, fmt.Errorf("LIMIT=%s is not a number from 1 on", limit)
		}
	}
	return l, nil
}

var ago = regexp.MustCompile(`^(\d+)([mhdw])$`)

func parseTime(name, value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if m := ago.FindStringSubmatch(value); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil && n < 100_000 {
			unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
			return now.Add(-time.Duration(n) * unit).UTC(), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, value, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s=%s is not a time: 2026-01-31, 2026-01-31T08:00:00Z (both UTC), or how long ago, as 90m, 12h, 7d or 2w", name, value)
}

// entry is one session of the history. Times are RFC 3339 in UTC; what is not known reads unknown, and what has not
// happened yet is empty.
type entry struct {
	Session      string `json:"session"`
	Who          string `json:"who"`
	Owner        string `json:"owner"`
	Instance     string `json:"instance"`
	InstanceID   string `json:"instanceId"`
	Start        string `json:"start"`
	End          string `json:"end"`
	Seconds      string `json:"seconds"`
	Status       string `json:"status"`
	Details      string `json:"details"`
	Document     string `json:"document"`
	Reason       string `json:"reason"`
	Record       string `json:"record"`
	RecordedAt   string `json:"recordedAt"`
	Source       string `json:"source"`
	start, taken time.Time
}

var columns = []string{"session", "who", "owner", "instance", "instanceId", "start", "end", "seconds", "status", "details", "document", "reason", "record", "recordedAt", "source"}

func (e entry) values() []string {
	return []string{e.Session, e.Who, e.Owner, e.Instance, e.InstanceID, e.Start, e.End, e.Seconds, e.Status, e.Details, e.Document, e.Reason, e.Record, e.RecordedAt, e.Source}
}

// history lists sessions, those that are open first, then the newest.
func (r *run) history(ctx context.Context) error {
	h := &historyRun{run: r, known: map[string]bool{}}
	if r.instance != "" {
		n, err := r.find(r.instance)
		if err != nil {
			return err
		}
		h.only = n.id
	}
	places, err := r.places(ctx)
	if places == nil && err != nil {
		return r.explain(err)
	}
	if err != nil {
		r.say("Note: where records lie is taken from the stack's outputs, because the document could not be read: %s", problem(err))
	}
	h.places = places
	write, finish, err := h.writer()
	if err != nil {
		return err
	}
	err = h.walk(ctx, write)
	if err != nil && !errors.Is(err, errEnough) {
		_ = finish()
		if ignorePipe(err) == nil {
			return nil
		}
		return r.explain(err)
	}
	if err := finish(); ignorePipe(err) != nil {
		return err
	}
	h.closing()
	return nil
}

// historyRun is one walk through the history.
type historyRun struct {
	*run
	only   string
	places []place
	// known are the sessions that DescribeSessions told of.
	known map[string]bool
	// written counts entries; hidden are the sessions that are not this stack's.
	written, hidden int
	// more is the token at which the next page begins.
	more string
	// noted are remarks for the end, when the pager is gone.
	noted []string
}

// errEnough ends the walk when a page is full.
var errEnough = errors.New("enough")

// limit is how many entries are shown at most. Machine-readable forms are complete, and a pager shows what is read.
func (h *historyRun) limit() int {
	switch {
	case h.list.limit > 0:
		return h.list.limit
	case h.list.format != "table" || isTerminal(h.Out) && h.list.next == "":
		return 0
	}
	return pageSize
}

// filters are those that AWS can apply itself.
func (h *historyRun) filters() []filter {
	var all []filter
	if h.only != "" {
		all = append(all, filter{"Target", h.only})
	} else if one := h.instances(); len(one) == 1 && !h.all {
		all = append(all, filter{"Target", one[0].id})
	}
	if strings.HasPrefix(h.list.who, "arn:") {
		all = append(all, filter{"Owner", h.list.who})
	}
	if !h.list.since.IsZero() {
		all = append(all, filter{"InvokedAfter", h.list.since.Format("2006-01-02T15:04:05Z")})
	}
	if !h.list.until.IsZero() {
		all = append(all, filter{"InvokedBefore", h.list.until.Format("2006-01-02T15:04:05Z")})
	}
	return all
}

// walk gives every wanted entry to write, in order: open sessions, the history of AWS, and then the archive.
func (h *historyRun) walk(ctx context.Context, write func([]entry) error) error {
	size := 200
	if limit := h.limit(); limit > 0 {
		size = min(limit, 200)
	} else if h.list.format == "table" {
		size = pageSize
	}
	skip, fromArchive := 0, false
	if rest, is := strings.CutPrefix(h.list.next, archiveMark); is {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return usageError{fmt.Errorf("NEXT=%s is no page of this list", h.list.next)}
		}
		skip, fromArchive = n, true
	}
	const bound = 10_000
	if h.list.next == "" {
		token := ""
		for range bound {
			page, next, err := h.aws.sessionsPage(ctx, active, 200, token, h.filters()...)
			if err != nil {
				return err
			}
			if err := write(h.keep(page)); err != nil {
				return err
			}
			if token = next; token == "" {
				break
			}
		}
		if limit := h.limit(); limit > 0 && h.written >= limit {
			return errEnough
		}
	}
	token := h.list.next
	if fromArchive {
		// Which sessions AWS still knows has to be asked again: the archive has those that it does not.
		token = ""
	}
	for range bound {
		limit := h.limit()
		if !fromArchive && limit > 0 {
			size = min(200, max(1, limit-h.written))
		}
		if fromArchive {
			size = 200
		}
		page, next, err := h.aws.sessionsPage(ctx, past, size, token, h.filters()...)
		if err != nil {
			return err
		}
		kept := h.keep(page)
		if !fromArchive {
			if err := write(kept); err != nil {
				return err
			}
		}
		token = next
		if token == "" {
			break
		}
		if !fromArchive && limit > 0 && h.written >= limit {
			h.more = token
			return errEnough
		}
	}
	return h.archive(ctx, write, skip)
}

// keep takes from a page what is wanted.
func (h *historyRun) keep(page []session) []entry {
	var kept []entry
	for _, s := range page {
		if h.known[s.SessionID] {
			continue // it ended between two pages
		}
		h.known[s.SessionID] = true
		if !h.isOurs(s) {
			h.hidden++
			continue
		}
		e := h.entry(s)
		if h.wanted(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// isOurs tells whether a session is on an instance of the stack and under its document.
func (h *historyRun) isOurs(s session) bool {
	if h.all {
		return true
	}
	document := s.DocumentName
	if document == "" {
		document = defaultDocument
	}
	if document != h.outputs.SessionDocument {
		return false
	}
	if h.only != "" {
		return s.Target == h.only
	}
	for _, id := range h.outputs.InstanceIDs {
		if id == s.Target {
			return true
		}
	}
	return false
}

func (h *historyRun) wanted(e entry) bool {
	if who := h.list.who; who != "" && !strings.EqualFold(who, e.Who) && who != e.Owner {
		return false
	}
	at := e.start
	if at.IsZero() {
		at = e.taken
	}
	return (h.list.since.IsZero() || !at.Before(h.list.since)) && (h.list.until.IsZero() || at.Before(h.list.until))
}

func (h *historyRun) entry(s session) entry {
	e := entry{
		Session: s.SessionID, Who: s.who(), Owner: s.Owner, Instance: s.Target, InstanceID: s.Target, Start: rfc(s.StartDate.Time), End: rfc(s.EndDate.Time),
		Status: s.Status, Details: s.Details, Document: s.DocumentName, Reason: s.Reason, Source: "aws", start: s.StartDate.Time,
	}
	for _, n := range h.instances() {
		if n.id == s.Target {
			e.Instance = n.name
		}
	}
	end := s.EndDate.Time
	if end.IsZero() {
		end = h.now()
	}
	if !s.StartDate.IsZero() {
		e.Seconds = strconv.FormatInt(int64(end.Sub(s.StartDate.Time)/time.Second), 10)
	}
	switch {
	case s.OutputURL.S3OutputURL != "":
		e.Record = s.OutputURL.S3OutputURL
	case s.OutputURL.CloudWatchOutputURL != "":
		e.Record = s.OutputURL.CloudWatchOutputURL
	case s.Status == "Failed":
		e.Record = "none"
	case unrecorded(s.DocumentName):
		e.Record = "none"
	case s.DocumentName == "" || s.DocumentName == h.outputs.SessionDocument:
		e.Record = describe(h.places, s.SessionID)
	default:
		e.Record = unknown
	}
	return e
}

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// archive lists the records of sessions that AWS has forgotten, the newest first. Only what key and time hold is known.
func (h *historyRun) archive(ctx context.Context, write func([]entry) error, skip int) error {
	if h.only != "" {
		h.noted = append(h.noted, "Records older than AWS's 30 days do not say which instance they are of, so INSTANCE= leaves them out.")
		return nil
	}
	if len(h.list.who) > 0 && strings.HasPrefix(h.list.who, "arn:") {
		h.noted = append(h.noted, "Records older than AWS's 30 days do not hold whole ARNs, so WHO=arn:… leaves them out.")
		return nil
	}
	found, err := h.archived(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b entry) int { return b.taken.Compare(a.taken) })
	found = found[min(skip, len(found)):]
	if limit := h.limit(); limit > 0 && len(found) > limit-h.written {
		rest := max(0, limit-h.written)
		h.more = archiveMark + strconv.Itoa(skip+rest)
		found = found[:rest]
	}
	return write(found)
}

// archived looks through every bucket of the stack, and every log group.
func (h *historyRun) archived(ctx context.Context) ([]entry, error) {
	var all []entry
	add := func(id, where string, at time.Time) {
		if h.known[id] {
			return
		}
		h.known[id] = true
		e := entry{
			Session: id, Owner: unknown, Instance: unknown, InstanceID: unknown, Start: unknown, End: unknown, Seconds: unknown, Status: unknown,
			Details: unknown, Document: unknown, Reason: unknown, Record: where, RecordedAt: rfc(at), Source: "archive", taken: at,
		}
		e.Who = id[:strings.LastIndexByte(id, '-')]
		if h.wanted(e) {
			all = append(all, e)
		}
	}
	for _, bucket := range h.buckets(h.places) {
		objects, err := h.aws.list(ctx, bucket, "")
		if isDenied(err) || isAbsent(err) {
			h.noted = append(h.noted, fmt.Sprintf("The records in s3://%s could not be listed: %s.", bucket, problem(err)))
			continue
		} else if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if id, is := sessionOf(o.Key); is {
				add(id, "s3://"+bucket+"/"+o.Key, o.LastModified.Time)
			}
		}
	}
	for _, p := range h.places {
		if p.group == "" {
			continue
		}
		var answer struct {
			LogStreams []struct {
				LogStreamName      string
				LastEventTimestamp int64
			}
		}
		err := h.aws.call(ctx, &answer, "logs", "describe-log-streams", "--log-group-name", p.group)
		if isDenied(err) || isAbsent(err) {
			h.noted = append(h.noted, fmt.Sprintf("The streams of %s could not be listed: %s.", p.group, problem(err)))
			continue
		} else if err != nil {
			return nil, err
		}
		for _, s := range answer.LogStreams {
			if id, is := sessionOf(s.LogStreamName + ".log"); is {
				add(id, p.of(id), time.UnixMilli(s.LastEventTimestamp).UTC())
			}
		}
	}
	return all, nil
}

// closing says on standard error what the list itself does not.
func (h *historyRun) closing() {
	if h.written == 0 && h.list.format == "table" {
		h.say("No session%s.", map[bool]string{true: " in this account and Region", false: " of the stack " + h.Stack + " under " + h.outputs.SessionDocument}[h.all])
	}
	if h.hidden > 0 {
		h.say("%s on other instances or under other documents: ALL=1 shows them.", sessionsIn(h.hidden))
	}
	for _, n := range h.noted {
		h.say("%s", n)
	}
	if h.more != "" {
		h.say("There are more: the same line with NEXT='%s'", h.more)
	}
}

// writer writes entries in the form that was asked for. Finish ends the output.
func (h *historyRun) writer() (write func([]entry) error, finish func() error, err error) {
	count := func(inner func(entry) error) func([]entry) error {
		return func(page []entry) error {
			for _, e := range page {
				if err := inner(e); err != nil {
					return err
				}
				h.written++
			}
			return nil
		}
	}
	switch h.list.format {
	case "csv":
		w := csv.NewWriter(h.Out)
		_ = w.Write(columns) // an error shows in Flush
		return count(func(e entry) error { return w.Write(e.values()) }), func() error { w.Flush(); return w.Error() }, nil
	case "json":
		first := true
		return count(func(e entry) error {
				start := ",\n  "
				if first {
					start = "[\n  "
				}
				first = false
				line, err := json.Marshal(e)
				if err == nil {
					_, err = io.WriteString(h.Out, start+string(line))
				}
				return err
			}), func() error {
				end := "\n]\n"
				if first {
					end = "[]\n"
				}
				_, err := io.WriteString(h.Out, end)
				return err
			}, nil
	}
	to, err := (&pager{h.Out, func() error { return nil }}), error(nil)
	if h.limit() == 0 {
		if to, err = h.pager(); err != nil {
			return nil, nil, err
		}
	}
	t := &historyTable{historyRun: h, to: to}
	return t.page, func() error { return ignorePager(to.close()) }, nil
}

// column is one of the table's; width is at most that many characters, 0 for as many as there are.
type column struct {
	title string
	width int
	value func(entry) string
}

type historyTable struct {
	*historyRun
	to      io.Writer
	columns []column
	begun   bool
}

var allColumns = []column{
	{"SESSION", 0, func(e entry) string { return e.Session }},
	{"WHO", 20, func(e entry) string { return e.Who }},
	{"INSTANCE", 20, func(e entry) string { return e.Instance }},
	{"START (UTC)", 16, func(e entry) string { return short(e.Start) }},
	{"LASTED", 7, lasted},
	{"STATUS", 13, func(e entry) string { return e.status() }},
	{"RECORD", 0, func(e entry) string { return e.Record }},
}

// choose sets the columns and their widths after the first page, since later pages must be alike. A terminal gets the
// columns that it has room for; an id is never cut, since it is typed again.
func (t *historyTable) choose(first []entry) {
	room, used := width(t.Out), 0
	for _, c := range allColumns {
		widest := len(c.title)
		for _, e := range first {
			widest = max(widest, text.RuneWidthWithoutEscSequences(printable(c.value(e))))
		}
		if room > 0 && c.width > 0 {
			widest = min(widest, c.width)
		}
		if room > 0 && used+widest > room && len(t.columns) > 0 {
			if c.title == "RECORD" {
				t.noted = append(t.noted, "Records: "+describe(t.places, "SESSION")+" (FORMAT=json has each)")
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

// status is the word and when it is not the usual end, why.
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
	seconds, err := strconv.Atoi(e.Seconds)
	if err != nil {
		return e.Seconds
	}
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

// page writes some rows. Columns keep their widths from page to page.
func (t *historyTable) page(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	if !t.begun {
		t.choose(entries)
	}
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
		if width(t.Out) > 0 && c.title != "SESSION" && c.title != "RECORD" {
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
	if _, err := io.WriteString(t.to, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	t.written += len(entries)
	return nil
}

// printable keeps a terminal from being told what to do by somebody's reason or session name.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
