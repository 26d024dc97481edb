// Package interleave tests that a guest's answers are right while its console
// is full of other voices.
package interleave

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"bootaudit/serial"
)

// Noise is a root command that fills a guest's console (ttyS0) until Quiet: a
// kernel message every 10 ms, a spinner that redraws its line ten times and a
// broadcast once a second, and a pager that takes what is typed. The guest needs
// bash, whose read can wait: under emulation a sleep(1) takes longer than 10 ms.
const Noise = `
dmesg -n 8
# Else the kernel lets only 10 messages in 5 s through.
echo on >/proc/sys/kernel/printk_devkmsg
voice() { bash -c "$1" voice </dev/null >/dev/null 2>&1 & echo $! >>/run/interleave; }
voice 'exec {never}<> <(:); stars=("*    " "**   " " *** " "   **"); n=0
while :; do
	n=$((n + 1)); echo "<4>interleave: kernel message $n in the middle of it" >/dev/kmsg
	((n % 10 > 0)) || printf "\r\033[K[ %s] A start job is running for Interleaving (1min / no limit)" "${stars[n / 10 % 4]}" >/dev/ttyS0
	read -r -t 0.009 -u "$never"
done'
voice 'while :; do wall "A broadcast to everybody"; sleep 1; done'
if command -v less; then voice 'while :; do seq 1 500 | TERM=vt100 timeout -s KILL 3 less </dev/ttyS0 >/dev/ttyS0 2>/dev/ttyS0; sleep 10; done'; fi
`

// Quiet ends Noise.
const Quiet = `[ ! -e /run/interleave ] || kill -9 $(cat /run/interleave); rm -f /run/interleave; dmesg -n 1`

// Commands runs n commands, some at a time, and returns an error for each wrong
// answer. Sizes go from nothing to the given number of bytes; exit status,
// stderr and binary output are among what is compared.
func Commands(ctx context.Context, r serial.Runner, n, atATime, bytes int) error {
	var (
		mu    sync.Mutex
		wrong []error
		work  sync.WaitGroup
	)
	numbers := make(chan int)
	for range atATime {
		work.Go(func() {
			for i := range numbers {
				if err := command(ctx, r, i, bytes); err != nil {
					mu.Lock()
					wrong = append(wrong, fmt.Errorf("command %d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	work.Wait()
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d answers were not right: %w", len(wrong), n, errors.Join(wrong[:min(len(wrong), 5)]...))
}

// command runs the command of a number and compares its answer.
func command(ctx context.Context, r serial.Runner, i, most int) error {
	var text string
	want := serial.Result{Status: i % 8}
	switch i % 4 {
	case 0:
		text = "true"
	case 1:
		// The number's own lines, up to a size that grows and falls.
		lines := i * 7919 % max(1, most/8)
		text = fmt.Sprintf("seq %d %d", i, i+lines-1)
		var b bytes.Buffer
		for k := range lines {
			fmt.Fprintln(&b, i+k)
		}
		want.Stdout = b.Bytes()
	case 2:
		text = fmt.Sprintf("echo out %d; echo err %d >&2", i, i)
		want.Stdout = fmt.Appendf(nil, "out %d\n", i)
		want.Stderr = fmt.Appendf(nil, "err %d\n", i)
	case 3:
		// A long command, and bytes of every kind.
		long := strings.Repeat("x", i*101%3000)
		text = fmt.Sprintf(`printf '\000\377\033[2J\r\n@%d.o.0.QUJD.4; %%s' '%s'`, i, long)
		want.Stdout = fmt.Appendf(nil, "\x00\xff\x1b[2J\r\n@%d.o.0.QUJD.4; %s", i, long)
	}
	got, err := r.Run(ctx, text+fmt.Sprintf("; exit %d", i%8))
	switch {
	case err != nil:
		return err
	case got.Status != want.Status:
		return fmt.Errorf("exit status %d, not %d", got.Status, want.Status)
	case !bytes.Equal(got.Stdout, want.Stdout):
		return fmt.Errorf("stdout of %d bytes, not the right %d", len(got.Stdout), len(want.Stdout))
	case !bytes.Equal(got.Stderr, want.Stderr):
		return fmt.Errorf("stderr %q, not %q", got.Stderr, want.Stderr)
	}
	return nil
}
