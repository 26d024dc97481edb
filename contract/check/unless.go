package check

import "context"

// Unless is a [Check]'s Applies for what depends on nothing but a promise: whyNot,
// where it is not made.
func Unless(promised bool, whyNot string) func(context.Context) string {
	return func(context.Context) string {
		if promised {
			return ""
		}
		return whyNot
	}
}

// With is r with evidence.
func (r Result) With(evidence string) Result {
	r.Evidence = evidence
	return r
}
