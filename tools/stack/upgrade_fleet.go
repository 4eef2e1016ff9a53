package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"private-ec2-access/config"
	"private-ec2-access/tools/sessions"
)

// rollingUpgrade says how to upgrade a fleet.
type rollingUpgrade struct {
	fleet   string
	only    string // this instance of the fleet; "" is all of them
	batch   int
	timeout time.Duration
}

const usualTimeout = 10 * time.Minute

// again is the command that continues the upgrade.
func (u rollingUpgrade) again(stack string) string {
	command := fmt.Sprintf("make upgrade STACK=%s FLEET=%s BATCH=%d", stack, u.fleet, u.batch)
	if u.only != "" {
		command = fmt.Sprintf("make upgrade STACK=%s INSTANCE=%s", stack, u.only)
	}
	if u.timeout != usualTimeout {
		command += " TIMEOUT=" + u.timeout.String()
	}
	return command
}

// upgradeFleet replaces the instances of a fleet that do not have its image, in batches. The image that is pinned in the
// stack's file is the target while an instance has another one, so that an upgrade that stopped goes on to the image that it
// began with; then it is the newest.
func (a *app) upgradeFleet(u rollingUpgrade, args []string) error {
	members := a.stack.fleetInstances(u.fleet)
	if len(members) == 0 {
		return fmt.Errorf("the stack %s has no fleet %q with instances. Nothing was changed", a.stack.Name, u.fleet)
	}
	if u.only != "" {
		members = []string{u.only}
	}
	if err := a.canConfirm(u.again(a.stack.Name), args); err != nil {
		return err
	}
	if err := a.prepareUpgrade(args); err != nil {
		return err
	}
	ctx := context.Background()
	images, err := sessions.Images(ctx, a.setting())
	if err != nil {
		return err
	}
	written, _ := a.fleetSetting(u.fleet, "imageId").(string)
	pinned := written
	done, behind := split(members, images, pinned)
	if pinned == "" || len(behind) == 0 {
		if pinned, err = a.pinNewest(u.fleet, members[0], pinned); err != nil {
			return err
		}
		done, behind = split(members, images, pinned)
	}
	old := ""
	if len(behind) > 0 {
		old = images[behind[0]]
	}
	stopped := func(err error) error {
		now, problem := sessions.Images(ctx, a.setting())
		replaced := problem != nil || slices.ContainsFunc(members, func(name string) bool { return now[name] != images[name] || images[name] == pinned })
		a.say("The upgrade of the fleet %s stopped: no further instance is replaced. When the cause is fixed, this continues it:\n    %s\n%s",
			u.fleet, u.again(a.stack.Name), a.goBack(u.fleet, replaced, written, pinned, old))
		return err
	}
	// The update of the last batch may have been killed before it was online.
	if err := sessions.Ready(ctx, a.setting(), done, last(done, u.batch), u.timeout); err != nil {
		return stopped(err)
	}
	if len(behind) == 0 {
		a.say("Every instance of the fleet %s that was to be upgraded has the image %s.", u.fleet, pinned)
		return nil
	}
	batches := slices.Collect(slices.Chunk(behind, u.batch))
	a.say("The fleet %s: %d instances have the image %s, %d are replaced in %d batches.", u.fleet, len(done), pinned, len(behind), len(batches))
	for i, batch := range batches {
		a.say("• batch %d of %d: %s", i+1, len(batches), strings.Join(batch, ", "))
		if i > 0 && !hasYes(args) { // the first batch was confirmed, and the others do the same
			args = append([]string{"--yes", "--skip-preview"}, args...)
		}
		a.env.set(config.UpgradeVariable, strings.Join(batch, ","))
		if err := a.apply("up", args); err != nil {
			return stopped(err)
		}
		if i == 0 { // the first update applies everything else that the config says
			if err := a.afterUpdate(); err != nil {
				return stopped(err)
			}
		}
		if err := sessions.Ready(ctx, a.setting(), batch, batch, u.timeout); err != nil {
			return stopped(err)
		}
	}
	a.say("Every instance of the fleet %s that was to be upgraded has the image %s, is online, and sessions on it are recorded.", u.fleet, pinned)
	return nil
}

// split tells the instances that have an image from those that have another one or do not exist.
func split(members []string, images map[string]string, image string) (done, behind []string) {
	for _, name := range members {
		if images[name] == image && image != "" {
			done = append(done, name)
		} else {
			behind = append(behind, name)
		}
	}
	return done, behind
}

func last(names []string, count int) []string { return names[max(0, len(names)-count):] }

// goBack says how to undo an upgrade that stopped. The same command goes back to the image in the file, but only if an instance has
// another one: otherwise it would upgrade again. The file had the image written before, and the instances the image old.
func (a *app) goBack(fleet string, replaced bool, written, pinned, old string) string {
	file := filepath.Base(a.stack.File())
	switch {
	case replaced && old == "":
		return fmt.Sprintf("To go back, set the old imageId of the fleet %s in %s, and run the same command.", fleet, file)
	case replaced:
		return fmt.Sprintf("To go back, set imageId of the fleet %s in %s to %s, and run the same command.", fleet, file, old)
	case written == "":
		return fmt.Sprintf("To go back, remove imageId of the fleet %s in %s, which was not there before. No instance was replaced, so no command is needed.", fleet, file)
	case written == pinned: // an earlier upgrade wrote it
		return fmt.Sprintf("To go back, set the old imageId of the fleet %s in %s, or remove it if it was not there before. No instance was replaced, so no command is needed.", fleet, file)
	}
	return fmt.Sprintf("To go back, set imageId of the fleet %s in %s to %s again. No instance was replaced, so no command is needed.", fleet, file, written)
}

// pinNewest writes the newest image of a fleet into the stack's file, and returns it.
func (a *app) pinNewest(fleet, member, pinned string) (string, error) {
	parameters, err := a.imageParameters()
	if err != nil {
		return "", err
	}
	if err := a.stack.canSet("fleets", fleet, a.stack.Fleets[fleet]); err != nil {
		return "", err
	}
	key := fmt.Sprintf(`%s:fleets["%s"].imageId`, a.stack.Project, fleet)
	image, err := a.readParameter(key, parameters[member])
	if err != nil || image == pinned {
		return image, err
	}
	return image, a.pin("the fleet "+fleet, key, pinned, image)
}

// fleetSetting is what the config says of a fleet.
func (a *app) fleetSetting(fleet, key string) any { return nested(a.stack.Fleets[fleet], key) }
