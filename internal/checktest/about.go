package checktest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/config"
)

// about is found out once in a process.
var about = sync.OnceValue(func() check.About {
	a := check.About{Go: runtime.Version(), System: system()}
	a.Host, _ = os.Hostname()
	cfg, err := config.Load()
	if err != nil {
		return a // each check says what is wrong
	}
	target := cfg.Target()
	a.Target = target.String()
	if target.Kind == contract.KindFlake {
		a.Revision = revision(target.FlakeDir())
	}
	return a
})

func system() string {
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
}

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
