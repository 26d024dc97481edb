// Package vmtest boots an image in QEMU and tests what it does.
//
// A [Machine] is plain data; [Machine.CommandLine] is the QEMU command that it
// means. [Launch] runs it as a [VM], whose serial console and monitor are
// sockets, and which ends when this process ends. [Start] boots an image to a
// root shell for a test:
//
//	func TestMyImage(t *testing.T) {
//		vm := vmtest.Start(t, vmtest.Machine{ISO: "my.iso"})
//		if got := vm.Run("systemctl is-system-running"); got != "running\n" {
//			t.Errorf("system is %q", got)
//		}
//	}
//
// What an image promises is a contract (package contract); the
// scenarios of a [Suite] test a contract, each check a subtest
// TestVM/<scenario>/<check>.
package vmtest
