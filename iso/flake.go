package iso

import "bootaudit/prereq"

// Flake is where an image is built from.
type Flake struct{}

func (v *view) flakeChecks() []prereq.Check { return nil }
