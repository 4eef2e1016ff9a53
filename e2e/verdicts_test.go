package e2e

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "regenerate docs/verdicts.md and testdata/screens")

// configurations are the stacks whose policies are evaluated.
var configurations = map[string]func(*account) map[string]any{
	"The default": func(*account) map[string]any { return nil },
	"Everything on": func(in *account) map[string]any {
		config := map[string]any{
			"logging": map[string]any{
				"required": true, "cloudWatch": true, "encryption": "kms", "objectLock": "governance", "objectLockDays": 30,
				"writerRoleArns": []string{in.aws("iam", "create-role", "--role-name", fleetRole, "--path", "/service-role/", "--assume-role-policy-document", "{}").text("Role.Arn")},
			},
			"session": map[string]any{"encryption": true},
			"role":    map[string]any{"parameterPaths": []string{"/app"}},
			"alerts":  map[string]any{"emails": []string{"ops@example.com"}},
		}
		maps.Copy(config, peopleConfig())
		return config
	},
	"Existing bucket and keys": func(in *account) map[string]any {
		key := func() string { return in.aws("kms", "create-key").text("KeyMetadata.Arn") }
		in.aws("s3api", "create-bucket", "--bucket", existingBucket, "--create-bucket-configuration", "LocationConstraint="+in.region)
		return map[string]any{
			"logging": map[string]any{
				"bucketName": existingBucket, "earlierLocations": []string{"s3://" + earlierBucket + "/before", "log-group:" + earlierGroup},
				"required": true, "cloudWatch": true, "encryption": "kms", "kmsKeyArn": key(),
			},
			"session": map[string]any{"encryption": true, "kmsKeyArn": key()},
			"role":    map[string]any{"policy": "session"},
		}
	},
}

// fleetRole is the role of instances that no stack manages.
const fleetRole = "AWSSystemsManagerDefaultEC2InstanceManagementRole"

const existingBucket, earlierBucket, earlierGroup = "existing-logs", "earlier-logs", "/earlier/sessions"

// deployed has a stack's resource names, and its policies by where they are attached, as they are in the account.
type deployed struct {
	Region   string
	Role     string // its name
	Bucket   string
	Group    string
	Key      string         // the ARN of what records are encrypted with; empty: S3's own keys
	Session  string         // of what sessions are encrypted with, or empty
	Topic    string         // of alerts, or empty
	OwnKey   bool           // the key has a policy of the program's
	Own      bool           // so has the bucket
	Instance string         // its id
	Policies map[string]any // what the program wrote
	People   map[string]any // what the program wrote for people, by part
	AWS      map[string]any // what AWS wrote: the managed policy, and the policies of keys that exist already
}

// The names of policies.
const (
	ofBucket, ofKey, ofTopic, ofTrust = "bucket policy", "key policy", "topic policy", "trust policy"
	ofRole, ofEndpoint                = "role: ", "endpoint: "
	managed                           = "AmazonSSMManagedInstanceCore"
)

func deployStack(t *testing.T, config func(*account) map[string]any) deployed {
	t.Helper()
	in := newAccount(t, "us-east-2")
	stack := newStack(t, in, "judged", config(in))
	stack.up()
	outputs := stack.outputs()
	d := deployed{
		Region: in.region, Role: outputs.text("roleName"), Bucket: outputs.text("logBucket"), Group: outputs.text("logGroup"),
		Key: outputs.text("keyArn"), Session: outputs.text("sessionKeyArn"), Instance: outputs.text("instanceIds.app"),
		Policies: map[string]any{}, AWS: map[string]any{},
	}
	for _, attached := range in.aws("iam", "list-attached-role-policies", "--role-name", d.Role).list("AttachedPolicies") {
		if name := attached.text("PolicyName"); name == managed {
			d.AWS[ofRole+name] = policyOf(in, attached.text("PolicyArn"))
		} else {
			d.Policies[ofRole+"session logs"] = policyOf(in, attached.text("PolicyArn"))
		}
	}
	for _, name := range texts(in.aws("iam", "list-role-policies", "--role-name", d.Role).at("PolicyNames")) {
		policy := in.aws("iam", "get-role-policy", "--role-name", d.Role, "--policy-name", name).at("PolicyDocument")
		kind := ofRole + "session key"
		for _, part := range []string{"parameters", "sessions"} {
			if strings.Contains(name, "-access-"+part) {
				kind = ofRole + part
			}
		}
		if strings.Contains(name, "-archive-key-") {
			kind = ofRole + "key of session logs"
			d.Key = texts(object(policy.(map[string]any)).at("Statement[0].Resource"))[0]
		}
		require.NotContains(t, d.Policies, kind)
		d.Policies[kind] = policy
	}
	d.Policies[ofTrust] = in.aws("iam", "get-role", "--role-name", d.Role).at("Role.AssumeRolePolicyDocument")
	if d.Own = d.Bucket != existingBucket; d.Own {
		d.Policies[ofBucket] = parsed(t, in.aws("s3api", "get-bucket-policy", "--bucket", d.Bucket).text("Policy"))
	}
	d.OwnKey = outputs.text("keyArn") != ""
	for _, key := range []string{d.Key, d.Session} {
		switch {
		case key == "":
		case d.OwnKey:
			d.Policies[ofKey] = parsed(t, in.aws("kms", "get-key-policy", "--key-id", key, "--policy-name", "default").text("Policy"))
		default:
			d.AWS[ofKey] = parsed(t, in.aws("kms", "get-key-policy", "--key-id", key, "--policy-name", "default").text("Policy"))
		}
	}
	if d.Topic = outputs.text("alertTopicArn"); d.Topic != "" {
		attributes := in.aws("sns", "get-topic-attributes", "--topic-arn", d.Topic)
		require.Equal(t, d.Key, attributes.text("Attributes.KmsMasterKeyId"))
		d.Policies[ofTopic] = parsed(t, attributes.text("Attributes.Policy"))
	}
	for _, e := range in.aws("ec2", "describe-vpc-endpoints").list("VpcEndpoints") {
		name := e.text("ServiceName")
		d.Policies[ofEndpoint+name[strings.LastIndex(name, ".")+1:]] = parsed(t, e.text("PolicyDocument"))
	}
	d.People = policiesForPeople(in, outputs)
	return d
}

// The deployed policies allow and deny requests as the tables of docs/verdicts.md say, and every part of them has an effect.
//
// It does not prove that AWS decides alike, nor that a request has the context that AWS documents. A policy of another owner,
// such as that of another account's bucket or of an existing key, is left out or allows everything.
func TestVerdicts_MatchPage(t *testing.T) {
	t.Parallel()
	for name, config := range configurations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployStack(t, config)
			requireVerdicts(t, name, d)
			if len(d.People) > 0 {
				requirePeopleVerdicts(t, d)
			}
		})
	}
}

func requireVerdicts(t *testing.T, name string, d deployed) {
	t.Helper()
	j := &judged{deployed: d, t: t}
	j.sessions()
	j.amazon()
	j.records()
	j.logs()
	j.keys()
	j.alerts()
	policies := j.standIns()
	maps.Copy(policies, d.AWS)
	maps.Copy(policies, d.Policies)

	// One process evaluates all: each request as it is, and again with every
	// changed form of every policy that applies to it.
	var simulations []map[string]any
	for _, r := range j.rows {
		simulations = append(simulations, j.simulation(r.request))
	}
	type attempt struct{ broken, row int }
	var attempts []attempt
	breaks := breaksOf(t, d.Policies)
	for b, broken := range breaks {
		as := fmt.Sprintf("%s, broken %d", broken.policy, b)
		policies[as] = broken.document
		for n := range j.rows {
			if simulation := simulations[n]; meets(simulation, broken.policy) {
				simulations = append(simulations, instead(simulation, broken.policy, as))
				attempts = append(attempts, attempt{b, n})
			}
		}
	}
	verdicts := evaluate(t, policies, simulations)

	table := [][]string{{"", "request", "who asks", "action", "endpoint", "verdict"}}
	for n, r := range j.rows {
		require.Empty(t, verdicts[n].Error, "%s: %s", r.what, r.action)
		require.Equal(t, r.allowed, verdicts[n].allowed(), "%d. %s: %s asks for %s on %s with %v: %s", n+1, r.what, r.by.name, r.action, r.resource, r.context, verdicts[n].Verdict)
		what, say := r.what, "**allowed**"
		if r.changed {
			what = "… " + what
		}
		if !r.allowed {
			say = "denied"
		}
		table = append(table, []string{strconv.Itoa(n + 1), what, j.shown(r.by.name), r.action, r.through, say})
	}
	changed := make([][]string, len(breaks))
	for k, a := range attempts {
		v := verdicts[len(j.rows)+k]
		require.Empty(t, v.Error, "%s: %s", breaks[a.broken].policy, breaks[a.broken].what)
		if v.allowed() != j.rows[a.row].allowed {
			changed[a.broken] = append(changed[a.broken], strconv.Itoa(a.row+1))
		}
	}
	parts := [][]string{{"policy", "statement", "broken", "changes"}}
	var idle []string
	for b, broken := range breaks {
		if len(changed[b]) == 0 {
			idle = append(idle, broken.policy+", "+broken.statement+": "+broken.what)
			continue
		}
		shown := changed[b]
		if len(shown) > 3 {
			shown = append(slices.Clone(shown[:3]), fmt.Sprintf("and %d more", len(changed[b])-3))
		}
		parts = append(parts, []string{broken.policy, broken.statement, j.shown(broken.what), strings.Join(shown, ", ")})
	}
	require.Empty(t, idle, "these change no verdict: a part that does nothing is taken out of the program, or a request shows what it is for")
	require.GreaterOrEqual(t, len(j.rows), 60)
	t.Logf("%d verdicts, %d ways to break a policy, %d simulations", len(j.rows), len(breaks), len(simulations))

	j.requireAllowedWithinBoundary(policies)
	requireTable(t, name+": the verdicts", table)
	requireTable(t, name+": what each part is for", parts)
}

// requireAllowedWithinBoundary fails if the boundary of the bootstrap denies something that the tables allow the instance, or
// that AWS's managed policy allows it. The earlier location is not in the bootstrap's parameters; docs/team.md says so.
func (j *judged) requireAllowedWithinBoundary(policies map[string]any) {
	j.t.Helper()
	parameters := map[string]string{}
	if !j.Own {
		parameters["LogBucket"] = j.Bucket
	}
	if j.Key != "" {
		parameters["ParameterPath"] = "/app/" // so a parameter with exactly the name of the path needs another boundary
	}
	b := readBootstrap(j.t, sharedState{key: "arn:aws:kms:us-east-2:" + here + ":key/0123"}, parameters)
	limits := b.properties(j.t, "Boundary")["PolicyDocument"]
	policies = maps.Clone(policies)
	policies["the boundary"] = limits
	var simulations []map[string]any
	var asked []string
	for _, r := range j.rows {
		if !r.allowed || r.by.name != j.instance().name || strings.HasSuffix(r.what, " in the earlier bucket") || strings.HasSuffix(r.what, " in the earlier group") ||
			r.what == "the instance reads /app, which the config names" {
			continue
		}
		simulation := j.simulation(r.request)
		simulation["permissionBoundaryPolicies"] = []string{"the boundary"}
		if strings.HasPrefix(r.action, "s3:") {
			simulation["request"].(map[string]any)["contextVariables"].(map[string]string)["aws:ResourceAccount"] = cmp.Or(r.owner, here)
		}
		simulations, asked = append(simulations, simulation), append(asked, r.what+": "+r.action+" on "+r.resource)
	}
	require.Greater(j.t, len(asked), 20)
	for i, v := range evaluate(j.t, policies, simulations) {
		require.Empty(j.t, v.Error, asked[i])
		require.True(j.t, v.allowed(), "the boundary takes away what the instance needs: %s", asked[i])
	}
	attached, ok := j.AWS[ofRole+managed].(map[string]any)
	if !ok {
		return // role.policy: session attaches no policy of AWS
	}
	all := texts(limits)
	for _, action := range texts(object(attached).at("Statement")) {
		if strings.Contains(action, ":") {
			require.Contains(j.t, all, action, "the boundary lacks an action of "+managed)
		}
	}
}

// shown replaces the names that differ from run to run.
func (j *judged) shown(text string) string {
	for name, stand := range map[string]string{j.Role: "ROLE", j.Bucket: "BUCKET", j.Key: "KEY", j.Session: "KEY OF SESSIONS", j.Region: "REGION"} {
		if name != "" && name != existingBucket {
			text = strings.ReplaceAll(text, name, stand)
		}
	}
	return text
}

const verdictsFile = "docs/verdicts.md"

// requireTable compares a table of the page with the results, or writes it with -update.
func requireTable(t *testing.T, heading string, rows [][]string) {
	t.Helper()
	requireTableOf(t, verdictsFile, heading, rows)
}

func requireTableOf(t *testing.T, page, heading string, rows [][]string) {
	t.Helper()
	var table strings.Builder
	for i, row := range rows {
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			table.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	reporting.Lock()
	defer reporting.Unlock()
	path := filepath.Join(project(t), page)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	made, found := replaceTable(string(text), heading, table.String())
	require.True(t, found, "%s has no table under %q", page, heading)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(made), 0o644))
		return
	}
	require.Equal(t, made, string(text), "run: cd e2e && go test -count=1 -run TestVerdicts_MatchPage . -update, and read the difference")
}

// broken is a policy with one part removed or opened to all.
type broken struct {
	policy, statement, what string
	document                any
}

// breaksOf returns each policy in every changed form: without one statement, condition, compared value, action or resource,
// or with one principal, resource or action opened to all.
func breaksOf(t *testing.T, policies map[string]any) (breaks []broken) {
	t.Helper()
	for _, policy := range slices.Sorted(maps.Keys(policies)) {
		document := object(policies[policy].(map[string]any))
		for i, statement := range document.list("Statement") {
			add := func(what string, change func(object)) {
				text, err := json.Marshal(document)
				require.NoError(t, err)
				var copied object
				require.NoError(t, json.Unmarshal(text, &copied))
				change(copied.list("Statement")[i])
				breaks = append(breaks, broken{policy, statement.text("Sid"), what, map[string]any(copied)})
			}
			allows := statement.text("Effect") == "Allow"
			add("left out", func(s object) { // a document needs a statement, so one that means nothing takes its place
				delete(s, "Condition")
				s["Effect"], s["Action"] = "Allow", "sts:GetCallerIdentity"
			})
			for _, element := range []string{"Action", "Resource", "NotResource"} {
				values, _ := statement[element].([]any)
				for k, value := range values {
					if len(values) > 1 {
						add("without "+fmt.Sprint(value), func(s object) { s[element] = slices.Delete(s[element].([]any), k, k+1) })
					}
				}
				if !allows || len(values) == 0 {
					continue
				}
				open := "*"
				if service, action, _ := strings.Cut(fmt.Sprint(values[0]), ":"); element == "Action" && action != "*" {
					open = service + ":*"
				}
				if element != "NotResource" && fmt.Sprint(values[0]) != open {
					add(element+" opened to "+open, func(s object) { s[element] = []any{open} })
				}
			}
			if principal := statement["Principal"]; principal != nil && principal != "*" {
				add("Principal opened to *", func(s object) { s["Principal"] = "*" })
			}
			conditions, _ := statement["Condition"].(map[string]any)
			for _, operator := range slices.Sorted(maps.Keys(conditions)) {
				keys := conditions[operator].(map[string]any)
				for _, key := range slices.Sorted(maps.Keys(keys)) {
					add("without "+operator+" "+key, func(s object) {
						all := s["Condition"].(map[string]any)
						delete(all[operator].(map[string]any), key)
						if len(all[operator].(map[string]any)) == 0 {
							delete(all, operator)
						}
					})
					values, _ := keys[key].([]any) // one value is no list
					for k, value := range values {
						if len(values) > 1 {
							add("without "+operator+" "+key+" "+fmt.Sprint(value), func(s object) {
								of := s["Condition"].(map[string]any)[operator].(map[string]any)
								of[key] = slices.Delete(of[key].([]any), k, k+1)
							})
						}
					}
				}
			}
		}
	}
	return breaks
}

// meets reports whether a policy applies to a request.
func meets(simulation map[string]any, policy string) bool {
	endpoints, _ := simulation["vpcEndpointPolicies"].([]string)
	return simulation["resourcePolicy"] == policy || slices.Contains(endpoints, policy) || slices.Contains(simulation["identityPolicies"].([]string), policy)
}

// instead returns a simulation with one policy replaced.
func instead(simulation map[string]any, policy, other string) map[string]any {
	made := maps.Clone(simulation)
	if made["resourcePolicy"] == policy {
		made["resourcePolicy"] = other
	}
	for _, list := range []string{"vpcEndpointPolicies", "identityPolicies"} {
		if names, ok := made[list].([]string); ok {
			names = slices.Clone(names)
			if at := slices.Index(names, policy); at >= 0 {
				names[at] = other
			}
			made[list] = names
		}
	}
	return made
}

// request is one call for the evaluator.
type request struct {
	by       caller
	action   string
	resource string
	owner    string            // the resource's account; empty: the stack's
	context  map[string]string // besides what the caller brings with it
	through  string            // the endpoint, by its service; empty: none
	policy   string            // of the resource; empty: what it has
}

// caller is the principal of a request.
type caller struct {
	name, arn string
	account   string   // empty: none, as for a service and for who does not sign
	policies  []string // its policies in IAM
	// role is the path and name of a session's role. The session's own ARN has
	// no path; the request's aws:PrincipalArn is the role's
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn).
	role string
}

// change is one difference between two requests.
type change struct {
	fact string
	make func(*request)
}

func by(fact string, who caller) change { return change{fact, func(r *request) { r.by = who }} }
func asking(fact, action string) change { return change{fact, func(r *request) { r.action = action }} }
func on(fact, resource string) change {
	return change{fact, func(r *request) { r.resource = resource }}
}
func with(fact, key, value string) change {
	return change{fact, func(r *request) { r.context[key] = value }}
}
func without(fact, key string) change {
	return change{fact, func(r *request) { delete(r.context, key) }}
}
func through(fact, service string) change {
	return change{fact, func(r *request) { r.through = service }}
}

// plainHTTP is the same request without TLS.
var plainHTTP = with("over plain HTTP", secure, "false")

// The context keys of requests.
const (
	secure     = "aws:SecureTransport"
	header     = "s3:x-amz-server-side-encryption"
	headerKey  = "s3:x-amz-server-side-encryption-aws-kms-key-id"
	via        = "kms:ViaService"
	inBucket   = "kms:EncryptionContext:aws:s3:arn"
	inGroup    = "kms:EncryptionContext:aws:logs:arn"
	inSession  = "kms:EncryptionContext:aws:ssm:SessionId"
	withTarget = "kms:EncryptionContext:aws:ssm:TargetId"
)

// row is a row of the table.
type row struct {
	what    string
	changed bool // one fact of the last row that is not
	request
	allowed bool
}

// judged is a stack with the requests that it is evaluated for.
type judged struct {
	deployed
	t    *testing.T
	rows []row
}

// Stand-ins for policies that AWS, the account or another account wrote.
const (
	everything = "everything"          // IAM: may do everything
	reading    = "a reader's"          // IAM: may read records
	operating  = "an operator's"       // IAM: may encrypt sessions
	openToAll  = "open to everyone"    // a resource that lets everyone do everything
	openKey    = "decided over by IAM" // a key whose policy leaves it to IAM
	noPolicy   = "none"                // of a bucket without a policy
	outside    = "999999999999"        // another account
	ofAWS      = "888888888888"        // AWS's, which its buckets are in
)

func (j *judged) standIns() map[string]any {
	allow := func(principal any, actions []string, resources ...string) any {
		made := map[string]any{"Effect": "Allow", "Action": actions, "Resource": resources}
		if principal != nil {
			made["Principal"] = principal
		}
		return map[string]any{"Version": "2012-10-17", "Statement": []any{made}}
	}
	keys := []string{cmp.Or(j.Key, "arn:aws:kms:"+j.Region+":"+here+":key/none"), cmp.Or(j.Session, "arn:aws:kms:"+j.Region+":"+here+":key/none")}
	return map[string]any{
		everything: allow(nil, []string{"*"}, "*"),
		reading: map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + j.Bucket + "/*"},
			map[string]any{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": keys},
		}},
		operating: allow(nil, []string{"kms:GenerateDataKey"}, keys...),
		openToAll: allow("*", []string{"*"}, "*"),
		openKey:   allow(map[string]any{"AWS": "arn:aws:iam::" + here + ":root"}, []string{"kms:*"}, "*"),
	}
}

// may adds a request that must be allowed, and the same request with one change each, which must be denied.
func (j *judged) may(what string, r request, denied ...change) {
	j.t.Helper()
	require.NotEmpty(j.t, denied, "%s: an allowed request needs a denied one", what)
	j.rows = append(j.rows, row{what: what, request: r, allowed: true})
	for _, c := range denied {
		r := r
		r.context = maps.Clone(r.context)
		if r.context == nil {
			r.context = map[string]string{}
		}
		c.make(&r)
		j.rows = append(j.rows, row{what: c.fact, changed: true, request: r})
	}
}

func (j *judged) instance() caller {
	var policies []string
	if j.managed() {
		policies = append(policies, ofRole+managed)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Policies)) {
		if strings.HasPrefix(name, ofRole) {
			policies = append(policies, name)
		}
	}
	return caller{"the instance", "arn:aws:sts::" + here + ":assumed-role/" + j.Role + "/" + j.Instance, here, policies, j.Role}
}

// managed reports whether the instance role has AWS's policy.
func (j *judged) managed() bool { return j.AWS[ofRole+managed] != nil }

func role(who, account string, policies ...string) caller {
	return caller{who, "arn:aws:iam::" + account + ":role/" + strings.ReplaceAll(who, " ", "-"), account, policies, ""}
}

func service(name string) caller { return caller{name: name, arn: name} }

var (
	administrator = role("an administrator", here, everything)
	colleague     = role("a colleague", here)
	outsider      = role("an outsider", outside, everything)
	unsigned      = caller{name: "who does not sign", arn: "anonymous"}
)

// sessions are the requests that sessions need besides those for session logs.
func (j *judged) sessions() {
	i := j.instance()
	self := "arn:aws:ec2:" + j.Region + ":" + here + ":instance/" + j.Instance
	j.may("the instance reports to Systems Manager", request{by: i, action: "ssm:UpdateInstanceInformation", resource: self, through: "ssm"},
		by("a colleague without a policy does", colleague), through("through another service's endpoint", "ssmmessages"), through("through another one's", "ec2messages"),
		asking("opens a session itself", "ssm:StartSession"), asking("runs a command", "ssm:SendCommand"))
	for _, action := range []string{"CreateControlChannel", "OpenControlChannel", "CreateDataChannel", "OpenDataChannel"} {
		j.may("the instance opens its channels: "+action, request{by: i, action: "ssmmessages:" + action, resource: "*", through: "ssmmessages"},
			by("a colleague without a policy does", colleague), through("through another service's endpoint", "ssm"))
	}
	if j.managed() {
		j.may("the instance polls the older service", request{by: i, action: "ec2messages:GetMessages", resource: "*", through: "ec2messages"},
			by("a colleague without a policy does", colleague), through("through another service's endpoint", "ssm"))
		j.parameters()
	}
	for _, call := range []request{
		{action: "ssm:PutParameter", resource: "arn:aws:ssm:" + j.Region + ":" + here + ":parameter/x", through: "ssm"},
		{action: "ssmmessages:OpenDataChannel", resource: "*", through: "ssmmessages"},
		{action: "ec2messages:SendReply", resource: "*", through: "ec2messages"},
	} {
		// With another account's credentials, data would go to that account.
		call.by, call.policy = administrator, openToAll
		j.may("the endpoint by itself: credentials of this account", call, by("credentials of another account", outsider))
	}
	document := "arn:aws:ssm:" + j.Region + ":" + here + ":document/SSM-SessionManagerRunShell"
	if j.managed() {
		j.may("the instance reads the session document", request{by: i, action: "ssm:GetDocument", resource: document, through: "ssm"},
			asking("changes it", "ssm:UpdateDocument"), asking("makes another version the default", "ssm:UpdateDocumentDefaultVersion"), asking("deletes it", "ssm:DeleteDocument"))
	} else {
		report := request{by: i, action: "ssm:UpdateInstanceInformation", resource: self}
		calls := func(fact, action, resource string) change {
			return change{fact, func(r *request) { r.action, r.resource = action, resource }}
		}
		j.may("the role by itself: reports to Systems Manager", report, calls("reads a document", "ssm:GetDocument", document),
			calls("reads a parameter", "ssm:GetParameter", "arn:aws:ssm:"+j.Region+":"+here+":parameter/prod/password"),
			calls("reports inventory", "ssm:PutInventory", "*"), calls("polls the older service", "ec2messages:GetMessages", "*"))
	}

	own := "arn:aws:iam::" + here + ":role/" + j.Role
	j.may("EC2 hands the role to an instance", request{by: service("ec2.amazonaws.com"), action: "sts:AssumeRole", resource: own, policy: ofTrust},
		asking("names a person behind it", "sts:SetSourceIdentity"), by("another service takes it", service("lambda.amazonaws.com")), by("an outsider takes it", outsider))
}

// parameters are the reads of SSM parameters: public ones, and those that the
// config names.
func (j *judged) parameters() {
	i := j.instance()
	// On AWS the ARN of a public parameter has no account. The evaluator requires one.
	arn := func(name string) string { return "arn:aws:ssm:" + j.Region + ":" + here + ":parameter" + name }
	limited := caller{"the instance role with every permission", i.arn, here, []string{everything, ofRole + "parameters"}, j.Role}
	others := []change{
		on("a parameter of the account", arn("/prod/password")), on("a parameter without a path", arn("/password")),
		on("a secret, by its name among parameters", arn("/aws/reference/secretsmanager/prod")), on("a parameter whose name begins alike", arn("/aws/service-of-ours")),
	}
	for _, action := range []string{"GetParameter", "GetParameters"} {
		j.may("the instance reads a public parameter: "+action, request{by: i, action: "ssm:" + action, resource: arn("/aws/service/ami-amazon-linux-latest/al2023"), through: "ssm"},
			append(others, by("a colleague without a policy does", colleague), asking("changes it", "ssm:PutParameter"))...)
	}
	// The limit also applies to what other policies allow the role.
	everywhere := append(others, on("the parameters under a path of the account", arn("/prod")))
	for _, action := range []string{"GetParametersByPath", "GetParameterHistory"} {
		j.may("the limit by itself: public parameters by "+action, request{by: limited, action: "ssm:" + action, resource: arn("/aws/service/ami-amazon-linux-latest")}, everywhere...)
	}
	if j.Key == "" {
		return
	}
	for _, name := range []string{"/app", "/app/db/password"} {
		j.may("the instance reads "+name+", which the config names", request{by: i, action: "ssm:GetParameter", resource: arn(name), through: "ssm"},
			append(others, on("one whose name begins like the path", arn("/apple")))...)
	}
}

// amazon are the requests to AWS's own buckets. Everyone may read those, so the role's and the endpoint's policies decide.
func (j *judged) amazon() {
	i, elsewhere := j.instance(), "arn:aws:s3:::elsewhere/x"
	of := func(who caller, bucket string) request {
		return request{by: who, action: "s3:GetObject", resource: "arn:aws:s3:::" + bucket + "/x", owner: ofAWS, policy: openToAll, through: "s3", context: map[string]string{secure: "true"}}
	}
	for _, bucket := range []string{
		"aws-ssm-REGION", "aws-windows-downloads-REGION", "amazon-ssm-REGION", "amazon-ssm-packages-REGION",
		"REGION-birdwatcher-prod", "aws-ssm-distributor-file-REGION", "patch-baseline-snapshot-REGION", "aws-patch-manager-REGION-552881074",
	} {
		name := strings.ReplaceAll(bucket, "REGION", j.Region)
		j.may("the agent reads AWS's bucket "+bucket, of(i, name), asking("writes to it", "s3:PutObject"), on("reads another account's bucket", elsewhere))
		j.may("so it does without a signature", of(unsigned, name), asking("writes to it", "s3:PutObject"), on("reads another account's bucket", elsewhere))
	}
	alone := of(i, "aws-ssm-"+j.Region)
	alone.through = ""
	j.may("the role by itself: reads AWS's bucket aws-ssm-REGION", alone, asking("writes to it", "s3:PutObject"), on("reads another account's bucket", elsewhere))
	for _, bucket := range []string{"al2023-repos-REGION-de612dc2", "al2023-REGION"} {
		j.may("dnf reads AWS's bucket "+bucket, of(unsigned, strings.ReplaceAll(bucket, "REGION", j.Region)),
			asking("writes to it", "s3:PutObject"), on("reads another account's bucket", elsewhere))
	}
}

// place is a log location in S3.
type place struct{ what, bucket, prefix string }

func (j *judged) places() []place {
	if !j.Own {
		return []place{{"", j.Bucket, "sessions/"}, {" in the earlier bucket", earlierBucket, "before/"}}
	}
	return []place{{"", j.Bucket, "sessions/"}}
}

// records are the requests to the log bucket.
func (j *judged) records() {
	i := j.instance()
	for _, p := range j.places() {
		bucket := "arn:aws:s3:::" + p.bucket
		record, outside, elsewhere := bucket+"/"+p.prefix+"user-0123.log", bucket+"/elsewhere/user-0123.log", "arn:aws:s3:::elsewhere/sessions/user-0123.log"
		over := func(more ...string) map[string]string {
			context := map[string]string{secure: "true"}
			for n := 0; n < len(more); n += 2 {
				context[more[n]] = more[n+1]
			}
			return context
		}
		ask := func(who caller, action, resource string, context map[string]string) request {
			return request{by: who, action: "s3:" + action, resource: resource, context: context}
		}
		tls := func(denied ...change) []change { // without a policy of ours on the bucket, TLS is for its owner to ask for
			if j.Own {
				return append([]change{plainHTTP}, denied...)
			}
			return denied
		}
		// All policies together, as for the agent.
		write := ask(i, "PutObject", record, over())
		write.through = "s3"
		j.may("the instance writes a session log"+p.what, write, tls(on("outside the prefix", outside), on("into another bucket", elsewhere), by("a colleague without a policy does", colleague),
			by("an outsider does", outsider), through("through another service's endpoint", "ssm"))...)
		write.action = "s3:PutObjectAcl"
		j.may("the instance sends the ACL with it"+p.what, write, tls(on("outside the prefix", outside), on("into another bucket", elsewhere))...)
		encryption := ask(i, "GetEncryptionConfiguration", bucket, over())
		encryption.through = "s3"
		j.may("the instance asks how the bucket encrypts"+p.what, encryption, tls(on("another bucket", "arn:aws:s3:::elsewhere"), by("an outsider does", outsider),
			asking("changes it", "s3:PutEncryptionConfiguration"), asking("reads its policy", "s3:GetBucketPolicy"), asking("changes its policy", "s3:PutBucketPolicy"),
			asking("stops versioning", "s3:PutBucketVersioning"), asking("changes the lock", "s3:PutBucketObjectLockConfiguration"),
			asking("changes the lifecycle", "s3:PutLifecycleConfiguration"), asking("deletes the bucket", "s3:DeleteBucket"), asking("lists the session logs", "s3:ListBucket"))...)

		// Only the role's policy: no endpoint, and a bucket that allows this account everything.
		alone := ask(i, "PutObject", record, over())
		alone.policy = noPolicy
		j.may("the role by itself: writes a session log"+p.what, alone, on("outside the prefix", outside), on("into another bucket", elsewhere), asking("reads it", "s3:GetObject"),
			asking("reads a version of it", "s3:GetObjectVersion"), asking("deletes it", "s3:DeleteObject"), asking("deletes a version of it", "s3:DeleteObjectVersion"),
			asking("bypasses its lock", "s3:BypassGovernanceRetention"), asking("changes its lock", "s3:PutObjectRetention"), asking("changes its tags", "s3:PutObjectTagging"))
		alone.action = "s3:PutObjectAcl"
		j.may("the role by itself: sends the ACL"+p.what, alone, on("outside the prefix", outside))
		encryption.through, encryption.policy = "", noPolicy
		j.may("the role by itself: asks how the bucket encrypts"+p.what, encryption, on("another bucket", "arn:aws:s3:::elsewhere"), asking("changes it", "s3:PutEncryptionConfiguration"))

		// Only the endpoint's policy: a caller and a bucket that allow everything.
		open := ask(administrator, "PutObject", record, over())
		open.through, open.policy = "s3", openToAll
		j.may("the endpoint by itself: an administrator writes a session log"+p.what, open, on("outside the prefix", outside), on("into another bucket", elsewhere), by("an outsider does", outsider),
			by("who does not sign does", unsigned), asking("reads it", "s3:GetObject"), asking("deletes it", "s3:DeleteObject"))
		open.action = "s3:PutObjectAcl"
		j.may("the endpoint by itself: an administrator sends the ACL"+p.what, open, on("outside the prefix", outside), by("an outsider does", outsider))
		open.action, open.resource = "s3:GetEncryptionConfiguration", bucket
		j.may("the endpoint by itself: an administrator asks how the bucket encrypts"+p.what, open, on("another bucket", "arn:aws:s3:::elsewhere"), by("an outsider does", outsider),
			asking("changes it", "s3:PutEncryptionConfiguration"))
		open.by, open.action = unsigned, "s3:ListBucket"
		j.may("the endpoint by itself: HeadBucket without a signature"+p.what, open, on("another bucket", "arn:aws:s3:::elsewhere"), asking("lists its versions", "s3:ListBucketVersions"))
	}
	if j.Own {
		j.bucketByItself()
	}
}

// bucketByItself are requests that only the bucket's policy decides: the caller's policies allow everything.
func (j *judged) bucketByItself() {
	bucket := "arn:aws:s3:::" + j.Bucket
	record, outside := bucket+"/sessions/user-0123.log", bucket+"/elsewhere/user-0123.log"
	ask := func(action, resource string, more ...string) request {
		context := map[string]string{secure: "true"}
		for n := 0; n < len(more); n += 2 {
			context[more[n]] = more[n+1]
		}
		return request{by: administrator, action: "s3:" + action, resource: resource, context: context}
	}
	j.may("an administrator reads a session log", ask("GetObject", record), plainHTTP, by("an outsider does", outsider), by("a colleague without a policy does", colleague))
	j.may("an administrator lists the session logs", ask("ListBucket", bucket), plainHTTP)
	j.may("an administrator deletes a session log", ask("DeleteObject", record), plainHTTP)
	j.may("an administrator changes the tags of an object outside the prefix", ask("PutObjectTagging", outside), asking("writes the object", "s3:PutObject"))

	// Writers: every session of the instance role, and the roles that the config names.
	session := func(who, path, role string) caller {
		return caller{who, "arn:aws:sts::" + here + ":assumed-role/" + role + "/" + j.Instance, here, []string{everything}, path + role}
	}
	writer := session("the instance role with every permission", "", j.Role)
	others := []change{
		by("an administrator does", administrator),
		by("the session of another role, named like the instance", session("another role's session", "", "another")),
		by("a role of the same name under a path does", session("a role of that name under a path", "another/", j.Role)),
		by("a role whose name begins like it does", session("a role whose name begins like it", "", j.Role+"-2")),
		by("the account's root user does", caller{"the root user", "arn:aws:iam::" + here + ":root", here, []string{everything}, ""}),
		by("an outsider does", outsider), by("who does not sign does", unsigned),
	}
	write := func(more ...string) request {
		r := ask("PutObject", record, more...)
		r.by = writer
		return r
	}
	j.may("an upload without a header of encryption", write(), append(others, with("with the header of another encryption", header, "aws:kms:dsse"), plainHTTP, on("outside the prefix", outside))...)
	if j.Key != "" { // the config names a role
		fleet := write()
		fleet.by = session("the role that the config names", "service-role/", fleetRole)
		j.may("an upload by a role that the config names", fleet, by("a role of the same name under no path does", session("a role of that name without a path", "", fleetRole)),
			plainHTTP, on("outside the prefix", outside))
	}
	if j.Key == "" {
		for _, algorithm := range []string{"AES256", "aws:kms"} {
			j.may("an upload with the header "+algorithm, write(header, algorithm), with("of another encryption", header, "aws:kms:dsse"), plainHTTP)
		}
		return
	}
	foreign := "arn:aws:kms:" + j.Region + ":" + here + ":key/another"
	j.may("an upload with the header aws:kms and the bucket's key", write(header, "aws:kms", headerKey, j.Key),
		with("with another key", headerKey, foreign), with("with the header AES256", header, "AES256"), with("with two layers", header, "aws:kms:dsse"), plainHTTP)
	// S3 would use its own key of this account, aws/s3: encrypted, but not under this key's policy.
	j.may("an upload with the header aws:kms, naming no key", write(header, "aws:kms"),
		with("naming another key", headerKey, foreign), with("with the header AES256", header, "AES256"))
}

// logs are the requests to CloudWatch Logs.
func (j *judged) logs() {
	if j.Group == "" {
		return
	}
	groups := []string{j.Group}
	if !j.Own {
		groups = append(groups, earlierGroup)
	}
	i, logs := j.instance(), "arn:aws:logs:"+j.Region+":"+here+":log-group:"
	find := request{by: i, action: "logs:DescribeLogGroups", resource: "*", through: "logs"}
	j.may("the instance finds its log group", find, by("a colleague without a policy does", colleague), by("an outsider does", outsider), through("through another service's endpoint", "ssm"))
	find.by, find.policy = administrator, openToAll
	j.may("the endpoint by itself: an administrator finds the group", find, by("an outsider does", outsider), asking("looks at queries", "logs:DescribeQueries"))
	for _, group := range groups {
		what := ""
		if group == earlierGroup {
			what = " in the earlier group"
		}
		stream, another := logs+group+":log-stream:user-0123", logs+"/another/group:log-stream:user-0123"
		write := request{by: i, action: "logs:PutLogEvents", resource: stream, through: "logs"}
		j.may("the instance streams a session"+what, write, on("into another group", another), by("an outsider does", outsider), through("through another service's endpoint", "ssm"),
			asking("reads the session log", "logs:GetLogEvents"), asking("deletes it", "logs:DeleteLogStream"))
		write.through = ""
		j.may("the role by itself: streams a session"+what, write, on("into another group", another), asking("reads the session log", "logs:GetLogEvents"), asking("deletes it", "logs:DeleteLogStream"))
		write.action = "logs:CreateLogStream"
		j.may("the role by itself: makes a stream"+what, write, on("in another group", another))
		look := request{by: i, action: "logs:DescribeLogStreams", resource: logs + group + ":log-stream:"}
		j.may("the role by itself: looks at the streams"+what, look, on("of another group", logs+"/another/group:log-stream:"), asking("searches the session logs", "logs:FilterLogEvents"),
			asking("queries them", "logs:StartQuery"), asking("deletes the group", "logs:DeleteLogGroup"), asking("shortens its retention", "logs:PutRetentionPolicy"),
			asking("takes its key away", "logs:DisassociateKmsKey"), asking("sends the session logs elsewhere", "logs:PutSubscriptionFilter"))
		write.by, write.through, write.action, write.policy = administrator, "logs", "logs:PutLogEvents", openToAll
		j.may("the endpoint by itself: an administrator streams"+what, write, on("into another group", another), by("an outsider does", outsider),
			asking("reads the session log", "logs:GetLogEvents"), asking("deletes it", "logs:DeleteLogStream"))
		write.action = "logs:CreateLogStream"
		j.may("the endpoint by itself: an administrator makes a stream"+what, write, on("in another group", another), by("an outsider does", outsider))
		look.by, look.through, look.policy = administrator, "logs", openToAll
		j.may("the endpoint by itself: an administrator looks at the streams"+what, look, on("of another group", logs+"/another/group:log-stream:"), by("an outsider does", outsider),
			asking("deletes the group", "logs:DeleteLogGroup"))
	}
}

// keys are the requests to KMS.
func (j *judged) keys() {
	if j.Key == "" {
		return
	}
	i, another := j.instance(), "arn:aws:kms:"+j.Region+":"+here+":key/another"
	s3 := "s3." + j.Region + ".amazonaws.com"
	notS3 := with("via another service", via, "ebs."+j.Region+".amazonaws.com")
	for _, p := range j.places() {
		bucket := "arn:aws:s3:::" + p.bucket
		contexts := []string{bucket}
		if !j.OwnKey {
			contexts = append(contexts, bucket+"/"+p.prefix+"user-0123.log") // of a bucket without bucket keys
		}
		for n, arn := range contexts {
			what := []string{"", " with the object's context"}[n] + p.what
			use := request{by: i, action: "kms:GenerateDataKey", resource: j.Key, context: map[string]string{via: s3, inBucket: arn}}
			elsewhere := []change{
				with("in another bucket's context", inBucket, "arn:aws:s3:::elsewhere"), without("in no context", inBucket), without("not via S3", via), notS3,
				by("a colleague without a policy does", colleague),
			}
			j.may("S3 encrypts the instance's session log"+what, use, append(elsewhere, on("with another key", another), asking("encrypts by itself", "kms:Encrypt"))...)
			use.action = "kms:Decrypt"
			j.may("S3 assembles the parts of the instance's large session log"+what, use, append(elsewhere, asking("grants the key to somebody", "kms:CreateGrant"),
				asking("schedules the key's deletion", "kms:ScheduleKeyDeletion"), asking("changes the key's policy", "kms:PutKeyPolicy"))...)
		}
	}
	j.sessionKey(another)
	if j.OwnKey {
		j.keyByItself(s3, notS3)
	}
}

func (j *judged) sessionKey(another string) {
	i, operator := j.instance(), role("an operator", here, operating)
	context := map[string]string{inSession: "user-0123", withTarget: j.Instance}
	noSession, noTarget := without("without a session", inSession), without("without a target", withTarget)
	decrypt := request{by: i, action: "kms:Decrypt", resource: j.Session, context: context, through: "kms"}
	j.may("the instance decrypts a session's key", decrypt, noSession, noTarget, on("another key", another), by("a colleague without a policy does", colleague),
		by("an outsider does", outsider), through("through another service's endpoint", "ssm"), asking("makes such a key itself", "kms:GenerateDataKey"))
	decrypt.through, decrypt.policy = "", openKey
	j.may("the role by itself: decrypts a session's key", decrypt, noSession, noTarget, on("another key", another), asking("makes such a key itself", "kms:GenerateDataKey"),
		asking("encrypts", "kms:Encrypt"))
	open := decrypt
	open.by, open.through, open.policy = administrator, "kms", openToAll
	j.may("the endpoint by itself: an administrator decrypts a session's key", open, on("another key", another), by("an outsider does", outsider), asking("encrypts", "kms:Encrypt"),
		asking("schedules the key's deletion", "kms:ScheduleKeyDeletion"))
	open.action = "kms:GenerateDataKey"
	j.may("the endpoint by itself: an administrator opens an encrypted session", open, on("another key", another), by("an outsider does", outsider))

	start := request{by: operator, action: "kms:GenerateDataKey", resource: j.Session, context: context}
	colleagues := by("a colleague without a policy does", colleague)
	if !j.OwnKey { // whose policy decides over more than sessions is not for this program to say
		j.may("an operator with an allow in IAM opens an encrypted session", start, colleagues, on("with another key", another), asking("decrypts its key", "kms:Decrypt"))
		return
	}
	j.may("an operator with an allow in IAM opens an encrypted session", start, colleagues, noSession, noTarget, on("with another key", another), asking("decrypts its key", "kms:Decrypt"))
}

// keyByItself are requests that only the key's policy decides: the callers' policies allow everything.
func (j *judged) keyByItself(s3 string, notS3 change) {
	colleagues, outsiders := by("a colleague without a policy does", colleague), by("an outsider does", outsider)
	bucket, group := "arn:aws:s3:::"+j.Bucket, "arn:aws:logs:"+j.Region+":"+here+":log-group:"+j.Group
	read := request{by: role("a reader", here, reading), action: "kms:Decrypt", resource: j.Key, context: map[string]string{via: s3, inBucket: bucket}}
	elsewhere := []change{with("in another bucket's context", inBucket, "arn:aws:s3:::elsewhere"), without("not via S3", via), notS3}
	j.may("S3 decrypts a session log for a reader with an allow in IAM", read, append(elsewhere, colleagues, asking("encrypts one", "kms:GenerateDataKey"))...)
	read.by = administrator
	j.may("S3 decrypts a session log for an administrator", read, append(elsewhere, outsiders, asking("encrypts one", "kms:GenerateDataKey"), asking("encrypts by itself", "kms:Encrypt"))...)
	session := request{by: administrator, action: "kms:GenerateDataKey", resource: j.Key, context: map[string]string{inSession: "user-0123", withTarget: j.Instance}}
	j.may("an administrator opens an encrypted session", session, without("without a session", inSession), without("without a target", withTarget), outsiders, asking("encrypts", "kms:Encrypt"))
	session.action = "kms:Decrypt"
	j.may("an administrator listens in on one", session, without("without a session", inSession), without("without a target", withTarget), outsiders, asking("grants the key to somebody", "kms:CreateGrant"))

	logs := service("logs." + j.Region + ".amazonaws.com")
	other := with("for another group", inGroup, "arn:aws:logs:"+j.Region+":"+here+":log-group:/another/group")
	for _, action := range []string{"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"} {
		j.may("CloudWatch Logs uses the key for the group: "+action, request{by: logs, action: "kms:" + action, resource: j.Key, context: map[string]string{inGroup: group}}, other,
			without("for no group", inGroup), by("that of another Region does", service("logs.eu-west-1.amazonaws.com")), by("an administrator does", administrator),
			asking("schedules the key's deletion", "kms:ScheduleKeyDeletion"))
	}
	for _, action := range []string{
		"CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DescribeKey", "DisableKey", "EnableKeyRotation", "GetKeyPolicy", "ListResourceTags", "PutKeyPolicy",
		"RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias", "UpdateKeyDescription",
	} {
		j.may("the account administers the key: "+action, request{by: administrator, action: "kms:" + action, resource: j.Key}, colleagues, outsiders,
			asking("decrypts with it", "kms:Decrypt"))
	}
}

// alerts are the requests of EventBridge, which only the topic's and the key's policies decide.
func (j *judged) alerts() {
	if j.Topic == "" {
		return
	}
	events, another := service("events.amazonaws.com"), by("another service does", service("states.amazonaws.com"))
	j.may("EventBridge publishes an alert", request{by: events, action: "sns:Publish", resource: j.Topic, policy: ofTopic}, another, on("to another topic", j.Topic+"-2"),
		by("a colleague without a policy does", colleague), by("an outsider does", outsider), asking("subscribes to it", "sns:Subscribe"))
	for _, action := range []string{"Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"} {
		j.may("EventBridge encrypts an alert: "+action, request{by: events, action: "kms:" + action, resource: j.Key}, another,
			by("a colleague without a policy does", colleague), asking("schedules the key's deletion", "kms:ScheduleKeyDeletion"))
	}
	for _, action := range []string{"Decrypt", "GenerateDataKey"} {
		j.may("whom IAM allows publishes to the topic, and SNS encrypts: "+action, request{by: administrator, action: "kms:" + action, resource: j.Key,
			context: map[string]string{via: "sns." + j.Region + ".amazonaws.com"}}, without("by a direct call", via), with("through another service", via, "sqs."+j.Region+".amazonaws.com"),
			by("a colleague without a policy does", colleague), by("an outsider does", outsider), asking("encrypts without a data key", "kms:Encrypt"))
	}
}

func (j *judged) simulation(r request) map[string]any {
	context := map[string]string{}
	maps.Copy(context, r.context)
	if r.by.account != "" {
		context["aws:PrincipalAccount"] = r.by.account
	}
	if r.by.role != "" {
		context["aws:PrincipalArn"] = "arn:aws:iam::" + r.by.account + ":role/" + r.by.role
	}
	made := map[string]any{
		"identityPolicies": r.by.policies,
		"request": map[string]any{
			"principal": r.by.arn, "action": r.action, "contextVariables": context,
			"resource": map[string]any{"resource": r.resource, "accountId": cmp.Or(r.owner, here)},
		},
	}
	if r.by.policies == nil {
		made["identityPolicies"] = []string{}
	}
	if r.through != "" {
		made["vpcEndpointPolicies"] = []string{ofEndpoint + r.through}
	}
	if policy := j.resourcePolicy(r); policy != "" {
		made["resourcePolicy"] = policy
	}
	return made
}

// resourcePolicy returns the name of a resource's policy.
func (j *judged) resourcePolicy(r request) string {
	bucket := "arn:aws:s3:::" + j.Bucket
	switch {
	case r.policy == noPolicy:
		return ""
	case r.policy != "":
		return r.policy
	case j.Own && (r.resource == bucket || strings.HasPrefix(r.resource, bucket+"/")):
		return ofBucket
	case strings.HasPrefix(r.action, "kms:") && (r.resource == j.Key || r.resource == j.Session):
		return ofKey
	case strings.HasPrefix(r.action, "kms:"):
		return openKey
	}
	return ""
}

func policyOf(in *account, arn string) any {
	version := in.aws("iam", "get-policy", "--policy-arn", arn).text("Policy.DefaultVersionId")
	return in.aws("iam", "get-policy-version", "--policy-arn", arn, "--version-id", version).at("PolicyVersion.Document")
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}
