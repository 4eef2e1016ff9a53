package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"private-ec2-access/tools/environment"
	"private-ec2-access/tools/process"
)

// client runs the AWS CLI.
type client struct {
	path    string
	missing error // why there is no path
	region  string
	environ []string
	echo    io.Writer
}

func newClient(environ []string, region string) *client {
	path, err := process.LookPath("aws", environ)
	return &client{path: path, missing: err, region: region, environ: environment.ForAWS(environ), echo: io.Discard}
}

// callError is a call that failed.
type callError struct {
	// service and operation are as IAM and the API have them: ssm, DescribeSessions.
	service, operation string
	// command is the operation as the AWS CLI has it: describe-sessions.
	command string
	// code is the API's error code; empty if the CLI failed before it asked.
	code    string
	message string
	// bucket and folder are what a call to S3 was about.
	bucket, folder string
}

func (e *callError) Error() string {
	if e.code == "" {
		return fmt.Sprintf("aws %s %s: %s", e.service, e.command, e.message)
	}
	return fmt.Sprintf("%s:%s failed: %s (%s)", e.service, e.operation, e.message, e.code)
}

// denied tells whether the call was refused for want of a permission.
func (e *callError) denied() bool {
	switch e.code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "403", "Forbidden":
		return true
	}
	return false
}

func (e *callError) absent() bool {
	switch e.code {
	case "NoSuchKey", "NoSuchBucket", "404", "NotFound", "NoSuchEntity", "ResourceNotFoundException", "DoesNotExistException", "InvalidDocument",
		"InvalidInstanceID.NotFound", "ServerSideEncryptionConfigurationNotFoundError", "NoSuchBucketPolicy":
		return true
	}
	return false
}

// action is the permission that the call needs. Where AWS named one itself, it is that: reading an encrypted object
// may fail for the key.
func (e *callError) action() string {
	if m := regexp.MustCompile(`not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)`).FindStringSubmatch(e.message); m != nil {
		return m[1]
	}
	if special := map[string]string{
		"s3:ListObjectsV2": "s3:ListBucket", "s3:ListObjectVersions": "s3:ListBucketVersions", "s3:HeadObject": "s3:GetObject", "s3:HeadBucket": "s3:ListBucket",
		"s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
	}[e.service+":"+e.operation]; special != "" {
		return special
	}
	return e.service + ":" + e.operation
}

func isAbsent(err error) bool {
	var e *callError
	return errors.As(err, &e) && e.absent()
}

func isDenied(err error) bool {
	var e *callError
	return errors.As(err, &e) && e.denied()
}

var cliError = regexp.MustCompile(`An error occurred \(([^)]+)\) when calling the (\w+) operation(?: \([^)]*\))?: (?s:(.*))`)

// input has the parameters of an operation, by their names in the API.
type input map[string]any

// call runs one operation and reads its JSON answer; into may be nil. Options are those of the AWS CLI itself.
func (c *client) call(ctx context.Context, into any, service, command string, in input, options ...string) error {
	line, err := c.line(service, command, in, options...)
	if err != nil {
		return err
	}
	out, err := c.output(ctx, line)
	var failed *callError
	if errors.As(err, &failed) {
		failed.bucket, _ = in["Bucket"].(string)
	}
	if err != nil || into == nil || len(bytes.TrimSpace(out)) == 0 {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("the answer of aws %s %s cannot be read: %w", service, command, err)
	}
	return nil
}

// chunk is how many entries one process of the AWS CLI reads: it holds all of them in memory.
const chunk = 1000

// pages reads a list page by page, some pages with each process of the AWS CLI. It ends when each returns false.
func pages[T any](ctx context.Context, c *client, service, command string, in input, page int, each func(T) bool) error {
	token := ""
	for {
		options := []string{"--page-size", strconv.Itoa(page), "--max-items", strconv.Itoa(chunk)}
		if token != "" {
			options = append(options, "--starting-token="+token)
		}
		var text json.RawMessage
		if err := c.call(ctx, &text, service, command, in, options...); err != nil {
			return err
		}
		var part T
		var next struct{ NextToken string }
		if len(text) > 0 {
			if err := errors.Join(json.Unmarshal(text, &part), json.Unmarshal(text, &next)); err != nil {
				return fmt.Errorf("the answer of aws %s %s cannot be read: %w", service, command, err)
			}
		}
		if !each(part) || next.NextToken == "" {
			return nil
		}
		if next.NextToken == token {
			return fmt.Errorf("aws %s %s answers the same page again", service, command)
		}
		token = next.NextToken
	}
}

// line is the whole command, without `aws`. All parameters are in one JSON object: as options of their own, values such as
// file://… and http://… would be read or fetched by the AWS CLI, values with a comma would be split, and values that begin
// with - would be taken for options.
func (c *client) line(service, command string, in input, options ...string) ([]string, error) {
	line := []string{service, command}
	if c.region != "" {
		line = append(line, "--region", c.region)
	}
	line = append(line, "--output", "json")
	if len(in) > 0 {
		text, err := asciiJSON(in)
		if err != nil {
			return nil, fmt.Errorf("the input of aws %s %s: %w", service, command, err)
		}
		line = append(line, "--cli-input-json", text)
	}
	return append(line, options...), nil
}

func (c *client) show(line []string) {
	var b strings.Builder
	for _, word := range line {
		if word == "" || strings.ContainsAny(word, " \t'\"$`\\*?[]{}()<>|&;#~!") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		b.WriteString(" " + word)
	}
	fmt.Fprintf(c.echo, "+ aws%s\n", printable(b.String()))
}

func (c *client) output(ctx context.Context, line []string) ([]byte, error) {
	if c.missing != nil {
		return nil, c.missing
	}
	c.show(line)
	cmd := exec.CommandContext(ctx, c.path, line...)
	cmd.Env = c.environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A call that is given up must not be waited for because of a child of its own.
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, readError(line, stderr.String(), err)
	}
	return stdout.Bytes(), nil
}

// readError makes an error of what the CLI said.
func readError(line []string, stderr string, err error) *callError {
	e := &callError{service: serviceOf(line[0]), operation: camel(line[1]), command: line[1], message: strings.TrimSpace(stderr)}
	if m := cliError.FindStringSubmatch(e.message); m != nil {
		// A line break in it could make a line that looks like one of this command's.
		e.code, e.operation, e.message = m[1], m[2], strings.Join(strings.Fields(m[3]), " ")
	} else if e.message == "" {
		e.message = err.Error()
	}
	return e
}

func serviceOf(command string) string {
	if command == "s3api" {
		return "s3"
	}
	return command
}

// camel makes DescribeSessions of describe-sessions.
func camel(command string) string {
	var b strings.Builder
	for _, part := range strings.Split(command, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// explain adds to a failed call who was refused what, and how to fix it.
func (r *run) explain(err error) error {
	var e *callError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.denied() && !e.wrongMFA():
		who := "for an unknown identity (sts:GetCallerIdentity failed too)"
		if me, err := r.aws.caller(context.Background()); err == nil {
			who = "for " + me.ARN
		}
		return fmt.Errorf("AWS refused %s:%s %s.\n  AWS: %s\n  Fix: allow that identity %s%s",
			e.service, e.operation, who, e.message, e.action(), r.grant(e))
	case e.code == "" && (strings.Contains(e.message, "nvalid choice") || strings.Contains(e.message, "Unknown options") || strings.Contains(e.message, "unrecognized arguments")):
		return r.howToInstall(fmt.Errorf("the AWS CLI (%s) is too old for `aws %s %s`", r.aws.path, e.service, e.command))
	}
	return explainSignIn(err, r.Environ, r.outputs.Region)
}

// grant says where a permission belongs. The bucket may be an earlier one, or one that the stack kept.
func (r *run) grant(e *callError) string {
	switch e.action() {
	case "ssm:StartSession":
		return ", on the instance and on the document " + r.outputs.SessionDocument
	case "ssm:TerminateSession", "ssm:ResumeSession", "ssmmessages:OpenDataChannel":
		return ", on its own sessions (arn:…:session/${aws:userid}-* or /${aws:username}-*)"
	case "s3:GetObject", "s3:GetObjectVersion":
		if e.bucket != "" {
			return ", on s3://" + e.bucket + "/" + printable(e.folder) + "*"
		}
	case "s3:ListBucket", "s3:ListBucketVersions":
		if e.bucket != "" {
			return ", on the bucket " + e.bucket
		}
	case "kms:Decrypt":
		return ", on the key that encrypts the session log"
	case "kms:GenerateDataKey":
		return ", on the key of the session document"
	}
	return ""
}

// stamp is a time as the CLI prints it: version 2 writes ISO 8601, version 1 what came over the wire, which is seconds
// since 1970 for JSON services.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(text []byte) error {
	value := strings.Trim(string(text), `"`)
	if value == "" || value == "null" {
		return nil
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		s.Time = time.UnixMilli(int64(seconds * 1000)).UTC()
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, value); err == nil {
			s.Time = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", value)
}

// Parameter reads a parameter of Parameter Store. An empty Region is the AWS CLI's own.
func Parameter(ctx context.Context, environ []string, region, name string) (string, error) {
	c := newClient(environ, region)
	var answer struct{ Parameter struct{ Value string } }
	err := c.call(ctx, &answer, "ssm", "get-parameter", input{"Name": name})
	return answer.Parameter.Value, err
}

// session is one of DescribeSessions.
type session struct {
	SessionID    string `json:"SessionId"`
	Target       string
	Status       string
	StartDate    stamp
	EndDate      stamp
	DocumentName string
	Owner        string
	Reason       string
	Details      string
	OutputURL    struct {
		S3OutputURL         string `json:"S3OutputUrl"`
		CloudWatchOutputURL string `json:"CloudWatchOutputUrl"`
	} `json:"OutputUrl"`
}

// isOpen tells whether a session has not ended and is not about to. It is false of one that is not known.
func (s session) isOpen() bool {
	return s.SessionID != "" && s.EndDate.IsZero() && s.Status != "Terminating" && s.Status != "Terminated"
}

// who is the last part of the owner's ARN: the user's name, or the name of a role's session.
func (s session) who() string { return lastPart(s.Owner) }

const (
	active = "Active"
	past   = "History"
)

type filter struct{ key, value string }

// maxPage is the largest page that DescribeSessions returns.
const maxPage = 200

// sessionsPage reads one page of at most maxPage sessions, with exactly one call.
func (c *client) sessionsPage(ctx context.Context, state string, most int, token string, filters ...filter) ([]session, string, error) {
	in := sessionsInput(state, filters)
	in["MaxResults"] = most
	if token != "" {
		in["NextToken"] = token
	}
	var answer struct {
		Sessions  []session
		NextToken string
	}
	err := c.call(ctx, &answer, "ssm", "describe-sessions", in, "--no-paginate")
	return answer.Sessions, answer.NextToken, err
}

// eachSessions reads every page.
func (c *client) eachSessions(ctx context.Context, state string, filters []filter, each func([]session) error) (err error) {
	failed := pages(ctx, c, "ssm", "describe-sessions", sessionsInput(state, filters), maxPage, func(answer struct{ Sessions []session }) bool {
		err = each(answer.Sessions)
		return err == nil
	})
	return errors.Join(failed, err)
}

// allSessions reads every page and keeps them.
func (c *client) allSessions(ctx context.Context, state string, filters ...filter) (all []session, err error) {
	err = c.eachSessions(ctx, state, filters, func(page []session) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

func sessionsInput(state string, filters []filter) input {
	in := input{"State": state}
	if len(filters) > 0 {
		var all []input
		for _, f := range filters {
			all = append(all, input{"key": f.key, "value": f.value})
		}
		in["Filters"] = all
	}
	return in
}

// findSession looks for one session by its id, among those that are open and those of the last 30 days.
func (c *client) findSession(ctx context.Context, id string) (found session, isActive bool, err error) {
	for _, state := range []string{active, past} {
		page, _, err := c.sessionsPage(ctx, state, 1, "", filter{"SessionId", id})
		if err != nil {
			return session{}, false, err
		}
		for _, s := range page {
			if s.SessionID == id {
				return s, state == active, nil
			}
		}
	}
	return session{}, false, nil
}

func isCode(err error, code string) bool {
	var e *callError
	return errors.As(err, &e) && e.code == code
}
