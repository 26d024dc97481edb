package verdict

// initrdRows are of initrds, which look for the root.
var initrdRows = []row{
	{id: "root-not-found", class: "root-missing", weight: reason, words: []string{"did not show up", "device not found", "does not exist", "waiting for", "Mounting boot media", "Can't lookup blockdev", "recovery shell launched", "root pool", "zpool import", "cannot import", "Gave up waiting", "ALERT!", "Unable to find a medium", "live file system", "trying to mount anyway", "on /mnt-root", "stage 1 of the boot", "could not find the root", "Could not boot", "dracut-initqueue", "on /sysroot", "sysroot: ", "sysroot.mount", "unable to find a medium", "mount root", "can't find root", "volume group"},
		pattern: re(`device did not show up after|ALERT! .*(?:does not exist|Dropping)|Gave up waiting for (?:root|suspend/resume)? ?(?:file system )?device|Can't lookup blockdev|Manually import the root pool|No pool imported|cannot import '|FAIL: zpool import|[Uu]nable to find a medium|trying to mount anyway|mount: mounting \S+ on (?:/mnt-root|/newroot|/root|/sysroot|/media)\S* failed|[Ww]arning: (?:Could not boot|/dev/\S+ does not exist)|mount: /sysroot: |sysroot\.mount: (?:Mount process exited|Failed)|Failed to mount (?:/sysroot|sysroot)|ERROR: (?:device|Failed to mount|Unable to find root|resume: )|initramfs emergency recovery shell|can't find root|Volume group "\S+" not found`),
		means:   "the root device, the live medium or a pool did not appear, or cannot be mounted", remedy: "see which device the line names: its driver in the initrd, its label or UUID, its order on the command line"},
	{id: "stage-1-failed", class: "root-missing", weight: end, rescue: true, words: []string{"stage 1 of the boot"},
		pattern: re(`An error occurred in stage 1 of the boot`), means: "the initrd could not mount the root", remedy: "see the lines before it"},
	{id: "no-stage-2", class: "init", weight: reason, rescue: true, words: []string{"init script ("},
		pattern: re(`stage 2 init script \(\S+\) not found`), means: "the root has no init where the initrd looks", remedy: "see init= on the kernel's command line, and that the store on the root holds it"},
	{id: "rescue-shell", class: "root-missing", weight: end, rescue: true, words: []string{"(initramfs)", "[rootfs ", "dracut:/#", "emergency shell", "recovery shell launched", "Dropping to debug shell", "emergency mode", "Entering emergency", "rescue shell"},
		pattern: re(`^\(initramfs\)|^\[rootfs [~/]|^dracut:/#|[Ee]mergency shell|recovery shell launched|Dropping (?:to|you to) (?:debug|a|emergency) ?shell|rescue shell`),
		means:   "the initrd gave up and opened a rescue shell", remedy: "see the lines before it"},
	{id: "fsck-manual", class: "root-damaged", weight: reason, rescue: true, words: []string{"fsck", "File system check"},
		pattern: re(`UNEXPECTED INCONSISTENCY|RUN fsck MANUALLY|requires a manual fsck|File system check of the root filesystem failed`),
		means:   "the root file system is damaged, and needs fsck by hand", remedy: "check it (fsck -y DEVICE), or make the image again"},
	{id: "no-network-for-root", class: "network", weight: reason, words: []string{"ipconfig: ", "IP-Config: ", "net-*.conf", "resolve host", "failed to fetch", "Could not resolve", "no response after"},
		pattern: re(`ipconfig: (?:no devices to configure|no response)|IP-Config: (?:no response after|Auto-configuration of network failed|No network devices)|can't open '/run/net-`),
		means:   "the network that the boot needs is not there", remedy: "see that the machine has a network card whose driver is in the initrd, and that something answers DHCP"},
	{id: "config-unfetched", class: "config-refused", weight: reason, words: []string{"failed to fetch kickstart", "Ignition has failed", "failed to fetch config", "kickstart configuration file", "kickstart file", "failed to parse config", "Unable to fetch", "cloud-config"},
		pattern: re(`failed to fetch kickstart|Ignition has failed|(?:ignition|Ignition).*failed to (?:fetch|parse|acquire) config|while parsing the kickstart|problem reading from line \d+ of the kickstart|Invalid cloud-config|Failed loading yaml`),
		means:   "a provisioning config was refused, or could not be fetched", remedy: "see the place in it that the line names; validate it before the next boot (ignition-validate, ksvalidator, cloud-init schema)"},
}
