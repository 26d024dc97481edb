package quote

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// Split is the words of a line that is quoted as for a shell. No shell reads it:
// what one would put in place of a name or a command is an error.
func Split(line string) (words []string, err error) {
	fail := func(why any) ([]string, error) { return nil, fmt.Errorf("%q: %v", line, why) }
	var all []*syntax.Word
	for w, err := range syntax.NewParser().WordsSeq(strings.NewReader(line)) {
		if err != nil {
			return fail(err)
		}
		var live syntax.Node
		syntax.Walk(w, func(n syntax.Node) bool {
			switch n.(type) {
			case *syntax.ParamExp, *syntax.CmdSubst, *syntax.ArithmExp, *syntax.ProcSubst:
				live = n
			}
			return live == nil
		})
		if live != nil {
			return fail(fmt.Sprintf("%s is put in place by no shell here; write it out, or quote it with '", line[live.Pos().Offset():live.End().Offset()]))
		}
		all = append(all, w)
	}
	if words, err = expand.Fields(&expand.Config{Env: expand.ListEnviron()}, all...); err != nil {
		return fail(err)
	}
	return words, nil
}
