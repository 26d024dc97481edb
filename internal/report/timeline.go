package report

import (
	"math"
	"slices"
)

// timeline is the plot of the boots: a bar for each VM, a segment for each
// stage, on one axis. Lengths are in the plot's units.
type timeline struct {
	Width, Height, Bottom float64
	Ticks                 []plotTick
	Bars                  []plotBar
	Legend                []plotKey
}

type plotTick struct {
	X     float64
	Label string
}

type plotBar struct {
	Name, Total string
	Y, End      float64
	Failed      bool
	Segments    []plotSegment
}

type plotSegment struct {
	X, Width   float64
	Colour     int
	Name, Tip  string
	ShowsLabel bool
}

type plotKey struct {
	X, Y   float64
	Colour int
	Name   string
}

const (
	plotLeft, plotRight = 150, 70 // room for names and totals
	plotWidth           = 960
	barStep, barTop     = 40, 14
	charWidth           = 6.5 // of the small font, about
	colours             = 8
)

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
	scale := (plotWidth - plotLeft - plotRight) / longest
	t := &timeline{Width: plotWidth, Bottom: float64(barTop + len(boots)*barStep)}
	step := tickStep(longest)
	for s := 0.0; s <= longest; s += step {
		t.Ticks = append(t.Ticks, plotTick{X: round(plotLeft + s*scale), Label: seconds(s)})
	}
	var stages []string
	for i, b := range boots {
		bar := plotBar{Name: cleanLine(b.Name, 22), Total: seconds(b.Total), Failed: b.Failed(),
			Y: float64(barTop + i*barStep), End: round(plotLeft + b.Total*scale + 6)}
		for _, s := range b.Stages {
			colour := slices.Index(stages, s.Name)
			if colour < 0 {
				colour = len(stages)
				stages = append(stages, s.Name)
			}
			segment := plotSegment{X: round(plotLeft + s.Seconds*scale), Width: round(max(s.Lasting*scale, 1)),
				Colour: colour % colours, Name: s.Name, Tip: s.Name + ": from " + seconds(s.Seconds) + ", for " + seconds(s.Lasting)}
			segment.ShowsLabel = segment.Width > charWidth*float64(len(s.Name))+8
			bar.Segments = append(bar.Segments, segment)
		}
		t.Bars = append(t.Bars, bar)
	}
	x, y := float64(plotLeft), t.Bottom+40
	for i, name := range stages {
		width := 22 + charWidth*float64(len([]rune(name))) + 14
		if x+width > plotWidth {
			x, y = plotLeft, y+20
		}
		t.Legend = append(t.Legend, plotKey{X: round(x), Y: y, Colour: i % colours, Name: name})
		x += width
	}
	t.Height = y + 12
	return t
}

// tickStep is the time between two ticks, so that there are at most ten.
func tickStep(longest float64) float64 {
	for _, step := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600} {
		if longest/step <= 10 {
			return step
		}
	}
	return longest
}

func round(f float64) float64 { return math.Round(f*10) / 10 }
