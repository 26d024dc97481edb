package iso

import (
	"cmp"
	"strings"
)

// compareEntries is the order of systemd-boot's menu.
func compareEntries(a, b loaderEntry) int {
	last := func(no bool) int {
		if no {
			return 1
		}
		return 0
	}
	if c := cmp.Compare(last(a.exhausted), last(b.exhausted)); c != 0 {
		return c
	}
	if c := cmp.Compare(last(a.sortKey == ""), last(b.sortKey == "")); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine),
		-compareVersions(a.version, b.version), -compareVersions(a.id, b.id))
}

// compareVersions compares numbers as numbers, and what is between them as text.
func compareVersions(a, b string) int {
	digits := func(s string) (run, rest string) {
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		return s[:n], s[n:]
	}
	for a != "" && b != "" {
		var m, n string
		m, a = digits(a)
		n, b = digits(b)
		m, n = strings.TrimLeft(m, "0"), strings.TrimLeft(n, "0")
		if c := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); c != 0 {
			return c
		}
		if a == "" || b == "" {
			break
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}
