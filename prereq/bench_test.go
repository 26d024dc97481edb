package prereq

import (
	"sync"
	"testing"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
)

// BenchmarkHost is a whole audit of this host, for the target that the
// environment names; each check's share is what go test -v shows of TestHost.
func BenchmarkHost(b *testing.B) {
	cfg, err := config.Load()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		checks := HostChecks(ThisHost(), cfg)
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
