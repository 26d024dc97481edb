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

// interleaving runs commands of many sizes while the guest's console is full of
// kernel messages, broadcasts, a spinner and a pager: hundreds on the control
// line and, at the same time, some on the console itself, and every answer must
// be right. With -every they are 1,000 and 200.
func interleaving(t *testing.T, guest *vmtest.Guest) {
	onLine, onConsole, needs := 200, 40, 3*time.Minute
	if *vmtest.Every {
		onLine, onConsole, needs = 1000, 200, 10*time.Minute
	}
	// A busy host is given more.
	left := 30 * time.Minute
	if end, ok := t.Deadline(); ok {
		left = min(left, time.Until(end)-time.Minute)
	}
	if left < needs {
		config.Lacking(t, fmt.Sprintf("needs %s, and %s are left: give go test -timeout 40m", needs, left.Round(time.Second)))
	}
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
		{"control line", guest.VM.Root, onLine, 8, 20_000},
		{"console", guest.VM.Console, onConsole, 1, 2000},
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
