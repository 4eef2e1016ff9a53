package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/spf13/cobra"

	"private-ec2-access/config"
	"private-ec2-access/internal/settings"
	"private-ec2-access/tools/process"
	"private-ec2-access/tools/screen"
)

func (a *app) destroyCommand() *cobra.Command {
	c := a.withDiff(a.onStack(a.destroy, &cobra.Command{
		Use:   "destroy",
		Short: "Delete the stack's resources",
		Long: `Delete the stack's resources. The setting keepRecords decides what happens to the session logs. It refuses to delete VPC
endpoints that instances of others use, unless --cut-off is given.

A stack in an AWS account asks first, also if CI=true; -- --yes answers yes.`,
		Example: `  stack destroy
  stack destroy --stack dev -- --yes`,
	}))
	c.Flags().BoolVar(&a.cutOff, "cut-off", false, "delete VPC endpoints that instances of others use (make: CUT_OFF=1)")
	return c
}

func (a *app) destroy(args []string) error {
	if flag := given(args, "--remove"); flag != "" { // the state, which says what was kept, and the stack's file would be gone
		return process.Usagef("ARGS: %s also deletes the stack's state and %s. Nothing was deleted.\n  Fix:\n    make destroy STACK=%s\n    %s\n    pulumi stack rm --stack %[3]s --preserve-config",
			flag, filepath.Base(a.stack.File()), a.stack.Name, screen.Environment(a.stack.Name))
	}
	if a.stack.Emulated && !a.exists() {
		a.say("Nothing to delete: the stack %s is not deployed from this checkout.", a.stack.Name)
		return nil
	}
	again := "make destroy STACK=" + a.stack.Name
	if a.cutOff {
		again += " CUT_OFF=1"
	}
	if err := a.canConfirm(again, args); err != nil {
		return err
	}
	defer a.busy("destroy")()
	if err := a.prepareFor("destroy", false, args); err != nil {
		return a.explainMissing("destroy", err)
	}
	if onlyShows(args) { // so there is nothing to repair before it, and nothing to say after it
		a.announce()
		return a.pulumi(a.change("destroy", args))
	}
	if err := a.repair(); err != nil {
		return err
	}
	return a.destroyPrepared(args)
}

func (a *app) destroyPrepared(args []string) error {
	before, err := a.export()
	if err != nil {
		return err
	}
	if err := a.refuseProtected(before); err != nil {
		return err
	}
	if err := a.refuseCutOff(before); err != nil {
		return err
	}
	users, err := a.profileUsers(before)
	if err != nil {
		return err
	}
	a.nothing = before.cloudResources() == 0
	if err := a.apply("destroy", args); err != nil {
		return err
	}
	after, err := a.export()
	if err != nil {
		return err
	}
	anything := func(apitype.ResourceV3) bool { return true }
	if after.with(anything, profileType) == nil {
		if err := a.detach(before, users); err != nil {
			return err
		}
	}
	left, remain := before.kept(), after.cloudResources()
	if a.lostResources {
		left = kept{} // the outputs still name the log bucket
	}
	if a.nothing {
		a.say("Nothing to delete: the stack %s has no AWS resources.", a.stack.Name)
	} else {
		a.say("Deleted %s of the stack %s.", screen.Count(before.cloudResources()-remain-(left.resources-after.kept().resources), "AWS resource"), a.stack.Name)
	}
	// On a real account, the preview has said that sessions end.
	if open := openSessions(a.emulator); a.stack.Emulated && !a.nothing && open > 0 {
		a.say("Note: %s in the emulator. On a deleted instance, a session stays open until its user leaves it, and may have no session log.", screen.Count(open, "open session"))
	}
	standing := after.with(anything, bucketType, logGroupType)
	gone := slices.DeleteFunc(slices.Clone(a.loses), func(name string) bool { return slices.Contains(standing, name) })
	if len(gone) > 0 && !a.lostResources {
		a.say("The session logs were deleted too: %s.", strings.Join(gone, ", "))
	}
	if remain > 0 && a.interrupted { // after Ctrl-C, pulumi destroy reports success
		a.say("Cancelled: %s left.\nNext: %s continues from there. %s creates again what was deleted.", screen.Count(remain, "AWS resource"), screen.Make(a.stack.Name, "destroy"), screen.Make(a.stack.Name, "up"))
		return process.Exit{Code: 130}
	}
	if remain > 0 { // as with --target, so the stack is still deployed
		a.say("Its state has %d left.", remain)
		return nil
	}
	a.printKept(left, a.region(before))
	if bucket := a.stack.ExistingLogBucket; bucket != "" && !(a.stack.Emulated && a.nothing) { // an emulator may have lost it
		a.say("The session logs in the bucket %s stay, because the bucket is not the stack's (logging.bucketName).", bucket)
	}
	if err := a.restoreDocument(before); err != nil {
		return err
	}
	if others := slices.DeleteFunc(a.stacksIn(a.emulator), func(name string) bool { return name == a.stack.Name }); a.stack.Emulated && len(others) > 0 {
		a.say("The emulator is still running, with the resources of: %s.", strings.Join(others, ", "))
	} else if a.stack.Emulated {
		a.say("The emulator is still running. Next: make down stops it.")
	}
	return nil
}

// stacksIn are the stacks that have resources in an emulator. One whose state cannot be read is left out.
func (a *app) stacksIn(emulator Running) (names []string) {
	if emulator.Instance == "" {
		return nil
	}
	projects, _ := os.ReadDir(a.tools.Path("state", ".pulumi", "stacks"))
	for _, project := range projects {
		folder := a.tools.Path("state", ".pulumi", "stacks", project.Name())
		files, _ := os.ReadDir(folder)
		for _, f := range files {
			name, is := strings.CutSuffix(f.Name(), ".json")
			deployedTo, _ := os.ReadFile(instanceFile(a.tools.Path("emulator"), name))
			if is && strings.TrimSpace(string(deployedTo)) == emulator.Instance && hasResources(filepath.Join(folder, f.Name())) {
				names = append(names, name)
			}
		}
	}
	return names
}

// refuseUnread refuses keys that nothing reads, wherever they are in the stack's file: one of them may be meant to protect the
// session logs or the endpoints. A destroy does not run the program, which refuses them too.
func (a *app) refuseUnread() error {
	own, err := a.stack.config()
	if err != nil {
		return err
	}
	_, unread := a.stack.unread(own)
	literals := settings.ReadLiterals(a.root, a.stack.Project, a.stack.Short())
	if unread = append(unread, settings.Written(a.stack.Project, shown(own), literals, &config.Config{})...); len(unread) > 0 {
		return fmt.Errorf("%w\n  Nothing was deleted, because a key that is not read protects nothing. Next, when the file is right: %s", unread, screen.Make(a.stack.Name, "up"))
	}
	return nil
}

// refuseProtected stops a destroy that keepRecords or endpoints.protect forbids. Pulumi reads the state alone, which has them as the
// last update applied them; here the stricter one of config and state counts. Pulumi would notice a protected resource in its
// preview, which can be skipped, and otherwise only when it comes to it.
func (a *app) refuseProtected(before *deployment) error {
	if err := a.refuseUnread(); err != nil {
		return err
	}
	c := a.stack.protection()
	if !slices.Contains([]config.Choice{"auto", "true", "false", config.Refuse}, c.KeepRecords) {
		return fmt.Errorf("%s:keepRecords: not an allowed value (got %s). Nothing was deleted.\n  Allowed: auto, true, false, refuse\n  Fix: write one of them in %s, and then: %s",
			a.stack.Project, c.KeepRecords, filepath.Base(a.stack.File()), screen.Make(a.stack.Name, "up"))
	}
	protected := func(r apitype.ResourceV3) bool { return r.Protect }
	holders := []tokens.Type{bucketType, logGroupType, keyType}
	logs := before.with(protected, holders...)
	if logs == nil && c.KeepRecords == config.Refuse {
		logs = before.with(func(apitype.ResourceV3) bool { return true }, holders...)
	}
	again := fmt.Sprintf("    make up STACK=%[1]s\n    make destroy STACK=%[1]s", a.stack.Name)
	if logs != nil && c.KeepRecords != config.Refuse {
		return fmt.Errorf("the stack %s is protected from destroy: it was deployed with %s:keepRecords refuse, and no update has applied %s yet. Nothing was deleted.\n  Fix:\n%s",
			a.stack.Name, a.stack.Project, c.KeepRecords, again)
	}
	if c.KeepRecords == config.Refuse && before.cloudResources() > 0 {
		has := ""
		if logs != nil {
			has = " and it has session logs or their key: " + strings.Join(logs, ", ")
		}
		return fmt.Errorf("the stack %s is protected from destroy, because %s:keepRecords is refuse%s. Nothing was deleted.\n"+
			"  Fix, with true to keep the session logs, with false to delete them:\n    %s\n    pulumi config set %[2]s:keepRecords true\n%[5]s",
			a.stack.Name, a.stack.Project, has, screen.Environment(a.stack.Name), again)
	}
	if lost := before.with(func(r apitype.ResourceV3) bool { return !r.RetainOnDelete }, holders...); lost != nil && c.KeepsRecords() {
		return fmt.Errorf("%s:keepRecords is %s, which keeps the session logs, but no update has applied it yet: this destroy would delete %s. Nothing was deleted.\n"+
			"  Fix:\n%s\n"+
			"  To delete the session logs too:\n    %s\n    pulumi config set %[1]s:keepRecords false\n    make destroy STACK=%[6]s",
			a.stack.Project, c.KeepRecords, strings.Join(lost, ", "), again, screen.Environment(a.stack.Name), a.stack.Name)
	}
	if kept := before.with(func(r apitype.ResourceV3) bool { return r.RetainOnDelete }, holders...); kept != nil && !c.KeepsRecords() {
		yet, first := "but no update has applied it yet", "To delete the session logs too, run first"
		if c.KeepRecords == "auto" {
			yet = "which deletes session logs in the emulator, but no update has applied it yet, or the session document was adopted"
			first = "If it was not adopted, run first, to delete the session logs too"
		}
		a.say("Note: %s:keepRecords is %s, %s, so this destroy keeps %s. %s: make up STACK=%s",
			a.stack.Project, c.KeepRecords, yet, strings.Join(kept, ", "), first, a.stack.Name)
	}
	a.loses = before.with(func(r apitype.ResourceV3) bool { return !r.RetainOnDelete }, bucketType, logGroupType)
	endpoints := before.with(protected, endpointType)
	if endpoints == nil && a.stack.ProtectEndpoints {
		endpoints = before.with(func(apitype.ResourceV3) bool { return true }, endpointType)
	}
	if endpoints != nil && !a.stack.ProtectEndpoints {
		return fmt.Errorf("the stack %s is protected from destroy: it was deployed with %s:endpoints.protect true, and no update has applied false yet. Others may use the VPC endpoints %s. Nothing was deleted.\n  Fix:\n%s",
			a.stack.Name, a.stack.Project, strings.Join(endpoints, ", "), again)
	}
	if endpoints != nil {
		return fmt.Errorf("the stack %s is protected from destroy, because %s:endpoints.protect is true: others may use the VPC endpoints %s. Nothing was deleted.\n"+
			"  Fix:\n    %s\n    pulumi config set --path '%[2]s:endpoints.protect' false\n%[5]s",
			a.stack.Name, a.stack.Project, strings.Join(endpoints, ", "), screen.Environment(a.stack.Name), again)
	}
	return nil
}
