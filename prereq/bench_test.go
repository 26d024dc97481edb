package prereq

import (
	"sync"
	"testing"

	"bootaudit/contract/check"
)

// BenchmarkHost is a whole audit of this host, for the
// stand-in; each check's share is what go test -v shows of TestHost.
func BenchmarkHost(b *testing.B) {
	for b.Loop() {
		checks := Checks(Subject{Cache: b.TempDir()})
		all, err := check.NewTable(checks)
		if err != nil {
			b.Fatal(err)
		}
		var wait sync.WaitGroup
		for _, c := range checks {
			wait.Go(func() { all.Resolve(b.Context(), c.ID) })
		}
		wait.Wait()
	}
}
