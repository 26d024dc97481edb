package report

import (
	"cmp"
	"maps"
	"slices"
)

// Boot is one VM as the report shows it.
type Boot struct {
	Name, Outcome, QEMU, Accelerator string
	Command                          string
	Stages                           []Reached
	Timings                          []Took
	Total                            float64 // seconds

	// From the VM's folder, when it can be read.
	Folder    string
	Screen    string
	Recording string
	Notes     []string
}

// Reached is a stage of a boot: when it began and how long it lasted.
type Reached struct {
	Name             string
	Seconds, Lasting float64
}

// Failed tells a VM whose outcome is not a success.
func (b Boot) Failed() bool { return b.Outcome != "" && b.Outcome != "passed" && b.Outcome != "pass" }

func newBoot(vm VM) Boot {
	b := Boot{
		Name: cleanLine(vm.Name, 80), Outcome: cleanLine(vm.Outcome, 40), QEMU: cleanLine(vm.QEMUVersion, 120),
		Accelerator: cleanLine(vm.Accelerator, 20), Folder: vm.Folder,
	}
	b.Command = bound(Clean(command(vm.CommandLine...)), 8<<10)
	for _, name := range slices.Sorted(maps.Keys(vm.Timings)) {
		if s, ok := vm.Timings[name].(float64); ok {
			b.Timings = append(b.Timings, Took{Name: cleanLine(name, 60), Seconds: s})
			b.Total = max(b.Total, s)
		}
	}
	stages := slices.Clone(vm.Stages[:min(len(vm.Stages), 50)])
	slices.SortStableFunc(stages, func(x, y Stage) int { return cmp.Compare(x.Seconds, y.Seconds) })
	for _, s := range stages {
		if s.Seconds >= 0 && s.Seconds < 1e6 {
			b.Stages = append(b.Stages, Reached{Name: cleanLine(s.Stage, 40), Seconds: s.Seconds})
			b.Total = max(b.Total, s.Seconds)
		}
	}
	for i := range b.Stages {
		end := b.Total
		if i+1 < len(b.Stages) {
			end = b.Stages[i+1].Seconds
		}
		b.Stages[i].Lasting = end - b.Stages[i].Seconds
	}
	return b
}
