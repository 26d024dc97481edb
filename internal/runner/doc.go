// Package runner runs tests without go test, and writes the events that
// go test -json would: so there is one format and one report, with Go on the
// machine and without.
//
//	stream := &runner.Stream{Out: os.Stdout}
//	ok := stream.Package(ctx, "bootaudit/prereq", "TestHost", func(t check.Test) {
//		check.Run(t, checks, false)
//	})
package runner
