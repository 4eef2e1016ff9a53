package reach

import (
	"fmt"
	"strings"

	"private-ec2-access/internal/iam"
)

// LogFacts are what AWS says about where the sessions of an instance are logged.
type LogFacts struct {
	Stack, Region, Account string
	// Document is the session document's name.
	Document string
	// Recording is what it says.
	Recording Read[Recording]
	// Role is the role of the instance, and Policies its policies.
	Role, RoleARN string
	Policies      Read[[]Policy]
	// Boundary: the role has a permissions boundary.
	Boundary bool
	// Encryption is the bucket's default: AES256, aws:kms or aws:kms:dsse; empty if there is none.
	Encryption Read[string]
	// BucketMissing and GroupMissing: AWS says that there is none.
	BucketMissing, GroupMissing bool
	// Bucket is a problem where it could not be asked.
	Bucket Read[string]
	// BucketPolicy is JSON; empty if the bucket has none.
	BucketPolicy Read[string]
	// VpcID is the instance's.
	VpcID string
	// Elsewhere are CIDR blocks of another VPC that endpoints are in, by the stack's config.
	Elsewhere []string
	// BucketKey and SessionKey are the states of the keys: Enabled, Disabled, PendingDeletion; empty where there is no key.
	BucketKey, SessionKey Read[string]
	// BucketKeyARN is the bucket's own key, and BucketKeyPolicy the JSON of that key's policy.
	BucketKeyARN    string
	BucketKeyPolicy Read[string]
	// GroupKey is the log group's key; empty if it has none.
	GroupKey Read[string]
	// S3Endpoint and LogsEndpoint are the endpoints in the instance's VPC.
	Endpoints Read[[]Endpoint]
	Routes    Read[Table]
	// Agent is the agent.
	Agent Read[Agent]
	// ObjectARN is the object that the session log would be, BucketARN its bucket.
	ObjectARN, BucketARN string
}

// Recording is what a session document says about session logs.
type Recording struct {
	Bucket, Prefix, Group, Key                     string
	BucketEncryption, GroupEncryption, StreamGroup bool
}

// DiagnoseLog says why a session has no log, or could not be opened, in the order of what the agent does
// (encryption first, upload last).
func DiagnoseLog(f LogFacts) Diagnosis {
	l := &logList{list{facts: Facts{Stack: f.Stack, Region: f.Region, Account: f.Account, Elsewhere: f.Elsewhere}}, f}
	l.facts.Instance.Value.VpcID, l.facts.Instance.Value.SubnetID = f.VpcID, f.Routes.Value.SubnetID
	const title = "the document names a log location"
	if l.unread(title, f.Recording.Problem) {
		return Diagnosis{l.checks}
	}
	r := f.Recording.Value
	if r.Bucket == "" && r.Group == "" {
		l.add(title, Missing, f.Document+" names neither a bucket nor a log group", l.again())
		return Diagnosis{l.checks}
	}
	where := []string{}
	if r.Bucket != "" {
		where = append(where, "s3://"+r.Bucket+"/"+r.Prefix)
	}
	if r.Group != "" {
		where = append(where, "log group "+r.Group)
	}
	l.add(title, OK, f.Document+": "+strings.Join(where, " and "), "")
	if r.Key != "" {
		l.key("the key of the session", r.Key, f.SessionKey)
		l.may("the role may decrypt with the key of the session", r.Key, "kms:Decrypt")
	}
	if r.Bucket != "" {
		l.bucket()
	}
	if r.Group != "" {
		l.group()
	}
	l.agentAndImage()
	return Diagnosis{l.checks}
}

type logList struct {
	list
	f LogFacts
}

func (l *logList) key(title, key string, state Read[string]) {
	if l.unread(title, state.Problem) {
		return
	}
	switch state.Value {
	case "Enabled":
		l.add(title, OK, key+" is enabled", "")
	case "":
		l.add(title, Missing, "there is no key "+key, l.again())
	case "PendingDeletion":
		l.add(title, Missing, key+" is scheduled for deletion", "aws kms cancel-key-deletion"+l.region()+" --key-id "+key+"\naws kms enable-key"+l.region()+" --key-id "+key)
	default:
		l.add(title, Missing, key+" is "+strings.ToLower(split(state.Value)), "aws kms enable-key"+l.region()+" --key-id "+key)
	}
}

// mayWithKey judges the policy of a key as well, which allows by itself whom it names.
func (l *logList) mayWithKey(title, key string, policy Read[string], action string) {
	if l.f.Policies.Problem != "" || l.f.Role == "" || allowsOn(l.f.Policies.Value, l.f.Account, action, key) != Missing {
		l.may(title, key, action)
		return
	}
	switch byKey := grants(policy.Value, l.f.Role, action); {
	case policy.Problem != "":
		l.add(title, Unknown, "no policy of the role says so, and the key's own could not be read: "+policy.Problem, "")
	case byKey == OK:
		l.add(title, OK, "the key's own policy allows "+action, "")
	case byKey == Unknown:
		l.add(title, Unknown, "the key's own policy allows "+action+", and its conditions decide", "")
	default:
		l.may(title, key, action)
	}
}

// may judges the role's policies; conditions are not evaluated.
func (l *logList) may(title, resource string, actions ...string) {
	if l.f.Policies.Problem != "" || l.f.Role == "" {
		p := l.f.Policies.Problem
		if p == "" {
			p = "the role is not known"
		}
		l.unread(title, p)
		return
	}
	missing, unsure := notAllowed(actions, func(action string) Status { return allowsOn(l.f.Policies.Value, l.f.Account, action, resource) })
	switch {
	case len(missing) > 0:
		l.add(title, Missing, fmt.Sprintf("%s is not allowed %s on %s", l.f.Role, strings.Join(missing, ", "), resource),
			l.again()+", or allow it in a policy of "+l.f.Role)
	case len(unsure) > 0:
		l.add(title, Unknown, "conditions decide about "+strings.Join(unsure, ", "), "")
	case l.f.Boundary:
		l.add(title, Unknown, "the policies do, but the role has a permissions boundary", "")
	default:
		l.add(title, OK, strings.Join(actions, ", "), "")
	}
}

func (l *logList) bucket() {
	const title = "the bucket"
	name := l.f.Recording.Value.Bucket
	switch {
	case l.f.BucketMissing:
		l.add(title, Missing, "there is no bucket "+name, l.again())
		return
	case l.unread(title, l.f.Bucket.Problem):
	default:
		l.add(title, OK, name+" is there", "")
	}
	encryption := "the bucket encrypts as the agent requires"
	switch e := l.f.Encryption; {
	case l.unread(encryption, e.Problem):
	case e.Value == "aws:kms" || e.Value == "AES256":
		l.add(encryption, OK, e.Value, "")
	case !l.f.Recording.Value.BucketEncryption:
		l.add(encryption, OK, "not required by the document", "")
	default:
		value := e.Value
		if value == "" {
			value = "none"
		}
		l.add(encryption, Missing, "the default encryption is "+value+", and the agent recognises only AES256 and aws:kms as encryption, so it refuses the session",
			"aws s3api put-bucket-encryption"+l.region()+" --bucket "+name+" --server-side-encryption-configuration 'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=aws:kms}}]'")
	}
	l.may("the role may read the bucket's encryption", l.f.BucketARN, "s3:GetEncryptionConfiguration")
	l.may("the role may write the session log", l.f.ObjectARN, "s3:PutObject", "s3:PutObjectAcl")
	l.bucketPolicy()
	if l.f.BucketKeyARN != "" {
		l.key("the bucket's key", l.f.BucketKeyARN, l.f.BucketKey)
		if !strings.Contains(l.f.BucketKeyARN, "alias/aws/s3") {
			l.mayWithKey("the role may encrypt with the bucket's key", l.f.BucketKeyARN, l.f.BucketKeyPolicy, "kms:GenerateDataKey")
		}
	}
	const route = "the route to S3"
	if l.f.Routes.Problem == "" && l.f.Endpoints.Problem == "" {
		l.facts.Endpoints, l.facts.Routes = l.f.Endpoints, l.f.Routes
		l.list.routes()
		for _, e := range l.f.Endpoints.Value {
			if e.Service != "s3" || e.Policy == "" {
				continue
			}
			switch allowsOn([]Policy{{e.ID, e.Policy}}, l.f.Account, "s3:PutObject", l.f.ObjectARN) {
			case Missing:
				l.add(route, Missing, "the policy of "+e.ID+" does not allow s3:PutObject on "+l.f.ObjectARN, l.again())
			case Unknown:
				l.add(route, Unknown, "conditions in the policy of "+e.ID+" decide", "")
			case OK:
				l.add(route, OK, "the policy of "+e.ID+" allows s3:PutObject", "")
			}
		}
	}
}

// bucketPolicy judges what the bucket's policy denies. The statements of another bucket's owner are not known to this program.
func (l *logList) bucketPolicy() {
	const title = "the bucket's policy lets the role write"
	if l.f.RoleARN == "" || l.unread(title, l.f.BucketPolicy.Problem) {
		return
	}
	name := l.f.Recording.Value.Bucket
	u := Upload{Account: l.f.Account, ObjectARN: l.f.ObjectARN, Role: l.f.RoleARN, Exists: true, Vpc: l.f.VpcID, Elsewhere: true}
	for _, e := range l.f.Endpoints.Value {
		if e.Service == "s3" {
			u.Endpoint, u.Elsewhere = e.ID, false
		}
	}
	status, sid := OK, ""
	if l.f.BucketPolicy.Value != "" {
		status, sid = u.Refusal(l.f.BucketPolicy.Value)
	}
	statement := "its statement " + sid
	if sid == "" {
		statement = "a statement without a Sid"
	}
	switch status {
	case Missing:
		fix := "except " + l.f.RoleARN + " from that statement. This shows it:\naws s3api get-bucket-policy --bucket " + name + " --query Policy --output text"
		if sid == iam.OnlyWriters {
			fix = "if another stack has the bucket, name " + l.f.RoleARN + " in its logging.writerRoleArns. If an earlier deployment left it, remove the statement:\n" +
				strings.Join(iam.UnlimitCommands(name), "\n")
		}
		l.add(title, Missing, statement+" denies s3:PutObject to "+l.f.Role, fix)
	case Unknown:
		l.add(title, Unknown, statement+" may deny s3:PutObject: its conditions decide", "")
	default:
		l.add(title, OK, "it does not deny s3:PutObject", "")
	}
}

func (l *logList) group() {
	r := l.f.Recording.Value
	const title = "the log group"
	if l.f.GroupMissing {
		found := "there is no log group " + r.Group + ", and the agent never creates one"
		if r.GroupEncryption {
			found += "; with cloudWatchEncryptionEnabled it refuses the session"
		}
		l.add(title, Missing, found, l.again()+"\n# or, if the stack does not manage the log group:\naws logs create-log-group"+l.region()+" --log-group-name "+r.Group)
		return
	}
	if !l.unread(title, l.f.GroupKey.Problem) {
		if r.GroupEncryption && l.f.GroupKey.Value == "" {
			l.add(title, Missing, r.Group+" has no key, and with cloudWatchEncryptionEnabled the agent refuses the session",
				"aws logs associate-kms-key"+l.region()+" --log-group-name "+r.Group+" --kms-key-id KEY_ARN")
		} else {
			l.add(title, OK, r.Group+" is there", "")
		}
	}
	l.may("the role may write to the log group", "*", "logs:DescribeLogGroups")
	l.may("the role may write to its streams", l.groupARN(r.Group), "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
	if l.f.Endpoints.Problem != "" {
		return
	}
	for _, e := range l.f.Endpoints.Value {
		if e.Service == "logs" {
			l.add("endpoint logs", OK, e.ID+" is "+e.State, "")
			return
		}
	}
	switch {
	case l.f.Routes.Value.DefaultRoute() != "":
	case len(l.f.Elsewhere) > 0: // no update creates one there
		l.add("endpoint logs", Unknown, "there is none in "+l.f.VpcID+"; "+l.maybeElsewhere(), "")
	default:
		l.add("endpoint logs", Missing, "there is none, so an instance without an internet route cannot write to CloudWatch Logs", l.again())
	}
}

func (l *logList) groupARN(group string) string {
	return l.scope().LogStreamsARN(group)
}

func (l *logList) agentAndImage() {
	const title = "the agent"
	if !l.unread(title, l.f.Agent.Problem) {
		a := l.f.Agent.Value
		switch {
		case !a.Registered || a.PingStatus != "Online":
			l.add(title, Missing, "it is not online", "make wait STACK="+l.f.Stack+" names the cause")
		case old(a.Version):
			l.add(title, Missing, "agent "+a.Version+" is older than 2.3.672.0, the first that logs sessions with streaming and keys", "update the agent: the document AWS-UpdateSSMAgent")
		default:
			l.add(title, OK, "agent "+a.Version+" is online", "")
		}
	}
	if l.f.Recording.Value.Bucket != "" {
		l.add("`script` on the instance", Unknown, "without that program (package util-linux) the agent writes no log to S3; look in a session: command -v script", "")
	}
	l.add("the agent's own log", Unknown, "it has the reason: /var/log/amazon/ssm/amazon-ssm-agent.log on the instance", "")
}

// old reports whether an agent is from before Session Manager's present form
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-prerequisites.html).
func old(version string) bool {
	var a, b, c, d int
	if n, _ := fmt.Sscanf(version, "%d.%d.%d.%d", &a, &b, &c, &d); n < 3 {
		return false
	}
	return a < 2 || a == 2 && (b < 3 || b == 3 && c < 672)
}
