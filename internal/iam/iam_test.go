package iam_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

var (
	here     = scope.Scope{Partition: "aws", Region: "us-east-2", AccountID: "111122223333", DNSSuffix: "amazonaws.com"}
	archives = []iam.Archive{{Bucket: "logs", Prefix: "sessions"}}
	groups   = []string{"/project/stack/sessions"}
	writer   = "arn:aws:iam::111122223333:role/r"
	key      = "arn:aws:kms:us-east-2:111122223333:key/1"
)

// guarded is everything that the denials can name.
var guarded = iam.Guarded{
	Owner: "project/stack", InstanceIDs: []string{"i-0123456789abcdef0", "mi-0123456789abcdef0"}, Documents: []string{"sessions", "tunnel"},
	OtherDocumentARNs: []string{"arn:aws:ssm:us-east-2:111122223333:document/other"}, Bucket: "logs", LogGroups: groups, KeyARNs: []string{key},
	RoleARN: writer, Policies: "arn:aws:iam::111122223333:policy/project-people-stack-*", ExemptARNs: []string{"arn:aws:iam::111122223333:role/deploy"},
}

// operators is everything that a group of operators can have.
var operators = iam.Operators{
	Owner: "project/stack", Group: "dba", InstanceIDs: []string{"i-0123456789abcdef0", "mi-0123456789abcdef0"}, Document: "sessions",
	Tunnels: []string{"tunnel"}, SessionKeyARN: key, MFA: true, NotBefore: "2026-12-01T00:00:00Z", NotAfter: "2026-12-31T00:00:00Z",
}

func documents() map[string]iam.Document {
	return map[string]iam.Document{
		"operators": iam.OperatorPolicy(here, operators),
		"auditors": iam.AuditorPolicy(here, iam.Auditors{
			Recording: iam.Recording{Archives: archives, LogGroups: groups}, KeyARNs: []string{key}, Document: "sessions",
			TopicARN: "arn:aws:sns:us-east-2:111122223333:alerts", TopicKeyARN: key,
		}),
		"people trust":    iam.PeopleTrust(iam.Trust{Principals: []string{writer}, MFA: true, Name: iam.SourceIdentity}),
		"unrecorded":      iam.UnrecordedAccess(here, guarded),
		"people boundary": iam.UnrecordedAccessBoundary(here, guarded),
		"trust":           iam.EC2Trust(here),
		"instance":        iam.InstancePolicy(here, iam.Recording{Archives: archives, LogGroups: groups}),
		"sessions":        iam.SessionsOnly(),
		"limit":           iam.ParameterLimit(here, []string{"/", "/app"}),
		"archive":         iam.ArchiveKeyAccess(here, key, archives),
		"session":         iam.SessionKeyAccess(key),
		"s3":              iam.S3EndpointPolicy(here, archives),
		"logs":            iam.LogsEndpointPolicy(here, groups),
		"kms":             iam.KMSEndpointPolicy(here, key),
		"interface":       iam.InterfaceEndpointPolicy(here, "ssm"),
		"full":            iam.FullAccess(),
		"bucket":          iam.BucketPolicy(here, "logs", iam.BucketRules{Prefixes: []string{"sessions"}, KeyARNs: []string{key}, Writers: []string{writer}}),
		"key":             iam.KeyPolicy(here, iam.KeyUses{Bucket: "logs", Writers: []string{writer}, LogGroups: groups}),
	}
}

// A service control policy takes these elements, and no principal
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html).
// It does not prove that AWS Organizations takes the document.
func TestUnrecordedAccess_IsAServiceControlPolicy(t *testing.T) {
	t.Parallel()
	text := iam.UnrecordedAccess(here, guarded).JSON()
	require.LessOrEqual(t, len(text), iam.MaxServiceControlPolicy)
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &document))
	require.ElementsMatch(t, []string{"Version", "Statement"}, slices.Collect(maps.Keys(document)))
	require.Equal(t, "2012-10-17", document["Version"])
	for _, statement := range document["Statement"].([]any) {
		elements := statement.(map[string]any)
		require.Equal(t, "Deny", elements["Effect"])
		require.Regexp(t, `^[A-Za-z0-9]+$`, elements["Sid"])
		require.Subset(t, []string{"Sid", "Effect", "Action", "Resource", "NotResource", "Condition"}, slices.Collect(maps.Keys(elements)))
		require.NotEqual(t, elements["Resource"] == nil, elements["NotResource"] == nil, "one of the two")
	}
}

// A blank at the end of an ARN made a statement of the origin of this recipe
// never match anything.
func TestPolicies_Texts_NoTrailingBlank(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		for _, s := range d.Statement {
			for _, text := range append(append([]string{s.Sid}, s.Action...), s.Resource...) {
				require.Equal(t, strings.TrimSpace(text), text, name)
				require.NotEmpty(t, text, name)
			}
		}
	}
}

func TestPolicies_StatementIDs_Unique(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		seen := map[string]bool{}
		for _, s := range d.Statement {
			require.Regexp(t, "^[A-Za-z0-9]+$", s.Sid, name)
			require.False(t, seen[s.Sid], "%s: %s is used twice", name, s.Sid)
			seen[s.Sid] = true
		}
	}
}

// The grammar of policies: a principal in what is attached to a resource and
// none in what is attached to an identity.
func TestPolicies_Principal_OnlyInResourcePolicies(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		var parsed struct {
			Version   string
			Statement []map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(d.JSON()), &parsed), name)
		require.Equal(t, "2012-10-17", parsed.Version)
		for _, s := range parsed.Statement {
			ofIdentity := slices.Contains([]string{
				"sessions", "limit", "instance", "archive", "session", "operators", "auditors", "unrecorded", "people boundary",
			}, name)
			require.Equal(t, !ofIdentity, s["Principal"] != nil, name)
			require.Equal(t, !strings.HasSuffix(name, "trust"), s["Resource"] != nil || s["NotResource"] != nil, name)
			require.False(t, s["Resource"] != nil && s["NotResource"] != nil, name)
		}
		require.Equal(t, d.JSON(), d.JSON())
	}
	require.Contains(t, iam.FullAccess().JSON(), `"Principal":"*"`)
	require.Contains(t, iam.EC2Trust(here).JSON(), `"Principal":{"Service":["ec2.amazonaws.com"]}`)
}

func TestPolicies_EmptyPrefix_CoversBucket(t *testing.T) {
	t.Parallel()
	whole := iam.Recording{Archives: []iam.Archive{{Bucket: "logs"}}}
	require.Contains(t, iam.InstancePolicy(here, whole).JSON(), `"arn:aws:s3:::logs/*"`)
	rules := iam.BucketRules{Prefixes: []string{"", "earlier"}}
	require.NotContains(t, iam.BucketPolicy(here, "logs", rules).JSON(), "OnlyUnderThePrefix")
}

// A later preview learns from the bucket's policy which key records are
// encrypted with.
func TestBucketKey_Policy_ReturnsNewestKey(t *testing.T) {
	t.Parallel()
	for want, keys := range map[string][]string{"": nil, key: {key}, key + "2": {key + "2", key}} {
		got, err := iam.BucketKey(iam.BucketPolicy(here, "logs", iam.BucketRules{KeyARNs: keys}).JSON())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	// A policy that an earlier version wrote has a list of one.
	text := iam.BucketPolicy(here, "logs", iam.BucketRules{KeyARNs: []string{key}}).JSON()
	got, err := iam.BucketKey(strings.ReplaceAll(text, `"`+key+`"`, `["`+key+`"]`))
	require.NoError(t, err)
	require.Equal(t, key, got)
	_, err = iam.BucketKey(strings.ReplaceAll(text, `"`+key+`"`, `[]`))
	require.ErrorContains(t, err, "names no key")
	_, err = iam.BucketKey("no policy")
	require.ErrorContains(t, err, "is not JSON")
}

// A later preview learns from a bucket's policy who may write.
func TestBucketWriters(t *testing.T) {
	t.Parallel()
	for _, want := range [][]string{{writer}, {writer, writer + "2"}} {
		got, limited, err := iam.BucketWriters(iam.BucketPolicy(here, "logs", iam.BucketRules{Writers: want}).JSON())
		require.NoError(t, err)
		require.True(t, limited)
		require.Equal(t, want, got)
	}
	for _, policy := range []string{
		iam.BucketPolicy(here, "logs", iam.BucketRules{KeyARNs: []string{key}}).JSON(),
		`{"Statement":[{"Sid":"Theirs","Condition":{"Bool":{"aws:SecureTransport":false}}}]}`,
	} {
		_, limited, err := iam.BucketWriters(policy)
		require.NoError(t, err)
		require.False(t, limited)
	}
	_, _, err := iam.BucketWriters(`{"Statement":[{"Sid":"OnlyWriters","Condition":"?"}]}`)
	require.ErrorContains(t, err, "OnlyWriters")
}

// A list of one is valid, and common linters and scanners misread it: a rule
// that requires TLS then counts as missing.
func TestConditions_OneValue_IsAString(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		var parsed struct {
			Statement []struct{ Condition map[string]map[string]any }
		}
		require.NoError(t, json.Unmarshal([]byte(d.JSON()), &parsed))
		for _, s := range parsed.Statement {
			for operator, keys := range s.Condition {
				for key, value := range keys {
					if list, ok := value.([]any); ok {
						require.Greater(t, len(list), 1, "%s: %s %s", name, operator, key)
					}
				}
			}
		}
	}
	require.Contains(t, iam.BucketPolicy(here, "logs", iam.BucketRules{}).JSON(), `{"Bool":{"aws:SecureTransport":"false"}}`)
}

// While one key replaces another, the bucket's default and the policy change
// one after the other, and both encryptions pass.
func TestBucketPolicy_ReplacedKey_AllowsBothEncryptions(t *testing.T) {
	t.Parallel()
	one := iam.BucketPolicy(here, "logs", iam.BucketRules{KeyARNs: []string{key}}).JSON()
	require.NotContains(t, one, "AES256")
	require.Contains(t, iam.BucketPolicy(here, "logs", iam.BucketRules{KeyARNs: []string{key, key + "2"}}).JSON(), `["AES256","aws:kms"]`)
}
