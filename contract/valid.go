package contract

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	deviceName = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	userName   = regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`)
	unitName   = regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]+\.(service|target|socket|timer|mount|path)$`)
	setting    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=\S+$`)
)

// faults are what is wrong with c, each by its key: units.2.name is the name
// of the second unit.
func (c Contract) faults() []fault {
	var all []fault
	add := func(key, says string, args ...any) {
		all = append(all, fault{key: key, says: fmt.Sprintf(says, args...)})
	}
	name := func(key, value string, want *regexp.Regexp, what string) {
		if value != "" && !want.MatchString(value) {
			add(key, "%q is not %s", value, what)
		}
	}
	absolute := func(key, value string) {
		if value != "" && (!path.IsAbs(value) || path.Clean(value) != value) {
			add(key, "%q is not a clean absolute path", value)
		}
	}
	oneOf := func(key, value string, words ...string) {
		if value != "" && !slices.Contains(words, value) {
			add(key, "%q is not one of %s", value, strings.Join(words, ", "))
		}
	}

	if c.Name == "" {
		add("name", "is missing")
	}
	for i, m := range c.Marks {
		key := fmt.Sprintf("marks.%d", i+1)
		kinds := 0
		for _, set := range []bool{m.Attribute != "", m.Unit != "", m.Root != nil, m.ISO != nil} {
			if set {
				kinds++
			}
		}
		if kinds != 1 {
			add(key, "has %d of attribute, unit, root and iso; a mark is one of them", kinds)
		}
		name(key+".unit", m.Unit, unitName, "a unit's full name")
		for _, p := range m.Root {
			absolute(key+".root", p)
			if _, err := path.Match(path.Base(p), ""); err != nil || strings.ContainsAny(path.Dir(p), `*?[\`) {
				add(key+".root", "%q is no path whose last part may be a glob", p)
			}
		}
		for _, p := range m.ISO {
			if p == "" || path.IsAbs(p) || path.Clean(p) != p {
				add(key+".iso", "%q is not a clean path from the top of the ISO, without a slash before it", p)
			}
		}
	}
	oneOf("machine.network", c.Machine.Network, Outside)
	name("console.device", c.Console.Device, deviceName, "a console's name such as ttyS0")
	nonempty := func(key string, p Pattern, hint string) {
		if p.Regexp != nil && p.MatchString("") {
			add(key, "%s matches any line; %s", quoted(p.String()), hint)
		}
	}
	nonempty("console.expect", c.Console.Expect, "say what is in the one that is expected")
	for i, a := range c.Answers {
		key := fmt.Sprintf("answers.%d.", i+1)
		if a.Prompt.Regexp == nil {
			add(key+"prompt", "is missing")
		}
		nonempty(key+"prompt", a.Prompt, "say what is in the one that asks")
		if strings.ContainsFunc(a.Send, unicode.IsControl) {
			add(key+"send", "has a control character; Enter is pressed after it by itself")
		}
	}
	if c.Login.User == "" {
		for _, f := range []struct {
			key string
			set bool
		}{{"uid", c.Login.UID != 0}, {"automatic", c.Login.Automatic}, {"password", c.Login.Password != ""}} {
			if f.set {
				add("login."+f.key, "needs login.user: whose it is")
			}
		}
	}
	for i, method := range c.Root.Methods {
		if strings.TrimSpace(method) == "" {
			add("root.methods", "entry %d is empty", i+1)
		}
	}
	if c.Root.Passwordless && len(c.Root.Methods) == 0 {
		add("root.passwordless", "needs root.methods: what it is that asks for nothing")
	}
	name("login.user", c.Login.User, userName, "a user name")
	if c.Login.UID < 0 || c.Login.UID > 1<<31 {
		add("login.uid", "%d is not a user number", c.Login.UID)
	}
	name("ssh.user", c.SSH.User, userName, "a user name")
	name("ssh.unit", c.SSH.Unit, unitName, "a unit's full name")
	for i, command := range c.Commands {
		if command == "" || strings.ContainsAny(command, "/ \t\n") {
			add("commands", "entry %d, %q, is not a program's base name", i+1, command)
		}
	}
	oneOf("network.address", c.Network.Address, "dhcp")
	name("network.interface", c.Network.Interface, regexp.MustCompile(`^[^\s/]{1,15}$`), "an interface's name")
	absolute("network.status_file", c.Network.StatusFile)

	for i, u := range c.Units {
		key := fmt.Sprintf("units.%d.", i+1)
		if u.Name == "" {
			add(key+"name", "is missing")
		}
		name(key+"name", u.Name, unitName, "a unit's full name")
		oneOf(key+"type", u.Type, "simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle")
		oneOf(key+"end_state", u.EndState, "active", "inactive")
		name(key+"wanted_by", u.WantedBy, unitName, "a unit's full name")
		for _, other := range u.StartedBefore {
			name(key+"started_before", other, unitName, "a unit's full name")
		}
	}

	name("storage.unit", c.Storage.Unit, unitName, "a unit's full name")
	absolute("storage.status_file", c.Storage.StatusFile)
	absolute("storage.mount_point", c.Storage.MountPoint)
	name("storage.force_cleanup", c.Storage.ForceCleanup, setting, "NAME=value")
	if len(c.Storage.Volumes) > 0 && c.Storage.VolumeGroup == "" {
		add("storage.volumes", "needs storage.volume_group")
	}
	for i, o := range c.Storage.Outcomes {
		key := fmt.Sprintf("storage.outcomes.%d.", i+1)
		oneOf(key+"when", o.When, whens...)
		if o.When == "" {
			add(key+"when", "is missing")
		}
		if o.State == "" {
			add(key+"state", "is missing")
		}
	}
	for i, a := range c.Announcements {
		key := fmt.Sprintf("announcements.%d.", i+1)
		if a.ID == "" {
			add(key+"id", "is missing")
		}
		if a.Pattern.Regexp == nil {
			add(key+"pattern", "is missing")
		}
	}
	for i, a := range c.Alarms {
		key := fmt.Sprintf("alarms.%d.", i+1)
		for _, field := range []struct{ name, value string }{{"id", a.ID}, {"means", a.Means}, {"remedy", a.Remedy}} {
			if field.value == "" {
				add(key+field.name, "is missing")
			}
		}
		if a.Pattern.Regexp == nil {
			add(key+"pattern", "is missing")
		}
	}
	c.ownFaults(add)
	return all
}
