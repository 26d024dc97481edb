package iso_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/fixtures"
	"bootaudit/iso"
)

func write(t *testing.T, s fixtures.SmallISO) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "small.iso")
	require.NoError(t, s.Write(name))
	return name
}

func open(t *testing.T, name string) *iso.Image {
	t.Helper()
	img, err := iso.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, img.Close()) })
	return img
}

func TestOpen(t *testing.T) {
	for name, s := range map[string]fixtures.SmallISO{"debian": fixtures.Small(), "nixos": fixtures.SmallNixOS()} {
		t.Run(name, func(t *testing.T) {
			img := open(t, write(t, s))
			assert.Equal(t, "SMALL", img.VolumeID)
			require.NoError(t, img.BootErr)
			require.Len(t, img.Boot, 2)
			assert.Equal(t, "bios", img.Boot[0].Platform)
			assert.Equal(t, "efi", img.Boot[1].Platform)
			require.NoError(t, img.MenuErr)
			require.Len(t, img.Menus, 2)
			for _, m := range img.Menus {
				assert.Equal(t, 0, m.Default, m.File)
				e := m.Entries[0]
				assert.Equal(t, "boot/bzImage", e.Kernel)
				assert.Equal(t, []string{"boot/initrd"}, e.Initrds)
				assert.Equal(t, []string{"tty0", "ttyS0"}, e.Consoles())
				assert.Equal(t, "SMALL", e.Label())
			}
			require.NoError(t, img.RootErr)
			u, err := img.Root.Unit("pre-nixos.service")
			require.NoError(t, err)
			assert.Equal(t, "oneshot", u.Last("Service", "Type"))
			assert.Equal(t, "1", u.Environment()["PRE_NIXOS_EXEC"])
			assert.Equal(t, []string{"multi-user.target"}, u.WantsIn)
			assert.GreaterOrEqual(t, len(img.Root.Programs(u)), 2)
			user, file, err := img.Root.Autologin("ttyS0")
			require.NoError(t, err)
			assert.Equal(t, "nixos", user, file)
			lines, ok, err := img.Root.Sudo("nixos")
			require.NoError(t, err)
			assert.True(t, ok, lines)
			assert.Equal(t, []string{"parted"}, img.Root.Missing([]string{"disko", "parted", "ip"}))
			arch, _, err := img.Root.Architecture()
			require.NoError(t, err)
			assert.Equal(t, "x86_64", arch)
		})
	}
}
