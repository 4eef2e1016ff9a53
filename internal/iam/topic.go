package iam

// eventBridge is the principal of EventBridge, which has this name in every
// partition.
const eventBridge = "events.amazonaws.com"

// TopicPolicy lets EventBridge publish alerts to a topic. People read and
// subscribe where the account's own policies allow it. Without a condition, for
// the reason given with the key's statement: another account's rule that knows
// the topic could publish to it, and nothing else.
func TopicPolicy(topicARN string) Document {
	return document(Statement{
		Sid:       "PublishAlerts",
		Effect:    Allow,
		Principal: Service(eventBridge),
		Action:    []string{"sns:Publish"},
		Resource:  []string{topicARN},
	})
}
