package prereq

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// A control group of ours, or an ancestor of one: its folder, and whether its
// files are those of version 2.
type group struct {
	dir string
	v2  bool
}

// groups are the control groups, with all ancestors that can be seen, whose
// controller bounds this process. A missing /proc/self/cgroup means none.
func (h host) groups(controller string) []group {
	lines, err := h.readFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, _ := h.readFile("/proc/self/mountinfo")
	var found []group
	for line := range strings.Lines(lines) {
		// hierarchy:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		v2 := f[0] == "0" && f[1] == ""
		if !v2 && !contains(f[1], controller) {
			continue
		}
		root, mount := cgroupMount(mounts, controller, v2)
		if mount == "" {
			continue
		}
		// In a container the mount shows a part of the tree, and the path may
		// be one that only the host can see.
		inside, ok := strings.CutPrefix(f[2], strings.TrimSuffix(root, "/"))
		if !ok || strings.HasPrefix(inside, "/..") {
			inside = ""
		}
		for dir := path.Join(mount, inside); ; dir = path.Dir(dir) {
			found = append(found, group{dir, v2})
			if dir == mount || len(dir) <= len(mount) {
				break
			}
		}
	}
	return found
}

// cgroupMount is where a hierarchy is mounted, and which part of it.
func cgroupMount(mountinfo, controller string, v2 bool) (root, mount string) {
	for line := range strings.Lines(mountinfo) {
		// id parent major:minor root mount options fields... - type source options
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		if v2 && g[0] == "cgroup2" || !v2 && g[0] == "cgroup" && contains(g[2], controller) {
			return f[3], f[4]
		}
	}
	return "", ""
}

// contains says whether a comma-separated list has a word.
func contains(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }

// unlimited is above any limit that means something: version 1 writes the
// largest multiple of the page size.
const unlimited = 1 << 60

// memoryGroups is what each control group that bounds our memory has left.
// Memory that holds files and is not in use counts as free.
func (h host) memoryGroups() (rooms []room, doubts []error) {
	for _, g := range h.groups("memory") {
		limits, usage, inactive := []string{"memory.max", "memory.high"}, "memory.current", "inactive_file"
		if !g.v2 {
			limits, usage, inactive = []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file"
		}
		var limit uint64 = unlimited
		for _, name := range limits {
			n, err := h.number(path.Join(g.dir, name))
			if errors.Is(err, fs.ErrNotExist) { // the root group has no limit
				continue
			}
			if err != nil {
				doubts = append(doubts, err)
				continue
			}
			limit = min(limit, n)
		}
		if limit >= unlimited {
			continue
		}
		used, err := h.number(path.Join(g.dir, usage))
		if err != nil {
			doubts = append(doubts, err)
			continue
		}
		stat, _ := h.readFile(path.Join(g.dir, "memory.stat"))
		for line := range strings.Lines(stat) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == inactive {
				n, _ := strconv.ParseUint(value, 10, 64)
				used -= min(n, used)
			}
		}
		rooms = append(rooms, room{
			what: fmt.Sprintf("the control group %s, limited to %s, has", g.dir, mib(limit)),
			free: limit - min(used, limit),
		})
	}
	return rooms, doubts
}

// number reads a file that holds a number, or "max".
func (h host) number(name string) (uint64, error) {
	text, err := h.readFile(name)
	if err != nil {
		return 0, err
	}
	if text = strings.TrimSpace(text); text == "max" {
		return unlimited, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %.40q is not a number", name, text)
	}
	return n, nil
}

// cpuQuota is the least number of CPUs that a control group lends us, and which
// group it is; no group means no quota.
func (h host) cpuQuota() (cpus float64, least string, err error) {
	for _, g := range h.groups("cpu") {
		var quota, period string
		if g.v2 {
			text, err := h.readFile(path.Join(g.dir, "cpu.max"))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return 0, "", err
			}
			quota, period, _ = strings.Cut(strings.TrimSpace(text), " ")
		} else {
			for name, into := range map[string]*string{"cpu.cfs_quota_us": &quota, "cpu.cfs_period_us": &period} {
				text, err := h.readFile(path.Join(g.dir, name))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return 0, "", err
				}
				*into = strings.TrimSpace(text)
			}
		}
		q, err1 := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // max, or -1
			continue
		}
		if n := q / p; least == "" || n < cpus {
			cpus, least = n, g.dir
		}
	}
	return cpus, least, nil
}
