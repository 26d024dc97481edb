package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bootaudit/internal/quote"
	"bootaudit/internal/record"
	"bootaudit/vmtest"

	"bootaudit/contract/check"
	"bootaudit/internal/screen"
	"bootaudit/serial/watch"
)

// unobservable says that an image without a root key does not show what needs one.
func unobservable(what string) string {
	return "the image has no root key, and without one it leaves the network alone: " + what + " cannot be observed"
}

// keyless says whether the image has no root key, which it must have been looked
// at for.
func (s *session) hasNoKey(ctx context.Context) bool {
	_, err := s.plan(ctx)
	return err == nil && !s.keyed
}

// ifNetwork: a contract may promise no network, and an image without a root key
// may have none to look at.
func (s *session) ifNetwork(what string) func(context.Context) string {
	c := s.fleet.subject.Contract
	return func(ctx context.Context) string {
		switch {
		case c.Network.Interface == "":
			return "the contract promises no network"
		case c.Network.NeedsRootKey && s.hasNoKey(ctx):
			return unobservable(what)
		}
		return ""
	}
}

func (s *session) ifNetworkStatus(ctx context.Context) string {
	if s.fleet.subject.Contract.Network.StatusFile == "" {
		return "the contract names no status file of the network"
	}
	return s.ifNetwork("it")(ctx)
}

func (s *session) ifSSH(ctx context.Context) string {
	switch c := s.fleet.subject.Contract.SSH; {
	case c.User == "":
		return "the contract promises no SSH"
	case c.NeedsRootKey && s.hasNoKey(ctx):
		return unobservable("SSH")
	}
	return ""
}

func (s *session) networkChecks(need string) []check.Check {
	c := s.fleet.subject.Contract
	checks := []check.Check{
		s.addressCheck(need),
		s.row("address", "status-file", "the status file names that address", "read "+cmp.Or(c.Network.StatusFile, unnamed),
			s.ifNetworkStatus, "read the unit's journal", "network", s.networkStatus),
	}
	checks = append(checks, s.unitChecks(need)...)
	return append(checks, s.row("address", "ssh", fmt.Sprintf("%s logs in over SSH with the key", cmp.Or(c.SSH.User, unnamed)),
		"ssh to the forwarded port: id -un", s.ifSSH, "read sshd's journal in diagnostics/", "ssh",
		func(ctx context.Context) check.Result { return s.ssh(ctx) }))
}

func (s *session) addressCheck(need string) check.Check {
	lan := cmp.Or(s.fleet.subject.Contract.Network.Interface, unnamed)
	return s.row(need, "address", fmt.Sprintf("interface %s has an IPv4 address", lan), "ip -4 addr show dev "+lan+", in a loop in the guest",
		s.ifNetwork("its address"), "read the journals of the unit and of the DHCP client in diagnostics/", "network", s.address)
}

func (s *session) address(ctx context.Context) check.Result {
	c := s.fleet.subject.Contract
	w, err := s.waitAddress(ctx, c.Network.Interface, c.Storage.Unit)
	if err != nil {
		return s.Broke(err)
	}
	unit := c.Storage.Unit
	switch lan := c.Network.Interface; w.Verdict {
	case "ok":
		s.ipv4, _, _ = strings.Cut(w.Values["address"], "/")
		s.Timed("address")
		return check.Hold(fmt.Sprintf("%s has %s", lan, w.Values["address"])).With(w.Report)
	case "no-interface":
		return check.Break(fmt.Sprintf("there is no interface %s and will be none: %s", lan, s.why(ctx, w, unit))).With(w.Report)
	case "no-carrier":
		return check.Break(fmt.Sprintf("%s has no carrier: its cable is unplugged", lan)).With(w.Report)
	case "no-dhcp-client":
		return check.Break(fmt.Sprintf("%s is there, but no DHCP client runs that could give it an address", lan)).With(w.Report)
	case "no-lease":
		return check.Break(fmt.Sprintf("%s has no address, and nobody has answered its DHCP client for a minute", lan)).With(w.Report)
	default:
		return check.Break(fmt.Sprintf("%s has no address: %s", lan, s.why(ctx, w, unit))).With(w.Report)
	}
}

func (s *session) networkStatus(ctx context.Context) check.Result {
	file := s.fleet.subject.Contract.Network.StatusFile
	// It is written just after the address came.
	out, err := s.VM().Output(ctx, fmt.Sprintf("for i in 1 2 3 4 5 6 7 8 9 10; do [ ! -s %[1]s ] || break; sleep 1; done; cat %[1]s", quote.Word(file)))
	switch {
	case err != nil:
		return check.Break(fmt.Sprintf("it cannot be read: %v", err))
	case !strings.Contains(out, s.ipv4):
		return check.Break(fmt.Sprintf("it does not name %s", s.ipv4)).With(out)
	}
	return check.Hold(strings.TrimSpace(out))
}

// ssh logs in over the forwarded port, as the contract's user, with the key.
func (s *session) ssh(ctx context.Context) check.Result {
	c := s.fleet.subject.Contract.SSH
	key := s.fleet.subject.RootKey
	if key.Private == "" {
		return check.Warn("the image has a root key, whose private half is not known here",
			"that the image lets root in over SSH is not tested",
			"set PRE_NIXOS_ROOT_KEY to the public key's file, beside which the private one lies")
	}
	if c.Unit != "" {
		w, err := s.waitUnit(ctx, c.Unit, "active")
		if err != nil {
			return s.Broke(err)
		}
		if w.Verdict != "ok" {
			return check.Break(fmt.Sprintf("%s does not run: %s", c.Unit, s.why(ctx, w, c.Unit))).With(w.Report)
		}
	}
	limit := s.patient(sshPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer for %s", limit))
	defer cancel()
	for tries := 1; ; tries++ {
		out, err := s.VM().SSH(ctx, c.User, key.Private, "id -un")
		switch {
		case err == nil && strings.TrimSpace(out) == c.User:
			s.Timed("ssh")
			return check.Hold(fmt.Sprintf("id -un answers %s at try %d, port %d", c.User, tries, s.VM().SSHPort))
		case err == nil:
			return check.Break(fmt.Sprintf("id -un answers %q, not %s", strings.TrimSpace(out), c.User))
		case isRefusal(err):
			// More of the same key will not help.
			return check.Break(fmt.Sprintf("sshd lets nobody in as %s with the key %s: %v", c.User, key.Fingerprint, err))
		case errors.Is(err, vmtest.ErrEnded):
			return s.Broke(err)
		}
		s.Say("ssh, try %d: %v", tries, err)
		// sshd may refuse while it makes its host keys.
		select {
		case <-ctx.Done():
			return check.Break(fmt.Sprintf("%d tries as %s on 127.0.0.1:%d, the last: %v (%v)", tries, c.User, s.VM().SSHPort, err, context.Cause(ctx))).With(out)
		case <-time.After(time.Second):
		}
	}
}

// sshPatience is how long sshd may take to answer once its unit runs. A host
// key of 4096 bits takes 8 s and more under TCG.
const sshPatience = 2 * time.Minute

func isRefusal(err error) bool {
	return err != nil && strings.Contains(err.Error(), "unable to authenticate")
}

// keylessChecks look at an image that has no root key.
func (s *session) keylessChecks(need string) []check.Check {
	c := s.fleet.subject.Contract
	lan := c.Network.Interface
	row := func(need, id, condition, how, remedy string, look func(context.Context) check.Result) check.Check {
		return s.row(need, id, condition, how, nil, remedy, "network", look)
	}
	return append([]check.Check{
		row(need, "nothing-renamed", fmt.Sprintf("no network card is renamed to %s", lan), "ls /sys/class/net, once the storage status is written",
			"the image sets the network up although nobody could log in", s.nothingRenamed),
		row("nothing-renamed", "lan-not-observable", fmt.Sprintf("what cannot be observed is said: %s, its address, SSH", lan), "know that there is no key",
			"build the image with a root key and audit that", func(context.Context) check.Result {
				return check.Warn(unobservable(lan+", its address and SSH"), "that the image gets an address and lets root in is not tested",
					"build the image with a root key (PRE_NIXOS_ROOT_KEY names the public half) and audit that")
			}),
	}, s.storageChecks(need, "clean")[0])
}

func (s *session) nothingRenamed(ctx context.Context) check.Result {
	c := s.fleet.subject.Contract
	// The network is set up before the disks are; never wait for an address.
	if c.Storage.Unit != "" {
		if _, err := s.waitStatus(ctx, c.Storage.StatusFile, c.Storage.Unit); err != nil {
			return s.Broke(err)
		}
	}
	out, err := s.VM().Output(ctx, "ls /sys/class/net; ip -o link")
	if err != nil {
		return s.Broke(err)
	}
	names, _, _ := strings.Cut(out, "1:")
	if strings.Contains("\n"+names, "\n"+c.Network.Interface+"\n") {
		return check.Break(fmt.Sprintf("there is an interface %s", c.Network.Interface)).With(out)
	}
	return check.Hold("interfaces: " + strings.Join(strings.Fields(names), ", ")).With(out)
}

// announcementChecks count the contract's announcements on the console.
func (s *session) announcementChecks(need string) []check.Check {
	var checks []check.Check
	for _, a := range s.fleet.subject.Contract.Announcements {
		checks = append(checks, s.row(need, "announced-"+record.Slug(a.ID), fmt.Sprintf("the console announces %q", a.Pattern.String()),
			"count the lines in serial.log that are not the login notice's, once the units have ended",
			func(ctx context.Context) string {
				if a.NeedsRootKey && s.hasNoKey(ctx) {
					return unobservable("the announcement")
				}
				return ""
			}, "check that the image writes to /dev/console and that ttyS0 is a console", "network",
			func(ctx context.Context) check.Result { return s.announced(ctx, a.Pattern.Regexp) }))
	}
	if len(checks) == 0 {
		checks = append(checks, s.row(need, "announced", "the contract's lines appear on the console", "none is named",
			check.Unless(false, "the contract names no announcement"), "", "network", nil))
	}
	return checks
}

func (s *session) announced(ctx context.Context, pattern *regexp.Regexp) check.Result {
	unit := s.fleet.subject.Contract.Storage.Unit
	inJournal := 0
	if unit != "" {
		w, err := s.waitUnit(ctx, unit, "inactive")
		if err != nil {
			return s.Broke(err)
		}
		if w.Verdict != "ok" && w.Verdict != "failed" {
			return check.Break("its unit does not end: " + s.why(ctx, w, unit)).With(w.Report)
		}
		out, err := s.VM().Output(ctx, "journalctl --no-pager -b -o cat -u "+quote.Word(unit))
		if err != nil {
			return s.Broke(err)
		}
		inJournal = len(pattern.FindAllString(out, -1))
	}
	transcript, err := os.Open(filepath.Join(s.VM().Machine.Folder, record.TranscriptFile))
	if err != nil {
		return check.Doubt(err.Error())
	}
	defer transcript.Close()
	said, err := countAnnouncements(transcript, pattern)
	if err != nil {
		return check.Doubt(err.Error())
	}
	words := fmt.Sprintf("%d on the console; besides, %d in login notices and %d in the journal", said.console, said.notice, inJournal)
	if said.console == 0 {
		return check.Break(words)
	}
	return check.Hold(words).With(strings.Join(said.lines, "\n"))
}

// announcements are how often a line was announced, where, and the first of them
// as they were on the console.
type announcements struct {
	console, notice int
	lines           []string
}

// maxAnnounced is how many announcements are kept: a guest may repeat one for
// ever.
const maxAnnounced = 20

var noticeBegins = regexp.MustCompile(`\(automatic login\)|[$#] *sudo (?:-n )?-i\s*$|[$#] *su -\s*$|^Last login:`)

// countAnnouncements tells lines that were announced on the console from those
// that a login shell printed as its notice: between the login, or the way to
// root, and the prompt, with the line end of a terminal and not of a line
// written to the device as it is (CR CR LF).
func countAnnouncements(transcript io.Reader, pattern *regexp.Regexp) (said announcements, err error) {
	login := false
	lines := screen.Lines{Each: func(line screen.Line) {
		_, prompt := watch.PromptEnd(line.Text)
		for _, match := range pattern.FindAll(line.Text, -1) {
			if login && !prompt && line.Feeds < 2 {
				said.notice++
				login = false // one notice names it once
				continue
			}
			if said.console++; said.console <= maxAnnounced {
				said.lines = append(said.lines, string(match))
			}
		}
		switch {
		case noticeBegins.Match(line.Text):
			login = true
		case prompt:
			login = false
		}
	}}
	_, err = io.Copy(&lines, transcript)
	lines.Flush()
	return said, err
}

// mediumCheck makes sure that the CD was where the scenario says.
func (s *session) mediumCheck(need, bus string) check.Check {
	return s.row(need, "cd-bus", "the image booted from a CD on "+bus, "readlink /sys/class/block/sr0", nil, "", "boot",
		func(ctx context.Context) check.Result {
			out, err := s.VM().Output(ctx, "readlink -f /sys/class/block/sr0; findmnt -n -t iso9660")
			if err != nil && out == "" {
				return s.Broke(err)
			}
			if !strings.Contains(out, bus) {
				return check.Break("the CD is not on " + bus).With(out)
			}
			path, _, _ := strings.Cut(out, "\n")
			return check.Hold(path).With(out)
		})
}

// firmwareCheck makes sure that UEFI booted it.
func (s *session) firmwareCheck(need string) check.Check {
	return s.row(need, "efi", "the kernel was started by UEFI", "ls /sys/firmware/efi", nil, "", "boot",
		func(ctx context.Context) check.Result {
			result, err := s.VM().Run(ctx, "ls /sys/firmware/efi; cat /sys/firmware/efi/fw_platform_size")
			switch {
			case err != nil:
				return s.Broke(err)
			case result.Status == 0:
				return check.Hold(strings.Join(strings.Fields(string(result.Stdout)), " "))
			}
			return check.Break("/sys/firmware/efi is not there: it was BIOS")
		})
}
