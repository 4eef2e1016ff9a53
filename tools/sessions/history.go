package sessions

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sessiondoc "private-ec2-access/internal/session"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

// listing is which part of the history is wanted, and in which format.
type listing struct {
	format       string
	who          string
	since, until time.Time
	// limit is how many entries at most; 0 is no limit.
	limit int
	// next is where an earlier page ended: a token of DescribeSessions, openMark and the session that it ended with, or archiveMark
	// and how many entries to skip.
	next string
}

// formats are those of the list; the first is the default.
var formats = []string{"table", "json", "csv"}

// pageSize is how many entries a page has unless --limit sets another number.
const pageSize = 50

// openMark begins a paging token within the open sessions, archiveMark one within the archive. DescribeSessions' tokens are Base64
// and hold no colon.
const (
	openMark    = "open:"
	archiveMark = "archive:"
)

// unknown stands for what a session log does not hold.
const unknown = "unknown"

func historyCommand(r *run) *cobra.Command {
	r.list.format = formats[0]
	c := r.newCommand(r.history, &cobra.Command{
		Use:   "history",
		Short: "List sessions, open ones first, then the newest",
		Long: `List sessions, open ones first, then the newest. Systems Manager keeps the history of 30 days. Older sessions are listed from
their session logs.`,
		Example: `  stack history --stack dev --who alice --since 7d
  stack history --all --format csv > sessions.csv`,
	})
	r.instanceFlag(c)
	f := c.Flags()
	f.BoolVar(&r.all, "all", false, "also list sessions under other documents")
	r.formatFlag(c)
	f.StringVar(&r.list.who, "who", "", "`USER`: the last part of the ARN, or the whole ARN")
	r.timeFlag(c, &r.list.since, "since", "sessions that started at this `TIME` or later")
	r.timeFlag(c, &r.list.until, "until", "sessions that started before this `TIME`")
	f.IntVar(&r.list.limit, "limit", 0, "the `NUMBER` of sessions at most")
	f.StringVar(&r.list.next, "next", "", "`TOKEN` that the previous page printed")
	return c
}

func (r *run) formatFlag(c *cobra.Command) {
	c.Flags().Func("format", "`FORMAT` of the list: "+strings.Join(formats, ", "), func(value string) error {
		r.list.format = value
		if !slices.Contains(formats, value) {
			return errors.New("no such format. Allowed: " + strings.Join(formats, ", "))
		}
		return nil
	})
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func (r *run) timeFlag(c *cobra.Command, t *time.Time, name, usage string) {
	c.Flags().Func(name, usage+": "+timeForms, func(value string) (err error) {
		*t, err = parseTime(value, r.now())
		return err
	})
}

const timeForms = "2026-01-31 or 2026-01-31T08:00:00Z (both UTC), or an age such as 90m, 12h, 7d or 2w"

var ago = regexp.MustCompile(`^(\d+)([mhdw])$`)

func parseTime(value string, now time.Time) (time.Time, error) {
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
	return time.Time{}, errors.New("not a time. Allowed: " + timeForms)
}

// history lists sessions, those that are open first, then the newest.
func (r *run) history(ctx context.Context) error {
	if from, to := r.list.since, r.list.until; !to.IsZero() && !from.Before(to) {
		return process.Usagef("no session starts at or after SINCE=%s and before UNTIL=%s. Fix: an earlier SINCE=, or a later UNTIL=", rfc(from), rfc(to))
	}
	h := &historyRun{run: r, known: map[string]bool{}, limit: r.list.limit}
	if h.limit == 0 && r.list.format == "table" && (!process.IsTerminal(r.Out) || r.list.next != "") {
		h.limit = pageSize // The other formats are complete, and a pager reads only what it shows.
	}
	if r.instance != "" {
		n, err := r.find(r.instance)
		if err != nil {
			return err
		}
		h.only = n.id
	}
	// The sessions are read while the document is: each call takes the AWS CLI a second. On a terminal nothing is shown before.
	done := r.busy("reading the session history")
	first := h.readAhead(ctx)
	places, err := r.locations(ctx)
	h.first = <-first
	done()
	if places == nil && err != nil {
		return r.explain(err)
	}
	if err != nil {
		r.say("Note: the log locations are those in the stack's outputs, because the session document could not be read: %s", problem(err))
	}
	h.places = places
	if h.to, err = h.writer(); err != nil {
		return err
	}
	err = h.walk(ctx)
	if err := errors.Join(err, h.to.close()); err != nil {
		if ignorePipe(err) == nil {
			return nil
		}
		return r.explain(err)
	}
	h.closing()
	return nil
}

// historyRun is one walk through the history.
type historyRun struct {
	*run
	only   string
	places []sessiondoc.Location
	to     entryWriter
	// limit is how many entries are written at most; 0 is no limit.
	limit int
	// first is what was read ahead; nil is nothing.
	first *firstSessions
	// held are the open sessions, until the first page of the others: a table's columns are chosen by what is written first.
	held []entry
	// known are the sessions that DescribeSessions returned.
	known map[string]bool
	// written counts entries; hidden are the sessions that are not this stack's.
	written, hidden int
	// more is the token at which the next page begins.
	more string
	// noted are remarks for the end, after the pager.
	noted []string
}

// firstSessions are the open sessions and the first page of the others.
type firstSessions struct {
	open []session
	page []session
	next string
	err  error
}

// readAhead reads the beginning of a list that has no limit, in which the size of a page does not depend on what was written.
// Open sessions are read first: one that ends meanwhile is then in both answers, and not in none.
func (h *historyRun) readAhead(ctx context.Context) <-chan *firstSessions {
	found := make(chan *firstSessions, 1)
	if h.limit > 0 || h.list.next != "" {
		found <- nil
		return found
	}
	go func() {
		var f firstSessions
		if f.open, f.err = h.aws.allSessions(ctx, active, h.filters()...); f.err == nil && h.list.format == "table" {
			f.page, f.next, f.err = h.aws.sessionsPage(ctx, past, h.pageSize(), "", h.filters()...)
		}
		found <- &f
	}()
	return found
}

// pageSize is how many sessions a page has.
func (h *historyRun) pageSize() int {
	switch {
	case h.limit > 0:
		return min(maxPage, h.limit-h.written)
	case h.list.format == "table":
		return pageSize
	}
	return maxPage
}

// readOpen and readPast use what was read ahead.
func (h *historyRun) readOpen(ctx context.Context) ([]session, error) {
	if h.first != nil {
		return h.first.open, h.first.err
	}
	return h.aws.allSessions(ctx, active, h.filters()...)
}

func (h *historyRun) readPast(ctx context.Context, size int, token string) ([]session, string, error) {
	if f := h.first; f != nil {
		h.first = nil
		return f.page, f.next, f.err
	}
	return h.aws.sessionsPage(ctx, past, size, token, h.filters()...)
}

// filters are those that AWS can apply itself.
func (h *historyRun) filters() []filter {
	var all []filter
	if h.only != "" {
		all = append(all, filter{"Target", h.only})
	}
	if strings.HasPrefix(h.list.who, "arn:") {
		all = append(all, filter{"Owner", h.list.who})
	}
	if !h.list.since.IsZero() {
		all = append(all, filter{"InvokedAfter", rfc(h.list.since)})
	}
	if !h.list.until.IsZero() {
		all = append(all, filter{"InvokedBefore", rfc(h.list.until)})
	}
	return all
}

func (h *historyRun) write(page []entry) error {
	h.written += len(page)
	page, h.held = append(h.held, page...), nil
	return h.to.write(page)
}

func (h *historyRun) full() bool { return h.limit > 0 && h.written >= h.limit }

// walk writes every wanted entry: open sessions, then the history in AWS, then the archive. It ends when the page is full.
func (h *historyRun) walk(ctx context.Context) error {
	token, skip := h.list.next, 0
	last, inOpen := strings.CutPrefix(token, openMark)
	rest, inArchive := strings.CutPrefix(token, archiveMark)
	if inOpen {
		token = ""
	}
	if inArchive {
		var err error
		if skip, err = strconv.Atoi(rest); err != nil || skip < 0 {
			return process.Usagef("NEXT: not a page of this list (got %q). Fix: use the token that the previous page printed", h.list.next)
		}
		// The archive has what AWS no longer lists, so the list in AWS has to be read again.
		token = ""
	}
	if h.list.next == "" || inOpen {
		open, err := h.readOpen(ctx)
		if err != nil {
			return err
		}
		kept := h.keep(open)
		if inOpen { // if that session has ended meanwhile, some are listed once more, and none is left out
			kept = kept[slices.IndexFunc(kept, func(e entry) bool { return e.Session == last })+1:]
		}
		if h.limit > 0 && len(kept) >= h.limit {
			h.more = openMark + kept[h.limit-1].Session
			return h.write(kept[:h.limit])
		}
		if h.list.format == "table" {
			h.written, h.held = h.written+len(kept), kept
		} else if err := h.write(kept); err != nil {
			return err
		}
	}
	// Many pages with one process of the AWS CLI, where all of them are wanted.
	if inArchive || h.limit == 0 && h.list.format != "table" && token == "" {
		err := h.aws.eachSessions(ctx, past, h.filters(), func(page []session) error {
			kept := h.keep(page)
			if inArchive {
				return nil
			}
			return h.write(kept)
		})
		if err != nil {
			return err
		}
		return h.archive(ctx, skip)
	}
	const bound = 10_000
	for range bound {
		page, next, err := h.readPast(ctx, h.pageSize(), token)
		if err != nil {
			return err
		}
		if err := h.write(h.keep(page)); err != nil {
			return err
		}
		if token = next; token == "" {
			break
		}
		if h.full() {
			h.more = token
			return nil
		}
	}
	return h.archive(ctx, skip)
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
			if h.wanted(h.entry(s)) { // ALL=1 would show it
				h.hidden++
			}
			continue
		}
		if e := h.entry(s); h.wanted(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// isOurs tells whether a session ran under a document of the stack: also on an instance that was replaced since, or that only has
// the stack's profile.
func (h *historyRun) isOurs(s session) bool {
	return h.all || (h.underDocument(s) || h.ownTunnel(s)) && (h.only == "" || s.Target == h.only)
}

// underDocument tells whether a session ran under the stack's document.
func (r *run) underDocument(s session) bool {
	return cmp.Or(s.DocumentName, sessiondoc.DefaultDocument) == r.outputs.SessionDocument
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

// closing says on standard error what the list itself does not.
func (h *historyRun) closing() {
	switch {
	case h.written > 0 || h.list.format != "table":
	case h.list.next != "": // the pages before had some
		h.say("No more sessions.")
	default:
		which := "No session"
		if h.list.who != "" || h.only != "" || !h.list.since.IsZero() || !h.list.until.IsZero() {
			which = "No matching session"
		}
		h.say("%s%s.", which, map[bool]string{true: " in this account and Region", false: " of the stack " + h.Stack + " under " + h.outputs.SessionDocument}[h.all])
	}
	if h.hidden > 0 {
		h.say("%s under other documents: ALL=1 shows them.", screen.Count(h.hidden, "session"))
	}
	for _, n := range h.noted {
		h.say("%s", n)
	}
	if h.more != "" {
		h.say("There are more. Next: the same command with NEXT='%s'", h.more)
	}
}
