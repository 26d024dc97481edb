package transcript

import (
	"slices"

	"bootaudit/internal/verdict"
)

// maxEnding bounds what is kept of the console's last line.
const maxEnding = 400

// timed notes when the stages of the boot were reached.
func (a *analyzer) timed() {
	reached := len(a.boot.Reached())
	a.stood = a.stood[:min(len(a.stood), reached)]
	for len(a.stood) < reached {
		a.stood = append(a.stood, a.now)
	}
}

// tell adds to the verdict what a person needs to judge it.
func (a *analyzer) tell(v verdict.Verdict) {
	for i, r := range a.boot.Reached() {
		reached := Reached{Stage: r.Stage, Numbered: inFile(r.Line)}
		if a.stood[i].known {
			s := a.stood[i].at.Seconds()
			reached.Seconds = &s
		}
		a.out.Reached = append(a.out.Reached, reached)
	}
	for _, t := range a.out.Trips {
		same := func(o Tripped) bool { return o.ID == t.ID && o.Offset == t.Offset }
		if t.Offset != v.Cause.Offset && t.ID != v.ID && !slices.ContainsFunc(a.out.Noticed, same) {
			a.out.Noticed = append(a.out.Noticed, t)
		}
	}
	if around := v.Cause.Around; around != nil {
		for _, line := range slices.Concat(around.Before, []verdict.Line{v.Cause}, around.After) {
			a.out.Around = append(a.out.Around, inFile(line))
		}
	}
	if len(a.ending) > 0 {
		a.last.Line = string(a.ending)
		a.out.Last = &a.last
	}
	if v.Verdict == verdict.Unclear && a.out.Bytes > 0 {
		a.out.Question = open[v.Stage]
	}
}

func inFile(l verdict.Line) Numbered { return Numbered{l.Number, l.Text} }

// open are the questions that a console leaves that ends in a stage.
var open = map[string]string{
	"":            "is this a boot's console, and from its beginning?",
	"firmware":    "does the firmware find a medium that boots, and is its boot loader on this console?",
	"bootloader":  "does the boot loader find its configuration and a kernel, or does it wait?",
	"menu":        "does the menu count down, or does it wait for a key?",
	"kernel-load": "does the kernel come to its initrd or its root, and is this its last console=?",
	"initrd":      "does the device appear that the initrd waits for, and is it mounted?",
	"init":        "does it come to a login, and is there a getty on this console?",
}
