package partition

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tool runs one of the host, of the Debian package that is named.
func tool(t testing.TB, pkg, stdin string, args ...string) []byte {
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
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	require.NoError(t, err, "%v: %s", args, out)
	return out
}

// image is a disk of some MiB that sfdisk has written to.
func image(t testing.TB, mib int64, script string) (name string, data []byte) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(mib<<20))
	require.NoError(t, f.Close())
	tool(t, "fdisk", script, "sfdisk", "-q", name)
	data, err = os.ReadFile(name)
	require.NoError(t, err)
	return name, data
}

func read(t testing.TB, data []byte) Table {
	t.Helper()
	table, err := Read(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return table
}

const gptScript = `label: gpt
label-id: 12345678-1234-5678-9ABC-123456789ABC
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System Größe", attrs="RequiredPartition,LegacyBIOSBootable"
size=8192, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, attrs="GUID:60,63"
7 : size=4096, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
`

const mbrScript = `label: dos
label-id: 0x12345678
start=2048, size=4096, type=ef, bootable
size=4096, type=83
size=16384, type=5
size=4096, type=82
size=4096, type=8e
size=2048, type=83
`

// TestAgainstSfdisk: what sfdisk says of a disk is what is read.
func TestAgainstSfdisk(t *testing.T) {
	for _, script := range []string{gptScript, mbrScript, "label: gpt\n", "label: dos\n", "label: gpt\nsector-size: 512\nfirst-lba: 34\nstart=34, size=100\n"} {
		name, data := image(t, 32, script)
		var out struct {
			Table struct {
				Label, ID  string
				SectorSize int64
				Partitions []struct {
					Node, Type, UUID, Name, Attrs string
					Start, Size                   int64
					Bootable                      bool
				}
			} `json:"partitiontable"`
		}
		require.NoError(t, json.Unmarshal(tool(t, "fdisk", "", "sfdisk", "--json", name), &out))
		table := read(t, data)
		assert.Equal(t, map[string]string{"gpt": GPT, "dos": MBR}[out.Table.Label], table.Scheme)
		assert.Equal(t, strings.ToLower(strings.TrimPrefix(out.Table.ID, "0x")), table.ID)
		require.Len(t, table.Partitions, len(out.Table.Partitions))
		for i, want := range out.Table.Partitions {
			got := table.Partitions[i]
			assert.Equal(t, want.Node, fmt.Sprintf("%s%d", name, got.Number))
			assert.Equal(t, []int64{want.Start * 512, want.Size * 512}, []int64{got.Start, got.Size})
			if table.Scheme == GPT {
				assert.Equal(t, strings.ToLower(want.UUID), got.UUID)
				assert.Equal(t, strings.ToLower(want.Type), got.TypeID)
			} else {
				assert.Equal(t, fmt.Sprintf("12345678-%02d", got.Number), got.UUID)
				assert.Equal(t, fmt.Sprintf("%02s", want.Type), got.TypeID)
				assert.Equal(t, want.Bootable, len(got.Attributes) > 0)
			}
			assert.Equal(t, want.Name, got.Name)
			assert.NotEmpty(t, got.Type)
		}
	}
	_, data := image(t, 32, gptScript)
	table := read(t, data)
	assert.Equal(t, []string{"required", "legacy boot"}, table.Partitions[1].Attributes)
	assert.Equal(t, []string{"read-only", "no automount"}, table.Partitions[2].Attributes)
	assert.True(t, table.Partitions[1].EFISystem())
	assert.Equal(t, []string{"the first sector has no boot code: a BIOS cannot boot it"}, table.Faults)
	data[0] = 0xeb
	assert.Empty(t, read(t, data).Faults)
}

// Test4K: sectors of 4096 bytes are told by where the header is.
func Test4K(t *testing.T) {
	_, data := image(t, 32, "label: gpt\nsector-size: 4096\nstart=256, size=1024, type=uefi\n")
	if string(data[4096:4104]) != signature {
		t.Skip("sfdisk does not write sectors of 4096 bytes to a file")
	}
	table := read(t, data)
	assert.Equal(t, int64(4096), table.SectorSize)
	assert.Equal(t, int64(256*4096), table.Partitions[0].Start)
}

// resum puts right the sums of the first GPT.
func resum(b []byte) {
	le := binary.LittleEndian
	h := b[512:1024]
	le.PutUint32(h[88:], crc32.ChecksumIEEE(b[1024:1024+128*128]))
	clear(h[16:20])
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
}

func TestFaults(t *testing.T) {
	le := binary.LittleEndian
	_, gpt := image(t, 32, strings.Replace(gptScript, "21686148-6449-6E6F-744E-656564454649", "linux", 1))
	_, mbr := image(t, 32, mbrScript)
	gpt[0], mbr[0] = 0xfa, 0xfa
	gpt = bytes.Clone(gpt)
	le.PutUint64(gpt[1024+128+48:], 0) // no legacy boot
	resum(gpt)
	copy(gpt[len(gpt)-33*512:], gpt[1024:1024+128*128])
	back := gpt[len(gpt)-512:]
	le.PutUint32(back[88:], le.Uint32(gpt[512+88:]))
	clear(back[16:20])
	le.PutUint32(back[16:], crc32.ChecksumIEEE(back[:92]))
	require.Empty(t, read(t, gpt).Faults)
	require.Empty(t, read(t, mbr).Faults)
	e := func(b []byte, i int) []byte { return b[1024+128*i:] }
	for _, tt := range []struct {
		name  string
		image []byte
		cut   int
		// change makes the fault; want is what is said of it, and how many
		// partitions are read all the same.
		change func(b []byte)
		want   string
		count  int
	}{
		{"truncated", gpt, 4 << 20, func([]byte) {}, "the image is truncated: the backup GPT should be in sector 65535, and the last one is 57343, 4194304 bytes before", 4},
		{"truncated in a partition", gpt, 25 << 20, func([]byte) {}, "bytes after the end of the image", 4},
		{"header's sum", gpt, 0, func(b []byte) { b[512+16]++ }, "the GPT in sector 1: its header's CRC is", 4},
		{"from the backup", gpt, 0, func(b []byte) { b[1024]++ }, "the partitions are those of the backup GPT, which is sound", 4},
		{"no first", gpt, 0, func(b []byte) { clear(b[512:1024]) }, "the GPT in sector 1 is not there: the partitions are of its backup", 4},
		{"neither", gpt, 0, func(b []byte) { clear(b[512:1024]); clear(b[len(b)-512:]) }, "the MBR says that there is a GPT, and neither its header", 0},
		{"no backup", gpt, 0, func(b []byte) { clear(b[len(b)-512:]) }, "there is no backup GPT in sector 65535", 4},
		{"backup differs", gpt, 0, func(b []byte) { b[1024+56]++; resum(b) }, "the backup GPT says something else", 4},
		{"longer", gpt, -1 << 20, func([]byte) {}, "the backup GPT is in sector 65535, and not in the last one, 67583", 4},
		{"overlap", gpt, 0, func(b []byte) { le.PutUint64(e(b, 1)[32:], 2050); resum(b) }, "partitions 1 and 2 overlap, from byte 1049600 on", 4},
		{"past the end", gpt, 0, func(b []byte) { le.PutUint64(e(b, 6)[40:], 1<<30); resum(b) }, "partition 7 ends", 4},
		{"backwards", gpt, 0, func(b []byte) { le.PutUint64(e(b, 6)[40:], 0); resum(b) }, "partition 7 goes from sector", 3},
		{"outside", gpt, 0, func(b []byte) { le.PutUint64(e(b, 0)[32:], 4); resum(b) }, "partition 1, from sector 4 to 4095, is outside", 4},
		{"two ESPs", gpt, 0, func(b []byte) { copy(e(b, 2)[:16], e(b, 1)[:16]); resum(b) }, "2 partitions are EFI system partitions, and firmware takes one of them: partitions 2 and 3", 4},
		{"hybrid", gpt, 0, func(b []byte) { copy(b[462:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0}) }, "a hybrid MBR: the first sector lists 1 partition", 4},
		{"no protective MBR", gpt, 0, func(b []byte) { clear(b[446:512]) }, "has no protective MBR", 4},
		{"only partitions of the MBR", gpt, 0, func(b []byte) { b[446+4] = 0x83 }, "there is a GPT, and the MBR has no protective entry", 1},
		{"no boot code", gpt, 0, func(b []byte) { b[0] = 0; copy(e(b, 0)[:16], []byte("Hah!IdontNeedEFI")); resum(b) }, "no boot code", 4},
		{"all entries", gpt, 0, func(b []byte) { le.PutUint32(b[512+80:], 0xffffffff) }, "claims 4294967295 entries", 4},
		{"entries elsewhere", gpt, 0, func(b []byte) { le.PutUint64(b[512+72:], 1<<63) }, "its entries are in sector 9223372036854775808", 4},
		{"other elsewhere", gpt, 0, func(b []byte) { le.PutUint64(b[512+32:], 1<<63) }, "the other one is in sector 9223372036854775808", 4},
		{"header's size", gpt, 0, func(b []byte) { le.PutUint32(b[512+12:], 0xffffffff) }, "its header claims 4294967295 bytes", 4},

		{"MBR, no boot code", mbr, 0, func(b []byte) { b[0] = 0 }, "no boot code", 6},
		{"MBR, past the end", mbr, 0, func(b []byte) { le.PutUint32(b[462+12:], 0xffffffff) }, "partition 2 ends", 6},
		{"MBR, overlap", mbr, 0, func(b []byte) { le.PutUint32(b[462+8:], 2048) }, "partitions 1 and 2 overlap", 6},
		{"chain comes back", mbr, 0, func(b []byte) { le.PutUint32(b[10240*512+462+8:], 0) }, "the chain of logical partitions comes back to sector 10240", 5},
		{"chain leaves", mbr, 0, func(b []byte) { le.PutUint32(b[10240*512+462+8:], 1<<20) }, "leaves the extended partition for sector 1058816", 5},
		{"chain to nothing", mbr, 0, func(b []byte) { b[10240*512+510] = 0 }, "leads to sector 10240, where no table is", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(tt.image)
			tt.change(b)
			if tt.cut < 0 {
				b = append(b, make([]byte, -tt.cut)...)
			} else {
				b = b[:len(b)-tt.cut]
			}
			table := read(t, b)
			assert.Contains(t, strings.Join(table.Faults, "\n"), tt.want)
			assert.Len(t, table.Partitions, tt.count)
		})
	}
}

// TestISO: the partitions of an ISO that is a disk, too, overlap by design.
func TestISO(t *testing.T) {
	_, data := image(t, 32, mbrScript)
	data[0] = 0x33
	binary.LittleEndian.PutUint32(data[446+8:], 0)
	binary.LittleEndian.PutUint32(data[446+12:], 65536)
	require.NotEmpty(t, read(t, data).Faults)
	copy(data[32769:], "CD001")
	assert.Empty(t, read(t, data).Faults)
}

func TestNone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fat")
	tool(t, "dosfstools", "", "mkfs.vfat", "-C", name, "1440")
	fat, err := os.ReadFile(name)
	require.NoError(t, err)
	for what, b := range map[string][]byte{"zeros": make([]byte, 1<<20), "a FAT": fat, "a byte": {1}, "nothing": nil, "text": bytes.Repeat([]byte("text"), 1000)} {
		_, err := Read(bytes.NewReader(b), int64(len(b)))
		assert.ErrorIs(t, err, ErrNone, what)
	}
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

// FuzzRead: whatever a table claims, no more of the disk is read than two tables
// and a chain of sectors, and what is said of it is bounded. Each four bytes of
// changes are a place and what stands there.
func FuzzRead(f *testing.F) {
	_, gpt := image(f, 16, strings.Replace(gptScript, "8192", "2048", 2))
	_, mbr := image(f, 32, mbrScript)
	_, plain := image(f, 16, "label: dos\nsize=2048, type=5\nsize=2048, type=f\n")
	images := [][]byte{gpt, mbr, plain}
	for i := range images {
		f.Add(uint8(i), []byte{0, 2, 80, 0xff, 0, 1, 0xc6, 5})
		f.Add(uint8(i), []byte{0, 2, 72, 0xff, 0, 1, 0xd2, 5})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		data := bytes.Clone(images[int(which)%len(images)])
		for ; len(changes) >= 4; changes = changes[4:] {
			at := int(changes[0])<<16 + int(changes[1])<<8 + int(changes[2])
			data[at%len(data)] = changes[3]
		}
		r := &counter{r: bytes.NewReader(data)}
		table, err := Read(r, int64(len(data)))
		if r.n > 3*maxTable+4*maxLogical*512+8192 {
			t.Errorf("%d bytes read", r.n)
		}
		if err != nil {
			return
		}
		if len(table.Faults) > maxFaults+1 || len(table.Partitions) > maxTable/128 {
			t.Errorf("%d faults of %d partitions", len(table.Faults), len(table.Partitions))
		}
		for _, p := range table.Partitions {
			if p.Start < 0 || p.Size <= 0 || p.Start+p.Size < p.Start {
				t.Errorf("%+v", p)
			}
		}
	})
}
