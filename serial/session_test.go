package serial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestControlRuns(t *testing.T) {
	t.Parallel()
	for _, shell := range guestShells(t) {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			c := localControl(t, shell...)
			ctx := t.Context()
			r, err := c.Run(ctx, "echo out; echo err >&2; exit 3")
			require.NoError(t, err)
			assert.Equal(t, Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 3}, r)

			r, err = c.Run(ctx, "")
			require.NoError(t, err)
			assert.Equal(t, Result{Stdout: []byte{}, Stderr: []byte{}}, r)

			r, err = c.Run(ctx, "printf '\\000\\377\\r\\n x'; cat")
			require.NoError(t, err)
			assert.Equal(t, "\x00\xff\r\n x", string(r.Stdout))

			long := "# " + strings.Repeat("x", 100_000) + "\necho ''  end"
			r, err = c.Run(ctx, long)
			require.NoError(t, err)
			assert.Equal(t, " end\n", string(r.Stdout))

			big := bytes.Repeat([]byte("0123456789\x00\xfe"), 40_000)
			path := filepath.Join(t.TempDir(), "a 'file'")
			require.NoError(t, c.Put(ctx, path, big, 0o640))
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, sha256.Sum256(big), sha256.Sum256(got))
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o640), info.Mode())
			got, err = c.Get(ctx, path)
			require.NoError(t, err)
			assert.Equal(t, sha256.Sum256(big), sha256.Sum256(got))
			require.NoError(t, c.Put(ctx, path, nil, 0o600))
			got, err = c.Get(ctx, path)
			require.NoError(t, err)
			assert.Empty(t, got)

			_, err = c.Get(ctx, path+"/none")
			require.ErrorContains(t, err, "Not a directory")
			require.Error(t, c.Put(ctx, path+"/none", big, 0o600))

			c.s.limit = 1000
			r, err = c.Run(ctx, "yes")
			require.ErrorContains(t, err, "output larger than 1000 bytes")
			assert.Len(t, r.Stdout, 1000)
		})
	}
}

// A file is nobody else's before it has its mode, and its name no option.
func TestPutIsPrivateAndTakesAnyName(t *testing.T) {
	t.Parallel()
	key := newKey()
	cmd := agentCommand(t, key, 0, "sh")
	cmd.Dir = t.TempDir()
	bin := t.TempDir()
	real, err := exec.LookPath("chmod")
	require.NoError(t, err)
	script := "#!/bin/sh\nfor last; do :; done\nstat -c %a -- \"$last\" >>" + bin + "/modes\nexec " + real + " \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "chmod"), []byte(script), 0o755))
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	c := controlOf(t, key, cmd)
	for _, name := range []string{"-n", "--", "- a 'file'"} {
		require.NoError(t, c.Put(t.Context(), name, []byte("text"), 0o604))
		info, err := os.Stat(filepath.Join(cmd.Dir, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o604), info.Mode())
		got, err := c.Get(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, "text", string(got))
	}
	modes, err := os.ReadFile(filepath.Join(bin, "modes"))
	require.NoError(t, err)
	assert.Equal(t, "600\n600\n600\n", string(modes))
}

// Each command waits for all others to have begun.
func TestControlRunsSideBySide(t *testing.T) {
	t.Parallel()
	c := localControl(t, "sh")
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			r, err := c.Run(t.Context(), fmt.Sprintf("cd %s; >%d; until [ -e 0 ] && [ -e 1 ] && [ -e 2 ] && [ -e 3 ] && [ -e 4 ] && [ -e 5 ] && [ -e 6 ] && [ -e 7 ]; do sleep 0.01; done; seq 1 %d", dir, i, i*1000))
			assert.NoError(t, err)
			assert.Len(t, bytes.Fields(r.Stdout), i*1000)
		})
	}
	all.Wait()
}

// scripted is a session whose guest is a function: it gets the requests, without
// key and length, and answers through reply.
func scripted(guest func(line string, reply func(frame))) *session {
	var s *session
	var one sync.Mutex
	s = newSession("key", func(_ context.Context, p []byte) error {
		for line := range strings.Lines(string(p)) {
			if part := strings.SplitN(strings.TrimSpace(line), " ", 3); len(part) == 3 {
				go func() {
					one.Lock()
					defer one.Unlock()
					guest(part[2], s.take)
				}()
			}
		}
		return nil
	})
	return s
}

func jobOf(line string) uint32 {
	var op string
	var id uint32
	_, _ = fmt.Sscan(line, &op, &id)
	return id
}

func TestSessionGivesUpASilentGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := scripted(func(string, func(frame)) { asked++ })
		_, err := s.run(t.Context(), "true")
		require.ErrorContains(t, err, `run "true" in the guest: the guest's agent has not answered for 46s`)
		synctest.Wait()
		assert.Greater(t, asked, 5)
	})
}

func TestSessionKeepsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		killed := []string{}
		s := scripted(func(line string, reply func(frame)) {
			if strings.HasPrefix(line, "k") {
				killed = append(killed, line[strings.LastIndexByte(line, ' ')+1:])
				return
			}
			reply(frame{job: jobOf(line), kind: frameAck, arg: "0"})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		start := time.Now()
		_, err := s.run(ctx, "sleep 1000")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 100*time.Second, time.Since(start))
		synctest.Wait()
		assert.Equal(t, []string{"TERM", "KILL"}, killed, "a moment before")
	})
}

// A guest that announces one output and sends another is never believed.
func TestSessionRefusesWhatTheDigestDoesNot(t *testing.T) {
	for name, data := range map[string]string{"short": "aGVsbA==", "other": "aGVsbE8=", "none": "", "no base64": "a"} {
		synctest.Test(t, func(t *testing.T) {
			s := scripted(func(line string, reply func(frame)) {
				id := jobOf(line)
				switch line[0] {
				case 'r':
					reply(frame{job: id, kind: frameMeta, data: fmt.Sprintf("0/1/0/%d/0", cksum([]byte("aGVsbG8=\n")))})
					fallthrough
				case 'g':
					if data != "" {
						reply(frame{job: id, kind: frameStdout, arg: "0", data: data})
					}
					reply(frame{job: id, kind: frameFin, arg: "0"})
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := s.run(ctx, "echo")
			require.Error(t, err, name)
			assert.Empty(t, r.Stdout, name)
			t.Log(name, err)
		})
	}
}

// The output may still come while what is missing of it is asked for.
func TestFramesComeWhileTheyAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// As long as a request takes on a line of 115200 baud.
		s := newSession("k", func(context.Context, []byte) error { time.Sleep(2 * time.Millisecond); return nil })
		j := s.newJob()
		const n = 400
		s.take(frame{job: j.id, kind: frameMeta, data: fmt.Sprintf("0/%d/0/0/0", n)})
		go func() {
			for i := range n {
				time.Sleep(time.Millisecond)
				s.take(frame{job: j.id, kind: frameStdout, arg: fmt.Sprint(i), data: "eHh4"})
			}
		}()
		require.NoError(t, s.fill(t.Context(), j))
	})
}

// What a hostile guest sends costs no more memory than the limit, whether in
// bytes, lines of next to nothing, or acknowledgements of what was not asked.
func TestAJobIsBounded(t *testing.T) {
	data := base64.StdEncoding.EncodeToString(make([]byte, 3000))
	for name, send := range map[string]func(i int) frame{
		"long lines":  func(i int) frame { return frame{kind: frameStdout, arg: fmt.Sprint(i), data: data} },
		"short lines": func(i int) frame { return frame{kind: frameStderr, arg: fmt.Sprint(i), data: "A"} },
		"far lines":   func(i int) frame { return frame{kind: frameStdout, arg: fmt.Sprint(i << 20), data: "A"} },
		"acks":        func(i int) frame { return frame{kind: frameAck, arg: fmt.Sprint(i), data: data} },
		"names":       func(i int) frame { return frame{kind: frameHello, arg: fmt.Sprint(i) + data} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession("key", nil)
			s.limit = 1 << 16
			j := s.newJob()
			before := heap()
			for i := range 20_000 {
				f := send(i)
				f.job, f.arg, f.data = j.id, strings.Clone(f.arg), strings.Clone(f.data)
				s.take(f)
			}
			assert.Less(t, j.out.size+j.errs.size, 1<<18)
			assert.LessOrEqual(t, len(j.out.at)+len(j.errs.at), mostLines(s.limit))
			runtime.GC()
			assert.Less(t, heap()-min(heap(), before), uint64(8<<20))
			runtime.KeepAlive(j)
		})
	}
	_, ok := parseMeta("0/4294967295/0/1/1")
	assert.False(t, ok)
}

// A late acknowledgement of one block is none of the next.
func TestAckIsOfWhatIsAwaited(t *testing.T) {
	s := newSession("key", nil)
	j := s.newJob()
	for _, step := range []struct {
		wants, comes string
		ok           bool
	}{{"0", "000000000", false}, {"0", "0", true}, {"000000000", "0", false}, {"000000000", "000000000", true}, {"000001024", "000000000", false}, {"000001024", "000001024", true}} {
		if j.wants != step.wants {
			s.expect(j, step.wants)
		}
		s.take(frame{job: j.id, kind: frameAck, arg: step.comes})
		assert.Equal(t, step.ok, s.acked(j), "%+v", step)
	}
	s.take(frame{job: j.id, kind: frameAck, arg: "0"})
	assert.True(t, s.acked(j), "nor does another take it back")
}
