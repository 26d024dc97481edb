package iso_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

const (
	diskSector = 512
	espStart   = 2048
	espEnd     = espStart + 40<<20/diskSector
	rootStart  = espEnd + 2048
	rootEnd    = rootStart + 16<<20/diskSector
	diskEnd    = (rootEnd + 2048) * diskSector
	rootUUID   = "11111111-2222-3333-4444-555555555555"
)

// disk writes the raw image of a disk that has an EFI system partition with files,
// and beside it one with an ext4 file system of the files in root, where there are any.
func disk(t *testing.T, efi, root map[string]string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.raw")
	b, err := file.CreateFromPath(name, diskEnd)
	require.NoError(t, err)
	table := &gpt.Table{LogicalSectorSize: diskSector, PhysicalSectorSize: diskSector, ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Start: espStart, End: espEnd - 1, Type: gpt.EFISystemPartition, Name: "ESP"},
		{Index: 2, Start: rootStart, End: rootEnd - 1, Type: gpt.LinuxFilesystem, Name: "root"},
	}}
	w, err := b.Writable()
	require.NoError(t, err)
	require.NoError(t, table.Write(w, diskEnd))
	esp, err := fat32.Create(b, (espEnd-espStart)*diskSector, espStart*diskSector, diskSector, "ESP", false)
	require.NoError(t, err)
	for path, content := range efi {
		require.NoError(t, esp.Mkdir(filepath.Dir(path)))
		f, err := esp.OpenFile(path, os.O_CREATE|os.O_RDWR)
		require.NoError(t, err)
		_, err = io.WriteString(f, content)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	if root != nil {
		ext := filepath.Join(t.TempDir(), "root.img")
		tree := t.TempDir()
		for path, content := range root {
			full := filepath.Join(tree, path)
			require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
			require.NoError(t, os.WriteFile(full, []byte(content), 0o755))
		}
		out, err := exec.CommandContext(t.Context(), "mke2fs", "-q", "-t", "ext4", "-U", rootUUID, "-L", "tiny-root", "-d", tree, ext, "16M").CombinedOutput()
		if err != nil {
			t.Skipf("mke2fs: %v: %s; install e2fsprogs", err, out)
		}
		content, err := os.ReadFile(ext)
		require.NoError(t, err)
		_, err = w.WriteAt(content, rootStart*diskSector)
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())
	return name
}

// uki are the files of a disk that boots by a UKI.
func uki(t *testing.T, args string) map[string]string {
	return map[string]string{"EFI/BOOT/BOOTX64.EFI": iso.Program(".cmdline", args, ".linux", bzImage("6.1.0-small (a@b) #1 SMP"),
		".initrd", gz(t, smalliso.CPIO(smalliso.InitrdFiles())))}
}

// grubDisk are the files of a disk whose GRUB boots a kernel in the root file system.
func grubDisk(t *testing.T, args string) (efi, root map[string]string) {
	return map[string]string{
			"EFI/BOOT/BOOTX64.EFI": iso.Program(".text", "GRUB"),
			"EFI/BOOT/grub.cfg":    "search --fs-uuid --set=root " + rootUUID + "\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n",
		}, map[string]string{
			"boot/vmlinuz": bzImage("6.1.0-small (a@b) #1 SMP"), "boot/initrd.img": gz(t, smalliso.CPIO(smalliso.InitrdFiles())),
			"boot/grub/grub.cfg": "set timeout=1\nserial\nterminal_output serial\nmenuentry Tiny {\n search --fs-uuid --set=root " + rootUUID + "\n linux /boot/vmlinuz " + args + "\n initrd /boot/initrd.img\n}\n",
			"etc/os-release":     "ID=tiny\n", "sbin/init": "\x7fELF", "usr/bin/env": "x",
		}
}

const diskArgs = "console=tty0 console=ttyS0"

func TestDiskImages(t *testing.T) {
	grubEFI, grubRoot := grubDisk(t, "root=UUID="+rootUUID+" "+diskArgs)
	_, lost := grubDisk(t, "root=UUID=99999999-2222-3333-4444-555555555555 "+diskArgs)
	_, screen := grubDisk(t, "root=PARTLABEL=root console=tty0")
	_, gone := grubDisk(t, "root=LABEL=tiny-root "+diskArgs)
	delete(gone, "boot/initrd.img")
	for name, row := range map[string]struct {
		efi, root map[string]string
		broken    []string // and nothing else is
		says      map[string]string
	}{
		"UKI": {uki(t, diskArgs), nil, nil, map[string]string{
			"image-opens": "a raw disk image with a GPT", "image-partitions": "holds: gpt, 2 partitions", "image-boot-catalog": "holds: boot images for efi",
			"image-menu": "partition 1:/EFI/BOOT/BOOTX64.EFI", "image-console": "holds: ", "image-initrd": "holds: ", "image-volume-id": "not needed: only a CD",
		}},
		"UKI for the screen": {uki(t, "quiet"), nil, []string{"image-console"}, map[string]string{"image-console": "has no console=ttyS0"}},
		"GRUB": {grubEFI, grubRoot, nil, map[string]string{
			"image-menu": "partition 2:/boot/grub/grub.cfg", "image-boot-files": "holds: initrd partition 2:/boot/initrd.img: gzip, kernel partition 2:/boot/vmlinuz: x86_64",
			"image-root-filesystem": "holds: partition 2", "image-root-label": "holds: root= of 1 entries names a partition of the image", "image-initrd": "holds: ",
		}},
		"GRUB, another root":    {grubEFI, lost, []string{"image-root-label"}, map[string]string{"image-root-label": "root=UUID=99999999-2222-3333-4444-555555555555, but no partition of the image is that"}},
		"GRUB, for the screen":  {grubEFI, screen, []string{"image-console"}, map[string]string{"image-root-label": "holds: "}},
		"GRUB, without initrd":  {grubEFI, gone, []string{"image-boot-files"}, map[string]string{"image-boot-files": "partition 2:/boot/initrd.img is not there"}},
		"nothing for firmware":  {nil, grubRoot, []string{"image-boot-catalog"}, map[string]string{"image-boot-catalog": "neither boot code in the first sector nor EFI/BOOT/BOOTX64.EFI"}},
		"nothing in partitions": {nil, nil, []string{"image-boot-catalog"}, map[string]string{"image-menu": "unknown: no boot menu"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := results(t, iso.Subject{Contract: contract.Default(), ISO: func(context.Context) (string, error) { return disk(t, row.efi, row.root), nil }})
			var broken []string
			for id, f := range found {
				if f.Outcome == check.Broken {
					broken = append(broken, id)
				}
			}
			assert.ElementsMatch(t, row.broken, broken)
			for id, says := range row.says {
				assert.Contains(t, fmt.Sprintf("%s: %s", found[id].Outcome, found[id].Detail), says, id)
			}
		})
	}
}

// A disk's image that was cut short is read as far as it goes; one that would have
// QEMU read other files is refused.
func TestBadDiskImages(t *testing.T) {
	efi, root := grubDisk(t, diskArgs)
	whole := disk(t, efi, root)
	require.NoError(t, os.Truncate(whole, rootStart*diskSector+4096))
	img, err := iso.Open(whole)
	require.NoError(t, err)
	defer img.Close()
	assert.Equal(t, "disk", img.Kind)
	assert.Error(t, img.RootErr)
	cut := results(t, iso.Subject{Contract: contract.Default(), ISO: func(context.Context) (string, error) { return whole, nil }})["image-partitions"]
	assert.Equal(t, check.Broken, cut.Outcome)
	assert.Regexp(t, `^partition 2 ends at byte \d+ of the disk, which has \d+: the image was cut short$`, cut.Detail)

	header := make([]byte, 512)
	copy(header, "QFI\xfb\x00\x00\x00\x03")
	header[15], header[19] = 0x68, 9 // a backing file's name
	copy(header[0x68:], "/etc/host")
	header[31] = 0x10
	backed := filepath.Join(t.TempDir(), "backed.qcow2")
	require.NoError(t, os.WriteFile(backed, append(header, make([]byte, 4096)...), 0o644))
	_, err = iso.Open(backed)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "backing file")

	for name, row := range map[string]struct{ content, says string }{
		"kernel": {bzImage("6.1.0 (a@b) #1 SMP"), "name it with BOOT_IMAGE_KERNEL"},
		"initrd": {smalliso.CPIO(smalliso.InitrdFiles()), "name it with BOOT_IMAGE_INITRD"},
	} {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, []byte(row.content+strings.Repeat("\x00", 4096)), 0o644))
		_, err := iso.Open(file)
		require.ErrorContains(t, err, row.says, name)
	}
}

// A kernel with its initrd and command line is an image without a boot loader.
func TestKernelTarget(t *testing.T) {
	dir := t.TempDir()
	kernel, initrd := filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd.img")
	require.NoError(t, os.WriteFile(kernel, []byte(bzImage("6.1.0-small (a@b) #1 SMP")), 0o644))
	require.NoError(t, os.WriteFile(initrd, []byte(gz(t, smalliso.CPIO(smalliso.InitrdFiles()))), 0o644))
	ask := func(target contract.Target) map[string]check.Finding {
		target.Kind = contract.KindKernel
		return results(t, iso.Subject{Target: target, Contract: contract.Default(), ISO: func(context.Context) (string, error) { return target.Kernel, nil }})
	}
	found := ask(contract.Target{Kernel: kernel, Initrd: initrd, Cmdline: "console=ttyS0"})
	for id, want := range map[string]check.Outcome{
		"image-opens": check.Holds, "image-digest": check.Holds, "image-boot-catalog": check.NotNeeded, "image-boot-files": check.Holds, "image-console": check.Holds,
		"image-initrd": check.Holds, "gap-menu": check.NotNeeded, "image-root-label": check.NotNeeded,
	} {
		assert.Equal(t, want, found[id].Outcome, "%s: %s", id, found[id].Detail)
	}
	found = ask(contract.Target{Kernel: kernel, Initrd: initrd, Cmdline: "quiet"})
	assert.Equal(t, check.Broken, found["image-console"].Outcome)
	assert.Contains(t, found["image-console"].Detail, "the command line: ")
	found = ask(contract.Target{Kernel: kernel, Initrd: kernel, Cmdline: "console=ttyS0"})
	assert.Equal(t, check.Broken, found["image-boot-files"].Outcome)
	found = ask(contract.Target{Kernel: filepath.Join(dir, "none")})
	assert.Contains(t, found["image-opens"].Detail, "no such file")
}
