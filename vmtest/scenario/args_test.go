package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"bootaudit/iso"
	"bootaudit/vmtest"
)

// TestKernelArgs: the command line of the menu that the machine's firmware
// reads. Without a machine, that is a BIOS.
func TestKernelArgs(t *testing.T) {
	menu := func(loader, platform string, args ...string) iso.Menu {
		return iso.Menu{Loader: loader, Platform: platform, Entries: []iso.Entry{{Args: args}}}
	}
	none := menu("grub", "bios", "waits")
	none.Default = -1
	for name, tt := range map[string]struct {
		menus []iso.Menu
		want  []string
	}{
		"no image":       {nil, nil},
		"GRUB for both":  {[]iso.Menu{menu("grub", "efi", "efi"), menu("grub", "bios", "bios")}, []string{"bios"}},
		"ISOLINUX first": {[]iso.Menu{menu("grub", "", "grub"), menu("syslinux", "", "isolinux")}, []string{"isolinux"}},
		"UEFI's alone":   {[]iso.Menu{menu("uki", "efi", "uki"), none}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{Session: &vmtest.Session{}}
			if tt.menus != nil {
				s.image = &iso.Image{Menus: tt.menus}
			}
			assert.Equal(t, tt.want, s.kernelArgs())
		})
	}
}
