package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/sessions"
)

// Types of what a destroy may leave behind and somebody has to know of.
const (
	bucketType   = "aws:s3/bucketV2:BucketV2"
	logGroupType = "aws:cloudwatch/logGroup:LogGroup"
	keyType      = "aws:kms/key:Key"
)

// kept is what a destroy leaves behind: it is dropped from the state without a call to AWS.
type kept struct {
	buckets, logGroups, keys []string
	// resources counts everything, what protects the records too.
	resources int
}

// kept reads it from the state before the destroy. A destroy that was killed may have dropped the bucket already; then
// the component that it was in tells that there was something to keep, and the stack's outputs tell its name.
func (d *deployment) kept() (k kept) {
	archive, written := false, ""
	for _, r := range d.Deployment.Resources {
		switch {
		case r.Type == "pulumi:pulumi:Stack":
			var outputs struct {
				LogBucket string `json:"logBucket"`
			}
			_ = json.Unmarshal(r.Outputs, &outputs) // without outputs there is no name
			written = outputs.LogBucket
		case !r.Retain:
		case !r.Custom:
			archive = archive || strings.HasSuffix(r.Type, ":LogArchive")
		default:
			k.resources++
			switch r.Type {
			case bucketType:
				k.buckets = append(k.buckets, r.ID)
			case logGroupType:
				k.logGroups = append(k.logGroups, r.ID)
			case keyType:
				k.keys = append(k.keys, r.ID)
			}
		}
	}
	if archive && len(k.buckets) == 0 && written != "" {
		k.buckets = []string{written}
	}
	return k
}

// printKept says what is kept, how to read it, how to take it up again and how to be rid of it.
func (a *app) printKept(k kept) {
	for _, bucket := range k.buckets {
		a.say("Kept: the log bucket %s, with every record and version in it, its access block, policy, encryption, versions and lifecycle.\n"+
			"  To read:     aws s3 ls --recursive s3://%[1]s\n"+
			"  To bring up: make up STACK=%s makes a new bucket beside it; pulumi config set --path '%[3]s:logging.bucketName' %[1]s takes this one up again.\n"+
			"  To delete:   empty it with all versions (S3 console: Empty), then: aws s3api delete-bucket --bucket %[1]s", bucket, a.stack.Name, a.stack.Project)
	}
	for _, group := range k.logGroups {
		a.say("Kept: the log group %s, with every event in it, its key and its retention.\n"+
			"  To read:     aws logs tail %[1]s --since 30d\n"+
			"  To bring up: make up STACK=%s takes it up again.\n"+
			"  To delete:   aws logs delete-log-group --log-group-name %[1]s", group, a.stack.Name)
	}
	for _, key := range k.keys {
		a.say("Kept: the KMS key %s, enabled and with its policy. Without it nobody can read what is encrypted with it.\n"+
			"  To delete:   when nothing of that is left, aws kms schedule-key-deletion --key-id %[1]s", key)
	}
}

// restoreDocument puts back what the session document said before the stack adopted it, if it did. It asks the document
// itself, not the state, so a destroy that was killed before this can be run again. Before is the state before the destroy.
func (a *app) restoreDocument(before *deployment) error {
	var outputs struct {
		Region  string `json:"region"`
		Restore string `json:"restoreSessionDocument"`
	}
	for _, r := range before.Deployment.Resources {
		if r.Type == "pulumi:pulumi:Stack" && r.Outputs != nil {
			if err := json.Unmarshal(r.Outputs, &outputs); err != nil {
				return fmt.Errorf("cannot read the outputs of the stack %s: %w", a.stack.Name, err)
			}
		}
	}
	environ := a.env.Apply(a.environ)
	region := cmp.Or(outputs.Region, a.stack.Region, process.Variable(environ, "AWS_REGION"), process.Variable(environ, "AWS_DEFAULT_REGION"))
	name := a.stack.SessionDocument
	version, restored, err := sessions.Restore(context.Background(), environ, region, name, a.stack.Project+"/"+a.stack.Name)
	switch {
	case restored:
		a.say("Put back: the session document %s says again what it said before the stack adopted it (its version %s).", name, version)
	case err != nil && outputs.Restore != "":
		return fmt.Errorf("the rest is destroyed, but what the session document %s said before the stack adopted it was not put back: %w\n"+
			"  Mend that, and run make destroy STACK=%s again; or by hand: %s", name, err, a.stack.Name, outputs.Restore)
	case err != nil && !errors.As(err, new(process.Missing)): // without a CLI there is nothing to ask with, and nothing says that it was adopted
		a.say("Note: whether the session document %s was adopted by this stack could not be seen: %v", name, err)
	}
	return nil
}
