package decide

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/people"
	"private-ec2-access/internal/session"
)

// maxRoleName is IAM's.
const maxRoleName = 64

// people refuses what IAM would refuse of the policies and roles for people, and
// announces sessions that leave no log.
func (d *decider) people() {
	wanted, at := d.config.People(), d.placeAtItsLongest()
	d.boundary("people.permissionsBoundary", wanted.PermissionsBoundaryARN)
	for _, policy := range wanted.Policies(at) {
		d.size(policy.Key, "the policy "+at.Names+"-"+policy.Part, policy.Document, iam.MaxManagedPolicy, shorterPeople)
	}
	if scp, any := wanted.ServiceControlPolicy(at); any {
		d.size("people.denyUnrecorded", "the service control policy", scp, iam.MaxServiceControlPolicy, shorterPeople)
	}
	for _, role := range wanted.Roles() {
		name := at.Names + "-" + role.Part
		d.size(role.Key+".principals", "the trust policy of the role "+name, role.Trust, iam.MaxTrustPolicy, shorterPeople)
		if len(name) > maxRoleName {
			d.refuse(mistake.Mistake{
				Key: role.Key, Got: name, Problem: "the role's name is too long for IAM",
				Allowed: "up to " + strconv.Itoa(maxRoleName) + " characters",
				Fix:     mistake.Do("use a shorter name for the group, the project or the stack"),
			})
		}
	}
	for _, tunnel := range wanted.Tunnels(at.Names) {
		d.warn(fmt.Sprintf("operators.%s.portForwarding.%s: sessions that forward the port %d of %s leave no session log; CloudTrail has only their start",
			tunnel.Group, tunnel.Name, tunnel.Port, tunnel.Host))
	}
}

// placeAtItsLongest names the rest of the stack as long as it can be, because
// its own names are known only once it is created.
func (d *decider) placeAtItsLongest() people.Place {
	c, s := d.config, d.facts.Scope
	anyKey := s.ARN("kms", "key/mrk-"+strings.Repeat("0", 32))
	at := people.Place{
		Scope: s, Owner: d.facts.Owner(), Names: people.Names(d.facts.Project, d.facts.Stack), Path: c.Role.Path,
		Document: c.Session.DocumentName, Logs: iam.Recording{LogGroups: d.LogGroups},
		RoleARN: s.IAMARN(path.Join("role", c.Role.Path) + "/" + strings.Repeat("r", maxRoleName)),
	}
	bucket := strings.Repeat("b", 63)
	if d.CreateBucket {
		at.OwnBucket = bucket
	}
	if c.Logging.BucketName != "" {
		bucket = c.Logging.BucketName
	}
	at.Logs.Archives = []iam.Archive{{Bucket: bucket, Prefix: c.Logging.KeyPrefix}}
	for _, text := range c.Logging.EarlierLocations {
		if earlier, err := session.ParseLocation(text); err == nil && earlier.LogGroup == "" {
			at.Logs.Archives = append(at.Logs.Archives, iam.Archive{Bucket: earlier.Bucket, Prefix: earlier.Prefix})
		}
	}
	if d.CreateKey {
		at.OwnKeyARN = anyKey
	}
	if at.TopicARN = c.Alerts.TopicARN; c.Alerts.OwnTopic() {
		at.TopicARN, at.TopicKeyARN = s.ARN("sns", d.facts.Project+"-alerts-0123456"), anyKey
	}
	if c.Session.Encryption {
		at.SessionKeyARN = anyKey
	}
	at.LogKeyARNs = slices.Clone(c.Logging.EarlierKMSKeyARNs)
	if c.Logging.KMSKeyARN != "" || d.CreateKey {
		at.LogKeyARNs = append(at.LogKeyARNs, anyKey)
	}
	return at
}

const shorterPeople = "name fewer or shorter ARNs, instances or principals, or split a group of operators in two"

// size refuses a document that is longer than AWS takes.
func (d *decider) size(key, what string, document iam.Document, limit int, fix string) {
	if length := len(document.JSON()); length > limit {
		d.refuse(mistake.Mistake{
			Key: key, Got: strconv.Itoa(length) + " characters", Problem: what + " may be longer than AWS takes",
			Allowed: "up to " + strconv.Itoa(limit) + " characters",
			Fix:     mistake.Do(fix),
		})
	}
}
