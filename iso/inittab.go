package iso

import (
	"slices"
	"strings"
)

// tabEntry is a line of /etc/inittab, sysvinit's or busybox's.
type tabEntry struct {
	line                   int
	id, levels, action, do string
}

// maxTab is how many lines of an inittab are kept; a sound one has twenty.
const maxTab = 500

// parseInittab reads an inittab (inittab(5) of sysvinit; busybox has the same
// fields, the first of which is a terminal there).
func parseInittab(text string) (tab []tabEntry) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		f := strings.SplitN(strings.TrimSpace(line), ":", 4)
		if len(f) < 4 || strings.HasPrefix(f[0], "#") || len(tab) == maxTab {
			continue
		}
		tab = append(tab, tabEntry{n, f[0], f[1], strings.TrimSpace(f[2]), f[3]})
	}
	return tab
}

// running are the actions that start something which stays.
var running = []string{"respawn", "askfirst", "once", "wait", "askconsole", "respawnlate", "askconsolelate", "ondemand"}

// onConsole are the entries that start something on the console device, in the
// runlevel that is the default.
func onConsole(tab []tabEntry, device string) (found []tabEntry) {
	level := ""
	for _, e := range tab {
		if e.action == "initdefault" {
			level = e.levels
		}
	}
	for _, e := range tab {
		if !slices.Contains(running, e.action) || level != "" && e.levels != "" && !strings.ContainsAny(e.levels, level) {
			continue
		}
		at := terminalOf(words(e.do))
		if at == "" && terminal.MatchString(e.id) {
			at = e.id
		}
		// What names no terminal is on /dev/console, which is the last console=.
		if at == "" || at == "console" || at == device {
			found = append(found, e)
		}
	}
	return found
}
