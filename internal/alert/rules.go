package alert

import (
	"slices"

	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/session"
)

// Kinds of events that a stack can ask to be alerted about, in the order of the
// documentation.
const (
	Sessions       = "sessions"       // started, resumed and ended in the Region
	OtherDocuments = "otherDocuments" // sessions under a document that does not log as this stack's does
	Changes        = "changes"        // of what makes sessions recorded and keeps their logs
	BreakGlass     = "breakGlass"     // every call of the break-glass role
)

// Kinds lists all of them.
func Kinds() []string { return []string{Sessions, OtherDocuments, Changes, BreakGlass} }

// Watched is what a stack's rules watch. A rule about something that is empty
// does not exist.
type Watched struct {
	Project           string // the names of the stack's roles and policies begin with it
	Document          string // the session document's name
	Bucket            string // of session logs
	KeyARN            string // of the stack's own key
	LogGroups         []string
	BreakGlassRoleARN string
	// Tunnels is what the names of the documents that forward a port begin with.
	Tunnels string
}

// Rule is one rule of EventBridge.
type Rule struct {
	Name        string // the last part of the rule's name
	Kind        string // that asks for it
	Description string
	Pattern     func(scope.Scope, Watched) Pattern
	// Wanted reports whether there is something to watch. It is asked before the
	// stack exists: what is yet to be created has any name.
	Wanted func(Watched) bool
	// IAM: its events exist only in the partition's Region of IAM.
	IAM bool
}

// Table lists the rules.
var Table = []Rule{
	{
		// No event names the instances of a session's end, so the rule is about every instance of the Region.
		Name: "sessions", Kind: Sessions, Description: "A session was started, resumed or ended in this Region",
		Pattern: func(scope.Scope, Watched) Pattern {
			return call("ssm", exactly("StartSession", "ResumeSession", "TerminateSession"), nil)
		},
	},
	{
		Name: "other-documents", Kind: OtherDocuments, Description: "A session was started with another document than the stack's session document",
		Pattern: func(s scope.Scope, w Watched) Pattern {
			matches := []Match{{But: documentNames(s, w)}}
			if w.Document != session.DefaultDocument {
				matches = append(matches, Match{}) // a call without a document's name gets the account's default
			}
			return call("ssm", exactly("StartSession"), map[string][]Match{"documentName": matches})
		},
	},
	{
		Name: "document", Kind: Changes, Description: "The session document, or the document of a forwarded port, was changed, deleted or shared",
		Pattern: func(s scope.Scope, w Watched) Pattern {
			names := exactly(documentNames(s, w)...)
			if w.Tunnels != "" {
				names = append(names, prefixes(w.Tunnels, s.DocumentARN(w.Tunnels))...)
			}
			return call("ssm", exactly("DeleteDocument", "ModifyDocumentPermission", "UpdateDocument", "UpdateDocumentDefaultVersion"),
				map[string][]Match{"name": names})
		},
	},
	{
		// By prefixes: CloudTrail's names are not those of the API everywhere, as in PutBucketPublicAccessBlock.
		Name: "log-bucket", Kind: Changes, Description: "The log bucket's protection was changed, or the bucket was deleted",
		Pattern: func(_ scope.Scope, w Watched) Pattern {
			return call("s3", prefixes("DeleteBucket", "DeletePublicAccess", "PutBucket", "PutObjectLock", "PutPublicAccess"),
				map[string][]Match{"bucketName": exactly(w.Bucket)})
		},
	},
	{
		Name: "key", Kind: Changes, Description: "The KMS key was disabled, its deletion scheduled, or who may use it changed",
		Wanted: func(w Watched) bool { return w.KeyARN != "" },
		Pattern: func(_ scope.Scope, w Watched) Pattern {
			p := call("kms", exactly("CreateGrant", "DeleteAlias", "DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion", "UpdateAlias"), nil)
			p.Detail.Resources = map[string][]Match{"ARN": exactly(w.KeyARN)}
			return p
		},
	},
	{
		Name: "log-groups", Kind: Changes, Description: "A log group of session logs was deleted, or its key or retention changed",
		Wanted: func(w Watched) bool { return len(w.LogGroups) > 0 },
		Pattern: func(_ scope.Scope, w Watched) Pattern {
			return call("logs", exactly("AssociateKmsKey", "DeleteLogGroup", "DeleteLogStream", "DeleteRetentionPolicy", "DisassociateKmsKey", "PutRetentionPolicy"),
				map[string][]Match{"logGroupName": exactly(w.LogGroups...)})
		},
	},
	{
		Name: "roles", Kind: Changes, Description: "A role of the project was changed or deleted", IAM: true,
		Pattern: func(_ scope.Scope, w Watched) Pattern {
			return call("iam", exactly("AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
				"PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole"),
				map[string][]Match{"roleName": prefixes(w.Project + "-")})
		},
	},
	{
		Name: "policies", Kind: Changes, Description: "A managed policy of the project was changed or deleted", IAM: true,
		Pattern: func(s scope.Scope, w Watched) Pattern {
			return call("iam", exactly("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion"),
				map[string][]Match{"policyArn": {{Wildcard: s.PolicyARN("*" + w.Project + "-*")}}}) // a path may be before the name
		},
	},
	{
		// Without a trail no other rule ever matches.
		Name: "trail", Kind: Changes, Description: "A CloudTrail trail was stopped, changed or deleted",
		Pattern: func(scope.Scope, Watched) Pattern {
			return call("cloudtrail", exactly("DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"), nil)
		},
	},
	{
		Name: "break-glass", Kind: BreakGlass, Description: "The break-glass role made a call",
		Wanted: func(w Watched) bool { return w.BreakGlassRoleARN != "" },
		Pattern: func(_ scope.Scope, w Watched) Pattern {
			// Not only API calls: signing in to the console with the role is another type of event.
			return Pattern{
				DetailType: []string{apiCall, "AWS Console Sign In via CloudTrail"},
				Detail: Detail{UserIdentity: &UserIdentity{SessionContext: SessionContext{
					SessionIssuer: map[string][]Match{"arn": exactly(w.BreakGlassRoleARN)},
				}}},
			}
		},
	},
}

// Rules are those that a stack of the Region has for the kinds of events.
func Rules(s scope.Scope, kinds []string, w Watched) []Rule {
	var rules []Rule
	for _, rule := range Table {
		if slices.Contains(kinds, rule.Kind) && (rule.Wanted == nil || rule.Wanted(w)) && (!rule.IAM || s.Region == s.IAMRegion()) {
			rules = append(rules, rule)
		}
	}
	return rules
}

const apiCall = "AWS API Call via CloudTrail"

func call(service string, names []Match, parameters map[string][]Match) Pattern {
	// CloudTrail writes this suffix in every partition.
	return Pattern{DetailType: []string{apiCall}, Detail: Detail{
		EventSource: []string{service + ".amazonaws.com"}, EventName: names, RequestParameters: parameters,
	}}
}

// documentNames are the ways in which a call can name the document.
func documentNames(s scope.Scope, w Watched) []string {
	return []string{w.Document, s.DocumentARN(w.Document)}
}

// Fields are the fields of an event that the message shows, by the names that
// Message uses. Free text of a caller, such as a session's reason or an error
// message, is not among them: a quotation mark in it would break the message.
func Fields() map[string]string {
	return map[string]string{
		"time": "$.time", "account": "$.account", "region": "$.region",
		"event": "$.detail.eventName", "who": "$.detail.userIdentity.arn", "address": "$.detail.sourceIPAddress",
		"error": "$.detail.errorCode", "target": "$.detail.requestParameters.target",
		"document": "$.detail.requestParameters.documentName", "session": "$.detail.requestParameters.sessionId",
	}
}

// Message is the template of a rule's message. EventBridge leaves out a field
// that an event does not have.
func Message(r Rule, owner string) string {
	return `"` + r.Description + ` (stack ` + owner + `)"
"<event> by <who> from <address> at <time> in <region>, account <account>"
"Instance: <target>  Document: <document>  Session: <session>  Error: <error>"`
}
