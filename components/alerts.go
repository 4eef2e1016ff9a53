package components

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// AlertsArgs describe alerts about events of the account.
type AlertsArgs struct {
	TopicARN string // of an existing topic; empty: a topic is created
	// KeyARN encrypts the topic that is created, and TopicPolicy builds its policy
	// from its ARN. Required without TopicARN: EventBridge cannot use AWS's own
	// key of SNS (https://repost.aws/knowledge-center/sns-not-getting-eventbridge-notification).
	KeyARN      pulumi.StringInput
	TopicPolicy func(topicARN string) string
	Emails      []string // that are subscribed to the topic that is created
	Rules       []AlertRule
	Labels      Labels
	After       Ready // what has to be there before the topic is of use: the key's policy
}

// AlertRule is a rule of EventBridge whose events become messages.
type AlertRule struct {
	Name, Description string
	Pattern           pulumi.StringInput
	Fields            map[string]string // of the event, that Message shows
	Message           string
}

// Alerts sends what matches a rule to an SNS topic. A rule exists only together
// with its target, and the topic's policy exists before both: an event that comes
// in between would be lost.
type Alerts struct {
	pulumi.ResourceState

	TopicARN pulumi.StringOutput `pulumi:"topicArn"`
}

// NewAlerts registers the topic, its subscriptions and the rules. A person has
// to confirm each subscription in an e-mail that AWS sends.
func NewAlerts(ctx *pulumi.Context, name string, args *AlertsArgs, opts ...pulumi.ResourceOption) (*Alerts, error) {
	if args == nil || len(args.Rules) == 0 {
		return nil, errors.New("alerts: Rules are required")
	}
	if args.TopicARN == "" && (args.KeyARN == nil || args.TopicPolicy == nil) {
		return nil, errors.New("alerts: TopicARN, or KeyARN and TopicPolicy, are required")
	}
	c := &Alerts{}
	if err := ctx.RegisterComponentResource(token("Alerts"), name, c, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(c)

	after := args.After
	if c.TopicARN = pulumi.String(args.TopicARN).ToStringOutput(); args.TopicARN == "" {
		topic, err := sns.NewTopic(ctx, name+"-alerts", &sns.TopicArgs{
			KmsMasterKeyId: args.KeyARN.ToStringOutput().ToStringPtrOutput(),
			Tags:           args.Labels.For("alerts"),
		}, child)
		if err != nil {
			return nil, failed("alerts", "topic", err)
		}
		c.TopicARN = topic.Arn
		policy, err := sns.NewTopicPolicy(ctx, name+"-alerts", &sns.TopicPolicyArgs{
			Arn:    topic.Arn,
			Policy: topic.Arn.ApplyT(args.TopicPolicy).(pulumi.StringOutput),
		}, child)
		if err != nil {
			return nil, failed("alerts", "topic policy", err)
		}
		after = append(after, policy)
	}
	for _, address := range args.Emails {
		sum := sha256.Sum256([]byte(address))
		if _, err := sns.NewTopicSubscription(ctx, name+"-alerts-"+hex.EncodeToString(sum[:4]), &sns.TopicSubscriptionArgs{
			Topic:    c.TopicARN,
			Protocol: pulumi.String("email"),
			Endpoint: pulumi.String(address),
		}, child); err != nil {
			return nil, failed("alerts", address, err)
		}
	}
	for _, rule := range args.Rules {
		made, err := cloudwatch.NewEventRule(ctx, name+"-alert-"+rule.Name, &cloudwatch.EventRuleArgs{
			Description:  pulumi.String(rule.Description),
			EventPattern: rule.Pattern.ToStringOutput().ToStringPtrOutput(),
			Tags:         args.Labels.For("alert-" + rule.Name),
		}, child, pulumi.DependsOn(after))
		if err != nil {
			return nil, failed("alerts", "rule "+rule.Name, err)
		}
		if _, err := cloudwatch.NewEventTarget(ctx, name+"-alert-"+rule.Name, &cloudwatch.EventTargetArgs{
			Rule: made.Name,
			Arn:  c.TopicARN,
			InputTransformer: &cloudwatch.EventTargetInputTransformerArgs{
				InputPaths:    pulumi.ToStringMap(rule.Fields),
				InputTemplate: pulumi.String(rule.Message),
			},
		}, child); err != nil {
			return nil, failed("alerts", "target of "+rule.Name, err)
		}
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"topicArn": c.TopicARN})
}
