// Package vmtest boots an image in QEMU, and gets a test to its root shell.
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
// A [Session] is a VM's life on record: booted step by step, each step a check,
// looked into when something is broken. A [Harness] is what the sessions of a run
// share. Package scenario, below this one, tests with them what an image promises.
package vmtest
