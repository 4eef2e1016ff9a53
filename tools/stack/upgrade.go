package stack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"private-ec2-access/internal/settings"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
)

func (a *app) upgradeCommand() *cobra.Command {
	instance, rolling := "", rollingUpgrade{}
	c := a.onStack(func(args []string) error {
		defer a.busy("upgrade")()
		switch {
		case rolling.fleet != "" && instance != "":
			return process.Usagef("both an instance and a fleet are named. Fix: name one of them")
		case rolling.batch < 1 || rolling.timeout <= 0:
			return process.Usagef("--batch and --timeout: more than 0 is required (got %d and %s)", rolling.batch, rolling.timeout)
		case rolling.fleet != "":
			return a.upgradeFleet(rolling, args)
		}
		if rolling.fleet = a.stack.fleetOf(instance); rolling.fleet != "" {
			rolling.only = instance
			return a.upgradeFleet(rolling, args)
		}
		return a.upgrade(instance, args)
	}, &cobra.Command{
		Use:   "upgrade (--instance NAME | --fleet NAME)",
		Short: "Replace one instance, or a fleet in batches, by the newest image",
		Long: `Pin the newest image of an instance or a fleet in Pulumi.STACK.yaml, and update the stack. Another image replaces an instance, so
an image only changes by this command.

A fleet is replaced in batches. Each batch has to be online, and sessions on it recorded, before the next one begins; the first
failure stops the upgrade. The same command continues it: what is done is read from the images of the instances.`,
		Example: `  stack upgrade --stack dev --instance app
  stack upgrade --stack dev --fleet web --batch 5`,
	})
	c.Flags().StringVar(&instance, "instance", "", "`NAME` of the instance in the stack's config")
	c.Flags().StringVar(&rolling.fleet, "fleet", "", "`NAME` of the fleet in the stack's config")
	c.Flags().IntVar(&rolling.batch, "batch", 1, "`NUMBER` of instances to replace at a time")
	c.Flags().DurationVar(&rolling.timeout, "timeout", usualTimeout, "`DURATION` to wait for the instances of a batch, as 90s or 10m")
	must(c.RegisterFlagCompletionFunc("instance", a.completeInstances()))
	return c
}

// upgrade pins the newest image of one instance in the stack's file and updates the stack.
func (a *app) upgrade(instance string, args []string) error {
	file := filepath.Base(a.stack.File())
	if instance == "" {
		return fmt.Errorf("no instance is named. Fix: make upgrade STACK=%s INSTANCE=NAME, with a name of %s:instances in %s", a.stack.Name, a.stack.Project, file)
	}
	if _, isFleet := a.stack.Fleets[instance]; isFleet {
		return fmt.Errorf("%q is a fleet and no instance. Nothing was changed.\n  Fix: %s", instance, screen.Make(a.stack.Name, "upgrade FLEET="+instance))
	}
	if strings.ContainsAny(instance, "\"[]\\\n") {
		return fmt.Errorf("INSTANCE: not the name of an instance (got %q). Not allowed are the characters \" [ ] and \\", instance)
	}
	if all := a.stack.Instances; len(all) > 0 && !slices.Contains(all, instance) {
		return process.Usagef("INSTANCE=%s is no instance in the config of the stack %s. It has: %s. Nothing was changed.\n  Fix: %s", instance, a.stack.Name,
			strings.Join(all, ", "), screen.Make(a.stack.Name, "upgrade INSTANCE="+cmp.Or(settings.Nearest(instance, all), all[0])))
	}
	if err := a.canConfirm("make upgrade STACK="+a.stack.Name+" INSTANCE="+instance, args); err != nil {
		return err
	}
	if err := a.prepareUpgrade(args); err != nil {
		return err
	}
	parameters, err := a.imageParameters()
	if err != nil {
		return err
	}
	image, err := a.newestImage(instance, parameters)
	if err != nil {
		return err
	}
	pinned, err := a.pinnedImage(instance, a.stack.named())
	if err != nil {
		return err
	}
	if pinned == image {
		a.say("%s pins the newest image already: %s; the update applies it.", file, image)
	} else {
		if err := a.pin("the instance "+instance, a.imageKey(instance), pinned, image); err != nil {
			return err
		}
	}
	if err := a.apply("up", args); err != nil {
		back := "set imageId of the instance " + instance + " there to " + pinned + " again"
		switch pinned {
		case "":
			back = "remove imageId of the instance " + instance + " there, which was not there before"
		case image: // an earlier upgrade pinned it
			back = "set the old imageId of the instance " + instance + " there again, or remove it if it was not there before"
		}
		a.say("%s has the new image. To go back: %s.", file, back)
		return err
	}
	return a.afterUpdate()
}

// prepareUpgrade is prepareUpdate of a stack that is deployed: an upgrade is no way to create one.
func (a *app) prepareUpgrade(args []string) error {
	if err := a.prepareUpdate(false, args); err != nil {
		return err
	}
	d, err := a.export()
	if err == nil && d.cloudResources() == 0 {
		return fmt.Errorf("the stack %s has no AWS resources, so there is nothing to upgrade. Nothing was changed.\n  Fix: %s", a.stack.Name, screen.Make(a.stack.Name, "up"))
	}
	return err
}

// pinnedImage returns the image in the stack's file, "" if there is none. It fails if the file does not list the instances
// and there are several: then Pulumi.yaml lists them, and a file with only one would delete the others.
func (a *app) pinnedImage(instance string, instances int) (string, error) {
	config, err := a.stack.config()
	if err != nil {
		return "", err
	}
	own := mapping(config[a.stack.Project+":instances"])
	if own == nil && instances > 1 {
		return "", fmt.Errorf("the stack %s uses the instances in Pulumi.yaml. Nothing was changed.\n"+
			"  Fix: copy %s:instances with all of them to %s, because naming only one there would delete the others",
			a.stack.Name, a.stack.Project, filepath.Base(a.stack.File()))
	}
	image, _ := nested(own[instance], "imageId").(string)
	return image, a.stack.canSet("instances", instance, own[instance])
}

// pin writes an image into the stack's file, in place of the pinned one.
func (a *app) pin(what, key, pinned, image string) error {
	a.say("• pin the image of %s in %s: %s → %s", what, filepath.Base(a.stack.File()), cmp.Or(pinned, "not pinned in the file"), image)
	return a.pulumi(call{args: []string{"config", "set", "--stack", a.stack.Name, "--path", key, image}, stdout: pipe{a.stderr}, stderr: pipe{a.stderr}})
}

// newestImage reads the newest image of an instance in its parameter.
func (a *app) newestImage(instance string, parameters map[string]string) (string, error) {
	if parameters[instance] == "" {
		list := cmp.Or(strings.Join(slices.Sorted(maps.Keys(parameters)), ", "), "none")
		return "", fmt.Errorf("the stack %s has no newest image for the instance %q. It has one for: %s", a.stack.Name, instance, list)
	}
	return a.readParameter(a.imageKey(instance), parameters[instance])
}

// readParameter reads the id of an image in a parameter. The config key is what the user can set instead.
func (a *app) readParameter(key, parameter string) (string, error) {
	image, err := sessions.Parameter(context.Background(), a.awsEnviron(), a.stack.Region, parameter)
	if err != nil {
		return "", fmt.Errorf("cannot read the newest image's id from the public parameter %s: %w\n"+
			"  Fix: read it in the console (Systems Manager, Parameter Store, Public parameters), then\n"+
			"    %s\n    pulumi config set --stack %s --path '%s' ami-…\n    make up STACK=%[4]s", parameter, err, screen.Environment(a.stack.Name), a.stack.Name, key)
	}
	if !strings.HasPrefix(image, "ami-") {
		return "", fmt.Errorf("the parameter %s: not the ID of an image (got %q). Expected: ami-…", parameter, image)
	}
	return image, nil
}

func (a *app) imageKey(instance string) string {
	return fmt.Sprintf(`%s:instances["%s"].imageId`, a.stack.Project, instance)
}

// imageParameters returns the output imageParameters as the program would export it now: the parameters that name the newest
// images, by instance. A preview says, so that the answer is of now and not of the last update.
func (a *app) imageParameters() (map[string]string, error) {
	a.say("• look up the image parameters by a preview (10 to 30 seconds)")
	r := &screen.Run{Project: a.stack.Project, Stack: a.stack.Name}
	if err := a.watch("preview", call{args: []string{"preview", "--stack", a.stack.Name}}, r); err != nil {
		return nil, err
	}
	return r.Values().ImageParameters, nil
}
