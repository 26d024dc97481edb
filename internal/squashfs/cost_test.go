package squashfs

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated is the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// xzFile is a stored LZMA2 chunk in a block whose dictionary has the given
// property: 40 stands for 4 GiB less a byte.
func xzFile(text string, dictionary byte) []byte {
	withSum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	out := []byte("\xfd7zXZ\x00\x00\x01")
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out[6:]))
	out = append(out, withSum([]byte{2, 0, 0x21, 1, dictionary, 0, 0, 0})...)
	out = append(out, 1, byte((len(text)-1)>>8), byte(len(text)-1))
	out = append(out, text...)
	out = append(out, 0)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(text)))
}

// TestXZDictionary: a dictionary that a block claims to need is not believed.
func TestXZDictionary(t *testing.T) {
	packed := xzFile("some text", 40)
	var out []byte
	var err error
	cost := allocated(func() { out, err = unpackXZ(packed, metaSize) })
	require.NoError(t, err)
	assert.Equal(t, "some text", string(out))
	assert.Less(t, cost, uint64(1<<20))

	for name, change := range map[string]func(b []byte){
		"sum of the block's header": func(b []byte) { b[16] = 39 },
		"sum of the data":           func(b []byte) { b[len(b)-1]++ },
		"magic":                     func(b []byte) { b[0] = 0 },
		"no block":                  func(b []byte) { b[12] = 0 },
	} {
		bad := bytes.Clone(packed)
		change(bad)
		_, err := unpackXZ(bad, metaSize)
		assert.ErrorContains(t, err, "xz: ", name)
	}
	for n := range packed {
		_, err := unpackXZ(packed[:n], metaSize)
		assert.Error(t, err, "%d bytes", n)
	}
	_, err = unpackXZ(packed, 8)
	assert.ErrorIs(t, err, errTooLarge)
}

// TestHeadOfALargeFile: the beginning of a file costs no more for its length,
// be it a few bytes in the image or a hole.
func TestHeadOfALargeFile(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "hole"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(64<<20))
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("text", 1<<20)), 0o600))
	data := pack(t, dir, "-b", "4K") // 16384 and 1024 blocks
	fs, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	entries, err := fs.Entries(fs.Root())
	require.NoError(t, err)
	for _, e := range entries {
		var head []byte
		cost := allocated(func() { head, err = fs.ReadFile(e, 64) })
		require.NoError(t, err, e.Name)
		assert.Len(t, head, 64)
		assert.Less(t, cost, uint64(128<<10), e.Name)
	}
}
