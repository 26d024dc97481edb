package vmtest

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
	"bootaudit/internal/tools"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// Names of programs in [tools.Test], and where Secure Boot's are on a medium.
const (
	shim        = "shimx64.efi.signed"
	signedGRUB  = "gcdx64.efi.signed"
	systemdBoot = "systemd-bootx64.efi"

	first  = "/EFI/BOOT/BOOTX64.EFI"
	second = "/EFI/BOOT/grubx64.efi" // what shim starts
)

const menu = `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=60
menuentry "the only entry" { true }
`

// TestVMSecureBoot boots what Debian signs and what nobody does under the firmware's
// Secure Boot. A refusal is final, and has its name, as soon as it is said.
func TestVMSecureBoot(t *testing.T) {
	for _, c := range []struct {
		name  string
		slow  bool
		files func(t *testing.T) map[string][]byte
		stage watch.Stage // that is reached, or else
		trip  string      // the ID of what ends the wait
	}{
		{"signed", false, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: program(t, shim), second: program(t, signedGRUB), "/.disk/info": nil, "/boot/grub/grub.cfg": []byte(menu)}
		}, watch.Menu, ""},
		{"unsigned", false, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: program(t, systemdBoot)}
		}, "", "secure-boot"},
		{"changed after it was signed", true, func(t *testing.T) map[string][]byte {
			p := program(t, shim)
			p[len(p)/4] ^= 1
			return map[string][]byte{first: p}
		}, "", "secure-boot"},
		{"signed by somebody", true, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: signed(t, systemdBoot)}
		}, "", "secure-boot"},
		{"shim refuses", true, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: program(t, shim), second: program(t, systemdBoot)}
		}, "", "secure-boot"},
		{"shim has nothing to start", true, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: program(t, shim)}
		}, "", "shim-no-loader"},
		{"nothing at all", true, func(t *testing.T) map[string][]byte {
			return map[string][]byte{"/README": []byte("no program\n")}
		}, "", "no-bootable-device"},
		{"GRUB refuses", true, func(t *testing.T) map[string][]byte {
			return map[string][]byte{first: program(t, shim), second: program(t, signedGRUB), "/.disk/info": nil,
				"/boot/grub/grub.cfg": []byte(strings.Replace(menu, "menuentry", "linux /vmlinuz\nboot\nmenuentry", 1)), "/vmlinuz": program(t, systemdBoot)}
		}, "", "signature-refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !*every {
				t.Skip("make slow boots it")
			}
			needQEMU(t)
			if _, err := tools.SecureBoot[0].Find(); err != nil {
				config.Lacking(t, err)
			}
			folder := t.TempDir()
			vm := launch(t, Machine{Name: "secure-boot", MemoryMiB: 512, CPUs: 1, TBSizeMiB: 128, Folder: folder, Firmware: SecureBoot, Control: None,
				Disks: []Disk{{File: espWith(t, folder, c.files(t))}}})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			require.NoError(t, vm.Continue(ctx))
			if c.stage != "" {
				_, err := vm.Await(ctx, c.stage)
				require.NoError(t, err)
				assert.Contains(t, vm.Console.Screen(), "GNU GRUB")
				return
			}
			_, err := vm.Await(ctx, watch.KernelLoad)
			var trip *serial.TripError
			require.ErrorAs(t, err, &trip)
			assert.Equal(t, c.trip, trip.Trip.ID, trip.Trip.Line)
		})
	}
}

// program is a program of one of the test's packages.
func program(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(find(t, name))
	require.NoError(t, err)
	return content
}

func find(t *testing.T, name string) string {
	t.Helper()
	for _, tool := range tools.Test {
		if tool.Name() != name {
			continue
		}
		found, err := tool.Find()
		if err != nil {
			config.Lacking(t, err)
		}
		return found
	}
	t.Fatalf("%s is not in tools.Test", name)
	return ""
}

// signed is a program with a signature of a key that is made for it.
func signed(t *testing.T, name string) []byte {
	t.Helper()
	dir := t.TempDir()
	key, cert, out := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "out.efi")
	for _, argv := range [][]string{
		{find(t, "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Somebody", "-keyout", key, "-out", cert},
		{find(t, "sbsign"), "--key", key, "--cert", cert, "--output", out, find(t, name)},
	} {
		said, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	content, err := os.ReadFile(out)
	require.NoError(t, err)
	return content
}

// espWith writes a disk that is one EFI system partition with these files.
func espWith(t *testing.T, folder string, files map[string][]byte) string {
	t.Helper()
	const size = 64 << 20
	disk := filepath.Join(folder, "esp.raw")
	b, err := file.CreateFromPath(disk, size)
	require.NoError(t, err)
	defer b.Close()
	esp, err := fat32.Create(b, size, 0, 512, "ESP", true)
	require.NoError(t, err)
	for name, content := range files {
		require.NoError(t, esp.Mkdir(path.Dir(name)))
		f, err := esp.OpenFile(name, os.O_CREATE|os.O_RDWR)
		require.NoError(t, err)
		if len(content) > 0 {
			_, err = f.Write(content)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
	}
	return disk
}
