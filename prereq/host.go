package prereq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bootaudit/fixtures"
	"bootaudit/internal/microguest"
	"bootaudit/internal/mirror"
	"bootaudit/internal/tools"
)

// host is the machine as the probes see it. Probes look at nothing else, so
// that a test can describe a host as data; [thisHost] is the real one.
type host struct {
	FS       fs.FS    // its files, rooted at /
	Environ  []string // its environment, as [os.Environ]
	UID      int      // whose processes we start
	CPUs     int      // as many as this process may use
	TempDir  string
	LookPath func(name string) (string, error)
	Run      func(ctx context.Context, cmd call) output
	Boot     func(ctx context.Context, m microguest.Machine) (microguest.Report, error)
	// Get asks a server, through the proxy that the environment names.
	Get func(ctx context.Context, url string) (reply, error)
	// Free is what an ordinary user may still write to path's file system, in bytes.
	Free func(path string) (uint64, error)
	// Open opens a device for reading and writing, and closes it.
	Open func(path string) error
	// Writable says why a file cannot be made in a folder.
	Writable func(dir string) error
	// Mirror is where the packages of a stand-in come from; see [mirror.Find].
	Mirror func(ctx context.Context, configured string) (mirror.Mirror, error)
	// StandIn says where the stand-in image is, or else why it cannot be built.
	StandIn func(Subject) (built string, err error)
}

// reply is a server's answer to a GET.
type reply struct {
	Status int
	Header http.Header
	Body   string // at most 64 KiB
	Proxy  string // the proxy that was asked for it, without credentials
}

// thisHost is the host that we run on.
func thisHost() host {
	return host{
		FS:       os.DirFS("/"),
		Environ:  os.Environ(),
		UID:      os.Getuid(),
		CPUs:     runtime.NumCPU(),
		TempDir:  os.TempDir(),
		LookPath: lookPath,
		Run:      runCommand,
		Boot:     func(ctx context.Context, m microguest.Machine) (microguest.Report, error) { return m.Boot(ctx) },
		Get:      get,
		Free:     free,
		Open: func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return f.Close()
		},
		Writable: func(dir string) error {
			f, err := os.CreateTemp(dir, ".bootaudit-*")
			if err != nil {
				return err
			}
			return errors.Join(f.Close(), os.Remove(f.Name()))
		},
		Mirror: mirror.Find,
		StandIn: func(s Subject) (string, error) {
			if iso := fixtures.Built(s.Cache); iso != "" {
				return iso, nil
			}
			return "", fixtures.CanBuild()
		},
	}
}

// lookPath finds a program as our tools do. A file of that name that may not be
// executed is an [fs.ErrPermission].
func lookPath(name string) (string, error) {
	path, err := tools.Tool{Command: name}.Find()
	if err == nil {
		return path, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return "", &fs.PathError{Op: "execute", Path: path, Err: fs.ErrPermission}
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

func get(ctx context.Context, url string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reply{}, err
	}
	var a reply
	if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
		a.Proxy = proxy.Redacted()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.Status, a.Header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	a.Body = string(body)
	return a, err
}

func free(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// getenv is the value of an environment variable of the host, or "".
func (h host) getenv(name string) string {
	var value string
	for _, v := range h.Environ {
		if k, v, ok := strings.Cut(v, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// home is HOME, or what the password file has for us.
func (h host) home() string {
	if home := h.getenv("HOME"); home != "" {
		return home
	}
	return h.passwd(5)
}

// user is USER, or the password file's name for us.
func (h host) user() string {
	if user := h.getenv("USER"); user != "" {
		return user
	}
	return h.passwd(0)
}

func (h host) passwd(field int) string {
	text, _ := h.readFile("/etc/passwd")
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 7 && f[2] == strconv.Itoa(h.UID) {
			return f[field]
		}
	}
	return ""
}

// readFile reads an absolute path.
func (h host) readFile(path string) (string, error) {
	text, err := fs.ReadFile(h.FS, rel(path))
	return string(text), err
}

// stat looks at an absolute path.
func (h host) stat(path string) (fs.FileInfo, error) { return fs.Stat(h.FS, rel(path)) }

func rel(path string) string {
	if path = strings.TrimPrefix(filepath.Clean(path), "/"); path == "" {
		return "."
	}
	return path
}

// existing is path, or its nearest ancestor that is there.
func (h host) existing(path string) (string, error) {
	for {
		_, err := h.stat(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || path == "/" {
			return path, err
		}
		path = filepath.Dir(path)
	}
}

// mib writes a number of bytes as a person reads it.
func mib(bytes uint64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// firstLine is the first line of s that has something on it.
func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
