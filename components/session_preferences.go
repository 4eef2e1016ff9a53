package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// SessionPreferencesArgs describe the session document.
type SessionPreferencesArgs struct {
	DocumentName string
	Content      pulumi.StringInput
	// Exists imports a document that exists already: one that is adopted, or one
	// created by an update that was killed. The engine ignores it once the
	// document is in the stack.
	Exists bool
	// Adopted keeps the document when it leaves the stack: people used it before,
	// and an earlier version holds their content.
	Adopted bool
	Labels  Labels
	// After has to be there before the document names it, and may go only after
	// the document has ceased to.
	After Ready
}

// SessionPreferences is the session document, by which Session Manager runs and
// records sessions. It adds two rules: a change to its content becomes a new
// default version, and an adopted document is never deleted.
type SessionPreferences struct {
	pulumi.ResourceState

	DocumentName pulumi.StringOutput `pulumi:"documentName"`
	DocumentARN  pulumi.StringOutput `pulumi:"documentArn"`
	Ready        Ready
}

// NewSessionPreferences registers the document.
func NewSessionPreferences(ctx *pulumi.Context, name string, args *SessionPreferencesArgs, opts ...pulumi.ResourceOption) (*SessionPreferences, error) {
	if args == nil || args.DocumentName == "" || args.Content == nil {
		return nil, errors.New("session preferences: DocumentName and Content are required")
	}

	c := &SessionPreferences{}
	if err := ctx.RegisterComponentResource(token("SessionPreferences"), name, c, opts...); err != nil {
		return nil, err
	}

	options := []pulumi.ResourceOption{
		pulumi.Parent(c), pulumi.DependsOn(args.After), pulumi.RetainOnDelete(args.Adopted),
	}
	if args.Exists {
		options = append(options, pulumi.Import(pulumi.ID(args.DocumentName)))
	}
	document, err := ssm.NewDocument(ctx, name+"-preferences", &ssm.DocumentArgs{
		Name:           pulumi.String(args.DocumentName),
		DocumentType:   pulumi.String("Session"),
		DocumentFormat: pulumi.String("JSON"),
		Content:        args.Content,
		Tags:           args.Labels.For("preferences"),
	}, options...)
	if err != nil {
		return nil, failed("session preferences", "document", err)
	}

	c.Ready = Ready{document}
	c.DocumentName, c.DocumentARN = document.Name, document.Arn
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"documentName": document.Name, "documentArn": document.Arn,
	})
}
