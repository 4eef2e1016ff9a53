package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"private-ec2-access/internal/outputs"
	"private-ec2-access/tools/screen"
)

// lock is one lock file of Pulumi's file backend.
type lock struct {
	Path      string    `json:"-"`
	PID       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`
	// Stale says that the process that made it has ended for certain.
	Stale bool `json:"-"`
}

// who says who took the lock.
func (l lock) who() string {
	if l.PID <= 0 {
		return "a damaged lock file, " + filepath.Base(l.Path)
	}
	return fmt.Sprintf("%s@%s, process %d, since %s", l.Username, l.Hostname, l.PID, l.Timestamp.Format(time.DateTime))
}

// stack is the name of the stack that is locked.
func (l lock) stack() string { return filepath.Base(filepath.Dir(l.Path)) }

// findLocks returns the locks of a stack in a file backend, or of all stacks if the project is empty. A lock of another machine (or container) never counts as
// stale, because its process cannot be seen from here.
func findLocks(backend, project, stack string) ([]lock, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	var locks []lock
	err = filepath.WalkDir(filepath.Join(backend, ".pulumi", "locks"), func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // No locks, or one that was taken away while we looked.
		}
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		if entry.IsDir() || !strings.HasSuffix(path, ".json") || project != "" && (filepath.Base(folder) != stack || filepath.Base(filepath.Dir(folder)) != project) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		l := lock{Path: path}
		if json.Unmarshal(content, &l) != nil || l.PID <= 0 {
			l.Stale = true // Its maker was killed while writing.
		} else {
			l.Stale = l.Hostname == hostname && !isPulumi(l.PID)
		}
		locks = append(locks, l)
		return nil
	})
	return locks, err
}

func isPulumi(pid int) bool { return isProgram(pid, "pulumi") }

// isProgram reports whether the process lives and, where that can be seen, is the program: the number of an ended process may
// have been given to another one.
func isProgram(pid int, name string) bool {
	if !alive(pid) {
		return false
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err != nil || strings.HasPrefix(string(comm), name)
}

// deployment is the part of `pulumi stack export` that matters here.
type deployment struct {
	Deployment apitype.DeploymentV3 `json:"deployment"`
}

// cloudResources counts what exists in AWS: not components, and not the entries for providers.
func (d *deployment) cloudResources() int {
	count := 0
	for _, r := range d.Deployment.Resources {
		if r.Custom && !strings.HasPrefix(string(r.Type), "pulumi:") {
			count++
		}
	}
	return count
}

// registered counts what a program registers: also components, and not the entries for providers.
func (d *deployment) registered() (count int) {
	for _, r := range d.Deployment.Resources {
		if !strings.HasPrefix(string(r.Type), "pulumi:providers:") && !r.Delete {
			count++
		}
	}
	return count
}

// summary says what is deployed, since when, who is changing it, and what a command that was killed, cancelled or failed left.
func (d *deployment) summary(s *Stack, changing string, last entry) string {
	text := "nothing"
	if n := d.cloudResources(); n > 0 {
		text = screen.Count(n, "AWS resource")
		at := last.EndTime
		if at.IsZero() {
			at = d.Deployment.Manifest.Time
		}
		if !at.IsZero() {
			text += ", last changed at " + at.UTC().Format("2006-01-02 15:04 UTC")
		}
	}
	if changing != "" {
		text += ". Another command is changing that (" + changing + "), so what follows may be out of date"
	} else if d.cloudResources() == 0 {
		return text
	} else if pending := d.pending(); len(pending) > 0 {
		text += ". A command is running, or was killed, while " + strings.Join(pending, ", ") +
			", so what follows may be out of date. Next, if it was killed: " + screen.Make(s.Name, "up") + ", or " + screen.Make(s.Name, "destroy")
	} else if last.failed() || d.cut(s.BringsIn) {
		text += ". The last change was not finished, so what follows may be out of date. Next: " + screen.Make(s.Name, "up") + ", or " + screen.Make(s.Name, "destroy")
	}
	return text
}

// cut reports whether the outputs, which Pulumi writes at the end of a run, name other instances than there are: a change was
// cancelled or has failed. They also name existing instances.
func (d *deployment) cut(bringsIn bool) bool {
	own := d.ownInstances()
	shown := slices.Collect(maps.Values(d.values().InstanceIDs))
	missing := func(among []string) func(string) bool {
		return func(id string) bool { return !slices.Contains(among, id) }
	}
	return slices.ContainsFunc(own, missing(shown)) || !bringsIn && slices.ContainsFunc(shown, missing(own))
}

// kinds are words for types of resources, before their IDs.
var kinds = map[tokens.Type]string{bucketType: "the bucket ", logGroupType: "the log group ", keyType: "the KMS key "}

// with names the resources of some types that a destroy would treat in one way.
func (d *deployment) with(has func(apitype.ResourceV3) bool, types ...tokens.Type) (named []string) {
	for _, r := range d.Deployment.Resources {
		if r.Custom && !r.External && slices.Contains(types, r.Type) && has(r) {
			named = append(named, kinds[r.Type]+string(r.ID))
		}
	}
	return named
}

// values returns the stack's outputs.
func (d *deployment) values() (v outputs.Values) {
	for _, r := range d.Deployment.Resources {
		if r.Type == resource.RootStackType {
			text, _ := json.Marshal(r.Outputs)
			_ = json.Unmarshal(text, &v) // what has another type than expected stays empty
		}
	}
	return v
}

// region is the one that a state is of.
func (a *app) region(d *deployment) string { return cmp.Or(d.values().Region, a.stack.Region) }

// ownInstances are the ids of the instances that the stack created.
func (d *deployment) ownInstances() (ids []string) {
	for _, r := range d.Deployment.Resources {
		if r.Type == "aws:ec2/instance:Instance" {
			ids = append(ids, string(r.ID))
		}
	}
	return ids
}

func (d *deployment) pending() (list []string) {
	for _, p := range d.Deployment.PendingOperations {
		list = append(list, fmt.Sprintf("%s %s %s", p.Type, p.Resource.URN.Type(), p.Resource.URN.Name()))
	}
	return list
}

// interruptedCreates reports whether something may exist that the state does not contain.
func (d *deployment) interruptedCreates() bool {
	return slices.ContainsFunc(d.Deployment.PendingOperations, func(p apitype.OperationV2) bool { return p.Type == apitype.OperationTypeCreating })
}

// instanceFile records the emulator that a stack was last deployed to.
func instanceFile(emulatorFolder, stack string) string {
	return filepath.Join(emulatorFolder, "instance-of-"+stack)
}
