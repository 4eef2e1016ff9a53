package decide

import (
	"fmt"
	"strings"

	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
)

// logBucket checks a log bucket that the stack did not create: where it is, and
// whether its policy denies the instance role's uploads. Nothing on the way of an
// upload reports that it was denied.
func (d *decider) logBucket() {
	name, b := d.config.Logging.BucketName, d.facts.LogBucket
	if name == "" {
		return
	}
	m := mistake.Mistake{Key: "logging.bucketName", Got: name, Fix: []mistake.Fix{
		{Text: "use another bucket:", Commands: []string{d.set("logging.bucketName", "BUCKET")}},
		{Text: "let the stack create one:", Commands: []string{d.unset("logging.bucketName")}},
	}}
	switch {
	case b.Region.Problem != "":
		d.unknown("in which Region the log bucket "+name+" is", b.Region.Problem)
	case b.Region.Value == "":
		m.Problem, m.Allowed = "there is no such bucket", "a bucket that exists"
		d.refuseNew(m)
		return
	case b.Region.Value != d.facts.Scope.Region:
		m.Problem = fmt.Sprintf("the bucket is in %s, and a gateway endpoint leads only to S3 in its own Region, so session logs would not get there", b.Region.Value)
		m.Allowed = "a bucket in " + d.facts.Scope.Region
		d.refuseNew(m)
		return
	}
	if OwnBucket(d.facts.Project, name) {
		return // writers judges the policies of this program's buckets
	}
	if b.Policy.Problem != "" {
		d.unknown("whether the policy of the log bucket "+name+" denies session logs", b.Policy.Problem)
		return
	}
	if b.Policy.Value == "" {
		return
	}
	switch status, sid := d.upload(name).Refusal(b.Policy.Value); status {
	case reach.OK:
	case reach.Unknown:
		d.warn(fmt.Sprintf("the statement %s of the policy of the log bucket %s may deny session logs of this stack's instance role: its conditions decide. After the update, run make verify", statementName(sid), name))
	case reach.Missing:
		m.Problem = fmt.Sprintf("the statement %s of the bucket's policy denies s3:PutObject to this stack's instance role, so session logs would be lost, and nothing would report it", statementName(sid))
		m.Allowed = "a bucket whose policy does not deny it"
		m.Fix = append([]mistake.Fix{{Text: "except roles whose names begin with " + d.facts.Project + "-instance- from the statement. This shows it:", Commands: []string{
			"aws s3api get-bucket-policy --bucket " + name + " --query Policy --output text"}}}, m.Fix...)
		d.refuseNew(m)
	}
}

func statementName(sid string) string {
	if sid == "" {
		return "without a Sid"
	}
	return sid
}

// upload is what is known of the upload of a session log.
func (d *decider) upload(bucket string) reach.Upload {
	s := d.facts.Scope
	u := reach.Upload{
		Account: s.AccountID, ObjectARN: s.BucketARN(bucket + "/" + strings.Trim(d.config.Logging.KeyPrefix+"/log", "/")),
		Role: "arn:" + s.Partition + ":iam::" + s.AccountID + ":role/" + strings.TrimPrefix(d.config.Role.Path, "/") + d.facts.Project + "-instance-",
		Vpc:  d.config.Network.VpcID, Elsewhere: !d.config.Endpoints.Create || d.facts.OwnGateway,
	}
	if e, found := d.facts.Endpoints[endpoint.S3]; found && len(d.GatewayTables) == 0 {
		u.Endpoint = e.ID
	}
	if d.deployed() && !d.config.Network.Existing() {
		u.Elsewhere = true // its VPC and endpoint exist, and are not read
	}
	return u
}
