package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// Logging says where session logs go, how they are protected, and whether a
// session may run without a log.
type Logging struct {
	Required              bool     `json:"required"`
	BucketName            string   `json:"bucketName"`
	WriterRoleARNs        []string `json:"writerRoleArns"`
	KeyPrefix             string   `json:"keyPrefix"`
	RetentionDays         int      `json:"retentionDays"`
	TransitionDays        int      `json:"transitionDays"`
	ObjectLock            string   `json:"objectLock"`
	ObjectLockDays        int      `json:"objectLockDays"`
	CloudWatch            bool     `json:"cloudWatch"`
	LogGroupName          string   `json:"logGroupName"`
	LogGroupRetentionDays int      `json:"logGroupRetentionDays"`
	Streaming             bool     `json:"streaming"`
	Encryption            string   `json:"encryption"`
	KMSKeyARN             string   `json:"kmsKeyArn"`
	EarlierKMSKeyARNs     []string `json:"earlierKmsKeyArns"`
	EarlierLocations      []string `json:"earlierLocations"`
}

// Encryptions of session logs.
const (
	ByService = "aes256" // S3 and CloudWatch Logs encrypt with keys of their own
	ByKMS     = "kms"    // with a customer managed key
)

// Earlier are the previous log locations that open sessions may still write to.
// Config that is not valid gives those that can be read.
func (l Logging) Earlier() []session.Location {
	var locations []session.Location
	for _, text := range l.EarlierLocations {
		if location, err := session.ParseLocation(text); err == nil {
			locations = append(locations, location)
		}
	}
	return locations
}

// LogGroup is the name of the log group that sessions are logged to; empty:
// CloudWatch Logs is off. Owner is the stack as PROJECT/STACK.
func (l Logging) LogGroup(owner string) string {
	switch {
	case !l.CloudWatch:
		return ""
	case l.LogGroupName != "":
		return l.LogGroupName
	}
	return "/" + owner + "/sessions"
}

// LogGroups are all log groups of the stack: the current one and earlier ones,
// sorted.
func (l Logging) LogGroups(owner string) []string {
	var names []string
	if name := l.LogGroup(owner); name != "" {
		names = append(names, name)
	}
	for _, location := range l.Earlier() {
		if location.LogGroup != "" {
			names = append(names, location.LogGroup)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	keyPrefix  = regexp.MustCompile(`^[A-Za-z0-9!_.*'()/-]*$`)
	// AWS's own wildcards are not among these characters: a pattern would let in a role that somebody else creates.
	roleARN      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$`)
	logGroupName = regexp.MustCompile(`^[A-Za-z0-9_/.#-]{1,512}$`)
)

// maxKeyPrefix leaves room for the name of a session log in an S3 object key,
// which may have 1024 bytes
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const maxKeyPrefix = 900

// logRetentions are the periods that CloudWatch Logs offers
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html).
var logRetentions = []int{
	0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

func (l Logging) validate(v *validator, c *Config) {
	unusable := "not a bucket name that this program can use"
	if strings.Contains(l.BucketName, ".") {
		unusable += ": with a dot in it, TLS to the bucket fails, and the agent then tries plain HTTP, which no security group rule allows"
	}
	v.check(l.BucketName == "" || bucketName.MatchString(l.BucketName), "logging.bucketName", l.BucketName, unusable,
		"empty for a bucket that the stack creates, or 3 to 63 lower-case letters, digits and hyphens")
	v.check(keyPrefix.MatchString(l.KeyPrefix), "logging.keyPrefix", l.KeyPrefix,
		"not a prefix that is safe in an S3 object key", "letters, digits and any of !_.*'()/-")
	v.check(len(l.KeyPrefix) <= maxKeyPrefix, "logging.keyPrefix", fmt.Sprintf("%d characters", len(l.KeyPrefix)),
		"too long: the S3 object key is this prefix and a session ID", fmt.Sprintf("up to %d characters", maxKeyPrefix))
	v.between("logging.retentionDays", l.RetentionDays, 0, 36500, "days; 0 keeps every session log")
	v.between("logging.transitionDays", l.TransitionDays, 0, 36500, "days; 0 moves nothing")
	v.check(l.TransitionDays == 0 || l.RetentionDays <= 0 || l.TransitionDays < l.RetentionDays,
		"logging.transitionDays", strconv.Itoa(l.TransitionDays), "session logs would expire (logging.retentionDays) before they move",
		fmt.Sprintf("0, or less than %d days", l.RetentionDays))
	for i, arn := range l.WriterRoleARNs {
		key := settings.Element("logging.writerRoleArns", i)
		v.check(roleARN.MatchString(arn), key, arn, "not the ARN of a role", "arn:PARTITION:iam::ACCOUNT:role/NAME, with the role's path before its name")
		v.check(slices.Index(l.WriterRoleARNs, arn) == i, key, arn, "named twice", "each role once", v.remove(key))
	}
	l.validateObjectLock(v, c)
	l.validateCloudWatch(v)
	l.validateEncryption(v)
	for i, text := range l.EarlierLocations {
		key := settings.Element("logging.earlierLocations", i)
		_, err := session.ParseLocation(text)
		v.check(err == nil, key, text, "not a log location", "s3://BUCKET/PREFIX or log-group:NAME")
		v.check(slices.Index(l.EarlierLocations, text) == i, key, text, "named twice", "each location once", v.remove(key))
	}
	l.validateRequired(v)
}

func (l Logging) validateObjectLock(v *validator, c *Config) {
	v.oneOf("logging.objectLock", l.ObjectLock, "off", "governance", "compliance")
	v.between("logging.objectLockDays", l.ObjectLockDays, 0, 36500, "days")
	locked := l.ObjectLock == "governance" || l.ObjectLock == "compliance"
	v.check(!locked || l.ObjectLockDays != 0, "logging.objectLockDays", "0", "Object Lock is on (logging.objectLock), but has no number of days", "1 to 36500 days")
	off := []mistake.Fix{v.set("logging.objectLockDays", "0")}
	if l.BucketName == "" && (l.RetentionDays <= 0 || l.ObjectLockDays <= l.RetentionDays) {
		off = append([]mistake.Fix{v.set("logging.objectLock", "governance")}, off...)
	}
	v.check(l.ObjectLock != "off" || l.ObjectLockDays == 0, "logging.objectLockDays", strconv.Itoa(l.ObjectLockDays),
		"a number of days is given, but Object Lock is off (logging.objectLock)", "0 without Object Lock", off...)
	v.check(!locked || l.RetentionDays <= 0 || l.ObjectLockDays <= l.RetentionDays, "logging.objectLockDays", strconv.Itoa(l.ObjectLockDays),
		"longer than session logs are kept (logging.retentionDays)", fmt.Sprintf("1 to %d days", l.RetentionDays))
	v.check(!locked || l.BucketName == "", "logging.objectLock", l.ObjectLock,
		"this stack does not manage the bucket (logging.bucketName), so it cannot set its Object Lock",
		"off with an existing bucket",
		mistake.Fix{Commands: append(v.set("logging.objectLock", "off").Commands, v.set("logging.objectLockDays", "0").Commands...)},
		v.remove("logging.bucketName"))
	v.check(l.ObjectLock != "compliance" || c.KeepsRecords(), "keepRecords", string(c.KeepRecords),
		"nobody can delete a session log under a compliance lock (logging.objectLock), so a destroy would fail",
		"true or refuse, with logging.objectLock: compliance")
}

func (l Logging) validateCloudWatch(v *validator) {
	v.check(l.LogGroupName == "" || logGroupName.MatchString(l.LogGroupName) && !strings.HasPrefix(l.LogGroupName, "aws/"),
		"logging.logGroupName", l.LogGroupName, "not a name of a log group",
		"empty for /PROJECT/STACK/sessions, or up to 512 letters, digits and any of _/.#-, not beginning with aws/")
	v.check(slices.Contains(logRetentions, l.LogGroupRetentionDays), "logging.logGroupRetentionDays", strconv.Itoa(l.LogGroupRetentionDays),
		"not a period that CloudWatch Logs offers", strings.Trim(strings.ReplaceAll(settings.Show(logRetentions), ",", ", "), "[]")+" days; 0 keeps every session log")
}

func (l Logging) validateEncryption(v *validator) {
	twoLayers := l.Encryption == "aws:kms:dsse" || l.Encryption == "dsse"
	v.check(!twoLayers, "logging.encryption", l.Encryption,
		"the agent does not recognize dual-layer encryption (DSSE-KMS) as encryption, and refuses every session",
		ByService+", "+ByKMS)
	if !twoLayers {
		v.oneOf("logging.encryption", l.Encryption, ByService, ByKMS)
	}
	v.keyARN("logging.kmsKeyArn", l.KMSKeyARN)
	v.check(l.KMSKeyARN == "" || l.Encryption != ByService, "logging.kmsKeyArn", l.KMSKeyARN,
		"a key is named, but nothing is encrypted with it (logging.encryption is "+ByService+")",
		"empty", v.set("logging.encryption", ByKMS), v.remove("logging.kmsKeyArn"))
	for i, arn := range l.EarlierKMSKeyARNs {
		key := settings.Element("logging.earlierKmsKeyArns", i)
		v.check(arn != "", key, arn, "empty", "the ARN of a key", v.remove(key))
		v.keyARN(key, arn)
	}
}

// validateRequired holds logging.required to the settings with which the agent
// checks the log group when a session starts, and sends log events while it runs.
func (l Logging) validateRequired(v *validator) {
	if !l.Required {
		return
	}
	v.check(l.CloudWatch, "logging.cloudWatch", "false",
		"logging.required needs CloudWatch Logs: the agent uploads to S3 only after the session, and logs a failed upload only on the instance",
		"true with logging.required", v.set("logging.cloudWatch", "true"))
	v.check(l.Encryption == ByKMS, "logging.encryption", l.Encryption,
		"logging.required needs a KMS key: otherwise the agent does not refuse a session if its log group is missing",
		ByKMS+" with logging.required", v.set("logging.encryption", ByKMS))
	v.check(l.Streaming, "logging.streaming", "false",
		"logging.required needs streaming: without it, the agent sends log events only after the session, and logs a failure only on the instance",
		"true with logging.required", v.set("logging.streaming", "true"))
}
