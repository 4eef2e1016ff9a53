package sessions

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"private-ec2-access/internal/audit"
	sessiondoc "private-ec2-access/internal/session"
)

// clockSlack is how much older than the end of its session a session log may be: the agent uploads it when the shell has
// ended, and reports the end of the session after that.
const clockSlack = time.Minute

// version is one version of an object, or a delete marker.
type version struct {
	Key          string
	VersionID    string `json:"VersionId"`
	LastModified stamp
	Size         int64
	Owner        struct{ DisplayName, ID string }

	bucket string
	// account is the one that has to own the bucket; empty: it cannot be checked.
	account string
	deleted bool
}

// where is one line, whoever chose the key.
func (v version) where() string { return "s3://" + v.bucket + "/" + printable(v.Key) }

func (v version) String() string {
	if v.VersionID == "" {
		return v.where() + ", versions unknown"
	}
	size := fmt.Sprintf("%d bytes", v.Size)
	if v.deleted {
		size = "delete marker"
	}
	return fmt.Sprintf("%s, version %s, %s, %s, owner %s", v.where(), v.VersionID, v.LastModified.UTC().Format(time.RFC3339), size,
		cmp.Or(v.Owner.DisplayName, v.Owner.ID, "unknown"))
}

// versions lists the versions of an object, the oldest first.
func (c *client) versions(ctx context.Context, bucket, key, account string) ([]version, error) {
	var answer struct{ Versions, DeleteMarkers []version }
	in := inBucket(bucket, account)
	in["Prefix"] = key
	if err := c.call(ctx, &answer, "s3api", "list-object-versions", in); err != nil {
		return nil, err
	}
	for i := range answer.DeleteMarkers {
		answer.DeleteMarkers[i].deleted = true
	}
	all := slices.DeleteFunc(append(answer.Versions, answer.DeleteMarkers...), func(v version) bool { return v.Key != key })
	for i := range all {
		all[i].bucket, all[i].account = bucket, account
	}
	slices.SortStableFunc(all, func(a, b version) int { return a.LastModified.Compare(b.LastModified.Time) })
	return all, nil
}

func (c *client) fetchVersion(ctx context.Context, v version) ([]byte, error) {
	id := v.VersionID
	if id == "null" {
		id = "" // The bucket keeps no versions.
	}
	return c.fetchObject(ctx, v.bucket, v.Key, id, v.account)
}

// stream is the session log in a log group.
type stream struct {
	where string
	streamed
}

// evidence is what there is of a session log in the stack's log locations.
type evidence struct {
	versions []version
	streams  []stream
	// doubts are reasons not to trust it.
	doubts []string
	// unasked: whether Session Manager has the session is not known.
	unasked bool
	looked  []string
	// problems are what could not be looked at.
	problems []error
	// named are the log locations of the session document, if it could be read.
	named []sessiondoc.Location
	// notes are locations that others reported, which are not the stack's and so were not read.
	notes []string
}

// notAsked notes that the session could not be looked up.
func (e *evidence) notAsked(err error) {
	e.unasked = true
	e.doubt("When the session ended could not be read: %s.", problem(err))
}

func (e *evidence) doubt(format string, args ...any) {
	e.doubts = append(e.doubts, fmt.Sprintf(format, args...))
}

// logLocations are the stack's own log locations: those of its session document, of its outputs, and earlier ones.
func (r *run) logLocations(named []sessiondoc.Location) (all []sessiondoc.Location) {
	for _, l := range slices.Concat(named, []sessiondoc.Location{r.current()}, r.earlier()) {
		if l != (sessiondoc.Location{}) && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// findRecord looks for the log of a session in the stack's own log locations, and nowhere else: what DescribeSessions
// reports comes from the instance.
func (r *run) findRecord(ctx context.Context, s session, id string) (e evidence, err error) {
	named, unread := r.locations(ctx)
	if named == nil && unread != nil {
		return e, unread
	}
	if unread != nil {
		e.problems = append(e.problems, unread)
	} else {
		e.named = named
	}
	places := r.logLocations(named)
	me, err := r.aws.caller(ctx)
	if err != nil {
		return e, err
	}
	for _, p := range places {
		if p.Bucket != "" {
			e.looked = append(e.looked, logOf(p, id))
			r.copies(ctx, &e, p.Bucket, p.Key(id), me.Account)
		}
	}
	if len(e.versions) == 0 {
		r.search(ctx, &e, places, id, me.Account)
	}
	for _, p := range places {
		// One good copy is enough; a copy in doubt is compared with all others.
		if p.LogGroup == "" || len(e.versions) == 0 && len(e.streams) > 0 || len(e.versions) == 1 && len(r.judge(e, s)) == 0 {
			continue
		}
		e.looked = append(e.looked, logOf(p, id))
		read, err := r.aws.fetchStream(ctx, p.LogGroup, id)
		if err != nil {
			e.problems = append(e.problems, err)
		} else if read.text != nil {
			e.streams = append(e.streams, stream{logOf(p, id), read})
		}
	}
	if url := s.OutputURL.S3OutputURL; url != "" && !slices.ContainsFunc(e.versions, func(v version) bool {
		return strings.Contains(url, v.bucket) && strings.HasSuffix(url, "/"+v.Key)
	}) {
		e.notes = append(e.notes, fmt.Sprintf("The instance reported the log location %s. It was not read from there: only the stack's own log locations are read.", printable(url)))
	}
	if s.DocumentName != "" && s.DocumentName != r.outputs.SessionDocument {
		e.notes = append(e.notes, fmt.Sprintf("The session ran under the document %s. The log locations of that document were not read: only the stack's own are.", printable(s.DocumentName)))
	}
	return e, nil
}

// copies finds the versions of an object. The bucket has to belong to the stack's account, unless the stack's config names
// a bucket of another one.
func (r *run) copies(ctx context.Context, e *evidence, bucket, key, account string) {
	found, err := r.aws.versions(ctx, bucket, key, account)
	if isDenied(err) && r.foreign(ctx, bucket, account) {
		if !r.configured(bucket) {
			e.problems = append(e.problems, fmt.Errorf("the bucket %s does not belong to the account %s of the stack any more, so it was not read", bucket, account))
			return
		}
		account = ""
		if found, err = r.aws.versions(ctx, bucket, key, account); len(found) > 0 {
			e.doubt("The bucket %s belongs to another account. Who can write to it cannot be checked from here.", bucket)
		}
	}
	switch {
	case isAbsent(err):
	case isDenied(err):
		// A newest version may be readable all the same.
		text, problem := r.aws.fetchObject(ctx, bucket, key, "", account)
		switch {
		case problem != nil:
			e.problems = append(e.problems, problem)
		case text != nil:
			e.versions = append(e.versions, version{Key: key, bucket: bucket, account: account})
			e.doubt("The versions of s3://%s/%s could not be listed, so an overwritten session log would not be noticed.\n  %v", bucket, key, r.explain(err))
		}
	case err != nil:
		e.problems = append(e.problems, err)
	}
	e.versions = append(e.versions, found...)
}

// foreign tells whether a bucket is another account's: it answers only if its owner does not matter.
func (r *run) foreign(ctx context.Context, bucket, account string) bool {
	return isDenied(r.aws.call(ctx, nil, "s3api", "head-bucket", inBucket(bucket, account))) &&
		r.aws.call(ctx, nil, "s3api", "head-bucket", inBucket(bucket, "")) == nil
}

// configured tells whether the stack's config may name the bucket. Kept buckets were the stack's own.
func (r *run) configured(bucket string) bool {
	return slices.ContainsFunc(append(r.earlier(), r.current()), func(l sessiondoc.Location) bool { return l.Bucket == bucket })
}

// search looks under every prefix of the stack's buckets.
func (r *run) search(ctx context.Context, e *evidence, places []sessiondoc.Location, id, account string) {
	for _, bucket := range r.buckets(places) {
		e.looked = append(e.looked, "every prefix of s3://"+bucket)
		objects, err := r.objectsIn(ctx, bucket, account, func(key string) bool { return path.Base(key) == path.Base(sessiondoc.Location{}.Key(id)) })
		if err != nil && !isAbsent(err) {
			e.problems = append(e.problems, err)
		}
		for _, o := range objects {
			if slices.ContainsFunc(places, func(l sessiondoc.Location) bool {
				return l.Bucket == bucket && l.Key(id) != o.Key && strings.HasPrefix(o.Key, strings.TrimPrefix(l.Prefix+"/", "/"))
			}) && !slices.Contains(r.outputs.KeptLogBuckets, bucket) {
				e.doubt("s3://%s/%s is where instances may write, but where no session document of the stack puts a session log.", bucket, printable(o.Key))
			}
			r.copies(ctx, e, bucket, o.Key, account)
		}
	}
}

// objectsIn lists a bucket's objects that are wanted. As in copies, a bucket of another account is read only if the config names it.
func (r *run) objectsIn(ctx context.Context, bucket, account string, wanted func(key string) bool) ([]object, error) {
	all, err := r.aws.list(ctx, bucket, account, wanted)
	if isDenied(err) && r.foreign(ctx, bucket, account) && r.configured(bucket) {
		return r.aws.list(ctx, bucket, "", wanted)
	}
	return all, err
}

// buckets are all that hold session logs of this stack, today's first.
func (r *run) buckets(places []sessiondoc.Location) (all []string) {
	var candidates []string
	for _, p := range places {
		candidates = append(candidates, p.Bucket)
	}
	for _, b := range slices.Concat(candidates, []string{r.current().Bucket}, r.outputs.KeptLogBuckets) {
		if b != "" && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

// settled looks a session up again, for some seconds, if it had not ended and its session log was written a moment ago: the agent
// reports the end only after it has written the log, and the session may have ended since it was looked up.
func (r *run) settled(ctx context.Context, e evidence, s session) session {
	fresh := slices.ContainsFunc(e.versions, func(v version) bool { return r.now().Sub(v.LastModified.Time) < clockSlack })
	for range 8 {
		if !fresh || !s.isOpen() {
			break
		}
		if again, _, err := r.aws.findSession(ctx, s.SessionID); err == nil && again.SessionID != "" {
			s = again
		}
		if s.isOpen() {
			time.Sleep(min(r.poll, 2*time.Second))
		}
	}
	return s
}

// missing are the log locations of the session document that have no log of the session. findRecord is content with one good copy.
func (r *run) missing(ctx context.Context, e evidence, id string) (all []sessiondoc.Location, err error) {
	for _, l := range e.named {
		there := slices.ContainsFunc(e.versions, func(v version) bool { return v.bucket == l.Bucket && v.Key == l.Key(id) }) ||
			slices.ContainsFunc(e.streams, func(s stream) bool { return s.where == logOf(l, id) })
		if !there && l.LogGroup != "" {
			read, err := r.aws.fetchStream(ctx, l.LogGroup, id)
			if err != nil {
				return nil, err
			}
			there = read.text != nil
		}
		if !there {
			all = append(all, l)
		}
	}
	if len(all) > 0 && len(e.problems) > 0 {
		return nil, e.problems[0] // it may be where it could not be looked for
	}
	return all, nil
}

// judge gives the reasons for doubt about what was found. Whoever is root in a session can write the session log's key, before
// the agent does or after it. The end of the session is known if s is.
func (r *run) judge(e evidence, s session) []string {
	doubts := slices.Clone(e.doubts)
	if len(e.versions) > 1 {
		doubts = append(doubts, fmt.Sprintf("There are %d versions; the agent writes one.", len(e.versions)))
	}
	for _, v := range e.versions {
		if v.VersionID != "" && !v.deleted && v.Size == 0 {
			doubts = append(doubts, fmt.Sprintf("%s has 0 bytes; a shell shows a prompt at least.", v.where()))
		}
		switch {
		case v.VersionID == "": // It is in doubt already.
		case v.deleted:
			doubts = append(doubts, fmt.Sprintf("%s was deleted at %s.", v.where(), v.LastModified.UTC().Format(time.RFC3339)))
		case s.isOpen():
			doubts = append(doubts, fmt.Sprintf("%s was written at %s, and the session has not ended; the agent writes after the end.", v.where(), v.LastModified.UTC().Format(time.RFC3339)))
		case !s.EndDate.IsZero() && v.LastModified.Before(s.EndDate.Add(-clockSlack)):
			doubts = append(doubts, fmt.Sprintf("%s was written at %s, before the session ended at %s; the agent writes after the end.",
				v.where(), v.LastModified.UTC().Format(time.RFC3339), s.EndDate.UTC().Format(time.RFC3339)))
		case !s.EndDate.IsZero() && v.LastModified.After(s.EndDate.Add(audit.Late)):
			doubts = append(doubts, fmt.Sprintf("%s was written at %s, long after the session ended at %s; the agent writes within minutes.",
				v.where(), v.LastModified.UTC().Format(time.RFC3339), s.EndDate.UTC().Format(time.RFC3339)))
		case s.SessionID == "" && !e.unasked && r.now().Sub(v.LastModified.Time) < audit.History-24*time.Hour: // a session lasts a day at most
			doubts = append(doubts, fmt.Sprintf("%s was written at %s, and Session Manager, which keeps sessions for 30 days, has no such session.", v.where(), v.LastModified.UTC().Format(time.RFC3339)))
		}
	}
	for _, st := range e.streams {
		switch {
		case !st.first.IsZero() && st.first.Before(s.StartDate.Add(-clockSlack)):
			doubts = append(doubts, fmt.Sprintf("%s received its first event at %s, before the session started at %s.", st.where, st.first.Format(time.RFC3339), s.StartDate.UTC().Format(time.RFC3339)))
		case !s.EndDate.IsZero() && st.last.After(s.EndDate.Add(audit.Late)):
			doubts = append(doubts, fmt.Sprintf("%s received its last event at %s, long after the session ended at %s; the agent writes within minutes.",
				st.where, st.last.Format(time.RFC3339), s.EndDate.UTC().Format(time.RFC3339)))
		}
	}
	switch {
	case len(e.versions) == 0:
	case s.Status == "Failed":
		doubts = append(doubts, "The session failed, and the agent uploads no session log of such a session.")
	case s.SessionID != "" && r.unrecorded(s):
		doubts = append(doubts, fmt.Sprintf("The session ran under %s, which Session Manager does not log.", printable(s.DocumentName)))
	}
	return doubts
}

// sameText tells whether two session logs say the same: each has its own lines about itself and its own line ends.
func sameText(a, b []byte) bool {
	lines := func(text []byte) string {
		var kept []string
		for _, line := range strings.Split(plainText(text), "\n") {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "Script started on ") && !strings.HasPrefix(line, "Script done on ") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	return lines(a) == lines(b)
}
