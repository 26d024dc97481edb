package report

import "strings"

// imitated tells an event that a guest's text caused. go test takes a ^V
// anywhere in a line for the beginning of a line of its own, so that a console
// that prints "^V--- PASS: TestX" or "^V=== ATTR ..." is believed. What a test
// writes or logs is indented by four blanks; go test's own lines never begin
// inside such a line.
func (p *Package) imitated(e *Event) bool {
	if e.Action != "output" {
		forged := p.forged || strings.HasPrefix(p.line, "    ")
		p.forged = false
		return forged
	}
	inside := strings.HasPrefix(p.line, "    ")
	if inside && strings.HasPrefix(e.Output, "--- ") {
		p.forged = true // its event comes after it
	}
	switch {
	case strings.HasSuffix(e.Output, "\n"):
		p.line = ""
	case p.line == "":
		p.line = e.Output[:min(len(e.Output), 8)]
	}
	return inside && strings.HasPrefix(e.Output, "\x16")
}
