package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/account"
	"private-ec2-access/internal/guard"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/network"
	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// Config is the stack's config. Pulumi.yaml describes each key and holds its
// default; a key that AWS has too carries AWS's name.
type Config struct {
	Emulated       bool                `json:"emulated"`
	KeepRecords    Choice              `json:"keepRecords"` // or refuse
	ConfirmChanges Choice              `json:"confirmChanges"`
	SelfRepair     Choice              `json:"selfRepair"`
	Tags           map[string]string   `json:"tags"`
	Network        NetworkConfig       `json:"network"`
	Endpoints      EndpointsConfig     `json:"endpoints"`
	Instance       InstanceConfig      `json:"instance"`
	Instances      map[string]Instance `json:"instances"`
	Logging        LoggingConfig       `json:"logging"`
	Session        SessionConfig       `json:"session"`
	Key            KeyConfig           `json:"key"`
}

// Choice is true, false, or auto: the default of the stack's kind.
type Choice string

// refuse is KeepRecords' fourth choice: a destroy fails before it deletes
// anything.
const refuse Choice = "refuse"

// Or gives the choice as a boolean, with the default for auto.
func (c Choice) Or(byKind bool) bool {
	if c == "auto" {
		return byKind
	}
	return c == "true"
}

// NetworkConfig names an existing network, or describes the one to make.
type NetworkConfig struct {
	VpcID                 string   `json:"vpcId"`
	SubnetIDs             []string `json:"subnetIds"`
	CidrBlock             string   `json:"cidrBlock"`
	AvailabilityZoneCount int      `json:"availabilityZoneCount"`
}

// Existing reports whether the stack goes into a network that it did not make.
func (n NetworkConfig) Existing() bool { return n.VpcID != "" }

// EndpointsConfig decides which endpoints there are and what they let through.
type EndpointsConfig struct {
	EC2Messages string `json:"ec2messages"`
	Policies    string `json:"policies"`
}

// InstanceConfig holds for every instance that says nothing else.
type InstanceConfig struct {
	Architecture string `json:"architecture"`
	InstanceType string `json:"instanceType"`
	VolumeSize   int    `json:"volumeSize"`
}

// Instance is one instance by its name; what it leaves out comes from
// InstanceConfig.
type Instance struct {
	ImageID      string `json:"imageId,omitempty"`
	SubnetIndex  int    `json:"subnetIndex,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	InstanceType string `json:"instanceType,omitempty"`
	VolumeSize   int    `json:"volumeSize,omitempty"`
}

// LoggingConfig says where session logs go, how they are protected, and whether
// there may be a session without a record.
type LoggingConfig struct {
	Required              bool     `json:"required"`
	BucketName            string   `json:"bucketName"`
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

// Encryptions of records.
const (
	encryptedByService = "aes256" // by S3 and CloudWatch Logs, with keys of their own
	encryptedByKey     = "kms"    // with a customer key
)

// Earlier are the places that sessions were recorded in before and that may
// still be written to. Config that is not valid gives those that can be read.
func (l LoggingConfig) Earlier() []session.Location {
	var places []session.Location
	for _, text := range l.EarlierLocations {
		if place, err := session.ParseLocation(text); err == nil {
			places = append(places, place)
		}
	}
	return places
}

// SessionConfig is the session preferences document.
type SessionConfig struct {
	DocumentName       string       `json:"documentName"`
	Adopt              bool         `json:"adopt"`
	IdleSessionTimeout int          `json:"idleSessionTimeout"`
	MaxSessionDuration int          `json:"maxSessionDuration"`
	Encryption         bool         `json:"encryption"`
	KMSKeyARN          string       `json:"kmsKeyArn"`
	RunAsEnabled       bool         `json:"runAsEnabled"`
	RunAsDefaultUser   string       `json:"runAsDefaultUser"`
	ShellProfile       ShellProfile `json:"shellProfile"`
}

// ShellProfile are the commands that run when a session begins.
type ShellProfile struct {
	Linux   string `json:"linux"`
	Windows string `json:"windows"`
}

// KeyConfig is the stack's own KMS key, where there is one.
type KeyConfig struct {
	DeletionWindowInDays int `json:"deletionWindowInDays"`
	RotationPeriodInDays int `json:"rotationPeriodInDays"`
}

// KeepsRecords reports whether a destroy leaves the records behind. A document
// that was adopted goes on naming the bucket, so then they stay as well.
func (c *Config) KeepsRecords() bool {
	return c.KeepRecords == refuse || c.KeepRecords.Or(!c.Emulated || c.Session.Adopt)
}

// OwnKey reports whether something is to be encrypted with a key of the stack's
// own.
func (c *Config) OwnKey() bool {
	l := c.Logging
	records := l.Encryption == encryptedByKey && l.KMSKeyARN == "" && (l.BucketName == "" || l.CloudWatch)
	return records || c.Session.Encryption && c.Session.KMSKeyARN == ""
}

// loadConfig decodes and validates the config of a stack: a JSON object with
// every value by its full key, as the engine hands it to the program. The SDK's
// own config object cannot list the keys, so a misspelt one would pass in
// silence. The error lists every mistake; nothing has been asked of AWS by then.
func loadConfig(project, stackConfig string, environ []string) (*Config, error) {
	raw := map[string]string{}
	if stackConfig != "" {
		if err := json.Unmarshal([]byte(stackConfig), &raw); err != nil {
			return nil, fmt.Errorf("reading the stack's config from the engine: %w", err)
		}
	}
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}

	c := &Config{}
	found := settings.Decode(project, raw, c)
	unread := found
	for _, m := range c.Validate(project) {
		if !concerns(unread, m.Key) { // what has no value of its type is judged once it has
			found.Add(m)
		}
	}
	if raw["aws:region"] == "" && env["AWS_REGION"] == "" && env["AWS_DEFAULT_REGION"] == "" {
		found.Add(mistake.Mistake{
			Key: "aws:region", Problem: "it has no value, so nothing says where the stack is to live",
			Allowed: "a Region of AWS, for example us-east-2", Mend: "pulumi config set aws:region REGION",
		})
	}
	if !concerns(unread, "emulated") {
		found = append(found, guard.Check(c.Emulated, raw, env)...)
	}
	return c, found.Err()
}

// concerns reports whether one of the mistakes is about the key, about
// something in it or about what it is in.
func concerns(found mistake.List, key string) bool {
	within := func(inner, outer string) bool {
		return inner == outer || strings.HasPrefix(inner, outer+".") || strings.HasPrefix(inner, outer+"[")
	}
	return slices.ContainsFunc(found, func(m mistake.Mistake) bool { return within(m.Key, key) || within(key, m.Key) })
}

var (
	projectName  = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}$`)
	instanceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	vpcID        = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetID     = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	imageID      = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	keyPrefix    = regexp.MustCompile(`^[A-Za-z0-9!_.*'()/-]*$`)
	keyARN       = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)
	logGroupName = regexp.MustCompile(`^[A-Za-z0-9_/.#-]{1,512}$`)
	userName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	documentName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,128}$`)
	// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html
	reservedName = regexp.MustCompile(`^(?i:aws|amazon|amzn)`)
	instanceType = regexp.MustCompile(`^([a-z][a-z0-9-]*)\.[a-z0-9-]+$`)
)

// Validate finds every mistake that can be found without asking AWS.
func (c *Config) Validate(project string) (found mistake.List) {
	v := validator{project: project, found: &found}
	v.check(projectName.MatchString(project), "name (in Pulumi.yaml)", project,
		"the names of roles and buckets begin with it, and one of them could not be made",
		"2 to 31 lower-case letters, digits and hyphens, a letter first", "rename the project in Pulumi.yaml")

	v.oneOf("keepRecords", string(c.KeepRecords), "auto", "true", "false", "refuse")
	v.oneOf("confirmChanges", string(c.ConfirmChanges), "auto", "true", "false")
	v.oneOf("selfRepair", string(c.SelfRepair), "auto", "true", "false")
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		v.tag(key, c.Tags[key])
	}
	c.validateNetwork(&v)
	v.oneOf("endpoints.ec2messages", c.Endpoints.EC2Messages, "auto", "always", "never")
	v.oneOf("endpoints.policies", c.Endpoints.Policies, "auto", "narrow", "full")
	c.validateInstances(&v)

	c.validateLogging(&v)
	v.check(documentName.MatchString(c.Session.DocumentName) && !reservedName.MatchString(c.Session.DocumentName), "session.documentName", c.Session.DocumentName,
		"not a name of a Systems Manager document", "3 to 128 letters, digits, and any of _.-, not beginning with aws, amazon or amzn", "")
	v.between("session.idleSessionTimeout", c.Session.IdleSessionTimeout, 1, 60, "minutes")
	v.between("session.maxSessionDuration", c.Session.MaxSessionDuration, 0, 1440, "minutes; 0 sets no limit")
	if below, above, doubtful := doubtfulDuration(c.Session.MaxSessionDuration); doubtful {
		v.check(false, "session.maxSessionDuration", strconv.Itoa(c.Session.MaxSessionDuration),
			"AWS's own pattern for this value does not match it, so a document with it may be refused or its limit passed over",
			fmt.Sprintf("%d or %d are the nearest that are safe", below, above), "")
	}
	v.check(c.Session.MaxSessionDuration == 0 || c.Session.IdleSessionTimeout <= c.Session.MaxSessionDuration,
		"session.idleSessionTimeout", strconv.Itoa(c.Session.IdleSessionTimeout),
		"longer than the session itself may last (session.maxSessionDuration)",
		fmt.Sprintf("1 to %d minutes", min(60, c.Session.MaxSessionDuration)), "")
	c.validateSession(&v)
	v.between("key.deletionWindowInDays", c.Key.DeletionWindowInDays, 7, 30, "days")
	v.between("key.rotationPeriodInDays", c.Key.RotationPeriodInDays, 90, 2560, "days")
	return found
}

// doubtfulDuration tells the values of maxSessionDuration that the pattern of
// AWS's API for it leaves out, by what looks like a slip, with the nearest that
// it has
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Session.html).
func doubtfulDuration(minutes int) (below, above int, doubtful bool) {
	if minutes < 1000 || minutes >= 1400 || minutes%100 < 40 {
		return 0, 0, false
	}
	hundred := minutes - minutes%100
	return hundred + 39, hundred + 100, true
}

func (c *Config) validateLogging(v *validator) {
	l := c.Logging
	v.check(l.BucketName == "" || bucketName.MatchString(l.BucketName), "logging.bucketName", l.BucketName,
		"not a bucket name that works here: a dot breaks TLS to the bucket, and the agent then tries plain HTTP, which no rule lets out",
		"empty for a bucket of the stack's own, or 3 to 63 lower-case letters, digits and hyphens", "")
	v.check(keyPrefix.MatchString(l.KeyPrefix), "logging.keyPrefix", l.KeyPrefix,
		"not a prefix that is safe in a key of S3", "letters, digits and any of !_.*'()/-", "")
	v.between("logging.retentionDays", l.RetentionDays, 0, 36500, "days; 0 keeps every record for good")
	v.between("logging.transitionDays", l.TransitionDays, 0, 36500, "days; 0 moves nothing")
	v.check(l.TransitionDays == 0 || l.RetentionDays == 0 || l.TransitionDays < l.RetentionDays,
		"logging.transitionDays", strconv.Itoa(l.TransitionDays), "records would expire (logging.retentionDays) before they move",
		fmt.Sprintf("0, or less than %d days", l.RetentionDays), "")

	v.oneOf("logging.objectLock", l.ObjectLock, "off", "governance", "compliance")
	v.between("logging.objectLockDays", l.ObjectLockDays, 0, 36500, "days")
	locked := l.ObjectLock == "governance" || l.ObjectLock == "compliance"
	v.check(!locked || l.ObjectLockDays != 0, "logging.objectLockDays", "0", "a lock is asked for (logging.objectLock), but not for how long", "1 to 36500 days", "")
	v.check(l.ObjectLock != "off" || l.ObjectLockDays == 0, "logging.objectLockDays", strconv.Itoa(l.ObjectLockDays),
		"days are given, but no lock (logging.objectLock is off)", "0 without a lock", "pulumi config set "+settings.Path(v.project, "logging.objectLock")+" governance")
	v.check(!locked || l.RetentionDays == 0 || l.ObjectLockDays <= l.RetentionDays, "logging.objectLockDays", strconv.Itoa(l.ObjectLockDays),
		"longer than records are kept (logging.retentionDays)", fmt.Sprintf("1 to %d days", l.RetentionDays), "")
	v.check(!locked || l.BucketName == "", "logging.objectLock", l.ObjectLock, "the bucket is not the stack's own (logging.bucketName), so its lock is not either",
		"off with an existing bucket", "")
	v.check(l.ObjectLock != "compliance" || c.KeepsRecords(), "keepRecords", string(c.KeepRecords),
		"nothing and nobody can delete a record under a compliance lock (logging.objectLock), so a destroy would fail",
		"true or refuse, with logging.objectLock: compliance", "")

	v.check(l.LogGroupName == "" || logGroupName.MatchString(l.LogGroupName) && !strings.HasPrefix(l.LogGroupName, "aws/"),
		"logging.logGroupName", l.LogGroupName, "not a name of a log group",
		"empty for /PROJECT/STACK/sessions, or up to 512 letters, digits and any of _/.#-, not beginning with aws/", "")
	v.check(slices.Contains(logRetentions, l.LogGroupRetentionDays), "logging.logGroupRetentionDays", strconv.Itoa(l.LogGroupRetentionDays),
		"not a period that CloudWatch Logs offers", settings.Show(logRetentions)+" days; 0 keeps every record for good", "")

	v.check(l.Encryption != "aws:kms:dsse" && l.Encryption != "dsse", "logging.encryption", l.Encryption,
		"the agent takes a bucket with two layers of encryption for one that is not encrypted, and refuses every session",
		encryptedByService+", "+encryptedByKey, "")
	if l.Encryption != "aws:kms:dsse" && l.Encryption != "dsse" {
		v.oneOf("logging.encryption", l.Encryption, encryptedByService, encryptedByKey)
	}
	v.keyARN("logging.kmsKeyArn", l.KMSKeyARN)
	v.check(l.KMSKeyARN == "" || l.Encryption != encryptedByService, "logging.kmsKeyArn", l.KMSKeyARN,
		"a key is named, but nothing is to be encrypted with it (logging.encryption is "+encryptedByService+")",
		"empty", "pulumi config set "+settings.Path(v.project, "logging.encryption")+" "+encryptedByKey)
	for i, arn := range l.EarlierKMSKeyARNs {
		key := fmt.Sprintf("logging.earlierKmsKeyArns[%d]", i)
		v.check(arn != "", key, arn, "empty", "the ARN of a key", v.drop(key))
		v.keyARN(key, arn)
	}
	for i, text := range l.EarlierLocations {
		key := fmt.Sprintf("logging.earlierLocations[%d]", i)
		_, err := session.ParseLocation(text)
		v.check(err == nil, key, text, "not a place that sessions are recorded in", "s3://BUCKET/PREFIX or log-group:NAME", "")
		v.check(slices.Index(l.EarlierLocations, text) == i, key, text, "named twice", "each place once", v.drop(key))
	}

	if !l.Required {
		return
	}
	because := "a record is required (logging.required), and "
	v.check(l.CloudWatch, "logging.cloudWatch", "false",
		because+"with S3 alone there can be a session without one: the agent uploads at the end, and keeps a failure to itself",
		"true with logging.required", "pulumi config set "+settings.Path(v.project, "logging.cloudWatch")+" true")
	v.check(l.Encryption == encryptedByKey, "logging.encryption", l.Encryption,
		because+"the agent refuses a session without its log group only when the group has to be encrypted with a key",
		encryptedByKey+" with logging.required", "pulumi config set "+settings.Path(v.project, "logging.encryption")+" "+encryptedByKey)
	v.check(l.Streaming, "logging.streaming", "false",
		because+"without streaming the agent writes at the end, and keeps a failure to itself", "true with logging.required", "pulumi config set "+settings.Path(v.project, "logging.streaming")+" true")
}

func (c *Config) validateSession(v *validator) {
	s := c.Session
	v.check(!s.Adopt || c.KeepRecords != "false", "keepRecords", string(c.KeepRecords),
		"the session document is adopted (session.adopt) and stays after a destroy, so the bucket that it names has to stay as well",
		"auto, true or refuse, with session.adopt", "")
	v.keyARN("session.kmsKeyArn", s.KMSKeyARN)
	v.check(s.KMSKeyARN == "" || s.Encryption, "session.kmsKeyArn", s.KMSKeyARN,
		"a key is named, but sessions are not to be encrypted with it (session.encryption is false)",
		"empty", "pulumi config set "+settings.Path(v.project, "session.encryption")+" true")
	v.check(s.RunAsDefaultUser == "" || s.RunAsEnabled, "session.runAsDefaultUser", s.RunAsDefaultUser,
		"a user is named, but sessions are not to run as one (session.runAsEnabled is false)",
		"empty", "pulumi config set "+settings.Path(v.project, "session.runAsEnabled")+" true")
	v.check(s.RunAsDefaultUser != "root", "session.runAsDefaultUser", s.RunAsDefaultUser, "Session Manager starts no session as root",
		"the name of another user of the instances", "")
	v.check(s.RunAsDefaultUser == "" || s.RunAsDefaultUser == "root" || userName.MatchString(s.RunAsDefaultUser), "session.runAsDefaultUser", s.RunAsDefaultUser,
		"not a name of a user", "up to 32 letters, digits and any of _.-, a letter or _ first", "")
	for _, profile := range []struct{ system, commands string }{{"linux", s.ShellProfile.Linux}, {"windows", s.ShellProfile.Windows}} {
		v.check(len(profile.commands) <= maxShellProfile, "session.shellProfile."+profile.system,
			fmt.Sprintf("%d characters long", len(profile.commands)), "too long for a session document",
			fmt.Sprintf("up to %d characters", maxShellProfile), "")
	}
}

// maxShellProfile is this program's own limit: a session document may have
// 64 KiB, and AWS names no limit for this field.
const maxShellProfile = 16 << 10

// logRetentions are the periods that CloudWatch Logs offers
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html).
var logRetentions = []int{
	0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

func (c *Config) validateNetwork(v *validator) {
	n := c.Network
	v.between("network.availabilityZoneCount", n.AvailabilityZoneCount, 1, 6, "zones, each with a subnet")
	if n.Existing() {
		v.check(vpcID.MatchString(n.VpcID), "network.vpcId", n.VpcID, "not the id of a VPC", "vpc- and 8 to 17 hexadecimal digits", "")
		v.check(len(n.SubnetIDs) > 0, "network.subnetIds", "[]", "an existing VPC is named, but none of its subnets",
			"the ids of private subnets in network.vpcId, one in each zone", "")
	} else {
		v.check(len(n.SubnetIDs) == 0, "network.subnetIds", settings.Show(n.SubnetIDs), "subnets are named, but not their VPC",
			"empty for a network of the stack's own", "pulumi config set "+settings.Path(v.project, "network.vpcId")+" VPC")
		if _, err := network.Subnets(n.CidrBlock, max(1, min(6, n.AvailabilityZoneCount))); err != nil {
			v.check(false, "network.cidrBlock", n.CidrBlock, err.Error(),
				fmt.Sprintf("an IPv4 range between /%d and /%d with room for a subnet in each of %d zones",
					network.LargestPrefix, network.SmallestPrefix, n.AvailabilityZoneCount), "")
		} else if block := netip.MustParsePrefix(n.CidrBlock); !block.Addr().IsPrivate() && !sharedAddressSpace.Contains(block.Addr()) {
			v.check(false, "network.cidrBlock", n.CidrBlock, "these addresses belong to somebody on the internet",
				"a range within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10", "")
		}
	}
	for i, id := range n.SubnetIDs {
		key := fmt.Sprintf("network.subnetIds[%d]", i)
		v.check(subnetID.MatchString(id), key, id, "not the id of a subnet", "subnet- and 8 to 17 hexadecimal digits", "")
		v.check(slices.Index(n.SubnetIDs, id) == i, key, id, "named twice", "each subnet once", "")
	}
}

// sharedAddressSpace is RFC 6598's range, which AWS allows for a VPC.
var sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10")

func (c *Config) validateInstances(v *validator) {
	v.check(len(c.Instances) > 0, "instances", "{}", "no instance is named, so there would be nothing to open a shell on",
		"at least one name, for example {app: {}}", "pulumi config set "+settings.Path(v.project, "instances.app")+" '{}'")
	v.instance("instance.", c.Instance.Architecture, c.Instance.InstanceType, c.Instance.VolumeSize)
	subnets := c.Network.AvailabilityZoneCount
	if c.Network.Existing() {
		subnets = len(c.Network.SubnetIDs)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Instances)) {
		i, prefix := c.Instances[name], "instances."+name+"."
		v.check(instanceName.MatchString(name), "instances."+name, name, "not a name for an instance",
			"1 to 31 lower-case letters, digits and hyphens, a letter first", v.remove("instances."+name))
		v.check(i.ImageID == "" || imageID.MatchString(i.ImageID), prefix+"imageId", i.ImageID,
			"not the id of an image", "ami- and 8 to 17 hexadecimal digits", "")
		v.check(i.SubnetIndex >= 0 && (i.SubnetIndex < subnets || subnets < 1), prefix+"subnetIndex", strconv.Itoa(i.SubnetIndex),
			"there is no such subnet", fmt.Sprintf("0 to %d", subnets-1), "")
		if i.Architecture != "" || i.InstanceType != "" || i.VolumeSize != 0 {
			m := c.merged(i)
			v.instance(prefix, m.Architecture, m.InstanceType, m.VolumeSize)
		}
	}
}

func (c *Config) merged(i Instance) Instance {
	if i.Architecture == "" {
		i.Architecture = c.Instance.Architecture
	}
	if i.InstanceType == "" {
		i.InstanceType = c.Instance.InstanceType
	}
	if i.VolumeSize == 0 {
		i.VolumeSize = c.Instance.VolumeSize
	}
	return i
}

// NarrowPolicies reports whether endpoint policies let through only what this
// stack needs. In a VPC that others use too, that is for the user to ask for.
func (c *Config) NarrowPolicies() bool {
	if c.Endpoints.Policies == "auto" {
		return !c.Network.Existing()
	}
	return c.Endpoints.Policies == "narrow"
}

type validator struct {
	project string
	found   *mistake.List
}

func (v *validator) check(ok bool, key, got, problem, allowed, mend string) {
	if ok {
		return
	}
	if mend == "" {
		mend = "pulumi config set " + settings.Path(v.project, key) + " VALUE"
	}
	if _, notANumber := strconv.Atoi(got); notANumber != nil && !strings.HasPrefix(got, "[") && !strings.HasPrefix(got, "{") {
		got = strconv.Quote(got) // lists, objects and numbers are shown as they are written
	}
	v.found.Add(mistake.Mistake{Key: key, Got: got, Problem: problem, Allowed: allowed, Mend: mend})
}

// remove is the mend of a key that has to get another name.
func (v *validator) remove(key string) string {
	return "pulumi config rm " + settings.Path(v.project, key) + ", and set it under another name"
}

// drop is the mend of an element of a list that should not be there.
func (v *validator) drop(key string) string {
	return "pulumi config rm " + settings.Path(v.project, key)
}

func (v *validator) keyARN(key, arn string) {
	v.check(arn == "" || keyARN.MatchString(arn), key, arn, "not the ARN of a KMS key; an alias can be pointed at another key behind this stack's back",
		"arn:PARTITION:kms:REGION:ACCOUNT:key/ID", "")
}

func (v *validator) oneOf(key, got string, allowed ...string) {
	v.check(slices.Contains(allowed, got), key, got, "no such choice", strings.Join(allowed, ", "), "")
}

func (v *validator) between(key string, got, low, high int, unit string) {
	v.check(low <= got && got <= high, key, strconv.Itoa(got), "out of range", fmt.Sprintf("%d to %d %s", low, high, unit), "")
}

func (v *validator) tag(key, value string) {
	at := "tags." + key
	v.check(!strings.HasPrefix(strings.ToLower(key), "aws:") && len(key) <= 128, at, value, "AWS keeps this key for itself, or it is too long",
		"up to 128 characters that do not begin with aws:", v.remove(at))
	v.check(key != "Name" && key != account.OwnerTag, at, value, "the program sets this tag itself", "any other key", v.remove(at))
	v.check(len(value) <= 256, at, value, "too long", "up to 256 characters", "")
}

func (v *validator) instance(prefix, architecture, typ string, volumeSize int) {
	v.oneOf(prefix+"architecture", architecture, "arm64", "x86_64")
	family := instanceType.FindStringSubmatch(typ)
	v.check(family != nil, prefix+"instanceType", typ, "not an instance type", "a family, a dot and a size, for example t4g.nano", "")
	if family != nil && (architecture == "arm64" || architecture == "x86_64") {
		graviton := graviton.MatchString(family[1])
		v.check(graviton == (architecture == "arm64"), prefix+"instanceType", typ,
			"this type does not have the architecture "+architecture,
			map[bool]string{true: "a Graviton type such as t4g.nano", false: "a type such as t3.nano"}[architecture == "arm64"], "")
	}
	v.between(prefix+"volumeSize", volumeSize, 8, 16384, "GiB; the image of Amazon Linux 2023 needs 8")
}

// graviton matches the families with AWS's own processors: a1, and those with a
// g behind the generation, such as t4g or c7gn
// (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
var graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+g[a-z-]*)$`)
