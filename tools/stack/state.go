package stack

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
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

// findLocks returns the stack's locks in a file backend. A lock of another machine (or container) never counts as
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
		if entry.IsDir() || !strings.HasSuffix(path, ".json") || filepath.Base(folder) != stack || filepath.Base(filepath.Dir(folder)) != project {
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

// isPulumi reports whether the process lives and, where that can be seen, is Pulumi: the number of an ended process may
// have been given to another program.
func isPulumi(pid int) bool {
	if !alive(pid) {
		return false
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err != nil || strings.HasPrefix(string(name), "pulumi")
}

// deployment is the part of `pulumi stack export` that matters here.
type deployment struct {
	Deployment struct {
		Resources []struct {
			URN    string `json:"urn"`
			Type   string `json:"type"`
			Custom bool   `json:"custom"`
			ID     string `json:"id"`
			Retain bool   `json:"retainOnDelete"`
			// Protect makes Pulumi refuse to delete it.
			Protect bool            `json:"protect"`
			Outputs json.RawMessage `json:"outputs"`
		} `json:"resources"`
		Pending []struct {
			Resource struct {
				URN string `json:"urn"`
			} `json:"resource"`
			Type string `json:"type"`
		} `json:"pending_operations"`
	} `json:"deployment"`
}

// cloudResources counts what exists in AWS: not components, and not the entries for providers.
func (d *deployment) cloudResources() int {
	count := 0
	for _, r := range d.Deployment.Resources {
		if r.Custom && !strings.HasPrefix(r.Type, "pulumi:") {
			count++
		}
	}
	return count
}

// protected lists the buckets and log groups that a destroy must not touch.
func (d *deployment) protected() (records []string) {
	for _, r := range d.Deployment.Resources {
		if r.Protect && (r.Type == bucketType || r.Type == logGroupType) {
			records = append(records, r.ID)
		}
	}
	return records
}

func (d *deployment) pending() []string {
	var list []string
	for _, p := range d.Deployment.Pending {
		list = append(list, p.Type+" "+shortURN(p.Resource.URN))
	}
	return list
}

// interruptedCreates reports whether something may exist that the state does not know.
func (d *deployment) interruptedCreates() bool {
	for _, p := range d.Deployment.Pending {
		if p.Type == "creating" {
			return true
		}
	}
	return false
}

// shortURN keeps the type and the name.
func shortURN(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	types := strings.Split(parts[2], "$")
	return types[len(types)-1] + " " + parts[3]
}

// instanceFile records the emulator that a stack was last deployed to.
func instanceFile(emulatorFolder, stack string) string {
	return filepath.Join(emulatorFolder, "instance-of-"+stack)
}
