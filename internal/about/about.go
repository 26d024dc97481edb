// Package about says where a run of checks takes place, and what it is about.
package about

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// Of is what is known of a run of checks about target, on this host.
func Of(target contract.Target) check.About {
	a := check.About{Go: runtime.Version(), Version: version(), System: system(), Target: target.String()}
	a.Host, _ = os.Hostname()
	if target.Kind == contract.KindFlake {
		a.Revision = revision(target.FlakeDir())
	}
	return a
}

// version is what the go command knows of the program: a version, or the commit
// that it was built from. Of a test it knows nothing.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return ""
}

var system = sync.OnceValue(func() string {
	name := "Linux"
	if f, err := os.Open("/etc/os-release"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if value, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
				name = strings.Trim(value, `"'`)
			}
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		name += ", kernel " + unix.ByteSliceToString(u.Release[:]) + ", " + unix.ByteSliceToString(u.Machine[:])
	}
	return name
})

// revision is git's name for the commit of a folder, with
// "-dirty" when files differ from it.
func revision(dir string) string {
	if dir == "" {
		return "" // not here, or named by its registry's name
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
