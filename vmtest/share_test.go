package vmtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShare(t *testing.T) {
	const gib = 1 << 30
	m := Machine{CPUs: 1, MemoryMiB: 1024, TBSizeMiB: 512} // 2 GiB with QEMU itself
	for _, test := range []struct {
		host int
		room uint64
		cpus int
		want int
	}{
		{2, 24 * gib, 1, 1},
		{2, 4 * gib, 1, 1},
		{2, 3 * gib, 1, 2}, // one after the other
		{2, 1 * gib, 1, 2}, // it may still do
		{8, 5 * gib, 1, 4},
		{8, 7 * gib, 1, 3},
		{8, 24 * gib, 2, 2},
	} {
		m.CPUs = test.cpus
		assert.Equal(t, test.want, share(test.host, test.room, m), "%+v", test)
	}
}
