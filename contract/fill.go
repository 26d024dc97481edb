package contract

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"bootaudit/internal/near"
)

// fill sets to, a field of a Contract, to what n has, as far as that is of its
// type.
func (r *reader) fill(to reflect.Value, key string, n *node) {
	switch into := to.Addr().Interface().(type) {
	case *Pattern:
		if n.kind != unstable.String {
			r.wanted("a regular expression as a string", key, n)
			return
		}
		if err := into.UnmarshalText([]byte(n.text)); err != nil {
			why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
			r.add(n.line, key, "wanted a regular expression, found the string %s: %s", quoted(n.text), strings.TrimSuffix(why, ": `"+n.text+"`"))
		}
		return
	case *Date:
		if n.kind != unstable.String && n.kind != unstable.LocalDate || into.UnmarshalText([]byte(n.text)) != nil {
			r.wanted("a day such as 2026-12-31", key, n)
		}
		return
	case *string:
		if n.kind != unstable.String {
			r.wanted("a string", key, n)
			return
		}
		*into = n.text
		return
	case *bool:
		if n.kind != unstable.Bool {
			r.wanted("true or false", key, n)
			return
		}
		*into = n.text == "true"
		return
	case *int:
		number, err := strconv.ParseInt(n.text, 0, strconv.IntSize)
		if n.kind != unstable.Integer || err != nil {
			r.wanted("a whole number", key, n)
			return
		}
		*into = int(number)
		return
	}
	switch to.Kind() {
	case reflect.Slice:
		r.fillList(to, key, n)
	case reflect.Map:
		if !n.isTable() {
			r.wanted("a table", key, n)
			return
		}
		to.Set(reflect.MakeMap(to.Type()))
		for _, name := range n.keys {
			if r.full() {
				return
			}
			value := reflect.New(to.Type().Elem()).Elem()
			r.fill(value, join(key, name), n.by[name])
			to.SetMapIndex(reflect.ValueOf(name), value)
		}
	case reflect.Struct:
		r.fillStruct(to, key, n)
	default:
		panic(fmt.Sprintf("contract: a field of type %s", to.Type()))
	}
}

// topKeys are the keys of a contract that a header before them takes away.
var topKeys = func() (names []string) {
	for field := range reflect.TypeFor[Contract]().Fields() {
		if field.Type.Kind() == reflect.Slice || field.Type.Kind() == reflect.String {
			names = append(names, field.Tag.Get("toml"))
		}
	}
	return names
}()

func (r *reader) wanted(what, key string, n *node) {
	r.add(n.line, key, "wanted %s, found %s", what, describe(n))
}

func (r *reader) fillList(to reflect.Value, key string, n *node) {
	if n.kind != unstable.Array {
		what := "a list"
		if to.Type().Elem().Kind() == reflect.Struct {
			what = "tables, each headed [[" + key + "]]"
		}
		r.wanted(what, key, n)
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(n.list), len(n.list)))
	for i, entry := range n.list {
		if r.full() {
			return
		}
		r.fill(to.Index(i), fmt.Sprintf("%s.%d", key, i+1), entry)
	}
}

func (r *reader) fillStruct(to reflect.Value, key string, n *node) {
	if !n.isTable() {
		r.wanted("a table", key, n)
		return
	}
	fields := map[string]reflect.Value{}
	var known []string
	for i := range to.NumField() {
		if name := to.Type().Field(i).Tag.Get("toml"); name != "" {
			fields[name] = to.Field(i)
			known = append(known, name)
		}
	}
	for _, name := range n.keys {
		if r.full() {
			return
		}
		if field, ok := fields[name]; ok {
			r.fill(field, join(key, name), n.by[name])
		} else {
			hint := near.Hint(name, known)
			if slices.Contains(topKeys, name) { // TOML's own trap
				hint = "; " + name + " of the contract itself stands before the first header"
			}
			r.add(n.by[name].line, join(key, name), "there is no such key%s", hint)
		}
	}
}
