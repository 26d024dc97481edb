package report_test

import (
	"fmt"
	"strings"

	"bootaudit/internal/report"
)

func Example() {
	stream := `{"Action":"run","Package":"bootaudit/prereq","Test":"TestHost/kvm"}
{"Action":"attr","Package":"bootaudit/prereq","Test":"TestHost/kvm","Key":"finding","Value":"{\"id\":\"kvm\",\"section\":\"host\",\"outcome\":\"broken\",\"detail\":\"every guest dies\"}"}
{"Action":"fail","Package":"bootaudit/prereq","Test":"TestHost/kvm"}
{"Action":"fail","Package":"bootaudit/prereq"}
`
	run := report.NewRun("events.json")
	for line := range report.Lines(strings.NewReader(stream)) {
		run.Add(line)
	}
	run.End()
	audit := report.NewAudit(run)
	fmt.Println(audit.Host.Verdict)
	for _, f := range audit.Failed() {
		fmt.Println(f.Head())
		fmt.Println(f.Again)
	}
	// Output:
	// This host lacks what the target needs (broken: kvm).
	// kvm: every guest dies
	// go test -count=1 -v -run '^TestHost$/^kvm$' ./prereq
}
