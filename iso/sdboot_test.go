package iso

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var efiOnly = []BootEntry{{Platform: "efi", Bootable: true, Sector: 2}}

// TestSystemdBoot: the menu as systemd-boot makes it, of files in the EFI boot
// image.
func TestSystemdBoot(t *testing.T) {
	kernel := func(name string) string { return "title " + name + "\nlinux /" + name + "\n" }
	loader := program(".text", "x", ".sdmagic", "#### LoaderInfo: systemd-boot 252 ####")
	for name, tt := range map[string]struct {
		files   map[string]string
		want    []string
		timeout time.Duration // -1 waits
		doubt   string
	}{
		"one": {map[string]string{
			"loader/loader.conf":      "# a remark\ntimeout 3\ndefault a.conf\nconsole-mode keep\n",
			"loader/entries/a.conf":   "title\tAn entry\nlinux   /a/vmlinuz\ninitrd /a/ucode.img\ninitrd  \\a\\initrd\noptions root=LABEL=A quiet\noptions console=ttyS0\n",
			"loader/entries/b.conf":   "title B\nefi /EFI/shell.efi\n",
			"loader/entries/c.txt":    kernel("c"),
			"loader/entries/d/d.conf": kernel("d"),
		}, []string{"*An entry: efi.img:/a/vmlinuz root=LABEL=A quiet console=ttyS0"}, 3 * time.Second, ""},
		"no timeout boots at once": {map[string]string{"loader/loader.conf": "", "loader/entries/a.conf": kernel("a")}, []string{"*a: efi.img:/a"}, 0, ""},
		"waits":                    {map[string]string{"loader/loader.conf": "timeout menu-force\n", "loader/entries/a.conf": kernel("a")}, []string{"*a: efi.img:/a"}, -1, ""},
		"hidden":                   {map[string]string{"loader/loader.conf": "timeout menu-hidden\n", "loader/entries/a.conf": kernel("a")}, []string{"*a: efi.img:/a"}, 0, ""},
		"a pattern": {map[string]string{"loader/loader.conf": "default Arch-*\n", "loader/entries/aa.conf": kernel("aa"), "loader/entries/arch-1.conf": kernel("one"),
			"loader/entries/arch-2.conf": kernel("two")}, []string{"*two: efi.img:/two", "one: efi.img:/one", "aa: efi.img:/aa"}, 0, ""},
		"a name without .conf": {map[string]string{"loader/loader.conf": "default a\n", "loader/entries/a.conf": kernel("a"), "loader/entries/b.conf": kernel("b")},
			[]string{"b: efi.img:/b", "*a: efi.img:/a"}, 0, ""},
		"a default that is not there": {map[string]string{"loader/loader.conf": "default c.conf\n", "loader/entries/a.conf": kernel("a"), "loader/entries/b.conf": kernel("b")},
			[]string{"*b: efi.img:/b", "a: efi.img:/a"}, 0, ""},
		"saved": {map[string]string{"loader/loader.conf": "timeout 1\ndefault @saved\n", "loader/entries/a.conf": kernel("a")},
			[]string{"a: efi.img:/a"}, time.Second, "efi.img:/loader/loader.conf:2: which entry the firmware remembers as the last one"},
		"sorted": {map[string]string{
			"EFI/BOOT/BOOTX64.EFI":        loader,
			"loader/entries/x.conf":       kernel("plain"),
			"loader/entries/1.conf":       kernel("old") + "sort-key a\nversion 6.9\n",
			"loader/entries/2.conf":       kernel("new") + "sort-key a\nversion 6.10\n",
			"loader/entries/3.conf":       kernel("rescue") + "sort-key b\n",
			"loader/entries/0+0-3.conf":   kernel("tried") + "sort-key a\nversion 9\n",
			"loader/entries/arm.conf":     kernel("arm") + "architecture aa64\n",
			"loader/entries/new+3-0.conf": kernel("counted") + "architecture x64\n",
		}, []string{"*new: efi.img:/new", "old: efi.img:/old", "rescue: efi.img:/rescue", "plain: efi.img:/plain", "counted: efi.img:/counted", "tried: efi.img:/tried"}, 0, ""},
		"what is not there": {map[string]string{"loader/loader.conf": "default b.conf", "loader/entries/a.conf": kernel("a"), "loader/entries/b.conf": kernel("none"), "loader/entries/c.conf": "title c\nefi /none.efi\n"},
			[]string{"none: efi.img:/none", "*a: efi.img:/a"}, 0, ""},
		"all of it is not there": {map[string]string{"loader/loader.conf": "", "loader/entries/b.conf": kernel("none")}, []string{"*none: efi.img:/none"}, 0, ""},
		"of another processor": {map[string]string{"EFI/BOOT/BOOTAA64.EFI": loader, "loader/entries/a.conf": kernel("a") + "architecture AA64\n", "loader/entries/b.conf": kernel("b") + "architecture x64\n"},
			[]string{"*a: efi.img:/a"}, 0, ""},
		"a shell": {map[string]string{"loader/loader.conf": "default b.conf", "loader/entries/a.conf": kernel("a"), "loader/entries/b.conf": "efi /shell.efi\n"}, []string{"a: efi.img:/a"}, 0, ""},
		"UKIs": {map[string]string{
			"EFI/BOOT/BOOTX64.EFI":  loader,
			"EFI/Linux/old.efi":     program(".osrel", "ID=x\nVERSION_ID=1\nPRETTY_NAME=\"X 1\"\n", ".cmdline", "quiet", ".linux", "k"),
			"EFI/Linux/new.efi":     program(".osrel", "ID=x\nVERSION_ID=2\nPRETTY_NAME='X 2'\n", ".cmdline", "console=ttyS0\x00", ".linux", "k", ".initrd", "i"),
			"EFI/Linux/other.efi":   program(".text", "no kernel"),
			"EFI/Linux/broken.efi":  "text",
			"loader/entries/u.conf": "title By hand\nefi /EFI/Linux/old.efi\noptions debug\n",
		}, []string{"*X 2: efi.img:/EFI/Linux/new.efi:.linux console=ttyS0", "X 1: efi.img:/EFI/Linux/old.efi:.linux quiet", "By hand: efi.img:/EFI/Linux/old.efi:.linux debug"}, 0, ""},
		"a UKI that needs no menu": {map[string]string{
			"EFI/BOOT/BOOTX64.EFI":  program(".cmdline", "console=ttyS0 root=LABEL=A", ".linux", "k", ".initrd", "i"),
			"loader/entries/a.conf": kernel("a"), "loader/loader.conf": "timeout 5",
		}, []string{"*BOOTX64.EFI: efi.img:/EFI/BOOT/BOOTX64.EFI:.linux console=ttyS0 root=LABEL=A"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, k := range strings.Fields("a/vmlinuz a b aa one two old new rescue plain counted tried arm c d shell.efi") {
				tt.files[k] = "kernel"
			}
			if name == "one" { // a is a folder there
				delete(tt.files, "a")
			}
			esp := volumeOf("efi.img", tt.files)
			menus, err := menusOf(efiOnly, volumeOf("", nil), esp)
			require.NoError(t, err)
			require.Len(t, menus, 1)
			m := menus[0]
			assert.Equal(t, tt.want, seen(m))
			assert.Equal(t, tt.doubt, m.Doubt)
			assert.Equal(t, "efi", m.Platform)
			assert.Equal(t, tt.timeout < 0, m.Waits)
			assert.Equal(t, max(0, tt.timeout), m.Timeout)
		})
	}
}

// TestUKISections: a UKI's kernel and initrd are read as files are.
func TestUKISections(t *testing.T) {
	all := volumes{volumeOf("", map[string]string{"odd:.name": "plain"}), volumeOf("efi.img", map[string]string{
		"EFI/BOOT/BOOTX64.EFI": program(".linux", "kernel", ".initrd", "initrd"),
	})}
	for name, want := range map[string]string{
		"efi.img:/EFI/BOOT/BOOTX64.EFI:.linux": "kernel", "efi.img:/EFI/BOOT/BOOTX64.EFI:.initrd": "initrd", "odd:.name": "plain",
	} {
		data, err := all.read(name, 100)
		require.NoError(t, err)
		assert.Equal(t, want, string(data))
	}
	_, err := all.read("efi.img:/EFI/BOOT/BOOTX64.EFI:.dtb", 100)
	require.EqualError(t, err, "efi.img:/EFI/BOOT/BOOTX64.EFI has no section .dtb")
	_, err = all.read("(hd0)/x", 100)
	require.EqualError(t, err, "(hd0)/x is on another device than the image")
}

// TestOtherLoaders: files that systemd-boot would read are no menu where another
// boot loader is started, and the ISO's copies are none beside the EFI boot image.
func TestOtherLoaders(t *testing.T) {
	entry := map[string]string{"loader/entries/a.conf": "linux /a\n"}
	_, err := menusOf(efiOnly, volumeOf("", entry))
	require.ErrorContains(t, err, "no boot menu", "GRUB's blscfg reads them, too")

	entry["EFI/BOOT/BOOTX64.EFI"] = program(".text", "GRUB")
	_, err = menusOf(efiOnly, volumeOf("", nil), volumeOf("efi.img", entry))
	require.ErrorContains(t, err, "no boot menu")

	entry["EFI/BOOT/BOOTX64.EFI"] = program(".text", "x")
	menus, err := menusOf(efiOnly, volumeOf("", entry), volumeOf("efi.img", entry))
	require.NoError(t, err)
	require.Len(t, menus, 1)
	assert.Equal(t, "efi.img:/loader/entries/a.conf", menus[0].File)

	menus, err = menusOf(efiOnly, volumeOf("", entry))
	require.NoError(t, err)
	assert.Equal(t, "loader/entries/a.conf:1", menus[0].Entries[0].Where())
}

// TestHostileEntries: entries' files are bounded as other menus are.
func TestHostileEntries(t *testing.T) {
	const size = 200 << 10
	for name, tt := range map[string]struct{ text, over string }{
		"initrds": {fill(size, "initrd a\n"), "more than 64 initrds"},
		"options": {fill(size, "options a b c d e f g h i j k l m n o p q r s t u v w x y z\n"), ""},
		"a line":  {"options " + fill(size, "a "), "a line of"},
		"a word":  {"linux /" + strings.Repeat("a", maxWord+1), "a word of"},
		"a title": {"title " + strings.Repeat("a", maxCommand-100) + "\nlinux /a\n", ""},
		"large":   {strings.Repeat("#", maxConfig+1), "a file of more than 1024 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			esp := volumeOf("efi.img", map[string]string{"loader/loader.conf": "", "loader/entries/a.conf": tt.text})
			var menus []Menu
			var err error
			cost := allocated(func() { menus, err = menusOf(efiOnly, volumeOf("", nil), esp) })
			assert.Less(t, cost, 72*len(tt.text)+1<<20)
			if tt.over != "" {
				require.ErrorContains(t, err, tt.over)
				require.ErrorContains(t, err, "efi.img:/loader/entries/a.conf:")
			}
			for _, m := range menus {
				assert.Less(t, weight(m), 2*maxGrowth*len(tt.text)+2*slack)
			}
		})
	}
	many := map[string]string{"loader/loader.conf": ""}
	for i := range 300 {
		many["loader/entries/"+strconv.Itoa(i)+".conf"] = "linux /a\n"
	}
	_, err := menusOf(efiOnly, volumeOf("", nil), volumeOf("efi.img", many))
	require.ErrorContains(t, err, "more than 256 included files")
}

func FuzzSystemdBoot(f *testing.F) {
	f.Add("timeout 3\ndefault a*\n", "title A\nlinux /a\ninitrd /b\noptions c d\nversion 1.2~3\nsort-key x\n", []byte(program(".linux", "k", ".cmdline", "x")))
	f.Add("default [", "efi /EFI/Linux/u.efi\narchitecture x64\n", []byte("MZ"))
	f.Fuzz(func(t *testing.T, conf, entry string, u []byte) {
		if len(conf)+len(entry) > maxConfig {
			return
		}
		esp := volumeOf("efi.img", map[string]string{
			"loader/loader.conf": conf, "loader/entries/a.conf": entry, "loader/entries/b+1.conf": entry + "\nversion 2\n", "EFI/Linux/u.efi": string(u), "EFI/BOOT/BOOTX64.EFI": string(u),
		})
		menus, _ := menusOf(efiOnly, volumeOf("", nil), esp)
		for _, m := range menus {
			if m.Default >= len(m.Entries) {
				t.Errorf("default %d of %d", m.Default, len(m.Entries))
			}
			for _, e := range m.Entries {
				if e.Kernel == "" {
					t.Error("an entry without a kernel")
				}
			}
			if got, most := weight(m), 2*maxGrowth*(len(conf)+2*len(entry)+2*len(u))+2*slack; got > most {
				t.Errorf("%d bytes: more than %d", got, most)
			}
		}
	})
}
