package vmtest

import (
	"fmt"
	"os"

	"bootaudit/contract/check"
	"bootaudit/internal/record"
)

// Recorded reads back what the session has recorded so far: QEMU's version, its
// command line, the console and the times.
func (s *Session) Recorded() check.Result {
	s.record.Flush()
	m := s.record.Now()
	transcript, err := os.Stat(s.record.Path(record.TranscriptFile))
	if err != nil || transcript.Size() == 0 {
		return check.Break(fmt.Sprintf("there is no transcript: %v", err))
	}
	text, err := os.ReadFile(s.record.Path(record.MetadataFile))
	if err != nil {
		return check.Break(err.Error())
	}
	booted := len(m.Stages) > 0 && (m.Timings.Root != nil || s.rootless != "")
	if m.QEMU.Version == "" || !booted && !s.plan.Contract.Loginless() {
		return check.Break("the record is not whole").With(string(text))
	}
	return check.Hold(fmt.Sprintf("QEMU %s, %d stages, %d bytes of console", m.QEMU.Version, len(m.Stages), transcript.Size())).With(string(text))
}
