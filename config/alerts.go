package config

import (
	"regexp"
	"slices"
	"strings"

	"private-ec2-access/internal/alert"
	"private-ec2-access/internal/settings"
)

// Alerts say where and about what the stack sends alerts. Without a topic and
// without e-mail addresses there are none.
type Alerts struct {
	TopicARN string   `json:"topicArn"`
	Emails   []string `json:"emails"`
	Events   []string `json:"events"`
}

// On reports whether the stack sends alerts.
func (a Alerts) On() bool { return a.TopicARN != "" || len(a.Emails) > 0 }

// OwnTopic reports whether the stack creates the topic.
func (a Alerts) OwnTopic() bool { return a.TopicARN == "" && len(a.Emails) > 0 }

var (
	topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$`)
	email    = regexp.MustCompile(`^[^@\s"<>]+@[^@\s"<>]+\.[^@\s"<>]+$`)
)

func (a Alerts) validate(v *validator) {
	v.check(a.TopicARN == "" || topicARN.MatchString(a.TopicARN), "alerts.topicArn", a.TopicARN,
		"not the ARN of a standard SNS topic", "empty, or arn:PARTITION:sns:REGION:ACCOUNT:NAME")
	v.check(a.TopicARN == "" || len(a.Emails) == 0, "alerts.emails", settings.Show(a.Emails),
		"an existing topic (alerts.topicArn) has its own subscriptions, which this stack does not manage", "empty with alerts.topicArn",
		v.remove("alerts.emails"), v.remove("alerts.topicArn"))
	for i, address := range a.Emails {
		key := settings.Element("alerts.emails", i)
		v.check(email.MatchString(address), key, address, "not an e-mail address", "NAME@DOMAIN")
		v.check(slices.Index(a.Emails, address) == i, key, address, "named twice", "each address once", v.remove(key))
	}
	v.check(len(a.Events) > 0 || !a.On(), "alerts.events", "[]", "alerts are on, but the list of events is empty",
		"any of "+strings.Join(alert.Kinds(), ", "), v.remove("alerts.events"))
	for i, kind := range a.Events {
		key := settings.Element("alerts.events", i)
		v.oneOf(key, kind, alert.Kinds()...)
		v.check(!slices.Contains(alert.Kinds(), kind) || slices.Index(a.Events, kind) == i, key, kind, "named twice",
			strings.Join(alert.Kinds(), ", ")+", each once", v.remove(key))
	}
}
