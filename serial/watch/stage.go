package watch

import "time"

// Stage is how far a boot has come. Stages are ordered; see [Stage.Reached].
type Stage string

const (
	Firmware   Stage = "firmware"
	Bootloader Stage = "bootloader"
	Menu       Stage = "menu"
	KernelLoad Stage = "kernel-load"
	Initrd     Stage = "initrd"
	Init       Stage = "init"
	Login      Stage = "login"
	Shell      Stage = "shell"
)

// stages are all of them, in the order of a boot.
var stages = []Stage{Firmware, Bootloader, Menu, KernelLoad, Initrd, Init, Login, Shell}

// Reached is true when s is other or comes after it. The zero Stage comes
// before all.
func (s Stage) Reached(other Stage) bool { return s.rank() >= other.rank() }

func (s Stage) rank() int {
	for i, each := range stages {
		if s == each {
			return i + 1
		}
	}
	return 0
}

// Reached is a stage, with the line that showed it.
type Reached struct {
	Stage  Stage
	At     time.Time
	Line   string
	Offset int64
}
