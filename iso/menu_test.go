package iso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/prereq"
)

func from(files map[string]string) loader {
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return func(name string) ([]byte, error) { return fs.ReadFile(all, name) }
}

func TestSyslinux(t *testing.T) {
	m, err := parseSyslinux("isolinux/isolinux.cfg", from(map[string]string{
		"isolinux/isolinux.cfg": `
# comment
SERIAL 0 115200
TIMEOUT 35
UI vesamenu.c32
MENU TITLE Installer
APPEND quiet
DEFAULT second
INCLUDE /isolinux/more.cfg
MENU INCLUDE missing.cfg

LABEL first
MENU LABEL The ^first
LINUX /boot/vmlinuz
APPEND initrd=/boot/a,b.img root=LABEL=MY\x20DISK console=ttyS0,115200n8 console=tty0

LABEL bare
KERNEL vmlinuz
INITRD ../boot/initrd

LABEL none
KERNEL vmlinuz
APPEND -

LABEL chain
KERNEL chain.c32
APPEND hd0
TEXT HELP
  LINUX is a word in this help
ENDTEXT
`,
		"isolinux/more.cfg": "label second\r\nmenu default\r\nkernel /boot/other arg\r\n",
	}))
	require.NoError(t, err)
	assert.Equal(t, "serial 0 115200", m.Serial)
	assert.Equal(t, 3500*time.Millisecond, m.Timeout)
	assert.False(t, m.Waits)
	require.Len(t, m.Entries, 4)
	assert.Equal(t, 0, m.Default)
	assert.Equal(t, "isolinux/more.cfg:1", m.Entries[0].Where())
	assert.Equal(t, "second", m.Entries[0].ID)
	assert.Equal(t, []string{"quiet"}, m.Entries[0].Args)
	first := m.Entries[1]
	assert.Equal(t, "The first", first.Title)
	assert.Equal(t, []string{"boot/a", "isolinux/b.img"}, first.Initrds)
	assert.Equal(t, "MY DISK", first.Label())
	assert.Equal(t, []string{"ttyS0", "tty0"}, first.Consoles())
	assert.Equal(t, "isolinux/vmlinuz", m.Entries[2].Kernel)
	assert.Equal(t, []string{"boot/initrd"}, m.Entries[2].Initrds)
	assert.Empty(t, m.Entries[3].Args)
}

// TestSyslinuxSubmenu: what a submenu calls its default is not the menu's.
func TestSyslinuxSubmenu(t *testing.T) {
	m, err := parseSyslinux("s.cfg", from(map[string]string{"s.cfg": `
default install
label install
	menu label ^Install
	menu default
	kernel linux
menu begin advanced
	menu label ^Advanced options
	default dark
	label dark
		menu label Dark
		menu default
		kernel linux
	menu end
menu title Last
`}))
	require.NoError(t, err)
	require.Len(t, m.Entries, 2)
	assert.Equal(t, "Install", m.Entries[0].Title)
	assert.Equal(t, "Dark", m.Entries[1].Title)
	assert.Equal(t, 0, m.Default)
}

func TestSyslinuxWaits(t *testing.T) {
	for text, want := range map[string]struct {
		waits bool
		def   int
	}{
		"DEFAULT a\nLABEL a\nKERNEL k\n":                                              {false, 0}, // boots at once
		"DEFAULT a\nPROMPT 1\nLABEL a\nKERNEL k\n":                                    {true, 0},
		"DEFAULT vesamenu.c32\nLABEL a\nKERNEL k\n":                                   {true, 0},
		"UI menu.c32\nTIMEOUT 50\nLABEL a\nKERNEL k\n":                                {false, 0},
		"DEFAULT b\nLABEL a\nKERNEL k\n":                                              {false, -1},
		"DEFAULT a extra words\nLABEL a\nKERNEL k\n":                                  {false, 0},
		"UI menu.c32\nTIMEOUT 5\nONTIMEOUT b\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k\n": {false, 1},
	} {
		m, err := parseSyslinux("s.cfg", from(map[string]string{"s.cfg": text}))
		require.NoError(t, err)
		assert.Equal(t, want.waits, m.Waits, text)
		assert.Equal(t, want.def, m.Default, text)
	}
}

func TestGRUB(t *testing.T) {
	m, err := parseGRUB("boot/grub/grub.cfg", from(map[string]string{
		"boot/grub/grub.cfg": `
# comment with { braces
if [ "${grub_platform}" = "efi" ]; then
  insmod efi_gop
fi
serial --unit=0 --speed=115200 --word=8
terminal_output serial console
set timeout=10; set default="second"
isoboot="findiso=${iso_path}"
search --set=root --file /EFI/nixos-installer-image
menuentry 'NixOS Installer ' --class installer {
  # a remark
  terminal_output console
  linux ($root)/boot/bzImage ${isoboot} init=/nix/store/x/init \
    "root=LABEL=a b" console=tty0 console=ttyS0,115200n8 \
    loglevel=4
  initrd /boot/initrd /boot/microcode
}
submenu --hotkey=m "More" --class sub {
  menuentry "It's it" --id second { linux /boot/other; initrd /boot/initrd; }
  submenu "deeper" { menuentry --class a --hotkey k x { linuxefi /k a=$undefined b } }
}
menuentry 'Shutdown' { halt }
source $prefix/more.cfg
configfile /missing.cfg
`,
		"boot/grub/more.cfg": "menuentry last {\n linux /boot/last\n}\nsource /boot/grub/grub.cfg\n",
	}))
	require.NoError(t, err)
	assert.Equal(t, 10*time.Second, m.Timeout)
	assert.False(t, m.Waits)
	assert.Equal(t, "serial --unit=0 --speed=115200 --word=8", m.Serial)
	require.GreaterOrEqual(t, len(m.Entries), 4)
	e := m.Entries[0]
	assert.Equal(t, "NixOS Installer ", e.Title)
	assert.Equal(t, "boot/bzImage", e.Kernel)
	assert.Equal(t, []string{"init=/nix/store/x/init", "root=LABEL=a b", "console=tty0", "console=ttyS0,115200n8", "loglevel=4"}, e.Args)
	assert.Equal(t, []string{"boot/initrd", "boot/microcode"}, e.Initrds)
	assert.Equal(t, "boot/grub/grub.cfg:14", e.Where())
	assert.Equal(t, "a b", e.Label())
	assert.Equal(t, "More>It's it", m.Entries[1].Title)
	assert.Equal(t, 1, m.Default)
	assert.Equal(t, "More>deeper>x", m.Entries[2].Title)
	assert.Equal(t, []string{"a=", "b"}, m.Entries[2].Args)
	assert.Equal(t, "last", m.Entries[3].Title)
}

func TestGRUBWaits(t *testing.T) {
	for text, want := range map[string]bool{
		"menuentry a {\nlinux /k\n}\n":                    true,
		"set timeout=-1\nmenuentry a {\nlinux /k\n}\n":    true,
		"set timeout=0\nmenuentry a {\nlinux /k\n}\n":     false,
		"set timeout=\"5\"\nmenuentry a {\nlinux /k\n}\n": false,
	} {
		m, err := parseGRUB("g", from(map[string]string{"g": text}))
		require.NoError(t, err)
		assert.Equal(t, want, m.Waits, text)
		assert.Equal(t, 0, m.Default)
	}
}

func fuzzMenu(f *testing.F, parse func(string, loader) (Menu, error), seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse("dir/m.cfg", func(string) ([]byte, error) { return []byte(text), nil })
		if err != nil {
			return
		}
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
	})
}

func FuzzSyslinux(f *testing.F) {
	fuzzMenu(f, parseSyslinux, "LABEL a\nKERNEL k\nAPPEND initrd=a,b root=LABEL=\\x20 -\nINCLUDE m.cfg\n", "UI x\nTIMEOUT 9\nTEXT HELP\nENDTEXT\nMENU DEFAULT\nLABEL\nLINUX x\n")
}

func FuzzGRUB(f *testing.F) {
	fuzzMenu(f, parseGRUB, "set a=$a$a\nmenuentry 'x' --id y {\nlinux ($root)/k ${z} \"q\\\"\"\n}\nsource $prefix/m", "submenu { } } { menuentry { linux $ ' \\")
}

// FuzzText: what a unit, a sudoers file and a script are read with.
func FuzzText(f *testing.F) {
	f.Add("A=1 'b c' \"d\\\"\" \\")
	f.Add("%wheel ALL=(ALL:ALL) NOPASSWD:SETENV: ALL")
	f.Add("run(['systemctl', 'start',\n 'sshd'])")
	f.Fuzz(func(t *testing.T, text string) {
		words(text)
		sudoRule.FindStringSubmatch(text)
		waitsFor([]fileText{{"f", text}}, []string{"sshd.service"})
	})
}

func TestRockRidge(t *testing.T) {
	loop := make([]byte, sector)
	copy(loop, "CE\x1c\x01")
	loop[20] = 28 // of sector 0, from byte 0, 28 bytes: itself
	w := &walker{r: bytes.NewReader(loop), size: sector}
	_, _, err := w.rockRidge(loop[:28])
	assert.ErrorContains(t, err, "a continuation of 28 bytes, number 18")

	long := append([]byte(nil), loop...)
	copy(long[20:], "\xff\xff\xff\xff")
	_, _, err = w.rockRidge(long[:28])
	assert.ErrorContains(t, err, "a continuation of 4294967295 bytes")

	name, relocated, err := w.rockRidge([]byte("NM\x08\x01\x01isoNM\x0a\x01\x00linuxRE\x04\x01"))
	require.NoError(t, err)
	assert.Equal(t, "isolinux", name)
	assert.True(t, relocated)
}

// TestPathsAreBounded: an image of 100 KB whose 300 files have names of 60 KB,
// all written once.
func TestPathsAreBounded(t *testing.T) {
	const names = 10 // the sector of what every name continues with
	image := make([]byte, 40*sector)
	for at := names * sector; at+255 <= len(image); at += 255 {
		copy(image[at:], "NM\xff\x01\x01"+strings.Repeat("n", 250))
	}
	at := 0
	for range 300 {
		const length = 34 + 28
		if at%sector+length > sector {
			at += sector - at%sector
		}
		record := image[at : at+length]
		at += length
		record[0], record[32], record[33] = length, 1, 'A'
		copy(record[34:], "CE\x1c\x01")
		binary.LittleEndian.PutUint32(record[34+4:], names)
		binary.LittleEndian.PutUint32(record[34+20:], 60_000)
	}
	_, err := walk(bytes.NewReader(image), int64(len(image)), entry{size: names * sector, dir: true})
	assert.ErrorContains(t, err, "its paths have more than 16 MiB")
}

func TestLabel(t *testing.T) {
	for arg, want := range map[string]string{
		"root=LABEL=MY\\x20DISK":              "MY DISK",
		"root=/dev/disk/by-label/\\xc3\\xa9t": "ét",
		"root=live:CDLABEL=X":                 "X",
		"root=UUID=1":                         "",
	} {
		assert.Equal(t, want, Entry{Args: []string{arg}}.Label(), arg)
	}
}

func TestMenuGap(t *testing.T) {
	quick := Menu{File: "quick.cfg", Serial: "serial 0", Timeout: 3 * time.Second}
	slow := Menu{File: "slow.cfg", Serial: "serial 0", Timeout: 10 * time.Second}
	assert.Equal(t, prereq.Holds, menuGap(&Image{Menus: []Menu{quick}}).Outcome)
	r := menuGap(&Image{Menus: []Menu{quick, slow}})
	assert.Equal(t, "slow.cfg waits 10s", r.Detail)
	assert.NotEmpty(t, r.Risk)
}

func TestCatalogue(t *testing.T) {
	c := make([]byte, 3*sector)
	at := c[sector:]
	copy(at, "\x01\x00\x00\x00")
	copy(at[0x1c:], "\xaa\x55\x55\xaa")
	copy(at[32:], "\x88\x00\x00\x00\x00\x00\x04\x00\x02\x00\x00\x00")
	copy(at[64:], "\x90\xef\x01\x00")
	copy(at[96:], "\x88\x00\x00\x00\x00\x00\x00\x08\x01\x00\x00\x00")
	copy(at[128:], "\x91\x07\x01\x00")
	copy(at[160:], "\x00")
	sum := func() {
		at[28], at[29] = 0, 0
		var s uint16
		for i := 0; i < 32; i += 2 {
			s += uint16(at[i]) | uint16(at[i+1])<<8
		}
		at[28], at[29] = byte(-s), byte(-s>>8)
	}
	sum()
	entries, err := readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	require.NoError(t, err)
	assert.Equal(t, []BootEntry{{"bios", true, 2, 4}, {"efi", true, 1, 2048}, {"0x7", false, 0, 0}}, entries)

	at[40] = 9
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	assert.ErrorContains(t, err, "boot entry 1 (bios) points at sector 9 of 3")
	at[0] = 2
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	assert.ErrorContains(t, err, "no validation entry")
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 0)
	assert.ErrorContains(t, err, "no El Torito boot record")
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 99)
	assert.Error(t, err)
}

func FuzzCatalogue(f *testing.F) {
	f.Add(make([]byte, sector))
	f.Fuzz(func(t *testing.T, c []byte) {
		_, _ = readCatalogue(bytes.NewReader(append(c, make([]byte, sector)...)), int64(len(c)), 1)
	})
}

func TestKinds(t *testing.T) {
	for head, want := range map[string]string{
		"070701xx": "cpio", "\x1f\x8b\x08": "gzip", "\x28\xb5\x2f\xfd": "zstd", "\xfd7zXZ\x00": "xz", "\x02\x21\x4c\x18": "lz4",
	} {
		kind, err := initrdKind([]byte(head))
		require.NoError(t, err)
		assert.Equal(t, want, kind)
	}
	for head, want := range map[string]string{
		"":                 "it starts with nothing",
		"hello":            `it starts with the text "hello"`,
		"\x7fELF":          "it starts with ELF data",
		"\x00\x00\x00":     "it starts with zeros",
		"\xff\x01\x02\x03": "it starts with the bytes ff 01 02 03",
		"\x1b[2J":          "it starts with the bytes 1b 5b 32 4a",
	} {
		_, err := initrdKind([]byte(head))
		assert.ErrorContains(t, err, want)
		_, err = kernelArch([]byte(head))
		assert.ErrorContains(t, err, want)
	}
	old := make([]byte, headerSize)
	copy(old[0x202:], "HdrS\x0f\x02")
	arch, err := kernelArch(old)
	require.NoError(t, err)
	assert.Equal(t, "i386", arch)
	_, err = elfArch([]byte("\x7fELFxx"))
	assert.True(t, err != nil && !errors.Is(err, fs.ErrNotExist))
}
