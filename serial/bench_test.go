package serial

import (
	"compress/gzip"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	expect "github.com/Netflix/go-expect"

	"bootaudit/internal/screen"
	"bootaudit/serial/watch"
)

// bootText is what a boot of the stand-in put on the console, in whole lines and
// as often as it takes to make about size bytes.
func bootText(b *testing.B, size int) string {
	f, err := os.Open("../internal/screen/testdata/boots/stand-in.log.gz")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	boot, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat(string(boot), size/len(boot)+1)[:size]
	return text[:strings.LastIndexByte(text, '\n')+1]
}

// BenchmarkConsole puts a recorded boot through go-expect as it comes (its own
// Regexp matcher waits for a word that comes last), through the filter of escape
// sequences alone, through the filter and the screen, through the watch, and
// through the whole pump with and without an Expect. Each row prints MB/s and how many times plain go-expect that is, in
// the same run. Plain go-expect's time grows with the square of the size: its
// row for 1 MiB would take minutes, and is computed from 100 KiB's.
func BenchmarkConsole(b *testing.B) {
	word := regexp.MustCompile(`that (was|is) awaited$`)
	plain := 0.0 // seconds
	for _, size := range []struct {
		name string
		n    int
	}{{"10KiB", 10 << 10}, {"100KiB", 100 << 10}, {"1MiB", 1 << 20}} {
		text := bootText(b, size.n) + "\r\nthat is awaited"
		row := func(name string, once func(b *testing.B)) {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				for b.Loop() {
					once(b)
				}
				seconds := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(float64(len(text))/1e6/seconds, "MB/s")
				if plain > 0 {
					b.ReportMetric(plain/seconds, "x-plain")
				}
			})
		}
		b.Run("plain-go-expect/"+size.name, func(b *testing.B) {
			if size.n > 100<<10 {
				b.Skipf("computed from 100 KiB: %.0f s", plain*10.24*10.24)
			}
			for b.Loop() {
				plainOnce(b, text, word)
			}
			plain = b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(len(text))/1e6/plain, "MB/s")
		})
		if size.n > 100<<10 {
			plain *= 10.24 * 10.24
		}
		row("filter", func(*testing.B) { inPieces(&screen.Lines{Each: func(screen.Line) {}}, text) })
		row("filter-and-screen", func(*testing.B) { inPieces(screen.New(screen.Config{}), text) })
		row("watch", func(*testing.B) { inPieces(watch.New(watch.Config{}), text) })
		row("pump", func(b *testing.B) { pumpOnce(b, text, nil) })
		row("pump-and-Expect", func(b *testing.B) { pumpOnce(b, text, word) })
	}
}

func inPieces(w io.Writer, text string) {
	for p := text; p != ""; p = p[min(len(p), 4096):] {
		_, _ = io.WriteString(w, p[:min(len(p), 4096)])
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
