package iso

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCommandsOfAScript(t *testing.T) {
	var lines []string
	for _, c := range readCommands("#!/bin/sh\nif [ -x a ]; then b 'c; d' \\\n  e && f; fi # g\nh \"x # y\" 2>&1 | i#j\n") {
		lines = append(lines, strings.Join(c.words, "_"))
	}
	assert.Equal(t, []string{"[_-x_a_]", "b_c; d_e", "f", "fi", "h_x # y_2>&1", "i#j"}, lines)
}

func TestVariablesOfARunScript(t *testing.T) {
	lines := readRun("A=1\nexport B=\"x y\"\nC=$A\nD=1 cmd\nexec $A ${B} '$A' ${C:-c} ${E:-e} ${D}\n", "A=2\n", "x-ttyS0")
	last := lines[len(lines)-1]
	assert.Equal(t, []string{"exec", "2", "x", "y", "2", "c", "e"}, last.command, "quotes are not told apart")
	assert.Equal(t, 5, last.line)
}

func FuzzInittab(f *testing.F) {
	f.Add("id:2:initdefault:\nT0:23:respawn:/sbin/agetty -a user ttyS0\n::askfirst:-/bin/sh\n#x:::\n")
	f.Add(strings.Repeat(":::\n", 2000))
	f.Fuzz(func(t *testing.T, text string) {
		tab := parseInittab(text)
		if len(tab) > maxTab {
			t.Errorf("%d lines", len(tab))
		}
		for _, e := range onConsole(tab, "ttyS0") {
			s := startedBy(words(e.do))
			if s.shell && s.user != "root" {
				t.Errorf("%q: a shell of %q", e.do, s.user)
			}
		}
	})
}

// FuzzRunScript: what is made of a script, variables and all, is in proportion
// to it.
func FuzzRunScript(f *testing.F) {
	f.Add("#!/bin/sh\ntty=${PWD##*-}\nA=b\nexec setsid ${GETTY:-getty} $A \"${tty}\" 2>&1 # x\n", "GETTY=agetty\nA='-a root'\n")
	f.Add("A="+strings.Repeat("a ", 2000)+"\n"+strings.Repeat("$A$A$A\n", 500), "")
	f.Fuzz(func(t *testing.T, text, conf string) {
		size := 0
		for _, s := range readRun(text, conf, "getty-ttyS0") {
			for _, w := range s.command {
				size += len(w)
			}
			startedBy(s.command)
			terminalOf(s.command)
		}
		if most := (maxGrowth+1)*(len(text)+len(conf)) + 2*slack; size > most {
			t.Errorf("%d bytes of %d", size, len(text)+len(conf))
		}
		scriptLogin("x", text, "ttyS0")
	})
}
