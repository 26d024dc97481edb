// Package check says what a check is, what it may find, and how checks that need
// one another are resolved.
//
// A [Check] is a condition, how it is tested, what to do when it does not hold,
// and a probe that looks. A [Finding] is what became of it, with its evidence; its
// [Outcome] is one of six. A [Table] resolves each of its checks once, and what
// it needs before it: one whose needs do not hold is not tried, and names the one
// to blame.
//
// Nothing here knows go test, QEMU or nix: a table is data, which more than one
// door can show.
package check
