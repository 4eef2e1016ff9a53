package stack

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"private-ec2-access/tools/screen"
	"private-ec2-access/tools/sessions"
)

func (a *app) upgradeCommand() *cobra.Command {
	instance := ""
	c := a.onStack(func(args []string) error { return a.upgrade(instance, args) }, &cobra.Command{
		Use:   "upgrade --instance NAME",
		Short: "Pin the newest image of one instance, and update the stack",
		Long: `Pin the newest image of one instance in Pulumi.STACK.yaml, and update the stack. Another image replaces the instance, so an
image only changes by this command.`,
		Example: "  stack upgrade --stack dev --instance app",
	})
	c.Flags().StringVar(&instance, "instance", "", "`NAME` of the instance in the stack's config")
	must(c.RegisterFlagCompletionFunc("instance", a.completeInstances()))
	return c
}

// upgrade pins the newest image of one instance in the stack's file and updates the stack.
func (a *app) upgrade(instance string, args []string) error {
	file := filepath.Base(a.stack.File())
	if instance == "" {
		return fmt.Errorf("no instance is named. Fix: make upgrade STACK=%s INSTANCE=NAME, with a name of %s:instances in %s", a.stack.Name, a.stack.Project, file)
	}
	if err := a.canConfirm("upgrade", args); err != nil {
		return err
	}
	if strings.ContainsAny(instance, "\"[]\\\n") {
		return fmt.Errorf("INSTANCE: not the name of an instance (got %q). Not allowed are the characters \" [ ] and \\", instance)
	}
	if err := a.prepareUpdate(false); err != nil {
		return err
	}
	image, names, err := a.newestImage(instance)
	if err != nil {
		return err
	}
	pinned, err := a.pinnedImage(instance, len(names))
	if err != nil {
		return err
	}
	if pinned == image {
		a.say("The instance %s has the newest image already: %s.", instance, image)
	} else {
		if pinned == "" {
			pinned = "not pinned in the file"
		}
		a.say("• pin the image of the instance %s in %s: %s → %s", instance, file, pinned, image)
		if err := a.pulumi(call{args: []string{"config", "set", "--stack", a.stack.Name, "--path", a.imageKey(instance), image}, stdout: a.stderr}); err != nil {
			return err
		}
	}
	if err := a.apply("up", args); err != nil {
		a.say("%s has the new image. To go back: git diff %[1]s shows the old imageId; set it again.", file)
		return err
	}
	return nil
}

// pinnedImage returns the image in the stack's file, "" if there is none. It fails if the file does not list the instances
// and there are several: then Pulumi.yaml lists them, and a file with only one would delete the others.
func (a *app) pinnedImage(instance string, instances int) (string, error) {
	config, err := a.stack.config()
	if err != nil {
		return "", err
	}
	own, _ := config[a.stack.Project+":instances"].(map[string]any)
	if own == nil && instances > 1 {
		return "", fmt.Errorf("the stack %s uses the instances in Pulumi.yaml. Nothing was changed.\n"+
			"  Fix: copy %s:instances with all of them to %s, because naming only one there would delete the others",
			a.stack.Name, a.stack.Project, filepath.Base(a.stack.File()))
	}
	settings, _ := own[instance].(map[string]any)
	image, _ := settings["imageId"].(string)
	return image, nil
}

// newestImage runs a preview, so that the answer is of now and not of the last update. The program exports the public
// parameters that name the newest images, by instance.
func (a *app) newestImage(instance string) (image string, names []string, err error) {
	a.say("• look up the newest image by a preview (10 to 30 seconds)")
	parameters, err := a.imageParameters()
	if err != nil {
		return "", nil, err
	}
	names = slices.Sorted(maps.Keys(parameters))
	if parameters[instance] == "" {
		list := strings.Join(names, ", ")
		if list == "" {
			list = "none"
		}
		return "", names, fmt.Errorf("the stack %s has no newest image for the instance %q. It has one for: %s", a.stack.Name, instance, list)
	}
	image, err = a.readParameter(instance, parameters[instance])
	return image, names, err
}

func (a *app) readParameter(instance, parameter string) (string, error) {
	image, err := sessions.Parameter(context.Background(), a.awsEnviron(), a.stack.Region, parameter)
	if err != nil {
		return "", fmt.Errorf("cannot read the newest image's id from the public parameter %s: %w\n"+
			"  Fix: read it in the console (Systems Manager, Parameter Store, Public parameters), then\n"+
			"    %s\n    pulumi config set --stack %s --path '%s' ami-…\n    make up STACK=%[4]s", parameter, err, screen.Environment(a.stack.Name), a.stack.Name, a.imageKey(instance))
	}
	if !strings.HasPrefix(image, "ami-") {
		return "", fmt.Errorf("the parameter %s: not the id of an image (got %q). Expected: ami-…", parameter, image)
	}
	return image, nil
}

func (a *app) imageKey(instance string) string {
	return fmt.Sprintf(`%s:instances["%s"].imageId`, a.stack.Project, instance)
}

// imageParameters returns the output imageParameters as the program would export it now.
func (a *app) imageParameters() (map[string]string, error) {
	r := &screen.Run{Stack: a.stack.Name}
	if err := a.watch("preview", call{args: []string{"preview", "--stack", a.stack.Name}}, r); err != nil {
		return nil, err
	}
	return r.Values().ImageParameters, nil
}
