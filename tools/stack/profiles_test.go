package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stateWith has the instance profile of a stack and the existing instances that have none of their own, by their names.
func stateWith(ids map[string]string) string {
	profiles := map[string]any{}
	for name, id := range ids {
		profiles[name] = map[string]any{"instanceId": id, "attach": "aws ec2 associate-iam-instance-profile --instance-id " + id, "detach": "aws ec2 disassociate-iam-instance-profile"}
	}
	text, _ := json.Marshal(profiles)
	return fmt.Sprintf(`{"version":3,"deployment":{"resources":[
		{"type":"pulumi:pulumi:Stack","outputs":{"region":"us-east-2","instanceProfileName":"ours","existingInstanceProfiles":%s}},
		{"type":"aws:ec2/instance:Instance","custom":true,"id":"i-own"}
	]}}`, text)
}

// fakeProfiles is an AWS CLI that lists associations and notes what it is asked to change.
func fakeProfiles(t *testing.T, a *app, associations string) (changes func() string) {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"sed", "cat"} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(folder, name)))
	}
	log := filepath.Join(folder, "changes")
	script := "#!/bin/sh\ncase \"$*\" in\n*describe-iam-instance-profile-associations*) cat <<'END'\n{\"IamInstanceProfileAssociations\":[" + associations + "]}\nEND\n;;\n" +
		"*associate-iam-instance-profile*) echo \"$*\" >> " + log + "; echo '{}' ;;\n*) exit 254 ;;\nesac\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "aws"), []byte(script), 0o755))
	a.environ, a.env = []string{"PATH=" + folder}, &Environment{}
	return func() string {
		text, _ := os.ReadFile(log)
		return string(text)
	}
}

func association(instance, profile string) string {
	return fmt.Sprintf(`{"AssociationId":"assoc-%s","InstanceId":%[1]q,"IamInstanceProfile":{"Arn":"arn:aws:iam::111122223333:instance-profile/app/%s"},"State":"associated"}`, instance, profile)
}

// make up attaches the stack's profile where there is none, never replaces one, and takes it off an instance that the config
// no longer names.
//
// It does not prove when EC2 knows a new profile.
func TestUp_ExistingInstances_ProfileAttachedAndDetached(t *testing.T) {
	for name, c := range map[string]struct {
		before, after map[string]string
		associations  string
		changed, said string
		failed        string
	}{
		"no profile": {after: map[string]string{"batch": "i-1"}, changed: `"InstanceId":"i-1"`, said: "Attached: the instance profile ours to batch (i-1), which had none."},
		"attached already": {
			before: map[string]string{"batch": "i-1"}, after: map[string]string{"batch": "i-1"}, associations: association("i-1", "ours"),
		},
		"another profile meanwhile": {
			after: map[string]string{"batch": "i-1"}, associations: association("i-1", "theirs"),
			failed: "it has got the instance profile theirs meanwhile, which is not replaced",
		},
		"let go":                            {before: map[string]string{"batch": "i-1"}, associations: association("i-1", "ours"), changed: `"AssociationId":"assoc-i-1"`, said: "Detached: the instance profile ours from batch (i-1), which the config no longer names."},
		"let go, another profile meanwhile": {before: map[string]string{"batch": "i-1"}, associations: association("i-1", "theirs")},
		"renamed in the config":             {before: map[string]string{"old": "i-1"}, after: map[string]string{"new": "i-1"}, associations: association("i-1", "ours")},
		"none":                              {associations: association("i-2", "ours")},
	} {
		t.Run(name, func(t *testing.T) {
			a, said, _ := testApp(t, "", stateWith(c.after))
			a.stack.BringsIn = len(c.after) > 0
			var before deployment
			require.NoError(t, json.Unmarshal([]byte(stateWith(c.before)), &before))
			changes := fakeProfiles(t, a, c.associations)
			err := a.attachProfiles(&before)
			if c.failed != "" {
				require.ErrorContains(t, err, c.failed)
				require.ErrorContains(t, err, "aws ec2 associate-iam-instance-profile --instance-id i-1", "the command for it")
			} else {
				require.NoError(t, err)
			}
			assert.Contains(t, said.String(), c.said)
			if c.changed == "" {
				assert.Empty(t, changes())
			}
			assert.Contains(t, changes(), c.changed)
		})
	}
}

// A destroy takes the profile off every instance that is not the stack's: the profile is deleted.
func TestDestroy_InstancesWithTheProfile_Detached(t *testing.T) {
	a, said, _ := testApp(t, "", stateWith(map[string]string{"batch": "i-1"}))
	require.NoError(t, os.WriteFile(instanceFile(a.tools.Path("emulator"), "local"), []byte("new\n"), 0o644))
	changes := fakeProfiles(t, a, association("i-1", "ours")+","+association("i-own", "ours")+","+association("i-by-hand", "ours")+","+association("i-2", "theirs"))
	require.NoError(t, a.destroyPrepared(nil))
	assert.Contains(t, said.String(), "Detached: the deleted instance profile ours from i-1, which has none now.")
	for id, detached := range map[string]bool{"i-1": true, "i-by-hand": true, "i-own": false, "i-2": false} {
		if detached {
			assert.Contains(t, changes(), "assoc-"+id+`"`)
		} else {
			assert.NotContains(t, changes(), "assoc-"+id+`"`)
		}
	}
}
