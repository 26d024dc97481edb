package contract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// fault is what is wrong with a contract's text: where, in what, and what was
// wanted and found.
type fault struct {
	line      int
	key, says string
}

// origin is where a contract was read from.
type origin struct {
	file string
	root *node
}

const (
	maxText   = 1 << 20 // bytes of a contract's text
	maxFaults = 50      // that are told of one text
	maxKept   = 1000    // faults after which no more are looked for
	maxDepth  = 16      // of tables in tables; a contract has 4
)

// Parse decodes a contract. Its error has a line for each thing that is wrong
// with it: the text's name and line, the key, what was wanted and what was found.
// The contract is then what could be made of the text.
func Parse(name string, text []byte) (Contract, error) {
	c := Contract{source: &origin{name, table(1)}}
	text = bytes.TrimPrefix(text, bom)
	if why := noText(text); why != "" {
		return c, fmt.Errorf("%s: %s", name, why)
	}
	root, r := read(text)
	c.source.root = root
	if len(root.keys) == 0 && !r.broken {
		return c, fmt.Errorf("%s: is empty; the least that a contract says is: name = \"my-image\"", name)
	}
	r.fillStruct(reflect.ValueOf(&c).Elem(), "", root)
	if !r.broken && !r.full() {
		r.judge(c.faults(), root)
	}
	if r.faults == nil { // TOML forbids more than the tree shows
		var bad *toml.DecodeError
		if err := toml.Unmarshal(text, &map[string]any{}); errors.As(err, &bad) {
			line, _ := bad.Position()
			r.add(line, "", "is no TOML: %s", strings.TrimPrefix(bad.Error(), "toml: "))
		} else if err != nil {
			r.add(1, "", "is no TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		}
	}
	return c, c.source.errorOf(r.faults)
}

// judge adds what is wrong with the values, except where something was wrong with
// their types already: with the value's, with that of a table around it, or of
// what is in it.
func (r *reader) judge(faults []fault, root *node) {
	told, within := map[string]bool{}, map[string]bool{}
	for _, f := range r.faults {
		told[f.key] = true
		for key := range around(f.key) {
			within[key] = true
		}
	}
	for _, f := range faults {
		known := within[f.key]
		for key := range around(f.key) {
			known = known || told[key]
		}
		if !known {
			r.add(root.lineOf(f.key), f.key, "%s", f.says)
		}
	}
}

// around are a key and those of the tables that it is in.
func around(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(key) {
			dot := strings.LastIndexByte(key, '.')
			if dot < 0 {
				return
			}
			key = key[:dot]
		}
	}
}

// errorOf is faults as an error, in the order of their lines; nil for none.
func (o *origin) errorOf(faults []fault) error {
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	var all []error
	for i, f := range faults {
		if i == maxFaults {
			all = append(all, fmt.Errorf("%s: and more", o.file))
			break
		}
		where := fmt.Sprintf("%s:%d", o.file, f.line)
		if f.key != "" {
			where += ": " + f.key
		}
		all = append(all, fmt.Errorf("%s: %s", where, f.says))
	}
	return errors.Join(all...)
}
