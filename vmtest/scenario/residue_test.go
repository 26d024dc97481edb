package scenario

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callee is a command that notes how it was called, fails when that is FAILS, and
// else answers as on two disks that a first pass has laid out.
const callee = `#!/bin/sh
call="${0##*/} $*"
echo "$call" >>"$LOG"
case $call in "$FAILS"*) echo no >&2; exit 3 ;; esac
case $call in
*MOUNTPOINT*) echo /mnt ;;
*NAME*) echo /dev/b; echo /dev/b1 ;;
vgs*) echo large /dev/b1 ;;
esac
`

// TestSeedStopsAtTheFirstFailure runs the seed on commands that only say that
// they were called: whichever fails, nothing comes after it, and it is named.
func TestSeedStopsAtTheFirstFailure(t *testing.T) {
	for _, test := range []struct{ fails, says string }{
		{"swapoff -a", "swapoff -a failed with exit status 3"},
		{"umount /mnt", "umount /mnt failed with exit status 3"},
		{"vgchange -q -an large", "vgchange -q -an large failed with exit status 3"},
		{"mdadm --stop", "mdadm --stop --scan failed with exit status 3"},
		{"wipefs -q -a -f /dev/b1", "wipefs -q -a -f /dev/b1 failed with exit status 3"},
		{"blockdev", "blockdev --rereadpt /dev/b failed with exit status 3"},
		{"mdadm --create", "--raid-devices=2 /dev/b /dev/c failed with exit status 3"},
		{"lvcreate", "lvcreate -q -y -Wn -n lv_residue -l 100%FREE vg_residue failed with exit status 3"},
		{"dd", "dd of=/dev/vg_residue/lv_residue conv=fsync status=none failed with exit status 3"},
	} {
		t.Run(test.fails, func(t *testing.T) {
			// No command of the host's that could touch a disk is on this PATH.
			dir := t.TempDir()
			for _, harmless := range []string{"grep", "awk", "sort", "tail", "head", "cat"} {
				path, err := exec.LookPath(harmless)
				require.NoError(t, err)
				require.NoError(t, os.Symlink(path, filepath.Join(dir, harmless)))
			}
			log := filepath.Join(dir, "log")
			for _, name := range []string{"swapoff", "lsblk", "umount", "vgs", "vgchange", "mdadm", "wipefs", "blockdev", "udevadm", "pvcreate", "vgcreate", "lvcreate", "blkid", "dd"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(callee), 0o755))
			}
			shell, err := exec.LookPath("sh")
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), shell, "-c", residueScript+"\nseed /dev/b /dev/c marker")
			cmd.Env = []string{"PATH=" + dir, "LOG=" + log, "FAILS=" + test.fails}
			var said strings.Builder
			cmd.Stderr = &said
			require.Error(t, cmd.Run())
			assert.Equal(t, 1, cmd.ProcessState.ExitCode())
			lines := strings.Split(strings.TrimSpace(said.String()), "\n")
			assert.Contains(t, lines[len(lines)-1], test.says)
			assert.Equal(t, "no", lines[0])
			calls, err := os.ReadFile(log)
			require.NoError(t, err)
			all := strings.Split(strings.TrimSpace(string(calls)), "\n")
			assert.Contains(t, all[len(all)-1], test.fails)
		})
	}
}
