package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzWatch(f *testing.F) {
	for _, c := range tripCases {
		f.Add([]byte(c.trips[0]), 7)
		f.Add([]byte(c.harmless[0]), 1)
	}
	f.Add([]byte(asRoot+"dmesg\r\n\x1b[?2004l\rBUG: x\r\n\x1b[?2004h# "), 3)
	f.Fuzz(func(t *testing.T, console []byte, piece int) {
		// The clock stands still: silence is not what is looked for here.
		now := func() time.Time { return time.Unix(0, 0) }
		var ids []string
		last := Stage("")
		w := New(Config{Now: now,
			OnTrip: func(trip Trip) {
				ids = append(ids, trip.ID)
				require.LessOrEqual(t, trip.Offset, int64(len(console)))
			},
			OnStage: func(r Reached) {
				require.True(t, r.Stage.Reached(last) || r.Stage.rank() <= Bootloader.rank(), "%s after %s", r.Stage, last)
				last = r.Stage
			}})
		w.Write(console)
		w.Close()
		w = New(Config{Now: now})
		if piece < 1 || piece > len(console) {
			piece = 1
		}
		for at := 0; at < len(console); at += piece {
			w.Write(console[at:min(at+piece, len(console))])
			w.Idle(now())
		}
		w.Close()
		// Each counts once per boot, and a boot takes a line at least.
		require.LessOrEqual(t, len(ids), 2*len(Tripwires())*(1+len(console)/10))
	})
}

// BenchmarkWatch is what watching a console costs.
func BenchmarkWatch(b *testing.B) {
	boot := []byte(atShell + "\r\n")
	flood := []byte{}
	for range 1000 {
		flood = append(flood, "[   12.345678] a kernel message of a usual length, about eighty bytes of it\r\n"...)
	}
	for name, console := range map[string][]byte{"boot": boot, "flood": flood} {
		b.Run(name, func(b *testing.B) {
			w := New(Config{})
			b.SetBytes(int64(len(console)))
			for b.Loop() {
				for at := 0; at < len(console); at += 4096 {
					w.Write(console[at:min(at+4096, len(console))])
				}
			}
		})
	}
}
