package contract

// Storage is what becomes of the machine's disks.
type Storage struct {
	Unit        string    `toml:"unit"`         // the unit that provisions
	StatusFile  string    `toml:"status_file"`  // where it says what became of them, as KEY=value lines
	VolumeGroup string    `toml:"volume_group"` // the LVM volume group that it makes
	Volumes     []string  `toml:"volumes"`      // logical volumes in the volume group
	MountPoint  string    `toml:"mount_point"`  // where what it has made is mounted
	Outcomes    []Outcome `toml:"outcomes"`     // what the status file may end with
	// ForceCleanup is the environment variable, NAME=value, that makes the unit
	// remove existing data when it is restarted.
	ForceCleanup string `toml:"force_cleanup"`
}

// Outcome is a status that Storage.StatusFile may end with.
type Outcome struct {
	// When is the situation: clean, existing, force-cleanup, detection-error or
	// failed.
	When   string `toml:"when"`
	State  string `toml:"state"`  // STATE= of the status file
	Detail string `toml:"detail"` // DETAIL= of the status file
}

// whens are the situations that an Outcome may name.
var whens = []string{"clean", "existing", "force-cleanup", "detection-error", "failed"}

// For is the outcomes that are accepted in the situation when.
func (s Storage) For(when string) []Outcome {
	var some []Outcome
	for _, o := range s.Outcomes {
		if o.When == when {
			some = append(some, o)
		}
	}
	return some
}
