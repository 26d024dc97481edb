package vmtest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who has got hold of QEMU, by its monitor or from inside the guest, can start
// no program with it: the kernel ends QEMU first.
func TestQEMUStartsNoProgram(t *testing.T) {
	vm := launch(t, tiny(t, "hello"))
	proof := filepath.Join(t.TempDir(), "started")
	err := vm.Monitor(t.Context(), "migrate", map[string]any{"uri": "exec:touch " + proof + "; cat >/dev/null"}, nil)
	require.ErrorIs(t, err, ErrEnded)
	assert.ErrorContains(t, err, "its sandbox denies")
	<-vm.Done()
	assert.NoFileExists(t, proof)
}
