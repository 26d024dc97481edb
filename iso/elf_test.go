package iso

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestELFOfThisHost: a real program, as what links it says.
func TestELFOfThisHost(t *testing.T) {
	name, err := os.Executable()
	require.NoError(t, err)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	p := readELF(data)
	require.NoError(t, p.fault)
	assert.NotEmpty(t, p.arch)
	// A test with the race detector is linked with libc, another may not be.
	assert.Equal(t, p.interpreter != "", len(p.needed) > 0)
	for n := range 4 {
		assert.Error(t, readELF(data[:n*30]).fault, "%d bytes", n*30)
	}
}

// FuzzELF: anything is read in time and memory that its size allows.
func FuzzELF(f *testing.F) {
	name, err := os.Executable()
	require.NoError(f, err)
	data, err := os.ReadFile(name)
	require.NoError(f, err)
	f.Add(data[:min(len(data), 1024)])
	f.Add([]byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 57)))
	f.Add([]byte("\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 57)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *elfProgram
		cost := allocated(func() { p = readELF(data) })
		assert.LessOrEqual(t, len(p.needed), maxNeeded)
		for _, name := range p.needed {
			assert.LessOrEqual(t, len(name), maxPath)
		}
		assert.Less(t, cost, 4*(maxNeeded*maxPath)+len(data)+1<<20)
	})
}
