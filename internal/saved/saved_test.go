package saved

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// line is a line as it was handed out.
type line struct {
	number int
	offset int
	text   string
}

// collector follows offsets as who reads a console does.
type collector struct {
	t     testing.TB
	at    int64
	bytes int64 // handed out
	text  []byte
	open  line
	lines []line
	times []time.Duration
	r     *Reader
}

func (c *collector) guest(p []byte) {
	for _, b := range p {
		if len(c.text) == 0 {
			c.open = line{c.r.Number(c.at), int(c.at), ""}
		}
		c.text = append(c.text, b)
		c.at++
		if b == '\n' {
			c.end()
		}
	}
	c.bytes += int64(len(p))
}

func (c *collector) end() {
	if len(c.text) > 0 {
		c.open.text = string(c.text)
		c.lines = append(c.lines, c.open)
		c.text = c.text[:0]
	}
}

// read reads a file to its end, and cuts the lines that are shared.
func read(t testing.TB, file string) (*collector, error) {
	in, err := unpack(strings.NewReader(file), 4<<20)
	if err != nil {
		return nil, err
	}
	c := &collector{t: t}
	shared := &Cutter{Guest: c.guest, Skip: func(n int) { c.at += int64(n) }}
	c.r = &Reader{Guest: func(p []byte) { shared.Write(p) }, Skip: shared.Pass, At: func(d time.Duration) { c.times = append(c.times, d) }}
	err = c.r.Read(in)
	shared.Flush()
	c.end()
	return c, err
}

// guestLines are some that no prefix is on.
var guestLines = []string{
	"SeaBIOS (version 1.16.3)",
	"[    0.000000] Linux version 6.12.1 (builder@host)",
	"[    0.512345] usb 1-1: new high-speed USB device number 2",
	"[    1.234567] systemd[1]: Detected architecture x86-64.",
	"",
	"         Starting Load Kernel Modules...",
	"[  OK  ] Finished Load Kernel Modules.",
	"[   12.345678] Kernel panic - not syncing: VFS: Unable to mount root fs",
	"nixos login:",
}

// prefixes are what is put in front of line i (from 0).
var prefixes = map[string]func(i int) string{
	"NixOS test":              func(int) string { return "machine # " },
	"NixOS test, two":         func(i int) string { return []string{"client # ", "server # "}[i%2] },
	"container":               func(int) string { return "console-1  | " },
	"container, colours":      func(int) string { return "\x1b[36mconsole-1  |\x1b[0m " },
	"conserver name":          func(int) string { return "[rack1/uart0] " },
	"name and colon":          func(int) string { return "dut: " },
	"conserver stamp":         func(i int) string { return fmt.Sprintf("[Wed May  1 12:00:%02d 2024] ", i) },
	"bracketed clock":         func(i int) string { return fmt.Sprintf("[2024-05-01T12:00:%02dZ] ", i) },
	"minicom":                 func(i int) string { return fmt.Sprintf("[2024-05-01 12:00:%02d.123] ", i) },
	"tio":                     func(i int) string { return fmt.Sprintf("[12:00:%02d.123] ", i) },
	"GitHub":                  func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d.1234567Z ", i) },
	"gh run view":             func(i int) string { return fmt.Sprintf("build\tRun tests\t2024-05-01T12:00:%02d.1234567Z ", i) },
	"GitLab":                  func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d.123456Z 01O ", i) },
	"Jenkins":                 func(i int) string { return fmt.Sprintf("[2024-05-01T12:00:%02d.123Z] ", i) },
	"Jenkins, old":            func(i int) string { return fmt.Sprintf("12:00:%02d  ", i) },
	"ts":                      func(i int) string { return fmt.Sprintf("May 01 12:00:%02d ", i) },
	"ts -s":                   func(i int) string { return fmt.Sprintf("00:00:%02d ", i) },
	"ts %.s":                  func(i int) string { return fmt.Sprintf("17145612%02d.123456 ", i) },
	"grabserial":              func(i int) string { return fmt.Sprintf("[%d.123456 0.000123] ", i) },
	"CRI":                     func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d.123456789+02:00 stdout F ", i) },
	"syslog":                  func(i int) string { return fmt.Sprintf("May  1 12:00:%02d nixos kernel: ", i) },
	"journalctl -o short-iso": func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d+0200 nixos kernel: ", i) },
	"cited":                   func(int) string { return "> " },
	"indented":                func(int) string { return "    " },
	"CI around a container":   func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d.1234567Z console-1  | ", i) },
	"kubectl --timestamps":    func(i int) string { return fmt.Sprintf("2024-05-01T12:00:%02d.123456789Z ", i) },
	"kubectl --prefix":        func(i int) string { return fmt.Sprintf("[pod/vm-0/console] 2024-05-01T12:00:%02d.123456789Z ", i) },
	"Jenkins, elapsed":        func(i int) string { return fmt.Sprintf("00:00:%02d.123  ", i) },
	"short-precise":           func(i int) string { return fmt.Sprintf("May 01 12:00:%02d.123456 nixos kernel: ", i) },
	"short-full":              func(i int) string { return fmt.Sprintf("Wed 2024-05-01 12:00:%02d CEST nixos kernel: ", i) },
	"short-full, hours":       func(i int) string { return fmt.Sprintf("Wed 2024-05-01 12:00:%02d +07 nixos kernel: ", i) },
	"short-delta":             func(i int) string { return fmt.Sprintf("[%5d.123456 <    0.000123 >] nixos kernel: ", i) },
	"short-delta, other boot": func(i int) string { return fmt.Sprintf("[%5d.123456 <    0.000123*>] nixos kernel: ", i) },
	"short-unix":              func(i int) string { return fmt.Sprintf("1714564800.%06d nixos kernel: ", i) },
	"day first":               func(i int) string { return fmt.Sprintf("    12/02/2025 16:41:%02d ", i) },
	"month first":             func(i int) string { return fmt.Sprintf("02/13/2025 16:41:%02d ", i) },
	"levels":                  func(i int) string { return "<6>" },
}

func TestPrefixes(t *testing.T) {
	for name, prefix := range prefixes {
		for _, feed := range []string{"\n", "\r\n"} {
			t.Run(name+fmt.Sprintf("%q", feed), func(t *testing.T) {
				var file strings.Builder
				var want []line
				for i, text := range guestLines {
					at := file.Len()
					p := prefix(i)
					if text == "" {
						p = strings.TrimRight(p, " ") // as editors and loggers do
					}
					file.WriteString(p + text + feed)
					if text != "" {
						want = append(want, line{i + 1, at + len(p), text + feed})
					}
				}
				c, err := read(t, file.String())
				require.NoError(t, err)
				var got []line
				for _, l := range c.lines {
					if strings.TrimSpace(l.text) != "" {
						got = append(got, l)
					}
				}
				assert.Equal(t, want, got)
				assert.Equal(t, int64(file.Len()), c.at)
				assert.Equal(t, "lines with a prefix", c.r.Form())
			})
		}
	}
}

// TestLookAlikes: what a guest writes at its lines' beginning stays there.
func TestLookAlikes(t *testing.T) {
	for name, file := range map[string]string{
		"kernel stamps":          "[    0.000000] Linux version 6\n[    0.000000] Command line: ro\n[    0.000000] BIOS-provided\n[    0.000000] NX\n",
		"kernel stamps, callers": "[    0.000000][    T0] Linux version 6\n[    0.000000][    T0] x\n[    0.000000][    T0] y\n",
		"a device":               "[    1.000001] sd 0:0:0:0: [sda] a\n[    1.000002] sd 0:0:0:0: [sda] b\n[    1.000003] sd 0:0:0:0: [sda] c\n",
		"systemd's own":          "systemd[1]: Started A.\nsystemd[1]: Started B.\nsystemd[1]: Started C.\nsystemd[1]: Started D.\n",
		"systemd to the kernel":  "[    5.000001] systemd[1]: a\n[    5.000002] systemd[1]: b\n[    5.000003] systemd[1]: c\n",
		"firmware":               "NOTICE:  BL2: v2.9\nNOTICE:  BL2: Built\nNOTICE:  BL2: Booting BL31\nINFO:    x\n",
		"dracut":                 "dracut: FATAL: a\ndracut: Refusing to continue\ndracut Warning: b\n",
		"prompts":                "/ # ls\n/ # \n/ # \n~ # \n",
		"prompts of a host":      "root@host:~# \nroot@host:~# ls\nroot@host:~# \n",
		"OpenRC":                 " * Starting a ...\n * Starting b ...\n * Starting c ...\n",
		"addresses":              "12:34:56:78:9a:bc dev a\n12:34:56:78:9a:bd dev b\n12:34:56:78:9a:be dev c\n",
		"a table":                "0x0001 | a\n0x0002 | b\n0x0003 | c\n0x0004 | d\n",
		"clock of few lines":     "a\nb\nc\n2024-05-01T12:00:00Z d\ne\n",
		"cited in a command":     "root# echo \"[    1.234567] x\"\n",
		"not quite a stamp":      "foo[1.234567] bar\nfoo[    1.234] bar\nfoo[    1.2345678] bar\nfoo[    1.234567]bar\n",
		"colours before":         "\x1b[0m[    1.234567] a\n  [    1.234567] b\n",
		"JSON of a guest":        "{\"a\":1}\n{\"b\":2}\n",
		"a variable":             "__CURSORS=1\nMESSAGE=x\n",
		"text":                   "Dear diary\n\nnothing\n",
		"a weekday and a date":   "Wed 2024-05-01 is\nWed 2024-05-02 was\nWed 2024-05-03 will\n",
		"a fraction":             "12/02/2025 of it\n13/02/2025 of it\n14/02/2025 of it\n",
		"no month":               "32/13/2025 12:00:00 a\n33/14/2025 12:00:00 b\n34/15/2025 12:00:00 c\n",
		"noise, no mark":         "\xff\xfeU-Boot SPL 2023.01\nDRAM: 1 GiB\n",
		"angles":                 "[    1.234567 < 0.1] a\n[    1.234568 < 0.1] b\n[    1.234569 < 0.1] c\n",
		"progress":               "10%\r20%\r30%\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := read(t, file)
			require.NoError(t, err)
			var got strings.Builder
			at := 0
			for i, l := range c.lines {
				assert.Equal(t, line{i + 1, at, l.text}, l)
				at += len(l.text)
				got.WriteString(l.text)
			}
			assert.Equal(t, file, got.String())
			assert.Empty(t, c.r.Form())
		})
	}
}

// form is a file, and what is read out of it.
type form struct {
	name string
	file string
	want []line
}

var forms = []form{
	{"journalctl -o short-monotonic", "[    1.234567] nixos kernel: Linux version 6\n[    2.000000] nixos systemd[1]: Started A.\n[    3.000000] nixos kernel: usb\n",
		[]line{{1, 0, "[    1.234567] Linux version 6\n"}, {2, 45, "[    2.000000] systemd[1]: Started A.\n"}, {3, 89, "[    3.000000] usb\n"}}},
	{"journalctl --no-hostname", "May 01 12:00:00 kernel: Linux version 6\nMay 01 12:00:01 systemd[1]: Started A.\n",
		[]line{{1, 24, "Linux version 6\n"}, {2, 56, "systemd[1]: Started A.\n"}}},
	{"dmesg -x", "kern  :info  : [    0.000000] Linux version 6\nkern  :warn  : [    0.100000] x\nkern  :err   : [    0.200000] y\n",
		[]line{{1, 15, "[    0.000000] Linux version 6\n"}, {2, 61, "[    0.100000] x\n"}, {3, 93, "[    0.200000] y\n"}}},
	{"shared lines", "foo[   12.345678] bar\r\nmount: <3>[   12.345679] b\n~ # [   12.345680][  T1] c\n",
		[]line{{1, 0, "foo\r\n"}, {1, 3, "[   12.345678] bar\r\n"}, {2, 23, "mount: \n"}, {2, 33, "[   12.345679] b\n"}, {3, 50, "~ # \n"}, {3, 54, "[   12.345680][  T1] c\n"}}},
	{"some lines lack it", "machine # [    1.000000] a\nmachine # b that is\nwrapped\n\nmachine # c\nmachine # d\nmachine # e\n(finished: must succeed)\nmachine # f\n",
		[]line{{1, 10, "[    1.000000] a\n"}, {2, 37, "b that is\n"}, {3, 47, "wrapped\n"}, {4, 55, "\n"}, {5, 66, "c\n"}, {6, 78, "d\n"}, {7, 90, "e\n"}, {8, 92, "(finished: must succeed)\n"}, {9, 127, "f\n"}}},
	{"journal export", "__CURSOR=s=1\n__MONOTONIC_TIMESTAMP=1234567\n_TRANSPORT=kernel\nMESSAGE=Linux version 6\n\n__CURSOR=s=2\n__MONOTONIC_TIMESTAMP=2000000\nSYSLOG_IDENTIFIER=systemd\n_PID=1\nMESSAGE\n\x08\x00\x00\x00\x00\x00\x00\x00two\nline\n\n",
		[]line{{4, 69, "[    1.234567] Linux version 6\n"}, {11, 178, "[    2.000000] systemd[1]: two\n"}, {12, 182, "line\n"}}},
	{"journalctl -o json", `{"__CURSOR":"1","MESSAGE":"Linux version 6","_TRANSPORT":"kernel","__MONOTONIC_TIMESTAMP":"1234567","__REALTIME_TIMESTAMP":"1"}` + "\n" +
		`{"MESSAGE":[27,91,109,120],"SYSLOG_IDENTIFIER":"init","_PID":"1","__REALTIME_TIMESTAMP":"1"}` + "\n" + "-- no object --\n",
		[]line{{1, 0, "[    1.234567] Linux version 6\n"}, {2, 128, "init[1]: \x1b[mx\n"}, {3, 221, "-- no object --\n"}}},
	{"container JSON", `{"log":"Linux version 6\r\n","stream":"stdout","time":"2024-05-01T12:00:00Z"}` + "\n" + `{"log":"open","stream":"stdout","time":"2024-05-01T12:00:00Z"}` + "\n",
		[]line{{1, 0, "Linux version 6\r\n"}, {2, 78, "open"}}},
	{"LAVA", `- {"dt": "2024-05-01T12:00:00.1", "lvl": "info", "msg": "lava-dispatcher"}` + "\n" + `- {"dt": "2024-05-01T12:00:01.1", "lvl": "target", "msg": "[    0.000000] Linux"}` + "\n",
		[]line{{2, 75, "[    0.000000] Linux\n"}}},
	{"UTF-16, little end first", utf16Of("SeaBIOS ä\r\n𝄞 [    0.000000] Linux\r\n", binary.LittleEndian),
		[]line{{1, 0, "SeaBIOS ä\r\n"}, {2, 12, "𝄞 \r\n"}, {2, 17, "[    0.000000] Linux\r\n"}}},
	{"UTF-16, big end first", utf16Of("machine # a\nmachine # b\nmachine # c\n", binary.BigEndian),
		[]line{{1, 10, "a\n"}, {2, 22, "b\n"}, {3, 34, "c\n"}}},
	{"UTF-16, cut short", utf16Of("SeaBIOS\n", binary.LittleEndian) + "\x34", []line{{1, 0, "SeaBIOS\n"}, {2, 8, "\uFFFD"}}},
	{"UTF-16, halves of pairs", utf16Of("SeaBIOS\n", binary.LittleEndian) + "\x00\xd8\x00\xdc\x00\xd8a\x00\x00\xd8", []line{{1, 0, "SeaBIOS\n"}, {2, 8, "𐀀\uFFFDa\uFFFD"}}},
	{"byte order mark", "\uFEFFSeaBIOS\n", []line{{1, 3, "SeaBIOS\n"}}},
}

// utf16Of is a text in UTF-16, with its mark.
func utf16Of(text string, order binary.ByteOrder) string {
	var b bytes.Buffer
	_ = binary.Write(&b, order, utf16.Encode([]rune("\uFEFF"+text)))
	return b.String()
}

func TestForms(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			c, err := read(t, f.file)
			require.NoError(t, err)
			assert.Equal(t, f.want, c.lines)
			if !isUTF16([]byte(f.file)) { // whose places are those in UTF-8
				assert.Equal(t, int64(len(f.file)), c.at)
			}
		})
	}
}

func TestTimesRunForwards(t *testing.T) {
	c, err := read(t, "23:59:58 a\n23:59:59 b\n23:59:57 c\n00:00:01 d\n00:00:02 e\n00:00:03 f\n00:00:04 g\n00:00:05 h\n00:00:06 i\n00:00:07 j\n00:00:08 k\n00:00:09 l\n00:00:10 m\n00:00:11 n\n00:00:12 o\n00:00:13 p\n00:00:14 q\n00:00:15 r\n00:00:16 s\n00:00:17 t\n")
	require.NoError(t, err)
	require.Len(t, c.times, 20)
	assert.Equal(t, []time.Duration{0, time.Second, time.Second, 3 * time.Second}, c.times[:4])
	assert.Equal(t, 19*time.Second, c.times[19])
}

// TestALaterBlockTeaches: a build comes before the boot, and a shell after it.
func TestALaterBlockTeaches(t *testing.T) {
	before := strings.Repeat("building the VM\n", 4000)
	boot := strings.Repeat("machine # some words of a guest\n", 4000)
	c, err := read(t, before+boot+before)
	require.NoError(t, err)
	odd := 0
	for _, l := range c.lines {
		if strings.HasPrefix(l.text, "machine # ") {
			odd++
		}
	}
	assert.Less(t, odd, blockSize/len("machine # some words of a guest\n"))
	last := c.lines[len(c.lines)-1]
	assert.Equal(t, line{12000, len(before)*2 + len(boot) - 16, "building the VM\n"}, last)
}

var packers = map[string]func(io.Writer) (io.WriteCloser, error){
	"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
	"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	"xz of blocks": func(w io.Writer) (io.WriteCloser, error) {
		return xz.WriterConfig{BlockSize: 64 << 10, CheckSum: xz.SHA256}.NewWriter(w)
	},
	"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
}

func pack(t testing.TB, name, text string) string {
	var b bytes.Buffer
	w, err := packers[name](&b)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestPacked(t *testing.T) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "[%5d.%06d] line %d\n", i/100, i*7919%1000000, i)
	}
	for name := range packers {
		t.Run(name, func(t *testing.T) {
			packed := pack(t, name, text.String())
			for what, file := range map[string]string{"whole": packed, "two, one behind the other": packed + packed} {
				c, err := read(t, file)
				require.NoError(t, err, what)
				assert.Equal(t, int64(text.Len()*len(file)/len(packed)), c.bytes, what)
				assert.Equal(t, 20000, c.lines[19999].number)
			}
			c, err := read(t, packed[:len(packed)*3/4])
			require.ErrorContains(t, err, "was cut short")
			assert.Greater(t, c.bytes, int64(text.Len()/10))
			_, err = read(t, pack(t, name, strings.Repeat("a bomb\n", 1<<20)))
			require.ErrorContains(t, err, "more than 4 MiB come out")
		})
	}
	_, err := read(t, "PK\x03\x04 and so on")
	require.ErrorContains(t, err, "zip archive")
	for name, file := range map[string]string{"gzip": "\x1f\x8b\x08 is not gzip\n", "zstd": "\x28\xb5\x2f\xfd is not zstd\n", "xz": xzMagic + " is not xz\n"} {
		_, err := read(t, file)
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), name+" file", name)
	}
	for name, file := range map[string]string{"gzip": gzipMagic[:2] + "\n", "xz": xzMagic[:5] + "\n"} {
		c, err := read(t, file)
		require.NoError(t, err, name)
		assert.Equal(t, int64(len(file)), c.bytes, name)
	}
}

func TestIsText(t *testing.T) {
	assert.True(t, IsText([]byte("U-Boot\r\n\x00\x00\xff\xfe"+strings.Repeat("text ", 20))))
	assert.False(t, IsText([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00")))
	assert.False(t, IsText(nil))
}

func FuzzReader(f *testing.F) {
	for _, prefix := range prefixes {
		var b strings.Builder
		for i, text := range guestLines {
			b.WriteString(prefix(i) + text + "\n")
		}
		f.Add([]byte(b.String()))
	}
	for _, form := range forms {
		f.Add([]byte(form.file))
	}
	for name := range packers {
		f.Add([]byte(pack(f, name, strings.Join(guestLines, "\r\n"))))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		in, err := unpack(bytes.NewReader(file), 1<<20)
		if err != nil {
			return
		}
		var given, counted int
		shared := &Cutter{Guest: func(p []byte) { given += len(p); counted += len(p) }, Skip: func(n int) { counted += n }}
		size := 0
		r := &Reader{Guest: func(p []byte) { shared.Write(p) }, Skip: shared.Pass, At: func(d time.Duration) { require.GreaterOrEqual(t, d, time.Duration(0)) }}
		err = r.Read(bufio.NewReaderSize(io.TeeReader(in, counter(func(n int) { size += n })), Head))
		shared.Flush()
		if err == nil {
			require.Equal(t, size, counted)
		}
		require.LessOrEqual(t, given, 4*size+16)
		require.LessOrEqual(t, cap(shared.held), 2*(maxHeld+Head))
	})
}

type counter func(int)

func (c counter) Write(p []byte) (int, error) {
	c(len(p))
	return len(p), nil
}

func BenchmarkReader(b *testing.B) {
	plain := strings.Join(guestLines, "\r\n") + "\r\n"
	var stamped strings.Builder
	for i, text := range guestLines {
		stamped.WriteString(prefixes["CI around a container"](i) + text + "\n")
	}
	for name, unit := range map[string]string{"plain": plain, "prefixed": stamped.String(), "journal JSON": forms[6].file, "journal export": forms[5].file} {
		file := []byte(strings.Repeat(unit, 8<<20/len(unit)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				shared := &Cutter{Guest: func([]byte) {}, Skip: func(int) {}}
				r := &Reader{Guest: func(p []byte) { shared.Write(p) }, Skip: shared.Pass}
				if err := r.Read(bufio.NewReaderSize(bytes.NewReader(file), Head)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
