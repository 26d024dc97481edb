package scenario

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/quote"
)

//go:embed guest/residue.sh
var residueScript string

// residueMarker is written into the left-over volume.
const residueMarker = "bootaudit-residue-marker"

// residueChecks seed two disks with left-overs, force the clean-up, and look.
func (s *session) residueChecks(need string) []check.Check {
	storage := s.fleet.subject.Contract.Storage
	row := func(need, id, condition, how, remedy string, look func(context.Context) check.Result) check.Check {
		return s.row(need, id, condition, how, check.Unless(storage.ForceCleanup != "", "the contract promises no forced clean-up"), remedy, "storage", look)
	}
	return []check.Check{
		row(need, "first-pass", "the first pass is over before anything is seeded", "wait for "+storage.Unit,
			"read its journal in diagnostics/", func(ctx context.Context) check.Result {
				w, err := s.waitUnit(ctx, storage.Unit, "inactive")
				if err != nil {
					return s.Broke(err)
				}
				if w.Verdict != "ok" {
					return check.Break(s.why(ctx, w, storage.Unit)).With(w.Report)
				}
				return check.Hold(w.Values["unit"])
			}),
		row("first-pass", "seeded", "RAID1 and LVM left-overs with a marker are on two disks", "mdadm, pvcreate, vgcreate, lvcreate: each exit code checked",
			"read which step failed", func(ctx context.Context) check.Result { return s.residueStep(ctx, "seed") }),
		row("seeded", "forced-cleanup", "a pass with "+storage.ForceCleanup+" ends with the status "+outcomes(storage.For("force-cleanup")),
			"systemctl set-environment, restart, wait", "read its journal in diagnostics/", s.forceCleanup),
		row("forced-cleanup", "nothing-left", "no left-over array, volume group or volume is there", "lsblk, mdadm, vgs, lvs, blkid",
			"the clean-up does not clean: read its journal", func(ctx context.Context) check.Result { return s.residueStep(ctx, "verify") }),
		row("forced-cleanup", "marker-gone", "the marker is gone from the raw disks", "read the disks' images on the host",
			"what a wiped volume held can still be read: use a stronger clean-up action", s.markerGone),
	}
}

func (s *session) residueStep(ctx context.Context, step string) check.Result {
	result, err := s.VM().Run(ctx, residueScript+"\n"+step+" /dev/vdb /dev/vdc "+residueMarker)
	if err != nil {
		return s.Broke(err)
	}
	out := strings.TrimSpace(string(result.Stdout))
	if result.Status != 0 {
		said := strings.TrimSpace(string(result.Stderr))
		last := said[strings.LastIndex(said, "\n")+1:]
		return check.Break(last).With(out + "\n" + said)
	}
	return check.Hold(out[strings.LastIndex(out, "\n")+1:]).With(out)
}

func (s *session) forceCleanup(ctx context.Context) check.Result {
	storage := s.fleet.subject.Contract.Storage
	command := fmt.Sprintf("rm -f %s; systemctl set-environment %s && systemctl --no-block restart %s",
		quote.Word(storage.StatusFile), quote.Word(storage.ForceCleanup), quote.Word(storage.Unit))
	if _, err := s.VM().Output(ctx, command); err != nil {
		return s.Broke(err)
	}
	status := s.storageStatus(ctx, "force-cleanup")
	if status.Outcome != check.Holds {
		return status
	}
	w, err := s.waitUnit(ctx, storage.Unit, "inactive")
	if err != nil {
		return s.Broke(err)
	}
	if w.Verdict != "ok" {
		return check.Break(s.why(ctx, w, storage.Unit)).With(w.Report)
	}
	return status
}

func (s *session) markerGone(context.Context) check.Result {
	for i, d := range s.VM().Machine.Disks[1:] {
		at, found, err := contains(d.File, []byte(residueMarker))
		if err != nil {
			return check.Doubt(err.Error())
		}
		if found {
			return check.Break(fmt.Sprintf("disk %d still has it at byte %d", i+1, at))
		}
	}
	return check.Hold("both disks are without it")
}
