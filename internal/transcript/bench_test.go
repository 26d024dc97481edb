package transcript

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bootaudit/internal/verdict"
)

// BenchmarkExplain reads some MB of boots, and after each reading has grep -E look
// for as many patterns in the same file, so that what else the machine does is in
// both. It reports how many times as long as grep it took: the median, the least
// and the most. EXPLAIN_BENCH names another file to read.
func BenchmarkExplain(b *testing.B) {
	file := os.Getenv("EXPLAIN_BENCH")
	if file == "" {
		boots := talking + user + strings.Repeat(g("[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n[  OK  ] Started Something That Is Needed.\n"), 200) + g(poweredOff)
		file = filepath.Join(b.TempDir(), "boots.log")
		require.NoError(b, os.WriteFile(file, []byte(strings.Repeat(boots, 8<<20/len(boots))), 0o644))
	}
	info, err := os.Stat(file)
	require.NoError(b, err)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	var ratios []float64
	for b.Loop() {
		began := time.Now()
		report, err := ReadFile(file)
		took := time.Since(began)
		require.NoError(b, err)
		require.NotEmpty(b, report.Verdict)
		b.StopTimer()
		if beside := grep(b, file); beside > 0 {
			ratios = append(ratios, float64(took)/float64(beside))
		}
		b.StartTimer()
	}
	if len(ratios) > 0 {
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "grep-E")
		b.ReportMetric(ratios[0], "least-grep-E")
		b.ReportMetric(ratios[len(ratios)-1], "most-grep-E")
	}
}

// grep is how long grep -E takes for as many patterns as there are rows; 0 where
// there is no grep.
func grep(b *testing.B, file string) time.Duration {
	path, err := exec.LookPath("grep")
	if err != nil {
		return 0
	}
	args := []string{"-a", "-c", "-E"}
	for _, row := range verdict.Rows() {
		args = append(args, "-e", strings.ReplaceAll(row.ID, "-", ".*"))
	}
	began := time.Now()
	out, err := exec.Command(path, append(args, file)...).CombinedOutput()
	took := time.Since(began)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != 1 { // 1 is no match
		b.Fatalf("grep: %v: %s", err, out)
	}
	return took
}
