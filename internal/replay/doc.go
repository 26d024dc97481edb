// Package replay draws a console's recording again, on the screen that the
// verdicts were read from, for a page that plays it: the rows that changed and
// when, and the whole screen at each moment that matters.
//
// What a page gets is bounded. Where a recording changes more often than there
// is room for, it changes less often there, and says so; the screens at its
// moments stay.
package replay
