package iso

import "testing"

func fuzzMenu(f *testing.F, parse func(string, *reading) (Menu, error), hostile []hostileMenu, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	for _, h := range hostile {
		f.Add(h.text(2 << 10))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxConfig {
			return
		}
		r := serving(text)
		lines := 0
		r.late = func() error { lines++; return nil }
		m, err := parse("dir/m.cfg", r)
		if m.Default >= len(m.Entries) {
			t.Errorf("default %d of %d", m.Default, len(m.Entries))
		}
		for _, e := range m.Entries {
			if e.Kernel == "" {
				t.Error("an entry without a kernel")
			}
			e.Consoles()
			e.Label()
		}
		// What a parser has and does is in proportion to what it read.
		if got, most := weight(m), 2*maxGrowth*r.in+2*slack; got > most {
			t.Errorf("%d bytes of %d that were read: more than %d", got, r.in, most)
		}
		if lines > (1+maxGrowth)*r.in+slack+maxIncludes+maxFound+1 {
			t.Errorf("%d lines in %d bytes", lines, r.in)
		}
		if r.in > maxConfigs+maxConfig || r.out > maxGrowth*r.in+slack && err == nil {
			t.Errorf("%d bytes read, %d made, and no error", r.in, r.out)
		}
	})
}

func FuzzSyslinux(f *testing.F) {
	fuzzMenu(f, parseSyslinux, hostileSyslinux, "LABEL a\nKERNEL k\nAPPEND initrd=a,b root=LABEL=\\x20 -\nINCLUDE m.cfg\n", "UI x\nTIMEOUT 9\nTEXT HELP\nENDTEXT\nMENU DEFAULT\nLABEL\nLINUX x\n")
}

func FuzzGRUB(f *testing.F) {
	fuzzMenu(f, grubOf, hostileGRUB, "set a=$a$a\nmenuentry 'x' --id y {\nlinux ($root)/k ${z} \"q\\\"\"\n}\nsource $prefix/m", "submenu { } } { menuentry { linux $ ' \\")
}

// FuzzText: what a unit, a sudoers file and a script are read with.
func FuzzText(f *testing.F) {
	f.Add("A=1 'b c' \"d\\\"\" \\")
	f.Add("%wheel ALL=(ALL:ALL) NOPASSWD:SETENV: ALL")
	f.Add("run(['systemctl', 'start',\n 'sshd'])")
	f.Fuzz(func(t *testing.T, text string) {
		bytes := 0
		for _, w := range words(text) {
			bytes += len(w) + 1
		}
		if most := 3*len(text) + 1; bytes > most { // a byte that is no UTF-8 becomes three
			t.Errorf("%d bytes of words, of %d", bytes, len(text))
		}
		sudoRule.FindStringSubmatch(text)
		if found := waitsFor([]fileText{{"f", text}}, []string{"sshd.service"}); len(found) > maxMatches || len(found) > len(text) {
			t.Errorf("%d matches in %d bytes", len(found), len(text))
		}
	})
}
