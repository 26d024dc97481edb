package verdict

// hostRows are of QEMU and what is around the guest.
var hostRows = []row{
	{id: "qemu-no-kvm", class: "host", weight: reason, words: []string{"KVM", "kvm"},
		pattern: re(`Could not access KVM kernel module|failed to initialize kvm|KVM PV command \d+ .* failed|KVM internal error|kvm run failed|kvm_init_vcpu failed`),
		means:   "QEMU could not run the guest on KVM", remedy: "run on a host whose KVM works, or emulate: -accel tcg"},
	{id: "qemu-port-taken", class: "host", weight: reason, words: []string{"host forwarding rule", "Address already in use"},
		pattern: re(`qemu-system-\S+: .*(?:Could not set up host forwarding rule|Address already in use)`),
		means:   "QEMU did not start: a host port that is forwarded is in use", remedy: "let QEMU pick a free port, or end who listens there (ss -ltnp)"},
	{id: "qemu-locked", class: "host", weight: reason, words: []string{"write\" lock", "shared \"", "another process using the image"},
		pattern: re(`Failed to get (?:shared )?"\w+" lock|another process using the image`),
		means:   "QEMU did not start: another process holds the disk image", remedy: "stop the other VM, or give each VM an overlay of its own"},
	{id: "qemu-refused", class: "host", weight: reason, words: []string{"qemu-system-", "qemu-kvm"},
		pattern: re(`(?:qemu-system-\S+|qemu-kvm): (?:-\w[\w-]*.*: |cannot set up guest memory|Could not (?:open|initialize|set up)|could not load|unable to |failed to |invalid accelerator)`),
		means:   "QEMU refused its command line or its host", remedy: "read QEMU's message; it names the option"},
	{id: "qemu-assertion", class: "host", weight: reason, words: []string{"ssertion"},
		pattern: re(`^\S*(?:qemu-system-\S+|qemu-kvm|/qemu|^qemu): \S+:\d+: .*Assertion .* failed\.|^ERROR:\S+\.c:\d+:\w+: assertion failed: `),
		means:   "QEMU ended by a fault of its own", remedy: "look the line up for this version of QEMU; try another version, or without the device that it names"},
	{id: "protected-boot", class: "host", weight: reason, words: []string{"Protected boot"},
		pattern: re(`Protected boot has failed`), means: "the host refused to start the protected guest", remedy: "make the image for this host's key, or boot it unprotected"},
	{id: "host-memory", class: "host", weight: reason, words: []string{"annot allocate memory", "oom-kill"},
		pattern: re(`qemu\S*: .*[Cc]annot allocate memory`), means: "the host has too little memory for the guest", remedy: "give the guest less, or the host more"},
}
