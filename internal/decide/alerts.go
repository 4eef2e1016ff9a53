package decide

import (
	"slices"
	"strings"

	"private-ec2-access/internal/alert"
	"private-ec2-access/internal/mistake"
)

// alerts refuses a topic to which EventBridge cannot publish from here, and says
// which events do not reach the stack.
func (d *decider) alerts() {
	a, s := d.config.Alerts, d.facts.Scope
	if !a.On() {
		return
	}
	if !strings.HasPrefix(a.TopicARN, s.ARN("sns", "")) && a.TopicARN != "" {
		d.refuse(mistake.Mistake{
			Key: "alerts.topicArn", Got: a.TopicARN,
			Problem: "EventBridge publishes only to a topic in the Region of its rules, and the stack's alerts come from its own account",
			Allowed: s.ARN("sns", "NAME"),
			Fix:     mistake.Run(d.set("alerts.topicArn", s.ARN("sns", "NAME"))),
		})
	}
	d.say("alerts arrive only if a CloudTrail trail logs the management events of " + s.Region + ". The preview cannot check that; after the update, run make audit")
	if a.TopicARN != "" {
		d.say("the topic " + a.TopicARN + " gets alerts if its policy, and that of its KMS key, allow events.amazonaws.com: start a session to test it")
	}
	if slices.Contains(a.Events, alert.Changes) && s.Region != s.IAMRegion() {
		d.warn("changes of roles and policies cause no alert: AWS sends the events of IAM only in " + s.IAMRegion() + ", and this stack is in " + s.Region)
	}
}
