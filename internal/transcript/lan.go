package transcript

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"bootaudit/internal/screen"
)

// lan gathers what is shown of the interface lan, and counts the lines with
// which the service announces its address on the console. The login notice has
// the same line, behind the image's version.
type lan struct {
	iface  string // whose block of "ip addr" or "networkctl status" is printed
	notice bool   // a login notice is being printed
	feeds  int    // the carriage returns of its first line
	given  bool   // the notice has had its line
}

var (
	announced  = regexp.MustCompile(`LAN IPv4 address(?:: (\d{1,3}(?:\.\d{1,3}){3})| unavailable(?: \(.*\))?)$`)
	version    = regexp.MustCompile(`(?:^|[^:\]] ?)pre-nixos boot image version \S+$`)
	lanStatus  = regexp.MustCompile(`^LAN_IPV4=(\d{1,3}(?:\.\d{1,3}){3})$`)
	oneLine    = regexp.MustCompile(`^\d+: lan(?:@\S+)? +inet (\d{1,3}(?:\.\d{1,3}){3})`)
	ifaceBlock = regexp.MustCompile(`^(?:\S )?\s*\d+: ([\w.-]+)(?:@\S+)?(?::|$)`)
	inet       = regexp.MustCompile(`^\s+inet (\d{1,3}(?:\.\d{1,3}){3})`)
	address    = regexp.MustCompile(`^\s*Address: (\d{1,3}(?:\.\d{1,3}){3})`)
	lease      = regexp.MustCompile(`\blan: DHCPv4 address (\d{1,3}(?:\.\d{1,3}){3})`)
	event      = regexp.MustCompile(`"interface": "lan".*"(?:address|ipv4|ipv4_address|lan_ipv4)": "(\d{1,3}(?:\.\d{1,3}){3})|"(?:address|ipv4|ipv4_address|lan_ipv4)": "(\d{1,3}(?:\.\d{1,3}){3}).*"interface": "lan"`)
)

// ready: a shell waits, so whatever was printed is over.
func (n *lan) ready() { n.iface, n.notice = "", false }

// halves looks at a line that was put together from two; only what spans both
// is news.
func (n *lan) halves(a *analyzer, text []byte, l screen.Line) {
	if m := announced.FindSubmatchIndex(text); m != nil && m[0] < len(a.carry) {
		n.announcement(a, text, m, l)
	}
}

// numbered says whether a text begins with a number and a colon, as each of many
// lines is asked, most of them a kernel's.
func numbered(text []byte) bool {
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	from := i
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return i > from && i < len(text) && text[i] == ':'
}

// afterSign is what comes behind the dot that networkctl draws, or another sign.
func afterSign(text []byte) []byte {
	return text[bytes.IndexByte(text[:min(len(text), 5)], ' ')+1:]
}

func (n *lan) line(a *analyzer, text []byte, l screen.Line, in wordSet) {
	if in.has(wordAnnounced) {
		if m := announced.FindSubmatchIndex(text); m != nil {
			n.announcement(a, text, m, l)
			return
		}
	}
	if in.has(wordVersion) && version.Match(text) && !a.logged(text) {
		n.version(a, l)
	}
	if numbered(text) || numbered(afterSign(text)) {
		if m := ifaceBlock.FindSubmatch(text); m != nil {
			n.iface = string(m[1])
		}
	}
	for _, p := range lanPatterns {
		if !in.has(p.word) || p.inBlock && n.iface != "lan" {
			continue
		}
		for _, ip := range p.pattern.FindSubmatch(text) {
			if len(ip) > 0 && len(ip) < 16 {
				n.address(a, string(ip), text, l)
				return
			}
		}
	}
}

// lanPatterns show the address of lan; some do so only in its own block.
var lanPatterns = []struct {
	word    word
	inBlock bool
	pattern *regexp.Regexp
}{
	{wordInet, false, oneLine}, {wordLANStatus, false, lanStatus}, {wordLease, false, lease},
	{wordLANQuoted, false, event}, {wordInet, true, inet}, {wordAddress, true, address},
}

func (n *lan) address(a *analyzer, ip string, text []byte, l screen.Line) {
	a.out.LANIPv4 = &ip
	a.show("lan_ipv4", l.Offset, string(text))
}

// version opens a login notice, unless the line is the service's own: that
// comes twice, or with a carriage return more than the terminal gives.
func (n *lan) version(a *analyzer, l screen.Line) {
	reached := func(stage string) bool { return slices.Contains(a.out.Stages, stage) }
	switch {
	case !reached("issue") && !reached("autologin") && !reached("shell") && len(a.out.Stages) > 0:
		return // nobody has logged in
	case reached("shell") && a.command != unknown && !shells.MatchString(a.command):
		return // nobody logs in
	case n.notice && !n.given:
		n.notice = false
	case l.Feeds > a.usualFeeds():
	default:
		n.notice, n.given, n.feeds = true, false, l.Feeds
	}
}

// usualFeeds is the number of carriage returns that most lines end in.
func (a *analyzer) usualFeeds() int {
	usual, most := 0, 0
	for feeds, n := range a.feeds {
		if n > most || n == most && feeds < usual {
			usual, most = feeds, n
		}
	}
	return usual
}

// logged is true of a line out of a journal.
func (a *analyzer) logged(text []byte) bool {
	return bytes.Contains(text, []byte("]: ")) && journalLine.Match(text) ||
		strings.Contains(a.command, "journalctl") && logCat.MatchString(a.command)
}

var (
	journalLine = regexp.MustCompile(`[\w@.-]+\[\d+\]: `)
	logCat      = regexp.MustCompile(`(?:-o ?|--output[= ])cat\b`)
	// named is a command that names the line instead of printing it.
	named = regexp.MustCompile(`\b(?:grep|echo|printf|wall)(?: -\S+)* $`)
	// shells are the commands that print a login notice.
	shells = regexp.MustCompile(`\b(?:su|sudo|login|bash|sh|exec|machinectl)\b`)
)

// quoted is true when the text before the line leaves a quotation open.
func quoted(before []byte) bool {
	return bytes.Count(before, []byte("'"))%2 == 1 || bytes.Count(before, []byte(`"`))%2 == 1 || named.Match(before)
}

func (n *lan) announcement(a *analyzer, text []byte, m []int, l screen.Line) {
	if m[2] >= 0 {
		n.address(a, string(text[m[2]:m[3]]), text, l)
	}
	if a.logged(text) || quoted(text[:m[0]]) {
		return
	}
	if n.notice && !n.given && m[2] >= 0 && (l.End != screen.CRLF || l.Feeds == n.feeds) {
		n.given = true
		return
	}
	a.out.LANAnnouncements++
	a.show("lan_announcements", l.Offset, string(text))
}
