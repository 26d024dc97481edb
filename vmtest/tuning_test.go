package vmtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bootaudit/fixtures"
	"bootaudit/serial/watch"
)

// tunings are the choices that Machine's defaults were made by, each against
// the defaults.
var tunings = []struct {
	name   string
	change func(*Machine)
}{
	{"defaults", func(*Machine) {}},
	{"cpu-max", func(m *Machine) { m.CPU = "max" }},
	{"cpu-qemu64", func(m *Machine) { m.CPU = "qemu64" }},
	{"cpu-nehalem", func(m *Machine) { m.CPU = "Nehalem" }},
	{"type-pc", func(m *Machine) { m.Type = "pc" }},
	{"tb-size-64", func(m *Machine) { m.TBSizeMiB = 64 }},
	{"tb-size-1024", func(m *Machine) { m.TBSizeMiB = 1024 }},
	{"virtio-cd", func(m *Machine) { m.CDROM = Virtio }},
	{"one-cpu", func(m *Machine) { m.CPUs = 1 }},
	{"no-vga", func(m *Machine) { m.Args = []string{"-vga", "none"} }},
	{"network", func(m *Machine) { m.Network = true }},
}

// BenchmarkTuning boots the stand-in to its login banner under TCG, with the
// defaults and with one choice changed, in turns so that the host's other work
// falls on all alike, and prints each choice's ratio to the defaults, in time
// and in CPU time, with the least and the most:
//
//	go test ./vmtest -run '^$' -bench Tuning/type-pc -benchtime 5x -timeout 60m
func BenchmarkTuning(b *testing.B) {
	needQEMU(b)
	iso, err := fixtures.StandIn(b.Context(), b.Output())
	require.NoError(b, err)
	for _, tuning := range tunings[1:] {
		b.Run(tuning.name, func(b *testing.B) {
			var base, wall, cpu []float64
			for b.Loop() {
				plain := bootOnce(b, iso, tunings[0].change)
				changed := bootOnce(b, iso, tuning.change)
				base = append(base, plain.wall.Seconds())
				wall = append(wall, changed.wall.Seconds()/plain.wall.Seconds())
				cpu = append(cpu, changed.cpu.Seconds()/plain.cpu.Seconds())
			}
			for name, all := range map[string][]float64{"time-ratio": wall, "cpu-ratio": cpu} {
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], name)
				b.ReportMetric(all[0], name+"-least")
				b.ReportMetric(all[len(all)-1], name+"-most")
			}
			slices.Sort(base)
			b.ReportMetric(base[len(base)/2], "s/default-boot")
		})
	}
}

type took struct{ wall, cpu time.Duration }

func bootOnce(b *testing.B, iso string, change func(*Machine)) took {
	m := Machine{Name: "tuning", ISO: iso, Folder: b.TempDir(), Accelerator: "tcg"}
	change(&m)
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	vm, err := Launch(ctx, m, Settings{})
	require.NoError(b, err)
	defer vm.Kill()
	start := time.Now()
	require.NoError(b, vm.Continue(ctx))
	_, err = vm.Await(ctx, watch.Menu)
	require.NoError(b, err)
	require.NoError(b, vm.PassMenu(ctx))
	_, err = vm.Await(ctx, watch.Login)
	require.NoError(b, err)
	wall := time.Since(start)
	vm.Kill()
	fmt.Fprintf(b.Output(), "%s: %.1f s, %.1f s of CPU\n",
		strings.Join(vm.Machine.CommandLine()[9:15], " "), wall.Seconds(), vm.process.cpu.Seconds())
	return took{wall, vm.process.cpu}
}
