package efi

import (
	"bytes"
	"crypto"
	"debug/pe"
	"encoding/binary"
	"flag"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "make testdata anew, with openssl and sbsign")

// made is a small program of the given sections, with a table of signatures.
func made(sections [][2]string, table []byte) []byte {
	var out bytes.Buffer
	dos := make([]byte, 64)
	copy(dos, "MZ")
	dos[60] = 64
	out.Write(dos)
	out.WriteString("PE\x00\x00")
	put := func(v any) { binary.Write(&out, binary.LittleEndian, v) }
	const headers, longer = 1024, 900 // where names are that are longer than eight bytes
	names := "\x00\x00\x00\x00"
	put(pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(sections)), SizeOfOptionalHeader: 240, PointerToSymbolTable: longer})
	o := pe.OptionalHeader64{Magic: 0x20b, SizeOfHeaders: headers, Subsystem: pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, NumberOfRvaAndSizes: 16}
	at := headers
	for _, s := range sections {
		at += (len(s[1]) + 511) &^ 511
	}
	if table != nil {
		o.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY] = pe.DataDirectory{VirtualAddress: uint32(at), Size: uint32(len(table))}
	}
	put(o)
	at = headers
	for _, s := range sections {
		h := pe.SectionHeader32{VirtualSize: uint32(len(s[1])), SizeOfRawData: uint32(len(s[1])+511) &^ 511, PointerToRawData: uint32(at)}
		if copy(h.Name[:], s[0]); len(s[0]) > len(h.Name) {
			h.Name = [8]byte{}
			copy(h.Name[:], "/"+strconv.Itoa(len(names)))
			names += s[0] + "\x00"
		}
		put(h)
		at += int(h.SizeOfRawData)
	}
	out.Write(make([]byte, longer-out.Len()))
	out.WriteString(names)
	out.Write(make([]byte, headers-out.Len()))
	for _, s := range sections {
		out.WriteString(s[1])
		out.Write(make([]byte, -len(s[1])&511))
	}
	out.Write(table)
	return out.Bytes()
}

// entry is one of the table of signatures.
func entry(kind uint16, content []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(8+len(content)))
	out = binary.LittleEndian.AppendUint16(out, 0x200)
	out = binary.LittleEndian.AppendUint16(out, kind)
	out = append(out, content...)
	return append(out, make([]byte, -len(out)&7)...)
}

func TestUnifiedKernelImage(t *testing.T) {
	p := parse(t, made([][2]string{
		{".osrel", "ID=debian\n"}, {".cmdline", "console=ttyS0 quiet\x00"}, {".linux", "MZ and so on"}, {".initrd", strings.Repeat("i", 3000)},
		{".sbat", "sbat,1,SBAT Version,sbat,1,https://x\nsystemd-stub,1,The systemd Developers,systemd,252,https://systemd.io/\n\x00\x00"},
	}, nil))
	assert.True(t, p.Unified())
	cmdline, err := p.Text(".cmdline", 4096)
	require.NoError(t, err)
	assert.Equal(t, "console=ttyS0 quiet", cmdline)
	initrd, ok := p.Section(".initrd")
	require.True(t, ok)
	assert.EqualValues(t, 3000, initrd.Size(), "without what pads it")
	_, err = p.Text(".initrd", 100)
	assert.EqualError(t, err, "section .initrd has 3000 bytes; want no more than 100")
	none, err := p.Text(".uname", 100)
	require.NoError(t, err)
	assert.Empty(t, none)
	assert.Equal(t, []Component{{"sbat", 1, "SBAT Version", "1"}, {"systemd-stub", 1, "The systemd Developers", "252"}}, p.SBAT)
}

func TestBadPrograms(t *testing.T) {
	sound := made([][2]string{{".text", "code"}}, nil)
	change := func(at int, with ...byte) []byte {
		b := bytes.Clone(sound)
		copy(b[at:], with)
		return b
	}
	const optional = 64 + 4 + 20
	const section = optional + 240
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":              {nil, "no EFI program: it does not begin with MZ"},
		"text":                 {[]byte(strings.Repeat("text ", 100)), "no EFI program: it does not begin with MZ"},
		"for DOS":              {change(60, 0xff, 0xff), "no EFI program: there is no PE header at 65535"},
		"for Windows":          {change(optional+68, 3), "no EFI program: it is for another system (PE subsystem 3)"},
		"odd magic":            {change(optional, 7, 1), "want PE32 or PE32+, found 0x107"},
		"short headers":        {change(optional+60, 16, 0), "its headers end at byte 16"},
		"long headers":         {change(optional+60, 0, 0, 0, 0x7f), "its headers end at byte 2130706432, the file at 1536"},
		"many sections":        {change(64+4+2, 0xff, 0xff), "it has 65535 sections; firmware loads no more than 96"},
		"section too long":     {change(section+16, 0, 0, 0, 0xf0), "section .text ends at byte 4026532864, the file at 1536: it is cut short"},
		"signatures too long":  {change(optional+112+32, 0, 6, 0, 0, 0, 0, 0, 1), "the signatures end at byte 16778752, the file at 1536"},
		"overlapping":          {change(section+16, 0, 6, 0, 0, 0, 0, 0, 0), "its headers, sections and signatures are larger than the file"},
		"SBAT of words":        {made([][2]string{{".sbat", "sbat,one\n"}}, nil), `"sbat" has the generation "one"; want a number`},
		"SBAT of nothing":      {made([][2]string{{".sbat", "sbat\n"}}, nil), `"sbat" has no generation`},
		"SBAT too long":        {made([][2]string{{".sbat", strings.Repeat("a,1\n", 20000)}}, nil), "section .sbat has 80000 bytes"},
		"a signature too long": {made(nil, []byte{0xff, 0, 0, 0, 0, 2, 2, 0}), "a signature has 255 bytes, and there are 8"},
		"many signatures":      {made(nil, bytes.Repeat(entry(1, nil), 9)), "it has more than 8 signatures"},
	} {
		_, err := Read(bytes.NewReader(c.file), int64(len(c.file)))
		assert.ErrorContains(t, err, c.want, name)
	}
	for n := range sound[:len(sound)-1] {
		_, err := Read(bytes.NewReader(sound[:n]), int64(n))
		assert.Error(t, err, "cut short at %d", n)
	}
}

// somebody.efi is of [made], signed by sbsign: it needs no package to be read.
func TestSmallSignedProgram(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile("testdata/somebody.efi", issue(t, "Somebody", nil).sign(t, made([][2]string{{".text", "code"}, {".sbat", "sbat,1\n"}}, nil)), 0o644))
	}
	raw, err := os.ReadFile("testdata/somebody.efi")
	require.NoError(t, err)
	p := parse(t, raw)
	require.Len(t, p.Signatures, 1)
	assert.Empty(t, p.Signatures[0].Problem)
	assert.Equal(t, UnknownKey, Judge(p, Keys{}).Outcome)
	k := Keys{DB: List{Certificates: []Certificate{p.Signatures[0].Signer}}}
	assert.True(t, Judge(p, k).Starts)
	raw[p.Sections[0].Offset] ^= 1
	assert.Equal(t, Changed, Judge(parse(t, raw), k).Outcome)
}

func TestBadVendorKeys(t *testing.T) {
	for name, c := range map[string]struct{ section, want string }{
		"short":     {"\x01\x00\x00\x00", "has 4 bytes; want 16 at least"},
		"elsewhere": {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01", "a list of 1 bytes is at byte 256 of 16"},
		"huge":      {"\xff\xff\xff\xff\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x01" + "list", "a list of 4294967295 bytes is at byte 16 of 20"},
		"no list":   {"\x04\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x01" + "list", "4 bytes are left of it"},
	} {
		raw := made([][2]string{{".vendor_cert", c.section}}, nil)
		_, err := parse(t, raw).Vendor()
		assert.ErrorContains(t, err, c.want, name)
	}
	empty := [2]string{".vendor_cert", strings.Repeat("\x00", 16)}
	for level, want := range map[string]string{
		"\x01\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00sbat,1\n": "a format that is not known here",
		"\x00": "a format that is not known here",
		"\x00\x00\x00\x00\xff\xff\xff\xff\x08\x00\x00\x00sbat,1\n":    "a list is at byte 4294967299 of 19",
		"\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00sbat,many\n": `"sbat" has the generation "many"`,
	} {
		_, err := parse(t, made([][2]string{empty, {".sbatlevel", level}}, nil)).Vendor()
		assert.ErrorContains(t, err, want)
	}
	shim, err := parse(t, made([][2]string{empty, {".sbatlevel", "\x00\x00\x00\x00\x08\x00\x00\x00\x18\x00\x00\x00sbat,1\ngrub,3\n\x00sbat,1\ngrub,9\n\x00"}}, nil)).Vendor()
	require.NoError(t, err)
	assert.Equal(t, []Component{{Name: "sbat", Generation: 1}, {Name: "grub", Generation: 3}}, shim.SBAT)
	none, err := parse(t, made([][2]string{{".text", "code"}}, nil)).Vendor()
	require.NoError(t, err)
	assert.Equal(t, Keys{}, none)
}

// A signature that is of no use is said to be, and counts for nothing.
func TestBadSignatures(t *testing.T) {
	deep := []byte{}
	for range 40 {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	for name, c := range map[string]struct {
		table []byte
		want  string
	}{
		"another type":  {entry(1, []byte("x")), "it is of a type that is not known here (1)"},
		"no DER":        {entry(2, []byte("text")), "it cannot be read: it is no DER"},
		"nothing":       {entry(2, nil), "it cannot be read: it is no DER"},
		"nested deeply": {entry(2, deep), "it cannot be read: it is nested deeper than 32"},
		"no length":     {entry(2, []byte{0x30, 0x80, 0, 0}), "it cannot be read: it is no DER"},
		"something":     {entry(2, []byte{0x30, 3, 2, 1, 1}), "it cannot be read: "},
		"text behind":   {entry(2, []byte{0x30, 3, 2, 1, 1, 'x', 'y'}), "bytes follow it"},
		"too long":      {entry(2, make([]byte, maxSignature+1)), "it has 262145 bytes"},
	} {
		p := parse(t, made([][2]string{{".text", "code"}}, c.table))
		require.Len(t, p.Signatures, 1, name)
		assert.Contains(t, p.Signatures[0].Problem, c.want, name)
		v := Judge(p, Keys{})
		assert.Equal(t, Unreadable, v.Outcome, name)
		assert.False(t, v.Starts, name)
	}
}

// variables is a file of them.
func variables(values map[string][]byte) []byte {
	var store []byte
	for name, value := range values {
		var title []byte
		for _, u := range utf16.Encode([]rune(name + "\x00")) {
			title = binary.LittleEndian.AppendUint16(title, u)
		}
		h := make([]byte, 60)
		h[0], h[1], h[2] = 0xaa, 0x55, 0x3f
		binary.LittleEndian.PutUint32(h[36:], uint32(len(title)))
		binary.LittleEndian.PutUint32(h[40:], uint32(len(value)))
		vendor := guidSecurity
		if strings.HasSuffix(name, "K") {
			vendor = guidGlobal
		}
		copy(h[44:], vendor[:])
		store = append(append(append(store, h...), title...), value...)
		store = append(store, bytes.Repeat([]byte{0xff}, -len(store)&3)...)
	}
	out := make([]byte, 72)
	copy(out[16:], guidVolume[:])
	copy(out[40:], "_FVH")
	out[48] = 72
	out = append(out, guidStore[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(28+len(store)+64))
	out = append(out, 0x5a, 0xfe, 0, 0, 0, 0, 0, 0)
	return append(append(out, store...), bytes.Repeat([]byte{0xff}, 64)...)
}

// list is a signature list of one type.
func list(kind [16]byte, values ...[]byte) []byte {
	out := append([]byte{}, kind[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(28+len(values)*(16+len(values[0]))))
	out = binary.LittleEndian.AppendUint32(out, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(16+len(values[0])))
	for _, v := range values {
		out = append(append(out, make([]byte, 16)...), v...)
	}
	return out
}

func TestVariables(t *testing.T) {
	a, b := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	since := append(bytes.Clone(b), make([]byte, 16)...)
	raw := variables(map[string][]byte{
		"dbx":        append(list(guidSHA256, a, b), list(guidX509Hash, since)...),
		"db":         append(list(guidSHA256, b), list([16]byte{9}, a)...),
		"PK":         list(guidX509, []byte("no certificate")),
		"dbxDefault": list(guidSHA256, a),
	})
	k, err := ReadVariables(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	assert.Equal(t, Keys{
		PK:  List{Others: 1},
		DB:  List{Hashes: [][32]byte{[32]byte(b)}, Others: 1},
		DBX: List{Hashes: [][32]byte{[32]byte(a), [32]byte(b)}, Issued: [][32]byte{[32]byte(b)}},
	}, k)
	assert.False(t, k.Enabled())

	// What was deleted or never written whole does not count.
	for _, state := range []byte{0x7f, 0x3d, 0x3c, 0xff} {
		raw := variables(map[string][]byte{"db": list(guidSHA256, b)})
		raw[72+28+2] = state
		k, err := ReadVariables(bytes.NewReader(raw), int64(len(raw)))
		require.NoError(t, err)
		assert.Empty(t, k.DB.Hashes, "%#x", state)
	}
	for n := range raw {
		_, err := ReadVariables(bytes.NewReader(raw[:n]), int64(n))
		assert.Error(t, err, "cut short at %d", n)
	}
	qcow2 := append([]byte("QFI\xfb"), make([]byte, 4096)...)
	_, err = ReadVariables(bytes.NewReader(qcow2), int64(len(qcow2)))
	assert.ErrorContains(t, err, "want a raw firmware volume")
}

func TestPlain(t *testing.T) {
	assert.Equal(t, "CN=a?[31mb", plain("CN=a\x1b[31mb"))
	assert.Equal(t, "a?b", plain("a\u009bb"))
	assert.Equal(t, "a?", plain("a\xff"))
	assert.Len(t, plain(strings.Repeat("ä", 5000)), most+len("..."))
}

// counted counts what is read of a file.
type counted struct {
	io.ReaderAt
	bytes int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.bytes += int64(n)
	return n, err
}

// allocated is the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzRead: what a program costs is bounded by its size.
func FuzzRead(f *testing.F) {
	f.Add(made([][2]string{{".text", "code"}, {".sbat", "sbat,1\n"}}, append(entry(2, []byte{0x30, 3, 2, 1, 1}), entry(1, nil)...)))
	f.Add(made([][2]string{{".linux", "kernel"}}, entry(2, []byte{0x30, 0x82, 0xff, 0xff, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2})))
	f.Add(made([][2]string{{".vendor_cert", "\x04\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x01list"}}, nil))
	f.Add(made([][2]string{{".vendor_cert", strings.Repeat("\x00", 16)}, {".sbatlevel", "\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00sbat,1\ngrub,3\n"}}, nil))
	signed, err := os.ReadFile("testdata/somebody.efi")
	require.NoError(f, err)
	f.Add(signed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := &counted{ReaderAt: bytes.NewReader(raw)}
		var p *Program
		var err error
		cost := allocated(func() { p, err = Read(file, int64(len(raw))) })
		// Three hashes, the table and the SBAT at most, and headers.
		assert.LessOrEqual(t, file.bytes, int64(5*len(raw)+8192))
		assert.LessOrEqual(t, cost, uint64(200*len(raw)+2<<20))
		if err != nil {
			return
		}
		v := Judge(p, Keys{})
		assert.False(t, v.Starts, "nobody is known")
		assert.LessOrEqual(t, allocated(func() { p.Vendor() }), uint64(200*len(raw)+1<<20))
		for _, s := range p.Signatures {
			assert.Equal(t, plain(s.Problem), s.Problem)
			if s.Current {
				own, err := p.digest(crypto.SHA256)
				require.NoError(t, err)
				assert.Equal(t, p.Digest[:], own)
			}
		}
	})
}

// FuzzVariables: what variables cost is bounded by their size.
func FuzzVariables(f *testing.F) {
	f.Add(variables(map[string][]byte{"db": list(guidSHA256, make([]byte, 32)), "PK": list(guidX509, []byte("x"))}))
	f.Add(variables(map[string][]byte{"dbx": list(guidX509Hash, make([]byte, 48))}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		cost := allocated(func() { ReadVariables(bytes.NewReader(raw), int64(len(raw))) })
		assert.LessOrEqual(t, cost, uint64(200*len(raw)+1<<20))
	})
}
