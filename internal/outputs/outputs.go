// Package outputs names the stack's outputs and gives their types. The program
// exports them and the tools read them, so both say the same.
package outputs

// Names of the outputs.
const (
	InstanceIDs            = "instanceIds"
	PrivateIPAddresses     = "privateIpAddresses"
	StartSession           = "startSession"
	Fleets                 = "fleets"
	ImageParameters        = "imageParameters"
	SessionDocument        = "sessionDocument"
	RestoreSessionDocument = "restoreSessionDocument"
	SessionReason          = "sessionReason"
	LogBucket              = "logBucket"
	LogLocation            = "logLocation"
	EarlierLocations       = "earlierLocations"
	LogGroup               = "logGroup"
	KeyARN                 = "keyArn"
	SessionKeyARN          = "sessionKeyArn"
	KeptLogBuckets         = "keptLogBuckets"
	InstanceProfileName    = "instanceProfileName"
	RoleName               = "roleName"
	AttachInstanceProfile  = "attachInstanceProfile"
	ReplaceInstanceProfile = "replaceInstanceProfile"
	ExistingProfiles       = "existingInstanceProfiles"
	Region                 = "region"
	AccountID              = "accountId"
	VpcID                  = "vpcId"
	SubnetIDs              = "subnetIds"
	SecurityGroupID        = "securityGroupId"
	EndpointIDs            = "endpointIds"
	RouteTables            = "routeTables"
	EndpointCidrBlocks     = "endpointCidrBlocks"

	// Only where the config has operators, auditors, breakGlass or people.denyUnrecorded.
	PeoplePolicyARNs     = "peoplePolicyArns"
	PeopleRoleARNs       = "peopleRoleArns"
	StartTunnel          = "startTunnel"
	TunnelDocuments      = "tunnelDocuments"
	ServiceControlPolicy = "serviceControlPolicy"
	AlertTopicARN        = "alertTopicArn"
)

// Values are the outputs that the tools read.
type Values struct {
	InstanceIDs            map[string]string          `json:"instanceIds"`
	PrivateIPAddresses     map[string]string          `json:"privateIpAddresses"`
	ImageParameters        map[string]string          `json:"imageParameters"`
	SessionDocument        string                     `json:"sessionDocument"`
	RestoreSessionDocument string                     `json:"restoreSessionDocument"`
	SessionReason          string                     `json:"sessionReason"`
	LogBucket              string                     `json:"logBucket"`
	LogLocation            string                     `json:"logLocation"`
	LogGroup               string                     `json:"logGroup"`
	EarlierLocations       []string                   `json:"earlierLocations"`
	KeptLogBuckets         []string                   `json:"keptLogBuckets"`
	InstanceProfileName    string                     `json:"instanceProfileName"`
	Region                 string                     `json:"region"`
	AccountID              string                     `json:"accountId"`
	ExistingProfiles       map[string]ExistingProfile `json:"existingInstanceProfiles"`
	EndpointCidrBlocks     []string                   `json:"endpointCidrBlocks"`
	TunnelDocuments        map[string]string          `json:"tunnelDocuments"`
	AlertTopicARN          string                     `json:"alertTopicArn"`
}

// ExistingProfile is about an existing instance that has no instance profile of
// its own: what attaches the stack's, and what detaches it.
type ExistingProfile struct {
	InstanceID string `json:"instanceId"`
	Attach     string `json:"attach"`
	Detach     string `json:"detach"`
}
