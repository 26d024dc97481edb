package serial

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	expect "github.com/Netflix/go-expect"

	"bootaudit/internal/screen"
)

// bootText is what a boot prints, as often as it takes to make size bytes: the
// menu's drawing, kernel and systemd lines, a spinner, a prompt.
func bootText(size int) string {
	var b strings.Builder
	b.WriteString("ISOLINUX 6.04\r\n\x1b[2J\x1b[4;1H NixOS Installer\x1b[34;36HPress [Tab] to edit options\x1b[33;34HAutomatic boot in 9 seconds...\r\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "[%5d.%06d] e1000 0000:00:03.0 eth%d: (PCI:33MHz:32-bit) 52:54:00:12:34:%02x\r\n", i/10, i, i%3, i%256)
		if i%3 == 0 {
			fmt.Fprintf(&b, "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mservice-%d.service\x1b[0m - A Service.\r\r\n", i)
		}
		if i%7 == 0 {
			fmt.Fprintf(&b, "\r\x1b[K[\x1b[0;31m*\x1b[0;1;31m*\x1b[0m    ] A start job is running for Thing %d (%ds / no limit)", i, i/7)
		}
	}
	return b.String()[:size]
}

// BenchmarkConsole puts the same boot through the filter and the screen, the
// whole pump, and go-expect as it comes: its Regexp matcher, waiting for a
// prompt that comes last. Every row prints MB/s; compare in one run, since a
// loaded machine slows them alike. go-expect takes minutes for 256 KiB and its
// time grows with the square of the size, so its row for 1 MiB is computed from
// what was measured at 64 KiB, and says so in its name.
func BenchmarkConsole(b *testing.B) {
	prompt := regexp.MustCompile(`nixos login: $`)
	for _, size := range []struct {
		name string
		n    int
	}{{"10KiB", 10 << 10}, {"100KiB", 100 << 10}, {"1MiB", 1 << 20}} {
		text := bootText(size.n) + "\r\nnixos login: "
		b.Run("screen/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s := screen.New(screen.Config{})
				for p := text; p != ""; p = p[min(len(p), 4096):] {
					_, _ = io.WriteString(s, p[:min(len(p), 4096)])
				}
			}
		})
		b.Run("watch/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w := NewWatch(WatchConfig{})
				for p := text; p != ""; p = p[min(len(p), 4096):] {
					_, _ = io.WriteString(w, p[:min(len(p), 4096)])
				}
			}
		})
		b.Run("pump/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				pumpOnce(b, text, nil)
			}
		})
		b.Run("pump and Expect/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				pumpOnce(b, text, prompt)
			}
		})
		name, measured := size.name, text
		if size.n > 100<<10 {
			name, measured = size.name+"-computed-from-64KiB", bootText(64<<10)+"\r\nnixos login: "
		}
		b.Run("plain go-expect/"+name, func(b *testing.B) {
			for b.Loop() {
				plainOnce(b, measured, prompt)
			}
			per := b.Elapsed().Seconds() / float64(b.N)
			times := float64(len(text)) / float64(len(measured))
			b.ReportMetric(float64(len(text))/1e6/(per*times*times), "MB/s")
		})
	}
}

func pumpOnce(b *testing.B, text string, re *regexp.Regexp) {
	host, guest := net.Pipe()
	c, err := New(host, Config{Transcript: io.Discard, Recording: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(guest, text)
		if re == nil {
			guest.Close()
		}
	}()
	if re == nil {
		<-c.ended
	} else if _, err := c.Expect(b.Context(), re); err != nil {
		b.Fatal(err)
	}
	guest.Close()
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

func plainOnce(b *testing.B, text string, re *regexp.Regexp) {
	exp, err := expect.NewConsole(expect.WithDefaultTimeout(10 * time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	defer exp.Close()
	go func() { _, _ = io.WriteString(exp.Tty(), text) }()
	if _, err := exp.Expect(expect.Regexp(re)); err != nil {
		b.Fatal(err)
	}
}
