package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
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

// TestCost: the volumes of a disk of 4 GiB, and a thousand files on it, are listed
// with a few hundred KiB read of it, and some MiB of memory.
func TestCost(t *testing.T) {
	dir := t.TempDir()
	for i := range 1000 {
		write(t, dir, fmt.Sprintf("r/%02d/%03d", i/100, i), "text")
	}
	esp, name := filepath.Join(dir, "esp"), filepath.Join(dir, "disk")
	tool(t, "dosfstools", "", "mkfs.vfat", "-F", "32", "-C", esp, "65536")
	put(t, name, esp, 1)
	require.NoError(t, os.Truncate(name, 4<<30))
	tool(t, "e2fsprogs", "", "mke2fs", "-q", "-F", "-t", "ext4", "-E", "offset=209715200", "-d", filepath.Join(dir, "r"), name, "3800M")
	tool(t, "fdisk", "label: gpt\nstart=1MiB, size=64MiB, type=uefi\nstart=200MiB, size=3800MiB, type=linux\n", "sfdisk", "-q", name)
	disk, err := os.Open(name)
	require.NoError(t, err)
	defer disk.Close()

	r := &counter{r: disk}
	d := &Disk{ReaderAt: r, Identity: Identity{Format: Raw}, Size: 4 << 30}
	cost := allocated(func() { require.NoError(t, d.look()) })
	require.Empty(t, d.Faults)
	require.NotNil(t, d.Volumes[1].FS)
	assert.Less(t, cost, uint64(2<<20))
	assert.Less(t, r.n, int64(512<<10))
	entries := 0
	cost = allocated(func() {
		require.NoError(t, fs.WalkDir(d.Volumes[1].FS, ".", func(_ string, e fs.DirEntry, err error) error {
			entries++
			return err
		}))
	})
	assert.Equal(t, 1000+10+2, entries) // the folders, the root, lost+found
	assert.Less(t, cost, uint64(8<<20))
	assert.Less(t, r.n, int64(2<<20))
}

// TestManyPartitions: as many as a hostile table may list cost no more than those
// that are looked at.
func TestManyPartitions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	esp, _ := parts(t)
	put(t, name, esp, 2)
	require.NoError(t, os.Truncate(name, 16<<20))
	tool(t, "fdisk", "label: gpt\ntable-length: 4096\nfirst-lba: 2048\nstart=4096, size=8192, type=linux\n", "sfdisk", "-q", name)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	entries := b[binary.LittleEndian.Uint64(b[512+72:])*512:]
	for i := 1; i < 4096; i++ {
		copy(entries[128*i:128*(i+1)], entries)
	}
	clear(b[len(b)-512:]) // the backup, which is sound
	r := &counter{r: bytes.NewReader(b)}
	d := &Disk{ReaderAt: r, Identity: Identity{Format: Raw}, Size: int64(len(b))}
	cost := allocated(func() { require.NoError(t, d.look()) })
	assert.Len(t, d.Volumes, maxVolumes)
	assert.Contains(t, strings.Join(d.Faults, "\n"), "there are 4096 partitions, of which the first 128 are looked at")
	assert.Less(t, cost, uint64(64<<20))
	assert.Less(t, r.n, int64(32<<20))
}
