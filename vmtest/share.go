package vmtest

import (
	"sync"

	"bootaudit/prereq"
)

// roomForGuests is the memory for all guests, in bytes, as it was before this
// process had one.
var roomForGuests = sync.OnceValues(prereq.Room)

// share is how many of the host's CPUs an emulated machine takes from the queue:
// its own, or more where memory is for fewer guests than the CPUs are, so that
// they wait for one another.
func share(host int, room uint64, m Machine) int {
	guests := max(1, int(room/prereq.GuestNeeds(m.MemoryMiB, m.TBSizeMiB)))
	return max(m.CPUs, (host+guests-1)/guests)
}
