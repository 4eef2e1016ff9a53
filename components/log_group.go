package components

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// LogGroupArgs describe a log group of session logs.
type LogGroupArgs struct {
	GroupName       string
	RetentionInDays int                // one of the periods that AWS offers; 0 keeps every event
	KeyARN          pulumi.StringInput // nil: CloudWatch Logs' own encryption
	Exists          bool               // it exists from a previous deployment of this stack, and is imported
	KeepRecords     bool               // leave the group behind when it leaves the stack
	RefuseDestroy   bool               // make whatever would delete the group fail before it deletes anything
	Labels          Labels
	After           Ready // what has to be there before the group is encrypted
}

// LogGroup is a group in CloudWatch Logs that the agent writes sessions to, one
// stream a session. The agent never creates a group, so it has to exist before a
// session document names it.
//
// Its key can be changed and removed in place. Events that were written before
// stay encrypted with the key that was in use then
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
type LogGroup struct {
	pulumi.ResourceState

	GroupName pulumi.StringOutput `pulumi:"groupName"`
	Ready     Ready
}

// NewLogGroup registers the group.
func NewLogGroup(ctx *pulumi.Context, name string, args *LogGroupArgs, opts ...pulumi.ResourceOption) (*LogGroup, error) {
	if args == nil || args.GroupName == "" {
		return nil, errors.New("log group: GroupName is required")
	}

	c := &LogGroup{}
	if err := ctx.RegisterComponentResource(token("LogGroup"), name, c, opts...); err != nil {
		return nil, err
	}
	options := []pulumi.ResourceOption{
		pulumi.Parent(c), pulumi.DependsOn(args.After), keeping(args.KeepRecords, args.RefuseDestroy),
	}
	if args.Exists {
		// The engine ignores this once the group is in the stack.
		options = append(options, pulumi.Import(pulumi.ID(args.GroupName)))
	}
	var key pulumi.StringPtrInput
	if args.KeyARN != nil {
		key = args.KeyARN.ToStringOutput().ToStringPtrOutput()
	}
	group, err := cloudwatch.NewLogGroup(ctx, name+"-records", &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(args.GroupName),
		RetentionInDays: pulumi.Int(args.RetentionInDays),
		KmsKeyId:        key,
		Tags:            args.Labels.For("sessions"),
	}, options...)
	if err != nil {
		return nil, failed("log group", args.GroupName, err)
	}

	c.Ready = Ready{group}
	c.GroupName = group.Name
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"groupName": group.Name})
}
