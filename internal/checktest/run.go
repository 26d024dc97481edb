// Package checktest shows checks to go test.
package checktest

import (
	"testing"

	"bootaudit/contract/check"
)

// Of is t as a [check.Test].
func Of(t *testing.T) check.Test { return goTest{t} }

type goTest struct{ *testing.T }

func (t goTest) Run(name string, f func(check.Test)) bool {
	t.Helper()
	return t.T.Run(name, func(t *testing.T) { f(goTest{t}) })
}
