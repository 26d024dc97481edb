package iso_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

// foundIn is what is found in an image with these files in its root.
func foundIn(t *testing.T, c contract.Contract, files map[string]string) map[string]check.Finding {
	t.Helper()
	s := smalliso.Debian()
	s.Root = files
	name := write(t, s)
	return results(t, iso.Subject{Contract: c, ISO: func(context.Context) (string, error) { return name, nil }})
}

// TestBusyboxApplets: a busybox is no command of another name without a link, nor
// with one where it lacks the applet.
func TestBusyboxApplets(t *testing.T) {
	busybox := strings.Replace(smalliso.Debian().Root["usr/bin/dash"], "ELF\x02", "ELF\x01", 1) + "\x00[\x00ash\x00busybox\x00ip\x00mount\x00sh\x00"
	r := root(t, map[string]string{
		"bin/busybox": busybox, "bin/sh": "-> busybox", "bin/mount": "-> /bin/busybox", "sbin/ip": "-> ../bin/busybox", "bin/wipefs": "-> busybox",
		"usr/bin/own": "x", "usr/bin/nowhere": "-> /opt/nowhere", "usr/bin/folder/x": "", "bin/hidden": "-> own-busybox", "bin/own-busybox": "x",
	})
	assert.Equal(t, []string{"ash", "wipefs", "nowhere", "folder", "none"},
		r.Missing([]string{"sh", "ash", "mount", "ip", "wipefs", "own", "nowhere", "folder", "none", "busybox", "hidden"}))

	packed := root(t, map[string]string{"bin/busybox": "\x7fELFpacked", "bin/wipefs": "-> busybox"})
	assert.Empty(t, packed.Missing([]string{"wipefs"}), "without a list of applets, the link is believed")
}

func TestArchitectureOfASmallSystem(t *testing.T) {
	program := smalliso.Debian().Root["usr/bin/dash"]
	for want, files := range map[string]map[string]string{
		"/bin/busybox": {"bin/busybox": program, "bin/sh": "#!/bin/busybox sh\n"},
		"/bbin/bb":     {"bbin/bb": program},
		"/sbin/init":   {"sbin/init": program},
	} {
		arch, file, err := root(t, files).Architecture()
		require.NoError(t, err)
		assert.Equal(t, "x86_64", arch)
		assert.Equal(t, want, file)
	}
	_, _, err := root(t, map[string]string{"bin/sh": "#!/bin/x\n"}).Architecture()
	assert.ErrorContains(t, err, "no ELF program")
}

// TestWayToRootWithoutSudo: what is not looked into is unknown.
func TestWayToRootWithoutSudo(t *testing.T) {
	base := map[string]string{"bin/sh": "x", "etc/passwd": "root:x:0:0::/:/bin/sh\n"}
	for name, tt := range map[string]struct {
		methods []string
		files   map[string]string
		outcome check.Outcome
		says    string
	}{
		"doas":                     {[]string{"sudo -i"}, map[string]string{"usr/bin/doas": "x", "etc/doas.conf": "permit nopass :wheel\n"}, check.Unknown, "there is no sudo, but doas, whose rules are not looked into"},
		"neither":                  {[]string{"sudo -i"}, nil, check.Broken, "/etc/sudoers is not in the image"},
		"sudo without its rules":   {[]string{"sudo -i"}, map[string]string{"usr/bin/sudo": "x", "usr/bin/doas": "x"}, check.Broken, "/etc/sudoers is not in the image"},
		"the contract's is doas":   {[]string{"doas -s"}, map[string]string{"usr/bin/sudo": "x", "etc/sudoers": "ALL ALL=(ALL) NOPASSWD: ALL\n"}, check.Unknown, `the contract's way to root is "doas -s"`},
		"the contract's is su":     {[]string{"su -"}, nil, check.Unknown, `the contract's way to root is "su -"`},
		"sudo":                     {[]string{"sudo -i"}, map[string]string{"etc/sudoers": "user ALL=(ALL) NOPASSWD: ALL\n"}, check.Holds, "/etc/sudoers:1"},
		"the contract has no ways": {nil, map[string]string{"etc/sudoers": "user ALL=(ALL) NOPASSWD: ALL\n"}, check.Holds, "/etc/sudoers:1"},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(base)
			maps.Copy(files, tt.files)
			c := contract.Contract{Name: "x", Login: contract.Login{User: "user"}, Root: contract.Root{Methods: tt.methods, Passwordless: true}}
			found := foundIn(t, c, files)["image-sudo"]
			require.Equal(t, tt.outcome, found.Outcome, found.Detail)
			assert.Contains(t, found.Detail, tt.says)
		})
	}
}

// TestRemediesOfTheImagesOwnSystem: NixOS's options where the image is one.
func TestRemediesOfTheImagesOwnSystem(t *testing.T) {
	c := contract.Contract{
		Name: "x", Commands: []string{"none"}, Console: contract.Console{Device: "ttyS1"}, Login: contract.Login{User: "user", Automatic: true},
		Root: contract.Root{Methods: []string{"sudo -i"}, Passwordless: true},
	}
	systemd := map[string]string{"sbin/init": "-> /usr/lib/systemd/systemd", "usr/lib/systemd/systemd": elf}
	tab := func(init string) map[string]string {
		return map[string]string{"sbin/init": "-> " + init, "sbin/" + init: elf, "etc/inittab": "#\n"}
	}
	for name, tt := range map[string]struct {
		files                     map[string]string
		release                   string
		commands, autologin, sudo string
	}{
		"Debian":   {systemd, "ID=debian\n", "mmdebstrap's --include", "serial-getty@ttyS1.service.d/autologin.conf", "user ALL=(ALL:ALL) NOPASSWD: ALL"},
		"Mint":     {systemd, "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "mmdebstrap's --include", "--autologin user", "NOPASSWD"},
		"Ubuntu":   {systemd, "ID='ubuntu'\n", "mmdebstrap's --include", "--autologin user", "NOPASSWD"},
		"Alpine":   {tab("busybox"), "ID=alpine\n", "apk add", "ttyS1::respawn:/bin/login -f user, in /etc/inittab", "NOPASSWD"},
		"Fedora":   {systemd, "ID=fedora\n", "%packages", "--autologin user", "NOPASSWD"},
		"nobody's": {tab("runit"), "", "", "GETTY_ARGS", "NOPASSWD"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"bin/sh": "x", "etc/sudoers": "x\n", "usr/lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=agetty %I\n"}
			maps.Copy(files, tt.files)
			if tt.release != "" {
				files["etc/os-release"] = tt.release
			}
			found := foundIn(t, c, files)
			for id, want := range map[string]string{"image-commands": tt.commands, "image-autologin": tt.autologin, "image-sudo": tt.sudo} {
				f := found[id]
				require.Equal(t, check.Broken, f.Outcome, "%s: %s", id, f.Detail)
				assert.Contains(t, f.FollowUp, want, id)
				for _, said := range []string{f.FollowUp, f.Remedy} {
					assert.NotRegexp(t, `environment\.systemPackages|services\.getty|security\.sudo`, said, id)
				}
			}
			if tt.commands == "" {
				assert.Empty(t, found["image-commands"].FollowUp)
			}
		})
	}

	s := smalliso.NixOS()
	found := results(t, ofISO(write(t, s.Without(strings.Repeat("w", 32)+"-system-path/bin/wipefs"))))
	assert.Contains(t, found["image-commands"].FollowUp, "environment.systemPackages")
}
