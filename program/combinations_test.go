package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/settings"
	"private-ec2-access/pulumitest"
)

// factor is a feature that a user chooses, with its values. Words in capitals
// stand for what an account has: see words.
type factor struct {
	name   string
	values []choice
}

type choice struct {
	name   string
	config map[string]any
}

var factors = []factor{
	{"logging.cloudWatch", []choice{{"off", map[string]any{"logging.cloudWatch": false}}, {"on", map[string]any{"logging.cloudWatch": true}}}},
	{"logging.encryption", []choice{
		{"aes256", map[string]any{"logging.encryption": "aes256"}},
		{"kms, own key", map[string]any{"logging.encryption": "kms"}},
		{"kms, key by ARN", map[string]any{"logging.encryption": "kms", "logging.kmsKeyArn": "KEY"}},
	}},
	{"logging.objectLock", []choice{
		{"off", map[string]any{"logging.objectLock": "off"}},
		{"governance", map[string]any{"logging.objectLock": "governance", "logging.objectLockDays": 7}},
		{"compliance", map[string]any{"logging.objectLock": "compliance", "logging.objectLockDays": 7}},
	}},
	{"logging.transitionDays", []choice{{"0", map[string]any{"logging.transitionDays": 0}}, {"30", map[string]any{"logging.transitionDays": 30}}}},
	{"session.encryption", []choice{
		{"off", map[string]any{"session.encryption": false}},
		{"own key", map[string]any{"session.encryption": true}},
		{"key by ARN", map[string]any{"session.encryption": true, "session.kmsKeyArn": "SESSION_KEY"}},
	}},
	{"logging.streaming", []choice{{"true", map[string]any{"logging.streaming": true}}, {"false", map[string]any{"logging.streaming": false}}}},
	{"logging.required", []choice{{"false", map[string]any{"logging.required": false}}, {"true", map[string]any{"logging.required": true}}}},
	{"logging.retentionDays", []choice{{"365", map[string]any{"logging.retentionDays": 365}}, {"0", map[string]any{"logging.retentionDays": 0}}}},
	{"session.documentName", []choice{
		{"default", nil}, {"own name", map[string]any{"session.documentName": "private-ec2-access-combination"}},
	}},
	{"session.runAs", []choice{
		{"off", map[string]any{"session.runAsEnabled": false}},
		{"by tag", map[string]any{"session.runAsEnabled": true}},
		{"default user", map[string]any{"session.runAsEnabled": true, "session.runAsDefaultUser": "operator"}},
	}},
	{"session.shellProfile", []choice{{"none", nil}, {"both", map[string]any{
		"session.shellProfile.linux": "cd; export HISTCONTROL='ignorespace' # \"quoted\", and\na second line", "session.shellProfile.windows": "Set-Location C:\\",
	}}}},
	{"keepRecords", []choice{{"false", map[string]any{"keepRecords": "false"}}, {"true", map[string]any{"keepRecords": "true"}}, {"refuse", map[string]any{"keepRecords": "refuse"}}}},
	{"bucket", []choice{{"own", nil}, {"existing", map[string]any{"logging.bucketName": "existing-logs"}}}},
	{"network", []choice{{"own", nil}, {"existing", map[string]any{"network.vpcId": "VPC", "network.subnetIds": []any{"SUBNET_A", "SUBNET_B"}}}}},
}

const keyOfOurs = "arn:aws:kms:us-east-2:111122223333:key/0a1b2c3d-0000-0000-0000-000000000000"

var words = map[string]any{
	"KEY": keyOfOurs, "SESSION_KEY": "arn:aws:kms:us-east-2:111122223333:key/0a1b2c3d-1111-1111-1111-111111111111",
	"VPC": "vpc-0123456789abcdef0", "SUBNET_A": "subnet-0aaaaaaaaaaaaaaaa", "SUBNET_B": "subnet-0bbbbbbbbbbbbbbbb",
}

// pair are two values of two factors, each as FACTOR=VALUE.
type pair [2]string

// impossible are the pairs that no config can have, with the key that the
// mistake names. Every other pair is possible.
var impossible = map[pair]string{
	{"logging.cloudWatch=off", "logging.required=true"}:    "logging.cloudWatch",
	{"logging.encryption=aes256", "logging.required=true"}: "logging.encryption",
	{"logging.streaming=false", "logging.required=true"}:   "logging.streaming",
	{"logging.objectLock=governance", "bucket=existing"}:   "logging.objectLock",
	{"logging.objectLock=compliance", "bucket=existing"}:   "logging.objectLock",
	{"logging.objectLock=compliance", "keepRecords=false"}: "keepRecords",
}

// alsoImpossible are pairs of keys within or beyond one factor.
var alsoImpossible = []struct {
	config map[string]any
	key    string
}{
	{map[string]any{"logging.encryption": "aes256", "logging.kmsKeyArn": "KEY", "logging.required": false}, "logging.kmsKeyArn"},
	{map[string]any{"session.encryption": false, "session.kmsKeyArn": "SESSION_KEY"}, "session.kmsKeyArn"},
	{map[string]any{"session.runAsEnabled": false, "session.runAsDefaultUser": "operator"}, "session.runAsDefaultUser"},
	{map[string]any{"logging.objectLock": "off", "logging.objectLockDays": 7}, "logging.objectLockDays"},
	{map[string]any{"logging.objectLock": "governance", "logging.objectLockDays": 0}, "logging.objectLockDays"},
	{map[string]any{"logging.objectLock": "governance", "logging.objectLockDays": 31, "logging.retentionDays": 30}, "logging.objectLockDays"},
	{map[string]any{"logging.transitionDays": 30, "logging.retentionDays": 30}, "logging.transitionDays"},
	{map[string]any{"session.adopt": true, "keepRecords": "false"}, "keepRecords"},
	{map[string]any{"session.idleSessionTimeout": 30, "session.maxSessionDuration": 20}, "session.idleSessionTimeout"},
	{map[string]any{"network.vpcId": "", "network.subnetIds": []any{"SUBNET_A"}}, "network.subnetIds"},
	{map[string]any{"network.vpcId": "VPC", "network.subnetIds": []any{}}, "network.subnetIds"},
}

// combination is a row of the table: a value for each factor.
type combination map[string]string

func (c combination) has(p pair) bool { return c.hasOne(p[0]) && c.hasOne(p[1]) }

func (c combination) hasOne(value string) bool {
	name, chosen, _ := strings.Cut(value, "=")
	return c[name] == chosen
}

func (c combination) possible() bool {
	for p := range impossible {
		if c.has(p) {
			return false
		}
	}
	return true
}

func (c combination) config() map[string]any {
	config := map[string]any{}
	for _, f := range factors {
		for _, v := range f.values {
			if v.name == c[f.name] {
				maps.Copy(config, v.config)
			}
		}
	}
	return config
}

// spoken puts an account's own ids in the place of the words.
func spoken(config map[string]any) map[string]any {
	in := map[string]any{}
	for key, value := range config {
		in[key] = value
		if list, ok := value.([]any); ok {
			ids := make([]any, len(list))
			for i, item := range list {
				ids[i] = words[item.(string)]
			}
			in[key] = ids
		} else if text, ok := value.(string); ok && words[text] != nil {
			in[key] = words[text]
		}
	}
	return in
}

// pairs are all pairs of values, in the order of the factors.
func pairs() (all []pair) {
	for i, f := range factors {
		for _, g := range factors[i+1:] {
			for _, v := range f.values {
				for _, w := range g.values {
					all = append(all, pair{f.name + "=" + v.name, g.name + "=" + w.name})
				}
			}
		}
	}
	return all
}

// allPairs makes rows that have every possible pair between them. It is greedy:
// a row begins with the first pair that is still missing, and each further
// factor takes the value that brings in most that are missing.
func allPairs() (rows []combination) {
	missing := slices.DeleteFunc(pairs(), func(p pair) bool { return impossible[p] != "" })
	for len(missing) > 0 {
		row := combination{}
		for _, value := range missing[0] {
			name, chosen, _ := strings.Cut(value, "=")
			row[name] = chosen
		}
		if !complete(row, missing) {
			panic(fmt.Sprintf("no row has the pair %v; it belongs into the table of impossible ones", missing[0]))
		}
		rows = append(rows, row)
		missing = slices.DeleteFunc(missing, row.has)
	}
	return rows
}

func complete(row combination, missing []pair) bool {
	if !row.possible() {
		return false
	}
	next := slices.IndexFunc(factors, func(f factor) bool { return row[f.name] == "" })
	if next < 0 {
		return true
	}
	name := factors[next].name
	type candidate struct {
		value string
		gain  int
	}
	var candidates []candidate
	for _, v := range factors[next].values {
		row[name] = v.name
		gain := 0
		for _, p := range missing {
			if row.has(p) {
				gain++
			}
		}
		candidates = append(candidates, candidate{v.name, gain})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return b.gain - a.gain })
	for _, c := range candidates {
		row[name] = c.value
		if complete(row, missing) {
			return true
		}
	}
	delete(row, name)
	return false
}

const combinationsFile = "testdata/combinations.json"

func load(t *testing.T, own map[string]any) (*config.Config, error) {
	t.Helper()
	return config.Load(pulumitest.Project, pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), own))), settings.Literals{}, pulumitest.LocalEnvironment)
}

// The table that the end-to-end tests bring up has every possible pair of values
// in a row, in at most 25 rows, and each row is a config without a mistake.
func TestCombinations_Pairs_Complete(t *testing.T) {
	t.Parallel()
	rows := allPairs()
	require.LessOrEqual(t, len(rows), 25)
	for i, row := range rows {
		_, err := load(t, spoken(row.config()))
		require.NoError(t, err, "row %d: %v", i+1, row)
	}
	for _, p := range pairs() {
		covered := slices.ContainsFunc(rows, func(row combination) bool { return row.has(p) })
		require.Equal(t, impossible[p] == "", covered, "%v", p)
	}

	type written struct {
		Values [][2]string    `json:"values"`
		Config map[string]any `json:"config"`
	}
	var lines []string
	for _, row := range rows {
		line := written{Config: row.config()}
		for _, f := range factors {
			line.Values = append(line.Values, [2]string{f.name, row[f.name]})
		}
		text, err := json.Marshal(line)
		require.NoError(t, err)
		lines = append(lines, string(text))
	}
	table := "[\n" + strings.Join(lines, ",\n") + "\n]\n" // one row a line, so that a diff shows the rows that have changed
	if *update {
		require.NoError(t, os.WriteFile(combinationsFile, []byte(table), 0o644))
	}
	want, err := os.ReadFile(combinationsFile)
	require.NoError(t, err, "run: go test ./program -update, and read the difference")
	require.Equal(t, string(want), table)
}

// What cannot be together is refused in whatever config it stands, by the key
// that has to change. With the test above every pair of values is either in a
// row or refused.
func TestCombinations_ImpossiblePair_Refused(t *testing.T) {
	t.Parallel()
	refused := func(row combination, more map[string]any, key, what string) {
		t.Helper()
		_, err := load(t, spoken(pulumitest.With(row.config(), more)))
		var found mistake.List
		require.True(t, errors.As(err, &found), "%s in %v is not refused: %v", what, row, err)
		require.True(t, slices.ContainsFunc(found, func(m mistake.Mistake) bool { return m.Key == key }),
			"%s in %v is refused, but not by %s: %v", what, row, key, err)
	}
	for _, row := range allPairs() {
		for p, key := range impossible {
			both := maps.Clone(row)
			for _, value := range p {
				name, chosen, _ := strings.Cut(value, "=")
				both[name] = chosen
			}
			refused(both, nil, key, fmt.Sprint(p))
		}
		for _, both := range alsoImpossible {
			refused(row, both.config, both.key, fmt.Sprint(both.config))
		}
	}
}

// The session document of each combination has the form that AWS describes, and
// names what the same run makes. The words of an existing account stand for
// themselves.
//
// It does not prove that Systems Manager takes the document.
func TestSessionDocument_EveryCombination_Valid(t *testing.T) {
	t.Parallel()
	check := sessionSchema(t)
	for i, row := range allPairs() {
		resources, err := run(t, spoken(row.config()), nil)
		require.NoError(t, err, "row %d: %v", i+1, row)
		document := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
		content := fmt.Sprint(document.Inputs["content"])
		require.NoError(t, check(content), "row %d: %v\n%s", i+1, row, content)
		require.Empty(t, drift(t, content, wanted(row, resources)), "row %d: %v\n%s", i+1, row, content)
	}
}

// wanted is what a combination's document has to name, from the resources.
func wanted(row combination, resources []pulumitest.Resource) facts {
	w := facts{
		bucket: "existing-logs", encrypted: row["logging.encryption"] != "aes256",
		streaming: row["logging.streaming"] == "true", runAs: row["session.runAs"] != "off",
	}
	for _, r := range resources {
		switch r.Type {
		case "aws:cloudwatch/logGroup:LogGroup":
			w.group = fmt.Sprint(r.Inputs["name"])
		case "aws:s3/bucketPolicy:BucketPolicy":
			w.bucket = fmt.Sprint(r.Inputs["bucket"])
		}
	}
	switch row["session.encryption"] {
	case "own key":
		w.key = pulumitest.TargetKeyARN
	case "key by ARN":
		w.key = fmt.Sprint(words["SESSION_KEY"])
	}
	if row["session.runAs"] == "default user" {
		w.user = "operator"
	}
	return w
}

// facts are what a session document has to agree with.
type facts struct {
	bucket, group, key, user    string
	encrypted, streaming, runAs bool
}

// drift tells what a document says that is not so. A schema cannot: it knows
// one document, and not what there is beside it.
func drift(t *testing.T, content string, is facts) (wrong []string) {
	t.Helper()
	var d struct{ Inputs map[string]any }
	require.NoError(t, json.Unmarshal([]byte(content), &d))
	for field, want := range map[string]any{
		"s3BucketName": is.bucket, "s3EncryptionEnabled": true, "cloudWatchLogGroupName": is.group, "kmsKeyId": is.key,
		"cloudWatchEncryptionEnabled": is.group != "" && is.encrypted, "cloudWatchStreamingEnabled": is.group != "" && is.streaming,
		"runAsEnabled": is.runAs, "runAsDefaultUser": is.user,
	} {
		if d.Inputs[field] != want {
			wrong = append(wrong, fmt.Sprintf("%s is %v and has to be %v", field, d.Inputs[field], want))
		}
	}
	return wrong
}

// A schema or a relation that passes everything would prove nothing: each of
// these documents differs from a right one in one place, and is refused there.
func TestSessionDocument_Broken_Reported(t *testing.T) {
	t.Parallel()
	check := sessionSchema(t)
	is := facts{bucket: "logs", group: "/project/stack/sessions", key: keyOfOurs, encrypted: true, streaming: true}
	right := func() map[string]any {
		return map[string]any{
			"schemaVersion": "1.0", "description": "Session preferences", "sessionType": "Standard_Stream",
			"inputs": map[string]any{
				"s3BucketName": is.bucket, "s3KeyPrefix": "sessions", "s3EncryptionEnabled": true,
				"cloudWatchLogGroupName": is.group, "cloudWatchEncryptionEnabled": true, "cloudWatchStreamingEnabled": true,
				"kmsKeyId": is.key, "runAsEnabled": false, "runAsDefaultUser": "",
				"idleSessionTimeout": "20", "maxSessionDuration": "60", "shellProfile": map[string]any{"linux": "date", "windows": ""},
			},
		}
	}
	text := func(document any) string {
		written, err := json.Marshal(document)
		require.NoError(t, err)
		return string(written)
	}
	require.NoError(t, check(text(right())))
	require.Empty(t, drift(t, text(right()), is))

	gone := &struct{}{} // the field is left out
	for name, bad := range map[string]struct {
		field string
		value any
	}{
		"a number for the idle timeout":              {"idleSessionTimeout", 20},
		"an idle timeout that is too long":           {"idleSessionTimeout", "61"},
		"an idle timeout of nothing":                 {"idleSessionTimeout", "0"},
		"a number for the duration":                  {"maxSessionDuration", 60},
		"a duration that AWS's pattern leaves out":   {"maxSessionDuration", "1050"},
		"a duration longer than a day":               {"maxSessionDuration", "1441"},
		"an empty runAsEnabled":                      {"runAsEnabled", ""},
		"runAsEnabled left out":                      {"runAsEnabled", gone},
		"no value for runAsEnabled":                  {"runAsEnabled", nil},
		"root":                                       {"runAsDefaultUser", "root"},
		"streaming as a text":                        {"cloudWatchStreamingEnabled", "true"},
		"streaming as a number":                      {"cloudWatchStreamingEnabled", 1},
		"streaming left out":                         {"cloudWatchStreamingEnabled", gone},
		"the group's encryption as a text":           {"cloudWatchEncryptionEnabled", "true"},
		"the group's encryption left out":            {"cloudWatchEncryptionEnabled", gone},
		"the bucket's encryption as a text":          {"s3EncryptionEnabled", "true"},
		"the bucket's encryption left out":           {"s3EncryptionEnabled", gone},
		"a bucket with a dot":                        {"s3BucketName", "my.logs"},
		"a bucket's ARN":                             {"s3BucketName", "arn:aws:s3:::logs"},
		"a prefix with a slash before it":            {"s3KeyPrefix", "/sessions"},
		"a group's ARN":                              {"cloudWatchLogGroupName", "arn:aws:logs:us-east-2:111122223333:log-group:sessions:*"},
		"a key that is an alias":                     {"kmsKeyId", "alias/sessions"},
		"a profile that is a text":                   {"shellProfile", "date"},
		"a profile for another system":               {"shellProfile", map[string]any{"macos": "date"}},
		"a profile that is a list":                   {"shellProfile", map[string]any{"linux": []any{"date"}}},
		"a field in another case":                    {"s3Bucketname", "logs"},
		"a field that AWS does not have":             {"s3StreamingEnabled", true},
		"another version of the schema":              {"/schemaVersion", "2.2"},
		"the version as a number":                    {"/schemaVersion", 1.0},
		"a session of another type":                  {"/sessionType", "Port"},
		"a session without a type":                   {"/sessionType", gone},
		"a document without inputs":                  {"/inputs", gone},
		"a document of a description and parameters": {"/parameters", map[string]any{}},
	} {
		document := right()
		of, field := document["inputs"].(map[string]any), bad.field
		if top, ok := strings.CutPrefix(field, "/"); ok {
			of, field = document, top
		}
		of[field] = bad.value
		if bad.value == gone {
			delete(of, field)
		}
		require.Error(t, check(text(document)), "%s passes", name)
	}

	// These have the right form, and are not so.
	for name, bad := range map[string]struct {
		field string
		value any
	}{
		"a group of another name than the one that is made": {"cloudWatchLogGroupName", "/project/other/sessions"},
		"another bucket than the one that is made":          {"s3BucketName", "logs-2"},
		"another key":                            {"kmsKeyId", words["SESSION_KEY"]},
		"a key that is not named":                {"kmsKeyId", ""},
		"an encrypted group that need not be":    {"cloudWatchEncryptionEnabled", false},
		"a bucket whose encryption need not be":  {"s3EncryptionEnabled", false},
		"streaming that was not asked for":       {"cloudWatchStreamingEnabled", false},
		"another user than the one that is made": {"runAsDefaultUser", "operator"},
		"run as nobody in particular":            {"runAsEnabled", true},
	} {
		document := right()
		document["inputs"].(map[string]any)[bad.field] = bad.value
		require.NoError(t, check(text(document)), "%s: the schema cannot know", name)
		require.Len(t, drift(t, text(document), is), 1, "%s passes", name)
	}
}
