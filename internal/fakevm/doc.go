// Package fakevm is a test double of QEMU and of the guest in it, so that all that
// is ours runs in seconds and under the race detector: launching, the monitor, the
// ports, steps, checks, diagnostics, the record, the ending.
//
// A test binary is the fake itself, started by the name of qemu-system-x86_64:
//
//	func TestMain(m *testing.M) { fakevm.Main(m) }
//
// [New] makes a [Guest] and puts the fake on the test's PATH. A machine whose
// fw_cfg file [File] names the guest's folder boots it. The guest is a script on a
// pty, whose PATH has nothing but the programs of the folder guest and some tools
// that read.
//
// What it cannot show: that QEMU takes the command line, which it mostly does not
// read; how a firmware, a boot loader, a kernel or systemd really behaves, or how
// slow they are emulated; a UART's or virtio port's own buffers; that QEMU serves
// a second connection by refusing it. The boots of the stand-in show that.
package fakevm
