package disk

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"bootaudit/internal/partition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tool runs one of the host, of the Debian package that is named.
func tool(t testing.TB, pkg, stdin string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
			if _, e := os.Stat(dir + args[0]); e == nil {
				path, err = dir+args[0], nil
			}
		}
	}
	if err != nil {
		t.Skipf("no %s; install %s", args[0], pkg)
	}
	cmd := exec.CommandContext(t.Context(), path, args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
	return string(out)
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// put copies a file into another, at a place in MiB.
func put(t testing.TB, disk, part string, at int64) {
	t.Helper()
	data, err := os.ReadFile(part)
	require.NoError(t, err)
	f, err := os.OpenFile(disk, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.WriteAt(data, at<<20)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// parts makes a FAT with EFI/BOOT and an ext4 with etc/os-release.
func parts(t testing.TB) (esp, root string) {
	dir := t.TempDir()
	esp, root = filepath.Join(dir, "esp"), filepath.Join(dir, "root")
	write(t, dir, "e/EFI/BOOT/BOOTX64.EFI", "MZ")
	write(t, dir, "r/etc/os-release", "ID=x\n")
	tool(t, "dosfstools", "", "mkfs.vfat", "-C", "-n", "ESP", "-i", "12345678", esp, "4096")
	tool(t, "mtools", "", "mcopy", "-s", "-i", esp, filepath.Join(dir, "e/EFI"), "::")
	tool(t, "e2fsprogs", "", "mke2fs", "-q", "-t", "ext4", "-L", "nixos", "-d", filepath.Join(dir, "r"), root, "8M")
	return esp, root
}

// gptDisk has an ESP in MiB 1 to 5 and a root in 5 to 13.
func gptDisk(t testing.TB, types ...string) string {
	esp, root := parts(t)
	name := filepath.Join(t.TempDir(), "disk")
	put(t, name, esp, 1)
	put(t, name, root, 5)
	require.NoError(t, os.Truncate(name, 16<<20))
	tool(t, "fdisk", "label: gpt\nstart=2048, size=8192, type="+types[0]+"\nstart=10240, size=16384, type="+types[1]+"\n", "sfdisk", "-q", name)
	return name
}

const linux, uefi = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

// sees says that the two partitions of gptDisk are there.
func sees(t *testing.T, d *Disk) {
	t.Helper()
	assert.Equal(t, int64(16<<20), d.Size)
	assert.Equal(t, partition.GPT, d.Table.Scheme)
	require.Len(t, d.Volumes, 2)
	v := d.Volumes[0]
	assert.Equal(t, []string{"FAT12", "ESP", "1234-5678"}, []string{v.Kind, v.Label, v.UUID})
	info, err := fs.Stat(v.FS, "efi/boot/bootx64.efi")
	require.NoError(t, err)
	assert.Equal(t, int64(2), info.Size())
	v = d.Volumes[1]
	assert.Equal(t, []string{"ext4", "nixos"}, []string{v.Kind, v.Label})
	text, err := fs.ReadFile(v.FS, "etc/os-release")
	require.NoError(t, err)
	assert.Equal(t, "ID=x\n", string(text))
	assert.Empty(t, d.Faults)
}

func TestOpenRaw(t *testing.T) {
	d, err := Open(t.Context(), gptDisk(t, uefi, linux))
	require.NoError(t, err)
	sees(t, d)
	assert.Equal(t, Raw, d.Format)
	assert.NoError(t, d.Close())
}

// TestOpenFormats: what qemu-img makes of a raw disk is the same disk.
func TestOpenFormats(t *testing.T) {
	raw := gptDisk(t, uefi, linux)
	for _, tt := range []struct {
		format, words string
		args          []string
	}{
		{"qcow2", "a qcow2 disk image", nil},
		{"qcow2", "a qcow2 disk image", []string{"-c", "-o", "compat=0.10"}},
		{"qcow2", "a qcow2 disk image", []string{"-c", "-o", "compression_type=zstd"}},
		{"vdi", "a VDI disk image", nil},
		{"vhdx", "a VHDX disk image", nil},
		{"vpc", "a VHD disk image", []string{"-o", "force_size=on"}},
		{"vpc", "a VHD disk image of fixed size", []string{"-o", "subformat=fixed,force_size=on"}},
		{"vmdk", "a VMDK disk image", nil},
		{"vmdk", "a VMDK disk image", []string{"-o", "subformat=streamOptimized"}},
	} {
		t.Run(tt.format+strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), `a "name", of=it`)
			tool(t, "qemu-utils", "", append(append([]string{"qemu-img", "convert", "-O", tt.format}, tt.args...), raw, name)...)
			before, err := os.ReadFile(name)
			require.NoError(t, err)
			d, err := Open(t.Context(), name)
			require.NoError(t, err)
			assert.Equal(t, tt.words, d.Words)
			assert.Equal(t, Format(tt.format), d.Format)
			sees(t, d)
			assert.NoError(t, d.Close())
			after, err := os.ReadFile(name)
			require.NoError(t, err)
			assert.Equal(t, before, after, "was written to")
			_, err = d.ReadAt(make([]byte, 1), 0)
			assert.Error(t, err, "after it was closed")
			assert.NoError(t, d.Close(), "a second time")
		})
	}
}

// TestEnd: qemu-nbd ends with the context, and what reads from it sees an error.
func TestEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.qcow2")
	tool(t, "qemu-utils", "", "qemu-img", "create", "-q", "-f", "qcow2", name, "64M")
	ctx, cancel := context.WithCancel(t.Context())
	d, err := Open(ctx, name)
	require.NoError(t, err)
	assert.Equal(t, "zeros", d.Volumes[0].Kind)
	cancel()
	assert.Eventually(t, func() bool { _, err := d.ReadAt(make([]byte, 1), 0); return err != nil }, 1e10, 1e6)
	_ = d.Close()
	_, err = Open(ctx, name)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestDamaged: what qemu-nbd says is the error.
func TestDamaged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.qcow2")
	tool(t, "qemu-utils", "", "qemu-img", "create", "-q", "-f", "qcow2", name, "64M")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	be.PutUint32(data[20:], 3) // clusters of 8 bytes
	require.NoError(t, os.WriteFile(name, data, 0o600))
	_, err = Open(t.Context(), name)
	assert.ErrorContains(t, err, "qemu-nbd ended with exit status 1: ")
}

func TestNoQEMU(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.qcow2")
	tool(t, "qemu-utils", "", "qemu-img", "create", "-q", "-f", "qcow2", name, "64M")
	t.Setenv("PATH", t.TempDir())
	_, err := Open(t.Context(), name)
	assert.ErrorContains(t, err, "qemu-nbd, which reads it, is missing: install qemu-utils")
}

func TestFaults(t *testing.T) {
	open := func(name string) *Disk {
		d, err := Open(t.Context(), name)
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		return d
	}
	d := open(gptDisk(t, linux, linux))
	assert.Equal(t, []string{"partition 1 (FAT12) has the folder EFI/BOOT, and is no EFI system partition: its type is Linux, and firmware may not look there"}, d.Faults)
	d = open(gptDisk(t, uefi, uefi))
	assert.Equal(t, []string{
		"2 partitions are EFI system partitions, and firmware takes one of them: partitions 1 and 2",
		"partition 2 (ext4) is an EFI system partition by its type, and firmware reads FAT alone",
	}, d.Faults)
	name := gptDisk(t, uefi, linux)
	require.NoError(t, os.Truncate(name, 8<<20))
	d = open(name)
	words := strings.Join(d.Faults, "\n")
	assert.Contains(t, words, "the image is truncated")
	assert.Contains(t, words, "partition 2 (ext) cannot be read: ext4: truncated: 8388608 bytes in use, 3145728 there")
	assert.NotNil(t, d.Volumes[0].FS)
	require.NoError(t, os.Truncate(name, 4<<20))
	d = open(name)
	assert.Contains(t, strings.Join(d.Faults, "\n"), "partition 1 (FAT12) takes 4194304 bytes, and its partition has 3145728")
	assert.ErrorContains(t, d.Volumes[1].Err, "beyond the end")
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write(t, root, "file", "text")
	for _, tt := range []struct {
		kind, label, pkg string
		mib              int64
		args             []string
	}{
		{"squashfs", "", "squashfs-tools", 0, []string{"mksquashfs", root, "OUT", "-quiet", "-no-progress"}},
		{"EROFS", "", "erofs-utils", 0, []string{"mkfs.erofs", "OUT", root}},
		{"btrfs", "A LABEL", "btrfs-progs", 128, []string{"mkfs.btrfs", "-q", "-L", "A LABEL", "OUT"}},
		{"XFS", "A LABEL", "xfsprogs", 320, []string{"mkfs.xfs", "-q", "-L", "A LABEL", "OUT"}},
		{"swap", "A LABEL", "util-linux", 4, []string{"mkswap", "-L", "A LABEL", "OUT"}},
		{"ext2", "A LABEL", "e2fsprogs", 4, []string{"mke2fs", "-q", "-t", "ext2", "-L", "A LABEL", "OUT"}},
		{"ISO 9660", "A LABEL", "xorriso", 0, []string{"xorriso", "-as", "mkisofs", "-quiet", "-V", "A LABEL", "-o", "OUT", root}},
		{"FAT12", "A LABEL", "dosfstools", 4, []string{"mkfs.vfat", "-n", "A LABEL", "OUT"}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "x")
			if tt.mib > 0 {
				write(t, filepath.Dir(name), "x", "")
				require.NoError(t, os.Truncate(name, tt.mib<<20))
			}
			for i := range tt.args {
				if tt.args[i] == "OUT" {
					tt.args[i] = name
				}
			}
			tool(t, tt.pkg, "", tt.args...)
			d, err := Open(t.Context(), name)
			require.NoError(t, err)
			defer d.Close()
			require.Len(t, d.Volumes, 1)
			assert.Equal(t, []string{tt.kind, tt.label}, []string{d.Volumes[0].Kind, d.Volumes[0].Label})
		})
	}
}

// TestKindsByHand: what needs root to be made.
func TestKindsByHand(t *testing.T) {
	luks := make([]byte, 1<<20)
	copy(luks, "LUKS\xba\xbe\x00\x02")
	copy(luks[24:], "A LABEL")
	copy(luks[168:], "12345678-1234-5678-9abc-123456789abc")
	lvm := make([]byte, 1<<20)
	copy(lvm[512:], "LABELONE")
	lvm[512+20] = 32
	copy(lvm[512+24:], "LVM2 001abcdefghijklmnopqrstuvwxyz012345")
	for want, b := range map[kind][]byte{
		{"LUKS2", "A LABEL", "12345678-1234-5678-9abc-123456789abc"}:      luks,
		{"LVM2 PV", "", "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"}:         lvm,
		{"Linux RAID member", "", "00000000-0000-0000-0000-000000000000"}: append(make([]byte, 4096), append([]byte("\xfc\x4e\x2b\xa9"), make([]byte, 4096)...)...),
		{"zeros", "", ""}: make([]byte, 1<<20),
		{"", "", ""}:      []byte("something else"),
	} {
		assert.Equal(t, want, kindOf(file{nil, int64(len(b))}, b))
	}
}
