package nix

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Quote is s as a string of nix's language.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(s) + `"`
}

// nix's own words, and those of curl, git and ssh that it passes on.
var noNetwork = regexp.MustCompile(`(?i)unable to download|unable to access 'https?:|could ?n[o']t resolve host|couldn't connect|failed to connect|connection timed out|network is unreachable|HTTP error [45]\d\d`)

// NoNetwork says whether nix's words are about a download that did not succeed.
func NoNetwork(words string) bool { return noNetwork.MatchString(words) }

var place = regexp.MustCompile(`^\s*at (?:/\S*/[^/\s]+-source/|«[^»]*»/?)?(\S+:\d+:\d+):?`)

// ErrorIn is the error in nix's standard error, in one line: its message, and
// the place that it names, in the flake or in what that is made of; "" when
// there is no error. From 2.13 on, a trace that starts with "error:" alone may
// come before the message; its last place is the nearest.
func ErrorIn(stderr string) string {
	lines := strings.Split(ansi.Strip(stderr), "\n")
	message, at, traced := "", "", ""
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "error:"); ok {
			if rest = strings.TrimSpace(rest); rest != "" {
				message, at = rest, ""
				// A message goes on until a blank line or a place.
				for _, more := range lines[i+1:] {
					more = strings.TrimSpace(more)
					if more == "" || strings.HasPrefix(more, "at ") || strings.HasPrefix(more, "(") || strings.HasPrefix(more, "error:") || strings.HasPrefix(more, "last ") {
						break
					}
					message += " " + more
				}
			}
			continue
		}
		if m := place.FindStringSubmatch(line); m != nil && message == "" {
			traced = m[1]
		} else if m != nil && at == "" {
			at = m[1]
		}
	}
	if at = cmp.Or(at, traced); message != "" && at != "" && !strings.Contains(message, at) {
		message += ", at " + at
	}
	return message
}
