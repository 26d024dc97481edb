package contract

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// node is a value of a TOML text, with the line that it stands on. go-toml's own
// decoder ends at the first value of a wrong type; here all are wanted at once.
type node struct {
	line int
	kind unstable.Kind // a table is an InlineTable, however it was written
	text string        // of a string what it means, of another scalar what is written
	list []*node       // of an Array
	keys []string      // of a table, in their order
	by   map[string]*node

	header bool // a table that a [header] has opened
	tables bool // an Array that [[headers]] have made
}

func table(line int) *node {
	return &node{line: line, kind: unstable.InlineTable, by: map[string]*node{}}
}

func (n *node) isTable() bool { return n.kind == unstable.InlineTable }

func (n *node) put(key string, child *node) {
	n.keys = append(n.keys, key)
	n.by[key] = child
}

// lineOf is the line of what key names, or of the table it belongs in.
func (n *node) lineOf(key string) int {
	for part := range strings.SplitSeq(key, ".") {
		next := n.by[part]
		if i, err := strconv.Atoi(part); err == nil && n.kind == unstable.Array && i >= 1 && i <= len(n.list) {
			next = n.list[i-1]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.line
}

// reader makes the tree of a text.
type reader struct {
	unstable.Parser
	ends   []int // where the lines end
	faults []fault
	broken bool // the text is no TOML, and was read so far only
}

// read makes the tree of text, as far as that is TOML. What else TOML forbids,
// go-toml has to say.
func read(text []byte) (*node, *reader) {
	r := &reader{}
	for at, c := range text {
		if c == '\n' {
			r.ends = append(r.ends, at)
		}
	}
	r.Reset(text)
	root := table(1)
	within, prefix := root, ""
	for !r.full() && r.NextExpression() {
		switch e := r.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			within, prefix = r.open(root, e)
		case unstable.KeyValue:
			r.set(within, prefix, e, 0)
		}
	}
	if err := r.Error(); err != nil {
		r.broken = true
		f := fault{line: len(r.ends) + 1, says: "is no TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
		if at, ok := err.(*unstable.ParserError); ok {
			f.line = r.lineAt(r.Range(at.Highlight).Offset)
		}
		r.faults = append(r.faults, f)
	}
	return root, r
}

// full says that there are more faults than anybody reads.
func (r *reader) full() bool { return len(r.faults) >= maxKept }

// lineAt is the line of an offset in the text.
func (r *reader) lineAt(offset uint32) int {
	i, _ := slices.BinarySearch(r.ends, int(offset))
	return i + 1
}

func (r *reader) add(line int, key, says string, args ...any) {
	r.faults = append(r.faults, fault{line, key, fmt.Sprintf(says, args...)})
}

// open is the table that a header opens, and what its keys begin with. Where
// there can be none, it is one that belongs to nothing.
func (r *reader) open(root *node, e *unstable.Node) (within *node, prefix string) {
	parts, line := r.key(e)
	for i, part := range parts {
		last := i == len(parts)-1
		next := root.by[part]
		name := join(prefix, part)
		switch {
		case next == nil && last && e.Kind == unstable.ArrayTable:
			next = &node{line: line, kind: unstable.Array, tables: true}
			root.put(part, next)
		case next == nil:
			next = table(line)
			root.put(part, next)
		}
		list := next.kind == unstable.Array
		switch {
		case list != next.tables, !list && !next.isTable(), last && list != (e.Kind == unstable.ArrayTable):
			r.add(line, name, "is %s on line %d, and cannot be a table here", describe(next), next.line)
			return table(line), name
		case last && next.header:
			r.add(line, name, "stands a second time, after line %d", next.line)
			return table(line), name
		case last && list:
			next.list = append(next.list, table(line))
		case last:
			next.header, next.line = true, line
		}
		if list {
			name = fmt.Sprintf("%s.%d", name, len(next.list))
			next = next.list[len(next.list)-1]
		}
		root, prefix = next, name
	}
	return root, prefix
}

// set puts what an expression key = value says into a table.
func (r *reader) set(within *node, prefix string, e *unstable.Node, depth int) {
	parts, line := r.key(e)
	for i, part := range parts {
		next := within.by[part]
		name := join(prefix, part)
		switch last := i == len(parts)-1; {
		case next != nil && (last || !next.isTable()):
			r.add(line, name, "is set a second time, after line %d", next.line)
			return
		case last:
			within.put(part, r.value(name, e.Value(), line, depth))
		case next == nil:
			next = table(line)
			within.put(part, next)
		}
		within, prefix = next, name
	}
}

// value is the tree of a value. Nothing in a contract is so deep as what is left
// out of one: what is around that is of a wrong type.
func (r *reader) value(name string, v *unstable.Node, line, depth int) *node {
	if v.Raw.Length > 0 {
		line = r.lineAt(v.Raw.Offset)
	}
	n := &node{line: line, kind: v.Kind, text: string(v.Data)}
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		n = table(line)
		for depth < maxDepth && children.Next() {
			r.set(n, name, children.Node(), depth+1)
		}
	case unstable.Array:
		for depth < maxDepth && children.Next() {
			n.list = append(n.list, r.value(fmt.Sprintf("%s.%d", name, len(n.list)+1), children.Node(), line, depth+1))
		}
	}
	return n
}

// key is the parts of an expression's key, as far as a contract could have them,
// and its line.
func (r *reader) key(e *unstable.Node) (parts []string, line int) {
	for at := e.Key(); at.Next(); {
		if line == 0 {
			line = r.lineAt(at.Node().Raw.Offset)
		}
		if len(parts) < maxDepth {
			parts = append(parts, string(at.Node().Data))
		}
	}
	return parts, line
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join is a dotted key, of parts that anybody may have written.
func join(prefix, part string) string {
	if !bareKey.MatchString(part) || len(part) > mostQuoted {
		part = quoted(part)
	}
	if prefix == "" {
		return part
	}
	return prefix + "." + part
}

// quoted is the beginning of a text, in quotes.
func quoted(text string) string {
	return strconv.QuoteToGraphic(cut(text))
}

// mostQuoted is what a sentence has of a text that somebody wrote, in bytes.
const mostQuoted = 60

func cut(text string) string {
	if len(text) > mostQuoted {
		return strings.ToValidUTF8(text[:mostQuoted], "") + "..."
	}
	return text
}

// describe says what a node is.
func describe(n *node) string {
	switch n.kind {
	case unstable.String:
		return "the string " + quoted(n.text)
	case unstable.Integer, unstable.Float:
		return "the number " + cut(n.text)
	case unstable.Bool:
		return n.text
	case unstable.Array:
		if n.tables {
			return "a list of tables"
		}
		return "a list"
	case unstable.InlineTable:
		return "a table"
	default:
		return "the time " + n.text
	}
}

var bom = []byte("\uFEFF")

// noText says why text can be no TOML at all; "" where it may be.
func noText(text []byte) string {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return fmt.Sprintf("is no text: byte %d of it is zero", i+1)
	}
	if valid := bytes.ToValidUTF8(text, nil); len(valid) != len(text) {
		i := 0
		for i < len(valid) && valid[i] == text[i] {
			i++
		}
		return fmt.Sprintf("is no UTF-8 text: its byte %d is 0x%02x", i+1, text[i])
	}
	if len(text) > maxText {
		return fmt.Sprintf("is no contract: it has more than %d KiB", maxText>>10)
	}
	return ""
}
