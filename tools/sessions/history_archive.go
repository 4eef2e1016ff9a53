package sessions

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sessiondoc "private-ec2-access/internal/session"
)

// archive lists the session logs of sessions that AWS no longer lists, the newest first. Only what key and time say is known.
func (h *historyRun) archive(ctx context.Context, skip int) error {
	if h.only != "" {
		h.noted = append(h.noted, "Session logs older than 30 days do not name their instance, so a list with INSTANCE= does not have them.")
		return nil
	}
	if strings.HasPrefix(h.list.who, "arn:") {
		h.noted = append(h.noted, "Session logs older than 30 days do not have whole ARNs, so a list with WHO=arn:… does not have them.")
		return nil
	}
	if err := h.learn(ctx); err != nil {
		return err
	}
	found, err := h.archived(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b entry) int { return b.taken.Compare(a.taken) })
	found = found[min(skip, len(found)):]
	if h.limit > 0 && len(found) > h.limit-h.written {
		rest := max(0, h.limit-h.written)
		h.more = archiveMark + strconv.Itoa(skip+rest)
		found = found[:rest]
	}
	return h.write(found)
}

// learn reads the sessions that AWS lists, but did not for the sake of a filter: AWS knows them, so they do not belong to the
// archive. One that began before SINCE= may have been recorded after it.
func (h *historyRun) learn(ctx context.Context) error {
	if len(h.filters()) == 0 {
		return nil
	}
	for _, state := range []string{active, past} {
		err := h.aws.eachSessions(ctx, state, nil, func(page []session) error {
			for _, s := range page {
				h.known[s.SessionID] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// archived looks through every log location that the stack has or had, and through buckets that it kept.
func (h *historyRun) archived(ctx context.Context) ([]entry, error) {
	me, err := h.aws.caller(ctx)
	if err != nil {
		return nil, err
	}
	var all []entry
	add := func(id, where string, at time.Time) {
		if h.known[id] {
			return
		}
		h.known[id] = true
		e := entry{
			Session: id, Owner: unknown, Instance: unknown, InstanceID: unknown, Start: unknown, End: unknown, Status: unknown,
			Details: unknown, Document: unknown, Reason: unknown, Logs: []string{where}, RecordedAt: rfc(at), Source: "archive", taken: at,
		}
		e.Who = id[:strings.LastIndexByte(id, '-')]
		if h.wanted(e) {
			all = append(all, e)
		}
	}
	places := h.logLocations(h.places)
	for _, bucket := range h.buckets(places) {
		objects, err := h.objectsIn(ctx, bucket, me.Account, func(key string) bool {
			id, is := sessiondoc.LogID(key)
			return is && !h.known[id]
		})
		if isDenied(err) || isAbsent(err) {
			h.noted = append(h.noted, fmt.Sprintf("The session logs in s3://%s could not be listed: %s.", bucket, problem(err)))
			continue
		} else if err != nil {
			return nil, err
		}
		for _, o := range objects {
			id, _ := sessiondoc.LogID(o.Key)
			add(id, "s3://"+bucket+"/"+o.Key, o.LastModified.Time)
		}
	}
	for _, p := range places {
		if p.LogGroup == "" {
			continue
		}
		err := pages(ctx, h.aws, "logs", "describe-log-streams", input{"logGroupName": p.LogGroup}, 50, func(answer struct {
			LogStreams []struct {
				LogStreamName      string
				LastEventTimestamp int64
			}
		}) bool {
			for _, s := range answer.LogStreams {
				if id, is := sessiondoc.LogID(s.LogStreamName + ".log"); is {
					add(id, logOf(p, id), time.UnixMilli(s.LastEventTimestamp).UTC())
				}
			}
			return true
		})
		if isDenied(err) || isAbsent(err) {
			h.noted = append(h.noted, fmt.Sprintf("The streams of %s could not be listed: %s.", p.LogGroup, problem(err)))
			continue
		} else if err != nil {
			return nil, err
		}
	}
	return all, nil
}
