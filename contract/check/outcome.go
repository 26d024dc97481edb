package check

// Outcome is what a check concluded. The zero value becomes Unknown in a
// [Finding], so that a probe that forgets to conclude never passes.
type Outcome string

const (
	// Holds: the condition was observed.
	Holds Outcome = "holds"
	// Broken: the thing is there and does not do what it must.
	Broken Outcome = "broken"
	// Absent: the target needs it and it is not here.
	Absent Outcome = "absent"
	// Unknown: the probe could not tell; a permission error is not an absence.
	Unknown Outcome = "unknown"
	// Risk: it keeps no image from booting, and should be known.
	Risk Outcome = "risk"
	// NotNeeded: what was asked for does without it.
	NotNeeded Outcome = "not needed"
)

// Ending is what a finding makes of the test that reports it.
type Ending string

const (
	Pass Ending = "pass"
	Skip Ending = "skip"
	Fail Ending = "fail"
)

// endings has each outcome's ending, and the one where everything that is needed
// is required.
var endings = map[Outcome][2]Ending{
	Holds:     {Pass, Pass},
	Risk:      {Pass, Pass},
	Broken:    {Fail, Fail},
	Absent:    {Skip, Fail},
	Unknown:   {Skip, Fail},
	NotNeeded: {Skip, Skip},
}

// Ending is how a test ends that found o; require makes what is absent or unknown
// a failure. What is no outcome fails.
func (o Outcome) Ending(require bool) Ending {
	both, known := endings[o]
	switch {
	case !known:
		return Fail
	case require:
		return both[1]
	default:
		return both[0]
	}
}

// Met says whether a check of this outcome lets others be tried that need it.
func (o Outcome) Met() bool { return o == Holds || o == Risk }
