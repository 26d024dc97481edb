package transcript

import (
	"regexp"
	"strings"

	"bootaudit/internal/screen"
)

// storage follows what the guest says became of its disks: the lines of the
// status file, or the sentence of the login notice.
type storage struct {
	state, detail string
	offset        int64
	line1         string
	old           *storage // before a STATE= that may be another file's
	empty         bool     // no devices were planned
	emptyAt       Evidence
}

var (
	stateLine  = regexp.MustCompile(`^STATE=([a-z][a-z-]*)$`)
	detailLine = regexp.MustCompile(`^DETAIL=([a-z][a-z-]*)$`)
	noDevices  = regexp.MustCompile(`"event": "[\w.]*\bapply_plan\.no_devices"|\bno_devices\b|[Nn]o devices (?:were |are )?(?:planned|to provision)|apply_plan\.start", "execute": false|\]:   "disko": \{\},?$`)
)

// sentences are those of the login notice, with what they stand for. The first
// that matches counts.
var sentences = []struct {
	pattern       *regexp.Regexp
	state, detail string
}{
	{regexp.MustCompile(`^pre-nixos: Storage provisioning completed automatically`), "applied", "auto-applied"},
	{regexp.MustCompile(`(?i)^pre-nixos: .*\bfail(?:ed|ure)\b.*\bdetect(?:ion|ing)\b.*\berror|^pre-nixos: .*\bdetection\b.*\bfailed\b`), "failed", "detection-error"},
	{regexp.MustCompile(`(?i)^pre-nixos: .*\bfail(?:ed|ure)\b.*\bexisting\b|^pre-nixos: .*\bexisting\b.*\bfailed\b`), "failed", "existing-storage"},
	{regexp.MustCompile(`(?i)^pre-nixos: .*\bprovisioning failed\b`), "failed", ""},
	{regexp.MustCompile(`^pre-nixos: Storage detection encountered an error`), "plan-only", "detection-error"},
	{regexp.MustCompile(`(?i)^pre-nixos: .*\bexisting storage\b`), "plan-only", "existing-storage"},
	{regexp.MustCompile(`^pre-nixos: Provisioning ran in plan-only mode`), "plan-only", ""},
}

var otherState = regexp.MustCompile(`^pre-nixos: Provisioning status is '([\w-]+)'(?: \(([\w-]+)\))?`)

func (s *storage) line(a *analyzer, text []byte, l screen.Line, in wordSet) {
	if !in.has(wordState, wordDetail, wordReason, wordNotice, wordNoDevices, wordPlan, wordDisko) {
		return
	}
	line := string(text)
	switch {
	case strings.HasPrefix(line, "REASON="):
		// The status of the auto-installer has a state, too.
		if s.old != nil {
			old := *s.old
			old.empty, old.emptyAt = s.empty, s.emptyAt
			*s = old
		}
		return
	case stateLine.MatchString(line):
		if strings.Contains(a.command, "auto-install-status") {
			return
		}
		old := *s
		old.old = nil
		s.set(stateLine.FindStringSubmatch(line)[1], "", l.Offset, line)
		s.old = &old
		return
	case detailLine.MatchString(line):
		if s.state != "" {
			s.detail, s.old = detailLine.FindStringSubmatch(line)[1], nil
		}
		return
	}
	if strings.HasPrefix(line, "pre-nixos: ") {
		s.notice(line, l.Offset)
	}
	if in.has(wordNoDevices, wordPlan, wordDisko) && noDevices.Match(text) && !strings.Contains(a.command, "grep") {
		if !s.empty || in.has(wordNoDevices) {
			s.emptyAt = Evidence{Offset: l.Offset, Line: line}
		}
		s.empty = true
	}
}

func (s *storage) notice(line string, offset int64) {
	if m := otherState.FindStringSubmatch(line); m != nil {
		s.set(m[1], m[2], offset, line)
		return
	}
	for _, n := range sentences {
		if n.pattern.MatchString(line) {
			s.set(n.state, n.detail, offset, line)
			return
		}
	}
}

// set takes a state. A detail that was known of the same state stays known.
func (s *storage) set(state, detail string, offset int64, line string) {
	if state != s.state || detail != "" {
		s.detail = detail
	}
	s.state, s.offset, s.line1, s.old = state, offset, line, nil
}

func (s *storage) end(a *analyzer) {
	if s.state == "" {
		return
	}
	state := s.state
	a.out.StorageState = &state
	a.show("storage_state", s.offset, s.line1)
	if s.detail != "" {
		detail := s.detail
		a.out.StorageDetail = &detail
	}
}

// unit follows what is shown of the provisioner's service.
type unit struct {
	block  string // the unit that "systemctl status" is printing
	state  string // activating, inactive, failed
	offset int64
	line1  string
	child  Evidence // a job that the unit itself waits for
}

var (
	childLine   = regexp.MustCompile(`^ *[└├|` + "`" + `]?[─-]*\d+ .*\bsystemctl (?:start|restart|reload-or-restart) [^-]`)
	statusHead  = regexp.MustCompile(`^(?:\S|â\S*) ([\w@.\\-]+\.(?:service|target|socket|mount|timer))(?: - |$)`)
	activeLine  = regexp.MustCompile(`^ +Active: (\w+)`)
	activeAlone = regexp.MustCompile(`^(?:ActiveState=)?(activating|active|inactive|failed|deactivating)$`)
	logged      = regexp.MustCompile(`systemd\[1\]: (?:(Starting) Pre-NixOS setup|(Finished) Pre-NixOS setup|(Failed) to start Pre-NixOS setup|pre-nixos\.service: (Failed) with result '([\w-]+)'|pre-nixos\.service: (Deactivated) successfully)`)
	onConsole   = regexp.MustCompile(`^\[(?:FAILED|DEPEND)\] (?:Failed to start|Dependency failed for) .*Pre-NixOS setup`)
)

func (u *unit) line(a *analyzer, text []byte, l screen.Line, in wordSet) {
	if text[0] >= 0x80 || text[0] == '*' || text[0] == 'x' {
		if m := statusHead.FindSubmatch(text); m != nil {
			u.block = string(m[1])
		}
	}
	if in.has(wordSystemctl) && u.block == "pre-nixos.service" && childLine.Match(text) {
		u.child = Evidence{Offset: l.Offset, Line: string(text)}
	}
	if in.has(wordActive) && u.block == "pre-nixos.service" {
		if m := activeLine.FindSubmatch(text); m != nil {
			u.set(string(m[1]), l.Offset, text)
		}
	}
	if a.asked.active && len(text) < 32 && (!strings.Contains(a.command, "is-active") || strings.Contains(a.command, "pre-nixos")) {
		if m := activeAlone.FindSubmatch(text); m != nil {
			u.set(string(m[1]), l.Offset, text)
		}
	}
	if !in.has(wordUnit, wordService) {
		return
	}
	if onConsole.Match(text) {
		u.set("failed", l.Offset, text)
	}
	m := logged.FindSubmatch(text)
	switch {
	case m == nil:
	case m[1] != nil:
		u.set("activating", l.Offset, text)
	case m[2] != nil, m[6] != nil:
		u.set("inactive", l.Offset, text)
	case m[4] != nil && string(m[5]) == "signal":
		// A pass that was stopped on purpose.
	default:
		u.set("failed", l.Offset, text)
	}
}

func (u *unit) set(state string, offset int64, text []byte) {
	u.state, u.offset, u.line1 = state, offset, string(text)
}
