package e2e

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// replay applies recorded calls in their order and tracks, after each, the session documents and the resources that they
// name. A resource that a document names and that does not exist, or that sessions may not use, is a fault: it was removed
// too early, or named too early.
//
// It checks the statements and resources of policies. Another test checks their conditions with the evaluator.
type replay struct {
	region    string
	role      string                       // the ARN of the instances' role
	documents map[string]*versions         // by name
	buckets   map[string]*replayedBucket   // by name
	groups    map[string]string            // by name, to the key's ARN
	keys      map[string]bool              // by id: enabled
	keyPolicy map[string]policy            // by id
	managed   map[string]policy            // by name
	attached  map[string]bool              // by name
	inline    map[string]policy            // by name
	endpoints map[string]*replayedEndpoint // by service
	created   []string                     // buckets, in order
	faults    []string
}

type versions struct {
	contents []string // version 1 first
	current  int      // version
}

type replayedBucket struct {
	policy policy
	key    string // of its default encryption
}

type replayedEndpoint struct {
	id     string
	policy policy
}

func newReplay(region string) *replay {
	return &replay{
		region: region, documents: map[string]*versions{}, buckets: map[string]*replayedBucket{}, groups: map[string]string{},
		keys: map[string]bool{}, keyPolicy: map[string]policy{}, managed: map[string]policy{}, attached: map[string]bool{},
		inline: map[string]policy{}, endpoints: map[string]*replayedEndpoint{},
	}
}

// policy is a policy document in AWS's JSON form.
type policy struct{ Statement []statement }

type statement struct {
	Sid, Effect                   string
	Action, Resource, NotResource list
	Condition                     map[string]map[string]list
}

// list is one string or several.
type list []string

func (l *list) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

func (l list) matches(value string) bool {
	return slices.ContainsFunc(l, func(pattern string) bool {
		expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		return regexp.MustCompile("^" + expression + "$").MatchString(value)
	})
}

func (p policy) allows(action, resource string) bool {
	for _, s := range p.Statement {
		if s.Effect == "Allow" && s.Action.matches(action) && s.Resource.matches(resource) {
			return true
		}
	}
	return false
}

// has reports whether an allowing statement names the value in a condition.
func (p policy) has(action, key, value string) bool {
	for _, s := range p.Statement {
		for _, compared := range s.Condition {
			if s.Effect == "Allow" && s.Action.matches(action) && compared[key].matches(value) {
				return true
			}
		}
	}
	return false
}

func read(text string) (p policy) {
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(fmt.Sprintf("no policy: %v\n%s", err, text)) // the program sent it
	}
	return p
}

// follow replays calls. Calls that AWS refused have changed nothing.
func (r *replay) follow(calls []emulator.Call) {
	for _, c := range calls {
		if c.Status >= 300 || !c.Writes() || !r.apply(c) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(r.documents)) {
			for _, missing := range r.missing(name) {
				r.faults = append(r.faults, fmt.Sprintf("%s after %s:%s %s", missing, c.Service, c.Action, c.Resource))
			}
		}
	}
}

// apply reports whether the call can change something that a document depends on.
func (r *replay) apply(c emulator.Call) bool {
	p := c.Params
	if strings.Contains(p["RoleName"], "-people-") || strings.Contains(p["Name"], "-tunnel-") {
		return false // no instance has a role for people, and a forwarded port has no session log
	}
	switch c.Service + ":" + c.Action {
	case "ssm:CreateDocument":
		r.documents[p["Name"]] = &versions{contents: []string{p["Content"]}, current: 1}
	case "ssm:UpdateDocument":
		d := r.documents[p["Name"]]
		d.contents = append(d.contents, p["Content"])
	case "ssm:UpdateDocumentDefaultVersion":
		_, _ = fmt.Sscan(p["DocumentVersion"], &r.documents[p["Name"]].current) // a version that is no number stays as it was
	case "ssm:DeleteDocument":
		delete(r.documents, p["Name"])

	case "s3:CreateBucket":
		r.buckets[p["Bucket"]] = &replayedBucket{}
		r.created = append(r.created, p["Bucket"])
	case "s3:DeleteBucket":
		delete(r.buckets, p["Bucket"])
	case "s3:PutBucketPolicy":
		r.buckets[p["Bucket"]].policy = read(c.Body)
	case "s3:DeleteBucketPolicy":
		r.buckets[p["Bucket"]].policy = policy{}
	case "s3:PutBucketEncryption":
		var rules struct {
			Key string `xml:"Rule>ApplyServerSideEncryptionByDefault>KMSMasterKeyID"`
		}
		if err := xml.Unmarshal([]byte(c.Body), &rules); err != nil {
			panic(fmt.Sprintf("no encryption: %v\n%s", err, c.Body))
		}
		r.buckets[p["Bucket"]].key = rules.Key

	case "logs:CreateLogGroup":
		r.groups[p["logGroupName"]] = p["kmsKeyId"]
	case "logs:AssociateKmsKey":
		r.groups[p["logGroupName"]] = p["kmsKeyId"]
	case "logs:DisassociateKmsKey":
		r.groups[p["logGroupName"]] = ""
	case "logs:DeleteLogGroup":
		delete(r.groups, p["logGroupName"])

	case "kms:CreateAlias": // the first call that names a new key
		r.keys[path.Base(p["TargetKeyId"])] = true
	case "kms:PutKeyPolicy":
		r.keyPolicy[path.Base(p["KeyId"])] = read(p["Policy"])
	case "kms:ScheduleKeyDeletion", "kms:DisableKey":
		r.keys[path.Base(p["KeyId"])] = false

	case "iam:CreateRole":
		r.role = "arn:aws:iam::123456789012:role" + cmp.Or(p["Path"], "/") + p["RoleName"]
	case "iam:CreatePolicy":
		r.managed[p["PolicyName"]] = read(p["PolicyDocument"])
	case "iam:CreatePolicyVersion":
		r.managed[path.Base(p["PolicyArn"])] = read(p["PolicyDocument"])
	case "iam:DeletePolicy":
		delete(r.managed, path.Base(p["PolicyArn"]))
	case "iam:AttachRolePolicy":
		r.attached[path.Base(p["PolicyArn"])] = true
	case "iam:DetachRolePolicy":
		delete(r.attached, path.Base(p["PolicyArn"]))
	case "iam:PutRolePolicy":
		r.inline[p["PolicyName"]] = read(p["PolicyDocument"])
	case "iam:DeleteRolePolicy":
		delete(r.inline, p["PolicyName"])

	case "ec2:CreateVpcEndpoint":
		r.endpoints[serviceOf(p["ServiceName"])] = &replayedEndpoint{policy: read(p["PolicyDocument"])}
	case "ec2:ModifyVpcEndpoint":
		for _, e := range r.endpoints {
			if e.id == p["VpcEndpointId"] && p["PolicyDocument"] != "" {
				e.policy = read(p["PolicyDocument"])
			}
		}
	case "ec2:DeleteVpcEndpoints":
		for service, e := range r.endpoints {
			if e.id == p["VpcEndpointId.1"] {
				delete(r.endpoints, service)
			}
		}
	default:
		return false
	}
	return true
}

func serviceOf(name string) string { return name[strings.LastIndex(name, ".")+1:] }

// content returns the version of the document that sessions use.
func (r *replay) content(document string) string {
	d := r.documents[document]
	return d.contents[d.current-1]
}

// missing returns what a document names that does not exist or may not be used. A text that begins with "refused" means
// that sessions do not start; any other one means that a session log can be lost.
func (r *replay) missing(document string) (found []string) {
	var d object
	if err := json.Unmarshal([]byte(r.content(document)), &d); err != nil {
		panic(err) // the program sent it
	}
	require := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	identity := func(action, resource string) bool {
		for name := range r.attached {
			if r.managed[name].allows(action, resource) {
				return true
			}
		}
		for _, p := range r.inline {
			if p.allows(action, resource) {
				return true
			}
		}
		return false
	}
	through := func(service, action, resource string) bool {
		e := r.endpoints[service]
		return e != nil && e.policy.allows(action, resource)
	}
	arn := "arn:aws:%s:" + r.region + ":123456789012:%s"
	for _, service := range []string{"ssm", "ssmmessages"} {
		require(r.endpoints[service] != nil, "refused: there is no endpoint for %s", service)
	}

	bucket, prefix := d.text("inputs.s3BucketName"), d.text("inputs.s3KeyPrefix")
	b := r.buckets[bucket]
	require(b != nil, "there is no bucket %q", bucket)
	if b != nil {
		log := "arn:aws:s3:::" + path.Join(bucket, prefix, "user-0123.log")
		for _, action := range []string{"s3:PutObject", "s3:PutObjectAcl"} {
			require(identity(action, log), "the instance has no %s on %s", action, log)
			require(through("s3", action, log), "the endpoint lets no %s through to %s", action, log)
		}
		require(identity("s3:GetEncryptionConfiguration", "arn:aws:s3:::"+bucket), "refused: the instance cannot see how %s encrypts", bucket)
		for _, s := range b.policy.Statement {
			if s.Sid == "OnlyUnderThePrefix" {
				require(s.NotResource.matches(log), "the bucket's policy refuses %s", log)
			}
			if writers := s.Condition["ArnNotEquals"]["aws:PrincipalArn"]; s.Effect == "Deny" && len(writers) > 0 {
				require(writers.matches(r.role), "the bucket's policy refuses the role %s", r.role)
			}
			if keys := s.Condition["StringNotEquals"]["s3:x-amz-server-side-encryption-aws-kms-key-id"]; s.Effect == "Deny" && len(keys) > 0 && b.key != "" {
				require(keys.matches(b.key), "the bucket's policy refuses the key %s, which is its default", b.key)
			}
		}
		if id := path.Base(b.key); b.key != "" {
			require(r.keys[id], "the bucket's key %s is not there", b.key)
			own := r.keyPolicy[id].has("kms:GenerateDataKey", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::"+bucket)
			require(own || identity("kms:GenerateDataKey", b.key), "nothing lets the instance write with the bucket's key %s", b.key)
		}
	}

	if group := d.text("inputs.cloudWatchLogGroupName"); group != "" {
		key, exists := r.groups[group]
		streams := fmt.Sprintf(arn, "logs", "log-group:"+group+":log-stream:user-0123")
		require(exists, "there is no log group %s", group)
		require(identity("logs:PutLogEvents", streams), "the instance has no logs:PutLogEvents on %s", group)
		require(through("logs", "logs:PutLogEvents", streams), "the endpoint lets no logs:PutLogEvents through to %s", group)
		if d.at("inputs.cloudWatchEncryptionEnabled") == true {
			require(key != "", "refused: the log group %s has no key", group)
		}
		if id := path.Base(key); key != "" {
			require(r.keys[id], "the log group's key %s is not there", key)
			if p, own := r.keyPolicy[id]; own {
				require(p.has("kms:GenerateDataKey", "kms:EncryptionContext:aws:logs:arn", fmt.Sprintf(arn, "logs", "log-group:"+group)),
					"the key's policy does not let CloudWatch Logs use it for %s", group)
			}
		}
	}

	if key := d.text("inputs.kmsKeyId"); key != "" {
		id := path.Base(key)
		require(r.keys[id], "refused: the session key %s is not there", key)
		require(identity("kms:Decrypt", key), "refused: the instance has no kms:Decrypt on %s", key)
		require(through("kms", "kms:Decrypt", key), "refused: the endpoint lets no kms:Decrypt through to %s", key)
		if p, own := r.keyPolicy[id]; own {
			require(slices.ContainsFunc(p.Statement, func(s statement) bool {
				return s.Effect == "Allow" && s.Action.matches("kms:Decrypt") && s.Condition["Null"]["kms:EncryptionContext:aws:ssm:SessionId"] != nil
			}), "refused: the key's policy leaves sessions to nobody")
		}
	}
	return found
}

// Each of these orders of calls has a fault, which the replay must report.
func TestReplay_RemovedOrNamedTooEarly_ReportsFault(t *testing.T) {
	t.Parallel()
	const bucket, group = "logs", "/g"
	call := func(action string, params ...string) emulator.Call {
		service, name, _ := strings.Cut(action, ":")
		c := emulator.Call{Service: service, Action: name, Status: 200, Params: map[string]string{}}
		for i := 0; i < len(params); i += 2 {
			c.Params[params[i]] = params[i+1]
		}
		c.Body = c.Params["Body"]
		return c
	}
	text := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	allow := func(resource string, actions ...string) string {
		quoted, _ := json.Marshal(actions)
		return fmt.Sprintf(`{"Sid":"A","Effect":"Allow","Action":%s,"Resource":%q}`, quoted, resource)
	}
	instance := text(allow("arn:aws:s3:::logs/sessions/*", "s3:PutObject*"), allow("arn:aws:s3:::logs", "s3:GetEncryptionConfiguration"),
		allow("arn:aws:logs:us-east-2:123456789012:log-group:/g:*", "logs:PutLogEvents"))
	everything := text(allow("*", "*"))
	keyPolicy := text(`{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::logs"}}}`,
		`{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"ArnEquals":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:us-east-2:123456789012:log-group:/g"}}}`,
		`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"Null":{"kms:EncryptionContext:aws:ssm:SessionId":"false"}}}`)
	key := "arn:aws:kms:us-east-2:123456789012:key/k"
	encryption := `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><KMSMasterKeyID>` + key +
		`</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
	only := func(resource string) string {
		return text(fmt.Sprintf(`{"Sid":"OnlyUnderThePrefix","Effect":"Deny","Action":"s3:PutObject","NotResource":%q}`, resource))
	}
	content := func(prefix, group string) string {
		return fmt.Sprintf(`{"inputs":{"s3BucketName":"logs","s3KeyPrefix":%q,"cloudWatchLogGroupName":%q,"cloudWatchEncryptionEnabled":%t,"kmsKeyId":%q}}`,
			prefix, group, group != "", key)
	}
	prepare := []emulator.Call{
		call("iam:CreateRole", "RoleName", "own"),
		call("s3:CreateBucket", "Bucket", bucket), call("s3:PutBucketPolicy", "Bucket", bucket, "Body", only("arn:aws:s3:::logs/sessions/*")),
		call("kms:CreateAlias", "TargetKeyId", "k"), call("kms:PutKeyPolicy", "KeyId", "k", "Policy", keyPolicy),
		call("s3:PutBucketEncryption", "Bucket", bucket, "Body", encryption), call("logs:CreateLogGroup", "logGroupName", group, "kmsKeyId", key),
		call("iam:CreatePolicy", "PolicyName", "own", "PolicyDocument", instance), call("iam:AttachRolePolicy", "PolicyArn", "arn:aws:iam::123456789012:policy/own"),
		call("iam:PutRolePolicy", "PolicyName", "session", "PolicyDocument", text(allow(key, "kms:Decrypt"))),
	}
	for _, service := range []string{"ssm", "ssmmessages", "s3", "logs", "kms"} {
		prepare = append(prepare, call("ec2:CreateVpcEndpoint", "ServiceName", "com.amazonaws.us-east-2."+service, "PolicyDocument", everything))
	}
	create := call("ssm:CreateDocument", "Name", "D", "Content", content("sessions", group))
	follow := func(calls ...emulator.Call) []string {
		r := newReplay("us-east-2")
		r.follow(prepare)
		for service, e := range r.endpoints {
			e.id = "vpce-" + service
		}
		r.follow(calls)
		return r.faults
	}
	require.Empty(t, follow(create))

	update := func(prefix, group string) []emulator.Call {
		return []emulator.Call{
			call("ssm:UpdateDocument", "Name", "D", "Content", content(prefix, group)), call("ssm:UpdateDocumentDefaultVersion", "Name", "D", "DocumentVersion", "2"),
		}
	}
	// The group can be deleted once no document names it.
	drop := call("logs:DeleteLogGroup", "logGroupName", group)
	require.Empty(t, follow(append(append([]emulator.Call{create}, update("sessions", "")...), drop)...))
	require.NotEmpty(t, follow(append([]emulator.Call{create, drop}, update("sessions", "")...)...))
	require.NotEmpty(t, follow(create, update("sessions", "")[0], drop), "a version that is not the default one yet")
	require.Empty(t, follow(create, emulator.Call{Service: "logs", Action: "DeleteLogGroup", Status: 400, Params: drop.Params}), "a call that was refused")

	for name, wrong := range map[string]emulator.Call{
		"the bucket goes":                      call("s3:DeleteBucket", "Bucket", bucket),
		"the bucket refuses the prefix":        call("s3:PutBucketPolicy", "Bucket", bucket, "Body", only("arn:aws:s3:::logs/other/*")),
		"the bucket refuses the role":          call("s3:PutBucketPolicy", "Bucket", bucket, "Body", text(`{"Sid":"OnlyWriters","Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/another"}}}`)),
		"the group's key goes":                 call("logs:DisassociateKmsKey", "logGroupName", group),
		"the key is disabled":                  call("kms:DisableKey", "KeyId", "k"),
		"the key is to be deleted":             call("kms:ScheduleKeyDeletion", "KeyId", key),
		"the key's policy goes":                call("kms:PutKeyPolicy", "KeyId", "k", "Policy", everything),
		"the instance's policy is detached":    call("iam:DetachRolePolicy", "PolicyArn", "arn:aws:iam::123456789012:policy/own"),
		"the instance may write elsewhere":     call("iam:CreatePolicyVersion", "PolicyArn", "arn:aws:iam::123456789012:policy/own", "PolicyDocument", text(allow("arn:aws:s3:::logs/other/*", "s3:*"))),
		"the session key's access goes":        call("iam:DeleteRolePolicy", "PolicyName", "session"),
		"the endpoint of CloudWatch Logs goes": call("ec2:DeleteVpcEndpoints", "VpcEndpointId.1", "vpce-logs"),
		"the endpoint of KMS goes":             call("ec2:DeleteVpcEndpoints", "VpcEndpointId.1", "vpce-kms"),
		"the S3 endpoint is narrowed":          call("ec2:ModifyVpcEndpoint", "VpcEndpointId", "vpce-s3", "PolicyDocument", text(allow("arn:aws:s3:::logs/other/*", "*"))),
		"the document names another prefix":    call("ssm:CreateDocument", "Name", "D", "Content", content("other", group)),
		"the document names another group":     call("ssm:CreateDocument", "Name", "D", "Content", content("sessions", "/other")),
	} {
		require.NotEmpty(t, follow(create, wrong), name)
	}
}
