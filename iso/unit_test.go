package iso_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

// root is the root file system of an image that has the files, and a sound
// unit's.
func root(t *testing.T, files map[string]string) *iso.Root {
	t.Helper()
	s := smalliso.Debian()
	s.Root = map[string]string{"usr/lib/systemd/system/basic.target": "[Unit]\n"}
	maps.Copy(s.Root, files)
	img := open(t, write(t, s))
	require.NoError(t, img.RootErr)
	return img.Root
}

const (
	etc  = "etc/systemd/system/"
	run  = "run/systemd/system/"
	lib  = "usr/lib/systemd/system/"
	null = "-> /dev/null"
)

// says is a unit file or a drop-in whose trace is a word of X=.
func says(word string) string { return "[Unit]\nX=" + word + "\n" }

// aliases is a chain of so many links from a0.service to a unit.
func aliases(count int) map[string]string {
	files := map[string]string{}
	for i := range count {
		files[fmt.Sprintf("%sa%d.service", lib, i)] = fmt.Sprintf("-> a%d.service", i+1)
	}
	files[fmt.Sprintf("%sa%d.service", lib, count)] = says("main")
	return files
}

// TestUnits: which files a unit is made of, and in which order; the rules are
// those of systemd.unit(5).
func TestUnits(t *testing.T) {
	for _, tt := range []struct {
		name, unit string
		files      map[string]string
		want       string // the words of X=, in the order of the files
		masked     string // by this file
		err        string
	}{
		{"etc before run before lib", "a.service", map[string]string{lib + "a.service": says("lib"), run + "a.service": says("run"), etc + "a.service": says("etc")}, "etc", "", ""},
		{"run before lib", "a.service", map[string]string{lib + "a.service": says("lib"), run + "a.service": says("run")}, "run", "", ""},
		{"the merged lib", "a.service", map[string]string{"lib": "-> usr/lib", lib + "a.service": says("lib")}, "lib", "", ""},
		{"nowhere", "a.service", nil, "", "", "a.service is not in the image: looked in /etc/systemd/system"},

		{"mask", "a.service", map[string]string{lib + "a.service": says("lib"), etc + "a.service": null}, "", "/etc/systemd/system/a.service", ""},
		{"relative mask", "a.service", map[string]string{lib + "a.service": says("lib"), etc + "a.service": "-> ../../../dev/null"}, "", "/etc/systemd/system/a.service", ""},
		{"mask behind a link", "a.service", map[string]string{"opt/a.service": null, etc + "a.service": "-> /opt/a.service"}, "", "/etc/systemd/system/a.service", ""},
		{"empty file", "a.service", map[string]string{lib + "a.service": says("lib"), etc + "a.service": ""}, "", "/etc/systemd/system/a.service", ""},
		{"mask in a lower folder", "a.service", map[string]string{lib + "a.service": null, etc + "a.service": says("etc")}, "etc", "", ""},
		{"empty file in a lower folder", "a.service", map[string]string{lib + "a.service": "", etc + "a.service": says("etc")}, "etc", "", ""},
		{"a mask has no drop-ins", "a.service", map[string]string{etc + "a.service": null, etc + "a.service.d/x.conf": says("x")}, "", "/etc/systemd/system/a.service", ""},
		{"a link that leads nowhere", "a.service", map[string]string{lib + "a.service": says("lib"), etc + "a.service": "-> /nowhere/a.service"}, "lib", "", ""},

		{"drop-ins by name, whatever the folder", "a.service", map[string]string{
			lib + "a.service": says("main"), lib + "a.service.d/20.conf": says("20"), etc + "a.service.d/30.conf": says("30"), run + "a.service.d/10.conf": says("10"), etc + "a.service.d/05.txt": says("05"),
		}, "main 10 20 30", "", ""},
		{"drop-ins of one name", "a.service", map[string]string{
			lib + "a.service": says("main"), lib + "a.service.d/10.conf": says("lib"), run + "a.service.d/10.conf": says("run"), etc + "a.service.d/10.conf": says("etc"),
		}, "main etc", "", ""},
		{"a drop-in above the main file's folder", "a.service", map[string]string{etc + "a.service": says("main"), lib + "a.service.d/10.conf": says("10")}, "main 10", "", ""},
		{"a drop-in switched off", "a.service", map[string]string{
			lib + "a.service": says("main"), lib + "a.service.d/10.conf": says("10"), lib + "a.service.d/20.conf": says("20"), etc + "a.service.d/10.conf": null,
		}, "main 20", "", ""},
		{"a drop-in emptied", "a.service", map[string]string{
			lib + "a.service": says("main"), lib + "a.service.d/10.conf": says("10"), etc + "a.service.d/10.conf": "",
		}, "main", "", ""},
		{"a drop-in switched off that is not there", "a.service", map[string]string{lib + "a.service": says("main"), etc + "a.service.d/10.conf": null}, "main", "", ""},
		{"a drop-in that leads nowhere", "a.service", map[string]string{
			lib + "a.service": says("main"), lib + "a.service.d/10.conf": says("10"), etc + "a.service.d/10.conf": "-> /nowhere",
		}, "main 10", "", ""},
		{"a null in a lower folder", "a.service", map[string]string{lib + "a.service": says("main"), lib + "a.service.d/10.conf": null, etc + "a.service.d/10.conf": says("10")}, "main 10", "", ""},

		{"prefixes", "a-b-c.service", map[string]string{
			lib + "a-b-c.service": says("main"), lib + "a-b-.service.d/20.conf": says("a-b-"), lib + "a-.service.d/10.conf": says("a-"), lib + "a-b-c.service.d/30.conf": says("own"), lib + "a-b.service.d/40.conf": says("other"),
		}, "main a- a-b- own", "", ""},
		{"the most particular prefix", "a-b-c.service", map[string]string{
			lib + "a-b-c.service": says("main"), lib + "a-.service.d/10.conf": says("a-"), lib + "a-b-.service.d/10.conf": says("a-b-"),
		}, "main a-b-", "", ""},
		{"the folder before the prefix", "a-b.service", map[string]string{
			lib + "a-b.service": says("main"), lib + "a-b.service.d/10.conf": says("lib"), etc + "a-.service.d/10.conf": says("etc"),
		}, "main etc", "", ""},
		{"all services", "a.service", map[string]string{lib + "a.service": says("main"), lib + "service.d/10.conf": says("all"), etc + "timer.d/20.conf": says("timer")}, "main all", "", ""},
		{"all services last", "a.service", map[string]string{lib + "a.service": says("main"), etc + "service.d/10.conf": says("all"), lib + "a.service.d/10.conf": says("own")}, "main own", "", ""},
		{"a prefix's drop-in switched off for one", "a-b.service", map[string]string{
			lib + "a-b.service": says("main"), lib + "a-.service.d/10.conf": says("a-"), lib + "a-b.service.d/10.conf": null,
		}, "main", "", ""},

		{"template", "a@1.service", map[string]string{
			lib + "a@.service": says("template"), lib + "a@.service.d/20.conf": says("20"), etc + "a@1.service.d/10.conf": says("10"), etc + "a@2.service.d/30.conf": says("30"),
		}, "template 10 20", "", ""},
		{"instance of its own", "a@1.service", map[string]string{etc + "a@.service": says("template"), lib + "a@1.service": says("own")}, "own", "", ""},
		{"instance's drop-in before its template's", "a@1.service", map[string]string{
			lib + "a@.service": says("template"), lib + "a@.service.d/10.conf": says("template's"), lib + "a@1.service.d/10.conf": says("own"),
		}, "template own", "", ""},
		{"masked instance", "a@1.service", map[string]string{lib + "a@.service": says("template"), etc + "a@1.service": null}, "", "/etc/systemd/system/a@1.service", ""},
		{"masked template", "a@1.service", map[string]string{lib + "a@.service": says("template"), etc + "a@.service": null}, "", "/etc/systemd/system/a@.service", ""},
		{"template masked, instance not", "a@1.service", map[string]string{etc + "a@.service": null, lib + "a@1.service": says("own")}, "own", "", ""},
		{"prefix of an instance", "a-b@1.service", map[string]string{
			lib + "a-b@.service": says("template"), lib + "a-@.service.d/10.conf": says("a-@"), lib + "a-@1.service.d/20.conf": says("a-@1"),
		}, "template a-@ a-@1", "", ""},

		{"alias", "b.service", map[string]string{
			lib + "a.service": says("lib"), etc + "b.service": "-> /usr/lib/systemd/system/a.service", etc + "a.service.d/10.conf": says("a"), etc + "b.service.d/20.conf": says("b"),
		}, "lib a b", "", ""},
		{"asked by the other name", "a.service", map[string]string{
			lib + "a.service": says("lib"), etc + "b.service": "-> /usr/lib/systemd/system/a.service", etc + "c.service": "-> b.service", etc + "b.service.d/20.conf": says("b"), etc + "c.service.d/30.conf": says("c"),
		}, "lib b c", "", ""},
		{"an alias means the name, not the file", "b.service", map[string]string{
			lib + "a.service": says("lib"), etc + "a.service": says("etc"), lib + "b.service": "-> a.service",
		}, "etc", "", ""},
		{"alias of a masked unit", "b.service", map[string]string{lib + "a.service": says("lib"), etc + "a.service": null, lib + "b.service": "-> a.service"}, "", "/etc/systemd/system/a.service", ""},
		{"alias of a template", "b@1.service", map[string]string{
			lib + "a@.service": says("template"), lib + "b@.service": "-> a@.service", etc + "a@1.service.d/10.conf": says("10"), etc + "b@1.service.d/20.conf": says("20"),
		}, "template 10 20", "", ""},
		{"linked from elsewhere", "a.service", map[string]string{"opt/a.service": says("opt"), etc + "a.service": "-> /opt/a.service", lib + "a.service": says("lib")}, "opt", "", ""},
		{"linked from elsewhere by another name", "a.service", map[string]string{"opt/x.service": says("opt"), etc + "a.service": "-> /opt/x.service", etc + "x.service.d/1.conf": says("x")}, "opt", "", ""},
		{"aliases in a circle", "a.service", map[string]string{etc + "a.service": "-> b.service", etc + "b.service": "-> a.service"}, "", "", "a.service is not in the image"},
		{"aliases of aliases", "a0.service", aliases(7), "main", "", ""},
		{"aliases without end", "a0.service", aliases(12), "", "", "a0.service: more than 8 links from unit to unit"},

		{"a section without end", "a.service", map[string]string{lib + "a.service": "[Unit]\nX=1\n[Serv\n"}, "", "", `/usr/lib/systemd/system/a.service: line 3: a section's name without its end: "[Serv"`},
		{"too long", "a.service", map[string]string{lib + "a.service": "[Unit]\n" + strings.Repeat("# x\n", 70_000)}, "", "", "/usr/lib/systemd/system/a.service: more than 256 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := root(t, tt.files).Unit(tt.unit)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, strings.Join(u.All("Unit", "X"), " "), u.Files)
			if tt.masked != "" {
				assert.True(t, u.Masked)
				assert.Equal(t, []string{tt.masked}, u.Files)
			} else {
				assert.False(t, u.Masked)
			}
		})
	}
}

// TestWanted: the links in .wants and .requires (systemd.unit(5), "Description").
func TestWanted(t *testing.T) {
	unit, link := lib+"a.service", "-> /usr/lib/systemd/system/a.service"
	for _, tt := range []struct {
		name, unit string
		files      map[string]string
		want       []string
	}{
		{"in both folders", "a.service", map[string]string{etc + "x.target.wants/a.service": link, lib + "x.target.requires/a.service": link, lib + "y.target.requires/a.service": link}, []string{"x.target", "y.target"}},
		{"not", "a.service", map[string]string{etc + "x.target.wants/b.service": link}, nil},
		{"switched off", "a.service", map[string]string{etc + "x.target.wants/a.service": null, lib + "x.target.wants/a.service": link}, nil},
		{"switched off below", "a.service", map[string]string{etc + "x.target.wants/a.service": link, lib + "x.target.wants/a.service": null}, []string{"x.target"}},
		{"by an alias", "a.service", map[string]string{etc + "b.service": link, etc + "x.target.wants/b.service": "-> ../b.service"}, []string{"x.target"}},
		{"instance", "t@1.service", map[string]string{lib + "t@.service": says("t"), etc + "x.target.wants/t@1.service": "-> /usr/lib/systemd/system/t@.service", etc + "y.target.wants/t@2.service": "-> /usr/lib/systemd/system/t@.service"}, []string{"x.target"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{unit: says("a")}
			maps.Copy(files, tt.files)
			u, err := root(t, files).Unit(tt.unit)
			require.NoError(t, err)
			assert.Equal(t, tt.want, u.WantsIn)
		})
	}
}

// TestUnitsAreBounded: many drop-ins, and long ones, are an error.
func TestUnitsAreBounded(t *testing.T) {
	many := map[string]string{lib + "a.service": says("a"), lib + "b.service": says("b")}
	for i := range 210 {
		many[fmt.Sprintf(lib+"a.service.d/%d.conf", i)] = says("x")
	}
	for i := range 5 {
		many[fmt.Sprintf(lib+"b.service.d/%d.conf", i)] = "[Unit]\n" + strings.Repeat("X=1\n", 60_000)
	}
	for i := range 40 {
		many[fmt.Sprintf(lib+"c%d.service", i)] = "-> d.service"
	}
	many[lib+"d.service"] = says("d")
	r := root(t, many)
	_, err := r.Unit("d.service")
	require.ErrorContains(t, err, "d.service has more than 32 names")
	_, err = r.Unit("a.service")
	require.ErrorContains(t, err, "a.service has more than 200 drop-ins")
	cost := iso.Allocated(func() { _, err = r.Unit("b.service") })
	require.ErrorContains(t, err, "b.service.d/4.conf: not read: it, and the files before it, have more")
	assert.Less(t, cost, 128<<20)
}
