package disk

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// identify is what a file is that has no name to go by.
func identify(b []byte) Identity { return Identify(bytes.NewReader(b), int64(len(b))) }

const linux6 = "6.12.9-amd64 (builder@host) #1 SMP"

// bzImage, image, peFile, and so on are as much of one as tells it.
func bzImage(version string) []byte {
	b := make([]byte, 0x400)
	copy(b, "MZ")
	copy(b[510:], "\x55\xaa")
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[0x20e:], 0x100)
	copy(b[0x300:], version)
	return b
}

func image(magic string) []byte {
	b := make([]byte, 128)
	copy(b[56:], magic)
	return b
}

func peFile(machine, subsystem uint16, sections ...string) []byte {
	b := make([]byte, 0x200+40*len(sections))
	copy(b, "MZ")
	b[60] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	le.PutUint16(b[0x84:], machine)
	le.PutUint16(b[0x86:], uint16(len(sections)))
	le.PutUint16(b[0x94:], 240)
	le.PutUint16(b[0x98+68:], subsystem)
	for i, s := range sections {
		copy(b[0x98+240+40*i:], s)
	}
	return b
}

func elfFile(kind uint32, virtual, physical uint64) []byte {
	b := make([]byte, 200)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], kind)
	le.PutUint64(b[64+16:], virtual)
	le.PutUint64(b[64+24:], physical)
	return b
}

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		data   []byte
		format Format
		words  string
	}{
		{nil, Unknown, "an empty file"},
		{make([]byte, 1<<20), Raw, "a raw disk image without partitions: zeros"},
		{bzImage(linux6), Kernel, "a Linux kernel for x86 (bzImage), 6.12.9-amd64"},
		{bzImage("\x1b[2J"), Kernel, "a Linux kernel for x86 (bzImage)"},
		{bzImage("Memtest86+ v6.10"), Kernel, "a program that boots as Linux does (bzImage), Memtest86+"},
		{append(make([]byte, 40), "_FVH"...), Unknown, "a volume of UEFI firmware, as OVMF's files are"},
		{image("ARM\x64"), Kernel, "a Linux kernel for arm64 (Image)"},
		{image("RSC\x05"), Kernel, "a Linux kernel for riscv64 (Image)"},
		{elfFile(1, 0xffffffff81000000, 0x1000000), Kernel, "a kernel as an ELF file (vmlinux)"},
		{elfFile(1, 0x400000, 0x400000), Unknown, "an ELF program"},
		{elfFile(3, 0x400000, 0), Unknown, "an ELF program"},
		{peFile(0x8664, 10, ".text", ".data"), EFI, "an EFI program for x86-64"},
		{peFile(0xaa64, 10, ".text", ".osrel", ".linux", ".initrd"), EFI, "a unified kernel image (UKI) for arm64"},
		{peFile(0x8664, 10, ".linux"), EFI, "a unified kernel image (UKI) for x86-64, without an initrd"},
		{peFile(0x8664, 3, ".text"), Unknown, "a program for DOS or Windows"},
		{peFile(0x1234, 10), EFI, "an EFI program for a processor of number 0x1234"},
		{[]byte("070701000000"), Initrd, "a cpio archive, as initrds are"},
		{[]byte("PK\x03\x04......"), Unknown, "a zip archive: unpack it"},
		{[]byte("<!DOCTYPE html><title>404"), Unknown, "an HTML page: what was asked for was not found, perhaps"},
		{[]byte("version https://git-lfs.github.com/spec/v1\noid"), Unknown, "a Git LFS pointer: the file itself was not fetched"},
		{[]byte("a line\nand one more\n"), Unknown, "text"},
		{[]byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09"), Unknown, "nothing that is known: it starts with 01 02 03 04 05 06 07 08"},
	} {
		i := identify(tt.data)
		assert.Equal(t, []string{string(tt.format), tt.words}, []string{string(i.Format), i.Words})
		assert.Empty(t, i.Refused)
	}
	assert.True(t, identify(peFile(0x8664, 10, ".linux")).UKI)
}

func TestIdentifyISO(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "files/file", "text")
	iso := filepath.Join(dir, "x")
	tool(t, "xorriso", "", "xorriso", "-as", "mkisofs", "-quiet", "-V", "A LABEL", "-o", iso, filepath.Join(dir, "files"))
	i, err := IdentifyFile(iso)
	require.NoError(t, err)
	assert.Equal(t, Identity{Format: ISO, Words: `an ISO 9660 image with the label "A LABEL"`}, i)
	tool(t, "xorriso", "", "xorriso", "-as", "mkisofs", "-quiet", "-V", "A LABEL", "-o", iso, "-append_partition", "2", "0xef", filepath.Join(dir, "files/file"), filepath.Join(dir, "files"))
	i, err = IdentifyFile(iso)
	require.NoError(t, err)
	assert.Equal(t, Identity{Format: ISO, Words: `an ISO 9660 image with the label "A LABEL", and a disk with an MBR (isohybrid)`}, i)
	d, err := Open(t.Context(), iso)
	require.NoError(t, err)
	assert.Equal(t, "ISO 9660", d.Volumes[0].Kind)
	assert.NoError(t, d.Close())
}

func TestIdentifyCompressed(t *testing.T) {
	dir := t.TempDir()
	raw := gptDisk(t, uefi, linux)
	require.NoError(t, os.Truncate(raw, 1<<20)) // packs faster
	iso := filepath.Join(dir, "iso")
	write(t, dir, "files/file", "text")
	tool(t, "xorriso", "", "xorriso", "-as", "mkisofs", "-quiet", "-V", "A LABEL", "-o", iso, filepath.Join(dir, "files"))
	mbr := filepath.Join(dir, "mbr")
	write(t, dir, "mbr", "")
	require.NoError(t, os.Truncate(mbr, 2<<20))
	tool(t, "fdisk", "label: dos\nstart=2048, type=83\n", "sfdisk", "-q", mbr)
	for _, c := range []struct{ name, program, pkg, arg string }{
		{"gzip", "gzip", "gzip", "-1"}, {"xz", "xz", "xz-utils", "-T1"}, {"xz", "xz", "xz-utils", "-9T2"}, {"zstd", "zstd", "zstd", "-19"}, {"bzip2", "bzip2", "bzip2", "-1"},
	} {
		for name, want := range map[string]string{
			raw: "a raw disk image with a GPT", mbr: "a raw disk image with an MBR", iso: `an ISO 9660 image with the label "A LABEL"`,
			write(t, dir, "cpio", "070701"+strings.Repeat("0", 200)): "a cpio archive, as initrds are",
			write(t, dir, "kernel", string(bzImage(linux6))):         "a Linux kernel for x86 (bzImage), 6.12.9-amd64",
		} {
			packed := tool(t, c.pkg, "", c.program, "-c", c.arg, name)
			i := identify([]byte(packed))
			assert.Equal(t, Compressed, i.Format)
			assert.Equal(t, "compressed with "+c.name+": "+want, i.Words)
			if assert.NotNil(t, i.Of) {
				assert.NotEqual(t, Unknown, i.Of.Format)
			}
			for _, n := range []int{1, 10, 20, 40} {
				_ = identify([]byte(packed[:min(n, len(packed))])) // cut off, and no panic
			}
		}
	}
	assert.Equal(t, Identity{Format: Compressed, Words: "compressed with gzip"}, identify([]byte("\x1f\x8b\x08\x00nothing")))
	_, err := Open(t.Context(), write(t, dir, "x", "\x1f\x8b\x08\x00nothing"))
	assert.ErrorContains(t, err, "is compressed with gzip: unpack it first")
	_, err = Open(t.Context(), write(t, dir, "x", "text"))
	assert.ErrorContains(t, err, "x is text, and no disk")
}

// TestRefused: what leads QEMU to other files is not given to it.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	qemu := func(args ...string) {
		tool(t, "qemu-utils", "", append([]string{"qemu-img", "create", "-q", "-f"}, args...)...)
	}
	qemu("qcow2", at("base"), "4M")
	qemu("qcow2", "-b", at("base"), "-F", "qcow2", at("overlay"))
	qemu("qcow2", "-o", "data_file="+at("data"), at("external"), "4M")
	qemu("vmdk", at("vmdk"), "4M")
	qemu("vmdk", "-b", at("vmdk"), "-F", "vmdk", at("child"))
	qemu("vmdk", "-o", "subformat=monolithicFlat", at("flat.vmdk"), "4M")
	qemu("vmdk", "-o", "subformat=twoGbMaxExtentSparse", at("split.vmdk"), "4M")
	qemu("vdi", at("vdi"), "4M")
	qemu("vhdx", at("vhdx"), "4M")
	qemu("vpc", at("vpc"), "4M")
	changed := func(of, to string, change func(b []byte)) string {
		b, err := os.ReadFile(at(of))
		require.NoError(t, err)
		change(b)
		return write(t, dir, to, string(b))
	}
	changed("base", "encrypted", func(b []byte) { b[35] = 1 })
	changed("base", "corrupt", func(b []byte) { b[79] |= 2 })
	changed("base", "first", func(b []byte) { b[7] = 1 })
	changed("base", "far", func(b []byte) { be.PutUint64(b[8:], 1<<63+7); be.PutUint32(b[16:], 0xffffffff) })
	changed("vdi", "differences", func(b []byte) { b[76] = 4 })
	changed("vdi", "parent", func(b []byte) { b[440] = 4 })
	changed("vpc", "vpc child", func(b []byte) { b[63] = 4 })
	changed("vhdx", "vhdx child", func(b []byte) {
		i := bytes.Index(b, []byte("\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"))
		base := bytes.Index(b, []byte("metadata"))
		b[base+int(le.Uint32(b[i+16:]))+4] |= 2
	})
	changed("vhdx", "vhdx damaged", func(b []byte) { clear(b[192<<10 : 256<<10]) })
	changed("vmdk", "vmdk descriptor", func(b []byte) { clear(b[12:20]) })
	changed("vmdk", "vmdk far", func(b []byte) { le.PutUint64(b[28:], 1<<62) })
	changed("vmdk", "vmdk stream", func(b []byte) { le.PutUint64(b[56:], 1<<64-1) })
	for name, want := range map[string]string{
		"overlay": `it has a backing file ("` + at("base") + `"), which is another file of the host's`,
		"far":     "it has a backing file, which is", "external": "an external data file", "encrypted": "it is encrypted", "corrupt": "corrupt", "first": "only versions 2 and 3",
		"child": "(its parent)", "flat.vmdk": `it leads to other files ("flat-flat.vmdk")`, "split.vmdk": "it leads to other files (",
		"vmdk descriptor": "a descriptor that leads to other files", "vmdk far": "out of place", "vmdk stream": "its footer is cut off",
		"differences": "(its parent)", "parent": "(its parent)", "vpc child": "differences to another disk", "vhdx child": "(its parent)", "vhdx damaged": "its tables cannot be read",
	} {
		i, err := IdentifyFile(at(name))
		require.NoError(t, err)
		assert.Contains(t, i.Refused, want, name)
		_, err = Open(t.Context(), at(name))
		assert.ErrorContains(t, err, want, name)
	}
	// What is refused is what QEMU would have followed.
	assert.Contains(t, tool(t, "qemu-utils", "", "qemu-img", "info", at("overlay")), "backing file")
	for _, name := range []string{"base", "vmdk", "vdi", "vhdx", "vpc"} {
		i, err := IdentifyFile(at(name))
		require.NoError(t, err)
		assert.Empty(t, i.Refused, name)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"nbd:localhost:10809", "json:{}", "fat:rw:x", "https://host/x", "a:b"} {
		_, err := Open(t.Context(), name)
		assert.ErrorContains(t, err, "for a protocol: write it as", name)
		_, err = IdentifyFile(name)
		assert.ErrorContains(t, err, "for a protocol: write it as", name)
	}
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "a:b"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.Context(), dir)
	assert.ErrorContains(t, err, "neither a file nor a block device")
	_, err = IdentifyFile(filepath.Join(dir, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// counter counts the bytes that are read.
type counter struct {
	r io.ReaderAt
	n int64
}

func (c *counter) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(b, at)
	c.n += int64(n)
	return n, err
}

// FuzzIdentify: whatever a file's beginning says, little of it is read, and a line
// is what comes of it.
func FuzzIdentify(f *testing.F) {
	for _, b := range [][]byte{
		bzImage(linux6), peFile(0x8664, 10, ".linux"), elfFile(1, 1, 2), []byte("\x1f\x8b\x08\x00nothing"), []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00"),
		[]byte("# Disk DescriptorFile\nRW 1 FLAT \"x\" 0\n"), append([]byte("KDMV"), make([]byte, 508)...), append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 100)...),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &counter{r: bytes.NewReader(data)}
		i := Identify(r, int64(len(data)))
		if r.n > 4<<20+3*headSize+4<<20 {
			t.Errorf("%d bytes read", r.n)
		}
		if i.Words == "" || len(i.Words) > 1000 || strings.ContainsAny(i.Words, "\n\x1b") {
			t.Errorf("%q", i.Words)
		}
	})
}
