package iso

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bootaudit/contract/check"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// from is the reading of an image whose ISO has these files.
func from(files map[string]string) *reading {
	return &reading{volumes: volumes{volumeOf("", files)}}
}

func volumeOf(name string, files map[string]string) *volume {
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	var devices []string
	if name == "" {
		devices = []string{"cd0", "cd"}
	}
	return &volume{
		name: name, devices: devices, paths: slices.Sorted(maps.Keys(files)),
		open: func(name string) (io.ReaderAt, int64, error) {
			data, err := fs.ReadFile(all, name)
			return bytes.NewReader(data), int64(len(data)), err
		},
		stat: func(name string) (int64, bool, error) {
			info, err := fs.Stat(all, or(name, "."))
			if err != nil {
				return 0, false, err
			}
			return info.Size(), info.IsDir(), nil
		},
	}
}

// grubOf reads a grub.cfg as a BIOS's GRUB does.
func grubOf(name string, r *reading) (Menu, error) { return parseGRUB(name, "pc", "i386", r) }

func TestGRUB(t *testing.T) {
	m, err := grubOf("boot/grub/grub.cfg", from(map[string]string{
		"boot/grub/grub.cfg": `
# comment with { braces
if [ "${grub_platform}" = "efi" ]; then
  insmod efi_gop
fi
serial --unit=0 --speed=115200 --word=8
terminal_output serial console
set timeout=10; set default="More>second"
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
		"EFI/nixos-installer-image": "",
		"boot/grub/more.cfg":        "menuentry last {\n linux /boot/last\n}\nsource /boot/grub/grub.cfg\n",
	}))
	require.NoError(t, err)
	assert.Equal(t, 10*time.Second, m.Timeout)
	assert.False(t, m.Waits)
	assert.Equal(t, "serial --unit=0 --speed=115200 --word=8", m.Serial)
	require.Len(t, m.Entries, 4)
	e := m.Entries[0]
	assert.Equal(t, "NixOS Installer ", e.Title)
	assert.Equal(t, "boot/bzImage", e.Kernel)
	assert.Equal(t, []string{"findiso=", "init=/nix/store/x/init", "root=LABEL=a b", "console=tty0", "console=ttyS0,115200n8", "loglevel=4"}, e.Args)
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
		m, err := grubOf("g", from(map[string]string{"g": text}))
		require.NoError(t, err)
		assert.Equal(t, want, m.Waits, text)
		assert.Equal(t, 0, m.Default)
	}
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
	assert.Equal(t, check.Holds, menuGap(&Image{Menus: []Menu{quick}}).Outcome)
	r := menuGap(&Image{Menus: []Menu{quick, slow}})
	assert.Equal(t, "slow.cfg waits 10s", r.Detail)
	assert.NotEmpty(t, r.Risk)
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
	for arch, start := range map[string]string{
		"aarch64": strings.Repeat("x", 0x38) + "ARM\x64", "riscv64": strings.Repeat("x", 0x38) + "RSC\x05", "arm": strings.Repeat("x", 0x24) + "\x18\x28\x6f\x01",
		"loongarch64": "MZ\x00\x00zimg" + strings.Repeat("x", 0x34) + "\x40\x00\x00\x00PE\x00\x00\x64\x62",
	} {
		is, err := kernelArch([]byte(start + strings.Repeat("\x00", 100)))
		require.NoError(t, err)
		assert.Equal(t, arch, is)
	}
	_, err := kernelArch([]byte("MZ\x00\x00zimg" + strings.Repeat("\xff", 100)))
	require.ErrorContains(t, err, "no Linux kernel")
	old := make([]byte, headerSize)
	copy(old[0x202:], "HdrS\x0f\x02")
	arch, err := kernelArch(old)
	require.NoError(t, err)
	assert.Equal(t, "i386", arch)
	_, err = elfArch([]byte("\x7fELFxx"))
	assert.True(t, err != nil && !errors.Is(err, fs.ErrNotExist))
}

// GRUB's own ways to say things: an assignment without set, a command that is a
// condition, a default that counts what the menu shows.
func TestGRUBAsPeopleWriteIt(t *testing.T) {
	menu := func(head, tail string) Menu {
		m, err := grubOf("boot/grub/grub.cfg", from(map[string]string{"boot/grub/grub.cfg": head + `
if serial --unit=0 --speed=115200; then
	terminal_output --append serial
fi
menuentry "Another disk" { chainloader (hd0)+1 }
menuentry "Live" --id live { linux /live console=ttyS0 }
submenu "More" {
	menuentry "Safe" { linux /safe }
	menuentry "Shell" { chainloader /shell.efi }
}
menuentry "Memory" { linux16 /memtest }
` + tail}))
		require.NoError(t, err)
		return m
	}
	m := menu("timeout=15\ntimeout_style=menu\ndefault=live\n", "")
	assert.False(t, m.Waits)
	assert.Equal(t, 15*time.Second, m.Timeout)
	assert.Equal(t, "serial --unit=0 --speed=115200", m.Serial)
	assert.Equal(t, "Live", m.Entries[m.Default].Title)
	for number, title := range map[string]string{"1": "Live", "2": "More>Safe", "3": "Memory"} {
		m := menu("set default="+number+"\n", "")
		assert.Equal(t, title, m.Entries[m.Default].Title, number)
	}
	assert.Equal(t, -1, menu("default=0", "").Default, "boots no Linux")
	assert.Equal(t, -1, menu("default=9", "").Default, "the first, which boots no Linux")
	assert.True(t, menu("echo timeout=3", "").Waits)
}
