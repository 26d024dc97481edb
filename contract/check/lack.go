package check

// Lack is an error about something that a check cannot do without, and says what
// its result is: Absent where the host lacks what makes it, Broken where it was
// tried, Unknown where somebody gave up.
type Lack struct {
	Outcome Outcome
	Err     error
}

func (e *Lack) Error() string { return e.Err.Error() }
func (e *Lack) Unwrap() error { return e.Err }
