package iso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/gofrs/flock"
)

// Build is what nix made.
type Build struct {
	StorePath   string
	Derivation  string
	Deriver     string // by nix path-info; "" when it does not say
	NARHash     string // by nix path-info; "" when it does not say
	ISO         string
	Took        time.Duration
	Rebuilt     bool // false when the store had it already
	Log         string
	Fingerprint string // of the root key that was given
}

// BuildError is how a build failed.
type BuildError struct {
	Err   error
	Lines string // the log's telling lines
	Log   string // the file that holds all of it
}

func (e *BuildError) Error() string { return fmt.Sprintf("%v (whole log: %s)", e.Err, e.Log) }
func (e *BuildError) Unwrap() error { return e.Err }

// Build builds the image, once; again after a caller whose context ended
// meanwhile. Where the output has not exactly one ISO, the error comes with the
// rest of the build.
func (f *Flake) Build(ctx context.Context) (Build, error) {
	return f.built.Get(ctx, func(ctx context.Context) (Build, error) {
		b, err := f.build(ctx)
		if err == nil {
			b.ISO, err = findISO(b.StorePath)
		}
		return b, err
	})
}

func (f *Flake) build(ctx context.Context) (Build, error) {
	if err := errors.Join(os.MkdirAll(f.CacheDir, 0o755), os.MkdirAll(f.LogDir, 0o755)); err != nil {
		return Build{}, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return Build{}, err
	}
	defer unlock()
	b := Build{Log: filepath.Join(f.LogDir, "nix-build.log"), Fingerprint: f.Key.Fingerprint}
	// Several packages of one run may build; only the first finds work to do.
	logFile, err := os.OpenFile(b.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return b, err
	}
	defer logFile.Close()
	what := f.installable(f.Attr)
	fmt.Fprintf(logFile, "# %s nix build %s\n", time.Now().UTC().Format(time.RFC3339), what)

	p := &progress{start: time.Now(), last: f.times()[what]}
	lines := &tail{line: p.see}
	stop := f.beat(p)
	out, err := f.nix(ctx, io.MultiWriter(logFile, lines), "build", "--impure", "--no-link", "--json", "--print-build-logs", what)
	stop()
	b.Took, b.Rebuilt = time.Since(p.start), p.builds() > 0
	if err != nil {
		return b, &BuildError{Err: nixError(err, lines.String()), Lines: lines.telling(), Log: b.Log}
	}
	var made []struct {
		DrvPath string            `json:"drvPath"`
		Outputs map[string]string `json:"outputs"`
	}
	if err := json.Unmarshal(out, &made); err != nil || len(made) != 1 || made[0].Outputs["out"] == "" {
		return b, fmt.Errorf("nix build %s names no store path: it prints %.200q", what, out)
	}
	b.StorePath, b.Derivation = made[0].Outputs["out"], made[0].DrvPath
	b.Deriver, b.NARHash = f.pathInfo(ctx, b.StorePath)
	if b.Rebuilt {
		f.remember(what, b.Took)
	}
	return b, nil
}

// pathInfo is what the store knows of a path. nix prints a list of objects, or
// since 2.19 an object by path; what is missing is left out.
func (f *Flake) pathInfo(ctx context.Context, path string) (deriver, narHash string) {
	out, err := f.nix(ctx, io.Discard, "path-info", "--json", path)
	if err != nil {
		return "", ""
	}
	type info struct {
		Deriver string `json:"deriver"`
		NARHash string `json:"narHash"`
	}
	var list []info
	if json.Unmarshal(out, &list) == nil && len(list) > 0 {
		return list[0].Deriver, list[0].NARHash
	}
	var byPath map[string]info
	if json.Unmarshal(out, &byPath) == nil {
		return byPath[path].Deriver, byPath[path].NARHash
	}
	return "", ""
}

// findISO is the one ISO of a build's output: itself, or a file below it.
func findISO(out string) (string, error) {
	info, err := os.Stat(out)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		if strings.HasSuffix(out, ".iso") {
			return out, nil
		}
		return "", fmt.Errorf("the output %s is a file that is not named .iso", out)
	}
	// The output may be a link, which WalkDir would not enter.
	root, err := filepath.EvalSymlinks(out)
	if err != nil {
		return "", err
	}
	var found []string
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".iso") {
			found = append(found, name)
		}
		return err
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("the output %s holds no .iso", out)
	case len(found) > 1:
		return "", fmt.Errorf("the output %s holds %d .iso files, and which one is meant is unknown: %s", out, len(found), list(found))
	}
	return found[0], nil
}

// progress is what a build's log says is going on.
type progress struct {
	mu    sync.Mutex
	start time.Time
	last  time.Duration // of the build before; 0 when there was none
	doing string
	count int
}

var (
	building = regexp.MustCompile(`^building '/\S*/[0-9a-z]{32}-(.+)\.drv'`)
	fetching = regexp.MustCompile(`^copying path '/\S*/[0-9a-z]{32}-([^']+)' from`)
)

func (p *progress) see(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line = ansi.Strip(line)
	if m := building.FindStringSubmatch(line); m != nil {
		p.doing, p.count = "building "+m[1], p.count+1
	} else if m := fetching.FindStringSubmatch(line); m != nil {
		p.doing = "fetching " + m[1]
	}
}

func (p *progress) builds() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *progress) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := fmt.Sprintf("nix build: %s, %s", time.Since(p.start).Round(time.Second), or(p.doing, "evaluating"))
	if p.last > 0 {
		s += fmt.Sprintf(" (the last build took %s)", p.last.Round(time.Second))
	}
	return s
}

// beat says every Beat that the build goes on, until stop is called.
func (f *Flake) beat(what fmt.Stringer) (stop func()) {
	if f.Log == nil {
		return func() {}
	}
	every := f.Beat
	if every == 0 {
		every = 10 * time.Second
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(every):
				fmt.Fprintln(f.Log, what)
			}
		}
	})
	return func() { close(done); all.Wait() }
}

// lock lets one process build at a time, so that the others find it built.
func (f *Flake) lock(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(filepath.Join(f.CacheDir, "nix-build.lock"))
	since := waiting(time.Now())
	stop := f.beat(since)
	_, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	stop()
	if ctx.Err() != nil {
		_ = lock.Unlock()
		return nil, fmt.Errorf("%s, which has %s: %w", since, lock, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("nix build: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

type waiting time.Time

func (w waiting) String() string {
	return fmt.Sprintf("nix build: %s, waiting for another process that builds", time.Since(time.Time(w)).Round(time.Second))
}

func (f *Flake) timesFile() string { return filepath.Join(f.CacheDir, "build-times.json") }

// times is how long the last build of each installable took.
func (f *Flake) times() map[string]time.Duration {
	var all map[string]time.Duration
	if text, err := os.ReadFile(f.timesFile()); err == nil {
		_ = json.Unmarshal(text, &all) // what cannot be read is forgotten
	}
	if all == nil { // or the file says null
		all = map[string]time.Duration{}
	}
	return all
}

func (f *Flake) remember(what string, took time.Duration) {
	all := f.times()
	all[what] = took
	if text, err := json.MarshalIndent(all, "", "\t"); err == nil {
		_ = os.WriteFile(f.timesFile(), text, 0o644) // losing it costs a remark in the next run
	}
}
