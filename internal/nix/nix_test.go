package nix

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestFlags(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	with, without := file("root:x:0:\nnixbld:x:30000:nixbld1\n"), file("root:x:0:\nmynixbld:x:1:\n")
	cases := []struct {
		name string
		root fstest.MapFS
		uid  int
		drop bool // whether the build users' group is switched off
	}{
		{"group there", fstest.MapFS{"etc/group": with}, 0, false},
		{"group missing", fstest.MapFS{"etc/group": without}, 0, true},
		{"not root", fstest.MapFS{"etc/group": without}, 1000, false},
		{"another group, missing", fstest.MapFS{"etc/group": with, "etc/nix/nix.conf": file("build-users-group = builders # ours\n")}, 0, true},
		{"another group, there", fstest.MapFS{"etc/group": without, "etc/nix/nix.conf": file("build-users-group=mynixbld\n")}, 0, false},
		{"switched off already", fstest.MapFS{"etc/group": without, "etc/nix/nix.conf": file("build-users-group =\n")}, 0, false},
		{"no group file", fstest.MapFS{}, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			flags := strings.Join(Flags(c.root, c.uid), " ")
			assert.Contains(t, flags, "flakes")
			assert.Equal(t, c.drop, strings.Contains(flags, "build-users-group"), flags)
		})
	}
}
