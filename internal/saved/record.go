package saved

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxRecord is the longest line of a file of records.
const maxRecord = 1 << 20

// record is a kind of file in which each line is a JSON object.
type record struct {
	form   string
	before string   // the object
	keys   []string // that its first line has
	// read is what the guest wrote in it; nil, and e without a message, where it is
	// none of its. An error is that of an object that is none.
	read func(object []byte, e *entry) (text []byte, err error)
}

var records = []record{
	{"journal JSON", "", []string{`"__REALTIME_TIMESTAMP"`}, readJournal},
	{"journal JSON", "", []string{`"MESSAGE"`}, readJournal},
	{"journal JSON", "data: ", []string{`"__CURSOR"`}, readJournal}, // -o json-sse
	{"journal JSON", "\x1e", []string{`"__CURSOR"`}, readJournal},   // -o json-seq
	{"container JSON", "", []string{`"log"`, `"stream"`}, readContainer},
	{"LAVA log", "- ", []string{`"lvl"`, `"msg"`}, readLAVA},
}

// recordKind tells the kind by the beginning of a file, nil for none.
func recordKind(start []byte) *record {
	start = bytes.TrimLeft(start, "\r\n")
	if i := bytes.IndexByte(start, '\n'); i >= 0 {
		start = start[:i]
	}
kinds:
	for i, kind := range records {
		if !bytes.HasPrefix(start, []byte(kind.before+"{")) {
			continue
		}
		for _, key := range kind.keys {
			if !bytes.Contains(start, []byte(key)) {
				continue kinds
			}
		}
		return &records[i]
	}
	return nil
}

// readRecords reads one object a line. A line that is none is passed on.
func (r *Reader) readRecords(in *bufio.Reader, kind *record) error {
	var line []byte
	for {
		at := r.at
		var err error
		if line, err = r.longLine(in, line[:0], maxRecord); err != nil && len(line) == 0 {
			return ended(err)
		}
		object, found := bytes.CutPrefix(line, []byte(kind.before))
		object = bytes.TrimSpace(object)
		if !found || len(object) == 0 || object[0] != '{' {
			r.give(line, at)
			continue
		}
		e := entry{at: at, inLine: true}
		text, err := kind.read(object, &e)
		switch {
		case err != nil:
			r.give(line, at)
		case text != nil:
			r.give(text, at)
		default:
			r.entry(&e)
		}
	}
}

func readJournal(object []byte, e *entry) ([]byte, error) {
	var fields struct {
		Message    json.RawMessage `json:"MESSAGE"`
		Identifier journalText     `json:"SYSLOG_IDENTIFIER"`
		Comm       journalText     `json:"_COMM"`
		PID        journalText     `json:"_PID"`
		SyslogPID  journalText     `json:"SYSLOG_PID"`
		Transport  journalText     `json:"_TRANSPORT"`
		Monotonic  journalText     `json:"__MONOTONIC_TIMESTAMP"`
		Source     journalText     `json:"_SOURCE_MONOTONIC_TIMESTAMP"`
	}
	if err := unmarshal(object, &fields); err != nil || len(fields.Message) == 0 {
		return nil, err
	}
	at := e.at
	var message journalText
	_ = message.UnmarshalJSON(fields.Message)
	for _, f := range []struct {
		name  string
		value journalText
	}{
		{"SYSLOG_IDENTIFIER", fields.Identifier}, {"_COMM", fields.Comm}, {"_PID", fields.PID}, {"SYSLOG_PID", fields.SyslogPID},
		{"_TRANSPORT", fields.Transport}, {"__MONOTONIC_TIMESTAMP", fields.Monotonic}, {"_SOURCE_MONOTONIC_TIMESTAMP", fields.Source},
	} {
		if len(f.value) > 0 {
			e.set(f.name, f.value, at)
		}
	}
	e.set("MESSAGE", message, at)
	return nil, nil
}

// unmarshal reads an object. That a field is of another kind is no error.
func unmarshal(object []byte, to any) error {
	err := json.Unmarshal(object, to)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return nil
	}
	return err
}

// journalText is a field's value: a text, the numbers of its bytes where it is
// no UTF-8, or several of them, of which the first counts. What is none of
// these is empty.
type journalText []byte

func (t *journalText) UnmarshalJSON(p []byte) error {
	// Most are a text without an escape.
	if last := len(p) - 1; last > 0 && p[0] == '"' && bytes.IndexByte(p, '\\') < 0 && utf8.Valid(p) {
		*t = append((*t)[:0], p[1:last]...)
		return nil
	}
	var text string
	var numbers []int
	var several []json.RawMessage
	switch {
	case json.Unmarshal(p, &text) == nil:
		*t = journalText(text)
	case json.Unmarshal(p, &numbers) == nil:
		*t = nil
		for _, n := range numbers {
			*t = append(*t, byte(n))
		}
	case json.Unmarshal(p, &several) == nil && len(several) > 0 && several[0][0] == '"':
		return t.UnmarshalJSON(several[0])
	}
	return nil
}

// readContainer reads what Docker's json-file driver writes.
func readContainer(object []byte, _ *entry) ([]byte, error) {
	var fields struct {
		Log *string `json:"log"`
	}
	if err := unmarshal(object, &fields); err != nil || fields.Log == nil {
		return nil, err
	}
	return []byte(*fields.Log), nil
}

// readLAVA reads a job's log as LAVA keeps it; only what has the level "target"
// is the device's.
func readLAVA(object []byte, _ *entry) ([]byte, error) {
	var fields struct {
		Level   string          `json:"lvl"`
		Message json.RawMessage `json:"msg"`
	}
	if err := unmarshal(object, &fields); err != nil || fields.Level != "target" {
		return nil, err
	}
	var text string
	if json.Unmarshal(fields.Message, &text) != nil {
		return nil, nil
	}
	return append([]byte(text), '\n'), nil
}
