package endpoint

import (
	"private-ec2-access/config"
	"private-ec2-access/internal/iam"
	"private-ec2-access/internal/scope"
)

// S3 is the name of the gateway endpoint's row.
const S3 = "s3"

// Table lists the services in the order in which an instance needs them.
//
// ChinaPrefix marks the services whose names begin with cn. in the China
// Regions, for example ec2 and sts; the AWS CDK keeps a list of them.
var Table = []Service{
	{
		Name: "ssm", Wanted: always, Policy: ownActions("ssm"),
		// https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
		Calls: []string{"ssm:UpdateInstanceInformation"},
	},
	{
		Name: "ssmmessages", Wanted: always, Policy: ownActions("ssmmessages"),
		Calls: []string{
			"ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel",
			"ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel",
		},
	},
	{
		Name:   "logs",
		Wanted: func(c *config.Config) bool { return len(c.Logging.LogGroups("")) > 0 },
		Policy: func(s scope.Scope, u Uses) iam.Document { return iam.LogsEndpointPolicy(s, u.LogGroups) },
	},
	{
		Name:   "kms",
		Wanted: func(c *config.Config) bool { return c.Session.Encryption },
		Policy: func(s scope.Scope, u Uses) iam.Document { return iam.KMSEndpointPolicy(s, u.SessionKeyARN) }, NamesSessionKey: true,
	},
	{
		// Newer Regions do not offer it, and AWS is reported to retire it.
		Name:            "ec2messages",
		Wanted:          func(c *config.Config) bool { return c.Endpoints.EC2Messages != "never" },
		WhereOffered:    func(c *config.Config) bool { return c.Endpoints.EC2Messages == "auto" },
		Policy:          ownActions("ec2messages"),
		OptionalBecause: "agents since 3.3.40.0 do without",
	},
	{
		Name: S3, Gateway: true, Wanted: always,
		Policy: func(s scope.Scope, u Uses) iam.Document { return iam.S3EndpointPolicy(s, u.Archives) }, NamesBucket: true,
	},
}

func always(*config.Config) bool { return true }

// ownActions is the policy of a service whose calls name no resource of the stack.
func ownActions(service string) func(scope.Scope, Uses) iam.Document {
	return func(s scope.Scope, _ Uses) iam.Document { return iam.InterfaceEndpointPolicy(s, service) }
}
