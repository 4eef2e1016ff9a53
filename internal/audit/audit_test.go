package audit

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/session"
)

var (
	now     = time.Date(2026, 3, 31, 3, 0, 0, 0, time.UTC)
	changed = now.Add(-10 * 24 * time.Hour) // when the log group was added
	bucket  = session.Location{Bucket: "logs", Prefix: "sessions"}
	group   = session.Location{LogGroup: "/sessions"}
	before  = session.Location{Bucket: "logs", Prefix: "before"}
)

const ownDocument, ownTunnel = "SSM-SessionManagerRunShell", "people-tunnel-dba-postgres"

// honest are n sessions as users and the agent leave them, with their logs: short and long ones, idle ones, failed ones, open
// ones, ones that ended a moment ago, and sessions of other stacks.
func honest(n int) Facts {
	random := rand.New(rand.NewPCG(1, 2))
	f := Facts{
		Now: now, Since: now.Add(-History), Account: "123456789012", Instances: map[string]bool{"i-1": true, "i-2": true},
		Document: ownDocument, Current: []session.Location{bucket, group}, ChangedAt: changed, Locations: []session.Location{bucket, group, before}, Idle: 20 * time.Minute,
		Versioning: map[string]string{"logs": "Enabled"}, ReasonRequired: true, Region: "us-east-2", Tunnels: []string{ownTunnel},
		Alerts: true, TrailsRead: true, Trails: []Trail{{Name: "main", HomeRegion: "us-east-1", EveryRegion: true, Logging: true, ManagementWrites: true}},
	}
	for i := range n {
		who := []string{"alice", "bob@example.com", "ci-runner-7"}[i%3]
		s := Session{
			ID: fmt.Sprintf("%s-0%016x", who, i), Owner: "arn:aws:sts::123456789012:assumed-role/operators/" + who, Target: []string{"i-1", "i-2", "i-gone"}[random.IntN(3)],
			Document: ownDocument, Status: "Terminated", Reason: "ticket", Start: now.Add(-time.Duration(random.Int64N(int64(History)))),
		}
		lasted := time.Duration(random.Int64N(int64(2 * time.Hour)))
		if random.IntN(50) == 0 {
			lasted = time.Duration(random.Int64N(int64(23 * time.Hour)))
		}
		if i%500 == 0 {
			s.Start = now.Add(-lasted - 10*time.Minute) // its logs may be on their way
		}
		s.End = s.Start.Add(lasted)
		idle := time.Duration(random.Int64N(int64(20 * time.Minute)))
		wrote := s.End.Add(time.Duration(random.Int64N(int64(90*time.Second))) - 30*time.Second)
		switch {
		case s.End.After(now):
			s.End, s.Active, s.Status = time.Time{}, true, []string{"Connected", "Disconnected", "Terminating"}[i%3]
		case random.IntN(40) == 0:
			s.Status, s.End = "Failed", s.Start.Add(time.Second)
		case random.IntN(40) == 0: // of another stack
			s.Document, s.Target = []string{"other-preferences", "AWS-StartSSHSession"}[i%2], "i-other"
		}
		if random.IntN(20) == 0 && s.Document == ownDocument {
			s.Document = []string{"", "arn:aws:ssm:us-east-2:123456789012:document/" + ownDocument}[i%2]
		}
		f.Sessions = append(f.Sessions, s)
		streamed := f.underCurrent(s)
		if f.ours(s) && s.Status != "Failed" && streamed {
			last := s.End.Add(-idle)
			if s.Active {
				last = now.Add(-time.Minute)
			}
			last = latest(last, s.Start)
			f.Streams = append(f.Streams, Stream{Group: group.LogGroup, Name: s.ID, Created: s.Start, Last: last})
		}
		if f.ours(s) && s.Status == "Terminated" && i%1000 != 0 {
			at := bucket
			if s.Start.Before(now.Add(-20 * 24 * time.Hour)) {
				at = []session.Location{before, {Bucket: "logs", Prefix: "long-ago"}}[i%2] // the second is in the config no more
			}
			f.Objects = append(f.Objects, Object{Bucket: at.Bucket, Key: at.Key(s.ID), Version: fmt.Sprint(i), At: wrote, Size: 40 + int64(random.IntN(100_000))})
		}
		if at := s.Start.Add(2 * time.Second); s.Status != "Failed" || i%2 == 0 {
			f.Events = append(f.Events, Event{Name: "StartSession", Owner: s.Owner, At: at, Session: s.ID, Document: s.Document})
		}
	}
	// What AWS no longer knows: the sessions ended before the window, or in its first hours.
	for i := range 200 {
		id := fmt.Sprintf("carol-1%016x", i)
		f.Objects = append(f.Objects, Object{Bucket: "logs", Key: bucket.Key(id), Version: "v", At: now.Add(-History + 20*time.Hour - time.Duration(i)*24*time.Hour), Size: 1})
	}
	f.Objects = append(f.Objects, // what an agent leaves of a session that it refused, and files that are no session logs
		Object{Bucket: "logs", Key: "sessions/Standard_Stream/stderr", Version: "1", At: now.Add(-time.Hour), Size: 9},
		Object{Bucket: "logs", Key: "sessions/readme.txt", Version: "1", At: now.Add(-time.Hour), Size: 9},
	)
	f.Sessions = append(f.Sessions, Session{ // forwards a port of the config
		ID: "alice-0fffffffffffffff1", Owner: "alice", Target: "i-1", Document: ownTunnel, Status: "Terminated", Start: now.Add(-2 * time.Hour), End: now.Add(-time.Hour),
	})
	f.Commands = []Command{{ID: "c-1", Instance: "i-other", Document: "AWS-RunShellScript", At: now.Add(-time.Hour)}}
	return f
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestJudge_HonestSessions_NothingIsFound(t *testing.T) {
	t.Parallel()
	f := honest(10_000)
	start := time.Now()
	r := Judge(f)
	t.Logf("10,000 sessions judged in %s", time.Since(start))
	require.Empty(t, r.Findings)
	require.Zero(t, r.Undecided)
	require.Greater(t, r.Logged, 9_000)
	require.NotZero(t, r.Open)
	require.NotZero(t, r.Settling)
	require.Equal(t, 1, r.Tunnels)
	require.Empty(t, f.WithoutLog())

	f.Current, f.Locations, f.Streams, f.ChangedAt = []session.Location{bucket}, []session.Location{bucket, before}, nil, time.Time{}
	require.Empty(t, Judge(f).Findings, "without a log group, and without knowing since when")
}

// Each session is in one number of the report, so that they add up.
func TestJudge_Counts_AddUpToTheSessions(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for name, change := range map[string]func(*Facts){
		"as it should be":           func(*Facts) {},
		"no objects":                func(f *Facts) { f.Objects = nil },
		"no session logs":           func(f *Facts) { f.Objects, f.Streams = nil, nil },
		"a location cannot be read": func(f *Facts) { f.Objects, f.Streams, f.Unread = nil, nil, []session.Location{bucket} },
		"no reasons": func(f *Facts) {
			for i := range f.Sessions {
				f.Sessions[i].Reason = ""
			}
		},
	} {
		f := honest(1000)
		change(&f)
		r := Judge(f)
		for number, n := range map[string]int{"logged": r.Logged, "findings": r.WithFindings, "open": r.Open, "refused": r.Refused, "settling": r.Settling, "undecided": r.Undecided} {
			seen[number] += n
		}
		require.Equal(t, r.Sessions, r.Logged+r.WithFindings+r.Open+r.Refused+r.Settling+r.Undecided, "%s: %+v", name, r)
	}
	for number, n := range seen {
		require.NotZero(t, n, number)
	}

	// A session that ended a moment ago is logged once all its copies are there; before, they may still come.
	f := honest(1)
	f.Objects = nil
	require.Equal(t, []int{0, 1}, []int{Judge(f).Logged, Judge(f).Settling})
	s := f.Sessions[0]
	f.Objects = append(f.Objects, Object{Bucket: "logs", Key: bucket.Key(s.ID), Version: "1", At: s.End.Add(time.Second), Size: 40})
	require.Equal(t, []int{1, 0}, []int{Judge(f).Logged, Judge(f).Settling})
}

// victim is a session whose logs are as they should be, in both locations.
func victim(t *testing.T, f *Facts) *Session {
	t.Helper()
	for i := range f.Sessions {
		s := &f.Sessions[i]
		if s.Status == "Terminated" && s.Document == ownDocument && s.Target == "i-1" && f.underCurrent(*s) && s.End.Sub(s.Start) > time.Hour && f.settled(*s) {
			return s
		}
	}
	require.FailNow(t, "no such session")
	return nil
}

func logOf(f *Facts, id string) *Object {
	for i := range f.Objects {
		if strings.HasSuffix(f.Objects[i].Key, "/"+id+".log") {
			return &f.Objects[i]
		}
	}
	return nil
}

func streamOf(f *Facts, id string) *Stream {
	for i := range f.Streams {
		if f.Streams[i].Name == id {
			return &f.Streams[i]
		}
	}
	return nil
}

func (f *Facts) removeLog(id string) {
	f.Objects = slices.DeleteFunc(f.Objects, func(o Object) bool { return strings.HasSuffix(o.Key, "/"+id+".log") })
}

func (f *Facts) removeStream(id string) {
	f.Streams = slices.DeleteFunc(f.Streams, func(s Stream) bool { return s.Name == id })
}

const forged = "mallory-0123456789abcdef0"

type injection struct {
	change func(f *Facts, s *Session)
	want   []Kind
}

// lossesAndEvasions change one session, or add what should not be.
func lossesAndEvasions() map[string]injection {
	hour := now.Add(-time.Hour)
	return map[string]injection{
		"neither log was written":       {func(f *Facts, s *Session) { f.removeLog(s.ID); f.removeStream(s.ID) }, []Kind{NoLog}},
		"the log in S3 was not written": {func(f *Facts, s *Session) { f.removeLog(s.ID) }, []Kind{CopyMissing}},
		"the stream was not written":    {func(f *Facts, s *Session) { f.removeStream(s.ID) }, []Kind{CopyMissing}},
		"the stream is empty":           {func(f *Facts, s *Session) { streamOf(f, s.ID).Last = time.Time{} }, []Kind{CopyMissing}},
		"no log and an empty stream":    {func(f *Facts, s *Session) { f.removeLog(s.ID); streamOf(f, s.ID).Last = time.Time{} }, []Kind{NoLog}},
		"the stream stops":              {func(f *Facts, s *Session) { streamOf(f, s.ID).Last = s.Start.Add(time.Minute) }, []Kind{StreamStopped}},
		"the log was deleted":           {func(f *Facts, s *Session) { f.add(*logOf(f, s.ID), func(o *Object) { o.Deleted, o.At = true, hour }) }, []Kind{LogDeleted}},
		"the log was overwritten":       {func(f *Facts, s *Session) { f.add(*logOf(f, s.ID), func(o *Object) { o.At = hour }) }, []Kind{LogOverwritten}},
		"deleted and written again": {func(f *Facts, s *Session) {
			f.add(*logOf(f, s.ID), func(o *Object) { o.Deleted = true })
			f.add(*logOf(f, s.ID), func(o *Object) { o.At = hour })
		}, []Kind{LogOverwritten}},
		"forged before the agent writes": {func(f *Facts, s *Session) { logOf(f, s.ID).At = s.End.Add(-10 * time.Minute) }, []Kind{LogTooEarly}},
		"forged, then written by the agent": {func(f *Facts, s *Session) {
			f.add(*logOf(f, s.ID), func(o *Object) { o.At = s.End.Add(-10 * time.Minute) })
		}, []Kind{LogOverwritten, LogTooEarly}},
		"written when the agent was stopped": {func(f *Facts, s *Session) { logOf(f, s.ID).At = s.End.Add(2 * time.Hour) }, []Kind{LogTooLate}},
		"emptied":                            {func(f *Facts, s *Session) { logOf(f, s.ID).Size = 0 }, []Kind{LogEmpty}},
		"overwritten without versions":       {func(f *Facts, s *Session) { logOf(f, s.ID).Version = "null" }, []Kind{LogUnversioned}},
		"versioning suspended":               {func(f *Facts, s *Session) { f.Versioning["logs"] = "Suspended"; logOf(f, s.ID).Version = "null" }, []Kind{LogUnversioned}},
		"moved below the prefix":             {func(f *Facts, s *Session) { logOf(f, s.ID).Key = "sessions/x/" + s.ID + ".log" }, []Kind{LogMisplaced}},
		"forged at an earlier location":      {func(f *Facts, s *Session) { f.add(*logOf(f, s.ID), func(o *Object) { o.Key = before.Key(s.ID) }) }, []Kind{LogTwice}},
		"written while the session is open":  {func(f *Facts, s *Session) { s.Active, s.Status, s.End = true, "Connected", time.Time{} }, []Kind{LogWhileOpen}},
		"written by the agent, which has not reported the end": {func(f *Facts, s *Session) {
			s.Active, s.Status, s.End = true, "Connected", time.Time{}
			logOf(f, s.ID).At = f.Now.Add(-30 * time.Second)
		}, nil},
		"a log of no session": {func(f *Facts, _ *Session) {
			f.Objects = append(f.Objects, Object{Bucket: "logs", Key: bucket.Key(forged), Version: "1", At: hour, Size: 5})
		}, []Kind{NoSession}},
		"a stream of no session": {func(f *Facts, _ *Session) {
			f.Streams = append(f.Streams, Stream{Group: group.LogGroup, Name: forged, Created: hour, Last: hour})
		}, []Kind{NoSession}},
		"a session that the history has lost": {func(f *Facts, s *Session) { id := s.ID; f.removeLog(id); f.removeStream(id); f.removeSession(id) }, []Kind{NotInHistory}},
		"without a reason":                    {func(_ *Facts, s *Session) { s.Reason = "" }, []Kind{NoReason}},
		"under another document":              {func(f *Facts, s *Session) { s.Document = "unlogged"; f.removeLog(s.ID); f.removeStream(s.ID) }, []Kind{OtherDocument}},
		"under a shared document of the name": {func(f *Facts, s *Session) {
			s.Document = "arn:aws:ssm:us-east-2:999999999999:document/" + ownDocument
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{OtherDocument}},
		"an interactive command": {func(f *Facts, s *Session) {
			s.Document = "AWS-StartInteractiveCommand"
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{OtherDocument}},
		"port forwarding": {func(f *Facts, s *Session) {
			s.Document = "AWS-StartPortForwardingSession"
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{Tunnel}},
		"port forwarding to another host": {func(f *Facts, s *Session) {
			s.Document = "AWS-StartPortForwardingSessionToRemoteHost"
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{Tunnel}},
		"port forwarding, still open": {func(f *Facts, s *Session) {
			s.Document, s.Active = "AWS-StartPortForwardingSession", true
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{Tunnel}},
		"port forwarding by a document that the stack has no more": {func(f *Facts, s *Session) {
			s.Document, f.Tunnels = ownTunnel, nil
			f.removeSession("alice-0fffffffffffffff1")
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{OtherDocument}},
		"no trail, so no alert": {func(f *Facts, _ *Session) { f.Trails = nil }, []Kind{NoTrail}},
		"SSH": {func(f *Facts, s *Session) {
			s.Document = "AWS-StartSSHSession"
			f.removeLog(s.ID)
			f.removeStream(s.ID)
		}, []Kind{Tunnel}},
		"Run Command": {func(f *Facts, _ *Session) {
			f.Commands = append(f.Commands, Command{"c-2", "i-1", "AWS-RunShellScript", hour}, Command{"c-2", "i-2", "AWS-RunShellScript", hour})
			f.Events = append(f.Events, Event{Name: "SendCommand", Owner: "eve", Command: "c-2", At: hour})
		}, []Kind{RunCommand}},
		"EC2 Instance Connect": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "SendSSHPublicKey", At: hour, Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"the serial console": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "SendSerialConsoleSSHPublicKey", At: hour, Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"EC2 Instance Connect Endpoint": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "OpenTunnel", At: hour, Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"an association": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "CreateAssociation", At: hour, Document: "AWS-RunShellScript", Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"several associations at once": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "CreateAssociationBatch", At: hour, Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"an association that was changed": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "UpdateAssociation", At: hour, Document: "AWS-RunShellScript", Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
		"an automation": {func(f *Facts, _ *Session) {
			f.Events = append(f.Events, Event{Name: "StartAutomationExecution", At: hour, Instances: []string{"i-1"}})
		}, []Kind{OtherAccess}},
	}
}

// Each loss and each evasion is injected into honest sessions, alone. It is found, and nothing else is.
func TestJudge_EachLossAndEvasion_IsFound(t *testing.T) {
	t.Parallel()
	inject := lossesAndEvasions()

	require.GreaterOrEqual(t, len(inject), 20)
	for name, test := range inject {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := honest(2_000)
			s := victim(t, &f)
			id := s.ID
			test.change(&f, s)
			var kinds []Kind
			for _, found := range Judge(f).Findings {
				kinds = append(kinds, found.Kind)
				require.NotEmpty(t, found.Text)
				require.False(t, found.At.IsZero())
				if found.Session != "" && found.Session != forged {
					require.Equal(t, id, found.Session, "only the session that was changed")
				}
			}
			require.ElementsMatch(t, test.want, kinds)
		})
	}
}

// Alerts need a trail that logs the Region's management events. What could not be read decides nothing.
func TestJudge_Trail_MakesAlertsArrive(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Facts)
		says   string
	}{
		"of every Region":               {func(*Facts) {}, ""},
		"of this Region":                {func(f *Facts) { f.Trails[0].EveryRegion, f.Trails[0].HomeRegion = false, "us-east-2" }, ""},
		"of another Region":             {func(f *Facts) { f.Trails[0].EveryRegion = false }, "main logs only us-east-1"},
		"stopped":                       {func(f *Facts) { f.Trails[0].Logging = false }, "main is stopped"},
		"of data events":                {func(f *Facts) { f.Trails[0].ManagementWrites = false }, "main logs no management events that write"},
		"one of two":                    {func(f *Facts) { f.Trails = append([]Trail{{Name: "old"}}, f.Trails...) }, ""},
		"none":                          {func(f *Facts) { f.Trails = nil }, "the account has no trail in this Region"},
		"none, and no alerts":           {func(f *Facts) { f.Trails, f.Alerts = nil, false }, ""},
		"none is known: a denied read":  {func(f *Facts) { f.Trails, f.TrailsRead = nil, false }, ""},
		"some are known: a denied read": {func(f *Facts) { f.Trails[0].Logging, f.TrailsRead = false, false }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := honest(0)
			test.change(&f)
			found := Judge(f).Findings
			if test.says == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "no alert of the stack can arrive: "+test.says, found[0].Text)
		})
	}
}

func (f *Facts) add(o Object, change func(*Object)) {
	o.Version += "+"
	change(&o)
	f.Objects = append(f.Objects, o)
}

func (f *Facts) removeSession(id string) {
	f.Sessions = slices.DeleteFunc(f.Sessions, func(s Session) bool { return s.ID == id })
}

// The page has each kind of finding, and each kind is found in a test.
func TestKinds_AreInPage(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, i := range lossesAndEvasions() {
		for _, kind := range i.want {
			found[string(kind)] = true
		}
	}
	page, err := os.ReadFile("../../docs/audit.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "## Findings")
	table, _, _ = strings.Cut(table, "\n## ")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		rows = append(rows, row[1])
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(found)), rows)
}

func TestJudge_UnreadLocation_DecidesNothing(t *testing.T) {
	t.Parallel()
	f := honest(500)
	f.Objects, f.Unread = nil, []session.Location{bucket}
	r := Judge(f)
	require.Empty(t, r.Findings)
	require.NotZero(t, r.Undecided, "sessions from before the log group")
	f.Unread = nil
	require.NotEmpty(t, Judge(f).Findings)
}

func TestJudge_Allowed_IsNotReported(t *testing.T) {
	t.Parallel()
	f := honest(500)
	s := victim(t, &f)
	s.Document = "AWS-StartPortForwardingSession"
	f.removeLog(s.ID)
	f.removeStream(s.ID)
	f.Commands = append(f.Commands, Command{"c-2", "i-1", "AWS-RunPatchBaseline", now.Add(-time.Hour)})
	require.Len(t, Judge(f).Findings, 2)
	f.Allowed = []string{"AWS-StartPortForwardingSession", "AWS-RunPatchBaseline"}
	require.Empty(t, Judge(f).Findings)
}

func TestJudge_Since_LimitsWhatIsJudged(t *testing.T) {
	t.Parallel()
	f := honest(2_000)
	s := victim(t, &f)
	f.removeLog(s.ID)
	f.removeStream(s.ID)
	f.Since = s.End.Add(time.Second)
	require.Empty(t, Judge(f).Findings)
	f.Since = s.End.Add(-time.Second)
	require.Len(t, Judge(f).Findings, 1, "it began earlier, and ended after that")
}

func TestJudge_OtherInstances_OnlyWithEveryInstance(t *testing.T) {
	t.Parallel()
	f := honest(2_000)
	require.Empty(t, Judge(f).Findings)
	f.EveryInstance = true
	kinds := map[Kind]int{}
	for _, found := range Judge(f).Findings {
		kinds[found.Kind]++
	}
	require.NotZero(t, kinds[Tunnel])
	require.NotZero(t, kinds[OtherDocument])
	require.Equal(t, 1, kinds[RunCommand])
	require.Len(t, kinds, 3)
}

func TestFindings_NewestFirst(t *testing.T) {
	t.Parallel()
	f := honest(500)
	f.Objects, f.Streams = nil, nil
	found := Judge(f).Findings
	require.Greater(t, len(found), 100)
	require.True(t, slices.IsSortedFunc(found, func(a, b Finding) int { return b.At.Compare(a.At) }))
}
