package vmtest_test

import (
	"strings"
	"testing"

	"bootaudit/vmtest"
)

// TestVMSecureBootStandIn: shim, GRUB and kernel of the stand-in are signed, and its
// kernel knows that they had to be.
func TestVMSecureBootStandIn(t *testing.T) {
	if testing.Short() || !*vmtest.Every {
		t.Skip("make slow boots it")
	}
	vm := vmtest.Start(t, vmtest.Machine{Name: "secure-boot", ISO: standIn(t), CPUs: 1, Firmware: vmtest.SecureBoot, Disks: []vmtest.Disk{{MiB: 512}}})
	// Four bytes of attributes, then the value.
	if got := strings.Fields(vm.Run("od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")); len(got) != 5 || got[4] != "1" {
		t.Errorf("the variable SecureBoot is %v; want 1 behind its attributes", got)
	}
	if result := vm.Try("dmesg | grep -i 'secure boot enabled'"); result.Status != 0 {
		t.Error("the kernel does not know of Secure Boot")
	}
}
