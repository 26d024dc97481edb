package prereq_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"bootaudit/prereq"
)

// A check of one's own: a table of them is the subtests of a test.
func ExampleRun() {
	checks := []prereq.Check{{
		ID:        "bmc-password",
		Section:   prereq.SectionHost,
		Condition: "the lab's BMC password is given",
		How:       "look for BMC_PASSWORD in the environment",
		When:      "to power the lab's machines",
		Remedy:    "export BMC_PASSWORD=...",
		Probe: func(context.Context) prereq.Result {
			if os.Getenv("BMC_PASSWORD") == "" {
				return prereq.Miss("BMC_PASSWORD is not set")
			}
			return prereq.Hold("it is set")
		},
	}}

	// In a test file: func TestLab(t *testing.T) { prereq.Run(t, checks) }
	_ = func(t *testing.T) { prereq.Run(t, checks) }

	fmt.Print(prereq.Table(checks))
	// Output:
	// | id | condition | how | needed | remedy |
	// |---|---|---|---|---|
	// | `bmc-password` | the lab's BMC password is given | look for BMC_PASSWORD in the environment | to power the lab's machines | export BMC_PASSWORD=... |
}

func ExampleAccelerator() {
	name, why := prereq.Accelerator(context.Background())
	fmt.Printf("guests run on %s: %s\n", name, why)
}
