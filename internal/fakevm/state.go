package fakevm

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// UnitIn is a unit of the fake's systemd.
func UnitIn(state, more string) string {
	return "LoadState=loaded\nActiveState=" + state + "\nJob=0\nExecMainStartTimestampMonotonic=5\nStateChangeTimestampMonotonic=9\n" + more
}

// State is what the guest's programs answer from, to be put back by Restore.
func (g *Guest) State() map[string]string {
	all := map[string]string{}
	for _, at := range []string{"units", "journal", "run", "net", "jobs", "vgs", "lvs", "mounts", "address", "links", "cd", "arrays", "authorized_keys", "ssh-user", "sshd-refuses", "cgroup", "bin/findmnt", "bin/lvs", "bin/mdadm"} {
		_ = filepath.WalkDir(filepath.Join(g.Dir, at), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				all[strings.TrimPrefix(path, g.Dir+"/")] = ""
			}
			return nil
		})
	}
	for name := range all {
		all[name] = g.Get(name)
	}
	return all
}

// Restore puts back what State has saved.
func (g *Guest) Restore(saved map[string]string) {
	for name := range g.State() {
		if _, ok := saved[name]; !ok {
			g.Unset(name)
		}
	}
	for name, text := range saved {
		if strings.HasPrefix(name, "bin/") {
			g.Program(strings.TrimPrefix(name, "bin/"), text)
		} else {
			require.NoError(g.t, os.MkdirAll(filepath.Dir(filepath.Join(g.Dir, name)), 0o755))
			g.Set(name, text)
		}
	}
}
