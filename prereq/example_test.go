package prereq_test

import (
	"context"
	"fmt"

	"bootaudit/prereq"
)

func ExampleAccelerator() {
	name, why := prereq.Accelerator(context.Background())
	fmt.Printf("guests run on %s: %s\n", name, why)
}
