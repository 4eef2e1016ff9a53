package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"private-ec2-access/internal/iam"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
)

// Types of what a destroy may leave behind and somebody has to know of.
const (
	bucketType   = "aws:s3/bucketV2:BucketV2"
	logGroupType = "aws:cloudwatch/logGroup:LogGroup"
	keyType      = "aws:kms/key:Key"
	profileType  = "aws:iam/instanceProfile:InstanceProfile"
)

// kept is what a destroy leaves behind: it is dropped from the state without a call to AWS.
type kept struct {
	buckets, logGroups, keys []string
	// resources counts everything, what protects the records too.
	resources int
}

// kept reads it from the state before the destroy. A destroy that was killed may have dropped the bucket already; then
// the component that it was in shows that there was something to keep, and the stack's outputs have its name.
func (d *deployment) kept() (k kept) {
	archive := false
	for _, r := range d.Deployment.Resources {
		switch {
		case !r.RetainOnDelete:
		case !r.Custom:
			archive = archive || strings.HasSuffix(string(r.Type), ":LogArchive")
		default:
			k.resources++
			switch id := string(r.ID); r.Type {
			case bucketType:
				k.buckets = append(k.buckets, id)
			case logGroupType:
				k.logGroups = append(k.logGroups, id)
			case keyType:
				k.keys = append(k.keys, id)
			}
		}
	}
	if bucket := d.values().LogBucket; archive && len(k.buckets) == 0 && bucket != "" {
		k.buckets = []string{bucket}
	}
	return k
}

// printKept prints what is kept, and how to read, reuse and delete it.
func (a *app) printKept(k kept, region string) {
	var b strings.Builder
	for _, bucket := range k.buckets {
		fmt.Fprintf(&b, "Kept: the log bucket %s, with every session log and version in it, its public access block, object ownership, policy, encryption, versioning and lifecycle.\n"+
			"  To read:\n"+
			"    aws s3 ls --recursive s3://%[1]s\n"+
			"  To reuse (without it, make up creates another bucket):\n"+
			"    # its policy lets only the role of this deployment write; this needs jq\n    %[4]s\n"+
			"    pulumi config set --path '%[3]s:logging.bucketName' %[1]s\n"+
			"    make up STACK=%[2]s\n"+
			"  To delete:\n", bucket, a.stack.Name, a.stack.Project, strings.Join(iam.UnlimitCommands(bucket), "\n    "))
		if a.stack.Emulated {
			fmt.Fprintln(&b, "    make down    # the emulator keeps everything in memory, also what other stacks have in it")
		} else {
			fmt.Fprintf(&b, "    # empty it with all versions (S3 console: Empty), then\n    aws s3api delete-bucket --bucket %s\n", bucket)
		}
	}
	for _, group := range k.logGroups {
		fmt.Fprintf(&b, "Kept: the log group %s, with every event in it, its key and its retention.\n"+
			"  To read:\n    aws logs filter-log-events --region %[3]s --log-group-name %[1]s --query 'events[].[message]' --output text\n"+
			"  To reuse:\n    make up STACK=%[2]s\n"+
			"  To delete:\n    aws logs delete-log-group --region %[3]s --log-group-name %[1]s\n", group, a.stack.Name, region)
	}
	for _, key := range k.keys {
		fmt.Fprintf(&b, "Kept: the KMS key %s, enabled and with its policy. Without it nobody can read what is encrypted with it.\n"+
			"  To delete, when nothing of that is left:\n    aws kms schedule-key-deletion --region %[2]s --key-id %[1]s\n", key, region)
	}
	if text := b.String(); text != "" {
		a.say("%s%s", text, screen.ShellHint(text, a.stack.Name))
	}
}

// restoreDocument puts back the session document that the stack adopted, if it adopted one. It reads the document itself, not
// the state, so a destroy that was killed before this can be run again. Before is the state before the destroy.
func (a *app) restoreDocument(before *deployment) error {
	name, command := a.stack.SessionDocument, before.values().RestoreSessionDocument
	version, restored, err := sessions.Restore(context.Background(), a.awsEnviron(), a.region(before), name, a.stack.Owner())
	switch {
	case restored:
		a.say("Put back: the session document %s has the content again that it had before the stack adopted it (its version %s).", name, version)
	case err != nil && command != "":
		return fmt.Errorf("everything else is deleted, but the earlier content of the session document %s was not put back: %w\n"+
			"  Fix: remove that cause, and run make destroy STACK=%s again; or run %s", name, err, a.stack.Name, command)
	case err != nil && !errors.As(err, new(process.Missing)): // without the AWS CLI, nothing says that it was adopted
		a.say("Note: cannot tell whether this stack had adopted the session document %s: %v", name, err)
	}
	return nil
}
