package iso_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/iso"
)

// cpio is an initramfs of the files, with their folders.
func cpio(files map[string]string) string {
	all := maps.Clone(files)
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			all[dir+"/"] = ""
		}
	}
	all["~TRAILER!!!"] = ""
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text, mode := all[name], 0o100755
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			text, mode = target, 0o120777
		} else if strings.HasSuffix(name, "/") {
			mode = 0o40755
		}
		name = strings.Trim(name, "/~")
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", 0, mode, 0, 0, 1, 0, len(text), 0, 0, 0, 0, len(name)+1, 0, name)
		for _, part := range []string{"", text} {
			b.WriteString(part)
			b.Write(make([]byte, -b.Len()&3))
		}
	}
	return b.String()
}

// TestSystemInTheInitramfs: an image without a root file system is looked up in
// its initramfs, where it stays there.
func TestSystemInTheInitramfs(t *testing.T) {
	program := initrdOnly().Root["usr/bin/dash"]
	busybox := map[string]string{"bin/busybox": program + "\x00[\x00busybox\x00ip\x00sh\x00", "bin/sh": "-> busybox", "sbin/ip": "-> ../bin/busybox", "etc/passwd": "root::0:0::/:/bin/sh\n"}
	for _, tt := range []struct {
		name  string
		files map[string]string
		root  check.Outcome // of image-root-filesystem
		says  string
		login string // image-autologin's words; "" where it is not tried
		is    check.Outcome
	}{
		{"busybox init", map[string]string{"init": "-> sbin/init", "sbin/init": "-> ../bin/busybox", "etc/inittab": "ttyS0::respawn:/bin/login -f root\n"},
			check.Holds, "the system is the initramfs: boot/initrd, ", "/etc/inittab:1 logs root in", check.Holds},
		{"busybox init, asks", map[string]string{"init": "-> bin/busybox", "etc/inittab": "ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100\n"},
			check.Holds, "the system is the initramfs", "/etc/inittab:1 logs nobody in", check.Broken},
		{"a script and busybox init", map[string]string{"init": "#!/bin/sh\nmount -t proc proc /proc\nexec /sbin/init\n", "sbin/init": "-> ../bin/busybox", "etc/inittab": "::respawn:-/bin/sh\n"},
			check.Holds, "the system is the initramfs", "/etc/inittab:1 starts a shell", check.Holds},
		{"a script and busybox as init", map[string]string{"init": "#!/bin/sh\nexec /bin/busybox init\n", "etc/inittab": "::askfirst:-/bin/sh\n"},
			check.Holds, "the system is the initramfs", "/etc/inittab:1 starts a shell", check.Holds},
		{"a script that ends in a shell", map[string]string{"init": "#!/bin/sh\nmount -t proc proc /proc\nexec setsid sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'\n"},
			check.Holds, "the system is the initramfs", "/init:3 starts a shell of root's", check.Holds},
		{"a script with a shell elsewhere", map[string]string{"init": "#!/bin/sh\nsh </dev/tty1 >/dev/tty1 2>&1\n"},
			check.Holds, "the system is the initramfs", "/init is no init that is known", check.Unknown},
		{"a script with a getty", map[string]string{"init": "#!/bin/sh\nwhile :; do /sbin/getty -n -l /bin/sh ttyS0 115200; done\n"},
			check.Holds, "the system is the initramfs", "/init:2 starts a shell of root's", check.Holds},
		{"u-root", map[string]string{"init": "-> bbin/init", "bbin/init": "-> bb", "bbin/bb": program}, check.Holds, "the system is the initramfs", "u-root's", check.Holds},
		{"a program of its own", map[string]string{"init": program}, check.Holds, "the system is the initramfs", "/init is no init that is known", check.Unknown},

		{"it hands over", map[string]string{"init": "#!/bin/sh\nmount /dev/sr0 /root\nexec switch_root /root /sbin/init\n"},
			check.NotNeeded, "boot/initrd hands over to another system (/init:3: exec switch_root /root /sbin/init)", "", ""},
		{"systemd in an initrd", map[string]string{"init": "-> usr/lib/systemd/systemd", "usr/lib/systemd/systemd": program, "etc/initrd-release": ""},
			check.NotNeeded, "boot/initrd hands over to another system (/etc/initrd-release)", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := initrdOnly()
			files := maps.Clone(busybox)
			maps.Copy(files, tt.files)
			s.Files["boot/initrd"] = cpio(files)
			name := write(t, s)
			found := results(t, iso.Subject{
				Contract: contract.Contract{Name: "x", Commands: []string{"ip", "sh", "sudo"}, Console: contract.Console{Device: "ttyS0"}, Login: contract.Login{User: "root", Automatic: true}},
				ISO:      func(context.Context) (string, error) { return name, nil },
			})
			require.Equal(t, tt.root, found["image-root-filesystem"].Outcome, found["image-root-filesystem"].Detail)
			assert.Contains(t, found["image-root-filesystem"].Detail, tt.says)
			if tt.login == "" {
				for _, id := range []string{"image-commands", "image-autologin"} {
					assert.NotContains(t, found, id)
				}
				assert.Equal(t, check.Holds, found["image-architecture"].Outcome)
				assert.Equal(t, "the kernel is for x86_64", found["image-architecture"].Detail)
				return
			}
			assert.Equal(t, tt.is, found["image-autologin"].Outcome, found["image-autologin"].Detail)
			assert.Contains(t, found["image-autologin"].Detail, tt.login)
			assert.Equal(t, "1 of 3 commands are not in the image: sudo", found["image-commands"].Detail)
			assert.Equal(t, check.Holds, found["image-architecture"].Outcome, found["image-architecture"].Detail)
		})
	}
}

// TestNoSystemAtAll: nothing about a root file system is broken where the image
// is none that boots a Linux system.
func TestNoSystemAtAll(t *testing.T) {
	s := initrdOnly()
	for _, file := range []string{"isolinux/isolinux.cfg", "boot/grub/grub.cfg"} {
		text := s.Files[file]
		s = s.Without(file)
		s.Files[file] = strings.ReplaceAll(strings.ReplaceAll(text, "INITRD /boot/initrd", ""), "initrd /boot/initrd", "")
	}
	subject := ofISO(write(t, s))
	subject.Contract = contract.Contract{Name: "x"}
	root := results(t, subject)["image-root-filesystem"]
	assert.Equal(t, check.NotNeeded, root.Outcome, root.Detail)
	assert.Contains(t, root.Detail, "the image boots into its initrd, and has no other")
	subject.Contract.Commands = []string{"sh"}
	assert.Contains(t, results(t, subject)["image-root-filesystem"].Detail, "no boot entry has an initrd")
}

// TestTornInitramfs: of one that cannot be read to its end, nothing is known.
func TestTornInitramfs(t *testing.T) {
	whole := cpio(map[string]string{"init": "#!/bin/sh\n", "etc/long": strings.Repeat("x", 5000)})
	for name, tt := range map[string]struct {
		initrd string
		says   string
	}{
		"cut off":       {whole[:3000], "boot/initrd: the archive at byte 0, in etc/long"},
		"no initramfs":  {strings.Repeat("text ", 100), "boot/initrd: "},
		"an old initrd": {"\x45\x3d\xcd\x28" + strings.Repeat("\x00", 5000), "boot/initrd: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := initrdOnly()
			s.Files["boot/initrd"] = tt.initrd
			subject := ofISO(write(t, s))
			subject.Contract = contract.Contract{Name: "x", Commands: []string{"sh"}}
			for _, c := range iso.Checks(subject) {
				if c.ID == "image-root-filesystem" {
					f := c.Probe(t.Context())
					assert.Equal(t, check.Unknown, f.Outcome, f.Detail)
					assert.Contains(t, f.Detail, tt.says)
				}
			}
		})
	}
}

// TestForeignKernelOfAnInitramfs: it is told whatever is in the initramfs.
func TestForeignKernelOfAnInitramfs(t *testing.T) {
	s := initrdOnly().Without("boot/bzImage")
	s.Files["boot/bzImage"] = strings.Repeat("\x00", 0x38) + "ARM\x64" + strings.Repeat("\x00", 4096)
	s.Files["boot/initrd"] = cpio(map[string]string{"init": "#!/bin/sh\nexec switch_root /root /sbin/init\n"})
	subject := ofISO(write(t, s))
	subject.Contract = contract.Contract{Name: "x"}
	arch := results(t, subject)["image-architecture"]
	assert.Equal(t, check.Broken, arch.Outcome, arch.Detail)
	assert.Contains(t, arch.Detail, "aarch64 kernel; the machine is x86_64")
}

// TestRootThatIsMissing: where the command line says that there is a root file
// system, its absence is a fault.
func TestRootThatIsMissing(t *testing.T) {
	for args, want := range map[string]check.Outcome{
		"boot=live components":                           check.Broken,
		"boot=casper":                                    check.Broken,
		"root=live:CDLABEL=X rd.live.image":              check.Broken,
		"archisobasedir=arch":                            check.Broken,
		"boot=live fetch=http://10.0.2.2/root.squashfs":  check.NotNeeded,
		"archisobasedir=arch archiso_http_srv=10.0.2.2/": check.NotNeeded,
		"root=/dev/ram0":                                 check.NotNeeded,
		"boot=local":                                     check.NotNeeded,
	} {
		s := initrdOnly().Edit("isolinux/isolinux.cfg", "loglevel=4", args).Edit("boot/grub/grub.cfg", "loglevel=4", args)
		subject := ofISO(write(t, s))
		subject.Contract = contract.Contract{Name: "x"}
		root := results(t, subject)["image-root-filesystem"]
		assert.Equal(t, want, root.Outcome, "%s: %s", args, root.Detail)
	}
}
