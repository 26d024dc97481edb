package report

import (
	"math"
	"slices"
)

// timeline is the plot of the boots: a bar for each VM, a segment for each
// stage, on one axis. Lengths are in per cent of the axis.
type timeline struct {
	Ticks  []plotTick
	Bars   []plotBar
	Legend []plotKey
}

type plotTick struct {
	Left  float64
	Label string
}

type plotBar struct {
	Boot
	Length   string
	Before   float64 // per cent until the first stage
	Segments []plotSegment
}

type plotSegment struct {
	Width      float64
	Colour     int
	Name, Tip  string
	ShowsLabel bool
}

type plotKey struct {
	Colour int
	Name   string
}

// stages are those that a console's watch knows, each with a colour of its own:
// a stage looks the same in every report.
var stages = []string{"firmware", "bootloader", "menu", "kernel-load", "initrd", "init", "login", "shell"}

// colour is a stage's number; those that are not known share one.
func colour(stage string) int {
	if i := slices.Index(stages, stage); i >= 0 {
		return i
	}
	return len(stages)
}

func newTimeline(boots []Boot) *timeline {
	boots = slices.DeleteFunc(slices.Clone(boots), func(b Boot) bool { return len(b.Stages) == 0 })
	if len(boots) == 0 {
		return nil
	}
	boots = boots[:min(len(boots), 40)]
	longest := 1.0
	for _, b := range boots {
		longest = max(longest, b.Total)
	}
	t := &timeline{}
	step := tickStep(longest)
	for s := 0.0; s <= longest; s += step {
		t.Ticks = append(t.Ticks, plotTick{Left: round(100 * s / longest), Label: seconds(s)})
	}
	for _, b := range boots {
		bar := plotBar{Boot: b, Length: seconds(b.Total), Before: round(100 * b.Stages[0].Seconds / longest)}
		for _, s := range b.Stages {
			segment := plotSegment{Width: round(100 * s.Lasting / longest), Colour: colour(s.Name), Name: s.Name,
				Tip: s.Name + ": from " + seconds(s.Seconds) + ", for " + seconds(s.Lasting)}
			// A character is three quarters of a per cent of a wide page.
			segment.ShowsLabel = segment.Width > 0.75*float64(len(s.Name))+1
			bar.Segments = append(bar.Segments, segment)
			key := plotKey{segment.Colour, s.Name}
			if !slices.Contains(t.Legend, key) && len(t.Legend) < 20 {
				t.Legend = append(t.Legend, key)
			}
		}
		t.Bars = append(t.Bars, bar)
	}
	slices.SortStableFunc(t.Legend, func(x, y plotKey) int { return x.Colour - y.Colour })
	return t
}

// tickStep is the time between two ticks, so that there are at most five: they
// are read on a telephone, too.
func tickStep(longest float64) float64 {
	for _, step := range []float64{0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600} {
		if longest/step <= 5 {
			return step
		}
	}
	return longest
}

func round(f float64) float64 { return math.Round(f*100) / 100 }
