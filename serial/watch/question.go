package watch

import (
	"strings"
	"time"

	"bootaudit/internal/verdict"
)

// asksFor is how long a screen must ask the same before it is believed that nobody
// answers: an image's own script may, and an installer's dialogs follow each other.
const asksFor = 15 * time.Second

// waitsForPerson is the tripwire of a screen that asks. Its line is what it asks.
var waitsForPerson = Tripwire{ID: "waits-for-person", Fatal: true, Class: AsksPerson,
	Means:  "the console asks something, and waits for a person's answer",
	Remedy: "answer it in the contract (answers), give the image what it asks for beforehand (preseed, kickstart, key file), or take the question out"}

// question is what a screen has asked, since when.
type question struct {
	asks  string
	still string // the screen, but for what changes by itself
	since time.Time
	at    int64 // bytes of the console that had been read
	stage Stage
}

// questions is the trip of a screen that asks and that nobody answers. Who has
// come to a login looks for a prompt itself, and for no dialog.
func (w *Watch) questions(now time.Time) *Trip {
	if w.cfg.Screen == nil || w.asked || w.command || w.stage.Reached(Shell) {
		w.question = question{}
		return nil
	}
	q := &w.question
	if at := w.lines.Offset(); at != q.at || w.stage != q.stage {
		text, row, col := w.cfg.Screen()
		asks, still := asksWhat(text, row, col, w.stage, w.stage.Reached(Initrd) || w.reader.Spoken())
		if still != q.still {
			q.since = now
		}
		q.asks, q.still, q.at, q.stage = asks, still, at, w.stage
	}
	if q.asks == "" || now.Sub(q.since) < w.patient(asksFor) {
		return nil
	}
	trip := waitsForPerson.trip(w, w.lines.Open().Offset, q.asks)
	if v := w.reader.Verdict(); v.Verdict == verdict.Fails && v.Class != AsksPerson {
		row := Tripwire{ID: v.ID, Means: v.Means, Remedy: v.Remedy, Fatal: true, Class: v.Class} // why it asks
		trip = row.trip(w, v.Cause.Offset, v.Cause.Text)
	}
	trip.At = q.since
	w.deliver(trip)
	return &trip
}

var (
	// menus are screens of boot loaders, which have a tripwire of their own.
	menus = re(`Automatic boot in|\[Tab\] to edit|highlighted entry will be|(?m:^boot: *$)|Use the .* keys to (?:select|change)`)
	// buttons are what a dialog is answered by, one that only ends it apart.
	buttons = re(`< *(?:Go Back|[Oo][Kk]|Yes|No|Continue|Accept|Finish|Back|Next|Exit|Select|Install|Retry|Skip|Done) *>|\[ (?:Continue|Yes|No|Next|Done|Back) +[▸ ]*\]`)
	// urgent is how Debian's installer heads a question.
	urgent = re(`\[(?:!!|!|\?)\] \w`)
	frame  = re(`[│┌┐└┘├┤─┬┴┼║╔╗╚╝═╠╣▒░█]+|(?:^|\s)[|+][-=+]{3,}[|+]?|^\s*\|\s|\s\|\s*$`)
	// memory is the head of a test of the memory, and what it counts; the name alone
	// may be left of a boot menu.
	memory = re(`(?s)(?:Memtest86\+?|MemTest86) [vV]?\d.*\bPass\b.*\bTest\b`)

	// yesNo asks for one of few words, which stand behind it.
	yesNo = re(`[\[(](?:[yYnN]|yes|no|YES|NO)\s?[/|,]\s?(?:[yYnN]|yes|no|YES|NO)(?:[/|,][^\])]{0,20})?[\])]\s?[:?]?$`)
	// pressKey asks for a key, and for nothing else.
	pressKey = re(`(?i)\b(?:press|hit|strike) (?:any key|<?enter>?|<?return>?|a key)(?: key)?\b(?:[^.]{0,10} to (?:continue|proceed|go on|retry|reboot|begin|start|exit)\b.{0,30}|[ .!:]*)$`)
	// entry asks for a word: of a line that ends in a colon most only head others.
	entry = re(`(?i)^\W{0,4}(?:please )?(?:enter|type|choose|select|specify|provide|supply|confirm|which|what|your (?:choice|selection|answer)|choice|selection|answer|user ?name|passphrase|password|pin|boot from)\b.{0,150}:$`)
	words = re(`\pL{2,}.*\s\S`)
)

// asksWhat is what a screen asks of a person, "" where it asks nothing, and the
// screen without what changes while nothing happens: clocks, counters and what the
// kernel prints. Before the kernel was heard, a key may be GRUB's to ask for, which
// goes on without.
func asksWhat(text string, row, col int, stage Stage, heard bool) (asks, still string) {
	switch {
	case !stage.Reached(KernelLoad) && menus.MatchString(text):
		return "", ""
	case memory.MatchString(text):
		return "a test of the memory runs, until somebody ends it", "memory"
	}
	full := strings.Split(text, "\n")
	rows := make([]string, len(full))
	for i, line := range full {
		rows[i] = strings.TrimRight(stamped.ReplaceAllString(line, ""), " ")
	}
	if asks, still = dialog(rows); asks != "" {
		return asks, still
	}
	if !stage.Reached(KernelLoad) || stage.Reached(Login) {
		return "", ""
	}
	if row >= len(rows) {
		row, col = len(rows)-1, -1
	}
	at := row
	for at > 0 && rows[at] == "" {
		at--
	}
	interrupted := rows[at] != strings.TrimRight(full[at], " ")
	end := len([]rune(rows[at]))
	asks = lineAsks(rows[at], interrupted || at == row && end <= col && col <= end+2)
	if !heard && pressKey.MatchString(asks) {
		return "", ""
	}
	return asks, asks
}

var (
	digits = re(`\d+`)
	blanks = re(`\s+`)
	gauge  = re(`\d+ ?%`)
)

// dialog is what a dialog box asks, and the box without what changes by itself; ""
// where there is none that asks. One that shows how far something is asks nothing.
func dialog(rows []string) (asks, still string) {
	text := strings.Join(rows, "\n")
	boxed := frame.MatchString(text)
	if !buttons.MatchString(text) && !(boxed && urgent.MatchString(text)) || gauge.MatchString(text) && !urgent.MatchString(text) {
		return "", ""
	}
	var words, kept []string
	for _, line := range rows {
		if line == "" || boxed && !frame.MatchString(line) && !buttons.MatchString(line) {
			continue // the kernel's words scroll what is around a box
		}
		kept = append(kept, digits.ReplaceAllString(line, "0"))
		if line = strings.TrimSpace(frame.ReplaceAllString(line, " ")); line != "" {
			words = append(words, blanks.ReplaceAllString(line, " "))
		}
	}
	return strings.Join(words, " "), strings.Join(kept, "\n")
}

// lineAsks is a screen's last line, if it asks for an answer. Open is one behind
// which the cursor stands, or the kernel has printed.
func lineAsks(line string, open bool) string {
	line = strings.TrimLeft(line, " ")
	switch {
	case line == "", len(line) > 300, isNoise([]byte(line)):
	case yesNo.MatchString(line), pressKey.MatchString(line),
		open && strings.HasSuffix(line, "?") && words.MatchString(line), open && entry.MatchString(line):
		return line
	}
	return ""
}
