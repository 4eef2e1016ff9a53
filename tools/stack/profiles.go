package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"private-ec2-access/internal/outputs"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/sessions"
)

// profilePatience is how long EC2 may take to know an instance profile that was just created.
const profilePatience = time.Minute

// attachProfiles attaches the stack's instance profile to the existing instances that need it, and detaches it from those
// that the config no longer names. What it attached is in the stack's outputs: before has those of the last update. A profile
// that somebody else attached stays.
func (a *app) attachProfiles(before *deployment) error {
	if len(before.values().ExistingProfiles) == 0 && !a.stack.BringsIn {
		return nil
	}
	after, err := a.export()
	if err != nil {
		return err
	}
	had, wanted := before.values().ExistingProfiles, after.values().ExistingProfiles
	profile, region := after.values().InstanceProfileName, a.region(after)
	var failures []error
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		one := wanted[name]
		attached, err := sessions.AttachProfile(context.Background(), a.awsEnviron(), region, profile, one.InstanceID, profilePatience)
		switch {
		case err != nil:
			failures = append(failures, fmt.Errorf("the existing instance %s (%s) has no instance profile: %w\n  Fix: remove the cause, and run make up STACK=%s again; or run\n    %s",
				name, one.InstanceID, err, a.stack.Name, one.Attach))
		case attached:
			a.say("Attached: the instance profile %s to %s (%s), which had none. make destroy detaches it. The agent may take up to an hour to notice; a reboot takes effect at once.",
				profile, name, one.InstanceID)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(had)) {
		id := had[name].InstanceID
		if !slices.ContainsFunc(slices.Collect(maps.Values(wanted)), func(p outputs.ExistingProfile) bool { return p.InstanceID == id }) {
			failures = append(failures, a.letGo(region, profile, name, had[name]))
		}
	}
	return errors.Join(failures...)
}

// letGo detaches the stack's instance profile from an instance that had none before.
func (a *app) letGo(region, profile, name string, p outputs.ExistingProfile) error {
	users, err := sessions.ProfileUsers(context.Background(), a.awsEnviron(), region, profile)
	for _, u := range users {
		if u.InstanceID == p.InstanceID && err == nil {
			if err = sessions.DetachProfile(context.Background(), a.awsEnviron(), region, u.ID); err == nil {
				a.say("Detached: the instance profile %s from %s (%s), which the config no longer names. It has none now, as before.", profile, name, p.InstanceID)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("the instance profile of this stack is still on %s (%s), which the config no longer names: %w\n  Fix:\n    %s", name, p.InstanceID, err, p.Detach)
	}
	return nil
}

// profileUsers lists the instances that have the stack's instance profile and are not the stack's: those that make up
// attached it to, and those that somebody else did. When the profile is deleted, it has to come off them.
func (a *app) profileUsers(before *deployment) ([]sessions.Association, error) {
	profile := before.values().InstanceProfileName
	if profile == "" {
		return nil, nil
	}
	users, err := sessions.ProfileUsers(context.Background(), a.awsEnviron(), a.region(before), profile)
	if err != nil {
		if len(before.values().ExistingProfiles) == 0 {
			if !errors.As(err, new(process.Missing)) {
				a.say("Note: cannot tell whether other instances have this stack's instance profile: %v", err)
			}
			return nil, nil
		}
		return nil, fmt.Errorf("cannot tell which existing instances have this stack's instance profile, which a destroy deletes. Nothing was deleted: %w", err)
	}
	own := before.ownInstances()
	return slices.DeleteFunc(users, func(u sessions.Association) bool { return slices.Contains(own, u.InstanceID) }), nil
}

// detach takes the profile that a destroy has deleted off the instances that had it.
func (a *app) detach(before *deployment, users []sessions.Association) error {
	region := a.region(before)
	var failures []error
	for _, u := range users {
		if err := sessions.DetachProfile(context.Background(), a.awsEnviron(), region, u.ID); err != nil {
			failures = append(failures, fmt.Errorf("the instance profile %s is deleted, but still on %s: %w\n  Fix:\n    aws ec2 disassociate-iam-instance-profile --region %s --association-id %s",
				u.Profile, u.InstanceID, err, region, u.ID))
			continue
		}
		a.say("Detached: the deleted instance profile %s from %s, which has none now.", u.Profile, u.InstanceID)
	}
	return errors.Join(failures...)
}
