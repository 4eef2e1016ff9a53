package sessions

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"private-ec2-access/internal/audit"
	sessiondoc "private-ec2-access/internal/session"
)

// historyKept is how long AWS keeps the session history.
const historyKept = audit.History

// read reads what is compared. Sessions come before their logs: a log that is there afterwards can then only be newer.
func (a *auditRun) read(ctx context.Context) error {
	a.facts = audit.Facts{
		Now: a.now, Since: a.list.since, Document: a.outputs.SessionDocument, EveryInstance: a.all, Allowed: a.auditing.allowed,
		ReasonRequired: reasonRequired(a.outputs), Instances: map[string]bool{}, Versioning: map[string]string{},
		Region: a.outputs.Region, Alerts: a.outputs.AlertTopicARN != "", Tunnels: slices.Collect(maps.Values(a.outputs.TunnelDocuments)),
	}
	if oldest := a.now.Add(-historyKept); a.facts.Since.Before(oldest) {
		a.facts.Since = oldest
	}
	me, err := a.aws.caller(ctx)
	if err != nil {
		return err
	}
	if err := a.sameAccount(me); err != nil {
		return err
	}
	a.facts.Account = me.Account
	if err := a.settings(ctx); err != nil {
		return err
	}
	a.instances(ctx)
	for _, state := range []string{active, past} {
		if err := a.sessions(ctx, state); err != nil {
			return err
		}
	}
	a.facts.Targets()
	a.objects(ctx)
	a.streams(ctx)
	a.commands(ctx)
	a.events(ctx)
	a.trails(ctx)
	return ctx.Err()
}

// notes reads an error: what the emulator does not answer is skipped, everything else makes the audit incomplete.
func (a *auditRun) notes(what string, err error) {
	switch {
	case err == nil:
	case isCode(err, "NotImplementedByEmulator"):
		a.skipped = append(a.skipped, what+": the local emulator does not have it")
	default:
		a.unread = append(a.unread, what+": "+problem(err))
	}
}

// settings reads the session document: the log locations of today, and since when they are that.
func (a *auditRun) settings(ctx context.Context) error {
	document, err := a.aws.document(ctx, a.outputs.SessionDocument)
	switch {
	case isAbsent(err): // its sessions and their logs are there all the same
		a.unread = append(a.unread, "the session document "+a.outputs.SessionDocument+" does not exist")
	case isDenied(err): // the document may name locations that are not known
		a.notes("the log locations of the session document", err)
		a.facts.Unread = append(a.facts.Unread, sessiondoc.Location{})
	case err != nil:
		return err
	default:
		a.facts.Current = document.Locations()
		if minutes, err := strconv.Atoi(document.Text("idleSessionTimeout")); err == nil {
			a.facts.Idle = time.Duration(minutes) * time.Minute
		}
	}
	a.facts.Locations = a.logLocations(a.facts.Current)
	a.facts.ChangedAt, err = a.documentChanged(ctx)
	if !isAbsent(err) {
		a.notes("whether each session is in every log location of the session document", err)
	}
	return nil
}

// documentChanged is since when the session document is as it is now.
func (r *run) documentChanged(ctx context.Context) (changed time.Time, err error) {
	err = pages(ctx, r.aws, "ssm", "list-document-versions", input{"Name": r.outputs.SessionDocument}, 50, func(answer struct {
		DocumentVersions []struct {
			CreatedDate      stamp
			IsDefaultVersion bool
		}
	}) bool {
		for _, v := range answer.DocumentVersions {
			if v.IsDefaultVersion {
				changed = v.CreatedDate.Time
			}
		}
		return changed.IsZero()
	})
	return changed, err
}

func (a *auditRun) sessions(ctx context.Context, state string) error {
	return a.aws.eachSessions(ctx, state, nil, func(page []session) error {
		for _, s := range page {
			a.facts.Sessions = append(a.facts.Sessions, audit.Session{
				ID: s.SessionID, Owner: s.Owner, Target: s.Target, Document: s.DocumentName, Status: s.Status, Reason: givenReason(s.Reason),
				Start: s.StartDate.Time, End: s.EndDate.Time, Active: state == active,
			})
		}
		return nil
	})
}

// instances finds those of the stack: its own, and those that have its instance profile. The AWS CLI needs the most memory for
// EC2, so this is before the sessions.
func (a *auditRun) instances(ctx context.Context) {
	for _, id := range a.outputs.InstanceIDs {
		a.facts.Instances[id] = true
	}
	a.addresses = map[string]string{}
	for name, address := range a.outputs.PrivateIPAddresses {
		a.addresses[address] = a.outputs.InstanceIDs[name]
	}
	if a.outputs.InstanceProfileName == "" {
		return
	}
	in := input{"Filters": []input{{"Name": "iam-instance-profile.arn", "Values": []string{"*/" + a.outputs.InstanceProfileName}}}}
	err := pages(ctx, a.aws, "ec2", "describe-instances", in, 1000, func(answer reservations) bool {
		for _, i := range answer.instances() {
			a.facts.Instances[i.InstanceID] = true
			if i.PrivateIPAddress != "" {
				a.addresses[i.PrivateIPAddress] = i.InstanceID
			}
		}
		return true
	})
	a.notes("instances outside of the stack that have its instance profile", err)
}

// objects reads the session logs in S3: under the prefixes of the log locations, and where sessions are without a log, in the
// whole buckets.
func (a *auditRun) objects(ctx context.Context) {
	prefixes := map[string][]string{}
	var buckets []string
	for _, l := range a.facts.Locations {
		if l.Bucket == "" {
			continue
		}
		if prefixes[l.Bucket] == nil {
			buckets = append(buckets, l.Bucket)
		}
		prefixes[l.Bucket] = append(prefixes[l.Bucket], strings.TrimPrefix(l.Prefix+"/", "/"))
	}
	unread := map[string]bool{}
	for _, b := range buckets {
		all := outermost(prefixes[b])
		for _, prefix := range all {
			if err := a.versions(ctx, b, prefix, nil); err != nil {
				unread[b] = true
				a.notes("the session logs in s3://"+b+"/"+prefix, err)
				break
			}
		}
		if !unread[b] {
			a.versioning(ctx, b)
		}
	}
	for _, l := range a.facts.Locations {
		if l.Bucket != "" && unread[l.Bucket] {
			a.facts.Unread = append(a.facts.Unread, l)
		}
	}
	for _, b := range a.buckets(a.facts.Locations) {
		wanted := map[string]bool{}
		for _, s := range a.facts.WithoutLog() {
			wanted[path.Base(sessiondoc.Location{}.Key(s.ID))] = true
		}
		if len(wanted) == 0 {
			return
		}
		if slices.Contains(outermost(prefixes[b]), "") || unread[b] {
			continue
		}
		if err := a.versions(ctx, b, "", wanted); err != nil {
			a.notes("session logs under other prefixes of s3://"+b, err)
			a.facts.Unread = append(a.facts.Unread, sessiondoc.Location{Bucket: b})
		}
	}
}

// outermost leaves out the prefixes that are inside of others.
func outermost(prefixes []string) (all []string) {
	for i, p := range prefixes {
		if !slices.ContainsFunc(prefixes, func(other string) bool { return other != p && strings.HasPrefix(p, other) }) && !slices.Contains(prefixes[:i], p) {
			all = append(all, p)
		}
	}
	return all
}

// versions reads all versions of the objects under a prefix that are new enough to be of a session in the history: of those
// that are wanted, by their names; nil is all. A bucket that does not exist has none.
func (a *auditRun) versions(ctx context.Context, bucket, prefix string, wanted map[string]bool) error {
	in := inBucket(bucket, a.facts.Account)
	if prefix != "" {
		in["Prefix"] = prefix
	}
	oldest := a.now.Add(-historyKept)
	keep := func(answer struct{ Versions, DeleteMarkers []version }) bool {
		for i, all := range [][]version{answer.Versions, answer.DeleteMarkers} {
			for _, v := range all {
				if v.LastModified.Before(oldest) || wanted != nil && !wanted[path.Base(v.Key)] {
					continue
				}
				a.facts.Objects = append(a.facts.Objects, audit.Object{
					Bucket: bucket, Key: v.Key, Version: v.VersionID, At: v.LastModified.Time, Size: v.Size, Deleted: i == 1,
				})
			}
		}
		return true
	}
	err := pages(ctx, a.aws, "s3api", "list-object-versions", in, 1000, keep)
	if isDenied(err) && a.foreign(ctx, bucket, a.facts.Account) {
		if !a.configured(bucket) {
			return fmt.Errorf("the bucket does not belong to the account %s of the stack any more, so it was not read", a.facts.Account)
		}
		delete(in, "ExpectedBucketOwner")
		err = pages(ctx, a.aws, "s3api", "list-object-versions", in, 1000, keep)
	}
	if isAbsent(err) {
		return nil
	}
	return err
}

func (a *auditRun) versioning(ctx context.Context, bucket string) {
	var answer struct{ Status string }
	err := a.aws.call(ctx, &answer, "s3api", "get-bucket-versioning", inBucket(bucket, ""))
	if isAbsent(err) {
		return
	}
	a.facts.Versioning[bucket] = answer.Status
	a.notes("the versioning of s3://"+bucket, err)
	if err == nil && answer.Status == "" {
		a.skipped = append(a.skipped, "whether session logs in s3://"+bucket+" were overwritten: the bucket keeps no versions")
	}
}

// streams reads the log streams, the newest first, until they are older than what is compared.
func (a *auditRun) streams(ctx context.Context) {
	byStream := map[string]*audit.Session{}
	for i := range a.facts.Sessions {
		byStream[a.facts.Sessions[i].ID] = &a.facts.Sessions[i]
	}
	oldest := a.now.Add(-historyKept)
	for _, l := range a.facts.Locations {
		if l.LogGroup == "" {
			continue
		}
		in := input{"logGroupName": l.LogGroup, "orderBy": "LastEventTime", "descending": true}
		err := pages(ctx, a.aws, "logs", "describe-log-streams", in, 50, func(answer struct {
			LogStreams []struct {
				LogStreamName                    string
				CreationTime, LastEventTimestamp int64
			}
		}) bool {
			for _, s := range answer.LogStreams {
				t := audit.Stream{Group: l.LogGroup, Name: s.LogStreamName, Created: milliseconds(s.CreationTime), Last: milliseconds(s.LastEventTimestamp)}
				if t.Created.Before(oldest) && t.Last.Before(oldest) {
					continue
				}
				a.facts.Streams = append(a.facts.Streams, t)
			}
			last := len(answer.LogStreams) - 1
			// Streams without an event come last, and have no time.
			return last < 0 || answer.LogStreams[last].LastEventTimestamp == 0 || !milliseconds(answer.LogStreams[last].LastEventTimestamp).Before(oldest)
		})
		if err == nil {
			err = a.lastEvents(ctx, l.LogGroup, byStream)
		}
		if err != nil && !isAbsent(err) {
			a.notes("the session logs in the log group "+l.LogGroup, err)
			a.facts.Unread = append(a.facts.Unread, l)
		}
	}
}

// maxLastEvents is how many streams are read one by one.
const maxLastEvents = 100

// lastEvents reads the last event of the streams that seem to stop before their sessions end: CloudWatch Logs may be hours
// late with the time of the last event in its list, and says so.
func (a *auditRun) lastEvents(ctx context.Context, group string, sessions map[string]*audit.Session) error {
	read := 0
	for i := range a.facts.Streams {
		t := &a.facts.Streams[i]
		s := sessions[t.Name]
		if t.Group != group || s == nil || !a.facts.StopsEarly(*s, *t) || !a.facts.NeedsLog(*s) {
			continue
		}
		if read++; read > maxLastEvents {
			return nil
		}
		var answer struct{ Events []struct{ Timestamp int64 } }
		err := a.aws.call(ctx, &answer, "logs", "get-log-events", input{"logGroupName": group, "logStreamName": t.Name, "limit": 1, "startFromHead": false}, "--no-paginate")
		if err != nil && !isAbsent(err) {
			return err
		}
		for _, e := range answer.Events {
			t.Last = milliseconds(e.Timestamp)
		}
	}
	return nil
}

func milliseconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// commands reads what ran on the instances through Run Command.
func (a *auditRun) commands(ctx context.Context) {
	in := input{"Filters": []input{{"key": "InvokedAfter", "value": rfc(a.facts.Since)}}}
	err := pages(ctx, a.aws, "ssm", "list-command-invocations", in, 50, func(answer struct {
		CommandInvocations []struct {
			CommandID         string `json:"CommandId"`
			InstanceID        string `json:"InstanceId"`
			DocumentName      string
			RequestedDateTime stamp
		}
	}) bool {
		for _, c := range answer.CommandInvocations {
			if a.facts.Instances[c.InstanceID] || a.all {
				a.facts.Commands = append(a.facts.Commands, audit.Command{ID: c.CommandID, Instance: c.InstanceID, Document: c.DocumentName, At: c.RequestedDateTime.Time})
			}
		}
		return true
	})
	a.notes("Run Command", err)
}

// event is what an audit needs of an event of CloudTrail.
type event struct {
	EventName    string
	EventSource  string
	ErrorCode    string
	EventTime    stamp
	UserIdentity struct{ ARN string }
	// RequestParameters and ResponseElements have what the call was given and answered.
	RequestParameters struct {
		DocumentName     string
		Name             string // the document of an association
		PrivateIPAddress string
	}
	ResponseElements struct {
		SessionID string
		Command   struct{ CommandID string }
	}
}

// events reads CloudTrail's event history, which an account has without any trail.
func (a *auditRun) events(ctx context.Context) {
	const what = "CloudTrail: sessions that the history does not have, who ran a command, EC2 Instance Connect, associations and automations"
	if a.auditing.withoutCloudTrail {
		a.skipped = append(a.skipped, what+" (WITHOUT_CLOUDTRAIL=1)")
		return
	}
	for _, name := range audit.EventNames() {
		in := input{"LookupAttributes": []input{{"AttributeKey": "EventName", "AttributeValue": name}}, "StartTime": rfc(a.facts.Since)}
		err := pages(ctx, a.aws, "cloudtrail", "lookup-events", in, 50, func(answer struct {
			Events []struct{ CloudTrailEvent string }
		}) bool {
			for _, e := range answer.Events {
				a.event(e.CloudTrailEvent)
			}
			return true
		})
		if err != nil {
			a.notes(what, err)
			return
		}
	}
}

// trails reads the trails of CloudTrail, without which no alert of the stack arrives.
func (a *auditRun) trails(ctx context.Context) {
	if !a.facts.Alerts {
		return
	}
	err := a.readTrails(ctx)
	a.facts.TrailsRead = err == nil
	a.notes("whether a trail of CloudTrail logs the events that alerts are about", err)
}

func (a *auditRun) readTrails(ctx context.Context) error {
	var all struct {
		TrailList []struct {
			Name, HomeRegion   string
			TrailARN           string
			IsMultiRegionTrail bool
		}
	}
	// Those of other Regions and of the organization are among them, if they log this Region.
	if err := a.aws.call(ctx, &all, "cloudtrail", "describe-trails", nil); err != nil {
		return err
	}
	for _, t := range all.TrailList {
		var status struct{ IsLogging bool }
		if err := a.aws.call(ctx, &status, "cloudtrail", "get-trail-status", input{"Name": t.TrailARN}); err != nil {
			return err
		}
		var selectors eventSelectors
		if err := a.aws.call(ctx, &selectors, "cloudtrail", "get-event-selectors", input{"TrailName": t.TrailARN}); err != nil {
			return err
		}
		a.facts.Trails = append(a.facts.Trails, audit.Trail{
			Name: t.Name, HomeRegion: t.HomeRegion, EveryRegion: t.IsMultiRegionTrail, Logging: status.IsLogging, ManagementWrites: selectors.managementWrites(),
		})
	}
	return nil
}

// eventSelectors say what a trail logs: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
type eventSelectors struct {
	EventSelectors []struct {
		ReadWriteType           string
		IncludeManagementEvents bool
	}
	AdvancedEventSelectors []struct {
		FieldSelectors []struct {
			Field  string
			Equals []string
		}
	}
}

// managementWrites tells whether management events that write are among them.
func (s eventSelectors) managementWrites() bool {
	for _, e := range s.EventSelectors {
		if e.IncludeManagementEvents && e.ReadWriteType != "ReadOnly" {
			return true
		}
	}
	for _, e := range s.AdvancedEventSelectors {
		management, readOnly := false, false
		for _, f := range e.FieldSelectors {
			management = management || f.Field == "eventCategory" && slices.Contains(f.Equals, "Management")
			readOnly = readOnly || f.Field == "readOnly" && slices.Contains(f.Equals, "true")
		}
		if management && !readOnly {
			return true
		}
	}
	return false
}

func (a *auditRun) event(text string) {
	var e event
	// Another service's event of the same name may have fields of other types.
	if json.Unmarshal([]byte(text), &e) != nil || e.ErrorCode != "" || e.EventSource != "ssm.amazonaws.com" && e.EventSource != "ec2-instance-connect.amazonaws.com" {
		return
	}
	found := audit.Event{
		Name: e.EventName, Owner: e.UserIdentity.ARN, At: e.EventTime.Time, Session: e.ResponseElements.SessionID, Command: e.ResponseElements.Command.CommandID,
		Document: e.RequestParameters.DocumentName,
	}
	if e.EventName == "CreateAssociation" || e.EventName == "UpdateAssociation" {
		found.Document = e.RequestParameters.Name
	}
	for _, id := range instanceID.FindAllString(text, -1) {
		if a.facts.Instances[id] && !slices.Contains(found.Instances, id) {
			found.Instances = append(found.Instances, id)
		}
	}
	if id := a.addresses[e.RequestParameters.PrivateIPAddress]; id != "" {
		found.Instances = append(found.Instances, id)
	}
	a.facts.Events = append(a.facts.Events, found)
}

var instanceID = regexp.MustCompile(`\b(?:i|mi)-[0-9a-f]{8,17}\b`)
