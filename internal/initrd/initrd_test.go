package initrd

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// bzip2ed is archive(program("init", "#!/bin/sh\n")) of bzip2 1.0.8; there is
// no library that writes it.
const bzip2ed = "QlpoOTFBWSZTWaDk+n4AACj/gE5SCAAoAOvAIiQUADdhDAAgAFQ1TTIYTTRkMTNTTQSiTIAAYQAUqfLQqWonag4lc5rfWAgPOOX6p0qSCs8qXIZ3tqsHMJhYzA0jF5UIvaVcVnWF/E1uEm/F3JFOFCQoOT6fgA=="

// TestMembers: what is compressed, how much, where.
func TestMembers(t *testing.T) {
	early := archive(dir("kernel"), file("kernel/microcode.bin", "early"))
	for name, pack := range compressors {
		t.Run(name, func(t *testing.T) {
			main := archive(program("init", "#!/bin/sh\n"+strings.Repeat("echo\n", 1000)), file("end", ""))
			last := archive(file("last", "added"))
			packed := pack(t, main)
			data := cat(early, make([]byte, 512), packed, make([]byte, 64), last)
			f := sound(t, data, Config{Keep: all})
			unpacked := int64(len(main))
			if name == "lzo" {
				unpacked += 300
			}
			require.Len(t, f.Members, 3)
			assert.Equal(t, Member{Packed: int64(len(early)), Unpacked: int64(len(early)), Entries: 2, First: "kernel", Trailer: true}, f.Members[0])
			at := int64(len(early) + 512)
			assert.Equal(t, Member{Offset: at, Compression: name, Packed: int64(len(packed)), Unpacked: unpacked, Entries: 2, First: "init", Trailer: true}, f.Members[1])
			assert.Equal(t, int64(len(data)-len(last)), f.Members[2].Offset)
			text, err := fs.ReadFile(f, "last")
			require.NoError(t, err)
			assert.Equal(t, "added", string(text))
			text, err = fs.ReadFile(f, "init")
			require.NoError(t, err)
			assert.Len(t, text, 5010)
		})
	}
	t.Run("bzip2", func(t *testing.T) {
		packed, err := base64.StdEncoding.DecodeString(bzip2ed)
		require.NoError(t, err)
		f := sound(t, packed, Config{})
		assert.Equal(t, []Member{{Compression: "bzip2", Packed: int64(len(packed)), Unpacked: 252, Entries: 1, First: "init", Trailer: true}}, f.Members)
		f = sound(t, cat(packed, make([]byte, 8), archive(file("last", ""))), Config{})
		require.Len(t, f.Members, 2)
		assert.Equal(t, "last", f.Members[1].First)
	})
}

// TestUnpackedAsTheKernelDoes: what stands for what, and what is lost. Linux
// 6.1 makes the same tree of these archives.
func TestUnpackedAsTheKernelDoes(t *testing.T) {
	first := archive(
		dir("usr"), dir("usr/lib"), dir("usr/bin"), link("lib", "usr/lib"), link("bin", "/usr/bin"),
		file("lib/a", "through a link"), program("bin/sh", "\x7fELF"), dir("etc"), file("etc/old", "old"), file("etc/both", "longer than new"),
		entry{name: "usr/bin/su", mode: 0o104755, uid: 7, body: "x"}, entry{name: "dev/sda", mode: 0o60660, dev: [2]uint32{8, 3}},
		entry{name: "pipe", mode: 0o10644}, entry{name: "tmp", mode: 0o41777},
		hard("usr/one", 5, ""), hard("usr/two", 5, ""), hard("usr/three", 5, "shared"),
		file("../../up", "x"), file("/abs", "x"), file("./etc/../dots", "x"), file("usr/../etc/./x", "x"),
		file("nowhere/x", "lost"), file("etc/both/x", "lost"), link("around", "around"), file("around/x", "lost"),
		file("bad\xff", "name"), link("etc/void", "gone"), file("etc/void", "now a file"),
		link("etc/full", "gone"), dir("etc/full"), dir("empty"), file("empty", "was a folder"), entry{name: "withbody", mode: 0o40755, body: "body"},
		hard("usr/again", 9, "first"), hard("usr/again2", 9, ""), file("usr/again", "rewritten"),
	)
	second := archive(file("etc/both", "new"), dir("lib"), file("lib/b", "in a folder of its own"), link("etc", "usr"), hard("second", 5, "other"))
	f := sound(t, cat(first, gzipped(t, second)), Config{Keep: all, Inspect: func(name string, content []byte) any { return name + ":" + string(content) }})

	for name, want := range map[string]string{
		"usr/lib/a": "through a link", "bin/sh": "\x7fELF", "usr/bin/sh": "\x7fELF", "etc/both": "new", "lib/b": "in a folder of its own",
		"usr/one": "shared", "usr/two": "shared", "usr/three": "shared", "second": "other", "up": "x", "abs": "x", "dots": "x", "etc/x": "x",
		"bad\uFFFD": "name", "etc/void": "now a file",
		"empty": "was a folder", "usr/again": "rewritten", "usr/again2": "rewritten",
	} {
		text, err := fs.ReadFile(f, name)
		require.NoError(t, err, name)
		assert.Equal(t, want, string(text), name)
	}
	for _, gone := range []string{"lib/a", "nowhere", "around", "usr/lib/b", "etc/both/x", "withbody", "../up"} {
		_, err := fs.Stat(f, gone)
		assert.Error(t, err, gone)
	}
	assert.Equal(t, []string{"nowhere/x", "etc/both/x", "around/x", "etc"}, f.Lost)
	assert.Equal(t, 4, f.LostCount)

	stat := func(name string) (fs.FileInfo, *Sys) {
		info, err := f.Lstat(name)
		require.NoError(t, err, name)
		return info, info.Sys().(*Sys)
	}
	info, sys := stat("usr/bin/su")
	assert.Equal(t, fs.ModeSetuid|0o755, info.Mode())
	assert.Equal(t, &Sys{UID: 7, Links: 1, Inspected: "usr/bin/su:x"}, sys)
	info, sys = stat("dev/sda")
	assert.Equal(t, fs.ModeDevice|0o660, info.Mode())
	assert.Equal(t, [2]uint32{8, 3}, [2]uint32{sys.Major, sys.Minor})
	info, sys = stat("usr/one")
	assert.Equal(t, int64(6), info.Size())
	assert.Equal(t, 3, sys.Links)
	assert.Equal(t, "usr/three:shared", sys.Inspected)
	info, _ = stat("dev/console") // the kernel's own
	assert.Equal(t, fs.ModeDevice|fs.ModeCharDevice|0o600, info.Mode())
	info, _ = stat("tmp")
	assert.Equal(t, fs.ModeDir|fs.ModeSticky|0o777, info.Mode())
	info, _ = stat("pipe")
	assert.Equal(t, fs.ModeNamedPipe|0o644, info.Mode())
	target, err := f.ReadLink("bin")
	require.NoError(t, err)
	assert.Equal(t, "/usr/bin", target)
	info, err = f.Stat("bin")
	require.NoError(t, err)
	assert.True(t, info.IsDir())
	for name, want := range map[string]string{"/bin/sh": "usr/bin/sh", "bin/../lib/a": "usr/lib/a", "/": ".", "usr/": "usr", "/../bin": "usr/bin"} {
		got, err := f.Resolve(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	_, err = f.Resolve("/around")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestFSOfGo: it is a file system as Go has it.
func TestFSOfGo(t *testing.T) {
	f := sound(t, archive(dir("etc"), file("etc/a", "text"), link("etc/b", "a"), link("init", "etc/b")), Config{Keep: all})
	require.NoError(t, fstest.TestFS(f, "etc/a", "etc/b", "dev/console"))
	var names []string
	for name, info := range f.Files() {
		assert.Equal(t, path.Base(name), info.Name())
		if names = append(names, name); info.Name() == "b" {
			break
		}
	}
	assert.Equal(t, []string{"dev/console", "etc/a", "etc/b"}, names)
}

// TestKeep: of a file, only what was asked for is held.
func TestKeep(t *testing.T) {
	long := strings.Repeat("x", 1000)
	f := sound(t, archive(file("a", long), file("b", long)), Config{Keep: func(name string, size int64) int64 {
		if name == "a" {
			return size
		}
		return 10
	}})
	text, err := fs.ReadFile(f, "a")
	require.NoError(t, err)
	assert.Equal(t, long, string(text))
	text, err = fs.ReadFile(f, "b")
	require.ErrorIs(t, err, ErrNotKept)
	assert.Len(t, text, 10)
	info, err := fs.Stat(f, "b")
	require.NoError(t, err)
	assert.Equal(t, int64(1000), info.Size())
}

// TestCutOff: each length of an initrd is told, and where it ends.
func TestCutOff(t *testing.T) {
	main := archive(dir("etc"), program("init", strings.Repeat("#!/bin/sh\n", 100)), file("etc/last", strings.Repeat("text", 400)))
	for name, pack := range compressors {
		t.Run(name, func(t *testing.T) {
			packed := pack(t, main)
			for n := 16; n < len(packed); n += max(1, len(packed)/200) {
				f, err := read(t, packed[:n], Config{})
				if other := (*OtherError)(nil); err != nil {
					require.ErrorAs(t, err, &other)
					continue
				}
				// What follows the trailer is a checksum, or more NULs.
				if f.Stop == nil {
					require.Contains(t, []string{"lz4", "lzma"}, name, "%d of %d bytes", n, len(packed))
					continue
				}
				require.ErrorIs(t, f.Stop, io.ErrUnexpectedEOF, "%d of %d bytes", n, len(packed))
			}
		})
	}
	at := bytes.Index(main, []byte("etc/last")) + 100
	f, err := read(t, main[:at], Config{Keep: all})
	require.NoError(t, err)
	assert.Equal(t, "etc/last", f.Stop.File)
	require.EqualError(t, f.Stop, "the archive at byte 0, in etc/last: cut off in its content: unexpected EOF")
	_, err = fs.Stat(f, "init")
	require.NoError(t, err, "what was before is there")

	// Between entries, only the trailer tells.
	f = sound(t, appendEntries(nil, file("a", "a")), Config{})
	assert.False(t, f.Members[0].Trailer)
}

// TestFaults: each beside the same initrd without it.
func TestFaults(t *testing.T) {
	good := archive(program("init", "#!/bin/sh\n"))
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"crc":              {archive(entry{name: "a", mode: 0o100644, body: "text", sum: true}), ""},
		"crc, wrong":       {bytes.Replace(archive(entry{name: "a", mode: 0o100644, body: "text", sum: true}), []byte("text"), []byte("tex!"), 1), "in a: its checksum is wrong"},
		"aligned":          {cat(good, []byte("\x00\x00\x00\x00"), gzipped(t, good)), ""},
		"not aligned":      {append(append(bytes.Clone(good), 0), gzipped(t, good)...), "broken padding"},
		"junk":             {cat(good, []byte("-----BEGIN")), "what follows at byte 252 is no archive: the bytes 2d 2d"},
		"junk inside":      {gzipped(t, cat(good, []byte("-----BEGIN"))), "junk in the archive: the bytes 2d 2d"},
		"lz4 frames":       {cat(good, []byte("\x04\x22\x4d\x18aaaa")), "(lz4 -l)"},
		"pzstd":            {cat(good, []byte("\x50\x2a\x4d\x18aaaa")), "pzstd"},
		"odc":              {cat(good, []byte("070707"+strings.Repeat("0", 200))), "cpio -H newc"},
		"two streams":      {append(gzipped(t, good), gzipped(t, good)...), ""},
		"one in two":       {append(gzipped(t, good[:200]), gzipped(t, good[200:])...), "cut off"},
		"no name's end":    {bytes.Replace(good, []byte("init\x00"), []byte("initX"), 1), "an entry's name has no end"},
		"gzip's sum":       {append(gzipped(t, good)[:len(gzipped(t, good))-8], 1, 2, 3, 4, 5, 6, 7, 8), "gzip: invalid checksum"},
		"a squashfs later": {cat(good, []byte("hsqs"+strings.Repeat("\x01", 200))), "no archive"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := read(t, c.data, Config{})
			require.NoError(t, err)
			if c.says == "" {
				require.Nil(t, f.Stop)
			} else {
				require.ErrorContains(t, f.Stop, c.says)
			}
		})
	}
}

// TestBootConfig: the kernel takes it off before it unpacks.
func TestBootConfig(t *testing.T) {
	main := archive(program("init", "#!/bin/sh\n"))
	config := "kernel.console = ttyS0\n\x00"
	tail := binary.LittleEndian.AppendUint32([]byte(config), uint32(len(config)))
	tail = append(append(tail, 1, 2, 3, 4), "#BOOTCONFIG\n"...)
	for _, padding := range []string{"", "\x00\x00\x00"} {
		sound(t, append(append(gzipped(t, main), tail...), padding...), Config{})
	}
	lies := bytes.Clone(tail)
	lies[len(config)+3] = 0x7f
	f, err := read(t, append(gzipped(t, main), lies...), Config{})
	require.NoError(t, err)
	require.ErrorIs(t, f.Stop, ErrTrailing)
}

// TestXZChecks: the kernel knows one checksum only, and a wrong one is seen.
func TestXZChecks(t *testing.T) {
	script := strings.Repeat("#!/bin/sh\n", 300)
	good := archive(program("init", script))
	for check, refused := range map[byte]bool{xz.CRC32: false, xz.CRC64: true, xz.SHA256: true} {
		packed := xzed(t, good, check)
		f := sound(t, packed, Config{})
		assert.Equal(t, refused, f.Members[0].Refused != "", "%d: %s", check, f.Members[0].Refused)

		index := len(packed) - 12 - 4*(int(binary.LittleEndian.Uint32(packed[len(packed)-8:]))+1)
		for at := 12; at < index; at++ {
			bad := bytes.Clone(packed)
			bad[at] ^= 0x10
			f, err := read(t, bad, Config{Keep: all})
			if err != nil || f.Stop != nil {
				continue
			}
			// Some bits say nothing.
			text, err := fs.ReadFile(f, "init")
			require.NoError(t, err)
			assert.Equal(t, script, string(text), "checksum %d: byte %d of %d", check, at, index)
		}
	}
}

// TestOthers: what is no initramfs is named.
func TestOthers(t *testing.T) {
	ext2 := make([]byte, 4096)
	copy(ext2[1080:], "\x53\xef")
	for says, data := range map[string][]byte{
		"nothing: it is empty": {},
		"an old ramdisk, not an initramfs: it holds an ext2 file system":                   ext2,
		"an old ramdisk (gzip-compressed), not an initramfs: it holds an ext2 file system": gzipped(t, ext2),
		"an old ramdisk, not an initramfs: it holds a squashfs":                            []byte("hsqs" + strings.Repeat("x", 200)),
		"an old ramdisk, not an initramfs: it holds a romfs":                               []byte("-rom1fs-" + strings.Repeat("x", 200)),
		"no initramfs: it starts with the bytes 7f 45 4c 46":                               []byte("\x7fELF" + strings.Repeat("x", 200)),
		"no initramfs (gzip-compressed): it starts with the bytes 68 65":                   gzipped(t, []byte("hello, world, this is text")),
		"lz4 -l": []byte("\x04\x22\x4d\x18aaaaaaaaaaaaaaa"),
	} {
		_, err := read(t, data, Config{})
		other := (*OtherError)(nil)
		require.ErrorAs(t, err, &other, says)
		require.ErrorContains(t, err, says)
	}
}
