package components

import (
	"errors"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// PeopleArgs describe who may start sessions and read their logs.
type PeopleArgs struct {
	Names       string // that of every policy and role begins with it
	Policies    []PeoplePolicy
	Roles       []PeopleRole
	Tunnels     map[string]pulumi.StringInput // session documents that forward a port, by name
	BoundaryARN string                        // of the roles; empty: none
	Path        string                        // of policies and roles; empty: "/"
	Labels      Labels
}

// PeoplePolicy is a managed policy.
type PeoplePolicy struct {
	Part, Description string
	Document          pulumi.StringInput
}

// PeopleRole is a role with the policy of the same part.
type PeopleRole struct {
	Part, Description  string
	Trust              string
	MaxSessionDuration int
}

// People are the managed policies for operators, auditors and break-glass, the
// roles that people assume, and the documents of forwarded ports.
//
// Policies and roles have names that can be told beforehand, because permission
// sets of IAM Identity Center name a policy and commands name a role. So another
// path deletes them before it creates them.
type People struct {
	pulumi.ResourceState

	PolicyARNs map[string]pulumi.StringOutput // by part
	RoleARNs   map[string]pulumi.StringOutput
}

// NewPeople registers policies, roles and documents.
func NewPeople(ctx *pulumi.Context, name string, args *PeopleArgs, opts ...pulumi.ResourceOption) (*People, error) {
	if args == nil || args.Names == "" || len(args.Policies) == 0 {
		return nil, errors.New("people: Names and Policies are required")
	}
	c := &People{PolicyARNs: map[string]pulumi.StringOutput{}, RoleARNs: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource(token("People"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Composite(pulumi.Parent(c), pulumi.DeleteBeforeReplace(true))

	for _, wanted := range args.Policies {
		policy, err := iam.NewPolicy(ctx, name+"-"+wanted.Part, &iam.PolicyArgs{
			Name:        pulumi.String(args.Names + "-" + wanted.Part),
			Description: pulumi.String(wanted.Description),
			Policy:      wanted.Document,
			Path:        optional(args.Path),
			Tags:        args.Labels.For(wanted.Part),
		}, child)
		if err != nil {
			return nil, failed("people", wanted.Part, err)
		}
		c.PolicyARNs[wanted.Part] = policy.Arn
	}
	for _, wanted := range args.Roles {
		role, err := iam.NewRole(ctx, name+"-"+wanted.Part, &iam.RoleArgs{
			Name:                pulumi.String(args.Names + "-" + wanted.Part),
			Description:         pulumi.String(wanted.Description),
			AssumeRolePolicy:    pulumi.String(wanted.Trust),
			MaxSessionDuration:  pulumi.Int(wanted.MaxSessionDuration),
			PermissionsBoundary: optional(args.BoundaryARN),
			Path:                optional(args.Path),
			Tags:                args.Labels.For(wanted.Part),
		}, child)
		if err != nil {
			return nil, failed("people", wanted.Part, err)
		}
		_, err = iam.NewRolePolicyAttachment(ctx, name+"-"+wanted.Part, &iam.RolePolicyAttachmentArgs{
			Role: role.Name, PolicyArn: c.PolicyARNs[wanted.Part],
		}, child)
		if err != nil {
			return nil, failed("people", wanted.Part, err)
		}
		c.RoleARNs[wanted.Part] = role.Arn
	}
	for _, document := range slices.Sorted(maps.Keys(args.Tunnels)) {
		_, err := ssm.NewDocument(ctx, document, &ssm.DocumentArgs{
			Name:           pulumi.String(document),
			DocumentType:   pulumi.String("Session"),
			DocumentFormat: pulumi.String("JSON"),
			Content:        args.Tunnels[document],
			Tags:           args.Labels.For("tunnel"),
			// A content that an earlier version has would be refused, so another
			// content is another document of the same name.
		}, child, pulumi.ReplaceOnChanges([]string{"content"}))
		if err != nil {
			return nil, failed("people", document, err)
		}
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
