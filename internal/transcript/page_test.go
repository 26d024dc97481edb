package transcript

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page begins with the verdict, goes on with what to do and the line in its
// place, and then says how far the boot came.
func TestPageOfABootThatFails(t *testing.T) {
	r, err := Read(strings.NewReader(kernel + g("[    0.000000] Linux version 6.1\n[    0.500000] Run /init as init process\n"+
		"[    9.000000] WARNING: CPU: 0 PID: 1 at kernel/x.c:12 fn+0x1/0x2\n"+
		"Begin: Waiting for root file system ... done.\nALERT!  UUID=1 does not exist.  Dropping to a shell!\n\n(initramfs) ls\nbin dev\n")))
	require.NoError(t, err)
	page := strings.Split(r.Page(), "\n")
	assert.Equal(t, "It fails, and came to initrd (root-missing): The root device, the live medium or a pool did not appear, or cannot be mounted.", page[0])
	assert.Contains(t, page[1], "What to do: see which device")
	text := r.Page()
	for _, want := range []string{
		"\n       8  Begin: Waiting for root file system ... done.\n>      9  ALERT!  UUID=1 does not exist.  Dropping to a shell!\n      11  (initramfs) ls\n      12  bin dev\n",
		"Stages of the boot\n  bootloader ", "\n  initrd ", "\nNoticed\n  kernel-warning (the kernel warned about itself, with a trace), line 7: ",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "open question")
	assert.NotContains(t, text, "logged in by itself", "nothing was shown of it")
	assert.Equal(t, []string{"bootloader", "menu", "kernel-load", "initrd"}, stageNames(r))
}

// What an unclear console leaves open is asked.
func TestPageOfAnUnclearBoot(t *testing.T) {
	r, err := Read(strings.NewReader(kernel + g("[    0.000000] Linux version 6.1\n[    0.100000] smp: up\n")))
	require.NoError(t, err)
	assert.Contains(t, r.Page(), "Unclear: the console ends in kernel-load, ")
	assert.Contains(t, r.Page(), "\nIts last line is line 6: [    0.100000] smp: up\nThe open question: does the kernel come to its initrd")
}

// The stages are those of the boot that ends the file.
func TestStagesOfTheLastBoot(t *testing.T) {
	r, err := Read(strings.NewReader(talking + user + g("[  200.000000] reboot: Restarting system\n") + kernel))
	require.NoError(t, err)
	assert.Equal(t, []string{"bootloader", "menu", "kernel-load"}, stageNames(r))

	r, err = Read(strings.NewReader("{\"version\":3}\n[1,\"o\",\"ISOLINUX 6.04\\r\\n\"]\n[2,\"o\",\"Loading /boot/bzImage... ok\\r\\n\"]\n"))
	require.NoError(t, err)
	require.Len(t, r.Reached, 2)
	require.NotNil(t, r.Reached[1].Seconds)
	assert.InDelta(t, 3, *r.Reached[1].Seconds, 0.001, "times are between events")
	assert.Contains(t, r.Page(), "kernel-load  3s  ")
}

func stageNames(r Report) (names []string) {
	for _, s := range r.Reached {
		names = append(names, s.Stage)
	}
	return names
}

// In colours the page says the same, and the guest's own are none of them.
func TestColorPage(t *testing.T) {
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for name, console := range map[string]string{
		"fails":       brokenBoot + "\x1b[41mred\x1b[0m \x9b31m\n",
		"boots":       talking + user,
		"unclear":     "ISOLINUX 6.04 20200816\nLoading /live/vmlinuz... ok\n[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n",
		"empty":       "",
		"image cause": talking + asRoot() + run(status, "STATE=failed\n"),
	} {
		r, err := Read(strings.NewReader(console))
		require.NoError(t, err, name)
		assert.NotContains(t, r.Page(), "\x1b", name)
		assert.Equal(t, r.Page(), escapes.ReplaceAllString(r.ColorPage(), ""), name)
		assert.NotEqual(t, r.Page(), r.ColorPage(), name)
	}
	r, err := Read(strings.NewReader(brokenBoot))
	require.NoError(t, err)
	assert.Contains(t, r.ColorPage(), "\x1b[1;31mIt fails\x1b[0m, and came to kernel-load")
	assert.Contains(t, r.ColorPage(), ">      6  \x1b[1m[    0.500000] Initramfs unpacking failed")
}
