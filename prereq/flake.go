package prereq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"bootaudit/contract/check"
	"bootaudit/internal/nix"
)

// Words by which nix, from 2.8 on, says what kind of failure it was.
var (
	noFlake      = regexp.MustCompile(`could not find a flake\.nix|does not contain a 'flake\.nix'|is not a flake|getting status of '[^']*flake\.nix'`)
	missingInput = regexp.MustCompile(`cannot find flake|getting status of '/|path '[^']*' does not exist|has an unlocked input|input '[^']*' (?:follows|does not)|called without required argument|requires lock file changes`)
	hasPlace     = regexp.MustCompile(`\S+:\d+:\d+`)
	evaluating   = regexp.MustCompile(`(?m)^evaluating '([^']+)'\.\.\.$`)
)

func (a auditor) flakeEvaluates(ctx context.Context) check.Result {
	cmd := a.nixCommand("flake", "show", "--json", "--no-write-lock-file", a.subject.Target.Flake)
	out, bad := a.answer(ctx, cmd)
	if bad != nil {
		r := *bad
		if !errors.Is(out.Err, context.DeadlineExceeded) {
			r = classifyFlake(out)
		}
		r.Command, r.Evidence = cmd.String(), out.Stderr
		return r
	}
	var shown map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out.Stdout), &shown); err != nil {
		r := check.Break(fmt.Sprintf("nix flake show prints %.60q instead of JSON", firstLine(out.Stdout)))
		r.Command, r.Evidence = cmd.String(), out.Stderr+out.Stdout
		return r
	}
	r := check.Hold(fmt.Sprintf("%s shows its %d outputs", a.subject.Target.Flake, len(shown)))
	r.Command, r.Evidence = cmd.String(), out.Stdout
	return r
}

// classifyFlake tells apart why a flake does not evaluate, by nix's words.
func classifyFlake(out output) check.Result {
	words := saidBy(out)
	switch {
	case nix.NoNetwork(words):
		return check.Miss("no network for an input that is not here yet: " + words)
	case noFlake.MatchString(words):
		return check.Break("there is no flake: " + words)
	case missingInput.MatchString(words):
		return check.Break("an input is missing: " + words)
	}
	detail := "evaluation error: " + words
	if in := evaluating.FindAllStringSubmatch(out.Stderr, -1); in != nil && !hasPlace.MatchString(words) {
		detail += ", in " + in[len(in)-1][1]
	}
	return check.Break(detail)
}
