// Package report turns a `go test -json` stream into an audit: what was
// tested, what was seen, what follows from it and what to do.
//
// The audit is a function of the stream and of the files in the artifact
// folders that the stream names, so it can be made again from a saved stream
// and merged from the streams of several machines. The stream carries three
// attributes of ours, each JSON: `finding` (a [check.Finding]), `about` (a
// [check.About]) and `vm` (a [record.VM]). Every other test is reported by its outcome and its last words.
//
// What a guest printed is data: it is bounded and cleaned of control codes
// when it enters the [Audit], and escaped by each format that writes it.
//
//	run := report.NewRun("events.json")
//	for line := range report.Lines(file) {
//		run.Add(line)
//	}
//	run.End()
//	audit := report.NewAudit(run)
//	audit.Markdown(os.Stdout)
package report
