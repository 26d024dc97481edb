// Package nix knows how this project calls nix: any nix from 2.8 on, without
// relying on what its configuration switches on.
package nix

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// features switches on, for one call, what nix calls experimental.
var features = []string{"--extra-experimental-features", "nix-command flakes"}

// FailFast makes a download that cannot succeed say so within seconds; nix's
// own defaults try five times, wait for a connection without end, and five
// minutes for a server that says nothing.
var FailFast = []string{"--option", "connect-timeout", "3", "--option", "stalled-download-timeout", "10", "--option", "download-attempts", "1"}

// noBuildUsers lets root build where the group of build users does not exist,
// as after `apt-get install nix-bin` without its daemon: nix refuses to build
// otherwise.
var noBuildUsers = []string{"--option", "build-users-group", ""}

// Flags are what each call of ours has, on the host whose files are
// root's (rooted at /) and as the user uid.
func Flags(root fs.FS, uid int) []string {
	flags := slices.Clone(features)
	if uid == 0 && !hasBuildUsers(root) {
		flags = append(flags, noBuildUsers...)
	}
	return flags
}

// hasBuildUsers says whether the group that nix's configuration names is there;
// when it cannot tell, it leaves the configuration alone.
func hasBuildUsers(root fs.FS) bool {
	group := "nixbld"
	conf, err := fs.ReadFile(root, "etc/nix/nix.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	for line := range strings.Lines(string(conf)) {
		line, _, _ = strings.Cut(line, "#")
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "build-users-group" {
			group = strings.TrimSpace(value)
		}
	}
	groups, err := fs.ReadFile(root, "etc/group")
	if err != nil || group == "" {
		return true
	}
	for line := range strings.Lines(string(groups)) {
		if strings.HasPrefix(line, group+":") {
			return true
		}
	}
	return false
}
