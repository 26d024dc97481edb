package scenario

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bootaudit/internal/quote"
	"bootaudit/internal/record"
	"bootaudit/vmtest"

	"golang.org/x/sys/unix"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// storageUnneeded says why nothing is to be seen of the disks; "" if it is.
func (s *session) storageUnneeded() string {
	if s.fleet.subject.Contract.Storage.Unit == "" {
		return "the contract promises nothing about disks"
	}
	return ""
}

// ifStorage is storageUnneeded as a check asks it.
func (s *session) ifStorage(context.Context) string { return s.storageUnneeded() }

// commandsCheck looks for the contract's programs.
func (s *session) commandsCheck(need string) check.Check {
	return s.row(need, "commands", "the programs that the contract names are installed", "command -v, as root",
		check.Unless(len(s.fleet.subject.Contract.Commands) > 0, "the contract names no commands"), "add the packages to the image", "boot",
		s.commands)
}

func (s *session) commands(ctx context.Context) check.Result {
	names := s.fleet.subject.Contract.Commands
	out, err := s.VM().Output(ctx, "for c in "+quote.Words(names)+"; do command -v \"$c\" >/dev/null || printf '%s\\n' \"$c\"; done")
	if err != nil {
		return s.Broke(err)
	}
	if missing := strings.Fields(out); len(missing) > 0 {
		slices.Sort(missing)
		return check.Break("missing: " + strings.Join(missing, ", "))
	}
	return check.Hold(fmt.Sprintf("all %d are there", len(names)))
}

// unnamed stands in a condition for what a contract does not promise.
const unnamed = "(the contract names none)"

// storageChecks look at the provisioning's status in the situation when, and
// where it says that the disks were provisioned, at the disks.
func (s *session) storageChecks(need, when string) []check.Check {
	storage := s.fleet.subject.Contract.Storage
	unit := cmp.Or(storage.Unit, unnamed)
	row := func(need, id, condition, how, remedy string, look func(context.Context) check.Result) check.Check {
		return s.row(need, id, condition, how, s.ifStorage, remedy, "storage", look)
	}
	// promised limits a row to contracts that name what it looks at.
	promised := func(c check.Check, named, whyNot string) check.Check {
		c.Applies = func(ctx context.Context) string {
			if why := s.storageUnneeded(); why != "" || named != "" {
				return why
			}
			return whyNot
		}
		return c
	}
	checks := []check.Check{row(need, "storage-status", "the status file says what it must: "+cmp.Or(outcomes(storage.For(when)), unnamed),
		"wait for STATE and DETAIL in "+cmp.Or(storage.StatusFile, "it")+", or for what makes them impossible",
		"read the journal of "+unit+" in diagnostics/",
		func(ctx context.Context) check.Result { return s.storageStatus(ctx, when) })}
	if when == "clean" {
		checks = append(checks,
			promised(row(need, "volume-group", fmt.Sprintf("volume group %s exists, whatever the status says", cmp.Or(storage.VolumeGroup, unnamed)), "vgs",
				"see the provisioner's journal; a status is no proof", s.volumeGroup), storage.VolumeGroup, "the contract names no volume group"),
			row("volume-group", "volumes", "its logical volumes exist: "+cmp.Or(strings.Join(storage.Volumes, ", "), unnamed), "lvs",
				"see the provisioner's journal; a status is no proof", s.volumes),
			promised(row("volumes", "mounted", "the new file system is mounted on "+cmp.Or(storage.MountPoint, unnamed), "findmnt",
				"see the provisioner's journal", s.mounted), storage.MountPoint, "the contract names no mount point"))
	}
	checks = append(checks, row(need, "journal", "the provisioning's journal is captured", "journalctl -b -u "+unit,
		"keep the journal in the image (Storage=volatile is enough)", s.journal))
	return checks
}

func outcomes(all []contract.Outcome) string {
	var words []string
	for _, o := range all {
		words = append(words, strings.TrimSuffix(o.State+"/"+o.Detail, "/"))
	}
	return strings.Join(words, " or ")
}

// storageStatus waits for the provisioning's status and compares it.
func (s *session) storageStatus(ctx context.Context, when string) check.Result {
	storage := s.fleet.subject.Contract.Storage
	w, err := s.waitStatus(ctx, storage.StatusFile, storage.Unit)
	if err != nil {
		return s.Broke(err)
	}
	s.status = w.Status()
	state, detail := s.status["STATE"], s.status["DETAIL"]
	evidence := fmt.Sprintf("STATE=%s\nDETAIL=%s\n%s", state, detail, w.Report)
	switch w.Verdict {
	case "ok":
	case "incomplete":
		return check.Break(fmt.Sprintf("%s has STATE=%q and DETAIL=%q, and will not have more: %s",
			storage.StatusFile, state, detail, s.why(ctx, w, storage.Unit))).With(evidence)
	case "timeout":
		return check.Break(fmt.Sprintf("there is no whole %s: %s", storage.StatusFile, s.why(ctx, w, storage.Unit))).With(evidence)
	default:
		return check.Break(fmt.Sprintf("there is no %s and will be none: %s", storage.StatusFile, s.why(ctx, w, storage.Unit))).With(evidence)
	}
	s.Timed("storage")
	said := state + "/" + detail
	for _, o := range storage.For(when) {
		if o.State == state && o.Detail == detail {
			return check.Hold("the status is " + said).With(evidence)
		}
	}
	return check.Break(fmt.Sprintf("the status is %s; the contract accepts %s%s", said, outcomes(storage.For(when)), s.lastWords(ctx, storage.Unit))).With(evidence)
}

func (s *session) volumeGroup(ctx context.Context) check.Result {
	storage := s.fleet.subject.Contract.Storage
	// The word comes before or with the deed; wait until the pass is over.
	if _, err := s.waitUnit(ctx, storage.Unit, "inactive"); err != nil {
		return s.Broke(err)
	}
	out, err := s.VM().Output(ctx, "vgs --noheadings -o vg_name,vg_size,pv_count; echo; lsblk")
	if err != nil {
		return s.Broke(err)
	}
	groups, _, _ := strings.Cut(out, "\n\n")
	found, others := "", ""
	for line := range strings.Lines(groups) {
		switch fields := strings.Fields(line); {
		case len(fields) == 0:
		case fields[0] == storage.VolumeGroup:
			found = "found: " + strings.Join(fields, " ")
		default:
			others += "; beside it: " + strings.Join(fields, " ")
		}
	}
	if found != "" {
		return check.Hold(found + others).With(out)
	}
	claim := ""
	if state := s.status["STATE"]; state != "" {
		claim = fmt.Sprintf(", though the status says %s/%s", state, s.status["DETAIL"])
	}
	return check.Break(fmt.Sprintf("there is no volume group %s%s", storage.VolumeGroup, claim)).With(out)
}

func (s *session) volumes(ctx context.Context) check.Result {
	storage := s.fleet.subject.Contract.Storage
	out, err := s.VM().Output(ctx, "lvs --noheadings -o lv_name,lv_size "+quote.Word(storage.VolumeGroup))
	if err != nil {
		return s.Broke(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 0 {
			found[fields[0]] = true
		}
	}
	for _, name := range storage.Volumes {
		if !found[name] {
			return check.Break(fmt.Sprintf("volume group %s has no volume %s", storage.VolumeGroup, name)).With(out)
		}
	}
	return check.Hold("all are there").With(out)
}

func (s *session) mounted(ctx context.Context) check.Result {
	point := s.fleet.subject.Contract.Storage.MountPoint
	result, err := s.VM().Run(ctx, "findmnt -n -o SOURCE,FSTYPE,SIZE --mountpoint "+quote.Word(point))
	if err != nil {
		return s.Broke(err)
	}
	if result.Status != 0 {
		return check.Break("nothing is mounted on " + point)
	}
	return check.Hold(strings.Join(strings.Fields(string(result.Stdout)), " "))
}

func (s *session) journal(ctx context.Context) check.Result {
	unit := s.fleet.subject.Contract.Storage.Unit
	out, err := s.VM().Output(ctx, "journalctl --no-pager -b -o short-monotonic -u "+quote.Word(unit))
	if err != nil {
		return s.Broke(err)
	}
	path := s.Save("journal "+unit, "log", []byte(out))
	lines := strings.Count(out, "\n")
	if lines == 0 || strings.Contains(out, "-- No entries --") {
		return check.Break("the journal has no line of " + unit)
	}
	return check.Hold(fmt.Sprintf("%d lines, in %s", lines, path)).With(out)
}

// unitChecks wait for the contract's units to come to their end states.
func (s *session) unitChecks(need string) []check.Check {
	units := s.fleet.subject.Contract.Units
	var checks []check.Check
	for _, u := range units {
		if u.EndState == "" {
			continue
		}
		checks = append(checks, s.row(need, "unit-"+record.Slug(strings.TrimSuffix(u.Name, ".service")),
			fmt.Sprintf("%s runs and ends %s, not failed", u.Name, u.EndState), "systemctl show "+u.Name+", in a loop in the guest",
			nil, "read its journal in diagnostics/", "unit",
			func(ctx context.Context) check.Result { return s.unitEnds(ctx, u) }))
	}
	return checks
}

func (s *session) unitEnds(ctx context.Context, u contract.Unit) check.Result {
	w, err := s.waitUnit(ctx, u.Name, u.EndState)
	if err != nil {
		return s.Broke(err)
	}
	if w.Verdict != "ok" {
		return check.Break(fmt.Sprintf("it does not come to %s: %s", u.EndState, s.why(ctx, w, u.Name))).With(w.Report)
	}
	return check.Hold(w.Values["unit"]).With(w.Report)
}

// recordedCheck reads back what the VM's run has left so far.
func (s *session) recordedCheck(need string) check.Check {
	return s.seen(need, "recorded", "QEMU's version, its command line, the console and the times are recorded",
		"read metadata.json, command.txt and serial.log back", "see the warnings of the run", "boot",
		func(context.Context) check.Result { return s.Recorded() })
}

// fillDisk puts a partition table and other people's data on the first disk.
func (s *session) fillDisk(m vmtest.Machine) error {
	f, err := os.Create(m.Disks[0].File)
	if err != nil {
		return fmt.Errorf("a disk with data on it: %w", err)
	}
	sum := sha256.New()
	disk := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	size := m.Disks[0].MiB << 20
	block := make([]byte, 4096)
	for i := 0; i < size; i += len(block) {
		clear(block)
		copy(block, fmt.Sprintf("block %d of data that must survive\n", i/len(block)))
		if i == 0 {
			partition(block, size)
		}
		if _, err = disk.Write(block); err != nil {
			break // and Flush says so again
		}
	}
	if err := errors.Join(disk.Flush(), f.Close()); err != nil {
		return fmt.Errorf("a disk with data on it: %w", err)
	}
	s.digest = [sha256.Size]byte(sum.Sum(nil))
	return nil
}

// partition puts a partition table in front of a disk of size bytes.
func partition(disk []byte, size int) {
	clear(disk[:512])
	const start = 2048
	entry := disk[446:]
	entry[4] = 0x83 // Linux
	putLE32(entry[8:], start)
	putLE32(entry[12:], uint32(size/512-start))
	disk[510], disk[511] = 0x55, 0xaa
}

func putLE32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

// untouchedCheck compares the disk with what fillDisk wrote.
func (s *session) untouchedCheck(need string) check.Check {
	return s.row(need, "untouched", "the disk is as it was, to the byte", "compare the SHA-256 of the disk's image, once the pass is over",
		s.ifStorage, "the image destroys data: stop using it", "storage",
		func(ctx context.Context) check.Result {
			w, err := s.waitUnit(ctx, s.fleet.subject.Contract.Storage.Unit, "inactive")
			if err != nil {
				return s.Broke(err)
			}
			if w.Verdict != "ok" {
				return check.Break("the pass did not end well: " + s.why(ctx, w, s.fleet.subject.Contract.Storage.Unit)).With(w.Report)
			}
			disk, err := os.Open(s.VM().Machine.Disks[0].File)
			if err != nil {
				return check.Doubt(err.Error())
			}
			defer disk.Close()
			sum := sha256.New()
			size, err := io.Copy(sum, disk)
			if err != nil {
				return check.Doubt(err.Error())
			}
			if [sha256.Size]byte(sum.Sum(nil)) != s.digest {
				return check.Break("the guest has written to it")
			}
			return check.Hold(fmt.Sprintf("%d bytes, sha256 %x", size, s.digest[:8]))
		})
}

// emptyWordCheck makes sure that a status without its effect is found out.
func (s *session) emptyWordCheck(need string) check.Check {
	return s.row(need, "found-out", "a status that says applied on an untouched disk is not believed",
		"the checks storage-status and volume-group of clean-disk, in a VM whose provisioner lies", nil,
		"the audit itself is wrong: report it", "storage",
		func(ctx context.Context) check.Result {
			word := s.storageStatus(ctx, "clean")
			if word.Outcome != check.Holds {
				return check.Break("the status does not even claim it: " + word.Detail).With(word.Evidence)
			}
			deed := s.volumeGroup(ctx)
			if deed.Outcome != check.Broken {
				return check.Break("the lie was believed: " + deed.Detail).With(deed.Evidence)
			}
			return check.Hold(fmt.Sprintf("%s; volume-group: %s: %s", word.Detail, deed.Outcome, deed.Detail)).With(deed.Evidence)
		})
}

// contains looks for text in a sparse file without reading its holes.
func contains(file string, text []byte) (int64, bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	var at int64
	for {
		at, err = f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no data behind at
			return 0, false, nil
		} else if err != nil {
			return 0, false, err
		}
		n, err := io.ReadFull(f, buf)
		if i := bytes.Index(buf[:n], text); i >= 0 {
			return at + int64(i), true, nil
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return 0, false, nil
		case err != nil:
			return 0, false, err
		}
		at += int64(n - len(text) + 1) // the text may lie across
	}
}
