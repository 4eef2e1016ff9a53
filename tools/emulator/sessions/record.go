package sessions

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	objects "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// clients call AWS as the instance's role.
type clients struct {
	s3     *s3.Client
	nobody *s3.Client // unsigned
	logs   *cloudwatchlogs.Client
	kms    *kms.Client
	region string
}

func (s *Service) clients(ctx context.Context, l *live) (clients, error) {
	region := l.snapshot().Region
	k, err := s.account.assume(ctx, region, l.agent.instance)
	if err != nil {
		return clients{}, fmt.Errorf("the instance has no credentials: %w", err)
	}
	config := aws.Config{
		Region: region, BaseEndpoint: aws.String(s.Front.String()), HTTPClient: &http.Client{Transport: directly()},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}, nil
		}),
		// As the agent's SDK: a digest, but no checksum of the newer kinds.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		AppID:                      "amazon-ssm-agent",
	}
	pathStyle := func(o *s3.Options) { o.UsePathStyle = true }
	return clients{
		s3: s3.NewFromConfig(config, pathStyle), logs: cloudwatchlogs.NewFromConfig(config), kms: kms.NewFromConfig(config), region: region,
		nobody: s3.NewFromConfig(config, pathStyle, func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} }),
	}, nil
}

// directly is a transport without the developer's proxy.
func directly() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return t
}

// decrypt opens a session's data key, in the context in which the client had it made.
func (c clients) decrypt(ctx context.Context, key string, sealed []byte, session Session) ([]byte, error) {
	out, err := c.kms.Decrypt(ctx, &kms.DecryptInput{
		KeyId: aws.String(key), CiphertextBlob: sealed,
		EncryptionContext: map[string]string{"aws:ssm:SessionId": session.SessionID, "aws:ssm:TargetId": session.Target},
	})
	if err != nil {
		return nil, short(err)
	}
	return out.Plaintext, nil
}

// short is an error of AWS without the SDK's words around it.
func short(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err
}

func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

// record is the record of one session: what the terminal showed, and where it goes.
type record struct {
	clients
	preferences
	session       Session
	tick          time.Duration
	withoutScript bool
	say           func(string, ...any)
	streaming     bool // to CloudWatch, while the session lasts
	began         time.Time

	mu       sync.Mutex
	text     []byte
	complete bool // nothing is written any more
}

func newRecord(c clients, l *live, tick time.Duration, say func(string, ...any)) *record {
	return &record{clients: c, preferences: l.doc.preferences, session: l.snapshot(), tick: tick, withoutScript: l.agent.agent.WithoutScript, say: say, began: time.Now()}
}

func (r *record) log(format string, args ...any) {
	r.say("session %s: %s", r.session.SessionID, fmt.Sprintf(format, args...))
}

func (r *record) write(text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, text...)
}

// key is where the log goes in the bucket.
func (r *record) key() string { return path.Join(r.S3KeyPrefix, r.session.SessionID+".log") }

// The agent's words for what it refuses.
const (
	groupNotEncrypted  = "We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group. Either encrypt the log group or choose an option to enable logging without encryption."
	bucketNotEncrypted = "We couldn't start the session because encryption is not set up on the selected Amazon S3 bucket. Either encrypt the bucket or choose an option to enable logging without encryption."
	bucketUnreadable   = "Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error: %v"
)

// prepare checks the record's places before the shell starts. An error refuses the session.
func (r *record) prepare(ctx context.Context) error {
	if r.S3BucketName != "" {
		r.findBucket(ctx)
	}
	if group := r.CloudWatchLogGroupName; group != "" {
		found := r.findGroup(ctx, group)
		r.streaming = r.CloudWatchStreamingEnabled && found != nil
		if found == nil {
			r.log("the log group %s is not there or cannot be seen; nothing may be logged", group)
		}
		// A group that cannot be seen counts as not encrypted.
		if r.CloudWatchEncryptionEnabled && (found == nil || found.KmsKeyId == nil) {
			return refusal(groupNotEncrypted)
		}
	}
	if r.S3BucketName != "" && bool(r.S3EncryptionEnabled) {
		encryption, err := r.bucketEncryption(ctx)
		if err != nil {
			return refuse(bucketUnreadable, short(err))
		}
		if encryption == nil {
			return refusal(bucketNotEncrypted)
		}
	}
	return nil
}

// findBucket asks for the bucket's Region, first as the role and then as nobody. The Region does not matter here, and to
// the agent only where it differs from the instance's.
func (r *record) findBucket(ctx context.Context) {
	for _, client := range []*s3.Client{r.s3, r.nobody} {
		if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &r.S3BucketName}); err == nil {
			return
		}
	}
	r.log("the Region of the bucket %s is not to be had; %s is assumed", r.S3BucketName, r.region)
}

// bucketEncryption is the bucket's default, nil where it is none that the agent takes for one.
func (r *record) bucketEncryption(ctx context.Context) (*objects.ServerSideEncryptionByDefault, error) {
	out, err := r.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &r.S3BucketName})
	if err != nil {
		return nil, err
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		by := rule.ApplyServerSideEncryptionByDefault
		if by != nil && (by.SSEAlgorithm == objects.ServerSideEncryptionAes256 || by.SSEAlgorithm == objects.ServerSideEncryptionAwsKms) {
			return by, nil
		}
	}
	return nil, nil
}

func (r *record) findGroup(ctx context.Context, name string) *logs.LogGroup {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(r.logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			r.log("DescribeLogGroups: %v", short(err))
			return nil
		}
		for _, group := range page.LogGroups {
			if aws.ToString(group.LogGroupName) == name {
				return &group
			}
		}
	}
	return nil
}

// stray is what a session that fails after it began leaves in the bucket. The key has no session in it, so with versions
// on, the versions of one object pile up.
func (r *record) stray(ctx context.Context, why error) {
	if r.S3BucketName == "" {
		return
	}
	r.findBucket(ctx)
	r.upload(ctx, path.Join(r.S3KeyPrefix, "Standard_Stream", "stderr"), []byte("----------ERROR-------\n"+why.Error()))
}

// partSize is the size of the parts of a larger upload, and up to which there is one part only: the agent's SDK's.
const partSize = 5 << 20

// upload puts an object, with the encryption of the bucket's default where that can be read. A failure is not passed on.
func (r *record) upload(ctx context.Context, key string, content []byte) {
	var algorithm objects.ServerSideEncryption
	var keyID *string
	switch by, err := r.bucketEncryption(ctx); {
	case err != nil:
		r.log("GetBucketEncryption: %v; the object is uploaded without an encryption header", short(err))
	case by != nil:
		algorithm, keyID = by.SSEAlgorithm, by.KMSMasterKeyID
	}
	var err error
	if len(content) <= partSize {
		_, err = r.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &r.S3BucketName, Key: &key, Body: bytes.NewReader(content), ContentMD5: digest(content),
			ACL: objects.ObjectCannedACLBucketOwnerFullControl, ServerSideEncryption: algorithm, SSEKMSKeyId: keyID,
		})
	} else {
		err = r.uploadParts(ctx, content, &s3.CreateMultipartUploadInput{
			Bucket: &r.S3BucketName, Key: &key, ACL: objects.ObjectCannedACLBucketOwnerFullControl, ServerSideEncryption: algorithm, SSEKMSKeyId: keyID,
		})
	}
	if err != nil {
		r.log("the upload of %s/%s: %v", r.S3BucketName, key, short(err))
	}
}

func (r *record) uploadParts(ctx context.Context, content []byte, in *s3.CreateMultipartUploadInput) error {
	upload, err := r.s3.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	var parts []objects.CompletedPart
	for number := int32(1); len(content) > 0 && err == nil; number++ {
		part := content[:min(partSize, len(content))]
		content = content[len(part):]
		var out *s3.UploadPartOutput
		out, err = r.s3.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: in.Bucket, Key: in.Key, UploadId: upload.UploadId, PartNumber: &number, Body: bytes.NewReader(part), ContentMD5: digest(part),
		})
		if err == nil {
			parts = append(parts, objects.CompletedPart{PartNumber: aws.Int32(number), ETag: out.ETag})
		}
	}
	if err == nil {
		_, err = r.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: in.Bucket, Key: in.Key, UploadId: upload.UploadId, MultipartUpload: &objects.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil {
		_, abort := r.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: in.Bucket, Key: in.Key, UploadId: upload.UploadId})
		err = errors.Join(err, abort)
	}
	return err
}

// digest is the header that S3 asks for where Object Lock is on.
func digest(content []byte) *string {
	sum := md5.Sum(content) //nolint:gosec // S3's own
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// finish delivers the record at the session's end and says where the agent believes it to be. Without the program script
// there is no record, and the session has failed.
func (r *record) finish(ctx context.Context, streamed <-chan struct{}) (*OutputURL, error) {
	r.mu.Lock()
	r.complete = true
	transcript := fmt.Appendf(nil, "Script started on %s\n%s\nScript done on %s\n", r.began.Format(time.RFC3339), r.text, time.Now().Format(time.RFC3339))
	r.mu.Unlock()
	once := r.CloudWatchLogGroupName != "" && !r.CloudWatchStreamingEnabled
	output := &OutputURL{}
	if r.S3BucketName != "" || once {
		if r.withoutScript {
			return nil, errors.New(`unable to generate log data: exec: "script": executable file not found in $PATH`)
		}
		if r.S3BucketName != "" {
			r.upload(ctx, r.key(), transcript)
			output.S3OutputURL = "s3://" + path.Join(r.S3BucketName, r.key())
		}
		if once {
			r.putOnce(ctx, transcript)
		}
	}
	select {
	case <-streamed:
	case <-ctx.Done():
	}
	if group := r.CloudWatchLogGroupName; group != "" {
		output.CloudWatchOutputURL = "logs://" + group + "/" + r.session.SessionID
	}
	if *output == (OutputURL{}) {
		return nil, nil
	}
	return output, nil
}

// createStream makes the session's log stream.
func (r *record) createStream(ctx context.Context) error {
	_, err := r.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &r.CloudWatchLogGroupName, LogStreamName: &r.session.SessionID})
	if err == nil || isCode(err, "ResourceAlreadyExistsException") || r.hasStream(ctx) {
		return nil
	}
	return short(err)
}

func (r *record) hasStream(ctx context.Context) bool {
	out, err := r.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &r.CloudWatchLogGroupName, LogStreamNamePrefix: &r.session.SessionID})
	return err == nil && len(out.LogStreams) > 0
}

func (r *record) putEvents(ctx context.Context, messages ...string) error {
	events := []logs.InputLogEvent{}
	for _, message := range messages {
		events = append(events, logs.InputLogEvent{Message: aws.String(message), Timestamp: aws.Int64(time.Now().UnixMilli())})
	}
	_, err := r.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &r.CloudWatchLogGroupName, LogStreamName: &r.session.SessionID, LogEvents: events})
	return err
}

// most is how many bytes of the terminal go into one event.
const most = 33_000

// putOnce logs the whole transcript at the end. A group or stream that is missing is not passed on; where PutLogEvents is
// refused, it is tried until it is allowed, and the session does not end before.
func (r *record) putOnce(ctx context.Context, transcript []byte) {
	if err := r.createStream(ctx); err != nil {
		r.log("CreateLogStream: %v", err)
		return
	}
	messages := []string{}
	for text := strings.ReplaceAll(string(transcript), "\r\n", "\n"); text != ""; {
		part := text[:min(most, len(text))]
		if end := strings.LastIndexByte(part, '\n'); len(part) < len(text) && end > 0 {
			part = part[:end+1]
		}
		messages, text = append(messages, strings.TrimSuffix(part, "\n")), text[len(part):]
	}
	for {
		r.hasStream(ctx) // the agent wants the stream's sequence token, before each try
		err := r.putEvents(ctx, messages...)
		if err == nil {
			return
		}
		r.log("PutLogEvents: %v", short(err))
		if isCode(err, "ResourceNotFoundException") {
			return
		}
		select {
		case <-time.After(r.tick):
		case <-ctx.Done():
			return
		}
	}
}

// event is one event of a streamed session.
type event struct {
	EventVersion string `json:"eventVersion"`
	EventTime    string `json:"eventTime"`
	AWSRegion    string `json:"awsRegion"`
	Target       struct {
		ID string `json:"id"`
	} `json:"target"`
	UserIdentity struct {
		ARN string `json:"arn"`
	} `json:"userIdentity"`
	RunAsUser   string   `json:"runAsUser"`
	SessionID   string   `json:"sessionId"`
	SessionData []string `json:"sessionData"`
}

// control are the sequences by which a program steers a terminal; they are not logged.
var control = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])`)

func (r *record) event(text []byte) string {
	e := event{EventVersion: "1.0", EventTime: time.Now().UTC().Format(time.RFC3339), AWSRegion: r.region, RunAsUser: "ssm-user", SessionID: r.session.SessionID}
	if r.RunAsEnabled {
		e.RunAsUser = r.RunAsDefaultUser
	}
	e.Target.ID, e.UserIdentity.ARN = r.session.Target, r.session.Owner
	plain := control.ReplaceAllString(string(text), "")
	plain = strings.NewReplacer("\r", "", "\t", " ").Replace(plain)
	e.SessionData = strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
	written, _ := json.Marshal(e) // strings always can be written
	return string(written)
}

// stream logs the session while it lasts, each tick what was completed since, by lines. The returned channel is closed
// when everything is logged, or nothing more will be; where PutLogEvents is refused that is not before it is allowed.
func (r *record) stream(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	if !r.streaming {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(r.tick)
		defer ticker.Stop()
		logged, created, retry := 0, false, false
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			text, last := r.since(logged)
			if len(text) == 0 {
				if last {
					return
				}
				continue
			}
			if !created {
				if err := r.createStream(ctx); err != nil {
					r.log("CreateLogStream: %v; nothing is logged", err)
					return
				}
				created = true
			}
			if logged == 0 || retry {
				r.hasStream(ctx) // the agent wants the stream's sequence token
			}
			err := r.putEvents(ctx, r.event(text))
			retry = err != nil
			switch {
			case err == nil:
				logged += len(text)
			case isCode(err, "ResourceNotFoundException"):
				r.log("PutLogEvents: %v; nothing more is logged", short(err))
				return
			default:
				r.log("PutLogEvents: %v; again in %s", short(err), r.tick)
			}
		}
	}()
	return done
}

// since returns whole lines that are not logged yet, and at the end what is left; last says that the end has come.
func (r *record) since(logged int) (text []byte, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text = r.text[logged:]
	if len(text) > most {
		text = text[:most]
		if end := bytes.LastIndexByte(text, '\n'); end >= 0 {
			text = text[:end+1]
		}
	} else if !r.complete {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	return bytes.Clone(text), r.complete
}
