package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/record"
)

// attribute puts an attribute together whose line is over 4 KiB: go test does
// not recognise those (test2json's buffer) and passes them as output, in parts,
// under whichever test printed last.
func (p *Package) attribute(output string) (*Event, bool) {
	const mark = "\x16=== ATTR  "
	if len(p.long) == 0 && !strings.HasPrefix(output, mark) {
		return nil, false
	}
	p.long = append(p.long, output...)
	if !strings.HasSuffix(output, "\n") && len(p.long) < 1<<20 {
		return nil, true
	}
	line := strings.TrimSuffix(strings.TrimPrefix(string(p.long), mark), "\n")
	p.long = nil
	test, rest, _ := strings.Cut(line, " ")
	key, value, _ := strings.Cut(rest, " ")
	return &Event{Action: "attr", Package: p.Name, Test: test, Key: key, Value: value}, true
}

func (r *Run) attribute(t *Test, e *Event) News {
	var err error
	switch e.Key {
	case check.FindingAttr:
		var f check.Finding
		if err = json.Unmarshal([]byte(e.Value), &f); err == nil {
			t.Findings = append(t.Findings, f)
			return News{Test: t, Finding: &f}
		}
	case check.AboutAttr:
		var about check.About
		if err = json.Unmarshal([]byte(e.Value), &about); err == nil {
			t.Package.about = about
			if !slices.Contains(r.Abouts, about) && len(r.Abouts) < 20 {
				r.Abouts = append(r.Abouts, about)
			}
		}
	case "vm":
		var vm record.VM
		if err = json.Unmarshal([]byte(e.Value), &vm); err == nil {
			t.VMs = append(t.VMs, vm)
			return News{Test: t, VM: &vm}
		}
	}
	if err != nil {
		r.Damage = append(r.Damage, fmt.Sprintf("The %s attribute of %s cannot be read: %v.",
			e.Key, cleanLine(t.Name, 120), err))
	}
	return News{}
}
