package iso

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is a PE program with sections, each a name and a content.
func program(sections ...string) string {
	const first = 1024
	b := make([]byte, first)
	copy(b, "MZ")
	le := binary.LittleEndian
	le.PutUint32(b[0x3c:], 0x40)
	copy(b[0x40:], "PE\x00\x00\x64\x86")
	le.PutUint16(b[0x46:], uint16(len(sections)/2))
	for i := 0; i+1 < len(sections); i += 2 {
		h := b[0x58+40*(i/2):]
		copy(h[:8], sections[i])
		size := len(sections[i+1])
		le.PutUint32(h[8:], uint32(size))
		le.PutUint32(h[16:], uint32(size+15)/16*16)
		le.PutUint32(h[20:], uint32(len(b)))
		b = append(b, sections[i+1]...)
		b = append(b, make([]byte, 15-(size+15)%16)...)
	}
	return string(b)
}

func read(s string) (*uki, error) {
	left := int64(maxHeaders)
	return readPE(strings.NewReader(s), int64(len(s)), &left)
}

func TestPE(t *testing.T) {
	u, err := read(program(".osrel", "ID=x\n", ".cmdline", "console=ttyS0 quiet\x00\x00", ".linux", "kernel", ".cmdline", "of another profile"))
	require.NoError(t, err)
	text, err := u.text(".cmdline")
	require.NoError(t, err)
	assert.Equal(t, "console=ttyS0 quiet", text)
	assert.EqualValues(t, 6, u.sections[".linux"].Size(), "not the bytes that fill it up")
	text, err = u.text(".none")
	require.NoError(t, err)
	assert.Empty(t, text)
}

// TestHostilePE: what lies about sizes ends as an error, and takes no memory.
func TestHostilePE(t *testing.T) {
	sound := []byte(program(".linux", "kernel", ".cmdline", "quiet"))
	le := binary.LittleEndian
	for name, change := range map[string]func(b []byte) []byte{
		"a section outside":           func(b []byte) []byte { le.PutUint32(b[0x58+20:], 1<<31); return b },
		"a section of 4 GiB":          func(b []byte) []byte { le.PutUint32(b[0x58+8:], 1<<32-1); le.PutUint32(b[0x58+16:], 1<<32-1); return b },
		"too many sections":           func(b []byte) []byte { le.PutUint16(b[0x46:], 65535); return append(b, make([]byte, 4<<20)...) },
		"a header outside":            func(b []byte) []byte { le.PutUint32(b[0x3c:], 1<<30); return b },
		"symbols outside":             func(b []byte) []byte { le.PutUint32(b[0x4c:], 1<<31); le.PutUint32(b[0x50:], 1<<30); return b },
		"relocations, over and over":  hostileRelocations,
		"cut":                         func(b []byte) []byte { return b[:0x60] },
		"no program":                  func([]byte) []byte { return []byte("#!/bin/sh\n") },
		"nothing":                     func([]byte) []byte { return nil },
		"the optional header is huge": func(b []byte) []byte { le.PutUint16(b[0x54:], 65535); return b },
	} {
		t.Run(name, func(t *testing.T) {
			b := change(bytes.Clone(sound))
			var err error
			cost := allocated(func() { _, err = read(string(b)) })
			require.Error(t, err)
			assert.ErrorIs(t, err, errNoPE)
			assert.Less(t, cost, 4*len(b)+8*maxHeaders)
		})
	}
}

// hostileRelocations is a program each of whose sections has the same many
// relocations.
func hostileRelocations(b []byte) []byte {
	le := binary.LittleEndian
	const sections = 90
	b = append(b[:0x58], make([]byte, 40*sections)...)
	le.PutUint16(b[0x46:], sections)
	for i := range sections {
		h := b[0x58+40*i:]
		le.PutUint32(h[24:], 0x58)
		le.PutUint16(h[32:], 65535)
	}
	return append(b, make([]byte, 700_000)...)
}

func FuzzPE(f *testing.F) {
	f.Add([]byte(program(".linux", "kernel", ".cmdline", "quiet", ".osrel", "ID=x\nPRETTY_NAME='X'\n")))
	f.Add([]byte(program(".text", "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := read(string(b))
		if err != nil {
			return
		}
		for name, s := range u.sections {
			if s.Size() > int64(len(b)) {
				t.Errorf("section %q has %d bytes of %d", name, s.Size(), len(b))
			}
			if _, err := io.Copy(io.Discard, io.NewSectionReader(s, 0, s.Size())); err != nil {
				t.Error(err)
			}
			text, _ := u.text(name)
			osRelease(text)
		}
	})
}
