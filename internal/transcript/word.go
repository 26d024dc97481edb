package transcript

import "bootaudit/internal/words"

// word is one of the words without which a line shows no fact. A pattern is
// tried only on a line that has its word.
type word uint

const (
	wordAutologin word = iota
	wordAnnounced
	wordLANStatus
	wordInet
	wordAddress
	wordLease
	wordLANQuoted
	wordState
	wordDetail
	wordReason
	wordNotice
	wordUnit
	wordService
	wordActive
	wordNoDevices
	wordPlan
	wordDisko
	wordReboot
	wordPowerDown
	wordPower
	wordUID
	wordID
	wordPS1
	wordVersion
	wordLoading
	wordLoaded
	wordSystemctl
	wordLoginAgain
	wordProfile
	firstMilestone // and the others after it
)

// factWords looks for the words of facts, then for those of milestones; wordOf is
// what each stands for.
var factWords, wordOf = func() (*words.Matcher, []word) {
	list := []string{
		wordAutologin: "(automatic login)", wordAnnounced: "LAN IPv4", wordLANStatus: "LAN_IPV4=",
		wordInet: "inet ", wordAddress: "Address: ", wordLease: "DHCPv4 address", wordLANQuoted: `"lan"`,
		wordState: "STATE=", wordDetail: "DETAIL=", wordReason: "REASON=", wordNotice: "pre-nixos: ",
		wordUnit: "Pre-NixOS setup", wordService: "pre-nixos.service: ", wordActive: "Active: ",
		wordNoDevices: "o_devices", wordPlan: "o devices", wordDisko: `"disko": {}`,
		wordReboot: "reboot: ", wordPowerDown: "Power down.", wordPower: "Call to ", wordUID: "uid=0", wordID: "$(id -u)",
		wordPS1: "PS1='", wordVersion: "boot image version",
		wordLoading: "Loading ", wordLoaded: "EFI stub: ", wordSystemctl: " systemctl ", wordLoginAgain: "(automatic login)",
		wordProfile: "pre-nixos",
	}
	var of []word
	for i := range list {
		of = append(of, word(i))
	}
	list, of = append(list, "Pre-NixOS"), append(of, wordProfile)
	list, of = append(list, "Login timed out", "Login incorrect"), append(of, wordLoginAgain, wordLoginAgain)
	list, of = append(list, "Failed to power off", "Failed to start poweroff", "poweroff: "), append(of, wordPower, wordPower, wordPower)
	for i, m := range milestones {
		for _, w := range m.words {
			list, of = append(list, w), append(of, firstMilestone+word(i))
		}
	}
	return words.New(list), of
}()

// wordSet is what is in a line.
type wordSet uint64

func (s wordSet) has(any ...word) bool {
	for _, w := range any {
		if s&(1<<w) != 0 {
			return true
		}
	}
	return false
}

func wordsOf(text []byte) wordSet {
	var s wordSet
	var buf [48]uint16
	for _, id := range factWords.Find(text, buf[:0]) {
		s |= 1 << wordOf[id]
	}
	return s
}
