# Left-overs of RAID and LVM on two disks. A call follows this text:
# seed DISK DISK MARKER, or verify DISK DISK MARKER.

# try COMMAND...: its failure ends the script, named.
try() {
	said=$("$@" 2>&1)
	code=$?
	if [ $code -ne 0 ]; then
		echo "$said" >&2
		echo "$* failed with exit status $code" >&2
		exit 1
	fi
	echo "$* -> ${said:-ok}"
}

seed() {
	for tool in mdadm pvcreate vgcreate lvcreate blkid wipefs; do
		command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
	done
	# What the first pass made of the disks goes first.
	try swapoff -a
	for disk in "$1" "$2"; do
		lsblk -n -r -o MOUNTPOINT "$disk" | grep / | { while read -r point; do try umount "$point"; done; } || exit 1
	done
	for group in $(vgs --noheadings -o vg_name,pv_name 2>/dev/null | grep -e "$1" -e "$2" -e /dev/md | awk '{ print $1 }' | sort -u); do
		try vgchange -q -an "$group"
	done
	try mdadm --stop --scan
	for disk in "$1" "$2"; do
		for part in $(lsblk -n -r -p -o NAME "$disk" | tail -n +2); do try wipefs -q -a -f "$part"; done
		try wipefs -q -a -f "$disk"
		try blockdev --rereadpt "$disk"
	done
	try udevadm settle
	# The array is new, so there is nothing to synchronise.
	try mdadm --create /dev/md127 --run --force --assume-clean --metadata=1.2 --level=1 --raid-devices=2 "$1" "$2"
	try mdadm --detail /dev/md127
	try pvcreate -q -y -ff /dev/md127
	try vgcreate -q vg_residue /dev/md127
	try lvcreate -q -y -Wn -n lv_residue -l 100%FREE vg_residue
	try udevadm settle
	echo "$3" | try dd of=/dev/vg_residue/lv_residue conv=fsync status=none || exit 1
	found=$(head -c ${#3} /dev/vg_residue/lv_residue) # read back
	[ "$found" = "$3" ] || { echo "the marker reads back as '$found'" >&2; exit 1; }
	try blkid "$1"
	echo "the marker is on /dev/vg_residue/lv_residue, on RAID1 over $1 and $2"
}

verify() {
	left=''
	[ ! -e /dev/md127 ] || left="$left /dev/md127"
	mdadm --detail --scan 2>/dev/null | grep -qw md127 && left="$left array"
	vgs --noheadings -o vg_name 2>/dev/null | grep -qw vg_residue && left="$left vg_residue"
	lvs --noheadings -o lv_name 2>/dev/null | grep -qw lv_residue && left="$left lv_residue"
	[ ! -e /dev/vg_residue ] || left="$left /dev/vg_residue"
	for disk in "$1" "$2"; do
		signs=$(blkid -p "$disk" 2>/dev/null | grep -e linux_raid_member -e LVM2_member)
		[ -z "$signs" ] || left="$left signature($disk)"
	done
	lsblk
	[ -z "$left" ] || { echo "left over:$left" >&2; exit 1; }
	echo "nothing is left"
}
