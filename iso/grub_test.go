package iso

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seen is a menu in words: its entries, each as its title, kernel, and what is
// in doubt of it; * before the default.
func seen(m Menu) []string {
	var all []string
	for i, e := range m.Entries {
		s := e.Title + ": " + strings.Join(append([]string{e.Kernel}, e.Args...), " ")
		if i == m.Default {
			s = "*" + s
		}
		if e.Doubt != "" {
			s += " ?" + e.Doubt
		}
		all = append(all, s)
	}
	return all
}

// TestGRUBRuns: what a configuration does, as GRUB does it.
func TestGRUBRuns(t *testing.T) {
	const head = "timeout=1\n"
	files := map[string]string{
		"boot/vmlinuz": "kernel", "boot/memtest": "m", "boot/empty": "", "live/vmlinuz": "kernel", ".disk/info": "x",
		"boot/grub/more.cfg":    "menuentry more { linux /more }\n",
		"boot/grub/empty.cfg":   "set color=blue\n",
		"boot/grub/other.cfg":   "timeout=7\nset default=1\nmenuentry o1 { linux /o1 $from }\nmenuentry o2 { linux /o2 $from }\n",
		"boot/grub/waits.cfg":   "menuentry w { linux /w }\n",
		"boot/grub/returns.cfg": "menuentry r { linux /r }\nreturn\nmenuentry 'goes on' { linux /on }\n",
		"boot/grub/grubenv":     "# GRUB Environment Block\nsaved_entry=b\nnext_entry=\n####",
		"boot/grub/circle.cfg":  "source /boot/grub/circle.cfg\nconfigfile /boot/grub/grub.cfg\nmenuentry c { linux /c }\n",
	}
	const here = "boot/grub/grub.cfg:"
	for name, tt := range map[string]struct {
		text  string
		want  []string
		doubt string
	}{
		"platform": {`
if [ "${grub_platform}" = efi ]; then
  menuentry efi { linuxefi /e }
elif [ x$grub_platform == xpc ] ; then
  menuentry pc { linux16 /p }
else
  menuentry none { linux /n }
fi`, []string{"*pc: p"}, ""},
		"files": {`
if [ -f /boot/vmlinuz -a -e ($root)/boot -a -d /boot ]; then menuentry a { linux /a }; fi
if [ -f /boot -o -s /boot/empty ]; then menuentry b { linux /b }; fi
if [ ! -e /boot/nothing ]; then menuentry c { linux /c }; fi
if test -s /boot/memtest; then menuentry d { linux /d }; fi`, []string{"*a: a", "c: c", "d: d"}, ""},
		"a file of another device": {`
if [ -e (hd0,msdos1)/boot/x ]; then menuentry a { linux /a }; fi
menuentry b { linux /b }`, []string{"*a: a ?" + here + "2: whether [ -e (hd0,msdos1)/boot/x ]", "b: b"}, ""},
		"strings and numbers": {`
x=3
if [ 3 -gt 2 -a "$none" = "" -a -z "$none" -a -n a -a ! ( a = b ) ]; then menuentry a { linux /a }; fi
if [ 3 -le 2 ]; then menuentry b { linux /b }; fi
if [ ]; then menuentry c { linux /c }; fi
if [ -z ]; then menuentry e { linux /e }; fi
if [ $none = x ]; then menuentry f { linux /f }; fi
if [ "" b ]; then menuentry g { linux /g }; fi
if [ "$none" ]; then menuentry d { linux /d }; fi`, []string{"*a: a", "c: c", "e: e", "f: f"}, ""},
		"commands that may fail": {`
if loadfont unicode; then
  set gfx=auto
  args="quiet splash"
else
  args="quiet splash"
fi
menuentry a { linux /a $args }
menuentry b { linux /b vga=$gfx }`, []string{"*a: a quiet splash", "b: b vga= ?" + here + "2: whether loadfont unicode succeeds"}, ""},
		"not": {`
if ! search --file /nowhere; then menuentry a { linux /a }; fi
if ! true; then menuentry b { linux /b }; fi`, []string{"*a: a"}, ""},
		"one branch of some": {`
if x; then v=1; elif y; then v=1; else v=1; fi
if x; then w=1; elif y; then w=1; fi
menuentry a { linux /a $v }
menuentry b { linux /b $w }`, []string{"*a: a 1", "b: b  ?" + here + "3: whether x succeeds"}, ""},
		"a number behind an entry that may not be shown": {`
set default=1
if x; then menuentry a { linux /a }; fi
menuentry b { linux /b }`, []string{"a: a ?" + here + "3: whether x succeeds", "b: b"}, here + "3: whether x succeeds"},
		"a title behind one": {`
set default=b
if x; then menuentry a { linux /a }; fi
menuentry b { linux /b }`, []string{"a: a ?" + here + "3: whether x succeeds", "*b: b"}, ""},
		"submenus": {`
set default="1>1"
set v=v; set w=w; export w
menuentry a { linux /a $v $w }
submenu m { menuentry b { linux /b }
  menuentry c { linux /c $v $w } }`, []string{"a: a v w", "m>b: b", "*m>c: c w"}, ""},
		"a submenu's first": {"default=1\nmenuentry a { linux /a }\nsubmenu m { timeout=9; menuentry b { linux /b }; }", []string{"a: a", "*m>b: b"}, ""},
		"titles and ids": {"default=\"m>>x>id\"\nmenuentry a { linux /a }\nsubmenu 'm>x' { menuentry b { linux /b }\nmenuentry c --id=id { linux /c }\n}",
			[]string{"a: a", "m>x>b: b", "*m>x>c: c"}, ""},
		"a submenu's title alone names no entry in it": {"default=b\nmenuentry a { linux /a }\nsubmenu m { menuentry b { linux /b }; }", []string{"*a: a", "m>b: b"}, ""},
		"what is set behind an entry":                  {"v=1\nmenuentry a { set v=$v$v; linux /a $v }\nmenuentry b { linux /b $v }\nv=2", []string{"*a: a 22", "b: b 2"}, ""},
		"functions": {`
function load { linux $1 $2 "$@"
  initrd /boot/initrd }
function entry { menuentry "$1" "$2" { load $2 ro } }
menuentry a { load /boot/vmlinuz quiet }
entry b /live/vmlinuz`, []string{"*a: boot/vmlinuz quiet /boot/vmlinuz quiet", "b: live/vmlinuz ro /live/vmlinuz ro"}, ""},
		"for": {`
for k in boot live; do
  menuentry $k $k { linux /$2/vmlinuz }
done
for k in /boot/vmlinuz-*; do menuentry $k { linux $k } done`, []string{"*boot: boot/vmlinuz", "live: live/vmlinuz"}, ""},
		"for of files that only GRUB finds": {`
for k in /boot/vmlinuz-*; do
  menuentry "Linux $k" { linux /boot/vmlinuz }
done`, []string{"*Linux : boot/vmlinuz ?" + here + "2: what /boot/vmlinuz-* stands for"}, ""},
		"break and continue": {`
for k in a b c d; do
  if [ $k = a ]; then continue; fi
  if [ $k = c ]; then break; fi
  menuentry $k $k { linux /$2 }
done
menuentry z { linux /z }`, []string{"*b: b", "z: z"}, ""},
		"while": {`
n=1
while [ $n -lt 5 ]; do n=$n; m=2; done
menuentry a { linux /a }`, []string{"*a: a"}, ""},
		"search": {`
search --no-floppy --set=root --file /.disk/info
menuentry a { linux ($root)/boot/vmlinuz }
menuentry b { search --set=root --label ELSEWHERE; linux /boot/vmlinuz }
menuentry c { search -l -s root ELSEWHERE; linux /c }
menuentry d { search --label HERE --set=root; linux /d }
menuentry e { search --set here --fs-uuid 2026-01-02-03-04-05-06 ; linux ($here)/e }`,
			[]string{"*a: boot/vmlinuz", "b: boot/vmlinuz", "c: (label ELSEWHERE)/c", "d: d", "e: e"}, ""},
		"another device": {"menuentry a { set root=(hd0,msdos1); linux /vmlinuz; initrd (hd1)/i }\nmenuentry b { linux (cd)/boot/vmlinuz }",
			[]string{"*a: (hd0,msdos1)/vmlinuz", "b: boot/vmlinuz"}, ""},
		"configfile":                 {"from=x\nexport from\ntimeout=3\nmenuentry a { linux /a }\nconfigfile $prefix/other.cfg\nmenuentry b { linux /b }", []string{"o1: o1 x", "*o2: o2 x"}, ""},
		"configfile without entries": {"configfile $prefix/empty.cfg\nconfigfile /none.cfg\nmenuentry a { linux /a $color }", []string{"*a: a"}, ""},
		"an entry that is a menu":    {"menuentry a { configfile /boot/grub/other.cfg }\nmenuentry b { linux /b }", []string{"a>o1: o1", "*a>o2: o2", "b: b"}, ""},
		"source":                     {"source $prefix/more.cfg\n. /boot/grub/returns.cfg\nmenuentry a { linux /a }", []string{"*more: more", "r: r", "goes on: on", "a: a"}, ""},
		"a circle":                   {"source /boot/grub/circle.cfg\nmenuentry a { linux /a }", []string{"*c: c", "a: a"}, ""},
		"saved":                      {"load_env\nset default=\"$saved_entry\"\nmenuentry a { linux /a }\nmenuentry b { linux /b }", []string{"a: a", "*b: b"}, ""},
		"saved elsewhere": {"load_env --file (hd0)/grubenv\nset default=\"${saved_entry}\"\nmenuentry a { linux /a }\nmenuentry b { linux /b }", []string{"a: a", "b: b"},
			here + "2: what load_env --file (hd0)/grubenv reads"},
		"what probe finds": {"probe -u $root --set=u\nmenuentry a { linux /a root=UUID=$u }", []string{"*a: a root=UUID= ?" + here + "2: whether probe -u cd0 --set=u succeeds"}, ""},
		"blscfg":           {"insmod blscfg\nblscfg\n", nil, here + "3: what blscfg adds to the menu"},
		"Xen":              {"menuentry Xen { multiboot2 /xen.gz; module2 /vmlinuz }\nmenuentry a { linux /a }", []string{"a: a"}, here + "2: multiboot2 boots another kernel first"},
		"hidden": {`
default=1
if [ $grub_platform = pc ]; then
	hiddenentry "Text mode" --hotkey "t" {
		set textmode=true
		default=0
	}
fi
menuentry a { linux /a $textmode }
default=a`, []string{"*a: a"}, ""},
		"a hidden one first": {`
hiddenentry "Text mode" { true }
menuentry a { linux /a }`, []string{"a: a"}, here + "2: whether this GRUB knows hiddenentry"},
		"a submenu that may not be shown": {`
default=m
if x; then submenu m { menuentry a { linux /a }; }; fi
menuentry b { linux /b }`, []string{"*m>a: a ?" + here + "3: whether x succeeds", "b: b"}, ""},
		"a number behind a hidden one": {`
default=1
hiddenentry "Text mode" { true }
menuentry a { linux /a }`, []string{"a: a"}, here + "3: whether this GRUB knows hiddenentry"},
		"eval": {`
args="quiet splash"
eval "
menuentry 'a' {
	echo '$"Loading" ` + strings.Repeat("x", maxWord) + `'
	linux /boot/vmlinuz $args
}
"`, []string{"*a: boot/vmlinuz quiet splash"}, ""},
		"words to translate": {`menuentry $"An entry" { linux /a }`, []string{"*An entry: a"}, ""},
		"no menu at all":     {"linux /boot/vmlinuz quiet\ninitrd /boot/initrd\nboot\n", []string{"*: boot/vmlinuz quiet"}, ""},
		"boots unless":       {"linux /boot/vmlinuz\nif keystatus --shift; then true; else boot; fi\nmenuentry a { linux /a }", []string{"a: a"}, here + "3: whether keystatus --shift succeeds"},
		"leaves unless":      {"if keystatus --shift; then exit; fi\nmenuentry a { linux /a }", []string{"a: a"}, here + "2: what the menu holds behind exit"},
		"returns unless": {"function f { if keystatus --shift; then return; fi; menuentry b { linux /b } }\nf\nmenuentry a { linux /a }",
			[]string{"b: b", "a: a"}, here + "2: whether keystatus --shift succeeds"},
		"returns": {`
function f { return 1; menuentry never { linux /never } }
if f; then menuentry a { linux /a }; else menuentry b { linux /b }; fi
if f; then true; else c=1 d=2; set e=3 f=4; fi
menuentry c { linux /c $c$d $e$f }`, []string{"*b: b", "c: c 1 3"}, ""},
		"a variable of words": {"set args=\"console=tty0 console=ttyS0\"\nmenuentry a { linux /a $args \"$args\" }",
			[]string{"*a: a console=tty0 console=ttyS0 console=tty0 console=ttyS0"}, ""},
		"only the last initrd": {"menuentry a { linux /a; initrd /1; initrd /2 /3 }", []string{"*a: a"}, ""},
		"an id that is not set": {`
if [ x"${feature_menuentry_id}" = xy ]; then menuentry_id_option="--id"; else menuentry_id_option=""; fi
set default=two
menuentry a $menuentry_id_option one { linux /a }
menuentry b $menuentry_id_option two { linux /b }`, []string{"a: a", "*b: b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files["boot/grub/grub.cfg"] = head + strings.TrimPrefix(tt.text, "\n")
			r := from(files)
			r.volumes[0].label, r.volumes[0].uuid = "HERE", "2026-01-02-03-04-05-06"
			m, err := grubOf("boot/grub/grub.cfg", r)
			require.NoError(t, err)
			assert.Equal(t, tt.want, seen(m))
			assert.Equal(t, tt.doubt, m.Doubt)
		})
	}
}

// TestGRUBDevices: a partition of the image goes by its names, too.
func TestGRUBDevices(t *testing.T) {
	esp := volumeOf("partition 1", map[string]string{"EFI/BOOT/grub.cfg": "search --set=root --label ROOT\nconfigfile /boot/grub/grub.cfg\n"})
	root := volumeOf("partition 2", map[string]string{"boot/vmlinuz": "k", "boot/grub/grub.cfg": "timeout=1\nmenuentry a { set root=(hd0,gpt2); linux /boot/vmlinuz }\n" +
		"menuentry b { linux (hd0,2)/boot/vmlinuz }\nmenuentry c { linux (hd1,gpt2)/boot/vmlinuz }\nmenuentry d { linux /boot/vmlinuz $root }\n"})
	esp.devices, root.devices, root.label = []string{"hd0,gpt1"}, []string{"hd0,gpt2", "hd0,2"}, "ROOT"
	m, err := parseGRUB("partition 1:/EFI/BOOT/grub.cfg", "efi", "x86_64", &reading{volumes: volumes{esp, root}})
	require.NoError(t, err)
	assert.Equal(t, "partition 2:/boot/grub/grub.cfg", m.File)
	assert.Equal(t, []string{"*a: partition 2:/boot/vmlinuz", "b: partition 2:/boot/vmlinuz", "c: (hd1,gpt2)/boot/vmlinuz",
		"d: partition 2:/boot/vmlinuz hd0,gpt2 ?what GRUB calls the image's device"}, seen(m))
}

// TestGRUBTimeouts: of the menu that is shown.
func TestGRUBTimeouts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"timeout=2\nmenuentry a { linux /a }":                                                    2 * time.Second,
		"menuentry a { linux /a }":                                                               -1,
		"timeout=2\nmenuentry a { configfile /waits.cfg }":                                       -1,
		"timeout=2\nmenuentry a { configfile /other.cfg }":                                       9 * time.Second,
		"timeout=2\nexport timeout\nconfigfile /waits.cfg":                                       2 * time.Second,
		"timeout=2\nconfigfile /waits.cfg":                                                       -1,
		"timeout=2\nsubmenu a { timeout=9; menuentry b { linux /b }; }":                          2 * time.Second,
		"if sleep --interruptible 3; then timeout=5; else timeout=5; fi\nmenuentry a {linux /a}": 5 * time.Second,
	} {
		m, err := grubOf("grub.cfg", from(map[string]string{
			"grub.cfg": text, "waits.cfg": "menuentry w { linux /w }\n", "other.cfg": "timeout=7\nmenuentry o { linux /o }\n",
		}))
		require.NoError(t, err)
		assert.Equal(t, want < 0, m.Waits, text)
		assert.Equal(t, max(0, want), m.Timeout, text)
	}
	m, err := grubOf("grub.cfg", from(map[string]string{"grub.cfg": "if x; then\ntimeout=5\nfi\nmenuentry a {linux /a}"}))
	require.NoError(t, err)
	assert.Equal(t, "grub.cfg:1: whether x succeeds", m.Doubt)
}

// menusOf are the menus of an image with these volumes, the ISO's own first; all
// its files lie where the firmware's boot images do.
func menusOf(boot []BootEntry, all ...*volume) ([]Menu, error) {
	img := &Image{Boot: boot, file: &guarded{until: time.Now().Add(time.Hour)}, volumes: all}
	img.tree = tree{byPath: map[string]entry{}, paths: all[0].paths}
	for _, name := range img.tree.paths {
		img.tree.byPath[name] = entry{at: sector}
	}
	return findMenus(img)
}

// TestPlatforms: one file may say other things to BIOS and UEFI; who reads it is
// told by where it lies and by what the firmware is offered.
func TestPlatforms(t *testing.T) {
	const same = "timeout=1\nmenuentry a { linux /a }\n"
	const differs = "timeout=1\nmenuentry $grub_platform { linux /a }\n"
	both := []BootEntry{{Platform: "bios", Bootable: true, Sector: 1}, {Platform: "efi", Bootable: true, Sector: 2}}
	for name, tt := range map[string]struct {
		boot  []BootEntry
		files map[string]string
		want  []string
	}{
		"same":    {both, map[string]string{"boot/grub/grub.cfg": same}, []string{"boot/grub/grub.cfg: *a: a"}},
		"differs": {both, map[string]string{"boot/grub/grub.cfg": differs}, []string{"boot/grub/grub.cfg (bios): *pc: a", "boot/grub/grub.cfg (efi): *efi: a"}},
		"by folder": {both, map[string]string{"EFI/BOOT/grub.cfg": differs, "boot/grub/i386-pc/grub.cfg": differs},
			[]string{"EFI/BOOT/grub.cfg (efi): *efi: a", "boot/grub/i386-pc/grub.cfg (bios): *pc: a"}},
		"EFI only": {both[1:], map[string]string{"boot/grub/grub.cfg": differs}, []string{"boot/grub/grub.cfg (efi): *efi: a"}},
		"another processor": {both[1:], map[string]string{"EFI/BOOT/BOOTAA64.EFI": "", "boot/grub/grub.cfg": "timeout=1\nmenuentry $grub_cpu { linux /a }\n"},
			[]string{"boot/grub/grub.cfg (efi): *arm64: a"}},
		"BIOS only":        {both[:1], map[string]string{"boot/grub/grub.cfg": differs}, []string{"boot/grub/grub.cfg (bios): *pc: a"}},
		"ISOLINUX by BIOS": {both, map[string]string{"isolinux/isolinux.bin": "", "boot/grub/grub.cfg": differs}, []string{"boot/grub/grub.cfg (efi): *efi: a"}},
		"read by another":  {both, map[string]string{"EFI/BOOT/grub.cfg": "configfile /boot/grub/grub.cfg\n", "boot/grub/grub.cfg": same}, []string{"boot/grub/grub.cfg: *a: a"}},
	} {
		t.Run(name, func(t *testing.T) {
			menus, err := menusOf(tt.boot, volumeOf("", tt.files))
			require.NoError(t, err)
			var is []string
			for _, m := range menus {
				is = append(is, m.name()+": "+strings.Join(seen(m), ", "))
			}
			assert.Equal(t, tt.want, is)
		})
	}
}
