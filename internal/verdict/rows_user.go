package verdict

// userRows are of what comes after the kernel and its initrd.
var userRows = []row{
	{id: "device-timeout", class: "device-missing", weight: reason, words: []string{"Timed out waiting for device", ".device/start timed out"},
		pattern: re(`Timed out waiting for device|\.device: Job \S+/start timed out`),
		means:   "a device that something waits for did not appear", remedy: "see which unit needs it: /etc/fstab without nofail, a console= without its driver"},
	{id: "emergency-mode", class: "service", weight: end, rescue: true, words: []string{"emergency mode", "Give root password", "rescue mode", "Cannot open access to console", "Control-D"},
		pattern: re(`You are in (?:emergency|rescue) mode|Give root password for maintenance|Cannot open access to console|press Control-D to continue`),
		means:   "systemd ended in emergency mode", remedy: "see the unit that failed before it, and what needs that"},
	{id: "default-target", class: "service", weight: reason, words: []string{"default.target", "Freezing execution", "reload daemon", "freezing."},
		pattern: re(`Failed to (?:start|isolate) default\.target|Freezing execution|Failed to reload daemon: |\[!!!!!!\] .*freezing\.`),
		means:   "systemd itself, or its default target, failed", remedy: "see the lines before it; systemctl --failed"},
	{id: "unit-failed", class: "service", weight: hint, words: []string{"[FAILED]"},
		pattern: re(`\[FAILED\] Failed to (?:start|mount)`), means: "a unit failed", remedy: "journalctl -u UNIT -b"},
	{id: "endless-job", class: "stall", weight: trouble, past: next, last: true, words: []string{"no limit)"},
		pattern: re(`A (?:start|stop) job is running for .*/ no limit\)`), means: "a job without a limit does not end", remedy: "see what the unit waits for: systemctl list-jobs"},
	{id: "passphrase", class: "waits-for-person", weight: trouble, last: true, words: []string{"passphrase", "Passphrase", "PIN for", "unlock"},
		pattern: re(`(?i)(?:enter|provide) passphrase|passphrase for .*: ?$|please unlock disk|enter .*PIN for`), means: "the boot waits for a passphrase", remedy: "give the key another way (a key file, TPM), or answer the prompt in the test"},
	{id: "fsck-asks", class: "waits-for-person", weight: trouble, last: true, words: []string{"<y>?", "<n>?"},
		pattern: re(`\w<[yn]>\? ?$`), means: "fsck waits for a person's answer", remedy: "let fsck repair by itself (fsck.repair=yes on the kernel's command line), or make the file system again"},
	{id: "press-key", class: "waits-for-person", weight: trouble, last: true, words: []string{"ress any key", "Press Enter", "press Enter", "ress ENTER", "[y/N]", "(y/n)", "Continue?"},
		pattern: re(`[Pp]ress (?:any key|Enter|ENTER|RETURN|<ENTER>) to (?:continue|reboot|proceed|retry)|\[y/N\] ?$|\(y/n\)\??:? ?$`), means: "it waits for a key", remedy: "take the question out of the image, or answer it in the test"},
	{id: "dialog", class: "waits-for-person", weight: trouble, words: []string{"between elements", "Choose a Language", "What language would", "Which would you like", "<Tab>", "Select a language", "next screen"},
		pattern: re(`<Tab>/<Alt-Tab> between elements|Choose a Language|What language would you like|Which would you like to|Select a language|<F12> next screen`), means: "a dialog waits for a person's answer", remedy: "preseed the installer's answers (kickstart, preseed, autoinstall)"},
	{id: "install-ended", class: "config-refused", weight: end, words: []string{"install exited abnormally"},
		pattern: re(`install exited abnormally`), means: "the installer gave up", remedy: "see the lines before it"},
}
