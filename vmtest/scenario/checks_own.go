package scenario

import (
	"context"
	"fmt"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// ownChecks run the contract's own commands.
func (s *session) ownChecks(need string) (checks []check.Check) {
	for _, own := range s.fleet.subject.Contract.Checks {
		checks = append(checks, s.row(need, own.ID, own.Condition, own.Command, nil, own.Remedy, "own",
			func(ctx context.Context) check.Result { return s.own(ctx, own) }))
	}
	return checks
}

func (s *session) own(ctx context.Context, own contract.Check) check.Result {
	result, err := s.VM().Run(ctx, own.Command)
	if err != nil {
		return s.Broke(err)
	}
	said := strings.TrimSpace(string(result.Stdout))
	evidence := said
	if errors := strings.TrimSpace(string(result.Stderr)); errors != "" {
		evidence += "\nstderr: " + errors
	}
	switch {
	case result.Status != own.Status:
		return check.Break(fmt.Sprintf("exit status %d; the contract says %d", result.Status, own.Status)).With(evidence)
	case own.Output.Regexp != nil && !own.Output.MatchString(said):
		return check.Break(fmt.Sprintf("its output does not match %q", own.Output.String())).With(evidence)
	}
	return check.Hold(fmt.Sprintf("exit status %d", result.Status)).With(evidence)
}
