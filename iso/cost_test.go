package iso

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated is the bytes that f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// fill repeats lines up to size bytes.
func fill(size int, lines string) string { return strings.Repeat(lines, size/len(lines)+1) }

// A hostileMenu is a configuration of a few KiB or hundred that asks a parser
// for far more than it has. SIZE bytes are about what each has.
type hostileMenu struct {
	name, over string // what the error says; "" where there is none
	text       func(size int) string
}

var hostileSyslinux = []hostileMenu{
	{"a global APPEND for each label", "more than 16 times what was read", func(size int) string {
		return "APPEND " + fill(min(size/2, maxCommand-100), "a ") + "\n" + fill(min(size/2, 20_000), "LABEL a\nLINUX b\n")
	}},
	{"a global APPEND of one long line", "a line of", func(size int) string {
		return "APPEND " + fill(size/2, "a ") + "\n" + fill(size/2, "LABEL a\nLINUX b\n")
	}},
	{"initrds", "more than 64 initrds", func(size int) string { return "LABEL a\nLINUX b\nINITRD " + fill(10_000, "a,") + fill(size, "\n") }},
	{"initrds of an APPEND", "more than 64 initrds", func(size int) string {
		return "APPEND initrd=" + fill(4000, "a,") + "\n" + fill(20_000, "LABEL a\nLINUX b\n") + fill(size, "\n")
	}},
	{"initrds line by line", "more than 64 initrds", func(size int) string { return "LABEL a\nLINUX b\n" + fill(size, "INITRD a\n") }},
	{"labels", "more than 2000 entries", func(size int) string { return fill(size, "LABEL a\nMENU LABEL "+strings.Repeat("t", 60)+"\nLINUX b\n") }},
	{"a long kernel", "a word of", func(size int) string { return "LABEL a\nLINUX " + strings.Repeat("k", maxWord+1) + fill(size, "\n") }},
	{"a long argument", "a word of", func(size int) string {
		return "LABEL a\nLINUX k\nAPPEND " + strings.Repeat("k", maxWord+1) + fill(size, "\n")
	}},
	{"help without end", "", func(size int) string { return "LABEL a\nLINUX b\nTEXT HELP\n" + fill(size, "x ") }},
	{"includes itself", "", func(size int) string { return "LABEL a\nLINUX b\n" + fill(size, "INCLUDE m.cfg\n") }},
	{"includes another", "more than 256 included files", func(size int) string {
		return "LABEL a\nLINUX b\n" + fill(size, "INCLUDE empty.cfg\n")
	}},
	{"includes a large one", "MiB of configuration files", func(size int) string {
		return "LABEL a\nLINUX b\n" + fill(size, "INCLUDE large.cfg\n")
	}},
}

var hostileGRUB = []hostileMenu{
	{"a variable in a path", "a word of", func(size int) string {
		return "set x=" + strings.Repeat("v", maxWord-10) + "\nmenuentry a {\nlinux " + fill(size, "$x") + "\n}\n"
	}},
	{"a variable, word by word", "a command of more than", func(size int) string {
		return "set x=" + strings.Repeat("v", maxWord-10) + "\nmenuentry a {\nlinux " + fill(size, "$x ") + "\n}\n"
	}},
	{"a variable, line by line", "more than 16 times what was read", func(size int) string {
		return "set x=" + strings.Repeat("v", maxWord-10) + "\n" + fill(size, "echo $x\n")
	}},
	{"a variable between quotes", "a word of", func(size int) string {
		return "set x=" + strings.Repeat("v", maxWord-10) + "\necho \"" + fill(size, "$x") + "\"\n"
	}},
	{"a variable that doubles itself", "a word of", func(size int) string { return "set x=xx\n" + fill(size, "set x=$x$x\n") }},
	{"a name without end", "a command of more than", func(size int) string { return fill(size, "x${") }},
	{"a submenu's title for each entry", "a command of more than", func(size int) string {
		return "submenu '" + strings.Repeat("t", size/2) + "' {\n" + fill(size/2, "menuentry a {\nlinux b\n}\n")
	}},
	{"submenus in one another", "more than 16 times what was read", func(size int) string { return fill(size, "submenu t {\n") }},
	{"braces", "", func(size int) string { return fill(size, "function {\n") }},
	{"submenus without braces", "", func(size int) string { return fill(size, "submenu t\n") }},
	{"entries", "more than 2000 entries", func(size int) string {
		return fill(size, "menuentry "+strings.Repeat("t", 60)+" {\nlinux b\n}\n")
	}},
	{"words", "a command of more than", func(size int) string { return "menuentry a {\nlinux b " + fill(size, "a ") + "\n}\n" }},
	{"variables", "", func(size int) string {
		var b strings.Builder
		for n := 0; b.Len() < size; n++ {
			fmt.Fprintf(&b, "set v%d=\n", n)
		}
		return b.String()
	}},
	{"initrds", "more than 64 initrds", func(size int) string {
		return "menuentry a {\nlinux b\ninitrd " + fill(10_000, "a ") + fill(size, "\n")
	}},
	{"a quote without end", "a command of more than", func(size int) string { return "menuentry '" + fill(size, "x") }},
	{"conditions in one another", "more than 64 conditions", func(size int) string { return fill(size, "if x; then\n") }},
	{"conditions", "", func(size int) string { return fill(size, "if x; then\na=1\nelif y; then\nb=1\nfi\n") }},
	{"branches", "", func(size int) string { return "if x; then\n" + fill(size, "elif y; then set a=$a\n") }},
	{"a loop in a loop", "more than 16 times what was read", func(size int) string {
		words := fill(min(size/4, maxCommand-100), "a ")
		return "for x in " + words + "; do for y in " + words + "; do\necho\ndone\ndone\n" + fill(size/2, "\n")
	}},
	{"a loop of empty lines", "more than 16 times what was read", func(size int) string {
		return "for x in " + fill(min(size/4, maxCommand-100), "a ") + "; do" + fill(size/2, "\n") + "done\n"
	}},
	{"a function that calls itself", "functions that call one another", func(size int) string {
		return "function f {\nf\n}\nf\n" + fill(size, "\n")
	}},
	{"functions that double", "more than 16 times what was read", func(size int) string {
		text := "function f0 {\necho x\n}\n"
		for n := 1; n < 15; n++ {
			text += fmt.Sprintf("function f%d {\n%s}\n", n, strings.Repeat(fmt.Sprintf("f%d\n", n-1), 30))
		}
		return text + "f14\n" + fill(size, "\n")
	}},
	{"a function in each entry", "more than 16 times what was read", func(size int) string {
		return "function f {\n" + fill(size/2, "echo x\n") + "}\n" + fill(min(size/2, 10_000), "menuentry a {\nf\n}\n")
	}},
	{"exports for each submenu", "more than 16 times what was read", func(size int) string {
		return strings.Repeat("export x$x\nset x=x$x\n", 200) + fill(min(size/2, 20_000), "submenu a {\n}\n")
	}},
	{"searches", "", func(size int) string { return fill(size, "search --label --set=root x\n") }},
	{"tests", "", func(size int) string { return fill(size, "[ ( ( ( ! ! ! -f /x -a ( -z a -o b ) ) ) ]\n") }},
	{"sources itself", "", func(size int) string { return fill(size, "source m.cfg\n") }},
	{"sources another", "more than 256 included files", func(size int) string { return fill(size, "source empty.cfg\n") }},
	{"sources a large one", "MiB of configuration files", func(size int) string { return fill(size, "source large.cfg\n") }},
}

var large = strings.Repeat("# a line\n", maxConfig/9)

// serving is the reading of one file, beside which lie two that it may name.
func serving(text string) *reading {
	v := &volume{
		stat: func(string) (int64, bool, error) { return int64(len(text)), false, nil },
		open: func(name string) (io.ReaderAt, int64, error) {
			switch name {
			case "empty.cfg":
				return strings.NewReader(""), 0, nil
			case "large.cfg":
				return strings.NewReader(large), int64(len(large)), nil
			}
			return strings.NewReader(text), int64(len(text)), nil
		},
	}
	return &reading{volumes: volumes{v}}
}

// TestHostileMenus: a parser takes memory in proportion to what it reads, and
// says which bound ended it and where; what it had read is kept.
func TestHostileMenus(t *testing.T) {
	// Bytes allocated per byte read, rubbish included, and beside them.
	const each, base = 72, 1 << 20
	for _, loader := range []struct {
		name  string
		parse func(string, *reading) (Menu, error)
		menus []hostileMenu
	}{{"syslinux", parseSyslinux, hostileSyslinux}, {"grub", grubOf, hostileGRUB}} {
		for _, hostile := range loader.menus {
			t.Run(loader.name+"/"+hostile.name, func(t *testing.T) {
				for _, size := range []int{4 << 10, 250 << 10} {
					text := hostile.text(size)
					r := serving(text)
					var m Menu
					var err error
					cost := allocated(func() { m, err = loader.parse("m.cfg", r) })
					assert.Less(t, cost, each*r.in+base, "%d bytes read", r.in)
					assert.Less(t, weight(m), 2*maxGrowth*r.in+2*slack+base/2, "%d bytes read", r.in)
					if hostile.over == "" {
						require.NoError(t, err)
					} else if size >= 200<<10 {
						require.ErrorContains(t, err, hostile.over)
						assert.Regexp(t, `^\w+\.cfg:\d+: too much for a boot menu: `, err.Error())
						assert.Less(t, len(err.Error()), 300)
					}
				}
			})
		}
	}
}

// TestLargeConfig: a file over its bound is not parsed at all.
func TestLargeConfig(t *testing.T) {
	for name, parse := range map[string]func(string, *reading) (Menu, error){"syslinux": parseSyslinux, "grub": grubOf} {
		_, err := parse("m.cfg", serving(strings.Repeat("#", maxConfig+1)))
		require.EqualError(t, err, "m.cfg:1: too much for a boot menu: a file of more than 1024 KiB", name)
	}
}

// weight is the bytes of a menu as it is kept.
func weight(m Menu) int {
	n := 0
	for _, e := range m.Entries {
		n += entryCost + len(e.ID) + len(e.Title) + len(e.Kernel) + len(e.File)
		for _, list := range [][]string{e.Args, e.Initrds} {
			for _, s := range list {
				n += wordCost + len(s)
			}
		}
	}
	return n
}

// TestMenuIsKept: what was read before a bound is there, with the error.
func TestMenuIsKept(t *testing.T) {
	long := strings.Repeat("x", maxWord+1)
	for name, tt := range map[string]struct {
		parse func(string, *reading) (Menu, error)
		text  string
		where string
	}{
		"syslinux": {parseSyslinux, "TIMEOUT 10\nDEFAULT a\nLABEL a\nLINUX k\nAPPEND root=x\nLABEL b\nLINUX " + long + "\nLABEL c\nLINUX k\n", "m.cfg:7: "},
		"grub":     {grubOf, "set timeout=1\nmenuentry a {\nlinux k root=x\n}\n\nmenuentry b {\nlinux\\\n " + long + "\n}\nmenuentry c {\nlinux k\n}\n", "m.cfg:8: "},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := tt.parse("m.cfg", serving(tt.text))
			require.ErrorContains(t, err, tt.where+"too much for a boot menu: a word of 409")
			require.Len(t, m.Entries, 1)
			assert.Equal(t, "k", m.Entries[0].Kernel)
			assert.Equal(t, []string{"root=x"}, m.Entries[0].Args)
			assert.Equal(t, 0, m.Default)
			assert.False(t, m.Waits)
		})
	}
}

// TestMenusEndInTime: the end of the time to read in is asked for between the
// lines of a file, not only when the image is read.
func TestMenusEndInTime(t *testing.T) {
	for name, parse := range map[string]func(string, *reading) (Menu, error){"syslinux": parseSyslinux, "grub": grubOf} {
		r := serving(fill(64<<10, "# a line\n"))
		asked := 0
		r.late = func() error {
			if asked++; asked == 100 {
				return fmt.Errorf("it is late")
			}
			return nil
		}
		_, err := parse("m.cfg", r)
		require.ErrorContains(t, err, "it is late", name)
		assert.Equal(t, 100, asked, name)
	}
}
