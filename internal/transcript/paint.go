package transcript

import "bootaudit/internal/verdict"

// paint puts a text in colours, if it is on. What a guest printed is cleaned
// before it comes here.
type paint bool

const (
	bold   = "1"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
)

func (p paint) in(colour, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// verdicts are the colours of those.
var verdicts = map[string]string{verdict.Boots: green, verdict.Fails: red, verdict.Unclear: yellow}
