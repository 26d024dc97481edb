package serial

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// A process that a test starts carries a mark in its environment, and so does all
// that it starts: an agent leaves its session and its process group, and would
// outlive the test. Each guest has a mark of its own, "PID.NUMBER".
const markName = "BOOTAUDIT_GUEST"

var marks atomic.Int64

// mark is the environment of a guest whose agents keep their files in a folder
// of its own. All that carries it ends with the test, and the folder goes.
func mark(t testing.TB) []string {
	t.Helper()
	name := fmt.Sprintf("%d.%d", os.Getpid(), marks.Add(1))
	dir, err := os.MkdirTemp("", "serial-"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(time.Minute); ; {
			left := marked(name)
			if len(left) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("processes %d do not end", left)
			}
			for _, pid := range left {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			time.Sleep(time.Millisecond)
		}
		_ = os.RemoveAll(dir)
	})
	return []string{markName + "=" + name, "BOOTAUDIT_RUN=" + dir}
}

// marked are the processes with that mark, or whose mark begins so.
func marked(name string) (pids []int) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		env, _ := os.ReadFile(path) // it may have ended
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if value, ok := bytes.CutPrefix(entry, []byte(markName+"=")); ok && (string(value) == name || strings.HasPrefix(string(value), name+".")) {
				var pid int
				_, _ = fmt.Sscanf(path, "/proc/%d/", &pid)
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// TestMain fails when a goroutine, a process or a folder is left.
func TestMain(m *testing.M) {
	// Most of these tests wait for a shell: more of them than there are CPUs
	// may run at a time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pid := fmt.Sprint(os.Getpid())
		folders, _ := filepath.Glob(filepath.Join(os.TempDir(), "serial-"+pid+".*"))
		if left := marked(pid); len(left)+len(folders) > 0 {
			fmt.Fprintf(os.Stderr, "the tests have left processes %d and folders %s\n", left, folders)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}
