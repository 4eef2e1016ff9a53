package decide

import (
	"errors"
	"maps"
	"slices"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
)

// Decisions shape the stack. All of them are known before the first resource is
// registered.
type Decisions struct {
	Services       []string          // interface endpoints that the stack creates, by their short names
	UsedEndpoints  map[string]string // ids of endpoints that are there already, by the short names
	GatewayTables  []string          // of an existing network: those that get the stack's own route to S3
	EndpointRanges []string          // IPv4 ranges in which endpoints are that are not in the stack's security group, sorted
	Zones          []string          // each with a subnet; of a network that the stack creates
	NarrowPolicies bool              // of the endpoints
	// EndpointSubnetIDs are the subnets of an existing network in which the
	// interface endpoints have a network interface, one in each zone.
	EndpointSubnetIDs []string

	ImageParameters map[string]string // that name the newest images, by instance; of an image without one, none
	Subnets         map[string]int    // of the fleets' instances, by name: the index in the zones or in network.subnetIds

	CreateKey     bool   // the stack has a KMS key of its own
	ExistingKeyID string // which is there already; empty: it is to be created
	CreateBucket  bool   // the stack has a log bucket of its own

	Existing      map[string]ExistingInstance // existing instances that the stack brings in, by their names
	ExistingRoles map[string]string           // ARNs of the roles that get the stack's policy, by their names
	AttachProfile []string                    // names of existing instances that get, or have, the stack's instance profile

	LogGroup          string   // that the session document names; empty: none
	LogGroups         []string // every log group of the stack, sorted
	ExistingLogGroups []string // those that are there already
	KeptLogGroups     []string // of a previous deployment, not part of the stack; their logs stay readable

	KeepRecords   bool // a destroy leaves the session logs behind
	RefuseDestroy bool // a destroy fails before it deletes anything

	Notices []Notice
}

// Notice is a line for the preview and the update.
type Notice struct {
	Warning bool
	Text    string
}

// Decide makes every decision. The error has every mistake that the facts show.
func Decide(c *config.Config, f Facts) (Decisions, error) {
	d := &decider{config: c, facts: f}
	d.NarrowPolicies = c.NarrowPolicies()
	d.RefuseDestroy = c.KeepRecords == config.Refuse
	d.CreateBucket = d.createsBucket()
	d.document()
	d.locations()
	d.key()
	d.bucketKey()
	d.writers()
	d.logBucket()
	d.keepRecords()
	d.logGroups()
	d.guarantees()
	d.role()
	d.people()
	d.existingInstances()
	d.services()
	d.alerts()
	d.images()
	d.fleets()
	d.network()
	d.dataVolumes()
	d.quotas()
	return d.Decisions, errors.Join(append([]error{d.mistakes.Err()}, d.failures...)...)
}

// decider collects decisions, mistakes and failures.
type decider struct {
	Decisions
	config   *config.Config
	facts    Facts
	mistakes mistake.List
	failures []error
}

func (d *decider) say(text string)  { d.Notices = append(d.Notices, Notice{Text: text}) }
func (d *decider) warn(text string) { d.Notices = append(d.Notices, Notice{Warning: true, Text: text}) }

func (d *decider) refuse(m mistake.Mistake) { d.mistakes.Add(m) }
func (d *decider) fail(err error)           { d.failures = append(d.failures, err) }

// set is the command that gives a key of the config a value.
func (d *decider) set(key, value string) string {
	return settings.SetCommand(d.facts.Project, key, value)
}

// unset is the command that removes a key of the config.
func (d *decider) unset(key string) string {
	return settings.RemoveCommand(d.facts.Project, key)
}

// InstanceTypes are those of the instances, sorted.
func InstanceTypes(c *config.Config) []string {
	wanted := map[string]bool{}
	for _, instance := range c.Complete() {
		wanted[instance.InstanceType] = true
	}
	return slices.Sorted(maps.Keys(wanted))
}
