package sessions

import (
	"context"
	"fmt"
	"time"
)

// Association is an instance profile on an instance. Profile is its name.
type Association struct{ ID, InstanceID, Profile string }

// associations lists the instance profiles of instances: of one, or, without an id, of all.
func (c *client) associations(ctx context.Context, instance string) ([]Association, error) {
	filters := []input{{"Name": "state", "Values": []string{"associating", "associated"}}}
	if instance != "" {
		filters = append(filters, input{"Name": "instance-id", "Values": []string{instance}})
	}
	var answer struct {
		Associations []struct {
			AssociationID, InstanceID string
			IamInstanceProfile        struct{ Arn string }
		} `json:"IamInstanceProfileAssociations"`
	}
	err := c.call(ctx, &answer, "ec2", "describe-iam-instance-profile-associations", input{"Filters": filters})
	var all []Association
	for _, a := range answer.Associations {
		all = append(all, Association{a.AssociationID, a.InstanceID, lastPart(a.IamInstanceProfile.Arn)})
	}
	return all, err
}

// ProfileUsers lists the instances that have an instance profile.
func ProfileUsers(ctx context.Context, environ []string, region, profile string) ([]Association, error) {
	c := newClient(environ, region)
	all, err := c.associations(ctx, "")
	var users []Association
	for _, a := range all {
		if a.Profile == profile {
			users = append(users, a)
		}
	}
	return users, err
}

// AttachProfile attaches an instance profile to an instance that has none, and reports whether it did. A profile that the
// instance has is never replaced. EC2 may take some seconds to know a new profile.
func AttachProfile(ctx context.Context, environ []string, region, profile, instance string, patience time.Duration) (bool, error) {
	c := newClient(environ, region)
	has, err := c.associations(ctx, instance)
	switch {
	case err != nil:
		return false, err
	case len(has) > 0 && has[0].Profile == profile:
		return false, nil
	case len(has) > 0:
		return false, fmt.Errorf("it has got the instance profile %s meanwhile, which is not replaced", has[0].Profile)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(min(patience, 2*time.Second)) {
		err := c.call(ctx, nil, "ec2", "associate-iam-instance-profile", input{"InstanceId": instance, "IamInstanceProfile": input{"Name": profile}})
		if !isCode(err, "InvalidParameterValue") || time.Now().After(deadline) {
			return err == nil, err
		}
	}
}

// DetachProfile detaches an instance profile. One that is detached already, and an instance that is gone, are no error.
func DetachProfile(ctx context.Context, environ []string, region, association string) error {
	c := newClient(environ, region)
	err := c.call(ctx, nil, "ec2", "disassociate-iam-instance-profile", input{"AssociationId": association})
	if isCode(err, "InvalidAssociationID.NotFound") {
		return nil
	}
	return err
}
