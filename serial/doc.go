// Package serial talks to a guest over its serial console, as a person at a
// terminal would, and gives root commands whose answers can be relied on.
//
// A [Console] works over any io.ReadWriteCloser: QEMU's unix socket chardev, a
// pty, a pipe. It knows nothing of QEMU or images.
//
//	c, err := serial.New(conn, serial.Config{Transcript: file})
//	defer c.Close()
//	err = c.PassMenu(ctx)                           // press Enter at the boot menu
//	who, err := c.Login(ctx, serial.Account{})      // await the automatic login
//	root, err := c.Root(ctx, serial.Account{})      // sudo -i, else su -
//	ctl, err := c.Control(ctx, port, "/dev/virtio-ports/NAME")
//	r, err := ctl.Run(ctx, "systemctl is-system-running")
//
// # How it reads
//
// One goroutine, the pump, takes what the guest sends whether or not anybody
// waits for it: a guest whose console is not read stands still. The pump feeds,
// in this order, the transcript (byte-exact), the recording (asciicast), the
// screen (a terminal, whose answers to the guest's queries go back at once), the
// [watch.Watch] (stages and tripwires) and a queue, from which the one wait that
// has the turn reads.
//
// What the screen shows decides what Login and Root do: a boot menu, the boot in
// progress, an initrd shell, emergency mode, a login or password prompt, a
// shell, a pager. A prompt counts once it has settled; kernel messages and
// broadcasts on its line or below it do not hide it. Who a shell belongs to is
// read from an answer whose marker the shell puts together, so that the echo
// of the question is never taken for it.
//
// [Console.Expect] waits for a line of text by go-expect, whose matcher here is
// linear, and keeps the context's deadline however much the guest prints. What
// it has read and not matched is left for the next wait. Of a flood that is
// faster than matching, the oldest text is dropped, and the error says how much.
//
// # Commands
//
// A [Runner] runs root's commands. [Control] does it on a second port of the
// machine, where nothing else is printed; [Console] does it on the console
// itself, for a guest without one. Both start an agent, a small program for sh
// (agent.sh), which answers in numbered frames of base64: whatever is printed
// into a frame makes it invalid, and it is asked for again. An answer counts when
// its size and checksum are the guest's; else it is an error, never a short
// answer. A guest needs sh, stty, head, cksum, sha256sum and base64, from
// coreutils or busybox.
//
// # What failing looks like
//
// A wait that fails returns a [WaitError]: what was awaited, for how long, the
// stage the boot had reached, and the screen. Its cause is the context's
// (context.DeadlineExceeded, or what context.Cause says), a [TripError] when a
// fatal tripwire was touched (it ends any wait at once), io.EOF when the guest's
// end is gone, or os.ErrClosed.
package serial
