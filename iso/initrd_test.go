package iso_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
)

// elfFile is a program or library of 64 bits that is loaded by interpreter, if
// any, and needs libraries.
func elfFile(machine uint16, interpreter, runpath string, needed ...string) string {
	const headers = 64 + 3*56
	le := binary.LittleEndian
	names := "\x00"
	var dynamic []byte
	add := func(tag, value uint64) { dynamic = le.AppendUint64(le.AppendUint64(dynamic, tag), value) }
	for _, name := range needed {
		add(1, uint64(len(names)))
		names += name + "\x00"
	}
	if runpath != "" {
		add(29, uint64(len(names)))
		names += runpath + "\x00"
	}
	interpreterAt := uint64(headers)
	namesAt := interpreterAt + uint64(len(interpreter)) + 1
	dynamicAt := namesAt + uint64(len(names))
	const base = 0x400000
	add(5, base+namesAt)
	add(10, uint64(len(names)))
	add(0, 0)
	total := dynamicAt + uint64(len(dynamic))

	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 3)
	le.PutUint16(b[18:], machine)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[56:], 3)
	segment := func(kind uint32, at, size uint64) {
		b = le.AppendUint32(le.AppendUint32(b, kind), 5)
		for _, n := range []uint64{at, base + at, base + at, size, size, 1} {
			b = le.AppendUint64(b, n)
		}
	}
	segment(1, 0, total)
	if interpreter != "" {
		segment(3, interpreterAt, uint64(len(interpreter))+1)
	} else {
		segment(4, 0, 0)
	}
	segment(2, dynamicAt, uint64(len(dynamic)))
	return string(b) + interpreter + "\x00" + names + string(dynamic)
}

const (
	x86    = 62
	arm    = 183
	loader = "/lib64/ld-linux-x86-64.so.2"
)

// dynamic is the initrd of a small image with a shell that needs libraries.
func dynamic() map[string]string {
	files := smalliso.InitrdFiles()
	maps.Copy(files, map[string]string{
		"bin/sh":                             elfFile(x86, loader, "", "libc.so.6", "libone.so"),
		"lib64":                              "-> usr/lib64",
		"usr/lib64/ld-linux-x86-64.so.2":     elfFile(x86, "", ""),
		"usr/lib/x86_64-linux-gnu/libc.so.6": elfFile(x86, "", ""),
		"usr/lib64/libone.so":                "-> libone.so.1.2",
		"usr/lib64/libone.so.1.2":            elfFile(x86, "", "$ORIGIN/private", "libtwo.so"),
		"usr/lib64/private/libtwo.so":        elfFile(x86, "", "", "libc.so.6", "libone.so"),
	})
	return files
}

func gz(t *testing.T, data string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func xzip(t *testing.T, data string, sum byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.WriterConfig{CheckSum: sum}.NewWriter(&b)
	require.NoError(t, err)
	_, err = w.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// stored is data as xz has it that it cannot compress; to pack it takes no time.
func stored(data string) string {
	withSum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	out := []byte("\xfd7zXZ\x00\x00\x01")
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out[6:]))
	out = append(out, withSum([]byte{2, 0, 0x21, 1, 16, 0, 0, 0})...)
	sum := crc32.ChecksumIEEE([]byte(data))
	start := len(out) - 12
	length := len(data)
	for kind := byte(1); len(data) > 0; kind = 2 {
		n := min(len(data), 1<<16)
		out = append(out, kind, byte((n-1)>>8), byte(n-1))
		out = append(out, data[:n]...)
		data = data[n:]
	}
	out = append(out, 0)
	size := len(out) - start + 4
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	out = binary.LittleEndian.AppendUint32(out, sum)
	index := binary.AppendUvarint(binary.AppendUvarint([]byte{0, 1}, uint64(size)), uint64(length))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	out = append(out, withSum(index)...)
	end := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4)), 0, 1)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(end))
	return string(append(out, append(end, "YZ"...)...))
}

// initrdFindings is what is found of a small image with the initrd.
func initrdFindings(t *testing.T, initrd string, changes ...func(smalliso.Image) smalliso.Image) map[string]check.Finding {
	t.Helper()
	s := smalliso.Debian()
	s.Files = maps.Clone(s.Files)
	s.Files["boot/initrd"] = initrd
	for _, change := range changes {
		s = change(s)
	}
	return results(t, ofISO(write(t, s)))
}

// everywhere replaces what both boot menus say.
func everywhere(old, with string) func(smalliso.Image) smalliso.Image {
	return func(s smalliso.Image) smalliso.Image {
		return s.Edit("isolinux/isolinux.cfg", old, with).Edit("boot/grub/grub.cfg", old, with)
	}
}

// TestInitrds: one fault each, and look-alikes, which have none.
func TestInitrds(t *testing.T) {
	set := func(pairs ...string) func(map[string]string) {
		return func(files map[string]string) {
			for i := 0; i < len(pairs); i += 2 {
				files[pairs[i]] = pairs[i+1]
			}
		}
	}
	without := func(names ...string) func(map[string]string) {
		return func(files map[string]string) {
			for _, name := range names {
				delete(files, name)
			}
		}
	}
	const script = "#!/bin/sh\n"
	for name, c := range map[string]struct {
		change func(map[string]string)
		bytes  func(string) string
		image  func(smalliso.Image) smalliso.Image
		is     check.Outcome
		says   string
	}{
		"dynamic": {is: check.Holds, says: "/init is a script of /bin/sh (x86_64, with 3 libraries)"},
		"microcode": {bytes: func(s string) string {
			return smalliso.CPIO(map[string]string{"kernel/x86/microcode/x.bin": "x"}) + gz(t, s)
		}, is: check.Holds},
		"replaced": {bytes: func(s string) string { return s + smalliso.CPIO(map[string]string{"init": "-> bin/sh"}) }, is: check.Holds, says: "/init (x86_64, with"},
		"two initrds": {
			change: without("init"), is: check.Holds, says: "boot/initrd + boot/two: /init is a script",
			image: func(s smalliso.Image) smalliso.Image {
				s.Files["boot/two"] = smalliso.CPIO(map[string]string{"init": script})
				return s.Edit("isolinux/isolinux.cfg", "INITRD /boot/initrd", "INITRD /boot/initrd,/boot/two").Edit("boot/grub/grub.cfg", "initrd /boot/initrd", "initrd /boot/initrd /boot/two")
			},
		},
		"rdinit":                    {change: func(f map[string]string) { f["sbin/start"] = f["init"]; delete(f, "init") }, image: everywhere("loglevel=4", "rdinit=/sbin/start"), is: check.Holds, says: "/sbin/start is a script"},
		"rdinit is not there":       {image: everywhere("loglevel=4", "rdinit=/sbin/start"), is: check.Broken, says: "/sbin/start is not in the initrd"},
		"an interpreter's argument": {change: set("init", "#! /bin/sh -e\n"), is: check.Holds},
		"32 bits on 64":             {change: set("init", "\x7fELF\x01\x01\x01"+strings.Repeat("\x00", 9)+"\x02\x00\x03\x00"+strings.Repeat("\x00", 44)), is: check.Holds, says: "/init (i386, static)"},
		"the cache of ldconfig": {change: func(f map[string]string) {
			f["opt/private/libtwo.so"] = f["usr/lib64/private/libtwo.so"]
			delete(f, "usr/lib64/private/libtwo.so")
			f["etc/ld.so.cache"] = "glibc-ld.so.cache1.1\x00\x00libtwo.so\x00/opt/private/libtwo.so\x00"
		}, is: check.Holds},
		"a Nix store": {change: func(f map[string]string) {
			f["init"] = "#!/nix/store/x-utils/bin/ash\n"
			f["nix/store/x-utils/bin/ash"] = elfFile(x86, "/nix/store/x-utils/lib/ld.so", "", "libz.so")
			f["nix/store/x-utils/lib/ld.so"] = f["usr/lib64/ld-linux-x86-64.so.2"]
			f["nix/store/x-utils/lib/libz.so"] = elfFile(x86, "", "")
		}, is: check.Holds},

		"cut off":        {bytes: func(s string) string { return gz(t, s)[:600] }, is: check.Broken, says: "cut off in the middle of its gzip data"},
		"cut off, plain": {bytes: func(s string) string { return s[:strings.Index(s, "exec switch_root")+4] }, is: check.Broken, says: "in init: cut off in its content"},
		"junk after it":  {bytes: func(s string) string { return s + "junk" }, is: check.Risk, says: "is no archive"},
		"misaligned":     {bytes: func(s string) string { return smalliso.CPIO(map[string]string{"kernel/x": "x"}) + "\x00" + gz(t, s) }, is: check.Broken, says: "broken padding"},
		"xz with crc64":  {bytes: func(s string) string { return xzip(t, s, xz.CRC64) }, is: check.Broken, says: "xz --check=crc32"},
		"xz with crc32":  {bytes: func(s string) string { return xzip(t, s, xz.CRC32) }, is: check.Holds},
		"an ext2 image": {bytes: func(string) string {
			b := make([]byte, 8192)
			copy(b[1080:], "\x53\xef")
			return gz(t, string(b))
		}, is: check.Unknown, says: "an old ramdisk (gzip-compressed), not an initramfs"},
		"gzip of text":      {bytes: func(string) string { return gz(t, "this is text") }, is: check.Broken, says: "no initramfs (gzip-compressed)"},
		"no init":           {change: without("init"), is: check.Broken, says: "/init is not in the initrd"},
		"no init, a disk":   {change: without("init"), image: everywhere("root=LABEL=SMALL", "root=/dev/sr0"), is: check.Unknown, says: "the kernel mounts /dev/sr0 by itself"},
		"a link to nowhere": {change: set("init", "-> usr/lib/systemd/systemd"), is: check.Broken, says: "/init is a link to usr/lib/systemd/systemd, which is not in the initrd"},
		"not executable": {bytes: func(s string) string {
			at := strings.Index(s, "init\x00") - 110
			return s[:at] + strings.Replace(s[at:], "000081ed", "000081a4", 1)
		}, is: check.Broken, says: "/init is not executable (-rw-r--r--)"},
		"a folder":                       {change: func(f map[string]string) { delete(f, "init"); f["init/x"] = "" }, is: check.Broken, says: "/init is no file but d"},
		"text":                           {change: set("init", "echo hello\n"), is: check.Broken, says: `/init is neither a script nor a program: it starts with the text "echo hello`},
		"empty":                          {change: set("init", ""), is: check.Broken, says: "it starts with nothing"},
		"no interpreter":                 {change: set("init", "#!/bin/bash\n"), is: check.Broken, says: "its interpreter /bin/bash is not in the initrd"},
		"CR LF":                          {change: set("init", "#!/bin/sh\r\n"), is: check.Broken, says: "CR LF"},
		"another processor":              {change: set("bin/sh", elfFile(arm, "", "")), is: check.Broken, says: "/bin/sh is an aarch64 program; the kernel is for x86_64"},
		"a program cut":                  {change: func(f map[string]string) { f["bin/sh"] = f["bin/sh"][:150] }, is: check.Broken, says: "/bin/sh is a malformed ELF program"},
		"no loader":                      {change: without("usr/lib64/ld-linux-x86-64.so.2"), is: check.Broken, says: "/bin/sh is loaded by what /lib64/ld-linux-x86-64.so.2 is not in the initrd"},
		"no library":                     {change: without("usr/lib/x86_64-linux-gnu/libc.so.6"), is: check.Broken, says: "/bin/sh needs libc.so.6, which is not in the initrd"},
		"no library of a library":        {change: without("usr/lib64/private/libtwo.so"), is: check.Broken, says: "/usr/lib64/libone.so.1.2 needs libtwo.so, which is not in the initrd"},
		"a library of another processor": {change: set("usr/lib64/libone.so.1.2", elfFile(arm, "", "")), is: check.Broken, says: "is no x86_64 library"},
		"a library elsewhere": {change: func(f map[string]string) {
			f["opt/libtwo.so"] = f["usr/lib64/private/libtwo.so"]
			delete(f, "usr/lib64/private/libtwo.so")
		}, is: check.Unknown, says: "needs libtwo.so, which is at /opt/libtwo.so, where a loader does not look"},
		"an entry without its folder": {bytes: func(s string) string {
			return s + strings.ReplaceAll(smalliso.CPIO(map[string]string{"nowhere": "x"}), "nowhere", "no/here")
		}, is: check.Risk, says: "1 of its entries cannot be made"},
	} {
		t.Run(name, func(t *testing.T) {
			files := dynamic()
			if c.change != nil {
				c.change(files)
			}
			initrd := smalliso.CPIO(files)
			if c.bytes != nil {
				initrd = c.bytes(initrd)
			}
			image := c.image
			if image == nil {
				image = func(s smalliso.Image) smalliso.Image { return s }
			}
			f := initrdFindings(t, initrd, image)["image-initrd"]
			assert.Equal(t, c.is, f.Outcome, "%s", f.Detail)
			assert.Contains(t, f.Detail, c.says)
		})
	}
}

// TestInitrdModules: what the kernel needs, where it may be.
func TestInitrdModules(t *testing.T) {
	const modules = "lib/modules/6.1.0-small/"
	for name, c := range map[string]struct {
		change func(map[string]string)
		image  func(smalliso.Image) smalliso.Image
		is     check.Outcome
		says   string
	}{
		"sound":                {is: check.Holds, says: "boot/initrd has 5 modules of 6.1.0-small"},
		"compressed, with a -": {change: move(modules+"kernel/drivers/scsi/sr_mod.ko", modules+"updates/sr-mod.ko.zst"), is: check.Holds},
		"usr merged":           {change: func(f map[string]string) { rename(f, "lib/modules/", "usr/lib/modules/"); f["lib"] = "-> usr/lib" }, is: check.Holds},
		"a Nix store":          {change: func(f map[string]string) { rename(f, "lib/modules/", "nix/store/x-linux-modules-shrunk/lib/modules/") }, is: check.Holds},
		"another kernel's":     {change: func(f map[string]string) { rename(f, "6.1.0-small", "6.1.0-9-small") }, is: check.Broken, says: "boot/initrd has modules of 6.1.0-9-small, the kernel boot/bzImage is 6.1.0-small"},
		"two kernels'":         {change: func(f map[string]string) { f["lib/modules/5.10/kernel/x.ko"] = "x" }, is: check.Holds},
		"none":                 {change: func(f map[string]string) { rename(f, "lib/modules/", "opt/") }, is: check.Unknown, says: "has no modules: whether"},
		"none, as the root's list has all": {change: func(f map[string]string) { rename(f, "lib/modules/", "opt/") }, image: rootFile(modules+"modules.builtin",
			"kernel/x/squashfs.ko\nkernel/x/sr_mod.ko\nkernel/x/ata_piix.ko\nkernel/x/isofs.ko\nkernel/x/loop.ko\nkernel/x/overlay.ko\n"), is: check.Holds, says: "boot/initrd has no modules, with what leads"},
		"none, and the root's list has not all": {change: func(f map[string]string) { rename(f, "lib/modules/", "opt/") }, image: rootFile(modules+"modules.builtin", "kernel/x/squashfs.ko\n"), is: check.Broken, says: "boot/initrd has no modules, and neither"},
		"none, and no root to come to": {change: func(f map[string]string) { rename(f, "lib/modules/", "opt/") }, is: check.Holds, image: func(s smalliso.Image) smalliso.Image {
			s.RootFile = ""
			return s
		}},
		"an image in it":         {change: func(f map[string]string) { f["squashfs-root.img"] = "hsqs" }, is: check.Unknown, says: "squashfs-root.img, which is not looked into"},
		"no drive":               {change: move(modules+"kernel/drivers/scsi/sr_mod.ko", "x"), is: check.Broken, says: "neither has it nor has the kernel built in: sr_mod (the CD's drive)"},
		"no controller":          {change: move(modules+"kernel/drivers/ata/ahci.ko", "x"), is: check.Broken, says: "ahci or ata_piix or virtio_scsi"},
		"another controller":     {change: move(modules+"kernel/drivers/ata/ahci.ko", modules+"kernel/drivers/scsi/virtio_scsi.ko"), is: check.Holds},
		"no file system":         {change: move(modules+"kernel/fs/isofs/isofs.ko", "x"), is: check.Broken, says: "isofs (the CD's file system)"},
		"no squashfs":            {change: func(f map[string]string) { f[modules+"modules.builtin"] = "kernel/fs/ext4/ext4.ko\n" }, is: check.Broken, says: "squashfs (the root file system)"},
		"no overlay":             {change: move(modules+"kernel/fs/overlayfs/overlay.ko", "x"), is: check.Risk, says: "without overlay or aufs"},
		"no list":                {change: move(modules+"modules.builtin", "x"), is: check.Risk, says: "no list tells whether the kernel has them built in"},
		"a list in the root":     {change: move(modules+"modules.builtin", "x"), image: rootFile(modules+"modules.builtin", "kernel/fs/squashfs/squashfs.ko\n"), is: check.Holds},
		"not in the root's list": {change: move(modules+"modules.builtin", "x"), image: rootFile(modules+"modules.builtin", "kernel/fs/ext4/ext4.ko\n"), is: check.Broken, says: "squashfs (the root file system)"},
		"no root to come to": {change: move(modules+"kernel/fs/isofs/isofs.ko", "x"), is: check.Holds, says: "what leads to the root file system is not known", image: func(s smalliso.Image) smalliso.Image {
			s.RootFile = ""
			return s
		}},
		"a kernel that tells no version": {change: func(f map[string]string) { rename(f, "6.1.0-small", "6.1.0-9-small") }, image: func(s smalliso.Image) smalliso.Image {
			return s.Edit("boot/bzImage", "6.1.0-small", "-----------")
		}, is: check.Holds, says: "modules of 6.1.0-9-small"},
	} {
		t.Run(name, func(t *testing.T) {
			files := smalliso.InitrdFiles()
			if c.change != nil {
				c.change(files)
			}
			image := c.image
			if image == nil {
				image = func(s smalliso.Image) smalliso.Image { return s }
			}
			f := initrdFindings(t, gz(t, smalliso.CPIO(files)), image)["image-initrd-modules"]
			assert.Equal(t, c.is, f.Outcome, "%s", f.Detail)
			assert.Contains(t, f.Detail, c.says)
		})
	}
}

func move(from, to string) func(map[string]string) {
	return func(files map[string]string) {
		files[to] = files[from]
		delete(files, from)
	}
}

func rename(files map[string]string, from, to string) {
	for name, content := range maps.Clone(files) {
		if strings.Contains(name, from) {
			delete(files, name)
			files[strings.Replace(name, from, to, 1)] = content
		}
	}
}

func rootFile(name, content string) func(smalliso.Image) smalliso.Image {
	return func(s smalliso.Image) smalliso.Image {
		s.Root = maps.Clone(s.Root)
		s.Root[name] = content
		return s
	}
}

// TestInitrdCost: only what is large and slow is worth a word.
func TestInitrdCost(t *testing.T) {
	noise := make([]byte, 33<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise)
	files := smalliso.InitrdFiles()
	small := smalliso.CPIO(files)
	files["noise"] = string(noise)
	large := smalliso.CPIO(files)
	for name, c := range map[string]struct {
		initrd string
		is     check.Outcome
		says   string
	}{
		"small xz":     {xzip(t, small, xz.CRC32), check.Holds, "0.0 MiB of xz"},
		"large xz":     {stored(large), check.Risk, "33.0 MiB of xz"},
		"large gzip":   {gz(t, large), check.Holds, "33.0 MiB of gzip"},
		"large, plain": {large, check.Holds, "33.0 MiB of plain cpio"},
	} {
		t.Run(name, func(t *testing.T) {
			f := initrdFindings(t, c.initrd)["image-initrd-cost"]
			assert.Equal(t, c.is, f.Outcome, "%s", f.Detail)
			assert.Contains(t, f.Detail, c.says)
		})
	}
}

// TestInit: what the initramfs is told to start.
func TestInit(t *testing.T) {
	for init, c := range map[string]struct {
		is   check.Outcome
		says string
	}{
		"init=/sbin/init":                {check.Holds, "live/filesystem.squashfs has /sbin/init"},
		"init=/gone init=/usr/sbin/init": {check.Holds, "has /usr/sbin/init"},
		"init=/lib/systemd/systemd":      {check.Broken, "grub.cfg:6: init=/lib/systemd/systemd is not in live/filesystem.squashfs"},
		"quiet":                          {check.NotNeeded, "names no init="},
	} {
		f := initrdFindings(t, gz(t, smalliso.CPIO(smalliso.InitrdFiles())), everywhere("loglevel=4", init), rootFile("usr/sbin/init", "-> ../bin/sh"))["image-init"]
		assert.Equal(t, c.is, f.Outcome, "%s: %s", init, f.Detail)
		assert.Contains(t, f.Detail, c.says)
	}
	s := smalliso.Debian()
	s.Root = map[string]string{"LiveOS/rootfs.img": "ext4"}
	_, tried := results(t, ofISO(write(t, everywhere("loglevel=4", "init=/sbin/init")(s))))["image-init"]
	assert.False(t, tried, "in a root file system that cannot be looked into")
}

// TestNoInitrd: what boots without one, or by no menu, needs no look at it.
func TestNoInitrd(t *testing.T) {
	for says, image := range map[string]func(smalliso.Image) smalliso.Image{
		"what boots by itself has no initrd": func(s smalliso.Image) smalliso.Image {
			return s.Edit("isolinux/isolinux.cfg", "INITRD /boot/initrd", "").Edit("boot/grub/grub.cfg", "initrd /boot/initrd", "")
		},
		"no menu has an entry that it boots by itself": func(s smalliso.Image) smalliso.Image {
			return s.Edit("isolinux/isolinux.cfg", "UI menu.c32", "").Edit("isolinux/isolinux.cfg", "DEFAULT boot", "DEFAULT gone").Without("boot/grub/grub.cfg")
		},
	} {
		found := initrdFindings(t, gz(t, smalliso.CPIO(smalliso.InitrdFiles())), image)
		for _, id := range []string{"image-initrd", "image-initrd-modules", "image-initrd-cost"} {
			assert.Equal(t, check.NotNeeded, found[id].Outcome, id)
			assert.Contains(t, found[id].Detail, says, id)
		}
	}
}
