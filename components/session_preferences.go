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
	// Exists takes up a document that is there already: one that is adopted, or
	// one that a killed update made. The engine passes over it once the document
	// is in the stack.
	Exists bool
	// Adopted leaves the document behind when it leaves the stack: people used
	// it before, and an earlier version of it is theirs.
	Adopted bool
	Labels  Labels
	// After has to be there before the document names it, and may go only after
	// the document has ceased to.
	After Ready
}

// SessionPreferences is the document that tells Session Manager how to run and
// record a session. A change to its content becomes a new version of the
// document, and its default one.
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
