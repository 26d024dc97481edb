package serial

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWatchReportsStagesOnceAndInOrder(t *testing.T) {
	var got []Stage
	w := NewWatch(WatchConfig{OnStage: func(r Reached) { got = append(got, r.Stage) }})
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
