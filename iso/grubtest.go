package iso

import (
	"slices"
	"strconv"
	"strings"
)

// test is what [ ... ] says.
func (p *grub) test(words []word) truth {
	args := words[1:]
	if words[0].text == "[" {
		if len(args) == 0 || args[len(args)-1].text != "]" {
			return no
		}
		args = args[:len(args)-1]
	}
	if len(args) == 0 {
		return yes
	}
	t := &tester{grub: p, args: args}
	return t.or(0)
}

type tester struct {
	*grub
	args []word
}

func (t *tester) peek() string {
	if len(t.args) == 0 {
		return ""
	}
	return t.args[0].text
}

func (t *tester) or(depth int) truth {
	result := t.and(depth)
	for t.peek() == "-o" {
		t.args = t.args[1:]
		switch next := t.and(depth); {
		case result == yes || next == yes:
			result = yes
		case result == maybe || next == maybe:
			result = maybe
		}
	}
	return result
}

func (t *tester) and(depth int) truth {
	result := t.one(depth)
	for len(t.args) > 0 && t.peek() != "-o" && t.peek() != ")" {
		if t.peek() == "-a" {
			t.args = t.args[1:]
		}
		switch next := t.one(depth); {
		case result == no || next == no:
			result = no
		case result == maybe || next == maybe:
			result = maybe
		}
	}
	return result
}

var fileTests, stringTests = []string{"-d", "-e", "-f", "-s"}, []string{"-n", "-z"}

func (t *tester) one(depth int) truth {
	if len(t.args) == 0 || depth > maxNested {
		t.args = nil
		return no
	}
	first := t.args[0]
	if len(t.args) >= 3 {
		if result, ok := t.compare(first, t.args[1].text, t.args[2]); ok {
			t.args = t.args[3:]
			return result
		}
	}
	switch {
	case first.text == "!":
		t.args = t.args[1:]
		return t.one(depth + 1).not()
	case first.text == "(":
		t.args = t.args[1:]
		result := t.or(depth + 1)
		if t.peek() == ")" {
			t.args = t.args[1:]
		}
		return result
	case len(t.args) >= 2 && slices.Contains(stringTests, first.text):
		v := t.args[1]
		t.args = t.args[2:]
		if v.why != "" && v.text == "" {
			return maybe
		}
		return truthOf((v.text == "") == (first.text == "-z"))
	case len(t.args) >= 2 && slices.Contains(fileTests, first.text):
		v := t.args[1].value
		t.args = t.args[2:]
		return t.file(first.text, v)
	}
	t.args = t.args[1:]
	if first.why != "" && first.text == "" {
		return maybe
	}
	return truthOf(first.text != "")
}

// file is what the image has of a file.
func (t *tester) file(test string, v value) truth {
	name := t.name(v)
	if v.unsure() || elsewhere(name) {
		return maybe
	}
	size, dir, err := t.stat(name)
	switch {
	case err != nil:
		return no
	case test == "-d":
		return truthOf(dir)
	case test == "-f":
		return truthOf(!dir)
	case test == "-s":
		return truthOf(size > 0)
	}
	return yes
}

func (t *tester) compare(a word, how string, b word) (result truth, ok bool) {
	less := strings.Compare(a.text, b.text)
	switch how {
	case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
		m, errA := strconv.Atoi(a.text)
		n, errB := strconv.Atoi(b.text)
		if errA != nil || errB != nil {
			return maybe, true
		}
		less = m - n
	case "=", "==", "!=", "<", "<=", ">", ">=":
	case "-pgt", "-plt", "-nt", "-ot":
		return maybe, true
	default:
		return no, false
	}
	if a.why != "" || b.why != "" {
		return maybe, true
	}
	switch how {
	case "=", "==", "-eq":
		return truthOf(less == 0), true
	case "!=", "-ne":
		return truthOf(less != 0), true
	case "<", "-lt":
		return truthOf(less < 0), true
	case "<=", "-le":
		return truthOf(less <= 0), true
	case ">", "-gt":
		return truthOf(less > 0), true
	default:
		return truthOf(less >= 0), true
	}
}
