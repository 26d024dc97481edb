package watch

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A console's pump writes while its ticker looks for silence.
func TestWatchTellsOneThingAtATimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := false // no lock: the race detector looks on
		var told []string
		tell := func(what string) {
			require.False(t, busy, "%s while another is told", what)
			busy = true
			time.Sleep(time.Second)
			told = append(told, what)
			busy = false
		}
		var w *Watch
		w = New(Config{
			OnStage: func(r Reached) {
				assert.NotPanics(t, func() { w.Stage() }, "it may ask the watch")
				tell(string(r.Stage))
			},
			OnTrip: func(trip Trip) { tell(trip.ID) },
		})
		var all sync.WaitGroup
		all.Go(func() { w.Write([]byte("SeaBIOS (version 1)\r\nISOLINUX 6.04\r\n")) })
		synctest.Wait()
		all.Go(func() { w.Idle(time.Now().Add(time.Hour)) })
		synctest.Wait()
		all.Go(func() { w.Write([]byte("Loading /boot/bzImage... ok\r\n")) })
		all.Wait()
		assert.Equal(t, []string{"firmware", "bootloader", "bootloader-hangs", "kernel-load"}, told)
	})
}

func TestWatchReportsStagesOnceAndInOrder(t *testing.T) {
	var got []Stage
	w := New(Config{OnStage: func(r Reached) { got = append(got, r.Stage) }})
	boot := "ISOLINUX 6.04 \r\nAutomatic boot in 3 seconds...\r\nAutomatic boot in 2 seconds...\r\n" +
		"Loading /boot/bzImage... ok\r\n\x1b[1;32m<<< NixOS Stage 1 >>>\x1b[0m\r\n" +
		"[\x1b[0;32m  OK  \x1b[0m] Reached target Sockets.\r\nnixos login: nixos (automatic login)\r\n\r\n" +
		"\x1b[?2004h\x1b[1;32m[\x1b]0;nixos@nixos: ~\anixos@nixos:~]$\x1b[0m "
	for i := range len(boot) {
		w.Write([]byte(boot[i : i+1]))
	}
	assert.Equal(t, []Stage{Bootloader, Menu, KernelLoad, Initrd, Init, Login, Shell}, got)
	assert.Equal(t, Shell, w.Stage())
}
