package iso

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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

// TestSyslinuxLeads: a default may be another configuration, or a kernel without a
// label.
func TestSyslinuxLeads(t *testing.T) {
	files := map[string]string{
		"boot/vmlinuz": "", "sys/sys.cfg": "TIMEOUT 150\nUI vesamenu.c32\nDEFAULT arch\nINCLUDE linux.cfg\n",
		"sys/linux.cfg": "LABEL arch\nMENU LABEL Arch\nLINUX vmlinuz\nAPPEND quiet\n", "other/linux.cfg": "LABEL arch\nLINUX vmlinuz\n",
		"sys/circle.cfg": "DEFAULT c\nLABEL c\nCONFIG circle.cfg\n", "sys/empty.cfg": "UI menu.c32\n",
	}
	for name, tt := range map[string]struct {
		text string
		want []string
		file string
	}{
		"whichsys": {"DEFAULT select\nLABEL select\nCOM32 whichsys.c32\nAPPEND -pxe- pxe -sys- sys -iso- iso\nLABEL iso\nCONFIG sys.cfg\nLABEL pxe\nCONFIG none.cfg\n",
			[]string{"*Arch: sys/vmlinuz quiet"}, "sys/sys.cfg"},
		"another folder":  {"DEFAULT load\nLABEL load\nCONFIG /sys/sys.cfg\nAPPEND /other/\n", []string{"*arch: other/vmlinuz"}, "sys/sys.cfg"},
		"not there":       {"DEFAULT load\nLABEL load\nCONFIG none.cfg\nLABEL a\nLINUX k\n", []string{"a: sys/k"}, "sys/isolinux.cfg"},
		"nothing there":   {"DEFAULT load\nLABEL load\nCONFIG empty.cfg\nLABEL a\nLINUX k\n", []string{"a: sys/k"}, "sys/isolinux.cfg"},
		"a circle":        {"DEFAULT load\nLABEL load\nCONFIG circle.cfg\n", nil, "sys/circle.cfg"},
		"not the default": {"DEFAULT a\nLABEL load\nCONFIG sys.cfg\nLABEL a\nLINUX k\n", []string{"*a: sys/k"}, "sys/isolinux.cfg"},
		"a kernel":        {"APPEND ro\nDEFAULT /boot/vmlinuz initrd=/i console=ttyS0\nLABEL a\nLINUX k\n", []string{"*/boot/vmlinuz: boot/vmlinuz ro console=ttyS0", "a: sys/k ro"}, "sys/isolinux.cfg"},
		"no kernel":       {"DEFAULT /boot/none\nLABEL a\nLINUX k\n", []string{"a: sys/k"}, "sys/isolinux.cfg"},
	} {
		t.Run(name, func(t *testing.T) {
			files["sys/isolinux.cfg"] = tt.text
			m, err := parseSyslinux("sys/isolinux.cfg", from(files))
			require.NoError(t, err)
			assert.Equal(t, tt.want, seen(m))
			assert.Equal(t, tt.file, m.File)
		})
	}
}

func TestSyslinuxWaits(t *testing.T) {
	for text, want := range map[string]struct {
		waits bool
		def   int
	}{
		"DEFAULT a\nLABEL a\nKERNEL k\n":                                                          {false, 0}, // boots at once
		"DEFAULT a\nPROMPT 1\nLABEL a\nKERNEL k\n":                                                {true, 0},
		"DEFAULT vesamenu.c32\nLABEL a\nKERNEL k\n":                                               {true, 0},
		"UI menu.c32\nTIMEOUT 50\nLABEL a\nKERNEL k\n":                                            {false, 0},
		"DEFAULT b\nLABEL a\nKERNEL k\n":                                                          {false, -1},
		"DEFAULT a extra words\nLABEL a\nKERNEL k\n":                                              {false, 0},
		"UI menu.c32\nTIMEOUT 50\nDEFAULT c\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k\n":              {false, 0},
		"UI menu.c32\nTIMEOUT 50\nLABEL h\nMENU HIDE\nKERNEL k\nLABEL b\nKERNEL k\n":              {false, 1},
		"UI menu.c32\nTIMEOUT 50\nLABEL d\nLOCALBOOT 0\nLABEL b\nKERNEL k\n":                      {false, -1},
		"UI menu.c32\nTIMEOUT 50\nMENU BEGIN s\nLABEL x\nKERNEL k\nMENU END\nLABEL b\nKERNEL k\n": {false, -1},
		"LABEL a\nKERNEL k\n":                                                                     {false, -1}, // the boot: prompt
		"UI menu.c32\nTOTALTIMEOUT 3000\nLABEL a\nKERNEL k\n":                                     {false, 0},
		"UI menu.c32\nTIMEOUT 5\nONTIMEOUT b\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k\n":             {false, 1},
	} {
		m, err := parseSyslinux("s.cfg", from(map[string]string{"s.cfg": text}))
		require.NoError(t, err)
		assert.Equal(t, want.waits, m.Waits, text)
		assert.Equal(t, want.def, m.Default, text)
	}
}
