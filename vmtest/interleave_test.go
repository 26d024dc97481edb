package vmtest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
	"bootaudit/internal/interleave"
	"bootaudit/serial"
	"bootaudit/vmtest"
)

// TestVMInterleaving runs commands of many sizes while the guest's console is
// full of kernel messages, broadcasts, a spinner and a pager: 1,000 on the
// control line and, at the same time, 200 on the console itself, and every
// answer must be right.
func TestVMInterleaving(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the stand-in in QEMU; -short asks for no boot")
	}
	t.Parallel()
	const needs = 10 * time.Minute // beside another guest; a busy host is given up to 30
	left := 30 * time.Minute
	if end, ok := t.Deadline(); ok {
		left = min(left, time.Until(end)-time.Minute)
	}
	if left < needs {
		config.Lacking(t, fmt.Sprintf("needs %s, and %s are left: give go test -timeout 40m", needs, left.Round(time.Second)))
	}
	guest := vmtest.Start(t, vmtest.Machine{Name: "interleaving", ISO: standIn(t), CPUs: 1})
	require.IsType(t, &serial.Control{}, guest.VM.Root)
	ctx, cancel := context.WithTimeout(t.Context(), left)
	defer cancel()
	result, err := guest.VM.Root.Run(ctx, interleave.Noise)
	require.NoError(t, err)
	require.NoError(t, result.Err())
	var work sync.WaitGroup
	for _, row := range []struct {
		name         string
		r            serial.Runner
		n, at, bytes int
	}{
		{"control line", guest.VM.Root, 1000, 8, 20_000},
		{"console", guest.VM.Console, 200, 1, 2000},
	} {
		work.Go(func() {
			start := time.Now()
			assert.NoError(t, interleave.Commands(ctx, row.r, row.n, row.at, row.bytes), row.name)
			t.Logf("%s: %d commands in %s", row.name, row.n, time.Since(start).Round(time.Second))
		})
	}
	work.Wait()
	result, err = guest.VM.Root.Run(t.Context(), interleave.Quiet)
	require.NoError(t, err)
	require.NoError(t, result.Err())
}
