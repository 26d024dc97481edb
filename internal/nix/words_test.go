package nix

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuote(t *testing.T) {
	assert.Equal(t, `"a \"b\" \\ \${c}"`, Quote(`a "b" \ ${c}`))
}

func TestNoNetwork(t *testing.T) {
	for words, want := range map[string]bool{
		"unable to download 'https://x.org/y': Couldn't resolve host name (6)":      true,
		"fatal: unable to access 'https://x.org/y/': Could not resolve host: x.org": true,
		"ssh: connect to host x.org port 22: Connection timed out":                  true,
		"unable to download 'https://x.org/y': HTTP error 407":                      true,
		"building '/nix/store/x.drv' timed out after 3600 seconds":                  false,
		"attribute 'x' missing": false,
	} {
		assert.Equal(t, want, NoNetwork(words), words)
	}
}

func TestErrorIn(t *testing.T) {
	for name, c := range map[string]struct{ stderr, want string }{
		"message first": {"warning: dirty\nerror: undefined variable 'x'\n\n       at /nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-source/flake.nix:3:5:\n", "undefined variable 'x', at flake.nix:3:5"},
		"message last":  {"\x1b[31;1merror:\x1b[0m\n       … while calling\n         at «git»/lib.nix:1:2:\n       \x1b[31;1merror:\x1b[0m no\n       way\n", "no way, at lib.nix:1:2"},
		"place alone":   {"  at /nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-source/flake.nix:3:5:\n", ""},
		"none":          {"warning: dirty\n", ""},
	} {
		assert.Equal(t, c.want, ErrorIn(c.stderr), name)
	}
}

func FuzzErrorIn(f *testing.F) {
	f.Add("error:\n  at /nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-source/x.nix:1:2:\nerror: no")
	f.Fuzz(func(t *testing.T, text string) {
		got := ErrorIn(text)
		assert.LessOrEqual(t, len(got), len(text)+len(", at "))
		assert.NotContains(t, got, "\n")
	})
}
