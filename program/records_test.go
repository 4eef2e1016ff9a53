package program

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
	"private-ec2-access/pulumitest"
)

type lookups = map[string]func(map[string]any) (map[string]any, error)

// documentOf answers look-ups of a session document with its default version
// and its newest version.
func documentOf(version, content, latest, latestContent string) lookups {
	return lookups{"getDocument": func(args map[string]any) (map[string]any, error) {
		if args["documentVersion"] == "$LATEST" {
			return map[string]any{"content": latestContent, "documentVersion": latest}, nil
		}
		return map[string]any{"content": content, "documentVersion": version}, nil
	}}
}

func deployed(p session.Preferences) lookups {
	if p.Mark.Owner == "" {
		p.Mark = session.Mark{Owner: "private-ec2-access/test", Revision: 1}
	}
	return documentOf("1", p.JSON(), "1", p.JSON())
}

func joined(base, more lookups) lookups {
	merged := lookups{}
	maps.Copy(merged, base)
	maps.Copy(merged, more)
	return merged
}

func document(t *testing.T, resources []pulumitest.Resource) session.Document {
	t.Helper()
	found := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
	read, err := session.Read(fmt.Sprint(found.Inputs["content"]))
	require.NoError(t, err)
	return read
}

// The session document depends on every resource that it names, and none of
// them depends on the document, in any configuration.
func TestSessionDocument_DependsOn_EveryNamedResource(t *testing.T) {
	t.Parallel()
	resources, err := run(t, everything, nil)
	require.NoError(t, err)
	waits := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences").DependsOn
	for _, needed := range []string{
		"aws:cloudwatch/logGroup:LogGroup private-ec2-access-private-ec2-access-test-sessions-records",
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-kms",
		"aws:ec2/vpcEndpoint:VpcEndpoint private-ec2-access-logs",
		"aws:iam/rolePolicy:RolePolicy private-ec2-access-session-key-access",
		"aws:iam/rolePolicyAttachment:RolePolicyAttachment private-ec2-access-session-logs",
		"aws:kms/keyPolicy:KeyPolicy private-ec2-access-key",
		"aws:s3/bucketPolicy:BucketPolicy private-ec2-access-logs",
		"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2 private-ec2-access-logs",
	} {
		require.Contains(t, waits, needed)
	}
	bucket := pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs")
	require.Contains(t, bucket.DependsOn, "aws:kms/key:Key private-ec2-access-key", "a destroy comes to the key last")
}

// While a bucket's default encryption changes, its policy accepts both kinds of
// encryption: the policy changes first if the key is removed, and last if a key
// is added.
func TestLogBucket_PolicyAndDefaultEncryption_ChangeInOrder(t *testing.T) {
	t.Parallel()
	const (
		policy    = "aws:s3/bucketPolicy:BucketPolicy"
		byDefault = "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
		logs      = " private-ec2-access-logs"
	)
	for encryption, order := range map[string][2]string{"kms": {byDefault, policy}, "aes256": {policy, byDefault}} {
		resources, err := run(t, map[string]any{"logging.encryption": encryption}, nil)
		require.NoError(t, err)
		first := pulumitest.Find(t, resources, order[0], "private-ec2-access-logs")
		second := pulumitest.Find(t, resources, order[1], "private-ec2-access-logs")
		require.Contains(t, second.DependsOn, order[0]+logs)
		require.NotContains(t, first.DependsOn, order[1]+logs)
	}
}

// A log location that open sessions may still write to stays until the config
// lists it as an earlier location.
func TestLogLocation_Changed_PreviousOneRequired(t *testing.T) {
	t.Parallel()
	own := session.Preferences{S3BucketName: "private-ec2-access-logs-1", S3KeyPrefix: "sessions", IdleSessionTimeout: 20}
	withGroup := own
	withGroup.LogGroupName = "/private-ec2-access/test/sessions"
	existing := own
	existing.S3BucketName = "company-logs"
	for name, c := range map[string]struct {
		deployed session.Preferences
		config   map[string]any
		lost     []string
	}{
		"nothing changes":          {own, nil, nil},
		"the prefix":               {own, map[string]any{"logging.keyPrefix": "shells"}, []string{"s3://private-ec2-access-logs-1/sessions"}},
		"the prefix, named":        {own, map[string]any{"logging.keyPrefix": "shells", "logging.earlierLocations": []any{"s3://private-ec2-access-logs-1/sessions"}}, nil},
		"the prefix, but slashes":  {own, map[string]any{"logging.keyPrefix": "/sessions/"}, nil},
		"an existing bucket":       {own, map[string]any{"logging.bucketName": "company-logs"}, []string{"s3://private-ec2-access-logs-1/sessions"}},
		"back to an own bucket":    {existing, nil, []string{"s3://company-logs/sessions"}},
		"the same bucket":          {existing, map[string]any{"logging.bucketName": "company-logs"}, nil},
		"CloudWatch off":           {withGroup, nil, []string{"log-group:/private-ec2-access/test/sessions"}},
		"CloudWatch off, named":    {withGroup, map[string]any{"logging.earlierLocations": []any{"log-group:/private-ec2-access/test/sessions"}}, nil},
		"CloudWatch on":            {own, map[string]any{"logging.cloudWatch": true}, nil},
		"another group and prefix": {withGroup, map[string]any{"logging.cloudWatch": true, "logging.logGroupName": "/shells", "logging.keyPrefix": ""}, []string{"s3://private-ec2-access-logs-1/sessions", "log-group:/private-ec2-access/test/sessions"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources, err := run(t, c.config, deployed(c.deployed))
			if c.lost == nil {
				require.NoError(t, err)
				return
			}
			require.Empty(t, resources)
			for i, place := range c.lost {
				require.ErrorContains(t, err, "sessions that begin before this change write to "+place+" when they end")
				require.ErrorContains(t, err, fmt.Sprintf("pulumi config set --path 'private-ec2-access:logging.earlierLocations[%d]' %s", i, place))
			}
			require.ErrorContains(t, err, fmt.Sprintf("%d mistake", len(c.lost)))
		})
	}
}

// A stack that changes from the account's default document to a document with
// another name announces what happens to the default one, and keeps every log
// location that the default one names. Other documents of the stack are not
// looked up.
func TestDefaultDocument_Abandoned_Announced(t *testing.T) {
	t.Parallel()
	made := session.Preferences{Mark: session.Mark{Owner: "private-ec2-access/test", Revision: 1}, S3BucketName: "private-ec2-access-logs-1", S3KeyPrefix: "sessions"}
	adopted, others := made, made
	adopted.Mark.Before, others.Mark.Owner = "7", "other/dev"
	for name, c := range map[string]struct {
		document session.Preferences
		told     string
	}{
		"made":      {made, "is deleted once its replacement exists"},
		"adopted":   {adopted, "go on under SSM-SessionManagerRunShell as this stack left it; to restore its previous content:\n    aws ssm update-document-default-version --region us-east-2 --name SSM-SessionManagerRunShell --document-version 7"},
		"another's": {others, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left, err := session.ReadExisting(session.DefaultDocument, "8", c.document.JSON(), "8", c.document.JSON())
			require.NoError(t, err)
			decisions, _ := decide.Decide(&config.Config{}, decide.Facts{Project: "private-ec2-access", Stack: "test", Scope: scope.Scope{Region: "us-east-2"}, DefaultDocument: left})
			told := ""
			for _, notice := range decisions.Notices {
				if strings.Contains(notice.Text, session.DefaultDocument) {
					told += notice.Text
				}
			}
			require.Contains(t, told, c.told)
			require.Equal(t, c.told == "", told == "")

			found := lookups{"getDocument": func(args map[string]any) (map[string]any, error) {
				if args["name"] != session.DefaultDocument {
					return nil, errors.New("reading SSM Document: InvalidDocument: ")
				}
				return map[string]any{"content": c.document.JSON(), "documentVersion": "8"}, nil
			}}
			own := map[string]any{"session.documentName": "private-ec2-access-test"}
			resources, err := run(t, own, found)
			require.NoError(t, err)
			bucket := pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs")
			require.Equal(t, c.document.Mark.Before != "", bucket.Retained, "an adopted document stays after a destroy, and names it")
			own["logging.keyPrefix"] = "shells"
			resources, err = run(t, own, found)
			if c.told == "" {
				require.NoError(t, err)
				return
			}
			require.Empty(t, resources)
			require.ErrorContains(t, err, "sessions that begin before this change write to s3://private-ec2-access-logs-1/sessions when they end")
		})
	}
}

// The instance policy, the endpoint policies and the bucket policy still allow
// writes to an earlier location.
func TestEarlierLocation_Listed_Writable(t *testing.T) {
	t.Parallel()
	resources, err := run(t, map[string]any{"logging.earlierLocations": []any{"s3://company-logs/shells", "log-group:/shells"}}, nil)
	require.NoError(t, err)
	for _, r := range []struct{ typ, name, input string }{
		{"aws:iam/policy:Policy", "private-ec2-access-instance", "policy"},
		{"aws:ec2/vpcEndpoint:VpcEndpoint", "private-ec2-access-s3", "policy"},
	} {
		text := fmt.Sprint(pulumitest.Find(t, resources, r.typ, r.name).Inputs[r.input])
		require.Contains(t, text, `"arn:aws:s3:::company-logs/shells/*"`, r.name)
		require.Contains(t, text, `/sessions/*"`, r.name)
	}
	for _, r := range []struct{ typ, name string }{{"aws:iam/policy:Policy", "private-ec2-access-instance"}, {"aws:ec2/vpcEndpoint:VpcEndpoint", "private-ec2-access-logs"}} {
		require.Contains(t, pulumitest.Find(t, resources, r.typ, r.name).Inputs["policy"], `log-group:/shells:*"`, r.name)
	}
	group := pulumitest.Find(t, resources, "aws:cloudwatch/logGroup:LogGroup", "private-ec2-access-shells-records")
	require.Equal(t, "/shells", group.Inputs["name"])
	require.NotContains(t, document(t, resources).Fields["cloudWatchLogGroupName"], "shells")

	// One of the stack's own bucket, which the bucket's policy has to let through.
	const bucket = "private-ec2-access-logs-1" // as the mocks name it
	resources, err = run(t, map[string]any{"logging.keyPrefix": "shells", "logging.earlierLocations": []any{"s3://" + bucket + "/sessions"}}, nil)
	require.NoError(t, err)
	policy := fmt.Sprint(pulumitest.Find(t, resources, "aws:s3/bucketPolicy:BucketPolicy", "private-ec2-access-logs").Inputs["policy"])
	require.Contains(t, policy, `"NotResource":["arn:aws:s3:::`+bucket+`/shells/*","arn:aws:s3:::`+bucket+`/sessions/*"]`)
}

// If the config names an existing bucket, the stack's own bucket stays as long
// as it is an earlier location.
func TestLogBucket_InEarlierLocations_Kept(t *testing.T) {
	t.Parallel()
	resources, err := run(t, map[string]any{
		"logging.bucketName": "company-logs", "logging.earlierLocations": []any{"s3://private-ec2-access-logs-1/sessions"},
	}, nil)
	require.NoError(t, err)
	pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs")
	require.Equal(t, `"company-logs"`, document(t, resources).Fields["s3BucketName"])
}

// A changed content gets a revision number that no version of the document has.
// An unchanged content keeps its number.
func TestSessionDocument_Update_ContentDiffersFromEveryVersion(t *testing.T) {
	t.Parallel()
	first, err := run(t, nil, nil)
	require.NoError(t, err)
	content := fmt.Sprint(pulumitest.Find(t, first, "aws:ssm/document:Document", "private-ec2-access-preferences").Inputs["content"])
	require.Contains(t, content, `managed by the Pulumi stack private-ec2-access/test"`)
	later := strings.Replace(content, "private-ec2-access/test", "private-ec2-access/test; revision 3", 1)

	same, err := run(t, nil, documentOf("3", later, "3", later))
	require.NoError(t, err)
	require.Equal(t, 3, document(t, same).Mark.Revision)
	changed, err := run(t, map[string]any{"session.idleSessionTimeout": 5}, documentOf("3", later, "3", later))
	require.NoError(t, err)
	require.Equal(t, 4, document(t, changed).Mark.Revision)
}

const foreign = `{"schemaVersion":"1.0","description":"Document to hold regional settings for Session Manager","sessionType":"Standard_Stream",` +
	`"inputs":{"s3BucketName":"company-logs","s3EncryptionEnabled":true,"cloudWatchEncryptionEnabled":true,"runAsEnabled":false}}`

// With session.adopt the stack adopts a document that no stack manages. A
// destroy does not delete an adopted document.
func TestAdoption(t *testing.T) {
	t.Parallel()
	resources, err := run(t, nil, documentOf("7", foreign, "7", foreign))
	require.Empty(t, resources)
	for _, part := range []string{
		"it was not made by this program",
		"idleSessionTimeout: \"\" → \"20\"",
		"s3BucketName: \"company-logs\" → \"(a bucket that the stack creates)\"",
		"cloudWatchEncryptionEnabled: true → false",
		"its current content stays as its version 7",
		"\n       pulumi config set --path 'private-ec2-access:session.adopt' true\n",
		"pulumi config set --path 'private-ec2-access:session.documentName' private-ec2-access-test",
	} {
		require.ErrorContains(t, err, part)
	}

	adopt := map[string]any{"session.adopt": true}
	resources, err = run(t, adopt, documentOf("7", foreign, "7", foreign))
	require.NoError(t, err)
	found := pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
	require.True(t, found.Retained)
	require.Equal(t, session.Mark{Owner: "private-ec2-access/test", Revision: 1, Before: "7"}, document(t, resources).Mark)
	require.True(t, pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs").Retained, "the document goes on naming it")

	// It stays adopted without session.adopt.
	content := fmt.Sprint(found.Inputs["content"])
	resources, err = run(t, nil, documentOf("8", content, "8", content))
	require.NoError(t, err)
	found = pulumitest.Find(t, resources, "aws:ssm/document:Document", "private-ec2-access-preferences")
	require.True(t, found.Retained)
	require.Equal(t, "7", document(t, resources).Mark.Before)
	require.True(t, pulumitest.Find(t, resources, "aws:s3/bucketV2:BucketV2", "private-ec2-access-logs").Retained, "the document still names it")
	resources, err = run(t, map[string]any{"keepRecords": "false"}, documentOf("8", content, "8", content))
	require.Empty(t, resources)
	require.ErrorContains(t, err, "was adopted and stays after a destroy, so the bucket that it names has to stay as well")

	// A document of another stack is never adopted.
	others := session.Preferences{Mark: session.Mark{Owner: "other/dev", Revision: 1}, IdleSessionTimeout: 1}.JSON()
	resources, err = run(t, adopt, documentOf("1", others, "1", others))
	require.Empty(t, resources)
	require.ErrorContains(t, err, "it belongs to the stack other/dev; the two stacks would overwrite each other")
	require.NotContains(t, err.Error(), "session.adopt")
}

// Systems Manager updates only the newest version. If another version is the
// default, the preview stops and lists the fixes.
func TestSessionDocument_DefaultVersionNotNewest_Refused(t *testing.T) {
	t.Parallel()
	ours := session.Preferences{Mark: session.Mark{Owner: "private-ec2-access/test", Revision: 1}, S3BucketName: "private-ec2-access-logs-1", S3KeyPrefix: "sessions", IdleSessionTimeout: 20}.JSON()
	resources, err := run(t, nil, documentOf("4", ours, "5", ours))
	require.Empty(t, resources)
	require.ErrorContains(t, err, "sessions use version 4 of the session document SSM-SessionManagerRunShell, its newest is 5")
	require.ErrorContains(t, err, "aws ssm update-document-default-version --region us-east-2 --name SSM-SessionManagerRunShell --document-version 5")
	require.ErrorContains(t, err, "to use the newest, which this stack made")
	resources, err = run(t, map[string]any{"session.adopt": true}, documentOf("1", foreign, "3", ours))
	require.Empty(t, resources)
	require.ErrorContains(t, err, "aws ssm delete-document --region us-east-2 --name SSM-SessionManagerRunShell --document-version 3")
	require.ErrorContains(t, err, "and so on, down to the version after 1")
}

func keyOf(description, state string) lookups {
	return lookups{
		"getAlias": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"name": args["name"], "targetKeyId": "key-1", "targetKeyArn": keyOfOurs}, nil
		},
		"getKey": func(map[string]any) (map[string]any, error) {
			return map[string]any{"description": description, "keyState": state}, nil
		},
	}
}

const ourKey = "Session records of the Pulumi stack private-ec2-access/test"

// The stack keeps a key that it created, with the key policy, so that existing
// session logs stay readable. It neither uses nor changes a key that it does not
// manage.
func TestKey_NoLongerUsed_Kept(t *testing.T) {
	t.Parallel()
	hasKey := func(resources []pulumitest.Resource) bool {
		return slices.Contains(pulumitest.Names(resources), "aws:kms/key:Key private-ec2-access-key")
	}
	resources, err := run(t, nil, nil)
	require.NoError(t, err)
	require.False(t, hasKey(resources))

	resources, err = run(t, nil, keyOf(ourKey, "Enabled"))
	require.NoError(t, err)
	require.True(t, hasKey(resources))
	policy := fmt.Sprint(pulumitest.Find(t, resources, "aws:kms/keyPolicy:KeyPolicy", "private-ec2-access-key").Inputs["policy"])
	require.Contains(t, policy, "ReadRecordsWhereIAMAllows")

	resources, err = run(t, nil, keyOf("somebody's", "Enabled"))
	require.NoError(t, err)
	require.False(t, hasKey(resources))

	resources, err = run(t, map[string]any{"logging.encryption": "kms"}, keyOf("somebody's", "Enabled"))
	require.Empty(t, resources)
	require.ErrorContains(t, err, `which this stack does not manage (its description is "somebody's")`)

	resources, err = run(t, nil, keyOf(ourKey, "PendingDeletion"))
	require.Empty(t, resources)
	require.ErrorContains(t, err, "aws kms cancel-key-deletion --region us-east-2 --key-id "+keyOfOurs)
}

// A key in the config is the user's: the stack does not change its policy, and
// the role gets the permissions that the agent needs.
func TestKey_Existing_Used(t *testing.T) {
	t.Parallel()
	other := strings.Replace(keyOfOurs, "key/0", "key/9", 1)
	resources, err := run(t, map[string]any{
		"logging.encryption": "kms", "logging.kmsKeyArn": keyOfOurs, "logging.earlierKmsKeyArns": []any{other},
		"session.encryption": true, "session.kmsKeyArn": other, "logging.cloudWatch": true,
	}, nil)
	require.NoError(t, err)
	access := map[string]string{}
	for _, r := range resources {
		require.False(t, strings.HasPrefix(r.Type, "aws:kms/"), r.Type)
		if r.Type == "aws:iam/rolePolicy:RolePolicy" && r.Name != "private-ec2-access-parameters" {
			access[r.Name] = fmt.Sprint(r.Inputs["policy"])
		}
	}
	require.Len(t, access, 3)
	for name, policy := range access {
		ofSession := strings.Contains(name, "session-key")
		require.Equal(t, ofSession, strings.Contains(policy, "aws:ssm:SessionId"), name)
		require.Equal(t, !ofSession, strings.Contains(policy, "s3.us-east-2.amazonaws.com"), name)
	}
	group := pulumitest.Find(t, resources, "aws:cloudwatch/logGroup:LogGroup", "private-ec2-access-private-ec2-access-test-sessions-records")
	require.Equal(t, keyOfOurs, group.Inputs["kmsKeyId"])
	bucket := fmt.Sprint(pulumitest.Find(t, resources, "aws:s3/bucketPolicy:BucketPolicy", "private-ec2-access-logs").Inputs["policy"])
	require.Contains(t, bucket, `["`+keyOfOurs+`","`+other+`"]`)
}

func TestLogGroup_Unmanaged_Refused(t *testing.T) {
	t.Parallel()
	group := func(tags map[string]any) lookups {
		return lookups{"getLogGroup": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"name": args["name"], "tags": tags}, nil
		}}
	}
	cloudWatch := map[string]any{"logging.cloudWatch": true}
	for want, tags := range map[string]map[string]any{
		"it was not made by this program":   {},
		"it belongs to the stack other/dev": {"private-ec2-access:stack": "other/dev"},
	} {
		resources, err := run(t, cloudWatch, group(tags))
		require.Empty(t, resources)
		require.ErrorContains(t, err, "logging.logGroupName: this log group exists already, and "+want+" (got /private-ec2-access/test/sessions)")
	}
	_, err := run(t, cloudWatch, group(map[string]any{"private-ec2-access:stack": "private-ec2-access/test"}))
	require.NoError(t, err)
}

// The key policy still allows CloudWatch Logs to use the key for log groups that
// a destroy kept.
func TestLogGroup_Kept_StaysReadable(t *testing.T) {
	t.Parallel()
	kept := lookups{"getResources": func(args map[string]any) (map[string]any, error) {
		if slices.Contains(args["resourceTypeFilters"].([]any), any("logs:log-group")) {
			return map[string]any{"resourceTagMappingLists": []any{
				map[string]any{"resourceArn": "arn:aws:logs:us-east-2:111122223333:log-group:/earlier"},
			}}, nil
		}
		return map[string]any{"resourceTagMappingLists": []any{}}, nil
	}}
	resources, err := run(t, map[string]any{"keepRecords": "true", "logging.encryption": "kms"}, kept)
	require.NoError(t, err)
	policy := fmt.Sprint(pulumitest.Find(t, resources, "aws:kms/keyPolicy:KeyPolicy", "private-ec2-access-key").Inputs["policy"])
	require.Contains(t, policy, `"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:us-east-2:111122223333:log-group:/earlier"`)
}

// These look-ups decide what is created, so a failed one stops the preview.
func TestFailedLookUpOfSessionLogs_StopsThePreview(t *testing.T) {
	t.Parallel()
	for _, lookup := range []string{"getAlias", "getKey", "getLogGroup", "getResources"} {
		failing := joined(keyOf(ourKey, "Enabled"), lookups{lookup: func(map[string]any) (map[string]any, error) {
			return nil, errors.New("ThrottlingException: Rate exceeded")
		}})
		resources, err := run(t, map[string]any{"logging.cloudWatch": true, "keepRecords": "true"}, failing)
		require.ErrorContains(t, err, "ThrottlingException", lookup)
		require.Empty(t, resources, lookup)
	}
}

// On a real account a destroy keeps everything that stores, protects or encrypts
// session logs.
func TestDestroy_RealAccount_KeepsKeyAndLogGroup(t *testing.T) {
	t.Parallel()
	resources, err := run(t, pulumitest.With(everything, map[string]any{"keepRecords": "true"}), nil)
	require.NoError(t, err)
	for _, r := range resources {
		kept := strings.HasPrefix(r.Type, "aws:s3/") && !strings.Contains(r.Type, "ObjectLock") ||
			strings.HasSuffix(r.Type, ":LogArchive") || r.Type == "aws:cloudwatch/logGroup:LogGroup" || r.Type == "aws:kms/key:Key" || r.Type == "aws:kms/keyPolicy:KeyPolicy"
		require.Equal(t, kept, r.Retained, "%s %s", r.Type, r.Name)
	}
	lock := pulumitest.Find(t, resources, "aws:s3/bucketObjectLockConfigurationV2:BucketObjectLockConfigurationV2", "private-ec2-access-logs")
	require.Contains(t, lock.DeletedWith, "private-ec2-access-logs", "it stays with the bucket, and goes when it is switched off")
}
