package vmtest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/quote"
	"bootaudit/internal/record"
	"bootaudit/serial"
)

// collector is something to know after a failure.
type collector struct{ label, command string }

// collectors are what is collected, by the topic of the check that failed.
func (s *Session) collectors(topic string) []collector {
	c := s.plan.Contract
	all := []collector{
		{"jobs", "systemctl list-jobs --no-pager; systemctl list-units --failed --no-pager"},
		{"dmesg", "dmesg | tail -n 300"},
		{"boot timing", "systemd-analyze time; systemd-analyze blame --no-pager | head -n 30; systemd-analyze critical-chain --no-pager"},
	}
	unit := func(name string) collector {
		q := quote.Word(name)
		return collector{"unit " + name, "systemctl status --no-pager -l -n 0 " + q + "; systemctl show -p After -p Before -p Wants -p Job " + q +
			"; journalctl --no-pager -b -o short-monotonic -n 400 -u " + q}
	}
	for _, u := range c.Units {
		all = append(all, unit(u.Name))
	}
	switch topic {
	case "storage":
		all = append(all,
			collector{"disks", "lsblk -f; vgs; lvs; cat /proc/mdstat; findmnt --real"},
			collector{"status files", "for f in " + quote.Word(c.Storage.StatusFile) + " $(dirname " + quote.Word(c.Storage.StatusFile) + ")/*; do echo \"== $f\"; cat \"$f\"; done"})
	case "network", "ssh":
		lan := quote.Word(c.Network.Interface)
		all = append(all,
			collector{"network", "networkctl status --no-pager -a; ip addr; ip route; ip -s link show " + lan},
			unit("systemd-networkd.service"))
		if c.SSH.Unit != "" {
			all = append(all, unit(c.SSH.Unit))
		}
	}
	if len(c.Logs) > 0 {
		all = append(all, collector{"provisioner logs", "for f in " + quote.Globs(c.Logs) + "; do [ ! -f \"$f\" ] || { echo \"== $f\"; tail -c 100000 \"$f\"; }; done"})
	}
	return all
}

const (
	collectLimit  = 20 * time.Second // for one collector
	diagnoseLimit = 40 * time.Second // for all
)

// diagnose collects what explains a failure. It never changes what failed, and
// a collector that hangs costs its own limit only. s.mu is held.
func (s *Session) diagnose(topic string, failure check.Result) {
	if s.vm == nil || s.record == nil {
		return
	}
	if s.diagnosed[topic] {
		return // what it would collect is there
	}
	if s.diagnosed == nil {
		s.diagnosed = map[string]bool{}
	}
	s.diagnosed[topic] = true
	start := time.Now()
	s.record.Save(topic+" failure", "txt", []byte(plain.Text(failure.Detail+"\n\n"+failure.Evidence)+"\n"))
	s.record.Save("screen", "txt", []byte(plain.Text(s.vm.Console.Screen())+"\n"))
	if tail, err := lastBytes(s.record.Path(record.TranscriptFile), 8<<10); err == nil {
		s.record.Save("serial tail", "log", tail)
	}
	if s.vm.alive.Err() != nil {
		s.record.Save("qemu", "txt", []byte(context.Cause(s.vm.alive).Error()+"\n"))
		return
	}
	if s.vm.Root == nil {
		return
	}
	h := s.harness
	ctx, cancel := context.WithTimeout(context.Background(), h.patient(cmp.Or(h.diagnosis, diagnoseLimit)))
	defer cancel()
	if d := h.deadline(); !d.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, d.Add(h.evidence()/2))
		defer cancel()
	}
	// On the console commands take turns; on the control line they do not.
	_, shared := s.vm.Root.(*serial.Console)
	limit := make(chan struct{}, 4)
	if shared {
		limit = make(chan struct{}, 1)
	}
	var wg sync.WaitGroup
	for _, c := range s.collectors(topic) {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			ctx, cancel := context.WithTimeout(ctx, h.patient(cmp.Or(h.collect, collectLimit)))
			defer cancel()
			result, err := s.vm.Run(ctx, "{ "+c.command+"\n} 2>&1")
			text := result.Stdout
			if err != nil {
				text = fmt.Appendf(text, "\n[not whole: %v]\n", err)
			}
			s.record.Save(c.label, "log", []byte(plain.Text(string(text))))
		})
	}
	wg.Wait()
	s.record.Say("diagnostics of %s took %.1f s", topic, time.Since(start).Seconds())
}

func lastBytes(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, min(most, info.Size()))
	_, err = f.ReadAt(buf, info.Size()-int64(len(buf)))
	return buf, err
}
