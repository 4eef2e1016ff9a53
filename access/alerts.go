package access

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/components"
	"private-ec2-access/internal/alert"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/people"
)

// alerts creates the rules that the arguments ask for. It gives nil without any.
func (r recipe) alerts(to logs) (*components.Alerts, error) {
	a := r.args.Alerts
	if a.TopicARN == "" && len(a.Emails) == 0 {
		return nil, nil
	}
	planned := alert.Watched{
		Project: r.name, Document: r.args.Session.DocumentName, LogGroups: r.args.Logging.LogGroups,
	}
	// What there is to watch is known before its ARN.
	if r.args.Key.Create {
		planned.KeyARN = r.args.Key.Alias
	}
	at := people.Place{Scope: r.scope, Names: people.Names(r.name, r.ctx.Stack()), Path: r.args.Role.Path}
	planned.BreakGlassRoleARN = r.args.People.BreakGlassRoleARN(at)
	if len(r.args.People.Tunnels(at.Names)) > 0 {
		planned.Tunnels = people.TunnelNames(at.Names)
	}
	args := &components.AlertsArgs{
		TopicARN:    a.TopicARN,
		KeyARN:      to.keyARN,
		TopicPolicy: func(topicARN string) string { return iam.TopicPolicy(topicARN).JSON() },
		Emails:      a.Emails,
		Labels:      r.labels(),
		After:       to.granted,
	}
	for _, rule := range alert.Rules(r.scope, a.Events, planned) {
		args.Rules = append(args.Rules, components.AlertRule{
			Name:        rule.Name,
			Description: rule.Description,
			Pattern: pulumi.All(to.bucket, to.keyARN).ApplyT(func(known []any) string {
				watched := planned
				watched.Bucket, watched.KeyARN = known[0].(string), known[1].(string)
				return rule.Pattern(r.scope, watched).JSON()
			}).(pulumi.StringOutput),
			Fields:  alert.Fields(),
			Message: alert.Message(rule, r.owner),
		})
	}
	return components.NewAlerts(r.ctx, r.name, args, r.child())
}
