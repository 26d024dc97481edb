package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/prereq"
)

// found makes a stream of findings, each under TestImage.
func found(t *testing.T, findings ...prereq.Finding) *Audit {
	t.Helper()
	run := NewRun("in")
	add := func(e Event) {
		e.Package = "bootaudit/iso"
		run.Add(Line{Event: &e})
	}
	ended := "pass"
	for _, f := range findings {
		if f.Outcome == prereq.Broken {
			ended = "fail"
		}
		value, err := json.Marshal(f)
		require.NoError(t, err)
		name := "TestImage/" + f.ID
		status := map[prereq.Outcome]string{prereq.Holds: "pass", prereq.Broken: "fail"}[f.Outcome]
		add(Event{Action: "run", Test: name})
		add(Event{Action: "attr", Test: name, Key: prereq.FindingAttr, Value: string(value)})
		add(Event{Action: cmp.Or(status, "skip"), Test: name})
	}
	add(Event{Action: ended})
	run.End()
	return NewAudit(run)
}

// TestOneCauseOneFollowUp: what was not tried because of another check is
// counted there, and does not bury it.
func TestOneCauseOneFollowUp(t *testing.T) {
	a := found(t,
		prereq.Finding{ID: "opens", Section: "image", Outcome: prereq.Absent, Detail: "no such file", Remedy: "name one"},
		prereq.Finding{ID: "menu", Section: "image", Outcome: prereq.Unknown, Because: "opens", Remedy: "a"},
		prereq.Finding{ID: "console", Section: "image", Outcome: prereq.Unknown, Because: "opens", Remedy: "b"},
		prereq.Finding{ID: "alone", Section: "image", Outcome: prereq.Unknown, Remedy: "c"},
	)
	var heads []string
	for _, f := range a.FollowUps {
		heads = append(heads, f.Head())
	}
	assert.Equal(t, []string{"opens: no such file; not tried because of it: 2 checks", "alone: "}, heads)
	assert.Equal(t, "The image is not what the boot test needs (absent: opens). Could not be told: alone. Not tried because of that: 2 more.", a.Image.Verdict)
}

func TestFollowUpsAreOrderedAndOnce(t *testing.T) {
	a := found(t,
		prereq.Finding{ID: "risky", Section: "image-gap", Outcome: prereq.Holds, Risk: "slow", FollowUp: "buy"},
		prereq.Finding{ID: "doubt", Section: "image", Outcome: prereq.Unknown, Remedy: "look"},
		prereq.Finding{ID: "missing", Section: "image", Outcome: prereq.Absent, Remedy: "install"},
		prereq.Finding{ID: "missing-too", Section: "image", Outcome: prereq.Absent, Remedy: "install"},
		prereq.Finding{ID: "bad", Section: "image", Outcome: prereq.Broken, Remedy: "mend"},
	)
	var list []string
	for _, f := range a.FollowUps {
		list = append(list, fmt.Sprint(f.Kind, f.IDs))
	}
	assert.Equal(t, []string{"broken[bad]", "absent[missing missing-too]", "unknown[doubt]", "risk[risky]"}, list)
	// Absent and unknown were skipped here, so only what is broken fails.
	require.Len(t, a.Failed(), 1)
	assert.Equal(t, []string{"bad"}, a.Failed()[0].IDs)
}

func TestAgainCanBeTyped(t *testing.T) {
	test := &Test{Name: "TestVM/it's $(odd).x", Package: &Package{Name: "bootaudit/vmtest"}}
	assert.Equal(t, `go test -count=1 -v -run "^TestVM\$/^it's \\\$\\(odd\\)\\.x\$" ./vmtest`, again(test))
}

func TestConcludeIsBounded(t *testing.T) {
	var findings []prereq.Finding
	for i := range 100 {
		findings = append(findings, prereq.Finding{ID: fmt.Sprint("check-", i), Section: "host", Outcome: prereq.Broken})
	}
	var b bytes.Buffer
	found(t, findings...).Conclude(&b, "out")
	assert.Equal(t, 20, strings.Count(b.String(), "BROKEN"))
	assert.Contains(t, b.String(), "and 80 more, in the report")
}

func TestConcludeWhenAllIsWell(t *testing.T) {
	a := found(t, prereq.Finding{ID: "opens", Section: "image", Outcome: prereq.Holds})
	var b bytes.Buffer
	a.Conclude(&b, "out")
	assert.Equal(t, "\naudit: 1 hold\nreport: out/report.md (beside it: report.html, junit.xml, events.json)\n", b.String())
}
