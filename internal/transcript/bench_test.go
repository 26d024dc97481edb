package transcript

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bootaudit/internal/verdict"
)

// BenchmarkExplain reads some MB of boots, and says how long that takes beside
// grep -E, which is given as many patterns to look for in the same file.
func BenchmarkExplain(b *testing.B) {
	boots := talking + user + strings.Repeat(g("[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n[  OK  ] Started Something That Is Needed.\n"), 200) + g(poweredOff)
	text := []byte(strings.Repeat(boots, 8<<20/len(boots)))
	file := filepath.Join(b.TempDir(), "boots.log")
	require.NoError(b, os.WriteFile(file, text, 0o644))
	var beside time.Duration
	if grep, err := exec.LookPath("grep"); err == nil {
		args := []string{"-a", "-c", "-E"}
		for _, row := range verdict.Rows() {
			args = append(args, "-e", strings.ReplaceAll(row.ID, "-", ".*"))
		}
		began := time.Now()
		out, err := exec.Command(grep, append(args, file)...).CombinedOutput()
		beside = time.Since(began)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() != 1 { // 1 is no match
			b.Fatalf("grep: %v: %s", err, out)
		}
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		report, err := ReadFile(file)
		require.NoError(b, err)
		require.Equal(b, verdict.Boots, report.Verdict)
	}
	if beside > 0 {
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(beside), "grep-E")
	}
}
