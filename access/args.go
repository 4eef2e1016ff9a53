package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/network"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
)

// Args describe private access to EC2 instances in one account and Region. What
// decides the shape is a plain value, and the rest are Inputs.
type Args struct {
	// Partition, Region, AccountID and DNSSuffix say where the access lives, as
	// aws.getPartition, getRegion and getCallerIdentity give them. Required.
	Partition, Region, AccountID, DNSSuffix string
	// Owner marks everything that is created, as the value of the tag
	// private-ec2-access:stack and in the session document. PROJECT/STACK if empty.
	Owner string
	// Tags are put on every resource that can carry them, beside Name and the
	// owner's.
	Tags map[string]string

	// VpcID names an existing VPC, with the private subnets, one in each zone,
	// that instances and endpoints go into, and the route tables of the subnets
	// that get a route to S3; nil: they have one. Nil VpcID: an isolated VPC is
	// created, with a subnet in each of AvailabilityZones. With VpcID these are the
	// zones of SubnetIDs, which data volumes need.
	VpcID                    pulumi.StringInput
	SubnetIDs, RouteTableIDs pulumi.StringArrayInput
	EndpointSubnetIDs        pulumi.StringArrayInput // one in each zone; nil: SubnetIDs
	// CidrBlocks are every IPv4 range of the VPC; of a VPC that is created, one.
	CidrBlocks, Ipv6CidrBlocks []string
	AvailabilityZones          []string
	// FlowLogs is where flow logs of a VPC that is created go: the ARN of an
	// existing bucket, and a prefix after a slash. Empty: there are none.
	FlowLogs string
	// HTTPSBetweenMembers narrows what members of the security group accept from
	// each other to HTTPS. Otherwise it is everything.
	HTTPSBetweenMembers bool
	// S3PrefixListID is the id of the Region's prefix list of S3. Required.
	S3PrefixListID string

	// Endpoints are the interface endpoints that are created, by their short
	// names, for example ssmmessages. Required: ssm and ssmmessages at least,
	// unless the network reaches them already.
	Endpoints []string
	// ExistingEndpoints are ids of endpoints of an existing VPC by the short
	// names, s3 too. EndpointCidrBlocks are the IPv4 ranges that such endpoints
	// are in, or those of another VPC, to which the security group lets HTTPS out.
	ExistingEndpoints  map[string]string
	EndpointCidrBlocks []string
	// ProtectEndpoints makes a destroy fail before it deletes anything, for
	// endpoints that others use.
	ProtectEndpoints bool
	// NarrowEndpointPolicies lets through only what the instances need, rather
	// than everything. In a VPC that others use too it can cut them off.
	NarrowEndpointPolicies bool

	Instances map[string]Instance // by their names
	// ExistingInstances are instances that exist already, by their names, and
	// ExistingRoles the ARNs of their roles, by the roles' names, which get what
	// sessions need. An instance without a profile gets the one that is created
	// by aws ec2 associate-iam-instance-profile.
	ExistingInstances map[string]ExistingInstance
	ExistingRoles     map[string]string
	Logging           Logging
	Session           Session
	Key               Key
	Role              Role
	People            People
	Alerts            Alerts

	// KeepRecords leaves session logs, and what protects and encrypts them,
	// behind on destroy. RefuseDestroy makes a destroy fail before it deletes
	// anything.
	KeepRecords, RefuseDestroy bool
}

// Instance is one private instance.
type Instance struct {
	ImageID      string
	PinImage     bool   // follow ImageID; otherwise a running instance keeps the image it has
	UserData     string // runs at the first boot; another one replaces the instance, unless KeepUserData
	KeepUserData bool   // a running instance keeps the user data it has
	Fleet        string // as the tag private-ec2-access:fleet; empty: none
	Tags         map[string]string
	Architecture string // arm64 or x86_64, of image and type
	InstanceType string
	VolumeSize   int // of the root volume in GiB
	SubnetIndex  int // in SubnetIDs or AvailabilityZones; 0 is the first
	DataVolumes  []DataVolume
}

// DataVolume is an encrypted volume beside the root volume. It outlives the
// instance that is replaced, and is deleted with the last one.
type DataVolume = components.DataVolume

// zone is that of a subnet; empty: not known.
func (a *Args) zone(subnet int) string {
	if subnet < len(a.AvailabilityZones) {
		return a.AvailabilityZones[subnet]
	}
	return ""
}

// labels are the instance's own.
func (i Instance) labels() map[string]string {
	if i.Fleet == "" {
		return i.Tags
	}
	tags := map[string]string{scope.FleetTag: i.Fleet}
	maps.Copy(tags, i.Tags)
	return tags
}

// ExistingInstance is an instance that this component does not create.
type ExistingInstance struct{ InstanceID, PrivateIP string }

// Logging says where session logs go.
type Logging struct {
	BucketName   string // an existing bucket; empty: the one that is created
	CreateBucket bool   // create a bucket: without BucketName, or while open sessions still write to it
	KeyPrefix    string
	// EarlierLocations are written as s3://BUCKET/PREFIX or log-group:NAME. They
	// stay writable for sessions that started before the location changed.
	EarlierLocations []string
	// WriterRoleARNs are roles of this account that may write to the bucket that
	// is created, besides the instances' role that is created.
	WriterRoleARNs []string
	RetentionDays  int    // after which a session log expires; 0 keeps every one
	TransitionDays int    // after which one moves to Glacier Instant Retrieval; 0 never
	ObjectLock     string // GOVERNANCE, COMPLIANCE or empty
	ObjectLockDays int

	LogGroups         []string // in CloudWatch Logs: the one of the session document, and earlier ones
	ExistingLogGroups []string // those of LogGroups that exist already and are imported
	KeptLogGroups     []string // of a previous deployment; the key's policy keeps them readable
	LogGroupRetention int      // in days; 0 keeps every event

	EncryptWithKMS    bool     // with KMSKeyARN, or else with the key that is created
	KMSKeyARN         string   // an existing key
	EarlierKMSKeyARNs []string // keys that logs were encrypted with before
}

// Preferences are the settings of a session. S3BucketName and, with
// EncryptWithKMS, an empty KMSKeyID are filled in with what is created.
type Preferences = session.Preferences

// People are the operators, auditors and administrators that the access has IAM
// policies for. The zero value creates nothing.
type People = people.People

// Session is the session document.
type Session struct {
	DocumentName   string
	Preferences    Preferences
	EncryptWithKMS bool // with Preferences.KMSKeyID, or else with the key that is created
	// Existing is the document as it is, if there is one. It is imported, and
	// kept on destroy if it was adopted.
	Existing *ExistingDocument
}

// ExistingDocument holds the default and the newest version of a session
// document.
type ExistingDocument struct {
	Version, Content             string
	NewestVersion, NewestContent string
}

// Key is the KMS key that is created for session logs and sessions.
type Key struct {
	Create               bool
	Alias, Description   string
	ExistingKeyID        string // under the alias already; it is imported
	DeletionWindowInDays int
	RotationPeriodInDays int
}

// Role is the instances' role.
type Role struct {
	// SessionsOnly gives it, in place of AmazonSSMManagedInstanceCore, only what
	// sessions need.
	SessionsOnly bool
	// ParameterPaths are the SSM parameters that it may read besides AWS's public
	// ones, each a parameter or the beginning of names: /app is /app and /app/*.
	ParameterPaths         []string
	PermissionsBoundaryARN string // empty: none
	// Path is that of the role, its policy and its instance profile; empty: "/".
	// Another path replaces all three.
	Path string
}

// Alerts are messages about events of the account, by SNS. Without TopicARN and
// Emails there are none.
type Alerts struct {
	TopicARN string   // an existing topic
	Emails   []string // of a topic that is created; it needs Key.Create
	Events   []string // sessions, otherDocuments, changes, breakGlass
}

// validate reports everything that is missing or contradictory at once.
func (a *Args) validate() error {
	var found []error
	need := func(ok bool, format string, values ...any) {
		if !ok {
			found = append(found, fmt.Errorf(format, values...))
		}
	}
	need(a.Partition != "" && a.Region != "" && a.AccountID != "" && a.DNSSuffix != "", "Partition, Region, AccountID and DNSSuffix are required")
	need(a.S3PrefixListID != "", "S3PrefixListID is required")
	subnets := len(a.AvailabilityZones)
	if a.VpcID == nil {
		need(len(a.CidrBlocks) == 1, "CidrBlocks has %d ranges: a VPC that is created has one", len(a.CidrBlocks))
		if len(a.CidrBlocks) == 1 {
			_, err := network.Subnets(a.CidrBlocks[0], subnets)
			need(err == nil, "CidrBlocks is %s for %d AvailabilityZones: %v", a.CidrBlocks[0], subnets, err)
		}
	} else {
		need(a.FlowLogs == "", "FlowLogs is for a VPC that is created")
		need(a.SubnetIDs != nil, "SubnetIDs is required with VpcID")
	}
	for _, name := range a.Endpoints {
		service, known := endpoint.Find(name)
		need(known && !service.Gateway, "Endpoints has %q: allowed are %v", name, interfaceNames())
	}
	for _, name := range []string{"ssm", "ssmmessages"} {
		need(slices.Contains(a.Endpoints, name) || len(a.EndpointCidrBlocks) > 0, "Endpoints lacks %s, without which no session can be opened", name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Instances)) {
		i := a.Instances[name]
		need(i.ImageID != "" && i.Architecture != "" && i.InstanceType != "" && i.VolumeSize > 0,
			"Instances[%s]: ImageID, Architecture, InstanceType and VolumeSize are required", name)
		need(i.SubnetIndex >= 0 && (a.VpcID != nil || i.SubnetIndex < subnets), "Instances[%s]: SubnetIndex is %d of %d subnets", name, i.SubnetIndex, subnets)
		need(len(i.DataVolumes) == 0 || a.zone(i.SubnetIndex) != "", "Instances[%s]: DataVolumes need AvailabilityZones", name)
	}
	need(a.Logging.BucketName != "" || a.Logging.CreateBucket, "Logging: BucketName or CreateBucket is required")
	for _, text := range a.Logging.EarlierLocations {
		_, err := session.ParseLocation(text)
		need(err == nil, "Logging.EarlierLocations: %v", err)
	}
	need(a.Session.DocumentName != "", "Session.DocumentName is required")
	needsKey := a.Logging.EncryptWithKMS && a.Logging.KMSKeyARN == "" || a.Session.EncryptWithKMS && a.Session.Preferences.KMSKeyID == ""
	need(!needsKey || a.Key.Create || a.Logging.BucketName != "", "Key.Create is required: something is encrypted with KMS, and no key is named")
	need(a.Alerts.TopicARN == "" || len(a.Alerts.Emails) == 0, "Alerts: TopicARN and Emails exclude each other")
	need(len(a.Alerts.Emails) == 0 || a.Key.Create, "Key.Create is required: the topic of Alerts.Emails is encrypted with it")
	return errors.Join(found...)
}

func interfaceNames() (names []string) {
	for _, s := range endpoint.Interfaces() {
		names = append(names, s.Name)
	}
	return names
}

func (a *Args) scope() scope.Scope {
	return scope.Scope{Partition: a.Partition, Region: a.Region, AccountID: a.AccountID, DNSSuffix: a.DNSSuffix}
}
