package vmtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/vmtest"
)

// A machine is data: its command line can be looked at without QEMU.
func ExampleMachine_CommandLine() {
	m := vmtest.Machine{Name: "live", ISO: "my, image.iso", CDROM: vmtest.Virtio, Control: vmtest.None}
	for _, word := range m.CommandLine() {
		if strings.Contains(word, "image") {
			fmt.Println(word)
		}
	}
	// Output:
	// if=none,id=cd,media=cdrom,format=raw,readonly=on,file=my,, image.iso
}

// TestVMExample is the boot test of docs/writing-a-boot-test.md. Its VM serves
// another one too.
func TestVMExample(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the stand-in in QEMU; -short asks for no boot")
	}
	t.Parallel()
	// Any path will do.
	iso := filepath.Join(t.TempDir(), "my, own image.iso")
	if err := os.Symlink(standIn(t), iso); err != nil {
		t.Fatal(err)
	}
	vm := vmtest.Start(t, vmtest.Machine{Name: "example", ISO: iso, CPUs: 1, Disks: []vmtest.Disk{{MiB: 512}}})

	vm.WaitUnit("pre-nixos.service", "inactive")
	if got := vm.Run("vgs --noheadings -o vg_name"); strings.TrimSpace(got) != "main" {
		t.Errorf("volume groups are %q, want main", got)
	}
	vm.WriteFile("/tmp/greeting", []byte("hello\n"), 0o644)
	if got := vm.ReadFile("/tmp/greeting"); string(got) != "hello\n" {
		t.Errorf("the guest's file has %q", got)
	}
	vm.CopyFrom("/run/pre-nixos/storage-status", "storage-status")
	if result := vm.Try("systemctl is-active nonsense.service"); result.Status == 0 {
		t.Error("a unit that does not exist is active")
	}
	if !strings.Contains(vm.Screen(), "root@nixos") {
		t.Errorf("no root prompt on the screen:\n%s", vm.Screen())
	}
	t.Run("interleaving", func(t *testing.T) { interleaving(t, vm) })
}

// standIn is the path of the image that bootaudit builds for itself.
func standIn(t *testing.T) string {
	t.Helper()
	iso, err := fixtures.StandIn(t.Context(), t.Output())
	if err != nil {
		config.Lacking(t, "no stand-in to boot: ", err)
	}
	return iso
}
